//! Keep the fit of a picture set's features in a file, with what it was made of.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::{GaussianFit, MetricError};

const FORMAT: &str = "flowstill-feature-statistics/1";

/// A fit of features with the names of the network and of the pictures: computed once, compared with many.
///
/// The file is a `.safetensors` file of `8 * (d + d (d + 1) / 2)` bytes and a header: `mean` `[d]` and
/// `covariance_upper`, the upper triangle row by row, as exact `f64`; the rest is in its metadata.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureStatistics {
    /// The feature network with its input side, such as `efficientnet-lite0@64`; only equals compare.
    pub network: String,
    /// The name of the picture set.
    pub pictures: String,
    /// A fingerprint of the pictures themselves.
    pub fingerprint: String,
    /// Mean, covariance and count of the features.
    pub fit: GaussianFit,
}

impl FeatureStatistics {
    /// The squared Frechet distance to `other`; features of another network are an error.
    pub fn squared_distance(&self, other: &Self) -> Result<f64, MetricError> {
        self.expect_network(&other.network)?.squared_distance(&other.fit)
    }

    /// The fit, if its features come from `network`.
    pub fn expect_network(&self, network: &str) -> Result<&GaussianFit, MetricError> {
        if self.network == network {
            return Ok(&self.fit);
        }
        Err(MetricError::NetworksDiffer { left: self.network.clone(), right: network.into() })
    }

    /// Writes the file, first under a name with `.partial` behind it, so that no half a file is left under its own.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), MetricError> {
        let path = path.as_ref();
        let d = self.fit.columns();
        let upper: Vec<f64> = (0..d).flat_map(|i| &self.fit.covariance()[i * d + i..(i + 1) * d]).copied().collect();
        let tensors = [("mean", Array::new(self.fit.mean())), ("covariance_upper", Array::new(&upper))];
        let rows = self.fit.rows().to_string();
        let metadata: HashMap<String, String> = [
            ("format", FORMAT),
            ("network", &self.network),
            ("pictures", &self.pictures),
            ("fingerprint", &self.fingerprint),
            ("rows", &rows),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
        let name = || path.display().to_string();
        let bytes = safetensors::serialize(tensors, Some(metadata))
            .map_err(|error| MetricError::Statistics { path: name(), reason: error.to_string() })?;
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        std::fs::write(&partial, bytes)
            .and_then(|()| std::fs::rename(&partial, path))
            .map_err(|source| MetricError::Write { path: name(), source })
    }

    /// Reads the file and checks that it is whole and means something.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, MetricError> {
        let path = path.as_ref();
        let name = || path.display().to_string();
        let bytes = whole(path).map_err(|source| MetricError::Read { path: name(), source })?;
        Self::parse(&bytes)
            .map_err(|reason| MetricError::Statistics { path: name(), reason: reason.replace('\n', " ") })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let foreign = |error: safetensors::SafeTensorError| format!("it is no whole safetensors file ({error})");
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(foreign)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(foreign)?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let text = |key: &str| metadata.get(key).cloned().ok_or_else(|| format!("its metadata have no `{key}`"));
        if text("format")? != FORMAT {
            return Err(format!("its format is `{}`, expected `{FORMAT}`", text("format")?));
        }
        let rows: usize = match text("rows")?.parse() {
            Ok(rows) if rows >= 2 => rows,
            _ => return Err(format!("its `rows` are `{}`, expected a number from 2", text("rows")?)),
        };
        let numbers = |key: &str| -> Result<Vec<f64>, String> {
            let tensor = tensors.tensor(key).map_err(|_| format!("it has no tensor `{key}`"))?;
            if tensor.dtype() != Dtype::F64 {
                return Err(format!("its `{key}` is not of f64"));
            }
            let values = tensor.data().chunks_exact(8).map(|b| b.try_into().map_or(f64::NAN, f64::from_le_bytes));
            let values: Vec<f64> = values.collect();
            if values.iter().all(|v| v.is_finite()) { Ok(values) } else { Err(format!("its `{key}` is not finite")) }
        };
        let (mean, upper) = (numbers("mean")?, numbers("covariance_upper")?);
        let d = mean.len();
        if d == 0 || upper.len() != d * (d + 1) / 2 {
            return Err(format!("{d} means with {} covariances, expected d with d (d + 1) / 2", upper.len()));
        }
        let mut covariance = vec![0.0; d * d];
        let mut rest = upper.as_slice();
        for i in 0..d {
            let (line, after) = rest.split_at(d - i);
            if line[0] < 0.0 {
                return Err(format!("the variance of feature {i} is {}", line[0]));
            }
            covariance[i * d + i..(i + 1) * d].copy_from_slice(line);
            rest = after;
        }
        let fit = GaussianFit::from_moments(rows, mean, covariance);
        Ok(Self { network: text("network")?, pictures: text("pictures")?, fingerprint: text("fingerprint")?, fit })
    }
}

/// All bytes of a file; a device or a pipe has no end.
fn whole(path: &Path) -> std::io::Result<Vec<u8>> {
    let facts = std::fs::metadata(path)?;
    match facts.is_file() || facts.is_dir() {
        true => std::fs::read(path),
        false => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "a device or a pipe, expected a file")),
    }
}

/// A flat array of `f64` as safetensors writes one.
struct Array {
    bytes: Vec<u8>,
    shape: [usize; 1],
}

impl Array {
    fn new(values: &[f64]) -> Self {
        Self { bytes: values.iter().flat_map(|v| v.to_le_bytes()).collect(), shape: [values.len()] }
    }
}

impl View for Array {
    fn dtype(&self) -> Dtype {
        Dtype::F64
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
