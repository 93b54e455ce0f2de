//! Name the colours: Okabe & Ito's eight, in an order that keeps neighbours apart, and a few greys.

/// Red, green and blue from 0 to 255, opacity from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Colour {
    pub rgb: [u8; 3],
    pub opacity: f64,
}

impl Colour {
    const fn solid(rgb: u32) -> Self {
        Self { rgb: [(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8], opacity: 1.0 }
    }

    pub fn faded(self, opacity: f64) -> Self {
        Self { opacity, ..self }
    }
}

pub(crate) const INK: Colour = Colour::solid(0x0022_2222);
pub(crate) const QUIET: Colour = Colour::solid(0x0066_6666);
pub(crate) const GRID: Colour = Colour::solid(0x00E6_E6E6);
pub(crate) const PAPER: Colour = Colour::solid(0x00FF_FFFF);
/// Observed data, under everything else: line, outer and inner shade.
pub(crate) const DATA: Colour = Colour::solid(0x0080_8080);
pub(crate) const DATA_OUTER: Colour = Colour::solid(0x00E3_E3E3);
pub(crate) const DATA_INNER: Colour = Colour::solid(0x00C4_C4C4);

/// Blue, vermillion, bluish green, orange, reddish purple, sky blue, black, yellow: the lightest come last.
const OKABE_ITO: [u32; 8] = [0x0072B2, 0xD55E00, 0x009E73, 0xE69F00, 0xCC79A7, 0x56B4E9, 0x000000, 0xF0E442];

/// The colour of the series at `index`; they repeat after eight.
pub(crate) fn series_colour(index: usize) -> Colour {
    Colour::solid(OKABE_ITO[index % OKABE_ITO.len()])
}

/// Dashes, in line widths, that tell the second and third round of colours from the first.
pub(crate) fn series_dash(index: usize) -> &'static [f64] {
    const DASHES: [&[f64]; 3] = [&[], &[4.0, 2.0], &[1.0, 1.5]];
    DASHES[index / OKABE_ITO.len() % DASHES.len()]
}
