//! Build every named flow, in every setting that a program treats apart.

use flowstill::burn::tensor::{Device, Tensor};
use flowstill::flows::{Flow, FlowConfig};
use flowstill::{Parameters, random};

/// Of layers that no named flow has, or has in this place; `@` is the width of the context.
const TABLE_OF_ALL: &str = r#"{"event":[1,1,4],"context":@,"base":{"kind":"standard_normal"},"levels":[[
    {"bijector":"elementwise","map":"tanh"},
    {"bijector":"permute","indices":[2,0,3,1]},
    {"bijector":"elementwise","map":"atanh"},
    {"bijector":"inverted","inner":{"bijector":"elementwise","map":"atanh"}},
    {"bijector":"inverted","inner":{"bijector":"elementwise","map":"tanh"}},
    {"bijector":"elementwise","map":"sigmoid"},
    {"bijector":"elementwise","map":"logit"},
    {"bijector":"inverted","inner":{"bijector":"elementwise","map":"logit"}},
    {"bijector":"inverted","inner":{"bijector":"elementwise","map":"sigmoid"}},
    {"bijector":"inverted","inner":{"bijector":"chain","steps":[
        {"bijector":"masked_autoregressive","channels":4,"context":@,"made":{"hidden":[12,12,12],"activation":"silu","residual":true}},
        {"bijector":"linear","channels":4},
        {"bijector":"inverted","inner":{"bijector":"chain","steps":[
            {"bijector":"affine","channels":4},
            {"bijector":"masked_autoregressive","channels":4,"context":@,"transform":{"kind":"rational_quadratic","bins":4},"made":{"hidden":[9],"activation":"tanh"}}]}},
        {"bijector":"batch_norm","channels":4},
        {"bijector":"coupling","channels":4,"context":@,"mask":"odd","conditioner":{"kind":"residual","hidden":6,"blocks":1,"activation":"silu"}}]}},
    {"bijector":"inverted","inner":{"bijector":"sylvester","channels":4,"context":@,"basis":{"kind":"orthogonal","rank":3}}},
    {"bijector":"inverted","inner":{"bijector":"sylvester","channels":4,"context":@,"basis":{"kind":"householder","reflections":2}}},
    {"bijector":"inverted","inner":{"bijector":"masked_autoregressive","channels":4,"context":@,"made":{"hidden":[8,8,8,8,8],"residual":true}}}]]}"#;

/// The same of pictures.
const PICTURES_OF_ALL: &str = r#"{"event":[4,4,4],"context":@,"base":{"kind":"standard_normal"},"levels":[[
    {"bijector":"squeeze"},
    {"bijector":"inverted","inner":{"bijector":"chain","steps":[
        {"bijector":"squeeze"},
        {"bijector":"act_norm","channels":16},
        {"bijector":"lu_linear","channels":16},
        {"bijector":"coupling","channels":16,"context":@,"conditioner":{"kind":"conv","hidden":5,"activation":"tanh"}},
        {"bijector":"permute","indices":[15,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14]}]}},
    {"bijector":"coupling","channels":4,"context":@,"mask":"checkerboard_even","conditioner":{"kind":"mlp","hidden":[7]}},
    {"bijector":"coupling","channels":4,"context":@,"mask":"checkerboard_odd","transform":{"kind":"rational_quadratic","bins":4},"conditioner":{"kind":"residual","hidden":6,"blocks":1,"activation":"tanh"}},
    {"bijector":"inverted","inner":{"bijector":"inverted","inner":{"bijector":"squeeze"}}},
    {"bijector":"masked_autoregressive","channels":16,"context":@,"made":{"hidden":[20]}},
    {"bijector":"inverted","inner":{"bijector":"squeeze"}},
    {"bijector":"sylvester","channels":4,"context":@,"basis":{"kind":"orthogonal","rank":2}},
    {"bijector":"inverted","inner":{"bijector":"coupling","channels":4,"context":@,"mask":"checkerboard_even","transform":{"kind":"additive"},"conditioner":{"kind":"zero_conv"}}},
    {"bijector":"inverted","inner":{"bijector":"masked_autoregressive","channels":4,"context":@}}]]}"#;

/// Every family, and every setting that a program treats apart.
pub const FLOWS: &[(&str, [usize; 3])] = &[
    (r#"{"kind":"maf","blocks":2,"hidden":[20,20]}"#, [1, 1, 6]),
    (r#"{"kind":"maf","blocks":3,"hidden":[7,90],"order":"random","norm":"batch","activation":"tanh"}"#, [1, 1, 9]),
    (r#"{"kind":"maf","blocks":2,"hidden":[],"norm":"none","activation":"silu"}"#, [1, 1, 3]),
    (
        r#"{"kind":"maf","blocks":2,"hidden":[30,30,30],"activation":"silu","base":{"kind":"mixture","components":3}}"#,
        [1, 1, 5],
    ),
    (r#"{"kind":"maf","blocks":2,"hidden":[64,64],"transform":{"kind":"rational_quadratic"}}"#, [1, 1, 33]),
    (r#"{"kind":"maf","blocks":2,"hidden":[9],"transform":{"kind":"additive"}}"#, [1, 1, 4]),
    (r#"{"kind":"maf","blocks":1,"hidden":[9]}"#, [1, 1, 1]),
    (r#"{"kind":"iaf","blocks":2,"hidden":[8]}"#, [1, 1, 4]),
    (r#"{"kind":"glow","steps":3,"hidden":8,"layers":3}"#, [1, 1, 5]),
    (r#"{"kind":"glow","steps":2,"hidden":9,"layers":4,"lu":false,"activation":"tanh"}"#, [1, 1, 7]),
    (
        r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"transform":{"kind":"affine","scale":{"kind":"softsign","bound":3.0}}}"#,
        [1, 1, 3],
    ),
    (
        r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"transform":{"kind":"affine","scale":{"kind":"sigmoid","floor":0.001}}}"#,
        [1, 1, 3],
    ),
    (
        r#"{"kind":"glow","steps":2,"hidden":8,"layers":2,"transform":{"kind":"affine","scale":{"kind":"exp"}}}"#,
        [1, 1, 3],
    ),
    (r#"{"kind":"nsf","steps":3,"hidden":16,"blocks":2,"bins":8}"#, [1, 1, 6]),
    (r#"{"kind":"nsf","steps":2,"hidden":8,"blocks":1,"bins":5,"activation":"silu"}"#, [1, 1, 3]),
    (r#"{"kind":"nsf","form":"autoregressive","steps":2,"hidden":24,"blocks":2,"bins":6}"#, [1, 1, 7]),
    (
        r#"{"kind":"nsf","form":"autoregressive","steps":2,"hidden":12,"blocks":1,"bins":4,"activation":"tanh"}"#,
        [1, 1, 4],
    ),
    (r#"{"kind":"realnvp","steps":3,"hidden":[8,8]}"#, [1, 1, 5]),
    (r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"base":{"kind":"diagonal_normal"}}"#, [4, 8, 3]),
    (r#"{"kind":"glow","levels":3,"steps":1,"hidden":20}"#, [8, 8, 1]),
    (
        r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"lu":false,"transform":{"kind":"additive"},"split":{"kind":"standard"}}"#,
        [4, 4, 1],
    ),
    (
        r#"{"kind":"glow","levels":1,"steps":2,"hidden":5,"transform":{"kind":"rational_quadratic","bins":4}}"#,
        [6, 4, 2],
    ),
    (r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"activation":"tanh"}"#, [4, 4, 2]),
    (r#"{"kind":"realnvp","levels":2,"steps":2,"hidden":[6]}"#, [4, 4, 2]),
    (r#"{"kind":"iaf","blocks":2,"hidden":[20,20],"transform":{"kind":"rational_quadratic","bins":5}}"#, [1, 1, 6]),
    (r#"{"kind":"iaf","blocks":3,"hidden":[7,90],"order":"random","norm":"batch","activation":"tanh"}"#, [1, 1, 9]),
    (r#"{"kind":"iaf","blocks":2,"hidden":[],"norm":"none"}"#, [1, 1, 3]),
    (r#"{"kind":"iaf","blocks":1,"hidden":[40,40,40],"activation":"silu"}"#, [1, 1, 40]),
    (r#"{"kind":"glow","levels":2,"steps":2,"hidden":6,"activation":"silu"}"#, [8, 4, 3]),
    (
        r#"{"kind":"realnvp","levels":2,"steps":2,"hidden":[6],"activation":"silu","split":{"kind":"learned","scale":{"kind":"tanh","bound":3.0}}}"#,
        [6, 4, 1],
    ),
    // Splines over hidden layers of random scales amplify a rounding; more of them would test nothing but that.
    (
        r#"{"kind":"realnvp","levels":1,"steps":2,"hidden":[6],"norm":"none","transform":{"kind":"rational_quadratic","bins":3}}"#,
        [4, 4, 2],
    ),
    // `?`: where there is a context to depend on.
    (r#"{"kind":"nsf","steps":2,"hidden":8,"blocks":1,"bins":4,"conditional_base":?}"#, [1, 1, 3]),
    (r#"{"kind":"maf","blocks":2,"hidden":[9],"base":{"kind":"diagonal_normal"},"conditional_base":?}"#, [1, 1, 1]),
    (r#"{"kind":"glow","levels":2,"steps":1,"hidden":6,"conditional_base":?}"#, [4, 4, 2]),
    (r#"{"kind":"sylvester","steps":3}"#, [1, 1, 5]),
    (r#"{"kind":"sylvester","steps":2,"rank":1,"norm":"none"}"#, [1, 1, 1]),
    (r#"{"kind":"sylvester","steps":3,"rank":7,"norm":"batch","conditional_base":?}"#, [1, 1, 20]),
    (r#"{"kind":"sylvester","steps":2,"form":"householder","reflections":3}"#, [1, 1, 7]),
    (TABLE_OF_ALL, [1, 1, 4]),
    (PICTURES_OF_ALL, [4, 4, 4]),
];

/// A flow of the list with weights moved, statistics taken.
pub fn flow(text: &str, event: [usize; 3], context: usize) -> Flow {
    let text = text.replace('@', &context.to_string()).replace('?', if context > 0 { "true" } else { "false" });
    let architecture = match serde_json::from_str::<FlowConfig>(&text) {
        Ok(config) => match event {
            [1, 1, columns] => config.assemble(columns, context, 1),
            event => config.assemble_picture(event, context),
        }
        .expect("valid"),
        Err(_) => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}")),
    };
    let mut flow = Flow::new(&architecture, 1, &Device::default()).expect("valid");
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
