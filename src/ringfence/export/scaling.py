"""The fitted scaling as a function of tensors, to be traced: what `Preprocess.tensor` does in NumPy."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..preprocess import KNOTS, Preprocess


def scaling(fitted: Preprocess) -> Callable[[Tensor], Tensor]:
    """Return (n, *given) of float64 or float32 → (n, *shape) float32, computed in float64."""
    shift, width = (torch.from_numpy(np.array(v, dtype=np.float64)) for v in (fitted.shift, fitted.width))
    knots = None if fitted.knots is None else torch.from_numpy(fitted.knots.copy())
    limit = float(np.finfo(np.float32).max) ** 0.25

    def scaled(x: Tensor) -> Tensor:
        x = x.double()
        x = x if len(fitted.given) == len(fitted.shape) else x[:, None]
        x = (x - shift) / width if knots is None else _ranked(x, knots, width, fitted.heads)
        return x.clamp(-limit, limit).float()

    return scaled


def _ranked(x: Tensor, knots: Tensor, width: Tensor, heads: tuple[tuple[int, int], ...]) -> Tensor:
    """Quantile scaling; the categories, which come last, stay as they are."""
    numbers = heads[0][0] if heads else knots.shape[1]
    # A row of values for each column of knots.
    values = (x if x.ndim == 2 else x.reshape(-1, 1))[:, :numbers].t().contiguous()
    table = knots[:, :numbers].t().contiguous()
    widths = width.expand(knots.shape[1])[:numbers, None]
    low, high = table[:, :1], table[:, -1:]
    beyond = ((values - high).clamp_min(0.0) - (low - values).clamp_min(0.0)) / widths
    left, right = torch.searchsorted(table, values), torch.searchsorted(table, values, right=True)
    middle = (left + right - 1).double() / 2 / (KNOTS - 1)
    shares = torch.linspace(0.0, 1.0, KNOTS, dtype=torch.float64).expand(len(table), -1)
    ranks = 2 * torch.where(right > left, middle, between(values, table, shares)) - 1
    found = torch.where(low == high, 0.0, ranks) + beyond
    found = found.t().reshape(-1, *x.shape[1:]) if x.ndim > 2 else torch.cat([found.t(), x[:, numbers:]], 1)
    return found


def between(values: Tensor, knots: Tensor, heights: Tensor) -> Tensor:
    """NumPy's `interp` for each row: values (d, n) at rising knots (d, m) of the given heights (d, m)."""
    knots, heights = knots.contiguous(), heights.contiguous()
    at = (torch.searchsorted(knots, values, right=True) - 1).clamp(0, knots.shape[1] - 2)
    gaps, rises = knots.diff(dim=1), heights.diff(dim=1)
    slopes = rises / torch.where(gaps > 0, gaps, 1.0)  # between two knots that are alike lies nothing
    inside = (values - knots.gather(1, at)) * slopes.gather(1, at) + heights.gather(1, at)
    low = torch.where(values < knots[:, :1], heights[:, :1], inside)
    return torch.where(values >= knots[:, -1:], heights[:, -1:], low)
