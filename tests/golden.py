"""What golden tests share: logits whose D is a plain fraction, players of a game by hand, and one step of it."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ringfence.game import Batch

LOG2, LOG3, LOG4 = math.log(2), math.log(3), math.log(4)
# σ(log 3) = 3/4 and σ(0) = 1/2: logits whose D is a plain fraction.
THREE_QUARTERS, HALF, QUARTER = LOG3, 0.0, -LOG3
APPROX = {"rel": 1e-5, "abs": 1e-6}


def values(t: Tensor) -> list[Any]:
    return t.detach().double().tolist()


def softplus(value: float) -> float:
    return math.log1p(math.exp(value))


class Judge:
    """A discriminator whose logit and features are any functions of its arguments."""

    def __init__(self, logit: Callable[..., Tensor], features: Callable[..., Tensor] | None = None) -> None:
        self.logit, self.features = logit, features or (lambda *a: a[0])

    def __call__(self, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        return self.logit(*arguments), self.features(*arguments)

    def both(self, real: Sequence[Tensor], fake: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return self.logit(*real), self.logit(*fake)

    def several(self, firsts: Sequence[Tensor], *others: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [self(each, *others) for each in firsts]


def first(x: Tensor) -> Tensor:
    """The first value of each row, for a logit."""
    return x[:, 0]


class Summing:
    """A discriminator that learns: logit = weight · Σ of its argument; what it is shown is kept."""

    def __init__(self, weight: float) -> None:
        self.weight = torch.tensor(weight, requires_grad=True)
        self.seen: list[Tensor] = []

    def __call__(self, a: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(a)
        return self.weight * a.sum(1), a

    def both(self, real: tuple[Tensor], fake: tuple[Tensor]) -> tuple[Tensor, Tensor]:
        return self(*real)[0], self(*fake)[0]


def batch(x: list[list[float]], noise: list[list[float]] | Tensor | None = None, members: int = 1) -> Batch:
    """A step on rows x with `noise` from the prior, zeros if none is given."""
    fixed = torch.zeros(len(x), 1) if noise is None else torch.as_tensor(noise)
    return Batch(torch.tensor(x), 0, 0, 0.0, members, lambda n: fixed[: n * members])


def terms(det: Any, nets: Any, b: Batch) -> dict[str, list[float]]:
    """Every term of the players of the last stage, as values."""
    found: dict[str, list[float]] = {}
    for player in det.stages()[-1].players:
        found |= {f"{player.title}.{k}": values(v) for k, v in player.loss(nets, b).items()}
    return found
