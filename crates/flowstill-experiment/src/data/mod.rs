//! Bring a table to the shapes that the library trains on.

mod columns;
mod leak;
mod pictures;
mod transforms;

use crate::{Error, Result};
use flowstill::model::{Model, SplitFacts, Standardization};
use flowstill::pictures::{Dequantization, PictureScaling};
use flowstill::train::{Dataset as _, Examples, Rows, TrainingData};
use flowstill_data::{DataConfig, Dataset, Finding, Matrix};
use transforms::Transformed;

pub use columns::{RawRows, read_context, read_rows, stream_rows};
pub use leak::{Remedy, trained_on};
pub use pictures::{
    PictureOptions, PicturePlan, class_names, is_picture_set, pictures_in, scaling_of, without_settings,
};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subset {
    /// What a flow is fitted to.
    Train,
    /// What its weights are chosen by.
    Validation,
    /// What it has not seen.
    Test,
}

impl Subset {
    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// What is known of a set of pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureFacts {
    /// Height, width and channels.
    pub event: [usize; 3],
    /// How pixels become what the flow sees.
    pub scaling: PictureScaling,
    /// Classes that condition the flow; 0 for none.
    pub classes: usize,
    /// Where the noise comes from that makes them continuous, for models that learn from data alone.
    pub dequantization: Dequantization,
}

/// A data set on the library's side of the border.
#[derive(Clone)]
pub struct Prepared {
    /// The modelled columns.
    pub names: Vec<String>,
    /// The conditioning columns.
    pub context_names: Vec<String>,
    /// What the flow sees of the data's units.
    pub standardization: Standardization,
    /// Rows to learn from and to choose by.
    pub training: TrainingData,
    /// Rows or pictures to report on; nothing is chosen by them.
    pub test: Examples,
    /// What is known of pictures; none for a table.
    pub pictures: Option<PictureFacts>,
    /// Whether the validation and the test split came with the set, so that no seed moves rows into them.
    pub own_splits: [bool; 2],
    /// What each picture of train, validation and test is of, by number; empty where nothing is known.
    pub groups: [Vec<u32>; 3],
    /// Where it comes from.
    pub source: String,
    /// What was done to the rows.
    pub steps: Vec<String>,
    /// Which rows of which table these are.
    pub split: SplitFacts,
    /// What is peculiar about the modelled columns of the train rows, after all that is done to them.
    pub findings: Vec<Finding>,
}

fn prepare(data: Dataset, config: &DataConfig, transformed: Transformed) -> Result<Prepared> {
    let Dataset { names, train, validation, test, context, standardization, steps, source, marks } = data;
    let split = SplitFacts {
        set: config.set.to_string(),
        seed: config.seed,
        validation: config.validation,
        test: config.test,
        limit_rows: config.limit_rows,
        groups: None,
        rows: marks.rows,
        table_fingerprint: format!("{:016x}", marks.table),
        test_fingerprint: format!("{:016x}", marks.test),
    };
    let mut context_names = Vec::new();
    let mut scales = Standardization {
        mean: standardization.mean,
        std: standardization.std,
        context_mean: Vec::new(),
        context_std: Vec::new(),
        columns: transformed.of(&names),
    };
    let [mut beside_train, mut beside_validation, mut beside_test] = [None, None, None];
    if let Some(context) = context {
        context_names = context.names;
        scales.context_mean = context.standardization.mean;
        scales.context_std = context.standardization.std;
        beside_train = Some(context.train);
        beside_validation = Some(context.validation);
        beside_test = Some(context.test);
    }
    let findings = transformed.findings.into_iter().filter(|finding| names.contains(&finding.column)).collect();
    Ok(Prepared {
        findings,
        names,
        context_names,
        standardization: scales,
        training: TrainingData {
            train: rows(train, beside_train)?.into(),
            validation: rows(validation, beside_validation)?.into(),
        },
        test: rows(test, beside_test)?.into(),
        pictures: None,
        own_splits: [false; 2],
        groups: [const { Vec::new() }; 3],
        source,
        steps,
        split,
    })
}

fn rows(matrix: Matrix, context: Option<Matrix>) -> Result<Rows> {
    let columns = matrix.columns();
    let width = context.as_ref().map_or(0, Matrix::columns);
    let context = context.map(Matrix::into_values).unwrap_or_default();
    Ok(Rows::with_context(matrix.into_values(), columns, context, width)?)
}

impl Prepared {
    /// Load a table and convert it.
    ///
    /// # Errors
    /// What the table's reader reports.
    pub fn from_table(config: &DataConfig) -> Result<Self> {
        Self::from_table_by(config, None)
    }

    /// The same with the columns transformed as a flow has them, where it transforms any; else as the configuration says.
    pub(crate) fn from_table_by(config: &DataConfig, model: Option<&Model>) -> Result<Self> {
        let theirs = |model: &Model| {
            let columns = &model.standardization.columns;
            model.facts.columns.iter().cloned().zip(columns.iter().cloned()).collect::<Vec<_>>()
        };
        let given = model.map(theirs).filter(|columns| !columns.is_empty());
        let mut transformed = Transformed { given, ..Transformed::default() };
        let data = flowstill_data::load_changed(config, &mut |parts| transformed.apply(config, parts))?;
        prepare(data, config, transformed)
    }

    /// The rows or pictures of a part.
    pub fn part(&self, split: Subset) -> &Examples {
        match split {
            Subset::Train => &self.training.train,
            Subset::Validation => &self.training.validation,
            Subset::Test => &self.test,
        }
    }

    /// What each picture of a part is of, by number; empty where nothing is known.
    pub fn groups_of(&self, split: Subset) -> &[u32] {
        &self.groups[split as usize]
    }

    /// The same rows in the units of another standardisation: a student works in its teacher's.
    ///
    /// # Errors
    /// When the columns do not fit.
    pub fn in_units_of(mut self, other: &Standardization) -> Result<Self> {
        let own = &self.standardization;
        if own.mean.len() != other.mean.len() || own.context_mean.len() != other.context_mean.len() {
            return Err(Error::input(format!(
                "expected a flow over {} columns with {} conditioning ones, got {} and {}; use one trained on the same columns",
                own.mean.len(),
                own.context_mean.len(),
                other.mean.len(),
                other.context_mean.len()
            )));
        }
        if own == other {
            return Ok(self);
        }
        if own.columns != other.columns {
            return Err(Error::input(
                "expected columns transformed as the flow's are, got others; use the same `transform`, `seed` and rows, or give the raw table",
            ));
        }
        let change = |examples: &Examples| -> Result<Examples> {
            let Some(rows) = examples.rows() else { return Ok(examples.clone()) };
            let values = rescale(rows.values(), (&own.mean, &own.std), (&other.mean, &other.std));
            let from = (&own.context_mean, &own.context_std);
            let context = rescale(rows.context_values(), from, (&other.context_mean, &other.context_std));
            Ok(Rows::with_context(values, rows.columns(), context, rows.context_columns())?.into())
        };
        let training =
            TrainingData { train: change(&self.training.train)?, validation: change(&self.training.validation)? };
        let test = change(&self.test)?;
        self.training = training;
        self.test = test;
        self.standardization = other.clone();
        Ok(self)
    }

    /// The modelled columns whose values recur, so that a likelihood has no bound.
    pub fn unbounded(&self) -> Vec<String> {
        self.findings.iter().filter(|finding| finding.is_unbounded()).map(|finding| finding.column.clone()).collect()
    }

    /// What is to be said where the likelihood of a table has no bound.
    pub fn spikes(&self) -> Option<String> {
        let names = self.unbounded();
        let cure = match self.split.set.as_str() {
            "table" | "household" => "`flowstill data describe` names the cure",
            _ => "the published preparation leaves them so; read the file as set = \"table\" to treat them",
        };
        (!names.is_empty()).then(|| {
            format!(
                "values recur in {} ({}): likelihoods are unbounded there, for a flow can put spikes on them; {cure}",
                if names.len() == 1 { "a column" } else { "columns" },
                crate::words::first_names(&names, 8)
            )
        })
    }

    /// The test rows of a table.
    ///
    /// # Errors
    /// For pictures.
    pub fn test_rows(&self) -> Result<&Rows> {
        self.test.rows().ok_or_else(|| Error::input(format!("{}: expected a table, got pictures", self.source)))
    }

    /// A number that changes whenever any row does.
    pub fn fingerprint(&self) -> String {
        let parts = [&self.training.train, &self.training.validation, &self.test].map(|part| part.fingerprint());
        format!("{:016x}-{:016x}-{:016x}", parts[0], parts[1], parts[2])
    }
}

type Scale<'a> = (&'a Vec<f64>, &'a Vec<f64>);

fn rescale(values: &[f32], from: Scale<'_>, to: Scale<'_>) -> Vec<f32> {
    let width = from.0.len().max(1);
    let one = |(index, &value): (usize, &f32)| {
        let at = index % width;
        ((f64::from(value) * from.1[at] + from.0[at] - to.0[at]) / to.1[at]) as f32
    };
    values.iter().enumerate().map(one).collect()
}
