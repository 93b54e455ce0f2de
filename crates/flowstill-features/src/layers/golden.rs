//! Hold every layer to torch's values, which `tests/golden/make_golden.py` stored.

use serde_json::Value;

use super::pool::pooled;
use super::*;
use crate::Pictures;

#[path = "../../tests/formula/mod.rs"]
mod formula;
use formula::{pictures, sizes, uniform, weight, worst};

fn golden() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/layers.json")).unwrap()
}

struct Norm([Vec<f32>; 4]);

impl Norm {
    fn new(name: &str, channels: usize) -> Self {
        Self(
            ["weight", "bias", "running_mean", "running_var"]
                .map(|part| weight(&format!("{name}.bn.{part}"), &[channels])),
        )
    }

    fn get(&self) -> Normalization<'_> {
        let [weight, bias, mean, variance] = &self.0;
        Normalization { weight, bias, mean, variance, epsilon: 1e-3 }
    }
}

#[test]
fn every_layer_equals_torch() {
    for case in golden()["layers"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let [n, h, w, c] = sizes(&case["input"]).try_into().unwrap();
        let mut input = Grid::new(n, h, w, c);
        input.values = uniform(&format!("{name}.x"), n * h * w * c).iter().map(|&u| u as f32 * 4.0 - 2.0).collect();
        let out = case["out"].as_u64().unwrap() as usize;
        let kernel = sizes(&case["kernel"]);
        let stride = case["stride"].as_u64().unwrap() as usize;
        let shape = sizes(&case["shape"]);
        // Two channels wider than needed, to see that a convolution keeps to its lane.
        let wide = out + 2;
        let mut found = vec![9.0; shape[..3].iter().product::<usize>() * wide];
        let name_of = format!("{name}.conv.weight");
        let norm = Norm::new(name, out);
        match case["kind"].as_str().unwrap() {
            "conv" => {
                let padding = match &case["padding"] {
                    Value::Null => Padding::Same,
                    pads => Padding::Explicit(sizes(pads)[0], sizes(pads)[1]),
                };
                let activation = match case["activation"].as_str().unwrap() {
                    "relu" => Nonlinearity::Relu,
                    "relu6" => Nonlinearity::Relu6,
                    _ => Nonlinearity::None,
                };
                let shape = [out, c, kernel[0], kernel[1]];
                let conv = Conv::new(&weight(&name_of, &shape), shape, &norm.get(), stride, padding, activation);
                conv.run(input.view(), &mut found, wide, &mut Vec::new());
            }
            "depthwise" => {
                let values = weight(&name_of, &[c, 1, kernel[0], kernel[0]]);
                let layer = Depthwise::new(&values, kernel[0], &norm.get(), stride);
                assert_eq!(layer.output(h, w), (shape[1], shape[2]));
                let mut narrow = vec![0.0; shape.iter().product()];
                layer.run(input.view(), &mut narrow);
                found.chunks_mut(wide).zip(narrow.chunks(c)).for_each(|(f, n)| f[..c].copy_from_slice(n));
            }
            "global" => {
                let mut narrow = vec![0.0; n * c];
                mean_over_pixels(input.view(), &mut narrow);
                found.chunks_mut(wide).zip(narrow.chunks(c)).for_each(|(f, n)| f[..c].copy_from_slice(n));
            }
            kind => {
                let padding = case["padding"].as_u64().unwrap() as usize;
                let kind = if kind == "max" { Kind::Max } else { Kind::MeanInside };
                pool(kind, stride, padding, input.view(), &mut found, wide);
                assert_eq!((pooled(h, stride, padding), pooled(w, stride, padding)), (shape[1], shape[2]));
            }
        }
        assert!(found.chunks(wide).all(|pixel| pixel[out..] == [9.0, 9.0]), "{name} left its lane");
        let found: Vec<f32> = found.chunks(wide).flat_map(|pixel| pixel[..out].to_vec()).collect();
        let worst = worst(&found, &case["values"]);
        assert!(worst < 2e-6, "{name}: {worst}");
    }
}

#[test]
fn a_resize_equals_torch() {
    for case in golden()["resizes"].as_array().unwrap() {
        let shape: [usize; 4] = sizes(&case["shape"]).try_into().unwrap();
        let side = case["side"].as_u64().unwrap() as usize;
        let bytes = pictures(&format!("resize_{}_{}", shape[1], shape[2]), shape);
        let mut found = vec![0.0; side * side * 3];
        let resize = Resize { side, scale: 1.0 / 128.0, shift: -127.0 / 128.0 };
        resize.run(&Pictures::new(&bytes, shape).unwrap(), 0, &mut found);
        let worst = worst(&found, &case["values"]);
        assert!(worst < 4e-6, "{shape:?} to {side}: {worst}");
    }
}
