//! Apply any map of single values to one feature over all its lanes.
//!
//! The generic functions serve loops that have chosen their instruction set already; those of [`widest`] choose the widest of the machine.

use super::{affine, spline};
use crate::univariate::Map;
use pulp::Simd;

/// Data to latent: `x` and `z` are `[lanes]`, `raw` is `[map.params()][lanes]`; `log dz/dx` is added to `log_slope`, `[lanes]`.
///
/// # Panics
/// If the lengths do not agree, `lanes` is no multiple of [`LANES`](super::LANES), or a spline has not between 2 and 256 bins.
#[inline(always)]
pub fn forward<S: Simd>(simd: S, map: Map, x: &[f32], raw: &[f32], z: &mut [f32], log_slope: &mut [f32]) {
    match map {
        Map::Affine(scale) => affine::forward(simd, Some(scale), x, raw, z, log_slope),
        Map::Additive => affine::forward(simd, None, x, raw, z, log_slope),
        Map::Spline { bins, tail_bound } => spline::forward(simd, x, raw, bins, tail_bound, z, log_slope),
    }
}

/// Latent to data: `z` and `x` are `[lanes]`, `raw` is `[map.params()][lanes]`; the same `log dz/dx` as in [`forward`] is added to `log_slope`,
/// `[lanes]`.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
pub fn inverse<S: Simd>(simd: S, map: Map, z: &[f32], raw: &[f32], x: &mut [f32], log_slope: &mut [f32]) {
    match map {
        Map::Affine(scale) => affine::inverse(simd, Some(scale), z, raw, x, log_slope),
        Map::Additive => affine::inverse(simd, None, z, raw, x, log_slope),
        Map::Spline { bins, tail_bound } => spline::inverse(simd, z, raw, bins, tail_bound, x, log_slope),
    }
}

/// The gradients of [`forward`] at `x`: from those of `z` and of `log_slope`, all `[lanes]`, to those of `x`, `[lanes]`, and of `raw`,
/// `[map.params()][lanes]`, both overwritten.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn backward<S: Simd>(
    simd: S,
    map: Map,
    x: &[f32],
    raw: &[f32],
    g_z: &[f32],
    g_log_slope: &[f32],
    g_x: &mut [f32],
    g_raw: &mut [f32],
) {
    match map {
        Map::Affine(scale) => affine::backward(simd, Some(scale), x, raw, g_z, g_log_slope, g_x, g_raw),
        Map::Additive => affine::backward(simd, None, x, raw, g_z, g_log_slope, g_x, g_raw),
        Map::Spline { bins, tail_bound } => {
            spline::backward(simd, x, raw, bins, tail_bound, g_z, g_log_slope, g_x, g_raw);
        }
    }
}

/// The gradients of [`inverse`] at `z`: from those of `x` and of `log_slope`, all `[lanes]`, to those of `z`, `[lanes]`, and of `raw`,
/// `[map.params()][lanes]`, both overwritten.
///
/// # Panics
/// As [`forward`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn backward_inverse<S: Simd>(
    simd: S,
    map: Map,
    z: &[f32],
    raw: &[f32],
    g_x: &[f32],
    g_log_slope: &[f32],
    g_z: &mut [f32],
    g_raw: &mut [f32],
) {
    match map {
        Map::Affine(scale) => affine::backward_inverse(simd, Some(scale), z, raw, g_x, g_log_slope, g_z, g_raw),
        Map::Additive => affine::backward_inverse(simd, None, z, raw, g_x, g_log_slope, g_z, g_raw),
        Map::Spline { bins, tail_bound } => {
            spline::backward_inverse(simd, z, raw, bins, tail_bound, g_x, g_log_slope, g_z, g_raw);
        }
    }
}

/// The functions of [`super::map`] with the widest instructions of the machine.
pub mod widest {
    use crate::univariate::Map;
    use pulp::{Arch, Simd, WithSimd};

    struct Values<'a> {
        forward: bool,
        map: Map,
        from: &'a [f32],
        raw: &'a [f32],
        to: &'a mut [f32],
        log_slope: &'a mut [f32],
    }

    impl WithSimd for Values<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self { forward, map, from, raw, to, log_slope } = self;
            match forward {
                true => super::forward(simd, map, from, raw, to, log_slope),
                false => super::inverse(simd, map, from, raw, to, log_slope),
            }
        }
    }

    struct Gradients<'a> {
        forward: bool,
        map: Map,
        from: &'a [f32],
        raw: &'a [f32],
        g_to: &'a [f32],
        g_log_slope: &'a [f32],
        g_from: &'a mut [f32],
        g_raw: &'a mut [f32],
    }

    impl WithSimd for Gradients<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self { forward, map, from, raw, g_to, g_log_slope, g_from, g_raw } = self;
            match forward {
                true => super::backward(simd, map, from, raw, g_to, g_log_slope, g_from, g_raw),
                false => super::backward_inverse(simd, map, from, raw, g_to, g_log_slope, g_from, g_raw),
            }
        }
    }

    /// [`super::forward`].
    ///
    /// # Panics
    /// As [`super::forward`].
    pub fn forward(map: Map, x: &[f32], raw: &[f32], z: &mut [f32], log_slope: &mut [f32]) {
        Arch::new().dispatch(Values { forward: true, map, from: x, raw, to: z, log_slope });
    }

    /// [`super::inverse`].
    ///
    /// # Panics
    /// As [`super::forward`].
    pub fn inverse(map: Map, z: &[f32], raw: &[f32], x: &mut [f32], log_slope: &mut [f32]) {
        Arch::new().dispatch(Values { forward: false, map, from: z, raw, to: x, log_slope });
    }

    /// [`super::backward`].
    ///
    /// # Panics
    /// As [`super::forward`].
    pub fn backward(
        map: Map,
        x: &[f32],
        raw: &[f32],
        g_z: &[f32],
        g_log_slope: &[f32],
        g_x: &mut [f32],
        g_raw: &mut [f32],
    ) {
        let forward = true;
        Arch::new().dispatch(Gradients { forward, map, from: x, raw, g_to: g_z, g_log_slope, g_from: g_x, g_raw });
    }

    /// [`super::backward_inverse`].
    ///
    /// # Panics
    /// As [`super::forward`].
    pub fn backward_inverse(
        map: Map,
        z: &[f32],
        raw: &[f32],
        g_x: &[f32],
        g_log_slope: &[f32],
        g_z: &mut [f32],
        g_raw: &mut [f32],
    ) {
        let forward = false;
        Arch::new().dispatch(Gradients { forward, map, from: z, raw, g_to: g_x, g_log_slope, g_from: g_z, g_raw });
    }
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
