//! Pass once over values that lie in the cache, with the widest instructions of the machine.

/// Run a loop compiled for the instruction set found while the program runs.
#[inline(always)]
pub fn widest<R>(run: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(run)
}

/// Every row of `rows` plus `bias`, negative values to zero. NaN stays NaN, so that a spoilt step is seen.
pub fn add_bias_and_relu(rows: &mut [f32], bias: &[f32]) {
    widest(|| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                let sum = *value + *bias;
                *value = if sum < 0.0 { 0.0 } else { sum };
            }
        }
    });
}

/// Set `gradient` to zero where `activation` is not above zero, and add the rows of what is left to `sums`.
pub fn mask_and_sum(gradient: &mut [f32], activation: &[f32], sums: &mut [f32]) {
    widest(|| {
        let width = sums.len();
        for (row, active) in gradient.chunks_exact_mut(width).zip(activation.chunks_exact(width)) {
            for ((value, active), sum) in row.iter_mut().zip(active).zip(&mut *sums) {
                *value = if *active > 0.0 { *value } else { 0.0 };
                *sum += *value;
            }
        }
    });
}

/// Add every row of `rows` to `sums`.
pub fn sum_rows(rows: &[f32], sums: &mut [f32]) {
    widest(|| {
        for row in rows.chunks_exact(sums.len()) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value);
        }
    });
}

/// `to += from`.
pub fn add(to: &mut [f32], from: &[f32]) {
    widest(|| to.iter_mut().zip(from).for_each(|(to, from)| *to += *from));
}
