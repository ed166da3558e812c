"""Judge a method or a baseline on whole pictures: scores, defects, pixels and windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from ..metrics import evaluate
from ..overlap import OVERLAPS
from ..persist import plain
from ..picture_detector import POOLS, PictureDetector
from ..picture_rows import WindowRows
from ..pictures import Pictures
from ..pixels import evaluate_pixels
from ..views import Patches, View
from .album import album
from .baselines import BASELINES, FittedBaseline
from .bench import Arrays, Record, timed
from .execute import losses_of
from .job import Job

Scores = NDArray[np.float64]
Maps = Mapping[str, NDArray[np.float32]]

BASELINE_ROWS: Final = 10_000
"""Most windows that a baseline learns from, a seeded choice."""

CUT_SHARE: Final = 0.1
"""Share of the training pictures that a baseline does not learn from: their scores place its cut.

Windows of a picture overlap, so that those of a picture that was learned from are near to it by themselves.
"""

CUT_QUANTILE: Final = 0.95
POOL: Final = "max"
_ROWS_AT_ONCE: Final = 4096


@dataclass(frozen=True, eq=False)
class Task:
    """What one run learns from and is judged on.

    Attributes
    ----------
    view
        How pictures become rows.
    train, test
        Pictures, the first all normal.
    anomaly, groups
        (n_test,) each: the truth, and "good" or the defect.
    masks
        Of each test picture its abnormal pixels, (h, w) bool; None for an anomaly of which nothing says where it is.
    """

    view: View
    train: Pictures
    test: Pictures
    anomaly: NDArray[np.bool_]
    groups: Sequence[str]
    masks: Sequence[NDArray[np.bool_] | None]


def judge(job: Job, *, task: Task) -> tuple[Record, Arrays]:
    """Fit a method, or its untrained self, and measure it."""
    unfitted = job.detector(len(WindowRows(task.train, task.view)))
    det = PictureDetector(unfitted, task.view, POOL)
    _, fit_cpu_s = timed(lambda: det.fit(task.train) if job.role == "trained" else det.fit_untrained(task.train))
    rows, inner = WindowRows(task.test, task.view), det.detector_
    (parts, kinds), score_cpu_s = timed(lambda: inner.every_score(rows))
    windows = _by_picture(kinds[inner.score_kind or next(iter(kinds))], rows)
    scores, maps = _pooled(windows), det.maps(task.test)
    measured = _measured(task, scores, windows, det.threshold_, maps)
    alone = {f"score:{k}": v for k, v in kinds.items()} | {f"part:{k}": v for k, v in parts.items()}
    figures = {k: _auroc(task.anomaly, _pooled(_by_picture(v, rows))) for k, v in alone.items()}
    record = measured | {
        "params": plain(unfitted), "epochs": inner.n_iter_ if job.role == "trained" else 0,
        "device": str(inner._device), "parts": figures | measured["parts"], "map_scale": det.map_scale_,
        "fit_cpu_s": fit_cpu_s, "score_cpu_s": score_cpu_s,
    }  # fmt: skip
    if job.role == "untrained":
        return record, {}
    ends = {"scores": scores, "anomaly": task.anomaly, "threshold": np.array(det.threshold_)}
    return record, ends | losses_of(inner) | album(det, task, scores, maps)


def judge_baseline(job: Job, *, task: Task) -> tuple[Record, Arrays]:
    """Fit a baseline on rows of the view and measure it; a window's score counts for all of its pixels."""
    rng = np.random.default_rng(job.seed)
    order = rng.permutation(len(task.train))
    held = max(1, round(CUT_SHARE * len(order)))
    learned = WindowRows(task.train.take(np.sort(order[held:])), task.view)
    chosen = np.sort(rng.permutation(len(learned))[:BASELINE_ROWS])
    fitted, fit_cpu_s = timed(lambda: BASELINES[job.method].fit(learned.read(chosen), job.seed))
    cut = float(np.quantile(_pooled(_scored(fitted, task.train.take(np.sort(order[:held])), task.view)), CUT_QUANTILE))
    windows, score_cpu_s = timed(lambda: _scored(fitted, task.test, task.view))
    scores = _pooled(windows)
    stitched = [{"score": _spread(task.view, s, size)} for s, size in zip(windows, task.test.sizes, strict=True)]
    record = _measured(task, scores, windows, cut, stitched if isinstance(task.view, Patches) else [])
    record |= {"fit_cpu_s": fit_cpu_s, "score_cpu_s": score_cpu_s}
    return record, {"scores": scores, "anomaly": task.anomaly, "threshold": np.array(cut)}


def _scored(fitted: FittedBaseline, pictures: Pictures, view: View) -> list[Scores]:
    rows = WindowRows(pictures, view)
    numbers = np.arange(len(rows))
    parts = [numbers[start : start + _ROWS_AT_ONCE] for start in range(0, len(rows), _ROWS_AT_ONCE)]
    return _by_picture(np.concatenate([fitted.anomaly_score(rows.read(part)) for part in parts]), rows)


def _by_picture(values: Scores, rows: WindowRows) -> list[Scores]:
    return [values[rows.of(at)] for at in range(len(rows.pictures))]


def _pooled(windows: Sequence[Scores]) -> Scores:
    return np.array([POOLS[POOL](scores) for scores in windows], dtype=np.float64)


def _spread(view: View, scores: Scores, size: tuple[int, int]) -> NDArray[np.float32]:
    """Mean score of the windows that each pixel lies in."""
    flat = scores.astype(np.float32)[:, None, None]
    return view.stitch(np.broadcast_to(flat, (len(scores), *view.shape)), *size)


# ---- figures -------------------------------------------------------------------------------------------------


def _measured(task: Task, scores: Scores, windows: Sequence[Scores], threshold: float, maps: Sequence[Maps]) -> Record:
    return {
        "metrics": evaluate(scores, task.anomaly, threshold),
        "parts": defects(task, scores) | pools(task, windows),
        "pixels": pixels(task, maps),
        "windows": window_figures(task, windows),
    }


def defects(task: Task, scores: Scores) -> dict[str, float]:
    """AUROC of each group of anomalous test pictures against all normal ones."""
    groups = np.array(task.groups)
    found = {}
    for group in sorted(set(groups[task.anomaly].tolist())):
        among = ~task.anomaly | (groups == group)
        found[f"defect:{group}"] = _auroc(task.anomaly[among], scores[among])
    return found


def pools(task: Task, windows: Sequence[Scores]) -> dict[str, float]:
    """AUROC where a picture's score is the mean of its windows'; nothing where each has one row by its view."""
    if not isinstance(task.view, Patches):
        return {}
    return {"pool:mean": _auroc(task.anomaly, np.array([scores.mean() for scores in windows]))}


def pixels(task: Task, maps: Sequence[Maps]) -> dict[str, dict[str, float]]:
    """Figures of each map over the test pictures of which it is known where they are abnormal."""
    known = [at for at, mask in enumerate(task.masks) if mask is not None]
    masks = [mask for mask in task.masks if mask is not None]
    if not maps or not any(mask.any() for mask in masks):
        return {}
    return {name: evaluate_pixels([maps[at][name] for at in known], masks) for name in maps[0]}


def window_figures(task: Task, windows: Sequence[Scores]) -> dict[str, dict[str, float]]:
    """AUROC of windows under the GANomaly paper's rule, for each reading of overlap that gives both classes."""
    known = [at for at, mask in enumerate(task.masks) if mask is not None]
    scores = np.concatenate([windows[at] for at in known])
    found = {}
    for reading in OVERLAPS:
        abnormal = np.concatenate([task.view.window_labels(_known(task, at), of=reading) for at in known])
        if 0 < abnormal.sum() < len(abnormal):
            counts = {"windows": len(abnormal), "abnormal": int(abnormal.sum())}
            found[reading] = {"auroc": _auroc(abnormal, scores), **counts}
    return found


def _known(task: Task, at: int) -> NDArray[np.bool_]:
    mask = task.masks[at]
    assert mask is not None
    return mask


def _auroc(truth: NDArray[Any], scores: Scores) -> float:
    return float(roc_auc_score(truth, scores))
