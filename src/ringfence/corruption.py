"""Corruptions: rows that are near normal ones and wrong, for discriminators that have no generator to learn from.

All are pure functions of rows and of values of N(0, 1) that the caller draws, with the members of a batch on an axis of
their own, (k, b, …): no member sees another's rows.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def permuted(rows: Tensor, normal: Tensor) -> Tensor:
    """Exchange the values of each feature among the rows of a member, each feature by a permutation of its own.

    Parameters
    ----------
    rows
        (k, b, …).
    normal
        Values of N(0, 1) in the shape of `rows`; their ranks are the permutations.

    Returns
    -------
    (k, b, …): every feature has the values that it had, and what they had to do with each other is gone.
    """
    return rows.gather(1, normal.argsort(1))


def noisy(rows: Tensor, normal: Tensor, deviation: float) -> Tensor:
    """Add noise of a standard deviation to every value; shapes as in :func:`permuted`."""
    return rows + deviation * normal


def uniform(rows: Tensor, normal: Tensor) -> Tensor:
    """Draw every value anew, evenly between the smallest and the largest of its feature among a member's rows.

    Φ of the normal values is what is even; shapes as in :func:`permuted`.
    """
    low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
    share: Tensor = torch.special.ndtr(normal)
    return low + (high - low) * share


def tied(normal: Tensor, heads: Sequence[tuple[int, int]]) -> Tensor:
    """Give all columns of a category the value of its first, so that a category is permuted, or left, as a whole.

    Parameters
    ----------
    normal
        (n, …).
    heads
        First column and end of each category; none where rows have none.
    """
    column = torch.arange(normal.shape[1], device=normal.device)
    for start, end in heads:
        column[start:end] = start
    return normal[:, column] if heads else normal


CORRUPTIONS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "permuted": lambda rows, normal, deviation: permuted(rows, normal),
    "noise": noisy,
    "uniform": lambda rows, normal, deviation: uniform(rows, normal),
}
"""By name: (rows, normal, deviation of the noise, where there is one) → rows."""


def corrupted(
    kind: str, x: Tensor, members: int, normal: Tensor, choice: Tensor, *, share: float, deviation: float
) -> Tensor:
    """Corrupt a share of the values of a batch.

    Parameters
    ----------
    kind
        One of `CORRUPTIONS`.
    x
        (k·b, …), member-major.
    members
        k.
    normal, choice
        Values of N(0, 1) in the shape of `x`: what values become, and which of them do.
    share
        Chance of each value to be corrupted, above 0 and at most 1.
    deviation
        Standard deviation of "noise".

    Returns
    -------
    (k·b, …): each row with about `share` of its values corrupted.
    """
    shape = (members, -1, *x.shape[1:])
    wrong = CORRUPTIONS[kind](x.view(shape), normal.view(shape), deviation).view(x.shape)
    return torch.where(torch.special.ndtr(choice) <= share, wrong, x)
