//! Hold what one worker carries through a flow: the state of a tile, and what its way back needs.

/// Lanes are padded to a multiple of this.
pub(crate) use flowstill_kernels::dense::LANES;

/// A tile on its way: `samples` samples as planes, `[channels, lanes]`; lanes are (sample, y, x), then padding.
#[derive(Debug, Default)]
pub struct Work {
    /// Samples.
    pub samples: usize,
    /// Lines of positions.
    pub height: usize,
    /// Positions of a line.
    pub width: usize,
    /// Planes of the state.
    pub channels: usize,
    /// The state.
    pub state: Vec<f32>,
    /// The gradient of the state, on the way back.
    pub gradient: Vec<f32>,
    /// The log-determinant so far, per sample.
    pub log_det: Vec<f64>,
    /// The gradient of the log-determinant, per sample.
    pub g_log_det: Vec<f32>,
    /// Conditioning values, `[context, samples]`.
    pub context: Vec<f32>,
    /// The gradient of the conditioning values, `[context, samples]`, on the way back of a call that wants it.
    pub g_context: Vec<f32>,
    /// Whether it does.
    pub wants_context: bool,
    /// Whether this is the only tile, so that other threads may help.
    pub alone: bool,
    spare: Vec<Vec<f32>>,
}

impl Work {
    /// Positions of a sample.
    pub fn positions(&self) -> usize {
        self.height * self.width
    }

    /// Lanes of a plane, padding included.
    pub fn lanes(&self) -> usize {
        padded(self.samples * self.positions())
    }

    /// Borrow `count` values; they hold anything. Give them back with [`Work::give`].
    pub fn take(&mut self, count: usize) -> Vec<f32> {
        // One of the very length needs no filling up; a tile asks for the same lengths again and again. Else the one that fits closest.
        let exact = self.spare.iter().rposition(|values| values.len() == count);
        let fitting = || {
            let roomy = self.spare.iter().enumerate().filter(|(_, values)| values.capacity() >= count);
            roomy.min_by_key(|(_, values)| values.capacity()).map(|(at, _)| at)
        };
        let mut values = exact.or_else(fitting).map_or_else(Vec::new, |at| self.spare.swap_remove(at));
        values.resize(count, 0.0);
        values
    }

    /// Return what was borrowed.
    pub fn give(&mut self, values: Vec<f32>) {
        self.spare.push(values);
    }

    /// Add what stands in a plane to the log-determinants of the samples.
    pub fn add_log_det(&mut self, slopes: &[f32]) {
        let positions = self.positions();
        for (log_det, slopes) in self.log_det.iter_mut().zip(slopes.chunks_exact(positions)) {
            *log_det += f64::from(slopes.iter().sum::<f32>());
        }
    }

    /// Add one number to the log-determinants of all samples.
    pub fn add_constant_log_det(&mut self, value: f64) {
        self.log_det.iter_mut().for_each(|log_det| *log_det += value);
    }

    /// The gradient of the log-determinant for every lane, zero in the padding.
    pub fn spread_g_log_det(&self, plane: &mut [f32]) {
        plane.fill(0.0);
        for (plane, gradient) in plane.chunks_exact_mut(self.positions()).zip(&self.g_log_det) {
            plane.fill(*gradient);
        }
    }

    /// The sum of the gradients of all log-determinants.
    pub fn sum_g_log_det(&self) -> f32 {
        self.g_log_det.iter().map(|g| f64::from(*g)).sum::<f64>() as f32
    }

    /// The conditioning values for every lane.
    pub fn spread_context(&self, planes: &mut [f32]) {
        let (lanes, positions) = (self.lanes(), self.positions());
        for (plane, values) in planes.chunks_exact_mut(lanes).zip(self.context.chunks_exact(self.samples)) {
            plane.fill(0.0);
            plane.chunks_exact_mut(positions).zip(values).for_each(|(plane, value)| plane.fill(*value));
        }
    }

    /// Ask for the gradient of the conditioning values of this tile, or do not.
    pub fn begin_g_context(&mut self, wanted: bool) {
        self.wants_context = wanted;
        self.g_context.clear();
        self.g_context.resize(if wanted { self.context.len() } else { 0 }, 0.0);
    }

    /// What was asked for, `[samples, context]`; nothing else fits into no rows.
    pub fn end_g_context(&self, rows: &mut [f32]) {
        let width = self.context.len() / self.samples.max(1);
        for (sample, row) in rows.chunks_exact_mut(width.max(1)).enumerate() {
            row.iter_mut().enumerate().for_each(|(column, to)| *to = self.g_context[column * self.samples + sample]);
        }
    }

    /// Add what the conditioning values of every lane get, if that is wanted: planes of the first of them, summed over the positions of a sample.
    pub fn add_g_context(&mut self, planes: &[f32]) {
        if !self.wants_context {
            return;
        }
        let (lanes, positions) = (self.lanes(), self.positions());
        for (sums, plane) in self.g_context.chunks_exact_mut(self.samples).zip(planes.chunks_exact(lanes)) {
            sums.iter_mut().zip(plane.chunks_exact(positions)).for_each(|(sum, own)| *sum += own.iter().sum::<f32>());
        }
    }
}

/// Lanes with their padding.
pub(crate) fn padded(lanes: usize) -> usize {
    lanes.next_multiple_of(LANES)
}

/// What layers leave behind on the way forth and take up on the way back, last in, first out.
#[derive(Debug, Default)]
pub struct Tape {
    values: Vec<f32>,
    top: usize,
}

impl Tape {
    /// Room for `count` values, which hold anything.
    pub fn push(&mut self, count: usize) -> &mut [f32] {
        let start = self.top;
        self.top += count;
        if self.values.len() < self.top {
            self.values.resize(self.top, 0.0);
        }
        &mut self.values[start..self.top]
    }

    /// The last `count` values that were pushed, now dropped; they stay readable until the next push.
    pub fn pop(&mut self, count: usize) -> &mut [f32] {
        let end = self.top;
        self.top -= count;
        &mut self.values[self.top..end]
    }

    /// How much is on it.
    pub fn height(&self) -> usize {
        self.top
    }

    /// Drop what was pushed since it was `height` high.
    pub fn drop_to(&mut self, height: usize) {
        self.top = height;
    }
}

/// Rows, channels last, to planes; `rows` is `[samples * positions, channels]`. The padding repeats the last row, so that it is as harmless as the data are.
pub(crate) fn to_planes(rows: &[f32], channels: usize, lanes: usize, planes: &mut Vec<f32>) {
    planes.resize(channels * lanes, 0.0);
    let count = rows.len() / channels.max(1);
    // Some lanes at a time, so that both sides stay in the cache.
    for first in (0..count).step_by(LANES) {
        let end = (first + LANES).min(count);
        for (channel, plane) in planes.chunks_exact_mut(lanes).enumerate() {
            for (lane, to) in (first..end).zip(&mut plane[first..end]) {
                *to = rows[lane * channels + channel];
            }
        }
    }
    for plane in planes.chunks_exact_mut(lanes) {
        let last = count.checked_sub(1).map_or(0.0, |last| plane[last]);
        plane[count..].fill(last);
    }
}

/// Planes to rows, channels last.
pub(crate) fn to_rows(planes: &[f32], channels: usize, lanes: usize, rows: &mut [f32]) {
    let count = rows.len() / channels.max(1);
    for first in (0..count).step_by(LANES) {
        let end = (first + LANES).min(count);
        for (channel, plane) in planes.chunks_exact(lanes).enumerate() {
            for (lane, from) in (first..end).zip(&plane[first..end]) {
                rows[lane * channels + channel] = *from;
            }
        }
    }
}

/// The same, added.
pub(crate) fn add_rows(rows: &[f32], channels: usize, lanes: usize, planes: &mut [f32]) {
    for (lane, row) in rows.chunks_exact(channels).enumerate() {
        row.iter().enumerate().for_each(|(channel, value)| planes[channel * lanes + lane] += value);
    }
}
