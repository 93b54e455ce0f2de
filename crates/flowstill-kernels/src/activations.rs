//! Apply the nonlinearity of a network to planes, and lead gradients back through it.

use crate::elementwise::widest;
use crate::functions::{exp, tanh};

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `max(0, x)`; NaN stays NaN.
pub fn relu(values: &mut [f32]) {
    widest(|| values.iter_mut().for_each(|value| *value = if *value < 0.0 { 0.0 } else { *value }));
}

/// `tanh(x)`.
pub fn tanh_of(values: &mut [f32]) {
    widest(|| values.iter_mut().for_each(|value| *value = tanh(*value)));
}

/// `x sigmoid(x)`.
pub fn silu(values: &mut [f32]) {
    widest(|| values.iter_mut().for_each(|value| *value *= sigmoid(*value)));
}

/// Multiply gradients with the slope of relu, given what it made.
pub fn relu_back(gradient: &mut [f32], after: &[f32]) {
    widest(|| {
        for (gradient, after) in gradient.iter_mut().zip(after) {
            *gradient = if *after > 0.0 { *gradient } else { 0.0 };
        }
    });
}

/// Multiply gradients with the slope of tanh, given what it made.
pub fn tanh_back(gradient: &mut [f32], after: &[f32]) {
    widest(|| gradient.iter_mut().zip(after).for_each(|(gradient, after)| *gradient *= 1.0 - after * after));
}

/// Multiply gradients with the slope of silu, given what it was given.
pub fn silu_back(gradient: &mut [f32], before: &[f32]) {
    widest(|| {
        for (gradient, before) in gradient.iter_mut().zip(before) {
            let share = sigmoid(*before);
            *gradient *= share * (1.0 + before * (1.0 - share));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A function, and what applies it to a slice.
    type Pair = (fn(f64) -> f64, fn(&mut [f32]));

    #[test]
    fn values_and_slopes_are_those_of_the_functions() {
        let points: Vec<f32> = (-400..400).map(|i| i as f32 / 40.0 + 0.003).collect();
        let functions: [Pair; 3] = [(|x| x.max(0.0), relu), (f64::tanh, tanh_of), (|x| x / (1.0 + (-x).exp()), silu)];
        for (index, (exact, apply)) in functions.into_iter().enumerate() {
            let mut after = points.clone();
            apply(&mut after);
            let mut slopes = vec![2.0; points.len()];
            match index {
                0 => relu_back(&mut slopes, &after),
                1 => tanh_back(&mut slopes, &after),
                _ => silu_back(&mut slopes, &points),
            }
            for ((x, y), slope) in points.iter().zip(&after).zip(&slopes) {
                let x = f64::from(*x);
                assert!((f64::from(*y) - exact(x)).abs() < 2e-6 * exact(x).abs().max(1.0));
                let expect = (exact(x + 1e-6) - exact(x - 1e-6)) / 1e-6;
                assert!((f64::from(*slope) - expect).abs() < 1e-5, "{index} at {x}: {slope} and {expect}");
            }
        }
    }
}
