"""Plain PyTorch networks of exactly flowstill's maths: masked, plain and residual perceptrons, convolutions."""

import numpy as np
import torch
import torch.nn.functional as F
from flowfile import below
from torch import Tensor, nn

Arrays = dict[str, np.ndarray]


def parameter(array: np.ndarray) -> nn.Parameter:
    """A trainable copy."""
    return nn.Parameter(torch.from_numpy(np.array(array, dtype=np.float32)))


def dense(arrays: Arrays) -> nn.Linear:
    """A linear layer; flowstill stores `[inputs, outputs]`."""
    layer = nn.Linear(*arrays["weight"].shape)
    layer.weight, layer.bias = parameter(arrays["weight"].T), parameter(arrays["bias"])
    return layer


def layers_of(arrays: Arrays) -> list[Arrays]:
    """The arrays of `layers.0`, `layers.1`, ..."""
    count = 1 + max(int(name.split(".")[1]) for name in arrays if name.startswith("layers."))
    return [below(arrays, f"layers.{index}") for index in range(count)]


class Perceptron(nn.Module):
    """Linear layers with relu between, or pre-activation residual blocks."""

    def __init__(self, config: dict, arrays: Arrays) -> None:
        super().__init__()
        self.layers = nn.ModuleList(dense(part) for part in layers_of(arrays))
        self.residual = config["kind"] == "residual"

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self.layers)
        if not self.residual:
            for layer in layers[:-1]:
                x = F.relu(layer(x))
            return layers[-1](x)
        x = layers[0](x)
        for first, second in zip(layers[1:-1:2], layers[2:-1:2]):
            x = x + second(F.relu(first(F.relu(x))))
        return layers[-1](x)


def hidden_degrees(width: int, channels: int) -> list[int]:
    """Degrees of a hidden layer, ascending."""
    least = 0 if channels == 1 else 1
    count = channels - least
    if width < count:
        return sorted(least + (unit + 1) * count // width - 1 for unit in range(width))
    return sorted(least + unit % count for unit in range(width))


class MaskedLinear(nn.Linear):
    """A linear layer whose weights are masked; `freeze` multiplies the mask in for good."""

    def __init__(self, arrays: Arrays, mask: np.ndarray) -> None:
        super().__init__(*arrays["weight"].shape)
        self.weight, self.bias = parameter(arrays["weight"].T), parameter(arrays["bias"])
        self.register_buffer("mask", torch.from_numpy(mask.T.astype(np.float32).copy()))
        self.frozen = False

    def freeze(self) -> None:
        """For inference: the mask need not be multiplied again."""
        self.weight.data.mul_(self.mask)
        self.frozen = True

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight if self.frozen else self.weight * self.mask, self.bias)


class Made(nn.Module):
    """The masked network of one autoregressive block, with relu."""

    def __init__(self, config: dict, channels: int, outputs: list[int], arrays: Arrays) -> None:
        super().__init__()
        if config.get("residual") or config.get("activation", "relu") != "relu":
            raise ValueError("only plain masked nets with relu are written here")
        before, masks = np.arange(1, channels + 1), []
        for width in config["hidden"]:
            after = np.array(hidden_degrees(width, channels))
            masks.append(after[None, :] >= before[:, None])
            before = after
        masks.append(np.array(outputs)[None, :] > before[:, None])
        self.layers = nn.ModuleList(MaskedLinear(part, mask) for part, mask in zip(layers_of(arrays), masks))

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            x = F.relu(layer(x))
        return last(x)


class NormedConv(nn.Module):
    """A convolution followed by `(y + shift) * exp(log_scale)`, the scale multiplied into its weights."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        window, inputs, outputs = arrays["weight"].shape
        self.side = 3 if window == 9 else 1
        kernel = arrays["weight"].reshape(self.side, self.side, inputs, outputs).transpose(3, 2, 0, 1)
        self.weight = parameter(kernel)
        self.shift, self.log_scale = parameter(arrays["shift"]), parameter(arrays["log_scale"])
        self.folded: tuple[Tensor, Tensor] | None = None

    def fold(self) -> tuple[Tensor, Tensor]:
        """Weights and bias with the scale in them."""
        scale = self.log_scale.exp()
        return self.weight * scale[:, None, None, None], self.shift * scale

    def freeze(self) -> None:
        """For inference: fold once."""
        self.folded = tuple(part.detach() for part in self.fold())

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.folded or self.fold()
        return F.conv2d(x, weight, bias, padding=self.side // 2)


class ZeroConv(NormedConv):
    """The last convolution: its output times `exp(3 log_scale)`."""

    def __init__(self, arrays: Arrays) -> None:
        nn.Module.__init__(self)
        inputs, window, outputs = arrays["weight"].shape
        self.side = 3
        # flowstill stores the window turned round.
        kernel = arrays["weight"][:, ::-1].reshape(inputs, 3, 3, outputs).transpose(3, 0, 1, 2)
        self.weight = parameter(np.ascontiguousarray(kernel))
        self.bias, self.log_scale = parameter(arrays["bias"]), parameter(arrays["log_scale"])
        self.folded = None

    def fold(self) -> tuple[Tensor, Tensor]:
        scale = (3.0 * self.log_scale).exp()
        return self.weight * scale[:, None, None, None], self.bias * scale


class ConvNet(nn.Module):
    """3x3, 1x1, 3x3 convolutions with relu between, or the last one alone."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__()
        hidden = [below(arrays, f"conv.hidden.{index}") for index in (0, 1)]
        self.hidden = nn.ModuleList(NormedConv(part) for part in hidden if part)
        self.last = ZeroConv(below(arrays, "conv.last"))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = F.relu(layer(x))
        return self.last(x)
