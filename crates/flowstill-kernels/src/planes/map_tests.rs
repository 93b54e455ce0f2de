//! Hold maps over planes to each other, in both directions.

use super::super::reference::{Numbers, each_simd};
use super::*;
use crate::univariate::LogScale;

const MAPS: [Map; 4] = [
    Map::Affine(LogScale::Tanh(2.0)),
    Map::Affine(LogScale::Sigmoid(1e-3)),
    Map::Additive,
    Map::Spline { bins: 6, tail_bound: 3.0 },
];

#[test]
fn inverses_are_those_of_the_map_itself() {
    let lanes = 32;
    for map in MAPS {
        let mut numbers = Numbers::new(8);
        let (z, raw) = (numbers.many(lanes, 3.2), numbers.many(lanes * map.params(), 1.5));
        let (mut x, mut slope, mut own_x, mut own_slope) =
            (vec![0.0; lanes], vec![1.0; lanes], vec![0.0; lanes], vec![1.0; lanes]);
        map.inverse(&z, &raw, &mut own_x, &mut own_slope);
        widest::inverse(map, &z, &raw, &mut x, &mut slope);
        for at in 0..lanes {
            assert!((x[at] - own_x[at]).abs() < 1e-4 && (slope[at] - own_slope[at]).abs() < 1e-3, "{map:?}");
        }
    }
}

#[test]
fn the_widest_instructions_are_among_those_tried() {
    let lanes = 32;
    for map in MAPS {
        let mut numbers = Numbers::new(9);
        let (from, raw) = (numbers.many(lanes, 3.2), numbers.many(lanes * map.params(), 1.5));
        let (g_to, g_log) = (numbers.many(lanes, 1.0), numbers.many(lanes, 1.0));
        let new = || (vec![vec![0.0_f32; lanes]; 6], vec![vec![0.0_f32; raw.len()]; 2]);
        let (mut wide, mut wide_raw) = new();
        let [z, up, x, down, g_x, g_z] = &mut wide[..] else { unreachable!() };
        widest::forward(map, &from, &raw, z, up);
        widest::inverse(map, &from, &raw, x, down);
        widest::backward(map, &from, &raw, &g_to, &g_log, g_x, &mut wide_raw[0]);
        widest::backward_inverse(map, &from, &raw, &g_to, &g_log, g_z, &mut wide_raw[1]);
        let mut tried = Vec::new();
        each_simd!(|simd| {
            let (mut own, mut own_raw) = new();
            let [z, up, x, down, g_x, g_z] = &mut own[..] else { unreachable!() };
            forward(simd, map, &from, &raw, z, up);
            inverse(simd, map, &from, &raw, x, down);
            backward(simd, map, &from, &raw, &g_to, &g_log, g_x, &mut own_raw[0]);
            backward_inverse(simd, map, &from, &raw, &g_to, &g_log, g_z, &mut own_raw[1]);
            tried.push((own, own_raw));
        });
        if cfg!(target_arch = "x86_64") {
            assert!(tried.contains(&(wide, wide_raw)), "{map:?}");
        }
    }
}

#[test]
#[should_panic(expected = "20 lanes")]
fn lanes_that_do_not_fill_vectors_are_refused() {
    let (x, mut z, mut slope) = (vec![0.0; 20], vec![0.0; 20], vec![0.0; 20]);
    widest::forward(Map::Additive, &x, &x, &mut z, &mut slope);
}
