//! Make pixels continuous: by uniform noise, or by noise that a learned flow draws for the picture.

use super::{Model, Space};
use crate::pictures::{PictureScaling, normal_of_uniform, picture_noise};
use crate::{Engine, Result};

impl<E: Engine> Model<E> {
    /// Bring the pixels of a tile of pictures, from picture `first` of the set, into the thread's space, as the flow sees them. `logs` become the log-determinants
    /// of the scaling, less `log q(u | v)` of learned noise: nats.
    pub(super) fn enter_pixels(
        &self,
        space: &mut Space,
        scaling: PictureScaling,
        pixels: &[u8],
        seed: u64,
        first: usize,
        logs: &mut [f64],
    ) -> Result<()> {
        let d = self.columns();
        let [noise, state, y] = &mut space.spare;
        noise.resize(pixels.len(), 0.0);
        for (index, noise) in noise.chunks_exact_mut(d).enumerate() {
            picture_noise(seed, (first + index) as u64, noise);
        }
        logs.fill(0.0);
        if let Some(dequantizer) = &self.dequantizer {
            space.log_det.resize(logs.len(), 0.0);
            learned(dequantizer, self.event(), scaling, pixels, [noise, state, y], &mut space.log_det, logs)?;
        }
        space.x.clear();
        for ((pixels, noise), log) in pixels.chunks_exact(d).zip(noise.chunks_exact(d)).zip(logs) {
            *log += scaling.forward(pixels, noise, &mut space.x);
        }
        Ok(())
    }
}

/// Turn uniform noise into that of a dequantiser, and take its log-density off `logs`:
///
/// ```text
/// eps = Phi^-1(u)     y = g^-1(eps; v)     u = Phi(y)     log q(u | v) = log N(eps) + log |det d eps/d y| - log N(y)
/// ```
fn learned(
    dequantizer: &impl Engine,
    [h, w, c]: [usize; 3],
    scaling: PictureScaling,
    pixels: &[u8],
    [noise, state, y]: [&mut Vec<f32>; 3],
    log_det: &mut [f32],
    logs: &mut [f64],
) -> Result<()> {
    noise.iter_mut().for_each(|u| *u = normal_of_uniform(*u));
    let step = scaling.values();
    let place = |at: usize| place(at, [h, w, c]);
    state.resize(2 * pixels.len(), 0.0);
    y.resize(2 * pixels.len(), 0.0);
    for (at, (&value, eps)) in pixels.iter().zip(noise.iter()).enumerate() {
        let to = place(at);
        state[to] = ((f64::from(value) + 0.5) / step - 0.5) as f32;
        state[to + 4 * c] = *eps;
    }
    let own: &[f32] = state;
    dequantizer.decode(|_| own, &[], false, y, log_det)?;
    let d = h * w * c;
    for (sample, (noise, log)) in noise.chunks_exact_mut(d).zip(logs).enumerate() {
        let mut log_q = f64::from(log_det[sample]);
        for (index, u) in noise.iter_mut().enumerate() {
            let (eps, y) = (*u, y[place(sample * d + index) + 4 * c]);
            log_q += f64::from(y - eps) * f64::from(y + eps) * 0.5;
            // Beyond these ends an f32 rounds to 0 and 1.
            let end = f32::EPSILON / 2.0;
            *u = ((libm::erff(y * std::f32::consts::FRAC_1_SQRT_2) + 1.0) * 0.5).clamp(end, 1.0 - end);
        }
        *log -= log_q;
    }
    Ok(())
}

/// Where a value of `[pictures, height, width, channels]` stands in the squeezed state of a dequantiser, `[pictures, height / 2, width / 2, 8 channels]`: channel
/// `4 c + 2 dy + dx` of its block; its noise stands `4 channels` behind.
fn place(at: usize, [h, w, c]: [usize; 3]) -> usize {
    let (channel, rest) = (at % c, at / c);
    let (x, rest) = (rest % w, rest / w);
    let (y, picture) = (rest % h, rest / h);
    let block = (picture * (h / 2) + y / 2) * (w / 2) + x / 2;
    block * 8 * c + 4 * channel + 2 * (y % 2) + x % 2
}
