"""One training step of EGBAD: D, then G and E, on the paper's KDD99 networks."""

import itertools
from collections.abc import Callable, Iterator

import torch

from ringfence import EGBAD

from .. import bare, kdd99, textbook
from ..frame import Contest, Target, case
from ..ours import trainer, uniform
from ..pyod_alad import alad
from ..shares import shares


def counted(walk: Iterator[None], steps: int) -> Callable[[], float]:
    """A contestant that takes so many steps of an endless loop a call."""

    def go_on() -> float:
        for _ in itertools.islice(walk, steps):
            pass
        return steps

    return go_on


def egbad_step(batch: int, steps: int) -> Contest:
    """The published step in four hands, and PyOD's nearest relative (ALAD has two further discriminators)."""
    rows = uniform(kdd99.ROWS, kdd99.COLUMNS)
    tensor = torch.from_numpy(rows)
    detector = EGBAD.preset("kdd99").set_params(batch_size=batch, random_state=0, device="cpu")
    products = bare.EgbadStep(kdd99.ENCODER, kdd99.GENERATOR, (kdd99.COLUMNS, kdd99.LATENT), kdd99.JOINT, batch)
    book = textbook.egbad(textbook.loaded(tensor, batch), kdd99.LATENT, kdd99.networks(), average=detector.ema)
    leaner = textbook.egbad(textbook.sliced(tensor, batch), kdd99.LATENT, kdd99.networks())
    relative = alad(rows[: 4 * batch], batch)
    noise = uniform(batch, kdd99.LATENT)

    def limit() -> float:
        for _ in range(steps):
            products()
        return steps

    def pyod() -> float:
        for _ in range(steps):
            relative.train_step((rows[:batch], noise))
        return steps

    ours = trainer(detector, rows, steps)
    return Contest(
        {
            "ours": ours,
            "products": limit,
            "textbook": counted(book, steps),
            "textbook without loader and average": counted(leaner, steps),
            "pyod ALAD": pyod,
        },
        facts=lambda: shares(ours),
    )


@case("egbad-step-50", "EGBAD's training step, batch 50", Target("ours", "textbook", 0.5))
def batch_50() -> Contest:
    """As the paper trains."""
    return egbad_step(50, 100)


@case(
    "egbad-step-256",
    "EGBAD's training step, batch 256",
    Target("ours", "textbook", 0.6),
    Target("ours", "products", 3.0),
)
def batch_256() -> Contest:
    """Where products weigh more."""
    return egbad_step(256, 40)
