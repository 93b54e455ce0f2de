//! `flowstill inspect`: what a flow file holds.

use crate::args::Inspect;
use crate::failure::Outcome;
use crate::out;
use flowstill::Parameters;
use flowstill::file::{self, FORMAT_VERSION};
use flowstill::model::{Model, SplitFacts};
use flowstill::pictures::{PictureScaling, Range};
use flowstill_experiment::words::shape;
use flowstill_experiment::{class_names, is_picture_set};
use serde_json::json;

/// What runs the flow in f32 on the CPU.
fn engine(model: &Model) -> String {
    match model.flow.refused() {
        None => "compiled program".into(),
        Some(refused) => format!("composition of tensor operations ({refused})"),
    }
}

pub(super) fn run(args: &Inspect) -> Outcome<()> {
    let model = file::load(&args.flow, &flowstill::device::cpu())?;
    let (facts, architecture) = (&model.facts, model.flow.architecture());
    let bytes = std::fs::metadata(&args.flow).map(|data| data.len()).unwrap_or_default();
    let parameters = model.flow.parameter_count();
    if args.json {
        let tensors = model.flow.params();
        let tensors = tensors.iter().map(|(name, param)| json!({ "name": name, "shape": param.shape() }));
        let mut value = json!({
            "file": args.flow.display().to_string(),
            "bytes": bytes,
            "format_version": FORMAT_VERSION,
            "parameters": parameters,
            "architecture": architecture,
            "standardization": model.standardization,
            "log_det_of_standardization_nats": model.standardization.log_det(),
            "engine": engine(&model),
            "facts": facts,
            "tensors": tensors.collect::<Vec<_>>(),
        });
        if let Some(scaling) = model.pictures {
            let [height, width, channels] = architecture.event;
            value["pictures"] = json!({
                "height": height, "width": width, "channels": channels, "bits": scaling.bits, "range": scaling.range,
                "levels": architecture.levels.len(), "latents": model.flow.latent_events(), "classes": class_names(&model),
            });
            value["validation_bits_per_dim"] = facts.validation_nll.into();
        }
        return out::print_json(&value);
    }
    let unit = if model.pictures.is_some() { "bits/dim" } else { "nats (standardised data)" };
    let validation = facts.validation_nll.map_or("-".into(), |nll| format!("{nll:.4} {unit}"));
    let list = |names: &[String]| if names.is_empty() { "-".to_string() } else { names.join(", ") };
    let mut lines = vec![
        ("flow", facts.flow.clone()),
        ("role", facts.role.clone()),
        ("parameters", parameters.to_string()),
        ("steps of the flow", architecture.steps().to_string()),
        ("base density", json!(architecture.base)["kind"].as_str().unwrap_or("-").to_string()),
        ("engine on the CPU", engine(&model)),
        ("trained on", facts.data.clone()),
        ("split", facts.split.as_ref().map_or("-".into(), split)),
        ("training", format!("seed {}, {} steps, {} skipped", facts.seed, facts.steps, facts.skipped)),
        ("validation nll", validation),
        ("file", format!("{bytes} bytes, format {FORMAT_VERSION}, written by flowstill {}", facts.flowstill)),
    ];
    match model.pictures {
        None => {
            lines.splice(
                4..4,
                [
                    ("columns", format!("{}: {}", model.columns(), list(&facts.columns))),
                    ("conditioned on", list(&facts.context_columns)),
                ],
            );
            let adds = format!("adds {:.4} nats to a standardised log-density", model.standardization.log_det());
            lines.insert(lines.len() - 1, ("standardisation", adds));
        }
        Some(scaling) => {
            let classes = class_names(&model);
            let classes =
                if classes.is_empty() { "-".into() } else { format!("{}: {}", classes.len(), list(&classes)) };
            lines.splice(4..4, pictures(&model, scaling).into_iter().chain([("classes", classes)]));
        }
    }
    out::print_values(lines, 18)
}

/// What a flow over pictures sees, and where it leaves its latents.
fn pictures(model: &Model, scaling: PictureScaling) -> [(&'static str, String); 3] {
    let [h, w, c] = model.flow.architecture().event;
    let range = match scaling.range {
        Range::Centred => "centred: -1/2 to 1/2".to_string(),
        Range::Logit { alpha } => format!("logit, alpha {alpha}"),
    };
    let latents: Vec<String> = model.flow.latent_events().iter().map(|event| shape(*event)).collect();
    [
        ("pictures", format!("height {h}, width {w}, channels {c}, {} bits", scaling.bits)),
        ("range", range),
        ("levels", format!("{}: latents of {}", latents.len(), latents.join(", "))),
    ]
}

/// Which rows the flow learned from.
fn split(split: &SplitFacts) -> String {
    let limit = split.limit_rows.map(|rows| format!(", at most {rows} to learn from")).unwrap_or_default();
    let SplitFacts { seed, test, validation, rows, .. } = split;
    let what = if is_picture_set(&split.set) { "pictures" } else { "rows" };
    format!("{rows} {what}, seed {seed}, test part {test}, validation part {validation}{limit}")
}
