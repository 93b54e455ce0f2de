//! Lay pictures out on sheets: samples, reconstructions, interpolations, teacher and students from the same latents.

use crate::Result;
use crate::evaluate::shown_pixels;
use flowstill::flows::Latents;
use flowstill::model::Model;
use flowstill::pictures::Pictures;
use flowstill::random;
use flowstill_data::write_png;
use std::path::Path;

/// Pictures in a row of a sheet.
pub const COLUMNS: usize = 12;

/// Pixels between two pictures.
const GAP: usize = 2;

/// Rows of pictures, `[height, width, channels]` bytes each, that make up one sheet.
pub struct Sheet {
    event: [usize; 3],
    rows: Vec<Vec<u8>>,
}

impl Sheet {
    /// An empty sheet for pictures of this shape.
    pub fn new(event: [usize; 3]) -> Self {
        Self { event, rows: Vec::new() }
    }

    /// Add a row of whole pictures.
    pub fn row(&mut self, pictures: Vec<u8>) {
        self.rows.push(pictures);
    }

    /// Add pictures in as many rows as they need.
    pub fn rows(&mut self, pictures: &[u8], columns: usize) {
        let size: usize = self.event.iter().product();
        pictures.chunks((columns * size).max(1)).for_each(|row| self.rows.push(row.to_vec()));
    }

    /// Height, width and the pixels of the whole sheet, small pictures enlarged so that they can be looked at.
    fn paint(&self) -> (usize, usize, Vec<u8>) {
        let [h, w, c] = self.event;
        let size = h * w * c;
        let zoom = (64 / h.max(w).max(1)).max(1);
        let columns = self.rows.iter().map(|row| row.len() / size).max().unwrap_or(0);
        let (high, wide) = (h * zoom + GAP, w * zoom + GAP);
        let (height, width) = (self.rows.len() * high + GAP, columns * wide + GAP);
        let mut out = vec![255; height * width * c];
        for (line, row) in self.rows.iter().enumerate() {
            for (place, picture) in row.chunks_exact(size).enumerate() {
                for y in 0..h * zoom {
                    for x in 0..w * zoom {
                        let to = ((line * high + GAP + y) * width + place * wide + GAP + x) * c;
                        let from = (y / zoom * w + x / zoom) * c;
                        out[to..to + c].copy_from_slice(&picture[from..from + c]);
                    }
                }
            }
        }
        (height, width, out)
    }

    /// Add the rows of another sheet of pictures of the same shape.
    pub fn append(&mut self, other: Sheet) {
        self.rows.extend(other.rows);
    }

    /// Rows so far.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Write it as a PNG, and give its height and width in pixels.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<[usize; 2]> {
        let (height, width, pixels) = self.paint();
        write_png(path, &pixels, [height, width, self.event[2]])?;
        Ok([height, width])
    }
}

fn event(model: &Model) -> [usize; 3] {
    model.flow.architecture().event
}

fn labels(model: &Model, count: usize) -> Vec<u32> {
    let classes = model.flow.architecture().context;
    if classes == 0 { Vec::new() } else { (0..count).map(|at| (at % classes) as u32).collect() }
}

/// Samples of one model, one band of rows for each temperature.
///
/// # Errors
/// When the flow cannot sample.
pub fn samples(model: &Model, temperatures: &[f64], rows: usize, seed: u64) -> Result<Sheet> {
    let mut sheet = Sheet::new(event(model));
    let count = rows * COLUMNS;
    for &temperature in temperatures {
        let drawn = model.sample_pictures(count, seed, temperature, &labels(model, count))?;
        sheet.rows(&shown_pixels(model, drawn), COLUMNS);
    }
    Ok(sheet)
}

/// One row for each model, all from the same latents of every level: the picture that explains SKD. Models whose latents have other shapes
/// are left out.
///
/// # Errors
/// When a flow cannot sample.
pub fn same_latents(models: &[&Model], temperature: f64, seed: u64) -> Result<Sheet> {
    let Some(first) = models.first() else { return Ok(Sheet::new([1, 1, 1])) };
    let mut sheet = Sheet::new(event(first));
    let noise = first.flow.draw_noise(COLUMNS, &mut random::stream(seed, "sheet", 0));
    for model in models.iter().filter(|model| model.flow.latent_events() == first.flow.latent_events()) {
        let latents = model.flow.latents_from_noise(&noise, temperature);
        let context = model.class_context(&labels(model, COLUMNS));
        sheet.row(shown_pixels(model, model.pictures_of(&latents, context.as_ref())?));
    }
    Ok(sheet)
}

/// Pictures, and below them what each model makes of their latents: the same, where the flow is invertible in practice.
///
/// # Errors
/// When a flow cannot be run.
pub fn reconstructions(models: &[&Model], pictures: &Pictures) -> Result<Sheet> {
    let Some(first) = models.first() else { return Ok(Sheet::new([1, 1, 1])) };
    let pictures = pictures.head(COLUMNS);
    let mut sheet = Sheet::new(event(first));
    sheet.row(shown_pixels(first, pictures.pixels().to_vec()));
    for model in models {
        let (latents, context) = model.latents_of(&pictures)?;
        sheet.row(shown_pixels(model, model.pictures_of(&latents, context.as_ref())?));
    }
    Ok(sheet)
}

/// From one picture to the next through the latents, one row for each model and pair of pictures; the ends are the pictures themselves.
///
/// # Errors
/// When a flow cannot be run.
pub fn interpolations(models: &[&Model], pictures: &Pictures, pairs: usize) -> Result<Sheet> {
    let Some(first) = models.first() else { return Ok(Sheet::new([1, 1, 1])) };
    let pictures = pictures.head(2 * pairs);
    let mut sheet = Sheet::new(event(first));
    for pair in 0..pictures.len() / 2 {
        for model in models {
            let (latents, context) = model.latents_of(&pictures)?;
            let part = |share: f64| -> Result<Vec<u8>> {
                let between = |z: &flowstill::burn::tensor::Tensor<4>| {
                    let (a, b) = (z.clone().narrow(0, 2 * pair, 1), z.clone().narrow(0, 2 * pair + 1, 1));
                    // On the sphere's scale, so that the middle is as far out as the ends.
                    let norm = (share * share + (1.0 - share) * (1.0 - share)).sqrt();
                    (a * (1.0 - share) + b * share) / norm
                };
                let latents = Latents { levels: latents.levels.iter().map(between).collect() };
                let context = context.as_ref().map(|context| context.clone().narrow(0, 2 * pair, 1));
                Ok(model.pictures_of(&latents, context.as_ref())?)
            };
            let row: Result<Vec<Vec<u8>>> = (0..COLUMNS).map(|at| part(at as f64 / (COLUMNS - 1) as f64)).collect();
            sheet.row(shown_pixels(model, row?.concat()));
        }
    }
    Ok(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stand_where_they_belong() {
        let mut sheet = Sheet::new([1, 2, 1]);
        sheet.row(vec![1, 2, 3, 4]);
        sheet.row(vec![5, 6]);
        let (height, width, pixels) = sheet.paint();
        let zoom = 32;
        assert_eq!((height, width), (2 * (zoom + GAP) + GAP, 2 * (2 * zoom + GAP) + GAP));
        let at = |y: usize, x: usize| pixels[y * width + x];
        assert_eq!((at(0, 0), at(GAP, GAP), at(GAP, GAP + zoom)), (255, 1, 2));
        assert_eq!(at(GAP, 2 * GAP + 2 * zoom), 3);
        assert_eq!((at(2 * GAP + zoom, GAP), at(2 * GAP + zoom, 2 * GAP + 2 * zoom)), (5, 255));
    }
}
