//! Load every picture set from tiny files in its publisher's format, and point at what is wrong with them.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flowstill_data::{
    Channels, Groups, OnError, PictureConfig, PictureSet, PictureSetName, PictureSize, check_pictures, load_pictures,
    picture_sets,
};
use tempfile::TempDir;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn write(folder: &TempDir, name: &str, bytes: &[u8]) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A picture of one grey.
fn png(folder: &TempDir, name: &str, [height, width]: [u32; 2], grey: u8) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::GrayImage::from_pixel(width, height, image::Luma([grey])).save(path).unwrap();
}

fn load(set: PictureSetName, folder: &TempDir, change: impl FnOnce(&mut PictureConfig)) -> Result<PictureSet, String> {
    let mut config = PictureConfig::new(set, folder.path());
    change(&mut config);
    load_pictures(&config).map_err(|error| {
        let message = error.to_string();
        assert!(!message.contains('\n'), "more than one line: {message}");
        message.replace(&format!("{}/", folder.path().display()), "")
    })
}

/// No parts cut off the train pictures.
fn whole(config: &mut PictureConfig) {
    (config.validation, config.test) = (0.0, 0.0);
}

/// Each picture's first byte, sorted.
fn firsts(pictures: &flowstill_data::Pictures) -> Vec<u8> {
    let mut firsts: Vec<u8> = (0..pictures.count).map(|index| pictures.picture(index)[0]).collect();
    firsts.sort_unstable();
    firsts
}

#[test]
fn the_digits_ship_inside() {
    let set = load_pictures(&PictureConfig::default()).unwrap();
    let counts = [set.train.count, set.validation.count, set.test.count];
    assert_eq!((counts, set.shape(), set.bits), ([1_457, 161, 179], [8, 8, 1], 4));
    assert_eq!((set.train.class_count, set.classes.len(), &set.classes[9][..]), (10, 10, "9"));
    let parts = [&set.train, &set.validation, &set.test];
    let sum: u64 = parts.iter().flat_map(|part| &part.pixels).map(|&value| u64::from(value)).sum();
    // 561,718 in the source, less 1 for each of the 10,456 values of 16.
    assert_eq!(sum, 561_718 - 10_456);
    assert_eq!(parts.iter().flat_map(|part| &part.pixels).max(), Some(&15));
    let mut labels = [0; 10];
    parts.iter().flat_map(|part| part.labels.as_ref().unwrap()).for_each(|&label| labels[label as usize] += 1);
    assert_eq!(labels, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    // The source's first row, wherever the seed put it, is a zero.
    let zero = [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0];
    let labels = parts.map(|part| {
        let found = (0..part.count).find(|&at| part.picture(at)[..16] == zero);
        found.map(|at| part.labels.as_ref().unwrap()[at])
    });
    assert!(labels.into_iter().flatten().eq([0]), "{labels:?}");
    assert_eq!(set.fingerprint(), FINGERPRINT, "the split must never change between versions");
}

const FINGERPRINT: u64 = 1_447_669_494_698_457_416;

#[test]
fn a_fingerprint_tells_splits_apart() {
    let print = |change: fn(&mut PictureConfig)| {
        let mut config = PictureConfig::default();
        change(&mut config);
        load_pictures(&config).unwrap().fingerprint()
    };
    let plain = print(|_| {});
    assert_eq!(plain, print(|_| {}));
    let changes: [fn(&mut PictureConfig); 4] =
        [|c| c.seed = 1, |c| c.bits = Some(3), |c| c.limit = Some(9), |c| c.test = 0.2];
    for change in changes {
        assert_ne!(plain, print(change));
    }
    let mut set = load_pictures(&PictureConfig::default()).unwrap();
    set.train.labels.as_mut().unwrap().swap(0, 1);
    assert_ne!(plain, set.fingerprint());
}

#[test]
fn limits_draw_parts_of_each_other() {
    let limited = |limit| load_pictures(&PictureConfig { limit: Some(limit), ..PictureConfig::default() }).unwrap();
    let (few, more) = (limited(20), limited(50));
    assert_eq!((few.train.count, few.test.count), (20, 179));
    assert_eq!(few.train.pixels, more.train.pixels[..20 * 64]);
    let held = PictureConfig { limit_held_out: Some(7), ..PictureConfig::default() };
    let held = load_pictures(&held).unwrap();
    assert_eq!((held.train.count, held.validation.count, held.test.count), (1_457, 7, 7));
    assert!(few.steps.contains(&"drew 20 of 1457 train pictures".into()), "{:?}", few.steps);
}

/// Record `n` of a binary batch: label n, red n, green n + 100, blue n + 200.
fn record(n: u8) -> Vec<u8> {
    let planes = [n, n + 100, n + 200].into_iter().flat_map(|value| [value; 1024]);
    [n].into_iter().chain(planes).collect()
}

#[test]
fn cifar10_is_read_from_binary_batches() {
    let folder = tempfile::tempdir().unwrap();
    let batch =
        |name: &str, numbers: &[u8]| write(&folder, name, &numbers.iter().flat_map(|&n| record(n)).collect::<Vec<_>>());
    batch("cifar-10-batches-bin/data_batch_1.bin", &[0, 1, 2]);
    batch("cifar-10-batches-bin/data_batch_2.bin", &[3, 4]);
    batch("cifar-10-batches-bin/test_batch.bin", &[9]);
    let set = load(PictureSetName::Cifar10, &folder, |c| c.validation = 0.2).unwrap();
    assert_eq!(([set.train.count, set.validation.count, set.test.count], set.shape()), ([4, 1, 1], [32, 32, 3]));
    assert_eq!(
        (set.test.picture(0)[..6].to_vec(), set.test.labels.clone()),
        (vec![9, 109, 209, 9, 109, 209], Some(vec![9]))
    );
    for at in 0..4 {
        assert_eq!(u32::from(set.train.picture(at)[0]), set.train.labels.as_ref().unwrap()[at]);
    }
    assert_eq!(set.classes[9], "truck");
    let five = load(PictureSetName::Cifar10, &folder, |c| c.bits = Some(5)).unwrap();
    assert_eq!((five.test.picture(0)[..3].to_vec(), five.bits), (vec![9 >> 3, 109 >> 3, 209 >> 3], 5));
    // Without a test batch, the test pictures are cut from the others.
    std::fs::remove_file(folder.path().join("cifar-10-batches-bin/test_batch.bin")).unwrap();
    let set = load(PictureSetName::Cifar10, &folder, |c| c.test = 0.4).unwrap();
    assert_eq!([set.train.count, set.validation.count, set.test.count], [3, 0, 2]);

    batch("cifar-10-batches-bin/data_batch_3.bin", &[12]);
    let error = load(PictureSetName::Cifar10, &folder, whole).unwrap_err();
    assert!(error.contains("data_batch_3.bin: expected labels 0 to 9, got 12 at picture 0;"), "{error}");
    write(&folder, "cifar-10-batches-bin/data_batch_3.bin", &record(1)[..3000]);
    let error = load(PictureSetName::Cifar10, &folder, whole).unwrap_err();
    assert!(error.contains("expected one or more records of 3073 bytes, got 0 records and 3000 bytes;"), "{error}");
}

#[test]
fn cifar10_is_read_from_python_batches_and_from_a_folder() {
    let mut seen = Vec::new();
    for name in ["cifar_python2.pickle", "cifar_python3.pickle"] {
        let folder = tempfile::tempdir().unwrap();
        let bytes = std::fs::read(fixture(name)).unwrap();
        write(&folder, "data_batch_1", &bytes);
        write(&folder, "batches.meta", b"not wanted");
        let set = load(PictureSetName::Cifar10, &folder, whole).unwrap();
        assert_eq!((set.train.count, set.train.class_count), (3, 10));
        let at = set.train.labels.as_ref().unwrap().iter().position(|&label| label == 6).unwrap();
        // Value i of the array is i / 1024 * 40 + i % 7.
        assert_eq!(set.train.picture(at)[..6], [0, 42, 84, 1, 43, 85], "{name}");
        seen.push(set.fingerprint());
        write(&folder, "test_batch", &bytes[..bytes.len() / 2]);
        let error = load(PictureSetName::Cifar10, &folder, whole).unwrap_err();
        assert!(error.starts_with("test_batch: expected a pickled dictionary with `data` [pictures, 3072]"), "{error}");
    }
    assert_eq!(seen[0], seen[1]);
    let folder = tempfile::tempdir().unwrap();
    let error = load(PictureSetName::Cifar10, &folder, |_| {}).unwrap_err();
    assert!(error.contains("expected a folder with data_batch_1.bin"), "{error}");
    png(&folder, "cat/a.png", [32, 32], 7);
    let set = load(PictureSetName::Cifar10, &folder, whole).unwrap();
    assert_eq!((set.train.count, set.classes), (1, vec!["cat".to_string()]));
}

#[test]
fn celeba_follows_its_partition() {
    let folder = tempfile::tempdir().unwrap();
    for (name, grey) in [("1.jpg", 10), ("2.jpg", 90), ("3.jpg", 170), ("4.jpg", 250)] {
        let path = folder.path().join("img_align_celeba").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(178, 218, image::Rgb([grey; 3])).save(path).unwrap();
    }
    let error = load(PictureSetName::Celeba, &folder, |_| {}).unwrap_err();
    assert!(
        error.contains("expected a folder with list_eval_partition.txt, got none; unpack CelebA's files"),
        "{error}"
    );
    write(&folder, "list_eval_partition.txt", b"1.jpg 0\n2.jpg 1\n3.jpg 2\n4.jpg 0\n");
    let set = load(PictureSetName::Celeba, &folder, |_| {}).unwrap();
    assert_eq!((set.shape(), set.train.count, set.validation.count, set.test.count), ([64, 64, 3], 2, 1, 1));
    assert_eq!((firsts(&set.train), firsts(&set.validation), firsts(&set.test)), (vec![10, 250], vec![90], vec![170]));
    assert_eq!(set.train.labels, None);
    // Only what is wanted is decoded.
    write(&folder, "img_align_celeba/4.jpg", b"broken");
    write(&folder, "img_align_celeba/1.jpg", b"broken");
    assert!(
        load(PictureSetName::Celeba, &folder, |_| {}).unwrap_err().contains("expected a whole PNG or JPEG picture")
    );
    let config = PictureConfig::new(PictureSetName::Celeba, folder.path());
    let error = check_pictures(&config).unwrap_err().to_string();
    assert!(error.contains("expected at least 1 usable train picture, got none; left out, for one:"), "{error}");
    std::fs::remove_dir_all(folder.path().join("img_align_celeba")).unwrap();
    assert!(
        load(PictureSetName::Celeba, &folder, |_| {}).unwrap_err().contains("expected a folder with img_align_celeba")
    );
}

fn idx(magic: u32, sizes: &[u32], values: &[u8]) -> Vec<u8> {
    let head = [magic].into_iter().chain(sizes.iter().copied()).flat_map(u32::to_be_bytes);
    head.chain(values.iter().copied()).collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn idx_files_are_read_plain_and_gzipped() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(PictureSetName::Idx, &folder, |_| {}).unwrap_err();
    assert!(error.contains("expected a folder with train-images-idx3-ubyte (also .gz), got none"), "{error}");
    let pictures = idx(0x803, &[4, 2, 3], &(0..24).collect::<Vec<u8>>());
    write(&folder, "train-images-idx3-ubyte", &pictures);
    let set = load(PictureSetName::Idx, &folder, whole).unwrap();
    assert_eq!((set.shape(), firsts(&set.train), set.train.labels), ([2, 3, 1], vec![0, 6, 12, 18], None));
    write(&folder, "train-labels.idx1-ubyte.gz", &gzipped(&idx(0x801, &[4], &[0, 1, 2, 3])));
    let set = load(PictureSetName::Idx, &folder, whole).unwrap();
    for at in 0..4 {
        assert_eq!(u32::from(set.train.picture(at)[0]), 6 * set.train.labels.as_ref().unwrap()[at]);
    }
    write(&folder, "t10k-images-idx3-ubyte.gz", &gzipped(&idx(0x803, &[1, 2, 3], &[7; 6])));
    let error = load(PictureSetName::Idx, &folder, whole).unwrap_err();
    assert!(error.contains("t10k-images-idx3-ubyte.gz: expected labels as for the train pictures"), "{error}");
    write(&folder, "t10k-labels-idx1-ubyte", &idx(0x801, &[1], &[5]));
    let set = load(PictureSetName::Idx, &folder, |c| c.validation = 0.25).unwrap();
    assert_eq!([set.train.count, set.validation.count, set.test.count, set.classes.len()], [3, 1, 1, 6]);
    let one = PictureConfig {
        path: Some(folder.path().join("train-images-idx3-ubyte")),
        ..PictureConfig::new(PictureSetName::Idx, "")
    };
    assert_eq!(load_pictures(&one).unwrap().train.count, 4);
    let grown =
        load(PictureSetName::Idx, &folder, |c| (c.resize, c.channels) = (Some(PictureSize::Side(4)), Channels::Colour));
    assert_eq!(grown.unwrap().shape(), [4, 4, 3]);
}

#[test]
fn broken_idx_files_are_named() {
    for (bytes, said) in [
        (idx(0x801, &[1], &[0]), "expected an IDX file of pictures: a magic number of 0x00000803, got 0x00000801;"),
        (idx(0xd03, &[1, 1, 1], &[0; 4]), "got 0x00000d03"),
        (idx(0x803, &[2, 2, 2], &[0; 7]), "expected 8 bytes of pictures (sizes [2, 2, 2]), got 7;"),
        (idx(0x803, &[2, 2, 2], &[0; 9]), "expected 8 bytes of pictures (sizes [2, 2, 2]), got more;"),
        (idx(0x803, &[u32::MAX; 3], &[0; 9]), "got 9;"),
        (idx(0x803, &[0, 2, 2], &[]), "expected one or more pictures with sides of 1 to 16384 pixels, got 0 of 2x2;"),
        (idx(0x803, &[2, 2], &[]), "got a file that ends or breaks"),
        (gzipped(&idx(0x803, &[2, 2, 2], &[0; 8]))[..20].to_vec(), "got a file that ends or breaks"),
        (vec![], "got a file that ends or breaks"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(&folder, "train-images-idx3-ubyte", &bytes);
        let error = load(PictureSetName::Idx, &folder, |_| {}).unwrap_err();
        assert!(error.starts_with("train-images-idx3-ubyte: ") && error.contains(said), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "train-images-idx3-ubyte", &idx(0x803, &[1, 1, 1], &[0]));
    write(&folder, "train-labels-idx1-ubyte", &idx(0x801, &[2], &[0, 0]));
    let error = load(PictureSetName::Idx, &folder, |_| {}).unwrap_err();
    assert!(error.contains("expected 1 labels, one for each picture, got 2;"), "{error}");
}

#[test]
fn a_folder_splits_by_seed_or_by_its_own_folders() {
    let folder = tempfile::tempdir().unwrap();
    for grey in 0..10 {
        png(&folder, &format!("{grey}.png"), [2, 3], grey);
    }
    write(&folder, "README.txt", b"words");
    write(&folder, ".hidden", b"words");
    let set = load(PictureSetName::Folder, &folder, |c| c.validation = 0.2).unwrap();
    assert_eq!(([set.train.count, set.validation.count, set.test.count], set.shape()), ([8, 1, 1], [2, 3, 1]));
    let mut all = [firsts(&set.train), firsts(&set.validation), firsts(&set.test)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<u8>>());
    assert_eq!(set.skipped.len(), 1);
    assert!(set.skipped[0].ends_with("README.txt: passed over, as its ending is no picture's"), "{:?}", set.skipped);

    png(&folder, "train/b/1.png", [2, 3], 20);
    let error = load(PictureSetName::Folder, &folder, |_| {}).unwrap_err();
    assert!(error.contains("expected every picture inside `train` and the other splits, got "), "{error}");
    for grey in 0..10 {
        std::fs::remove_file(folder.path().join(format!("{grey}.png"))).unwrap();
    }
    png(&folder, "train/a/1.png", [2, 3], 10);
    png(&folder, "train/a/deeper/2.png", [2, 3], 11);
    png(&folder, "test/b/1.png", [2, 3], 30);
    png(&folder, "val/c/1.png", [2, 3], 40);
    let set = load(PictureSetName::Folder, &folder, |_| {}).unwrap();
    assert_eq!(
        (firsts(&set.train), firsts(&set.validation), firsts(&set.test)),
        (vec![10, 11, 20], vec![40], vec![30])
    );
    assert_eq!((set.classes.join(" "), set.train.class_count, &set.test.labels), ("a b c".into(), 3, &Some(vec![1])));
    std::fs::remove_dir_all(folder.path().join("train")).unwrap();
    let error = load(PictureSetName::Folder, &folder, |_| {}).unwrap_err();
    assert!(error.contains("expected a folder `train` beside the other splits, got only "), "{error}");
}

#[test]
fn kinds_may_be_mixed_and_sizes_may_not() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["grey.png", "rgba.png", "rgb.jpg", "cmyk.jpg", "palette.png", "grey16.png"] {
        std::fs::copy(fixture("pictures").join(name), folder.path().join(name)).unwrap();
    }
    let set = load(PictureSetName::Folder, &folder, |_| {}).unwrap();
    assert_eq!((set.shape(), set.train.count, set.train.pixels.len()), ([16, 24, 3], 6, 6 * 16 * 24 * 3));
    let grey = load(PictureSetName::Folder, &folder, |c| c.channels = Channels::Grey).unwrap();
    assert_eq!(grey.shape(), [16, 24, 1]);
    png(&folder, "z.png", [5, 6], 0);
    for on_error in [OnError::Error, OnError::Skip] {
        let error =
            load(PictureSetName::Folder, &folder, |c| (c.on_error, c.test, c.validation) = (on_error, 0.0, 0.0));
        let error = error.unwrap_err();
        assert!(error.contains("5x6 pixels") && error.contains("16x24 pixels"), "{error}");
        assert!(error.contains("z.png") && error.contains("set `resize`"), "{error}");
    }
    let set = load(PictureSetName::Folder, &folder, |c| c.resize = Some(PictureSize::Side(8))).unwrap();
    assert_eq!((set.shape(), set.train.count), ([8, 8, 3], 7));
    // A picture smaller than the crop is a broken one.
    let crop = |c: &mut PictureConfig| (c.crop, c.on_error) = (Some(PictureSize::Side(10)), OnError::Skip);
    let set = load(PictureSetName::Folder, &folder, crop).unwrap();
    assert_eq!((set.train.count, set.skipped.len(), set.shape()), (6, 1, [10, 10, 3]));
    assert!(set.skipped[0].contains("z.png: expected at least 10x10 pixels, got 5x6 pixels"), "{:?}", set.skipped);
}

#[test]
fn broken_files_stop_the_reading_or_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let error = load(PictureSetName::Folder, &folder, |_| {}).unwrap_err();
    assert!(error.contains("expected at least one .png, .jpg or .jpeg file, got none; give the folder"), "{error}");
    for grey in 0..8 {
        png(&folder, &format!("{grey}.png"), [4, 4], grey);
    }
    let good = load(PictureSetName::Folder, &folder, whole).unwrap();
    let bytes = std::fs::read(folder.path().join("3.png")).unwrap();
    write(&folder, "3.png", &bytes[..bytes.len() - 20]);
    write(&folder, "8.jpg", b"no picture");
    write(&folder, "9.webp", b"RIFF\x10\0\0\0WEBPVP8 ");
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere.png", folder.path().join("link.png")).unwrap();
    let error = load(PictureSetName::Folder, &folder, whole).unwrap_err();
    assert!(error.contains("png: ") || error.contains("8.jpg: ") || error.contains("9.webp: "), "{error}");
    let set = load(PictureSetName::Folder, &folder, |c| (c.on_error, c.test, c.validation) = (OnError::Skip, 0.0, 0.0))
        .unwrap();
    let mut expected = firsts(&good.train);
    expected.remove(3);
    assert_eq!((firsts(&set.train), set.skipped.len()), (expected, if cfg!(unix) { 4 } else { 3 }));
    for name in [
        "3.png: expected a whole PNG",
        "8.jpg: expected",
        "9.webp: expected a whole PNG or JPEG picture, got a picture of the format WebP",
    ] {
        assert!(set.skipped.iter().any(|line| line.contains(name)), "{name}: {:?}", set.skipped);
    }
    let report = check_pictures(&PictureConfig {
        test: 0.0,
        validation: 0.0,
        ..PictureConfig::new(PictureSetName::Folder, folder.path())
    });
    let report = report.unwrap();
    assert_eq!((report.counts, report.shape, report.channel_means), ([7, 0, 0], [4, 4, 1], vec![25.0 / 7.0]));
    assert_eq!((report.first_problem.as_ref(), report.problems), (Some(&set.skipped[0]), set.skipped.len()));
    assert_eq!(report.fingerprint, set.fingerprint());
    let file = PictureConfig::new(PictureSetName::Folder, folder.path().join("0.png"));
    assert!(load_pictures(&file).unwrap_err().to_string().contains("expected a folder of pictures, got a file;"));
    for set in [PictureSetName::Folder, PictureSetName::Idx, PictureSetName::Cifar10, PictureSetName::Celeba] {
        let error = load_pictures(&PictureConfig::new(set, "/nowhere/at/all")).unwrap_err().to_string();
        assert!(error.starts_with("/nowhere/at/all: could not read"), "{error}");
    }
}

#[test]
fn the_catalogue_tells_the_truth_about_the_digits() {
    let report = check_pictures(&PictureConfig::default()).unwrap();
    assert!(report.differences.is_empty(), "{:?}", report.differences);
    assert_eq!((report.classes.len(), report.bits, report.problems), (10, 4, 0));
    assert_eq!(report.classes.iter().map(|(_, count)| count).sum::<usize>(), 1_457);
    assert!((4.5..5.1).contains(&report.channel_means[0]), "{:?}", report.channel_means);
    assert!(PictureSetName::ALL.into_iter().eq(picture_sets().iter().map(|info| info.name)));
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "data_batch_1.bin", &record(1));
    write(&folder, "test_batch.bin", &record(1));
    let report = check_pictures(&PictureConfig::new(PictureSetName::Cifar10, folder.path())).unwrap();
    assert_eq!(report.differences[0], "expected 45000 train pictures, got 1");
}

#[test]
fn crops_of_one_photograph_stay_in_one_split() {
    let folder = tempfile::tempdir().unwrap();
    // 20 photographs of 2 to 5 crops; the photograph's number is its grey.
    let mut count = 0;
    for photograph in 0..20_u8 {
        for crop in 0..2 + photograph % 4 {
            png(&folder, &format!("img_{photograph}_{crop}.png"), [2, 2], photograph);
            count += 1;
        }
    }
    let cut = |test: f64, validation: f64| {
        let before = |config: &mut PictureConfig| {
            config.groups = Some(Groups::Before("_".into()));
            (config.test, config.validation) = (test, validation);
        };
        load(PictureSetName::Folder, &folder, before).unwrap()
    };
    let photographs = |pictures: &flowstill_data::Pictures| firsts(pictures).into_iter().collect::<BTreeSet<_>>();
    let set = cut(0.3, 0.2);
    let parts = [&set.train, &set.validation, &set.test];
    assert_eq!(parts.map(|part| part.count).iter().sum::<usize>(), count);
    let seen = parts.map(photographs);
    assert_eq!(seen.iter().map(BTreeSet::len).sum::<usize>(), 20, "{seen:?}");
    assert!(seen.iter().all(|part| part.len() > 1) && set.test.count <= count * 3 / 10, "{seen:?}");
    // The numbers tell as many groups, in the pictures' order.
    for (part, groups) in parts.iter().zip(&set.groups) {
        assert_eq!(groups.len(), part.count);
        let pairs: BTreeSet<(u8, u32)> = (0..part.count).map(|at| (part.picture(at)[0], groups[at])).collect();
        assert_eq!(pairs.len(), photographs(part).len());
    }
    // A smaller test part is a part of the larger one, and without groups photographs are torn.
    assert!(photographs(&cut(0.1, 0.2).test).is_subset(&seen[2]));
    let torn = load(PictureSetName::Folder, &folder, |config| config.test = 0.3).unwrap();
    assert!(!photographs(&torn.train).is_disjoint(&photographs(&torn.test)) && torn.groups[0].is_empty());
    assert!(set.steps.iter().any(|step| step.contains("each of 20 groups in one split")), "{:?}", set.steps);
}

#[test]
fn a_photograph_in_two_splits_of_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train/a_0.png", "train/b_0.png", "train/b_1.png", "test/c_0.png", "test/c_1.png"] {
        png(&folder, name, [2, 2], 7);
    }
    let by_name = |config: &mut PictureConfig| config.groups = Some(Groups::Before("_".into()));
    let set = load(PictureSetName::Folder, &folder, by_name).unwrap();
    assert_eq!((set.groups[2].len(), set.groups[2][0]), (2, set.groups[2][1]));
    png(&folder, "test/b_2.png", [2, 2], 7);
    let error = load(PictureSetName::Folder, &folder, by_name).unwrap_err();
    assert!(error.contains("test/b_2.png") && error.contains("every group in one split, got `/b` in two"), "{error}");
    let error =
        load(PictureSetName::Folder, &folder, |config| config.groups = Some(Groups::Before("-".into()))).unwrap_err();
    assert!(error.contains("a name with `-`"), "{error}");
}
