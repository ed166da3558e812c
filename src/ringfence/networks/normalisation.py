"""Normalisation of values (batch, layer) and of weights (spectral, by their norm).

What keeps statistics writes them only while it trains and the loop lets it: scoring and the moves of other players
change nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .axis import beside, stacked

Normaliser = Callable[[Tensor], nn.Module]
"""Makes of a weight, (k, out, …), the module that a layer passes it through."""


class Spectral(nn.Module):
    """Spectral normalisation W / σ(W) (Miyato et al. 2018): σ by one step of power iteration, for each member its own.

    The step is kept only while the layer trains and `tracking` is on, as batch norm's statistics are, so that scoring
    changes nothing.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.tracking = True
        matrix = weight.detach().flatten(2)
        u = torch.ones(matrix.shape[:2])
        for _ in range(15):  # a start near the first singular vector; it follows the weight from there
            u = _step(matrix, u)[0]
        self.register_buffer("u", u)

    def forward(self, weight: Tensor) -> Tensor:
        """Divide each member's weight, (k, out, …), by its largest singular value."""
        matrix = weight.flatten(2)
        with torch.no_grad():
            u, v = _step(matrix, self.get_buffer("u"))
            if self.training and self.tracking:
                self.get_buffer("u").copy_(u)
        sigma = torch.einsum("ko,koi,ki->k", u, matrix, v)
        return weight / sigma.view(-1, *[1] * (weight.ndim - 1))


def _step(matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """One step of power iteration for each member: (k, out, in) and (k, out) → new u and v."""
    v = F.normalize(torch.einsum("koi,ko->ki", matrix, u), dim=1)
    return F.normalize(torch.einsum("koi,ki->ko", matrix, v), dim=1), v


# Keeps the norm of a weight above 0, as the released code of the bad GAN does.
LEAST_SQUARE = 1e-6


class WeightNorm(nn.Module):
    """Weight normalisation s · W / ‖W‖ for each unit (Salimans and Kingma 2016), for each member its own.

    Parameters
    ----------
    weight
        (k, out, …), of which only the shape is used.
    learned
        Whether the scales s, (k, out), are learned; otherwise they stay where :func:`settle` put them, 1 at first.
    """

    def __init__(self, weight: Tensor, learned: bool) -> None:
        super().__init__()
        scale = torch.ones(weight.shape[:2])
        if learned:
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)

    def forward(self, weight: Tensor) -> Tensor:
        """Scale each unit's weights, (k, out, …), to the norm s."""
        norm = (weight.square().flatten(2).sum(2) + LEAST_SQUARE).sqrt()
        return weight * (self.scale / norm).view(*norm.shape, *[1] * (weight.ndim - 2))


class LayerNorm(nn.Module):
    """All values of a row to mean 0 and variance 1, then a scale and a shift for each channel; eps .00001."""

    def __init__(self, channels: int, members: int) -> None:
        super().__init__()
        self.members = members
        self.weight = nn.Parameter(torch.ones(members, channels))
        self.bias = nn.Parameter(torch.zeros(members, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (k·b, c) or (k·b, c, h, w)."""
        flat = x.flatten(1)
        apart = flat - flat.mean(1, keepdim=True)
        made = (apart / (apart.square().mean(1, keepdim=True) + 1e-5).sqrt()).view(self.members, -1, *x.shape[1:])
        scale, shift = (t.view(self.members, 1, -1, *[1] * (x.ndim - 2)) for t in (self.weight, self.bias))
        return (made * scale + shift).view(x.shape)


class BatchNorm(nn.Module):
    """Batch normalisation over rows and pixels, for each member its own.

    In training mode it uses the batch's statistics; it writes the running ones only while `tracking` is on, which the
    training loop switches on for the networks of the player that moves.
    """

    def __init__(self, channels: int, *, momentum: float, eps: float, members: int, affine: bool = True) -> None:
        super().__init__()
        self.members, self.momentum, self.eps, self.tracking = members, momentum, eps, True
        self.weight = nn.Parameter(torch.ones(members, channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(members, channels)) if affine else None
        self.register_buffer("running_mean", torch.zeros(members, channels))
        self.register_buffer("running_var", torch.ones(members, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (k·b, c) or (k·b, c, h, w)."""
        write = self.training and self.tracking
        keep = write or not self.training
        out = F.batch_norm(
            beside(x, self.members) if self.members > 1 else x,
            self.get_buffer("running_mean").flatten() if keep else None,
            self.get_buffer("running_var").flatten() if keep else None,
            None if self.weight is None else self.weight.flatten(),
            None if self.bias is None else self.bias.flatten(),
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )
        return stacked(out, self.members) if self.members > 1 else out


TRACKING = (BatchNorm, Spectral)
"""Layers that write statistics while they train and their `tracking` is on."""


@contextmanager
def untracked(network: nn.Module) -> Iterator[None]:
    """Let a network write no statistics for a while: its passes there are no part of what it learns from."""
    writing = [layer for layer in network.modules() if isinstance(layer, TRACKING) and layer.tracking]
    for layer in writing:
        layer.tracking = False
    try:
        yield
    finally:
        for layer in writing:
            layer.tracking = True
