"""The compiled part of the package `flowstill`."""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "Comparison",
    "Flow",
    "Frontier",
    "InputError",
    "RunError",
    "__version__",
    "compare",
    "divergence",
    "evaluate",
    "fit",
    "frontier",
    "run_command_line",
]

__version__: str

_Path: TypeAlias = str | PathLike[str]
# An array, a list, a frame of pandas or polars, a table of Arrow.
_Rows: TypeAlias = ArrayLike | Any
_Array: TypeAlias = NDArray[np.floating[Any]]
_Progress: TypeAlias = Callable[[dict[str, Any]], object]
_Recipe: TypeAlias = _Path | dict[str, Any]

class InputError(ValueError): ...
class RunError(RuntimeError): ...

@final
class Flow:
    @staticmethod
    def load(path: _Path) -> Flow: ...
    @staticmethod
    def from_bytes(bytes: bytes) -> Flow: ...
    def to_bytes(self) -> bytes: ...
    def save(self, path: _Path) -> None: ...
    def log_prob(self, x: _Rows, context: _Rows | None = None) -> _Array: ...
    def log_prob_with_gradients(self, x: _Rows, context: _Rows | None = None) -> tuple[_Array, _Array, _Array | None]: ...
    def encode(self, x: _Rows, context: _Rows | None = None) -> _Array: ...
    def decode(self, z: _Rows, context: _Rows | None = None) -> _Array: ...
    def decode_pullback(self, z: _Rows, d_x: _Rows, context: _Rows | None = None) -> tuple[_Array, _Array | None]: ...
    def sample(
        self,
        n: int,
        context: _Rows | None = None,
        *,
        seed: int = 1,
        temperature: float = 1.0,
        dtype: DTypeLike | None = None,
    ) -> _Array: ...
    def sample_and_log_prob(
        self,
        n: int,
        context: _Rows | None = None,
        *,
        seed: int = 1,
        temperature: float = 1.0,
        dtype: DTypeLike | None = None,
    ) -> tuple[_Array, _Array]: ...
    def distill(
        self,
        x: _Rows | None = None,
        context: _Rows | None = None,
        *,
        recipe: _Recipe | None = None,
        out: _Path | None = None,
        seed: int | None = None,
        samples: int = 100_000,
        progress: _Progress | None = None,
        **settings: Any,
    ) -> Flow: ...
    @property
    def parameters(self) -> dict[str, NDArray[np.float32]]: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def columns(self) -> list[str]: ...
    @property
    def context_columns(self) -> list[str]: ...
    @property
    def facts(self) -> dict[str, Any]: ...
    @property
    def architecture(self) -> dict[str, Any]: ...
    @property
    def report(self) -> dict[str, Any] | None: ...
    def __reduce__(self) -> tuple[Callable[[bytes], Flow], tuple[bytes]]: ...

@final
class Comparison:
    @property
    def report(self) -> dict[str, Any]: ...

@final
class Frontier:
    @property
    def report(self) -> dict[str, Any]: ...
    @property
    def chosen(self) -> Flow | None: ...

def fit(
    x: _Rows,
    context: _Rows | Sequence[str] | None = None,
    *,
    recipe: _Recipe | None = None,
    out: _Path | None = None,
    seed: int | None = None,
    progress: _Progress | None = None,
    **settings: Any,
) -> Flow: ...
def compare(
    recipe: _Recipe,
    *,
    out: _Path | None = None,
    only: Sequence[str] | None = None,
    progress: _Progress | None = None,
    **settings: Any,
) -> Comparison: ...
def frontier(
    teacher: Flow,
    x: _Rows | None = None,
    context: _Rows | None = None,
    *,
    samples_per_second: float | None = None,
    log_prob_rows_per_second: float | None = None,
    latency_us: float | None = None,
    megabytes: float | None = None,
    parameters: int | None = None,
    steps: int | None = None,
    rungs: int = 3,
    finalists: int = 3,
    lesson_weight: float = 0.3,
    samples: int = 200_000,
    out: _Path | None = None,
    progress: _Progress | None = None,
    **settings: Any,
) -> Frontier: ...
def evaluate(flow: Flow, x: _Rows, context: _Rows | None = None, *, samples: int = 10_000) -> dict[str, Any]: ...
def divergence(
    teacher: Flow, student: Flow, n: int = 10_000, context: _Rows | None = None, *, seed: int = 20
) -> dict[str, Any]: ...
def run_command_line(words: Sequence[_Path]) -> int: ...
