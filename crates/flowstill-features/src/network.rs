//! Turn pictures into features, whichever network does it.

use rayon::prelude::*;

use crate::Pictures;

/// A frozen network whose features a Frechet distance can compare.
pub trait FeatureNetwork: Send + Sync {
    /// The name to give beside every number that these features lead to, with the input side where that is a setting.
    fn name(&self) -> String;

    /// Features per picture.
    fn dimensions(&self) -> usize;

    /// The features `[count, dimensions]` of pictures `[count, height, width, channels]`, row-major.
    ///
    /// Pictures are resized to the network's side and spread over rayon's current threads. The last digits of a
    /// feature may depend on which pictures share a call, as the order of sums in a matrix product may.
    fn features(&self, pictures: &Pictures<'_>) -> Vec<f32>;
}

/// Runs `work` on groups of at most `group` pictures in parallel: their first index, and their `[_, dimensions]` of the
/// output; `start` makes what a thread keeps from group to group.
pub(crate) fn in_groups<S: Send>(
    count: usize,
    group: usize,
    dimensions: usize,
    start: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, usize, &mut [f32]) + Send + Sync,
) -> Vec<f32> {
    let mut out = vec![0.0; count * dimensions];
    // No larger than leaves work for every thread.
    let group = group.min(count.div_ceil(rayon::current_num_threads())).max(1);
    out.par_chunks_mut(group * dimensions)
        .enumerate()
        .for_each_init(&start, |state, (k, out)| work(state, k * group, out));
    out
}
