//! Gather tensors from a checkpoint's dict and the flat storages it refers to.

use std::collections::{BTreeMap, HashMap};

use super::Fault;
use super::pickle::{Id, Pickle, Value};

/// A shape and row-major values.
pub(super) type Tensor = (Vec<usize>, Vec<f32>);
/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// How the elements of a storage are encoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    F32,
    F64,
    /// Anything else, of so many bytes: passed over.
    Other(usize),
}

impl Kind {
    fn of(name: &str) -> Result<Self, Fault> {
        Ok(match name.strip_prefix("torch.").unwrap_or(name) {
            "FloatStorage" => Self::F32,
            "DoubleStorage" => Self::F64,
            "LongStorage" => Self::Other(8),
            "IntStorage" => Self::Other(4),
            "ShortStorage" | "HalfStorage" | "BFloat16Storage" => Self::Other(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => Self::Other(1),
            _ => return Err(Fault::Refused(format!("a storage of the class `{name}`"))),
        })
    }

    /// Bytes of one element.
    pub fn width(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other(width) => width,
        }
    }

    fn decode(self, bytes: &[u8]) -> f32 {
        match self {
            Self::F32 => bytes.try_into().map_or(f32::NAN, f32::from_le_bytes),
            Self::F64 => bytes.try_into().map_or(f32::NAN, |array| f64::from_le_bytes(array) as f32),
            Self::Other(_) => f32::NAN,
        }
    }
}

/// A storage as the pickle describes it.
pub(super) struct Described {
    pub key: String,
    pub kind: Kind,
    /// Elements.
    pub length: usize,
}

/// Every storage that the pickle names.
pub(super) fn described(pickle: &Pickle) -> Result<Vec<Described>, Fault> {
    let persistent = pickle.values.iter().filter_map(|value| match value {
        Value::Persistent(id) => Some(*id),
        _ => None,
    });
    persistent.map(|id| describe(pickle, id)).collect()
}

/// Reads `("storage", class, key, location, length)`, which the legacy layout ends with a view or None.
fn describe(pickle: &Pickle, id: Id) -> Result<Described, Fault> {
    let malformed = || Fault::Malformed("a storage is not described as torch describes it".into());
    let Value::Tuple(parts) = pickle.get(id) else { return Err(malformed()) };
    let parts: Vec<&Value> = parts.iter().map(|&part| pickle.get(part)).collect();
    match parts.as_slice() {
        [Value::Text(tag), Value::Name(class), Value::Text(key), _, Value::Int(length), rest @ ..]
            if tag == "storage" =>
        {
            if !matches!(rest, [] | [Value::None]) {
                return Err(Fault::Refused(format!("a view of the storage {key}")));
            }
            let length = usize::try_from(*length).map_err(|_| malformed())?;
            Ok(Described { key: key.clone(), kind: Kind::of(class)?, length })
        }
        _ => Err(malformed()),
    }
}

/// The float tensors of the dict at the pickle's root, given the bytes of each storage.
pub(super) fn gather(pickle: &Pickle, bytes: &HashMap<String, &[u8]>) -> Result<Tensors, Fault> {
    let Value::Dict(entries) = pickle.get(pickle.root) else {
        return Err(Fault::Malformed("it holds no dict of tensors at its top".into()));
    };
    let mut tensors = Tensors::new();
    for (key, value) in entries {
        if let (Value::Text(name), Value::Tensor(arguments)) = (pickle.get(*key), pickle.get(*value))
            && let Some(tensor) = tensor(pickle, name, arguments, bytes)?
        {
            tensors.insert(name.clone(), tensor);
        }
    }
    Ok(tensors)
}

/// Copies one strided tensor out of its storage; None where it is not of floats.
fn tensor(
    pickle: &Pickle,
    name: &str,
    arguments: &[Id],
    bytes: &HashMap<String, &[u8]>,
) -> Result<Option<Tensor>, Fault> {
    let malformed = |what: &str| Fault::Malformed(format!("tensor `{name}`: {what}"));
    let [storage, offset, size, stride, ..] = arguments else { return Err(malformed("too few arguments")) };
    let Value::Persistent(id) = pickle.get(*storage) else { return Err(malformed("no storage")) };
    let Described { key, kind, length } = describe(pickle, *id)?;
    if matches!(kind, Kind::Other(_)) {
        return Ok(None);
    }
    let number = |id: Id| match pickle.get(id) {
        Value::Int(value) => usize::try_from(*value).ok(),
        _ => None,
    };
    let numbers = |id: Id| match pickle.get(id) {
        Value::Tuple(items) => items.iter().map(|&item| number(item)).collect::<Option<Vec<usize>>>(),
        _ => None,
    };
    let (Some(offset), Some(size), Some(stride)) = (number(*offset), numbers(*size), numbers(*stride)) else {
        return Err(malformed("no whole numbers in its offset, size or stride"));
    };
    let data = bytes.get(&key).ok_or_else(|| malformed("its storage is not in the file"))?;
    let count = size.iter().try_fold(1usize, |product, &s| product.checked_mul(s));
    let last = size.iter().zip(&stride).try_fold(offset, |sum, (&s, &step)| {
        s.saturating_sub(1).checked_mul(step).and_then(|reach| sum.checked_add(reach))
    });
    let available = length.min(data.len() / kind.width());
    match (count, last) {
        (Some(0), _) if size.len() == stride.len() => return Ok(Some((size, Vec::new()))),
        (Some(count), Some(last)) if size.len() == stride.len() && last < available && count <= available => {}
        _ => return Err(malformed("it reaches beyond its storage")),
    }
    let mut values = Vec::with_capacity(count.unwrap_or(0));
    let mut index = vec![0usize; size.len()];
    'all: loop {
        let at = offset + index.iter().zip(&stride).map(|(i, step)| i * step).sum::<usize>();
        values.push(kind.decode(&data[at * kind.width()..(at + 1) * kind.width()]));
        for axis in (0..size.len()).rev() {
            index[axis] += 1;
            if index[axis] < size[axis] {
                continue 'all;
            }
            index[axis] = 0;
        }
        return Ok(Some((size, values)));
    }
}
