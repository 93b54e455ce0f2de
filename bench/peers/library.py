"""What the adapters of PyTorch libraries share."""

from typing import Any, Callable

import numpy as np
import torch
from flowfile import FlowFile
from torch import Tensor, nn


class Adapted(nn.Module):
    """A library's model behind `log_prob` and `sample`."""

    def __init__(self, model: nn.Module, log_prob: Callable[[Tensor], Tensor], sample: Callable[[int], Tensor]) -> None:
        super().__init__()
        self.model, self.log_prob, self.sample = model, log_prob, sample


def splits_of(features: int, index: int) -> Tensor:
    """1 where coupling `index` moves a feature: the odd ones first."""
    return (torch.arange(features) % 2 != index % 2).int()


def spline_settings(flow: dict[str, Any]) -> tuple[int, float]:
    """Bins and half-width of the interval."""
    return flow["transform"]["bins"], flow["transform"]["tail_bound"]


def import_linear(layer: nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    """Our `[inputs, outputs]` into theirs."""
    if layer.weight.shape != weight.T.shape:
        raise ValueError(f"a layer of {tuple(layer.weight.shape)} does not take weights of {weight.T.shape}")
    layer.weight.data = torch.from_numpy(weight.T.copy())
    layer.bias.data = torch.from_numpy(bias.copy())


def spline_bias(bias: np.ndarray, bins: int) -> np.ndarray:
    """Our raw slope 0 is the slope 1; theirs has no such offset."""
    floor = 1e-3
    slopes = np.arange(len(bias)) % (3 * bins - 1) >= 2 * bins
    return bias + np.where(slopes, np.log(np.expm1(1.0 - floor)), 0.0).astype(np.float32)


def import_coupling_nets(file: FlowFile, nets: list[list[nn.Linear]], bins: int) -> None:
    """The perceptrons of a table's spline couplings, one list of layers each."""
    for index, layers in enumerate(nets):
        for place, layer in enumerate(layers):
            name = f"levels.0.steps.{index}.steps.0.net.layers.{place}"
            bias = file.arrays[f"{name}.bias"]
            bias = spline_bias(bias, bins) if place + 1 == len(layers) else bias
            import_linear(layer, file.arrays[f"{name}.weight"], bias)
