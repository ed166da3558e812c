"""The rows of blocks on disk as numbers: read in order for a pass, held window by window for training."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .blocks import Blocks
from .columns import Unseen
from .lazy import LazyRows, Windows

Encode = Callable[[int], NDArray[Any]]
Scale = Callable[[NDArray[Any]], Tensor]


@final
class BlockRows(LazyRows):
    """The rows of a table in blocks.

    A pass in order holds one block. For batches in `order` scaled rows are held up to the blocks' `memory`: the window
    that the epoch is in and the one that follows.

    Parameters
    ----------
    blocks
        Where the rows lie.
    encode
        Number of a block → its rows, (rows, *row).
    row
        Shape of a row.
    unseen
        Filled as blocks are encoded; None where nobody asks.
    """

    measured = True

    def __init__(self, blocks: Blocks, encode: Encode, row: tuple[int, ...], unseen: Unseen | None) -> None:
        self.shape, self.unseen = (len(blocks), *row), unseen
        self._blocks, self._encode, self._ends = blocks, encode, blocks.ends
        self._last: tuple[int, NDArray[Any]] | None = None
        self._held: Held | None = None

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Make rows; each block among them is read once, the last one kept."""
        owners = np.searchsorted(self._ends, index, side="right")
        made: NDArray[Any] | None = None
        for owner in np.unique(owners).tolist():
            matrix = self._matrix(owner)
            at = np.flatnonzero(owners == owner)
            parts: NDArray[Any] = matrix[index[at] - (self._ends[owner] - len(matrix))]
            if len(at) == len(index):
                return parts
            made = np.empty((len(index), *self.shape[1:]), parts.dtype) if made is None else made
            made[at] = parts
        return np.empty((0, *self.shape[1:])) if made is None else made

    def _matrix(self, at: int) -> NDArray[Any]:
        if self._last is None or self._last[0] != at:
            self._last = None  # not two at a time
            self._last = (at, self._encode(at))
        return self._last[1]

    def tensor(self, index: NDArray[np.int64], scale: Scale) -> Tensor:
        """Make rows and scale them; scaled blocks are held."""
        if self._held is None or self._held.scale != scale:
            self._held = None
            self._held = Held(self._ends, self.shape[1:], self._slots, self._encode, scale)
        return self._held.rows(index)

    @property
    def _slots(self) -> int:
        each = int(self._blocks.sizes.max()) * int(np.prod(self.shape[1:])) * 4
        return min(max(self._blocks.memory // each, 2), len(self._ends))

    def windows(self) -> Windows:
        """Half of the blocks that may be held: a batch may lie in two windows."""
        owner = np.repeat(np.arange(len(self._ends), dtype=np.int32), self._blocks.sizes)
        room = self._slots if self._slots == len(self._ends) else max(self._slots // 2, 1)
        return Windows(owner, np.ones(len(self._ends), dtype=np.int64), room)

    def digest(self) -> str:
        """Of the blocks."""
        return self._blocks.digest()


class Held:
    """Scaled blocks in one tensor of so many slots; the longest unused makes room for the next."""

    def __init__(self, ends: NDArray[np.int64], row: tuple[int, ...], slots: int, encode: Encode, scale: Scale) -> None:
        self.scale, self._encode, self._ends, self._row = scale, encode, ends, row
        self._starts = np.concatenate([[0], ends[:-1]])
        self._longest = int((ends - self._starts).max())
        self._rows: Tensor | None = None
        self._slots = slots
        self._slot: dict[int, int] = {}  # of each block held, the longest unused first
        self._place = np.full(len(ends), -1)  # of each block's first row among those held

    def rows(self, index: NDArray[np.int64]) -> Tensor:
        """Some rows, (len(index), *shape), in that order."""
        owners = np.searchsorted(self._ends, index, side="right")
        wanted = np.unique(owners).tolist()
        if len(wanted) > self._slots:  # in no order of ours
            return torch.cat([self.rows(index[at : at + 1]) for at in range(len(index))])
        for owner in wanted:
            if owner in self._slot:
                self._slot[owner] = self._slot.pop(owner)
        for owner in wanted:
            if owner not in self._slot:
                self._hold(owner)
        assert self._rows is not None
        return self._rows.index_select(0, torch.from_numpy(self._place[owners] + index - self._starts[owners]))

    def _hold(self, owner: int) -> None:
        scaled = self.scale(self._encode(owner))
        if self._rows is None:
            self._rows = torch.empty(self._slots * self._longest, *scaled.shape[1:])
        slot = len(self._slot)
        if slot == self._slots:
            oldest = next(iter(self._slot))
            slot = self._slot.pop(oldest)
        start = slot * self._longest
        self._rows[start : start + len(scaled)] = scaled
        self._slot[owner], self._place[owner] = slot, start
