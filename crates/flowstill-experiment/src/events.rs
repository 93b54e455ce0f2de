//! Tell the caller how an experiment goes, and ask whether it shall go on; nothing here prints.

use crate::data::Prepared;
use crate::report::Row;
use crate::{Error, Result};
use flowstill::train::{self, Control};
use std::path::Path;

/// What happened. `label` names the model at work, such as `[2/12] seed 1 plain`.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The data set is there.
    Loaded(&'a Prepared),
    /// The teacher that a distillation needs is not in this folder yet, and is trained first.
    TeacherFirst(&'a Path),
    /// Work on a model begins.
    Begun {
        /// The model.
        label: &'a str,
        /// Whether its losses are in bits per dimension, as those of pictures are, or in nats.
        pictures: bool,
    },
    /// Something was aligned, repaired or inherited.
    Remark {
        /// The student.
        label: &'a str,
        /// What was done.
        note: &'a str,
    },
    /// The training goes on.
    Training {
        /// The model.
        label: &'a str,
        /// What its trainer tells.
        event: &'a train::Event,
    },
    /// The training has ended, well or not.
    Ended,
    /// The flow is on disk, and is evaluated next.
    Evaluating {
        /// The model.
        label: &'a str,
    },
    /// Test pictures are being scored, which takes a while.
    Scored {
        /// Pictures done.
        pictures: usize,
    },
    /// A model is complete: trained just now, found in its folder, or given.
    Done {
        /// The model.
        label: &'a str,
        /// What became of it.
        row: &'a Row,
        /// Whether it lay in its folder already.
        found: bool,
    },
    /// Something beside the result that should be known.
    Note(&'a str),
}

/// Takes every event, and answers whether to go on. After a [`Control::Stop`] a training writes its checkpoint, and the experiment ends
/// with an error; the same call goes on from there.
pub type Events<'a> = dyn FnMut(Event<'_>) -> Control + 'a;

/// Tell an event, and end if a stop is wanted.
pub(crate) fn go_on(events: &mut Events<'_>, event: Event<'_>) -> Result<()> {
    match events(event) {
        Control::Continue => Ok(()),
        Control::Stop => Err(Error::stopped()),
    }
}
