//! Read the pickles that `torch.save` writes, as data: nothing in a file is ever called.
//!
//! Only the opcodes and the handful of names that tensors need are known (the format is that of Python's
//! `pickletools`); any other name is refused before it could mean anything. Values live in an arena and refer to one
//! another by index, so a hostile file can neither recurse deeply nor grow beyond its own length.

use std::collections::HashMap;

use super::Fault;

/// Where a value lies in [`Pickle::values`].
pub(super) type Id = usize;

/// A value of the few kinds that checkpoints hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A name of [`KNOWN`], or a storage class of torch, by its name.
    Name(String),
    /// What `persistent_id` stood for: the tuple that describes a storage.
    Persistent(Id),
    /// The arguments of `torch._utils._rebuild_tensor_v2`.
    Tensor(Vec<Id>),
}

const ORDERED_DICT: &str = "collections.OrderedDict";
const TENSOR: &str = "torch._utils._rebuild_tensor_v2";
const PARAMETER: &str = "torch._utils._rebuild_parameter";
const KNOWN: [&str; 3] = [ORDERED_DICT, TENSOR, PARAMETER];

/// One pickle, read.
pub(super) struct Pickle {
    pub values: Vec<Value>,
    pub root: Id,
    /// Bytes up to and with the pickle's STOP.
    pub length: usize,
}

impl Pickle {
    /// Reads the pickle at the start of `bytes`; `what` names it in faults.
    pub fn read(bytes: &[u8], what: &'static str) -> Result<Self, Fault> {
        let mut machine = Machine {
            bytes,
            at: 0,
            what,
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        let root = machine.run()?;
        Ok(Self { values: machine.values, root, length: machine.at })
    }

    pub fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
    values: Vec<Value>,
    stack: Vec<Id>,
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Id, Fault> {
        loop {
            let opcode = self.take(1)?[0];
            match opcode {
                0x80 => drop(self.take(1)?),
                0x95 => drop(self.take(8)?),
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'N' => self.push(Value::None),
                0x88 | 0x89 => self.push(Value::Bool(opcode == 0x88)),
                b'K' => self.integer(1)?,
                b'M' => self.integer(2)?,
                b'J' => {
                    let value = self.array::<4>().map(i32::from_le_bytes)?;
                    self.push(Value::Int(value.into()));
                }
                0x8a => self.long()?,
                b'G' => {
                    let value = self.array::<8>().map(f64::from_be_bytes)?;
                    self.push(Value::Float(value));
                }
                b'X' | b'T' => self.text(4)?,
                0x8c | b'U' => self.text(1)?,
                b'}' => self.push(Value::Dict(Vec::new())),
                b']' => self.push(Value::List(Vec::new())),
                b')' => self.push(Value::Tuple(Vec::new())),
                b't' => {
                    let items = self.since_mark()?;
                    self.push(Value::Tuple(items));
                }
                0x85..=0x87 => {
                    let keep = self.stack.len().checked_sub(usize::from(opcode - 0x84)).ok_or_else(|| self.broken())?;
                    let items = self.stack.split_off(keep);
                    self.push(Value::Tuple(items));
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.insert(&[key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.insert(&items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(&[item])?;
                }
                b'e' => {
                    let items = self.since_mark()?;
                    self.extend(&items)?;
                }
                b'q' => {
                    let key = self.array::<1>()?[0];
                    self.remember(key.into())?;
                }
                b'r' => {
                    let key = self.array::<4>().map(u32::from_le_bytes)?;
                    self.remember(key)?;
                }
                0x94 => self.remember(self.memo.len() as u32)?,
                b'h' => {
                    let key = self.array::<1>()?[0];
                    self.recall(key.into())?;
                }
                b'j' => {
                    let key = self.array::<4>().map(u32::from_le_bytes)?;
                    self.recall(key)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.name(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(module), Value::Text(name)) = (&self.values[module], &self.values[name]) else {
                        return Err(self.broken());
                    };
                    let (module, name) = (module.clone(), name.clone());
                    self.name(&module, &name)?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Value::Persistent(id));
                }
                b'R' => self.reduce()?,
                b'b' => {
                    // The state of an OrderedDict is its `_metadata`, of no use here.
                    self.pop()?;
                    let top = *self.stack.last().ok_or_else(|| self.broken())?;
                    if !matches!(self.values[top], Value::Dict(_)) {
                        return Err(Fault::Refused("the state of an object that is no dict".into()));
                    }
                }
                other => return Err(Fault::Refused(format!("pickle opcode 0x{other:02x}"))),
            }
        }
    }

    fn broken(&self) -> Fault {
        Fault::Malformed(format!("{} is not a well-formed pickle near its byte {}", self.what, self.at))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let taken =
            rest.get(..count).ok_or(Fault::Truncated { what: self.what.into(), needed: count, left: rest.len() })?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    fn unsigned(&mut self, width: usize) -> Result<usize, Fault> {
        let bytes = self.take(width)?;
        Ok(bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte)))
    }

    fn integer(&mut self, width: usize) -> Result<(), Fault> {
        let value = self.unsigned(width)?;
        self.push(Value::Int(value as i128));
        Ok(())
    }

    /// A little-endian integer in two's complement, of at most 15 bytes.
    fn long(&mut self) -> Result<(), Fault> {
        let width = self.unsigned(1)?;
        if width > 15 {
            return Err(Fault::Refused(format!("an integer of {width} bytes")));
        }
        let bytes = self.take(width)?;
        let magnitude = bytes.iter().rev().fold(0i128, |sum, &byte| sum << 8 | i128::from(byte));
        let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
        self.push(Value::Int(if negative { magnitude - (1i128 << (8 * width)) } else { magnitude }));
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), Fault> {
        let length = self.unsigned(width)?;
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| self.broken())?;
        self.push(Value::Text(text.to_owned()));
        Ok(())
    }

    fn line(&mut self) -> Result<String, Fault> {
        let rest = &self.bytes[self.at..];
        let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
            return Err(Fault::Truncated { what: self.what.into(), needed: rest.len() + 1, left: rest.len() });
        };
        let text = std::str::from_utf8(&rest[..length]).map_err(|_| self.broken())?;
        self.at += length + 1;
        Ok(text.to_owned())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        self.stack.pop().ok_or_else(|| self.broken())
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, Fault> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => Err(self.broken()),
        }
    }

    /// Puts keys and values, one after the other, into the dict on top.
    fn insert(&mut self, items: &[Id]) -> Result<(), Fault> {
        match self.stack.last().map(|&top| &mut self.values[top]) {
            Some(Value::Dict(entries)) if items.len().is_multiple_of(2) => {
                entries.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => Err(self.broken()),
        }
    }

    fn extend(&mut self, items: &[Id]) -> Result<(), Fault> {
        match self.stack.last().map(|&top| &mut self.values[top]) {
            Some(Value::List(entries)) => {
                entries.extend(items);
                Ok(())
            }
            _ => Err(self.broken()),
        }
    }

    fn remember(&mut self, key: u32) -> Result<(), Fault> {
        let top = *self.stack.last().ok_or_else(|| self.broken())?;
        self.memo.insert(key, top);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), Fault> {
        let id = *self.memo.get(&key).ok_or_else(|| self.broken())?;
        self.stack.push(id);
        Ok(())
    }

    fn name(&mut self, module: &str, name: &str) -> Result<(), Fault> {
        let full = format!("{module}.{name}");
        let storage = module == "torch" && name.ends_with("Storage");
        if !storage && !KNOWN.contains(&full.as_str()) {
            return Err(Fault::Refused(format!("`{full}`")));
        }
        self.push(Value::Name(full));
        Ok(())
    }

    /// Gives the known callables their meaning, without a call.
    fn reduce(&mut self) -> Result<(), Fault> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let (Value::Name(name), Value::Tuple(arguments)) = (&self.values[callable], &self.values[arguments]) else {
            return Err(self.broken());
        };
        match (name.as_str(), arguments.as_slice()) {
            (ORDERED_DICT, []) => self.push(Value::Dict(Vec::new())),
            (TENSOR, [_, _, _, _, ..]) => {
                let arguments = arguments.clone();
                self.push(Value::Tensor(arguments));
            }
            (PARAMETER, [tensor, ..]) => {
                let tensor = *tensor;
                self.stack.push(tensor);
            }
            _ => return Err(Fault::Refused(format!("a call of `{name}` with {} arguments", arguments.len()))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Value, Fault> {
        Pickle::read(bytes, "a test").map(|pickle| pickle.get(pickle.root).clone())
    }

    #[test]
    fn reads_integers_of_every_width() {
        assert_eq!(read(b"\x80\x02K\xff.").unwrap(), Value::Int(255));
        assert_eq!(read(b"M\x01\x02.").unwrap(), Value::Int(513));
        assert_eq!(read(b"J\xff\xff\xff\xff.").unwrap(), Value::Int(-1));
        assert_eq!(read(b"\x8a\x01\xfe.").unwrap(), Value::Int(-2));
        assert_eq!(read(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.").unwrap(), Value::Int(0x1950a86a20f9469cfc6c));
    }

    #[test]
    fn refuses_every_foreign_name() {
        for bytes in
            [&b"cos\nsystem\n(X\x02\x00\x00\x00lstR."[..], b"\x8c\x02os\x8c\x06system\x93.", b"ctorch\nload\n."]
        {
            let fault = read(bytes).unwrap_err();
            assert!(matches!(fault, Fault::Refused(_)), "{fault:?}");
        }
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_panics() {
        let whole =
            b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00aq\x02K\x05X\x01\x00\x00\x00bNu}b.";
        assert!(matches!(read(whole).unwrap(), Value::Dict(entries) if entries.len() == 2));
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        for at in 0..whole.len() {
            for flip in 1..=255u8 {
                let mut bytes = whole.to_vec();
                bytes[at] ^= flip;
                let _ = read(&bytes);
            }
        }
    }

    #[test]
    fn deep_nesting_neither_recurses_nor_overflows() {
        let mut bytes = vec![b')'];
        bytes.resize(1_000_000, 0x85);
        bytes.push(b'.');
        assert!(matches!(read(&bytes).unwrap(), Value::Tuple(_)));
    }
}
