//! `flowstill sample` of a flow over pictures: a sheet, an array, or a folder of files.

use super::class_of;
use crate::args::Sample;
use crate::failure::{Failure, Outcome};
use crate::out;
use flowstill::model::Model;
use flowstill::pictures::chunk_of;
use flowstill_data::{write_picture_array, write_png};
use flowstill_experiment::sheets::{COLUMNS, Sheet};
use flowstill_experiment::shown_pixels;
use rayon::prelude::*;
use std::path::Path;

/// Pictures on a sheet, at most: more is no sheet to look at.
const MOST_ON_A_SHEET: usize = 100 * COLUMNS;

/// What `--out` stands for.
enum Place {
    Sheet,
    Array,
    Folder,
}

pub(super) fn run(args: &Sample, model: &Model) -> Outcome<()> {
    if args.context.is_some() {
        let message =
            "--context: goes with flows over tables, and this one models pictures; give --class K for a class";
        return Err(Failure::input(message));
    }
    let Some(path) = args.out.as_deref() else {
        return Err(Failure::input(
            "--out: this flow models pictures, and they need a place; give --out sheet.png, --out pictures.npy or --out FOLDER/",
        ));
    };
    let place = place(path)?;
    let count = args.rows.unwrap_or(4 * COLUMNS);
    let event = model.flow.architecture().event;
    let size: usize = event.iter().product();
    let most = match place {
        Place::Sheet => MOST_ON_A_SHEET,
        Place::Array => isize::MAX as usize / size,
        Place::Folder => 999_999,
    };
    if !(1..=most).contains(&count) {
        let remedy = match place {
            Place::Sheet => "draw fewer, or give --out FOLDER/ or a .npy",
            _ => "draw as many",
        };
        return Err(Failure::input(format!("--rows {count}: expected 1 to {most} pictures; {remedy}")));
    }
    let classes = model.flow.architecture().context;
    let chosen = args.class.as_deref().map(|typed| class_of(model, typed)).transpose()?;
    let label = |at: usize| chosen.unwrap_or((at % classes.max(1)) as u32);
    if matches!(place, Place::Folder) {
        open(path)?;
    }
    let chunk = chunk_of(size);
    let mut all = Vec::new();
    for first in (0..count).step_by(chunk) {
        let many = chunk.min(count - first);
        let labels: Vec<u32> = if classes > 0 { (first..first + many).map(label).collect() } else { Vec::new() };
        let drawn = model.sample_pictures_from(first, many, args.seed, args.temperature, &labels)?;
        let drawn = shown_pixels(model, drawn);
        match place {
            // Many at a time: each file is brought to the disk before it takes its name.
            Place::Folder => drawn.par_chunks_exact(size).enumerate().try_for_each(|(at, picture)| {
                write_png(path.join(format!("{:06}.png", first + at + 1)), picture, event)
            })?,
            _ => all.extend(drawn),
        }
    }
    let [h, w, c] = event;
    match place {
        Place::Folder => Ok(()),
        Place::Array => Ok(write_picture_array(path, &all, [count, h, w, c])?),
        Place::Sheet => {
            let mut sheet = Sheet::new(event);
            sheet.rows(&all, COLUMNS);
            sheet.write(path)?;
            Ok(())
        }
    }
}

fn place(path: &Path) -> Outcome<Place> {
    let text = path.to_string_lossy();
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        _ if path.is_dir() || text.ends_with(['/', std::path::MAIN_SEPARATOR]) => Ok(Place::Folder),
        Some("png") => Ok(Place::Sheet),
        Some("npy") => Ok(Place::Array),
        None => Ok(Place::Folder),
        Some(_) => Err(Failure::input(format!(
            "--out {}: this flow models pictures; expected a name ending in .png (a sheet) or .npy, or in / (a folder for a PNG each)",
            path.display()
        ))),
    }
}

/// Make the folder, and tell what lies there already and would be taken for a sample.
fn open(path: &Path) -> Outcome<()> {
    let fault = |error: std::io::Error| {
        Failure::run(format!("--out {}: cannot make the folder: {error}; choose another", path.display()))
    };
    std::fs::create_dir_all(path).map_err(fault)?;
    let there = std::fs::read_dir(path).map_err(fault)?.count();
    if there > 0 {
        out::note(&format!("{}: holds {there} files already; those of other names stay", path.display()));
    }
    Ok(())
}
