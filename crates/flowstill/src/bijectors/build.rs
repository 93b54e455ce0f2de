//! Build bijectors from their descriptions, with fresh weights.

use super::*;
use crate::{Error, Result};
use burn::tensor::Device;
use rand::RngCore;

/// What makes a layer of tensors from its description.
pub trait Build {
    /// Check the settings and build the layer with fresh weights from `rng`.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) names the setting that is out of range.
    fn build(&self, rng: &mut impl RngCore, device: &Device) -> Result<Box<dyn Bijector>>;
}

impl Build for BijectorConfig {
    fn build(&self, rng: &mut impl RngCore, device: &Device) -> Result<Box<dyn Bijector>> {
        self.check()?;
        // A closed function with a trait object keeps the recursion from instantiating itself for ever.
        build(self, rng, device)
    }
}

/// Build several, in order.
///
/// # Errors
/// [`Error::Config`](crate::Error::Config) names the setting that is out of range.
pub fn build_all(
    configs: &[BijectorConfig],
    rng: &mut impl RngCore,
    device: &Device,
) -> Result<Vec<Box<dyn Bijector>>> {
    configs.iter().map(|config| config.build(rng, device)).collect()
}

fn build(config: &BijectorConfig, mut rng: &mut dyn RngCore, device: &Device) -> Result<Box<dyn Bijector>> {
    let rng = &mut rng;
    Ok(match config {
        BijectorConfig::ActNorm { channels } => Box::new(ActNorm::new(*channels, device)),
        BijectorConfig::Affine { channels } => Box::new(Affine::new(*channels, device)),
        BijectorConfig::BatchNorm { channels } => Box::new(BatchNorm::new(*channels, device)),
        BijectorConfig::Linear { channels } => Box::new(Linear::new(*channels, rng, device)),
        BijectorConfig::LuLinear { channels } => Box::new(LuLinear::new(*channels, rng, device)),
        BijectorConfig::Permute { indices } => Box::new(Permute::new(indices.clone())),
        BijectorConfig::Elementwise { map } => Box::new(Elementwise::new(*map)),
        BijectorConfig::Coupling(config) => Box::new(Coupling::new(config, rng, device)),
        BijectorConfig::MaskedAutoregressive(config) => Box::new(MaskedAutoregressive::new(config, rng, device)),
        BijectorConfig::Sylvester(config) => Box::new(Sylvester::new(config, rng, device)),
        BijectorConfig::Squeeze => Box::new(Squeeze),
        BijectorConfig::Inverted { inner } => Box::new(Inverted::new(build(inner, rng, device)?)?),
        BijectorConfig::Chain { steps } => {
            Box::new(Chain::new(steps.iter().map(|step| build(step, rng, device)).collect::<Result<_>>()?))
        }
        BijectorConfig::Own { name, .. } => {
            let problem = "is not of flowstill, which cannot make it";
            return Err(Error::config(format!("layer {name}"), problem, "hand it to Flow::from_bijectors"));
        }
        _ => unreachable!("every kind of this version is listed above"),
    })
}
