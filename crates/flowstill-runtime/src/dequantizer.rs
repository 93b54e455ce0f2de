//! Draw the noise that makes pictures continuous from a learned flow, given the picture: its layers, and what stands around them.

use crate::architecture::{
    Activation, Architecture, BaseConfig, BijectorConfig, ConditionerConfig, CouplingConfig, Mask, Univariate,
    inverse_permutation,
};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The size of a learned dequantiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VariationalConfig {
    /// Couplings; two of them move every value once. Default 4.
    pub steps: usize,
    /// Channels of the hidden layers of each coupling's 3x3 - 1x1 - 3x3 net. Default 32.
    pub hidden: usize,
}

impl Default for VariationalConfig {
    fn default() -> Self {
        Self { steps: 4, hidden: 32 }
    }
}

impl VariationalConfig {
    /// Check every range.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting.
    pub fn check(&self) -> Result<()> {
        for (name, value, most) in [("steps", self.steps, 256), ("hidden", self.hidden, 65_536)] {
            if !(1..=most).contains(&value) {
                let name = format!("dequantization.variational.{name}");
                return Err(Error::config(name, format!("{value}"), format!("use 1 to {most}")));
            }
        }
        Ok(())
    }

    /// The flow `g` from noise to standard normal noise over squeezed pictures of `event` (height, width, channels), `[picture 4c | noise 4c]`: one level of one
    /// step under a standard normal, of which the noise's half is the noise.
    ///
    /// # Errors
    /// [`Error::Config`] for settings out of range and for pictures with an odd height or width.
    pub fn architecture(&self, event: [usize; 3]) -> Result<Architecture> {
        self.check()?;
        let [h, w, c] = event;
        if h % 2 != 0 || w % 2 != 0 || h * w * c == 0 {
            return Err(Error::config(
                "dequantization",
                format!("the variational one needs an even height and width, the pictures are {h}x{w}x{c}"),
                "use dequantization = \"uniform\", or crop the pictures",
            ));
        }
        Ok(Architecture {
            event: [h / 2, w / 2, 8 * c],
            context: 0,
            levels: vec![vec![BijectorConfig::Chain { steps: self.layers(c) }]],
            splits: Vec::new(),
            base: BaseConfig::StandardNormal,
        })
    }

    /// The name in a flow file of a tensor of that architecture.
    pub fn name_in_file(name: &str) -> String {
        match name.strip_prefix("levels.0.steps.0") {
            Some(rest) => format!("dequantizer.map{rest}"),
            None => format!("dequantizer.{name}"),
        }
    }

    /// Couplings on `[picture 4c | noise 4c]`; between them the noise's channels are reversed and dealt out by turns, so that rows, columns and diagonals of
    /// a 2x2 block condition each other. At the end they stand as they did.
    fn layers(&self, channels: usize) -> Vec<BijectorConfig> {
        let four = 4 * channels;
        let coupling = BijectorConfig::Coupling(CouplingConfig {
            channels: 2 * four,
            mask: Mask::Below(four + four / 2),
            transform: Univariate::default(),
            conditioner: ConditionerConfig::Conv { hidden: self.hidden, activation: Activation::default() },
            context: 0,
        });
        let turn = |step: usize| -> Vec<usize> {
            let noise: Vec<usize> = match step % 2 {
                1 => (0..four).rev().collect(),
                _ => (0..four).step_by(2).chain((1..four).step_by(2)).collect(),
            };
            (0..four).chain(noise.into_iter().map(|channel| four + channel)).collect()
        };
        // Where each channel came from.
        let mut order: Vec<usize> = (0..2 * four).collect();
        let mut layers = vec![coupling.clone()];
        for step in 1..self.steps {
            let indices = turn(step);
            order = indices.iter().map(|&channel| order[channel]).collect();
            layers.extend([BijectorConfig::Permute { indices }, coupling.clone()]);
        }
        layers.push(BijectorConfig::Permute { indices: inverse_permutation(&order) });
        layers
    }
}
