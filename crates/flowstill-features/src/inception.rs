//! Run the Inception-v3 of the FID up to its 2,048 pooled features.

use std::path::Path;

use crate::layers::{Conv, Grid, Kind, Nonlinearity, Normalization, Padding, Resize, View, mean_over_pixels, pool};
use crate::network::in_groups;
use crate::{FeatureError, FeatureNetwork, Pictures, Weights};

const REMEDY: &str = "pass the file pt_inception-2015-12-05-6726825d.pth, a release file of the pytorch-fid project";
const EPSILON: f64 = 1e-3;
const FEATURES: usize = 2_048;
const SIDE: usize = 299;

/// The Inception-v3 that the FID is defined by, in its PyTorch port, up to the mean of its last activations (`pool3`).
///
/// It differs from torchvision's Inception-v3 in its weights, TensorFlow's of 2015-12-05, in mean pools that leave the
/// padding out, and in the max pool of its last block. Pictures are resized bilinearly to 299 x 299
/// (`align_corners=False`, no antialiasing) and become `2 * byte / 255 - 1`.
///
/// Szegedy et al. 2016; Heusel et al. 2017; the layout of the weights is that of the project pytorch-fid.
pub struct FidInception {
    layers: Vec<Layer>,
}

/// One step of the network, from one grid to the next.
enum Layer {
    Conv(Conv),
    /// 3 x 3, stride 2, no padding.
    MaxPool,
    /// Branches of the same input, side by side in the channels of the output.
    Mixed(Vec<Branch>),
}

/// Where a branch begins, and what it is made of.
struct Branch {
    pool: Option<Pool>,
    convs: Vec<Conv>,
    /// Two convolutions of what the chain gave, side by side.
    fork: Option<(Conv, Conv)>,
}

/// The pool that starts a branch: kind, stride, padding.
#[derive(Clone, Copy)]
struct Pool(Kind, usize, usize);

impl FidInception {
    /// Reads the weights from the `.pth` file, of either torch layout.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, FeatureError> {
        Self::from_weights(&Weights::read(path.as_ref(), REMEDY)?)
    }

    /// Takes the weights by their names in that file, which are torchvision's.
    pub fn from_weights(weights: &Weights) -> Result<Self, FeatureError> {
        let load = Loader { weights };
        let square = |name: &str, channels, out, kernel, stride, padding| {
            load.conv(name, [out, channels, kernel, kernel], stride, (padding, padding)).map(Layer::Conv)
        };
        let mut layers = vec![
            square("Conv2d_1a_3x3", 3, 32, 3, 2, 0)?,
            square("Conv2d_2a_3x3", 32, 32, 3, 1, 0)?,
            square("Conv2d_2b_3x3", 32, 64, 3, 1, 1)?,
            Layer::MaxPool,
            square("Conv2d_3b_1x1", 64, 80, 1, 1, 0)?,
            square("Conv2d_4a_3x3", 80, 192, 3, 1, 0)?,
            Layer::MaxPool,
        ];
        for (name, channels, pooled) in [("Mixed_5b", 192, 32), ("Mixed_5c", 256, 64), ("Mixed_5d", 288, 64)] {
            layers.push(load.block_a(name, channels, pooled)?);
        }
        layers.push(load.block_b("Mixed_6a", 288)?);
        for (name, narrow) in [("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)] {
            layers.push(load.block_c(name, 768, narrow)?);
        }
        layers.push(load.block_d("Mixed_7a", 768)?);
        layers.push(load.block_e("Mixed_7b", 1_280, Kind::MeanInside)?);
        layers.push(load.block_e("Mixed_7c", 2_048, Kind::Max)?);
        Ok(Self { layers })
    }
}

impl FeatureNetwork for FidInception {
    fn name(&self) -> String {
        "fid-inception-v3".into()
    }

    fn dimensions(&self) -> usize {
        FEATURES
    }

    fn features(&self, pictures: &Pictures<'_>) -> Vec<f32> {
        let resize = Resize { side: SIDE, scale: 2.0 / 255.0, shift: -1.0 };
        in_groups(pictures.count(), 1, FEATURES, Vec::new, |patches, first, out| {
            for (k, out) in out.chunks_exact_mut(FEATURES).enumerate() {
                let mut grid = Grid::new(1, SIDE, SIDE, 3);
                resize.run(pictures, first + k, &mut grid.values);
                for layer in &self.layers {
                    grid = layer.run(&grid, patches);
                }
                mean_over_pixels(grid.view(), out);
            }
        })
    }
}

impl Layer {
    fn run(&self, input: &Grid, patches: &mut Vec<f32>) -> Grid {
        match self {
            Self::Conv(conv) => convolve(conv, input.view(), patches),
            Self::MaxPool => Pool(Kind::Max, 2, 0).run(input.view()),
            Self::Mixed(branches) => {
                let (height, width) = branches[0].output(input);
                let channels = branches.iter().map(|branch| branch.width(input.channels)).sum();
                let mut out = Grid::new(input.count, height, width, channels);
                let mut first = 0;
                for branch in branches {
                    branch.run(input, &mut out.values[first..], channels, patches);
                    first += branch.width(input.channels);
                }
                out
            }
        }
    }
}

fn convolve(conv: &Conv, input: View<'_>, patches: &mut Vec<f32>) -> Grid {
    let (height, width) = conv.output(input.height, input.width);
    let mut out = Grid::new(input.count, height, width, conv.width());
    conv.run(input, &mut out.values, conv.width(), patches);
    out
}

impl Pool {
    fn output(self, size: usize) -> usize {
        (size + 2 * self.2).saturating_sub(3) / self.1 + 1
    }

    fn run(self, input: View<'_>) -> Grid {
        let mut out = Grid::new(input.count, self.output(input.height), self.output(input.width), input.channels);
        pool(self.0, self.1, self.2, input, &mut out.values, input.channels);
        out
    }
}

impl Branch {
    fn of(convs: Vec<Conv>) -> Self {
        Self { pool: None, convs, fork: None }
    }

    /// Channels of its output.
    fn width(&self, channels: usize) -> usize {
        match &self.fork {
            Some((left, right)) => left.width() + right.width(),
            None => self.convs.last().map_or(channels, Conv::width),
        }
    }

    /// Height and width of its output.
    fn output(&self, input: &Grid) -> (usize, usize) {
        let start = match self.pool {
            Some(pool) => (pool.output(input.height), pool.output(input.width)),
            None => (input.height, input.width),
        };
        self.convs.iter().fold(start, |(height, width), conv| conv.output(height, width))
    }

    /// Writes its channels into `out`, whose pixels are `stride` values apart.
    fn run(&self, input: &Grid, out: &mut [f32], stride: usize, patches: &mut Vec<f32>) {
        let mut owned = match self.pool {
            Some(Pool(kind, step, padding)) if self.convs.is_empty() => {
                pool(kind, step, padding, input.view(), out, stride);
                return;
            }
            Some(pool) => Some(pool.run(input.view())),
            None => None,
        };
        let (last, chain) = match (&self.fork, self.convs.split_last()) {
            (None, Some((last, chain))) => (Some(last), chain),
            _ => (None, self.convs.as_slice()),
        };
        for conv in chain {
            owned = Some(convolve(conv, owned.as_ref().unwrap_or(input).view(), patches));
        }
        let current = owned.as_ref().unwrap_or(input).view();
        if let Some(last) = last {
            last.run(current, out, stride, patches);
        } else if let Some((left, right)) = &self.fork {
            left.run(current, out, stride, patches);
            right.run(current, &mut out[left.width()..], stride, patches);
        }
    }
}

/// Takes convolutions and whole blocks out of the checkpoint by name.
struct Loader<'a> {
    weights: &'a Weights,
}

impl Loader<'_> {
    fn conv(
        &self,
        name: &str,
        shape: [usize; 4],
        stride: usize,
        padding: (usize, usize),
    ) -> Result<Conv, FeatureError> {
        let weight = self.weights.expect(&format!("{name}.conv.weight"), &shape, REMEDY)?;
        let norm = Normalization::load(self.weights, &format!("{name}.bn"), shape[0], EPSILON, REMEDY)?;
        Ok(Conv::new(weight, shape, &norm, stride, Padding::Explicit(padding.0, padding.1), Nonlinearity::Relu))
    }

    /// A chain of convolutions: name, kernel rows, kernel columns, channels out, stride; at stride 1 the size is kept.
    fn chain(
        &self,
        block: &str,
        mut channels: usize,
        parts: &[(&str, usize, usize, usize, usize)],
    ) -> Result<Vec<Conv>, FeatureError> {
        let mut convs = Vec::new();
        for &(name, rows, columns, out, stride) in parts {
            let padding = if stride == 1 { (rows / 2, columns / 2) } else { (0, 0) };
            convs.push(self.conv(&format!("{block}.{name}"), [out, channels, rows, columns], stride, padding)?);
            channels = out;
        }
        Ok(convs)
    }

    fn block_a(&self, name: &str, channels: usize, pooled: usize) -> Result<Layer, FeatureError> {
        let chain = |parts: &[_]| self.chain(name, channels, parts);
        let convs = chain(&[("branch_pool", 1, 1, pooled, 1)])?;
        Ok(Layer::Mixed(vec![
            Branch::of(chain(&[("branch1x1", 1, 1, 64, 1)])?),
            Branch::of(chain(&[("branch5x5_1", 1, 1, 48, 1), ("branch5x5_2", 5, 5, 64, 1)])?),
            Branch::of(chain(&[
                ("branch3x3dbl_1", 1, 1, 64, 1),
                ("branch3x3dbl_2", 3, 3, 96, 1),
                ("branch3x3dbl_3", 3, 3, 96, 1),
            ])?),
            Branch { pool: Some(Pool(Kind::MeanInside, 1, 1)), convs, fork: None },
        ]))
    }

    fn block_b(&self, name: &str, channels: usize) -> Result<Layer, FeatureError> {
        let chain = |parts: &[_]| self.chain(name, channels, parts);
        Ok(Layer::Mixed(vec![
            Branch::of(chain(&[("branch3x3", 3, 3, 384, 2)])?),
            Branch::of(chain(&[
                ("branch3x3dbl_1", 1, 1, 64, 1),
                ("branch3x3dbl_2", 3, 3, 96, 1),
                ("branch3x3dbl_3", 3, 3, 96, 2),
            ])?),
            Branch { pool: Some(Pool(Kind::Max, 2, 0)), convs: Vec::new(), fork: None },
        ]))
    }

    fn block_c(&self, name: &str, channels: usize, narrow: usize) -> Result<Layer, FeatureError> {
        let chain = |parts: &[_]| self.chain(name, channels, parts);
        let convs = chain(&[("branch_pool", 1, 1, 192, 1)])?;
        Ok(Layer::Mixed(vec![
            Branch::of(chain(&[("branch1x1", 1, 1, 192, 1)])?),
            Branch::of(chain(&[
                ("branch7x7_1", 1, 1, narrow, 1),
                ("branch7x7_2", 1, 7, narrow, 1),
                ("branch7x7_3", 7, 1, 192, 1),
            ])?),
            Branch::of(chain(&[
                ("branch7x7dbl_1", 1, 1, narrow, 1),
                ("branch7x7dbl_2", 7, 1, narrow, 1),
                ("branch7x7dbl_3", 1, 7, narrow, 1),
                ("branch7x7dbl_4", 7, 1, narrow, 1),
                ("branch7x7dbl_5", 1, 7, 192, 1),
            ])?),
            Branch { pool: Some(Pool(Kind::MeanInside, 1, 1)), convs, fork: None },
        ]))
    }

    fn block_d(&self, name: &str, channels: usize) -> Result<Layer, FeatureError> {
        let chain = |parts: &[_]| self.chain(name, channels, parts);
        Ok(Layer::Mixed(vec![
            Branch::of(chain(&[("branch3x3_1", 1, 1, 192, 1), ("branch3x3_2", 3, 3, 320, 2)])?),
            Branch::of(chain(&[
                ("branch7x7x3_1", 1, 1, 192, 1),
                ("branch7x7x3_2", 1, 7, 192, 1),
                ("branch7x7x3_3", 7, 1, 192, 1),
                ("branch7x7x3_4", 3, 3, 192, 2),
            ])?),
            Branch { pool: Some(Pool(Kind::Max, 2, 0)), convs: Vec::new(), fork: None },
        ]))
    }

    fn block_e(&self, name: &str, channels: usize, kind: Kind) -> Result<Layer, FeatureError> {
        let chain = |parts: &[_]| self.chain(name, channels, parts);
        let fork = |row: &str, column: &str| -> Result<_, FeatureError> {
            let left = self.conv(&format!("{name}.{row}"), [384, 384, 1, 3], 1, (0, 1))?;
            Ok(Some((left, self.conv(&format!("{name}.{column}"), [384, 384, 3, 1], 1, (1, 0))?)))
        };
        let convs = chain(&[("branch_pool", 1, 1, 192, 1)])?;
        Ok(Layer::Mixed(vec![
            Branch::of(chain(&[("branch1x1", 1, 1, 320, 1)])?),
            Branch {
                pool: None,
                convs: chain(&[("branch3x3_1", 1, 1, 384, 1)])?,
                fork: fork("branch3x3_2a", "branch3x3_2b")?,
            },
            Branch {
                pool: None,
                convs: chain(&[("branch3x3dbl_1", 1, 1, 448, 1), ("branch3x3dbl_2", 3, 3, 384, 1)])?,
                fork: fork("branch3x3dbl_3a", "branch3x3dbl_3b")?,
            },
            Branch { pool: Some(Pool(kind, 1, 1)), convs, fork: None },
        ]))
    }
}
