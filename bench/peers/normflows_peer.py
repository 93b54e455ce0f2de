"""The flows of a case as normflows builds them."""

from typing import Any

import normflows as nf
import torch
from flowfile import FlowFile
from library import Adapted, import_coupling_nets, spline_settings, splits_of
from normflows.flows.neural_spline.autoregressive import MaskedPiecewiseRationalQuadraticAutoregressive
from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling
from torch import Tensor


class Perceptron(nf.nets.MLP):
    """Their perceptron, called with the context that their couplings pass."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return super().forward(x)


class Multiscale(torch.nn.Module):
    """GLOW as in normflows' own example, with standard normals for latents."""

    def __init__(self, flow: dict[str, Any], event: list[int]) -> None:
        super().__init__()
        height, width, channels = event
        bases, levels = [], []
        for level in range(flow["levels"]):
            height, width, channels = height // 2, width // 2, channels * 4
            block = lambda: nf.flows.GlowBlock(channels, flow["hidden"], init_zeros=False)
            levels.insert(0, [*(block() for _ in range(flow["steps"])), nf.flows.Squeeze()])
            if level + 1 < flow["levels"]:
                channels //= 2
            bases.insert(0, nf.distributions.DiagGaussian((channels, height, width), trainable=False))
        merges = [nf.flows.Merge() for _ in levels[1:]]
        self.flow = nf.MultiscaleFlow(bases, levels, merges, class_cond=False)
        # Random last layers of the usual size make 24 couplings blow up; ours are small too.
        for part in self.modules():
            if isinstance(part, nf.nets.ConvNet2d):
                part.net[-1].weight.data.mul_(0.3)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.flow.log_prob(x, None)

    def sample(self, count: int) -> Tensor:
        return self.flow.sample(count)[0]


def coupling(features: int, index: int, bins: int, bound: float, hidden: list[int]) -> nf.flows.Flow:
    """A spline coupling with a plain perceptron."""
    spline = PiecewiseRationalQuadraticCoupling(
        splits_of(features, index), lambda inputs, outputs: Perceptron([inputs, *hidden, outputs]), num_bins=bins, tails="linear", tail_bound=bound
    )
    return nf.flows.Reverse(spline)


def build(case: dict[str, Any], file: FlowFile) -> tuple[torch.nn.Module, bool, str]:
    """The model, whether it holds our weights, and what differs."""
    flow, features = case["flow"], case["event"][2]
    if flow["kind"] == "glow":
        return Multiscale(flow, case["event"]), False, "no actnorm in its nets, no prior at its splits, sigmoid scale"
    kind, hidden = flow["transform"]["kind"] if "transform" in flow else "affine", flow["hidden"]
    count = flow.get("blocks", flow.get("steps"))
    steps: list[nf.flows.Flow] = []
    for index in range(count):
        if flow["kind"] == "realnvp":
            steps.append(coupling(features, index, *spline_settings(flow), hidden))
            continue
        if kind == "affine":
            made = nf.flows.MaskedAffineAutoregressive(features, hidden[0], num_blocks=1, use_residual_blocks=False)
        else:
            bins, bound = spline_settings(flow)
            made = MaskedPiecewiseRationalQuadraticAutoregressive(
                features, hidden[0], num_bins=bins, tails="linear", tail_bound=bound, num_blocks=1,
                use_residual_blocks=False,
            )  # fmt: skip
        steps += [nf.flows.Reverse(made), nf.flows.Permute(features, mode="shuffle")]
    base = nf.distributions.DiagGaussian(features, trainable=False)
    # normflows lists its layers from the latent side.
    model = nf.NormalizingFlow(base, steps[::-1])
    adapted = Adapted(model, model.log_prob, lambda rows: model.sample(rows)[0])
    if flow["kind"] == "realnvp":
        nets = [[layer for layer in step.flow.transform_net.net if hasattr(layer, "weight")] for step in steps]
        import_coupling_nets(file, nets, spline_settings(flow)[0])
        return adapted, True, ""
    return adapted, False, "random orders instead of reversals, no relu after the first layer, other scale map"
