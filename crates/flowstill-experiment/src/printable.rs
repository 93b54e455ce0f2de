//! Escape what must not reach a terminal: characters that steer it, turn text round, or cannot be seen.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal or a reader could be misled by this character: controls (C0, DEL, C1), marks that turn text round or order its
/// digits, separators of lines, characters without width, fillers that look like nothing, and language tags.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text from a file, a recipe or the command line as part of one line: what could steer a terminal, forge a line or hide is written as
/// `\n`, `\t` or `\u{202e}`, and everything that can be seen stays.
///
/// ```
/// use flowstill_experiment::words::printable;
///
/// assert_eq!(printable("a\u{1b}[31mb\nc — λ 数"), "a\\u{1b}[31mb\\nc — λ 数");
/// ```
pub fn printable(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, |out, c| out.extend(c.escape_default()))
}

/// The same for text of several lines, whose line ends and tabs stay.
pub fn printable_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'), |out, c| out.extend(c.escape_default()))
}

/// The same for a JSON document, as `\u202e`, which means the same to whoever reads it.
pub fn printable_json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| c == '\n',
        |out, c| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        },
    )
}

/// A message of at most some 2,000 characters: of a longer one, which quotes what nobody would read, the beginning and the end.
///
/// ```
/// use flowstill_experiment::words::shortened;
///
/// let message = format!("no key `{}`; did you mean `a`?", "a".repeat(1_000_000));
/// let long = shortened(&message);
/// assert!(long.len() < 2100 && long.ends_with("a`; did you mean `a`?"));
/// ```
pub fn shortened(text: &str) -> Cow<'_, str> {
    const HALF: usize = 1000;
    let Some((begin, _)) = text.char_indices().nth(HALF) else { return Cow::Borrowed(text) };
    let Some((end, _)) = text.char_indices().rev().nth(HALF) else { return Cow::Borrowed(text) };
    match begin < end {
        true => Cow::Owned(format!("{}…{}", &text[..begin], &text[end..])),
        false => Cow::Borrowed(text),
    }
}

fn escaped(text: &str, stays: fn(char) -> bool, escape: fn(&mut String, char)) -> Cow<'_, str> {
    let escapes = |c: char| misleads(c) && !stays(c);
    if !text.chars().any(escapes) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if escapes(c) { escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misleads_is_escaped_and_what_is_seen_stays() {
        let seen = "naïve Δx=½ 数据 データ صوت עברית ✓ 👍🏽 a\\b \"q\"";
        assert!(matches!(printable(seen), Cow::Borrowed(text) if text == seen));
        assert_eq!(printable("\0\u{7}\u{8}\r\u{1b}\u{7f}\u{9b}"), "\\u{0}\\u{7}\\u{8}\\r\\u{1b}\\u{7f}\\u{9b}");
        assert_eq!(printable("a\u{202e}b\u{2066}c\u{200b}d\u{feff}"), "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}");
        assert_eq!(printable("one\ntwo\u{2028}"), "one\\ntwo\\u{2028}");
        assert_eq!(printable_lines("one\ntwo\u{2029}\r\n"), "one\ntwo\\u{2029}\\r\n");
    }

    #[test]
    fn json_means_the_same() {
        let value = serde_json::json!({ "a\u{202e}": "b\u{e0041}\u{7f}\u{9b}\n" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let escaped = printable_json(&text);
        assert!(escaped.contains("\\u202e") && escaped.contains("\\udb40\\udc41") && escaped.contains("\\u009b"));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
    }
}
