//! Run a whole comparison: every seed's teacher, plain student and variants, then one table.

use crate::args::Split;
use crate::convert::{self, Prepared};
use crate::failure::{Failure, Outcome};
use crate::leak::{self, Typed};
use crate::learn::{Learned, Workshop, build, folder, preflight};
use crate::picture_data;
use crate::plan::{DataPlan, ModelPlan, PLAIN, Plan, TEACHER, missing};
use crate::report::{Comparison, Failed, Row, summarise};
use crate::{out, pictures, resolved, table, tables};
use flowstill::file::{self, write_atomically};
use flowstill::model::Model;
use flowstill::train::Dataset as _;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

/// What the command line says beside the recipe.
pub struct Options {
    /// The run folder.
    pub run: PathBuf,
    /// Judge finished models again.
    pub judge_again: bool,
    /// Say nothing on the way.
    pub quiet: bool,
}

/// A run folder that is this process's alone until it is dropped; the system frees it also after a kill.
pub struct OpenRun {
    _lock: Option<File>,
}

/// The run folder with its resolved recipe, locked.
///
/// # Errors
/// When it cannot be written, or another process is at work in it.
#[must_use = "the folder is locked as long as this lives"]
pub fn open_run(plan: &Plan, run: &Path) -> Outcome<OpenRun> {
    std::fs::create_dir_all(run).map_err(|error| {
        Failure::run(format!("{}: cannot make the folder: {error}; choose another with --out", run.display()))
    })?;
    let lock = lock(run)?;
    write_atomically(&run.join("recipe.toml"), resolved::resolved(plan)?.as_bytes())?;
    Ok(OpenRun { _lock: lock })
}

/// An advisory lock on a file that stays: to remove it would free the name while another process waits at it.
fn lock(run: &Path) -> Outcome<Option<File>> {
    let path = run.join(".lock");
    let file = File::options().create(true).append(true).open(&path).map_err(|error| {
        Failure::run(format!("{}: cannot write: {error}; choose another run folder with --out", path.display()))
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Failure::run(format!(
            "{}: another flowstill is at work in this run folder; wait for its end, or choose another with --out",
            run.display()
        ))),
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) => {
            out::note(&format!("{}: cannot be locked ({error}); run no other flowstill in it", run.display()));
            Ok(None)
        }
    }
}

/// Load the table, in the units of a given teacher.
///
/// # Errors
/// What the table's reader reports.
pub fn load_data(plan: &Plan, teacher: Option<&Model>, quiet: bool) -> Outcome<Prepared> {
    let data = match &plan.data {
        DataPlan::Table(config) => convert::load(config)?,
        DataPlan::Pictures(plan) => picture_data::load(plan)?,
    };
    if !quiet {
        let parts = [data.training.train.len(), data.training.validation.len(), data.test.len()];
        let [train, validation, test] = parts;
        out::error_line(&match &data.pictures {
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
        });
    }
    let Some(teacher) = teacher else { return Ok(data) };
    leak::check(&teacher.facts, &data, Split::Test, Typed::Set).map_err(|failure| failure.within("teacher"))?;
    let scaling = data.pictures.as_ref().map(|pictures| pictures.scaling);
    if teacher.pictures != scaling {
        return Err(Failure::input(format!(
            "teacher: sees pictures as {:?}, the recipe gives {scaling:?}; set data.bits and pictures.range to the teacher's",
            teacher.pictures
        )));
    }
    if scaling.is_none() {
        tables::check_names(teacher, &data).map_err(|failure| failure.within("teacher"))?;
    }
    let own = data.standardization.clone();
    let data = data.in_units_of(&teacher.standardization).map_err(|failure| failure.within("teacher"))?;
    if data.standardization != own {
        out::note("the teacher standardises otherwise than this data; everything is brought to the teacher's units");
    }
    Ok(data)
}

/// Run it all, and write the run folder's table and pictures.
///
/// # Errors
/// What any model reports; finished models stay, and the next call goes on from there.
pub fn compare(plan: &Plan, options: &Options) -> Outcome<Comparison> {
    crate::device::choose(&plan.device)?;
    plan.student()?;
    let given = match (&plan.teacher, &plan.teacher_file) {
        (None, Some(path)) => Some(file::load(path, &crate::device::current())?),
        (None, None) => return Err(missing(&plan.name, TEACHER)),
        (Some(_), _) => None,
    };
    let data = load_data(plan, given.as_ref(), options.quiet)?;
    preflight_all(plan, &data, given.as_ref())?;
    let workshop =
        Workshop { judge_again: options.judge_again, ..Workshop::new(plan, &data, &options.run, options.quiet) };
    let students: Vec<&ModelPlan> = plan.plain.iter().chain(&plan.variants).collect();
    for &seed in &plan.seeds {
        for model in plan.teacher.iter().chain(students.iter().copied()) {
            workshop.check_folder(&model.with_seed(seed), &folder(&options.run, seed, &model.role))?;
        }
    }
    let _open = open_run(plan, &options.run)?;
    let total = plan.seeds.len() * (students.len() + usize::from(plan.teacher.is_some()));
    let mut done = 0;
    let mut label = |seed: u64, role: &str| {
        done += 1;
        format!("[{done}/{total}] seed {seed} {role}")
    };
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    let mut shown: Vec<(String, Model)> = Vec::new();
    let mut first_seed: Vec<Learned> = Vec::new();
    let given = given.map(|model| workshop.given(model, "teacher (from its file)")).transpose()?;
    rows.extend(given.as_ref().map(|teacher| teacher.report.row.clone()));
    for (index, &seed) in plan.seeds.iter().enumerate() {
        let trained = match &plan.teacher {
            Some(teacher) => {
                let place = folder(&options.run, seed, TEACHER);
                Some(workshop.learn(&teacher.with_seed(seed), None, &place, &label(seed, TEACHER))?)
            }
            None => None,
        };
        rows.extend(trained.as_ref().map(|teacher| teacher.report.row.clone()));
        let teacher = trained.as_ref().or(given.as_ref()).map(|learned| &learned.model);
        let mut learned = Vec::new();
        for student in &students {
            let place = folder(&options.run, seed, &student.role);
            let name = label(seed, &student.role);
            match workshop.learn(&student.with_seed(seed), teacher, &place, &name) {
                Ok(one) => {
                    rows.push(one.report.row.clone());
                    learned.push(one);
                }
                // That a distillation diverges is a finding, not the end of the comparison.
                Err(Failure::Diverged(error)) if student.distill.is_some() => {
                    out::note(&format!("{name}: {error}"));
                    failed.push(Failed { role: student.role.clone(), seed, error });
                }
                Err(failure) => return Err(failure),
            }
        }
        if index == 0 {
            shown.extend(teacher.map(|model| (TEACHER.to_string(), model.clone())));
            first_seed = learned;
        }
    }
    let comparison = Comparison {
        name: plan.name.clone(),
        data: data.source.clone(),
        seeds: plan.seeds.clone(),
        summary: summarise(&rows),
        rows,
        failed,
        run: options.run.display().to_string(),
    };
    // Of the distilled students the picture shows one, chosen as a user would have to: on the validation split.
    let best = comparison.best_distilled().map(|summary| summary.role.clone());
    let wanted = |row: &Row| data.pictures.is_some() || row.role == PLAIN || Some(&row.role) == best.as_ref();
    let picked = first_seed.into_iter().filter(|learned| wanted(&learned.report.row));
    shown.extend(picked.map(|learned| (learned.report.row.role.clone(), learned.model)));
    write_atomically(&options.run.join("comparison.json"), (out::json(&comparison)? + "\n").as_bytes())?;
    write_atomically(&options.run.join("comparison.md"), table::markdown(&comparison).as_bytes())?;
    let place = |role: &str, seed: u64| folder(&options.run, seed, role);
    pictures::of_comparison(&options.run, &comparison, &data, &place, &shown)?;
    Ok(comparison)
}

/// Build every model once, untrained, so that a misfit is told now and not after hours.
fn preflight_all(plan: &Plan, data: &Prepared, given: Option<&Model>) -> Outcome<()> {
    let teacher = match (&plan.teacher, given) {
        (Some(teacher), _) => Some(build(teacher, data, None)?.0),
        (None, given) => given.map(|model| model.flow.clone()),
    };
    for student in plan.plain.iter().chain(&plan.variants) {
        preflight(student, data, teacher.as_ref())
            .map_err(|failure| failure.within(&format!("student {}", student.role)))?;
    }
    Ok(())
}
