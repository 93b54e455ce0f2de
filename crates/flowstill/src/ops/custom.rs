//! Put a function with its own backward pass on the tape as one node.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use std::fmt::{Debug, Formatter, Result};
use std::sync::Arc;

type Pullback = dyn Fn(Tensor<1>) -> (Tensor<1>, Tensor<1>) + Send + Sync;

#[derive(Clone)]
struct State(Arc<Pullback>);

impl Debug for State {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter.write_str("pullback")
    }
}

#[derive(Debug)]
struct Node;

impl Backward<Flex, 2> for Node {
    type State = State;

    fn backward(self, ops: Ops<State, 2>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = Tensor::<1>::from_primitive::<Flex>(grads.consume::<Flex>(&ops.node));
        let (first, second) = (ops.state.0)(gradient);
        let [parent_1, parent_2] = ops.parents;
        for (parent, gradient) in [(parent_1, first), (parent_2, second)] {
            if let Some(parent) = parent {
                let gradient = gradient.try_into_primitive::<Flex>().expect("a pullback answers on the CPU device");
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Whether [`with_pullback`] can serve this tensor: it is tracked, on the CPU device, without gradient checkpointing.
pub fn supports(tensor: &Tensor<1>) -> bool {
    tensor.is_autodiff() && tensor.clone().try_into_primitive::<Autodiff<Flex>>().is_ok()
}

/// The value `output`, standing on the tape as a function of `first` and `second` whose gradients `pullback` computes.
///
/// `output` and what the pullback receives and returns carry no autodiff; the pullback may run an autodiff of its own.
/// Check [`supports`] on both inputs first.
pub fn with_pullback(
    first: Tensor<1>,
    second: Tensor<1>,
    output: Tensor<1>,
    pullback: impl Fn(Tensor<1>) -> (Tensor<1>, Tensor<1>) + Send + Sync + 'static,
) -> Tensor<1> {
    let first = first.try_into_primitive::<Autodiff<Flex>>().expect("checked by supports()");
    let second = second.try_into_primitive::<Autodiff<Flex>>().expect("checked by supports()");
    let output = output.try_into_primitive::<Flex>().expect("the output lives where the inputs do");
    let nodes = [first.node(), second.node()];
    let tracked = match Node.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State(Arc::new(pullback)), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(tracked)
}
