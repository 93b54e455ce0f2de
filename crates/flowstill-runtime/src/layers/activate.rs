//! Apply the nonlinearity of a network to what a layer gives, keep what the way back needs, and lead gradients back.

use super::dense::Dense;
use crate::architecture::Activation;
use flowstill_kernels::activations;
use flowstill_kernels::dense::End;

/// A nonlinearity: relu and tanh keep what they made, silu what it was given too, which lies before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activate(pub Activation);

/// What a nonlinearity was given and what it made of it.
pub(super) struct Activated<'a> {
    pub before: &'a [f32],
    pub after: &'a [f32],
}

impl Activated<'_> {
    /// What the slope follows from.
    pub(super) fn of_slope(&self, activate: Activate) -> &[f32] {
        if activate.keeps() == 2 { self.before } else { self.after }
    }
}

impl Activate {
    /// Planes kept for every unit.
    pub(super) fn keeps(self) -> usize {
        if self.0 == Activation::Silu { 2 } else { 1 }
    }

    /// A layer and the nonlinearity; what that made, and the room behind.
    pub(super) fn layer<'a>(
        self,
        layer: &Dense,
        input: &[f32],
        lanes: usize,
        room: &'a mut [f32],
        alone: bool,
    ) -> (&'a mut [f32], &'a mut [f32]) {
        let size = layer.outputs() * lanes;
        if self.0 == Activation::Relu {
            let (activated, rest) = room.split_at_mut(size);
            layer.forward(input, lanes, false, End::Relu, activated, alone);
            return (activated, rest);
        }
        layer.forward(input, lanes, false, End::Plain, &mut room[..size], alone);
        self.activate_first(size, room)
    }

    /// The nonlinearity alone.
    pub(super) fn apply<'a>(self, input: &[f32], room: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32]) {
        room[..input.len()].copy_from_slice(input);
        self.activate_first(input.len(), room)
    }

    /// The nonlinearity of the first values of `room`.
    fn activate_first(self, size: usize, room: &mut [f32]) -> (&mut [f32], &mut [f32]) {
        let room = match self.0 {
            Activation::Silu => {
                room.copy_within(..size, size);
                &mut room[size..]
            }
            Activation::Relu | Activation::Tanh => room,
        };
        let (activated, rest) = room.split_at_mut(size);
        match self.0 {
            Activation::Relu => activations::relu(activated),
            Activation::Tanh => activations::tanh_of(activated),
            Activation::Silu => activations::silu(activated),
        }
        (activated, rest)
    }

    /// What was kept of `size` values at the beginning of `room`, and the room behind.
    pub(super) fn kept_first(self, room: &[f32], size: usize) -> (Activated<'_>, &[f32]) {
        let (own, rest) = room.split_at(self.keeps() * size);
        (Activated { before: &own[..size], after: &own[own.len() - size..] }, rest)
    }

    /// The same at the end: the room before, and what was kept.
    pub(super) fn kept_last(self, room: &[f32], size: usize) -> (&[f32], Activated<'_>) {
        let (rest, own) = room.split_at(room.len() - self.keeps() * size);
        (rest, Activated { before: &own[..size], after: &own[own.len() - size..] })
    }

    /// From the gradient of a layer's outputs to that of what went through the nonlinearity into it.
    pub(super) fn backward(
        self,
        layer: &Dense,
        gradient: &[f32],
        lanes: usize,
        activated: &Activated<'_>,
        out: &mut [f32],
    ) {
        match self.0 {
            Activation::Relu => layer.backward(gradient, lanes, false, End::Gate(activated.after), out),
            Activation::Tanh | Activation::Silu => {
                layer.backward(gradient, lanes, false, End::Plain, out);
                self.activation_backward(activated, out);
            }
        }
    }

    /// Multiply with the slope of the nonlinearity.
    pub(super) fn activation_backward(self, activated: &Activated<'_>, gradient: &mut [f32]) {
        match self.0 {
            Activation::Relu => activations::relu_back(gradient, activated.after),
            Activation::Tanh => activations::tanh_back(gradient, activated.after),
            Activation::Silu => activations::silu_back(gradient, activated.before),
        }
    }
}
