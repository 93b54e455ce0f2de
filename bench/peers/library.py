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


def splits_of(features: int, index: int) -> list[int]:
    """1 where coupling `index` moves a feature: the odd ones first."""
    return [int(feature % 2 != index % 2) for feature in range(features)]


def spline_settings(flow: dict[str, Any]) -> tuple[int, float]:
    """Bins and half-width of the interval."""
    return flow["transform"]["bins"], flow["transform"]["tail_bound"]


def import_linear(layer: nn.Linear, weight: np.ndarray, bias: np.ndarray) -> None:
    """Our `[inputs, outputs]` into theirs."""
    if layer.weight.shape != weight.T.shape:
        raise ValueError(f"a layer of {tuple(layer.weight.shape)} does not take weights of {weight.T.shape}")
    layer.weight.data = torch.from_numpy(weight.T.copy())
    layer.bias.data = torch.from_numpy(bias.copy())


def import_coupling_nets(file: FlowFile, nets: list[list[nn.Linear]]) -> None:
    """The perceptrons of a table's couplings, one list of layers each."""
    for index, layers in enumerate(nets):
        for place, layer in enumerate(layers):
            name = f"levels.0.steps.{index}.steps.0.net.layers.{place}"
            import_linear(layer, file.arrays[f"{name}.weight"], file.arrays[f"{name}.bias"])
