"""The library's own training, held after every step: what contestants of the name "ours" are made of."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ringfence.detector import Detector
from ringfence.game import drawn_seed
from ringfence.preprocess import Preprocess
from ringfence.training import play_steps


def trainer(detector: Detector, rows: NDArray[Any], steps: int) -> Callable[[], float]:
    """Make a contestant that trains a detector `steps` further steps a call, exactly as `fit` would.

    Everything that `fit` does between its first and its last step is in it: order of rows, the moving average,
    the log. Rows are scaled and networks made before.
    """
    walk = walking(detector, rows)

    def go_on() -> float:
        for _ in itertools.islice(walk, steps):
            pass
        return steps

    return go_on


def walking(detector: Detector, rows: NDArray[Any]) -> Iterator[None]:
    """The steps of a fit that hardly ever ends."""
    detector.set_params(epochs=1_000_000)
    detector.check()
    detector.seed_ = drawn_seed(detector.random_state)
    detector.preprocess_ = Preprocess.fit(rows, detector.scale)
    return play_steps(detector._run(detector._scaled(rows), learn=True))


def uniform(rows: int, *shape: int) -> NDArray[np.float32]:
    """Rows for a step whose cost does not depend on what is in them, in [0, 1)."""
    return np.random.default_rng(0).random((rows, *shape), dtype=np.float32)
