//! Put a flow's settings into a few words.

use flowstill::flows::{FlowConfig, NsfForm};

/// The family and its size: `glow, 5 steps, hidden 32`, on pictures `glow, 3 levels of 8 steps, hidden 64`.
pub fn flow(config: &FlowConfig, pictures: bool) -> String {
    match config {
        FlowConfig::Glow(glow) if pictures => {
            format!("glow, {} levels of {} steps, hidden {}", glow.levels, glow.steps, glow.hidden)
        }
        FlowConfig::Realnvp(realnvp) if pictures => {
            let hidden = realnvp.hidden.first().copied().unwrap_or_default();
            format!("realnvp, {} levels of {} steps, hidden {hidden}", realnvp.levels, realnvp.steps)
        }
        FlowConfig::Glow(glow) => format!("glow, {} steps, hidden {}", glow.steps, glow.hidden),
        FlowConfig::Realnvp(realnvp) => format!("realnvp, {} steps, hidden {:?}", realnvp.steps, realnvp.hidden),
        FlowConfig::Maf(maf) => format!("maf, {} blocks, hidden {:?}", maf.blocks, maf.hidden),
        FlowConfig::Iaf(iaf) => format!("iaf, {} blocks, hidden {:?}", iaf.blocks, iaf.hidden),
        FlowConfig::Nsf(nsf) => {
            let form = if nsf.form == NsfForm::Coupling { "coupling" } else { "autoregressive" };
            format!("nsf ({form}), {} steps, hidden {}", nsf.steps, nsf.hidden)
        }
        other => other.kind().to_string(),
    }
}
