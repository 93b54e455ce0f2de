//! Put the pictures of a run folder into the page itself.

use super::found::Run;
use super::html::{Html, data_uri};
use crate::words::thousands;
use std::path::{Path, PathBuf};

/// The largest picture, and all of them together, in bytes; a page must stay light enough to open.
const LARGEST: u64 = 4_000_000;
const TOGETHER: u64 = 16_000_000;

/// A picture with what it shows.
struct Shown {
    path: PathBuf,
    what: String,
}

/// The pairwise marginals and the sheets of samples that lie in the folder; gives whether there were any.
pub(super) fn section(html: &mut Html, run: &Run) -> bool {
    let all = found(&run.path);
    if all.is_empty() {
        return false;
    }
    html.element("section", &[("id", "pictures"), ("aria-labelledby", "pictures-head")], |html| {
        html.leaf("h2", &[("id", "pictures-head")], "Samples");
        let mut left = TOGETHER;
        let mut out = Vec::new();
        for shown in &all {
            let size = shown.path.metadata().map_or(u64::MAX, |facts| facts.len());
            let bytes = (size <= LARGEST.min(left)).then(|| std::fs::read(&shown.path).ok()).flatten();
            match bytes.filter(|bytes| bytes.starts_with(b"\x89PNG")) {
                Some(bytes) => {
                    left -= bytes.len() as u64;
                    html.element("figure", &[], |html| {
                        html.void("img", &[("src", &data_uri("image/png", &bytes)), ("alt", &shown.what)]);
                        html.leaf("figcaption", &[], &shown.what);
                    });
                }
                None => out.push(format!("{} ({} bytes)", shown.path.display(), thousands(size as f64))),
            }
        }
        if !out.is_empty() {
            html.leaf("p", &[("class", "soft")], &format!("Left out for their size: {}.", out.join(", ")));
        }
    });
    true
}

fn found(run: &Path) -> Vec<Shown> {
    let mut out = Vec::new();
    let marginals = run.join("marginals.png");
    if marginals.is_file() {
        let what = "Marginals and pairs of columns, standardised: test data beside samples of the first seed's models.";
        out.push(Shown { path: marginals, what: what.into() });
    }
    let entries = std::fs::read_dir(run.join("sheets")).into_iter().flatten().flatten();
    let mut sheets: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    sheets.retain(|path| path.extension().is_some_and(|ending| ending == "png"));
    sheets.sort();
    out.extend(sheets.into_iter().map(|path| {
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let what = match name.as_str() {
            "reconstructions" => "Test pictures, and what each model makes of their latents.".to_string(),
            "interpolations" => "From one test picture to another through the latents.".into(),
            name if name.starts_with("same-latents-t") => format!(
                "A row for each model, all from the same latents, at temperature {}.",
                name.trim_start_matches("same-latents-t")
            ),
            name if name.starts_with("samples-") => {
                format!("Samples of {}: four rows at temperature 0.7, four at 1.", name.trim_start_matches("samples-"))
            }
            name => format!("Sheet {name}."),
        };
        Shown { path, what }
    }));
    out
}
