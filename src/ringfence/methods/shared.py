"""What several methods have in common, each thing once: hyperparameters, the plain GAN game, hooks."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..game import Batch, Optim, Player, Stage, Terms
from ..limits import Limit, OneOf
from ..losses import ADVERSARIES, DISTANCES, Adversary, adversary_named
from ..networks import Discriminator

ADVERSARY: OneOf = OneOf(tuple(ADVERSARIES), objects=Adversary)
"""What the hyperparameter `adversary` may be, for every method that has it."""

DISTANCE = OneOf(tuple(DISTANCES))
"""What a hyperparameter that names a distance may be."""


def weights(*names: str) -> dict[str, Limit]:
    """Limits of hyperparameters that weigh a term: at least 0."""
    return {name: Limit(0) for name in names}


def encoder_code(self: Any, nets: Any, x: Tensor) -> Tensor:
    """E(x): the hook `code` of a method whose network `encoder` gives the latent vector."""
    z: Tensor = nets.encoder(x)
    return z


def doubt(logit: Tensor) -> Tensor:
    """1 − σ(logit) in float64, where it still tells rows apart that float32 would call certain."""
    return torch.sigmoid(-logit.double())


def judging(
    adversary: str | Adversary,
    loss: Callable[[Any, Batch], Terms],
    optim: Optim,
    names: Sequence[str] = ("discriminator",),
) -> Player:
    """Make the player that moves discriminators, of whose weights the adversary has the last word.

    Raises `InvalidParameter` for an adversary that is not known, or is with a parameter that is not allowed.
    """
    chosen = adversary_named(adversary)

    def after(nets: Any) -> None:
        for name in names:
            chosen.after(getattr(nets, name))

    return Player(tuple(names), loss, optim, after=after)


def gan_stage(adversary: Adversary, optim: Optim, every: int = 1) -> Stage:
    """The game of Eq. 1 and 2: D, then G in every so many steps, each with an optimiser of its own."""

    def judge(nets: Any, batch: Batch) -> Terms:
        return judged(adversary, nets.discriminator, (batch.x,), (nets.generator(batch.noise()),))

    def imitate(nets: Any, batch: Batch) -> Terms:
        logit, _ = nets.discriminator(nets.generator(batch.noise()))
        return {"adversarial": adversary.fool(logit)}

    return Stage((judging(adversary, judge, optim), Player(("generator",), imitate, optim, every=every)))


def judged(adversary: Adversary, judge: Discriminator, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Terms:
    """Return a discriminator's terms on real and fake arguments, and its penalties."""
    real_logit, fake_logit = judge.both(real, fake)
    return {
        "real": adversary.real(real_logit),
        "fake": adversary.fake(fake_logit),
        **adversary.penalties(judge, real, fake),
    }
