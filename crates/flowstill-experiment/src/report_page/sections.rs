//! Put the page together, section by section.

use super::curves::{Names, curves};
use super::found::{Run, Subject};
use super::gains::{GainRow, gains};
use super::html::Html;
use super::verdict::{gain_over_twin, gain_rows, unit, verdict};
use super::{cards, pictures, reproduce, results};
use crate::environment::instructions;
use crate::plots::{mean_curve, read};
use flowstill_metrics::plots::Series;

/// Single trainings whose curves are drawn, at most.
const DRAWN: usize = 12;

/// The page of a run.
pub(super) fn page(run: &Run) -> String {
    let (kind, name) = match &run.subject {
        Subject::Comparison(comparison) => ("Comparison", comparison.name.clone()),
        Subject::Frontier(report) => ("Frontier", report.name.clone()),
        Subject::Models => {
            ("Training", run.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()))
        }
    };
    let title = format!("{name}: {}", kind.to_lowercase());
    let mut body = Html::default();
    let sections = main(&mut body, run);
    let mut html = Html::document();
    html.element("html", &[("lang", "en")], |html| {
        html.element("head", &[], |html| {
            html.void("meta", &[("charset", "utf-8")]);
            html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
            // Nothing is asked for from anywhere, whatever a name in the page says.
            let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
            html.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", policy)]);
            html.leaf("title", &[], &title);
            html.asset("style", include_str!("assets/page.css"));
        });
        html.element("body", &[], |html| {
            html.leaf("a", &[("class", "skip"), ("href", "#verdict")], "Skip to the verdict");
            html.element("header", &[], |html| {
                html.leaf("h1", &[], &name);
                html.leaf("p", &[("class", "soft")], &what(run, kind));
            });
            html.element("nav", &[("aria-label", "Sections")], |html| {
                html.element("ul", &[], |html| {
                    for (id, name) in &sections {
                        html.element("li", &[], |html| html.leaf("a", &[("href", &format!("#{id}"))], name));
                    }
                });
            });
            html.element("main", &[], |html| html.join(body));
            let version = env!("CARGO_PKG_VERSION");
            html.leaf(
                "footer",
                &[],
                &format!("Written by flowstill {version}; this page asks for nothing from the network."),
            );
            html.asset("script", include_str!("assets/page.js"));
        });
    });
    html.finish() + "\n"
}

/// What was run, in one line.
fn what(run: &Run, kind: &str) -> String {
    let list = |seeds: &[u64]| seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    let (data, seeds) = match &run.subject {
        Subject::Comparison(comparison) => (comparison.data.clone(), comparison.seeds.clone()),
        Subject::Frontier(report) => (report.data.clone(), report.seeds.clone()),
        Subject::Models => {
            let data = run.models.iter().find_map(|model| model.facts.as_ref()).map(|(_, facts)| facts.data.clone());
            let mut seeds: Vec<u64> = run.models.iter().map(|model| model.row.seed).collect();
            seeds.sort_unstable();
            seeds.dedup();
            (data.unwrap_or_default(), seeds)
        }
    };
    let models = run.models.len();
    let models = format!("{models} model{}", if models == 1 { "" } else { "s" });
    format!("{kind} on {data}; seed{} {}; {models}.", if seeds.len() == 1 { "" } else { "s" }, list(&seeds))
}

/// All sections, and how the navigation calls them.
fn main(html: &mut Html, run: &Run) -> Vec<(&'static str, &'static str)> {
    let mut names = vec![("verdict", "Verdict"), ("results", "Results")];
    let said = verdict(run);
    section(html, "verdict", "Verdict", |html| {
        html.element("div", &[("class", "verdict")], |html| {
            said.lines.iter().for_each(|line| html.leaf("p", &[], line));
        });
        said.doubts.iter().for_each(|doubt| html.leaf("p", &[("class", "warn")], &format!("Take care: {doubt}")));
    });
    results::results(html, run);
    let gained: Vec<GainRow> = match &run.subject {
        Subject::Comparison(comparison) => gain_rows(comparison),
        Subject::Frontier(report) => report.models.iter().filter_map(gain_over_twin).collect(),
        Subject::Models => Vec::new(),
    };
    if !gained.is_empty() {
        names.push(("gains", "Gains"));
        let unit = if let Subject::Comparison(comparison) = &run.subject { unit(comparison) } else { "nats" };
        section(html, "gains", "Gains with their intervals", |html| {
            gains(html, "Gain of distilled students over the same student on data alone, by seed", unit, &gained);
        });
    }
    let mut drawn = Html::default();
    training(&mut drawn, run);
    if !drawn.is_empty() {
        names.push(("curves", "Curves"));
        section(html, "curves", "Training curves", |html| html.join(drawn));
    }
    if pictures::section(html, run) {
        names.push(("pictures", "Samples"));
    }
    cards::section(html, run);
    again(html, run);
    names.extend([("cards", "Model cards"), ("recipe", "Recipe and environment"), ("again", "Do it again")]);
    names
}

/// A section with its heading.
pub(super) fn section(html: &mut Html, id: &str, name: &str, inner: impl FnOnce(&mut Html)) {
    let head = format!("{id}-head");
    html.element("section", &[("id", id), ("aria-labelledby", &head)], |html| {
        html.leaf("h2", &[("id", &head)], name);
        inner(html);
    });
}

/// Curves: of single trainings their own, else the validation of every role.
fn training(html: &mut Html, run: &Run) {
    let pictures = run.models.iter().any(|model| model.row.metrics.bits_per_dim.is_some());
    let unit = if pictures { "bits per dimension" } else { "nats a row, standardised data" };
    if let Subject::Models = &run.subject {
        for (at, model) in run.models.iter().take(DRAWN).enumerate() {
            let metrics = read(&model.folder.join("metrics.jsonl"));
            let of = format!("{}, seed {}", model.row.role, model.row.seed);
            let (id, title) = (format!("curves-{at}"), format!("{of}: loss and validation"));
            curves(html, &Names { id: &id, title: &title, unit }, &metrics.nats);
            let (id, title) = (format!("distances-{at}"), format!("{of}: distance of student and teacher"));
            curves(html, &Names { id: &id, title: &title, unit: "distance" }, &metrics.distances);
        }
        if run.models.len() > DRAWN {
            html.leaf(
                "p",
                &[("class", "soft")],
                &format!("Of {} trainings the first {DRAWN} are drawn.", run.models.len()),
            );
        }
        return;
    }
    let validation = |role: &str| {
        let all: Vec<Vec<(f64, f64)>> = run
            .of(role)
            .filter_map(|model| {
                let metrics = read(&model.folder.join("metrics.jsonl"));
                metrics.nats.into_iter().find(|series| series.name == "validation nll").map(|series| series.points)
            })
            .collect();
        mean_curve(&all).map(|points| Series { name: role.to_string(), points })
    };
    let series: Vec<Series> = run.roles().into_iter().filter_map(validation).collect();
    let title = "Negative log-likelihood of the validation split, mean over seeds; lower is better";
    curves(html, &Names { id: "validation-curves", title, unit }, &series);
}

/// Recipe, environment, and how to do it again.
fn again(html: &mut Html, run: &Run) {
    section(html, "recipe", "Recipe and environment", |html| {
        html.element("dl", &[], |html| {
            let cores = std::thread::available_parallelism().map_or_else(|_| "?".into(), |cores| cores.to_string());
            let here = [
                ("Page written by", format!("flowstill {}", env!("CARGO_PKG_VERSION"))),
                (
                    "On",
                    format!(
                        "{} {}, instructions {}, {cores} cores",
                        std::env::consts::OS,
                        std::env::consts::ARCH,
                        instructions()
                    ),
                ),
                ("Run folder", run.path.display().to_string()),
            ];
            for (name, text) in here {
                html.leaf("dt", &[], name);
                html.leaf("dd", &[], &text);
            }
        });
        let said = "Speeds are of the machine and the time at which each model was measured. Seeds and fingerprints of flows are in the table of \
                    every model; those of the data are in the model cards, with the version that wrote each file.";
        html.leaf("p", &[("class", "soft")], said);
        match &run.recipe {
            Some(recipe) => html.element("details", &[("id", "recipe-text")], |html| {
                html.leaf("summary", &[], "The recipe as resolved, every value spelt out");
                html.element("pre", &[("tabindex", "0")], |html| html.leaf("code", &[], recipe));
            }),
            None => html.leaf("p", &[], "There is no recipe in the folder."),
        }
    });
    let (commands, notes) = reproduce::commands(run);
    section(html, "again", "Do it again", |html| {
        html.element("pre", &[("tabindex", "0")], |html| html.leaf("code", &[], &commands.join("\n")));
        notes.into_iter().for_each(|note| html.leaf("p", &[], note));
    });
}
