//! Turn planes round, `[plane, lane]` to `[lane, plane]`, sixteen by sixteen.

use pulp::Simd;
use std::any::Any;

/// Planes, and lanes, that are transposed at a time.
pub(super) const SIDE: usize = 16;

/// `planes` is `[planes, lanes]`, `transposed` is `[lanes, panel]`; what stands behind the planes, up to a multiple of [`SIDE`], is zero, as `zeros` are, of which
/// there are as many as lanes. Lanes are a multiple of [`SIDE`], and so is `panel`, which is at least the number of planes.
#[inline(always)]
pub(super) fn transpose<S: Simd>(
    simd: S,
    planes: &[f32],
    lanes: usize,
    panel: usize,
    zeros: &[f32],
    transposed: &mut [f32],
) {
    for (group, planes) in planes.chunks(SIDE * lanes).enumerate() {
        let mut rows: [&[Lanes]; SIDE] = [zeros.as_chunks().0; SIDE];
        rows.iter_mut().zip(planes.chunks_exact(lanes)).for_each(|(row, plane)| *row = plane.as_chunks().0);
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
        // Side by side, so that nothing within the loop can panic.
        let (first, second) = (a.iter().zip(b).zip(c).zip(d), e.iter().zip(f).zip(g).zip(h));
        let (third, fourth) = (i.iter().zip(j).zip(k).zip(l), m.iter().zip(n).zip(o).zip(p));
        for (((first, second), (third, fourth)), to) in
            first.zip(second).zip(third.zip(fourth)).zip(transposed.chunks_exact_mut(SIDE * panel))
        {
            let (((a, b), c), d) = first;
            let (((e, f), g), h) = second;
            let (((i, j), k), l) = third;
            let (((m, n), o), p) = fourth;
            let block = transpose_block(simd, [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]);
            for (to, from) in to.chunks_exact_mut(panel).zip(block) {
                to[group * SIDE..][..SIDE].copy_from_slice(&from);
            }
        }
    }
}

type Lanes = [f32; SIDE];
type Block = [Lanes; SIDE];

/// By the machine's own shuffles where they are known: compilers do it value by value.
#[inline(always)]
fn transpose_block<S: Simd>(simd: S, rows: [&Lanes; SIDE]) -> Block {
    let simd: &dyn Any = &simd;
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    {
        if let Some(simd) = simd.downcast_ref::<pulp::x86::V4>() {
            return x86::by_512_bits(*simd, rows);
        }
        if let Some(simd) = simd.downcast_ref::<pulp::x86::V3>() {
            return x86::by_256_bits(*simd, rows);
        }
    }
    let _ = simd;
    plain(rows)
}

#[inline(always)]
fn plain(rows: [&Lanes; SIDE]) -> Block {
    std::array::from_fn(|lane| std::array::from_fn(|row| rows[row][lane]))
}

/// Written out, for intrinsics within closures would be calls.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86 {
    use super::{Block, Lanes, SIDE};
    use pulp::bytemuck::cast;
    use pulp::x86::{V3, V4};

    type Wide = pulp::f32x16;
    type Half = pulp::f32x8;

    /// Pairs, then quadruples of rows within 128 bits, then the quarters of the vectors.
    #[inline(always)]
    pub fn by_512_bits(simd: V4, rows: [&Lanes; SIDE]) -> Block {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
        let (first, second) = (four(simd, a, b, c, d), four(simd, e, f, g, h));
        let (third, fourth) = (four(simd, i, j, k, l), four(simd, m, n, o, p));
        let [a, e, i, m] = quarters(simd, first[0], second[0], third[0], fourth[0]);
        let [b, f, j, n] = quarters(simd, first[1], second[1], third[1], fourth[1]);
        let [c, g, k, o] = quarters(simd, first[2], second[2], third[2], fourth[2]);
        let [d, h, l, p] = quarters(simd, first[3], second[3], third[3], fourth[3]);
        cast([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p])
    }

    /// Of four rows: number `j` holds the lanes `j`, `4 + j`, `8 + j` and `12 + j`, all rows of a lane together.
    #[inline(always)]
    fn four(simd: V4, a: &Lanes, b: &Lanes, c: &Lanes, d: &Lanes) -> [Wide; 4] {
        let s = simd.avx512f;
        let (a, b, c, d) = (cast(*a), cast(*b), cast(*c), cast(*d));
        let ab = (s._mm512_unpacklo_ps(a, b), s._mm512_unpackhi_ps(a, b));
        let cd = (s._mm512_unpacklo_ps(c, d), s._mm512_unpackhi_ps(c, d));
        let (ab, cd) = ((cast(ab.0), cast(ab.1)), (cast(cd.0), cast(cd.1)));
        [
            cast(s._mm512_unpacklo_pd(ab.0, cd.0)),
            cast(s._mm512_unpackhi_pd(ab.0, cd.0)),
            cast(s._mm512_unpacklo_pd(ab.1, cd.1)),
            cast(s._mm512_unpackhi_pd(ab.1, cd.1)),
        ]
    }

    /// Of the same number of four times four rows: its four lanes, all sixteen rows of each together.
    #[inline(always)]
    fn quarters(simd: V4, a: Wide, b: Wide, c: Wide, d: Wide) -> [Wide; 4] {
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        let s = simd.avx512f;
        let (a, b, c, d) = (cast(a), cast(b), cast(c), cast(d));
        let even = (s._mm512_shuffle_f32x4::<EVEN>(a, b), s._mm512_shuffle_f32x4::<EVEN>(c, d));
        let odd = (s._mm512_shuffle_f32x4::<ODD>(a, b), s._mm512_shuffle_f32x4::<ODD>(c, d));
        [
            cast(s._mm512_shuffle_f32x4::<EVEN>(even.0, even.1)),
            cast(s._mm512_shuffle_f32x4::<EVEN>(odd.0, odd.1)),
            cast(s._mm512_shuffle_f32x4::<ODD>(even.0, even.1)),
            cast(s._mm512_shuffle_f32x4::<ODD>(odd.0, odd.1)),
        ]
    }

    /// Four blocks of eight by eight.
    #[inline(always)]
    pub fn by_256_bits(simd: V3, rows: [&Lanes; SIDE]) -> Block {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
        let upper = [a, b, c, d, e, f, g, h];
        let lower = [i, j, k, l, m, n, o, p];
        let first = [eight(simd, upper, 0), eight(simd, lower, 0)];
        let second = [eight(simd, upper, 1), eight(simd, lower, 1)];
        let mut block = [[0.0; SIDE]; SIDE];
        for lane in 0..8 {
            block[lane] = cast([first[0][lane], first[1][lane]]);
            block[8 + lane] = cast([second[0][lane], second[1][lane]]);
        }
        block
    }

    /// The first or the second eight lanes of eight rows.
    #[inline(always)]
    fn eight(simd: V3, rows: [&Lanes; 8], part: usize) -> [Half; 8] {
        let s = simd.avx;
        let [a, b, c, d, e, f, g, h] = rows;
        let upper = four_of_eight(simd, half(a, part), half(b, part), half(c, part), half(d, part));
        let lower = four_of_eight(simd, half(e, part), half(f, part), half(g, part), half(h, part));
        let mut transposed = [cast([0.0_f32; 8]); 8];
        for j in 0..4 {
            let (upper, lower) = (cast(upper[j]), cast(lower[j]));
            transposed[j] = cast(s._mm256_permute2f128_ps::<0x20>(upper, lower));
            transposed[4 + j] = cast(s._mm256_permute2f128_ps::<0x31>(upper, lower));
        }
        transposed
    }

    #[inline(always)]
    fn half(row: &Lanes, part: usize) -> Half {
        let halves: [Half; 2] = cast(*row);
        halves[part]
    }

    /// Of four rows: number `j` holds the lanes `j` and `4 + j`, all rows of a lane together.
    #[inline(always)]
    fn four_of_eight(simd: V3, a: Half, b: Half, c: Half, d: Half) -> [Half; 4] {
        let s = simd.avx;
        let (a, b, c, d) = (cast(a), cast(b), cast(c), cast(d));
        let ab = (s._mm256_unpacklo_ps(a, b), s._mm256_unpackhi_ps(a, b));
        let cd = (s._mm256_unpacklo_ps(c, d), s._mm256_unpackhi_ps(c, d));
        [
            cast(s._mm256_shuffle_ps::<0x44>(ab.0, cd.0)),
            cast(s._mm256_shuffle_ps::<0xee>(ab.0, cd.0)),
            cast(s._mm256_shuffle_ps::<0x44>(ab.1, cd.1)),
            cast(s._mm256_shuffle_ps::<0xee>(ab.1, cd.1)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_transposes_as_the_plain_loop_does() {
        let block: Block = std::array::from_fn(|row| std::array::from_fn(|lane| (row * SIDE + lane) as f32));
        let rows = block.each_ref();
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            match pulp::x86::V4::try_new() {
                Some(simd) => assert_eq!(simd.vectorize(|| x86::by_512_bits(simd, rows)), plain(rows)),
                None => eprintln!("no AVX-512 here: its shuffles are not tested"),
            }
            match pulp::x86::V3::try_new() {
                Some(simd) => assert_eq!(simd.vectorize(|| x86::by_256_bits(simd, rows)), plain(rows)),
                None => eprintln!("no AVX2 here: its shuffles are not tested"),
            }
        }
        let transposed = plain(rows);
        assert!((0..SIDE).all(|row| (0..SIDE).all(|lane| transposed[lane][row] == block[row][lane])));
    }

    #[test]
    fn panels_are_turned_and_filled_up_with_zeros() {
        let (planes, lanes, panel) = (21, 48, 64);
        let values: Vec<f32> = (0..planes * lanes).map(|i| i as f32 + 1.0).collect();
        let mut transposed = vec![7.0; lanes * panel];
        transpose(pulp::Scalar::new(), &values, lanes, panel, &[0.0; 48], &mut transposed);
        for lane in 0..lanes {
            for plane in 0..32 {
                let expect = if plane < planes { values[plane * lanes + lane] } else { 0.0 };
                assert_eq!(transposed[lane * panel + plane], expect);
            }
        }
    }
}
