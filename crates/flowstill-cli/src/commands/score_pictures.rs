//! `flowstill score` of a flow over pictures: bits per dimension and log-density of each file, as CSV.

use super::{class_of, quoted};
use crate::args::Score;
use crate::failure::{Failure, Outcome};
use crate::out;
use flowstill::file::write_atomically;
use flowstill::model::Model;
use flowstill::pictures::Pictures;
use flowstill_data::{picture_files, read_picture};
use flowstill_experiment::words::{first_names, printable, shape};
use flowstill_experiment::{Error, class_names, scaling_of, without_settings};
use rayon::prelude::*;
use std::f64::consts::LN_2;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The seed of the noise, the one that `evaluate` has.
const SEED: u64 = 20;

/// Whether a file is named like a picture.
pub(super) fn is_picture(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ["png", "jpg", "jpeg"].contains(&ending.as_str())
}

pub(super) fn run(args: &Score, model: &Model) -> Outcome<()> {
    let draws = args.draws.unwrap_or(1);
    if !(1..=10_000).contains(&draws) {
        return Err(Failure::input(format!("--draws: expected 1 to 10000, got {draws}")));
    }
    if let Some(path) = args.out.as_deref().filter(|path| path.extension().is_none_or(|ending| ending != "csv")) {
        return Err(Failure::input(format!(
            "--out {}: expected a name ending in .csv, as pictures are scored by their names; give one",
            path.display()
        )));
    }
    if args.file.is_file() && !is_picture(&args.file) {
        return Err(Failure::input(format!(
            "{}: expected a PNG or JPEG file or a folder of them, as the flow models pictures of {}; give one, or a flow over a table",
            args.file.display(),
            shape(model.flow.architecture().event)
        )));
    }
    let files = picture_files(&args.file).map_err(without_settings)?;
    let labels = labels(args, model, &files)?;
    let pictures = read(model, &files)?;
    let pictures = match labels {
        Some(labels) => pictures.with_labels(labels, model.flow.architecture().context)?,
        None => pictures,
    };
    let score = model.bits_per_dim(&pictures, draws, SEED, |_| true)?;
    let nats = model.flow.architecture().dimensions() as f64 * LN_2;
    let mut text = String::from("file,bits_per_dim,log_density_nats\n");
    for (file, bits) in files.iter().zip(&score.each) {
        let name = file.strip_prefix(&args.file).ok().filter(|rest| !rest.as_os_str().is_empty()).unwrap_or(file);
        let name = name.to_string_lossy();
        // On a terminal a name is told as everything is; in a file it is the name.
        let name = if args.out.is_some() { name } else { printable(&name).into_owned().into() };
        let _ = writeln!(text, "{},{bits},{}", quoted(&name), -bits * nats);
    }
    match &args.out {
        Some(path) => Ok(write_atomically(path, text.as_bytes())?),
        None => out::print(&text),
    }
}

/// The class of each picture, for a flow that is conditioned on it.
fn labels(args: &Score, model: &Model, files: &[PathBuf]) -> Outcome<Option<Vec<u32>>> {
    if let Some(typed) = &args.class {
        return Ok(Some(vec![class_of(model, typed)?; files.len()]));
    }
    let classes = class_names(model);
    if classes.is_empty() {
        return Ok(None);
    }
    let of = |file: &PathBuf| {
        let folder = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        classes.iter().position(|class| *class == folder).map(|class| class as u32).ok_or_else(|| {
            Failure::input(format!(
                "{}: the flow is conditioned on classes, and its folder is called none of {}; give --class K, or sort the pictures into \
                 folders of these names",
                file.display(),
                first_names(&classes, 12)
            ))
        })
    };
    files.iter().map(of).collect::<Outcome<Vec<u32>>>().map(Some)
}

/// Every file as the flow sees it; a fault names the first file that has one.
fn read(model: &Model, files: &[PathBuf]) -> Outcome<Pictures> {
    let scaling = scaling_of(model)?;
    let event = model.flow.architecture().event;
    let one = |file: &PathBuf| -> Result<Vec<u8>, Error> {
        let mut picture = read_picture(file).map_err(without_settings)?;
        if picture.channels == 1 && event[2] == 3 {
            picture.pixels = picture.pixels.iter().flat_map(|&value| [value; 3]).collect();
            picture.channels = 3;
        }
        if picture.shape() != event {
            return Err(Error::input(format!(
                "{}: expected a picture of {}, as the flow models, got {}; convert it, or leave it out",
                file.display(),
                shape(event),
                shape(picture.shape())
            )));
        }
        picture.pixels.iter_mut().for_each(|value| *value >>= 8 - scaling.bits);
        Ok(picture.pixels)
    };
    let all: Vec<Result<Vec<u8>, Error>> = files.par_iter().map(one).collect();
    let bad = all.iter().filter(|picture| picture.is_err()).count();
    let mut pixels = Vec::with_capacity(files.len() * event.iter().product::<usize>());
    for picture in all {
        pixels.extend(picture.map_err(|error| match bad {
            2.. => error.map(|message| format!("{message} ({} more files are at fault)", bad - 1)),
            _ => error,
        })?);
    }
    Ok(Pictures::new(pixels, event, scaling)?)
}
