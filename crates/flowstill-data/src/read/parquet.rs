//! Read and write Parquet files of flat number columns.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, Type};

use super::{Keep, RowGatherer, limits, pages};
use crate::table::Fill;
use crate::{DataError, ReadOptions, Result};

/// Rows a written group holds: some megabytes at a time.
const GROUP: usize = 1 << 17;

pub(crate) fn read<'a>(path: &'a Path, options: &ReadOptions, keep: Keep<'a>) -> Result<RowGatherer<'a>> {
    limits::regular(path)?;
    read_from(File::open(path).map_err(DataError::io(path, "read"))?, path, options, keep)
}

/// Reads from an open file or from bytes.
pub(crate) fn read_from<'a, R: ChunkReader + 'static>(
    source: R,
    path: &'a Path,
    options: &ReadOptions,
    keep: Keep<'a>,
) -> Result<RowGatherer<'a>> {
    let failed = |error: ParquetError| {
        let remedy = "write it again, uncompressed or with Snappy";
        DataError::malformed(path, "a whole Parquet file", error.to_string(), remedy)
    };
    let facts = ParquetMetaDataReader::new().parse_and_finish(&source).map_err(failed)?;
    let schema = facts.file_metadata().schema_descr();
    let have: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
    limits::columns(path, have.len())?;
    let mut rows = RowGatherer::new(path, options, keep, &have)?;
    for (index, &pick) in rows.picks.iter().enumerate() {
        let column = schema.column(pick);
        let flat = column.max_rep_level() == 0;
        if !flat
            || matches!(column.physical_type(), Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY | Physical::INT96)
        {
            let got = if flat { "text or bytes" } else { "a list" };
            let (column, got) = (rows.name(index), got.to_string());
            return Err(DataError::NotANumber { path: path.to_path_buf(), row: 1, column, got });
        }
    }
    check(&source, &facts, &rows.picks).map_err(|got| {
        DataError::malformed(path, "a whole Parquet file", got, "write it again, as .npy if it is very regular")
    })?;
    let file = SerializedFileReader::new(source).map_err(failed)?;
    let mut place = 0;
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group).map_err(failed)?;
        let expected = group.metadata().num_rows();
        let mut columns = Vec::with_capacity(rows.picks.len());
        for &pick in &rows.picks {
            let reader = group.get_column_reader(pick).map_err(failed)?;
            let column = column_values(reader, &schema.column(pick), expected).map_err(failed)?;
            if i64::try_from(column.len()) != Ok(expected) {
                let got = format!("{} in column `{}`", column.len(), have[pick]);
                return Err(DataError::malformed(path, format!("{expected} rows"), got, "write the file again"));
            }
            columns.push(column);
        }
        let mut row = vec![0.0; columns.len()];
        for index in 0..columns.first().map_or(0, Vec::len) {
            row.iter_mut().zip(&columns).for_each(|(value, column)| *value = column[index]);
            place += 1;
            rows.push(place, &row)?;
        }
    }
    Ok(rows)
}

/// Checks that what is to be read lies in the file, and unfolds to no more than a file of its size may: runs of one value take no bytes.
fn check(source: &impl ChunkReader, file: &ParquetMetaData, picks: &[usize]) -> Result<(), String> {
    let length = source.len();
    let room = limits::room(length);
    let too_much = |claimed: u64| format!("{claimed} bytes of values in a file of {length} bytes");
    let (mut values, mut stored, mut unfolded) = (0_u64, 0_u64, 0_u64);
    for group in file.row_groups() {
        let rows = u64::try_from(group.num_rows()).map_err(|_| "a number of rows below 0")?;
        values = values.saturating_add(rows.saturating_mul(8 * picks.len() as u64));
        if values > room {
            return Err(too_much(values));
        }
        for &pick in picks {
            let column = group.columns().get(pick).ok_or("a group of rows that lacks a column")?;
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let (Ok(start), Ok(bytes)) = (u64::try_from(start), u64::try_from(column.compressed_size())) else {
                return Err("a column at a place below 0".into());
            };
            stored = stored.saturating_add(bytes);
            if start.checked_add(bytes).is_none_or(|end| end > length) || stored > length {
                return Err("columns beyond its end".into());
            }
            let pages = source.get_bytes(start, bytes as usize).map_err(|error| error.to_string())?;
            unfolded = unfolded.saturating_add(pages::claimed(&pages)?);
            if unfolded > room {
                return Err(too_much(unfolded));
            }
        }
    }
    Ok(())
}

/// One column of a row group; nulls are NaN.
fn column_values(reader: ColumnReader, column: &ColumnDescriptor, rows: i64) -> Result<Vec<f64>, ParquetError> {
    let level = column.max_def_level();
    let unsigned = matches!(
        column.converted_type(),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
    );
    match reader {
        ColumnReader::BoolColumnReader(reader) => typed(reader, level, rows, |value| f64::from(u8::from(value))),
        ColumnReader::Int32ColumnReader(reader) if unsigned => {
            typed(reader, level, rows, |value| f64::from(value as u32))
        }
        ColumnReader::Int32ColumnReader(reader) => typed(reader, level, rows, f64::from),
        ColumnReader::Int64ColumnReader(reader) if unsigned => typed(reader, level, rows, |value| value as u64 as f64),
        ColumnReader::Int64ColumnReader(reader) => typed(reader, level, rows, |value| value as f64),
        ColumnReader::FloatColumnReader(reader) => typed(reader, level, rows, f64::from),
        ColumnReader::DoubleColumnReader(reader) => typed(reader, level, rows, |value| value),
        _ => Err(ParquetError::General("a column of text or bytes".into())),
    }
}

fn typed<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    max_level: i16,
    rows: i64,
    number: impl Fn(T::T) -> f64,
) -> Result<Vec<f64>, ParquetError>
where
    T::T: Clone,
{
    let mut column = Vec::new();
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    loop {
        values.clear();
        levels.clear();
        let (records, _, _) = reader.read_records(1 << 14, Some(&mut levels), None, &mut values)?;
        // A column with more is told of by its length.
        if records == 0 || i64::try_from(column.len()).is_ok_and(|length| length > rows) {
            return Ok(column);
        }
        let mut values = values.drain(..);
        if max_level == 0 {
            column.extend(values.map(&number));
        } else {
            let next = |&level: &i16| if level == max_level { values.next().map(&number) } else { Some(f64::NAN) };
            column.extend(levels.iter().filter_map(next));
        }
    }
}

pub(crate) fn write(
    names: &[String],
    _rows: usize,
    fill: Fill<'_>,
    path: &Path,
    to: &mut (dyn Write + Send),
) -> Result<()> {
    let failed = |error: ParquetError| DataError::io(path, "write")(std::io::Error::other(error));
    let mut writer = start(names, to).map_err(failed)?;
    let size = GROUP * names.len().max(1);
    let mut group: Vec<f64> = Vec::new();
    fill(&mut |mut values| {
        while !values.is_empty() {
            let (taken, rest) = values.split_at(values.len().min(size - group.len()));
            group.extend_from_slice(taken);
            values = rest;
            if group.len() == size {
                write_group(&mut writer, &group, names.len()).map_err(failed)?;
                group.clear();
            }
        }
        Ok(())
    })?;
    if !group.is_empty() {
        write_group(&mut writer, &group, names.len()).map_err(failed)?;
    }
    writer.close().map(drop).map_err(failed)
}

fn start<W: Write + Send>(names: &[String], to: W) -> Result<SerializedFileWriter<W>, ParquetError> {
    let field = |name: &String| {
        let column = Type::primitive_type_builder(name, Physical::DOUBLE).with_repetition(Repetition::REQUIRED);
        column.build().map(Arc::new)
    };
    let fields = names.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    let schema = Arc::new(Type::group_type_builder("table").with_fields(fields).build()?);
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    SerializedFileWriter::new(to, schema, Arc::new(properties))
}

fn write_group<W: Write + Send>(
    writer: &mut SerializedFileWriter<W>,
    group: &[f64],
    columns: usize,
) -> Result<(), ParquetError> {
    let mut rows = writer.next_row_group()?;
    for index in 0..columns {
        let column: Vec<f64> = group.iter().skip(index).step_by(columns).copied().collect();
        if let Some(mut chunk) = rows.next_column()? {
            chunk.typed::<DoubleType>().write_batch(&column, None, None)?;
            chunk.close()?;
        }
    }
    rows.close().map(drop)
}
