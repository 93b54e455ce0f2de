//! Feed every reader with damaged files: none may panic, recurse without end, or take more memory than a stated multiple of the file.

#[path = "common/flow_file.rs"]
mod flow_file;
#[path = "common/mutator.rs"]
mod mutator;

use flow_file::{mended, small};
use flowstill_data::{DataConfig, PictureConfig, PictureSetName, ReadOptions, SetName, Table};
use flowstill_experiment::Recipe;
use flowstill_features::Weights;
use flowstill_metrics::FeatureStatistics;
use mutator::Mutator;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// The system's allocator, with the bytes in use and their peak.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(USED.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(USED.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a reader may take whatever the file's size, and for each of its bytes (docs/security.md).
const FREE: usize = 192 << 20;
const TIMES: usize = 4096;

/// What a reader says of a file: whether it took it, or one line.
type Answer = Result<(), String>;

struct Reader {
    name: &'static str,
    /// Where the file is put, below a folder of its own.
    file: &'static str,
    seeds: Vec<Vec<u8>>,
    read: fn(&Path) -> Answer,
    /// Makes a damaged file pass the checks that stand before the reading.
    mend: fn(Vec<u8>) -> Vec<u8>,
}

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect("a fixture")
}

fn answer<T, E: std::fmt::Display>(result: Result<T, E>) -> Answer {
    result.map(drop).map_err(|error| error.to_string())
}

fn table(path: &Path) -> Answer {
    answer(Table::read(path, &ReadOptions::default()))
}

fn folder(path: &Path) -> PathBuf {
    path.parent().expect("a folder").to_path_buf()
}

fn pictures(set: PictureSetName, path: &Path) -> Answer {
    answer(flowstill_data::load_pictures(&PictureConfig::new(set, path)))
}

fn frame(path: &Path) -> Answer {
    answer(flowstill_data::load(&DataConfig::new(SetName::Gas, folder(path))))
}

fn cifar(path: &Path) -> Answer {
    pictures(PictureSetName::Cifar10, &folder(path))
}

fn idx(path: &Path) -> Answer {
    pictures(PictureSetName::Idx, path)
}

fn picture(path: &Path) -> Answer {
    answer(flowstill_data::read_picture(path))
}

fn weights(path: &Path) -> Answer {
    answer(Weights::from_file(path))
}

fn statistics(path: &Path) -> Answer {
    answer(FeatureStatistics::load(path))
}

fn recipe(path: &Path) -> Answer {
    answer(Recipe::read(path, Vec::new()).and_then(|recipe| recipe.plan()))
}

/// Both loaders, which must be of one mind.
fn flow(path: &Path) -> Answer {
    let library = answer(flowstill::file::load(path, &flowstill::device::cpu()));
    let runtime = answer(flowstill_runtime::Model::load(path));
    assert_eq!(library.is_ok(), runtime.is_ok(), "{library:?} {runtime:?}");
    library.and(runtime)
}

fn as_it_is(file: Vec<u8>) -> Vec<u8> {
    file
}

fn with_checksum(file: Vec<u8>) -> Vec<u8> {
    mended(&file).unwrap_or(file)
}

/// Bytes in a packed file, packed again.
fn packed(file: Vec<u8>) -> Vec<u8> {
    use std::io::Write as _;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&file).and_then(|()| packer.finish()).expect("packs")
}

const RECIPE: &str = include_str!("../../../recipes/household/quickstart.toml");

fn readers() -> Vec<Reader> {
    let data =
        |names: &[&str]| names.iter().map(|name| fixture(&format!("flowstill-data/tests/fixtures/{name}"))).collect();
    let torch =
        |names: &[&str]| names.iter().map(|name| fixture(&format!("flowstill-features/tests/golden/{name}"))).collect();
    let text = || {
        vec![
            b"a,\"b, c\",a\n1,2.5,3\n-3e2,4,?\n5,6,7\n".to_vec(),
            b"1 2\n3 4\n\n5 6\n".to_vec(),
            b"a;b\r\n1;2\r\n3;4\r\n".to_vec(),
        ]
    };
    let of = |name, file, seeds, read| Reader { name, file, seeds, read, mend: as_it_is };
    let idx_seed = || vec![[&[0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 2][..], &[7; 16]].concat()];
    vec![
        of("csv", "t.csv", text(), table),
        of("text", "t.txt", text(), table),
        Reader { mend: packed, ..of("csv, packed", "t.csv.gz", text(), table) },
        of("gzip", "t.csv.gz", text().into_iter().map(packed).collect(), table),
        of("npy", "t.npy", data(&["plain.npy", "fortran.npy", "whole.npy", "line.npy"]), table),
        of("parquet", "t.parquet", parquet_seeds(), table),
        of("hdf5", "t.h5", data(&["counting_chunked.h5", "counting_contiguous.h5", "counting_gzip.h5"]), table),
        of(
            "pickled frame",
            "ethylene_CO.pickle",
            data(&["frame_protocol2.pickle", "frame_protocol5.pickle", "frame_old.pickle", "frame_text.pickle"]),
            frame,
        ),
        of("pickled pictures", "data_batch_1", data(&["cifar_python2.pickle", "cifar_python3.pickle"]), cifar),
        of("cifar", "data_batch_1.bin", vec![vec![3; 2 * 3073]], cifar),
        of("idx", "t-idx3-ubyte", idx_seed(), idx),
        of("idx, packed", "t-idx3-ubyte.gz", idx_seed().into_iter().map(packed).collect(), idx),
        of(
            "png",
            "t.png",
            data(&["pictures/rgb.png", "pictures/grey16.png", "pictures/palette.png", "pictures/bits1.png"]),
            picture,
        ),
        of(
            "jpeg",
            "t.jpg",
            data(&["pictures/rgb.jpg", "pictures/progressive.jpg", "pictures/cmyk.jpg", "pictures/turned.jpg"]),
            picture,
        ),
        of("torch", "t.pth", torch(&["tiny_legacy.pth", "tiny_zip.pth"]), weights),
        of("statistics", "t.safetensors", vec![statistics_seed()], statistics),
        of("recipe", "t.toml", vec![RECIPE.as_bytes().to_vec()], recipe),
        of("flow", "t.safetensors", vec![small("table"), small("pictures")], flow),
        Reader {
            mend: with_checksum,
            ..of("flow, mended", "t.safetensors", vec![small("table"), small("pictures")], flow)
        },
    ]
}

fn parquet_seeds() -> Vec<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.parquet");
    let values = (0..60).map(|at| f64::from(at % 7) + f64::from(at % 3)).collect();
    let made = Table::new(vec!["a".into(), "b".into(), "c".into()], values).expect("a table");
    made.write(&path).expect("writes");
    vec![std::fs::read(path).expect("reads"), fixture("flowstill-data/tests/fixtures/frame.parquet")]
}

fn statistics_seed() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s");
    let rows = [0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 2.0, 4.0, 1.5];
    let fit = flowstill_metrics::GaussianFit::from_rows(&rows, 3).expect("a fit");
    let statistics = FeatureStatistics { network: "n".into(), pictures: "p".into(), fingerprint: "f".into(), fit };
    statistics.save(&path).expect("writes");
    std::fs::read(path).expect("reads")
}

/// One test, for the counts are of the whole process. `FLOWSTILL_MUTATIONS` says how many files each reader gets, `FLOWSTILL_SEED` which, and
/// `FLOWSTILL_FROM` how many readers are left out.
#[test]
fn damaged_files_are_refused_in_one_line_and_in_bounded_memory() {
    let number =
        |name: &str, default: u64| std::env::var(name).map_or(default, |value| value.parse().expect("a number"));
    let (count, seed) = (number("FLOWSTILL_MUTATIONS", 60), number("FLOWSTILL_SEED", 1));
    let own = tempfile::tempdir().expect("a folder");
    let from = number("FLOWSTILL_FROM", 0) as usize;
    for (at, reader) in readers().into_iter().enumerate().skip(from) {
        let place = own.path().join(at.to_string());
        std::fs::create_dir(&place).expect("a folder");
        let path = place.join(reader.file);
        let (mut read, mut worst, begun) = (0, 0, Instant::now());
        for turn in 0..count {
            let mut mutator =
                Mutator::new(seed.wrapping_mul(1 << 32).wrapping_add(at as u64 * (1 << 24)).wrapping_add(turn));
            let seeds = reader.seeds.len();
            let (whole, other) = (&reader.seeds[turn as usize % seeds], &reader.seeds[(turn as usize + 1) % seeds]);
            let file = (reader.mend)(mutator.damaged(whole, other));
            std::fs::write(&path, &file).expect("writes");
            let before = USED.load(Relaxed);
            PEAK.store(before, Relaxed);
            let answer = std::panic::catch_unwind(|| (reader.read)(&path));
            let taken = PEAK.load(Relaxed).saturating_sub(before);
            let this = format!("{} with FLOWSTILL_SEED={seed}, file {turn} of {} bytes", reader.name, file.len());
            let kept = || {
                let kept = std::env::temp_dir().join("flowstill-damaged");
                std::fs::write(&kept, &file).map_or("nowhere".into(), |()| kept.display().to_string())
            };
            match answer {
                Ok(Ok(())) => read += 1,
                Ok(Err(line)) => assert!(line.len() < 1 << 20, "{this}: an error of {} bytes", line.len()),
                Err(_) => panic!("{this}: a panic; the file is in {}", kept()),
            }
            assert!(taken <= FREE + TIMES * file.len(), "{this}: takes {taken} bytes; the file is in {}", kept());
            worst = worst.max(taken);
        }
        assert!(count < 50 || read < count, "{}: takes every damaged file", reader.name);
        let seconds = begun.elapsed().as_secs_f64();
        println!("{}: {count} files in {seconds:.1} s, {read} read, at most {} KiB", reader.name, worst >> 10);
    }
}
