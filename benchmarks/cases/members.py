"""Members: several seeds of EGBAD trained side by side on the paper's KDD99 networks, beside as many trainings."""

from collections.abc import Callable

import torch

from ringfence import EGBAD

from .. import bare, kdd99, textbook
from ..frame import Contest, Target, case
from ..ours import trainer, uniform
from ..shares import shares
from .egbad_step import counted

COUNTS = (1, 2, 4, 8, 16)


def side_by_side(batch: int, members: int, steps: int) -> Callable[[], float]:
    """A contestant that takes so many steps of all members; its unit is a step of one of them."""
    detector = EGBAD.preset("kdd99").set_params(batch_size=batch, random_state=0, device="cpu", members=members)
    train = trainer(detector, uniform(kdd99.ROWS, kdd99.COLUMNS), steps)
    return lambda: members * train()


def ten(batch: int, steps: int) -> Contest:
    """Ten members beside a textbook's training and beside our own of one model, step by step of one model.

    The bare products of a step are those of one model: what is left where everything else costs nothing.
    """
    rows = torch.from_numpy(uniform(kdd99.ROWS, kdd99.COLUMNS))
    book = textbook.egbad(textbook.loaded(rows, batch), kdd99.LATENT, kdd99.networks())
    products = bare.EgbadStep(kdd99.ENCODER, kdd99.GENERATOR, (kdd99.COLUMNS, kdd99.LATENT), kdd99.JOINT, batch)

    def limit() -> float:
        for _ in range(10 * steps):
            products()
        return 10 * steps

    ours = side_by_side(batch, 10, steps)
    return Contest(
        {
            "ten members": ours,
            "textbook": counted(book, 5 * steps),
            "one member": side_by_side(batch, 1, 5 * steps),
            "bare products": limit,
        },
        unit="step of one model",
        facts=lambda: shares(ours),
    )


def curve(batch: int, steps: int) -> Contest:
    """What a step of one model costs where 1, 2, 4 … are trained at once: below that of one, or the curve is linear."""
    most = max(COUNTS)
    return Contest(
        {named(count): side_by_side(batch, count, steps * most // count) for count in reversed(COUNTS)},
        unit="step of one model",
    )


def named(count: int) -> str:
    """A contestant's name."""
    return f"{count} member{'s' * (count > 1)}"


BELOW_LINEAR = [Target(named(count), named(1), 1.0) for count in COUNTS[1:]]


@case("members-50", "Ten members side by side, batch 50", Target("ten members", "textbook", 0.25))
def ten_50() -> Contest:
    """As the paper trains."""
    return ten(50, 10)


@case("members-256", "Ten members side by side, batch 256", Target("ten members", "textbook", 0.5))
def ten_256() -> Contest:
    """Where products weigh more."""
    return ten(256, 4)


@case("members-curve-50", "1, 2, 4, 8 and 16 members, batch 50", *BELOW_LINEAR)
def curve_50() -> Contest:
    """The cost curve."""
    return curve(50, 5)


@case("members-curve-256", "1, 2, 4, 8 and 16 members, batch 256", *BELOW_LINEAR)
def curve_256() -> Contest:
    """The same with larger batches."""
    return curve(256, 2)
