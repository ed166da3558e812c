"""Rows of which there are more than memory holds: in blocks that are read whole, one after the other."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidParameter
from .frame import Frame, objects

HELD: Final = 256 * 2**20
"""Bytes that rows held at a time take by default."""

LEAST_HELD: Final = 2**20

MOST_ROWS: Final = 65_536
"""Rows of a block at most."""


class Blocks(ABC):
    """A table, or pictures of one shape, in blocks.

    Attributes
    ----------
    shape
        (n, columns), (n, height, width) or (n, channels, height, width).
    names
        Of the columns; None where they have none, and blocks are arrays.
    sizes
        Rows of each block, (blocks,).
    memory
        Bytes that the rows held at a time may take while training. What takes no more as float64 is read whole.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...] | None
    sizes: NDArray[np.int64]
    memory: int

    @abstractmethod
    def block(self, at: int) -> Frame | NDArray[Any]:
        """Read a block; blocks asked for in their order are read the fastest."""

    @abstractmethod
    def where(self, at: int) -> str:
        """Say in messages where a block lies."""

    @abstractmethod
    def only(self, names: Sequence[str]) -> "Blocks":
        """Return some of the columns."""

    @abstractmethod
    def digest(self) -> str:
        """Tell these rows from others without reading them."""

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Frame | NDArray[Any]]:
        return (self.block(at) for at in range(len(self.sizes)))

    @property
    def ends(self) -> NDArray[np.int64]:
        """Number of the row behind each block."""
        return np.cumsum(self.sizes)

    @property
    def small(self) -> bool:
        """Whether all rows together take no more than `memory` as float64."""
        return 8 * math.prod(self.shape) <= self.memory

    def take(self, index: NDArray[Any]) -> "Blocks":
        """Return some of the rows, by ascending numbers or a mask."""
        index = np.asarray(index)
        numbers = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        return self if len(numbers) == len(self) else SomeBlocks(self, numbers)

    def whole(self) -> Frame | NDArray[Any]:
        """Read everything."""
        blocks = list(self)
        if self.names is None:
            return np.concatenate([np.asarray(block) for block in blocks])
        return Frame({name: joined([block[name] for block in blocks]) for name in self.names})


def joined(parts: Sequence[Any]) -> NDArray[Any]:
    """Join the parts of a column; booleans of which some are missing make objects of all."""
    if len({part.dtype.kind == "O" for part in parts}) > 1:
        return objects([value for part in parts for value in part.tolist()])
    return np.concatenate(parts)


@final
class SomeBlocks(Blocks):
    """Some of the rows of others, in the same order and blocks."""

    def __init__(self, blocks: Blocks, index: NDArray[np.int64]) -> None:
        edges = np.searchsorted(index, np.concatenate([[0], blocks.ends]))
        sizes = np.diff(edges)
        self._blocks, self._held = blocks, np.flatnonzero(sizes)
        starts = (blocks.ends - blocks.sizes)[self._held]
        self._within = [
            index[edges[at] : edges[at + 1]] - start
            for at, start in zip(self._held.tolist(), starts.tolist(), strict=True)
        ]
        self.sizes, self.shape = sizes[self._held], (len(index), *blocks.shape[1:])
        self.names, self.memory = blocks.names, blocks.memory
        self._index = index

    def block(self, at: int) -> Frame | NDArray[Any]:  # noqa: D102
        found, within = self._blocks.block(int(self._held[at])), self._within[at]
        return found.take(within) if isinstance(found, Frame) else found[within]

    def where(self, at: int) -> str:  # noqa: D102
        return self._blocks.where(int(self._held[at]))

    def only(self, names: Sequence[str]) -> Blocks:  # noqa: D102
        return SomeBlocks(self._blocks.only(names), self._index)

    def digest(self) -> str:  # noqa: D102
        import hashlib

        return f"{self._blocks.digest()} {hashlib.sha256(self._index.tobytes()).hexdigest()}"


@final
class ArrayBlocks(Blocks):
    """An array in memory, or mapped into it, piece by piece."""

    def __init__(self, x: NDArray[Any], memory: int = HELD) -> None:
        self._x, self.shape, self.names, self.memory = x, x.shape, None, memory
        self.sizes = pieces(len(x), rows_at_once(x.shape[1:], memory))

    def block(self, at: int) -> NDArray[Any]:  # noqa: D102
        start, stop = self._span(at)
        return np.array(self._x[start:stop])  # a copy: what is mapped may be given back

    def where(self, at: int) -> str:  # noqa: D102
        start, stop = self._span(at)
        return f"rows {start:,} to {stop - 1:,} of X"

    def only(self, names: Sequence[str]) -> Blocks:  # noqa: D102
        raise InvalidParameter(f"{names}: the columns of an array have no names")

    def digest(self) -> str:  # noqa: D102
        raise InvalidParameter("an array in memory is fitted as it is")

    def _span(self, at: int) -> tuple[int, int]:
        stop = int(self.ends[at])
        return stop - int(self.sizes[at]), stop


def rows_at_once(row: Sequence[int], memory: int) -> int:
    """How many rows of a shape make a block, so that the memory holds sixteen as float64."""
    return int(min(max(memory // (16 * 8 * math.prod(row)), 1), MOST_ROWS))


def pieces(count: int, most: int) -> NDArray[np.int64]:
    """Cut a number of rows into blocks of at most so many."""
    full, rest = divmod(count, most)
    return np.array([most] * full + [rest] * (rest > 0), dtype=np.int64)
