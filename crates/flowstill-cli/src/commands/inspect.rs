//! `flowstill inspect`: what a flow file holds.

use crate::args::Inspect;
use crate::failure::Outcome;
use crate::{device, out};
use flowstill::Parameters;
use flowstill::file::{self, FORMAT_VERSION, SplitFacts};
use serde_json::json;

pub(super) fn run(args: &Inspect) -> Outcome<()> {
    let model = file::load(&args.flow, &device::current())?;
    let (facts, architecture) = (&model.facts, model.flow.architecture());
    let bytes = std::fs::metadata(&args.flow).map(|data| data.len()).unwrap_or_default();
    let parameters = model.flow.parameter_count();
    if args.json {
        let tensors = model.flow.params();
        let tensors = tensors.iter().map(|(name, param)| json!({ "name": name, "shape": param.shape() }));
        return out::print_json(&json!({
            "file": args.flow.display().to_string(),
            "bytes": bytes,
            "format_version": FORMAT_VERSION,
            "parameters": parameters,
            "architecture": architecture,
            "standardization": model.standardization,
            "log_det_of_standardization_nats": model.standardization.log_det(),
            "facts": facts,
            "tensors": tensors.collect::<Vec<_>>(),
        }));
    }
    let validation = facts.validation_nll.map_or("-".into(), |nll| format!("{nll:.4} nats (standardised data)"));
    let list = |names: &[String]| if names.is_empty() { "-".to_string() } else { names.join(", ") };
    let lines = [
        ("flow", facts.flow.clone()),
        ("role", facts.role.clone()),
        ("parameters", parameters.to_string()),
        ("steps of the flow", architecture.steps().to_string()),
        ("columns", format!("{}: {}", model.columns(), list(&facts.columns))),
        ("conditioned on", list(&facts.context_columns)),
        ("base density", json!(architecture.base)["kind"].as_str().unwrap_or("-").to_string()),
        ("trained on", facts.data.clone()),
        ("split", facts.split.as_ref().map_or("-".into(), split)),
        ("training", format!("seed {}, {} steps, {} skipped", facts.seed, facts.steps, facts.skipped)),
        ("validation nll", validation),
        ("standardisation", format!("adds {:.4} nats to a standardised log-density", model.standardization.log_det())),
        ("file", format!("{bytes} bytes, format {FORMAT_VERSION}, written by flowstill {}", facts.flowstill)),
    ];
    out::print(&lines.map(|(name, value)| format!("{name:18} {value}\n")).concat())
}

/// Which rows the flow learned from.
fn split(split: &SplitFacts) -> String {
    let limit = split.limit_rows.map(|rows| format!(", at most {rows} to learn from")).unwrap_or_default();
    let SplitFacts { seed, test, validation, rows, .. } = split;
    format!("{rows} rows, seed {seed}, test part {test}, validation part {validation}{limit}")
}
