//! Test the one-pass inverse against plain loops.

use super::*;
use proptest::prelude::*;

/// Numbers that look random.
fn numbers(count: usize, seed: u64, size: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        size * ((state >> 40) as f32 / (1_u32 << 23) as f32 - 1.0)
    };
    (0..count).map(next).collect()
}

struct Net {
    features: usize,
    weights: Vec<Vec<f32>>,
    biases: Vec<Vec<f32>>,
    degrees: Vec<Vec<usize>>,
    residual: bool,
    activation: Activation,
    map: Map,
}

impl Net {
    fn new(features: usize, hidden: &[usize], residual: bool, activation: Activation, map: Map, seed: u64) -> Self {
        let mut degrees: Vec<Vec<usize>> = hidden
            .iter()
            .map(|&width| {
                let mut own: Vec<usize> = (0..width).map(|unit| (unit + width) % features).collect();
                own.sort_unstable();
                own
            })
            .collect();
        let params = map.params();
        let feature_of = |output: usize| match map {
            Map::Spline { .. } => output / params,
            _ => output % features,
        };
        degrees.push((0..features * params).map(|output| feature_of(output) + 1).collect());
        let mut inputs = features;
        let (mut weights, mut biases) = (Vec::new(), Vec::new());
        for (index, own) in degrees.iter().enumerate() {
            weights.push(numbers(inputs * own.len(), seed + index as u64, 0.3));
            biases.push(numbers(own.len(), seed + 100 + index as u64, 0.5));
            inputs = own.len();
        }
        Self { features, weights, biases, degrees, residual, activation, map }
    }

    fn layers(&self) -> Vec<Layer<'_>> {
        let parts = self.weights.iter().zip(&self.biases).zip(&self.degrees);
        parts.map(|((weight, bias), degrees)| Layer { weight, bias, degrees }).collect()
    }

    /// Raw values by plain loops, in f64, masks and all.
    fn raw(&self, x: &[f32], shift: Option<&[f32]>) -> Vec<f64> {
        let act = |v: f64| match self.activation {
            Activation::Relu => v.max(0.0),
            Activation::Tanh => v.tanh(),
            Activation::Silu => v / (1.0 + (-v).exp()),
        };
        let last = self.weights.len() - 1;
        let layer = |index: usize, input: &[f64], before: &[usize]| -> Vec<f64> {
            let own = &self.degrees[index];
            let open = |from: usize, to: usize| if index == last { to > from } else { to >= from };
            (0..own.len())
                .map(|j| {
                    let sum: f64 = (0..input.len())
                        .filter(|&i| open(before[i], own[j]))
                        .map(|i| input[i] * f64::from(self.weights[index][i * own.len() + j]))
                        .sum();
                    let shift = if index == 0 { shift.map_or(0.0, |shift| f64::from(shift[j])) } else { 0.0 };
                    sum + f64::from(self.biases[index][j]) + shift
                })
                .collect()
        };
        let inputs: Vec<usize> = (1..=self.features).collect();
        let mut state = layer(0, &x.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), &inputs);
        let mut stream = state.clone();
        for index in 1..=last {
            let straight = self.residual && index == last;
            let seen: Vec<f64> = state.iter().map(|v| if straight { *v } else { act(*v) }).collect();
            state = layer(index, &seen, &self.degrees[index - 1]);
            if self.residual && index.is_multiple_of(2) && index < last {
                state.iter_mut().zip(&stream).for_each(|(v, before)| *v += before);
                stream = state.clone();
            }
        }
        state
    }
}

fn maps() -> [Map; 7] {
    [
        Map::Affine(LogScale::Tanh(2.0)),
        Map::Affine(LogScale::Softsign(3.0)),
        Map::Affine(LogScale::Sigmoid(0.0)),
        Map::Affine(LogScale::Sigmoid(0.001)),
        Map::Affine(LogScale::Exp),
        Map::Additive,
        Map::Spline { bins: 5, tail_bound: 3.0 },
    ]
}

use crate::univariate::LogScale;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Feature by feature: the raw values at the answer, by plain loops, map it back to the latents.
    #[test]
    fn the_answer_is_the_inverse(
        features in 1_usize..9,
        hidden in prop::collection::vec(1_usize..23, 0..4),
        rows in prop::sample::select(vec![0_usize, 1, 2, 31, 32, 33, 64, 65, 130]),
        which in 0_usize..7,
        residual: bool,
        context: bool,
        seed in 1_u64..1000,
    ) {
        let residual = residual && hidden.len() % 2 == 1;
        let hidden = if residual { vec![hidden[0]; hidden.len()] } else { hidden };
        let activation = [Activation::Relu, Activation::Tanh, Activation::Silu][seed as usize % 3];
        let map = maps()[which];
        let net = Net::new(features, &hidden, residual, activation, map, seed);
        let width = net.degrees[0].len();
        let z = numbers(rows * features, seed + 7, 2.5);
        let shift = context.then(|| numbers(rows * width, seed + 9, 0.5));
        let inverse = Inverse::new(features, &net.layers(), residual, activation, map);
        let (x, slopes) = inverse.run(&z, shift.as_deref());
        prop_assert_eq!(x.len(), z.len());
        for row in 0..rows {
            let own = &x[row * features..][..features];
            let raw = net.raw(own, shift.as_deref().map(|shift| &shift[row * width..][..width]));
            for feature in 0..features {
                let params = map.params();
                let of_feature: Vec<f32> = (0..params).map(|p| match map {
                    Map::Spline { .. } => raw[feature * params + p] as f32,
                    _ => raw[p * features + feature] as f32,
                }).collect();
                let (mut want, mut slope) = ([0.0], [0.0]);
                map.inverse(&z[row * features + feature..][..1], &of_feature, &mut want, &mut slope);
                let (got, got_slope) = (own[feature], slopes[row * features + feature]);
                let same = got == want[0] || (got - want[0]).abs() <= 5e-4 * (1.0 + want[0].abs());
                prop_assert!(same, "x {got} {want:?}");
                prop_assert!((got_slope - slope[0]).abs() <= 2e-3, "slope {got_slope} {slope:?}");
            }
        }
    }
}

#[test]
fn a_row_alone_is_the_row_in_a_crowd() {
    let net = Net::new(6, &[17, 13], false, Activation::Relu, Map::Affine(LogScale::Tanh(2.0)), 3);
    let inverse = Inverse::new(6, &net.layers(), false, Activation::Relu, net.map);
    let z = numbers(6 * 100, 5, 2.0);
    let (all, _) = inverse.run(&z, None);
    for row in [0, 31, 32, 63, 64, 99] {
        assert_eq!(inverse.run(&z[row * 6..][..6], None).0, all[row * 6..][..6]);
    }
}
