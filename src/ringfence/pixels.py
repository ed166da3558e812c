"""How well maps of anomaly scores show where an anomaly is, against masks.

Pure functions, exact: every score is a threshold, none is rounded. Only how the scores rank counts, so any increasing
change of the scores leaves the figures as they are, and equal scores are flagged together.
"""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import label

from .exceptions import InvalidData, InvalidParameter

_TOUCHING = np.ones((3, 3), dtype=bool)  # pixels of one region touch at an edge or a corner


class _Ranked(NamedTuple):
    """Scores of all pictures, and how the counts change from one threshold to the next.

    The thresholds are the distinct scores of anomalous pixels, falling. Nothing but false positives changes between
    two of them.
    """

    n_normal: int
    above: NDArray[np.int64]  # normal pixels with a score above each threshold, (k,)
    reached: NDArray[np.int64]  # normal pixels at or above it, (k,)
    found: NDArray[np.int64]  # anomalous pixels at or above it, (k,)
    overlap: NDArray[np.float64]  # mean share of the regions at or above it, (k,)


def pixel_auroc(maps: Iterable[ArrayLike], masks: Iterable[ArrayLike]) -> float:
    """Return the area under the ROC curve over all pixels of all pictures.

    Parameters
    ----------
    maps : iterable of ndarray of float, shape (h_i, w_i)
        Finite scores, higher = more anomalous; sizes may differ from picture to picture.
    masks : iterable of ndarray of bool, shape (h_i, w_i)
        True where a pixel is anomalous; all False for a normal picture.

    Returns
    -------
    float
        From 0 to 1: how often an anomalous pixel scores above a normal one, ties counted half.

    Raises
    ------
    InvalidData
        If a map has a NaN or infinite value or another shape than its mask, their numbers differ, a mask is not bool,
        or pixels are all normal or all anomalous.
    """
    return _auroc(_ranked(maps, masks))


def pixel_ap(maps: Iterable[ArrayLike], masks: Iterable[ArrayLike]) -> float:
    """Return the average precision over all pixels, above 0 to 1: step-wise, not the trapezoid.

    Parameters and errors are those of :func:`pixel_auroc`.
    """
    return _ap(_ranked(maps, masks))


def pro(maps: Iterable[ArrayLike], masks: Iterable[ArrayLike], limit: float = 0.3) -> float:
    """Return the area under the per-region overlap curve up to a false-positive rate, divided by that rate.

    After Bergmann et al. 2021 (The MVTec Anomaly Detection Dataset, IJCV): at each threshold, the share of an anomalous
    region that is flagged, averaged over the regions of all pictures, so that small ones count as much as large ones;
    against the flagged share of all normal pixels. Regions are the 8-connected components of the masks.

    Parameters
    ----------
    maps, masks : iterables of ndarray, shape (h_i, w_i)
        As for :func:`pixel_auroc`.
    limit : float
        The false-positive rate up to which the area counts, above 0 to 1.

    Returns
    -------
    float
        From 0 to 1; 1 when every anomalous pixel scores above every normal one. Between two thresholds the curve is
        straight, so that ties are broken halfway: a constant map has ``limit / 2``, as chance has.

    Raises
    ------
    InvalidData
        As :func:`pixel_auroc`.
    InvalidParameter
        If ``limit`` is out of range.
    """
    _check_limit(limit)
    return _pro(_ranked(maps, masks), limit)


def evaluate_pixels(maps: Iterable[ArrayLike], masks: Iterable[ArrayLike], limit: float = 0.3) -> dict[str, float]:
    """Return the figures of a set of pictures, ranking their pixels once.

    Parameters
    ----------
    maps, masks, limit
        As for :func:`pro`.

    Returns
    -------
    dict of str to float
        ``pixel_auroc``, ``pro`` and ``pixel_ap``.

    Raises
    ------
    InvalidData
        As :func:`pixel_auroc`.
    InvalidParameter
        If ``limit`` is out of range.
    """
    _check_limit(limit)
    ranked = _ranked(maps, masks)
    return {"pixel_auroc": _auroc(ranked), "pro": _pro(ranked, limit), "pixel_ap": _ap(ranked)}


def _check_limit(limit: float) -> None:
    if not 0 < limit <= 1:
        raise InvalidParameter(f"limit is {limit}: it must be above 0 and at most 1")


def _auroc(ranked: _Ranked) -> float:
    # Whole numbers to the end: each anomalous pixel beats those not reached, and ties with reached - above.
    new = np.diff(ranked.found, prepend=0)
    doubled = int((new * (2 * ranked.n_normal - ranked.above - ranked.reached)).sum())
    return doubled / (2 * ranked.n_normal * int(ranked.found[-1]))


def _ap(ranked: _Ranked) -> float:
    precision = ranked.found / (ranked.found + ranked.reached)
    return float((np.diff(ranked.found, prepend=0) * precision).sum() / ranked.found[-1])


def _pro(ranked: _Ranked, limit: float) -> float:
    # Two points a threshold, before and after the pixels that share its score; flat in between.
    before = np.concatenate(([0.0], ranked.overlap[:-1]))
    rate = np.column_stack((ranked.above, ranked.reached)).ravel() / ranked.n_normal
    overlap = np.column_stack((before, ranked.overlap)).ravel()
    rate, overlap = np.concatenate(([0.0], rate, [1.0])), np.concatenate(([0.0], overlap, [1.0]))
    inside = rate <= limit  # where the curve jumps at the limit, up to the top of the jump
    last = int(inside.sum()) - 1
    end = overlap[last]
    if last + 1 < len(rate):
        slope = (overlap[last + 1] - end) / (rate[last + 1] - rate[last])
        end += slope * (limit - rate[last])
    area = np.trapezoid(np.append(overlap[inside], end), np.append(rate[inside], limit))
    return float(min(area / limit, 1.0))


def _ranked(maps: Iterable[ArrayLike], masks: Iterable[ArrayLike]) -> _Ranked:
    """Count for each threshold; memory: the scores themselves, and some numbers for each anomalous pixel."""
    scores, weights, normal = [], [], []
    n_regions = 0
    for number, (values, mask) in enumerate(_pairs(maps, masks), 1):
        values, mask = _checked(values, mask, number)
        regions, found = label(mask, structure=_TOUCHING)
        n_regions += found
        members = regions[mask]
        scores.append(values[mask])
        weights.append(1 / np.bincount(members)[members])
        normal.append(values[~mask])
    n_normal, n_anomalous = sum(map(len, normal)), sum(map(len, scores))
    if not n_normal or not n_anomalous:
        raise InvalidData(f"{n_anomalous:,} of {n_normal + n_anomalous:,} pixels are anomalous: both kinds are needed")
    calm = np.concatenate(normal)
    calm.sort()
    high = np.concatenate(scores)
    order = np.argsort(-high, kind="stable")
    high = high[order]
    overlap = np.cumsum(np.concatenate(weights)[order] / n_regions)
    last = np.append(np.flatnonzero(high[1:] != high[:-1]), len(high) - 1)  # of each distinct score
    thresholds = high[last]
    return _Ranked(
        n_normal,
        n_normal - np.searchsorted(calm, thresholds, side="right"),
        n_normal - np.searchsorted(calm, thresholds, side="left"),
        last + 1,
        np.minimum(overlap[last], 1.0),
    )


def _pairs(maps: Iterable[ArrayLike], masks: Iterable[ArrayLike]) -> Iterator[tuple[ArrayLike, ArrayLike]]:
    """Yield maps with their masks; zip's own error would look like one of a generator that was handed in."""
    for number, (values, mask) in enumerate(zip_longest(maps, masks, fillvalue=None), 1):
        if values is None or mask is None:
            raise InvalidData(f"picture {number} has no {'map' if values is None else 'mask'}: each map needs one mask")
        yield values, mask


def _checked(values: ArrayLike, mask: ArrayLike, number: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a map as floats of their own precision, and its mask, or refuse them."""
    values, mask = np.asarray(values), np.asarray(mask)
    if values.ndim != 2 or values.shape != mask.shape:
        raise InvalidData(f"picture {number}: map and mask need one shape (h, w), not {values.shape} and {mask.shape}")
    if mask.dtype != np.bool_:
        raise InvalidData(f"picture {number}: the mask has dtype {mask.dtype}: it must be bool, True for an anomaly")
    if values.dtype.kind not in "fiub":
        raise InvalidData(f"picture {number}: the map has dtype {values.dtype}: numbers are needed")
    values = values if values.dtype.kind == "f" else values.astype(np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.unravel_index(int(np.argmin(finite)), values.shape)
        raise InvalidData(
            f"picture {number}: the map is {values[row, column]} in row {row + 1}, column {column + 1}, not finite"
        )
    return values, mask
