"""Scores of several members → one number a row. Pure functions; a row's result depends on that row alone.

Members score on scales of their own, so each is set against a reference, its scores of the rows that the cut was
measured on, before they are put together.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def rank(scores: Scores, reference: Scores) -> Scores:
    """Rank of each score among a member's reference scores, about 0 (lowest) to 1 (highest); → (n,).

    The j-th of the m reference scores in rising order has the rank (j − ½)/m, equal ones have the mean of their ranks,
    and between two of them the rank is linear. Beyond the ends, w being the width of the reference, it goes on as ::

        r(s) = r(max) + log(1 + (s − max)/w)/m        and mirrored below the lowest,

    so that scores that are larger than all of the reference still differ and keep their order, while no single member
    outweighs the others by how far out it puts a row. Rising everywhere; the same in any unit.

    Parameters
    ----------
    scores
        (n,).
    reference
        (m,), finite, in rising order.
    """
    values, first, counts = np.unique(reference, return_index=True, return_counts=True)
    ranks = (first + counts / 2.0) / len(reference)
    width = values[-1] - values[0]
    width = width if width > 0 else 1.0
    above, below = np.maximum(scores - values[-1], 0.0), np.maximum(values[0] - scores, 0.0)
    beyond: Scores = (np.log1p(above / width) - np.log1p(below / width)) / len(reference)
    within: Scores = np.interp(scores, values, ranks)
    return within + beyond


def standard(scores: Scores, reference: Scores) -> Scores:
    """Scores in standard deviations from the mean of a member's reference scores; → (n,)."""
    deviation = float(reference.std())
    return (scores - float(reference.mean())) / (deviation if deviation > 0 else 1.0)


def mean_rank(scores: Sequence[Scores], references: Sequence[Scores]) -> Scores:
    """Mean of the members' ranks."""
    return _mean([rank(*pair) for pair in zip(scores, references, strict=True)])


def _mean(each: Sequence[Scores]) -> Scores:
    # One after another: numpy would add a single row's values in another order than those of many rows.
    total = each[0]
    for values in each[1:]:
        total = total + values
    return total / len(each)


def waic(scores: Sequence[Scores], references: Sequence[Scores]) -> Scores:
    """Mean plus variance of the members' standardised scores (Choi et al. 2018, "WAIC, but Why?").

    Theirs is E_θ[log p(x)] − Var_θ[log p(x)] over members θ, low for anomalies. With A = −log p, which is high for
    anomalies as every score here is, the mean turns its sign and the variance does not; the anomaly score is therefore
    −WAIC = E_θ[A] + Var_θ[A]: a row is suspect where members find it unlikely, and where they disagree on it. Scores
    that are no likelihoods have units of their own; in standard deviations of each member's reference they are
    comparable, and the two summands too.
    """
    z = [standard(*pair) for pair in zip(scores, references, strict=True)]
    mean = _mean(z)
    return mean + _mean([np.square(each - mean) for each in z])


COMBINATIONS: Mapping[str, Callable[[Sequence[Scores], Sequence[Scores]], Scores]] = {
    "rank": mean_rank,
    "waic": waic,
}
"""By name: (scores of each member (n,), its reference in rising order (m,)) → (n,), higher = more anomalous."""
