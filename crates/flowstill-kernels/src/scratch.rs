//! Lend every thread the same memory again and again.

use std::cell::RefCell;

thread_local! {
    /// One vector for every depth of nested calls.
    static SPACES: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Call `run` with slices of the given lengths. They hold whatever an earlier caller left in them.
pub fn with_scratch<const N: usize, R>(lengths: [usize; N], run: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let mut space = SPACES.with_borrow_mut(|spaces| spaces.pop().unwrap_or_default());
    let total = lengths.iter().sum();
    if space.len() < total {
        space = vec![0.0; total];
    }
    let mut rest = space.as_mut_slice();
    let parts = lengths.map(|length| {
        let (part, tail) = std::mem::take(&mut rest).split_at_mut(length);
        rest = tail;
        part
    });
    let result = run(parts);
    SPACES.with_borrow_mut(|spaces| spaces.push(space));
    result
}

#[cfg(test)]
mod tests {
    use super::with_scratch;

    #[test]
    fn slices_have_their_lengths_also_when_nested() {
        with_scratch([3, 0, 2], |[a, b, c]| {
            assert_eq!([a.len(), b.len(), c.len()], [3, 0, 2]);
            a.fill(1.0);
            with_scratch([3], |[inner]| inner.fill(2.0));
            assert_eq!(a, [1.0; 3]);
        });
    }
}
