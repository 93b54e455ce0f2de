//! Put a function with its own backward pass on the tape as one node.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Autodiff, Flex};
use burn::tensor::Tensor;
use std::fmt::{Debug, Formatter, Result};
use std::sync::Arc;

type Pullback<const N: usize> = dyn Fn(Tensor<1>) -> [Tensor<1>; N] + Send + Sync;

#[derive(Clone)]
struct State<const N: usize>(Arc<Pullback<N>>);

impl<const N: usize> Debug for State<N> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        formatter.write_str("pullback")
    }
}

#[derive(Debug)]
struct Node<const N: usize>;

impl<const N: usize> Backward<Flex, N> for Node<N> {
    type State = State<N>;

    fn backward(self, ops: Ops<State<N>, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = Tensor::<1>::from_primitive::<Flex>(grads.consume::<Flex>(&ops.node));
        for (parent, gradient) in ops.parents.into_iter().zip((ops.state.0)(gradient)) {
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

/// The value `output`, standing on the tape as a function of `inputs`, whose gradients `pullback` computes.
///
/// `output` and what the pullback receives and returns carry no autodiff; the pullback may run an autodiff of its own.
/// Check [`supports`] on all inputs first.
pub fn with_pullback<const N: usize>(
    inputs: [Tensor<1>; N],
    output: Tensor<1>,
    pullback: impl Fn(Tensor<1>) -> [Tensor<1>; N] + Send + Sync + 'static,
) -> Tensor<1> {
    let primitive = |input: Tensor<1>| input.try_into_primitive::<Autodiff<Flex>>().expect("checked by supports()");
    let nodes = inputs.map(|input| primitive(input).node());
    let output = output.try_into_primitive::<Flex>().expect("the output lives where the inputs do");
    let tracked = match Node::<N>.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State(Arc::new(pullback)), output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(tracked)
}
