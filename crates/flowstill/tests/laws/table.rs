//! List every bijector with every option, and prove that none is missing.

use crate::common::{Batch, build_perturbed, noise};
use crate::sylvester::sylvesters;
use flowstill::bijectors::*;
use flowstill::conditioners::{Activation, ConditionerConfig, MadeConfig};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// One row of the table.
#[derive(Clone, Debug)]
pub struct Case {
    pub config: BijectorConfig,
    pub channels: usize,
    pub context: usize,
    /// Height and width.
    pub space: [usize; 2],
    pub seed: u64,
}

impl Case {
    /// The layer in f64 with weights that are not trivial.
    pub fn build(&self) -> Box<dyn Bijector> {
        build_perturbed(&self.config, [1, self.space[0], self.space[1]], self.seed)
    }

    /// Data in the domain of the layer.
    pub fn batch(&self, samples: usize) -> Batch {
        let shape = [samples, self.space[0], self.space[1], self.channels];
        let normal = noise(shape.iter().product(), "data", self.seed);
        let values = normal.into_iter().map(|v| domain(&self.config, v)).collect();
        Batch { values, shape, context: noise(samples * self.context, "context", self.seed), width: self.context }
    }
}

/// Move a value of the whole line into the domain of a layer's data side.
fn domain(config: &BijectorConfig, value: f64) -> f64 {
    let bounded = |map: &ElementwiseMap| match map {
        ElementwiseMap::Logit => 1.0 / (1.0 + (-value).exp()),
        ElementwiseMap::Atanh => value.tanh(),
        _ => value,
    };
    match config {
        BijectorConfig::Elementwise { map } => bounded(map),
        BijectorConfig::Inverted { inner } => match inner.as_ref() {
            BijectorConfig::Elementwise { map: ElementwiseMap::Sigmoid } => bounded(&ElementwiseMap::Logit),
            BijectorConfig::Elementwise { map: ElementwiseMap::Tanh } => bounded(&ElementwiseMap::Atanh),
            _ => value,
        },
        BijectorConfig::Chain { steps } => steps.first().map_or(value, |first| domain(first, value)),
        _ => value,
    }
}

pub const MASKS: [Mask; 4] = [Mask::FirstHalf, Mask::SecondHalf, Mask::Even, Mask::Odd];

pub const TRANSFORMS: [Univariate; 8] = [
    Univariate::Affine { scale: ScaleMap::Tanh { bound: 2.0 } },
    Univariate::RationalQuadratic { bins: 4, tail_bound: 3.0 },
    Univariate::Affine { scale: ScaleMap::Softsign { bound: 3.0 } },
    Univariate::Additive,
    Univariate::Affine { scale: ScaleMap::Sigmoid { floor: 0.0 } },
    Univariate::RationalQuadratic { bins: 9, tail_bound: 1.5 },
    Univariate::Affine { scale: ScaleMap::Sigmoid { floor: 0.001 } },
    Univariate::Affine { scale: ScaleMap::Exp },
];

fn conditioners() -> Vec<ConditionerConfig> {
    vec![
        ConditionerConfig::Mlp { hidden: vec![6, 5], activation: Activation::Relu },
        ConditionerConfig::Residual { hidden: 5, blocks: 1, activation: Activation::Tanh },
        ConditionerConfig::Mlp { hidden: vec![], activation: Activation::Relu },
        ConditionerConfig::Residual { hidden: 4, blocks: 0, activation: Activation::Relu },
        ConditionerConfig::Mlp { hidden: vec![7], activation: Activation::Silu },
    ]
}

fn mades() -> Vec<MadeConfig> {
    let made = |hidden: &[usize], activation, residual| MadeConfig { hidden: hidden.to_vec(), activation, residual };
    vec![
        made(&[7, 6], Activation::Relu, false),
        made(&[6, 6, 6], Activation::Tanh, true),
        made(&[], Activation::Relu, false),
        made(&[2], Activation::Silu, false),
        made(&[8], Activation::Relu, true),
    ]
}

/// A masked autoregressive configuration.
pub fn autoregressive(channels: usize, transform: Univariate, made: MadeConfig, context: usize) -> BijectorConfig {
    BijectorConfig::MaskedAutoregressive(MaskedAutoregressiveConfig { channels, transform, made, context })
}

fn coupling(index: usize, channels: usize, context: usize) -> BijectorConfig {
    BijectorConfig::Coupling(CouplingConfig {
        channels,
        mask: MASKS[index % 4].clone(),
        transform: TRANSFORMS[index % 8],
        conditioner: conditioners()[index % 5].clone(),
        context,
    })
}

/// What knows about space: squeezes, convolutions, checkerboards.
fn on_pictures(before: u64) -> Vec<Case> {
    let squeeze = BijectorConfig::Squeeze;
    let inverted = |inner| BijectorConfig::Inverted { inner: Box::new(inner) };
    let conv = |hidden, activation| ConditionerConfig::Conv { hidden, activation };
    let spatial = |mask, channels, transform, conditioner, context| {
        BijectorConfig::Coupling(CouplingConfig { channels, mask, transform, conditioner, context })
    };
    let smooth = || conv(4, Activation::Tanh);
    let rows: Vec<(BijectorConfig, usize, usize, [usize; 2])> = vec![
        (squeeze.clone(), 1, 0, [2, 2]),
        (squeeze.clone(), 3, 0, [4, 2]),
        (inverted(squeeze.clone()), 4, 0, [1, 2]),
        (inverted(squeeze.clone()), 8, 0, [2, 1]),
        (spatial(Mask::FirstHalf, 2, TRANSFORMS[0], smooth(), 0), 2, 0, [3, 2]),
        (spatial(Mask::SecondHalf, 3, TRANSFORMS[3], conv(3, Activation::Relu), 2), 3, 2, [2, 2]),
        (spatial(Mask::Even, 2, TRANSFORMS[1], smooth(), 0), 2, 0, [1, 3]),
        (spatial(Mask::Odd, 2, TRANSFORMS[4], ConditionerConfig::ZeroConv, 1), 2, 1, [3, 1]),
        (spatial(Mask::FirstHalf, 2, TRANSFORMS[2], conv(5, Activation::Silu), 0), 2, 0, [1, 1]),
        (spatial(Mask::CheckerboardEven, 1, TRANSFORMS[0], smooth(), 0), 1, 0, [3, 3]),
        (spatial(Mask::CheckerboardOdd, 1, TRANSFORMS[1], smooth(), 2), 1, 2, [2, 3]),
        (spatial(Mask::CheckerboardEven, 2, TRANSFORMS[3], conditioners()[0].clone(), 0), 2, 0, [2, 2]),
        (spatial(Mask::CheckerboardOdd, 2, TRANSFORMS[2], ConditionerConfig::ZeroConv, 0), 2, 0, [1, 4]),
        (spatial(Mask::Below(1), 3, TRANSFORMS[0], smooth(), 0), 3, 0, [2, 2]),
        (spatial(Mask::Below(2), 3, TRANSFORMS[1], conv(3, Activation::Silu), 1), 3, 1, [1, 2]),
        (spatial(Mask::Below(0), 3, TRANSFORMS[0], conditioners()[2].clone(), 2), 3, 2, [1, 2]),
        (spatial(Mask::Below(0), 1, TRANSFORMS[3], conditioners()[0].clone(), 1), 1, 1, [1, 1]),
        (
            BijectorConfig::Chain {
                steps: vec![
                    squeeze,
                    BijectorConfig::ActNorm { channels: 4 },
                    BijectorConfig::LuLinear { channels: 4 },
                    spatial(Mask::FirstHalf, 4, TRANSFORMS[0], smooth(), 2),
                ],
            },
            1,
            2,
            [4, 2],
        ),
    ];
    let number = |(index, (config, channels, context, space))| Case {
        config,
        channels,
        context,
        space,
        seed: before + index as u64 + 1,
    };
    rows.into_iter().enumerate().map(number).collect()
}

fn permutation(channels: usize) -> Vec<usize> {
    // A cycle of length > 2 differs from its inverse.
    (0..channels).map(|i| (i + 1) % channels).collect()
}

/// Every bijector.
pub fn table() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |config: BijectorConfig, channels: usize, context: usize| {
        let seed = cases.len() as u64 + 1;
        // Space is cheap to check where channels are few.
        let space = if channels <= 3 && seed.is_multiple_of(2) { [2, 1] } else { [1, 1] };
        cases.push(Case { config, channels, context, space, seed });
    };
    for channels in 1..=6 {
        add(BijectorConfig::ActNorm { channels }, channels, 0);
        add(BijectorConfig::Affine { channels }, channels, 0);
        add(BijectorConfig::BatchNorm { channels }, channels, 0);
        add(BijectorConfig::Linear { channels }, channels, 0);
        add(BijectorConfig::LuLinear { channels }, channels, 0);
        add(BijectorConfig::Permute { indices: permutation(channels) }, channels, 0);
    }
    for (index, map) in [ElementwiseMap::Sigmoid, ElementwiseMap::Logit, ElementwiseMap::Tanh, ElementwiseMap::Atanh]
        .into_iter()
        .enumerate()
    {
        add(BijectorConfig::Elementwise { map }, 1 + index, 0);
        add(BijectorConfig::Inverted { inner: Box::new(BijectorConfig::Elementwise { map }) }, 2, 0);
    }
    // 4 masks, 8 transforms and 5 networks have no common divisor but 4, so 40 rows meet every pair of transform and network.
    for index in 0..40 {
        let (channels, context) = (2 + index % 5, if index % 3 == 0 { 2 } else { 0 });
        add(coupling(index, channels, context), channels, context);
    }
    for index in 0..40 {
        let (channels, context) = (1 + index % 6, if index % 7 < 3 { 2 } else { 0 });
        let config = autoregressive(channels, TRANSFORMS[index % 8], mades()[index % 5].clone(), context);
        add(config, channels, context);
    }
    for inner in [
        BijectorConfig::ActNorm { channels: 3 },
        BijectorConfig::BatchNorm { channels: 3 },
        BijectorConfig::Linear { channels: 3 },
        BijectorConfig::LuLinear { channels: 3 },
        BijectorConfig::Permute { indices: permutation(3) },
        coupling(1, 3, 0),
        autoregressive(3, TRANSFORMS[0], mades()[0].clone(), 0),
        autoregressive(3, TRANSFORMS[1], mades()[1].clone(), 0),
    ] {
        add(BijectorConfig::Inverted { inner: Box::new(inner) }, 3, 0);
    }
    let inverted = |inner| BijectorConfig::Inverted { inner: Box::new(inner) };
    let glow =
        vec![BijectorConfig::ActNorm { channels: 4 }, BijectorConfig::LuLinear { channels: 4 }, coupling(0, 4, 2)];
    let maf = vec![
        BijectorConfig::Elementwise { map: ElementwiseMap::Logit },
        autoregressive(3, TRANSFORMS[0], mades()[0].clone(), 2),
        BijectorConfig::Permute { indices: vec![2, 0, 1] },
        inverted(autoregressive(3, TRANSFORMS[5], mades()[0].clone(), 2)),
        BijectorConfig::Chain { steps: vec![BijectorConfig::Linear { channels: 3 }, inverted(coupling(1, 3, 2))] },
    ];
    add(BijectorConfig::Chain { steps: vec![] }, 2, 0);
    add(BijectorConfig::Chain { steps: glow.clone() }, 4, 2);
    add(inverted(BijectorConfig::Chain { steps: glow }), 4, 2);
    add(BijectorConfig::Chain { steps: maf }, 3, 2);
    cases.extend(on_pictures(cases.len() as u64));
    cases.extend(sylvesters(cases.len() as u64));
    cases
}

/// Run a law over the whole table, on as many threads as the machine has, and then say for how many rows it failed.
pub fn for_every_case(law: impl Fn(&Case) + Sync) {
    let cases = table();
    let (next, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(|| law(case))).is_err() {
                failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    assert_eq!(failures.into_inner(), 0, "rows of {} that break the law; their messages stand above", cases.len());
}

/// The names that serde knows for an enum, read off its own complaint about an unknown one.
fn variants<T: DeserializeOwned + std::fmt::Debug>(unknown: serde_json::Value) -> BTreeSet<String> {
    let complaint = serde_json::from_value::<T>(unknown).expect_err("no variant has this name").to_string();
    let (_, names) = complaint.split_once("expected ").expect("serde lists what it expected");
    let names: BTreeSet<String> = names.split('`').skip(1).step_by(2).map(str::to_string).collect();
    assert!(!names.is_empty(), "{complaint}");
    names
}

/// Every string, or name of a variant with contents, that stands under `key` somewhere in the table.
fn used(key: &str) -> BTreeSet<String> {
    fn walk(value: &serde_json::Value, key: &str, out: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| match (value, value.as_str()) {
                    (_, Some(text)) if name == key => drop(out.insert(text.to_string())),
                    // A variant that carries something stands as `{ name: something }`.
                    (serde_json::Value::Object(variant), _) if name == key => {
                        out.extend(variant.keys().take(1).cloned())
                    }
                    _ => walk(value, key, out),
                })
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, key, out)),
            _ => {}
        }
    }
    let mut out = BTreeSet::new();
    table().iter().for_each(|case| walk(&serde_json::to_value(&case.config).expect("serialises"), key, &mut out));
    out
}

#[test]
fn no_variant_is_missing_from_the_table() {
    let tagged = |tag: &str| serde_json::json!({ tag: "no such name" });
    let plain = || serde_json::json!("no such name");
    assert_eq!(used("bijector"), variants::<BijectorConfig>(tagged("bijector")));
    assert_eq!(used("map"), variants::<ElementwiseMap>(plain()));
    assert_eq!(used("mask"), variants::<Mask>(plain()));
    assert_eq!(used("activation"), variants::<Activation>(plain()));
    let mut kinds = variants::<Univariate>(tagged("kind"));
    kinds.extend(variants::<ScaleMap>(tagged("kind")));
    kinds.extend(variants::<ConditionerConfig>(tagged("kind")));
    kinds.extend(variants::<Basis>(tagged("kind")));
    assert_eq!(used("kind"), kinds);
}

#[test]
fn every_configuration_survives_json() {
    for case in table() {
        let text = serde_json::to_string(&case.config).expect("serialises");
        assert_eq!(serde_json::from_str::<BijectorConfig>(&text).expect("parses"), case.config, "{text}");
        assert_eq!(case.build().config(), Some(case.config));
    }
}
