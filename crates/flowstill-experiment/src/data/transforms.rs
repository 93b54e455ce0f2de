//! Fit the transforms that a recipe asks for to the train rows, and bring all rows through them.

use flowstill::model::{ColumnTransform, Step, noise};
use flowstill_data::{DataConfig, DataError, Finding, Parts, Result, StepKind, Trait, TransformStep, diagnose};

/// What was done to the rows, and what is peculiar about them afterwards.
#[derive(Default)]
pub(super) struct Transformed {
    /// Transforms of a flow that is there already: nothing is fitted then.
    pub given: Option<Vec<(String, ColumnTransform)>>,
    /// One for each column of the table, in its order; those without a transform have no steps.
    pub columns: Vec<(String, ColumnTransform)>,
    /// What a density still cannot be trusted on.
    pub findings: Vec<Finding>,
}

impl Transformed {
    /// The transforms of these columns; none at all where no column has any.
    pub fn of(&self, names: &[String]) -> Vec<ColumnTransform> {
        let own = |name: &String| self.columns.iter().find(|(column, _)| column == name).map(|(_, made)| made.clone());
        let all: Vec<ColumnTransform> = names.iter().map(|name| own(name).unwrap_or_default()).collect();
        if all.iter().all(|made| made.steps.is_empty()) { Vec::new() } else { all }
    }

    /// Fit, transform, diagnose; answers what was done in plain words.
    pub fn apply(&mut self, config: &DataConfig, parts: Parts<'_>) -> Result<Vec<String>> {
        let Parts { names, train, validation, test } = parts;
        let width = names.len().max(1);
        let mut done: Vec<String> = Vec::new();
        if let Some(name) = config.transform.keys().find(|name| !names.contains(name)) {
            return Err(unfit(name, "a column of the table", "none of that name", "correct the name"));
        }
        if let Some(given) = &self.given {
            let own = |name: &String| given.iter().find(|(column, _)| column == name).map(|(_, made)| made.clone());
            self.columns = names.iter().map(|name| (name.clone(), own(name).unwrap_or_default())).collect();
            let transformed = self.columns.iter().filter(|(_, made)| !made.steps.is_empty());
            done.extend(transformed.map(|(name, _)| format!("transformed `{name}` as the flow has it")));
        }
        for (at, name) in names.iter().enumerate().filter(|_| self.given.is_none()) {
            let wanted = config.transform.get(name).map(|steps| &steps.0[..]).unwrap_or_default();
            let mut own: Vec<f64> = train.iter().skip(at).step_by(width).copied().collect();
            let mut made = ColumnTransform::default();
            for step in wanted {
                let fitted = fit(name, step, made.steps.last(), &own)?;
                let told = |problem: String| unfit(name, "a transform that can be done", &problem, "mend its settings");
                for (row, value) in own.iter_mut().enumerate() {
                    // What comes next is fitted to what this leaves.
                    let draw = noise([*value].into_iter(), draw(config.seed, 0, row))(at);
                    let taken = fitted.forward(*value, draw).map_err(|why| {
                        let got = format!("{value}, {why}");
                        unfit(
                            name,
                            "values that the transform takes",
                            &got,
                            "choose another transform, or mend the rows",
                        )
                    })?;
                    *value = taken;
                }
                made.steps.push(fitted);
                made.check().map_err(told)?;
            }
            if !made.steps.is_empty() {
                let words: Vec<&str> = made.steps.iter().map(Step::name).collect();
                done.push(format!("transformed `{name}`: {}", words.join(", then ")));
            }
            self.columns.push((name.clone(), made));
        }
        for (part, rows) in [train, validation, test].into_iter().enumerate() {
            if !done.is_empty() {
                self.transform(config.seed, part, rows)?;
            }
            if part == 0 {
                self.findings = diagnose(names, rows);
            }
        }
        Ok(done)
    }

    fn transform(&self, seed: u64, part: usize, rows: &mut [f64]) -> Result<()> {
        for (index, row) in rows.chunks_exact_mut(self.columns.len().max(1)).enumerate() {
            let before = row.to_vec();
            let noise = noise(before.iter().copied(), draw(seed, part, index));
            for (at, (value, (name, column))) in row.iter_mut().zip(&self.columns).enumerate() {
                let taken = column.forward(*value, noise(at)).map_err(|why| {
                    let part = ["train", "validation", "test"][part.min(2)];
                    let got = format!("{value} in a {part} row, {why}");
                    unfit(name, "values that the transform takes", &got, "choose another transform, or mend the rows")
                })?;
                *value = taken.0;
            }
        }
        Ok(())
    }
}

/// The draw of a row, so that rows that are alike have noise of their own; 0 is what scoring uses.
fn draw(seed: u64, part: usize, row: usize) -> u64 {
    1 + (seed.wrapping_mul(3).wrapping_add(part as u64)).wrapping_mul(0x9e37_79b9).wrapping_add(row as u64)
}

fn unfit(column: &str, expected: &str, got: &str, remedy: &str) -> DataError {
    DataError::Config {
        field: "transform",
        expected: format!("{expected} for `{column}`"),
        got: got.into(),
        remedy: remedy.into(),
    }
}

/// One step after another, with what the recipe leaves open found from the train rows.
fn fit(name: &str, wanted: &TransformStep, before: Option<&Step>, train: &[f64]) -> Result<Step> {
    let found = || diagnose(&[name.to_string()], train).into_iter().map(|finding| finding.found);
    let (lowest, highest) = train.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
    Ok(match wanted.kind {
        StepKind::Dequantise => {
            let grid = found().find_map(|found| match found {
                Trait::Grid { step, origin, .. } => Some((step, origin)),
                _ => None,
            });
            match (wanted.step, grid) {
                (Some(step), grid) => {
                    Step::Dequantise { step, origin: wanted.origin.or(grid.map(|grid| grid.1)).unwrap_or(lowest) }
                }
                (None, Some((step, origin))) => Step::Dequantise { step, origin: wanted.origin.unwrap_or(origin) },
                (None, None) => {
                    return Err(unfit(
                        name,
                        "a grid",
                        "values without a common step",
                        "give it: { kind = \"dequantise\", step = 1 }",
                    ));
                }
            }
        }
        StepKind::Spread => {
            let share =
                |atom: &f64| (*atom, train.iter().filter(|x| *x == atom).count() as f64 / train.len().max(1) as f64);
            let atoms: Vec<(f64, f64)> = match &wanted.atoms {
                Some(atoms) => atoms.iter().map(share).filter(|(_, share)| *share > 0.0).collect(),
                None => found()
                    .find_map(|found| match found {
                        Trait::Atoms { atoms } => Some(atoms.iter().map(|atom| (atom.value, atom.share)).collect()),
                        _ => None,
                    })
                    .unwrap_or_default(),
            };
            if atoms.is_empty() {
                return Err(unfit(
                    name,
                    "values that many rows share",
                    "none",
                    "leave `spread` out, or give its atoms",
                ));
            }
            Step::spread(train, &atoms)
        }
        StepKind::Log => Step::Log { offset: wanted.offset.unwrap_or(0.0) },
        StepKind::Logit => {
            let limits = match before {
                // The rooms of the lowest and of the highest value, so that samples are values that were seen.
                Some(Step::Dequantise { step, origin }) => Some((
                    Some(origin + ((lowest - origin) / step).floor() * step),
                    Some(origin + ((highest - origin) / step).ceil() * step),
                )),
                _ => found().find_map(|found| match found {
                    Trait::Bounded { low, high } => Some((low, high)),
                    _ => None,
                }),
            };
            let (low, high) = limits.unwrap_or_default();
            // Without a limit that rows crowd at, a little room beyond the outermost.
            let room = 1e-3 * (highest - lowest);
            Step::Logit {
                low: wanted.low.or(low).unwrap_or(lowest - room),
                high: wanted.high.or(high).unwrap_or(highest + room),
            }
        }
        StepKind::YeoJohnson => Step::yeo_johnson(train, wanted.lambda),
        StepKind::RankNormal => Step::rank_normal(train, wanted.knots.unwrap_or(128).min(4096)),
        StepKind::Circle => {
            let turn = found().find_map(|found| match found {
                Trait::Circle { low, period } => Some((low, period)),
                _ => None,
            });
            let Some(period) =
                wanted.period.or(turn.map(|turn| turn.1)).filter(|period| period.is_finite() && *period > 0.0)
            else {
                return Err(unfit(
                    name,
                    "an angle",
                    "values that fill no turn",
                    "give it: { kind = \"circle\", period = 360 }",
                ));
            };
            Step::circle(train, period, wanted.low.or(turn.map(|turn| turn.0)))
        }
        StepKind::Clip => match (wanted.low, wanted.high) {
            (Some(low), Some(high)) => Step::Clip { low, high },
            _ => {
                return Err(unfit(
                    name,
                    "`low` and `high`",
                    "not both",
                    "give both: { kind = \"clip\", low = 0, high = 1 }",
                ));
            }
        },
        _ => return Err(unfit(name, "a kind that is known here", "another", "use one of the others")),
    })
}
