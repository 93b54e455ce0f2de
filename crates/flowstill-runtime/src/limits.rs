//! Refuse the description of a flow that no honest file holds, before anything is built from it.

use crate::architecture::{Architecture, Base, Bijector, Conditioner, Mask, ScaleMap, SplitPrior, Univariate};

/// Values of one sample that no honest flow reaches; keeps a forged file from asking for the whole memory.
const MOST_DIMENSIONS: usize = 1 << 24;
const MOST_CHANNELS: usize = 1 << 20;
const MOST_WIDTH: usize = 65_536;

type Checked<T = ()> = Result<T, String>;

/// Whether all sizes are in range and fit together; else what does not.
pub(crate) fn check(architecture: &Architecture) -> Checked {
    let Architecture { event, context, levels, splits, base } = architecture;
    let size = event.iter().try_fold(1_usize, |size, length| size.checked_mul(*length));
    if event.contains(&0) || size.is_none_or(|size| size > MOST_DIMENSIONS) || *context > MOST_CHANNELS {
        return Err(format!("samples of shape {event:?} with {context} conditioning values"));
    }
    if levels.is_empty() || splits.len() + 1 != levels.len() {
        return Err(format!("{} levels and {} splits", levels.len(), splits.len()));
    }
    let mut event = *event;
    for (index, steps) in levels.iter().enumerate() {
        for step in steps {
            event = layer(step, event, *context)?;
        }
        if let Some(split) = splits.get(index) {
            if split.channels != event[2] || split.channels < 2 || split.context != *context {
                return Err(format!("a split of {} channels on {event:?}", split.channels));
            }
            if let SplitPrior::Learned { scale } = split.prior {
                scale_map(scale)?;
            }
            event[2] = split.channels / 2;
        }
    }
    match base {
        Base::Mixture { components } if !(1..=10_000).contains(components) => Err(format!("{components} components")),
        Base::Uniform { low, high } if !(low.is_finite() && high.is_finite() && low < high) => {
            Err(format!("the interval [{low}, {high}]"))
        }
        _ => Ok(()),
    }
}

/// The shape that a layer makes of `event`.
fn layer(bijector: &Bijector, event: [usize; 3], context: usize) -> Checked<[usize; 3]> {
    let [h, w, c] = event;
    let fits = |channels: usize, own: usize| match channels == c && own == context {
        true => Ok(event),
        false => Err(format!("a layer of {channels} channels and {own} conditioning values on {event:?}")),
    };
    match bijector {
        Bijector::ActNorm { channels } | Bijector::Affine { channels } | Bijector::BatchNorm { channels } => {
            fits(*channels, context)
        }
        Bijector::Linear { channels } | Bijector::LuLinear { channels } => fits(*channels, context),
        Bijector::Permute { indices } => {
            let mut seen = indices.clone();
            seen.sort_unstable();
            match seen.iter().enumerate().all(|(i, j)| i == *j) {
                true => fits(indices.len(), context),
                false => Err("a permutation that is none".into()),
            }
        }
        Bijector::Coupling(config) => {
            let halves = match config.mask {
                Mask::Below(first) => (1..config.channels).contains(&first),
                _ => config.mask.is_spatial() || config.channels >= 2,
            };
            if !halves {
                return Err(format!("a coupling of {} channels", config.channels));
            }
            if config.mask.is_spatial() && h * w < 2 {
                return Err(format!("a coupling over a checkerboard of {h} x {w}"));
            }
            transform(config.transform)?;
            match &config.conditioner {
                Conditioner::Mlp { hidden, .. } => widths(hidden)?,
                Conditioner::Residual { hidden, blocks, .. } => {
                    widths(&[*hidden])?;
                    if *blocks > 10_000 {
                        return Err(format!("{blocks} residual blocks"));
                    }
                }
                Conditioner::Conv { hidden, .. } => widths(&[*hidden])?,
                Conditioner::ZeroConv => {}
            }
            fits(config.channels, config.context)
        }
        Bijector::MaskedAutoregressive(config) => {
            transform(config.transform)?;
            let hidden = &config.made.hidden;
            widths(hidden)?;
            let equal = hidden.windows(2).all(|pair| pair[0] == pair[1]);
            if config.made.residual && (!equal || hidden.len().is_multiple_of(2)) {
                return Err(format!("widths {hidden:?} with residual blocks"));
            }
            fits(config.channels, config.context)
        }
        Bijector::Squeeze if h % 2 == 0 && w % 2 == 0 => Ok([h / 2, w / 2, 4 * c]),
        Bijector::Squeeze => Err(format!("a squeeze of {event:?}")),
        Bijector::Chain { steps } => steps.iter().try_fold(event, |event, step| layer(step, event, context)),
        Bijector::Elementwise { .. } => Ok(event),
        Bijector::Inverted { inner } => turned(inner, event, context),
    }
}

/// The shape that a layer turned round makes of `event`.
fn turned(bijector: &Bijector, event: [usize; 3], context: usize) -> Checked<[usize; 3]> {
    let [h, w, c] = event;
    match bijector {
        Bijector::Squeeze if c % 4 == 0 => Ok([2 * h, 2 * w, c / 4]),
        Bijector::Squeeze => Err(format!("a squeeze turned round of {event:?}")),
        Bijector::Chain { steps } => steps.iter().rev().try_fold(event, |event, step| turned(step, event, context)),
        Bijector::Inverted { inner } => layer(inner, event, context),
        // All others keep the shape.
        same => layer(same, event, context),
    }
}

fn widths(widths: &[usize]) -> Checked {
    match widths.iter().find(|width| !(1..=MOST_WIDTH).contains(*width)) {
        Some(width) => Err(format!("a width of {width}")),
        None => Ok(()),
    }
}

fn transform(transform: Univariate) -> Checked {
    match transform {
        Univariate::Affine { scale } => scale_map(scale),
        Univariate::Additive => Ok(()),
        Univariate::RationalQuadratic { bins, tail_bound } => {
            match (2..=256).contains(&bins) && tail_bound > 0.0 && tail_bound < 1e6 {
                true => Ok(()),
                false => Err(format!("a spline of {bins} bins within {tail_bound}")),
            }
        }
    }
}

fn scale_map(scale: ScaleMap) -> Checked {
    let fits = match scale {
        ScaleMap::Tanh { bound } | ScaleMap::Softsign { bound } => bound > 0.0 && bound <= 30.0,
        ScaleMap::Sigmoid { floor } => (0.0..=1.0).contains(&floor),
        ScaleMap::Exp => true,
    };
    match fits {
        true => Ok(()),
        false => Err(format!("a log-scale out of range ({scale:?})")),
    }
}
