"""The monotone rational-quadratic spline of flowstill in plain PyTorch; Durkan et al. 2019."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

FLOOR = 1e-3
OFFSET = math.log(math.expm1(1.0 - FLOOR))


def sizes_and_knots(raw: Tensor, bins: int, bound: float) -> tuple[Tensor, Tensor]:
    """Sizes of the bins and the knots before each of them, `[..., bins]`."""
    sizes = (torch.softmax(raw, -1) * (1.0 - FLOOR * bins) + FLOOR) * (2.0 * bound)
    knots = F.pad(torch.cumsum(sizes[..., :-1], -1), (1, 0)) - bound
    return sizes, knots


def spline(x: Tensor, raw: Tensor, bins: int, bound: float, inverse: bool) -> tuple[Tensor, Tensor]:
    """Map `x`, `[rows, features]`, by `raw`, `[rows, features * (3 bins - 1)]`; with `log dz/dx` at the pair in both directions."""
    raw = raw.view(*x.shape, 3 * bins - 1)
    widths, xs = sizes_and_knots(raw[..., :bins], bins, bound)
    heights, zs = sizes_and_knots(raw[..., bins : 2 * bins], bins, bound)
    slopes = F.softplus(F.pad(raw[..., 2 * bins :], (1, 1)) + OFFSET) + FLOOR
    inside = x.abs() <= bound
    value = torch.where(inside, x, torch.zeros_like(x))
    searched = zs if inverse else xs
    index = (value[..., None] >= searched[..., 1:]).sum(-1, keepdim=True)
    pick = lambda table, at: table.gather(-1, at)[..., 0]
    x0, z0, w, h = pick(xs, index), pick(zs, index), pick(widths, index), pick(heights, index)
    d0, d1 = pick(slopes, index), pick(slopes, index + 1)
    s = h / w
    if inverse:
        e = (value - z0) / h
        m = d1 * e - d0 * (1.0 - e)
        root = (m * m + 4.0 * s * s * e * (1.0 - e)).clamp_min(0.0).sqrt()
        t = torch.where(m > 0.0, (root + m) / (root + m + 2.0 * s * (1.0 - e)), 2.0 * s * e / (2.0 * s * e - m + root))
    else:
        t = (value - x0) / w
    both = t * (1.0 - t)
    denominator = s * (1.0 - 2.0 * both) + (d0 + d1) * both
    log_slope = (d1 * t * t + 2.0 * s * both + d0 * (1.0 - t) ** 2).log() + 2.0 * (s / denominator).log()
    moved = x0 + w * t if inverse else z0 + h * (s * t * t + d0 * both) / denominator
    return torch.where(inside, moved, x), torch.where(inside, log_slope, torch.zeros_like(x))
