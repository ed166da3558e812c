"""Arrays and data frames → tensors and back: scaling fitted on training rows and saved with the model."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .exceptions import InvalidData, InvalidParameter, unknown_name

Rows = NDArray[np.float64]
PIECE = 4096


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


SCALES: dict[str, Callable[[Rows], tuple[Rows, Rows]]] = {
    "standard": _standard,
    "minmax": _minmax,
    "robust": _robust,
    "range": _range,
    "none": _none,
}
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
    """

    shape: tuple[int, ...]
    given: tuple[int, ...]
    shift: Rows
    width: Rows

    @classmethod
    def fit(cls, x: Rows, scale: str) -> "Preprocess":
        """Measure shift and width on the training rows.

        Parameters
        ----------
        x
            (n, d), (n, height, width) or (n, channels, height, width).
        scale
            "auto" ("standard" for tables, "range" for images) or a name in `SCALES`.
        """
        given = x.shape[1:]
        x = _channels(x)
        name = BY_DIMENSIONS[x.ndim] if scale == "auto" else scale
        if name not in SCALES:
            raise InvalidParameter(unknown_name("scale", scale, [*SCALES, "auto"]))
        with np.errstate(over="ignore", invalid="ignore"):
            shift, width = SCALES[name](x)
        if not (np.isfinite(shift).all() and np.isfinite(width).all()):
            raise InvalidData(f"X holds values too large to scale: up to {np.abs(x).max():.3g}; divide them")
        constant = np.ptp(x, axis=0) == 0
        if x.ndim == 2 and constant.any():
            columns = ", ".join(str(c) for c in np.flatnonzero(constant)[:10])
            more = f" and {constant.sum() - 10} more" if constant.sum() > 10 else ""
            warnings.warn(
                f"columns {columns}{more} (counted from 0) have one value in all training rows",
                ConstantColumns,
                stacklevel=4,
            )
        # A width of 0, or one that rounding alone has made, would turn a constant column into noise.
        tiny = np.abs(shift) * 1e-12
        return cls(x.shape[1:], given, shift, np.where(width > tiny, width, 1.0))

    def tensor(self, x: Rows) -> Tensor:
        """Scaled rows, (n, *shape) float32."""
        x = _channels(x)
        scaled = np.empty(x.shape, np.float32)
        # The networks compute in float32; what does not fit is as far out as can be said.
        limit = float(np.finfo(np.float32).max) ** 0.25
        with np.errstate(over="ignore"):
            for start in range(0, len(x), PIECE):  # float64 in between, a few rows at a time
                part = (x[start : start + PIECE].astype(np.float64) - self.shift) / self.width
                scaled[start : start + PIECE] = np.clip(part, -limit, limit)
        return torch.from_numpy(scaled)

    def rows(self, t: Tensor) -> Rows:
        """Rows in the user's units and shape: the inverse of `tensor`."""
        x: Rows = t.cpu().double().numpy() * self.width + self.shift
        return x.reshape(len(x), *self.given)


def _channels(x: Rows) -> Rows:
    """Give images without a channel axis one channel."""
    return x[:, None] if x.ndim == 3 else x


def as_array(x: Any) -> Any:
    """Make an array of a list, and check what scikit-learn's check would answer obscurely: text, odd dimensions."""
    columns = getattr(x, "columns", None)
    if columns is not None and hasattr(x, "dtypes"):
        for name, dtype in zip(columns, list(x.dtypes), strict=True):
            if str(dtype) in ("object", "str", "string", "category", "String", "Categorical"):
                raise InvalidData(f"column {name!r} holds {dtype} values, numbers are expected")
    elif not hasattr(x, "ndim"):
        x = np.asarray(x)
    dimensions = getattr(x, "ndim", 2)
    if dimensions > 4:
        raise InvalidData(
            f"rows of shape {x.shape[1:]}: allowed are (d,), (height, width) and (channels, height, width)"
        )
    return x
