"""Pictures of any size, in memory or in files, and the rows of one shape that a view makes of them."""

import hashlib
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidData
from .lazy import LazyRows
from .views import View

Floats = NDArray[np.float32]

CACHED_BYTES: Final = 256 * 2**20
"""What decoded pictures may take of memory before the longest unused are dropped and decoded again when needed."""


class Pictures(ABC):
    """Pictures by number, each (channels, height, width) float32 with values from 0 to 1 where they come from files.

    Attributes
    ----------
    sizes
        (height, width) of each.
    channels
        The same for all.
    names
        What to call each in messages.
    """

    sizes: Sequence[tuple[int, int]]
    channels: int
    names: Sequence[str]

    @abstractmethod
    def read(self, at: int) -> Floats:
        """Decode or return one picture."""

    @abstractmethod
    def digest(self) -> str:
        """Tell these pictures from others without decoding them."""

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, index: Sequence[int] | NDArray[np.int64]) -> "Some":
        """Some of the pictures."""
        return Some(self, [int(at) for at in index])


@final
class Some(Pictures):
    """Some pictures of others."""

    def __init__(self, pictures: Pictures, index: Sequence[int]) -> None:
        self._pictures, self._index = pictures, index
        self.sizes = [pictures.sizes[at] for at in index]
        self.names = [pictures.names[at] for at in index]
        self.channels = pictures.channels

    def read(self, at: int) -> Floats:  # noqa: D102
        return self._pictures.read(self._index[at])

    def digest(self) -> str:  # noqa: D102
        return f"{self._pictures.digest()} {self._index}"


@final
class Arrays(Pictures):
    """Pictures that are in memory already.

    Parameters
    ----------
    arrays
        (height, width) or (channels, height, width) each; sizes may differ, channels may not.

    Raises
    ------
    InvalidData
        If there is none, one is no picture, holds NaN or infinity, or has other channels than the first.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._arrays = [_picture(array, at) for at, array in enumerate(arrays)]
        if not self._arrays:
            raise InvalidData("no pictures: at least one is needed")
        self.channels = len(self._arrays[0])
        other = next((at for at, array in enumerate(self._arrays) if len(array) != self.channels), None)
        if other is not None:
            raise InvalidData(f"picture {other} has {len(self._arrays[other])} channels, the first has {self.channels}")
        self.sizes = [(array.shape[1], array.shape[2]) for array in self._arrays]
        self.names = [f"picture {at}" for at in range(len(self._arrays))]

    def read(self, at: int) -> Floats:  # noqa: D102
        return self._arrays[at]

    def digest(self) -> str:  # noqa: D102
        digest = hashlib.sha256()
        for array in self._arrays:
            digest.update(f"{array.shape}".encode() + array.tobytes())
        return digest.hexdigest()


def _picture(array: Any, at: int) -> Floats:
    found = np.asarray(array, dtype=np.float32)
    found = found[None] if found.ndim == 2 else found
    if found.ndim != 3 or 0 in found.shape:
        raise InvalidData(f"picture {at} has the shape {found.shape}: (height, width) or (channels, height, width)")
    if not np.isfinite(found).all():
        raise InvalidData(f"picture {at} holds NaN or infinite values")
    return np.ascontiguousarray(found)


def as_pictures(x: Any) -> Pictures:
    """Take pictures as they are, or make them of a sequence of arrays or an array (n, [channels,] height, width)."""
    return x if isinstance(x, Pictures) else Arrays(list(x))


@final
class WindowRows(LazyRows):
    """The rows that a view makes of pictures, one picture after the other.

    What was decoded is kept up to `CACHED_BYTES`, so that a folder larger than memory can be trained on.

    Parameters
    ----------
    workers
        Threads that decode.
    """

    def __init__(self, pictures: Pictures, view: View, workers: int = 1) -> None:
        self.pictures, self.view, self.workers = pictures, view, workers
        self.counts = np.array([_count(pictures, view, at) for at in range(len(pictures))], dtype=np.int64)
        self._ends = np.cumsum(self.counts)
        self.shape = (int(self._ends[-1]) if len(self._ends) else 0, pictures.channels, *view.shape)
        self._cache: OrderedDict[int, Floats] = OrderedDict()
        self._cached = 0

    def read(self, index: NDArray[np.int64]) -> Floats:
        """Make rows, (len(index), channels, height, width), in that order."""
        owners = np.searchsorted(self._ends, index, side="right")
        made = np.empty((len(index), *self.shape[1:]), np.float32)
        wanted = np.unique(owners).tolist()
        for owner, kept in zip(wanted, self._kept(wanted), strict=True):
            at = np.flatnonzero(owners == owner)
            rows = kept if self.counts[owner] == 1 else self.view.rows(kept)
            made[at] = rows[index[at] - (self._ends[owner] - self.counts[owner])]
        return made

    def _kept(self, owners: Sequence[int]) -> Iterator[Floats]:
        """What is kept of some pictures: the row where there is one, the whole picture where windows are many."""
        missing = [owner for owner in owners if owner not in self._cache]
        found = {owner: self._cache[owner] for owner in owners if owner in self._cache}
        for owner in found:
            self._cache.move_to_end(owner)
        if len(missing) > 1 and self.workers > 1:
            with ThreadPoolExecutor(self.workers, thread_name_prefix="ringfence-decode") as pool:
                decoded = pool.map(self._decoded, missing)
                found.update((owner, self._remember(owner, one)) for owner, one in zip(missing, decoded, strict=True))
        else:
            found.update((owner, self._remember(owner, self._decoded(owner))) for owner in missing)
        return (found[owner] for owner in owners)

    def _decoded(self, owner: int) -> Floats:
        picture = self.pictures.read(owner)
        return self.view.rows(picture) if self.counts[owner] == 1 else picture

    def _remember(self, owner: int, kept: Floats) -> Floats:
        self._cache[owner] = kept
        self._cached += kept.nbytes
        while self._cached > CACHED_BYTES:
            self._cached -= self._cache.popitem(last=False)[1].nbytes
        return kept

    def of(self, picture: int) -> NDArray[np.int64]:
        """Numbers of a picture's rows."""
        return np.arange(self._ends[picture] - self.counts[picture], self._ends[picture])

    def digest(self) -> str:
        """Of the pictures and the view."""
        return f"{self.pictures.digest()} {self.view!r}"


def _count(pictures: Pictures, view: View, at: int) -> int:
    try:
        return view.count(*pictures.sizes[at])
    except InvalidData as error:
        raise InvalidData(f"'{pictures.names[at]}': {error}") from error
