"""What AnoGAN's search finds in so many passes, and what it is worth: Adam, L-BFGS, starts at an encoder, stopping."""

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from ringfence import AnoGAN
from ringfence.preprocess import ConstantColumns

from ..frame import Contest, case

ANOMALY = 3
WAYS: dict[str, dict[str, Any]] = {
    "Adam": {},
    "L-BFGS": {"z_optimiser": "lbfgs"},
    "Adam from E(x)": {"start": "encoder"},
    "L-BFGS from E(x)": {"start": "encoder", "z_optimiser": "lbfgs"},
    "Adam, stop .01": {"stop": 0.01},
    "Adam, stop .001": {"stop": 0.001},
}
STARTS = 4
"""Of each row: more searches than slots, so that those that end early make room for others."""
PASSES = 25, 50, 100, 200
SHARES = 0.5, 0.8
"""Of the passes, after which Adam's rate falls; the method's own schedule, drawn together."""


@case("search-options", "AnoGAN's search on digits by its options, one fit, four starts a row", rounds=5, threads=(1,))
def options() -> Contest:
    """Nine digits are normal; a fifth of them and all of the tenth are searched for."""
    x, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    normal = rng.permutation(np.flatnonzero(y != ANOMALY))
    cut = int(0.8 * len(normal))
    judged = np.concatenate([normal[cut:], np.flatnonzero(y == ANOMALY)])
    rows, strange = x[judged], y[judged] == ANOMALY
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantColumns)
        fitted = AnoGAN(random_state=0, start="encoder", restarts=STARTS, device="cpu").fit(x[normal[:cut]])

    def scores(way: str, passes: int) -> Any:
        until = tuple(int(share * passes) for share in SHARES)
        det = copy.deepcopy(fitted).set_params(**{"start": "prior", **WAYS[way]}, steps=passes, search_until=until)
        return det.anomaly_score(rows)

    def contestant(way: str) -> Callable[[], float]:
        def all_rows() -> float:
            scores(way, PASSES[-1])
            return len(rows)

        return all_rows

    def facts() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for way in WAYS:
            for passes in PASSES:
                made = scores(way, passes)
                found[f"loss of normal rows, {way}, {passes} passes"] = float(made[~strange].mean())
                found[f"AUROC, {way}, {passes} passes"] = float(roc_auc_score(strange, made))
        return found

    return Contest({way: contestant(way) for way in WAYS}, unit="row", facts=facts)
