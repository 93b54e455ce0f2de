//! Draw the numbers that NumPy's `RandomState` draws, so that POWER splits and dequantises as published.
//!
//! `RandomState` is frozen by NumPy's own promise: a Mersenne twister (MT19937, Matsumoto and Nishimura 1998), whole
//! numbers by masking and trying again, fractions from 53 bits.

/// Words of state.
const N: usize = 624;

/// The generator behind `numpy.random.RandomState(seed)`.
pub(crate) struct RandomState {
    state: [u32; N],
    at: usize,
}

impl RandomState {
    /// `RandomState(seed)`; NumPy refuses seeds above 32 bits, which here are `RandomState([low, high])`.
    pub fn new(seed: u64) -> Self {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        let state = if high == 0 { from_word(low) } else { from_words([low, high]) };
        Self { state, at: N }
    }

    fn word(&mut self) -> u32 {
        if self.at == N {
            self.turn();
        }
        let mut word = self.state[self.at];
        self.at += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn turn(&mut self) {
        for i in 0..N {
            let mixed = self.state[i] & 0x8000_0000 | self.state[(i + 1) % N] & 0x7fff_ffff;
            let twist = if mixed & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + 397) % N] ^ mixed >> 1 ^ twist;
        }
        self.at = 0;
    }

    /// `rand()`: uniform in [0, 1).
    pub fn rand(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// The order into which `shuffle` puts the rows of a matrix.
    pub fn shuffle(&mut self, rows: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..rows).collect();
        for last in (1..rows).rev() {
            let pick = self.up_to(last);
            order.swap(last as usize, pick as usize);
        }
        order
    }

    /// Uniform in 0..=most.
    fn up_to(&mut self, most: u32) -> u32 {
        let mask = u32::MAX.checked_shr(most.leading_zeros()).unwrap_or(0);
        loop {
            let value = self.word() & mask;
            if value <= most {
                return value;
            }
        }
    }
}

fn from_word(seed: u32) -> [u32; N] {
    let mut state = [seed; N];
    for i in 1..N {
        let before = state[i - 1];
        state[i] = (before ^ before >> 30).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
    }
    state
}

fn from_words(seeds: [u32; 2]) -> [u32; N] {
    let mut state = from_word(19_650_218);
    // One pass mixes the seeds in, a second one mixes on; both start at word 1 where the other ends.
    let mut i = 1;
    let mut mix = |state: &mut [u32; N], factor: u32, extra: u32| {
        let before = state[i - 1];
        state[i] = (state[i] ^ (before ^ before >> 30).wrapping_mul(factor)).wrapping_add(extra);
        i += 1;
        if i == N {
            state[0] = state[N - 1];
            i = 1;
        }
        i as u32
    };
    let mut next = 1;
    for step in 0..N {
        let at = step % seeds.len();
        next = mix(&mut state, 1_664_525, seeds[at].wrapping_add(at as u32));
    }
    for _ in 1..N {
        next = mix(&mut state, 1_566_083_941, next.wrapping_neg());
    }
    state[0] = 0x8000_0000;
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_numpys() {
        let mut random = RandomState::new(42);
        assert_eq!(random.shuffle(10), [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]);
        assert_eq!(
            [random.rand(), random.rand(), random.rand()],
            [0.15599452033620265, 0.05808361216819946, 0.8661761457749352]
        );
        let mut random = RandomState::new(5 | 1 << 32);
        assert_eq!([random.rand(), random.rand()], [0.15727238718789782, 0.2824866316461999]);
        // Longer than the state, so that it turns over.
        let order = RandomState::new(42).shuffle(700);
        assert_eq!(order[..6], [158, 500, 396, 155, 321, 212]);
        assert_eq!(order[697..], [270, 435, 102]);
        assert!(RandomState::new(1).shuffle(0).is_empty());
    }
}
