//! Read and write every format, and point at what is wrong with a file.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use flowstill_data::{Header, Issue, Missing, ReadOptions, Table};
use proptest::prelude::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Reads `text` from a file called `name`.
fn read(name: &str, text: &str, options: &ReadOptions) -> Result<(Table, Vec<String>), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    Table::read_with_steps(&path, options).map_err(|error| {
        let message = error.to_string();
        assert!(!message.contains('\n'), "more than one line: {message}");
        message.replace(&format!("{}/", folder.path().display()), "")
    })
}

fn options(change: impl FnOnce(&mut ReadOptions)) -> ReadOptions {
    let mut options = ReadOptions::default();
    change(&mut options);
    options
}

#[test]
fn the_delimiter_and_the_header_are_found() {
    for (name, text) in [
        ("t.csv", "a,b\n1,2.5\n-3e2,4\n"),
        ("t.csv", "\u{feff}a;b\r\n1;2.5\r\n-3e2;4\r\n"),
        ("t.tsv", "a\tb\n1\t2.5\n-3e2\t4"),
        ("t.txt", "  a   b\n 1  2.5\n\n -3e2    4  \n"),
        ("t.txt", "a|b\n1|2.5\n-3e2|4\n"),
        ("t.csv", "\"a\",\"b\"\n\"1\",\" 2.5\"\n-3e2,4\n"),
    ] {
        let (table, steps) = read(name, text, &ReadOptions::default()).unwrap();
        assert_eq!(table.names, ["a", "b"], "{text:?}");
        assert_eq!(table.values, [1.0, 2.5, -300.0, 4.0], "{text:?}");
        assert_eq!((table.rows, table.columns, steps.len()), (2, 2, 0));
    }
    let (table, _) = read("t.csv", "1,2\n3,4\n", &ReadOptions::default()).unwrap();
    assert_eq!((table.names[0].as_str(), table.rows), ("c1", 2));
    let (table, _) = read("t.csv", "7\n8\n", &ReadOptions::default()).unwrap();
    assert_eq!((table.columns, table.rows), (1, 2));
    let (table, _) = read("t.csv", "id,2020,2021\n1,2,3\n", &ReadOptions::default()).unwrap();
    assert_eq!((table.names[1].as_str(), table.rows), ("2020", 1));
    let (table, _) = read("t.csv", "1,2\n3,4\n", &options(|o| o.header = Header::Yes)).unwrap();
    assert_eq!((table.names[1].as_str(), table.rows), ("2", 1));
    let (table, _) = read("t.csv", "a,a,,a\n1,2,3,4\n", &ReadOptions::default()).unwrap();
    assert_eq!(table.names, ["a", "a.1", "c3", "a.2"]);
}

#[test]
fn columns_are_selected_in_the_order_asked_and_others_may_be_text() {
    let wanted = options(|o| o.columns = Some(vec!["c".into(), "a".into()]));
    let (table, _) = read("t.csv", "a,b,c\n1,red,3\n4,blue,6\n", &wanted).unwrap();
    assert_eq!((table.names, table.values), (vec!["c".into(), "a".into()], vec![3.0, 1.0, 6.0, 4.0]));
    let clock = options(|o| o.clock_columns = vec!["t".into()]);
    let (table, _) = read("t.csv", "t,x\n01:30:30,1\n23:59,2\n", &clock).unwrap();
    assert_eq!(table.values, [90.5, 1.0, 1439.0, 2.0]);
}

#[test]
fn every_error_is_one_line_with_place_and_remedy() {
    let plain = ReadOptions::default();
    fn wrong(name: &str, text: &str, options: &ReadOptions) -> String {
        read(name, text, options).unwrap_err()
    }
    assert_eq!(
        wrong("t.csv", "a,b\n1,2\n3,red\n", &plain),
        "t.csv: row 3, column `b`: expected a number, got `red`; select only number columns with `columns`, or encode \
         this one as numbers"
    );
    assert_eq!(
        wrong("t.csv", "a,b\n1,\n", &plain),
        "t.csv: row 2, column `b`: expected a finite number, got a missing value; set missing = \"drop_rows\", or leave \
         the column out"
    );
    assert_eq!(
        wrong("t.csv", "a,b\n1,2\n3,4\n5\n", &options(|o| o.delimiter = Some(','))),
        "t.csv: row 4: expected 2 fields, got 1; mend the row or set the delimiter"
    );
    assert_eq!(
        wrong("t.csv", "a,b\n1,2\n", &options(|o| o.columns = Some(vec!["d".into()]))),
        "t.csv: expected a column `d`, got `a`, `b`; correct the name"
    );
    assert_eq!(
        wrong("t.csv", "a,b\n1,2\n", &options(|o| o.delimiter = Some('é'))),
        "setting `delimiter`: expected one ASCII character, got `é`; use `,`, `;`, a tab or a space"
    );
    assert_eq!(wrong("t.csv", "", &plain), "t.csv: expected rows of text, got an empty file; check the path");
    assert!(wrong("t.csv", "a,b\n", &plain).starts_with("t.csv: expected at least 1 usable rows, got 0;"));
    assert!(wrong("t.xlsx", "", &plain).starts_with("t.xlsx: expected a file ending in .csv, .tsv,"));
    assert!(wrong("t.csv", "t\n25:00\n", &options(|o| o.clock_columns = vec!["t".into()])).contains("got `25:00`"));
    assert!(wrong("t.csv", "a\n1\n\u{1}\u{2}\n", &plain).contains(r"got `\u{1}\u{2}`"));
    assert!(wrong("t.npy", "a,b\n", &plain).starts_with("t.npy: expected a NumPy file, got other content;"));
    assert!(wrong("t.parquet", "a,b\n", &plain).starts_with("t.parquet: expected a whole Parquet file, got "));
    assert!(wrong("t.h5", "a,b\n", &plain).starts_with("t.h5: expected a whole HDF5 file, got "));
    assert!(wrong("t.csv.gz", "a,b\n", &plain).starts_with("t.csv.gz: could not read"));
    let error = Table::read("nowhere/t.h5", &plain).unwrap_err().to_string();
    assert!(error.starts_with("nowhere/t.h5: could not read (No such file"), "{error}");
}

#[test]
fn holes_constants_and_copies_are_dropped_when_asked() {
    let text = "x,flat,copy,y\n1,7,1,2\n?,7,3,3\n2,7,2,inf\n4,7,4,NaN\n5,7,5,6\n6,7,6,\n";
    let chosen = options(|o| {
        o.missing = Missing::DropRows;
        o.constant = Issue::Drop;
        o.duplicates = Issue::Drop;
    });
    let (table, steps) = read("t.csv", text, &chosen).unwrap();
    assert_eq!((table.names, table.values), (vec!["x".into(), "y".into()], vec![1.0, 2.0, 5.0, 6.0]));
    assert_eq!(
        steps,
        [
            "dropped 4 of 6 rows with missing values",
            "dropped 1 of 4 columns because their value never changes: `flat`",
            "dropped 1 of 3 columns because they copy an earlier column: `copy`",
        ]
    );
}

#[test]
fn gzipped_text_reads_like_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv.gz");
    let mut writer = flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), Default::default());
    writer.write_all(b"a,b\n1,2\n").unwrap();
    writer.finish().unwrap();
    assert_eq!(Table::read(&path, &ReadOptions::default()).unwrap().values, [1.0, 2.0]);
}

#[test]
fn numpys_files_read() {
    let read = |name: &str| Table::read(fixture(name), &ReadOptions::default());
    for name in ["plain.npy", "fortran.npy", "whole.npy"] {
        let table = read(name).unwrap();
        assert_eq!((table.values, table.names.len()), (vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 2), "{name}");
    }
    assert_eq!(read("line.npy").unwrap().values, [1.0, 3.0, 5.0]);
    assert!(read("cube.npy").unwrap_err().to_string().contains("expected an array of 1 or 2 dimensions"));
    assert!(read("words.npy").unwrap_err().to_string().contains("expected an array of real numbers"));
}

#[test]
fn h5pys_files_read() {
    for name in ["counting_contiguous.h5", "counting_chunked.h5", "counting_gzip.h5"] {
        let table = Table::read(fixture(name), &ReadOptions::default()).unwrap();
        assert!(table.values.iter().copied().eq((0..24).map(f64::from)), "{name}");
        assert_eq!((table.rows, table.columns), (8, 3));
    }
    let kind = |dataset: &str| {
        let options = options(|o| o.dataset = Some(dataset.into()));
        Table::read(fixture("kinds.h5"), &options).map_err(|error| error.to_string())
    };
    for name in ["big", "whole"] {
        assert!(kind(name).unwrap().values.iter().copied().eq((0..24).map(f64::from)), "{name}");
    }
    assert_eq!(kind("line").unwrap().columns, 1);
    assert!(kind("cube").unwrap_err().contains("expected dataset `cube` of 1 or 2 dimensions"));
    assert!(kind("words").unwrap_err().contains("expected dataset `words` of real numbers"));
    assert!(kind("none").unwrap_err().contains("expected a dataset `none`, got `big`, `cube`,"));
    let error = Table::read(fixture("kinds.h5"), &ReadOptions::default()).unwrap_err().to_string();
    assert!(
        error.contains("expected one dataset, got `big`") && error.ends_with("name the one to read with `dataset`")
    );
}

#[test]
fn pyarrows_files_read() {
    let numbers = options(|o| {
        o.columns = Some(["x", "whole", "small", "flag", "hole"].map(String::from).to_vec());
        o.missing = Missing::DropRows;
    });
    let (table, steps) = Table::read_with_steps(fixture("frame.parquet"), &numbers).unwrap();
    assert_eq!(table.values, [0.5, -1.0, 250.0, 1.0, 1.5, 2.5, 3.0, 252.0, 1.0, 4.5]);
    assert_eq!(steps, ["dropped 1 of 3 rows with missing values"]);
    let error = Table::read(fixture("frame.parquet"), &ReadOptions::default()).unwrap_err().to_string();
    assert!(error.contains("column `word`: expected a number, got `text or bytes`"), "{error}");
}

#[test]
fn writing_replaces_the_file_and_leaves_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "old").unwrap();
    Table::new(vec!["a".into()], vec![0.1]).unwrap().write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\n0.1\n");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    assert!(Table::default().write(folder.path().join("none/t.csv")).is_err());
}

/// Tables of ordinary and of extreme finite numbers.
fn tables() -> impl Strategy<Value = Table> {
    let number = prop_oneof![
        prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO,
        (-1000i32..1000).prop_map(f64::from),
    ];
    (1usize..5).prop_flat_map(move |columns| {
        prop::collection::vec(number.clone(), columns..columns * 30).prop_map(move |mut values| {
            values.truncate(values.len() / columns * columns);
            Table::new((0..columns).map(|n| format!("x{n}")).collect(), values).unwrap()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_format_keeps_every_bit(table in tables()) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["t.csv", "t.npy", "t.parquet"] {
            let path = folder.path().join(name);
            table.write(&path).unwrap();
            let back = Table::read(&path, &ReadOptions::default()).unwrap();
            prop_assert_eq!(back.rows, table.rows);
            for (a, b) in back.values.iter().zip(&table.values) {
                prop_assert_eq!(a.to_bits(), b.to_bits(), "{}", name);
            }
            if name != "t.npy" {
                prop_assert_eq!(&back.names, &table.names);
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "([a-z0-9.,;\t \n\"-]|\\PC){0,200}", name in "t\\.(csv|tsv|txt)") {
        let _ = read(&name, &text, &ReadOptions::default());
        let _ = read(&name, &text, &options(|o| { o.missing = Missing::DropRows; o.constant = Issue::Drop; o.duplicates = Issue::Drop; }));
    }
}

/// Reads a fixture with some bytes changed or cut off: an error or a table, never a panic.
fn damaged(name: &str, changes: &[(usize, u8)], cut: usize) {
    let mut bytes = std::fs::read(fixture(name)).unwrap();
    for &(at, byte) in changes {
        let length = bytes.len();
        bytes[at % length] = byte;
    }
    bytes.truncate(bytes.len() - cut % bytes.len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    let drop_rows = options(|o| o.missing = Missing::DropRows);
    if let Err(error) = Table::read(&path, &drop_rows) {
        assert!(!error.to_string().contains('\n'), "more than one line: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_is_an_error_and_no_panic(
        name in prop::sample::select(vec![
            "plain.npy", "fortran.npy", "frame.parquet", "BSDS300.hdf5", "counting_chunked.h5", "counting_gzip.h5", "kinds.h5",
        ]),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut in prop_oneof![Just(0usize), any::<usize>()],
    ) {
        damaged(name, &changes, cut);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(
        (name, start) in prop::sample::select(vec![
            ("t.npy", &b"\x93NUMPY\x01\x00"[..]), ("t.parquet", b"PAR1"), ("t.h5", b"\x89HDF\r\n\x1a\n"), ("t.csv.gz", b"\x1f\x8b"),
        ]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, [start, &bytes].concat()).unwrap();
        prop_assert!(Table::read(&path, &ReadOptions::default()).is_err());
    }

    #[test]
    fn no_header_makes_the_npy_reader_panic(rows: u64, columns: u64, size in "[248]", data in prop::collection::vec(any::<u8>(), 0..100)) {
        let header = format!("{{'descr': '<f{size}', 'fortran_order': True, 'shape': ({rows}, {columns}), }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.into_bytes());
        bytes.extend(data);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.npy");
        std::fs::write(&path, bytes).unwrap();
        prop_assert!(Table::read(&path, &ReadOptions::default()).is_err());
    }
}
