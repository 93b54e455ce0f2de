//! Show how a run goes: a bar on a terminal, now and then a plain line elsewhere.

use crate::{interrupt, out};
use flowstill::train::Dataset as _;
use flowstill::train::{self, Control};
use flowstill_experiment::words::printable;
use flowstill_experiment::{Event, Prepared};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Plain lines come at most this often.
const PAUSE: Duration = Duration::from_secs(5);

/// Draws the events of a run on standard error.
pub struct Progress {
    quiet: bool,
    unit: &'static str,
    bar: Option<ProgressBar>,
    begun: Instant,
    first: u64,
    last_line: Instant,
    loss: f64,
    validation: Option<f64>,
}

impl Progress {
    /// Progress of a run; a quiet one gives notes alone.
    pub fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self { quiet, unit: "nats", bar: None, begun: now, first: 0, last_line: now, loss: f64::NAN, validation: None }
    }

    /// Take an event, and answer whether the run shall go on.
    pub fn event(&mut self, event: Event<'_>) -> Control {
        match event {
            Event::Note(text) => out::note(text),
            Event::Begun { pictures, .. } => {
                let unit = if pictures { "bits/dim" } else { "nats" };
                *self = Self { unit, ..Self::new(self.quiet) };
            }
            Event::Ended => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
            }
            _ if self.quiet => {}
            Event::Loaded(data) => out::error_line(&loaded(data)),
            Event::TeacherFirst(folder) => {
                out::note(&format!("no teacher is in {} yet: it is trained first", folder.display()));
            }
            Event::Remark { label, note } => self.say(&format!("{label}: {note}")),
            Event::Training { label, event } => self.training(label, event),
            Event::Done { label, row, found } => {
                let found = if found { "already there, " } else { "" };
                self.say(&format!("{label}: {found}{}", row.summary()));
            }
            _ => {}
        }
        if interrupt::asked() { Control::Stop } else { Control::Continue }
    }

    fn training(&mut self, label: &str, event: &train::Event) {
        match event {
            train::Event::Started { step, total, parameters } => self.start(label, *step, *total, *parameters),
            train::Event::Step { step, total, loss } => self.step(label, *step, *total, *loss),
            train::Event::Validated(validation) => {
                self.validation = Some(validation.value);
                if self.bar.is_none() && self.last_line.elapsed() >= PAUSE {
                    self.line(label, validation.step, None);
                }
            }
            train::Event::Skipped { step, skipped } if *skipped == 1 => {
                self.say(&format!(
                    "{label}: step {step} skipped for a non-finite loss or gradient (the report counts them)"
                ));
            }
            _ => {}
        }
    }

    /// Say one thing beside the bar.
    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| out::error_line(text)),
            None => out::error_line(text),
        }
    }

    fn start(&mut self, label: &str, step: u64, total: u64, parameters: usize) {
        self.begun = Instant::now();
        self.first = step;
        let from = if step > 0 { format!(", going on from step {step}") } else { String::new() };
        out::error_line(&format!("{label}: {parameters} parameters, {total} steps{from}"));
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            let template = "{prefix} {wide_bar} {pos}/{len} {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(printable(label).into_owned());
            bar.set_position(step);
            self.bar = Some(bar);
        }
    }

    fn step(&mut self, label: &str, step: u64, total: u64, loss: f64) {
        self.loss = loss;
        match &self.bar {
            Some(bar) => {
                bar.set_position(step);
                if step.is_multiple_of(10) {
                    bar.set_message(self.figures(step, total));
                }
            }
            None if self.last_line.elapsed() >= 2 * PAUSE => self.line(label, step, Some(total)),
            None => {}
        }
    }

    fn line(&mut self, label: &str, step: u64, total: Option<u64>) {
        self.last_line = Instant::now();
        let figures = self.figures(step, total.unwrap_or(step));
        out::error_line(&format!("{label}: step {step}, {figures}"));
    }

    fn figures(&self, step: u64, total: u64) -> String {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-6);
        let rate = step.saturating_sub(self.first) as f64 / seconds;
        let validation = self.validation.map(|nll| format!(", validation {nll:.4}")).unwrap_or_default();
        let left = total.saturating_sub(step) as f64 / rate.max(1e-9);
        let left = if left > 0.0 && left < 1e7 { format!(", {left:.0} s left") } else { String::new() };
        format!("loss {:.4}{validation} {}, {rate:.1} steps/s{left}", self.loss, self.unit)
    }
}

/// What a data set holds, in one line.
fn loaded(data: &Prepared) -> String {
    let [train, validation, test] =
        [&data.training.train, &data.training.validation, &data.test].map(|part| part.len());
    match &data.pictures {
        None => format!(
            "data: {}; {} columns, {train} train, {validation} validation, {test} test rows",
            data.source,
            data.names.len()
        ),
        Some(pictures) => {
            let [h, w, c] = pictures.event;
            format!(
                "data: {}; pictures of {h}x{w}x{c}, {} bits, {train} train, {validation} validation, {test} test",
                data.source, pictures.scaling.bits
            )
        }
    }
}
