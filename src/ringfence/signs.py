"""One score in scikit-learn's signs: what every detector derives from its own score and its cut."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin

Scores = NDArray[np.float64]


class Signed(OutlierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """An estimator with an `anomaly_score` and a cut.

    Attributes
    ----------
    offset_
        The cut in scikit-learn's sign, set by `fit`.
    """

    offset_: float

    @abstractmethod
    def anomaly_score(self, X: Any) -> Scores:
        """Return how anomalous each row or picture is, (n,) float64; higher = more anomalous."""

    def score_samples(self, X: Any) -> Scores:
        """Return −`anomaly_score`: scikit-learn's sign, lower = more anomalous."""
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> Scores:
        """Return `score_samples` − `offset_`: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return −1 for anomalies and +1 for what is normal, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    @property
    def threshold_(self) -> float:
        """The cut: an anomaly is what has an `anomaly_score` above it."""
        return -self.offset_
