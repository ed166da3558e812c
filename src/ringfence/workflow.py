"""What the commands do, as functions: fit a model on named data, score with it, run the demo."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .benchmark import Setting, plan, run
from .benchmark.job import QUICK_LR, QUICK_STEPS
from .blocks import Blocks
from .columns import UnseenValues
from .configure import detector_for
from .data import CATALOG
from .data.shards import SHARDS
from .detector import Detector
from .exceptions import InvalidData, InvalidParameter, TrainingDiverged
from .export import Exported, to_onnx
from .frame import Frame
from .game import ROWS, drawn_seed, stream
from .kinds import Understood, understand
from .limits import Limit, check_limits
from .metrics import evaluate
from .persist import load, refuse_foreign, remove, written
from .picture_detector import PictureDetector
from .pictures import Pictures
from .progress import steps_bar
from .report import write_report
from .report.heat import write_maps
from .sources import Reading, Source, source_of
from .splits import CALIBRATE, PARTS, TEST, TRAIN, split_rows
from .views import Resize, View
from .writing import table_file, writable, write_csv

Fitted = Detector | PictureDetector

AS_IT_IS = Reading()


@dataclass(frozen=True, eq=False)
class Scored:
    """What scoring gave.

    Attributes
    ----------
    rows, flagged
        How many rows were scored, and how many of them are anomalies by the model's cut.
    metrics
        Figures of :func:`ringfence.metrics.evaluate` at the training cut, where labels or folders tell the truth.
    unseen
        For each column with values or gaps that no training row had, how many rows have them, and which.
    """

    fitted: Fitted
    rows: int
    flagged: int
    source: Source
    metrics: Mapping[str, float]
    unseen: tuple[str, ...] = ()


def fit(
    data: str,
    method: str,
    out: Path,
    *,
    preset: str | None = None,
    variant: str | None = None,
    changes: Mapping[str, Any] | None = None,
    quick: bool = False,
    reading: Reading = AS_IT_IS,
    view: View | None = None,
    split_out: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    verbose: int = 0,
) -> tuple[Fitted, Source]:
    """Fit a method on DATA and save the model to the folder `out`.

    The unfinished run is kept beside it as `out` + ".partial": a fit that was stopped goes on from there when called
    again in the same way. Nothing of a run that diverged is kept, since to go on from it would diverge again.

    Parameters
    ----------
    data, reading
        What :func:`ringfence.sources.source_of` reads.
    view
        How pictures become rows of one shape; None where they all have one of at most `AS_THEY_ARE` pixels a side.
    split_out
        CSV file to write what each row was for, to be read again as `reading.split`.
    say
        Told before training, line by line, which rows are for what, and what columns were taken for.

    Raises
    ------
    InvalidParameter, InvalidData, InvalidModel
        Before training starts: for what can't be learned from or with, or if something else lies at `out`.
    TrainingDiverged
        When a loss or a score becomes NaN or infinite.
    """
    if reading.label is not None and reading.normal is None:
        raise InvalidParameter(f"label={reading.label!r} needs the value that means normal: add --normal VALUE")
    wanted = {"random_state": 0, "verbose": verbose, **(changes or {})}
    # Labels and groups are no features, so that they have no kind.
    kinds = {name: kind for name, kind in reading.kinds.items() if name not in (reading.label, reading.group)}
    if kinds:
        wanted["kinds"] = kinds
    detector = detector_for(method, preset=preset, variant=variant, changes=wanted)
    detector.check()
    refuse_foreign(out, "model")
    writable(out)
    if split_out is not None:
        _apart(split_out, data)
    drawn = drawn_seed(detector.random_state)
    if data in CATALOG:
        cases = ", ".join(f"{data}:{c}" for c in CATALOG[data].cases)
        raise InvalidParameter(f"'{data}' holds anomalies beside its normal rows: say which case to learn: {cases}")
    source = source_of(data, replace(reading, kinds={**reading.kinds, **(detector.kinds or {})}))
    if (source.parts == TRAIN).sum() < 2:
        raise _too_few(source)
    source = source.calibrated(detector.calibration, stream(drawn, ROWS)) if reading.split is None else source
    if reading.group is not None and not (source.parts == CALIBRATE).any():
        say(f"'{reading.group}' keeps nothing apart: no rows are kept out (say --set calibration=0.2, or --split)")
    given = source.take(TRAIN, CALIBRATE)
    rows = given.rows if isinstance(given, Frame) else len(given)
    for line in (*source.said(), *source.notes, *_kinds_said(source, detector)):
        say(line)
    if quick:
        steps = -(-rows // detector.batch_size)
        detector.set_params(epochs=max(1, QUICK_STEPS // steps), lr=QUICK_LR)
    held_out = source.of(source.parts == CALIBRATE, TRAIN, CALIBRATE)
    detector.set_params(calibration=0.0 if held_out.any() else detector.calibration)
    fitted: Fitted = detector
    if isinstance(given, Pictures):
        fitted = PictureDetector(detector, view or _as_they_are(given), workers=reading.workers)
    elif view is not None:
        raise InvalidParameter(f"'{data}' is no folder of pictures: --resize, --pad and --patch are for those")
    partial = partial_of(out)
    try:
        fitted.fit(given, held_out=held_out if held_out.any() else None, checkpoint=partial)
    except TrainingDiverged:
        remove(partial)
        raise
    fitted.save(out)
    remove(partial)
    if isinstance(given, Blocks) and detector.columns_ is not None:
        for line in _in_words(detector.columns_.understood):  # nobody looked at them before
            say(line)
    if split_out is not None:
        write_csv(split_out, split_rows(source.parts, source.names))
    return fitted, source


def draw_split(
    data: str, out: Path, *, reading: Reading = AS_IT_IS, test: float = 0.2, calibrate: float = 0.2, seed: int = 0
) -> Source:
    """Draw which rows of DATA train, calibrate and test, and write it to the CSV file `out`.

    Parameters
    ----------
    test
        Share of the rows that could train to test on, beside every labelled anomaly; from 0 to below 1.
    calibrate
        Share of the rest to keep out for the cut; from 0 to below 1.
    seed
        Of the draw. Rows of one `reading.group` stay on one side.

    Raises
    ------
    InvalidParameter, InvalidData
        If a share is out of its range, or fewer than 2 rows would be left to train.
    """
    share = Limit(0, 1, open_high=True)
    check_limits({"test": test, "calibrate": calibrate}, {"test": share, "calibrate": share})
    writable(out)
    _apart(out, data)
    source = source_of(data, reading)
    source = source.tested(test, stream(seed, ROWS, 1)) if test else source
    source = source.calibrated(calibrate, stream(seed, ROWS))
    write_csv(out, split_rows(source.parts, source.names))
    return source


def _apart(out: Path, data: str) -> None:
    """Refuse an output that would take the place of the data, or count as a part of them from then on."""
    given, target = Path(data).expanduser().resolve(), out.expanduser().resolve()
    among = given.is_dir() and target.parent == given and target.suffix.lower() in SHARDS
    if target == given or among:
        what = f"lies in the folder '{data}' and would count among its rows" if among else "is the file of the rows"
        raise InvalidParameter(f"out={out}: {what}; allowed is another file")


NAMED = 12
"""Columns of one kind that are named before a fit."""

AS_THEY_ARE = 64
"""Pixels a side up to which pictures of one size are taken as they are."""


def _as_they_are(pictures: Pictures) -> View:
    sizes = sorted(set(pictures.sizes))
    if len(sizes) == 1 and max(sizes[0]) <= AS_THEY_ARE:
        return Resize(*sizes[0])
    low, high = sizes[0], sizes[-1]
    tall, wide = max(s[0] for s in sizes), max(s[1] for s in sizes)
    raise InvalidParameter(
        f"pictures of {low[0]}x{low[1]} to {high[0]}x{high[1]} (height x width) need to become rows of one shape: say"
        f" --resize 64x64, --pad {tall}x{wide}, or --patch 64x64 --stride 32"
    )


def _kinds_said(source: Source, detector: Detector) -> list[str]:
    """What the columns of a table are taken for by the rows that train, a line a kind; errors name the file."""
    training = source.take(TRAIN)
    if not isinstance(training, Frame):
        return []
    try:
        columns = understand(training, detector.kinds)
    except InvalidData as error:
        raise InvalidData(f"'{source.name}': {error}") from error
    return _in_words(columns)


def _in_words(columns: Sequence[Understood]) -> list[str]:
    found: dict[str, list[str]] = {}
    for column in columns:
        gaps = f" ({column.missing:,} missing)" if column.missing else ""
        found.setdefault(column.kind, []).append(f"{column.name}{gaps}")
    return [f"{len(names)} of kind {kind}: {_few(names)}" for kind, names in found.items()]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _too_few(source: Source) -> Exception:
    count = int((source.parts == TRAIN).sum())
    why = "" if count == len(source) else f" of {len(source):,}"
    return InvalidData(f"{source.name}: {count} row{'s' * (count != 1)}{why} to train on; a fit needs at least 2")


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
    reading: Reading = AS_IT_IS,
    maps: Path | None = None,
    verbose: int = 0,
) -> Scored:
    """Score DATA with a saved model and write `row, anomaly_score, is_anomaly` for every row to the file `out`.

    It is Parquet or npy (the scores alone) where it is called so, otherwise CSV. Rows are read, scored and written
    block by block: memory does not grow with their number, but where their truth is known, to rank them all against it.

    `row` is the row's own number in DATA, counted from 0 as the rows of an array are (messages about a CSV file count
    from 1, the first row after its header), and the place among those scored where DATA are pictures. Of pictures a
    fourth column says the `file`; of a known set's case, of a folder that has a part to test, or with a split, the
    rows to test are scored, otherwise all.

    Parameters
    ----------
    maps
        Folder to write a picture of each picture's maps to, on the colour scale of the training pictures.
    """
    if out.is_dir():
        raise InvalidParameter(f"out={out}: is a folder; allowed is the name of a file")
    fitted = load(model)
    detector = fitted.detector_ if isinstance(fitted, PictureDetector) else fitted
    detector.set_params(verbose=0, **({"strict": True} if reading.strict else {}))
    writable(out)
    _apart(out, data)
    source = source_of(data, _as_learned(reading, fitted, detector))
    parts = (TEST,) if (source.parts == TEST).any() else PARTS
    given = source.take(*parts)
    if isinstance(given, Pictures) != isinstance(fitted, PictureDetector):
        kinds = ("pictures", "rows") if isinstance(fitted, PictureDetector) else ("rows", "pictures")
        raise InvalidData(f"'{data}' holds {kinds[1]}, but the model in {model} was fitted on {kinds[0]}")
    if maps is not None and not isinstance(fitted, PictureDetector):
        raise InvalidParameter(f"maps={maps}: the model in {model} was not fitted on pictures")
    numbers, cut = source.numbers(*parts), fitted.threshold_
    names = [source.names[at] for at in numbers] if isinstance(given, Pictures) else None
    truth = source.of(source.anomaly, *parts)
    kept, count, flagged = [], 0, 0
    with (
        table_file(out, ("row", "anomaly_score", "is_anomaly", *(("file",) if names else ())), alone=1) as add,
        steps_bar(len(numbers), "scoring", show=bool(verbose)) as bar,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        for scores in _scored(fitted, given, source.name):
            start, count = count, count + len(scores)
            flags = (scores > cut).astype(np.int64)
            own = range(start, count) if names else numbers[start:count]
            add([np.asarray(own), scores, flags, *([names[start:count]] if names else [])])
            flagged += int(flags.sum())
            kept += [scores] if truth is not None else []
            bar.update(len(scores))
    for warning in caught:
        warnings.warn(warning.message, warning.category, stacklevel=2)
    unseen = tuple(str(warning.message) for warning in caught if issubclass(warning.category, UnseenValues))
    if maps is not None and names and isinstance(fitted, PictureDetector) and isinstance(given, Pictures):
        write_maps(fitted, given, names, maps)
    figures = _judged(np.concatenate(kept), cut, truth) if kept else {}
    return Scored(fitted, count, flagged, source, figures, unseen)


def _scored(fitted: Fitted, given: Any, name: str) -> Iterator[NDArray[np.float64]]:
    """Scores block by block; errors name the file."""
    try:
        yield from fitted.iter_scores(given)
    except InvalidData as error:
        # Blocks name the file among theirs.
        raise error if isinstance(given, Blocks) else InvalidData(f"'{name}': {error}") from error


def export(model: Path, out: Path, rows: str | None = None, *, reading: Reading = AS_IT_IS) -> Exported:
    """Write a saved model as an ONNX graph, checked on rows of the data `rows` or on drawn ones.

    Of data that `score` would take the rows to test alone, those are taken here too.

    Raises
    ------
    MissingExtra, ExportFailed
        As :func:`ringfence.export.to_onnx`, which checks and writes.
    """
    fitted = load(model)
    if rows is None:
        return to_onnx(fitted, out)
    _apart(out, rows)
    detector = fitted.detector_ if isinstance(fitted, PictureDetector) else fitted
    source = source_of(rows, _as_learned(reading, fitted, detector))
    return to_onnx(fitted, out, source.take(*((TEST,) if (source.parts == TEST).any() else PARTS)))


def _as_learned(reading: Reading, fitted: Fitted, detector: Detector) -> Reading:
    """Read as the rows were read that the model learned from: kinds of columns, channels of pictures."""
    if isinstance(fitted, PictureDetector):
        return replace(reading, channels=reading.channels or detector.preprocess_.shape[0], scoring=True)
    understood = detector.columns_.understood if detector.columns_ else ()
    return replace(reading, known={c.name: c.kind for c in understood}, scoring=True)


def _judged(scores: NDArray[np.float64], cut: float, anomaly: NDArray[np.bool_] | None) -> dict[str, float]:
    """The figures of scores whose truth is known, as far as it has both classes; oracle ones are a benchmark's."""
    if anomaly is None or anomaly.all() or not anomaly.any():
        return {}
    return {k: v for k, v in evaluate(scores, anomaly, cut).items() if not k.startswith("oracle")}


DEMO = ("anogan", "egbad", "fencegan", "gan")
"""Methods of the demo: those of README's table, which take a few minutes together."""


def demo(out: Path, *, quick: bool = False, workers: int = 2, verbose: int = 0) -> tuple[list[dict[str, Any]], Path]:
    """Make each digit in turn the anomaly, run `DEMO` and every baseline, and write the report; needs no file.

    Returns
    -------
    The run records, and the path of the report.
    """
    command = f"ringfence demo --out {out}{' --quick' if quick else ''}"
    records = run(plan("digits", DEMO, quick=quick), out, Setting(None, command), workers=workers, verbose=verbose)
    return records, write_report(out, out / "report.html")
