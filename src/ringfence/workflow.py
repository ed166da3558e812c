"""What the commands do, as functions: fit a model on named data, score with it, run the demo."""

import csv
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .benchmark import Setting, plan, run
from .benchmark.job import QUICK_LR, QUICK_STEPS
from .configure import detector_for
from .data import CATALOG, built_in, load_file
from .detector import Detector
from .exceptions import InvalidData, InvalidParameter, TrainingDiverged, unknown_name
from .frame import Frame
from .holdout import rows_in
from .persist import load, refuse_foreign, remove, written
from .report import write_report


@dataclass(frozen=True)
class Named:
    """Rows that a name or a path stands for."""

    x: NDArray[Any] | Frame
    columns: tuple[str, ...] | None
    source: str

    @property
    def count(self) -> int:
        """Number of rows."""
        return rows_in(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return (len(self.x),) if isinstance(self.x, Frame) else self.x.shape[1:]


def rows_of(
    data: str,
    part: str,
    *,
    seed: int = 0,
    data_dir: str | None = None,
    label: str | None = None,
    normal: str | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Named:
    """Return the rows of DATA.

    Parameters
    ----------
    data
        A path to .csv, .npy or .npz; or a built-in set: "digits:3" or "kdd99:all" are the rows of that case, those
        that train it or those that test it, and "digits" alone is the whole set, which can only be scored.
    part
        "train" or "test"; matters for a case, and drops labelled anomalies from "train".
    kinds
        Kinds of a table's columns by name, where they should not be inferred.

    Raises
    ------
    InvalidParameter
        For a built-in set to train on without a case (it holds the anomalies too), or a case there isn't.
    """
    name, _, case = data.partition(":")
    if name in CATALOG:
        known = built_in(name)
        if case and case not in known.cases:
            raise InvalidParameter(unknown_name(f"case of {name}", case, known.cases))
        if not case and part == "train":
            cases = ", ".join(f"{name}:{c}" for c in known.cases)
            raise InvalidParameter(f"'{name}' holds anomalies beside its normal rows: say which case to learn: {cases}")
        rows = known.load(data_dir)
        if not case:
            return Named(rows.x, rows.columns, f"{name}, all {len(rows.x):,} rows")
        split = rows.split(case, seed)
        chosen = split.train if part == "train" else split.test
        return Named(rows.x[chosen], rows.columns, f"{name} case {case}, {part} rows of seed {seed}")
    loaded = load_file(data, label, normal, drop_label=part == "test", kinds=kinds)
    if part == "test" or loaded.labels is None:
        return Named(loaded.x, loaded.columns, loaded.name)
    normals = np.flatnonzero(~loaded.labels)
    kept = loaded.x.take(normals) if isinstance(loaded.x, Frame) else loaded.x[normals]
    left = int(loaded.labels.sum())
    return Named(kept, loaded.columns, f"{loaded.name}, without {left:,} rows that '{label}' calls anomalies")


def fit(
    data: str,
    method: str,
    out: Path,
    *,
    preset: str | None = None,
    variant: str | None = None,
    changes: Mapping[str, Any] | None = None,
    quick: bool = False,
    data_dir: str | None = None,
    label: str | None = None,
    normal: str | None = None,
    verbose: int = 0,
) -> tuple[Detector, Named]:
    """Fit a method on DATA and save the model to the folder `out`.

    The unfinished run is kept beside it as `out` + ".partial": a fit that was stopped goes on from there when called
    again in the same way. Nothing of a run that diverged is kept, since to go on from it would diverge again.

    Raises
    ------
    InvalidParameter, InvalidData, InvalidModel
        Before training starts: for what can't be learned from or with, or if something else lies at `out`.
    TrainingDiverged
        When a loss or a score becomes NaN or infinite.
    """
    if label is not None and normal is None:
        raise InvalidParameter(f"label={label!r} needs the value that means normal: add --normal VALUE")
    wanted = {"random_state": 0, "verbose": verbose, **(changes or {})}
    detector = detector_for(method, preset=preset, variant=variant, changes=wanted)
    detector.check()
    refuse_foreign(out, "model")
    writable(out)
    seed = detector.random_state
    split = int(seed) if isinstance(seed, Integral) else 0  # a case is split by its seed, also where weights have none
    rows = rows_of(
        data, "train", seed=split, data_dir=data_dir, label=label, normal=normal, kinds=detector.kinds
    )  # fmt: skip
    if rows.count < 2:
        raise InvalidData(f"{rows.source}: {rows.count} row{'s' * (rows.count != 1)}; a fit needs at least 2")
    if quick:
        steps = -(-rows.count // detector.batch_size)
        detector.set_params(epochs=max(1, QUICK_STEPS // steps), lr=QUICK_LR)
    partial = partial_of(out)
    try:
        detector.fit(rows.x, checkpoint=partial)
    except TrainingDiverged:
        remove(partial)
        raise
    if rows.columns is not None:
        detector.feature_names_in_ = np.array(rows.columns, dtype=object)
    detector.save(out)
    remove(partial)
    return detector, rows


def partial_of(out: Path) -> Path:
    """Return the folder in which the unfinished run of a model is kept."""
    return out.with_name(f"{out.name}.partial")


def keeping(out: Path) -> Callable[[], str]:
    """Watch the unfinished run of a model from now on; what is returned says in one line what was kept since."""
    partial = partial_of(out)
    before = written(partial)

    def said() -> str:
        now = written(partial)
        if now is None:
            return "it was too early to keep anything"
        if now == before:
            return f"it was too early to keep anything beyond what {partial} held before"
        return f"the run so far is kept in {partial}; the same command goes on from there"

    return said


def score(
    model: Path,
    data: str,
    out: Path,
    *,
    seed: int = 0,
    data_dir: str | None = None,
    label: str | None = None,
    verbose: int = 0,
) -> tuple[Detector, NDArray[np.float64]]:
    """Score DATA with a saved model and write `row, anomaly_score, is_anomaly` for every row to the CSV file `out`.

    `row` counts from 0, as the rows of an array do; messages about a CSV file count from 1, the first row after its
    header.
    """
    if out.is_dir():
        raise InvalidParameter(f"out={out}: is a folder; allowed is the name of a file")
    detector = load(model)
    detector.set_params(verbose=verbose)
    writable(out)
    rows = rows_of(data, "test", seed=seed, data_dir=data_dir, label=label, kinds=detector.kinds)
    _same_columns(detector, rows)
    x: Any = rows.x
    with warnings.catch_warnings():
        # The names were compared above; what is scored is a plain array.
        warnings.filterwarnings("ignore", message="X does not have valid feature names")
        scores = detector.anomaly_score(x)
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)
    try:
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["row", "anomaly_score", "is_anomaly"])
            flags = (scores > detector.threshold_).astype(int)
            writer.writerows(zip(range(len(scores)), map(repr, scores.tolist()), flags.tolist(), strict=True))
        Path(name).chmod(0o644)
        os.replace(name, out)
    finally:
        Path(name).unlink(missing_ok=True)
    return detector, scores


def demo(out: Path, *, quick: bool = False, workers: int = 2, verbose: int = 0) -> tuple[list[dict[str, Any]], Path]:
    """Make each digit in turn the anomaly, run every method and baseline, and write the report; needs no file.

    Returns
    -------
    The run records, and the path of the report.
    """
    command = f"ringfence demo --out {out}{' --quick' if quick else ''}"
    records = run(plan("digits", quick=quick), out, Setting(None, command), workers=workers, verbose=verbose)
    return records, write_report(out, out / "report.html")


def writable(out: Path) -> None:
    """Refuse a place that can't be written before anything runs for it; nothing is made yet."""
    try:
        parent = next(p for p in out.absolute().parents if p.exists())
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise InvalidData(f"can't write {out}: {error.strerror}") from error


def _same_columns(detector: Detector, rows: Named) -> None:
    """Refuse a table whose columns have other names than at fit, or another order."""
    fitted = getattr(detector, "feature_names_in_", None)
    # A detector that was fitted on a table with names looks for its columns by itself.
    if detector.columns_ or fitted is None or rows.columns is None or tuple(fitted) == rows.columns:
        return
    missing = [c for c in fitted if c not in rows.columns]
    strange = [c for c in rows.columns if c not in fitted]
    faults = [
        f"missing {', '.join(map(repr, missing[:5]))}" if missing else "",
        f"not known from fit {', '.join(map(repr, strange[:5]))}" if strange else "",
    ]
    raise InvalidData(
        f"columns of {rows.source}: {'; '.join(f for f in faults if f) or 'in another order than at fit'}"
    )
