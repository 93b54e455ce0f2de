#!/usr/bin/env python3
"""Writes `glow.json` beside this file: whole GLOWs on pictures, computed from the formulas with NumPy alone.

    python3 make_glow.py        # NumPy is all it needs

Written from the Glow paper and the conventions in `README.md`, not from the Rust code: a convolution is a sum over the nine
shifts of a padded picture, the inverse of a mixing is a linear solve, a derivative is a central difference.
Before it is written, every case must return from its latents, and its log-det must be that of its numerical Jacobian.
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
HALF_LOG_TWO_PI = 0.5 * np.log(2.0 * np.pi)


# ------------------------------------------------------------------------- formulas


def squeeze(x):
    """2x2 blocks to channels: channel 4 c + 2 dy + dx is position (dy, dx) of channel c."""
    n, h, w, c = x.shape
    out = np.empty((n, h // 2, w // 2, 4 * c))
    for channel in range(c):
        for dy in (0, 1):
            for dx in (0, 1):
                out[..., 4 * channel + 2 * dy + dx] = x[:, dy::2, dx::2, channel]
    return out


def unsqueeze(z):
    n, h, w, c = z.shape
    out = np.empty((n, 2 * h, 2 * w, c // 4))
    for channel in range(c // 4):
        for dy in (0, 1):
            for dx in (0, 1):
                out[:, dy::2, dx::2, channel] = z[..., 4 * channel + 2 * dy + dx]
    return out


def with_border(x):
    """Zeros around the picture."""
    n, h, w, c = x.shape
    out = np.zeros((n, h + 2, w + 2, c))
    out[:, 1:-1, 1:-1] = x
    return out


def sigmoid(a):
    return 1.0 / (1.0 + np.exp(-a))


ACTIVATIONS = {"relu": lambda a: np.maximum(a, 0.0), "tanh": np.tanh, "silu": lambda a: a * sigmoid(a)}


def log_scale_of(kind, raw):
    if kind["kind"] == "tanh":
        return kind["bound"] * np.tanh(raw / kind["bound"])
    if kind["kind"] == "sigmoid":
        return np.log(sigmoid(raw + 2.0) + kind["floor"])
    if kind["kind"] == "exp":
        return raw
    raise ValueError(kind)


class Glow:
    def __init__(self, config, event, context, weights):
        self.c, self.event, self.context, self.w = config, event, context, weights

    # ---- networks

    def normed_conv(self, name, x, size):
        """(conv(x) + shift) * exp(log_scale); the window is [size * size, in, out]."""
        weight = self.w[name + ".weight"]
        n, h, w, _ = x.shape
        padded = with_border(x) if size == 3 else x
        total = np.zeros((n, h, w, weight.shape[2]))
        for k in range(size):
            for l in range(size):
                # Entry (k, l) reads the input at (y + k - 1, x + l - 1) for size 3, at (y, x) for size 1.
                total += np.einsum("nyxi,io->nyxo", padded[:, k : k + h, l : l + w], weight[size * k + l])
        return (total + self.w[name + ".shift"]) * np.exp(self.w[name + ".log_scale"])

    def zero_conv(self, name, x):
        """(conv(x) + bias) * exp(3 log_scale); the window is [in, 9, out] and turned round."""
        weight = self.w[name + ".weight"]
        n, h, w, _ = x.shape
        padded = with_border(x)
        total = np.zeros((n, h, w, weight.shape[2]))
        for k in range(3):
            for l in range(3):
                # Entry (k, l) reads the input at (y + 1 - k, x + 1 - l).
                total += np.einsum("nyxi,io->nyxo", padded[:, 2 - k : 2 - k + h, 2 - l : 2 - l + w], weight[:, 3 * k + l])
        return (total + self.w[name + ".bias"]) * np.exp(3.0 * self.w[name + ".log_scale"])

    def joined(self, x, context):
        if context is None:
            return x
        n, h, w, _ = x.shape
        return np.concatenate([x, np.broadcast_to(context[:, None, None, :], (n, h, w, context.shape[1]))], axis=3)

    def net(self, name, x, context):
        act = ACTIVATIONS[self.c["activation"]]
        h = self.joined(x, context)
        h = act(self.normed_conv(name + ".hidden.0", h, 3))
        h = act(self.normed_conv(name + ".hidden.1", h, 1))
        return self.zero_conv(name + ".last", h)

    # ---- the three parts of a step, each with both ways

    def act_norm(self, name, x, back):
        shift, log_scale = self.w[name + ".shift"], self.w[name + ".log_scale"]
        log_det = x.shape[1] * x.shape[2] * log_scale.sum()
        if back:
            return x / np.exp(log_scale) - shift, log_det
        return (x + shift) * np.exp(log_scale), log_det

    def mixing(self, name, x, back):
        bias = self.w[name + ".bias"]
        if self.c["lu"]:
            lower = np.tril(self.w[name + ".lower"], -1) + np.eye(len(bias))
            upper = np.triu(self.w[name + ".upper"], 1) + np.diag(self.w[name + ".sign"] * np.exp(self.w[name + ".log_s"]))
            weight = self.w[name + ".permutation"] @ lower @ upper
            log_det = self.w[name + ".log_s"].sum()
        else:
            weight = self.w[name + ".weight"]
            log_det = np.linalg.slogdet(weight)[1]
        log_det = log_det * x.shape[1] * x.shape[2]
        if back:
            rows = (x - bias).reshape(-1, len(bias))
            return np.linalg.solve(weight, rows.T).T.reshape(x.shape), log_det
        return np.einsum("oi,nyxi->nyxo", weight, x) + bias, log_det

    def coupling(self, name, x, context, back):
        half = x.shape[3] // 2
        stays, moves = x[..., :half], x[..., half:]
        raw = self.net(name + ".net.conv", stays, context)
        transform = self.c["transform"]
        if transform["kind"] == "additive":
            moves = moves - raw if back else moves + raw
            return np.concatenate([stays, moves], axis=3), np.zeros(len(x))
        shift = raw[..., : moves.shape[3]]
        log_scale = log_scale_of(transform["scale"], raw[..., moves.shape[3] :])
        moves = moves / np.exp(log_scale) - shift if back else (moves + shift) * np.exp(log_scale)
        return np.concatenate([stays, moves], axis=3), log_scale.sum(axis=(1, 2, 3))

    # ---- levels

    def prior(self, name, stays, context):
        """Shift and log-scale of what leaves at a split."""
        split = self.c["split"]
        if split["kind"] == "standard":
            return 0.0, np.zeros(stays.shape)
        raw = self.zero_conv(name + ".prior.conv.last", self.joined(stays, context))
        half = raw.shape[3] // 2
        return raw[..., :half], log_scale_of(split["scale"], raw[..., half:])

    def parts(self, level, step):
        """The prefixes of a step's three layers; a squeeze comes before those of a level's first step."""
        before = 1 if step == 0 else 0
        return [f"levels.{level}.steps.{step}.steps.{before + k}" for k in range(3)]

    def forward(self, x, context):
        latents, log_det = [], np.zeros(len(x))
        for level in range(self.c["levels"]):
            x = squeeze(x)
            for step in range(self.c["steps"]):
                norm, mix, couple = self.parts(level, step)
                x, a = self.act_norm(norm, x, False)
                x, b = self.mixing(mix, x, False)
                x, c = self.coupling(couple, x, context, False)
                log_det = log_det + a + b + c
            if level + 1 < self.c["levels"]:
                half = x.shape[3] // 2
                x, leaves = x[..., :half], x[..., half:]
                shift, log_scale = self.prior(f"levels.{level}.split", x, context)
                latents.append((leaves + shift) * np.exp(log_scale))
                log_det = log_det + log_scale.sum(axis=(1, 2, 3))
        return latents + [x], log_det

    def inverse(self, latents, context):
        x = latents[-1]
        for level in reversed(range(self.c["levels"])):
            if level + 1 < self.c["levels"]:
                shift, log_scale = self.prior(f"levels.{level}.split", x, context)
                x = np.concatenate([x, latents[level] / np.exp(log_scale) - shift], axis=3)
            for step in reversed(range(self.c["steps"])):
                norm, mix, couple = self.parts(level, step)
                x, _ = self.coupling(couple, x, context, True)
                x, _ = self.mixing(mix, x, True)
                x, _ = self.act_norm(norm, x, True)
            x = unsqueeze(x)
        return x

    def log_prob(self, x, context):
        latents, total = self.forward(x, context)
        for level in latents[:-1]:
            total = total + (-0.5 * level**2 - HALF_LOG_TWO_PI).sum(axis=(1, 2, 3))
        top = latents[-1].reshape(len(x), -1)
        if self.c["base"]["kind"] == "diagonal_normal":
            mean, log_std = self.w["base.mean"][0], self.w["base.log_std"][0]
            return total + (-0.5 * ((top - mean) / np.exp(log_std)) ** 2 - log_std - HALF_LOG_TWO_PI).sum(axis=1)
        return total + (-0.5 * top**2 - HALF_LOG_TWO_PI).sum(axis=1)


# ------------------------------------------------------------------------- weights


def draw_weights(config, event, context, rng):
    """Weights by name, decimals of three places as they stand in the file, and as the f32 nearest to each."""
    text = {}

    def put(name, value):
        text[name] = np.round(np.asarray(value, dtype=float), 3) + 0.0

    def zero_conv(name, inputs, outputs, size):
        put(name + ".weight", size * rng.standard_normal((inputs, 9, outputs)))
        put(name + ".bias", 0.2 * rng.standard_normal(outputs))
        put(name + ".log_scale", 0.1 * rng.standard_normal(outputs))

    c, hidden = event[2], config["hidden"]
    size = event[0] * event[1] * event[2]
    for level in range(config["levels"]):
        c *= 4
        for step in range(config["steps"]):
            norm, mix, couple = Glow(config, event, context, None).parts(level, step)
            put(norm + ".shift", 0.4 * rng.standard_normal(c))
            put(norm + ".log_scale", 0.2 * rng.standard_normal(c))
            if config["lu"]:
                put(mix + ".permutation", np.eye(c)[rng.permutation(c)])
                put(mix + ".sign", rng.choice([-1.0, 1.0], c))
                put(mix + ".lower", np.tril(0.1 * rng.standard_normal((c, c)), -1))
                put(mix + ".upper", np.triu(0.1 * rng.standard_normal((c, c)), 1))
                put(mix + ".log_s", 0.2 * rng.standard_normal(c))
            else:
                put(mix + ".weight", np.linalg.qr(rng.standard_normal((c, c)))[0] + 0.05 * rng.standard_normal((c, c)))
            put(mix + ".bias", 0.2 * rng.standard_normal(c))
            net, stays, moves = couple + ".net.conv", c // 2, c - c // 2
            for layer, (window, inputs) in enumerate([(9, stays + context), (1, hidden)]):
                put(f"{net}.hidden.{layer}.weight", rng.standard_normal((window, inputs, hidden)) / np.sqrt(window * inputs))
                put(f"{net}.hidden.{layer}.shift", 0.3 * rng.standard_normal(hidden))
                put(f"{net}.hidden.{layer}.log_scale", 0.3 * rng.standard_normal(hidden))
            zero_conv(net + ".last", hidden, moves if config["transform"]["kind"] == "additive" else 2 * moves, 0.15)
        if level + 1 < config["levels"]:
            if config["split"]["kind"] == "learned":
                zero_conv(f"levels.{level}.split.prior.conv.last", c // 2 + context, 2 * (c - c // 2), 0.05)
            size -= size // 2
            c = c // 2
    if config["base"]["kind"] == "diagonal_normal":
        put("base.mean", 0.5 * rng.standard_normal((1, size)))
        put("base.log_std", 0.3 * rng.standard_normal((1, size)))
    return text, {name: value.astype(np.float32).astype(float) for name, value in text.items()}


# ------------------------------------------------------------------------- derivatives and checks


def derivative(f, h=1e-3):
    """f'(0) by central differences of the fourth order, or None where two step sizes disagree: a kink is near."""

    def at(h):
        return (8.0 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12.0 * h)

    wide, narrow = at(h), at(h / 2)
    return narrow if abs(wide - narrow) < 1e-8 * (1.0 + abs(narrow)) else None


def derivatives(flow, x, context, weight_of, rng, each=2):
    """d sum_n weight_of[n] log_prob(x[n]) for some entries of every weight and of x."""
    found = []
    for name, value in {**flow.w, "x": x}.items():
        if name.endswith((".permutation", ".sign")):
            continue
        free = np.flatnonzero(value) if name.endswith((".lower", ".upper")) else np.arange(value.size)
        kept = 0
        for index in rng.permutation(free):

            def moved(step):
                other = value.copy()
                other.reshape(-1)[index] += step
                if name == "x":
                    return weight_of @ flow.log_prob(other, context)
                return weight_of @ Glow(flow.c, flow.event, flow.context, {**flow.w, name: other}).log_prob(x, context)

            slope = derivative(moved)
            # A hidden unit that is off everywhere says nothing.
            if slope is not None and abs(slope) > 1e-3:
                found.append({"name": name, "index": int(index), "value": float(f"{slope:.12g}")})
                kept += 1
            if kept == each:
                break
        assert kept == each, name
    return found


def check(flow, x, context, latents, log_det, u, x_of_u):
    def close(a, b, tolerance, what):
        worst = np.abs(a - b).max()
        assert worst < tolerance, f"{what}: {worst}"

    close(flow.inverse(latents, context), x, 1e-10, "data from latents")
    for a, b in zip(flow.forward(x_of_u, context)[0], u):
        close(a, b, 1e-10, "latents from data")
    # The Jacobian of the first sample.
    size, h = x[0].size, 1e-6
    copies = np.repeat(x[:1].reshape(1, -1), 2 * size, axis=0)
    copies[np.arange(size), np.arange(size)] += h
    copies[size + np.arange(size), np.arange(size)] -= h
    many = None if context is None else np.repeat(context[:1], 2 * size, axis=0)
    z = np.concatenate([v.reshape(2 * size, -1) for v in flow.forward(copies.reshape(-1, *x.shape[1:]), many)[0]], axis=1)
    jacobian = (z[:size] - z[size:]) / (2 * h)
    close(np.linalg.slogdet(jacobian)[1], log_det[0], 1e-6, "log-det of the Jacobian")


def packed(a):
    values = [int(v) if v == int(v) else float(f"{v:.14g}") for v in np.asarray(a, dtype=float).reshape(-1).tolist()]
    return {"shape": list(np.shape(a)), "values": values}


def case(name, seed, context=0, **changes):
    config = {
        "kind": "glow", "steps": 2, "levels": 2, "hidden": 5, "activation": "relu", "lu": True,
        "transform": {"kind": "affine", "scale": {"kind": "tanh", "bound": 2.0}},
        "split": {"kind": "learned", "scale": {"kind": "tanh", "bound": 5.0}}, "base": {"kind": "standard_normal"},
    } | changes  # fmt: skip
    event, rng = (8, 8, 3), np.random.default_rng(seed)
    text, weights = draw_weights(config, event, context, rng)
    flow = Glow(config, event, context, weights)
    given = np.round(rng.standard_normal((2, context)), 3) if context else None
    x = np.round(rng.standard_normal((2, *event)), 3)
    latents, log_det = flow.forward(x, given)
    u = [np.round(rng.standard_normal(z.shape), 3) for z in latents]
    x_of_u = flow.inverse(u, given)
    check(flow, x, given, latents, log_det, u, x_of_u)
    weight_of = np.array([0.75, -0.5])
    return {
        "name": name, "config": config, "event": list(event), "context": None if given is None else packed(given),
        "weights": {n: packed(v) for n, v in text.items()},
        "x": packed(x), "latents": [packed(z) for z in latents], "log_det": packed(log_det),
        "log_prob": packed(flow.log_prob(x, given)),
        "u": [packed(v) for v in u], "x_of_u": packed(x_of_u), "log_det_of_u": packed(flow.forward(x_of_u, given)[1]),
        "weight_of_log_prob": weight_of.tolist(), "derivatives": derivatives(flow, x, given, weight_of, rng),
    }  # fmt: skip


def main():
    cases = [
        case("tanh_lu_learned_split", 1),
        case(
            "sigmoid_plain_standard_split_normal_base", 2, lu=False, split={"kind": "standard"},
            transform={"kind": "affine", "scale": {"kind": "sigmoid", "floor": 0.0}}, base={"kind": "diagonal_normal"},
        ),
        case(
            "additive_lu_sigmoid_split_context", 3, context=2, hidden=3, activation="silu", transform={"kind": "additive"},
            split={"kind": "learned", "scale": {"kind": "sigmoid", "floor": 0.001}}, base={"kind": "diagonal_normal"},
        ),
    ]  # fmt: skip
    text = ",\n".join(json.dumps(c, separators=(",", ":"), allow_nan=False) for c in cases)
    (HERE / "glow.json").write_text("[\n" + text + "\n]\n")


if __name__ == "__main__":
    main()
