"""How well scores rank anomalies, and how well a threshold cuts.

Pure functions; the anomaly is the positive class.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import t as student
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    matthews_corrcoef,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

from .exceptions import InvalidData, InvalidParameter


class PairedInterval(NamedTuple):
    """Mean of paired differences with its two-sided t interval."""

    mean: float
    low: float
    high: float


def evaluate(scores: np.ndarray, anomaly: np.ndarray, threshold: float, flagged_share: float = 0.2) -> dict[str, float]:
    """Return the figures of one run.

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
        Of the test rows; higher = more anomalous.
    anomaly : ndarray of bool, shape (n,)
        The truth; both classes must occur.
    threshold : float
        The cut found in training; rows with ``score > threshold`` are flagged.
    flagged_share : float
        The contamination that the oracle figures assume, above 0 and below 1.

    Returns
    -------
    dict of str to float
        ``auroc`` and ``ap`` (step-wise average precision, not the trapezoid) look at the ranking only.
        ``precision``, ``recall``, ``f1`` and ``mcc`` hold at the training cut, and are 0 when nothing is
        flagged. ``oracle_precision``, ``oracle_recall`` and ``oracle_f1`` flag the top ``flagged_share`` of
        the test scores (:func:`flag_top`), as the EGBAD and ALAD code does: they know the test set's
        contamination.

    Raises
    ------
    InvalidData
        If scores are NaN or infinite, lengths differ, or the rows are all of one class.
    InvalidParameter
        If the threshold is NaN or ``flagged_share`` is out of range.
    """
    scores, anomaly = _checked(scores, anomaly)
    if np.isnan(threshold):
        raise InvalidParameter("threshold is nan: it must be a number")
    cut = scores > threshold
    top = flag_top(scores, flagged_share)
    return {
        "auroc": float(roc_auc_score(anomaly, scores)),
        "ap": float(average_precision_score(anomaly, scores)),
        "precision": float(precision_score(anomaly, cut, zero_division=0)),
        "recall": float(recall_score(anomaly, cut)),
        "f1": float(f1_score(anomaly, cut, zero_division=0)),
        "mcc": float(matthews_corrcoef(anomaly, cut)),
        "oracle_precision": float(precision_score(anomaly, top, zero_division=0)),
        "oracle_recall": float(recall_score(anomaly, top)),
        "oracle_f1": float(f1_score(anomaly, top, zero_division=0)),
    }


def flag_top(scores: np.ndarray, flagged_share: float) -> np.ndarray:
    """Flag the top share of some scores: those at or above the percentile, ties included.

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
        Finite.
    flagged_share : float
        Above 0 and below 1; .2 flags ``score >= np.percentile(scores, 80)``.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    InvalidParameter
        If ``flagged_share`` is out of range.
    """
    if not 0 < flagged_share < 1:
        raise InvalidParameter(f"flagged_share is {flagged_share}: it must be above 0 and below 1")
    return np.asarray(scores >= np.percentile(scores, 100 * (1 - flagged_share)))


def roc_points(scores: np.ndarray, anomaly: np.ndarray, limit: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates for a plot, from (0, 0) to (1, 1), at most ``limit`` points.

    Raises
    ------
    InvalidData
        As :func:`evaluate`.
    InvalidParameter
        If ``limit`` is below 2.
    """
    false_rate, true_rate, _ = roc_curve(*reversed(_checked(scores, anomaly)))
    return _thinned(false_rate, true_rate, limit)


def pr_points(scores: np.ndarray, anomaly: np.ndarray, limit: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return recall (ascending from 0 to 1) and precision for a plot, at most ``limit`` points.

    Raises
    ------
    InvalidData
        As :func:`evaluate`.
    InvalidParameter
        If ``limit`` is below 2.
    """
    precision, recall, _ = precision_recall_curve(*reversed(_checked(scores, anomaly)))
    return _thinned(recall[::-1], precision[::-1], limit)


def paired_interval(a: np.ndarray, b: np.ndarray, level: float = 0.95) -> PairedInterval:
    """Return the mean of ``a - b`` and its two-sided t interval over pairs (such as seeds).

    Parameters
    ----------
    a, b : ndarray of float, shape (n,)
        Figures of two methods on the same n splits, n at least 2.
    level : float
        Confidence, above 0 and below 1.

    Raises
    ------
    InvalidData
        If lengths differ, there are fewer than 2 pairs, or a value is not finite.
    InvalidParameter
        If the level is out of range.
    """
    if not 0 < level < 1:
        raise InvalidParameter(f"level is {level}: it must be above 0 and below 1")
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
        raise InvalidData(f"pairs need two equally long series of 2 or more, not shapes {a.shape} and {b.shape}")
    difference = a - b
    if not np.isfinite(difference).all():
        raise InvalidData("pairs hold a NaN or infinite value")
    mean = float(difference.mean())
    error = float(difference.std(ddof=1)) / np.sqrt(len(a))
    reach = float(student.ppf((1 + level) / 2, len(a) - 1)) * error
    return PairedInterval(mean, float(mean - reach), float(mean + reach))


def _checked(scores: np.ndarray, anomaly: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return scores as float64 and labels as bool, or refuse them."""
    scores, anomaly = np.asarray(scores, dtype=np.float64), np.asarray(anomaly)
    if scores.ndim != 1 or scores.shape != anomaly.shape:
        raise InvalidData(f"scores and anomaly need one value a row, not shapes {scores.shape} and {anomaly.shape}")
    if anomaly.dtype != np.bool_:
        raise InvalidData(f"anomaly has dtype {anomaly.dtype}: it must be bool, True for an anomaly")
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise InvalidData(f"{len(bad)} scores are not finite, the first is {scores[bad[0]]} in row {bad[0] + 1}")
    n_anomalies = int(anomaly.sum())
    if n_anomalies in (0, len(anomaly)):
        raise InvalidData(f"{n_anomalies} of {len(anomaly)} rows are anomalies: both classes are needed")
    return scores, anomaly


def _thinned(x: np.ndarray, y: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Keep at most ``limit`` points of a curve, evenly along its length, the ends always."""
    if limit < 2:
        raise InvalidParameter(f"limit is {limit}: at least the 2 ends of a curve are kept")
    if len(x) <= limit:
        return x, y
    # Even in length, not in number: most thresholds lie in a corner where the curve hardly moves.
    length = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))))
    kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], limit)))
    kept[0], kept[-1] = 0, len(x) - 1
    return x[kept], y[kept]
