#!/usr/bin/env python3
"""Writes `normflows.json` beside this file: pieces of GLOW on pictures as normflows 1.7.3 computes them.

Float64, CPU, fixed seeds. How to run:

    python3 -m venv v
    v/bin/pip install numpy torch normflows==1.7.3
    v/bin/python make_normflows.py

`README.md` states the file format and the conventions. normflows calls latent to data "forward"; here `z` and `log_det`
are its `inverse` of `x`, and `x_of_u` and `log_det_inverse` its `forward` of `u`.

Weights and inputs are decimals of four places, so that every reader gets the same f64. Each case is checked before it is
written: both round trips, the log-det against slogdet of the autograd Jacobian, and log_det_inverse = -log_det.
"""

import json
import pathlib
import warnings

warnings.filterwarnings("ignore")

import normflows as nf
import torch
from normflows.flows.affine.coupling import AffineCouplingBlock

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
HERE = pathlib.Path(__file__).resolve().parent
SKIPPED_BUFFERS = ("data_dep_init_done", "eye")


def decimals(t):
    return torch.tensor([float(f"{v:.4f}") for v in t.reshape(-1).tolist()]).reshape(t.shape)


def randn(g, *shape, scale=1.0):
    return decimals(scale * torch.randn(*shape, generator=g))


def packed(t):
    return {"shape": list(t.shape), "values": [float(f"{v:.14g}") + 0.0 for v in t.detach().reshape(-1).tolist()]}


def scatter_weights(module, g, size=0.3):
    """Move every weight away from its start, and mark every normalisation as set."""
    for _, p in sorted(module.named_parameters()):
        p.data = decimals(p.data + size * torch.randn(*p.shape, generator=g))
    for m in module.modules():
        if isinstance(m, nf.flows.ActNorm):
            m.data_dep_init_done = torch.tensor(1.0)
    return module


def check(module, x, z, log_det, u, x_of_u, log_det_inverse):
    def close(a, b, what):
        err = (a - b).abs().max().item()
        assert err < 1e-9, f"{what}: {err}"

    close(module.forward(z)[0], x, "inverse of forward")
    back, log_det_back = module.inverse(x_of_u)
    close(back, u, "forward of inverse")
    close(log_det_back + log_det_inverse, torch.zeros(len(u)), "log-dets of both ways")
    for i in range(len(x)):
        jacobian = torch.autograd.functional.jacobian(lambda v: module.inverse(v[None])[0].reshape(-1), x[i])
        n = x[i].numel()
        close(torch.linalg.slogdet(jacobian.reshape(n, n))[1], log_det[i], "slogdet")


def gradients(s, x, module):
    named = dict(module.named_parameters())
    found = torch.autograd.grad(s, [x, *named.values()], allow_unused=True)
    found = [torch.zeros_like(t) if v is None else v for v, t in zip(found, [x, *named.values()])]
    return packed(found[0]), {n: packed(v) for n, v in zip(named, found[1:])}


def weights_of(module):
    buffers = {n: b for n, b in module.named_buffers() if n.split(".")[-1] not in SKIPPED_BUFFERS and not n.endswith("_cpu")}
    return (
        {n: packed(p) for n, p in module.named_parameters()},
        {n: packed(b) for n, b in buffers.items()},
    )


def case(name, kind, config, module, event, seed, batch=2):
    g = torch.Generator().manual_seed(seed)
    scatter_weights(module, g)
    x = randn(g, batch, *event).requires_grad_()
    expand = lambda pair: (pair[0], pair[1] + torch.zeros(batch))
    z, log_det = expand(module.inverse(x))
    w_z, w_l = randn(g, *z.shape), randn(g, batch)
    dx, dw = gradients((w_z * z).sum() + (w_l * log_det).sum(), x, module)
    u = randn(g, *z.shape)
    x_of_u, log_det_inverse = expand(module.forward(u))
    check(module, x.detach(), z.detach(), log_det, u, x_of_u, log_det_inverse)
    weights, buffers = weights_of(module)
    return {
        "name": name, "kind": kind, "config": config, "weights": weights, "buffers": buffers,
        "x": packed(x), "z": [packed(z)], "log_det": packed(log_det), "log_prob": None,
        "u": [packed(u)], "x_of_u": packed(x_of_u), "log_det_inverse": packed(log_det_inverse),
        "w_z": packed(w_z), "w_l": packed(w_l), "dx": dx, "dweights": dw,
    }  # fmt: skip


def coupling(name, seed, channels=4, **changes):
    c = {"channels": channels, "hidden": 3, "scale": True, "scale_map": "sigmoid", "split_mode": "channel", "leaky": 0.0,
         "net_actnorm": False} | changes  # fmt: skip
    block = nf.flows.GlowBlock(channels, c["hidden"], c["scale"], c["scale_map"], c["split_mode"], c["leaky"], net_actnorm=c["net_actnorm"])
    module = block.flows[0]
    assert isinstance(module, AffineCouplingBlock)
    return case(name, "coupling", c, module, (channels, 3, 4), seed)


def block(name, seed, **changes):
    c = {"channels": 4, "hidden": 3, "scale": True, "scale_map": "sigmoid", "split_mode": "channel", "leaky": 0.0,
         "net_actnorm": False, "use_lu": True} | changes  # fmt: skip
    module = nf.flows.GlowBlock(4, c["hidden"], c["scale"], c["scale_map"], c["split_mode"], c["leaky"], True, c["use_lu"], c["net_actnorm"])
    return case(name, "block", c, module, (4, 3, 4), seed)


def act_norm_start(seed):
    """The start from a first batch: what normflows makes of it."""
    g = torch.Generator().manual_seed(seed)
    module = nf.flows.ActNorm((3, 1, 1))
    x = decimals(1.7 * randn(g, 2, 3, 2, 2) + 0.4)
    z, log_det = module.inverse(x)
    none = packed(torch.zeros(0))
    return {
        "name": "act_norm_start", "kind": "act_norm_start", "config": {"channels": 3},
        "weights": {n: packed(p) for n, p in module.named_parameters()}, "buffers": {},
        "x": packed(x), "z": [packed(z)], "log_det": packed(log_det + torch.zeros(2)), "log_prob": None,
        "u": [none], "x_of_u": none, "log_det_inverse": none, "w_z": none, "w_l": none, "dx": none, "dweights": {},
    }  # fmt: skip


def multiscale(seed):
    """Two levels as in normflows' own example of Glow: per level K blocks and a squeeze, a normal per channel for each latent."""
    g = torch.Generator().manual_seed(seed)
    c = {"steps": 2, "levels": 2, "hidden": 2, "scale_map": "sigmoid", "net_actnorm": True, "event": [4, 4, 2]}
    shapes = [(16, 1, 1), (4, 2, 2)]
    flows = [
        [nf.flows.GlowBlock(shape, c["hidden"], net_actnorm=True) for _ in range(c["steps"])] + [nf.flows.Squeeze()]
        for shape in (16, 8)
    ]
    q0 = [nf.distributions.GlowBase(shape) for shape in shapes]
    module = nf.MultiscaleFlow(q0, flows, [nf.flows.Merge()], class_cond=False)
    scatter_weights(module, g, 0.12)
    x = randn(g, 2, 2, 4, 4).requires_grad_()
    z, log_det = module.inverse_and_log_det(x)
    log_prob = module.log_prob(x, None)
    w_l = randn(g, 2)
    dx, dw = gradients((w_l * log_prob).sum(), x, module)
    back, log_det_inverse = module.forward_and_log_det(z)
    assert (back - x).abs().max() < 1e-9 and (log_det + log_det_inverse).abs().max() < 1e-9
    u = [randn(g, 2, *shape) for shape in shapes]
    x_of_u, log_det_inverse = module.forward_and_log_det(u)
    again, log_det_again = module.inverse_and_log_det(x_of_u)
    assert max((a - b).abs().max() for a, b in zip(again, u)) < 1e-9 and (log_det_again + log_det_inverse).abs().max() < 1e-9
    weights, buffers = weights_of(module)
    return {
        "name": "multiscale", "kind": "multiscale", "config": c, "weights": weights, "buffers": buffers,
        "x": packed(x), "z": [packed(v) for v in z], "log_det": packed(log_det), "log_prob": packed(log_prob),
        "u": [packed(v) for v in u], "x_of_u": packed(x_of_u), "log_det_inverse": packed(log_det_inverse),
        "w_z": packed(torch.zeros(0)), "w_l": packed(w_l), "dx": dx, "dweights": dw,
    }  # fmt: skip


def main():
    torch.manual_seed(7)
    lu, plain = nf.flows.Invertible1x1Conv(5, True), nf.flows.Invertible1x1Conv(5, False)
    cases = [
        case("squeeze", "squeeze", {}, nf.flows.Squeeze(), (3, 4, 6), 1),
        case("act_norm", "act_norm", {"channels": 3}, nf.flows.ActNorm((3, 1, 1)), (3, 2, 3), 2),
        case("conv_1x1_lu", "conv_1x1", {"channels": 5, "use_lu": True}, lu, (5, 2, 3), 3),
        case("conv_1x1_plain", "conv_1x1", {"channels": 5, "use_lu": False}, plain, (5, 2, 3), 4),
        coupling("coupling_sigmoid", 5),
        coupling("coupling_exp", 6, scale_map="exp"),
        coupling("coupling_additive", 7, scale=False),
        coupling("coupling_net_actnorm", 8, net_actnorm=True),
        coupling("coupling_channel_inv", 9, split_mode="channel_inv"),
        coupling("coupling_channel_inv_odd", 10, channels=5, split_mode="channel_inv", scale_map="exp"),
        block("block_sigmoid_lu", 11),
        block("block_exp_plain_net_actnorm", 12, scale_map="exp", use_lu=False, net_actnorm=True),
        block("block_additive_lu", 13, scale=False),
        multiscale(14),
        coupling("coupling_sigmoid_inv", 15, scale_map="sigmoid_inv"),
        coupling("coupling_channel_odd", 16, channels=5),
        coupling("coupling_checkerboard", 17, channels=2, split_mode="checkerboard"),
        coupling("coupling_leaky", 18, leaky=0.1),
        act_norm_start(19),
    ]
    text = ",\n".join(json.dumps(c, separators=(",", ":"), allow_nan=False) for c in cases)
    (HERE / "normflows.json").write_text("[\n" + text + "\n]\n")


if __name__ == "__main__":
    main()
