"""Plain PyTorch bijectors of exactly flowstill's maths; tables are `[rows, columns]`, pictures `[batch, channels, height, width]`."""

import math
from typing import Callable

import numpy as np
import torch
import torch.nn.functional as F
from flowfile import below
from plain_nets import Arrays, ConvNet, Made, Perceptron, parameter
from plain_spline import spline
from torch import Tensor, nn

Pair = tuple[Tensor, Tensor]


def positions(x: Tensor) -> int:
    """Positions of a picture, 1 for a row of a table."""
    return math.prod(x.shape[2:])


def over(channels: Tensor, x: Tensor) -> Tensor:
    """One value per channel, so that it broadcasts over `x`."""
    return channels.view(1, -1, *[1] * (x.dim() - 2))


def bounded(raw: Tensor, scale: dict) -> Tensor:
    """From raw output to log-scale."""
    if scale["kind"] != "tanh":
        raise ValueError(f"the scale map {scale['kind']} is not written here")
    return torch.tanh(raw / scale["bound"]) * scale["bound"]


class Univariate:
    """An affine map or a spline of every value, by parameters from a net."""

    def __init__(self, config: dict) -> None:
        self.config, self.affine = config, config["kind"] == "affine"
        self.params = 2 if self.affine else 3 * config["bins"] - 1

    def degrees(self, channels: int) -> list[int]:
        """To which channel (from 1) each output of a masked net belongs."""
        each = range(channels * self.params)
        return [(k % channels if self.affine else k // self.params) + 1 for k in each]

    def apply(self, x: Tensor, raw: Tensor, inverse: bool) -> Pair:
        """The mapped values and `log dz/dx` of each."""
        if not self.affine:
            return spline(x, raw, self.config["bins"], self.config["tail_bound"], inverse)
        shift, raw_scale = raw.chunk(2, 1)
        log_scale = bounded(raw_scale, self.config["scale"])
        return (x * torch.exp(-log_scale) - shift if inverse else (x + shift) * torch.exp(log_scale)), log_scale


class ActNorm(nn.Module):
    """`(x + shift) * exp(log_scale)` per channel."""

    def __init__(self, config: dict, arrays: Arrays) -> None:
        super().__init__()
        self.shift, self.log_scale = parameter(arrays["shift"]), parameter(arrays["log_scale"])

    def forward(self, x: Tensor) -> Pair:
        log_det = self.log_scale.sum() * positions(x)
        return (x + over(self.shift, x)) * over(self.log_scale.exp(), x), log_det

    def inverse(self, z: Tensor) -> Tensor:
        return z * over(torch.exp(-self.log_scale), z) - over(self.shift, z)


class LuLinear(nn.Module):
    """`x W^T + bias` with `W = P L (U + diag(sign exp(log_s)))`."""

    def __init__(self, config: dict, arrays: Arrays) -> None:
        super().__init__()
        n = config["channels"]
        for name in ("lower", "upper", "log_s", "bias"):
            setattr(self, name, parameter(arrays[name]))
        for name, value in (("permutation", arrays["permutation"]), ("sign", arrays["sign"]), ("eye", np.eye(n))):
            self.register_buffer(name, torch.from_numpy(np.array(value, dtype=np.float32)))
        self.cached: Pair | None = None

    def weight(self) -> Tensor:
        """The dense matrix."""
        lower = self.lower.tril(-1) + self.eye
        upper = self.upper.triu(1) + torch.diag(self.sign * self.log_s.exp())
        return self.permutation @ lower @ upper

    def freeze(self) -> None:
        """For inference: the matrix and its inverse are computed once."""
        weight = self.weight().detach()
        self.cached = (weight, torch.linalg.inv(weight))

    @staticmethod
    def mix(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The product at every position."""
        return F.linear(x, weight, bias) if x.dim() == 2 else F.conv2d(x, weight[:, :, None, None], bias)

    def forward(self, x: Tensor) -> Pair:
        weight = self.cached[0] if self.cached else self.weight()
        return self.mix(x, weight, self.bias), self.log_s.sum() * positions(x)

    def inverse(self, z: Tensor) -> Tensor:
        weight = self.cached[1] if self.cached else torch.linalg.inv(self.weight())
        return self.mix(z - over(self.bias, z), weight, None)


class Coupling(nn.Module):
    """One half of the channels moved by parameters computed from the other."""

    def __init__(self, config: dict, arrays: Arrays) -> None:
        super().__init__()
        n, mask, net = config["channels"], config["mask"], below(arrays, "net")
        self.mask, self.middle = mask, n // 2
        if mask not in ("first_half", "even", "odd"):
            raise ValueError(f"the mask {mask} is not written here")
        self.map = Univariate(config["transform"])
        self.net = ConvNet(net) if config["conditioner"]["kind"] == "conv" else Perceptron(config["conditioner"], net)

    def halves(self, x: Tensor) -> Pair:
        """What conditions and what is moved."""
        if self.mask == "first_half":
            return x[:, : self.middle], x[:, self.middle :]
        even, odd = x[:, 0::2], x[:, 1::2]
        return (even, odd) if self.mask == "even" else (odd, even)

    def merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        """Both halves in their places."""
        if self.mask == "first_half":
            return torch.cat((kept, moved), 1)
        even, odd = (kept, moved) if self.mask == "even" else (moved, kept)
        if even.shape[1] == odd.shape[1]:
            return torch.stack((even, odd), 2).flatten(1, 2)
        pairs = torch.stack((even[:, :-1], odd), 2).flatten(1, 2)
        return torch.cat((pairs, even[:, -1:]), 1)

    def forward(self, x: Tensor) -> Pair:
        kept, moved = self.halves(x)
        moved, log_slope = self.map.apply(moved, self.net(kept), False)
        return self.merge(kept, moved), log_slope.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        kept, moved = self.halves(z)
        return self.merge(kept, self.map.apply(moved, self.net(kept), True)[0])


class MaskedAutoregressive(nn.Module):
    """Every channel moved by parameters computed from the channels before it."""

    def __init__(self, config: dict, arrays: Arrays) -> None:
        super().__init__()
        self.channels, self.map = config["channels"], Univariate(config["transform"])
        self.net = Made(config["made"], self.channels, self.map.degrees(self.channels), below(arrays, "net"))
        self.step: Callable[[Tensor, Tensor], Tensor] = self.one_pass

    def forward(self, x: Tensor) -> Pair:
        z, log_slope = self.map.apply(x, self.net(x), False)
        return z, log_slope.sum(1)

    def one_pass(self, z: Tensor, x: Tensor) -> Tensor:
        """One more channel settled."""
        return self.map.apply(z, self.net(x), True)[0]

    def inverse(self, z: Tensor) -> Tensor:
        """As many passes as channels; without gradients fewer, where a pass changes nothing any more."""
        x = z
        for _ in range(self.channels):
            before, x = x, self.step(z, x)
            if not torch.is_grad_enabled() and torch.equal(before, x):
                break
        return x


class Permute(nn.Module):
    """Channels in another order."""

    def __init__(self, config: dict, arrays: Arrays) -> None:
        super().__init__()
        order = torch.tensor(config["indices"])
        self.reverse = config["indices"] == list(range(len(order)))[::-1]
        self.register_buffer("order", order)
        self.register_buffer("back", torch.argsort(order))

    def forward(self, x: Tensor) -> Pair:
        z = x.flip(1) if self.reverse else x[:, self.order]
        return z, x.new_zeros(())

    def inverse(self, z: Tensor) -> Tensor:
        return z.flip(1) if self.reverse else z[:, self.back]


class Squeeze(nn.Module):
    """Every 2x2 block of positions becomes one."""

    def __init__(self, config: dict, arrays: Arrays) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Pair:
        return F.pixel_unshuffle(x, 2), x.new_zeros(())

    def inverse(self, z: Tensor) -> Tensor:
        return F.pixel_shuffle(z, 2)


class Chain(nn.Module):
    """Bijectors one after the other."""

    def __init__(self, config: dict, arrays: Arrays) -> None:
        super().__init__()
        parts = enumerate(config["steps"])
        self.steps = nn.ModuleList(build(part, below(arrays, f"steps.{index}")) for index, part in parts)

    def forward(self, x: Tensor) -> Pair:
        total = x.new_zeros(len(x))
        for step in self.steps:
            x, log_det = step(x)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor) -> Tensor:
        for step in reversed(self.steps):
            z = step.inverse(z)
        return z


KINDS = {
    "act_norm": ActNorm,
    "lu_linear": LuLinear,
    "coupling": Coupling,
    "masked_autoregressive": MaskedAutoregressive,
    "permute": Permute,
    "squeeze": Squeeze,
    "chain": Chain,
}


def build(config: dict, arrays: Arrays) -> nn.Module:
    """The bijector that a configuration describes."""
    return KINDS[config["bijector"]](config, arrays)
