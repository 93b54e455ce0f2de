//! Read the option `--data`: a path, or `set=NAME,KEY=VALUE...` with any key of a recipe's `[data]`.

use flowstill_data::{DataConfig, PictureConfig};
use flowstill_experiment::words::shell_word;
use flowstill_experiment::{Error, Override, Result, Source, is_picture_set};

/// Read `set=NAME,KEY=VALUE...` as the `[data]` of a recipe, or a path as a table of one's own.
///
/// # Errors
/// Unknown keys with the nearest known one.
pub fn data_config(text: &str) -> Result<DataConfig> {
    let (source, table) = typed(text)?;
    source.read(&[], table)
}

/// The same as a table of TOML, whatever set it names.
///
/// # Errors
/// What is no `KEY=VALUE`.
pub fn typed(text: &str) -> Result<(Source, toml::Table)> {
    let mut sets = Vec::new();
    if text.starts_with("set=") {
        for part in parts(text) {
            sets.push(part.parse::<Override>().map_err(|message| Error::input(format!("--data {text}: {message}")))?);
        }
    } else {
        sets.push(Override::new(&["set"], "table"));
        sets.push(Override::new(&["path"], text));
    }
    let source = Source::option("--data", sets);
    let table = source.table()?;
    Ok((source, table))
}

/// Read `set=NAME,KEY=VALUE...` where it names a set of pictures; none where it names a table, or a set that nobody knows.
///
/// # Errors
/// Unknown keys with the nearest known one.
pub fn picture_config(text: &str) -> Result<Option<PictureConfig>> {
    let (source, table) = typed(text)?;
    match table.get("set").and_then(toml::Value::as_str).is_some_and(is_picture_set) {
        true => source.read(&[], table).map(Some),
        false => Ok(None),
    }
}

/// `--data TEXT` with other values of some keys, as a shell takes it.
pub fn changed(text: &str, settings: &[(&'static str, String)]) -> String {
    let key = |part: &str| part.split('=').next().unwrap_or_default().trim().to_string();
    let kept = parts(text).into_iter().filter(|part| settings.iter().all(|(name, _)| *name != key(part)));
    let put = settings.iter().map(|(name, value)| format!("{name}={value}"));
    let spec = kept.map(str::to_string).chain(put).collect::<Vec<_>>().join(",");
    format!("--data {}", shell_word(&spec))
}

/// The text between commas that stand outside brackets and quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut out, mut start, mut depth, mut quote, mut before) = (Vec::new(), 0, 0_usize, None, ' ');
    for (at, c) in text.char_indices() {
        // Only where a value begins or a list is open: a path may hold any of these.
        let opens = depth > 0 || before == '=';
        match (c, quote) {
            (_, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) if opens => quote = Some(c),
            ('[' | '{', None) if opens => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        before = c;
    }
    out.push(&text[start..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_quoted_text_keep_their_commas() {
        assert_eq!(parts("set=table,path=a.csv,seed=1"), ["set=table", "path=a.csv", "seed=1"]);
        assert_eq!(
            parts("set=table,columns=[\"a\", \"b,]\"],seed=1"),
            ["set=table", "columns=[\"a\", \"b,]\"]", "seed=1"]
        );
        assert_eq!(parts("path='it, too',x=]"), ["path='it, too'", "x=]"]);
        let config = data_config("set=table,path=t.csv,columns=[\"a\",\"b\"],test=0.2").unwrap();
        assert_eq!((config.columns, config.test), (Some(vec!["a".to_string(), "b".into()]), 0.2));
        let said = changed("set=table,columns=[\"a\",\"b\"],seed=7", &[("seed", "42".into()), ("test", "0.2".into())]);
        assert_eq!(said, "--data 'set=table,columns=[\"a\",\"b\"],seed=42,test=0.2'");
        // An apostrophe in a path is no quote.
        assert_eq!(data_config("set=table,path=it's.csv,seed=3").unwrap().seed, 3);
    }
}
