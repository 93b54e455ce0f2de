//! Find the columns of a pickled pandas DataFrame, as any pandas since 0.15 wrote it.

use std::path::Path;

use super::dtype::Dtype;
use super::pickle::{Id, Node, Pickle, run};
use crate::{DataError, Result, Table};

/// Reads the number columns of a pickled DataFrame. Nothing in the file is ever executed.
pub(crate) fn read(path: &Path) -> Result<Table> {
    parse(path, &std::fs::read(path).map_err(DataError::io(path, "read"))?)
}

/// Parses the bytes of a whole file.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Table> {
    let found = run(bytes).and_then(|pickle| Frame(&pickle).table());
    let (names, rows, columns) = found.map_err(|got| {
        let remedy = "in pandas, write it again with frame.to_parquet(...) or frame.to_csv(..., index=False)";
        DataError::malformed(path, "a pickled pandas DataFrame of numbers", got, remedy)
    })?;
    let mut values = Vec::with_capacity(rows.saturating_mul(columns.len()));
    for row in 0..rows {
        values.extend(columns.iter().map(|column| column[row]));
    }
    Table::new(names, values)
}

type Found<T> = Result<T, String>;

/// Names, number of rows, and each column's values.
type Columns = (Vec<String>, usize, Vec<Vec<f64>>);

/// An array in the pickle: its numbers stay there until they are wanted.
struct Array {
    dtype: Dtype,
    shape: Vec<usize>,
    fortran: bool,
    data: Vec<u8>,
}

/// A frame's axes, and each block's values and places.
type Manager<'a> = (&'a [Id], Vec<(Id, Id)>);

struct Frame<'a>(&'a Pickle<'a>);

impl Frame<'_> {
    fn table(&self) -> Found<Columns> {
        let (axes, blocks) = self.manager()?;
        let names = self.names(*axes.first().ok_or("a frame without columns")?)?;
        let mut columns: Vec<Option<Vec<f64>>> = vec![None; names.len()];
        let (mut rows, mut taken) = (None, 0);
        for (values, places) in blocks {
            let array = self.array(values)?;
            let [items, length] = array.shape[..] else { return Err("a block that is no matrix".into()) };
            if *rows.get_or_insert(length) != length {
                return Err("columns of different lengths".into());
            }
            let places = self.places(places, items)?;
            // A frame's blocks never share bytes; a file whose blocks do would unfold to any size.
            taken += array.data.len();
            if taken > self.0.length() {
                return Err("blocks that hold the same bytes".into());
            }
            let numbers = array.dtype.decode(&array.data);
            for (item, place) in places.into_iter().enumerate() {
                let (start, step) = if array.fortran { (item, items) } else { (item * length, 1) };
                let column = numbers.iter().skip(start).step_by(step).take(length).copied().collect();
                *columns.get_mut(place).ok_or("a block outside the frame")? = Some(column);
            }
        }
        let columns = columns.into_iter().collect::<Option<Vec<_>>>().ok_or("a column without values")?;
        if columns.is_empty() {
            return Err("a frame without columns".into());
        }
        Ok((names, rows.unwrap_or(0), columns))
    }

    /// The axes, and each block's values and places: as arguments since pandas 1.3, as a state before.
    fn manager(&self) -> Found<Manager<'_>> {
        let frame = self.state(self.0.root).ok_or("another object")?;
        let manager = self.get(frame, "_mgr").or_else(|| self.get(frame, "_data")).ok_or("a frame without blocks")?;
        if let [blocks, axes] = self.arguments(manager) {
            let block = |&block: &Id| match self.arguments(block) {
                [values, places, ..] => Some((*values, *places)),
                _ => None,
            };
            let blocks = self.items(*blocks).iter().map(block).collect::<Option<Vec<_>>>();
            return Ok((self.items(*axes), blocks.ok_or("a block of an unknown kind")?));
        }
        let state = self.state(manager).map(|state| self.items(state)).unwrap_or_default();
        let latest = state.get(3).and_then(|&extra| self.get(extra, "0.14.1")).ok_or("blocks of an unknown kind")?;
        let axes = self.get(latest, "axes").ok_or("a frame without axes")?;
        let blocks = self.get(latest, "blocks").ok_or("a frame without blocks")?;
        let block = |&block: &Id| Some((self.get(block, "values")?, self.get(block, "mgr_locs")?));
        let blocks = self.items(blocks).iter().map(block).collect::<Option<Vec<_>>>();
        Ok((self.items(axes), blocks.ok_or("a block of an unknown kind")?))
    }

    /// The labels of the columns.
    fn names(&self, index: Id) -> Found<Vec<String>> {
        let [_, described] = self.arguments(index) else { return Err("column names of an unknown kind".into()) };
        if let Some(labels) = self.get(*described, "data") {
            return self.labels(labels);
        }
        let bound = |key| self.get(*described, key).and_then(|id| self.int(id));
        match (bound("start"), bound("stop"), bound("step")) {
            (Some(start), Some(stop), Some(step)) => range(start, stop, step)
                .map(|labels| labels.map(|label| label.to_string()).collect())
                .ok_or_else(|| "too many columns".into()),
            _ => Err("column names of an unknown kind".into()),
        }
    }

    /// Labels as text: from a list, an array of objects or numbers, or the newer pandas' array of strings.
    fn labels(&self, id: Id) -> Found<Vec<String>> {
        if self.called(id).ends_with("NDArrayBacked") {
            let state = self.state(id).map(|state| self.items(state)).unwrap_or_default();
            let array = state.iter().find(|&&part| self.called(part).ends_with("_reconstruct"));
            return self.labels(*array.ok_or("column names of an unknown kind")?);
        }
        let listed = match (self.0.node(id), self.state(id).map(|state| self.items(state))) {
            (Node::Sequence(_), _) => Some(self.items(id)),
            (_, Some([_, _, _, _, list])) if matches!(self.0.node(*list), Node::Sequence(_)) => Some(self.items(*list)),
            _ => None,
        };
        match listed {
            Some(list) => list.iter().map(|&label| self.label(label)).collect(),
            None => {
                let array = self.array(id)?;
                Ok(array.dtype.decode(&array.data).into_iter().map(|label| label.to_string()).collect())
            }
        }
    }

    fn label(&self, id: Id) -> Found<String> {
        match self.0.node(id) {
            Node::Text(range) | Node::Bytes(range) => Ok(String::from_utf8_lossy(self.0.bytes(range)).into_owned()),
            Node::Int(number) => Ok(number.to_string()),
            _ => Err("a column name that is no text".into()),
        }
    }

    /// Which columns a block's rows are.
    fn places(&self, id: Id, items: usize) -> Found<Vec<usize>> {
        let wrong = || "a block whose columns are unknown".to_string();
        let places: Vec<usize> = if self.called(id).ends_with(".slice") {
            let bounds: Vec<_> = self.arguments(id).iter().map(|&bound| self.int(bound)).collect();
            let [start, Some(stop), step] = bounds[..] else { return Err(wrong()) };
            let places = range(start.unwrap_or(0), stop, step.unwrap_or(1)).ok_or_else(wrong)?;
            places.map(usize::try_from).collect::<Result<_, _>>().map_err(|_| wrong())?
        } else {
            let array = self.array(id)?;
            array.dtype.decode(&array.data).into_iter().map(|place| place as usize).collect()
        };
        if places.len() == items { Ok(places) } else { Err(wrong()) }
    }

    fn array(&self, id: Id) -> Found<Array> {
        let called = self.called(id);
        let (shape, dtype, fortran, data) = if called.ends_with("._frombuffer") {
            let [data, dtype, shape, order] = self.arguments(id) else { return Err("an unknown array".into()) };
            (*shape, *dtype, self.label(*order)? == "F", *data)
        } else if called.ends_with("._reconstruct") {
            let state = self.state(id).map(|state| self.items(state)).unwrap_or_default();
            let [_, shape, dtype, fortran, data] = state else { return Err("an unknown array".into()) };
            (*shape, *dtype, self.int(*fortran) == Some(1), *data)
        } else {
            return Err(format!("values of an unknown kind ({called})"));
        };
        let sizes = self.items(shape).iter().map(|&size| self.int(size).and_then(|size| usize::try_from(size).ok()));
        let shape = sizes.collect::<Option<Vec<_>>>().ok_or("an array of unknown shape")?;
        let dtype = self.dtype(dtype)?;
        let data = self.data(data)?;
        let size = shape.iter().try_fold(dtype.size, |size, &length| size.checked_mul(length));
        if size != Some(data.len()) {
            return Err("an array cut short".into());
        }
        Ok(Array { dtype, shape, fortran, data })
    }

    fn dtype(&self, id: Id) -> Found<Dtype> {
        let name = self.arguments(id).first().ok_or("an unknown number type")?;
        let name = self.label(*name)?;
        let dtype = Dtype::parse(&name).ok_or_else(|| format!("a column of type `{name}`"))?;
        let state = self.state(id).map(|state| self.items(state)).unwrap_or_default();
        let order = state.get(1).map(|&order| self.label(order)).transpose()?;
        Ok(dtype.with_big_endian(order.as_deref() == Some(">")))
    }

    /// An array's bytes; Python 3 writes them in the old protocols as Latin-1 text to be encoded.
    fn data(&self, id: Id) -> Found<Vec<u8>> {
        match (self.0.node(id), self.arguments(id)) {
            (Node::Bytes(range), _) => Ok(self.0.bytes(range).to_vec()),
            (_, [text, _]) if self.called(id) == "_codecs.encode" => {
                let Node::Text(range) = self.0.node(*text) else { return Err("an array without bytes".into()) };
                let text = std::str::from_utf8(self.0.bytes(range)).map_err(|_| "an array of broken text")?;
                let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>();
                bytes.ok_or_else(|| "an array of broken text".into())
            }
            _ => Err("an array without bytes".into()),
        }
    }

    /// What a call's state is.
    fn state(&self, id: Id) -> Option<Id> {
        match self.0.node(id) {
            Node::Call { state, .. } => *state,
            _ => None,
        }
    }

    /// The dotted name that a call calls; empty for anything else.
    fn called(&self, id: Id) -> &str {
        match self.0.node(id) {
            Node::Call { callee, .. } => match self.0.node(*callee) {
                Node::Global(name) => name,
                _ => "",
            },
            _ => "",
        }
    }

    fn arguments(&self, id: Id) -> &[Id] {
        match self.0.node(id) {
            Node::Call { arguments, .. } => self.items(*arguments),
            _ => &[],
        }
    }

    fn items(&self, id: Id) -> &[Id] {
        match self.0.node(id) {
            Node::Sequence(items) => items,
            _ => &[],
        }
    }

    fn get(&self, id: Id, key: &str) -> Option<Id> {
        let Node::Dict(pairs) = self.0.node(id) else { return None };
        pairs.iter().find(|(name, _)| self.label(*name).is_ok_and(|name| name == key)).map(|(_, value)| *value)
    }

    fn int(&self, id: Id) -> Option<i64> {
        match self.0.node(id) {
            Node::Int(number) => Some(*number),
            _ => None,
        }
    }
}

/// Python's range; `None` when it is longer than any table is wide.
fn range(start: i64, stop: i64, step: i64) -> Option<impl Iterator<Item = i64>> {
    let span = i128::from(stop) - i128::from(start);
    let count = if step == 0 { return None } else { (span + i128::from(step - step.signum())) / i128::from(step) };
    let count = i64::try_from(count.max(0)).ok().filter(|&count| count < 1 << 20)?;
    Some((0..count).map(move |index| start.saturating_add(index.saturating_mul(step))))
}

#[cfg(test)]
mod tests;
