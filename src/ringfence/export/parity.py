"""Whether a graph scores rows as the detector does: drawn rows, the comparison, and what it found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ..detector import Detector
from ..exceptions import ExportFailed
from ..frame import Frame
from ..holdout import rows_in, some

CHECKED: Final = 1_000
"""Rows that both score."""
TOLERANCE: Final = 1e-4
"""Relative difference at which an export fails."""
BATCHES: Final = (1, 3, 512)
"""Rows at once, beside all of them."""
FAR: Final = 10.0
"""How much farther out a tenth of the drawn rows lies."""


@dataclass(frozen=True)
class Parity:
    """What the comparison found.

    Attributes
    ----------
    rows, given
        Rows that were compared, and how many of them were handed in.
    difference
        Largest |a − b| / max(|b|, m) of a row's scores a of the graph and b of the detector, m the median of |b|.
    """

    rows: int
    given: int
    difference: float


def drawn(detector: Detector, count: int) -> Any:
    """Draw rows around the fitted scaling: as far apart as the training rows were, a tenth of them ten times as far.

    Returns
    -------
    Rows as `fit` received them: an array, or a `Frame`, whose categories are among those that training had.
    """
    rng = np.random.default_rng(0)
    scaled = rng.normal(size=(count, *detector.preprocess_.shape))
    scaled[::10] *= FAR
    rows = detector.preprocess_.rows(torch.from_numpy(scaled))
    if detector.columns_ is None:
        return rows
    return detector.columns_.decode(rows)


def chosen(rows: Any) -> Any:
    """Return at most `CHECKED` rows, evenly spread; rows on disk stay there."""
    index = np.linspace(0, rows_in(rows) - 1, min(rows_in(rows), CHECKED)).astype(np.int64)
    return rows.take(index) if isinstance(rows, Frame) else some(rows, index)


def compare(
    results: Mapping[int, tuple[NDArray[np.float64], NDArray[np.bool_]]],
    scores: NDArray[np.float64],
    cut: float,
    given: int,
) -> Parity:
    """Hold a graph's results against the detector's scores.

    Parameters
    ----------
    results
        By the number of rows that were handed in at once, from the first on: scores and flags.
    scores
        (n,) of the detector.
    cut
        Its threshold.
    given
        How many rows are the user's own.

    Raises
    ------
    ExportFailed
        If a score differs by `TOLERANCE` or more, or a flag does not say on which side of the cut its score lies.
    """
    scale = np.maximum(np.abs(scores), np.median(np.abs(scores)))
    largest = 0.0
    for count, (found, flags) in results.items():
        if found.shape != (count,) or flags.shape != (count,):
            raise ExportFailed(f"for {count} rows the graph gives scores of shape {found.shape}")
        apart = np.abs(found - scores[:count]) / np.where(scale[:count] > 0, scale[:count], 1.0)
        worst = int(np.argmax(np.where(np.isfinite(apart), apart, np.inf)))
        if not apart[worst] < TOLERANCE:
            raise ExportFailed(
                f"the graph scores row {worst} of those checked (from 0; {count:,} at once) {found[worst]:.9g}, the"
                f" detector {scores[worst]:.9g}: a relative difference of {apart[worst]:.2g}, allowed is less than"
                f" {TOLERANCE:g}; nothing was written"
            )
        if (flags != (found > cut)).any():
            raise ExportFailed("the graph's flags do not say on which side of the cut a score lies")
        largest = max(largest, float(apart[worst]))
    return Parity(len(scores), given, largest)
