"""Descents in latent space: the search of AnoGAN and its kin inside scoring, and OCGAN's mining inside training.

Every row has its own loss and its own steps: Adam works on each value alone, and a row's loss is a function of that
row's latent vector only, so a search of many rows is many searches of one row. Networks stay as they are.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .exceptions import InvalidParameter
from .limits import Limit

RATE = Limit(0, open_low=True)


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


def descend(loss: Callable[[Tensor], Tensor], start: Tensor, schedule: Schedule) -> tuple[Tensor, Tensor]:
    """Lower each row's own loss by Adam (β = .9, .999), from `start`.

    Parameters
    ----------
    loss
        (n, d) → (n,), each value a function of its own row.
    start
        (n, d); left as it is.

    Returns
    -------
    The last place of each row, (n, d), and its loss there, (n,), both free of gradients.
    """
    place = start.detach().clone().requires_grad_()
    optimiser = torch.optim.Adam([place], lr=schedule.rates[0], fused=True)
    with torch.enable_grad():
        for step in range(schedule.steps):
            optimiser.param_groups[0]["lr"] = schedule.rate(step)
            (place.grad,) = torch.autograd.grad(loss(place).sum(), [place])
            optimiser.step()
    found = place.detach()
    with torch.no_grad():
        return found, loss(found)


def search(
    loss: Callable[..., Tensor], targets: Sequence[Tensor], starts: Tensor, schedule: Schedule
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

    Returns
    -------
    Latent vectors (n, d) and losses (n,).
    """
    count, restarts = len(targets[0]), len(starts)
    many = [t.repeat_interleave(restarts, 0) for t in targets]
    found, ends = descend(lambda z: loss(z, *many), starts.repeat(count, 1), schedule)
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
