//! Draw every random order from one explicit seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What a stream of random numbers is for: streams of one seed never overlap.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Split = 1,
    Epoch = 2,
    Limit = 3,
    Sample = 4,
    Flip = 5,
}

/// A random stream, the same on every machine and in every version of this crate.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&(purpose as u64).to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in 0..bound. The bias of one multiplication is below bound / 2^64: none that could be measured.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A uniformly random order of 0..rows.
    pub fn permutation(&mut self, rows: usize) -> Vec<u32> {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = (0..rows).collect();
        for last in (1..order.len()).rev() {
            let pick = self.below(last as u64 + 1) as usize;
            order.swap(last, pick);
        }
        order
    }
}

/// The order in which epoch `epoch` visits `rows` rows: a permutation of 0..rows keyed by seed and epoch alone, so that a
/// resumed run needs no saved state. Tables have at most 2^32 - 1 rows; a larger `rows` counts as that.
pub fn epoch_order(seed: u64, epoch: u64, rows: usize) -> Vec<u32> {
    Stream::new(seed, Purpose::Epoch, epoch).permutation(rows)
}

/// A fair coin for each of the `count` places of epoch `epoch`: which pictures it mirrors, in the order it visits them.
/// Keyed by seed and epoch alone, like [`epoch_order`].
pub fn epoch_flips(seed: u64, epoch: u64, count: usize) -> Vec<bool> {
    let mut stream = Stream::new(seed, Purpose::Flip, epoch);
    let words = (0..count.div_ceil(64)).map(|_| stream.0.next_u64());
    words.flat_map(|word| (0..64).map(move |bit| word >> bit & 1 == 1)).take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_epoch_visits_every_row_once(seed: u64, epoch: u64, rows in 0usize..500) {
            let mut order = epoch_order(seed, epoch, rows);
            prop_assert_eq!(&order, &epoch_order(seed, epoch, rows));
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..rows as u32));
        }
    }

    #[test]
    fn seeds_and_epochs_give_different_orders() {
        let first = epoch_order(1, 0, 100);
        assert_ne!(first, epoch_order(1, 1, 100));
        assert_ne!(first, epoch_order(2, 0, 100));
    }

    #[test]
    fn orders_never_change_between_versions() {
        assert_eq!(epoch_order(42, 7, 8), PINNED);
    }

    const PINNED: [u32; 8] = [5, 2, 3, 1, 7, 4, 0, 6];

    #[test]
    fn flips_are_fair_and_never_change() {
        let flips = epoch_flips(42, 7, 10_000);
        // 5 standard deviations of 10,000 fair coins are 250.
        assert!((4_750..=5_250).contains(&flips.iter().filter(|&&flip| flip).count()));
        assert_eq!(epoch_flips(42, 7, 70), flips[..70]);
        assert_ne!(epoch_flips(42, 8, 70), flips[..70]);
        assert!(epoch_flips(42, 7, 0).is_empty());
    }

    #[test]
    fn every_place_is_equally_likely() {
        let mut seen = [[0u32; 4]; 4];
        for epoch in 0..4_000 {
            for (place, row) in epoch_order(3, epoch, 4).into_iter().enumerate() {
                seen[place][row as usize] += 1;
            }
        }
        // 1,000 expected in each cell; 5 standard deviations are 137.
        assert!(seen.iter().flatten().all(|&count| (863..=1137).contains(&count)), "{seen:?}");
    }
}
