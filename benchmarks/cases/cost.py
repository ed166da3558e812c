"""What a whole fit costs as rows and epochs are doubled: scaling, training, moving average, and the cut."""

from collections.abc import Callable

from ringfence import EGBAD

from .. import kdd99
from ..frame import Contest, Target, case
from ..ours import uniform

ROWS, EPOCHS = (5_000, 10_000, 20_000), (4, 8, 16)
BATCH = 256


def named(rows: int, epochs: int) -> str:
    """A contestant's name."""
    return f"{rows:,} rows × {epochs} epochs"


SIZES = [(ROWS[0], EPOCHS[0]), *((rows, EPOCHS[0]) for rows in ROWS[1:]), *((ROWS[0], epochs) for epochs in EPOCHS[1:])]
"""The smallest fit; then more rows; then more epochs."""

DOUBLED = [
    Target(named(*double), named(*single), at_least=1.8, at_most=2.2)
    for double in SIZES
    for single in SIZES
    if double in ((2 * single[0], single[1]), (single[0], 2 * single[1]))
]


@case("cost", "A fit of EGBAD as rows and epochs are doubled, KDD99 networks, batch 256", *DOUBLED, rounds=7)
def cost() -> Contest:
    """Fits of the same detector."""

    def fitting(rows: int, epochs: int) -> Callable[[], float]:
        x = uniform(rows, kdd99.COLUMNS)

        def fit() -> float:
            preset = EGBAD.preset("kdd99").set_params(batch_size=BATCH, epochs=epochs, random_state=0, device="cpu")
            preset.fit(x)
            return 1

        return fit

    return Contest({named(*size): fitting(*size) for size in SIZES}, unit="fit")
