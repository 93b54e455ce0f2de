//! Build every named flow, in every setting that a program treats apart.

use flowstill::burn::tensor::{Device, Tensor};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::{Parameters, random};

/// Every family, and every setting that a program treats apart; whether it compiles.
pub const FLOWS: &[(&str, [usize; 3], bool)] = &[
    (r#"{"kind":"maf","blocks":2,"hidden":[20,20]}"#, [1, 1, 6], true),
    (
        r#"{"kind":"maf","blocks":3,"hidden":[7,90],"order":"random","norm":"batch","activation":"tanh"}"#,
        [1, 1, 9],
        true,
    ),
    (r#"{"kind":"maf","blocks":2,"hidden":[],"norm":"none","activation":"silu"}"#, [1, 1, 3], true),
    (
        r#"{"kind":"maf","blocks":2,"hidden":[30,30,30],"activation":"silu","base":{"kind":"mixture","components":3}}"#,
        [1, 1, 5],
        true,
    ),
    (r#"{"kind":"maf","blocks":2,"hidden":[64,64],"transform":{"kind":"rational_quadratic"}}"#, [1, 1, 33], true),
    (r#"{"kind":"maf","blocks":2,"hidden":[9],"transform":{"kind":"additive"}}"#, [1, 1, 4], true),
    (r#"{"kind":"maf","blocks":1,"hidden":[9]}"#, [1, 1, 1], true),
    (r#"{"kind":"iaf","blocks":2,"hidden":[8]}"#, [1, 1, 4], false),
    (r#"{"kind":"glow","steps":3,"hidden":8,"layers":3}"#, [1, 1, 5], true),
    (r#"{"kind":"glow","steps":2,"hidden":9,"layers":4,"lu":false,"activation":"tanh"}"#, [1, 1, 7], true),
    (
        r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"transform":{"kind":"affine","scale":{"kind":"softsign","bound":3.0}}}"#,
        [1, 1, 3],
        true,
    ),
    (
        r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"transform":{"kind":"affine","scale":{"kind":"sigmoid","floor":0.001}}}"#,
        [1, 1, 3],
        true,
    ),
    (
        r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"transform":{"kind":"affine","scale":{"kind":"exp"}}}"#,
        [1, 1, 3],
        true,
    ),
    (r#"{"kind":"nsf","steps":3,"hidden":16,"blocks":2,"bins":8}"#, [1, 1, 6], true),
    (r#"{"kind":"nsf","steps":2,"hidden":8,"blocks":1,"bins":5,"activation":"silu"}"#, [1, 1, 3], true),
    (r#"{"kind":"nsf","form":"autoregressive","steps":2,"hidden":24,"blocks":2,"bins":6}"#, [1, 1, 7], true),
    (
        r#"{"kind":"nsf","form":"autoregressive","steps":2,"hidden":12,"blocks":1,"bins":4,"activation":"tanh"}"#,
        [1, 1, 4],
        true,
    ),
    (r#"{"kind":"realnvp","steps":3,"hidden":[8,8]}"#, [1, 1, 5], true),
    (r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"base":{"kind":"diagonal_normal"}}"#, [4, 8, 3], true),
    (r#"{"kind":"glow","levels":3,"steps":1,"hidden":20}"#, [8, 8, 1], true),
    (
        r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"lu":false,"transform":{"kind":"additive"},"split":{"kind":"standard"}}"#,
        [4, 4, 1],
        true,
    ),
    (
        r#"{"kind":"glow","levels":1,"steps":2,"hidden":5,"transform":{"kind":"rational_quadratic","bins":4}}"#,
        [6, 4, 2],
        true,
    ),
    (r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"activation":"tanh"}"#, [4, 4, 2], false),
    (r#"{"kind":"realnvp","levels":2,"steps":2,"hidden":[6]}"#, [4, 4, 2], false),
];

/// A flow of the list with weights moved, statistics taken.
pub fn flow(text: &str, event: [usize; 3], context: usize) -> Flow {
    let config: FlowConfig = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let architecture = match event {
        [1, 1, columns] => config.assemble(columns, context, 1),
        event => config.assemble_picture(event, context),
    };
    let mut flow = Flow::new(&architecture.expect("valid"), 1, &Device::default()).expect("valid");
    let (x, context) = batch(&flow, 64, 9);
    flow.initialize(&x, context.as_ref()).expect("fits");
    let mut rng = random::stream(5, "move", 0);
    for (_, param) in flow.params_mut().into_iter().filter(|(_, param)| param.is_trainable()) {
        let noise = random::normals(param.len(), &mut rng);
        param.set_values(param.values().iter().zip(noise).map(|(value, noise)| value + 0.05 * noise).collect());
    }
    flow
}

/// Random data, with a context where the flow has one.
pub fn batch(flow: &Flow, rows: usize, seed: u64) -> (Tensor<4>, Option<Tensor<2>>) {
    let ([h, w, c], context) = (flow.architecture().event, flow.architecture().context);
    let (mut rng, device) = (random::stream(seed, "batch", 0), Device::default());
    let x = random::normal_tensor([rows, h, w, c], &mut rng, &device) * 0.8;
    (x, (context > 0).then(|| random::normal_tensor([rows, context], &mut rng, &device)))
}
