//! Draw a data set from a teacher, for a student whose maker has no data.

use crate::data::Prepared;
use crate::{Error, Result};
use flowstill::model::{Model, SplitFacts};
use flowstill::train::{Rows, TrainingData};

/// Rows past this, in standard deviations, are left out: a flow's own accidents are no data.
const FAR: f32 = 1e4;

/// A data set of `teacher`'s samples: `count` rows to learn from, a tenth as many to validate and a tenth to test, by streams of their own.
///
/// # Errors
/// For a flow with a context, whose conditioning values nobody gives, and for one whose samples are not finite.
pub(super) fn drawn(teacher: &Model, source: &str, count: usize, seed: u64) -> Result<Prepared> {
    let (columns, context) = (teacher.columns(), teacher.context_columns());
    if context > 0 {
        return Err(Error::input(format!(
            "{source}: the flow has {context} conditioning columns, whose values it cannot draw; give a table of them with --data"
        )));
    }
    let part = |stream: u64, count: usize| -> Result<Rows> {
        // Streams far from those that evaluations use.
        let drawn = teacher.sample_standardised(count, seed ^ (0x51de_0000 + stream), 1.0, &[])?;
        let sound = |row: &&[f32]| row.iter().all(|value| value.abs() < FAR);
        let kept: Vec<f32> = drawn.chunks_exact(columns).filter(sound).flatten().copied().collect();
        if kept.len() < drawn.len() / 2 {
            return Err(Error::input(format!(
                "{source}: most of the flow's samples are not finite or past {FAR} standard deviations; it cannot teach without data"
            )));
        }
        Ok(Rows::new(kept, columns)?)
    };
    let (train, validation, test) = (part(0, count)?, part(1, (count / 10).max(100))?, part(2, (count / 10).max(100))?);
    let names = match teacher.facts.columns.len() == columns {
        true => teacher.facts.columns.clone(),
        false => (1..=columns).map(|column| format!("column {column}")).collect(),
    };
    let rows = train.len() + validation.len() + test.len();
    let fingerprint = |rows: &Rows| format!("{:016x}", rows.fingerprint());
    let split = SplitFacts {
        set: "samples".into(),
        seed,
        validation: validation.len() as f64 / rows as f64,
        test: test.len() as f64 / rows as f64,
        limit_rows: None,
        groups: None,
        rows,
        table_fingerprint: fingerprint(&train),
        test_fingerprint: fingerprint(&test),
    };
    Ok(Prepared {
        names,
        context_names: Vec::new(),
        standardization: teacher.standardization.clone(),
        training: TrainingData { train: train.into(), validation: validation.into() },
        test: test.into(),
        pictures: None,
        own_splits: [false; 2],
        source: format!("samples of {source}"),
        steps: Vec::new(),
        split,
        findings: Vec::new(),
        groups: Default::default(),
    })
}
