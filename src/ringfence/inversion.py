"""Descents in latent space: the search of AnoGAN and its kin inside scoring, and OCGAN's mining inside training.

Every row has its own loss, its own steps and its own end (:mod:`ringfence.slots`): a search of many rows is many
searches of one row. Networks stay as they are.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from scipy.special import gammaincinv
from torch import Tensor
from torch.nn.functional import softplus

from .exceptions import InvalidParameter
from .networks import Still, StillJudge
from .slopes import Sloped, l1
from .slots import Accept, Objective, run
from .walks import LBFGS, Adam, Schedule, Walk


def off_shell(z: Tensor) -> Tensor:
    """|‖z‖₂ − √(d − 1)|: how far latent vectors of N(0, I_d) are from the likeliest length, the mode of χ; → (n,)."""
    length: Tensor = torch.linalg.vector_norm(z, dim=1)
    return (length - math.sqrt(z.shape[1] - 1)).abs()


def off_shell_sloped(z: Tensor) -> tuple[Tensor, Tensor]:
    """`off_shell` and its slope, the direction of z or its opposite; (n,) and (n, d)."""
    length = torch.linalg.vector_norm(z, dim=1, keepdim=True)
    beyond = length - math.sqrt(z.shape[1] - 1)
    # A zero vector has no direction, and no slope.
    return beyond.abs()[:, 0], torch.where(length > 0, z / length, 0.0) * beyond.sgn()


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


@dataclass(frozen=True)
class Plan:
    """How a row is searched for.

    Attributes
    ----------
    schedule
        Steps, and Adam's rates.
    optimiser
        One of `OPTIMISERS`.
    accept
        Puts places back to those that are accepted; None accepts all.
    stop
        Share, above 0 and below 1, by which a row's loss must fall within a tenth of the steps, or its search ends;
        None takes all steps.
    """

    schedule: Schedule
    optimiser: str = "adam"
    accept: Accept | None = None
    stop: float | None = None


OPTIMISERS: dict[str, Callable[[Schedule], Walk]] = {"adam": Adam, "lbfgs": lambda schedule: LBFGS(schedule.steps)}
"""What may move latent vectors in a search."""


def slots_for(target: Tensor) -> int:
    """How many searches go on at a time, of tables and of images; docs/speed.md says why so many."""
    return 512 if target.ndim == 2 else 64


def search(
    objective: Objective, targets: Sequence[Tensor], starts: Tensor, plan: Plan, slots: int | None = None
) -> tuple[Tensor, Tensor]:
    """Find the latent vector of least loss for each row, over several starts.

    Rows that are equal are searched for once; so are those that a chunk is padded with.

    Parameters
    ----------
    objective
        Loss of latent vectors and its slope; see `ringfence.slots`.
    targets
        (n, …) each: what a row's loss is measured against. The first is the row itself, and tells who is equal.
    starts
        (restarts, d), common to all rows, or (n, restarts, d). The start with the lowest end wins.
    slots
        Searches that go on at a time; None is what suits the rows.

    Returns
    -------
    Latent vectors (n, d) and losses (n,), free of gradients.
    """
    with torch.no_grad():
        first, which = _distinct(targets[0])
        own = starts[first] if starts.ndim == 3 else starts.expand(len(first), *starts.shape)
        restarts = own.shape[1]
        many = [t[first].repeat_interleave(restarts, 0) for t in targets]
        walk = OPTIMISERS[plan.optimiser](plan.schedule)
        window = max(plan.schedule.steps // 10, 1)
        found, ends = run(
            objective, many, own.flatten(0, 1), walk, slots or slots_for(targets[0]), plan.accept,
            None if plan.stop is None else (plan.stop, window),
        )  # fmt: skip
        best = ends.view(-1, restarts).argmin(1) + torch.arange(len(first), device=ends.device) * restarts
        return found[best[which]], ends[best[which]]


def _distinct(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Of rows that are equal to the bit the first, in order, and for each row its place among those."""
    seen: dict[bytes, int] = {}
    places = [seen.setdefault(row.tobytes(), len(seen)) for row in rows.cpu().numpy()]
    which = torch.tensor(places, device=rows.device)
    order = torch.arange(len(rows), device=rows.device)
    first = torch.full((len(seen),), len(rows), device=rows.device).scatter_reduce_(0, which, order, "amin")
    return first, which


PARTS = "residual", "feature", "cross_entropy", "latent"


@dataclass(frozen=True)
class Judged:
    """An objective: how far G(z) is from a row, as rows, in D's features, by D's verdict, and by z itself.

    Called with (places, rows, D's features of the rows).

    Attributes
    ----------
    generator, judge
        Held still.
    residual
        Distance of rows.
    weights
        Of `PARTS`, "residual" above 0; those without one are not looked at.
    """

    generator: Still
    judge: StillJudge
    residual: Sloped
    weights: Mapping[str, float]

    def __call__(self, z: Tensor, rows: Tensor, features: Tensor, valued: bool) -> tuple[Tensor | None, Tensor]:
        """Loss of each place, (n,), if it is wanted, and its slope there, (n, d)."""
        residual, feature, doubt, shell = (self.weights.get(part, 0.0) for part in PARTS)
        # Slopes at what was made are in units of one weight, which is put on where they are few: at the latent vectors.
        unit = feature or residual
        values: list[tuple[float, Tensor | None]] = []
        made = self.generator.forward(z)
        value, slope = self.residual(made, rows, valued)
        values.append((residual, value))
        if feature or doubt:
            logit, seen = self.judge.forward(made, logit=doubt > 0)
            value, along = l1(seen, features, valued) if feature else (None, torch.zeros_like(seen))
            values.append((feature, value))
            down = None
            if logit is not None:
                values.append((doubt, softplus(-logit)))
                down = torch.sigmoid(-logit).mul_(-doubt / unit)
            slope = self.judge.back(down, along).add_(slope, alpha=residual / unit)
        slope = self.generator.back(slope).mul_(unit)
        if shell:
            value, along = off_shell_sloped(z)
            values.append((shell, value))
            slope = slope + shell * along
        terms = [weight * value for weight, value in values if value is not None]
        return torch.stack(terms).sum(0) if valued else None, slope


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
