"""The rows of one shape that a view makes of pictures, made when they are asked for."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from itertools import islice
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidData
from .lazy import LazyRows, Windows
from .pictures import Pictures
from .views import View

Floats = NDArray[np.float32]

CACHED_BYTES: Final = 256 * 2**20
"""What decoded pictures may take of memory before the longest unused are dropped and decoded again when needed; the
last one is always kept, as its other windows are likely to be next."""


@final
class WindowRows(LazyRows):
    """The rows that a view makes of pictures, one picture after the other.

    What was decoded is kept up to `CACHED_BYTES`, so that a folder larger than memory can be trained on: the row where
    there is one a picture, the whole picture where windows are many.

    Parameters
    ----------
    workers
        Threads that decode.

    Attributes
    ----------
    counts
        Rows of each picture, (n,).

    Raises
    ------
    InvalidData
        Naming the picture that the view can't take.
    """

    def __init__(self, pictures: Pictures, view: View, workers: int = 1) -> None:
        self.pictures, self.view, self.workers = pictures, view, workers
        self.counts = np.array([_count(pictures, view, at) for at in range(len(pictures))], dtype=np.int64)
        self._ends = np.cumsum(self.counts)
        self.shape = (int(self.counts.sum()), pictures.channels, *view.shape)
        self._boxes = lru_cache(64)(view.windows)
        self._cache: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._cached = 0

    def read(self, index: NDArray[np.int64]) -> Floats:
        """Make rows, (len(index), channels, height, width), in that order."""
        owners = np.searchsorted(self._ends, index, side="right")
        made = np.empty((len(index), *self.shape[1:]), np.float32)
        for owner, kept in self._kept(np.unique(owners).tolist()):
            at = np.flatnonzero(owners == owner)
            within = index[at] - (self._ends[owner] - self.counts[owner])
            made[at] = unpacked(kept)[within] if self.counts[owner] == 1 else self._cut(kept, within)
        return made

    def _cut(self, kept: NDArray[Any], within: NDArray[np.int64]) -> Floats:
        """Some windows of a picture; each needs no more than its own part, and the rest may be large."""
        boxes = self._boxes(*kept.shape[1:])[within].tolist()
        parts = [unpacked(kept[:, top:bottom, left:right]) for top, left, bottom, right in boxes]
        return np.concatenate([self.view.rows(part) for part in parts])

    def _kept(self, owners: list[int]) -> Iterator[tuple[int, NDArray[Any]]]:
        """What is kept of some pictures, those at hand first; others a few at a time, as they may be large."""
        missing = [owner for owner in owners if owner not in self._cache]
        for owner in owners:
            if owner in self._cache:
                self._cache.move_to_end(owner)
                yield owner, self._cache[owner]
        threads = min(self.workers, len(missing))
        decoded = _ahead(self._decoded, missing, threads) if threads > 1 else map(self._decoded, missing)
        for owner, kept in zip(missing, decoded, strict=True):
            self._remember(owner, kept)
            yield owner, kept

    def _decoded(self, owner: int) -> NDArray[Any]:
        picture = self.pictures.read(owner)
        return packed(self.view.rows(picture) if self.counts[owner] == 1 else picture)

    def _remember(self, owner: int, kept: NDArray[Any]) -> None:
        # A copy of this thread's making: a small array left where another thread decoded large ones keeps the memory
        # around it from being given back or used again. A large float array may be the caller's own.
        kept = kept if kept.dtype == np.float32 and self.counts[owner] > 1 else kept.copy()
        self._cache[owner] = kept
        self._cached += kept.nbytes
        while self._cached > CACHED_BYTES and len(self._cache) > 1:
            self._cached -= self._cache.popitem(last=False)[1].nbytes

    def windows(self) -> Windows | None:
        """Go through a part of the pictures at a time where one makes many rows, so that each is decoded but once.

        They are taken for 16 bits a value; half of what may be kept is left for the pictures that follow.
        """
        if len(self) == len(self.pictures):
            return None
        owner = np.repeat(np.arange(len(self.pictures), dtype=np.int32), self.counts)
        costs = 2 * self.shape[1] * np.prod(np.array(self.pictures.sizes, dtype=np.int64), axis=1)
        return Windows(owner, costs, CACHED_BYTES // 2)

    def of(self, *pictures: int) -> NDArray[np.int64]:
        """Numbers of the rows of some pictures, one picture after the other."""
        each = [np.arange(self._ends[at] - self.counts[at], self._ends[at]) for at in pictures]
        return np.concatenate([np.empty(0, np.int64), *each])

    def digest(self) -> str:
        """Of the pictures and the view."""
        return f"{self.pictures.digest()} {self.view!r}"


def packed(values: Floats) -> NDArray[Any]:
    """Return values as 8 or 16 bits where `unpacked` gives the same bits back, as it does for most files' pixels."""
    if values.min() < 0 or values.max() > 1:
        return values
    for kind in (np.uint8, np.uint16):
        small: NDArray[Any] = np.rint(values * np.float32(np.iinfo(kind).max)).astype(kind)
        if np.array_equal(unpacked(small).view(np.uint32), values.view(np.uint32)):
            return small
    return values


def unpacked(kept: NDArray[Any]) -> Floats:
    """Return what was packed as float32, from 0 to 1 if it was packed as whole numbers."""
    if kept.dtype == np.float32:
        return kept
    whole: Floats = np.divide(kept, np.iinfo(kept.dtype).max, dtype=np.float32)
    return whole


def _ahead(work: Callable[[int], NDArray[Any]], items: Iterable[int], workers: int) -> Iterator[NDArray[Any]]:
    """Map in order with threads, never more than two results a thread ahead."""
    waiting = iter(items)
    ahead: deque[Future[NDArray[Any]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="ringfence-decode") as pool:
        try:
            ahead.extend(pool.submit(work, item) for item in islice(waiting, 2 * workers))
            while ahead:
                yield ahead.popleft().result()
                ahead.extend(pool.submit(work, item) for item in islice(waiting, 1))
        finally:
            for future in ahead:
                future.cancel()


def _count(pictures: Pictures, view: View, at: int) -> int:
    try:
        return view.count(*pictures.sizes[at])
    except InvalidData as error:
        raise InvalidData(f"'{pictures.names[at]}': {error}") from error
