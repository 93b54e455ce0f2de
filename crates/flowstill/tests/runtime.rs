//! Hold the runtime to the library: a file run without the framework gives the same bits, and the same word about what is wrong with it.

mod families;

use families::{FLOWS, batch, flow};
use flowstill::burn::tensor::{Device, Tensor};
use flowstill::file::{load, save};
use flowstill::flows::{Flow, Latents};
use flowstill::model::{CHUNK, Model, Standardization, TrainingFacts};
use flowstill::pictures::{PictureScaling, Pictures, Range, VariationalConfig, VariationalDequantizer};
use flowstill::{Parameters, random, to_f32, to_f64};
use flowstill_runtime::Model as Runtime;
use flowstill_runtime::stored::{DOCUMENT, checksum};
use safetensors::SafeTensors;
use std::path::{Path, PathBuf};

/// The longest batch; more than a tile of any flow.
const ROWS: usize = 300;

fn model(flow: Flow) -> Model {
    let (columns, context) = (flow.architecture().event[2], flow.architecture().context);
    let identity = Standardization::identity(columns, context);
    let standardization = match flow.architecture().is_picture() {
        true => identity,
        false => Standardization {
            mean: (0..columns).map(|i| 3.0 * i as f64 - 4.0).collect(),
            std: (0..columns).map(|i| 0.25 + i as f64).collect(),
            context_mean: vec![5.0; context],
            context_std: vec![2.0; context],
            columns: Vec::new(),
        },
    };
    Model { flow, standardization, pictures: None, dequantizer: None, facts: TrainingFacts::default() }
}

fn saved(model: &Model, folder: &Path) -> PathBuf {
    let path = folder.join("flow.safetensors");
    save(model, &path).expect("writes");
    path
}

/// Rows, with their context, in the data's units.
fn data(model: &Model, rows: usize) -> (Vec<f64>, Vec<f64>) {
    let (x, context) = batch(&model.flow, rows, 3);
    let s = &model.standardization;
    let raw = |values: Vec<f32>, mean: &[f64], std: &[f64]| -> Vec<f64> {
        let width = mean.len().max(1);
        values.iter().enumerate().map(|(i, v)| f64::from(*v) * std[i % width] + mean[i % width]).collect()
    };
    let context = context.map(to_f32).unwrap_or_default();
    (raw(to_f32(x), &s.mean, &s.std), raw(context, &s.context_mean, &s.context_std))
}

fn tensors(model: &Model, x: &[f64], context: &[f64]) -> (Tensor<4>, Option<Tensor<2>>) {
    let ([h, w, c], width) = (model.flow.architecture().event, model.flow.architecture().context);
    let s = &model.standardization;
    let rows = x.len() / (h * w * c);
    let x = Tensor::<1>::from_floats(s.rows(x).expect("finite").as_slice(), &Device::default());
    let context = (width > 0).then(|| {
        let values = s.context(context).expect("finite");
        Tensor::<1>::from_floats(values.as_slice(), &Device::default()).reshape([rows, width])
    });
    (x.reshape([rows, h, w, c]), context)
}

/// What a draw is by definition: chunk by chunk, the flow's own samples of the stream of the seed and the chunk, in the data's units.
fn drawn(model: &Model, rows: usize, seed: u64, temperature: f64, context: &[f64]) -> Vec<f64> {
    let (s, width) = (&model.standardization, model.flow.architecture().context);
    let mut out = Vec::new();
    for (chunk, start) in (0..rows).step_by(CHUNK).enumerate() {
        let count = (rows - start).min(CHUNK);
        let own = &context[start * width..(start + count) * width];
        let (_, conditions) = tensors(model, &vec![0.0; count * s.mean.len()], own);
        let mut rng = random::stream(seed, "sample", chunk as u64);
        let x = model.flow.sample(count, temperature, conditions.as_ref(), &mut rng).expect("draws");
        let columns = s.mean.len();
        out.extend(to_f32(x).iter().enumerate().map(|(i, v)| f64::from(*v) * s.std[i % columns] + s.mean[i % columns]));
    }
    out
}

#[test]
fn every_flow_scores_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let model = model(flow(text, *event, context));
            let loaded = Runtime::load(saved(&model, folder.path()));
            let runtime = loaded.unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((runtime.event(), runtime.context_columns()), (*event, context), "{text}");
            let d = runtime.columns();
            let (x, c) = data(&model, ROWS);
            let (tensor, conditions) = tensors(&model, &x, &c);
            let plain = to_f32(model.flow.log_prob(tensor, conditions.as_ref()).expect("fits"));
            let expected: Vec<f64> = plain.iter().map(|v| f64::from(*v) + model.standardization.log_det()).collect();
            for rows in [1, 5, ROWS] {
                let mut out = vec![0.0; rows];
                runtime.log_prob(&x[..rows * d], &c[..rows * context], &mut out).expect("scores");
                assert_eq!(out, expected[..rows], "{text} {context} {rows}");
            }
            // In f32 the rows are rounded first.
            let narrow = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
            let mut out = vec![0.0_f32; ROWS];
            runtime.log_prob(&narrow(&x), &narrow(&c), &mut out).expect("scores");
            for (own, exact) in out.iter().zip(&expected) {
                assert!((f64::from(*own) - exact).abs() < 2e-3 * (1.0 + exact.abs()), "{text}: {own} {exact}");
            }
            // The composition of the bijectors is the other definition.
            let (tensor, conditions) = tensors(&model, &x, &c);
            let composed = to_f32(model.flow.clone().composed().log_prob(tensor, conditions.as_ref()).expect("fits"));
            for (own, composed) in plain.iter().zip(&composed) {
                assert!((own - composed).abs() < 2e-4 * (1.0 + composed.abs()), "{text}: {own} {composed}");
            }
        }
    }
}

#[test]
fn every_flow_encodes_and_decodes_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, event) in FLOWS {
        for context in [0, 2] {
            let model = model(flow(text, *event, context));
            let runtime = Runtime::load(saved(&model, folder.path())).expect(text);
            let (d, s) = (runtime.columns(), &model.standardization);
            for rows in [1, ROWS] {
                let (x, c) = data(&model, rows);
                let (tensor, conditions) = tensors(&model, &x, &c);
                let (latents, _) = model.flow.forward(tensor, conditions.as_ref()).expect("fits");
                let levels: Vec<Vec<f32>> = latents.levels.iter().cloned().map(to_f32).collect();
                let joined: Vec<f64> = (0..rows)
                    .flat_map(|row| {
                        levels.iter().flat_map(move |z| z[row * z.len() / rows..(row + 1) * z.len() / rows].to_vec())
                    })
                    .map(f64::from)
                    .collect();
                let mut out = vec![0.0; rows * d];
                runtime.encode(&x, &c, &mut out).expect("encodes");
                assert_eq!(out, joined, "{text} {context} {rows}");
                let back =
                    model.flow.inverse(&Latents { levels: latents.levels }, conditions.as_ref()).expect("fits").0;
                let width = s.mean.len();
                let back = to_f32(back).into_iter().enumerate();
                let back: Vec<f64> = back.map(|(i, v)| f64::from(v) * s.std[i % width] + s.mean[i % width]).collect();
                runtime.decode(&joined, &c, &mut out).expect("decodes");
                assert_eq!(out, back, "{text} {context} {rows}");
            }
        }
    }
}

#[test]
fn every_flow_draws_the_same_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    for (text, event) in FLOWS.iter().filter(|(_, event)| event[0] == 1) {
        for context in [0, 2] {
            let model = model(flow(text, *event, context));
            let runtime = Runtime::load(saved(&model, folder.path())).expect(text);
            let (_, c) = data(&model, ROWS);
            for (rows, temperature) in [(1, 1.0), (ROWS, 0.7)] {
                let expected = drawn(&model, rows, 11, temperature, &c[..rows * context]);
                let of_library = model.sample(rows, 11, temperature, &c[..rows * context]).expect("draws");
                assert_eq!(of_library, expected, "{text} {context} {rows}");
                let mut out = vec![0.0; expected.len()];
                runtime.sample(11, temperature, &c[..rows * context], &mut out).expect("draws");
                assert_eq!(out, expected, "{text} {context} {rows}");
            }
        }
    }
    // Several chunks, and a part of the draw.
    for base in [r#"{"kind":"uniform","low":-3.0,"high":4.0}"#, r#"{"kind":"mixture","components":3}"#] {
        let text = format!(r#"{{"kind":"glow","steps":1,"hidden":4,"layers":2,"base":{base}}}"#);
        let model = model(flow(&text, [1, 1, 3], 0));
        let runtime = Runtime::load(saved(&model, folder.path())).expect("loads");
        let rows = 2 * CHUNK + 77;
        let expected = drawn(&model, rows, 5, 1.0, &[]);
        assert!(model.sample(rows, 5, 1.0, &[]).expect("draws") == expected, "{base}");
        let mut out = vec![0.0; expected.len()];
        runtime.sample(5, 1.0, &[], &mut out).expect("draws");
        assert!(out == expected, "{base}");
        let mut tail = vec![0.0; 3 * (CHUNK + 77)];
        runtime.sample_from(CHUNK as u64, 5, 1.0, &[], &mut tail).expect("draws");
        assert!(tail == expected[3 * CHUNK..], "{base}");
        assert!(runtime.sample_from(3, 5, 1.0, &[], &mut tail).is_err());
        // A row that is out of the uniform's range too.
        let rows: Vec<f64> = expected[..9].iter().chain(&[1e3, -1e3, 9.0]).copied().collect();
        let mut out = vec![0.0; 4];
        runtime.log_prob(&rows, &[], &mut out).expect("scores");
        assert_eq!(out, model.log_prob(&rows, &[]).expect("scores"), "{base}");
    }
}

/// `-log2 mean(P(v | noise)) / D` over the draws of noise, by the flow's own densities.
fn bits_by_definition(model: &Model, pictures: &Pictures, draws: usize, seed: u64) -> Vec<f64> {
    let dimensions = model.flow.architecture().dimensions() as f64;
    let draw = |draw: u64| -> Vec<f64> {
        let batch = pictures.range(0..pictures.len(), seed + draw, &Device::default());
        let log_prob = to_f64(model.flow.log_prob(batch.x, batch.context.as_ref()).expect("fits"));
        log_prob.iter().zip(batch.log_dets).map(|(log_prob, log_det)| log_prob + log_det).collect()
    };
    let logs: Vec<Vec<f64>> = (0..draws as u64).map(draw).collect();
    let of = |picture: usize| {
        let largest = logs.iter().map(|logs| logs[picture]).fold(f64::NEG_INFINITY, f64::max);
        let mean = logs.iter().map(|logs| (logs[picture] - largest).exp()).sum::<f64>() / draws as f64;
        -(mean.ln() + largest) / (dimensions * std::f64::consts::LN_2)
    };
    (0..pictures.len()).map(of).collect()
}

#[test]
fn pictures_score_and_are_drawn_to_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let texts = [
        r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"base":{"kind":"diagonal_normal"}}"#,
        r#"{"kind":"glow","levels":1,"steps":1,"hidden":5,"transform":{"kind":"rational_quadratic","bins":4}}"#,
    ];
    for (text, classes, range) in [(texts[0], 0, Range::Centred), (texts[1], 3, Range::Logit { alpha: 0.05 })] {
        let event = [8, 4, 3];
        let scaling = PictureScaling { bits: 5, range };
        let mut model = model(flow(text, event, classes));
        model.pictures = Some(scaling);
        let runtime = Runtime::load(saved(&model, folder.path())).expect(text);
        let count = 21;
        let pixels: Vec<u8> = (0..count * 96).map(|i| (i * 7 % 32) as u8).collect();
        let labels: Vec<u32> =
            if classes > 0 { (0..count).map(|i| (i % classes) as u32).collect() } else { Vec::new() };
        let pictures = Pictures::new(pixels.clone(), event, scaling).expect("fits");
        let pictures =
            if classes > 0 { pictures.with_labels(labels.clone(), classes).expect("fits") } else { pictures };
        for draws in [1, 3] {
            let expected = model.bits_per_dim(&pictures, draws, 20, |_| true).expect("scores").each;
            for (of_library, defined) in expected.iter().zip(bits_by_definition(&model, &pictures, draws, 20)) {
                assert!((of_library - defined).abs() < 1e-9, "{text} {draws}: {of_library} {defined}");
            }
            let mut out = vec![0.0; count];
            runtime.bits_per_dim(&pixels, &labels, draws, 20, &mut out).expect("scores");
            assert_eq!(out, expected, "{text} {draws}");
        }
        let expected = model.sample_pictures(count, 4, 0.8, &labels).expect("draws");
        let noise = model.flow.draw_noise(count, &mut random::stream(4, "sample", 0));
        let latents = model.flow.latents_from_noise(&noise, 0.8);
        let x = model.flow.inverse(&latents, model.class_context(&labels).as_ref()).expect("fits").0;
        assert_eq!(expected, to_f32(x).into_iter().map(|x| scaling.inverse(x)).collect::<Vec<_>>(), "{text}");
        let mut out = vec![0; expected.len()];
        runtime.sample_pictures(4, 0.8, &labels, &mut out).expect("draws");
        assert_eq!(out, expected, "{text}");
        let mut bits = vec![0.0; count];
        assert!(runtime.bits_per_dim(&pixels[1..], &labels, 1, 0, &mut bits).is_err());
        assert!(runtime.bits_per_dim(&vec![32; pixels.len()], &labels, 1, 0, &mut bits).is_err());
    }
}

#[test]
fn what_is_given_wrong_is_told_as_the_library_tells_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(flow(FLOWS[17].0, [1, 1, 5], 0));
    let runtime = Runtime::load(saved(&model, folder.path())).expect("loads");
    let (mut rows, _) = data(&model, ROWS);
    rows[5 * 220 + 3] = f64::NAN;
    rows[5 * 280] = f64::INFINITY;
    let mut out = vec![0.0; ROWS];
    let told = |error: flowstill_runtime::Error| error.to_string();
    let expected = told(model.log_prob(&rows, &[]).expect_err("a bad value"));
    assert!(expected.contains("row 221 column 4 is NaN"), "{expected}");
    assert_eq!(told(runtime.log_prob(&rows, &[], &mut out).expect_err("a bad value")), expected);
    let later = told(runtime.log_prob_from(1000, &rows, &[], &mut out).expect_err("a bad value"));
    assert!(later.contains("row 1221 column 4"), "{later}");
    assert!(runtime.log_prob(&rows[1..], &[], &mut out).is_err());
    assert!(runtime.log_prob(&rows, &[1.0], &mut out).is_err());
    assert!(runtime.sample(1, 0.0, &[], &mut rows).is_err());
    assert!(runtime.sample(1, f64::NAN, &[], &mut rows).is_err());
    assert!(runtime.sample(1, 1.0, &[], &mut rows[1..]).is_err());
    assert!(runtime.sample_pictures(1, 1.0, &[], &mut [0; 5]).is_err());
    assert!(runtime.log_prob::<f64>(&[], &[], &mut []).is_ok());
}

#[test]
fn damaged_files_are_told_in_the_same_words() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(flow(FLOWS[3].0, [1, 1, 5], 2));
    let path = saved(&model, folder.path());
    let whole = std::fs::read(&path).expect("reads");
    let mut rng = random::stream(1, "damage", 0);
    let mut damaged: Vec<Vec<u8>> = vec![Vec::new(), b"nothing of the kind".to_vec()];
    damaged.extend((0..40).map(|i| whole[..whole.len() * i / 40].to_vec()));
    for u in random::uniforms(400, &mut rng) {
        let mut bytes = whole.clone();
        let at = (u * whole.len() as f32) as usize;
        bytes[at] ^= 1 << (at % 8);
        damaged.push(bytes);
    }
    for bytes in damaged {
        std::fs::write(&path, &bytes).expect("writes");
        let (own, theirs) = (Runtime::load(&path), load(&path, &Device::default()));
        match (own, theirs) {
            (Ok(_), Ok(_)) => {}
            (Err(own), Err(theirs)) => {
                assert_eq!(own.to_string(), theirs.to_string());
                assert!(!own.to_string().contains('\n'), "{own}");
            }
            (own, theirs) => panic!("{:?} against {:?}", own.err(), theirs.err()),
        }
    }
    assert!(Runtime::load(folder.path().join("none")).expect_err("none").to_string().contains("cannot read"));
    // Whole files of wrong content: what a writer with a fault would leave.
    let mut spoilt = model.clone();
    spoilt.flow.params_mut()[0].1.set_values(vec![f32::NAN; model.flow.params()[0].1.len()]);
    let mut unfit = model.clone();
    unfit.standardization.mean.pop();
    let mut flat = model.clone();
    flat.standardization.std[1] = 0.0;
    for (model, problem) in [(spoilt, "holds NaN at 0"), (unfit, "does not fit"), (flat, "not above 0")] {
        let error = Runtime::load(saved(&model, folder.path())).expect_err(problem).to_string();
        assert!(error.contains(problem), "{error}");
        assert_eq!(error, load(&path, &Device::default()).expect_err(problem).to_string());
    }
}

/// The same file with another description and a checksum that fits.
fn forged(whole: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    let file = SafeTensors::deserialize(whole).expect("whole");
    let (_, header) = SafeTensors::read_metadata(whole).expect("whole");
    let mut metadata = header.metadata().clone().expect("a description");
    let document = change(&metadata[DOCUMENT]);
    let tensors = file.tensors();
    let sum = checksum(tensors.iter().map(|(name, view)| (name.as_str(), view.data())), &document);
    metadata.insert("checksum".into(), format!("{sum:016x}"));
    metadata.insert(DOCUMENT.into(), document);
    safetensors::serialize(tensors, Some(metadata)).expect("serialises")
}

#[test]
fn forged_descriptions_are_refused_and_never_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    for (index, (text, event)) in FLOWS.iter().enumerate() {
        let model = model(flow(text, *event, index % 3));
        let whole = std::fs::read(saved(&model, folder.path())).expect("reads");
        assert!(Runtime::from_bytes(&forged(&whole, str::to_string)).is_ok(), "{text}");
        let document = serde_json::to_string(model.flow.architecture()).expect("serialises");
        let digits = |c: char| c.is_ascii_digit();
        let mut at = 0;
        while let Some(start) = document[at..].find(digits).map(|found| at + found) {
            let end = document[start..].find(|c| !digits(c)).map_or(document.len(), |length| start + length);
            at = end;
            for number in ["0", "1", "3", "1099511627776", "18446744073709551615"] {
                let changed = [&document[..start], number, &document[end..]].concat();
                if changed == document {
                    continue;
                }
                let bytes = forged(&whole, |whole| {
                    assert!(whole.contains(&document));
                    whole.replacen(&document, &changed, 1)
                });
                // Few are fine: another bound of a log-scale, say.
                if let Err(error) = Runtime::from_bytes(&bytes) {
                    assert!(!error.to_string().contains('\n'), "{error}");
                }
            }
        }
    }
    let model = model(flow(FLOWS[17].0, [1, 1, 5], 0));
    let whole = std::fs::read(saved(&model, folder.path())).expect("reads");
    let told = |from: &'static str, to: &'static str| {
        let bytes = forged(&whole, |document| {
            assert!(document.contains(from), "{from}");
            document.replacen(from, to, 1)
        });
        Runtime::from_bytes(&bytes).expect_err(to).to_string()
    };
    assert!(told("\"levels\"", "\"floors\"").contains("floors"));
    assert!(told("\"even\"", "\"checkerboard_even\"").contains("at least 2 positions, for a checkerboard, got 1x1"));
}

#[test]
fn a_learned_dequantiser_scores_the_same_bits() {
    let folder = tempfile::tempdir().expect("a folder");
    let event = [4, 6, 3];
    let text = r#"{"kind":"glow","levels":1,"steps":1,"hidden":6}"#;
    for range in [Range::Centred, Range::Logit { alpha: 0.05 }] {
        let mut model = model(flow(text, event, 0));
        let scaling = PictureScaling { bits: 5, range };
        model.pictures = Some(scaling);
        let config = VariationalConfig { steps: 3, hidden: 7 };
        let mut dequantizer = VariationalDequantizer::new(&config, event, 1, &Device::default()).expect("fits");
        let mut rng = random::stream(5, "move", 0);
        for (_, param) in dequantizer.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
            let noise = random::normals(param.len(), &mut rng);
            param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.1 * noise).collect());
        }
        model.dequantizer = Some(dequantizer);
        let runtime = Runtime::load(saved(&model, folder.path())).expect("loads");
        let mut out = vec![0; 5 * 72];
        runtime.sample_pictures(2, 1.0, &[], &mut out).expect("draws");
        assert_eq!(out, model.sample_pictures(5, 2, 1.0, &[]).expect("draws"));
        let pictures = Pictures::new(out.clone(), event, scaling).expect("fits");
        for draws in [1, 3] {
            let expected = model.bits_per_dim(&pictures, draws, 8, |_| true).expect("scores").each;
            let mut own = vec![0.0; 5];
            runtime.bits_per_dim(&out, &[], draws, 8, &mut own).expect("scores");
            assert_eq!(own, expected, "{range:?} {draws}");
        }
        // The tensors that train it are the other definition.
        let dequantizer = model.dequantizer.as_ref().expect("there");
        let batch = dequantizer.apply(&pictures.range(0..5, 8, &Device::default())).expect("fits");
        let log_prob = to_f32(model.flow.log_prob(batch.x, None).expect("scores"));
        let mut own = vec![0.0; 5];
        runtime.bits_per_dim(&out, &[], 1, 8, &mut own).expect("scores");
        for ((own, log_prob), log_det) in own.iter().zip(log_prob).zip(batch.log_dets) {
            let expected = -(f64::from(log_prob) + log_det) / (72.0 * std::f64::consts::LN_2);
            assert!((own - expected).abs() < 1e-5, "{range:?}: {own} {expected}");
        }
    }
}
