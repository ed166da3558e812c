"""Pictures of any size, in memory or to be read from files."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidData

Floats = NDArray[np.float32]

COLOURS: Final = (1, 3, 4)
"""Numbers of channels; an axis of that length at a picture's end is taken for one of channels at the wrong place."""


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
    try:
        with np.errstate(over="ignore"):  # becomes infinite, and is refused below
            found = np.asarray(array, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"picture {at} is no array of numbers: {error}") from error
    found = found[None] if found.ndim == 2 else found
    if found.ndim != 3 or 0 in found.shape:
        raise InvalidData(
            f"picture {at} has the shape {np.shape(array)}; allowed are (height, width) and (channels, height, width)"
        )
    if found.shape[2] in COLOURS and found.shape[0] > max(COLOURS):
        raise InvalidData(
            f"picture {at} has the shape {found.shape}, channels at the end: they come first, "
            "(channels, height, width), as np.moveaxis(picture, -1, 0) puts them"
        )
    if not np.isfinite(found).all():
        raise InvalidData(f"picture {at} holds NaN or infinite values")
    return np.ascontiguousarray(found)


def as_pictures(x: Any) -> Pictures:
    """Take pictures as they are, or make them of a sequence of arrays or an array (n, [channels,] height, width).

    Raises
    ------
    InvalidData
        If they are nothing of the kind.
    """
    if isinstance(x, Pictures):
        return x
    if isinstance(x, str) or not isinstance(x, Iterable):
        raise InvalidData(f"X is of type {type(x).__name__}: allowed are pictures and sequences of arrays")
    return Arrays(list(x))
