//! Find names, numbers, dictionaries and NumPy arrays among a pickle's nodes.

use super::dtype::Dtype;
use super::pickle::{Id, Node, Pickle};

/// What was looked for, or what stood there instead.
pub(crate) type Found<T> = Result<T, String>;

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
        match self.0.node(id) {
            Node::Text(range) | Node::Bytes(range) => Ok(String::from_utf8_lossy(self.0.bytes(range)).into_owned()),
            Node::Int(number) => Ok(number.to_string()),
            _ => Err("a column name that is no text".into()),
        }
    }

    /// A NumPy array, whole.
    pub fn array(&self, id: Id) -> Found<Array> {
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
    pub fn state(&self, id: Id) -> Option<Id> {
        match self.0.node(id) {
            Node::Call { state, .. } => *state,
            _ => None,
        }
    }

    /// The dotted name that a call calls; empty for anything else.
    pub fn called(&self, id: Id) -> &str {
        match self.0.node(id) {
            Node::Call { callee, .. } => match self.0.node(*callee) {
                Node::Global(name) => name,
                _ => "",
            },
            _ => "",
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
            Node::Sequence(items) => items,
            _ => &[],
        }
    }

    /// What a dictionary holds under a name.
    pub fn get(&self, id: Id, key: &str) -> Option<Id> {
        let Node::Dict(pairs) = self.0.node(id) else { return None };
        pairs.iter().find(|(name, _)| self.label(*name).is_ok_and(|name| name == key)).map(|(_, value)| *value)
    }

    /// A whole number.
    pub fn int(&self, id: Id) -> Option<i64> {
        match self.0.node(id) {
            Node::Int(number) => Some(*number),
            _ => None,
        }
    }
}
