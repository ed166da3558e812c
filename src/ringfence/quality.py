"""How good generated rows are: set beside real rows that the generator never saw.

::

    MMD²      = mean k(x, x′) + mean k(y, y′) − 2 mean k(x, y)            Gretton et al. 2012, Eq. 3 (unbiased)
    precision = share of generated rows inside the real rows' manifold    Kynkäänniemi et al. 2019, Eq. 1 and 2
    recall    = share of real rows inside the generated rows' manifold
    TSTR      = AUROC of a detector that learned generated rows alone     Esteban et al. 2017, §4.1, for one class
    TRTR      = AUROC of the same detector that learned as many real rows

k is the Gaussian kernel whose width is the median distance between the rows of both; a manifold is the union of balls
around its distinct rows, each as wide as the distance to the row's k-th nearest neighbour. TSTR and TRTR use test
labels: they are figures for a report and not for choosing anything; the detector is the distance to the nearest row.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.neighbors import NearestNeighbors

from .exceptions import InvalidData, InvalidParameter

Rows = NDArray[np.float64]

# Kynkäänniemi et al. 2019, §3: "k = 3".
NEIGHBOURS = 3


@dataclass(frozen=True)
class Quality:
    """Figures of a generator.

    Attributes
    ----------
    mmd
        Unbiased estimate of MMD², 0 for the same distribution; may lie a little below 0.
    precision, recall
        0 to 1: how many generated rows are realistic, how much of what is real is generated.
    """

    mmd: float
    precision: float
    recall: float


def mmd(real: ArrayLike, made: ArrayLike) -> float:
    """Unbiased MMD² of two sets of rows with a Gaussian kernel of median width; (n, …) and (m, …), n and m ≥ 2.

    Raises
    ------
    InvalidData
        If the rows differ in shape, are not finite or fewer than 2.
    """
    x, y = _pair(real, made, 2)
    both = euclidean_distances(np.concatenate([x, y]), squared=True)
    width = float(np.median(both[np.triu_indices_from(both, 1)]))
    # All rows alike: no distance to measure, and no difference either.
    k = np.exp(-both / (2.0 * width)) if width > 0.0 else (both == 0.0).astype(np.float64)
    n, m = len(x), len(y)
    within_x = (k[:n, :n].sum() - n) / (n * (n - 1))
    within_y = (k[n:, n:].sum() - m) / (m * (m - 1))
    return float(within_x + within_y - 2.0 * k[:n, n:].mean())


def precision_recall(real: ArrayLike, made: ArrayLike, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Precision and recall of generated rows; (n, …) and (m, …) with more rows than `neighbours`.

    Raises
    ------
    InvalidParameter
        If `neighbours` is below 1.
    InvalidData
        If the rows differ in shape, are not finite or too few.
    """
    if neighbours < 1:
        raise InvalidParameter(f"neighbours={neighbours}: allowed are whole numbers ≥ 1")
    x, y = _pair(real, made, neighbours + 1)
    return _covered(y, x, neighbours), _covered(x, y, neighbours)


def _covered(rows: Rows, manifold: Rows, neighbours: int) -> float:
    """Share of rows that lie in the ball of some row of the manifold."""
    # Rows that are there several times would be each other's neighbours, and their balls points.
    centres = np.unique(manifold, axis=0)
    nearest = min(neighbours, len(centres) - 1)
    # From differences: the products of rows that other ways take leave equal rows a little apart.
    radii = np.sort(cdist(centres, centres), axis=1)[:, nearest]
    return float((cdist(rows, centres) <= radii).any(axis=1).mean())


def train_on(learned: ArrayLike, test: ArrayLike, anomaly: ArrayLike) -> float:
    """AUROC on labelled test rows of the distance to the nearest learned row.

    Parameters
    ----------
    learned
        (n, …) real rows, or generated ones.
    test, anomaly
        (m, …) rows and (m,) bool, both classes.
    """
    x, rows = _pair(learned, test, 1)
    truth = np.asarray(anomaly, dtype=bool)
    distance = NearestNeighbors(n_neighbors=1).fit(x).kneighbors(rows)[0][:, 0]
    return float(roc_auc_score(truth, distance))


def quality(real: ArrayLike, made: ArrayLike) -> Quality:
    """MMD², precision and recall of generated rows.

    Parameters
    ----------
    real, made
        (n, …) normal rows that did not train the generator, and (m, …) generated ones, on a scale where distances mean
        something and the same for both; more than 3 of each.

    Raises
    ------
    InvalidData
        If the rows differ in shape, are not finite or too few.
    """
    return Quality(mmd(real, made), *precision_recall(real, made))


def _pair(a: ArrayLike, b: ArrayLike, least: int) -> tuple[Rows, Rows]:
    """Two sets of rows as matrices."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape[1:] != y.shape[1:] or x.ndim < 2:
        raise InvalidData(f"rows of shapes {x.shape} and {y.shape} can't be compared: they must have the same columns")
    if min(len(x), len(y)) < least:
        raise InvalidData(f"{min(len(x), len(y))} rows are too few: at least {least} of each are needed")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidData("rows hold a value that is not finite")
    width = math.prod(x.shape[1:])
    return x.reshape(len(x), width), y.reshape(len(y), width)
