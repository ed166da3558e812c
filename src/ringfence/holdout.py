"""Which of the rows that a fit is given train, and which are kept out for the cut."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .blocks import Blocks
from .exceptions import InvalidData
from .frame import Frame
from .lazy import LazyRows

GLIMPSE = 512
"""Rows on disk that their scaling is measured on, evenly spread; all where there are no more."""

GLIMPSE_BYTES = 64 * 2**20
"""What they may take of memory; 16 are taken in any case."""


def rows_in(given: NDArray[Any] | Frame | LazyRows | Blocks) -> int:
    """How many rows there are."""
    return given.rows if isinstance(given, Frame) else len(given)


def some(x: NDArray[Any] | LazyRows, index: NDArray[np.int64]) -> Any:
    """Some rows; those on disk stay there."""
    return x.take(index) if isinstance(x, LazyRows) else x[index]


Moments = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean and standard deviation of each column."""

PASS = 4096
"""Rows of a table in blocks that are looked at together."""

MEASURED = 2**16
"""Rows of a table in blocks that quantiles are measured on, evenly spread."""

MEASURED_BYTES = 16 * 2**20
"""What they may take of memory; 16 are taken in any case."""


def seen_of(x: NDArray[Any] | LazyRows) -> tuple[NDArray[Any], Moments | None]:
    """Return the rows that scaling is measured on, and mean and deviation where these are those of more."""
    return measured(x) if isinstance(x, LazyRows) and x.measured else (glimpse(x), None)


def measured(x: LazyRows) -> tuple[NDArray[Any], Moments]:
    """Read all rows once, in order, and return what their scaling needs.

    Returns
    -------
    Some rows, and behind them one of each column's least and one of each column's largest value; and mean and standard
    deviation of each column of all rows.
    """
    fitting = max(MEASURED_BYTES // (8 * math.prod(x.shape[1:])), 16)
    wanted = np.linspace(0, len(x) - 1, min(len(x), MEASURED, fitting)).astype(np.int64)
    kept, count, mean, squares = [], 0, np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
    low, high = np.full(x.shape[1:], np.inf), np.full(x.shape[1:], -np.inf)
    for start in range(0, len(x), PASS):
        part = np.asarray(x.read(np.arange(start, min(start + PASS, len(x)))), dtype=np.float64)
        first, last = np.searchsorted(wanted, [start, start + len(part)])
        kept.append(part[wanted[first:last] - start])
        # Chan, Golub and LeVeque 1979: moments of a part join those of the rows before it.
        own, apart = part.mean(0), part.mean(0) - mean
        squares += ((part - own) ** 2).sum(0) + apart**2 * (count * len(part) / (count + len(part)))
        mean += apart * (len(part) / (count + len(part)))
        count += len(part)
        low, high = np.minimum(low, part.min(0)), np.maximum(high, part.max(0))
    return np.concatenate([*kept, low[None], high[None]]), (mean, np.sqrt(squares / count))


def glimpse(x: NDArray[Any] | LazyRows) -> NDArray[Any]:
    """All rows of an array; of rows on disk as many as their scaling needs."""
    if not isinstance(x, LazyRows):
        return x
    fitting = GLIMPSE_BYTES // (4 * math.prod(x.shape[1:]))
    count = min(len(x), GLIMPSE, max(fitting, 16))
    return x.read(np.linspace(0, len(x) - 1, count).astype(np.int64))


def sides(
    count: int, calibration: float, rng: torch.Generator, groups: Any, held_out: Any, what: str = "rows"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the training rows, ascending, and of those that the cut is measured on, in a drawn order.

    Parameters
    ----------
    count
        How many rows there are.
    calibration
        Share of the rows to keep out, rounded up; with 0 and no `held_out` the cut is measured on the training rows.
    groups
        None, or (count,): whole groups are kept out until they have that many rows.
    held_out
        None, or (count,) bool: the rows to keep out.
    what
        What to call the rows in messages.

    Raises
    ------
    InvalidData
        If `groups` or `held_out` have another length, `held_out` is neither true nor false somewhere, `calibration` is
        given too, or fewer than 2 rows are left to train.
    """
    order = torch.randperm(count, generator=rng).numpy()
    # Rounded up, but not by what binary fractions add: 0.07 · 100 is a little more than 7.
    wanted = math.ceil(round(calibration * count, 6))
    if held_out is not None:
        cause, out = "held_out", _booleans(_one_each(held_out, count, "held_out", what))
        if calibration:
            raise InvalidData(f"calibration={calibration} and held_out both say which {what} to keep out: give one")
    elif groups is None:
        cause, out = f"calibration={calibration}", np.zeros(count, dtype=bool)
        out[order[:wanted]] = True
    else:
        cause = f"calibration={calibration} of whole groups"
        out = _by_group(_one_each(groups, count, "groups", what), wanted, order)
    if count - out.sum() < 2:
        raise InvalidData(f"{cause} leaves {count - out.sum()} of {count} {what} to train on: at least 2 are needed")
    return np.flatnonzero(~out), order[out[order]] if out.any() else order


def _one_each(values: Any, count: int, name: str, what: str) -> NDArray[Any]:
    found = np.asarray(values)
    if found.shape != (count,):
        raise InvalidData(f"{name} has the shape {found.shape}: one value for each of the {count} {what} is needed")
    return found


def _booleans(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Take true and false, also as 1 and 0, but not what merely counts as them: the text "False" is true in Python."""
    strange = next((v for v in values.tolist() if not isinstance(v, bool | int) or v not in (0, 1)), None)
    if strange is not None:
        raise InvalidData(f"held_out holds {strange!r}: allowed are True and False")
    return values.astype(bool)


def _by_group(groups: NDArray[Any], wanted: int, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark whole groups, in the order in which a shuffle meets them, until they have as many rows as wanted."""
    _, codes = np.unique(groups.astype(str), return_inverse=True)
    out = np.zeros(len(groups), dtype=bool)
    for group in dict.fromkeys(codes[order].tolist()):
        if out.sum() >= wanted:
            break
        out |= codes == group
    return out
