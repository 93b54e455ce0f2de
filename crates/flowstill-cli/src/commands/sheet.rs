//! `flowstill sheet`: pictures of one or more flows, side by side.

use super::evaluate_pictures::named_set;
use crate::args::{Sheet as Args, SheetKind};
use crate::failure::{Failure, Outcome};
use crate::out;
use flowstill::file;
use flowstill::model::Model;
use flowstill::pictures::Pictures;
use flowstill_experiment::sheets::{self, COLUMNS, Sheet};
use flowstill_experiment::words::shape;
use flowstill_experiment::{Prepared, pictures_in, scaling_of};
use serde_json::json;
use std::path::Path;

/// Rows of one sheet, at most.
const MOST_ROWS: usize = 1000;

pub(super) fn run(args: &Args, quiet: bool) -> Outcome<()> {
    check(args)?;
    let mut models: Vec<(String, Model)> = Vec::new();
    for path in &args.flows {
        let model = file::load(path, &flowstill::device::cpu())?;
        let name = path.display().to_string();
        scaling_of(&model).map_err(|_| {
            Failure::input(format!("{name}: expected a flow over pictures, got one over rows of a table; leave it out"))
        })?;
        models.push((name, model));
    }
    let Some((_, first)) = models.first() else {
        return Err(Failure::input("expected a flow file, got none; give one"));
    };
    models.iter().try_for_each(|other| fits(&models[0], other, args.kind))?;
    let rows = args.rows.unwrap_or(match args.kind {
        SheetKind::Samples => 4,
        SheetKind::Interpolations => 3,
        SheetKind::SameLatents | SheetKind::Reconstructions => 1,
    });
    let temperatures = if args.temperatures.is_empty() { vec![0.7, 1.0] } else { args.temperatures.clone() };
    let blocks = rows.saturating_mul(models.len() + 1).saturating_mul(temperatures.len());
    if rows == 0 || blocks > MOST_ROWS {
        return Err(Failure::input(format!(
            "--rows {rows}: expected 1 or more, and a sheet of at most {MOST_ROWS} rows"
        )));
    }
    let mut sheet = Sheet::new(first.flow.architecture().event);
    let mut legend: Vec<String> = Vec::new();
    let mut add = |part: Sheet, names: Vec<String>| {
        debug_assert_eq!(part.row_count(), names.len());
        legend.extend(names);
        sheet.append(part);
    };
    let all: Vec<&Model> = models.iter().map(|(_, model)| model).collect();
    let every = |text: &str| models.iter().map(|(name, _)| format!("{name}{text}")).collect::<Vec<_>>();
    match args.kind {
        SheetKind::Samples => {
            for (name, model) in &models {
                for &temperature in &temperatures {
                    let part = sheets::samples(model, &[temperature], rows, args.seed)?;
                    add(part, vec![format!("{name}, temperature {temperature}"); rows]);
                }
            }
        }
        SheetKind::SameLatents => {
            for &temperature in &temperatures {
                for row in 0..rows as u64 {
                    let part = sheets::same_latents(&all, temperature, args.seed.wrapping_add(row))?;
                    add(part, every(&format!(", temperature {temperature}, draw {}", row + 1)));
                }
            }
        }
        SheetKind::Reconstructions => {
            let (pictures, named) = pictures(args, first)?;
            let wanted = rows.min(pictures.len().div_ceil(COLUMNS));
            for row in 0..wanted {
                let part = part(&pictures, row * COLUMNS, COLUMNS)?;
                let names = std::iter::once(named.clone()).chain(every("")).collect();
                add(sheets::reconstructions(&all, &part)?, names);
            }
        }
        SheetKind::Interpolations => {
            let (pictures, named) = pictures(args, first)?;
            if pictures.len() < 2 {
                return Err(Failure::input(format!(
                    "{named}: expected at least 2 pictures to go between, got 1; give more"
                )));
            }
            let pairs = rows.min(pictures.len() / 2);
            let names = (1..=pairs).flat_map(|pair| every(&format!(", pair {pair} of {named}"))).collect();
            add(sheets::interpolations(&all, &pictures, pairs)?, names);
        }
    }
    let [height, width] = sheet.write(&args.out)?;
    let file = args.out.display();
    if args.json {
        return out::print_json(&json!({
            "file": file.to_string(), "height": height, "width": width, "columns": COLUMNS, "rows": legend,
        }));
    }
    if !quiet {
        out::note(&format!("{file}: {width} pixels wide, {height} high; rows from the top: {}", runs(&legend)));
    }
    Ok(())
}

/// Refuse options that do not go together.
fn check(args: &Args) -> Outcome<()> {
    if args.out.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("png")) {
        return Err(Failure::input(format!("--out {}: expected a name ending in .png; give one", args.out.display())));
    }
    for flow in &args.flows {
        super::refuse_same(Some(&args.out), flow)?;
    }
    let drawn = matches!(args.kind, SheetKind::Samples | SheetKind::SameLatents);
    match (drawn, &args.data, args.temperatures.is_empty()) {
        (true, Some(_), _) => {
            return Err(Failure::input("--data: goes with --kind reconstructions and interpolations; leave it out"));
        }
        (false, None, _) => {
            return Err(Failure::input(
                "--data: expected the pictures to reconstruct or interpolate, got none; give a folder, or set=NAME[,KEY=VALUE...]",
            ));
        }
        (false, _, false) => {
            return Err(Failure::input("--temperatures: goes with --kind samples and same-latents; leave it out"));
        }
        _ => {}
    }
    match args.temperatures.iter().find(|temperature| !(**temperature >= 0.0 && temperature.is_finite())) {
        Some(bad) => Err(Failure::input(format!(
            "--temperatures: expected numbers of 0 or more, got {bad}; 1 samples the density"
        ))),
        None => Ok(()),
    }
}

/// Refuse flows whose pictures cannot stand on one sheet, or that cannot share latents.
fn fits((first_name, first): &(String, Model), (name, model): &(String, Model), kind: SheetKind) -> Outcome<()> {
    let say = |model: &Model| {
        let architecture = model.flow.architecture();
        let bits = model.pictures.map_or(0, |scaling| scaling.bits);
        format!("{}, {bits} bits, {} classes", shape(architecture.event), architecture.context)
    };
    let (expected, got) = (say(first), say(model));
    if expected != got {
        return Err(Failure::input(format!(
            "{name}: expected a flow over the same pictures as {first_name} ({expected}), got {got}; make a sheet of its own"
        )));
    }
    let latents =
        |model: &Model| model.flow.latent_events().iter().map(|event| shape(*event)).collect::<Vec<_>>().join(" + ");
    let (expected, got) = (latents(first), latents(model));
    if kind == SheetKind::SameLatents && expected != got {
        return Err(Failure::input(format!(
            "{name}: expected latents of {expected}, like those of {first_name}, got {got}; flows of as many levels share latents"
        )));
    }
    Ok(())
}

/// The pictures that `--data` means: a folder's, or a set's test split.
fn pictures(args: &Args, model: &Model) -> Outcome<(Pictures, String)> {
    let text = args.data.as_deref().unwrap_or_default();
    let (pictures, named) = if text.starts_with("set=") {
        let data = Prepared::from_pictures_for(model, &named_set(text)?)?;
        let test = data.test.pictures().cloned().ok_or_else(|| Failure::run("expected pictures; report this bug"))?;
        (test, format!("test split of {}", data.source))
    } else {
        (pictures_in(model, Path::new(text))?, text.to_string())
    };
    if pictures.is_empty() {
        return Err(Failure::input(format!("{named}: expected at least 1 picture, got none; give more")));
    }
    Ok((pictures, named))
}

/// Up to `count` pictures from picture `first`.
fn part(pictures: &Pictures, first: usize, count: usize) -> Outcome<Pictures> {
    let size: usize = pictures.event().iter().product();
    let range = first..(first + count).min(pictures.len());
    let pixels = pictures.pixels()[range.start * size..range.end * size].to_vec();
    let made = Pictures::new(pixels, pictures.event(), pictures.scaling())?;
    Ok(match pictures.labels() {
        Some(labels) => made.with_labels(labels[range].to_vec(), pictures.context_columns())?,
        None => made,
    })
}

/// Equal neighbours as one: `4 x a; 4 x b`.
fn runs(names: &[String]) -> String {
    let groups = names.chunk_by(|a, b| a == b);
    groups.map(|group| format!("{} x {}", group.len(), group[0])).collect::<Vec<_>>().join("; ")
}
