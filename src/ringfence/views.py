"""How a picture becomes rows of one shape, and how maps of those rows become one map of the picture.

Pure functions of arrays: no files, and nothing is learned. Each picture is worked on alone, so its rows are the same
bits whatever is beside it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Final, final

import numpy as np
import torch
from numpy.typing import NDArray

from .exceptions import InvalidData, InvalidParameter, unknown_name
from .limits import Limit, check_limits
from .overlap import overlaps

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_SIDE: Final = Limit(8, 16384, whole=True)


class View(ABC):
    """A way to look at pictures of any size through rows of one shape."""

    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of a row, in pixels."""
        return self.height, self.width

    @abstractmethod
    def rows(self, picture: Floats, which: NDArray[np.int64] | None = None) -> Floats:
        """Turn a picture of shape (c, h, w) into rows of shape (m, c, height, width), float32.

        ``which`` asks for some of the m rows alone, by number and in that order.
        """

    @abstractmethod
    def windows(self, height: int, width: int) -> NDArray[np.int64]:
        """Return the part of the picture that each row shows: (m, 4) of top, left, bottom, right.

        In pixels of the picture, the ends left out, never beyond the picture's edge.
        """

    @abstractmethod
    def stitch(self, maps: NDArray[Any], height: int, width: int) -> Floats:
        """Turn one map a row, (m, height, width), into a map of the whole picture of shape (h, w), float32."""

    def count(self, height: int, width: int) -> int:
        """Return how many rows a picture of that size gives."""
        return len(self.windows(height, width))

    def window_labels(self, mask: Bools, threshold: float = 0.3, of: str = "union") -> Bools:
        """Tell which rows are abnormal: those whose overlap with a defect is greater than the threshold.

        The GANomaly paper (UBA, section 4) takes windows "whose intersection over union with the ground truth is
        greater than 0.3"; that is ``of="union"``. Its ground truth is objects one by one, so each connected part
        (corners touch too) of the mask is a defect of its own here, and the largest overlap counts. A defect far
        smaller than a window can never reach 0.3 of the union, even where the window holds all of it: for such data
        use one of the other readings.

        Parameters
        ----------
        mask : ndarray of bool, shape (h, w)
            True where the picture is abnormal.
        threshold : float
            From 0 to below 1; 0 means any overlap.
        of : {"union", "window", "defect"}
            What the overlap is a share of: window and defect together, the window's part of the picture (all
            defects counted), or the defect.

        Returns
        -------
        ndarray of bool, shape (m,)

        Raises
        ------
        InvalidParameter
            If ``threshold`` is out of range or ``of`` unknown.
        InvalidData
            If ``mask`` has not two axes.
        """
        check_limits({"threshold": threshold}, {"threshold": Limit(0, 1, open_high=True)})
        windows = self.windows(*_size_of(mask, 2))
        return np.greater(overlaps(mask, windows, of), threshold)

    def _checked_maps(self, maps: NDArray[Any], height: int, width: int) -> NDArray[Any]:
        expected = (self.count(height, width), *self.shape)
        if maps.shape != expected:
            raise InvalidData(f"maps have shape {maps.shape}; a picture of {width}×{height} pixels needs {expected}")
        return maps


@final
@dataclass(frozen=True)
class Resize(View):
    """The whole picture scaled to one size, bilinear with antialiasing; proportions are not kept.

    Attributes
    ----------
    height, width : int
        Of a row, from 8 to 16384 pixels.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        check_limits(asdict(self), {"height": _SIDE, "width": _SIDE})

    def rows(self, picture: Floats, which: NDArray[np.int64] | None = None) -> Floats:
        """See `View.rows`; m is 1."""
        _size_of(picture, 3)
        scaled = _scaled(picture[None], self.shape)
        return scaled if which is None else scaled[which]

    def windows(self, height: int, width: int) -> NDArray[np.int64]:
        """See `View.windows`; the whole picture."""
        return np.array([[0, 0, height, width]], dtype=np.int64)

    def stitch(self, maps: NDArray[Any], height: int, width: int) -> Floats:
        """See `View.stitch`; scaled back in the same way."""
        scaled: Floats = _scaled(self._checked_maps(maps, height, width)[:, None], (height, width))[0, 0]
        return scaled


@final
@dataclass(frozen=True)
class Pad(View):
    """The picture in the middle of a frame that repeats its edge; no pixel is changed.

    Where the frame's surplus is odd, the extra pixel is at the bottom or right. The edge is repeated and not
    reflected, since a reflection can't fill a frame larger than the picture and would show a defect twice.

    Attributes
    ----------
    height, width : int
        Of a row, from 8 to 16384 pixels, and not smaller than any picture.
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        check_limits(asdict(self), {"height": _SIDE, "width": _SIDE})

    def rows(self, picture: Floats, which: NDArray[np.int64] | None = None) -> Floats:
        """See `View.rows`; m is 1. Raises `InvalidData` if the picture is larger than the frame."""
        height, width = _size_of(picture, 3)
        top, left = self._corner(height, width)
        spare = ((0, 0), (top, self.height - height - top), (left, self.width - width - left))
        framed = np.pad(np.asarray(picture, dtype=np.float32), spare, mode="edge")[None]
        return framed if which is None else framed[which]

    def windows(self, height: int, width: int) -> NDArray[np.int64]:
        """See `View.windows`; the whole picture."""
        self._corner(height, width)
        return np.array([[0, 0, height, width]], dtype=np.int64)

    def stitch(self, maps: NDArray[Any], height: int, width: int) -> Floats:
        """See `View.stitch`; what lies outside of the picture is cut off."""
        top, left = self._corner(height, width)
        inner = self._checked_maps(maps, height, width)[0, top : top + height, left : left + width]
        return np.array(inner, dtype=np.float32)

    def _corner(self, height: int, width: int) -> tuple[int, int]:
        if height > self.height or width > self.width:
            raise InvalidData(
                f"a picture of {width}×{height} pixels is larger than the frame of {self.width}×{self.height}:"
                " take a larger frame, resize or patches"
            )
        return (self.height - height) // 2, (self.width - width) // 2


@final
@dataclass(frozen=True)
class Patches(View):
    """Overlapping windows that cover every pixel.

    Windows start at 0, stride, 2·stride, … along each axis, and a last one is flush with the far edge. A picture
    smaller than a window is padded at its bottom and right by its edge.

    Attributes
    ----------
    height, width : int
        Of a window, from 8 to 16384 pixels.
    stride : int
        From one window to the next, in pixels, from 1 to the smaller of height and width.
    """

    height: int
    width: int
    stride: int

    def __post_init__(self) -> None:
        check_limits(asdict(self), {"height": _SIDE, "width": _SIDE, "stride": Limit(1, whole=True)})
        if self.stride > min(self.shape):
            raise InvalidParameter(
                f"stride={self.stride}: allowed are at most {min(self.shape)}, the window's smaller side,"
                " so that no pixel is left out"
            )

    def rows(self, picture: Floats, which: NDArray[np.int64] | None = None) -> Floats:
        """See `View.rows`; windows from left to right, then from top to bottom."""
        height, width = _size_of(picture, 3)
        spare = ((0, 0), (0, max(0, self.height - height)), (0, max(0, self.width - width)))
        padded = np.asarray(picture, dtype=np.float32)
        padded = np.pad(padded, spare, mode="edge") if any(map(any, spare)) else padded
        tops, lefts = _starts(height, self.height, self.stride), _starts(width, self.width, self.stride)
        wanted = np.arange(len(tops) * len(lefts)) if which is None else which
        made = np.empty((len(wanted), len(padded), *self.shape), np.float32)
        for at, (i, j) in enumerate(zip(*np.divmod(wanted, len(lefts)), strict=True)):
            made[at] = padded[:, tops[i] : tops[i] + self.height, lefts[j] : lefts[j] + self.width]
        return made

    def windows(self, height: int, width: int) -> NDArray[np.int64]:
        """See `View.windows`."""
        corners = [
            (top, left)
            for top in _starts(height, self.height, self.stride)
            for left in _starts(width, self.width, self.stride)
        ]
        return np.array(
            [(top, left, min(top + self.height, height), min(left + self.width, width)) for top, left in corners],
            dtype=np.int64,
        )

    def count(self, height: int, width: int) -> int:
        """See `View.count`."""
        return len(_starts(height, self.height, self.stride)) * len(_starts(width, self.width, self.stride))

    def stitch(self, maps: NDArray[Any], height: int, width: int) -> Floats:
        """See `View.stitch`; the mean where windows overlap."""
        total = np.zeros((height, width))
        times = np.zeros((height, width))
        maps = self._checked_maps(maps, height, width)
        for one, (top, left, bottom, right) in zip(maps, self.windows(height, width), strict=True):
            total[top:bottom, left:right] += one[: bottom - top, : right - left]
            times[top:bottom, left:right] += 1
        return (total / times).astype(np.float32)


VIEWS: Final[Mapping[str, type[View]]] = MappingProxyType({"resize": Resize, "pad": Pad, "patches": Patches})
"""Views by name."""


def view_facts(view: View) -> dict[str, str | int]:
    """Return a view as plain facts for JSON: its name and its numbers; `view_from` reads them back."""
    name = next(name for name, kind in VIEWS.items() if kind is type(view))
    return {"view": name, **{key: int(value) for key, value in vars(view).items()}}


def view_from(facts: Mapping[str, Any]) -> View:
    """Build a view from `view_facts`.

    Raises
    ------
    InvalidParameter
        If the name is unknown, a fact is missing or unknown, or a number is out of its range.
    """
    name = str(facts.get("view"))
    if name not in VIEWS:
        raise InvalidParameter(unknown_name("view", name, VIEWS))
    kind = VIEWS[name]
    given = {key: value for key, value in facts.items() if key != "view"}
    wanted = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in given:
        if key not in wanted:
            raise InvalidParameter(unknown_name(f"fact of view '{name}'", key, wanted))
    for key in wanted:
        if key not in given:
            raise InvalidParameter(f"view '{name}' lacks '{key}'; it needs {', '.join(wanted)}")
    return kind(**given)


def _size_of(array: NDArray[Any], axes: int) -> tuple[int, int]:
    """Return (height, width) after a check of the axes."""
    if array.ndim != axes or 0 in array.shape:
        needed = {2: "(height, width)", 3: "(channels, height, width)"}[axes]
        raise InvalidData(f"an array of shape {array.shape} is no picture; its shape must be {needed}, none of them 0")
    return int(array.shape[-2]), int(array.shape[-1])


def _scaled(stack: NDArray[Any], size: tuple[int, int]) -> Floats:
    """Scale (m, c, h, w) to (m, c, *size)."""
    given = torch.from_numpy(np.array(stack, dtype=np.float32))
    scaled = torch.nn.functional.interpolate(given, size=size, mode="bilinear", align_corners=False, antialias=True)
    result: Floats = scaled.numpy()
    return result


def _starts(length: int, window: int, stride: int) -> list[int]:
    """Return where windows start along one axis."""
    if length <= window:
        return [0]
    starts = list(range(0, length - window + 1, stride))
    return starts if starts[-1] + window == length else [*starts, length - window]
