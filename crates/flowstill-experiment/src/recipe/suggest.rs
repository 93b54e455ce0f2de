//! Find the known name that a mistyped one was meant to be.

/// The nearest of `known` to `typed`, if any is near.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|name| (strsim::jaro_winkler(typed, name), name));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0));
    best.filter(|(score, _)| *score > 0.75).map(|(_, name)| name)
}

/// "did you mean `x`?", or the list of what there is.
pub fn hint(typed: &str, known: &[&str]) -> String {
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
pub fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
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
    fn backticks_are_split() {
        assert_eq!(quoted("unknown field `a`, expected `b` or `c`"), ["a", "b", "c"]);
        assert!(quoted("none").is_empty());
    }
}
