//! Hold what judges features - distances, their files, precision and recall - to known answers.

use flowstill_metrics::{
    FeatureStatistics, GaussianAccumulator, GaussianFit, KidConfig, MetricError, PrecisionRecallConfig, kid,
    precision_recall,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Rows of `N(shift, scale^2 I)`.
fn gaussian(rows: usize, columns: usize, shift: f32, scale: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..rows * columns)
        .map(|_| shift + scale * <StandardNormal as Distribution<f32>>::sample(&StandardNormal, &mut rng))
        .collect()
}

fn noisier(set: &[f32], level: f32) -> Vec<f32> {
    set.iter().zip(gaussian(set.len(), 1, 0.0, level, 99)).map(|(x, e)| x + e).collect()
}

fn statistics(network: &str, features: &[f32], columns: usize) -> FeatureStatistics {
    let mut sums = GaussianAccumulator::new(columns).unwrap();
    features.chunks(columns * 100).for_each(|batch| sums.push(batch).unwrap());
    FeatureStatistics {
        network: network.into(),
        pictures: "stripes, \"test\" split".into(),
        fingerprint: "0123456789abcdef".into(),
        fit: sums.finish().unwrap(),
    }
}

#[test]
fn streamed_distances_grow_with_noise() {
    let real = gaussian(2_000, 16, 1.0, 1.0, 1);
    let home = statistics("net@64", &real, 16);
    let mut last = home.squared_distance(&home).unwrap();
    assert!(last < 1e-9, "{last}");
    for level in [0.25, 0.5, 1.0, 2.0] {
        let next = home.squared_distance(&statistics("net@64", &noisier(&real, level), 16)).unwrap();
        assert!(next > last + 1e-2, "{level}: {next} after {last}");
        last = next;
    }
}

#[test]
fn statistics_come_back_bit_by_bit_and_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stripes.safetensors");
    let kept = statistics("net@64", &gaussian(50, 9, 0.3, 1.0, 2), 9);
    kept.save(&path).unwrap();
    assert_eq!(FeatureStatistics::load(&path).unwrap(), kept);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    let other = FeatureStatistics { network: "net@224".into(), ..kept.clone() };
    let error = kept.squared_distance(&other).unwrap_err();
    assert!(matches!(error, MetricError::NetworksDiffer { .. }), "{error}");
    assert!(kept.expect_network("net@64").is_ok() && kept.expect_network("net").is_err());

    let bytes = std::fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(7) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        let error = FeatureStatistics::load(&path).unwrap_err();
        assert!(matches!(error, MetricError::Statistics { .. }) && !error.to_string().contains('\n'), "{error}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x5a;
        std::fs::write(&path, &damaged).unwrap();
        let _ = FeatureStatistics::load(&path);
    }
    let mut nan = bytes.clone();
    let end = nan.len();
    nan[end - 8..].copy_from_slice(&f64::NAN.to_le_bytes());
    std::fs::write(&path, &nan).unwrap();
    assert!(FeatureStatistics::load(&path).unwrap_err().to_string().contains("not finite"));
    assert!(matches!(FeatureStatistics::load(folder.path().join("none")), Err(MetricError::Read { .. })));
    assert!(matches!(kept.save(folder.path().join("no/such/folder")), Err(MetricError::Write { .. })));
}

#[test]
fn kid_is_zero_at_home_and_grows_with_noise() {
    let config = KidConfig { subsets: 40, subset_rows: 200, seed: 3 };
    let (real, again) = (gaussian(2_000, 8, 0.5, 1.0, 4), gaussian(2_500, 8, 0.5, 1.0, 5));
    let same = kid(&real, &again, 8, &config).unwrap();
    assert!(same.kid.abs() < 3.0 * same.standard_error, "{same:?}");
    assert_eq!(same, kid(&real, &again, 8, &config).unwrap());
    let mut last = same.kid;
    for level in [0.5, 1.0, 2.0] {
        let next = kid(&real, &noisier(&again, level), 8, &config).unwrap();
        assert!(next.kid > last && next.kid > 1.5 * next.standard_error, "{level}: {next:?} after {last}");
        last = next.kid;
    }
}

#[test]
fn kid_errors_cover_the_scatter_without_waste() {
    let config = KidConfig { subsets: 20, subset_rows: 50, seed: 0 };
    let runs: Vec<_> = (0..60u64)
        .map(|k| kid(&gaussian(400, 3, 0.0, 1.0, 100 + k), &gaussian(400, 3, 0.5, 1.0, 200 + k), 3, &config).unwrap())
        .collect();
    let mean = runs.iter().map(|r| r.kid).sum::<f64>() / 60.0;
    let scatter = (runs.iter().map(|r| (r.kid - mean).powi(2)).sum::<f64>() / 59.0).sqrt();
    let claimed = runs.iter().map(|r| r.standard_error).sum::<f64>() / 60.0;
    assert!((0.75..2.0).contains(&(claimed / scatter)), "claimed {claimed}, scatter {scatter}");
    // Moments in closed form: E (x . y / 3 + 1)^3 for independent rows is 1 + 3 E s + 3 E s^2 + E s^3, s = x . y / 3,
    // with E s^2 = |M_a M_b| / 9 from the second moments, and E s^3 from the third.
    let (d, m) = (3.0f64, 0.5f64);
    let expected = |a: f64, b: f64| {
        let third = |v: f64| v * v * v + 3.0 * v;
        let (aa, bb) = (a * a + 1.0, b * b + 1.0);
        let first = d * a * b;
        let second = d * aa * bb + d * (d - 1.0) * (a * b).powi(2);
        let cube = d * third(a) * third(b)
            + 3.0 * d * (d - 1.0) * aa * bb * a * b
            + d * (d - 1.0) * (d - 2.0) * (a * b).powi(3);
        1.0 + 3.0 * first / d + 3.0 * second / d.powi(2) + cube / d.powi(3)
    };
    let closed = expected(0.0, 0.0) + expected(m, m) - 2.0 * expected(0.0, m);
    assert!((mean - closed).abs() < 4.0 * scatter / 60f64.sqrt(), "{mean} against {closed}");
}

#[test]
fn precision_and_recall_tell_quality_from_coverage() {
    let config = PrecisionRecallConfig::default();
    let measure = |real: &[f32], fake: &[f32]| precision_recall(real, fake, 4, &config).unwrap();
    let real = gaussian(1_500, 4, 0.0, 1.0, 6);
    let home = measure(&real, &real);
    assert_eq!((home.precision, home.recall, home.rows), (1.0, 1.0, 1_500));
    let same = measure(&real, &gaussian(2_000, 4, 0.0, 1.0, 7));
    assert!(same.precision > 0.8 && same.recall > 0.8 && same.rows == 1_500, "{same:?}");
    let narrow = measure(&real, &gaussian(1_500, 4, 0.0, 0.2, 8));
    assert!(narrow.precision > 0.95 && narrow.recall < 0.2, "{narrow:?}");
    let wide = measure(&real, &gaussian(1_500, 4, 0.0, 5.0, 9));
    assert!(wide.precision < 0.2 && wide.recall > 0.8, "{wide:?}");
    let apart = measure(&real, &gaussian(1_500, 4, 50.0, 1.0, 10));
    assert_eq!((apart.precision, apart.recall), (0.0, 0.0));
    // A far origin costs f32 digits, and the centring keeps them out of the answer.
    let (far, copy) = (gaussian(300, 4, 500.0, 1.0, 11), vec![7.0f32; 40]);
    assert_eq!((measure(&far, &far).precision, measure(&copy, &copy).recall), (1.0, 1.0));
}

#[test]
fn precision_and_recall_equal_the_obvious_loops() {
    let (real, fake) = (gaussian(300, 3, 0.0, 1.0, 12), gaussian(300, 3, 0.7, 0.8, 13));
    let rows = |set: &[f32]| -> Vec<Vec<f64>> {
        set.chunks(3).map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect()
    };
    let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
    let share = |balls: &[Vec<f64>], points: &[Vec<f64>]| {
        let radius = |i: usize| {
            let mut all: Vec<f64> =
                (0..balls.len()).filter(|&j| j != i).map(|j| square(&balls[i], &balls[j])).collect();
            all.sort_by(f64::total_cmp);
            all[2]
        };
        let radii: Vec<f64> = (0..balls.len()).map(radius).collect();
        let inside = |p: &&Vec<f64>| balls.iter().zip(&radii).any(|(b, r)| square(p, b) <= *r);
        points.iter().filter(inside).count() as f64 / points.len() as f64
    };
    let found = precision_recall(&real, &fake, 3, &PrecisionRecallConfig::default()).unwrap();
    let (real, fake) = (rows(&real), rows(&fake));
    assert_eq!((found.precision, found.recall), (share(&real, &fake), share(&fake, &real)));
}

#[test]
fn bad_input_is_an_error_not_a_panic() {
    let (set, few) = (gaussian(40, 2, 0.0, 1.0, 14), [0.0f32; 6]);
    let config = |subsets, subset_rows| KidConfig { subsets, subset_rows, seed: 0 };
    for (subsets, rows) in [(1, 5), (10, 1), (10, 21), (10, 1_000)] {
        assert!(matches!(kid(&set, &set, 2, &config(subsets, rows)), Err(MetricError::Setting { .. })));
    }
    assert!(matches!(kid(&set, &few, 2, &config(10, 2)), Err(MetricError::TooFewRows { got: 3, .. })));
    let huge = [1e30f32; 80];
    assert!(matches!(kid(&set, &huge, 2, &config(10, 5)), Err(MetricError::NotFinite { .. })));
    let with = |neighbours, max_rows| PrecisionRecallConfig { neighbours, max_rows, seed: 0 };
    for (neighbours, rows) in [(0, 10), (3, 3), (usize::MAX, 10)] {
        let result = precision_recall(&set, &set, 2, &with(neighbours, rows));
        assert!(matches!(result, Err(MetricError::Setting { .. })));
    }
    assert!(matches!(precision_recall(&set, &few, 2, &with(3, 10)), Err(MetricError::TooFewRows { needed: 4, .. })));
    let far = precision_recall(&set, &huge, 2, &with(3, 10));
    assert!(matches!(far, Err(MetricError::NotFinite { .. })), "{far:?}");
    assert!(GaussianFit::from_rows(&set, 3).is_err());
}
