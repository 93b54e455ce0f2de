//! See all parameters of one role as a single vector, and put such a vector back.

use crate::{Param, Role};
use burn::tensor::Tensor;

/// The parameters of one role, joined; `None` when there are none.
pub(super) fn gather(params: &[(String, &Param)], role: Role) -> Option<Tensor<1>> {
    let parts: Vec<Tensor<1>> =
        params.iter().filter(|(_, p)| p.role() == role).map(|(_, p)| p.flat().clone().without_autodiff()).collect();
    (!parts.is_empty()).then(|| Tensor::cat(parts, 0))
}

/// Put a joined vector back; trainable tensors become fresh leaves of a tape when `tracked`.
pub(super) fn scatter(vector: &Tensor<1>, params: Vec<(String, &mut Param)>, role: Role, tracked: bool) {
    let mut at = 0;
    for (_, param) in params.into_iter().filter(|(_, p)| p.role() == role) {
        let part = vector.clone().narrow(0, at, param.len());
        at += param.len();
        param.set(if tracked { part.autodiff().require_grad() } else { part });
    }
}

/// The names and lengths of the parameters of one role, in order: the layout that a checkpoint must share.
pub(super) fn layout(params: &[(String, &Param)], role: Role) -> Vec<(String, usize)> {
    params.iter().filter(|(_, p)| p.role() == role).map(|(name, p)| (name.clone(), p.len())).collect()
}
