"""Rows that are made when they are asked for: pictures in files, tables in blocks, more than memory holds."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .preprocess import Preprocess


@dataclass(frozen=True)
class Windows:
    """Which rows an epoch takes together: those of some blocks, as many as can be held at a time.

    Attributes
    ----------
    owner
        (n,) number of the block that each row lies in.
    costs
        (blocks,) what holding a block costs, in the unit of `room`.
    room
        What the blocks held at a time may cost together.
    """

    owner: NDArray[Any]
    costs: NDArray[np.int64]
    room: int

    def order(self, order: Tensor, rng: torch.Generator) -> Tensor:
        """Put a shuffle of the rows, (n,), window after window; blocks are dealt out to windows by `rng`.

        The windows cost nearly alike. One that holds everything leaves the shuffle as it is.
        """
        held = np.flatnonzero(np.bincount(self.owner, minlength=len(self.costs)))
        dealt = held[torch.randperm(len(held), generator=rng).numpy()]
        costs = self.costs[dealt]
        total = int(costs.sum())
        count = -(-total // self.room)
        if count < 2:
            return order
        window = np.zeros(len(self.costs), dtype=np.int32)
        window[dealt] = (2 * np.cumsum(costs) - costs) * count // (2 * total)
        return order[torch.from_numpy(np.argsort(window[self.owner[order.numpy()]], kind="stable"))]


class LazyRows(ABC):
    """Rows of one shape by number; what `fit` and `anomaly_score` take in place of an array.

    Attributes
    ----------
    shape
        (n, columns) or (n, channels, height, width).
    measured
        Whether scaling is measured on all of them, in one pass, rather than on a glimpse of a few.
    """

    shape: tuple[int, ...]
    measured: bool = False

    @abstractmethod
    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Make rows, (len(index), …), in that order."""

    def tensor(self, index: NDArray[np.int64], scale: Callable[[NDArray[Any]], Tensor]) -> Tensor:
        """Make rows and scale them, for a batch; what rows keep for that is theirs to say."""
        return scale(self.read(index))

    def windows(self) -> Windows | None:
        """How an epoch goes through the rows; None where any order costs the same."""
        return None

    def order(self, rng: torch.Generator, blocks: torch.Generator) -> Tensor:
        """Return an epoch's order, (n,): a shuffle by `rng`, window after window where there are some.

        `blocks` deals blocks out to windows; orders that run side by side share it, and so hold the same blocks.
        """
        order, windows = torch.randperm(len(self), generator=rng), self.windows()
        return order if windows is None else windows.order(order, blocks)

    @abstractmethod
    def digest(self) -> str:
        """Tell these rows from others without making them."""

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, index: NDArray[np.int64]) -> "Taken":
        """Some of the rows, still to be made."""
        return Taken(self, np.asarray(index, dtype=np.int64))


@final
class Taken(LazyRows):
    """Some rows of others."""

    def __init__(self, rows: LazyRows, index: NDArray[np.int64]) -> None:
        self._rows, self._index = rows, index
        self.shape, self.measured = (len(index), *rows.shape[1:]), rows.measured

    def read(self, index: NDArray[np.int64]) -> NDArray[Any]:
        """Make rows."""
        return self._rows.read(self._index[index])

    def tensor(self, index: NDArray[np.int64], scale: Callable[[NDArray[Any]], Tensor]) -> Tensor:
        """Make rows and scale them."""
        return self._rows.tensor(self._index[index], scale)

    def windows(self) -> Windows | None:
        """Those of the others."""
        found = self._rows.windows()
        return found and replace(found, owner=found.owner[self._index])

    def digest(self) -> str:
        """Of the others and the choice."""
        return f"{self._rows.digest()} {hashlib.sha256(self._index.tobytes()).hexdigest()}"


@dataclass(frozen=True)
class ScaledRows:
    """Lazy rows as the networks see them, batch by batch; stands where the training loop expects a tensor.

    Attributes
    ----------
    device
        Where the batches go.
    """

    rows: LazyRows
    preprocess: Preprocess
    device: torch.device

    def __len__(self) -> int:
        return len(self.rows)

    def index_select(self, axis: int, index: Tensor) -> Tensor:
        """Make some rows and scale them; `axis` is 0, as everywhere in the loop."""
        assert axis == 0
        return self.rows.tensor(index.cpu().numpy(), self.preprocess.tensor).to(self.device)

    def order(self, rng: torch.Generator, blocks: torch.Generator) -> Tensor:
        """Return an epoch's order; see `LazyRows.order`."""
        return self.rows.order(rng, blocks)

    def __getitem__(self, where: slice) -> Tensor:
        made: Any = self.rows.read(np.arange(*where.indices(len(self.rows))))
        return self.preprocess.tensor(made).to(self.device)


@dataclass(frozen=True)
class ScaledArray:
    """An array as the networks see it, chunk by chunk: each is scored while it is at hand, and none is kept."""

    x: NDArray[Any]
    preprocess: Preprocess

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, where: slice) -> Tensor:
        return self.preprocess.tensor(self.x[where])
