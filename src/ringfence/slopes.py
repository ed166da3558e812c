"""Distances with their slopes, for searches that do without autograd."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from . import distances

Sloped = Callable[[Tensor, Tensor, bool], tuple[Tensor | None, Tensor]]
"""(made (n, …), target (n, …), whether values are wanted) → each row's distance (n,), or None, and its slope at `made`.

The slope is a new tensor. Adam has no use for values, which cost two more passes over all that was made.
"""


def l1(made: Tensor, target: Tensor, valued: bool) -> tuple[Tensor | None, Tensor]:
    """‖made − target‖₁; its slope is the sign."""
    apart = made - target
    value = apart.abs().flatten(1).sum(1) if valued else None
    return value, apart.sgn_()


def l2_squared(made: Tensor, target: Tensor, valued: bool) -> tuple[Tensor | None, Tensor]:
    """‖made − target‖₂²; its slope is twice what is between."""
    apart = made - target
    value = apart.square().flatten(1).sum(1) if valued else None
    return value, apart.mul_(2.0)


def by_autograd(distance: Callable[[Tensor, Tensor], Tensor]) -> Sloped:
    """Any other: (made, target) → (n,), each value a function of its own row."""

    def sloped(made: Tensor, target: Tensor, valued: bool) -> tuple[Tensor | None, Tensor]:
        with torch.enable_grad():
            place = made.detach().requires_grad_()
            value = distance(place, target)
            (slope,) = torch.autograd.grad(value.sum(), place)
        return value.detach(), slope

    return sloped


SLOPED: dict[str, Sloped] = {"l1": l1, "l2_squared": l2_squared}
"""Those whose slope is a line; all others go by autograd."""


def residual(heads: Sequence[tuple[int, int]], distance: str) -> Sloped:
    """Of a row from what was made of it, as `distances.residual`; categories are among its columns at `heads`."""
    if not heads and distance in SLOPED:
        return SLOPED[distance]
    return by_autograd(lambda made, x: distances.residual(x, made, heads, distance))
