//! Run every hostile file through the command under a gigabyte and five seconds of a core: each is refused in one line, with exit code 2.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/flow_file.rs"]
mod flow_file;

use common::{TINY, told};
use flate2::Compression;
use flate2::write::GzEncoder;
use flow_file::{described, small};
use serde_json::{Value, json};
use std::fs::{create_dir, write};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Run the command under limits, of what it may write to (`RLIMIT_DATA`; reserved address space is no memory) and of processor time.
fn refused(folder: &Path, args: &[&str]) -> String {
    let script = "ulimit -d 1048576 && ulimit -t 5 && exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_flowstill"), "--threads", "2"]).args(args);
    let output = command.current_dir(folder).env("NO_COLOR", "1").output().expect("sh runs");
    let error = told(&output, 2);
    assert!(error.len() < 2200, "{args:?}: {} bytes of error", error.len());
    error
}

/// A fixture of another crate.
fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect("a fixture")
}

fn data_fixture(name: &str) -> Vec<u8> {
    fixture(&format!("flowstill-data/tests/fixtures/{name}"))
}

fn packed(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    parts.into_iter().for_each(|part| packer.write_all(&part).expect("packs"));
    packer.finish().expect("packs")
}

/// 64 MiB of one byte, behind a start.
fn long(start: &[u8], byte: u8) -> impl Iterator<Item = Vec<u8>> {
    std::iter::once(start.to_vec()).chain(std::iter::repeat_n(vec![byte; 1 << 20], 64))
}

#[test]
fn flow_files_that_speak_of_more_than_they_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write(folder.join("rows.csv"), "1,-20,300,4,5\n").expect("writes");
    let made = |document: &mut Value, hidden: Value| {
        document["architecture"]["levels"][0][0]["steps"][0]["made"]["hidden"] = hidden
    };
    let only = |document: &mut Value, channels: usize, layer: Value| {
        document["architecture"] = json!({ "event": [1, 1, channels], "context": 0, "levels": [[layer]], "base": { "kind": "standard_normal" } });
        let (mean, std) = (vec![0.0; channels], vec![1.0; channels]);
        document["standardization"] = json!({ "mean": mean, "std": std, "context_mean": [], "context_std": [] });
    };
    type Change<'a> = Box<dyn FnOnce(&mut Value) + 'a>;
    let forgeries: Vec<(&str, Change<'_>)> = vec![
        ("wide", Box::new(|d| made(d, json!([65536, 65536])))),
        ("wider", Box::new(|d| made(d, json!([1_000_000_000, 1_000_000_000])))),
        ("widest", Box::new(|d| made(d, json!([u64::MAX])))),
        ("deep", Box::new(|d| made(d, json!(vec![1; 1_000_000])))),
        (
            "mixture",
            Box::new(|d| d["architecture"]["base"] = json!({ "kind": "mixture", "components": 1_000_000_000 })),
        ),
        ("lu", Box::new(|d| only(d, 20_000, json!({ "bijector": "lu_linear", "channels": 20_000 })))),
        ("linear", Box::new(|d| only(d, 20_000, json!({ "bijector": "linear", "channels": 20_000 })))),
        (
            "blocks",
            Box::new(|d| {
                let step = d["architecture"]["levels"][0][0].clone();
                d["architecture"]["levels"][0] = vec![step; 2000].into();
            }),
        ),
        ("event", Box::new(|d| d["architecture"]["event"] = json!([1 << 20, 1 << 20, 3]))),
        ("nothing", Box::new(|d| d["architecture"]["event"] = json!([0, 1, 3]))),
        ("channels", Box::new(|d| only(d, 1, json!({ "bijector": "act_norm", "channels": u64::MAX })))),
        (
            "nested",
            Box::new(|d| {
                let step = d["architecture"]["levels"][0][0].clone();
                let nested = (0..40).fold(step, |inner, _| json!({ "bijector": "chain", "steps": [inner, { "bijector": "batch_norm", "channels": 3 }] }));
                d["architecture"]["levels"][0][0] = nested;
            }),
        ),
        ("facts", Box::new(|d| d["facts"]["steps"] = json!(-1))),
        ("scales", Box::new(|d| d["standardization"]["std"] = json!([0.0, 1.0, 1.0]))),
    ];
    for (name, change) in forgeries {
        let file = format!("{name}.safetensors");
        write(folder.join(&file), described(&small("table"), change)).expect("writes");
        for args in [&["inspect", &file][..], &["score", &file, "rows.csv"], &["sample", &file, "-n", "3"]] {
            refused(folder, args);
        }
    }
    let dequantiser =
        described(&small("pictures"), |d| d["dequantizer"] = json!({ "steps": 100_000, "hidden": 100_000 }));
    for (file, bytes) in [
        ("dequantiser.safetensors", dequantiser),
        ("header.safetensors", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
        ("brackets.safetensors", [&(1_u64 << 20).to_le_bytes()[..], &[b'['; 1 << 20]].concat()),
        ("empty.safetensors", Vec::new()),
    ] {
        write(folder.join(file), bytes).expect("writes");
        refused(folder, &["inspect", file]);
    }
}

#[test]
fn tables_that_unfold_or_never_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let numbers = |count: usize, name: &str| format!("{}\n1\n", vec![name; count].join(","));
    let mut chunked = data_fixture("counting_chunked.h5");
    let mut contiguous = data_fixture("counting_contiguous.h5");
    for file in [&mut chunked, &mut contiguous] {
        for at in [832, 848] {
            file[at..at + 8].copy_from_slice(&(1_u64 << 28).to_le_bytes());
        }
    }
    contiguous[930..938].copy_from_slice(&(24_u64 << 28).to_le_bytes());
    let npy = |shape: &str| {
        [
            &b"\x93NUMPY\x01\x00\x76\x00"[..],
            format!("{:117}\n", format!("{{'descr': '|u1', 'fortran_order': True, 'shape': {shape}, }}")).as_bytes(),
            &[7; 64],
        ]
        .concat()
    };
    let mut parquet = data_fixture("frame.parquet");
    let end = parquet.len() - 8;
    parquet[end..end + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    for (file, bytes) in [
        ("equal.csv", numbers(60_000, "a").into_bytes()),
        ("wide.csv", numbers(2_000_000, "").into_bytes()),
        ("line.csv", vec![b'1'; 20 << 20]),
        ("quote.csv", [b"a,b\n\"".to_vec(), vec![b'\n'; 20 << 20]].concat()),
        ("blanks.txt", [b"1 2\n1 2\n3 ".to_vec(), vec![b'1'; 20 << 20]].concat()),
        ("line.csv.gz", packed(long(b"a,b\n1,", b'1'))),
        ("fields.csv.gz", packed(long(b"", b','))),
        ("lines.csv.gz", packed(long(b"a,b\n", b'\n'))),
        ("rows.csv.gz", packed(std::iter::repeat_n(b"1\n".repeat(1 << 19), 128))),
        ("chunked.h5", chunked),
        ("contiguous.h5", contiguous),
        ("huge.npy", npy("(4294967296, 4294967296)")),
        ("columns.npy", npy("(1, 4294967296)")),
        ("cut.npy", npy("(65, 1)")),
        ("footer.parquet", parquet),
        ("cut.parquet", data_fixture("frame.parquet")[..2000].to_vec()),
    ] {
        write(folder.join(file), bytes).expect("writes");
        refused(folder, &["data", "describe", file]);
    }
    write(folder.join("table.safetensors"), small("table")).expect("writes");
    refused(folder, &["score", "table.safetensors", "rows.csv.gz"]);
}

#[test]
fn what_is_no_file_is_no_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    assert!(Command::new("mkfifo").arg(folder.join("pipe")).status().expect("mkfifo runs").success());
    write(folder.join("table.safetensors"), small("table")).expect("writes");
    for target in ["/dev/zero", "pipe"] {
        for file in [
            "zero.csv",
            "zero.csv.gz",
            "zero.txt",
            "zero.npy",
            "zero.h5",
            "zero.parquet",
            "zero.safetensors",
            "zero.toml",
            "ethylene_CO.pickle",
            "zero.png",
        ] {
            let _ = std::fs::remove_file(folder.join(file));
            symlink(target, folder.join(file)).expect("links");
            let args = match file.rsplit('.').next() {
                Some("safetensors") => vec!["inspect", file],
                Some("toml") => vec!["train", file],
                Some("pickle") => vec!["data", "describe", "set=gas,path=ethylene_CO.pickle"],
                Some("png") => vec!["data", "describe", "set=idx,path=zero.png"],
                _ => vec!["data", "describe", file],
            };
            let error = refused(folder, &args);
            // A set's own files are looked for, and these are none.
            let told = ["a device or a pipe", "got none of these"][usize::from(file.ends_with("pickle"))];
            assert!(error.contains(told), "{file}: {error}");
        }
        refused(folder, &["score", "table.safetensors", "zero.csv"]);
    }
}

#[test]
fn recipes_that_nest_or_never_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let all = "0123456789".repeat(100_000);
    for text in [
        format!("a = {}", "[".repeat(200_000)),
        format!("a = {}", "{a=".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("name = \"{all}\""),
        format!("{all} = 1"),
        "a".repeat(2 << 20),
        "[[compare.variants]]\n".repeat(40_000),
        TINY.replace("steps = 120", "steps = 1e300"),
        TINY.replace("[16]", "[1000000000, 1000000000]"),
        TINY.replace("blocks = 2", "blocks = 1000000000"),
        TINY.replace("name = \"tiny\"", &format!("name = \"{}\"", "a".repeat(300))),
    ] {
        write(folder.join("evil.toml"), &text).expect("writes");
        refused(folder, &["train", "evil.toml"]);
    }
}

/// A zip archive of entries that are packed as well as can be.
fn archive(entries: &[(&str, &[u8], usize)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    for (name, bytes, times) in entries {
        zip.start_file(*name, options).expect("an entry");
        (0..*times).for_each(|_| zip.write_all(bytes).expect("packs"));
    }
    zip.finish().expect("an archive").into_inner()
}

/// The pickle of a dict of `count` tensors of 32,768 values that all have one storage.
fn shared(count: u32) -> Vec<u8> {
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let size = 32_768_i32;
    let int = |value: i32| [b"J", &value.to_le_bytes()[..]].concat();
    let storage =
        [&b"("[..], &text("storage"), b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), &int(size), b"tQq\x01"]
            .concat();
    let mut out = [&b"\x80\x02"[..], &storage, b"0}("].concat();
    for at in 0..count {
        out.extend(
            [
                &text(&format!("t{at}"))[..],
                b"ctorch._utils\n_rebuild_tensor_v2\n(h\x01K\x00",
                &int(size),
                b"\x85K\x01\x85\x89}tR",
            ]
            .concat(),
        );
    }
    out.extend(b"u.");
    out
}

#[test]
fn weights_and_pictures_that_unfold() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    write(folder.join("flow.safetensors"), small("pictures")).expect("writes");
    create_dir(folder.join("seen")).expect("a folder");
    for at in 0..4_u8 {
        flowstill_data::write_png(folder.join(format!("seen/{at}.png")), &[at; 16], [4, 4, 1]).expect("writes");
    }
    let mebibyte = vec![0; 1 << 20];
    let storage = vec![0; 4 * 32_768];
    for (file, bytes) in [
        ("shared.pth", archive(&[("x/data.pkl", &shared(2000), 1), ("x/data/0", &storage, 1)])),
        ("bomb.pth", archive(&[("x/data.pkl", &mebibyte, 48)])),
        ("bomb.whl", archive(&[("net.pth", &mebibyte, 48)])),
    ] {
        write(folder.join(file), bytes).expect("writes");
        let error = refused(
            folder,
            &["evaluate", "flow.safetensors", "--data", "seen", "--features", file, "--samples", "100"],
        );
        assert!(error.contains(file) && error.contains("times"), "{error}");
    }
    let idx = |count: u32, side: u32| {
        [&[0, 0, 8, 3][..], &count.to_be_bytes(), &side.to_be_bytes(), &side.to_be_bytes()].concat()
    };
    let png = |width: u32, height: u32, kind: u8| {
        let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
        let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[16, kind, 0, 0, 0]].concat();
        let scanlines = packed_zlib(1 << 20);
        for (name, body) in [(b"IHDR", &head), (b"IDAT", &scanlines), (b"IEND", &Vec::new())] {
            let chunk = [&name[..], body].concat();
            let mut sum = flate2::Crc::new();
            sum.update(&chunk);
            out.extend([&(body.len() as u32).to_be_bytes()[..], &chunk, &sum.sum().to_be_bytes()].concat());
        }
        out
    };
    let mut jpeg = data_fixture("pictures/rgb.jpg");
    let sizes = jpeg.windows(2).position(|mark| mark == [0xff, 0xc0]).expect("a frame") + 5;
    jpeg[sizes..sizes + 4].copy_from_slice(&[0x1f, 0xff, 0x1f, 0xff]);
    let label =
        [&b"]q\x00("[..], b"X\x00\x00\x08\x00", &[b'a'; 1 << 19], b"q\x01", &b"h\x01".repeat(200_000), b"e."].concat();
    let described = |set: &str, path: &Path| format!("set={set},path={}", path.display());
    for (set, file, bytes) in [
        ("idx", "huge-idx3", idx(u32::MAX, 8192)),
        ("idx", "bomb-idx3.gz", packed(long(&idx(8192, 128), 0))),
        ("folder", "huge.png", png(8192, 8192, 6)),
        ("folder", "far.png", png(u32::MAX >> 1, u32::MAX >> 1, 6)),
        ("folder", "huge.jpg", jpeg),
        ("cifar10", "data_batch_1", label.clone()),
        ("cifar10", "data_batch_1.bin", vec![0; 100]),
        ("gas", "ethylene_CO.pickle", label),
    ] {
        let own: PathBuf = folder.join(format!("{set}-{file}"));
        create_dir(&own).expect("a folder");
        write(own.join(file), bytes).expect("writes");
        let path = if set == "idx" { own.join(file) } else { own };
        let error = refused(folder, &["data", "describe", &described(set, &path)]);
        assert!(error.contains(file), "{error}");
    }
}

fn packed_zlib(zeros: usize) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&vec![0; zeros]).expect("packs");
    packer.finish().expect("packs")
}
