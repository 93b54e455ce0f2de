//! Lead gradients through a flow in the units of the data: of log-densities, and of what is decoded.

use super::output::Rows;
use super::{Model, Space, Value, with_space};
use crate::{Engine, Error, Result};

impl<E: Engine> Model<E> {
    /// Log-density of each row in nats, as [`Model::log_prob`] gives it, with its gradients, nats per unit of the data: `d_rows` with respect to the row, `d_context`
    /// with respect to its conditioning values, as long as `rows` and `context` are.
    ///
    /// The first call on a flow file arranges the weights once more, for the way back.
    ///
    /// # Errors
    /// As [`Model::log_prob`].
    pub fn log_prob_with_gradients<V: Value>(
        &self,
        rows: &[V],
        context: &[V],
        log_prob: &mut [V],
        d_rows: &mut [V],
        d_context: &mut [V],
    ) -> Result<()> {
        let (d, width) = (self.columns(), self.context_columns());
        self.check("rows to score", log_prob.len(), rows.len(), context.len())?;
        self.check("gradients of rows to score", log_prob.len(), d_rows.len(), d_context.len())?;
        let out = (Rows::new(log_prob, 1), (Rows::new(d_rows, d), Rows::new(d_context, width)));
        self.tiles(out, true, |samples, _, (log_prob, (d_rows, d_context))| {
            with_space(|space| {
                self.enter(space, 0, rows, context, &samples)?;
                let count = samples.len();
                let Space { x, context, latents, log_det, spare: [g_x, g_context, own], .. } = &mut *space;
                latents.resize(count * d, 0.0);
                log_det.resize(count, 0.0);
                g_x.resize(count * d, 0.0);
                g_context.resize(count * width, 0.0);
                let slope = |latents: &mut [f32]| {
                    // The densities are read off the latents later.
                    own.clear();
                    own.extend_from_slice(latents);
                    for (level, density) in self.densities.iter().enumerate() {
                        for sample in 0..count {
                            let at = self.level(level, sample, count);
                            density.gradient(&own[at.clone()], &mut latents[at]);
                        }
                    }
                };
                self.engine.encode_with_gradients(x, context, latents, log_det, slope, [g_x, g_context])?;
                std::mem::swap(latents, own);
                self.put_densities(space, samples.start, log_prob.values)?;
                let ([g_x, g_context, _], s) = (&space.spare, &self.standardization);
                per_unit(g_x, &s.std, d_rows.values);
                s.pull(&rows[samples.start * d..samples.end * d], d_rows.values);
                per_unit(g_context, &s.context_std, d_context.values);
                Ok(())
            })
        })
    }

    /// From the gradients of a loss with respect to rows that [`Model::decode`] gives, `d_rows`, to those with respect to what it was given: `d_latents` and
    /// `d_context`, as long as `latents` and `context` are.
    ///
    /// # Errors
    /// As [`Model::decode`]; [`Error::BadValue`] also names a gradient that is not finite.
    pub fn decode_pullback<V: Value>(
        &self,
        latents: &[V],
        context: &[V],
        d_rows: &[V],
        d_latents: &mut [V],
        d_context: &mut [V],
    ) -> Result<()> {
        let (d, width) = (self.columns(), self.context_columns());
        let count = d_rows.len() / d;
        self.check("latents to decode", count, latents.len(), context.len())?;
        self.check("gradients of rows", count, d_rows.len(), context.len())?;
        self.check("gradients of latents", count, d_latents.len(), d_context.len())?;
        if let Some(at) = d_rows.iter().position(|value| !(*value).into().is_finite()) {
            return Err(Error::BadValue {
                what: "gradients of rows".into(),
                problem: format!("row {} column {} is {}", at / d + 1, at % d + 1, d_rows[at].into()),
                remedy: "mend the loss".into(),
            });
        }
        let s = &self.standardization;
        let out = (Rows::new(d_latents, d), Rows::new(d_context, width));
        self.tiles(out, true, |samples, _, (d_latents, d_context)| {
            with_space(|space| {
                self.enter_context(space, 0, context, &samples)?;
                self.enter_latents(space, latents, &samples);
                let count = samples.len();
                let Space { x, context, latents: own, log_det, spare: [g_x, g_context, g_latents], .. } = space;
                g_x.clear();
                let given = d_rows[samples.start * d..samples.end * d].iter().zip(s.std.iter().cycle());
                g_x.extend(given.map(|(g, std)| ((*g).into() * std) as f32));
                g_latents.resize(count * d, 0.0);
                g_context.resize(count * width, 0.0);
                let level = |level: usize| &own[self.starts[level] * count..self.starts[level + 1] * count];
                if s.is_transformed() {
                    // How much a transform stretches is known where the row is.
                    x.resize(count * d, 0.0);
                    log_det.resize(count, 0.0);
                    self.engine.decode(level, context, false, x, log_det)?;
                    for (at, (g, x)) in g_x.iter_mut().zip(x.iter()).enumerate() {
                        let column = at % d;
                        let y = f64::from(*x) * s.std[column] + s.mean[column];
                        *g = (f64::from(*g) / s.slope(column, y)) as f32;
                    }
                }
                self.engine.decode_pullback(count, level, context, g_x, [g_latents, g_context])?;
                self.leave_latents(g_latents, d_latents.values);
                per_unit(g_context, &s.context_std, d_context.values);
                Ok(())
            })
        })
    }
}

/// Gradients per standardised value to gradients per unit of the data.
fn per_unit<V: Value>(gradient: &[f32], std: &[f64], out: &mut [V]) {
    let each = gradient.iter().zip(std.iter().cycle());
    out.iter_mut().zip(each).for_each(|(out, (g, std))| *out = V::from_f64(f64::from(*g) / std));
}
