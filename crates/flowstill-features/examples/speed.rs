//! Time networks: pass EfficientNet-Lite0's weights, a number of pictures (default 512), and perhaps the Inception's weights.

use std::time::Instant;

use flowstill_features::{EfficientNetLite0, FeatureError, FeatureNetwork, FidInception, Pictures};

fn main() -> Result<(), FeatureError> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "efficientnet-lite0-57934424.pth".into());
    let most: usize = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(512);
    for side in [224, 128, 64, 32] {
        // About the same work at every side.
        timed(&EfficientNetLite0::from_file(&path, side)?, (most * 32 * 32 / (side * side)).max(32))?;
    }
    if let Some(path) = arguments.next() {
        timed(&FidInception::from_file(path)?, 16)?;
    }
    Ok(())
}

/// Prints the best rate of three runs after one to warm up.
fn timed(network: &dyn FeatureNetwork, count: usize) -> Result<(), FeatureError> {
    let shape = [count, 32, 32, 3];
    let bytes: Vec<u8> = (0..shape.iter().product()).map(|k: usize| (k * k % 251) as u8).collect();
    let pictures = Pictures::new(&bytes, shape)?;
    network.features(&pictures);
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        network.features(&pictures);
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{}: {:.0} pictures per second ({count} in {best:.3} s)", network.name(), count as f64 / best);
    Ok(())
}
