"""The flows of a case as nflows builds them."""

from typing import Any

import numpy as np
import torch
from flowfile import FlowFile
from library import Adapted, import_coupling_nets, import_linear, spline_bias, spline_settings, splits_of
from nflows import transforms as nt
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.nn.nets import MLP
from torch import Tensor

Spline = nt.MaskedPiecewiseRationalQuadraticAutoregressiveTransform


class Perceptron(MLP):
    """Their perceptron, called with the context that their couplings pass."""

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        return super().forward(inputs)


def import_spline_made(file: FlowFile, index: int, made: torch.nn.Module, bins: int) -> None:
    """Our masked net: its hidden units are sorted by degree, theirs are not."""
    layers = [made.initial_layer, made.blocks[0].linear, made.final_layer]
    before: np.ndarray | None = None
    for place, layer in enumerate(layers):
        name = f"levels.0.steps.{index}.steps.0.net.layers.{place}"
        weight, bias = file.arrays[f"{name}.weight"].copy(), file.arrays[f"{name}.bias"].copy()
        if before is not None:
            weight = weight[before]
        if place < 2:
            order = np.argsort(layer.degrees.numpy(), kind="stable")
            before = np.argsort(order)
            weight, bias = weight[:, before], bias[before]
        else:
            bias = spline_bias(bias, bins)
        import_linear(layer, weight, bias)


def build(case: dict[str, Any], file: FlowFile) -> tuple[torch.nn.Module, bool, str]:
    """The model, whether it holds our weights, and what differs."""
    flow, features = case["flow"], case["event"][2]
    hidden, coupling = flow["hidden"], flow["kind"] == "realnvp"
    steps, nets = [], []
    for index in range(flow.get("blocks", flow.get("steps"))):
        if coupling:
            bins, bound = spline_settings(flow)
            net = lambda inputs, outputs: Perceptron([inputs], [outputs], hidden)
            step = nt.PiecewiseRationalQuadraticCouplingTransform(
                splits_of(features, index), net, num_bins=bins, tails="linear", tail_bound=bound
            )
            made = step.transform_net
            nets.append([made._input_layer, *made._hidden_layers, made._output_layer])
            steps.append(step)
            continue
        if flow.get("transform", {}).get("kind", "affine") == "affine":
            step = nt.MaskedAffineAutoregressiveTransform(features, hidden[0], num_blocks=1, use_residual_blocks=False)
        else:
            bins, bound = spline_settings(flow)
            step = Spline(
                features, hidden[0], num_bins=bins, tails="linear", tail_bound=bound, num_blocks=1,
                use_residual_blocks=False,
            )  # fmt: skip
            import_spline_made(file, index, step.autoregressive_net, bins)
        steps += [step, nt.ReversePermutation(features)]
    model = Flow(nt.CompositeTransform(steps), StandardNormal([features]))
    imported = flow.get("transform", {}).get("kind") == "rational_quadratic"
    if coupling:
        import_coupling_nets(file, nets, spline_settings(flow)[0])
    return Adapted(model, model.log_prob, model.sample), imported, "" if imported else "sigmoid scale map"
