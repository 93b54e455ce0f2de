"""A whole flow in plain PyTorch, read from a flow file of flowstill."""

import math
import pathlib

import torch
from flowfile import FlowFile, below
from plain_layers import Pair, bounded, build
from plain_nets import ConvNet
from torch import Tensor, nn


def normal_log_prob(z: Tensor) -> Tensor:
    """Log-density of standard normals, one value per sample."""
    z = z.flatten(1)
    return -0.5 * (z * z).sum(1) - 0.5 * math.log(2.0 * math.pi) * z.shape[1]


class Split(nn.Module):
    """Half of the channels leave, standardised by what stays."""

    def __init__(self, config: dict, arrays: dict) -> None:
        super().__init__()
        self.kept, self.prior = config["channels"] // 2, config["prior"]
        self.net = ConvNet(below(arrays, "prior")) if self.prior["kind"] == "learned" else None

    def parameters_of_prior(self, kept: Tensor) -> Pair:
        """Shift and log-scale of what leaves."""
        shift, raw = self.net(kept).chunk(2, 1)
        return shift, bounded(raw, self.prior["scale"])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        kept, leaving = x[:, : self.kept], x[:, self.kept :]
        if self.net is None:
            return kept, leaving, x.new_zeros(len(x))
        shift, log_scale = self.parameters_of_prior(kept)
        return kept, (leaving + shift) * log_scale.exp(), log_scale.flatten(1).sum(1)

    def inverse(self, kept: Tensor, eps: Tensor) -> Tensor:
        if self.net is None:
            return torch.cat((kept, eps), 1)
        shift, log_scale = self.parameters_of_prior(kept)
        return torch.cat((kept, eps * torch.exp(-log_scale) - shift), 1)


class PlainFlow(nn.Module):
    """Levels of steps with splits between them and a standard normal base."""

    def __init__(self, path: str | pathlib.Path) -> None:
        super().__init__()
        file = FlowFile(path)
        self.architecture = file.architecture
        height, width, channels = self.architecture["event"]
        self.table = height * width == 1
        levels = enumerate(self.architecture["levels"])
        make = lambda level, steps: nn.ModuleList(
            build(config, file.under(f"levels.{level}.steps.{index}")) for index, config in enumerate(steps)
        )
        self.levels = nn.ModuleList(make(level, steps) for level, steps in levels)
        splits = enumerate(self.architecture.get("splits", []))
        self.splits = nn.ModuleList(Split(config, file.under(f"levels.{level}.split")) for level, config in splits)
        self.dimensions = height * width * channels
        self.shapes = [(channels,)] if self.table else self.latent_shapes()

    def latent_shapes(self) -> list[tuple[int, int, int]]:
        """Channels, height and width of each level's latents, for GLOW."""
        height, width, channels = self.architecture["event"]
        shapes = []
        for level in range(len(self.levels)):
            height, width, channels = height // 2, width // 2, channels * 4
            if level < len(self.splits):
                kept = channels // 2
                shapes.append((channels - kept, height, width))
                channels = kept
        return [*shapes, (channels, height, width)]

    def freeze(self) -> "PlainFlow":
        """Compute once what inference need not compute again."""
        for module in self.modules():
            if module is not self and hasattr(module, "freeze"):
                module.freeze()
        return self

    def latents(self, x: Tensor) -> tuple[list[Tensor], Tensor, list[list[Tensor]]]:
        """The latents of every level, the log-det, and the state after every step of every level."""
        total, latents, states = x.new_zeros(len(x)), [], []
        for level, steps in enumerate(self.levels):
            states.append([])
            for step in steps:
                x, log_det = step(x)
                total = total + log_det
                states[-1].append(x)
            if level < len(self.splits):
                x, eps, log_det = self.splits[level](x)
                total = total + log_det
                latents.append(eps)
        return [*latents, x], total, states

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density in nats."""
        latents, log_det, _ = self.latents(x)
        return sum(normal_log_prob(z) for z in latents) + log_det

    def noise(self, count: int) -> list[Tensor]:
        """Standard normal latents."""
        return [torch.randn(count, *shape) for shape in self.shapes]

    def inverse(self, latents: list[Tensor]) -> Tensor:
        """Latents to data."""
        x = latents[-1]
        for level in reversed(range(len(self.levels))):
            if level < len(self.splits):
                x = self.splits[level].inverse(x, latents[level])
            for step in reversed(self.levels[level]):
                x = step.inverse(x)
        return x

    def sample(self, count: int) -> Tensor:
        """So many samples."""
        return self.inverse(self.noise(count))
