"""The flows of a case as nflows builds them."""

from typing import Any

import numpy as np
import torch
from flowfile import FlowFile
from library import Adapted, import_coupling_nets, import_linear, spline_settings, splits_of
from nflows import transforms as nt
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow
from nflows.nn.nets import MLP

Spline = nt.MaskedPiecewiseRationalQuadraticAutoregressiveTransform


def import_spline_made(file: FlowFile, index: int, made: torch.nn.Module, bins: int, width: int) -> None:
    """Our masked net: its units are sorted by degree, theirs are not; their widths and heights are divided by sqrt(width)."""
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
            divided = np.arange(len(bias)) % (3 * bins - 1) < 2 * bins
            scale = np.where(divided, np.sqrt(width), 1.0).astype(np.float32)
            weight, bias = weight * scale, bias * scale
        import_linear(layer, weight, bias)


def build(case: dict[str, Any], file: FlowFile) -> tuple[torch.nn.Module, bool, str]:
    """The model, whether it holds our weights, and what differs."""
    flow, features = case["flow"], case["event"][2]
    hidden, coupling = flow["hidden"], flow["kind"] == "realnvp"
    steps, nets = [], []
    for index in range(flow.get("blocks", flow.get("steps"))):
        if coupling:
            bins, bound = spline_settings(flow)
            net = lambda inputs, outputs: MLP([inputs], [outputs], hidden)
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
            import_spline_made(file, index, step.autoregressive_net, bins, hidden[0])
        steps += [step, nt.ReversePermutation(features)]
    model = Flow(nt.CompositeTransform(steps), StandardNormal([features]))
    import_coupling_nets(file, nets)
    imported = coupling or flow.get("transform", {}).get("kind") == "rational_quadratic"
    return Adapted(model, model.log_prob, model.sample), imported, "" if imported else "sigmoid scale map"
