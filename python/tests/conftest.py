"""Make the flows that all tests share."""

import numpy as np
import pytest

import flowstill

SMALL = {"kind": "realnvp", "steps": 3, "hidden": [16]}


def rows(count: int, columns: int = 3, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, columns))
    x[:, 1] = 5 + 0.3 * x[:, 1] + x[:, 0] ** 2
    return x


@pytest.fixture(scope="session")
def data() -> np.ndarray:
    return rows(3000)


@pytest.fixture(scope="session")
def flow(data):
    return flowstill.fit(data, flow=SMALL, train={"steps": 60}, seed=3)


@pytest.fixture(scope="session")
def conditional(data):
    context = np.stack([data[:, 0] + 1, data[:, 2] * 2], axis=1)
    return flowstill.fit(data, context, flow=SMALL, train={"steps": 60}, seed=3)
