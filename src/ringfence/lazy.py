"""Rows that are made when they are asked for: pictures in files, more of them than memory holds."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .preprocess import Preprocess


class LazyRows(ABC):
    """Rows of one shape by number; what `fit` and `anomaly_score` take in place of an array of images."""

    shape: tuple[int, ...]
    """(n, channels, height, width)."""

    @abstractmethod
    def read(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Make rows, (len(index), channels, height, width), in that order."""

    @abstractmethod
    def digest(self) -> str:
        """Tell these rows from others without making them."""

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, index: NDArray[np.int64]) -> "Taken":
        """Some of the rows, still to be made."""
        return Taken(self, np.asarray(index, dtype=np.int64))


class Taken(LazyRows):
    """Some rows of others."""

    def __init__(self, rows: LazyRows, index: NDArray[np.int64]) -> None:
        self._rows, self._index = rows, index
        self.shape = (len(index), *rows.shape[1:])

    def read(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Make rows."""
        return self._rows.read(self._index[index])

    def digest(self) -> str:
        """Of the others and the choice."""
        return f"{self._rows.digest()} {self._index.tobytes().hex()}"


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
        made: Any = self.rows.read(index.cpu().numpy())
        return self.preprocess.tensor(made).to(self.device)

    def __getitem__(self, where: slice) -> Tensor:
        made: Any = self.rows.read(np.arange(*where.indices(len(self.rows))))
        return self.preprocess.tensor(made)
