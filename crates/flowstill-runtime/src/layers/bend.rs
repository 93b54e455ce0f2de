//! Bend what a layer gives by the nonlinearity of a network, keep what the way back needs, and lead gradients back.

use super::dense::Dense;
use crate::architecture::Activation;
use flowstill_kernels::activations;
use flowstill_kernels::dense::End;

/// A nonlinearity: relu and tanh keep what they made, silu what it was given too, which lies before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bend(pub Activation);

/// What a nonlinearity was given and what it made of it.
pub(super) struct Bent<'a> {
    pub before: &'a [f32],
    pub after: &'a [f32],
}

impl Bent<'_> {
    /// What the slope follows from.
    pub(super) fn of_slope(&self, bend: Bend) -> &[f32] {
        if bend.keeps() == 2 { self.before } else { self.after }
    }
}

impl Bend {
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
            let (bent, rest) = room.split_at_mut(size);
            layer.forward(input, lanes, false, End::Relu, bent, alone);
            return (bent, rest);
        }
        layer.forward(input, lanes, false, End::Plain, &mut room[..size], alone);
        self.bend_first(size, room)
    }

    /// The nonlinearity alone.
    pub(super) fn apply<'a>(self, input: &[f32], room: &'a mut [f32]) -> (&'a mut [f32], &'a mut [f32]) {
        room[..input.len()].copy_from_slice(input);
        self.bend_first(input.len(), room)
    }

    /// The nonlinearity of the first values of `room`.
    fn bend_first(self, size: usize, room: &mut [f32]) -> (&mut [f32], &mut [f32]) {
        let room = match self.0 {
            Activation::Silu => {
                room.copy_within(..size, size);
                &mut room[size..]
            }
            Activation::Relu | Activation::Tanh => room,
        };
        let (bent, rest) = room.split_at_mut(size);
        match self.0 {
            Activation::Relu => activations::relu(bent),
            Activation::Tanh => activations::tanh_of(bent),
            Activation::Silu => activations::silu(bent),
        }
        (bent, rest)
    }

    /// What was kept of `size` values at the beginning of `room`, and the room behind.
    pub(super) fn kept_first(self, room: &[f32], size: usize) -> (Bent<'_>, &[f32]) {
        let (own, rest) = room.split_at(self.keeps() * size);
        (Bent { before: &own[..size], after: &own[own.len() - size..] }, rest)
    }

    /// The same at the end: the room before, and what was kept.
    pub(super) fn kept_last(self, room: &[f32], size: usize) -> (&[f32], Bent<'_>) {
        let (rest, own) = room.split_at(room.len() - self.keeps() * size);
        (rest, Bent { before: &own[..size], after: &own[own.len() - size..] })
    }

    /// From the gradient of a layer's outputs to that of what went through the nonlinearity into it.
    pub(super) fn backward(self, layer: &Dense, gradient: &[f32], lanes: usize, bent: &Bent<'_>, out: &mut [f32]) {
        match self.0 {
            Activation::Relu => layer.backward(gradient, lanes, false, End::Gate(bent.after), out),
            Activation::Tanh | Activation::Silu => {
                layer.backward(gradient, lanes, false, End::Plain, out);
                self.unbend(bent, out);
            }
        }
    }

    /// Multiply with the slope of the nonlinearity.
    pub(super) fn unbend(self, bent: &Bent<'_>, gradient: &mut [f32]) {
        match self.0 {
            Activation::Relu => activations::relu_back(gradient, bent.after),
            Activation::Tanh => activations::tanh_back(gradient, bent.after),
            Activation::Silu => activations::silu_back(gradient, bent.before),
        }
    }
}
