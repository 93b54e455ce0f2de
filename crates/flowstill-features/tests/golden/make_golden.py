"""Make the golden files beside this script with torch: tiny checkpoints, layers, and whole networks.

Run in a scratch environment with torch, torchvision and numpy (made with torch 2.15.0, torchvision 0.29.2):

    python make_golden.py [path of efficientnet-lite0-57934424.pth, to print its features instead]

No trained weight is stored. The networks get weights from a formula of the tensor's name, which the Rust tests repeat.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
MASK = (1 << 64) - 1


def uniform(name, count):
    """Numbers in [0, 1): FNV-1a of the name seeds a splitmix64 sequence, of which the upper 24 bits are taken."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) / 2**24


def formula(name, shape):
    """A weight: He-scaled for a convolution, and near the identity for a batch normalization."""
    u = uniform(name, math.prod(shape))
    if len(shape) == 4:
        values = (2 * u - 1) * math.sqrt(6 / math.prod(shape[1:]))
    elif name.endswith("running_var"):
        values = 0.5 + u
    elif name.endswith("weight"):
        values = 0.75 + 0.5 * u
    else:
        values = 0.4 * u - 0.2
    return torch.tensor(values.astype(np.float32).reshape(shape))


def pictures(name, n, h, w, c):
    """8-bit pictures [n, h, w, c]: a ramp with noise."""
    noise = uniform(name, n * h * w * c).reshape(n, h, w, c)
    y, x = np.mgrid[0:h, 0:w]
    ramp = (y / h + x / w)[None, :, :, None] * 64
    return np.floor(ramp + noise * 128).astype(np.uint8)


def resized(bytes_, side, scale, shift):
    x = torch.tensor(bytes_).permute(0, 3, 1, 2).float()
    x = x.expand(-1, 3, -1, -1)
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False) * scale + shift


class Same(nn.Conv2d):
    """A convolution without bias and with TensorFlow's SAME padding."""

    def __init__(self, inputs, outputs, kernel, stride=1, groups=1):
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)

    def forward(self, x):
        pads = []
        for size, k, s in zip(reversed(x.shape[2:]), reversed(self.kernel_size), reversed(self.stride)):
            total = max((math.ceil(size / s) - 1) * s + k - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expansion):
        super().__init__()
        inner = inputs * expansion
        if expansion > 1:
            self._expand_conv = Same(inputs, inner, 1)
            self._bn0 = nn.BatchNorm2d(inner, eps=1e-3)
        self._depthwise_conv = Same(inner, inner, kernel, stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, eps=1e-3)
        self._project_conv = Same(inner, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=1e-3)
        self.expansion, self.residual = expansion, stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expansion > 1 else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    def __init__(self):
        super().__init__()
        self._conv_stem = Same(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, eps=1e-3)
        blocks, inputs = [], 32
        for outputs, kernel, stride, expansion, repeats in [
            (16, 3, 1, 1, 1), (24, 3, 2, 6, 2), (40, 5, 2, 6, 2), (80, 3, 2, 6, 3),
            (112, 5, 1, 6, 3), (192, 5, 2, 6, 4), (320, 3, 1, 6, 1),
        ]:
            for repeat in range(repeats):
                blocks.append(Block(inputs, outputs, kernel, 1 if repeat else stride, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = Same(320, 1280, 1)
        self._bn1 = nn.BatchNorm2d(1280, eps=1e-3)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        return F.relu6(self._bn1(self._conv_head(x))).mean((2, 3))

    def features(self, bytes_, side):
        return self(resized(bytes_, side, 1 / 128, -127 / 128))


def fid_inception():
    """torchvision's Inception-v3 with the pools of the FID's."""
    from torchvision.models.inception import Inception3

    net = Inception3(num_classes=1008, aux_logits=False, init_weights=False)

    def branch(block, pool):
        block.branch_pool.register_forward_pre_hook(lambda _, args: (pool(block.input),))
        block.register_forward_pre_hook(lambda _, args: setattr(block, "input", args[0]))

    def mean(x):
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)

    for name in ["5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b"]:
        branch(getattr(net, f"Mixed_{name}"), mean)
    branch(net.Mixed_7c, lambda x: F.max_pool2d(x, 3, stride=1, padding=1))
    net.fc = nn.Identity()
    net.dropout = nn.Identity()
    return net


def with_formula(net):
    names = [(n, list(t.shape)) for n, t in net.state_dict().items() if t.dtype == torch.float32]
    net.load_state_dict({n: formula(n, s) for n, s in names}, strict=False)
    return net.eval(), names


def flat(tensor):
    return [float(np.float32(v)) for v in tensor.flatten().tolist()]


def write(name, value):
    text = json.dumps(value, separators=(",", ":"))
    (HERE / name).write_text(text.replace("],[\"", "],\n[\"").replace("},{", "},\n{") + "\n")


def make_checkpoints():
    """One small state_dict in both layouts, with every kind of tensor that a reader has to tell apart."""
    base = torch.arange(24, dtype=torch.float32) / 8 - 1
    state = nn.Module().state_dict()
    state["conv.weight"] = base.reshape(2, 3, 2, 2)
    state["transposed"] = base.reshape(4, 6).t()
    state["shared_tail"] = base[20:]
    state["parameter"] = nn.Parameter(torch.tensor([1.5, -2.5]))
    state["double"] = torch.tensor([0.1, 1e-30], dtype=torch.float64)
    state["scalar"] = torch.tensor(7.0)
    state["empty"] = torch.zeros(0, 3)
    state["count"] = torch.tensor(3, dtype=torch.int64)
    state["half"] = torch.tensor([1.0, 2.0], dtype=torch.float16)
    torch.save(state, HERE / "tiny_legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(state, HERE / "tiny_zip.pth")
    torch.save({"net": nn.Linear(2, 2)}, HERE / "tiny_module.pth")
    floats = {n: t for n, t in state.items() if t.dtype in (torch.float32, torch.float64)}
    write("tiny.json", {n: {"shape": list(t.shape), "values": flat(t)} for n, t in floats.items()})


def make_layers():
    """Each kind of layer on small activations [n, h, w, c]; weights, normalization and input by the formula."""
    cases = []

    def case(kind, n, h, w, c, out, kernel=(1, 1), stride=1, padding=None, activation="none"):
        name = f"{kind}_{len(cases)}"
        x = torch.tensor(uniform(f"{name}.x", n * h * w * c).astype(np.float32).reshape(n, h, w, c) * 4 - 2)
        x = x.permute(0, 3, 1, 2)
        if kind in ("conv", "depthwise"):
            groups = c if kind == "depthwise" else 1
            if padding is None:
                conv = Same(c, out, kernel, stride, groups)
            else:
                conv = nn.Conv2d(c, out, kernel, stride, padding, groups=groups, bias=False)
            norm = nn.BatchNorm2d(out, eps=1e-3)
            module = nn.Sequential()
            module.add_module(f"{name}", nn.Sequential())
            module.get_submodule(name).add_module("conv", conv)
            module.get_submodule(name).add_module("bn", norm)
            y = with_formula(module)[0](x)
            y = {"none": lambda v: v, "relu": F.relu, "relu6": F.relu6}[activation](y)
        elif kind == "max":
            y = F.max_pool2d(x, 3, stride, padding)
        elif kind == "mean":
            y = F.avg_pool2d(x, 3, stride, padding, count_include_pad=False)
        else:
            y = x.mean((2, 3), keepdim=True)
        y = y.permute(0, 2, 3, 1)
        cases.append({
            "name": name, "kind": kind, "input": [n, h, w, c], "out": out, "kernel": kernel, "stride": stride,
            "padding": padding, "activation": activation, "shape": list(y.shape), "values": flat(y),
        })

    case("conv", 2, 6, 7, 3, 5, (3, 3), 2, None, "relu6")
    case("conv", 1, 5, 5, 3, 4, (3, 3), 2, None, "relu6")
    case("conv", 2, 3, 4, 6, 8, (1, 1), 1, None, "none")
    case("conv", 1, 7, 6, 3, 4, (3, 3), 2, (0, 0), "relu")
    case("conv", 1, 4, 5, 4, 3, (5, 5), 1, (2, 2), "relu")
    case("conv", 1, 5, 4, 3, 4, (1, 7), 1, (0, 3), "relu")
    case("conv", 1, 5, 4, 3, 4, (7, 1), 1, (3, 0), "relu")
    case("conv", 1, 1, 1, 2, 3, (3, 3), 1, (1, 1), "relu")
    for size, channels in [((4, 5), 5), ((1, 1), 70), ((2, 3), 64)]:
        for kernel in [3, 5]:
            for stride in [1, 2]:
                case("depthwise", 1, *size, channels, channels, (kernel, kernel), stride, None, "relu6")
    case("max", 1, 7, 6, 4, 4, (3, 3), 2, 0)
    case("max", 2, 4, 3, 3, 3, (3, 3), 1, 1)
    case("mean", 2, 4, 3, 3, 3, (3, 3), 1, 1)
    case("global", 2, 3, 4, 5, 5)
    resizes = []
    for h, w, c, side in [(5, 7, 3, 16), (28, 28, 1, 16), (40, 24, 3, 17)]:
        bytes_ = pictures(f"resize_{h}_{w}", 1, h, w, c)
        y = resized(bytes_, side, 1 / 128, -127 / 128).permute(0, 2, 3, 1)
        resizes.append({"shape": [1, h, w, c], "side": side, "values": flat(y)})
    write("layers.json", {"layers": cases, "resizes": resizes})


def make_networks():
    with torch.no_grad():
        net, names = with_formula(EfficientNetLite0())
        runs = []
        for shape, side in [((2, 33, 40, 3), 64), ((2, 28, 28, 1), 33), ((1, 20, 20, 3), 224)]:
            runs.append({"shape": shape, "side": side, "values": flat(net.features(pictures("scene", *shape), side))})
        write("efficientnet.json", {"names": names, "runs": runs})
        net, names = with_formula(fid_inception())
        shape = (2, 32, 40, 3)
        x = resized(pictures("scene", *shape), 299, 2 / 255, -1)
        write("inception.json", {"names": names, "runs": [{"shape": shape, "side": 299, "values": flat(net(x))}]})


def trained(path, sides):
    """Features of the trained EfficientNet-Lite0, for the test that runs where the weights are."""
    net = EfficientNetLite0()
    state = torch.load(path, weights_only=True)
    state.pop("_fc.weight"), state.pop("_fc.bias")
    net.load_state_dict(state)
    net.eval()
    runs = []
    with torch.no_grad():
        for shape, side in sides:
            runs.append({"shape": shape, "side": side, "values": flat(net.features(pictures("scene", *shape), side))})
    return {"runs": runs}


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        sides = [((2, 32, 32, 3), 64), ((1, 100, 80, 3), 224), ((2, 28, 28, 1), 32)]
        write("efficientnet_trained.json", trained(sys.argv[1], sides))
    else:
        with torch.no_grad():
            make_checkpoints()
            make_layers()
            make_networks()
