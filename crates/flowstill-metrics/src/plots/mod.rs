//! Draw training curves, corner plots and comparisons as PNG or SVG, with no font or library of the system.
//!
//! The name's ending chooses the format: `.png` is painted at two pixels per unit by `tiny-skia`, `.svg` keeps its text
//! as text. The letters are a subset of DejaVu Sans shipped inside the crate (licence: `fonts/LICENSE-DejaVu.txt`), the
//! colours those of Okabe & Ito (2008), which colour-blind readers tell apart.

mod font;
mod palette;
mod png;
mod scene;
mod svg;

mod axis;
mod contour;
mod density;
mod legend;

mod bars;
mod curves;
mod frontier;
mod pairwise;

pub use bars::{Role, bars_with_errors};
pub use curves::{Series, curves};
pub use frontier::{Spot, frontier};
pub use pairwise::{Sample, pairwise};
