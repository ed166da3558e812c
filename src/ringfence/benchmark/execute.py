"""Carry out one job: load, split, fit, score, measure; give the run record and the arrays that a report draws."""

import platform
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from .. import __version__
from ..data import built_in, sha256_of
from ..detector import Detector
from ..exceptions import RingfenceError
from ..metrics import evaluate
from ..persist import plain
from ..preprocess import ConstantColumns
from ..protocol import Split, subsample_test
from ..quality import NEIGHBOURS, quality, train_on
from .baselines import BASELINES
from .bench import Arrays, Prepared, Record, timed
from .job import Job

# Generated rows whose scores a report shows, fewer where each has to be searched for.
GENERATED, SEARCHED = 500, 100
# Rows of each kind that the figures of a generator are measured on.
COMPARED = 1_000
TOP = 10


@dataclass(frozen=True)
class Setting:
    """What all jobs of one call share.

    Attributes
    ----------
    command
        As typed, or the call in Python; goes into every record.
    threads
        Of torch, and of the linear algebra that the baselines stand on.
    commit
        Of the checkout that all runs come from: looked up once, before the first, whatever is committed meanwhile.
    """

    data_dir: str | None
    command: str
    threads: int = 1
    commit: str | None = field(default_factory=lambda: checkout())


def blank(job: Job, setting: Setting) -> Record:
    """Return what is known of a run before it has begun."""
    return {
        "id": job.id, "benchmark": job.benchmark, "case": job.case, "protocol": None, "role": job.role,
        "method": job.method, "variant": job.variant, "preset": job.preset, "changes": plain_changes(job),
        "params": {}, "seed": job.seed,
        "epochs": None, "budget": job.budget(), "n_train": None, "n_test": None, "data_sha256": None,
        "versions": versions(), "commit": setting.commit, "command": setting.command, "device": "cpu",
        "threads": setting.threads, "wall_s": None, "cpu_s": None, "fit_cpu_s": None, "score_cpu_s": None,
        "peak_mb": None, "metrics": {}, "parts": {},
    }  # fmt: skip


def plain_changes(job: Job) -> Record:
    """Hyperparameters that the caller set, fit for JSON; epochs are told by the budget."""
    return {
        k: v if isinstance(v, bool | int | float | None) else str(v) for k, v in job.changes.items() if k != "epochs"
    }


def failed(error: Exception) -> Record:
    """Say in a record what went wrong, in one line."""
    said = [type(error).__name__, *([str(error)] if str(error) else [])]
    return {"status": f"failed: {' '.join(': '.join(said).split())}"}


def execute(job: Job, setting: Setting) -> tuple[Record, Arrays]:
    """Run a job in this process; a failure of any kind is a record with its reason in `status`."""
    with threadpool_limits(setting.threads):
        torch.set_num_threads(setting.threads)
        return _executed(job, setting)


def _executed(job: Job, setting: Setting) -> tuple[Record, Arrays]:
    record = blank(job, setting)
    wall, cpu = time.perf_counter(), time.process_time()
    arrays: Arrays = {}
    try:
        prepared = job.bench.prepare(job) if job.bench else _rows(job, setting)
        record |= prepared.facts
        wall, cpu = time.perf_counter(), time.process_time()
        found, arrays = prepared.judge(job)
        record |= found | {"status": "ok"}
    except RingfenceError as error:
        record |= {"status": f"failed: {error}"}
    except Exception as error:  # a fault of ours or a want of memory: the other runs go on, and this one is told of
        record |= failed(error)
    return record | {
        "wall_s": round(time.perf_counter() - wall, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }, arrays


def _rows(job: Job, setting: Setting) -> Prepared:
    """Rows of a set known by name."""
    rows = built_in(job.benchmark).load(setting.data_dir)
    whole = rows.split(job.case, job.seed)
    split = limited(whole, job)
    x, test = rows.x[split.train], rows.x[split.test]
    work = _judge_baseline if job.role == "baseline" else _judge

    def judge(job: Job) -> tuple[Record, Arrays]:
        found, arrays = work(job, x, test, split)
        return found, arrays | {"columns": np.array(rows.columns)} if rows.columns and arrays else arrays

    return Prepared(
        {
            "protocol": split.name, "budget": job.budget(len(whole.train), len(whole.test)),
            "n_train": len(x), "n_test": len(test), "data_sha256": sha256_of(x, test, split.anomaly),
        },
        judge,
    )  # fmt: skip


def limited(split: Split, job: Job) -> Split:
    """Return the rows that a job's limits leave."""
    if job.train_rows is not None and job.train_rows < len(split.train):
        rng = np.random.default_rng(job.seed)
        train = np.sort(rng.permutation(split.train)[: job.train_rows])
        split = Split(train, split.test, split.anomaly, split.name)
    return split if job.judged_rows is None else subsample_test(split, job.judged_rows, job.seed)


def _judge_baseline(job: Job, x: NDArray[Any], test: NDArray[Any], split: Split) -> tuple[Record, Arrays]:
    fitted, fit_cpu_s = timed(lambda: BASELINES[job.method].fit(x, job.seed))
    scores, score_cpu_s = timed(lambda: fitted.anomaly_score(test))
    top = np.argsort(-scores, kind="stable")[:TOP]
    arrays = {
        "scores": scores, "anomaly": split.anomaly, "threshold": np.array(fitted.threshold),
        "top_index": split.test[top], "top_rows": test[top],
    }  # fmt: skip
    metrics = evaluate(scores, split.anomaly, fitted.threshold)
    return {"metrics": metrics, "parts": {}, "fit_cpu_s": fit_cpu_s, "score_cpu_s": score_cpu_s}, arrays


def _judge(job: Job, x: NDArray[Any], test: NDArray[Any], split: Split) -> tuple[Record, Arrays]:
    det = job.detector(len(x))
    with warnings.catch_warnings():
        # KDD99 has constant columns by its nature; the warning is for users' own tables.
        warnings.simplefilter("ignore", ConstantColumns)
        _, fit_cpu_s = timed(lambda: det.fit(x) if job.role == "trained" else det.fit_untrained(x))
    (parts, kinds), score_cpu_s = timed(lambda: det.every_score(test))
    scores = kinds[det.score_kind or next(iter(kinds))]
    metrics = evaluate(scores, split.anomaly, det.threshold_)
    alone = {f"score:{k}": v for k, v in kinds.items()} | {f"part:{k}": v for k, v in parts.items()}
    record = {
        "params": plain(det), "epochs": det.n_iter_ if job.role == "trained" else 0, "device": str(det._device),
        "metrics": metrics, "fit_cpu_s": fit_cpu_s, "score_cpu_s": score_cpu_s,
        "parts": {k: evaluate(v, split.anomaly, 0.0)["auroc"] for k, v in alone.items()},
    }  # fmt: skip
    if job.role == "untrained":
        return record, {}
    return record | _quality(det, x, test, split), _arrays(det, scores, test, split)


def _quality(det: Detector, x: NDArray[Any], test: NDArray[Any], split: Split) -> Record:
    """Figures of the generator on rows as it is taught them; labels serve TSTR and TRTR alone."""
    if not hasattr(det, "sample"):
        return {}
    rng = np.random.default_rng(0)
    normal = np.flatnonzero(~split.anomaly)
    count = min(COMPARED, len(x), len(normal))
    if count <= NEIGHBOURS:
        return {}

    def scaled(rows: NDArray[Any]) -> NDArray[Any]:
        return det.preprocess_.tensor(rows).numpy()

    made, learned = scaled(det.sample(count, random_state=0)), scaled(x[rng.permutation(len(x))[:count]])
    judged = subsample_test(split, COMPARED, 0)
    rows = scaled(test[np.searchsorted(split.test, judged.test)])
    return {
        "quality": {
            **asdict(quality(scaled(test[rng.permutation(normal)[:count]]), made)),
            "tstr": train_on(made, rows, judged.anomaly),
            "trtr": train_on(learned, rows, judged.anomaly),
        }
    }


def _arrays(det: Detector, scores: NDArray[Any], test: NDArray[Any], split: Split) -> Arrays:
    top = np.argsort(-scores, kind="stable")[:TOP]
    generated = GENERATED if det.info.cost == "one pass" else SEARCHED
    arrays: Arrays = {
        "scores": scores, "anomaly": split.anomaly, "threshold": np.array(det.threshold_),
        "top_index": split.test[top], "top_rows": test[top], "top_widths": det.preprocess_.width,
    }  # fmt: skip
    if hasattr(det, "sample"):
        arrays["generated"] = det.anomaly_score(det.sample(generated, random_state=0))
    if hasattr(det, "reconstruct"):
        arrays["top_remade"] = det.reconstruct(test[top])
    return arrays | losses_of(det)


def losses_of(det: Detector) -> Arrays:
    """Return the mean of every loss term by epoch, of the last stage; NaN once a player has stopped."""
    last = [entry for entry in det.history_ if entry["stage"] == det.history_[-1]["stage"]]
    terms = list(dict.fromkeys(k for entry in last for k in entry if k not in ("stage", "epoch")))
    return {"terms": np.array(terms), "losses": np.array([[entry.get(t, np.nan) for t in terms] for entry in last])}


@cache
def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {
        "ringfence": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": sklearn.__version__,
        "platform": f"{sys.platform} {platform.machine()}",
    }


def checkout() -> str | None:
    """Commit of the checkout that this code runs from, with "+" where files under src differ; None elsewhere."""
    here = Path(__file__).parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return done.stdout.strip()

    head = git("rev-parse", "HEAD")
    return head and head + ("+" if git("status", "--porcelain", "--", str(here.parent)) else "")
