//! Find who is beaten by nobody, and rank models for a search by it.

/// Which points are on the Pareto front: no other is at least as good in both and better in one. `points` are (loss, gain): less loss is
/// better, more gain is better; points that are not finite are on no front.
pub fn on_front(points: &[(f64, f64)]) -> Vec<bool> {
    let finite = |point: &(f64, f64)| point.0.is_finite() && point.1.is_finite();
    let beats = |a: &(f64, f64), b: &(f64, f64)| finite(a) && a.0 <= b.0 && a.1 >= b.1 && (a.0 < b.0 || a.1 > b.1);
    points.iter().map(|point| finite(point) && !points.iter().any(|other| beats(other, point))).collect()
}

/// The indices of `points` from the best on: front by front, each by its loss. Where `single` is set the loss alone decides.
pub fn ranked(points: &[(f64, f64)], single: bool) -> Vec<usize> {
    let by_loss = |all: &mut Vec<usize>| all.sort_by(|a, b| points[*a].0.total_cmp(&points[*b].0).then(a.cmp(b)));
    let mut left: Vec<usize> = (0..points.len()).filter(|at| points[*at].0.is_finite()).collect();
    if single {
        by_loss(&mut left);
        return left;
    }
    let mut out = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let here: Vec<(f64, f64)> = left.iter().map(|at| points[*at]).collect();
        let front = on_front(&here);
        let (mut first, rest): (Vec<(usize, bool)>, Vec<_>) =
            left.into_iter().zip(front).partition(|(_, on_front)| *on_front);
        if first.is_empty() {
            // Gains that are not finite: in the order of their loss, behind all others.
            let mut rest: Vec<usize> = rest.into_iter().map(|(at, _)| at).collect();
            by_loss(&mut rest);
            out.extend(rest);
            break;
        }
        let mut layer: Vec<usize> = first.drain(..).map(|(at, _)| at).collect();
        by_loss(&mut layer);
        out.extend(layer);
        left = rest.into_iter().map(|(at, _)| at).collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_who_is_beaten_by_nobody() {
        let points = [(1.0, 10.0), (2.0, 20.0), (2.5, 15.0), (3.0, 30.0), (0.5, 1.0), (f64::NAN, 99.0)];
        assert_eq!(on_front(&points), [true, true, false, true, true, false]);
        // Equal points do not beat each other.
        assert_eq!(on_front(&[(1.0, 1.0), (1.0, 1.0)]), [true, true]);
    }

    #[test]
    fn ranks_go_front_by_front() {
        let points = [(1.0, 10.0), (2.0, 20.0), (2.5, 15.0), (3.0, 30.0), (f64::NAN, 99.0)];
        assert_eq!(ranked(&points, false), [0, 1, 3, 2]);
        assert_eq!(ranked(&points, true), [0, 1, 2, 3]);
    }
}
