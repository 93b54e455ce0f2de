//! Hold what a pickle's program built: one list of values that refer to each other by index.

use std::ops::Range;

/// Where a value lies in its pickle.
pub type Id = usize;

/// A range of the file's bytes.
pub type Span = Range<usize>;

/// What a name is to the caller of [`read`](crate::read).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A call of it is kept as [`Node::Call`].
    Call,
    /// A call of it is a new, empty dictionary, such as one that keeps its order.
    Dict,
    /// A call of it is its first argument.
    First,
    /// It may be named, as a class is, but not called.
    Only,
}

/// A value, or a call that was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// Python's `None`.
    None,
    /// A truth value.
    Bool(bool),
    /// A whole number of up to 16 bytes.
    Int(i128),
    /// A longer whole number, which is not kept.
    Long,
    /// A number with a fraction.
    Float(f64),
    /// Text; see [`Pickle::text`].
    Text(Span),
    /// Bytes, or a string of Python 2; see [`Pickle::bytes`].
    Bytes(Span),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list.
    List(Vec<Id>),
    /// A set, in the order of the file.
    Set(Vec<Id>),
    /// Keys and values in the order of the file, keys possibly more than once.
    Dict(Vec<(Id, Id)>),
    /// A module and what it is to hold, never looked up; see [`Pickle::name`].
    Name(Span, Span),
    /// `callee(*arguments)`, never called.
    Call {
        /// What is called: a name, or what another call gives.
        callee: Id,
        /// Its arguments.
        arguments: Id,
        /// The state that its result is given.
        state: Option<Id>,
    },
    /// An object kept outside of the pickle, by what it is known by.
    Persistent(Id),
}

/// One pickle, read.
#[derive(Clone, Debug)]
pub struct Pickle<'a> {
    pub(crate) nodes: Vec<Node>,
    pub(crate) root: Id,
    pub(crate) file: &'a [u8],
}

impl<'a> Pickle<'a> {
    /// The value at `id`, which came from this pickle.
    ///
    /// # Panics
    /// For an `id` of another pickle.
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// All values, in the order of the file.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where the outermost value lies.
    pub fn root_id(&self) -> Id {
        self.root
    }

    /// The outermost value.
    pub fn root(&self) -> &Node {
        &self.nodes[self.root]
    }

    /// Bytes of the file up to and with the pickle's end.
    pub fn length(&self) -> usize {
        self.file.len()
    }

    /// The bytes of text, of bytes or of a Python 2 string, as they stand in the file.
    pub fn bytes(&self, id: Id) -> Option<&'a [u8]> {
        match &self.nodes[id] {
            Node::Text(span) | Node::Bytes(span) => Some(&self.file[span.clone()]),
            _ => None,
        }
    }

    /// Text, or a Python 2 string, where it is UTF-8.
    pub fn text(&self, id: Id) -> Option<&'a str> {
        self.bytes(id).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The module and the rest of a name; empty where they are no UTF-8, which no known name is.
    pub fn name(&self, id: Id) -> Option<(&'a str, &'a str)> {
        let Node::Name(module, name) = &self.nodes[id] else { return None };
        let text = |span: &Span| std::str::from_utf8(&self.file[span.clone()]).unwrap_or("");
        Some((text(module), text(name)))
    }
}
