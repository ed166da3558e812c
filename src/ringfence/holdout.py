"""Which of the rows that a fit is given train, and which are kept out for the cut."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .exceptions import InvalidData
from .frame import Frame
from .lazy import LazyRows

GLIMPSE = 512
"""Pictures on disk that their range of values is measured on, evenly spread."""


def rows_in(given: NDArray[Any] | Frame | LazyRows) -> int:
    """How many rows there are."""
    return given.rows if isinstance(given, Frame) else len(given)


def some(x: NDArray[Any] | LazyRows, index: NDArray[np.int64]) -> Any:
    """Some rows; those on disk stay there."""
    return x.take(index) if isinstance(x, LazyRows) else x[index]


def glimpse(x: NDArray[Any] | LazyRows) -> NDArray[Any]:
    """All rows of an array; of rows on disk as many as their scaling needs."""
    if not isinstance(x, LazyRows):
        return x
    return x.read(np.unique(np.linspace(0, len(x) - 1, GLIMPSE).astype(np.int64)))


def sides(
    count: int, calibration: float, rng: torch.Generator, groups: Any, held_out: Any
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

    Raises
    ------
    InvalidData
        If `groups` or `held_out` have another length, `calibration` is given too, or fewer than 2 rows are left to
        train.
    """
    order = torch.randperm(count, generator=rng).numpy()
    if held_out is not None:
        out = _one_a_row(held_out, count, "held_out").astype(bool)
        if calibration:
            raise InvalidData(f"calibration={calibration} and held_out both say which rows to keep out: give one")
    elif groups is None:
        out = np.zeros(count, dtype=bool)
        out[order[: math.ceil(calibration * count)]] = True
    else:
        out = _by_group(_one_a_row(groups, count, "groups"), math.ceil(calibration * count), order)
    if count - out.sum() < 2:
        raise InvalidData(f"calibration={calibration} leaves {count - out.sum()} of {count} rows to train on")
    return np.flatnonzero(~out), order[out[order]] if out.any() else order


def _one_a_row(values: Any, count: int, name: str) -> NDArray[Any]:
    found = np.asarray(values)
    if found.shape != (count,):
        raise InvalidData(f"{name} has the shape {found.shape}: one value for each of the {count} rows is needed")
    return found


def _by_group(groups: NDArray[Any], wanted: int, order: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark whole groups, in the order in which a shuffle meets them, until they have as many rows as wanted."""
    _, codes = np.unique(groups.astype(str), return_inverse=True)
    out = np.zeros(len(groups), dtype=bool)
    for group in dict.fromkeys(codes[order].tolist()):
        if out.sum() >= wanted:
            break
        out |= codes == group
    return out
