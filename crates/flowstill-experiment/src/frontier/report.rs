//! Keep what a search found, as JSON, as a table, and as a picture.

use super::{Axis, Budget, Candidate, Cost, FrontierConfig};
use crate::evaluate::Divergence;
use crate::recipe::TEACHER;
use crate::report::{Failed, json};
use crate::words::{printable, thousands};
use crate::{Error, Event, Events, Result};
use flowstill::distill::DistillConfig;
use flowstill::file::write_atomically;
use flowstill_metrics::plots::{Spot, frontier};
use flowstill_metrics::{Align, half_width_95, markdown_table, mean_and_standard_error, text_table};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A figure over seeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PerSeed {
    /// One value a seed.
    #[serde(deserialize_with = "crate::report::numbers")]
    pub values: Vec<f64>,
    /// Their mean.
    #[serde(deserialize_with = "crate::report::number")]
    pub mean: f64,
    /// Half the width of the mean's 95 % interval by Student's t; none for a single seed.
    pub half_width_95: Option<f64>,
}

impl PerSeed {
    pub(super) fn of(values: &[f64]) -> Self {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let spread = mean_and_standard_error(values).ok();
        let half_width_95 = spread.and_then(|found| half_width_95(found.standard_error, found.count));
        Self { values: values.to_vec(), mean, half_width_95 }
    }

    fn text(&self, digits: usize) -> String {
        match self.half_width_95 {
            Some(half) => format!("{:.digits$} ± {half:.digits$}", self.mean),
            None => format!("{:.digits$}", self.mean),
        }
    }
}

/// One model of the last comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrontModel {
    /// `teacher`, or the candidate's name; `-plain` is its twin that learned from data alone.
    pub role: String,
    /// The flow in words.
    pub model: String,
    /// What it was taught; none for likelihood alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lesson: Option<DistillConfig>,
    /// What it costs to run: all models timed in turn, several rounds, in this process alone.
    pub cost: Cost,
    /// Log-likelihood of the test rows, nats, standardised data.
    pub nats: PerSeed,
    /// Log-likelihood of the validation rows, by which the student was chosen.
    pub validation_nats: Option<PerSeed>,
    /// How much more likely than its plain twin's the test rows are, paired by seed; none where one of the two has no density for a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_over_plain: Option<PerSeed>,
    /// `KL(teacher || student)` in nats.
    pub kl_from_teacher: Option<PerSeed>,
    /// All that was measured between teacher and student, seed by seed.
    pub divergences: Vec<Divergence>,
    /// Accuracy of a classifier between samples and test rows.
    pub c2st: Option<f64>,
    /// What is wrong with its figures, a line each, over the seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// Whether no other model is better in likelihood and speed.
    pub on_front: bool,
    /// The limits that it breaks.
    pub broken: Vec<String>,
    /// Flow files, one a seed.
    pub files: Vec<String>,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrontierReport {
    /// The run's name.
    pub name: String,
    /// Where the rows come from.
    pub data: String,
    /// Whether they are the teacher's samples.
    pub without_data: bool,
    /// The seeds of the last comparison.
    pub seeds: Vec<u64>,
    /// What was asked for.
    pub budget: Budget,
    /// What likelihood was weighed against.
    pub axis: Axis,
    /// How it was searched.
    pub config: FrontierConfig,
    /// The flow file of the student to take: within the budget, with the best validation likelihood.
    pub chosen: Option<String>,
    /// The teacher and the finalists.
    pub models: Vec<FrontModel>,
    /// All that were tried.
    pub candidates: Vec<Candidate>,
    /// Finalists, and twins, whose training diverged on a seed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
    /// The run folder.
    pub run: String,
}

const ALIGN: [Align; 10] = {
    let mut all = [Align::Right; 10];
    all[0] = Align::Left;
    all
};

impl FrontierReport {
    /// The student whose file was chosen.
    pub fn chosen_model(&self) -> Option<&FrontModel> {
        let file = self.chosen.as_ref()?;
        self.models.iter().find(|model| model.files.contains(file))
    }

    /// Whether the teacher keeps to the budget, and is at least as likely and as good on the axis as `model`: then nothing is won by it.
    pub fn teacher_beats(&self, model: &FrontModel) -> bool {
        let value = |model: &FrontModel| self.axis.value(&model.cost);
        self.models
            .iter()
            .filter(|other| other.role == TEACHER && other.broken.is_empty())
            .any(|teacher| teacher.nats.mean >= model.nats.mean && value(teacher) >= value(model))
    }

    /// The table with what it means, for a terminal.
    pub fn text(&self) -> String {
        text_table(&self.headers(), &self.cells(), &ALIGN) + "\n" + &self.notes()
    }

    /// The same in Markdown.
    pub fn markdown(&self) -> String {
        let table = markdown_table(&self.headers(), &self.cells(), &ALIGN);
        format!("# {}\n\n{table}\n{}", printable(&self.name), self.notes())
    }

    /// Headers and cells of that table, and the lines below it.
    pub(crate) fn table(&self) -> ([&'static str; 10], Vec<Vec<String>>, Vec<String>) {
        (self.headers(), self.cells(), self.notes().lines().map(String::from).collect())
    }

    /// Read a `frontier.json`.
    ///
    /// # Errors
    /// A file that cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::input(format!("{}: cannot read: {error}", path.display())))?;
        serde_json::from_str(&text).map_err(|error| {
            Error::input(format!("{}: not a frontier ({error}); run the search again", path.display()))
        })
    }

    fn headers(&self) -> [&'static str; 10] {
        let nats = if self.without_data { "nats of teacher samples" } else { "test nats" };
        [
            "model",
            "front",
            nats,
            "over plain",
            "KL from teacher",
            "samples/s",
            "log_prob rows/s",
            "us a row",
            "MB",
            "C2ST",
        ]
    }

    fn cells(&self) -> Vec<Vec<String>> {
        let teacher = self.models.iter().find(|model| model.role == TEACHER);
        let times = |value: f64, of: Option<f64>| match of.filter(|of| *of > 0.0) {
            Some(of) if value / of >= 1.05 || value / of <= 0.95 => {
                format!("{} (x{:.1})", thousands(value), value / of)
            }
            _ => thousands(value),
        };
        let row = |model: &FrontModel| {
            let own = |of: fn(&Cost) -> f64| times(of(&model.cost), teacher.map(|teacher| of(&teacher.cost)));
            let optional = |figure: &Option<PerSeed>| figure.as_ref().map_or(String::new(), |figure| figure.text(3));
            let gain = model.gain_over_plain.as_ref().map_or(String::new(), |gain| {
                let open = gain.half_width_95.is_none_or(|half| gain.mean.abs() <= half);
                format!("{}{}", gain.text(3), if open { " ?" } else { "" })
            });
            vec![
                format!("{}{}", model.role, if model.faults.is_empty() { "" } else { " !" }),
                match (model.broken.is_empty(), model.on_front) {
                    (false, _) => "over budget".into(),
                    (true, true) => "*".into(),
                    (true, false) => String::new(),
                },
                model.nats.text(3),
                gain,
                optional(&model.kl_from_teacher),
                own(|cost| cost.samples_per_second.median),
                own(|cost| cost.log_prob_rows_per_second.median),
                format!("{:.1}", model.cost.latency_us()),
                format!("{:.3}", model.cost.megabytes),
                model.c2st.map_or(String::new(), |value| format!("{value:.3}")),
            ]
        };
        self.models.iter().map(row).collect()
    }

    fn notes(&self) -> String {
        let mut lines = vec![
            format!("* on the front: no other is more likely and better in {}. Brackets: times the teacher's.", self.axis.name()),
            match self.seeds.len() {
                1 => "One seed: no interval can be told; give more with --seeds.".into(),
                n => format!("Means over {n} seeds with 95 % intervals by Student's t; ? marks a gain whose interval holds 0."),
            },
            "Students were chosen on validation rows, with seeds that are not among these; the twins `-plain` learned from the same rows, steps and seeds without the teacher."
                .into(),
        ];
        if self.without_data {
            lines.push("No data were given: the students learned from the teacher's samples, and are measured on others of them.".into());
        }
        let over: Vec<&str> =
            self.candidates.iter().filter(|one| !one.broken.is_empty()).map(|one| one.role.as_str()).collect();
        if !over.is_empty() {
            lines.push(format!("Over the budget before training: {}.", over.join(", ")));
        }
        let tried = self.candidates.iter().filter_map(|one| Some((one.role.clone(), one.failed.as_ref()?)));
        let last = self.failed.iter().map(|one| (format!("{} (seed {})", one.role, one.seed), &one.error));
        lines.extend(tried.chain(last).map(|(who, why)| format!("{who}: {}", printable(why))));
        let faulty = self.models.iter().flat_map(|model| model.faults.iter().map(|fault| (&model.role, fault)));
        lines.extend(faulty.map(|(role, fault)| format!("! {role}: {fault}")));
        lines.push(match (&self.chosen, self.chosen_model()) {
            (Some(file), Some(model)) if self.teacher_beats(model) => format!(
                "No student pays here: the teacher keeps to the budget, and is likelier and no slower than the best student, {}",
                printable(file)
            ),
            (Some(file), _) => format!("The student to take: {}", printable(file)),
            (None, _) => "No student keeps to the budget when measured in the end; loosen it.".into(),
        });
        lines.join("\n") + "\n"
    }

    /// Write it to the run folder. A picture that cannot be drawn is told, and fails nothing.
    pub(super) fn write(&self, run: &Path, events: &mut Events<'_>) -> Result<()> {
        write_atomically(&run.join("frontier.json"), json(self)?.as_bytes())?;
        write_atomically(&run.join("frontier.md"), self.markdown().as_bytes())?;
        let spot = |model: &FrontModel| Spot {
            name: model.role.clone(),
            x: self.axis.value(&model.cost),
            y: model.nats.mean,
            y_error: model.nats.half_width_95,
            on_front: model.on_front,
        };
        let spots: Vec<Spot> = self.models.iter().map(spot).collect();
        let title = format!("{}: likelihood against {}", self.name, self.axis.name());
        let unit = if self.without_data { "nats per row of the teacher's samples" } else { "test nats per row" };
        if let Err(error) = frontier(run.join("frontier.png"), &title, &spots, self.axis.label(), unit) {
            events(Event::Note(&Error::from(error).to_string()));
        }
        Ok(())
    }
}
