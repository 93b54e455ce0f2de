//! Find the columns of a pickled pandas DataFrame, as any pandas since 0.15 wrote it.

use std::path::Path;

use flowstill_pickle::{Id, Node};

use super::limits;
use super::objects::{Found, Objects, unpickled};
use crate::{DataError, Result, Table};

/// Reads the number columns of a pickled DataFrame. Nothing in the file is ever executed.
pub(crate) fn read(path: &Path) -> Result<Table> {
    parse(path, &limits::whole(path)?)
}

/// Parses the bytes of a whole file.
pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Table> {
    let found = unpickled(bytes).and_then(|pickle| Frame(Objects(&pickle)).table());
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

/// Names, number of rows, and each column's values.
type Columns = (Vec<String>, usize, Vec<Vec<f64>>);

/// A frame's axes, and each block's values and places.
type Manager<'a> = (&'a [Id], Vec<(Id, Id)>);

struct Frame<'a>(Objects<'a>);

impl Frame<'_> {
    fn table(&self) -> Found<Columns> {
        let (axes, blocks) = self.manager()?;
        let names = self.names(*axes.first().ok_or("a frame without columns")?)?;
        let mut columns: Vec<Option<Vec<f64>>> = vec![None; names.len()];
        let (mut rows, mut taken) = (None, 0);
        for (values, places) in blocks {
            let array = self.0.array(values)?;
            let [items, length] = array.shape[..] else { return Err("a block that is no matrix".into()) };
            if *rows.get_or_insert(length) != length {
                return Err("columns of different lengths".into());
            }
            let places = self.places(places, items)?;
            // A frame's blocks never share bytes; a file whose blocks do would unfold to any size. Blocks without rows still have places.
            taken += array.data.len() + places.len();
            if taken > 2 * self.0.0.length() {
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
        let frame = self.0.state(self.0.0.root_id()).ok_or("another object")?;
        let manager =
            self.0.get(frame, "_mgr").or_else(|| self.0.get(frame, "_data")).ok_or("a frame without blocks")?;
        if let [blocks, axes] = self.0.arguments(manager) {
            let block = |&block: &Id| match self.0.arguments(block) {
                [values, places, ..] => Some((*values, *places)),
                _ => None,
            };
            let blocks = self.0.items(*blocks).iter().map(block).collect::<Option<Vec<_>>>();
            return Ok((self.0.items(*axes), blocks.ok_or("a block of an unknown kind")?));
        }
        let state = self.0.state(manager).map(|state| self.0.items(state)).unwrap_or_default();
        let latest = state.get(3).and_then(|&extra| self.0.get(extra, "0.14.1")).ok_or("blocks of an unknown kind")?;
        let axes = self.0.get(latest, "axes").ok_or("a frame without axes")?;
        let blocks = self.0.get(latest, "blocks").ok_or("a frame without blocks")?;
        let block = |&block: &Id| Some((self.0.get(block, "values")?, self.0.get(block, "mgr_locs")?));
        let blocks = self.0.items(blocks).iter().map(block).collect::<Option<Vec<_>>>();
        Ok((self.0.items(axes), blocks.ok_or("a block of an unknown kind")?))
    }

    /// The labels of the columns.
    fn names(&self, index: Id) -> Found<Vec<String>> {
        let [_, described] = self.0.arguments(index) else { return Err("column names of an unknown kind".into()) };
        if let Some(labels) = self.0.get(*described, "data") {
            return self.labels(labels);
        }
        let bound = |key| self.0.get(*described, key).and_then(|id| self.0.int(id));
        match (bound("start"), bound("stop"), bound("step")) {
            (Some(start), Some(stop), Some(step)) => range(start, stop, step)
                .map(|labels| labels.map(|label| label.to_string()).collect())
                .ok_or_else(|| "too many columns".into()),
            _ => Err("column names of an unknown kind".into()),
        }
    }

    /// Labels as text: from a list, an array of objects or numbers, or the newer pandas' array of strings.
    fn labels(&self, id: Id) -> Found<Vec<String>> {
        if self.0.called(id).1.ends_with("NDArrayBacked") {
            let state = self.0.state(id).map(|state| self.0.items(state)).unwrap_or_default();
            let array = state.iter().find(|&&part| self.0.called(part).1 == "_reconstruct");
            return self.labels(*array.ok_or("column names of an unknown kind")?);
        }
        let listed = match (self.0.0.node(id), self.0.state(id).map(|state| self.0.items(state))) {
            (Node::List(_) | Node::Tuple(_), _) => Some(self.0.items(id)),
            (_, Some([_, _, _, _, list])) if matches!(self.0.0.node(*list), Node::List(_)) => Some(self.0.items(*list)),
            _ => None,
        };
        match listed {
            Some(list) => {
                // Labels never share bytes; a long one named again and again would unfold to any size.
                let taken: usize = list.iter().filter_map(|&label| self.0.0.bytes(label)).map(<[u8]>::len).sum();
                if taken > self.0.0.length() {
                    return Err("column names that are the same bytes".into());
                }
                list.iter().map(|&label| self.0.label(label)).collect()
            }
            None => {
                let array = self.0.array(id)?;
                Ok(array.dtype.decode(&array.data).into_iter().map(|label| label.to_string()).collect())
            }
        }
    }

    /// Which columns a block's rows are.
    fn places(&self, id: Id, items: usize) -> Found<Vec<usize>> {
        let wrong = || "a block whose columns are unknown".to_string();
        let places: Vec<usize> = if self.0.called(id).1 == "slice" {
            let bounds: Vec<_> = self.0.arguments(id).iter().map(|&bound| self.0.int(bound)).collect();
            let [start, Some(stop), step] = bounds[..] else { return Err(wrong()) };
            let places = range(start.unwrap_or(0), stop, step.unwrap_or(1)).ok_or_else(wrong)?;
            places.map(usize::try_from).collect::<Result<_, _>>().map_err(|_| wrong())?
        } else {
            let array = self.0.array(id)?;
            array.dtype.decode(&array.data).into_iter().map(|place| place as usize).collect()
        };
        if places.len() == items { Ok(places) } else { Err(wrong()) }
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
