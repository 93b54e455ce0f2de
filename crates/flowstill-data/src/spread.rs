//! Refuse columns that no standardisation can bring to numbers of a useful size.

use std::path::Path;

use crate::{DataError, Result};

/// Values beyond this have squares that are no double-precision numbers.
const LARGEST: f64 = 1e100;
/// Spreads below this have squares that are none.
const SMALLEST: f64 = 1e-100;
/// Where nine rows in ten lie within so small a part of the deviation, single precision hardly tells them apart.
const FLAT: f64 = 1e-6;

/// Checks the columns that are to be standardised by these rows (row-major, `width` columns, at least one row).
///
/// # Errors
/// [`DataError::Malformed`] names the first column whose values are too large, too close, or flattened by a few that lie far off.
pub(crate) fn check(path: &Path, names: &[String], values: &[f64], width: usize, columns: &[usize]) -> Result<()> {
    for &column in columns {
        let mut own: Vec<f64> = values.iter().skip(column).step_by(width.max(1)).copied().collect();
        if let Some((expected, got, remedy)) = fault(&mut own) {
            let (expected, remedy) =
                (format!("column `{}` {expected}", names[column]), format!("{remedy}, or leave it out"));
            return Err(DataError::malformed(path, expected, got, remedy));
        }
    }
    Ok(())
}

/// What was expected of a column, what it is, and what to do; its values are put into another order.
fn fault(own: &mut [f64]) -> Option<(String, String, &'static str)> {
    let (low, high) = own.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &x| (low.min(x), high.max(x)));
    let largest = if high.abs() > low.abs() { high } else { low };
    if largest.abs() > LARGEST {
        let expected = format!("to hold values below {LARGEST:e} in size");
        return Some((expected, format!("{largest:e}"), "divide it by a power of ten"));
    }
    // A constant column is told of elsewhere.
    if low < high && high - low < SMALLEST {
        let expected = format!("to spread over more than {SMALLEST:e}");
        return Some((expected, format!("{:e}", high - low), "multiply it by a power of ten"));
    }
    let count = own.len() as f64;
    let mean = own.iter().map(|x| x / count).sum::<f64>();
    let deviation = own.iter().map(|x| (x - mean).powi(2) / count).sum::<f64>().sqrt();
    let few = (own.len() / 20).max(1);
    if own.len() < 2 * few + 2 {
        return None;
    }
    let mut rank = |at| *own.select_nth_unstable_by(at, f64::total_cmp).1;
    let (below, above) = (rank(few), rank(count as usize - 1 - few));
    // Equal values are flat by themselves.
    (below < above && above - below < FLAT * deviation).then(|| {
        let far = if high - mean > mean - low { high } else { low };
        let got = format!("nine rows in ten from {below:e} to {above:e}, and {far:e} among the others");
        (
            "to have rows that can be told apart once it is standardised".into(),
            got,
            "mend or drop the rows that lie far off",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: impl Iterator<Item = f64>) -> Option<String> {
        let values: Vec<f64> = values.collect();
        check(Path::new("t.csv"), &["x".into()], &values, 1, &[0]).err().map(|error| error.to_string())
    }

    #[test]
    fn meaningless_columns_are_named_with_a_remedy() {
        let plain = |at: i32| f64::from(at * at % 97) / 97.0;
        assert_eq!(told((0..400).map(plain)), None);
        let far = told((0..400).map(|at| if at == 7 { -1e30 } else { plain(at) })).unwrap();
        assert!(
            far.starts_with("t.csv: expected column `x` to have rows that can be told apart") && far.contains("-1e30"),
            "{far}"
        );
        assert!(far.ends_with("mend or drop the rows that lie far off, or leave it out"), "{far}");
        let large = told((0..400).map(|at| 1e300 * plain(at))).unwrap();
        assert!(large.contains("below 1e100") && large.contains("divide it"), "{large}");
        let small = told((0..400).map(|at| 1e-320 * plain(at).round())).unwrap();
        assert!(small.contains("more than 1e-100, got 1e-320; multiply it"), "{small}");
        // Heavy tails, many zeros, a constant, a few rows: other rooms' business.
        assert_eq!(told((1..4000).map(|at| 1.0 / f64::from(at))), None);
        assert_eq!(told((1..4000).map(|at| if at % 50 == 0 { 1e9 } else { 0.0 })), None);
        assert_eq!(told((0..40).map(|_| 0.0)), None);
        assert_eq!(told([0.0, 1.0, 1e30].into_iter()), None);
    }
}
