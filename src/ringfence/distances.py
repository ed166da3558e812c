"""Distances: how far a row is from another, or from what a network makes of it. Pure functions, one value a row.

Those that come from a similarity (a kernel, an angle, the structure of images) are bounded, unlike the sums: beside
one, with a sum's weight, they count for little.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 7
"""Side of the window of :func:`ssim`; images with a shorter side have the largest odd one that fits."""

RANGE = 2.0
"""Range of the values of images, as :func:`ssim` takes it: −1…1, what generators of images make."""


def l1(a: Tensor, b: Tensor) -> Tensor:
    """Sum of absolute differences of each row, ‖a − b‖₁; (n, …) → (n,)."""
    return (a - b).abs().flatten(1).sum(1)


def l2(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance of each row, ‖a − b‖₂; (n, …) → (n,)."""
    distance: Tensor = torch.linalg.vector_norm((a - b).flatten(1), dim=1)
    return distance


def linf(a: Tensor, b: Tensor) -> Tensor:
    """Largest absolute difference of each row, ‖a − b‖∞; (n, …) → (n,)."""
    return (a - b).abs().flatten(1).amax(1)


def l2_squared(a: Tensor, b: Tensor) -> Tensor:
    """Sum of squared differences of each row, ‖a − b‖₂²; (n, …) → (n,)."""
    return (a - b).square().flatten(1).sum(1)


def mean_absolute(a: Tensor, b: Tensor) -> Tensor:
    """Mean of absolute differences of each row; (n, …) → (n,)."""
    return (a - b).abs().flatten(1).mean(1)


def mean_squared(a: Tensor, b: Tensor) -> Tensor:
    """Mean of squared differences of each row; (n, …) → (n,)."""
    return (a - b).square().flatten(1).mean(1)


def rbf(a: Tensor, b: Tensor) -> Tensor:
    """1 − exp(−‖a − b‖² / 2σ²), σ² the number of values in a row; (n, …) → (n,), 0…1.

    With that σ it is a function of the mean squared difference m, 1 − exp(−m / 2), and means the same for rows of any
    length: m = 1 is one standard deviation in every standardised column.
    """
    return -torch.expm1(-0.5 * (a - b).square().flatten(1).mean(1))


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """1 − cos of the angle between rows, 1 where one of them is zero; (n, …) → (n,), 0…2."""
    return 1.0 - F.cosine_similarity(a.flatten(1), b.flatten(1))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """1 − mean SSIM (Wang et al. 2004, Eq. 13), over channels and all places of the window; (n, c, h, w) → (n,), 0…2.

    A uniform window of 7×7 pixels that lies wholly within the image, and the paper's K₁ = .01 and K₂ = .03 for values
    in a range of 2; variances are divided by the number of pixels.
    """
    side = min(WINDOW, a.shape[2] - 1 + a.shape[2] % 2, a.shape[3] - 1 + a.shape[3] % 2)

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, side, stride=1)

    mean_a, mean_b = mean(a), mean(b)
    c1, c2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
    covariance = mean(a * b) - mean_a * mean_b
    spread = mean(a.square()) - mean_a.square() + mean(b.square()) - mean_b.square()
    alike = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return 1.0 - (alike / ((mean_a.square() + mean_b.square() + c1) * (spread + c2))).flatten(1).mean(1)


DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "l1": l1,
    "l2": l2,
    "l2_squared": l2_squared,
    "linf": linf,
    "mean_absolute": mean_absolute,
    "mean_squared": mean_squared,
    "rbf": rbf,
    "cosine": cosine,
}
"""Distances of rows, features and latent vectors by name."""

IMAGE_DISTANCES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"ssim": ssim}
"""Distances that are for images alone."""

ROW_DISTANCES = {**DISTANCES, **IMAGE_DISTANCES}
"""Distances of rows from their reconstructions."""


LEAST_PROBABILITY = 1e-6
"""A category's cross-entropy is measured as if no probability were lower: −log of it, 13.8, is the most there is."""


def categories(x: Tensor, p: Tensor, heads: Sequence[tuple[int, int]]) -> Tensor:
    """Σ over categories of −log max(⟨x, p⟩, 10⁻⁶): cross-entropy of one-hot x under probabilities p; (n, d) → (n,).

    A value that training never saw is all zeros in x, and costs the most.
    """
    each = [(x[:, a:b] * p[:, a:b]).sum(1).clamp_min(LEAST_PROBABILITY).log() for a, b in heads]
    return -torch.stack(each).sum(0)


def residual(x: Tensor, remade: Tensor, heads: Sequence[tuple[int, int]], distance: str = "l1") -> Tensor:
    """Distance of the numbers in each row, plus the cross-entropy of its categories where it has some."""
    if not heads:
        return ROW_DISTANCES[distance](x, remade)
    numbers = heads[0][0]
    apart = categories(x, remade, heads)
    return apart + DISTANCES[distance](x[:, :numbers], remade[:, :numbers]) if numbers else apart


def gaussian(x: Tensor, mean: Tensor, deviation: Tensor, heads: Sequence[tuple[int, int]] = ()) -> Tensor:
    """−log N(x; mean, deviation²) of the numbers in each row, plus the cross-entropy of its categories; → (n,).

    Parameters
    ----------
    x, mean, deviation
        (n, …) each, the deviations positive; in the columns of categories `mean` holds probabilities, and the deviation
        is not looked at.
    heads
        First column and end of each category; numbers come before the first.
    """
    each = 0.5 * ((x - mean) / deviation).square() + deviation.log() + 0.5 * math.log(2.0 * math.pi)
    if not heads:
        return each.flatten(1).sum(1)
    return each[:, : heads[0][0]].sum(1) + categories(x, mean, heads)
