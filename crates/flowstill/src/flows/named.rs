//! Choose a named flow by a few settings.

use super::{Architecture, GlowConfig, MafConfig, NsfConfig, NsfForm, RealNvpConfig, SylvesterConfig};
use crate::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Make [`FlowConfig`] from the one list of named flows: what each is called in recipes and files, and its settings.
macro_rules! named_flows {
    ($($(#[$doc:meta])* $name:literal => $variant:ident($config:ty),)*) => {
        /// A named flow: a small recipe that assembles bijectors.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum FlowConfig {
            $($(#[$doc])* #[serde(rename = $name)] $variant($config),)*
        }

        impl FlowConfig {
            /// Every family's name, as in recipes.
            pub const KINDS: &'static [&'static str] = &[$($name),*];

            /// The family's name, as in recipes.
            pub fn kind(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)*
                }
            }

            /// Read the settings of the family called `kind`; none where there is no such family.
            ///
            /// # Errors
            /// What the settings' form reports.
            pub fn read<'de, D: Deserializer<'de>>(kind: &str, settings: D) -> Result<Option<Self>, D::Error> {
                match kind {
                    $($name => <$config>::deserialize(settings).map(|config| Some(Self::$variant(config))),)*
                    _ => Ok(None),
                }
            }
        }
    };
}

named_flows! {
    /// [`GlowConfig`].
    "glow" => Glow(GlowConfig),
    /// [`RealNvpConfig`].
    "realnvp" => Realnvp(RealNvpConfig),
    /// [`MafConfig`]: fast densities, slow samples.
    "maf" => Maf(MafConfig),
    /// [`MafConfig`] turned round: fast samples, slow densities (Kingma et al. 2016).
    "iaf" => Iaf(MafConfig),
    /// [`NsfConfig`].
    "nsf" => Nsf(NsfConfig),
    /// [`SylvesterConfig`]: fast densities, samples by Newton's method.
    "sylvester" => Sylvester(SylvesterConfig),
}

impl FlowConfig {
    /// The flow over `columns` values with `context` conditioning ones; `seed` draws its fixed permutations.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that is out of range.
    pub fn assemble(&self, columns: usize, context: usize, seed: u64) -> crate::Result<Architecture> {
        match self {
            FlowConfig::Glow(config) => config.assemble(columns, context),
            FlowConfig::Realnvp(config) => config.assemble(columns, context),
            FlowConfig::Maf(config) => config.assemble(columns, context, seed),
            FlowConfig::Iaf(config) => config.assemble_inverted(columns, context, seed),
            FlowConfig::Nsf(config) => config.assemble(columns, context, seed),
            FlowConfig::Sylvester(config) => config.assemble(columns, context),
        }
    }

    /// The flow over pictures of shape `event` (height, width, channels) with `context` conditioning values.
    ///
    /// # Errors
    /// [`Error::Config`] names the setting that is out of range, or a family that has no form for pictures.
    pub fn assemble_picture(&self, event: [usize; 3], context: usize) -> crate::Result<Architecture> {
        match self {
            FlowConfig::Glow(config) => config.assemble_picture(event, context),
            FlowConfig::Realnvp(config) => config.assemble_picture(event, context),
            other => Err(Error::config(
                "kind",
                format!("{} has no form for pictures", other.kind()),
                "use glow (with a spline as its transform, if you like) or realnvp",
            )),
        }
    }

    /// The family and its size in a few words: `glow, 5 steps, hidden 32`, on pictures `glow, 3 levels of 8 steps, hidden 64`.
    pub fn describe(&self, pictures: bool) -> String {
        let size = match self {
            Self::Glow(c) if pictures => format!("{} levels of {} steps, hidden {}", c.levels, c.steps, c.hidden),
            Self::Realnvp(c) if pictures => {
                let hidden = c.hidden.first().copied().unwrap_or_default();
                format!("{} levels of {} steps, hidden {hidden}", c.levels, c.steps)
            }
            Self::Glow(c) => format!("{} steps, hidden {}", c.steps, c.hidden),
            Self::Realnvp(c) => format!("{} steps, hidden {:?}", c.steps, c.hidden),
            Self::Maf(c) | Self::Iaf(c) => format!("{} blocks, hidden {:?}", c.blocks, c.hidden),
            Self::Nsf(c) => format!("{} steps, hidden {}", c.steps, c.hidden),
            Self::Sylvester(c) => c.describe(),
        };
        let form = match self {
            Self::Nsf(c) if c.form == NsfForm::Coupling => " (coupling)",
            Self::Nsf(_) => " (autoregressive)",
            _ => "",
        };
        format!("{}{form}, {size}", self.kind())
    }
}

/// The flow with a base that depends on the context, if that is wished.
pub(super) fn with_base(architecture: Architecture, conditional: bool) -> crate::Result<Architecture> {
    if conditional { architecture.with_conditional_base() } else { Ok(architecture) }
}

/// Refuse a flow without steps, and one so deep that it is surely a slip.
pub(super) fn check_steps(name: &str, steps: usize) -> crate::Result<()> {
    match steps {
        1..=1000 => Ok(()),
        _ => Err(Error::config(name, format!("{steps} steps"), "use 1 to 1000")),
    }
}
