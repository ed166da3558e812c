"""Arrays of numbers → tensors and back: scaling fitted on training rows and saved with the model."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .exceptions import InvalidData, InvalidParameter, unknown_name

Rows = NDArray[np.float64]
PIECE = 512


class ConstantColumns(UserWarning):
    """Some columns have one value in all training rows; they are kept and scaled to zero."""


def _standard(x: Rows) -> tuple[Rows, Rows]:
    """Centre on the mean, divide by the standard deviation, for each column."""
    return x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)


def _minmax(x: Rows) -> tuple[Rows, Rows]:
    """Map the range of each column to 0…1."""
    low = x.min(0).astype(np.float64)
    return low, x.max(0) - low


def _robust(x: Rows) -> tuple[Rows, Rows]:
    """Centre on the median, divide by the spread of the middle half (by the standard deviation where that is 0)."""
    low, mid, high = np.quantile(x.astype(np.float64), [0.25, 0.5, 0.75], axis=0)
    spread = (high - low) / 1.349  # the quartiles of a normal distribution lie 1.349 standard deviations apart
    return mid, np.where(spread > 0, spread, x.std(0, dtype=np.float64))


def _range(x: Rows) -> tuple[Rows, Rows]:
    """Map the range of all values together to −1…1, the range of tanh."""
    low, high = np.array(x.min(), dtype=np.float64), np.array(x.max(), dtype=np.float64)
    return (low + high) / 2, (high - low) / 2


def _none(x: Rows) -> tuple[Rows, Rows]:
    """Leave values as they are (the unscaled protocol of the released EGBAD code)."""
    return np.zeros(1), np.ones(1)


def _quantile(x: Rows) -> tuple[Rows, Rows]:
    """Map the share of training values below to −1…1, straight on beyond the ends (see `Preprocess.knots`)."""
    if x.ndim == 2:
        return _robust(x)
    shift, width = _robust(x.reshape(-1, 1))  # all pixels alike
    return shift[0], width[0]


SCALES: dict[str, Callable[[Rows], tuple[Rows, Rows]]] = {
    "standard": _standard,
    "minmax": _minmax,
    "robust": _robust,
    "range": _range,
    "quantile": _quantile,
    "none": _none,
}
KNOTS = 101
"""Quantiles that `scale="quantile"` measures of every column: each hundredth."""
BY_DIMENSIONS = {2: "standard", 4: "range"}


@dataclass(frozen=True)
class Preprocess:
    """(x − shift) / width, with the shift and width of the training rows.

    Attributes
    ----------
    shape
        Of one row as the networks see it: (d,) or (channels, height, width).
    given
        Of one row as the user gave it; (height, width) for images without a channel axis.
    shift, width
        float64, one value a column, or one for all.
    knots
        For "quantile" the quantiles of each column, (101, d), or of all pixels together, (101, 1): a value is mapped
        to 2 · (share of training values below it) − 1, and beyond the ends to ±1 and its distance from the end in
        units of `width`. A value outside stays the farther outside, the farther it is.
    heads
        First column and end of each category, which are 0 and 1 and left as they are.
    """

    shape: tuple[int, ...]
    given: tuple[int, ...]
    shift: Rows
    width: Rows
    knots: Rows | None = None
    heads: tuple[tuple[int, int], ...] = ()

    @classmethod
    def fit(
        cls,
        x: Rows,
        scale: str,
        names: Sequence[str] | None = None,
        heads: tuple[tuple[int, int], ...] = (),
        moments: tuple[Rows, Rows] | None = None,
    ) -> "Preprocess":
        """Measure shift and width on the training rows.

        Parameters
        ----------
        x
            (n, d), (n, height, width) or (n, channels, height, width).
        scale
            "auto" ("standard" for tables, "range" for images) or a name in `SCALES`.
        names
            Of the columns, for warnings; they are counted from 0 where there are none.
        heads
            See `Preprocess.heads`.
        moments
            Mean and standard deviation of each column, where `x` is but a part of the rows.
        """
        given = x.shape[1:]
        x = _channels(x)
        name = BY_DIMENSIONS[x.ndim] if scale == "auto" else scale
        if name not in SCALES:
            raise InvalidParameter(unknown_name("scale", scale, [*SCALES, "auto"]))
        with np.errstate(over="ignore", invalid="ignore"):
            shift, width = moments if moments and name == "standard" else SCALES[name](x)
        if not (np.isfinite(shift).all() and np.isfinite(width).all()):
            raise InvalidData(f"X holds values too large to scale: up to {np.abs(x).max():.3g}; divide them")
        if x.ndim == 2:
            _warn_of_constants(x, names, heads)
        # A width of 0, or one that rounding alone has made, would turn a constant column into noise.
        tiny = np.abs(shift) * 1e-12
        width = np.where(width > tiny, width, 1.0)
        if heads:
            shift, width = np.broadcast_to(shift, x.shape[1]).copy(), np.broadcast_to(width, x.shape[1]).copy()
        for start, end in heads:
            shift[start:end], width[start:end] = 0.0, 1.0
        knots = None
        if name == "quantile":
            knots = np.quantile(x if x.ndim == 2 else x.reshape(-1, 1), np.linspace(0, 1, KNOTS), axis=0)
        return cls(x.shape[1:], given, shift, width, knots, heads)

    def tensor(self, x: Rows) -> Tensor:
        """Scaled rows, (n, *shape) float32."""
        x = _channels(x)
        scaled = torch.empty(x.shape)
        held = scaled.numpy()
        # The networks compute in float32; what does not fit is as far out as can be said.
        limit = float(np.finfo(np.float32).max) ** 0.25
        with np.errstate(over="ignore"):
            for start in range(0, len(x), PIECE):  # float64 in between, as many rows as a processor keeps at hand
                part = np.subtract(x[start : start + PIECE], self.shift if self.knots is None else 0, dtype=np.float64)
                part = np.divide(part, self.width, out=part) if self.knots is None else self._ranked(part, self.knots)
                held[start : start + PIECE] = part
                scaled[start : start + PIECE].clamp_(-limit, limit)
        return scaled

    def rows(self, t: Tensor) -> Rows:
        """Rows in the user's units and shape: the inverse of `tensor`."""
        x: Rows = t.cpu().double().numpy()
        x = x * self.width + self.shift if self.knots is None else self._unranked(x, self.knots)
        return x.reshape(len(x), *self.given)

    def _ranked(self, x: Rows, knots: Rows) -> Rows:
        """Quantile scaling of a few rows."""
        shape, x = x.shape, x.reshape(-1, knots.shape[1])
        out, widths = x.copy(), np.broadcast_to(self.width, knots.shape[1])
        for j in _outside(self.heads, x.shape[1]):
            low, high = knots[0, j], knots[-1, j]
            beyond = (np.maximum(x[:, j] - high, 0) - np.maximum(low - x[:, j], 0)) / widths[j]
            if low == high:  # a constant column: 0 as under the other scales
                out[:, j] = beyond
                continue
            # Values of which there are many hold several knots; they get the middle of them.
            places = np.searchsorted(knots[:, j], x[:, j], "left"), np.searchsorted(knots[:, j], x[:, j], "right")
            held = places[1] > places[0]
            middle = (places[0] + places[1] - 1) / 2 / (KNOTS - 1)
            between = np.interp(x[:, j], knots[:, j], np.linspace(0, 1, KNOTS))
            out[:, j] = 2 * np.where(held, middle, between) - 1 + beyond
        return out.reshape(shape)

    def _unranked(self, scaled: Rows, knots: Rows) -> Rows:
        """The inverse of `_ranked`."""
        shape, scaled = scaled.shape, scaled.reshape(-1, knots.shape[1])
        out, widths = scaled.copy(), np.broadcast_to(self.width, knots.shape[1])
        for j in _outside(self.heads, scaled.shape[1]):
            low, high = knots[0, j], knots[-1, j]
            inner = np.interp((scaled[:, j] + 1) / 2, np.linspace(0, 1, KNOTS), knots[:, j])
            if low == high:
                out[:, j] = low + scaled[:, j] * widths[j]
                continue
            beyond = np.maximum(scaled[:, j] - 1, 0) - np.maximum(-1 - scaled[:, j], 0)
            out[:, j] = inner + beyond * widths[j]
        return out.reshape(shape)


def _outside(heads: Sequence[tuple[int, int]], width: int) -> list[int]:
    """Columns that belong to no category."""
    taken = {j for start, end in heads for j in range(start, end)}
    return [j for j in range(width) if j not in taken]


def _warn_of_constants(x: Rows, names: Sequence[str] | None, heads: Sequence[tuple[int, int]]) -> None:
    same = np.ptp(x, axis=0) == 0
    constant = [j for j in _outside(heads, x.shape[1]) if same[j]]
    if not constant:
        return
    columns = ", ".join(str(j) if names is None else names[j] for j in constant[:10])
    more = f" and {len(constant) - 10} more" if len(constant) > 10 else ""
    counted = " (counted from 0)" if names is None else ""
    warnings.warn(
        f"columns {columns}{more}{counted} have one value in all training rows", ConstantColumns, stacklevel=5
    )


def _channels(x: Rows) -> Rows:
    """Give images without a channel axis one channel."""
    return x[:, None] if x.ndim == 3 else x


def as_array(x: Any) -> Any:
    """Make an array of a list, and check what scikit-learn's check would answer obscurely: odd dimensions."""
    if not hasattr(x, "ndim"):
        dicts = isinstance(x, list) and bool(x) and isinstance(x[0], dict)
        if dicts or isinstance(x, dict | str | bytes | PathLike):
            raise InvalidData(
                f"X is a {type(x).__name__}{' of dicts' * dicts}: arrays, data frames and ringfence.Frame are taken;"
                " files are read by ringfence.data.load_file"
            )
        x = np.asarray(x)
    if x.ndim > 4:
        raise InvalidData(
            f"rows of shape {x.shape[1:]}: allowed are (d,), (height, width) and (channels, height, width)"
        )
    return x
