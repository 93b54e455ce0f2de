//! Hold every statistic to a closed form on Gaussians.

use flowstill_metrics::{
    Bandwidth, C2stConfig, GaussianFit, MetricError, MmdConfig, c2st, frechet_gaussian, marginals, mmd_unbiased,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Rows of a Gaussian with unit covariance times `scale^2` and `shift` in the first column.
fn gaussian(rows: usize, columns: usize, shift: f32, scale: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut draw = || -> f32 { StandardNormal.sample(&mut rng) };
    (0..rows * columns).map(|k| scale * draw() + if k % columns == 0 { shift } else { 0.0 }).collect()
}

/// The standard normal distribution function at `shift / 2`: no classifier of N(0, I) and N(shift e, I) does better.
fn bayes_accuracy(shift: f64) -> f64 {
    let (steps, top) = (10_000, shift / 2.0);
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let width = top / f64::from(steps);
    0.5 + (0..steps).map(|k| density((f64::from(k) + 0.5) * width) * width).sum::<f64>()
}

#[test]
fn c2st_meets_the_bayes_accuracy() {
    let real = gaussian(3_000, 4, 0.0, 1.0, 1);
    for shift in [0.0, 1.0, 2.0, 8.0] {
        let fake = gaussian(3_000, 4, shift, 1.0, 2);
        let result = c2st(&real, &fake, 4, &C2stConfig::default()).unwrap();
        let best = bayes_accuracy(shift.into());
        assert!((result.accuracy - best).abs() < 0.03, "shift {shift}: {result:?} against {best}");
        assert!((result.auc - bayes_accuracy(std::f64::consts::SQRT_2 * f64::from(shift))).abs() < 0.035);
    }
}

#[test]
fn c2st_sees_what_no_linear_boundary_shows() {
    // Same mean and marginals; the sign of the product of the two columns differs.
    let real = gaussian(2_000, 2, 0.0, 1.0, 3);
    let fold = |row: &[f32], sign: f32| [row[0], sign * row[1].abs() * row[0].signum()];
    let fake: Vec<f32> = gaussian(2_000, 2, 0.0, 1.0, 4).chunks(2).flat_map(|row| fold(row, 1.0)).collect();
    let real: Vec<f32> = real.chunks(2).flat_map(|row| fold(row, -1.0)).collect();
    assert!(c2st(&real, &fake, 2, &C2stConfig::default()).unwrap().accuracy > 0.95);
}

#[test]
fn c2st_repeats_itself_from_its_seed() {
    let (real, fake) = (gaussian(300, 2, 0.0, 1.0, 5), gaussian(400, 2, 0.5, 1.0, 6));
    let with = |seed| c2st(&real, &fake, 2, &C2stConfig { seed, epochs: 3, ..C2stConfig::default() }).unwrap();
    assert_eq!(with(7), with(7));
    assert_ne!(with(7), with(8));
    assert_eq!(with(7).rows_per_class, 300);
}

#[test]
fn mmd_meets_its_closed_form() {
    // E k(x, x') = (s^2 / (s^2 + 2))^{d/2} for x - x' ~ N(0, 2 I), times exp(-shift^2 / (2 (s^2 + 2))) across the sets.
    let (d, s2, shift) = (3usize, 2.0f64, 1.0f64);
    let own = (s2 / (s2 + 2.0)).powf(d as f64 / 2.0);
    let expected = 2.0 * own * (1.0 - (-shift * shift / (2.0 * (s2 + 2.0))).exp());
    let config = MmdConfig { bandwidth: Bandwidth::Explicit(s2.sqrt()), permutations: 99, ..MmdConfig::default() };
    let found = mmd_unbiased(&gaussian(1_500, d, 0.0, 1.0, 8), &gaussian(1_200, d, 1.0, 1.0, 9), d, &config).unwrap();
    assert!((found.mmd2 - expected).abs() < 3.0 * found.standard_error, "{found:?} against {expected}");
    assert!(found.standard_error < 0.1 * expected);
    assert_eq!((found.p_value, found.rows), (0.01, (1_500, 1_200)));
}

#[test]
fn mmd_standard_error_is_the_scatter() {
    let config = MmdConfig { bandwidth: Bandwidth::Explicit(1.0), permutations: 0, ..MmdConfig::default() };
    let runs: Vec<_> = (0..60u64)
        .map(|k| {
            let (real, fake) = (gaussian(200, 2, 0.0, 1.0, 100 + k), gaussian(150, 2, 1.0, 1.0, 200 + k));
            mmd_unbiased(&real, &fake, 2, &config).unwrap()
        })
        .collect();
    let mean = runs.iter().map(|r| r.mmd2).sum::<f64>() / 60.0;
    let scatter = (runs.iter().map(|r| (r.mmd2 - mean).powi(2)).sum::<f64>() / 59.0).sqrt();
    let claimed = runs.iter().map(|r| r.standard_error).sum::<f64>() / 60.0;
    assert!((claimed / scatter - 1.0).abs() < 0.3, "claimed {claimed}, scatter {scatter}");
}

#[test]
fn mmd_of_equal_distributions_scatters_about_zero() {
    let config = MmdConfig { permutations: 49, ..MmdConfig::default() };
    let runs: Vec<_> = (0..40u64)
        .map(|k| {
            let (real, fake) = (gaussian(120, 2, 0.0, 1.0, 300 + k), gaussian(150, 2, 0.0, 1.0, 400 + k));
            mmd_unbiased(&real, &fake, 2, &config).unwrap()
        })
        .collect();
    let negative = runs.iter().filter(|r| r.mmd2 < 0.0).count();
    assert!((8..36).contains(&negative), "an unbiased estimate takes both signs: {negative} of 40");
    let rejected = runs.iter().filter(|r| r.p_value <= 0.1).count();
    assert!(rejected <= 10, "a level of 0.1 rejected {rejected} of 40");
    // The median distance of N(0, 2 I) in the plane is sqrt(4 ln 2).
    let mean_width = runs.iter().map(|r| r.bandwidth).sum::<f64>() / 40.0;
    assert!((mean_width - (4.0 * std::f64::consts::LN_2).sqrt()).abs() < 0.05);
}

#[test]
fn frechet_meets_its_closed_form() {
    // Between N(0, a^2 I) and N(shift e, b^2 I) it is shift^2 + d (a - b)^2.
    let d = 5;
    let found = frechet_gaussian(&gaussian(40_000, d, 0.0, 1.0, 10), &gaussian(40_000, d, 2.0, 3.0, 11), d).unwrap();
    assert!((found - (4.0 + 5.0 * 4.0)).abs() < 0.3, "{found}");
}

#[test]
fn frechet_of_correlated_gaussians_in_the_plane() {
    // For 2 x 2 matrices Tr (S1 S2)^{1/2} = sqrt(Tr(S1 S2) + 2 sqrt(det S1 det S2)).
    let mix = |rows: Vec<f32>, m: [f32; 4]| -> Vec<f32> {
        rows.chunks(2).flat_map(|r| [m[0] * r[0] + m[1] * r[1], m[2] * r[0] + m[3] * r[1]]).collect()
    };
    let real = GaussianFit::from_rows(&mix(gaussian(500, 2, 0.0, 1.0, 12), [1.0, 0.5, 0.0, 2.0]), 2).unwrap();
    let fake = GaussianFit::from_rows(&mix(gaussian(400, 2, 1.0, 1.0, 13), [0.3, -1.0, 2.0, 1.0]), 2).unwrap();
    let (a, b) = (real.covariance(), fake.covariance());
    let product_trace = a[0] * b[0] + 2.0 * a[1] * b[1] + a[3] * b[3];
    let dets = (a[0] * a[3] - a[1] * a[2]) * (b[0] * b[3] - b[1] * b[2]);
    let root_trace = (product_trace + 2.0 * dets.sqrt()).sqrt();
    let apart: f64 = real.mean().iter().zip(fake.mean()).map(|(x, y)| (x - y).powi(2)).sum();
    let expected = apart + a[0] + a[3] + b[0] + b[3] - 2.0 * root_trace;
    assert!((real.squared_distance(&fake).unwrap() - expected).abs() < 1e-10);
    assert!((fake.squared_distance(&real).unwrap() - expected).abs() < 1e-10);
}

#[test]
fn frechet_is_zero_at_home_and_grows_with_noise() {
    // Fewer rows than columns: the covariance is singular, and the distance is defined all the same.
    for (rows, columns) in [(500, 8), (20, 30)] {
        let real = gaussian(rows, columns, 0.0, 1.0, 14);
        let noise = gaussian(rows, columns, 0.0, 1.0, 15);
        let mut last = frechet_gaussian(&real, &real, columns).unwrap();
        assert!(last < 1e-5, "{last}");
        for level in [0.3, 0.6, 1.2, 2.4] {
            let noisy: Vec<f32> = real.iter().zip(&noise).map(|(x, e)| x + level * e).collect();
            let distance = frechet_gaussian(&real, &noisy, columns).unwrap();
            assert!(distance > last + 1e-3, "{level}: {distance} after {last}");
            last = distance;
        }
    }
}

#[test]
fn marginals_meet_their_closed_form() {
    // A shift moves every quantile by itself, and the distribution functions part most half-way.
    let found = marginals(&gaussian(20_000, 2, 0.0, 1.0, 16), &gaussian(30_000, 2, 1.0, 1.0, 17), 2).unwrap();
    assert!((found.columns[0].wasserstein - 1.0).abs() < 0.03);
    assert!((found.columns[0].kolmogorov_smirnov - (2.0 * bayes_accuracy(1.0) - 1.0)).abs() < 0.02);
    assert!(found.columns[1].kolmogorov_smirnov < 0.02 && found.columns[1].wasserstein < 0.03);
}

#[test]
fn bad_input_is_an_error_not_a_panic() {
    let (good, nan) = ([0.0f32; 40], [f32::NAN; 40]);
    assert!(matches!(c2st(&good, &nan, 2, &C2stConfig::default()), Err(MetricError::NotFinite { .. })));
    assert!(matches!(mmd_unbiased(&good, &good[..39], 2, &MmdConfig::default()), Err(MetricError::Shape { .. })));
    assert!(matches!(frechet_gaussian(&good, &good[..2], 2), Err(MetricError::TooFewRows { needed: 2, .. })));
    assert!(matches!(marginals(&good, &[], 2), Err(MetricError::TooFewRows { got: 0, .. })));
    let zero = MmdConfig { bandwidth: Bandwidth::Explicit(0.0), ..MmdConfig::default() };
    assert!(matches!(mmd_unbiased(&good, &good, 2, &zero), Err(MetricError::Setting { name: "bandwidth", .. })));
    let (two, four) = (GaussianFit::from_rows(&good, 2).unwrap(), GaussianFit::from_rows(&good, 4).unwrap());
    assert!(matches!(two.squared_distance(&four), Err(MetricError::ColumnsDiffer { left: 2, right: 4 })));
    let far = [f32::MAX, -f32::MAX, 0.0, 1.0];
    assert!(matches!(mmd_unbiased(&far, &good, 1, &MmdConfig::default()), Err(MetricError::NotFinite { .. })));
    let huge = [f32::MAX, -f32::MAX, 0.0, 1.0];
    assert!(frechet_gaussian(&huge, &huge, 1).is_ok_and(|d| d.is_finite()));
}
