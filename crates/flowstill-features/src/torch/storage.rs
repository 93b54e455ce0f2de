//! Gather tensors from a checkpoint's dict and the flat storages it refers to.

use std::collections::{BTreeMap, HashMap};

use flowstill_pickle::{Id, Node, Pickle};

use super::Fault;

/// A shape and row-major values.
pub(super) type Tensor = (Vec<usize>, Vec<f32>);
/// Axes that a tensor has at most, which is torch's own limit.
const AXES: usize = 64;
/// How often a file's tensors may fill its storages, all together.
const SHARED: usize = 16;
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
        Ok(match name {
            "FloatStorage" => Self::F32,
            "DoubleStorage" => Self::F64,
            "LongStorage" => Self::Other(8),
            "IntStorage" => Self::Other(4),
            "ShortStorage" | "HalfStorage" | "BFloat16Storage" => Self::Other(2),
            "CharStorage" | "ByteStorage" | "BoolStorage" => Self::Other(1),
            _ => return Err(Fault::Refused(format!("a storage of the class `torch.{name}`"))),
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
pub(super) struct Described<'a> {
    pub key: &'a str,
    pub kind: Kind,
    /// Elements.
    pub length: usize,
}

/// Every storage that the pickle names.
pub(super) fn described<'a>(pickle: &Pickle<'a>) -> Result<Vec<Described<'a>>, Fault> {
    let persistent = pickle.nodes().iter().filter_map(|node| match node {
        Node::Persistent(id) => Some(*id),
        _ => None,
    });
    persistent.map(|id| describe(pickle, id)).collect()
}

/// Reads `("storage", class, key, location, length)`, which the legacy layout ends with a view or None.
fn describe<'a>(pickle: &Pickle<'a>, id: Id) -> Result<Described<'a>, Fault> {
    let malformed = || Fault::Malformed("a storage is not described as torch describes it".into());
    let Node::Tuple(parts) = pickle.node(id) else { return Err(malformed()) };
    let [tag, class, key, _, length, ref rest @ ..] = parts[..] else { return Err(malformed()) };
    let named = (pickle.text(tag), pickle.name(class), pickle.text(key), pickle.node(length));
    let (Some("storage"), Some(("torch", class)), Some(key), Node::Int(length)) = named else {
        return Err(malformed());
    };
    if !matches!(rest.iter().map(|&part| pickle.node(part)).collect::<Vec<_>>()[..], [] | [Node::None]) {
        return Err(Fault::Refused(format!("a view of the storage {key}")));
    }
    let length = usize::try_from(*length).map_err(|_| malformed())?;
    Ok(Described { key, kind: Kind::of(class)?, length })
}

/// The float tensors of the dict at the pickle's root, given the bytes of each storage.
pub(super) fn gather(pickle: &Pickle, bytes: &HashMap<&str, &[u8]>) -> Result<Tensors, Fault> {
    let Node::Dict(entries) = pickle.root() else {
        return Err(Fault::Malformed("it holds no dict of tensors at its top".into()));
    };
    // Tensors may share a storage, as tied weights do; many that share one would unfold to any size.
    let room = bytes.values().map(|storage| storage.len()).sum::<usize>().saturating_mul(SHARED);
    let mut left = room.saturating_add(pickle.length());
    let mut tensors = Tensors::new();
    for &(key, value) in entries {
        if let (Some(name), Node::Call { arguments, .. }) = (pickle.text(key), pickle.node(value))
            && let Node::Tuple(arguments) = pickle.node(*arguments)
            && let Some(tensor) = tensor(pickle, name, arguments, bytes)?
        {
            let fits = left.checked_sub(name.len() + size_of_val(&tensor.1[..]));
            left =
                fits.ok_or_else(|| Fault::Malformed(format!("its tensors fill its storages {SHARED} times over")))?;
            tensors.insert(name.to_owned(), tensor);
        }
    }
    Ok(tensors)
}

/// Copies one strided tensor out of its storage; None where it is not of floats.
fn tensor(
    pickle: &Pickle,
    name: &str,
    arguments: &[Id],
    bytes: &HashMap<&str, &[u8]>,
) -> Result<Option<Tensor>, Fault> {
    let malformed = |what: &str| Fault::Malformed(format!("tensor `{name}`: {what}"));
    let [storage, offset, size, stride, ..] = arguments else { return Err(malformed("too few arguments")) };
    let Node::Persistent(id) = pickle.node(*storage) else { return Err(malformed("no storage")) };
    let Described { key, kind, length } = describe(pickle, *id)?;
    if matches!(kind, Kind::Other(_)) {
        return Ok(None);
    }
    let number = |id: Id| match pickle.node(id) {
        Node::Int(value) => usize::try_from(*value).ok(),
        _ => None,
    };
    let numbers = |id: Id| match pickle.node(id) {
        Node::Tuple(items) if items.len() <= AXES => items.iter().map(|&item| number(item)).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let (Some(offset), Some(size), Some(stride)) = (number(*offset), numbers(*size), numbers(*stride)) else {
        return Err(malformed("its offset, size or stride are no whole numbers, or too many"));
    };
    let data = bytes.get(key).ok_or_else(|| malformed("its storage is not in the file"))?;
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
