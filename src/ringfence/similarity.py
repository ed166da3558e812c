"""Distances that come from a similarity: a kernel, an angle, the structure of images. One value a row.

They are bounded, unlike the sums of `ringfence.losses`: beside one, with a sum's weight, they count for little.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW = 7
"""Side of the window of :func:`ssim`; images with a shorter side have the largest odd one that fits."""

RANGE = 2.0
"""Range of the values of images, as :func:`ssim` takes it: −1…1, what generators of images make."""


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
