"""How latent vectors move downhill: Adam and L-BFGS over slots, each with a state and an age of its own.

A walk is told each slot's loss and slope at the place where it looked, and says where to look next. Every number is
computed slot by slot, value by value, so that a slot's path is a function of what it was told and of its age.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

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


class Walk(ABC):
    """The state of every slot. `place`, (slots, d), is where each looks."""

    steps: int
    """Passes that a slot has."""
    valued: ClassVar[bool]
    """Whether it moves by losses, and not by slopes alone."""

    @abstractmethod
    def open(self, place: Tensor) -> None:
        """Make the state of slots that look at `place`."""

    @abstractmethod
    def begin(self, slots: Tensor) -> None:
        """Forget what was known of some slots, by number."""

    @abstractmethod
    def move(self, place: Tensor, value: Tensor | None, slope: Tensor, age: Tensor) -> None:
        """Move `place` of every slot whose age, (slots,), is below `steps`; the others stay where they are."""

    @abstractmethod
    def ends(self, place: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Where each slot that moves no more has ended, and its loss there, after the loss at `place`."""


class Adam(Walk):
    """Adam with β = .9, .999 (Kingma and Ba 2015); rates and corrections go by each slot's own age."""

    valued = False
    BETAS = 0.9, 0.999
    EPS = 1e-8

    def __init__(self, schedule: Schedule) -> None:
        self.steps = schedule.steps
        first, second = self.BETAS
        # m̂ / (√v̂ + ε) is m / (√v + ε √c) times √c / b, with b = 1 − β₁ᵗ and c = 1 − β₂ᵗ. A slot that has come to its
        # end has a rate of 0.
        rows = [
            (-schedule.rate(t - 1) * math.sqrt(1 - second**t) / (1 - first**t), self.EPS * math.sqrt(1 - second**t))
            for t in range(1, schedule.steps + 1)
        ]
        self._rates = torch.tensor([*rows, (0.0, self.EPS)], dtype=torch.float64)

    def open(self, place: Tensor) -> None:
        """Zero moments."""
        self._rates = self._rates.to(place)
        self._mean, self._square, self._step = torch.zeros(3, *place.shape, dtype=place.dtype, device=place.device)
        self._now = place.new_empty(len(place), 2)
        self._rate, self._eps = self._now[:, :1], self._now[:, 1:]

    def begin(self, slots: Tensor) -> None:
        """Zero their moments."""
        self._mean[slots], self._square[slots] = 0.0, 0.0

    def move(self, place: Tensor, value: Tensor | None, slope: Tensor, age: Tensor) -> None:
        """One step."""
        first, second = self.BETAS
        torch.index_select(self._rates, 0, age, out=self._now)
        self._mean.lerp_(slope, 1 - first)
        self._square.mul_(second).addcmul_(slope, slope, value=1 - second)
        torch.sqrt(self._square, out=self._step).add_(self._eps)
        torch.div(self._mean, self._step, out=self._step)
        place.addcmul_(self._step, self._rate)

    def ends(self, place: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The last place."""
        return place, value


class LBFGS(Walk):
    """L-BFGS with a backtracking line search (Nocedal and Wright 2006, algorithms 3.1 and 7.4).

    A pass is a trial of the line search: taken where the loss fell by enough (Armijo, c = 10⁻⁴), else tried again at
    the minimum of the parabola through what is known, a tenth to a half as far. A search that fails `TRIES` times
    forgets its history and goes straight downhill; one that fails then as well has come to its end. The best place
    counts.
    """

    valued = True
    PAIRS = 8
    """Steps that the model of the curvature is made of."""
    TRIES = 8
    FALL = 1e-4

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def open(self, place: Tensor) -> None:
        """No history."""
        slots = len(place)
        self._base, self._slope, self._ahead = torch.zeros(3, *place.shape, dtype=place.dtype, device=place.device)
        self._moved, self._bent = torch.zeros(2, self.PAIRS, *place.shape, dtype=place.dtype, device=place.device)
        self._inverse = place.new_zeros(self.PAIRS, slots)  # 1 / ⟨moved, bent⟩; 0 where there is no pair
        self._value, self._reach, self._fall = place.new_zeros(3, slots)
        self._tries = place.new_zeros(slots, dtype=torch.long)
        self._stuck = place.new_zeros(slots, dtype=torch.bool)

    def begin(self, slots: Tensor) -> None:
        """Forget their history."""
        self._inverse[:, slots] = 0.0
        self._tries[slots], self._stuck[slots] = 0, False

    def move(self, place: Tensor, value: Tensor | None, slope: Tensor, age: Tensor) -> None:
        """Take the trial or try again nearer."""
        assert value is not None
        live = (age < self.steps) & ~self._stuck
        fresh = age == 0
        taken = live & (fresh | (value <= self._value + self.FALL * self._reach * self._fall))
        missed = live & ~taken
        self._remember(place, slope, taken & ~fresh)
        self._base = torch.where(taken[:, None], place, self._base)
        self._slope = torch.where(taken[:, None], slope, self._slope)
        self._value, before = torch.where(taken, value, self._value), self._value
        self._tries = torch.where(taken, 0, self._tries + missed)

        # Out of tries: straight downhill, or, where that was tried, nowhere.
        lost = missed & (self._tries >= self.TRIES)
        self._stuck |= lost & (self._inverse[0] == 0)
        again = lost & ~self._stuck
        self._tries = torch.where(again, 0, self._tries)
        self._inverse = torch.where(again, 0.0, self._inverse)

        turned = taken | again
        ahead, fall = self._direction()
        self._ahead = torch.where(turned[:, None], ahead, self._ahead)
        downhill = 1.0 / self._slope.abs().sum(1).clamp_min(1.0)  # the first step is no longer than 1 in sum
        first = torch.where(self._inverse[0] == 0, downhill, 1.0)
        short = self._shortened(value, before)
        self._reach = torch.where(turned, first, torch.where(missed, short, self._reach))
        self._fall = torch.where(turned, fall, self._fall)
        trial = self._base + self._reach[:, None] * self._ahead
        place.copy_(torch.where(live[:, None], torch.where(self._stuck[:, None], self._base, trial), place))

    def _remember(self, place: Tensor, slope: Tensor, taken: Tensor) -> None:
        moved, bent = place - self._base, slope - self._slope
        along = (moved * bent).sum(1)
        # A pair of no positive curvature would make the model point uphill.
        kept = taken & (along > 1e-10 * bent.square().sum(1))
        each = (self._moved, moved), (self._bent, bent), (self._inverse, 1.0 / along)
        for known, new in each:
            wide = kept.view(-1, *[1] * (new.ndim - 1))
            known.copy_(torch.where(wide, torch.cat([new[None], known[:-1]]), known))

    def _direction(self) -> tuple[Tensor, Tensor]:
        """−H ∇ by the two loops, and the slope along it; straight downhill where that does not lead down."""
        ahead, shares = self._slope.clone(), []
        for moved, bent, inverse in zip(self._moved, self._bent, self._inverse, strict=True):
            share = inverse * (moved * ahead).sum(1)
            ahead -= share[:, None] * bent
            shares.append(share)
        known = self._inverse[0] > 0
        scale = 1.0 / (self._inverse[0] * self._bent[0].square().sum(1))
        ahead *= torch.where(known, scale, 1.0)[:, None]
        pairs = zip(self._moved.flip(0), self._bent.flip(0), self._inverse.flip(0), reversed(shares), strict=True)
        for moved, bent, inverse, share in pairs:
            ahead += (share - inverse * (bent * ahead).sum(1))[:, None] * moved
        fall = -(ahead * self._slope).sum(1)
        astray = ~(fall < 0)
        self._inverse = torch.where(astray, 0.0, self._inverse)
        ahead = torch.where(astray[:, None], self._slope, ahead)
        return -ahead, torch.where(astray, -self._slope.square().sum(1), fall)

    def _shortened(self, value: Tensor, before: Tensor) -> Tensor:
        """Minimum of the parabola through the loss and slope at the base and the loss at the trial."""
        rise = value - before - self._fall * self._reach
        best = -self._fall * self._reach.square() / (2.0 * rise)
        return torch.where(best.isfinite(), best, 0.0).clamp(0.1 * self._reach, 0.5 * self._reach)

    def ends(self, place: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """The best place of which the loss is known."""
        better = value < self._value
        return torch.where(better[:, None], place, self._base), torch.where(better, value, self._value)
