//! List the tensors of a flow, by name and shape, as a flow file holds them.

use crate::architecture::{Architecture, Base, Bijector, Conditioner, SplitPrior};
use crate::layers::map;
use flowstill_kernels::windows::WINDOW;

/// Every saved tensor; masks and what else follows from the description is not among them.
pub(crate) fn tensors(architecture: &Architecture, latents: &[[usize; 3]]) -> Vec<(String, Vec<usize>)> {
    let mut list = List(Vec::new());
    for (level, steps) in architecture.levels.iter().enumerate() {
        for (index, step) in steps.iter().enumerate() {
            list.layer(&format!("levels.{level}.steps.{index}"), step);
        }
        if let Some(split) = architecture.splits.get(level)
            && let SplitPrior::Learned { .. } = split.prior
        {
            let kept = split.channels / 2;
            let path = format!("levels.{level}.split.prior.conv.last");
            list.zero_conv(&path, kept + split.context, 2 * (split.channels - kept));
        }
    }
    let dimensions: usize = latents.last().map_or(0, |event| event.iter().product());
    let normals = match architecture.base {
        Base::DiagonalNormal => 1,
        Base::Mixture { components } => components,
        Base::StandardNormal | Base::Uniform { .. } => 0,
    };
    if normals > 0 {
        list.push("base.mean", "", &[normals, dimensions]);
        list.push("base.log_std", "", &[normals, dimensions]);
    }
    if let Base::Mixture { components } = architecture.base {
        list.push("base.logits", "", &[components]);
    }
    list.0
}

struct List(Vec<(String, Vec<usize>)>);

impl List {
    fn push(&mut self, path: &str, name: &str, shape: &[usize]) {
        self.0.push((if name.is_empty() { path.to_string() } else { format!("{path}.{name}") }, shape.to_vec()));
    }

    fn all(&mut self, path: &str, names: &[&str], shape: &[usize]) {
        names.iter().for_each(|name| self.push(path, name, shape));
    }

    fn layer(&mut self, path: &str, bijector: &Bijector) {
        match bijector {
            Bijector::ActNorm { channels } => {
                self.all(path, &["shift", "log_scale"], &[*channels]);
                self.push(path, "initialized", &[1]);
            }
            Bijector::Affine { channels } => self.all(path, &["shift", "log_scale"], &[*channels]),
            Bijector::BatchNorm { channels } => {
                self.all(path, &["mean", "variance", "log_gamma", "beta"], &[*channels]);
                self.push(path, "initialized", &[1]);
            }
            Bijector::Linear { channels } => {
                self.push(path, "weight", &[*channels, *channels]);
                self.push(path, "bias", &[*channels]);
            }
            Bijector::LuLinear { channels } => {
                self.all(path, &["permutation", "lower", "upper"], &[*channels, *channels]);
                self.all(path, &["sign", "log_s", "bias"], &[*channels]);
            }
            Bijector::Coupling(config) => {
                let all = config.channels;
                let (kept, moved) =
                    config.mask.halves(all).map_or((all, all), |(kept, moved)| (kept.len(), moved.len()));
                let (inputs, outputs) = (kept + config.context, moved * map(config.transform).params());
                let path = format!("{path}.net");
                match &config.conditioner {
                    Conditioner::Mlp { hidden, .. } => self.dense(&path, inputs, hidden, outputs),
                    Conditioner::Residual { hidden, blocks, .. } => {
                        self.dense(&path, inputs, &vec![*hidden; 1 + 2 * blocks], outputs);
                    }
                    Conditioner::Conv { hidden, .. } => {
                        for (index, shape) in [[WINDOW, inputs, *hidden], [1, *hidden, *hidden]].iter().enumerate() {
                            let path = format!("{path}.conv.hidden.{index}");
                            self.push(&path, "weight", shape);
                            self.all(&path, &["shift", "log_scale"], &[*hidden]);
                            self.push(&path, "initialized", &[1]);
                        }
                        self.zero_conv(&format!("{path}.conv.last"), *hidden, outputs);
                    }
                    Conditioner::ZeroConv => self.zero_conv(&format!("{path}.conv.last"), inputs, outputs),
                }
            }
            Bijector::MaskedAutoregressive(config) => {
                let path = format!("{path}.net");
                let outputs = config.channels * map(config.transform).params();
                self.dense(&path, config.channels, &config.made.hidden, outputs);
                if config.context > 0 {
                    let first = config.made.hidden.first().copied().unwrap_or(outputs);
                    self.push(&path, "context", &[config.context, first]);
                }
            }
            Bijector::Chain { steps } => {
                steps.iter().enumerate().for_each(|(index, step)| self.layer(&format!("{path}.steps.{index}"), step));
            }
            Bijector::Inverted { inner } => self.layer(&format!("{path}.inner"), inner),
            Bijector::Permute { .. } | Bijector::Squeeze | Bijector::Elementwise { .. } => {}
        }
    }

    fn dense(&mut self, path: &str, inputs: usize, hidden: &[usize], outputs: usize) {
        let mut before = inputs;
        for (index, width) in hidden.iter().chain([&outputs]).enumerate() {
            let path = format!("{path}.layers.{index}");
            self.push(&path, "weight", &[before, *width]);
            self.push(&path, "bias", &[*width]);
            before = *width;
        }
    }

    fn zero_conv(&mut self, path: &str, inputs: usize, outputs: usize) {
        self.push(path, "weight", &[inputs, WINDOW, outputs]);
        self.all(path, &["bias", "log_scale"], &[outputs]);
    }
}
