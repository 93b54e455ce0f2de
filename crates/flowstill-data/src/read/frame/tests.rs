//! Read frames that pandas wrote, old and new, and survive what it never would.

use super::*;
use proptest::prelude::*;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

fn parsed(name: &str) -> Result<Table> {
    parse(Path::new(name), &fixture(name))
}

#[test]
fn every_pandas_writes_the_same_table() {
    for name in ["frame_protocol2.pickle", "frame_protocol4.pickle", "frame_protocol5.pickle", "frame_old.pickle"] {
        let table = parsed(name).unwrap();
        assert_eq!((table.rows, table.columns), (40, 19), "{name}");
        assert_eq!(table.names[..4], ["Time", "Meth", "Eth", "R1"], "{name}");
        assert_eq!(table.row(5).unwrap()[..5], [0.05, 0.0, 2.0, 9.0, 3.0], "{name}");
        assert_eq!(table.row(39).unwrap()[18], 2.0 * (39.0 * 59.0 % 41.0), "{name}");
    }
    let table = parsed("frame_unnamed.pickle").unwrap();
    assert_eq!(
        (&table.names[..], &table.values[..]),
        (&["0".into(), "1".into()][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..])
    );
}

#[test]
fn what_is_no_table_of_numbers_is_an_error() {
    let error = parsed("frame_text.pickle").unwrap_err().to_string();
    assert!(error.starts_with("frame_text.pickle: expected a pickled pandas DataFrame of numbers, got "), "{error}");
    for bytes in [
        &b""[..],
        b"\x80\x02K\x01.",
        b"\x80\x02)]u.",
        b"cos\nsystem\n(U\x04echo\x85R.",
        b"((((((",
        b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert!(parse(Path::new("p"), bytes).is_err());
    }
}

#[test]
fn deep_and_circular_pickles_do_not_exhaust_the_stack() {
    let mut deep = vec![b')'];
    deep.extend([0x85; 1_000_000]);
    deep.push(b'.');
    assert!(parse(Path::new("p"), &deep).is_err());
    // A list that holds itself.
    assert!(parse(Path::new("p"), b"]q\x00h\x00a.").is_err());
}

#[test]
fn names_from_elsewhere_are_refused_by_name() {
    let refused = |bytes: &[u8]| parse(Path::new("p"), bytes).unwrap_err().to_string();
    for (bytes, name) in [(&b"cos\nsystem\n(U\x04echotR."[..], "os.system"), (b"cbuiltins\neval\n.", "builtins.eval")] {
        let error = refused(bytes);
        assert!(error.contains(&format!("got the unexpected name `{name}`; in pandas")), "{error}");
    }
}

#[test]
fn a_label_named_again_and_again_is_not_unfolded() {
    // DataFrame with {"_mgr": BlockManager((), (index,))}, whose labels are one text of a megabyte, a million times.
    let mut bytes =
        b"cpandas\nDataFrame\n)R}U\x04_mgrcpandas\nBlockManager\n)(cpandas\n_new_Index\nN}U\x04data](".to_vec();
    bytes.extend([b"X\x00\x00\x10\x00", &[b'a'; 1 << 20][..], b"q\x00"].concat());
    bytes.extend(b"h\x00".repeat(1 << 20));
    bytes.extend(b"es\x86Rt\x86Rsb.");
    let error = parse(Path::new("p"), &bytes).unwrap_err().to_string();
    assert!(error.contains("column names that are the same bytes"), "{error}");
}

#[test]
fn ranges_are_pythons() {
    let listed = |start, stop, step| range(start, stop, step).map(Iterator::collect::<Vec<_>>);
    assert_eq!(listed(0, 5, 2), Some(vec![0, 2, 4]));
    assert_eq!(listed(5, 0, -2), Some(vec![5, 3, 1]));
    assert_eq!(listed(3, 3, 1), Some(vec![]));
    assert_eq!(listed(3, 0, 1), Some(vec![]));
    assert_eq!(listed(0, 5, 0), None);
    assert_eq!(listed(i64::MIN, i64::MAX, 1), None);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(Path::new("p"), &bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(
        name in prop::sample::select(vec!["frame_protocol2.pickle", "frame_protocol5.pickle", "frame_old.pickle"]),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..5),
    ) {
        let mut bytes = fixture(name);
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        let _ = parse(Path::new("p"), &bytes);
    }
}
