//! Time the four functions of the spline on one thread and print nanoseconds per value.

use flowstill_kernels::planes::map::widest;
use flowstill_kernels::univariate::Map;
use std::time::Instant;

/// The best of several runs: others may share the machine.
fn time(name: &str, values: usize, mut run: impl FnMut()) {
    let rounds = 20_000_000 / values / 20;
    let best = (0..12).map(|_| {
        let start = Instant::now();
        (0..rounds).for_each(|_| run());
        start.elapsed().as_secs_f64() / (rounds * values) as f64
    });
    println!("{name:<20} {:6.2} ns per value", best.fold(f64::INFINITY, f64::min) * 1e9);
}

fn main() {
    for (bins, lanes) in [(8, 64), (8, 256), (5, 256), (16, 256)] {
        let map = Map::Spline { bins, tail_bound: 3.0 };
        println!("{bins} bins, {lanes} lanes");
        // The golden ratio's multiples are spread evenly.
        let spread = |count: usize, size: f32| -> Vec<f32> {
            (0..count).map(|i| size * (2.0 * (i as f32 * 0.618_034).fract() - 1.0)).collect()
        };
        let (x, raw, ones) = (spread(lanes, 3.1), spread(lanes * map.params(), 1.5), vec![1.0; lanes]);
        let (mut z, mut slope, mut g_x, mut g_raw) = (x.clone(), x.clone(), x.clone(), raw.clone());
        time("forward", lanes, || widest::forward(map, &x, &raw, &mut z, &mut slope));
        time("inverse", lanes, || widest::inverse(map, &x, &raw, &mut z, &mut slope));
        time("backward", lanes, || widest::backward(map, &x, &raw, &ones, &ones, &mut g_x, &mut g_raw));
        time("backward_inverse", lanes, || widest::backward_inverse(map, &x, &raw, &ones, &ones, &mut g_x, &mut g_raw));
    }
}
