"""The plain detectors that stand beside every benchmark, all on the same scale.

A GAN that does not beat these has not earned its training time. Rows are flattened, centred on the training
mean and divided by the training spread: a table (n, d) column by column, since each has its own unit; images
and series (n, height, width, …) by one spread for all values, since pixels share a unit. (Measured on the
digits of scikit-learn, one digit out: nearest neighbour has AUROC .989 so, and .948 pixel by pixel, where the
faint pixels at the border are blown up.)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

from ..exceptions import InvalidData

_CHUNK = 8192  # rows scored at once: bounds the memory, whatever the number of rows
_QUANTILE = 0.95  # of the training scores: the cut

Score = Callable[[np.ndarray], np.ndarray]


class Judge(NamedTuple):
    """How to score standardised rows, and the scores of the training rows that set the cut."""

    score: Score
    training_scores: np.ndarray


@dataclass(frozen=True, eq=False)
class FittedBaseline:
    """A baseline after training.

    Attributes
    ----------
    mean, std : ndarray of float64, shape (d,)
        Of the training rows; ``std`` is 1 for a constant column, and the same throughout for images.
    score : callable
        Scores of standardised rows.
    threshold : float
        The 95 % quantile of the training scores.
    """

    mean: np.ndarray
    std: np.ndarray
    score: Score
    threshold: float

    def anomaly_score(self, x: np.ndarray) -> np.ndarray:
        """Return one float64 score a row of ``x`` (n, …); higher = more anomalous.

        Raises
        ------
        InvalidData
            If a value is not finite, or rows have another number of values than in training.
        """
        rows = _flat(x)
        if rows.shape[1] != len(self.mean):
            raise InvalidData(f"x has {rows.shape[1]} values a row, the baseline was trained on {len(self.mean)}")
        return _in_chunks(lambda part: self.score((part - self.mean) / self.std), rows)


@dataclass(frozen=True)
class Baseline(ABC):
    """A detector to be trained; subclasses say how standardised rows are judged."""

    def fit(self, x_train: np.ndarray, seed: int) -> FittedBaseline:
        """Train on ``x_train``, normal rows only; the same seed gives the same scores.

        Parameters
        ----------
        x_train : ndarray, shape (n, d) or (n, height, width, …)
            Tables are scaled column by column, anything with more axes as a whole.
        seed : int
            Of trees and of the draw of rows; not negative.

        Raises
        ------
        InvalidData
            If there are fewer than 2 rows or a value is not finite.
        """
        rows = _flat(x_train)
        if len(rows) < 2:
            raise InvalidData(f"x_train has {len(rows)} rows: a baseline needs at least 2")
        mean = rows.mean(axis=0)
        std = rows.std(axis=0) if np.ndim(x_train) == 2 else np.full(len(mean), (rows - mean).std())
        # Rounding may leave a constant column a tiny spread that division would blow up.
        std[std <= 1e-12 * np.maximum(1.0, np.abs(mean))] = 1.0
        judge = self.judge((rows - mean) / std, seed)
        return FittedBaseline(mean, std, judge.score, float(np.quantile(judge.training_scores, _QUANTILE)))

    @abstractmethod
    def judge(self, rows: np.ndarray, seed: int) -> Judge:
        """Learn from standardised rows, float64 (n, d)."""


@dataclass(frozen=True)
class IsolationForestBaseline(Baseline):
    """Isolation forest (Liu et al. 2008) as in scikit-learn, 256 rows a tree."""

    trees: int = 100

    def judge(self, rows: np.ndarray, seed: int) -> Judge:
        """Score = minus scikit-learn's ``score_samples``, 0 to 1."""
        forest = IsolationForest(n_estimators=self.trees, random_state=seed).fit(rows)

        def score(part: np.ndarray) -> np.ndarray:
            return np.asarray(-forest.score_samples(part))

        return Judge(score, _in_chunks(score, rows))


@dataclass(frozen=True)
class NearestNeighbourBaseline(Baseline):
    """Euclidean distance to the nearest of at most ``max_rows`` training rows; such a row itself scores 0."""

    max_rows: int = 10_000

    def judge(self, rows: np.ndarray, seed: int) -> Judge:
        """Training scores are leave-one-out: the distance to the nearest *other* row."""
        kept = _some(rows, self.max_rows, seed)
        index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(kept)

        def distance(part: np.ndarray, nearest: np.ndarray) -> np.ndarray:
            # The search expands |a - b|² and so is off by rounding for near rows; the distance is taken anew.
            return np.asarray(np.linalg.norm(part - kept[nearest[:, 0]], axis=1))

        def score(part: np.ndarray) -> np.ndarray:
            return distance(part, index.kneighbors(part, return_distance=False))

        return Judge(score, distance(kept, index.kneighbors(return_distance=False)))


@dataclass(frozen=True)
class PCABaseline(Baseline):
    """Squared error of the reconstruction from the leading principal components."""

    components: int = 16

    def judge(self, rows: np.ndarray, seed: int) -> Judge:
        """Components are capped at min(n, d) - 1, so that something is left to err about."""
        model = PCA(min(self.components, min(rows.shape) - 1), svd_solver="covariance_eigh").fit(rows)

        def score(part: np.ndarray) -> np.ndarray:
            codes = (part - model.mean_) @ model.components_.T
            return np.asarray(((part - model.mean_ - codes @ model.components_) ** 2).sum(axis=1))

        return Judge(score, _in_chunks(score, rows))


@dataclass(frozen=True)
class LOFBaseline(Baseline):
    """Local outlier factor (Breunig et al. 2000) against at most ``max_rows`` training rows."""

    neighbours: int = 20
    max_rows: int = 10_000

    def judge(self, rows: np.ndarray, seed: int) -> Judge:
        """Training scores are the factors found in fitting, which leave the row itself out."""
        kept = _some(rows, self.max_rows, seed)
        model = LocalOutlierFactor(min(self.neighbours, len(kept) - 1), novelty=True).fit(kept)

        def score(part: np.ndarray) -> np.ndarray:
            return np.asarray(-model.score_samples(part))

        return Judge(score, -model.negative_outlier_factor_)


@dataclass(frozen=True)
class OneClassSVMBaseline(Baseline):
    """One-class SVM (Schölkopf et al. 2001), RBF kernel, gamma = 1 / (d · variance)."""

    nu: float = 0.05
    max_rows: int = 10_000

    def judge(self, rows: np.ndarray, seed: int) -> Judge:
        """Score = minus the decision function: above 0 lies outside the boundary."""
        kept = _some(rows, self.max_rows, seed)
        model = OneClassSVM(kernel="rbf", gamma="scale", nu=self.nu).fit(kept)

        def score(part: np.ndarray) -> np.ndarray:
            return np.asarray(-model.decision_function(part))

        return Judge(score, _in_chunks(score, kept))


@dataclass(frozen=True)
class MeanDistanceBaseline(Baseline):
    """Euclidean distance to the training mean: the floor under every method."""

    def judge(self, rows: np.ndarray, seed: int) -> Judge:
        """Standardised training rows have mean 0, so this is a row's norm."""

        def score(part: np.ndarray) -> np.ndarray:
            return np.asarray(np.linalg.norm(part, axis=1))

        return Judge(score, score(rows))


BASELINES: Final[Mapping[str, Baseline]] = {
    "isolation_forest": IsolationForestBaseline(),
    "lof": LOFBaseline(),
    "mean_distance": MeanDistanceBaseline(),
    "nearest_neighbour": NearestNeighbourBaseline(),
    "one_class_svm": OneClassSVMBaseline(),
    "pca": PCABaseline(),
}
"""Name → baseline with the settings of our tables."""


def _flat(x: np.ndarray) -> np.ndarray:
    """Return rows as float64 (n, d), or refuse them."""
    x = np.asarray(x, dtype=np.float64)
    if x.ndim < 2:
        raise InvalidData(f"x has shape {x.shape}: rows of values are needed, (n, d) or (n, height, width)")
    if not np.isfinite(x).all():
        raise InvalidData("x holds a NaN or infinite value: baselines need finite numbers")
    return x.reshape(len(x), int(np.prod(x.shape[1:])))


def _some(rows: np.ndarray, limit: int, seed: int) -> np.ndarray:
    """Return at most ``limit`` seeded rows, in their order."""
    if len(rows) <= limit:
        return rows
    return rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:limit])]


def _in_chunks(score: Score, rows: np.ndarray) -> np.ndarray:
    """Score all rows, a chunk at a time."""
    parts = [score(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)]
    return np.concatenate(parts).astype(np.float64) if parts else np.empty(0)
