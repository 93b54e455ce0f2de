//! `flowstill data` for sets of pictures.

use crate::failure::{Failure, Outcome};
use crate::out;
use flowstill_data::{PictureConfig, PictureSetName, check_pictures, load_pictures, picture_sets};
use flowstill_experiment::words::{first_names, printable, shape};
use flowstill_metrics::{Align, text_table};
use serde_json::{Value, json};
use std::path::Path;

/// What is known of every set, for programs.
pub(super) fn listed() -> Vec<Value> {
    let one = |set: &flowstill_data::PictureSetInfo| {
        json!({
            "name": set.name, "shape": set.shape, "pictures": set.counts, "classes": set.classes, "origin": set.origin,
            "licence": set.licence, "files": set.files,
        })
    };
    picture_sets().iter().map(one).collect()
}

/// The same for people.
pub(super) fn list() -> String {
    let known = |number: usize| if number == 0 { "-".to_string() } else { number.to_string() };
    let rows: Vec<Vec<String>> = picture_sets()
        .iter()
        .map(|set| {
            let shape = if set.shape == [0; 3] { "-".into() } else { shape(set.shape) };
            let [train, validation, test] = set.counts.map(known);
            vec![set.name.to_string(), shape, known(set.classes), train, validation, test, set.origin.into()]
        })
        .collect();
    let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Right];
    let head = ["pictures", "size", "classes", "train", "validation", "test", "from"];
    let mut text = text_table(&head, &rows, &align);
    text.push_str("\nfiles of each, in the folder that `path` names:\n");
    for set in picture_sets() {
        text.push_str(&format!("  {:10} {} ({})\n", set.name.to_string(), set.files, set.licence));
    }
    text
}

/// Read a set as it comes, and compare it with the published one.
///
/// # Errors
/// What the reader reports; broken files, and a set that differs from the published one.
pub(super) fn check(name: PictureSetName, path: Option<&Path>, as_json: bool) -> Outcome<()> {
    let config = PictureConfig { set: name, path: path.map(Path::to_path_buf), ..PictureConfig::default() };
    let report = check_pictures(&config)?;
    let published = picture_sets().iter().any(|set| set.name == name && set.counts[0] > 0);
    let agrees = report.differences.is_empty();
    if as_json {
        out::print_json(&json!({
            "set": name, "shape": report.shape, "bits": report.bits, "pictures": report.counts,
            "classes": report.classes.iter().map(|(class, count)| json!({ "name": class, "train": count })).collect::<Vec<_>>(),
            "channel_means": report.channel_means, "left_out": report.problems, "broken": report.broken,
            "first_left_out": report.first_problem, "agrees": agrees, "differences": report.differences,
            "steps": report.steps, "fingerprint": format!("{:016x}", report.fingerprint),
        }))?;
    } else {
        let [train, validation, test] = report.counts;
        let mut text = format!(
            "{name}: pictures of {}, {} bits, {train} train, {validation} validation, {test} test\n",
            shape(report.shape),
            report.bits
        );
        report.steps.iter().for_each(|step| text.push_str(&format!("  {}\n", printable(step))));
        match (agrees, published) {
            (true, true) => text.push_str("agrees with the published shape\n"),
            (true, false) => text.push_str("nothing is published to compare it with\n"),
            (false, _) => {
                report.differences.iter().for_each(|line| text.push_str(&format!("differs: {}\n", printable(line))))
            }
        }
        out::print(&text)?;
    }
    match (report.broken, agrees) {
        (0, true) => Ok(()),
        (0, false) => Err(Failure::run(format!(
            "{name}: the pictures differ from the published ones in {} ways",
            report.differences.len()
        ))),
        (broken, _) => Err(Failure::run(format!(
            "{name}: {broken} files are no usable pictures; the first: {}",
            report.first_problem.unwrap_or_default()
        ))),
    }
}

/// Say what a set holds.
///
/// # Errors
/// What the reader reports.
pub(super) fn describe(config: &PictureConfig, as_json: bool) -> Outcome<()> {
    let set = load_pictures(config)?;
    let counts = [set.train.count, set.validation.count, set.test.count];
    let labelled = |class: usize| set.train.labels.iter().flatten().filter(|&&label| label as usize == class).count();
    let classes: Vec<(&String, usize)> =
        set.classes.iter().enumerate().map(|(at, name)| (name, labelled(at))).collect();
    if as_json {
        return out::print_json(&json!({
            "source": set.source, "shape": set.shape(), "bits": set.bits,
            "pictures": { "train": counts[0], "validation": counts[1], "test": counts[2] },
            "classes": classes.iter().map(|(class, count)| json!({ "name": class, "train": count })).collect::<Vec<_>>(),
            "channel_means": set.train.channel_means(), "steps": set.steps, "left_out": set.skipped,
        }));
    }
    let steps: String = set.steps.iter().map(|step| format!("  {}\n", printable(step))).collect();
    let means: Vec<String> = set.train.channel_means().iter().map(|mean| format!("{mean:.2}")).collect();
    let names: Vec<String> = classes.iter().map(|(class, count)| format!("{class} ({count})")).collect();
    let classes = if names.is_empty() { "none".to_string() } else { first_names(&names, 12) };
    let (source, classes) = (printable(&set.source), printable(&classes));
    out::print(&format!(
        "{source}\n{} train, {} validation, {} test pictures of {}, {} bits\n{steps}\nclasses (train pictures)  {classes}\n\
         channel means             {} of 0 to {}\n",
        counts[0],
        counts[1],
        counts[2],
        shape(set.shape()),
        set.bits,
        means.join(", "),
        (1_u32 << set.bits) - 1
    ))
}
