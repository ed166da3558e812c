"""Descents in latent space: the search of AnoGAN and its kin inside scoring, and OCGAN's mining inside training.

Every row has its own loss and its own steps: Adam works on each value alone, and a row's loss is a function of that
row's latent vector only, so a search of many rows is many searches of one row. Networks stay as they are.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from scipy.special import gammaincinv
from torch import Tensor

from .exceptions import InvalidParameter
from .limits import Limit

RATE = Limit(0, open_low=True)

PROBE = 0.01
"""How far ahead a search looks for what it may not accept."""

Accept = Callable[[Tensor], Tensor]
"""Puts latent vectors, (n, d), back to those that a search accepts, each by itself."""


@dataclass(frozen=True)
class Schedule:
    """Learning rates of a descent: `rates[i]` until step `until[i]`, the last to the end.

    Attributes
    ----------
    steps
        Number of gradient steps, at least 1.
    rates, until
        Piecewise constant rates; `until` is one shorter than `rates`.
    """

    steps: int
    rates: Sequence[float]
    until: Sequence[int] = ()

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InvalidParameter(f"steps={self.steps}: a search needs at least 1 step")
        if not len(self.rates) or not all(RATE.allows(rate) for rate in self.rates):
            raise InvalidParameter(f"search_rates={self.rates!r}: allowed are one or more {RATE}")
        if len(self.until) != len(self.rates) - 1 or list(self.until) != sorted(self.until):
            raise InvalidParameter(
                f"search_until={self.until!r}: allowed are {len(self.rates) - 1} rising steps"
                f" for {len(self.rates)} rates in search_rates"
            )

    def rate(self, step: int) -> float:
        """Rate of a step, counted from 0."""
        return self.rates[sum(step >= bound for bound in self.until)]


def off_shell(z: Tensor) -> Tensor:
    """|‖z‖₂ − √(d − 1)|: how far latent vectors of N(0, I_d) are from the likeliest length, the mode of χ; → (n,)."""
    length: Tensor = torch.linalg.vector_norm(z, dim=1)
    return (length - math.sqrt(z.shape[1] - 1)).abs()


def needs_normal(what: str, prior: str) -> None:
    """Raise `InvalidParameter` for an option that stands on the lengths of normal vectors under another prior."""
    if prior != "normal":
        raise InvalidParameter(f"{what} needs prior='normal', whose lengths follow χ, not {prior!r}")


@dataclass(frozen=True)
class Likely:
    """Accepts the lengths that hold a share of N(0, I_d) between them, with equal shares below and above.

    ‖z‖₂ follows the χ distribution with d degrees. A z that is shorter or longer is put back along its own direction.

    Attributes
    ----------
    share
        Above 0 and below 1.
    """

    share: float

    def bounds(self, dim: int) -> tuple[float, float]:
        """Shortest and longest length of d values: quantiles of χ, the roots of those of χ²."""
        low, high = (math.sqrt(2 * float(gammaincinv(dim / 2, (1 + side * self.share) / 2))) for side in (-1, 1))
        return low, high

    def __call__(self, z: Tensor) -> Tensor:
        """Return the accepted vectors, (n, d); those within are the same to the bit."""
        low, high = self.bounds(z.shape[1])
        length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
        # A zero vector has no direction of its own; it goes along the diagonal.
        directed = torch.where(length > 0, z, low / math.sqrt(z.shape[1]))
        length = torch.where(length > 0, length, low)
        return directed * (length.clamp(low, high) / length)


def descend(
    loss: Callable[[Tensor], Tensor], start: Tensor, schedule: Schedule, accept: Accept | None = None
) -> tuple[Tensor, Tensor]:
    """Lower each row's own loss by Adam (β = .9, .999), from `start`.

    Parameters
    ----------
    loss
        (n, d) → (n,), each value a function of its own row.
    start
        (n, d); left as it is.
    accept
        Applied to the start and after every step; None accepts every place.

    Returns
    -------
    The last place of each row, (n, d), and its loss there, (n,), both free of gradients.
    """
    place = (accept(start.detach()) if accept else start.detach()).clone().requires_grad_()
    optimiser = torch.optim.Adam([place], lr=schedule.rates[0], fused=True)
    with torch.enable_grad():
        for step in range(schedule.steps):
            optimiser.param_groups[0]["lr"] = schedule.rate(step)
            (slope,) = torch.autograd.grad(loss(place).sum(), [place])
            place.grad = _followed(slope, place.detach(), accept) if accept else slope
            optimiser.step()
            if accept:
                place.data.copy_(accept(place.detach()))
    found = place.detach()
    with torch.no_grad():
        return found, loss(found)


def _followed(slope: Tensor, place: Tensor, accept: Accept) -> Tensor:
    """What accepted places can follow of each row's slope: one that leads out of them bends along their border.

    Adam takes steps of one size along every axis; what leads out would outweigh the rest in it for good.
    """
    pace = PROBE / torch.linalg.vector_norm(slope, dim=1, keepdim=True).clamp_min(1e-12)
    ahead = place - pace * slope
    kept = accept(ahead)
    return torch.where((kept == ahead).all(1, keepdim=True), slope, (place - kept) / pace)


def search(
    loss: Callable[..., Tensor],
    targets: Sequence[Tensor],
    starts: Tensor,
    schedule: Schedule,
    accept: Accept | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the latent vector of least loss for each row, over several common starts.

    Parameters
    ----------
    loss
        (latent vectors (n, d), *targets (n, …)) → (n,).
    targets
        What each row's loss is measured against: the row, its features.
    starts
        (restarts, d): every row starts at each of them; the start with the lowest end wins.
    accept
        As in :func:`descend`.

    Returns
    -------
    Latent vectors (n, d) and losses (n,).
    """
    count, restarts = len(targets[0]), len(starts)
    many = [t.repeat_interleave(restarts, 0) for t in targets]
    found, ends = descend(lambda z: loss(z, *many), starts.repeat(count, 1), schedule, accept)
    best = ends.view(count, restarts).argmin(1) + torch.arange(count, device=ends.device) * restarts
    return found[best], ends[best]


def mine(
    loss: Callable[[Tensor], Tensor],
    start: Tensor,
    steps: int,
    rate: float,
    project: Callable[[Tensor], Tensor],
) -> Tensor:
    """Lower each row's own loss by plain gradient steps, each one put back to where latent vectors may be.

    For use inside of a player's loss: no parameter gets a slope from it.

    Parameters
    ----------
    loss
        (n, d) → (n,).
    start
        (n, d); left as it is.
    rate
        Length of a step on a slope of 1.
    project
        (n, d) → (n, d): the nearest allowed places.

    Returns
    -------
    The last place of each row, (n, d), free of gradients.
    """
    place = start.detach()
    with torch.enable_grad():
        for _ in range(steps):
            place = place.detach().requires_grad_()
            (slope,) = torch.autograd.grad(loss(place).sum(), [place])
            place = project(place.detach() - rate * slope)
    return place.detach()
