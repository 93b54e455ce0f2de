#!/usr/bin/env python3
"""Re-derives the values in `nflows.json` and `zuko.json` with NumPy alone.

Written from the conventions in `README.md`, without torch, nflows or zuko, so that the
notes are known to be enough to import the weights.  For every case it recomputes z,
log_det, log_prob, x_of_u and log_det_inverse, and compares the recorded gradients with
central differences along random directions.

    python3 check_golden.py
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def unpack(d):
    return {k: np.array(v["values"], dtype=float).reshape(v["shape"]) for k, v in d.items()}


def softplus(a):
    return np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a)))


def sigmoid(a):
    return np.where(a >= 0, 1 / (1 + np.exp(-np.abs(a))), np.exp(-np.abs(a)) / (1 + np.exp(-np.abs(a))))


def softmax(a):
    e = np.exp(a - a.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


ACT = {"relu": lambda a: np.maximum(a, 0), "tanh": np.tanh}


class View:
    """Weights and buffers under one name prefix."""

    def __init__(self, w, b, prefix=""):
        self.w, self.b, self.p = w, b, prefix

    def at(self, more):
        return View(self.w, self.b, self.p + more)

    def __getitem__(self, k):
        return self.w[self.p + k]

    def has(self, k):
        return self.p + k in self.w

    def buf(self, k):
        return self.b[self.p + k]

    def linear(self, k, h):
        w = self[k + ".weight"]
        if self.p + k + ".mask" in self.b:
            w = w * self.buf(k + ".mask")
        return h @ w.T + self[k + ".bias"]


# ------------------------------------------------------------------------- splines


def rq(v, kx, ky, d, inverse):
    """v [...]; kx, ky, d [..., K+1].  The bin whose left knot is the last one <= v."""
    e = ky if inverse else kx
    k = np.clip((v[..., None] >= e).sum(-1) - 1, 0, e.shape[-1] - 2)

    def take(a, j):
        return np.take_along_axis(a, (k + j)[..., None], -1)[..., 0]

    x0, x1, y0, y1, d0, d1 = take(kx, 0), take(kx, 1), take(ky, 0), take(ky, 1), take(d, 0), take(d, 1)
    w, h = x1 - x0, y1 - y0
    s = h / w
    c2 = d0 + d1 - 2 * s
    if inverse:
        t = v - y0
        a, b, c = t * c2 + h * (s - d0), h * d0 - t * c2, -s * t
        th = 2 * c / (-b - np.sqrt(b * b - 4 * a * c))
    else:
        th = (v - x0) / w
    q = th * (1 - th)
    den = s + c2 * q
    ld = np.log(s * s * (d1 * th**2 + 2 * s * q + d0 * (1 - th) ** 2)) - 2 * np.log(den)
    if inverse:
        return x0 + th * w, -ld
    return y0 + h * (s * th**2 + d0 * q) / den, ld


def nflows_knots(raw, lo, hi, m):
    p = m + (1 - m * raw.shape[-1]) * softmax(raw)
    c = np.concatenate([np.zeros(p.shape[:-1] + (1,)), np.cumsum(p, -1)], -1) * (hi - lo) + lo
    c[..., 0], c[..., -1] = lo, hi
    return c


def nflows_rqs(cfg, v, uw, uh, ud, inverse):
    if cfg["tails"] == "linear":
        b = cfg["tail_bound"]
        box = (-b, b, -b, b)
        pad = np.full(ud.shape[:-1] + (1,), np.log(np.exp(1 - cfg["min_derivative"]) - 1))
        ud = np.concatenate([pad, ud, pad], -1)
    else:
        box = tuple(cfg.get(n, e) for n, e in [("left", 0.0), ("right", 1.0), ("bottom", 0.0), ("top", 1.0)])
    kx = nflows_knots(uw, box[0], box[1], cfg["min_bin_width"])
    ky = nflows_knots(uh, box[2], box[3], cfg["min_bin_height"])
    d = cfg["min_derivative"] + softplus(ud)
    lo, hi = (box[2:] if inverse else box[:2]) if cfg["tails"] is None else (-b, b)
    out, ld = rq(np.clip(v, lo, hi), kx, ky, d, inverse)
    inside = (v >= lo) & (v <= hi)
    assert cfg["tails"] == "linear" or inside.all()
    return np.where(inside, out, v), np.where(inside, ld, 0.0)


def split_rqs(phi, k):
    return phi[..., :k], phi[..., k : 2 * k], phi[..., 2 * k :]


def zuko_clip(a, lim):
    return a / (1 + np.abs(a / lim))


def zuko_rqs(cfg, v, w, h, d, inverse):
    ls, b = np.log(cfg["slope"]), cfg["bound"]

    def kn(raw):
        p = softmax(zuko_clip(raw, ls / 2))
        return b * (2 * np.concatenate([np.zeros(p.shape[:-1] + (1,)), np.cumsum(p, -1)], -1) - 1)

    kx, ky = kn(w), kn(h)
    one = np.ones(d.shape[:-1] + (1,))
    der = np.concatenate([one, np.exp(zuko_clip(d, ls)), one], -1)
    inside = np.abs(v) < b
    out, ld = rq(np.where(inside, v, 0.0), kx, ky, der, inverse)
    return np.where(inside, out, v), np.where(inside, ld, 0.0)


def zuko_affine(cfg, v, shift, scale, inverse):
    a = zuko_clip(scale, np.log(cfg["slope"]))
    return ((v - shift) * np.exp(-a), -a) if inverse else (v * np.exp(a) + shift, a)


# -------------------------------------------------------------------- conditioners


def made(w, cfg, x, ctx):
    act = ACT[cfg["activation"]]
    h = w.linear("initial_layer", x)
    if ctx is not None:
        h = h + act(w.linear("context_layer", ctx))
    if not cfg["use_residual_blocks"]:
        h = act(h)
    for i in range(cfg["num_blocks"]):
        p = f"blocks.{i}."
        if cfg["use_residual_blocks"]:
            t = w.linear(p + "linear_layers.0", act(h))
            if ctx is not None:
                t = t + w.linear(p + "context_layer", ctx)
            h = h + w.linear(p + "linear_layers.1", act(t))
        else:
            h = act(w.linear(p + "linear", h))
    return w.linear("final_layer", h)


def resnet(w, cfg, x, ctx):
    act = ACT[cfg["activation"]]
    h = w.linear("initial_layer", x if ctx is None else np.concatenate([x, ctx], 1))
    for i in range(cfg["num_blocks"]):
        p = f"blocks.{i}."
        t = w.linear(p + "linear_layers.1", act(w.linear(p + "linear_layers.0", act(h))))
        if ctx is not None:
            t = t * sigmoid(w.linear(p + "context_layer", ctx))
        h = h + t
    return w.linear("final_layer", h)


def mlp(w, cfg, x, ctx):
    act = ACT[cfg["activation"]]
    w = w.at("net.")
    h = act(w.linear("_input_layer", x if ctx is None else np.concatenate([x, ctx], 1)))
    i = 0
    while w.has(f"_hidden_layers.{i}.weight"):
        h = act(w.linear(f"_hidden_layers.{i}", h))
        i += 1
    return w.linear("_output_layer", h)


def hyper(w, cfg, x, ctx):
    h = x if ctx is None else np.concatenate([x, ctx], 1)
    n = len(cfg["hidden_features"])
    for i in range(n):
        h = ACT[cfg["activation"]](w.linear(f"hyper.{2 * i}", h))
    return w.linear(f"hyper.{2 * n}", h)


# ---------------------------------------------------------------------- transforms


def autoregressive(elementwise, params, v, inverse, passes):
    if not inverse:
        z, ld = elementwise(v, params(v), False)
        return z, ld.sum(1)
    x = np.zeros_like(v)
    for _ in range(passes):
        x, ld = elementwise(v, params(x), True)
    return x, ld.sum(1)


def masked_affine(w, cfg, v, ctx, inverse):
    n, d = v.shape

    def params(x):
        return made(w.at("autoregressive_net."), cfg, x, ctx).reshape(n, d, 2)

    def ew(v, phi, inv):
        s, t = softplus(phi[..., 0]) + 1e-3, phi[..., 1]
        return ((v - t) / s, -np.log(s)) if inv else (v * s + t, np.log(s))

    return autoregressive(ew, params, v, inverse, d)


def masked_rqs(w, cfg, v, ctx, inverse):
    n, d = v.shape
    k = cfg["num_bins"]

    def params(x):
        return made(w.at("autoregressive_net."), cfg, x, ctx).reshape(n, d, 3 * k - 1)

    return autoregressive(lambda v, p, i: nflows_rqs(cfg, v, *split_rqs(p, k), i), params, v, inverse, d)


def coupling(w, cfg, v, ctx, inverse):
    n = v.shape[0]
    mask = np.array(cfg["mask"])
    idn, trf = np.flatnonzero(mask <= 0), np.flatnonzero(mask > 0)
    out, ld = v.copy(), np.zeros(n)
    cond = v[:, idn]
    if cfg.get("unconditional_transform"):
        t, l = rqs_cdf(w.at("unconditional_transform."), cfg, cond, None, inverse)
        out[:, idn] = t
        ld = ld + l
        cond = t if inverse else cond
    net = resnet if cfg["conditioner"] == "resnet" else mlp
    phi = net(w.at("transform_net."), cfg, cond, ctx)
    if cfg["kind"] == "rqs_coupling":
        k = cfg["num_bins"]
        uw, uh, ud = split_rqs(phi.reshape(n, len(trf), 3 * k - 1), k)
        if cfg["sqrt_hidden_division"]:
            uw, uh = uw / np.sqrt(cfg["hidden_features"]), uh / np.sqrt(cfg["hidden_features"])
        o, l = nflows_rqs(cfg, v[:, trf], uw, uh, ud, inverse)
    else:
        t = phi[:, : len(trf)]
        s = sigmoid(phi[:, len(trf) :] + 2) + 1e-3 if cfg["kind"] == "affine_coupling" else np.ones_like(t)
        o, l = ((v[:, trf] - t) / s, -np.log(s)) if inverse else (v[:, trf] * s + t, np.log(s))
    out[:, trf] = o
    return out, ld + l.sum(1)


def rqs_cdf(w, cfg, v, ctx, inverse):
    p = [np.broadcast_to(w[n], (v.shape[0],) + w[n].shape)
         for n in ("unnormalized_widths", "unnormalized_heights", "unnormalized_derivatives")]  # fmt: skip
    o, l = nflows_rqs(cfg, v, *p, inverse)
    return o, l.sum(1)


def lu_linear(w, cfg, v, ctx, inverse):
    d = cfg["features"]
    lo, up = np.eye(d), np.zeros((d, d))
    lo[np.tril_indices(d, -1)] = w["lower_entries"]
    up[np.triu_indices(d, 1)] = w["upper_entries"]
    diag = softplus(w["unconstrained_upper_diag"]) + cfg["eps"]
    up[np.diag_indices(d)] = diag
    ld = np.full(v.shape[0], np.log(diag).sum())
    if inverse:
        return np.linalg.solve(lo @ up, (v - w["bias"]).T).T, -ld
    return v @ (lo @ up).T + w["bias"], ld


def permutation(w, cfg, v, ctx, inverse):
    p = np.array(cfg["permutation"])
    return v[:, np.argsort(p) if inverse else p], np.zeros(v.shape[0])


def batch_norm(w, cfg, v, ctx, inverse):
    if cfg["mode"] == "train":
        mean, var = v.mean(0), v.var(0, ddof=1)
    else:
        mean, var = w.buf("running_mean"), w.buf("running_var")
    g = softplus(w["unconstrained_weight"]) + cfg["eps"]
    ld = np.full(v.shape[0], (np.log(g) - 0.5 * np.log(var + cfg["eps"])).sum())
    if inverse:
        return np.sqrt(var + cfg["eps"]) * (v - w["bias"]) / g + mean, -ld
    return g * (v - mean) / np.sqrt(var + cfg["eps"]) + w["bias"], ld


def act_norm(w, cfg, v, ctx, inverse):
    ld = np.full(v.shape[0], w["log_scale"].sum())
    if inverse:
        return (v - w["shift"]) / np.exp(w["log_scale"]), -ld
    return np.exp(w["log_scale"]) * v + w["shift"], ld


def sig(v, t, eps, inverse):
    if not inverse:
        return sigmoid(t * v), (np.log(t) - softplus(-t * v) - softplus(t * v)).sum(1)
    v = np.clip(v, eps, 1 - eps)
    x = (np.log(v) - np.log1p(-v)) / t
    return x, -(np.log(t) - softplus(-t * x) - softplus(t * x)).sum(1)


def sigmoid_t(w, cfg, v, ctx, inverse):
    return sig(v, w["temperature"], cfg["eps"], inverse)


def logit(w, cfg, v, ctx, inverse):
    return sig(v, cfg["temperature"], cfg["eps"], not inverse)


def tanh(w, cfg, v, ctx, inverse):
    if inverse:
        return np.arctanh(v), -np.log(1 - v * v).sum(1)
    z = np.tanh(v)
    return z, np.log(1 - z * z).sum(1)


def composite_cdf(w, cfg, v, ctx, inverse):
    a, l0 = sig(v, cfg["temperature"], cfg["sigmoid_eps"], False)
    b, l1 = rqs_cdf(w.at("_transforms.1."), cfg, a, None, inverse)
    c, l2 = sig(b, cfg["temperature"], cfg["sigmoid_eps"], True)
    return c, l0 + l1 + l2


def rqs(w, cfg, v, ctx, inverse):
    o, l = nflows_rqs(
        cfg, v[:, 0], w["unnormalized_widths"], w["unnormalized_heights"], w["unnormalized_derivatives"], inverse
    )
    return o[:, None], l


def flow(w, cfg, v, ctx, inverse):
    ld = 0.0
    for step in reversed(cfg["steps"]) if inverse else cfg["steps"]:
        v, l = KINDS[step["kind"]](w.at(step["prefix"]), step, v, ctx, inverse)
        ld = ld + l
    return v, ld


def monotonic_affine(w, cfg, v, ctx, inverse):
    o, l = zuko_affine(cfg, v[:, 0], w["shift"], w["scale"], inverse)
    return o[:, None], l


def monotonic_rqs(w, cfg, v, ctx, inverse):
    o, l = zuko_rqs(cfg, v[:, 0], w["widths"], w["heights"], w["derivatives"], inverse)
    return o[:, None], l


def zuko_elementwise(cfg, v, phi, inverse):
    if cfg["univariate"] == "affine":
        return zuko_affine(cfg, v, phi[..., 0], phi[..., 1], inverse)
    return zuko_rqs(cfg, v, *split_rqs(phi, cfg["bins"]), inverse)


def zuko_total(cfg):
    return 2 if cfg["univariate"] == "affine" else 3 * cfg["bins"] - 1


def zuko_autoregressive(w, cfg, v, ctx, inverse):
    n, d = v.shape
    ld = 0.0
    steps = range(cfg["transforms"])
    for i in reversed(steps) if inverse else steps:
        wi = w.at(f"transform.transforms.{i}.")
        v, l = autoregressive(
            lambda a, p, inv: zuko_elementwise(cfg, a, p, inv),
            lambda x: hyper(wi, cfg, x, ctx).reshape(n, d, zuko_total(cfg)),
            v,
            inverse,
            cfg["passes"][i],
        )
        ld = ld + l
    return v, ld


def zuko_coupling(w, cfg, v, ctx, inverse):
    ld = 0.0
    steps = range(cfg["transforms"])
    for i in reversed(steps) if inverse else steps:
        mask = np.array(cfg["mask"][i])
        a, b = np.flatnonzero(mask == 1), np.flatnonzero(mask == 0)
        phi = hyper(w.at(f"transform.transforms.{i}."), cfg, v[:, a], ctx)
        o, l = zuko_elementwise(cfg, v[:, b], phi.reshape(len(v), len(b), zuko_total(cfg)), inverse)
        v = v.copy()
        v[:, b] = o
        ld = ld + l.sum(1)
    return v, ld


KINDS = {
    "rqs": rqs,
    "lu_linear": lu_linear,
    "permutation": permutation,
    "masked_affine_autoregressive": masked_affine,
    "masked_rqs_autoregressive": masked_rqs,
    "affine_coupling": coupling,
    "additive_coupling": coupling,
    "rqs_coupling": coupling,
    "batch_norm": batch_norm,
    "act_norm": act_norm,
    "sigmoid": sigmoid_t,
    "logit": logit,
    "tanh": tanh,
    "composite_cdf": composite_cdf,
    "rqs_cdf": rqs_cdf,
    "flow": flow,
    "monotonic_affine": monotonic_affine,
    "monotonic_rqs": monotonic_rqs,
    "zuko_autoregressive": zuko_autoregressive,
    "zuko_coupling": zuko_coupling,
}


# ------------------------------------------------------------------------- masks


def check_masks(case, w):
    """The recorded masks follow the stated rules."""
    cfg, kind = case["config"], case["kind"]
    if kind in ("masked_affine_autoregressive", "masked_rqs_autoregressive"):
        b = w.at("autoregressive_net.")
        d, h, m = cfg["features"], cfg["hidden_features"], cfg["output_multiplier"]
        hid = np.arange(h) % max(1, d - 1) + min(1, d - 1)
        assert (b.buf("initial_layer.mask") == (hid[:, None] >= np.arange(1, d + 1))).all()
        for name in case["buffers"]:
            if ".blocks." in name and name.endswith(".mask"):
                assert (w.b[name] == (hid[:, None] >= hid)).all()
        out = np.repeat(np.arange(1, d + 1), m)
        assert (b.buf("final_layer.mask") == (out[:, None] > hid)).all()
    if kind == "zuko_autoregressive":
        d, c, total = cfg["features"], cfg["context"], zuko_total(cfg)
        for i in range(cfg["transforms"]):
            b = w.at(f"transform.transforms.{i}.")
            order = b.buf("order")
            adj = np.concatenate([order[:, None] > order, np.ones((d, c), bool)], 1)
            adj = np.repeat(adj, total, 0)
            uniq, back = np.unique(adj, axis=0, return_inverse=True)
            back = back.reshape(-1)
            prec = np.array([[(uniq[s] <= uniq[r]).all() for s in range(len(uniq))] for r in range(len(uniq))])
            mask = uniq
            for j, width in enumerate(cfg["hidden_features"] + [None]):
                if j > 0:
                    mask = prec[:, idx]  # noqa: F821
                if width is None:
                    mask = mask[back]
                else:
                    reach = np.flatnonzero(mask.sum(1))
                    idx = reach[np.arange(width) % len(reach)]
                    mask = mask[idx]
                assert (b.buf(f"hyper.{2 * j}.mask") == mask).all()


# -------------------------------------------------------------------------- main


def relerr(a, b):
    a, b = np.asarray(a, float), np.asarray(b, float)
    return 0.0 if a.size == 0 else float((np.abs(a - b) / (1 + np.abs(b))).max())


def directional(f, leaves, gradient, rs):
    """Worst relative gap between <gradient, d> and the central difference along d."""
    worst = 0.0
    for name, leaf in leaves.items():
        if leaf is None or leaf.size == 0:
            continue
        d = rs.standard_normal(leaf.shape)
        h = 1e-6
        up, dn = dict(leaves), dict(leaves)
        up[name], dn[name] = leaf + h * d, leaf - h * d
        num, ana = (f(up) - f(dn)) / (2 * h), float((gradient[name] * d).sum())
        worst = max(worst, abs(num - ana) / (1 + abs(ana) + abs(gradient[name]).max()))
    return worst


def main():
    bad = 0
    for file in ("nflows.json", "zuko.json"):
        for case in json.loads((HERE / file).read_text()):
            kind, cfg = case["kind"], {"kind": case["kind"], **case["config"]}
            weights, buffers = unpack(case["weights"]), unpack(case["buffers"])
            x = np.array(case["x"])
            ctx = None if case["context"] is None else np.array(case["context"])
            run = KINDS[kind]
            check_masks(case, View(weights, buffers))

            z, ld = run(View(weights, buffers), cfg, x, ctx, False)
            err = {"z": relerr(z, case["z"]), "ld": relerr(ld, case["log_det"])}
            if case["log_prob"] is not None:
                lp = -0.5 * (z**2).sum(1) - 0.5 * z.shape[1] * np.log(2 * np.pi) + ld
                err["lp"] = relerr(lp, case["log_prob"])
            if case["inverse_of"] is not None:
                u = np.array(case["inverse_of"])
                xu, li = run(View(weights, buffers), cfg, u, ctx, True)
                err.update({"xu": relerr(xu, case["x_of_u"]), "li": relerr(li, case["log_det_inverse"])})

            def objective(inverse, first, a, b):
                def f(leaves):
                    w = {n: leaves["w." + n] for n in weights}
                    o, l = run(View(w, buffers), cfg, leaves[first], leaves["context"], inverse)
                    return float((a * o).sum() + (b * l).sum())

                return f

            rs = np.random.default_rng(0)
            fd = {}
            for key, inverse, first, wn in [("gradients", False, "x", "w_z"), ("inverse_gradients", True, "u", "w_x")]:
                g = case.get(key)
                if g is None:
                    continue
                leaves = {first: x if first == "x" else u, "context": ctx}
                leaves.update({"w." + n: v for n, v in weights.items()})
                a, b = np.array(g[wn]), np.array(g["w_l"])
                grad = {first: np.array(g[first]), "context": None if ctx is None else np.array(g["context"])}
                if g["weights"] is None:
                    grad.update({"w." + n: None for n in weights})
                else:
                    grad.update({"w." + n: v for n, v in unpack(g["weights"]).items()})
                f = objective(inverse, first, a, b)
                err["s" + first] = relerr(f(leaves), g["s"])
                if "where" in cfg or case["name"] == "logit_clamped":
                    continue  # on a kink or beyond a clamp
                for n in [n for n in leaves if grad[n] is None]:
                    leaves_fixed = leaves[n]
                    base = f
                    del leaves[n]

                    def f(lv, base=base, n=n, fixed=leaves_fixed):
                        return base({**lv, n: fixed})

                fd[first] = directional(f, leaves, grad, rs)
            ok = max(err.values()) < 1e-9 and all(v < 1e-5 for v in fd.values())
            bad += not ok
            print(
                f"{'ok ' if ok else 'BAD'} {case['library']:7s}{case['name']:34s}"
                + " ".join(f"{k} {v:.0e}" for k, v in err.items())
                + "  fd "
                + " ".join(f"{k} {v:.0e}" for k, v in fd.items())
            )
    print("all values agree" if not bad else f"{bad} cases disagree")
    raise SystemExit(bad > 0)


if __name__ == "__main__":
    main()
