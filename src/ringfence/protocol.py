"""Which rows train, which test, and which of these are the anomaly: the papers' splits, by row number.

A split holds row numbers and no data, so it can be saved, compared and checked. Every split is disjoint by
row number and has both classes in its test part, or it is not made.
"""

from dataclasses import dataclass, replace

import numpy as np

from .exceptions import InvalidData, InvalidParameter, unknown_name
from .metrics import flag_top


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of one experiment.

    Attributes
    ----------
    train : ndarray of int64, shape (n_train,)
        Training rows, all of the normal role.
    test : ndarray of int64, shape (n_test,)
        Test rows.
    anomaly : ndarray of bool, shape (n_test,)
        For each test row whether it is an anomaly.
    name : str
        The protocol's name.

    Raises
    ------
    InvalidData
        If a row is used twice, no row trains, or the test rows are all of one class.
    """

    train: np.ndarray
    test: np.ndarray
    anomaly: np.ndarray
    name: str

    def __post_init__(self) -> None:
        if self.anomaly.shape != self.test.shape or self.anomaly.dtype != np.bool_:
            raise InvalidData(
                f"split '{self.name}': anomaly needs one bool for each of the {len(self.test)} test rows,"
                f" not {self.anomaly.dtype} of shape {self.anomaly.shape}"
            )
        if not len(self.train):
            raise InvalidData(f"split '{self.name}' has no training row")
        used = np.concatenate((self.train, self.test))
        repeated = len(used) - len(np.unique(used))
        if repeated:
            raise InvalidData(f"split '{self.name}' uses {repeated} row numbers twice: its parts must be disjoint")
        n_anomalies = int(self.anomaly.sum())
        if n_anomalies in (0, len(self.test)):
            raise InvalidData(
                f"split '{self.name}' has {n_anomalies} anomalies in {len(self.test)} test rows:"
                " both classes are needed"
            )


@dataclass(frozen=True)
class OracleBounds:
    """What the best possible scores reach when a fixed share of the test rows is flagged (ties apart).

    Attributes
    ----------
    precision, recall, f1 : float
        Upper bounds, 0 to 1.
    recall_over_precision : float
        Flagged rows / anomalies; the same for every method, since both divide the same hits.
    """

    precision: float
    recall: float
    f1: float
    recall_over_precision: float


def leave_one_out(labels: np.ndarray, anomalous: object, seed: int, train_share: float = 0.8) -> Split:
    """Make one class the anomaly and the others normal (EGBAD, GANomaly, Fence GAN on MNIST).

    Of the normal rows a seeded share trains; the test part is the rest of them and every row of the anomalous
    class.

    Parameters
    ----------
    labels : ndarray, shape (n,)
        The class of each row.
    anomalous : object
        The class that is the anomaly, one of the labels.
    seed : int
        Of the permutation; not negative.
    train_share : float
        Share of the normal rows that trains, above 0 and below 1, rounded down to whole rows.

    Raises
    ------
    InvalidParameter
        If no row has the class, or ``train_share`` or ``seed`` is out of range.
    InvalidData
        If too few normal rows are left to train and to test on.
    """
    if not 0 < train_share < 1:
        raise InvalidParameter(f"train_share is {train_share}: it must be above 0 and below 1")
    odd = np.asarray(labels == anomalous)
    if not odd.any():
        raise InvalidParameter(unknown_name("anomalous class", anomalous, map(str, np.unique(labels).tolist())))
    normal = np.random.default_rng(_checked(seed)).permutation(np.flatnonzero(~odd))
    cut = int(train_share * len(normal))
    test = np.sort(np.concatenate((normal[cut:], np.flatnonzero(odd))))
    return Split(np.sort(normal[:cut]), test, odd[test], "leave_one_out")


def outliers_out(outlier: np.ndarray, seed: int, train_share: float = 0.8) -> Split:
    """Train on a seeded share of the inliers; test on the rest of them and on every outlier.

    Parameters
    ----------
    outlier : ndarray of bool, shape (n,)
        What the data set calls an anomaly.
    seed, train_share
        As in :func:`leave_one_out`.

    Raises
    ------
    InvalidParameter, InvalidData
        As :func:`leave_one_out`.
    """
    return replace(leave_one_out(outlier, True, seed, train_share), name="outliers_out")


def kdd99_halves(normal_connection: np.ndarray, seed: int, rows: np.ndarray | None = None) -> Split:
    """Split KDD 99 as the EGBAD and ALAD code does: a random half trains, the roles are inverted.

    The training half keeps its attacks only (the "normal" role). The test half keeps all attacks, and of the
    ``normal.`` connections (the anomalies) at most a fifth of the test part. The rows are those of pandas'
    ``sample(frac=.5, random_state=seed)``; the published results use seed 42.

    Parameters
    ----------
    normal_connection : ndarray of bool, shape (n,)
        True where the label is ``normal.``.
    seed : int
        Of the legacy ``RandomState``, 0 to 2**32 - 1.
    rows : ndarray of int64 or None
        Row numbers to split instead of all, such as the first of each distinct row.

    Raises
    ------
    InvalidParameter
        If the seed is out of range.
    InvalidData
        If a class is missing from the test half.

    Notes
    -----
    Source: github.com/houssamzenati/Efficient-GAN-Anomaly-Detection, data/kdd.py. Where anomalies are more
    than the cap, that code keeps the first of a permutation by RandomState(42); here by the split's own seed.
    """
    rho = 0.2
    pool = np.arange(len(normal_connection)) if rows is None else np.asarray(rows, dtype=np.int64)
    # round() goes to the even neighbour, like pandas: 494,021 rows give 247,010.
    picked = np.random.RandomState(_checked(seed, 2**32)).choice(len(pool), size=round(0.5 * len(pool)), replace=False)
    trains = np.zeros(len(pool), dtype=bool)
    trains[picked] = True
    train, rest = pool[trains], pool[~trains]
    inliers, outliers = rest[~normal_connection[rest]], rest[normal_connection[rest]]
    cap = int(len(inliers) * rho / (1 - rho))
    kept = outliers[np.random.RandomState(seed).permutation(len(outliers))[:cap]]
    test = np.sort(np.concatenate((inliers, kept)))
    return Split(np.sort(train[~normal_connection[train]]), test, normal_connection[test], "kdd99_halves")


def subsample_test(split: Split, n: int, seed: int) -> Split:
    """Keep ``n`` seeded test rows, for methods that search for minutes; the share of anomalies is kept.

    Parameters
    ----------
    split : Split
        Returned as it is if it has no more than ``n`` test rows.
    n : int
        At least 2: each class keeps one row or more.
    seed : int
        Of the draw; not negative.

    Raises
    ------
    InvalidParameter
        If ``n`` is below 2 or the seed is negative.
    """
    if n < 2:
        raise InvalidParameter(f"n is {n}: at least 2 test rows are needed, one of each class")
    if n >= len(split.test):
        return split
    rng = np.random.default_rng(_checked(seed))
    n_anomalies = min(max(round(n * float(split.anomaly.mean())), 1), n - 1)
    parts = ((split.anomaly, n_anomalies), (~split.anomaly, n - n_anomalies))
    kept = np.sort(np.concatenate([rng.permutation(np.flatnonzero(side))[:size] for side, size in parts]))
    return Split(split.train, split.test[kept], split.anomaly[kept], split.name)


def oracle_bounds(split: Split, flagged_share: float = 0.2) -> OracleBounds:
    """Return what a perfect ranking reaches when the top ``flagged_share`` of the test rows is flagged.

    With KDD 99 and seed 42: 48,629 anomalies in 247,011 test rows, 49,403 of them flagged, so no method
    without ties can pass precision .9843 and F1 .9921, and recall / precision is 1.0159 for every one.

    Raises
    ------
    InvalidParameter
        If ``flagged_share`` is not above 0 and below 1.
    """
    flagged = int(flag_top(np.arange(len(split.test), dtype=np.float64), flagged_share).sum())
    anomalies = int(split.anomaly.sum())
    hits = min(flagged, anomalies)
    return OracleBounds(hits / flagged, hits / anomalies, 2 * hits / (flagged + anomalies), flagged / anomalies)


def _checked(seed: int, end: int | None = None) -> int:
    """Return the seed if it is a whole number from 0 (and below ``end``)."""
    whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
    if not whole or seed < 0 or (end is not None and seed >= end):
        limit = "" if end is None else f" below {end}"
        raise InvalidParameter(f"seed is {seed!r}: it must be a whole number from 0{limit}")
    return int(seed)
