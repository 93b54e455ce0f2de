//! Give the interval that a mean of few values lies in, by Student's t distribution.

/// The quantile of Student's t distribution at `p`, strictly between 0 and 1, with `degrees` degrees of freedom, above 0 (not only whole
/// ones); to about twelve digits. NaN for anything else.
///
/// The distribution function is `1 - I_x(degrees / 2, 1 / 2) / 2` at `x = degrees / (degrees + t^2)`, with the regularised incomplete beta
/// function (Abramowitz and Stegun 1964, 26.7.1); it is inverted by halving.
///
/// ```
/// // The factor of a 95 % interval of a mean over three values.
/// assert!((flowstill_metrics::student_t_quantile(0.975, 2.0) - 4.302652729749462).abs() < 1e-10);
/// ```
pub fn student_t_quantile(p: f64, degrees: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && degrees > 0.0 && degrees.is_finite()) {
        return f64::NAN;
    }
    let tail = p.min(1.0 - p);
    if tail == 0.5 {
        return 0.0;
    }
    // The upper tail falls with t: first a bound, then halves.
    let mut high = 1.0;
    while upper_tail(high, degrees) > tail && high < 1e300 {
        high *= 2.0;
    }
    let mut low = if high > 1.0 { 0.5 * high } else { 0.0 };
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        match upper_tail(middle, degrees) > tail {
            true => low = middle,
            false => high = middle,
        }
    }
    let t = 0.5 * (low + high);
    if p < 0.5 { -t } else { t }
}

/// Half the width of the 95 % interval of a mean over `count` values whose standard error is given: `t(0.975, count - 1)` times it. None
/// for fewer than two values, which have no interval.
pub fn half_width_95(standard_error: f64, count: usize) -> Option<f64> {
    (count > 1).then(|| student_t_quantile(0.975, (count - 1) as f64) * standard_error)
}

/// `P(T > t)` for `t >= 0`.
fn upper_tail(t: f64, degrees: f64) -> f64 {
    // x = degrees / (degrees + t^2) with its complement, each without cancellation.
    let squared = t * t / degrees;
    let (x, complement) = (1.0 / (1.0 + squared), squared / (1.0 + squared));
    0.5 * incomplete_beta(0.5 * degrees, 0.5, x, complement)
}

/// The regularised incomplete beta function `I_x(a, b)`, with `y = 1 - x`.
fn incomplete_beta(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let front = (log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * x.ln() + b * y.ln()).exp();
    // The fraction settles fast on this side of the mean; on the other the complement's does.
    match x < (a + 1.0) / (a + b + 2.0) {
        true => front * fraction(a, b, x) / a,
        false => 1.0 - front * fraction(b, a, y) / b,
    }
}

/// The continued fraction of the incomplete beta function by Lentz's method (Abramowitz and Stegun 1964, 26.5.8).
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for step in 1..20_000 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        result *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let change = d * c;
        result *= change;
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    result
}

/// `ln Gamma(x)` for `x > 0`: Stirling's series, which is exact to the last digit from 10 on, after as many steps of `Gamma(x + 1) = x
/// Gamma(x)` as lead there.
fn log_gamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < 10.0 {
        product *= x;
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r * (1.0 / 1680.0 - r / 1188.0)))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - product.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_the_tables() {
        // Two-sided 95 % and 99 %; whole degrees have closed forms (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
        let table = [
            (0.975, 1.0, 12.706_204_736_174_7),
            (0.975, 2.0, 4.302_652_729_749_5),
            (0.975, 3.0, 3.182_446_305_283_7),
            (0.975, 4.0, 2.776_445_105_197_8),
            (0.975, 5.0, 2.570_581_835_636_3),
            (0.975, 9.0, 2.262_157_162_798_2),
            (0.975, 30.0, 2.042_272_456_301_2),
            (0.995, 1.0, 63.656_741_162_871_5),
            (0.995, 2.0, 9.924_843_200_918_3),
            (0.995, 10.0, 3.169_272_672_616_9),
        ];
        for (p, degrees, expected) in table {
            let found = student_t_quantile(p, degrees);
            assert!((found / expected - 1.0).abs() < 1e-11, "t({p}, {degrees}) = {found}, expected {expected}");
            assert!((student_t_quantile(1.0 - p, degrees) / found + 1.0).abs() < 1e-9);
        }
        let closed = |p: f64| (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt();
        for p in [0.500_001, 0.6, 0.9, 0.999, 0.999_999] {
            assert!((student_t_quantile(p, 2.0) - closed(p)).abs() < 1e-8 * closed(p).max(1.0), "{p}");
        }
        // Many degrees are the normal distribution.
        assert!((student_t_quantile(0.975, 1e7) - 1.959_963_984_540_05).abs() < 1e-6);
        assert_eq!(student_t_quantile(0.5, 3.0), 0.0);
    }

    #[test]
    fn what_has_no_quantile_is_no_number() {
        for (p, degrees) in [(0.0, 2.0), (1.0, 2.0), (0.9, 0.0), (f64::NAN, 2.0), (0.9, f64::INFINITY)] {
            assert!(student_t_quantile(p, degrees).is_nan());
        }
        assert_eq!((half_width_95(1.0, 0), half_width_95(1.0, 1)), (None, None));
        assert!((half_width_95(0.5, 2).unwrap() - 6.353_102_368_087_3).abs() < 1e-9);
    }
}
