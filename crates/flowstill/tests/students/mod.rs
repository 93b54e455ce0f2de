//! Teachers and students for the tests of distillation.
#![allow(dead_code)]

use flowstill::burn::tensor::Device;
use flowstill::distill::DistillConfig;
use flowstill::flows::{Flow, FlowConfig};
use flowstill::train::Batch;
use flowstill::{Parameters, random};

/// Every named flow, small, by its recipe.
pub fn flows() -> Vec<(&'static str, FlowConfig)> {
    [
        ("glow", r#"{"kind":"glow","steps":3,"hidden":8,"layers":3}"#),
        (
            "glow additive",
            r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"transform":{"kind":"additive"},"lu":false}"#,
        ),
        ("realnvp", r#"{"kind":"realnvp","steps":3,"hidden":[8]}"#),
        ("maf", r#"{"kind":"maf","blocks":3,"hidden":[8,8],"norm":"batch"}"#),
        ("maf random order", r#"{"kind":"maf","blocks":3,"hidden":[8],"order":"random","norm":"actnorm"}"#),
        ("iaf", r#"{"kind":"iaf","blocks":2,"hidden":[8]}"#),
        ("nsf coupling", r#"{"kind":"nsf","steps":2,"hidden":8,"blocks":1,"bins":4}"#),
        ("nsf autoregressive", r#"{"kind":"nsf","form":"autoregressive","steps":2,"hidden":8,"blocks":1,"bins":4}"#),
    ]
    .map(|(name, json)| (name, serde_json::from_str(json).expect("a valid flow")))
    .to_vec()
}

/// A flow whose every trainable value was moved away from its start.
pub fn moved(config: &FlowConfig, columns: usize, context: usize, seed: u64) -> Flow {
    moved_by(0.1, config, columns, context, seed)
}

/// The same by normal noise of this deviation.
pub fn moved_by(deviation: f32, config: &FlowConfig, columns: usize, context: usize, seed: u64) -> Flow {
    let architecture = config.assemble(columns, context, seed).expect("a valid flow");
    let mut flow = Flow::new(&architecture, seed, &Device::default()).expect("a valid flow");
    let data = batch(64, columns, context, 99);
    flow.initialize(&data.x, data.context.as_ref()).expect("the batch fits");
    let mut rng = random::stream(seed, "move", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        let values = param.values().iter().zip(noise).map(|(value, noise)| value + deviation * noise).collect();
        param.set_values(values);
    }
    flow
}

/// Standard normal rows, with a context of as many values.
pub fn batch(rows: usize, columns: usize, context: usize, seed: u64) -> Batch {
    let device = Device::default();
    let mut rng = random::stream(seed, "batch", 0);
    Batch {
        x: random::normal_tensor([rows, 1, 1, columns], &mut rng, &device),
        context: (context > 0).then(|| random::normal_tensor([rows, context], &mut rng, &device)),
        log_dets: Vec::new(),
        pixels: None,
    }
}

/// A weight for every term.
pub fn everything() -> DistillConfig {
    DistillConfig {
        lkd: 0.1,
        ilkd: 0.1,
        skd: 0.1,
        teacher_samples: 0.1,
        norm_control: 0.5,
        pool: 64,
        ..DistillConfig::default()
    }
}
