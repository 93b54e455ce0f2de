"""Read a flow file of flowstill: its architecture and its tensors."""

import json
import pathlib
from typing import Any

import numpy as np
from safetensors import safe_open


class FlowFile:
    """An architecture beside named f32 arrays."""

    def __init__(self, path: str | pathlib.Path) -> None:
        with safe_open(str(path), framework="numpy") as file:
            self.architecture: dict[str, Any] = json.loads(file.metadata()["flowstill"])["architecture"]
            self.arrays: dict[str, np.ndarray] = {name: file.get_tensor(name) for name in file.keys()}

    def under(self, path: str) -> dict[str, np.ndarray]:
        """The arrays whose names begin with `path`, by the rest of their names."""
        start = path + "."
        return {name[len(start) :]: array for name, array in self.arrays.items() if name.startswith(start)}


def below(arrays: dict[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    """The arrays of one part."""
    return {name[len(part) + 1 :]: array for name, array in arrays.items() if name.startswith(part + ".")}
