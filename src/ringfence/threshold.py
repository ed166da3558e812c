"""Cuts: scores of rows believed normal → the score above which a row is called an anomaly."""

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidParameter
from .limits import Limit

# "auto": one normal row in twenty is called an anomaly. The training rows are believed normal, so that this is the
# rate of false alarms, not a guess at how many anomalies there are.
AUTO = 0.05
SHARES = Limit(0, 0.5)


def quantile_cut(scores: NDArray[np.float64], contamination: float | str) -> float:
    """Least value with at most a share `contamination` of the scores strictly above it.

    Parameters
    ----------
    scores
        (n,) float64, higher = more anomalous.
    contamination
        Share in [0, 0.5], or "auto" for 0.05; 0 cuts at the highest score.
    """
    share = share_of(contamination)
    # The small term keeps ⌊30/300 · 300⌋ at 30.
    above = int(share * len(scores) + 1e-9)
    return float(np.sort(scores)[::-1][above])


def share_of(contamination: float | str) -> float:
    """Check `contamination` and return it as a number."""
    if contamination == "auto":
        return AUTO
    if isinstance(contamination, str) or not SHARES.allows(contamination):
        raise InvalidParameter(f"contamination={contamination!r}: allowed are 'auto' and numbers from 0 to 0.5")
    return float(contamination)
