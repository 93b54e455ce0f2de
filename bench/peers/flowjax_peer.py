"""The flows of a case as flowjax builds them, jitted, in f32, with donated buffers."""

import time
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import paramax
from flowjax.bijections import Affine, RationalQuadraticSpline
from flowjax.distributions import Normal
from flowjax.flows import coupling_flow, masked_autoregressive_flow


class FlowjaxWork:
    """A flow of flowjax and the work of a case."""

    imported = False

    def __init__(self, case: dict[str, Any], x: np.ndarray) -> None:
        flow, features = case["flow"], case["event"][2]
        self.what, self.batch = case["what"], case["batch"]
        self.count = case.get("peer_batch", self.batch)
        self.x = jnp.asarray(x.reshape(len(x), features))
        spline = flow.get("transform", {}).get("kind") == "rational_quadratic"
        # Its knots are the inner ones: one fewer than bins.
        transformer = (
            RationalQuadraticSpline(knots=flow["transform"]["bins"] - 1, interval=flow["transform"]["tail_bound"])
            if spline
            else Affine()
        )
        make = coupling_flow if flow["kind"] == "realnvp" else masked_autoregressive_flow
        flow_of = make(
            jr.key(0), base_dist=Normal(jnp.zeros(features)), transformer=transformer,
            flow_layers=flow.get("blocks", flow.get("steps")), nn_width=flow["hidden"][0],
            nn_depth=len(flow["hidden"]), nn_activation=jax.nn.relu, invert=True,
        )  # fmt: skip
        leaf = lambda part: isinstance(part, paramax.NonTrainable)
        self.params, self.static = eqx.partition(flow_of, eqx.is_inexact_array, is_leaf=leaf)
        self.note = "random orders" if flow["kind"] != "realnvp" else "random orders, halves by position"
        self.log_prob_of = jax.jit(lambda params, x: self.join(params).log_prob(x))
        self.rng, self.key = np.random.default_rng(0), jr.key(1)

    def join(self, params: Any) -> Any:
        """The distribution with these parameters."""
        return paramax.unwrap(eqx.combine(params, self.static))

    def parameters(self) -> int:
        """How many values the optimiser moves."""
        return sum(part.size for part in jax.tree.leaves(self.params))

    def check(self) -> list[float]:
        """Log-densities of the first rows."""
        return self.log_prob_of(self.params, self.x[:64]).tolist()

    def round_trip(self) -> None:
        """Not asked of libraries."""

    def prepare(self) -> None:
        """Set up the call that is timed, and warm it up."""
        if self.what == "train":
            self.prepare_training()
        elif self.what == "sample":
            draw = jax.jit(lambda params, key: self.join(params).sample(key, (self.count,)))

            def call() -> None:
                self.key, key = jr.split(self.key)
                draw(self.params, key).block_until_ready()

            self.call, self.each, self.unit = call, self.count, "rows"
        else:
            x = self.x[: self.batch]
            self.call = lambda: self.log_prob_of(self.params, x).block_until_ready()
            self.each, self.unit = self.batch, "rows"
        for _ in range(2):
            self.call()

    def prepare_training(self) -> None:
        """Adam on the mean negative log-likelihood."""
        optimiser = optax.adam(5e-4)

        @partial(jax.jit, donate_argnums=(0, 1))
        def step(params: Any, state: Any, x: jax.Array, rows: jax.Array) -> tuple[Any, Any, jax.Array]:
            loss = lambda params: -self.join(params).log_prob(x[rows]).mean()
            value, gradient = jax.value_and_grad(loss)(params)
            updates, state = optimiser.update(gradient, state)
            return optax.apply_updates(params, updates), state, value

        self.state = optimiser.init(self.params)

        def call() -> None:
            rows = self.rng.integers(0, len(self.x), self.batch)
            self.params, self.state, value = step(self.params, self.state, self.x, rows)
            if not np.isfinite(float(value)):
                raise ValueError("the loss is not finite")

        self.call, self.each, self.unit = call, 1, "steps"

    def run(self, seconds: float) -> tuple[float, str, float]:
        """Repeat the call for so many seconds: units done, their name, seconds."""
        begun, calls = time.perf_counter(), 0
        while True:
            self.call()
            calls += 1
            passed = time.perf_counter() - begun
            if passed >= seconds:
                return float(calls * self.each), self.unit, passed
