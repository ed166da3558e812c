"""Scorers: the parts of a score → one number a row."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidParameter, unknown_name

Parts = Mapping[str, NDArray[np.float64]]
Weights = Mapping[str, float]


def weighted_sum(parts: Parts, weights: Weights) -> NDArray[np.float64]:
    """Σ weight · part for each row, (n,) float64; raises `InvalidParameter` for a weight without its part."""
    for name in weights:
        if name not in parts:
            raise InvalidParameter(unknown_name("part", name, parts))
    terms = [weight * parts[name] for name, weight in weights.items()]
    total: NDArray[np.float64] = np.sum(terms, axis=0)
    return total


def weights_of(kinds: Mapping[str, Weights], kind: str | None) -> Weights:
    """Return the weights that a score kind stands for; None is a method's first kind."""
    if kind is None:
        return next(iter(kinds.values()))
    if kind not in kinds:
        raise InvalidParameter(unknown_name("score_kind", kind, kinds))
    return kinds[kind]
