#!/usr/bin/env python3
"""Writes the golden values `nflows.json` and `zuko.json` beside this file.

The values are computed by two public PyTorch libraries, nflows 0.14 and zuko 1.6.0,
in float64 on the CPU with fixed seeds.  How to run:

    python3 -m venv v
    v/bin/pip install numpy torch nflows==0.14 zuko==1.6.0
    v/bin/python make_golden.py
    v/bin/python check_golden.py        # NumPy only: re-derives every value

Of nflows' own requirements only matplotlib is imported on the way, so `pip install
matplotlib` and `pip install --no-deps nflows==0.14` are enough.

`README.md` states the file format and every convention.

Each case is checked before it is written: inverse(forward(x)) = x and
forward(inverse(u)) = u to 1e-9, log_det against slogdet of the autograd Jacobian row by
row to 1e-9, and log_det_inverse = -log_det at the recovered point to 1e-9.
"""

import json
import math
import pathlib
import warnings

warnings.filterwarnings("ignore")

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

import zuko
from nflows import transforms as nt
from nflows.distributions.normal import StandardNormal
from nflows.flows.base import Flow as NFlow
from nflows.nn.nets import MLP as NMLP
from nflows.nn.nets import ResidualNet
from nflows.transforms.nonlinearities import PiecewiseRationalQuadraticCDF
from nflows.transforms.splines.rational_quadratic import (
    rational_quadratic_spline,
    unconstrained_rational_quadratic_spline,
)
from nflows.utils import torchutils as ntu
from nflows.version import VERSION as NFLOWS_VERSION
from zuko.transforms import MonotonicAffineTransform, MonotonicRQSTransform

HERE = pathlib.Path(__file__).resolve().parent
TOL = 1e-9


# --------------------------------------------------------------------------- helpers


def rng(seed):
    return torch.Generator().manual_seed(seed)


def randn(g, *shape, scale=1.0):
    return scale * torch.randn(*shape, generator=g)


def plain(t):
    """Tensor -> nested lists; bools become 0/1."""
    t = t.detach()
    if t.dtype == torch.bool:
        t = t.to(torch.int64)
    return t.tolist()


def packed(t):
    t = t.detach()
    if t.dtype == torch.bool:
        t = t.to(torch.int64)
    values = t.reshape(-1).tolist()
    if t.is_floating_point() and all(v == int(v) and abs(v) < 2**31 for v in values):
        values = [int(v) for v in values]  # masks and counters
    return {"shape": list(t.shape), "values": values}


def perturb(module, g, scale):
    with torch.no_grad():
        for _, p in sorted(module.named_parameters()):
            p.add_(randn(g, *p.shape, scale=scale))
    return module


def params_of(module):
    return {n: p for n, p in module.named_parameters()}


def buffers_of(module):
    return {n: b for n, b in module.named_buffers() if b is not None}


def grads(s, named):
    """d s / d tensor for each named tensor (zeros where s does not depend on it)."""
    names = [n for n, t in named.items() if t is not None]
    gs = torch.autograd.grad(s, [named[n] for n in names], allow_unused=True, retain_graph=True)
    return {n: torch.zeros_like(named[n]) if g is None else g for n, g in zip(names, gs)}


def close(a, b, what):
    err = (a - b).abs().max().item() if a.numel() else 0.0
    assert err < TOL, f"{what}: {err:.3e}"
    return err


def jac_log_det(fwd, x, ctx, params):
    out = []
    for i in range(x.shape[0]):
        c = None if ctx is None else ctx[i : i + 1]
        row = None if params is None else {k: v[i : i + 1] for k, v in params.items()}

        def f(v):
            args = (v[None], c) if row is None else (v[None], c, row)
            return fwd(*args)[0][0]

        out.append(torch.linalg.slogdet(torch.autograd.functional.jacobian(f, x[i].detach()))[1])
    return torch.stack(out)


def make_case(
    library,
    name,
    kind,
    config,
    fwd,
    inv,
    params,
    x,
    u=None,
    context=None,
    buffers=None,
    extra=None,
    per_row_params=False,
    one_sided=False,
    check_jacobian=True,
    check_inverse=True,
    log_prob=None,
    inverse_weight_gradients=True,
    seed=0,
):
    """fwd(x, ctx[, params]) -> (z, log_det[N]);  inv is alike."""
    g = rng(10_000 + seed)
    x = x.clone().requires_grad_()
    ctx = None if context is None else context.clone().requires_grad_()
    args = (params,) if per_row_params else ()
    version = NFLOWS_VERSION if library == "nflows" else zuko.__version__

    z, ld = fwd(x, ctx, *args)
    assert ld.shape == x.shape[:1], (name, ld.shape)
    w_z, w_l = randn(g, *z.shape), randn(g, *ld.shape)
    s = (w_z * z).sum() + (w_l * ld).sum()
    leaves = {"x": x, "context": ctx, **{"w." + n: p for n, p in params.items()}}
    gs = grads(s, leaves)

    def grad_block(gs, first, with_weights=True):
        return {
            first: plain(gs[first]),
            "context": None if ctx is None else plain(gs["context"]),
            "weights": {n: packed(gs["w." + n]) for n in params} if with_weights else None,
        }

    case = {
        "name": name,
        "library": library,
        "version": version,
        "kind": kind,
        "config": config,
        "weights": {n: packed(p) for n, p in params.items()},
        "buffers": {n: packed(b) for n, b in (buffers or {}).items()},
        "extra": extra or {},
        "x": plain(x),
        "context": None if ctx is None else plain(ctx),
        "z": plain(z),
        "log_det": plain(ld),
        "log_prob": None if log_prob is None else plain(log_prob(x, ctx)),
        "gradients": {"w_z": plain(w_z), "w_l": plain(w_l), "s": s.item(), **grad_block(gs, "x")},
    }
    if one_sided:
        gz = grads((w_z * z).sum(), leaves)
        case["gradients_z_only"] = {"s": (w_z * z).sum().item(), **grad_block(gz, "x")}

    worst = [0.0, 0.0, 0.0]
    if check_jacobian:
        jl = jac_log_det(fwd, x, None if ctx is None else ctx.detach(), params if per_row_params else None)
        worst[0] = close(jl, ld, name + " jacobian")
    if check_inverse:
        worst[1] = close(inv(z.detach(), ctx, *args)[0], x, name + " inverse(forward)")

    if inv is None:
        case.update({"inverse_of": None, "x_of_u": None, "log_det_inverse": None, "inverse_gradients": None})
    else:
        u = (randn(g, *z.shape) if u is None else u).clone().requires_grad_()
        xu, ldi = inv(u, ctx, *args)
        assert ldi.shape == u.shape[:1], (name, ldi.shape)
        if check_inverse:
            zz, ll = fwd(xu.detach(), ctx, *args)
            worst[1] = max(worst[1], close(zz, u, name + " forward(inverse)"))
            worst[2] = close(-ldi, ll, name + " log_det_inverse")
        case.update({"inverse_of": plain(u), "x_of_u": plain(xu), "log_det_inverse": plain(ldi)})
        if one_sided:
            case["inverse_gradients"] = None
        else:
            w_x, w_li = randn(g, *xu.shape), randn(g, *ldi.shape)
            si = (w_x * xu).sum() + (w_li * ldi).sum()
            gi = grads(si, {"u": u, "context": ctx, **{"w." + n: p for n, p in params.items()}})
            case["inverse_gradients"] = {
                "w_x": plain(w_x),
                "w_l": plain(w_li),
                "s": si.item(),
                **grad_block(gi, "u", inverse_weight_gradients),
            }
    print(
        f"{library:7s}{name:42s} N={x.shape[0]:<3d}D={x.shape[1]} "
        f"jac {worst[0]:.1e} inv {worst[1]:.1e} ldi {worst[2]:.1e} {len(json.dumps(case)) // 1024:4d} KiB"
    )
    return case


def module_case(name, kind, config, module, x, library="nflows", **kw):
    module.eval()
    return make_case(
        library,
        name,
        kind,
        config,
        lambda a, c: module(a, c),
        lambda b, c: module.inverse(b, c),
        params_of(module),
        x,
        buffers=buffers_of(module),
        **kw,
    )


# ------------------------------------------------------------------- spline knots


def knots(raw, lo, hi, min_bin):
    k = raw.shape[-1]
    p = min_bin + (1 - min_bin * k) * torch.softmax(raw, -1)
    c = F.pad(torch.cumsum(p, -1), (1, 0)) * (hi - lo) + lo
    c[..., 0], c[..., -1] = lo, hi
    return c


# ------------------------------------------------------------------------- nflows

MINS = {"min_bin_width": 1e-3, "min_bin_height": 1e-3, "min_derivative": 1e-3}


def nflows_spline_cases(out):
    k, bound = 5, 3.0
    cfg = {"num_bins": k, "tails": "linear", "tail_bound": bound, **MINS, "sqrt_hidden_division": False}

    def fwd(x, _, p):
        z, l = unconstrained_rational_quadratic_spline(
            x[:, 0],
            p["unnormalized_widths"],
            p["unnormalized_heights"],
            p["unnormalized_derivatives"],
            tails="linear",
            tail_bound=bound,
        )
        return z[:, None], l

    def inv(u, _, p):
        z, l = unconstrained_rational_quadratic_spline(
            u[:, 0],
            p["unnormalized_widths"],
            p["unnormalized_heights"],
            p["unnormalized_derivatives"],
            inverse=True,
            tails="linear",
            tail_bound=bound,
        )
        return z[:, None], l

    def raw(g, n, nd, scale=1.5):
        return {
            "unnormalized_widths": randn(g, n, k, scale=scale).requires_grad_(),
            "unnormalized_heights": randn(g, n, k, scale=scale).requires_grad_(),
            "unnormalized_derivatives": randn(g, n, nd, scale=scale).requires_grad_(),
        }

    def table(p, box, padded):
        l, r, b, t = box
        d = p["unnormalized_derivatives"].detach()
        if padded:
            d = F.pad(d, (1, 1), value=math.log(math.exp(1 - 1e-3) - 1))
        return {
            "knots_x": packed(knots(p["unnormalized_widths"].detach(), l, r, 1e-3)),
            "knots_y": packed(knots(p["unnormalized_heights"].detach(), b, t, 1e-3)),
            "knot_derivatives": packed(1e-3 + F.softplus(d)),
        }

    box = (-bound, bound, -bound, bound)

    g = rng(1)
    n = 10
    p = raw(g, n, k - 1)
    x = torch.linspace(-2.9, 2.9, n)[:, None] + randn(g, n, 1, scale=0.03)
    u = torch.linspace(2.85, -2.85, n)[:, None] + randn(g, n, 1, scale=0.03)
    out.append(
        make_case(
            "nflows", "rqs_linear_tails_interior", "rqs", cfg, fwd, inv, p, x, u,
            extra=table(p, box, True), per_row_params=True, seed=1,
        )
    )

    g = rng(2)
    n = 12
    p = raw(g, n, k - 1)
    with torch.no_grad():  # two rows with extreme raw values
        p["unnormalized_widths"][10] = torch.tensor([30.0, -30.0, 0.0, 5.0, -5.0])
        p["unnormalized_heights"][10] = torch.tensor([-30.0, 30.0, 1.0, -5.0, 5.0])
        p["unnormalized_derivatives"][10] = torch.tensor([-30.0, 30.0, 0.0, 2.0])
        p["unnormalized_derivatives"][11] = torch.tensor([-12.0, 8.0, -8.0, 12.0])
    t = table(p, box, True)
    kx = torch.tensor(t["knots_x"]["values"]).reshape(n, k + 1)
    ky = torch.tensor(t["knots_y"]["values"]).reshape(n, k + 1)
    where = ["-B", "+B", "knot1", "knot2", "knot3", "knot4", "below", "above",
             "just_outside", "just_inside", "extreme_raw", "extreme_derivatives"]  # fmt: skip
    x = torch.tensor([-bound, bound, 0, 0, 0, 0, -4.5, 7.25, bound + 1e-9, -bound + 1e-9, 0.4, -0.7])
    u = x.clone()
    for i in range(1, 5):
        x[i + 1], u[i + 1] = kx[i + 1, i], ky[i + 1, i]
    out.append(
        make_case(
            "nflows", "rqs_linear_tails_edges", "rqs", {**cfg, "where": where}, fwd, inv, p,
            x[:, None], u[:, None], extra=t, per_row_params=True, one_sided=True, seed=2,
        )
    )

    # No tails: a box of its own, K + 1 free derivatives.  nflows holds the inverse's inputs
    # against [left, right] instead of [bottom, top], so the latter lies inside the former.
    g = rng(3)
    n = 8
    l, r, b, t_ = -1.5, 3.0, -0.5, 2.0
    p = raw(g, n, k + 1)

    def boxed(inverse):
        def f(v, _, q):
            z, ld = rational_quadratic_spline(
                v[:, 0],
                q["unnormalized_widths"],
                q["unnormalized_heights"],
                q["unnormalized_derivatives"],
                inverse=inverse,
                left=l,
                right=r,
                bottom=b,
                top=t_,
            )
            return z[:, None], ld

        return f

    x = torch.linspace(l + 0.02, r - 0.03, n)[:, None]
    u = torch.linspace(t_ - 0.04, b + 0.05, n)[:, None]
    out.append(
        make_case(
            "nflows", "rqs_no_tails_box", "rqs",
            {"num_bins": k, "tails": None, "left": l, "right": r, "bottom": b, "top": t_, **MINS,
             "sqrt_hidden_division": False},
            boxed(False), boxed(True), p, x, u,
            extra=table(p, (l, r, b, t_), False), per_row_params=True, seed=3,
        )
    )  # fmt: skip


def nflows_linear_cases(out):
    g = rng(10)
    m = perturb(nt.LULinear(4, identity_init=True), g, 0.5)
    with torch.no_grad():
        lo, up = m._create_lower_upper()
        extra = {"L": packed(lo), "U": packed(up), "W": packed(m.weight()), "b": packed(m.bias)}
    x = randn(g, 4, 4)
    z = F.linear(x, m.weight(), m.bias)
    close(m(x)[0], z, "LU dense")
    out.append(
        module_case("lu_linear", "lu_linear", {"features": 4, "eps": 1e-3}, m, x, extra=extra, seed=10)
    )

    g = rng(11)
    m = nt.Permutation(torch.tensor([2, 0, 4, 1, 3]))
    out.append(
        module_case("permutation", "permutation", {"permutation": [2, 0, 4, 1, 3]}, m, randn(g, 3, 5), seed=11)
    )


def made_config(m, features, hidden, blocks, mult, residual, act, ctx):
    return {
        "features": features,
        "hidden_features": hidden,
        "num_blocks": blocks,
        "output_multiplier": mult,
        "use_residual_blocks": residual,
        "activation": act,
        "context_features": ctx,
        "net_has_hidden_features_attribute": hasattr(m.autoregressive_net, "hidden_features"),
    }


def nflows_autoregressive_cases(out):
    acts = {"relu": F.relu, "tanh": torch.tanh}
    seed = 20
    for name, d, c, blocks, residual, act in [
        ("maf", 4, None, 2, False, "relu"),
        ("maf_context", 4, 2, 2, False, "relu"),
        ("maf_residual", 3, None, 1, True, "tanh"),
        ("maf_residual_context", 5, 3, 1, True, "relu"),
    ]:
        seed += 1
        g = rng(seed)
        torch.manual_seed(seed)
        m = nt.MaskedAffineAutoregressiveTransform(
            features=d, hidden_features=8, context_features=c, num_blocks=blocks,
            use_residual_blocks=residual, activation=acts[act],
        )  # fmt: skip
        perturb(m, g, 0.6)
        cfg = made_config(m, d, 8, blocks, 2, residual, act, c)
        cfg["scale"] = "softplus(unconstrained_scale) + 1e-3"
        out.append(
            module_case(
                name, "masked_affine_autoregressive", cfg, m, randn(g, 4, d),
                context=None if c is None else randn(g, 4, c), seed=seed,
            )
        )

    for name, d, c, blocks, residual, act, k, bound in [
        ("masked_rqs", 3, None, 2, False, "relu", 4, 3.0),
        ("masked_rqs_residual_context", 3, 2, 1, True, "tanh", 4, 2.5),
    ]:
        seed += 1
        g = rng(seed)
        torch.manual_seed(seed)
        m = nt.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
            features=d, hidden_features=8, context_features=c, num_bins=k, tails="linear",
            tail_bound=bound, num_blocks=blocks, use_residual_blocks=residual, activation=acts[act],
        )  # fmt: skip
        perturb(m, g, 0.5)
        x = randn(g, 5, d, scale=1.2)
        u = randn(g, 5, d, scale=1.2)
        x[1, 1], x[3, 0], u[2, 2] = bound + 1.0, -bound - 0.5, bound + 0.75
        cfg = made_config(m, d, 8, blocks, 3 * k - 1, residual, act, c)
        cfg.update({"num_bins": k, "tails": "linear", "tail_bound": bound, **MINS, "sqrt_hidden_division": False})
        out.append(
            module_case(
                name, "masked_rqs_autoregressive", cfg, m, x, u=u,
                context=None if c is None else randn(g, 5, c), seed=seed, inverse_weight_gradients=c is None,
            )
        )


class ContextMLP(nn.Module):
    """nflows' MLP has no context argument, a coupling passes one: concatenate (inputs, context)."""

    def __init__(self, n_in, n_out, hidden, n_ctx, activation):
        super().__init__()
        self.net = NMLP([n_in + (n_ctx or 0)], [n_out], hidden, activation=activation)

    def forward(self, x, context=None):
        return self.net(x if context is None else torch.cat((x, context), dim=1))


def nflows_coupling_cases(out):
    seed = 40
    for name, d, c, even, act in [
        ("affine_coupling_mlp", 5, None, True, "relu"),
        ("affine_coupling_mlp_context", 4, 2, False, "tanh"),
        ("additive_coupling_mlp", 4, None, True, "tanh"),
    ]:
        seed += 1
        g = rng(seed)
        torch.manual_seed(seed)
        fn = {"relu": F.relu, "tanh": torch.tanh}[act]
        mask = ntu.create_alternating_binary_mask(d, even=even)
        additive = name.startswith("additive")
        cls = nt.AdditiveCouplingTransform if additive else nt.AffineCouplingTransform
        m = perturb(cls(mask, lambda i, o: ContextMLP(i, o, [8, 8], c, fn)), g, 0.6)
        cfg = {
            "features": d,
            "mask": mask.tolist(),
            "conditioner": "mlp",
            "hidden_sizes": [8, 8],
            "activation": act,
            "context_features": c,
            "scale": "1" if additive else "sigmoid(unconstrained_scale + 2) + 1e-3",
        }
        out.append(
            module_case(
                name, "additive_coupling" if additive else "affine_coupling", cfg, m, randn(g, 4, d),
                context=None if c is None else randn(g, 4, c), seed=seed,
            )
        )

    for name, d, c, k, bound, net, uncond, blocks in [
        ("rqs_coupling_resnet", 4, None, 4, 3.0, "resnet", False, 2),
        ("rqs_coupling_resnet_context", 5, 2, 4, 3.0, "resnet", False, 1),
        ("rqs_coupling_mlp_unscaled", 3, None, 4, 2.0, "mlp", False, 0),
        ("rqs_coupling_resnet_unconditional", 4, None, 3, 3.0, "resnet", True, 1),
    ]:
        seed += 1
        g = rng(seed)
        torch.manual_seed(seed)
        mask = ntu.create_alternating_binary_mask(d, even=True)

        def make(i, o):
            if net == "mlp":
                return ContextMLP(i, o, [8], c, F.relu)
            return ResidualNet(i, o, 8, context_features=c, num_blocks=blocks, activation=F.relu)

        m = nt.PiecewiseRationalQuadraticCouplingTransform(
            mask, make, num_bins=k, tails="linear", tail_bound=bound, apply_unconditional_transform=uncond
        )
        perturb(m, g, 0.45)
        x, u = randn(g, 4, d, scale=1.2), randn(g, 4, d, scale=1.2)
        x[1, 0], x[2, 2], u[0, 0] = bound + 0.8, -bound - 0.4, -bound - 0.6
        cfg = {
            "features": d,
            "mask": mask.tolist(),
            "conditioner": net,
            "hidden_features": 8,
            "num_blocks": blocks,
            "activation": "relu",
            "context_features": c,
            "num_bins": k,
            "tails": "linear",
            "tail_bound": bound,
            **MINS,
            "sqrt_hidden_division": net == "resnet",
            "unconditional_transform": uncond,
        }
        out.append(
            module_case(
                name, "rqs_coupling", cfg, m, x, u=u,
                context=None if c is None else randn(g, 4, c), seed=seed, inverse_weight_gradients=c is None,
            )
        )


def nflows_norm_cases(out):
    g = rng(60)
    m = perturb(nt.BatchNorm(4), g, 0.7)
    with torch.no_grad():
        m.running_mean.copy_(randn(g, 4))
        m.running_var.copy_(0.2 + 2 * torch.rand(4, generator=g))
    out.append(
        module_case("batch_norm_eval", "batch_norm", {"features": 4, "eps": 1e-5, "mode": "eval"}, m,
                    randn(g, 4, 4, scale=2.0), seed=60)
    )  # fmt: skip

    g = rng(61)
    m = perturb(nt.BatchNorm(3), g, 0.7)
    m.train()
    x = randn(g, 5, 3, scale=2.0) + 0.5
    m(x)
    extra = {
        "running_mean_after_one_pass": packed(m.running_mean),
        "running_var_after_one_pass": packed(m.running_var),
    }
    out.append(
        make_case(
            "nflows", "batch_norm_train", "batch_norm",
            {"features": 3, "eps": 1e-5, "momentum": 0.1, "mode": "train"},
            lambda a, c: m(a, c), None, params_of(m), x, extra=extra,
            check_jacobian=False, check_inverse=False, seed=61,
        )
    )  # fmt: skip

    g = rng(62)
    m = nt.ActNorm(4)
    m.train()
    init = randn(g, 5, 4) * torch.tensor([0.3, 1.5, 2.0, 4.0]) + torch.tensor([1.0, -2.0, 0.0, 3.0])
    z0 = m(init)[0]
    extra = {"init_batch": packed(init), "init_output": packed(z0)}
    out.append(
        module_case("act_norm_after_init", "act_norm", {"features": 4}, m, randn(g, 4, 4, scale=2.0),
                    extra=extra, seed=62)
    )  # fmt: skip
    g = rng(63)
    m = perturb(nt.ActNorm(3), g, 0.6)
    m.initialized.fill_(True)
    out.append(module_case("act_norm_random", "act_norm", {"features": 3}, m, randn(g, 4, 3, scale=2.0), seed=63))


def nflows_elementwise_cases(out):
    g = rng(70)
    m = nt.Sigmoid(temperature=1.7, learn_temperature=True)
    u = 0.02 + 0.96 * torch.rand(4, 3, generator=g)
    out.append(
        module_case("sigmoid_temperature", "sigmoid", {"eps": 1e-6, "temperature": "weight"}, m,
                    randn(g, 4, 3, scale=2.0), u=u, seed=70)
    )  # fmt: skip
    g = rng(71)
    m = nt.Logit(temperature=1, eps=1e-6)
    x = 0.01 + 0.98 * torch.rand(4, 3, generator=g)
    out.append(
        module_case("logit", "logit", {"eps": 1e-6, "temperature": 1.0}, m, x,
                    u=randn(g, 4, 3, scale=2.0), seed=71)
    )  # fmt: skip
    m = nt.Logit(temperature=1, eps=1e-6)
    x = torch.tensor([[0.0, 1.0, 0.5], [1e-7, 1 - 1e-7, 0.25], [2e-6, 1 - 2e-6, 0.75]])
    out.append(
        make_case(
            "nflows", "logit_clamped", "logit", {"eps": 1e-6, "temperature": 1.0},
            lambda a, c: m(a, c), None, {}, x, check_jacobian=False, check_inverse=False, seed=72,
        )
    )  # fmt: skip
    g = rng(73)
    out.append(
        module_case("tanh", "tanh", {}, nt.Tanh(), randn(g, 4, 3), u=0.98 * (2 * torch.rand(4, 3, generator=g) - 1),
                    seed=73)
    )  # fmt: skip

    g = rng(74)
    torch.manual_seed(74)
    cdf = PiecewiseRationalQuadraticCDF([3], num_bins=4, tails=None)
    m = nt.CompositeCDFTransform(nt.Sigmoid(), cdf)
    perturb(m, g, 0.9)
    x, u = randn(g, 4, 3, scale=1.5), randn(g, 4, 3, scale=1.5)
    out.append(
        module_case("composite_cdf_sigmoid_rqs", "composite_cdf",
                    {"squashing": "sigmoid", "sigmoid_eps": 1e-6, "temperature": 1.0, "num_bins": 4, "tails": None,
                     "left": 0.0, "right": 1.0, "bottom": 0.0, "top": 1.0, **MINS, "sqrt_hidden_division": False},
                    m, x, u=u, seed=74)
    )  # fmt: skip

    g = rng(75)
    torch.manual_seed(75)
    m = PiecewiseRationalQuadraticCDF([3], num_bins=4, tails="linear", tail_bound=2.0)
    perturb(m, g, 0.9)
    x, u = randn(g, 4, 3), randn(g, 4, 3)
    x[0, 0], u[1, 2] = 2.5, -2.25
    out.append(
        module_case("unconditional_rqs_cdf", "rqs_cdf",
                    {"num_bins": 4, "tails": "linear", "tail_bound": 2.0, **MINS, "sqrt_hidden_division": False},
                    m, x, u=u, seed=75)
    )  # fmt: skip


def nflows_flow_case(out):
    seed, d, c, k, bound = 80, 4, 2, 4, 3.0
    g = rng(seed)
    torch.manual_seed(seed)
    mask = ntu.create_alternating_binary_mask(d, even=True)
    steps = [
        nt.ReversePermutation(d),
        nt.MaskedAffineAutoregressiveTransform(d, 8, context_features=c, num_blocks=1, use_residual_blocks=False),
        nt.BatchNorm(d),
        nt.LULinear(d),
        nt.PiecewiseRationalQuadraticCouplingTransform(
            mask,
            lambda i, o: ResidualNet(i, o, 8, context_features=c, num_blocks=1),
            num_bins=k,
            tails="linear",
            tail_bound=bound,
        ),
        nt.ActNorm(d),
    ]
    flow = NFlow(nt.CompositeTransform(steps), StandardNormal([d]))
    perturb(flow, g, 0.4)
    with torch.no_grad():
        steps[2].running_mean.copy_(randn(g, d, scale=0.5))
        steps[2].running_var.copy_(0.5 + torch.rand(d, generator=g))
        steps[5].initialized.fill_(True)
    flow.eval()
    t = flow._transform
    x, u, ctx = randn(g, 5, d), randn(g, 5, d), randn(g, 5, c)
    spline = {"num_bins": k, "tails": "linear", "tail_bound": bound, **MINS, "sqrt_hidden_division": True}
    prefix = "_transform._transforms."
    cfg = {
        "features": d,
        "context_features": c,
        "base": "standard normal",
        "steps": [
            {"kind": "permutation", "prefix": prefix + "0.", "permutation": [3, 2, 1, 0]},
            {"kind": "masked_affine_autoregressive", "prefix": prefix + "1.", "features": d, "hidden_features": 8,
             "num_blocks": 1, "output_multiplier": 2, "use_residual_blocks": False, "activation": "relu",
             "context_features": c, "scale": "softplus(unconstrained_scale) + 1e-3"},
            {"kind": "batch_norm", "prefix": prefix + "2.", "features": d, "eps": 1e-5, "mode": "eval"},
            {"kind": "lu_linear", "prefix": prefix + "3.", "features": d, "eps": 1e-3},
            {"kind": "rqs_coupling", "prefix": prefix + "4.", "features": d, "mask": mask.tolist(),
             "conditioner": "resnet", "hidden_features": 8, "num_blocks": 1, "activation": "relu",
             "context_features": c, "unconditional_transform": False, **spline},
            {"kind": "act_norm", "prefix": prefix + "5.", "features": d},
        ],
    }  # fmt: skip
    out.append(
        make_case(
            "nflows", "flow_composite_context", "flow", cfg,
            lambda a, b: t(a, b), lambda a, b: t.inverse(a, b), params_of(flow), x, u, context=ctx,
            buffers={n: b for n, b in buffers_of(flow).items() if not n.startswith("_distribution")},
            log_prob=lambda a, b: flow.log_prob(a, b), inverse_weight_gradients=False, seed=seed,
        )
    )  # fmt: skip


# --------------------------------------------------------------------------- zuko


def zuko_univariate_cases(out):
    def affine(p):
        return MonotonicAffineTransform(p["shift"][:, None], p["scale"][:, None])

    def fwd(x, _, p):
        z, l = affine(p).call_and_ladj(x)
        return z, l[:, 0]

    def inv(u, _, p):
        x, l = affine(p).inv.call_and_ladj(u)
        return x, l[:, 0]

    g = rng(101)
    n = 10
    p = {"shift": randn(g, n).requires_grad_(), "scale": randn(g, n, scale=2.0)}
    p["scale"][6:] = torch.tensor([-20.0, 8.0, -100.0, 0.0])
    p["scale"].requires_grad_()
    a = affine(p)
    extra = {"log_scale": packed(a.log_scale[:, 0])}
    out.append(
        make_case("zuko", "monotonic_affine", "monotonic_affine", {"slope": 1e-3}, fwd, inv, p, randn(g, n, 1),
                  extra=extra, per_row_params=True, seed=101)
    )  # fmt: skip

    k, bound = 5, 5.0

    def rqs(p):
        return MonotonicRQSTransform(
            p["widths"][:, None], p["heights"][:, None], p["derivatives"][:, None], bound=bound
        )

    def rfwd(x, _, p):
        z, l = rqs(p).call_and_ladj(x)
        return z, l[:, 0]

    def rinv(u, _, p):
        x, l = rqs(p).inv.call_and_ladj(u)
        return x, l[:, 0]

    def raw(g, n):
        return {
            "widths": randn(g, n, k, scale=2.0).requires_grad_(),
            "heights": randn(g, n, k, scale=2.0).requires_grad_(),
            "derivatives": randn(g, n, k - 1, scale=2.0).requires_grad_(),
        }

    def table(p):
        t = rqs(p)
        return {
            "knots_x": packed(t.horizontal[:, 0]),
            "knots_y": packed(t.vertical[:, 0]),
            "knot_derivatives": packed(t.derivatives[:, 0]),
        }

    cfg = {"bins": k, "bound": bound, "slope": 1e-3}
    g = rng(102)
    n = 10
    p = raw(g, n)
    x = torch.linspace(-4.9, 4.9, n)[:, None] + randn(g, n, 1, scale=0.04)
    u = torch.linspace(4.85, -4.85, n)[:, None] + randn(g, n, 1, scale=0.04)
    out.append(
        make_case("zuko", "monotonic_rqs_interior", "monotonic_rqs", cfg, rfwd, rinv, p, x, u,
                  extra=table(p), per_row_params=True, seed=102)
    )  # fmt: skip

    g = rng(103)
    n = 12
    p = raw(g, n)
    with torch.no_grad():
        p["widths"][10] = torch.tensor([60.0, -60.0, 0.0, 10.0, -10.0])
        p["heights"][10] = torch.tensor([-60.0, 60.0, 1.0, -10.0, 10.0])
        p["derivatives"][10] = torch.tensor([-60.0, 60.0, 0.0, 5.0])
        p["derivatives"][11] = torch.tensor([-12.0, 8.0, -8.0, 12.0])
    t = table(p)
    kx = torch.tensor(t["knots_x"]["values"]).reshape(n, k + 1)
    ky = torch.tensor(t["knots_y"]["values"]).reshape(n, k + 1)
    where = ["-B", "+B", "knot1", "knot2", "knot3", "knot4", "below", "above",
             "just_outside", "just_inside", "extreme_raw", "extreme_derivatives"]  # fmt: skip
    x = torch.tensor([-bound, bound, 0, 0, 0, 0, -6.5, 9.25, bound + 1e-9, -bound + 1e-9, 0.4, -0.7])
    u = x.clone()
    for i in range(1, 5):
        x[i + 1], u[i + 1] = kx[i + 1, i], ky[i + 1, i]
    out.append(
        make_case("zuko", "monotonic_rqs_edges", "monotonic_rqs", {**cfg, "where": where}, rfwd, rinv, p,
                  x[:, None], u[:, None], extra=t, per_row_params=True, one_sided=True, seed=103)
    )  # fmt: skip


def zuko_flow_case(out, name, kind, cls, cfg, seed, scale, bound=None, n=4, **kw):
    g = rng(seed)
    torch.manual_seed(seed)
    flow = cls(features=cfg["features"], context=cfg["context"], transforms=cfg["transforms"],
               hidden_features=tuple(cfg["hidden_features"]), **kw)  # fmt: skip
    perturb(flow, g, scale)
    flow.eval()
    d, c = cfg["features"], cfg["context"]
    x, u = randn(g, n, d, scale=1.3), randn(g, n, d, scale=1.3)
    if bound is not None:
        x[1, 1], x[2, 0], u[0, 2] = bound + 0.7, -bound - 0.3, bound + 0.4
    ctx = randn(g, n, c) if c else None
    cfg = dict(cfg)
    if kind == "zuko_autoregressive":
        cfg["order"] = [t.order.tolist() for t in flow.transform.transforms]
        cfg["passes"] = [t.passes for t in flow.transform.transforms]
    else:
        cfg["mask"] = [t.mask.int().tolist() for t in flow.transform.transforms]
    out.append(
        make_case(
            "zuko", name, kind, cfg,
            lambda a, b: flow.transform(b).call_and_ladj(a),
            lambda a, b: flow.transform(b).inv.call_and_ladj(a),
            params_of(flow), x, u, context=ctx,
            buffers={k: b for k, b in buffers_of(flow).items() if not k.startswith("base")},
            log_prob=lambda a, b: flow(b).log_prob(a),
            inverse_weight_gradients=name in ("maf_context", "nsf_passes2_context", "realnvp_context"),
            seed=seed,
        )
    )  # fmt: skip


def zuko_flow_cases(out):
    base = {"activation": "relu", "base": "standard normal", "slope": 1e-3}
    aff = {**base, "univariate": "affine", "params_per_feature": ["shift", "scale"]}
    k = 5
    spl = {**base, "univariate": "rqs", "bins": k, "bound": 5.0,
           "params_per_feature": ["widths[5]", "heights[5]", "derivatives[4]"]}  # fmt: skip
    hid = {"hidden_features": [8, 8]}
    zuko_flow_case(out, "maf_context", "zuko_autoregressive", zuko.flows.MAF,
                   {"features": 4, "context": 2, "transforms": 3, **hid, **aff}, 201, 0.3)  # fmt: skip
    zuko_flow_case(out, "maf_randperm", "zuko_autoregressive", zuko.flows.MAF,
                   {"features": 5, "context": 0, "transforms": 2, **hid, **aff, "randperm": True}, 202, 0.3,
                   randperm=True)  # fmt: skip
    zuko_flow_case(out, "nsf", "zuko_autoregressive", zuko.flows.NSF,
                   {"features": 4, "context": 0, "transforms": 2, **hid, **spl}, 203, 0.6, bound=5.0,
                   bins=k)  # fmt: skip
    zuko_flow_case(out, "nsf_passes2_context", "zuko_autoregressive", zuko.flows.NSF,
                   {"features": 3, "context": 2, "transforms": 1, **hid, **spl}, 204, 0.6, bound=5.0,
                   bins=k, passes=2)  # fmt: skip
    zuko_flow_case(out, "realnvp", "zuko_coupling", zuko.flows.RealNVP,
                   {"features": 5, "context": 0, "transforms": 3, **hid, **aff}, 205, 0.3)  # fmt: skip
    zuko_flow_case(out, "realnvp_context", "zuko_coupling", zuko.flows.RealNVP,
                   {"features": 4, "context": 2, "transforms": 2, **hid, **aff}, 206, 0.3)  # fmt: skip


# --------------------------------------------------------------------------- main


def write(name, cases):
    path = HERE / name
    lines = []
    for case in cases:  # one key a line keeps diffs readable and files small
        body = ",\n".join(
            f"  {json.dumps(k)}: {json.dumps(v, separators=(',', ':'), allow_nan=False)}" for k, v in case.items()
        )
        lines.append("{\n" + body + "\n}")
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    print(f"{name}: {len(cases)} cases, {path.stat().st_size / 1024:.0f} KiB")


def main():
    print("torch", torch.__version__, "nflows", NFLOWS_VERSION, "zuko", zuko.__version__)
    nf, zk = [], []
    nflows_spline_cases(nf)
    nflows_linear_cases(nf)
    nflows_autoregressive_cases(nf)
    nflows_coupling_cases(nf)
    nflows_norm_cases(nf)
    nflows_elementwise_cases(nf)
    nflows_flow_case(nf)
    zuko_univariate_cases(zk)
    zuko_flow_cases(zk)
    write("nflows.json", nf)
    write("zuko.json", zk)


if __name__ == "__main__":
    main()
