//! Draw likelihood against speed: every model, its interval, and the front that nobody beats.

use super::chart::{Chart, Range, dot, label, line, short};
use super::html::Html;
use crate::frontier::{FrontModel, FrontierReport};
use crate::recipe::TEACHER;
use crate::words::thousands;

/// The front of a search; nothing where no model can be placed.
pub(super) fn front(html: &mut Html, report: &FrontierReport) {
    let x = |model: &FrontModel| report.axis.value(&model.cost);
    let fits = |model: &&FrontModel| x(model) > 0.0 && x(model).is_finite() && model.nats.mean.is_finite();
    let models: Vec<&FrontModel> = report.models.iter().filter(fits).collect();
    if models.is_empty() {
        return;
    }
    let ends = models.iter().flat_map(|model| {
        let half = model.nats.half_width_95.unwrap_or_default();
        [model.nats.mean - half, model.nats.mean + half]
    });
    let names: Vec<&str> = models.iter().filter(|model| model.on_front).map(|model| model.role.as_str()).collect();
    let description = format!("{} models; on the front: {}.", models.len(), names.join(", "));
    let title = format!("Likelihood against {}", report.axis.name());
    let unit = if report.without_data { "nats a row of teacher samples" } else { "test nats a row" };
    let axis = format!("{} (more is better, logarithmic)", report.axis.label());
    let chart = Chart {
        id: "front-chart",
        title: &title,
        description: &description,
        x: (Range::around(models.iter().map(|model| x(model)), true), &axis),
        y: Some((Range::around(ends, false), unit)),
        height: 420.0,
        left: None,
    };
    let marks = |html: &mut Html| {
        let mut on: Vec<&&FrontModel> = models.iter().filter(|model| model.on_front).collect();
        on.sort_by(|a, b| x(a).total_cmp(&x(b)));
        let places = on.iter().filter_map(|model| Some((chart.x(x(model))?, chart.y(model.nats.mean)?)));
        let points: Vec<String> = places.map(|(x, y)| format!("{},{}", short(x), short(y))).collect();
        if points.len() > 1 {
            html.leaf(
                "polyline",
                &[("class", "grid dash"), ("points", &points.join(" ")), ("aria-hidden", "true")],
                "",
            );
        }
        let mut taken: Vec<[f64; 2]> = Vec::new();
        for model in &models {
            one(html, &chart, model, x(model), report.axis.label(), &mut taken);
        }
    };
    chart.write(html, marks, |html| {
        let said = "Full: on the front, no other is more likely and faster. Hollow: beaten by another, or over the budget. Bars: 95 % intervals over seeds.";
        html.leaf("p", &[("class", "soft")], said);
    });
}

fn one(html: &mut Html, chart: &Chart<'_>, model: &FrontModel, value: f64, axis: &str, taken: &mut Vec<[f64; 2]>) {
    let (Some(x), Some(y)) = (chart.x(value), chart.y(model.nats.mean)) else { return };
    let half = model.nats.half_width_95;
    let interval = half.map(|half| format!(" ± {half:.3}")).unwrap_or_default();
    let figure = format!("{}: {:.3}{interval} nats, {} {axis}", model.role, model.nats.mean, thousands(value));
    let front = match (model.broken.is_empty(), model.on_front) {
        (false, _) => format!("over the budget: {}", model.broken.join(", ")),
        (true, true) => "on the front".to_string(),
        (true, false) => "not on the front".to_string(),
    };
    let kind = if model.role == TEACHER { 1 } else { 0 };
    chart.mark(html, kind, [&figure, &format!("{front}; {}", model.model)], |html| {
        if let Some((Some(high), Some(low))) =
            half.map(|half| (chart.y(model.nats.mean + half), chart.y(model.nats.mean - half)))
        {
            line(html, "stroke", [x, low, x, high]);
        }
        let full = model.on_front && model.broken.is_empty();
        dot(html, if full { "fill" } else { "hollow" }, [x, y], 6.0);
        dot(html, "ring", [x, y], 11.0);
        // A name that would lie on another goes below it.
        let right = x < 440.0;
        let at = if right { x + 12.0 } else { x - 12.0 };
        let mut below = y - 8.0;
        while taken.iter().any(|other| (other[0] - at).abs() < 110.0 && (other[1] - below).abs() < 14.0) {
            below += 14.0;
        }
        taken.push([at, below]);
        label(html, "", [at, below], if right { "start" } else { "end" }, &model.role);
    });
}
