//! Lay rows of text out as a table, for a terminal or for Markdown.

/// Which side of its cell a column's text keeps to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Words.
    #[default]
    Left,
    /// Numbers.
    Right,
}

/// A plain table for a terminal: headers, a rule, and rows padded to equal width.
///
/// Short rows are filled with empty cells, and columns without an entry in `align` keep left.
///
/// ```
/// use flowstill_metrics::{text_table, Align};
/// let table = text_table(&["model", "nats"], &[vec!["teacher", "-1.25"]], &[Align::Left, Align::Right]);
/// assert_eq!(table, "model     nats\n-------  -----\nteacher  -1.25\n");
/// ```
pub fn text_table<H: AsRef<str>, C: AsRef<str>>(headers: &[H], rows: &[Vec<C>], align: &[Align]) -> String {
    let grid = Grid::new(headers, rows, align, |cell| cell.replace(['\n', '\r'], " "));
    let rule: Vec<String> = grid.widths.iter().map(|&w| "-".repeat(w)).collect();
    let mut out = String::new();
    for (index, line) in grid.lines.iter().enumerate() {
        out.push_str(grid.padded(line).join("  ").trim_end());
        out.push('\n');
        if index == 0 {
            out.push_str(&rule.join("  "));
            out.push('\n');
        }
    }
    out
}

/// The same table as GitHub-flavoured Markdown, readable as it stands; bars inside cells are escaped.
///
/// ```
/// use flowstill_metrics::{markdown_table, Align};
/// let table = markdown_table(&["model", "nats"], &[vec!["a|b", "-1.25"]], &[Align::Left, Align::Right]);
/// assert_eq!(table, "| model |  nats |\n| :---- | ----: |\n| a\\|b  | -1.25 |\n");
/// ```
pub fn markdown_table<H: AsRef<str>, C: AsRef<str>>(headers: &[H], rows: &[Vec<C>], align: &[Align]) -> String {
    let mut grid = Grid::new(headers, rows, align, |cell| cell.replace(['\n', '\r'], " ").replace('|', "\\|"));
    grid.widths.iter_mut().for_each(|w| *w = (*w).max(3));
    let rule = grid.widths.iter().enumerate().map(|(column, &width)| match grid.align(column) {
        Align::Left => format!(":{}", "-".repeat(width - 1)),
        Align::Right => format!("{}:", "-".repeat(width - 1)),
    });
    let rule = format!("| {} |\n", rule.collect::<Vec<_>>().join(" | "));
    let mut out = String::new();
    for (index, line) in grid.lines.iter().enumerate() {
        out.push_str(&format!("| {} |\n", grid.padded(line).join(" | ")));
        if index == 0 {
            out.push_str(&rule);
        }
    }
    out
}

/// Clean cells, headers first, all rows equally long.
struct Grid<'a> {
    lines: Vec<Vec<String>>,
    widths: Vec<usize>,
    align: &'a [Align],
}

impl<'a> Grid<'a> {
    fn new<H: AsRef<str>, C: AsRef<str>>(
        headers: &[H],
        rows: &[Vec<C>],
        align: &'a [Align],
        clean: impl Fn(&str) -> String,
    ) -> Self {
        let columns = rows.iter().map(Vec::len).chain([headers.len()]).max().unwrap_or(0);
        let mut lines = vec![headers.iter().map(|h| clean(h.as_ref())).collect::<Vec<_>>()];
        lines.extend(rows.iter().map(|row| row.iter().map(|c| clean(c.as_ref())).collect::<Vec<_>>()));
        lines.iter_mut().for_each(|line| line.resize(columns, String::new()));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths = (0..columns).map(width).collect();
        Self { lines, widths, align }
    }

    fn align(&self, column: usize) -> Align {
        self.align.get(column).copied().unwrap_or_default()
    }

    fn padded(&self, line: &[String]) -> Vec<String> {
        let pad = |(column, cell): (usize, &String)| {
            let blank = " ".repeat(self.widths[column].saturating_sub(cell.chars().count()));
            match self.align(column) {
                Align::Left => format!("{cell}{blank}"),
                Align::Right => format!("{blank}{cell}"),
            }
        };
        line.iter().enumerate().map(pad).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ragged_rows_and_wide_letters_keep_their_columns() {
        let rows = vec![vec!["ä ± σ", "1", "extra"], vec!["x"]];
        assert_eq!(text_table(&["a", "b"], &rows, &[]), "a      b\n-----  -  -----\nä ± σ  1  extra\nx\n");
        assert_eq!(text_table::<&str, &str>(&[], &[], &[]), "\n\n");
    }
}
