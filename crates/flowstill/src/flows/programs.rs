//! Compile a flow into a program, and lend programs with its present weights.

use super::{Architecture, Flow};
use crate::ops::host::Host;
use crate::param::{Param, Parameters, Role};
use flowstill_runtime::{Offsets, Program, Purpose, Refused};
use std::sync::{Arc, Mutex, OnceLock};

/// A flow's programs, or why it has none. Clones of a flow share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs(Arc<OnceLock<Result<Plan, Refused>>>);

#[derive(Debug)]
struct Plan {
    architecture: Architecture,
    offsets: Offsets,
    /// Values that an optimiser moves; they come first in the joined vector, then the saved rest.
    trainable: usize,
    /// Programs that wait, each with the vector that it was loaded from last.
    spare: Mutex<Vec<(Program, Vec<f32>)>>,
}

/// A program that goes back to its plan.
pub(crate) struct Lease {
    programs: Programs,
    program: Option<Program>,
    /// What the program was loaded from.
    pub(super) values: Vec<f32>,
    purpose: Purpose,
}

/// The program of a flow whose weights have not changed since it was loaded. Clones share it until one of them is changed.
#[derive(Clone, Default)]
pub(crate) struct Loaded(Arc<Mutex<Option<Arc<Lease>>>>);

impl std::fmt::Debug for Loaded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Loaded")
    }
}

impl Loaded {
    /// The program, loaded anew only for what it was not loaded for.
    pub(crate) fn get(&self, flow: &Flow, programs: &Programs, purpose: Purpose) -> Option<Arc<Lease>> {
        let mut slot = self.0.lock().ok()?;
        let before = slot.as_ref().map_or(purpose, |lease| lease.purpose);
        let purpose = Purpose {
            forward: before.forward || purpose.forward,
            backward: before.backward || purpose.backward,
            inverse: before.inverse || purpose.inverse,
        };
        if slot.as_ref().is_none_or(|lease| lease.purpose != purpose) {
            *slot = Some(Arc::new(programs.lease(flow, purpose)?));
        }
        slot.clone()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(program), Some(plan)) = (self.program.take(), self.programs.plan())
            && let Ok(mut spare) = plan.spare.lock()
        {
            spare.push((program, std::mem::take(&mut self.values)));
        }
    }
}

impl Lease {
    pub(crate) fn program(&self) -> &Program {
        self.program.as_ref().expect("taken back on drop alone")
    }
}

/// Names and tensors in the order of the joined vector.
fn joined(flow: &Flow) -> impl Iterator<Item = (String, &Param)> {
    let params = flow.params();
    let (first, rest): (Vec<_>, Vec<_>) = params.into_iter().partition(|(_, param)| param.is_trainable());
    first.into_iter().chain(rest.into_iter().filter(|(_, param)| param.role() == Role::Buffer))
}

/// Why there is no program where none is wanted.
const COMPOSED: &str = "run as a composition by request";

impl Programs {
    /// What never compiles.
    pub(crate) fn none() -> Self {
        let why = Refused { layer: String::new(), kind: COMPOSED.into() };
        Self(Arc::new(OnceLock::from(Err(why))))
    }

    /// Whether these are what [`Programs::none`] makes.
    pub(crate) fn is_none(&self) -> bool {
        matches!(self.0.get(), Some(Err(refused)) if refused.kind == COMPOSED)
    }

    /// Why there is no program for this flow, if there is none.
    pub(crate) fn refused(&self, flow: &Flow) -> Option<&Refused> {
        self.compile(flow).as_ref().err()
    }

    fn plan(&self) -> Option<&Plan> {
        self.0.get()?.as_ref().ok()
    }

    /// Values that an optimiser moves, of a flow that has a program.
    pub(super) fn trainable(&self) -> Option<usize> {
        Some(self.plan()?.trainable)
    }

    fn compile(&self, flow: &Flow) -> &Result<Plan, Refused> {
        let make = || {
            let architecture = flow.architecture().clone();
            let names: Vec<(String, usize)> = joined(flow).map(|(name, param)| (name, param.len())).collect();
            let offsets = Offsets::new(names.iter().map(|(name, length)| (name.as_str(), *length)));
            let first = Program::new(&architecture, &offsets)?;
            let trainable = flow.parameter_count();
            Ok(Plan { architecture, offsets, trainable, spare: Mutex::new(vec![(first, Vec::new())]) })
        };
        self.0.get_or_init(make)
    }

    /// A program with the flow's present weights; `None` unless they are f32 on the CPU.
    pub(super) fn lease(&self, flow: &Flow, purpose: Purpose) -> Option<Lease> {
        let plan = self.compile(flow).as_ref().ok()?;
        let spare = plan.spare.lock().ok()?.pop();
        let fresh = || Some((Program::new(&plan.architecture, &plan.offsets).ok()?, Vec::new()));
        let (mut program, mut values) = spare.or_else(fresh)?;
        values.clear();
        values.reserve_exact(plan.offsets.len());
        if let Some(leaf) = flow.joined() {
            values.extend_from_slice(Host::read(leaf.clone())?.values());
        }
        let here = |param: &Param| flow.joined().is_none() || !param.is_trainable();
        for (_, param) in joined(flow).filter(|(_, param)| here(param)) {
            values.extend_from_slice(Host::read(param.flat().clone())?.values());
        }
        program.load(&values, purpose);
        Some(Lease { programs: self.clone(), program: Some(program), values, purpose })
    }
}
