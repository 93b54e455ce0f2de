//! Lay a table out that scrolls inside its frame and sorts by its columns.

use super::html::Html;

/// A table: `headers` as many as each row has cells; the first cell of a row names it. `id` is the page's own name for it.
pub(super) fn table(html: &mut Html, id: &str, caption: &str, headers: &[&str], rows: &[Vec<String>]) {
    let caption_id = format!("{id}-caption");
    let frame: [(&str, &str); 4] =
        [("class", "scroll"), ("role", "region"), ("tabindex", "0"), ("aria-labelledby", &caption_id)];
    html.element("div", &frame, |html| {
        html.element("table", &[("class", "sortable"), ("id", id)], |html| {
            html.leaf("caption", &[("id", &caption_id)], caption);
            html.element("thead", &[], |html| {
                html.element("tr", &[], |html| {
                    for (at, header) in headers.iter().enumerate() {
                        let words = rows.iter().any(|row| row.get(at).is_some_and(|cell| is_words(cell)));
                        let scope = [("scope", "col"), ("class", "words")];
                        html.leaf("th", if words { &scope } else { &scope[..1] }, header.trim());
                    }
                });
            });
            html.element("tbody", &[], |html| rows.iter().for_each(|row| one(html, row)));
        });
    });
}

fn one(html: &mut Html, row: &[String]) {
    html.element("tr", &[], |html| {
        for (at, cell) in row.iter().enumerate() {
            match (at, sort_value(cell).map(|value| value.to_string())) {
                (0, _) => html.leaf("th", &[("scope", "row")], cell),
                (_, Some(value)) => html.leaf("td", &[("data-value", &value)], cell),
                (_, None) if is_words(cell) => html.leaf("td", &[("class", "words")], cell),
                (_, None) => html.leaf("td", &[], cell),
            }
        }
    });
}

/// Text of several words, which reads from the left.
fn is_words(cell: &str) -> bool {
    sort_value(cell).is_none() && cell.contains(' ')
}

/// The number that a cell begins with, its thousands or millions told.
fn sort_value(cell: &str) -> Option<f64> {
    let first = cell.split_whitespace().next()?;
    let (digits, factor) = match first.as_bytes().last()? {
        b'k' => (&first[..first.len() - 1], 1e3),
        b'M' => (&first[..first.len() - 1], 1e6),
        _ => (first, 1.0),
    };
    digits.parse::<f64>().ok().map(|value| value * factor).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_sort_by_their_number() {
        let values = ["7390", "-0.28 ± 0.02", "+1.3 ?", "3.72M", "271k (x0.1)", "1.3e-5", "-", "", "not finite", "NaN"];
        let expected = [Some(7390.0), Some(-0.28), Some(1.3), Some(3.72e6), Some(271e3), Some(1.3e-5)];
        assert_eq!(values.map(sort_value)[..6], expected);
        assert!(values[6..].iter().all(|cell| sort_value(cell).is_none()));
    }
}
