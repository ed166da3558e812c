"""What the functions that write a step have in common."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from ..exceptions import ExportFailed
from .graph import Graph
from .tracing import Ref, Rows, Size, Step

KINDS: Final = {torch.float32: 1, torch.float64: 11, torch.int64: 7, torch.int32: 6, torch.bool: 9}
"""ONNX's numbers of types."""
NUMPY: Final[dict[torch.dtype, Any]] = {
    torch.float32: np.float32, torch.float64: np.float64, torch.int64: np.int64, torch.int32: np.int32,
    torch.bool: np.bool_,
}  # fmt: skip


class Unwritable(ExportFailed):
    """There is no counterpart of an operation; `op` is its name."""

    def __init__(self, op: str) -> None:
        super().__init__(f"torch's operation '{op}' has no counterpart in the export to ONNX")
        self.op = op


class Writer:
    """A graph, the name of the rows in it, and the names of all earlier results."""

    def __init__(self, graph: Graph, rows: str) -> None:
        self.graph, self.rows = graph, rows
        self.names: dict[str, str] = {}

    def value(self, given: Any, dtype: torch.dtype | None = None) -> str:
        """Return the name of an argument, cast to `dtype` if it has another; a number becomes a constant."""
        if isinstance(given, Ref):
            name = self.names[given.name]
            return name if dtype in (None, given.dtype) else self.cast(name, dtype or given.dtype)
        if isinstance(given, Tensor):
            return self.graph.constant((given if dtype is None else given.to(dtype)).contiguous().numpy())
        return self.graph.constant(np.array(given, dtype=NUMPY[dtype or torch.float32]))

    def cast(self, name: str, dtype: torch.dtype) -> str:
        """Convert."""
        return self.graph.add("Cast", name, to=KINDS[dtype])

    def sizes(self, shape: Sequence[Size]) -> str:
        """Return the name of a shape, whose sizes may be multiples of the number of rows."""
        if not any(isinstance(size, Rows) for size in shape):
            return self.graph.ints(*(size for size in shape if isinstance(size, int)))
        rows = self.graph.add("Shape", self.rows, start=0, end=1)
        parts = [
            self.graph.add("Mul", rows, self.graph.ints(size.each)) if isinstance(size, Rows) else self.graph.ints(size)
            for size in shape
        ]
        return self.graph.add("Concat", *parts, axis=0)


Write = Callable[[Writer, Step], str]
"""Adds the nodes of one step, and returns the name of what they give."""


def axes_of(given: Any, rank: int) -> list[int]:
    """Axes counted from the front; all of them where none is named."""
    named = (given,) if isinstance(given, int) else tuple(given or ())
    return [axis % rank for axis in named] or list(range(rank))
