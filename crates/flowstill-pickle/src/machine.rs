//! Run a pickle's stack machine without ever running anything else.

use std::collections::HashMap;

use crate::PickleError;
use crate::input::Input;
use crate::node::{Id, Meaning, Node, Pickle, Span};

/// Names longer than this are not told in full.
const LONGEST_TOLD: usize = 100;

/// Reads the pickle at the start of `bytes`, which may go on behind it. `meaning` says what the name `module.name` is, `None` where it
/// is not expected.
///
/// # Errors
/// [`PickleError`] for bytes that are no whole pickle of protocol 2 or later, and for names and calls that are not expected.
pub fn read<'a>(bytes: &'a [u8], meaning: &dyn Fn(&str) -> Option<Meaning>) -> Result<Pickle<'a>, PickleError> {
    let input = Input { bytes, at: 0 };
    let mut machine =
        Machine { input, meaning, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    while machine.step()? {}
    let root = machine.pop()?;
    Ok(Pickle { nodes: machine.nodes, root, file: &bytes[..machine.input.at] })
}

struct Machine<'a, 'm> {
    input: Input<'a>,
    meaning: &'m dyn Fn(&str) -> Option<Meaning>,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack at which a MARK stands.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_, '_> {
    /// Runs one instruction; false at the end of the program.
    fn step(&mut self) -> Result<bool, PickleError> {
        let at = self.input.at;
        let [code] = self.input.array()?;
        match code {
            b'.' => return Ok(false),
            // PROTO and FRAME
            0x80 => {
                self.input.take(1)?;
            }
            0x95 => {
                self.input.take(8)?;
            }
            // MARK, POP, POP_MARK, DUP
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => self.stack.push(self.top()?),
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Node::None),
            0x88 | 0x89 => self.push(Node::Bool(code == 0x88)),
            // BININT1, BININT2, BININT, LONG1, LONG4, BINFLOAT
            b'K' => self.whole(1)?,
            b'M' => self.whole(2)?,
            b'J' => {
                let value = i32::from_le_bytes(self.input.array()?);
                self.push(Node::Int(value.into()));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'G' => {
                let value = f64::from_be_bytes(self.input.array()?);
                self.push(Node::Float(value));
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            // BINSTRING, BINBYTES, SHORT_BINSTRING, SHORT_BINBYTES, BINBYTES8, BYTEARRAY8
            b'T' | b'B' => self.bytes(4)?,
            b'U' | b'C' => self.bytes(1)?,
            0x8e | 0x96 => self.bytes(8)?,
            // EMPTY_TUPLE, EMPTY_LIST, EMPTY_SET, EMPTY_DICT
            b')' => self.push(Node::Tuple(Vec::new())),
            b']' => self.push(Node::List(Vec::new())),
            0x8f => self.push(Node::Set(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            // TUPLE, LIST, FROZENSET, DICT, TUPLE1 to TUPLE3
            b't' | b'l' | 0x91 | b'd' => self.collect(code)?,
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(code - 0x84))?;
                self.push(Node::Tuple(items));
            }
            // APPEND, APPENDS, ADDITEMS, SETITEM, SETITEMS
            b'a' => {
                let item = self.pop_many(1)?;
                self.append(item)?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b's' => {
                let pair = self.pop_many(2)?;
                self.set(&pair)?;
            }
            b'u' => {
                let pairs = self.since_mark()?;
                self.set(&pairs)?;
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => self.remember(1)?,
            b'r' => self.remember(4)?,
            0x94 => drop(self.memo.insert(self.memo.len() as u64, self.top()?)),
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.name(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Node::Text(module), Node::Text(name)) = (&self.nodes[module], &self.nodes[name]) else {
                    return self.input.malformed("a name that is no text");
                };
                self.name(module.clone(), name.clone())?;
            }
            // BINPERSID
            b'Q' => {
                let id = self.pop()?;
                self.push(Node::Persistent(id));
            }
            // REDUCE, NEWOBJ, and NEWOBJ_EX, whose keywords are of no use here
            b'R' | 0x81 => self.call()?,
            0x92 => {
                self.pop()?;
                self.call()?;
            }
            // BUILD: the state of anything but a call is of no use here
            b'b' => {
                let (given, top) = (self.pop()?, self.top()?);
                if let Node::Call { state, .. } = &mut self.nodes[top] {
                    *state = Some(given);
                }
            }
            code => return Err(PickleError::Instruction { code, at }),
        }
        Ok(true)
    }

    fn push(&mut self, node: Node) {
        self.stack.push(self.nodes.len());
        self.nodes.push(node);
    }

    /// What lies on the stack above the last mark.
    fn above(&self) -> &[Id] {
        &self.stack[self.marks.last().copied().unwrap_or(0).min(self.stack.len())..]
    }

    fn top(&self) -> Result<Id, PickleError> {
        self.above().last().map_or_else(|| self.input.malformed("an empty stack"), |&top| Ok(top))
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        if self.above().len() < count {
            return self.input.malformed("an empty stack");
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => self.input.malformed("a missing mark"),
        }
    }

    fn whole(&mut self, width: usize) -> Result<(), PickleError> {
        let value = self.input.number(width)?;
        self.push(Node::Int(value.into()));
        Ok(())
    }

    fn long(&mut self, width: usize) -> Result<(), PickleError> {
        let value = self.input.long(width)?;
        self.push(value.map_or(Node::Long, Node::Int));
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), PickleError> {
        let span = self.input.counted(width)?;
        self.push(Node::Text(span));
        Ok(())
    }

    fn bytes(&mut self, width: usize) -> Result<(), PickleError> {
        let span = self.input.counted(width)?;
        self.push(Node::Bytes(span));
        Ok(())
    }

    /// A new collection of everything since the mark.
    fn collect(&mut self, code: u8) -> Result<(), PickleError> {
        let items = self.since_mark()?;
        match code {
            b't' => self.push(Node::Tuple(items)),
            b'l' => self.push(Node::List(items)),
            b'd' => {
                self.push(Node::Dict(Vec::new()));
                self.set(&items)?;
            }
            _ => self.push(Node::Set(items)),
        }
        Ok(())
    }

    fn append(&mut self, mut items: Vec<Id>) -> Result<(), PickleError> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::List(list) | Node::Set(list) => list.append(&mut items),
            _ => return self.input.malformed("items for what is no list"),
        }
        Ok(())
    }

    /// Puts keys and values, one after the other, into the dictionary on top.
    fn set(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let (pairs, rest) = items.as_chunks();
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::Dict(held) if rest.is_empty() => held.extend(pairs.iter().map(|&[key, value]| (key, value))),
            _ => return self.input.malformed("items for what is no dictionary"),
        }
        Ok(())
    }

    fn remember(&mut self, width: usize) -> Result<(), PickleError> {
        let (key, top) = (self.input.number(width)?, self.top()?);
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), PickleError> {
        let key = self.input.number(width)?;
        match self.memo.get(&key) {
            Some(&id) => self.stack.push(id),
            None => return self.input.malformed("a value never remembered"),
        }
        Ok(())
    }

    /// The name as text and its meaning; a name that is not expected is an error that tells it.
    fn known(&self, module: &Span, name: &Span) -> Result<(String, Meaning), PickleError> {
        let told = |span: &Span| {
            let bytes = &self.input.bytes[span.clone()];
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TOLD)]).replace(char::is_control, "?");
            if bytes.len() > LONGEST_TOLD { text + "..." } else { text }
        };
        let full = format!("{}.{}", told(module), told(name));
        match (self.meaning)(&full) {
            Some(meaning) => Ok((full, meaning)),
            None => Err(PickleError::Unknown(full)),
        }
    }

    fn name(&mut self, module: Span, name: Span) -> Result<(), PickleError> {
        self.known(&module, &name)?;
        self.push(Node::Name(module, name));
        Ok(())
    }

    fn call(&mut self) -> Result<(), PickleError> {
        let (arguments, callee) = (self.pop()?, self.pop()?);
        let meaning = match &self.nodes[callee] {
            Node::Name(module, name) => self.known(module, name)?,
            Node::Call { .. } => (String::new(), Meaning::Call),
            _ => return self.input.malformed("a call of a value"),
        };
        match (meaning, &self.nodes[arguments]) {
            ((_, Meaning::Call), _) => self.push(Node::Call { callee, arguments, state: None }),
            ((_, Meaning::Dict), Node::Tuple(items)) if items.is_empty() => self.push(Node::Dict(Vec::new())),
            ((_, Meaning::First), Node::Tuple(items)) if !items.is_empty() => self.stack.push(items[0]),
            ((name, _), _) => return Err(PickleError::Call(name)),
        }
        Ok(())
    }
}
