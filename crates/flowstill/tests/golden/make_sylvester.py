#!/usr/bin/env python3
"""Writes the golden values `sylvester.json` beside this file, with Python's standard library alone.

Everything is computed from the formula of van den Berg et al. 2018 (arXiv 1803.05649),

    z = x + Q R tanh(R~ Q^T x + b + C^T c),

in decimal numbers of 50 digits and by none of the means of the layer under test: log_det is that of the
Jacobian matrix, by elimination; the inverse is Newton's method in all dimensions at once; every gradient
is a central difference with step 1e-16.  The form of the file is that of `README.md`.
"""

import json
import pathlib
import random
from decimal import Decimal as D
from decimal import getcontext

getcontext().prec = 50
BOUND, STEP = D("0.95"), D("1e-16")


def tanh(x):
    e = (2 * x).exp()
    return (e - 1) / (e + 1)


def dot(a, b):
    return sum((p * q for p, q in zip(a, b)), D(0))


def solve(matrix, right):
    """Gauss-Jordan with partial pivoting; the solution and log |det|."""
    n = len(matrix)
    a = [row[:] + [value] for row, value in zip(matrix, right)]
    log_det = D(0)
    for k in range(n):
        pivot = max(range(k, n), key=lambda i: abs(a[i][k]))
        a[k], a[pivot] = a[pivot], a[k]
        log_det += abs(a[k][k]).ln()
        for i in range(n):
            if i != k:
                factor = a[i][k] / a[k][k]
                a[i] = [p - factor * q for p, q in zip(a[i], a[k])]
    return [a[i][n] / a[i][i] for i in range(n)], log_det


def rows_of(config, vectors, d):
    """The columns of Q, each as a row."""
    vectors = [vectors[i : i + d] for i in range(0, len(vectors), d)]
    if config["kind"] == "orthogonal":
        rows = []
        for v in vectors:
            for q in rows:
                shared = dot(v, q)
                v = [p - shared * r for p, r in zip(v, q)]
            norm = dot(v, v).sqrt()
            rows.append([p / norm for p in v])
        return rows
    # Q^T = H_1 H_2 ... H_n
    total = [[D(int(i == j)) for j in range(d)] for i in range(d)]
    for v in vectors:
        size = dot(v, v)
        h = [[D(int(i == j)) - 2 * v[i] * v[j] / size for j in range(d)] for i in range(d)]
        total = [[dot(row, [h[k][j] for k in range(d)]) for j in range(d)] for row in total]
    return total


def triangle(square, raw):
    m = len(raw)
    entry = lambda i, j: square[i * m + j] if i < j else BOUND * tanh(raw[i]) if i == j else D(0)
    return [[entry(i, j) for j in range(m)] for i in range(m)]


class Layer:
    def __init__(self, config, weights, d):
        self.rows = rows_of(config, weights["vectors"], d)
        self.outer = triangle(weights["outer"], weights["outer_diagonal"])
        self.inner = triangle(weights["inner"], weights["inner_diagonal"])
        self.bias, self.context, self.d = weights["bias"], weights.get("context", []), d

    def forward(self, x, c):
        m = len(self.rows)
        y = [dot(row, x) for row in self.rows]
        of_context = lambda i: sum((value * self.context[k * m + i] for k, value in enumerate(c)), D(0))
        h = [tanh(dot(self.inner[i], y) + self.bias[i] + of_context(i)) for i in range(m)]
        moved = [dot(row, h) for row in self.outer]
        return [x[k] + sum((moved[i] * self.rows[i][k] for i in range(m)), D(0)) for k in range(self.d)]

    def jacobian(self, x, c):
        columns = []
        for k in range(self.d):
            up, down = x[:], x[:]
            up[k] += STEP
            down[k] -= STEP
            columns.append([(a - b) / (2 * STEP) for a, b in zip(self.forward(up, c), self.forward(down, c))])
        return [[columns[j][i] for j in range(self.d)] for i in range(self.d)]

    def log_det(self, x, c):
        return solve(self.jacobian(x, c), [D(0)] * self.d)[1]

    def inverse(self, u, c, start):
        x = start[:]
        for _ in range(6):
            off = [a - b for a, b in zip(self.forward(x, c), u)]
            step, _ = solve(self.jacobian(x, c), off)
            x = [a - b for a, b in zip(x, step)]
        assert max(abs(a - b) for a, b in zip(self.forward(x, c), u)) < D("1e-40")
        return x


def difference(value, at):
    """The gradient of `value` at a list, by central differences."""
    out = []
    for k in range(len(at)):
        up, down = at[:], at[:]
        up[k] += STEP
        down[k] -= STEP
        out.append((value(up) - value(down)) / (2 * STEP))
    return out


def make(name, config, d, width, n, seed):
    rng = random.Random(seed)
    draw = lambda count, scale=1.0: [D(f"{rng.gauss(0, scale):.6f}") for _ in range(count)]
    table = lambda rows, columns: [draw(columns) for _ in range(rows)]
    m = config.get("rank", d)
    shapes = {
        "vectors": [config.get("rank", config.get("reflections")), d],
        "outer": [m, m], "outer_diagonal": [m], "inner": [m, m], "inner_diagonal": [m], "bias": [m],
    }
    if width:
        shapes["context"] = [width, m]
    weights = {k: draw(s[0] * (s[1] if len(s) > 1 else 1), 0.9) for k, s in shapes.items()}
    x, context, w_z, w_x = table(n, d), table(n, width), table(n, d), table(n, d)
    w_l, w_l_inverse = draw(n), draw(n)
    layer = Layer(config, weights, d)
    z = [layer.forward(p, c) for p, c in zip(x, context)]
    log_det = [layer.log_det(p, c) for p, c in zip(x, context)]
    start = table(n, d)
    u = [[D(f"{value:.9f}") for value in layer.forward(p, c)] for p, c in zip(start, context)]
    x_of_u = [layer.inverse(p, c, q) for p, c, q in zip(u, context, start)]
    log_det_inverse = [-layer.log_det(p, c) for p, c in zip(x_of_u, context)]

    def forward_score(i, layer, p, c):
        return dot(w_z[i], layer.forward(p, c)) + w_l[i] * layer.log_det(p, c)

    def inverse_score(i, layer, p, c):
        found = layer.inverse(p, c, x_of_u[i])
        return dot(w_x[i], found) - w_l_inverse[i] * layer.log_det(found, c)

    def recorded(score, start, w, w_l, key, weight_key):
        def of_weight(name):
            def total(values):
                other = Layer(config, {**weights, name: values}, d)
                return sum((score(i, other, start[i], context[i]) for i in range(n)), D(0))
            return {"shape": shapes[name], "values": difference(total, weights[name])}
        return {
            weight_key: w, "w_l": w_l,
            "s": sum((score(i, layer, start[i], context[i]) for i in range(n)), D(0)),
            key: [difference(lambda p: score(i, layer, p, context[i]), start[i]) for i in range(n)],
            "context": [difference(lambda c: score(i, layer, start[i], c), context[i]) for i in range(n)] if width else None,
            "weights": {k: of_weight(k) for k in shapes},
        }

    return {
        "name": name, "library": "decimal", "version": "1", "kind": "sylvester", "config": config,
        "weights": {k: {"shape": shapes[k], "values": v} for k, v in weights.items()}, "buffers": {}, "extra": {},
        "x": x, "context": context if width else None, "z": z, "log_det": log_det, "log_prob": None,
        "gradients": recorded(forward_score, x, w_z, w_l, "x", "w_z"),
        "inverse_of": u, "x_of_u": x_of_u, "log_det_inverse": log_det_inverse,
        "inverse_gradients": recorded(inverse_score, u, w_x, w_l_inverse, "u", "w_x"),
    }


def plain(value):
    if isinstance(value, D):
        return float(value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


cases = [
    make("orthogonal_context", {"kind": "orthogonal", "rank": 2}, 3, 2, 3, 1),
    make("orthogonal_full", {"kind": "orthogonal", "rank": 3}, 3, 0, 2, 2),
    make("planar", {"kind": "orthogonal", "rank": 1}, 2, 0, 2, 3),
    make("householder", {"kind": "householder", "reflections": 2}, 3, 1, 2, 4),
]
text = "[\n" + ",\n".join(json.dumps(plain(case), separators=(",", ":")) for case in cases) + "\n]\n"
(pathlib.Path(__file__).resolve().parent / "sylvester.json").write_text(text)
