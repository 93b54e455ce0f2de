//! Run a pickle's stack machine without ever running anything else.
//!
//! A pickle is a program: most of it builds plain values, and some of it calls whatever it names. This machine builds the
//! values and writes the calls down as [`Node::Call`]; no name is ever looked up. Nodes live in one list and refer to each
//! other by index, so that no file, however nested or circular, can exhaust the stack.

use std::collections::HashMap;
use std::ops::Range;

/// Where a node stands in [`Pickle::nodes`].
pub(crate) type Id = usize;

/// A value that the program built, or a call that it asked for.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    None,
    Int(i64),
    Float,
    /// Bytes or a Python 2 string: a range of the file.
    Bytes(Range<usize>),
    /// UTF-8 text: a range of the file.
    Text(Range<usize>),
    /// A tuple, list or set.
    Sequence(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A dotted name, never looked up.
    Global(String),
    /// `callee(*arguments)`, never called, and the state given to its result.
    Call {
        callee: Id,
        arguments: Id,
        state: Option<Id>,
    },
}

/// What a program left behind.
pub(crate) struct Pickle<'a> {
    pub nodes: Vec<Node>,
    pub root: Id,
    bytes: &'a [u8],
}

impl Pickle<'_> {
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// The file's length in bytes.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes of a range that a node names.
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }
}

/// Runs the program; an error says what stopped it.
pub(crate) fn run(bytes: &[u8]) -> Result<Pickle<'_>, String> {
    let mut machine =
        Machine { bytes, at: 0, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    while machine.step()? {}
    let root = machine.pop()?;
    Ok(Pickle { nodes: machine.nodes, root, bytes })
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Heights of the stack at which a MARK stands.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl Machine<'_> {
    /// Runs one instruction; false at the end of the program.
    fn step(&mut self) -> Result<bool, String> {
        let code = self.bytes[self.take(1)?.start];
        match code {
            b'.' => return Ok(false),
            0x80 => self.skip(1)?,                     // PROTO
            0x95 => self.skip(8)?,                     // FRAME
            b'(' => self.marks.push(self.stack.len()), // MARK
            b'0' => drop(self.pop()?),                 // POP
            b'1' => drop(self.since_mark()?),          // POP_MARK
            b'2' => self.stack.push(self.top()?),      // DUP
            b'N' => self.push(Node::None),             // NONE
            0x88 => self.push(Node::Int(1)),           // NEWTRUE
            0x89 => self.push(Node::Int(0)),           // NEWFALSE
            b'K' => self.int(1)?,                      // BININT1
            b'M' => self.int(2)?,                      // BININT2
            b'J' => {
                // BININT
                let low = self.number(4)? as u32;
                self.push(Node::Int(i64::from(low as i32)));
            }
            0x8a => self.long()?, // LONG1
            b'G' => {
                // BINFLOAT
                self.take(8)?;
                self.push(Node::Float);
            }
            b'X' => self.text(4)?,                                   // BINUNICODE
            0x8c => self.text(1)?,                                   // SHORT_BINUNICODE
            0x8d => self.text(8)?,                                   // BINUNICODE8
            b'T' | b'B' => self.string(4)?,                          // BINSTRING, BINBYTES
            b'U' | b'C' => self.string(1)?,                          // SHORT_BINSTRING, SHORT_BINBYTES
            0x8e | 0x96 => self.string(8)?,                          // BINBYTES8, BYTEARRAY8
            b')' | b']' | 0x8f => self.push(Node::Sequence(vec![])), // EMPTY_TUPLE, EMPTY_LIST, EMPTY_SET
            b'}' => self.push(Node::Dict(vec![])),                   // EMPTY_DICT
            b't' | b'l' | 0x91 => {
                // TUPLE, LIST, FROZENSET
                let items = self.since_mark()?;
                self.push(Node::Sequence(items));
            }
            0x85..=0x87 => {
                // TUPLE1, TUPLE2, TUPLE3
                let items = self.pop_many(usize::from(code - 0x84))?;
                self.push(Node::Sequence(items));
            }
            b'a' => {
                // APPEND
                let item = self.pop_many(1)?;
                self.append(item)?;
            }
            b'e' | 0x90 => {
                // APPENDS, ADDITEMS
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'd' => {
                // DICT
                let items = self.since_mark()?;
                self.push(Node::Dict(vec![]));
                self.set(items)?;
            }
            b's' => {
                // SETITEM
                let item = self.pop_many(2)?;
                self.set(item)?;
            }
            b'u' => {
                // SETITEMS
                let items = self.since_mark()?;
                self.set(items)?;
            }
            b'q' => self.remember(1)?,                                           // BINPUT
            b'r' => self.remember(4)?,                                           // LONG_BINPUT
            0x94 => drop(self.memo.insert(self.memo.len() as u64, self.top()?)), // MEMOIZE
            b'h' => self.recall(1)?,                                             // BINGET
            b'j' => self.recall(4)?,                                             // LONG_BINGET
            b'c' => {
                // GLOBAL
                let (module, name) = (self.line()?, self.line()?);
                self.push(Node::Global(format!("{module}.{name}")));
            }
            0x93 => {
                // STACK_GLOBAL
                let [module, name] = self.pop_many(2)?[..] else { return Err("a cut file".into()) };
                let name = format!("{}.{}", self.name(module)?, self.name(name)?);
                self.push(Node::Global(name));
            }
            b'R' | 0x81 => {
                // REDUCE, NEWOBJ
                let arguments = self.pop()?;
                self.call(arguments)?;
            }
            0x92 => {
                // NEWOBJ_EX: keyword arguments are of no use here
                self.pop()?;
                let arguments = self.pop()?;
                self.call(arguments)?;
            }
            b'b' => {
                // BUILD
                let given = self.pop()?;
                let top = self.top()?;
                if let Node::Call { state, .. } = &mut self.nodes[top] {
                    *state = Some(given);
                }
            }
            _ => return Err(format!("instruction {code:#04x} at byte {}", self.at - 1)),
        }
        Ok(true)
    }

    fn push(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(self.nodes.len() - 1);
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id, String> {
        self.stack
            .get(self.floor()..)
            .and_then(|above| above.last())
            .copied()
            .ok_or_else(|| "an empty stack".to_string())
    }

    fn pop(&mut self) -> Result<Id, String> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, String> {
        let start = self.stack.len().checked_sub(count).filter(|&start| start >= self.floor());
        Ok(self.stack.split_off(start.ok_or("an empty stack")?))
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, String> {
        let start = self.marks.pop().ok_or("a missing mark")?;
        Ok(self.stack.split_off(start.min(self.stack.len())))
    }

    /// The next `count` bytes of the file.
    fn take(&mut self, count: usize) -> Result<Range<usize>, String> {
        let start = self.at;
        let end = start.checked_add(count).filter(|&end| end <= self.bytes.len()).ok_or("a cut file")?;
        self.at = end;
        Ok(start..end)
    }

    fn skip(&mut self, count: usize) -> Result<(), String> {
        self.take(count).map(|_| ())
    }

    fn number(&mut self, size: usize) -> Result<u64, String> {
        let range = self.take(size)?;
        Ok(self.bytes[range].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn int(&mut self, size: usize) -> Result<(), String> {
        let number = self.number(size)?;
        self.push(Node::Int(number as i64));
        Ok(())
    }

    /// A little-endian two's complement number; those beyond 64 bits mean nothing in a table's frame.
    fn long(&mut self) -> Result<(), String> {
        let size = self.number(1)? as usize;
        let range = self.take(size)?;
        let bytes = &self.bytes[range];
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut word = if negative { [0xff; 8] } else { [0; 8] };
        let kept = size.min(8);
        word[..kept].copy_from_slice(&bytes[..kept]);
        self.push(Node::Int(i64::from_le_bytes(word)));
        Ok(())
    }

    fn counted(&mut self, width: usize) -> Result<Range<usize>, String> {
        let length = usize::try_from(self.number(width)?).map_err(|_| "a cut file")?;
        self.take(length)
    }

    fn text(&mut self, width: usize) -> Result<(), String> {
        let range = self.counted(width)?;
        self.push(Node::Text(range));
        Ok(())
    }

    fn string(&mut self, width: usize) -> Result<(), String> {
        let range = self.counted(width)?;
        self.push(Node::Bytes(range));
        Ok(())
    }

    fn line(&mut self) -> Result<String, String> {
        let length = self.bytes[self.at..].iter().position(|&byte| byte == b'\n').ok_or("a cut file")?;
        let range = self.take(length + 1)?;
        Ok(String::from_utf8_lossy(&self.bytes[range.start..range.end - 1]).trim_end().to_string())
    }

    fn name(&self, id: Id) -> Result<String, String> {
        match &self.nodes[id] {
            Node::Text(range) | Node::Bytes(range) => {
                Ok(String::from_utf8_lossy(&self.bytes[range.clone()]).into_owned())
            }
            _ => Err("a name that is no text".into()),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::Sequence(list) => list.extend(items),
            _ => return Err("items for what is no list".into()),
        }
        Ok(())
    }

    fn set(&mut self, items: Vec<Id>) -> Result<(), String> {
        let top = self.top()?;
        match &mut self.nodes[top] {
            Node::Dict(pairs) => pairs.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1]))),
            _ => return Err("items for what is no dictionary".into()),
        }
        Ok(())
    }

    fn remember(&mut self, width: usize) -> Result<(), String> {
        let (key, top) = (self.number(width)?, self.top()?);
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), String> {
        let key = self.number(width)?;
        self.stack.push(*self.memo.get(&key).ok_or("a name never given")?);
        Ok(())
    }

    fn call(&mut self, arguments: Id) -> Result<(), String> {
        let callee = self.pop()?;
        self.push(Node::Call { callee, arguments, state: None });
        Ok(())
    }
}
