"""One training step of GANomaly on 32×32 images, in float32 and in bfloat16."""

import torch

from ringfence import GANomaly

from .. import ganomaly, textbook
from ..frame import Contest, Target, case
from ..ours import trainer, uniform
from ..shares import shares
from .egbad_step import counted

BATCH, STEPS = 64, 3


@case(
    "ganomaly-step",
    "GANomaly's training step in bfloat16, 32×32 images, batch 64",
    Target("bfloat16", "textbook", 0.6),
    rounds=9,
)
def ganomaly_step() -> Contest:
    """The released networks and losses; the textbook's in float32."""
    rows = 2 * uniform(1024, 1, ganomaly.SIDE, ganomaly.SIDE) - 1

    def ours(precision: str) -> GANomaly:
        preset = GANomaly.preset("mnist", "released")
        return preset.set_params(layers=ganomaly.layers(), precision=precision, random_state=0, device="cpu")

    book = ganomaly.train(textbook.loaded(torch.from_numpy(rows), BATCH), ganomaly.networks())
    low = trainer(ours("bfloat16"), rows, STEPS)
    return Contest(
        {
            "bfloat16": low,
            "float32": trainer(ours("float32"), rows, STEPS),
            "textbook": counted(book, STEPS),
        },
        facts=lambda: shares(low),
    )
