//! Time each statistic at the sizes of a real comparison (release build: a second for c2st, two minutes in all).

use std::time::Instant;

use flowstill_metrics::{
    C2stConfig, GaussianAccumulator, GaussianFit, KidConfig, MmdConfig, PrecisionRecallConfig, c2st, frechet_gaussian,
    kid, marginals, mmd_unbiased, precision_recall,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

fn gaussian(rows: usize, columns: usize, scale: f32, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..rows * columns)
        .map(|_| scale * <StandardNormal as Distribution<f32>>::sample(&StandardNormal, &mut rng))
        .collect()
}

fn timed<T: std::fmt::Debug>(name: &str, work: impl FnOnce() -> T) {
    let start = Instant::now();
    let result = work();
    println!("{name}: {:.2} s  {result:?}", start.elapsed().as_secs_f64());
}

fn main() {
    let (real, fake, scaled) = (gaussian(10_000, 6, 1.0, 1), gaussian(10_000, 6, 1.0, 2), gaussian(10_000, 6, 1.1, 3));
    timed("c2st, same", || c2st(&real, &fake, 6, &C2stConfig::default()));
    timed("c2st, scale 1.1", || c2st(&real, &scaled, 6, &C2stConfig::default()));
    timed("mmd, same", || mmd_unbiased(&real, &fake, 6, &MmdConfig::default()));
    timed("mmd, scale 1.1", || mmd_unbiased(&real, &scaled, 6, &MmdConfig::default()));
    timed("marginals", || marginals(&real, &fake, 6).map(|m| m.max_kolmogorov_smirnov()));
    timed("frechet, 6 features", || frechet_gaussian(&real, &fake, 6));
    for d in [1_280, 2_048] {
        let (real, fake) = (gaussian(10_000, d, 1.0, 4), gaussian(10_000, d, 1.0, 5));
        let fits = [&real, &fake].map(|set| GaussianFit::from_rows(set, d));
        timed(&format!("fit, 10,000 x {d}"), || GaussianFit::from_rows(&real, d).map(|fit| fit.rows()));
        timed(&format!("fit in batches, 10,000 x {d}"), || {
            let mut sums = GaussianAccumulator::new(d)?;
            real.chunks(d * 100).try_for_each(|batch| sums.push(batch))?;
            sums.finish().map(|fit| fit.rows())
        });
        if let [Ok(a), Ok(b)] = fits {
            timed(&format!("frechet, {d} features"), || a.squared_distance(&b));
        }
        timed(&format!("kid, 10,000 x {d}"), || kid(&real, &fake, d, &KidConfig::default()));
        timed(&format!("precision and recall, 10,000 x {d}"), || {
            precision_recall(&real, &fake, d, &PrecisionRecallConfig::default())
        });
    }
}
