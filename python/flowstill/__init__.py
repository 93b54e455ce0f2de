"""Distil, train, judge, ship and run normalizing flows.

    >>> import numpy, flowstill
    >>> rows = numpy.random.default_rng(1).normal([1.0, -2.0], [0.5, 3.0], size=(2000, 2))
    >>> flow = flowstill.fit(rows, flow={"kind": "realnvp", "steps": 2, "hidden": [8]}, train={"steps": 50})
    >>> flow.log_prob(rows[:5]).shape
    (5,)
    >>> flow.sample(3, seed=7).shape
    (3, 2)

Rows are arrays of shape (n, columns), densities are in nats, in the data's own units. `flowstill.torch.Flow` is the same as a module of torch.
"""

from ._flowstill import (
    Comparison,
    Flow,
    Frontier,
    InputError,
    RunError,
    __version__,
    compare,
    divergence,
    evaluate,
    fit,
    frontier,
)
from ._progress import bar

load = Flow.load

__all__ = [
    "Comparison",
    "Flow",
    "Frontier",
    "InputError",
    "RunError",
    "__version__",
    "bar",
    "compare",
    "divergence",
    "evaluate",
    "fit",
    "frontier",
    "load",
]
