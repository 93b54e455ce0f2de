//! Measure how far apart two states are.

use super::Distance;
use burn::tensor::Tensor;

impl Distance {
    /// The mean over all event dimensions and the batch, one value. Exactly 0 for equal states, with a gradient of exactly 0.
    pub fn mean(self, a: Tensor<4>, b: Tensor<4>) -> Tensor<1> {
        self.of_difference(a - b)
    }

    /// [`Distance::mean`] with differences within the rounding of an inverse counted as zero: within twice that of `own`, and the last digits of f32.
    ///
    /// For the forms of SKD in which one flow undoes the other: `a` is what came back in place of `b`, and `own` are the two for the student alone,
    /// back and before. There even a perfect student differs from its teacher by rounding, which carries no signal; how much, only its own round
    /// trip tells. Of a copied student `own` and (`a`, `b`) are the same, whatever it loses on the way.
    pub fn mean_beyond_rounding(self, a: Tensor<4>, b: Tensor<4>, own: (Tensor<4>, Tensor<4>)) -> Tensor<1> {
        let still = |state: Tensor<4>| state.without_autodiff();
        let own = still(own.0) - still(own.1);
        let rounding = own.abs() * 2.0 + (still(b.clone()).abs() + 1.0) * 1e-6;
        let difference = a - b;
        let small = still(difference.clone()).abs().lower_equal(rounding);
        self.of_difference(difference.mask_fill(small, 0.0))
    }

    fn of_difference(self, difference: Tensor<4>) -> Tensor<1> {
        match self {
            Distance::L1 => difference.abs().mean(),
            Distance::L2 => difference.square().mean(),
            Distance::Huber { delta } => {
                // With c = min(|d|, delta), c (|d| - c / 2) is the square half inside and the line outside.
                let size = difference.abs();
                let inside = size.clone().clamp_max(delta);
                (inside.clone() * (size - inside * 0.5)).mean()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::to_f64;
    use burn::tensor::Device;

    fn state(values: [f32; 4]) -> Tensor<4> {
        Tensor::<1>::from_floats(values, &Device::default()).reshape([2, 1, 1, 2])
    }

    #[test]
    fn distances_have_their_textbook_values() {
        let (a, b) = (state([0.0, 1.0, -2.0, 5.0]), state([0.5, 1.0, 1.0, 1.0]));
        // |d| = 0.5, 0, 3, 4
        for (distance, want) in [
            (Distance::L1, 7.5 / 4.0),
            (Distance::L2, (0.25 + 9.0 + 16.0) / 4.0),
            (Distance::Huber { delta: 1.0 }, (0.125 + 2.5 + 3.5) / 4.0),
        ] {
            let got = to_f64(distance.mean(a.clone(), b.clone()))[0];
            assert!((got - want).abs() < 1e-6, "{distance:?}: {got} is not {want}");
        }
    }

    #[test]
    fn what_the_own_round_trip_loses_counts_as_zero_and_little_more() {
        let before = state([0.0, 1.0, -2.0, 5.0]);
        let mean = |far: f64, lost: f64| {
            let back = before.clone() + far;
            to_f64(Distance::L1.mean_beyond_rounding(back, before.clone(), (before.clone() + lost, before.clone())))[0]
        };
        assert_eq!(mean(0.1, 0.1), 0.0);
        assert_eq!(mean(3e-7, 0.0), 0.0);
        for (far, lost) in [(0.25, 0.1), (2e-4, 0.0), (-2e-4, 5e-5)] {
            assert!((mean(far, lost) - far.abs()).abs() < 1e-3 * far.abs(), "{far} beyond {lost}: {}", mean(far, lost));
        }
    }

    #[test]
    fn equal_states_pull_nowhere() {
        for distance in [Distance::L1, Distance::L2, Distance::Huber { delta: 0.5 }] {
            let a = state([0.0, 1.0, -2.0, 5.0]).autodiff().require_grad();
            let loss = distance.mean(a.clone(), a.clone().detach());
            assert_eq!(to_f64(loss.clone())[0], 0.0);
            let gradient = a.grad(&loss.backward()).map(to_f64).unwrap_or_default();
            assert_eq!(gradient, vec![0.0; 4], "{distance:?}");
        }
    }
}
