//! Say what to type to do a run again.

use super::found::{Run, Subject};
use crate::frontier::FrontierReport;
use crate::recipe::{DISTILLED, PLAIN, TEACHER};
use crate::words::{decimal, shell_word};

/// The commands, and what is to be known beside them.
pub(super) fn commands(run: &Run) -> (Vec<String>, Vec<&'static str>) {
    let recipe = "Save the recipe of this page as recipe.toml first. It has every value spelt out; a data.path or teacher.file in it is a path of the \
                  machine that ran it.";
    let bits = "The same version on the same instruction set and number of threads gives the same weights; elsewhere the last digits differ.";
    match &run.subject {
        Subject::Comparison(_) => {
            (vec!["flowstill compare recipe.toml --out runs/again".to_string()], vec![recipe, bits])
        }
        Subject::Frontier(report) => {
            let from_recipe = run.recipe.is_some() && !report.without_data;
            let notes = match (from_recipe, report.without_data) {
                (true, _) => vec![recipe, bits],
                (false, true) => vec!["Settings that --set gave are in the training lines of the model cards.", bits],
                (false, false) => {
                    vec!["Give the data with --data as they were given; they are named at the top.", bits]
                }
            };
            (vec![frontier(report, from_recipe)], notes)
        }
        Subject::Models => {
            let one = |role: &str, seed: u64| match role {
                TEACHER => format!("flowstill train recipe.toml --model teacher --seed {seed} --out runs/again"),
                PLAIN => format!("flowstill train recipe.toml --model student --seed {seed} --out runs/again"),
                DISTILLED => format!("flowstill distill recipe.toml --seed {seed} --out runs/again"),
                variant => {
                    format!(
                        "flowstill distill recipe.toml --variant {} --seed {seed} --out runs/again",
                        shell_word(variant)
                    )
                }
            };
            (run.models.iter().map(|model| one(&model.row.role, model.row.seed)).collect(), vec![recipe, bits])
        }
    }
}

fn frontier(report: &FrontierReport, from_recipe: bool) -> String {
    let teacher = report.models.iter().find(|model| model.role == TEACHER).and_then(|model| model.files.first());
    let flow = teacher.map_or_else(|| "TEACHER.safetensors".into(), |file| shell_word(file));
    let mut words = vec!["flowstill frontier".to_string(), if from_recipe { "recipe.toml".into() } else { flow }];
    let mut put = |name: &str, value: Option<String>| {
        words.extend(value.map(|value| format!("--{name} {value}")));
    };
    let (budget, config) = (&report.budget, &report.config);
    put("samples-per-second", budget.samples_per_second.map(|value| decimal(value, 6)));
    put("log-prob-rows-per-second", budget.log_prob_rows_per_second.map(|value| decimal(value, 6)));
    put("latency-us", budget.latency_us.map(|value| decimal(value, 6)));
    put("megabytes", budget.megabytes.map(|value| decimal(value, 9)));
    put("parameters", budget.parameters.map(|value| value.to_string()));
    put("steps", config.steps.map(|value| value.to_string()));
    put("rungs", Some(config.rungs.to_string()));
    put("finalists", Some(config.finalists.to_string()));
    put("lesson", Some(decimal(config.lesson, 9)));
    put("samples", report.without_data.then(|| config.samples.to_string()));
    put("seeds", Some(report.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",")));
    put("out", Some("runs/again".into()));
    words.join(" ")
}
