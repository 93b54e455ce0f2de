//! Draw one of each picture into the folder named on the command line, from made-up numbers (a second or two).

use std::path::PathBuf;

use flowstill_metrics::MetricError;
use flowstill_metrics::plots::{Role, Sample, Series, bars_with_errors, curves, pairwise};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

fn main() -> Result<(), MetricError> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut normal = || -> f32 { StandardNormal.sample(&mut rng) };

    let mut loss = |floor: f64, pace: f64, steps: u32, every: u32, noise: f64| -> Vec<(f64, f64)> {
        let spike = |step: u32| if step < 4 && every == 1 { 4e3 } else { 0.0 };
        let curve = |step: u32| floor + 6.0 * (-f64::from(step) / pace).exp() + spike(step);
        (0..steps).step_by(every as usize).map(|s| (f64::from(s), curve(s) + noise * f64::from(normal()))).collect()
    };
    let series = [
        ("teacher, training", loss(1.2, 400.0, 6_000, 1, 0.25)),
        ("teacher, validation", loss(1.3, 400.0, 6_000, 250, 0.02)),
        ("student, training", loss(2.0, 700.0, 6_000, 1, 0.25)),
        ("student, validation", loss(2.15, 700.0, 6_000, 250, 0.02)),
    ]
    .map(|(name, points)| Series { name: name.into(), points });
    for ending in ["png", "svg"] {
        let path = folder.join(format!("curves.{ending}"));
        curves(path, "Training of teacher and student", &series, "step", "negative log-likelihood (nats)", false)?;
    }
    let positive = series.clone().map(|s| Series { points: s.points.iter().map(|p| (p.0, p.1 - 1.0)).collect(), ..s });
    curves(folder.join("curves_log.png"), "On a logarithmic axis", &positive, "step", "excess loss (nats)", true)?;

    // Two moons with four more columns, and blurred copies of them.
    let mut moons = |rows: usize, blur: f32| -> Vec<f32> {
        let mut row = |k: usize| -> [f32; 6] {
            let angle = std::f32::consts::PI * ((k as f32 * 0.618_034) % 1.0);
            let (x, y) =
                if k.is_multiple_of(2) { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
            let e: [f32; 6] = std::array::from_fn(|_| normal());
            [x + blur * e[0], y + blur * e[1], 300.0 + 40.0 * e[2], e[3] + 0.8 * e[2], e[4].exp() * (1.0 + blur), e[5]]
        };
        (0..rows).flat_map(&mut row).collect()
    };
    let sets = [("data", 0.08), ("teacher", 0.1), ("student, LKD", 0.16), ("student, scratch", 0.3)]
        .map(|(name, blur)| (name, moons(10_000, blur)));
    let samples: Vec<Sample<'_>> = sets.iter().map(|(name, rows)| Sample { name, rows }).collect();
    let names = ["x (m)", "y (m)", "temperature (K)", "voltage (V)", "energy (keV)", "phase (rad)"];
    for (shown, ending) in [(6, "png"), (6, "svg"), (2, "png"), (1, "png")] {
        let path = folder.join(format!("pairwise_{shown}.{ending}"));
        pairwise(path, "Samples of two moons and four nuisances", &samples, &names, 6, shown)?;
    }

    let roles = [
        ("teacher (8 couplings)", vec![-1.02, -1.01, -1.03]),
        ("student, LKD", vec![-1.11, -1.09, -1.12]),
        ("student, LKD + SKD", vec![-1.08, -1.10, -1.07]),
        ("student, from scratch", vec![-1.21, -1.18, -1.25]),
        ("a single run", vec![-1.15]),
    ]
    .map(|(name, values)| Role { name: name.into(), values });
    let reference = Some((-0.99, "entropy of the data"));
    for ending in ["png", "svg"] {
        let path = folder.join(format!("bars.{ending}"));
        bars_with_errors(path, "Two moons, 3 seeds", &roles, "test log-likelihood (nats per row)", reference)?;
    }
    Ok(())
}
