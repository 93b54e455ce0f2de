//! Tell which positions of a checkerboard stay, and keep the others out.

use crate::work::Work;
use flowstill_kernels::elementwise::widest;
use std::cell::RefCell;
use std::rc::Rc;

/// The parity of the positions that condition: that of the sum of their line and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Board(pub usize);

/// Positions that stay, 1, and those that move, 0, of all lanes; padding stays.
type Stays = Rc<[f32]>;

thread_local! {
    /// For the boards and shapes of tiles seen last.
    static KNOWN: RefCell<Vec<(Board, [usize; 3], Stays)>> = const { RefCell::new(Vec::new()) };
}

/// Boards remembered; a flow has two for every level, a batch tiles of two sizes.
const BOARDS: usize = 32;

impl Board {
    /// For the tile that is at work.
    pub(super) fn stays(self, work: &Work) -> Stays {
        let shape = [work.samples, work.height, work.width];
        KNOWN.with_borrow_mut(|known| {
            if let Some((.., stays)) = known.iter().find(|(own, of, _)| (*own, *of) == (self, shape)) {
                return stays.clone();
            }
            let (area, count) = (work.positions(), work.samples * work.positions());
            let stays = (0..work.lanes()).map(|lane| {
                let at = lane % area;
                let moves = lane < count && (at / work.width + at % work.width) % 2 != self.0;
                if moves { 0.0 } else { 1.0 }
            });
            let stays: Stays = stays.collect();
            if known.len() == BOARDS {
                known.remove(0);
            }
            known.push((self, shape, stays.clone()));
            stays
        })
    }
}

/// Zero where a position moves.
pub(super) fn blank_moving(plane: &mut [f32], stays: &[f32]) {
    // Not a product: what is blanked may be infinite.
    widest(|| plane.iter_mut().zip(stays).for_each(|(value, stays)| *value = if *stays > 0.0 { *value } else { 0.0 }));
}

/// Zero where a position stays.
pub(super) fn blank_staying(plane: &mut [f32], stays: &[f32]) {
    widest(|| plane.iter_mut().zip(stays).for_each(|(value, stays)| *value = if *stays > 0.0 { 0.0 } else { *value }));
}

/// Take the values of `from` where a position stays.
pub(super) fn restore_staying(plane: &mut [f32], from: &[f32], stays: &[f32]) {
    widest(|| {
        for ((value, from), stays) in plane.iter_mut().zip(from).zip(stays) {
            *value = if *stays > 0.0 { *from } else { *value };
        }
    });
}
