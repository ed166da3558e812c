"""The member axis: how the weights of k networks side by side are drawn, and how their rows lie in a batch."""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

Initialiser = Callable[[Tensor, int, int, torch.Generator], None]
"""Fills one member's weight in place, given fan-in, fan-out and the member's generator."""


def xavier(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """Glorot's uniform initialisation, U(±√(6 / (fan_in + fan_out))) ("Xavier" in the EGBAD paper, Tables 5 and 6)."""
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    weight.uniform_(-bound, bound, generator=rng)


def normal_002(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """N(0, 0.02²), the DCGAN initialisation (EGBAD paper, Tables 3 and 4)."""
    weight.normal_(0.0, 0.02, generator=rng)


def normal_001(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """N(0, 0.01²), what ALAD's released code draws its image networks by."""
    weight.normal_(0.0, 0.01, generator=rng)


def he(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """He's uniform initialisation for leaky ReLU, U(±√(6 / fan_in)): keeps the variance through deep stacks."""
    bound = math.sqrt(6.0 / fan_in)
    weight.uniform_(-bound, bound, generator=rng)


def xavier_relu(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """U(±√(12 / (fan_in + fan_out))): twice Glorot's variance, for what a ReLU halves (released code of f-AnoGAN)."""
    bound = math.sqrt(12.0 / (fan_in + fan_out))
    weight.uniform_(-bound, bound, generator=rng)


def lecun(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """N(0, 1 / fan_in) without what lies beyond two deviations, as Keras draws it (released code of SO-GAAL)."""
    deviation = math.sqrt(1.0 / fan_in)
    nn.init.trunc_normal_(weight, 0.0, deviation, -2 * deviation, 2 * deviation, generator=rng)


def identity(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """Ones on the diagonal of a dense layer's weight: what comes in goes out (released code of SO-GAAL)."""
    nn.init.eye_(weight)


INITIALISERS: dict[str, Initialiser] = {
    "xavier": xavier,
    "xavier_relu": xavier_relu,
    "normal_002": normal_002,
    "normal_001": normal_001,
    "he": he,
    "lecun": lecun,
    "identity": identity,
}
"""Ways to draw weights; "identity" is for rows of layer tables alone, as it needs a dense layer."""


def drawn(
    shape: Sequence[int], fans: tuple[int, int], init: Initialiser, rngs: Sequence[torch.Generator]
) -> nn.Parameter:
    """A weight with a leading axis of members, each of `shape`, drawn by its own generator."""
    weight = torch.empty(len(rngs), *shape)
    for member, rng in zip(weight, rngs, strict=True):
        init(member, fans[0], fans[1], rng)
    return nn.Parameter(weight)


def beside(x: Tensor, members: int) -> Tensor:
    """(k·b, c, …) → (b, k·c, …): members side by side as channel groups."""
    rows = x.view(members, -1, *x.shape[1:]).transpose(0, 1)
    return rows.reshape(rows.shape[0], -1, *x.shape[2:])


def stacked(x: Tensor, members: int) -> Tensor:
    """(b, k·c, …) → (k·b, c, …): the inverse of :func:`beside`."""
    rows = x.view(x.shape[0], members, -1, *x.shape[2:]).transpose(0, 1)
    return rows.reshape(-1, *rows.shape[2:])


def parts(made: Tensor) -> Iterable[Tensor]:
    """What is drawn for each member, (k, …); one member's is the whole, as taking it out costs what drawing does."""
    return made.unbind() if len(made) > 1 else (made,)
