//! Put names, numbers and shapes into words, and find the known name that a mistyped one was meant to be.

pub use crate::printable::{printable, printable_json, printable_lines};

/// The nearest of `known` to `typed`, if any is near.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(typed, name), name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.75).map(|(_, name)| name)
}

/// "did you mean `x`?", or the list of what there is.
pub(crate) fn hint(typed: &str, known: &[&str]) -> String {
    match nearest(typed, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => "there is none".to_string(),
        None => {
            let mut sorted = known.to_vec();
            sorted.sort_unstable();
            format!("known here: {}", sorted.join(", "))
        }
    }
}

/// The names between backticks in serde's "expected one of `a`, `b`".
pub(crate) fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Three significant digits, in thousands and millions.
pub fn thousands(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e5 => format!("{:.0}k", v / 1e3),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v if v >= 100.0 || v.fract() == 0.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
    }
}

/// The first names of a list, at most `most` of them, and how many more there are.
pub fn first_names(names: &[String], most: usize) -> String {
    let more = names.len().saturating_sub(most);
    let tail = if more > 0 { format!(", and {more} more") } else { String::new() };
    names[..names.len() - more].join(", ") + &tail
}

/// A number with so many decimals at most, none that say nothing, and no minus before nothing.
pub fn decimal(value: f64, most: usize) -> String {
    let text = format!("{value:.most$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".into() } else { text.into() }
}

/// Text as one word of a shell.
pub fn shell_word(text: &str) -> String {
    match !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+=,:@%".contains(c)) {
        true => text.to_string(),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// `32x32x3`.
pub fn shape([height, width, channels]: [usize; 3]) -> String {
    format!("{height}x{width}x{channels}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_strangers_get_the_list() {
        assert_eq!(hint("stepz", &["seed", "steps", "batch"]), "did you mean `steps`?");
        assert_eq!(hint("teacher_sample", &["teacher_samples", "temperature"]), "did you mean `teacher_samples`?");
        assert_eq!(hint("qqq", &["steps", "batch"]), "known here: batch, steps");
    }

    #[test]
    fn exact_numbers_are_shown_exactly() {
        let shown = [(1999.0, 5), (-1e-9, 5), (-0.25, 5), (3.0, 0), (-0.4, 0), (0.123_456_7, 5)];
        let shown = shown.map(|(value, most)| decimal(value, most));
        assert_eq!(shown, ["1999", "0", "-0.25", "3", "0", "0.12346"]);
    }

    #[test]
    fn a_shell_reads_a_word_back() {
        assert_eq!(shell_word("set=table,path=a/b.csv,seed=1"), "set=table,path=a/b.csv,seed=1");
        assert_eq!(shell_word("columns=[\"it's\"]"), "'columns=[\"it'\\''s\"]'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn backticks_are_split() {
        assert_eq!(quoted("unknown field `a`, expected `b` or `c`"), ["a", "b", "c"]);
        assert!(quoted("none").is_empty());
    }

    #[test]
    fn numbers_keep_three_digits() {
        let shown: Vec<String> = [3.25, 42.0, 999.4, 4_096.0, 23_456.0, 123_456.0, 7_654_321.0].map(thousands).into();
        assert_eq!(shown, ["3.2", "42", "999", "4096", "23.5k", "123k", "7.65M"]);
    }
}
