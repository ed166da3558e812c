"""The scores of several members as one, as a function of tensors: what `ringfence.combination` does in NumPy."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .scaling import between

Scores = NDArray[np.float64]


def rank(scores: Tensor, reference: Scores) -> Tensor:
    """Rank of each score among the reference, (n,) float64 → (n,)."""
    values, first, counts = np.unique(reference, return_index=True, return_counts=True)
    ranks = (first + counts / 2.0) / len(reference)
    width = values[-1] - values[0]
    width = float(width) if width > 0 else 1.0
    above, below = (scores - float(values[-1])).clamp_min(0.0), (float(values[0]) - scores).clamp_min(0.0)
    beyond = (torch.log1p(above / width) - torch.log1p(below / width)) / len(reference)
    # A single value twice, as it takes two to lie between.
    knots, heights = (torch.from_numpy(np.resize(v, max(len(v), 2))) for v in (values, ranks))
    return between(scores[None], knots[None], heights[None])[0] + beyond


def standard(scores: Tensor, reference: Scores) -> Tensor:
    """Scores in standard deviations from the mean of the reference."""
    deviation = float(reference.std())
    return (scores - float(reference.mean())) / (deviation if deviation > 0 else 1.0)


def mean_rank(scores: Sequence[Tensor], references: Sequence[Scores]) -> Tensor:
    """Mean of the members' ranks."""
    return torch.stack([rank(*pair) for pair in zip(scores, references, strict=True)]).mean(0)


def waic(scores: Sequence[Tensor], references: Sequence[Scores]) -> Tensor:
    """Mean plus variance of the members' standardised scores."""
    z = torch.stack([standard(*pair) for pair in zip(scores, references, strict=True)])
    mean = z.mean(0)
    return mean + (z - mean).square().mean(0)


COMBINING: Final[Mapping[str, Callable[[Sequence[Tensor], Sequence[Scores]], Tensor]]] = {
    "rank": mean_rank,
    "waic": waic,
}
"""By the names of `ringfence.combination.COMBINATIONS`."""
