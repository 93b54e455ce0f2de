//! Place a model in its comparison: what it is, and which plain student its gain may be counted from.

use super::Row;
use crate::Result;
use crate::recipe::{Difference, ModelPlan, PLAIN, Plan, TEACHER, differences, training_differences};
use serde::{Deserialize, Serialize};

/// What a model is in a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The one that students learn from.
    Teacher,
    /// A student that learns from data alone, whatever its variant is called.
    #[default]
    Plain,
    /// A student that learns from the teacher, or starts from its weights.
    Distilled,
}

impl Kind {
    /// What a plan makes.
    pub(crate) fn of(plan: &ModelPlan) -> Self {
        match (plan.role == TEACHER, plan.is_distilled()) {
            (true, _) => Self::Teacher,
            (false, true) => Self::Distilled,
            (false, false) => Self::Plain,
        }
    }
}

/// Say in a model's row what it is, which plain student it is counted from, and in what its training is not the students'.
///
/// # Errors
/// When settings cannot be compared.
pub(crate) fn place(row: &mut Row, model: &ModelPlan, plan: &Plan) -> Result<()> {
    row.kind = Kind::of(model);
    row.baseline = match row.kind {
        // Of another shape by its nature; the table says so.
        Kind::Teacher => plan.plain.as_ref().map(|_| PLAIN.to_string()),
        Kind::Plain => None,
        Kind::Distilled => {
            let plain = plan.plain.iter().chain(&plan.variants).filter(|other| Kind::of(other) == Kind::Plain);
            let mut found = None;
            for other in plain.filter(|other| other.flow == model.flow) {
                if training_differences(&other.train, &model.train)?.is_empty() {
                    found = Some(other.role.clone());
                    break;
                }
            }
            found
        }
    };
    row.differs = match &plan.plain {
        Some(plain) => difference(model, plain, row.kind)?,
        None => None,
    };
    Ok(())
}

/// In what a model's flow and training are not the plain student's; a teacher's flow is another anyway.
fn difference(model: &ModelPlan, plain: &ModelPlan, kind: Kind) -> Result<Option<String>> {
    let listed = |all: Vec<Difference>| {
        all.into_iter().map(|(key, own, other)| format!("{key} = {own}, not {other}")).collect::<Vec<_>>().join("; ")
    };
    let flow = match kind {
        Kind::Teacher => Vec::new(),
        _ => differences(&model.flow, &plain.flow)?,
    };
    let parts = [("flow", listed(flow)), ("train", listed(training_differences(&model.train, &plain.train)?))];
    let said: Vec<String> =
        parts.into_iter().filter(|(_, what)| !what.is_empty()).map(|(name, what)| format!("{name}: {what}")).collect();
    Ok((!said.is_empty()).then(|| said.join("; ")))
}

/// The same for a teacher that came from a file: nothing is known of its training but how long it took.
pub(crate) fn place_given(row: &mut Row) {
    row.kind = Kind::Teacher;
    row.baseline = None;
    row.differs = Some(format!("from its file, trained for {} steps by other settings", row.steps));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Recipe;

    /// Role, kind, baseline, differs.
    fn placed(variants: &str) -> Vec<(String, Kind, Option<String>, Option<String>)> {
        let text = format!(
            "name = \"t\"\ndata = {{ set = \"household\" }}\ntrain = {{ steps = 9 }}\n\
             teacher = {{ flow = {{ kind = \"maf\", blocks = 3 }}, train = {{ steps = 30 }} }}\n\
             student = {{ flow = {{ kind = \"maf\", blocks = 1 }} }}\n\
             distill = {{ inherit = \"none\", ilkd = 0.0, skd = 0.0, teacher_samples = 0.0 }}\n\
             compare = {{ variants = [{variants}] }}"
        );
        let plan = Recipe::parse("t.toml", &text, Vec::new()).unwrap().plan().unwrap();
        let models = plan.teacher.iter().chain(&plan.plain).chain(&plan.variants);
        let one = |model: &ModelPlan| {
            let mut row = Row { role: model.role.clone(), ..Row::default() };
            place(&mut row, model, &plan).unwrap();
            (row.role, row.kind, row.baseline, row.differs)
        };
        models.map(one).collect()
    }

    #[test]
    fn gains_are_counted_from_a_plain_student_of_the_same_shape_and_training() {
        let rows = placed(
            "{ name = \"lkd\", lkd = 0.1 }, { name = \"wide-plain\", flow = { hidden = [99] } }, \
             { name = \"wide\", flow = { hidden = [99] }, lkd = 0.1 }, { name = \"long\", train = { steps = 20 }, lkd = 0.1 }, \
             { name = \"start\", inherit = \"auto\" }",
        );
        let of = |role: &str| rows.iter().find(|row| row.0 == role).map(|row| (row.1, row.2.as_deref())).unwrap();
        assert_eq!(of("teacher"), (Kind::Teacher, Some("plain")));
        assert_eq!(of("plain"), (Kind::Plain, None));
        assert_eq!(of("lkd"), (Kind::Distilled, Some("plain")));
        assert_eq!(of("wide-plain"), (Kind::Plain, None));
        assert_eq!(of("wide"), (Kind::Distilled, Some("wide-plain")));
        assert_eq!(of("long"), (Kind::Distilled, None));
        assert_eq!(of("start"), (Kind::Distilled, Some("plain")));
        assert_eq!(rows[0].3.as_deref(), Some("train: steps = 30, not 9"));
        assert_eq!(rows[1].3, None);
        assert_eq!(rows[3].3.as_deref(), Some("flow: hidden = [99], not [100,100]"));
    }
}
