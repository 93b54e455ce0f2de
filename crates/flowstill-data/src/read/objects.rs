//! Find names, numbers, dictionaries and NumPy arrays among a pickle's nodes.

use flowstill_pickle::{Id, Meaning, Node, Pickle, read};

use super::dtype::Dtype;

/// What was looked for, or what stood there instead.
pub(crate) type Found<T> = Result<T, String>;

/// Modules whose names stand in the pickles of tables and arrays; packages with all that is in them.
const PACKAGES: [&str; 10] =
    ["collections", "copy_reg", "copyreg", "datetime", "dateutil", "numpy", "pandas", "pyarrow", "pytz", "zoneinfo"];

/// Other names that stand there.
const NAMES: [&str; 4] = ["slice", "object", "bytearray", "getattr"];

/// Reads a pickle of arrays and what holds them. Nothing in it is looked up or called, and a name from anywhere else is an error.
pub(crate) fn unpickled(bytes: &[u8]) -> Found<Pickle<'_>> {
    let known = |name: &str| {
        let builtin = name.strip_prefix("builtins.").or_else(|| name.strip_prefix("__builtin__."));
        PACKAGES.contains(&name.split('.').next().unwrap_or(name))
            || builtin.is_some_and(|name| NAMES.contains(&name))
            || name == "_codecs.encode"
    };
    read(bytes, &|name| known(name).then_some(Meaning::Call)).map_err(|error| error.to_string())
}

/// An array in the pickle: its numbers stay there until they are wanted.
pub(crate) struct Array {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    /// Column-major order.
    pub fortran: bool,
    pub data: Vec<u8>,
}

/// A view of what a pickle's program built.
pub(crate) struct Objects<'a>(pub &'a Pickle<'a>);

impl Objects<'_> {
    /// A name, or a number as text.
    pub fn label(&self, id: Id) -> Found<String> {
        match (self.0.bytes(id), self.int(id)) {
            (Some(bytes), _) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            (None, Some(number)) => Ok(number.to_string()),
            _ => Err("a column name that is no text".into()),
        }
    }

    /// A NumPy array, whole.
    pub fn array(&self, id: Id) -> Found<Array> {
        let called = self.called(id);
        let (shape, dtype, fortran, data) = if called.1 == "_frombuffer" {
            let [data, dtype, shape, order] = self.arguments(id) else { return Err("an unknown array".into()) };
            (*shape, *dtype, self.label(*order)? == "F", *data)
        } else if called.1 == "_reconstruct" {
            let state = self.state(id).map(|state| self.items(state)).unwrap_or_default();
            let [_, shape, dtype, fortran, data] = state else { return Err("an unknown array".into()) };
            (*shape, *dtype, self.int(*fortran) == Some(1), *data)
        } else {
            return Err(format!("values of an unknown kind ({}.{})", called.0, called.1));
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
            (Node::Bytes(_), _) => Ok(self.0.bytes(id).unwrap_or_default().to_vec()),
            (_, &[text, _]) if self.called(id) == ("_codecs", "encode") => {
                let text = self.0.text(text).ok_or("an array without bytes or of broken text")?;
                let bytes = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<_>>();
                bytes.ok_or_else(|| "an array of broken text".into())
            }
            _ => Err("an array without bytes".into()),
        }
    }

    /// What a call's state is.
    pub fn state(&self, id: Id) -> Option<Id> {
        match self.0.node(id) {
            Node::Call { state, .. } => *state,
            _ => None,
        }
    }

    /// The module and the name that a call calls; empty for anything else.
    pub fn called(&self, id: Id) -> (&str, &str) {
        match self.0.node(id) {
            Node::Call { callee, .. } => self.0.name(*callee).unwrap_or_default(),
            _ => ("", ""),
        }
    }

    /// What a call was called with; nothing for anything else.
    pub fn arguments(&self, id: Id) -> &[Id] {
        match self.0.node(id) {
            Node::Call { arguments, .. } => self.items(*arguments),
            _ => &[],
        }
    }

    /// A sequence's items; nothing for anything else.
    pub fn items(&self, id: Id) -> &[Id] {
        match self.0.node(id) {
            Node::Tuple(items) | Node::List(items) | Node::Set(items) => items,
            _ => &[],
        }
    }

    /// What a dictionary holds under a name.
    pub fn get(&self, id: Id, key: &str) -> Option<Id> {
        let Node::Dict(pairs) = self.0.node(id) else { return None };
        pairs.iter().find(|(name, _)| self.0.bytes(*name) == Some(key.as_bytes())).map(|(_, value)| *value)
    }

    /// A whole number.
    pub fn int(&self, id: Id) -> Option<i64> {
        match self.0.node(id) {
            Node::Int(number) => i64::try_from(*number).ok(),
            Node::Bool(truth) => Some(i64::from(*truth)),
            _ => None,
        }
    }
}
