//! Show how a training goes: a bar on a terminal, now and then a plain line elsewhere.

use crate::{interrupt, out};
use flowstill::train::{Control, Event};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Plain lines come at most this often.
const PAUSE: Duration = Duration::from_secs(5);

/// Draws the events of one training on standard error.
pub struct Progress {
    label: String,
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
    /// Progress of the training called `label`.
    pub fn new(label: impl Into<String>, quiet: bool) -> Self {
        let now = Instant::now();
        Self {
            label: label.into(),
            quiet,
            unit: "nats",
            bar: None,
            begun: now,
            first: 0,
            last_line: now,
            loss: f64::NAN,
            validation: None,
        }
    }

    /// The unit of the losses: bits per dimension for pictures, nats else.
    pub fn of_pictures(mut self, pictures: bool) -> Self {
        self.unit = if pictures { "bits/dim" } else { "nats" };
        self
    }

    /// Take an event, and answer whether the training shall go on.
    pub fn event(&mut self, event: &Event) -> Control {
        match event {
            Event::Started { step, total, parameters } => self.start(*step, *total, *parameters),
            Event::Step { step, total, loss } => self.step(*step, *total, *loss),
            Event::Validated(validation) => {
                self.validation = Some(validation.value);
                if self.bar.is_none() && self.last_line.elapsed() >= PAUSE {
                    self.line(validation.step, None);
                }
            }
            Event::Skipped { step, skipped } if *skipped == 1 && !self.quiet => {
                self.say(&format!(
                    "{}: step {step} skipped for a non-finite loss or gradient (the report counts them)",
                    self.label
                ));
            }
            _ => {}
        }
        if interrupt::asked() { Control::Stop } else { Control::Continue }
    }

    /// Say one thing beside the bar.
    pub fn say(&self, text: &str) {
        match (&self.bar, self.quiet) {
            (_, true) => {}
            (Some(bar), false) => bar.suspend(|| out::error_line(text)),
            (None, false) => out::error_line(text),
        }
    }

    /// Take the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn start(&mut self, step: u64, total: u64, parameters: usize) {
        self.begun = Instant::now();
        self.first = step;
        if self.quiet {
            return;
        }
        let from = if step > 0 { format!(", going on from step {step}") } else { String::new() };
        out::error_line(&format!("{}: {parameters} parameters, {total} steps{from}", self.label));
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
            let template = "{prefix} {wide_bar} {pos}/{len} {msg}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_prefix(self.label.clone());
            bar.set_position(step);
            self.bar = Some(bar);
        }
    }

    fn step(&mut self, step: u64, total: u64, loss: f64) {
        self.loss = loss;
        if self.quiet {
            return;
        }
        match &self.bar {
            Some(bar) => {
                bar.set_position(step);
                if step.is_multiple_of(10) {
                    bar.set_message(self.figures(step, total));
                }
            }
            None if self.last_line.elapsed() >= 2 * PAUSE => self.line(step, Some(total)),
            None => {}
        }
    }

    fn line(&mut self, step: u64, total: Option<u64>) {
        if self.quiet {
            return;
        }
        self.last_line = Instant::now();
        let figures = self.figures(step, total.unwrap_or(step));
        out::error_line(&format!("{}: step {step}, {figures}", self.label));
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
