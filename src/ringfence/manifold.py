"""Densities along a learned manifold and off it: volumes of Jacobians, generalised normals, distances. Pure functions.

All in float64, finite, and of each row alone: there is no product of matrices, which may round a row by its place
among the others.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEAST_STRETCH = 1e-6
"""A direction that is stretched less (a latent value that the decoder ignores) counts as stretched by this."""
LEAST_DISTANCE = 1e-6
"""No row counts as nearer to the manifold: a density off it has a pole there."""
LARGEST_EXPONENT = 600.0
"""Of e: what lies further out in a generalised normal counts as lying there."""

SHAPES = (0.2, 10.0)
"""Bounds of a fitted β: with a larger one all that lies beyond the training codes is alike impossible."""
LEAST_SCALE = 1e-6
"""Smallest fitted α: a latent value that is the same for all rows has none."""


def decoder_jacobian(decoder: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """∂x/∂z of a decoder (n, d) → (n, …) with m values a row, (n, m, d) float64."""
    with torch.enable_grad():
        place = z.detach().requires_grad_()
        made = decoder(place)
        # What is pulled back, Jᵀv, is linear in v: its own slope in v along a direction is J times that direction. That
        # is one pass for each of the d directions, not one for each of the m values.
        v = torch.zeros_like(made, requires_grad=True)
        pulled = _slope(made, place, v, create_graph=True)
        columns = [_slope(pulled, v, direction).flatten(1) for direction in _directions(z)]
    return torch.stack(columns, 2).double()


def encoder_jacobian(encoder: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∂z/∂x of an encoder (n, …) → (n, d) for rows of m values, (n, d, m) float64."""
    with torch.enable_grad():
        place = x.detach().requires_grad_()
        z = encoder(place)
        rows = [_slope(z, place, direction).flatten(1) for direction in _directions(z)]
    return torch.stack(rows, 1).double()


def _directions(z: Tensor) -> Iterator[Tensor]:
    """For each column of (n, d) the direction of it, in all rows: passes then have the shape that scoring's have."""
    for at in range(z.shape[1]):
        direction = torch.zeros_like(z)
        direction[:, at] = 1.0
        yield direction


def _slope(of: Tensor, by: Tensor, weights: Tensor, create_graph: bool = False) -> Tensor:
    slope: Tensor
    (slope,) = torch.autograd.grad(
        of, by, weights, retain_graph=True, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return slope if create_graph else slope.detach()


def log_volume(jacobian: Tensor) -> Tensor:
    """Σ log s_i over the min(a, b) singular values of each row's matrix, (n, a, b) → (n,).

    Their product is the volume that the matrix makes of a unit cube, which is also that of its columns made orthogonal
    one after another (Gram and Schmidt's way). Lengths below `LEAST_STRETCH` count as that.
    """
    count, a, b = jacobian.shape
    rest = (jacobian.mT if a >= b else jacobian).double().contiguous()
    total = torch.zeros(count, dtype=torch.float64, device=jacobian.device)
    for _ in range(min(a, b)):
        first, rest = rest[:, :1], rest[:, 1:]
        length = first.square().sum(2, keepdim=True).sqrt().clamp_min(LEAST_STRETCH)
        unit = first / length
        rest = rest - (rest * unit).sum(2, keepdim=True) * unit
        total = total + length[:, 0, 0].log()
    return total


def generalised_normal(z: Tensor, shape: Tensor, location: Tensor, scale: Tensor) -> Tensor:
    """Σ_j log β_j / (2 α_j Γ(1/β_j)) − (|z_j − μ_j| / α_j)^β_j; (n, d) and β, μ, α of (d,) → (n,).

    β = 2 is the normal distribution with σ = α / √2, β = 1 Laplace's.
    """
    apart = (z.double() - location).abs() / scale
    exponent = shape * apart.clamp_min(1e-300).log()
    each = (shape / (2.0 * scale)).log() - torch.lgamma(1.0 / shape) - exponent.clamp_max(LARGEST_EXPONENT).exp()
    return each.sum(1)


def fit_generalised_normal(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """β, μ and α of greatest likelihood for each column of (n, d) finite codes: (3, d).

    β is held to `SHAPES`, μ and α being fitted again with the bound that it crossed.
    """
    from scipy.stats import gennorm  # not before it is needed: the import takes as long as the rest of the package

    def fit(column: NDArray[np.float64]) -> tuple[float, ...]:
        shape, *rest = gennorm.fit(column)
        held = float(np.clip(shape, *SHAPES))
        return (shape, *rest) if held == shape else gennorm.fit(column, f0=held)

    with np.errstate(all="ignore"):
        found = np.array([fit(column) for column in codes.T.astype(np.float64)]).T
    found[2] = np.maximum(found[2], LEAST_SCALE)
    return found


def codimension(values: int, latent_dim: int, power: float = 1.0) -> float:
    """N = power · (m − n), directions off the manifold; at least 1."""
    return max(power * (values - latent_dim), 1.0)


def log_perpendicular(distance: Tensor, edges: Tensor, heights: Tensor, n: float) -> Tensor:
    """Density off the manifold, log [Γ(N/2) / (2 π^(N/2) d^(N−1)) · r(d)] of distances d, (n,) → (n,).

    Parameters
    ----------
    distance
        (n,), at least 0.
    edges, heights
        r as :func:`histogram` gives it. Before its first edge it goes on as the first bin; beyond the last it falls by
        e with every width of a bin, so that no two distances there are alike.
    n
        N, see :func:`codimension`.
    """
    d = distance.double()
    at = torch.searchsorted(edges, d.contiguous(), right=True).sub(1).clamp(0, len(heights) - 1)
    beyond = (d - edges[-1]).clamp_min(0.0) / (edges[-1] - edges[-2])
    surface = math.lgamma(n / 2.0) - math.log(2.0) - n / 2.0 * math.log(math.pi)
    return surface - (n - 1.0) * d.clamp_min(LEAST_DISTANCE).log() + heights[at].log() - beyond


def histogram(distances: NDArray[np.float64], bins: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges, (bins + 1,), and densities, (bins,), of distances from the least to the largest.

    An empty bin counts as one with half a row: its density is low and not 0.
    """
    counts, edges = np.histogram(distances.astype(np.float64), bins)
    return edges, np.maximum(counts, 0.5) / (len(distances) * np.diff(edges))
