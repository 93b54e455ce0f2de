//! Read what Python writes, and refuse every name that is not expected.

use flowstill_pickle::{Meaning, Node, Pickle, PickleError, read};
use proptest::prelude::*;

fn known(name: &str) -> Option<Meaning> {
    match name {
        "collections.OrderedDict" => Some(Meaning::Dict),
        "builtins.slice" => Some(Meaning::Call),
        "torch.parameter" => Some(Meaning::First),
        "torch.FloatStorage" => Some(Meaning::Only),
        _ => None,
    }
}

fn root(bytes: &[u8]) -> Result<Node, PickleError> {
    read(bytes, &known).map(|pickle| pickle.root().clone())
}

/// What `pickle.dumps(OrderedDict(a=5, b=None), 2)` may be, with a state.
const ORDERED: &[u8] =
    b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X\x01\x00\x00\x00aq\x02K\x05X\x01\x00\x00\x00bNu}b.";

#[test]
fn whole_numbers_of_every_width_are_read() {
    for (bytes, value) in [
        (&b"\x80\x02K\xff."[..], 255),
        (b"M\x01\x02.", 513),
        (b"J\xff\xff\xff\xff.", -1),
        (b"\x8a\x00.", 0),
        (b"\x8a\x01\xfe.", -2),
        (b"\x8b\x02\x00\x00\x00\x00\x80.", -32768),
        (b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", 0x1950_a86a_20f9_469c_fc6c),
    ] {
        assert_eq!(root(bytes), Ok(Node::Int(value)));
    }
    assert_eq!(root(&[&b"\x8a\x11"[..], &[1; 17], b"."].concat()), Ok(Node::Long));
    assert_eq!(root(b"G\x3f\xf8\x00\x00\x00\x00\x00\x00."), Ok(Node::Float(1.5)));
}

#[test]
fn collections_and_text_are_read() {
    let text = |pickle: &Pickle, id| pickle.text(id).map(str::to_owned);
    let pickle = read(ORDERED, &known).unwrap();
    let Node::Dict(pairs) = pickle.root() else { panic!("a dictionary") };
    assert_eq!(pairs.iter().map(|&(key, _)| text(&pickle, key).unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(pickle.length(), ORDERED.len());
    let pickle = read(b"(U\x01aC\x01\xffK\x01tX rest", &known);
    assert!(matches!(pickle, Err(PickleError::Truncated { .. })));
    let pickle = read(b"(U\x01aC\x01\xffK\x01t. rest", &known).unwrap();
    let Node::Tuple(items) = pickle.root() else { panic!("a tuple") };
    assert_eq!((pickle.text(items[0]), pickle.text(items[1])), (Some("a"), None));
    assert_eq!((pickle.bytes(items[1]), pickle.bytes(items[2])), (Some(&b"\xff"[..]), None));
    assert_eq!(pickle.length(), b"(U\x01aC\x01\xffK\x01t.".len());
    assert_eq!(root(b"\x8f(NN\x90."), Ok(Node::Set(vec![1, 2])));
    assert_eq!(root(b"](NNe."), Ok(Node::List(vec![1, 2])));
}

#[test]
fn calls_are_written_down_by_their_meaning() {
    let pickle = read(b"cbuiltins\nslice\n(K\x00K\x02Ntr\x00\x00\x00\x00R}b.", &known).unwrap();
    let &Node::Call { callee, arguments, state: Some(state) } = pickle.root() else { panic!("a call") };
    assert_eq!(pickle.name(callee), Some(("builtins", "slice")));
    assert!(matches!(pickle.node(arguments), Node::Tuple(items) if items.len() == 3));
    assert_eq!(pickle.node(state), &Node::Dict(vec![]));
    assert_eq!(root(b"ctorch\nparameter\n(K\x07NtR."), Ok(Node::Int(7)));
    assert!(matches!(root(b"ctorch\nFloatStorage\n."), Ok(Node::Name(..))));
    let called = |name: &str| Err(PickleError::Call(name.into()));
    assert_eq!(root(b"ctorch\nFloatStorage\n)R."), called("torch.FloatStorage"));
    assert_eq!(root(b"ccollections\nOrderedDict\n(NtR."), called("collections.OrderedDict"));
    assert!(matches!(root(b"K\x01)R."), Err(PickleError::Malformed { .. })));
}

#[test]
fn every_other_name_is_refused_by_name() {
    for (bytes, name) in [
        (&b"cos\nsystem\n(X\x02\x00\x00\x00lstR."[..], "os.system"),
        (b"\x8c\x02os\x8c\x06system\x93.", "os.system"),
        (b"c__builtin__\r\neval\r\n.", "__builtin__.eval"),
        (b"cbuiltins\nslice\x1b[2J\n.", "builtins.slice?[2J"),
    ] {
        assert_eq!(root(bytes), Err(PickleError::Unknown(name.into())));
    }
    // A name of a megabyte is not told in full.
    let long = [b"c", &[b'm'; 1 << 20][..], b"\nx\n."].concat();
    let error = root(&long).unwrap_err().to_string();
    assert!(error.len() < 200 && error.contains("mmm....x"), "{error}");
    assert_eq!(root(b"I1\n.").unwrap_err().to_string(), "the pickle instruction 0x49 at byte 0");
}

#[test]
fn no_prefix_is_a_pickle() {
    assert!(root(ORDERED).is_ok());
    for end in 0..ORDERED.len() {
        assert!(root(&ORDERED[..end]).is_err(), "{end}");
    }
    assert_eq!(root(b""), Err(PickleError::Truncated { needed: 1, left: 0 }));
    for bytes in [&b"."[..], b")]u.", b"((((((", b"t.", b"K\x01(.", b"h\x00.", b"N(a.", b"}Ns."] {
        assert!(root(bytes).is_err(), "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes, &|_| Some(Meaning::Call));
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0..ORDERED.len(), byte: u8) {
        let mut bytes = ORDERED.to_vec();
        bytes[at] = byte;
        let _ = read(&bytes, &|_| Some(Meaning::Call));
    }
}
