//! Make damaged files from whole ones: the same from the same seed.

/// A stream of numbers (Steele, Lea and Flood's SplitMix64), and the damage that it does.
pub struct Mutator(u64);

/// Bytes that mean something to many formats.
const BYTES: [u8; 9] = [0, 1, 2, 0x7f, 0x80, 0xff, b'"', b'\n', b'9'];
/// Numbers at which counts, sizes and signs break.
const NUMBERS: [u64; 10] =
    [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX];
/// Words that text may hold where it should not.
const WORDS: [&[u8]; 8] = [b"999999999999", b"-1", b"1e308", b"nan", b"\xff\xfe", b"[[[[[[[[", b"{\"a\":", b"\x1b[31m"];

impl Mutator {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// The file with one to four things wrong with it; parts of `other` may be among them.
    pub fn damaged(&mut self, file: &[u8], other: &[u8]) -> Vec<u8> {
        let mut out = file.to_vec();
        for _ in 0..=self.below(4) {
            self.damage(&mut out, other);
        }
        out
    }

    fn damage(&mut self, out: &mut Vec<u8>, other: &[u8]) {
        if out.is_empty() {
            out.push(0);
        }
        let at = self.below(out.len());
        let end = (at + 1 + self.below(64)).min(out.len());
        match self.below(10) {
            0 | 1 => out[at] ^= 1 << self.below(8),
            2 => out[at] = self.of(&BYTES),
            3 | 4 => {
                let number = self.of(&NUMBERS).wrapping_add(self.below(3) as u64).wrapping_sub(1);
                let width = self.of(&[2, 4, 8]).min(out.len() - at);
                let bytes = if self.below(2) == 0 { number.to_le_bytes() } else { number.swap_bytes().to_be_bytes() };
                out[at..at + width].copy_from_slice(&bytes[..width]);
            }
            5 => drop(out.drain(at..end)),
            6 => out.truncate(at),
            7 => {
                let part = out[at..end].to_vec();
                let times = 1 + self.below(200);
                out.splice(at..at, part.repeat(times));
            }
            8 => drop(out.splice(at..end, self.of(&WORDS).iter().copied())),
            _ => {
                let from = self.below(other.len());
                let part = &other[from..(from + 1 + self.below(256)).min(other.len())];
                out.splice(at..end, part.iter().copied());
            }
        }
    }
}
