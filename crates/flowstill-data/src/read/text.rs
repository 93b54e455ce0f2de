//! Read delimited text, plain or gzipped, and write CSV.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use csv::ByteRecord;
use flate2::read::MultiGzDecoder;

use super::limits::{self, Left, Metered, RECORD, failed};
use super::{Keep, RowGatherer};
use crate::error::shown;
use crate::table::{Fill, numbered};
use crate::{DataError, Header, ReadOptions, Result};

/// How many lines the delimiter is judged by.
const JUDGED_LINES: usize = 30;

pub(crate) fn read<'a>(path: &'a Path, gzip: bool, options: &ReadOptions, keep: Keep<'a>) -> Result<RowGatherer<'a>> {
    let open = || -> Result<Box<dyn Read>> {
        let length = limits::regular(path)?.len();
        let file = File::open(path).map_err(DataError::io(path, "read"))?;
        let left = Left::new(Cell::new(limits::room(length)));
        Ok(match gzip {
            true => {
                let unpacked = MultiGzDecoder::new(BufReader::new(file));
                Box::new(Metered::new(unpacked, left, "more than 256 times the bytes of the packed file"))
            }
            false => Box::new(file),
        })
    };
    read_from(&open, path, options, keep)
}

/// Reads text that `open` opens anew at each call: once to judge it, once to read it.
pub(crate) fn read_from<'a>(
    open: &dyn Fn() -> Result<Box<dyn Read>>,
    path: &'a Path,
    options: &ReadOptions,
    keep: Keep<'a>,
) -> Result<RowGatherer<'a>> {
    let delimiter = match options.delimiter {
        Some(given) => u8::try_from(given).ok().filter(u8::is_ascii).ok_or_else(|| DataError::Config {
            field: "delimiter",
            expected: "one ASCII character".into(),
            got: format!("`{given}`"),
            remedy: "use `,`, `;`, a tab or a space".into(),
        })?,
        None => {
            let mut head = Vec::new();
            open()?.take(1 << 16).read_to_end(&mut head).map_err(failed(path))?;
            detect(&head, options.skip_lines)
        }
    };
    let mut records = Records::new(open()?, delimiter, options.skip_lines, path)?;
    let empty = || DataError::malformed(path, "rows of text", "an empty file", "check the path");
    let (first_line, first) = records.next()?.ok_or_else(empty)?;
    limits::columns(path, first.len())?;
    let second = records.next()?;
    let header = match options.header {
        Header::Yes => true,
        Header::No => false,
        Header::Auto => names_columns(&first, second.as_ref().map(|(_, record)| record)),
    };
    let names = if header { unique_names(&first) } else { numbered(first.len()) };
    let mut rows = RowGatherer::new(path, options, keep, &names)?;
    let clocks: Vec<bool> =
        (0..rows.picks.len()).map(|index| options.clock_columns.contains(&rows.name(index))).collect();
    let mut numbers = vec![0.0; rows.picks.len()];
    let mut take = |line: usize, record: &ByteRecord| {
        if record.len() != names.len() {
            let (expected, got) = (names.len(), record.len());
            return Err(DataError::RaggedRow { path: path.to_path_buf(), row: line, expected, got });
        }
        for (index, &pick) in rows.picks.iter().enumerate() {
            let field = record.get(pick).unwrap_or_default();
            let parsed = if clocks[index] { minutes(field) } else { number(field) };
            numbers[index] = parsed.ok_or_else(|| DataError::NotANumber {
                path: path.to_path_buf(),
                row: line,
                column: rows.name(index),
                got: shown(&String::from_utf8_lossy(field), 40),
            })?;
        }
        rows.push(line, &numbers)
    };
    if !header {
        take(first_line, &first)?;
    }
    if let Some((line, record)) = second {
        take(line, &record)?;
        let mut record = record;
        while let Some(line) = records.next_into(&mut record)? {
            take(line, &record)?;
        }
    }
    Ok(rows)
}

pub(crate) fn write(
    names: &[String],
    _rows: usize,
    fill: Fill<'_>,
    path: &Path,
    to: &mut (dyn Write + Send),
) -> Result<()> {
    let failed = |error: csv::Error| DataError::io(path, "write")(error.into());
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(names).map_err(failed)?;
    fill(&mut |values| {
        // Rust prints the shortest digits that read back as the same number.
        let mut rows = values.chunks_exact(names.len().max(1));
        rows.try_for_each(|row| writer.write_record(row.iter().map(f64::to_string)).map_err(failed))
    })?;
    writer.flush().map_err(DataError::io(path, "write"))
}

/// A field's number; NaN for a hole; `None` for text.
fn number(field: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(field).ok()?.trim();
    if let Ok(value) = text.parse() {
        return Some(value);
    }
    let hole = ["", "?", "na", "n/a", "null", "none", "-"].iter().any(|token| text.eq_ignore_ascii_case(token));
    hole.then_some(f64::NAN)
}

/// A clock time in minutes since midnight; NaN for a hole; `None` for anything else.
fn minutes(field: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(field).ok()?.trim();
    let Some((hours, rest)) = text.split_once(':') else { return number(field).filter(|value| value.is_nan()) };
    let (minutes, seconds) = rest.split_once(':').unwrap_or((rest, "0"));
    let part = |text: &str, limit: f64| text.parse::<f64>().ok().filter(|value| (0.0..limit).contains(value));
    Some(part(hours, 24.0)? * 60.0 + part(minutes, 60.0)? + part(seconds, 60.0)? / 60.0)
}

/// Whether the first record names columns: all of it is text, or some of it is text above a number.
fn names_columns(first: &ByteRecord, second: Option<&ByteRecord>) -> bool {
    let is_text = |field: &[u8]| number(field).is_none();
    let all = first.iter().any(is_text) && first.iter().all(|field| is_text(field) || field.is_empty());
    let above = second.is_some_and(|second| first.iter().zip(second).any(|(a, b)| is_text(a) && !is_text(b)));
    all || above
}

/// Header fields as names: empty ones are numbered, repeated ones get a suffix.
fn unique_names(record: &ByteRecord) -> Vec<String> {
    let mut names: Vec<String> = Vec::with_capacity(record.len());
    // By name: the first suffix that may be free, so that many equal names cost no more than others.
    let (mut taken, mut free) = (HashSet::new(), HashMap::new());
    for (index, field) in record.iter().enumerate() {
        let text = String::from_utf8_lossy(field);
        let base = if text.trim().is_empty() { format!("c{}", index + 1) } else { shown(text.trim(), 100) };
        let mut name = base.clone();
        if taken.contains(&name) {
            let suffix = free.entry(base.clone()).or_insert(1);
            while taken.contains(&name) {
                name = format!("{base}.{suffix}");
                *suffix += 1;
            }
        }
        taken.insert(name.clone());
        names.push(name);
    }
    names
}

/// The delimiter that cuts the first lines into equally many fields; blanks if none does.
fn detect(head: &[u8], skip_lines: usize) -> u8 {
    let mut lines: Vec<&[u8]> = head.split(|&byte| byte == b'\n').skip(skip_lines).take(JUDGED_LINES).collect();
    if lines.len() > 1 {
        lines.pop(); // it may be cut
    }
    lines.retain(|line| !line.trim_ascii().is_empty());
    let count = |line: &[u8], mark: u8| line.iter().filter(|&&byte| byte == mark).count();
    let cuts = |mark: &u8| {
        let first = lines.first().map_or(0, |line| count(line, *mark));
        // A quoted header may hold the mark too, so one line in ten may differ.
        first > 0 && lines.iter().filter(|line| count(line, *mark) != first).count() * 10 <= lines.len()
    };
    [b'\t', b';', b'|', b','].into_iter().find(cuts).unwrap_or_else(|| {
        let commas = lines.iter().map(|line| count(line, b',')).max().unwrap_or(0);
        // One column, or ragged rows of commas, which the reader will point at; else columns set apart by blanks.
        if commas > 0 || !lines.iter().any(|line| line.trim_ascii().contains(&b' ')) { b',' } else { b' ' }
    })
}

/// Text that fails where one record does not end.
type Source = BufReader<Metered<Box<dyn Read>>>;

/// Records one after another, each with its line in the file.
enum Records<'a> {
    Marked { reader: Box<csv::Reader<Source>>, left: Left, skipped: usize, path: &'a Path },
    Blanks { reader: Source, left: Left, line: usize, buffer: Vec<u8>, path: &'a Path },
}

impl<'a> Records<'a> {
    fn new(source: Box<dyn Read>, delimiter: u8, skip_lines: usize, path: &'a Path) -> Result<Self> {
        let left = Left::new(Cell::new(RECORD));
        let source = Metered::new(source, left.clone(), "a line or a quoted field of more than 8 MiB");
        let mut reader = BufReader::with_capacity(1 << 16, source);
        for _ in 0..skip_lines {
            left.set(RECORD);
            reader.skip_until(b'\n').map_err(failed(path))?;
        }
        Ok(match delimiter {
            b' ' => Self::Blanks { reader, left, line: skip_lines, buffer: Vec::new(), path },
            _ => {
                let mut builder = csv::ReaderBuilder::new();
                builder.delimiter(delimiter).has_headers(false).flexible(true).trim(csv::Trim::All);
                Self::Marked { reader: Box::new(builder.from_reader(reader)), left, skipped: skip_lines, path }
            }
        })
    }

    fn next(&mut self) -> Result<Option<(usize, ByteRecord)>> {
        let mut record = ByteRecord::new();
        Ok(self.next_into(&mut record)?.map(|line| (line, record)))
    }

    fn next_into(&mut self, record: &mut ByteRecord) -> Result<Option<usize>> {
        match self {
            Self::Marked { reader, left, skipped, path } => {
                left.set(RECORD);
                let read = reader.read_byte_record(record).map_err(|error| match error.into_kind() {
                    csv::ErrorKind::Io(error) => failed(path)(error),
                    _ => DataError::malformed(path, "text", "other bytes", "check that it is a table"),
                });
                if !read? {
                    return Ok(None);
                }
                let line = record.position().map_or(0, csv::Position::line) as usize;
                Ok(Some(line + *skipped))
            }
            Self::Blanks { reader, left, line, buffer, path } => loop {
                buffer.clear();
                left.set(RECORD);
                if reader.read_until(b'\n', buffer).map_err(failed(path))? == 0 {
                    return Ok(None);
                }
                *line += 1;
                let text = buffer.strip_prefix(b"\xef\xbb\xbf".as_slice()).unwrap_or(buffer);
                record.clear();
                let fields = text.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
                fields.for_each(|field| record.push_field(field));
                if !record.is_empty() {
                    return Ok(Some(*line));
                }
            },
        }
    }
}
