"""DATA as a user names it (a known set, a file, a folder of pictures) → rows, what each is for, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .data import CATALOG, Loaded, built_in, load_file
from .data.header import channels_of, read_header
from .data.picture_files import PictureFiles
from .data.pictures import PictureFile, read_picture_folder
from .data.scan import SUFFIXES
from .exceptions import InvalidData, InvalidParameter, unknown_name
from .frame import Frame, missing
from .holdout import sides
from .kinds import as_categories
from .pictures import Pictures
from .splits import CALIBRATE, PARTS, SKIP, TEST, TRAIN, Parts, check_groups, read_split

Rows = NDArray[Any] | Frame | Pictures


@dataclass(frozen=True)
class Reading:
    """How DATA is to be read.

    Attributes
    ----------
    data_dir
        Folder of the known sets.
    label, normal
        Column or array of labels, and the label that means normal; for folders of classes `normal` is a class.
    group
        Column that says what a row belongs to; never a feature.
    kinds
        Kinds of columns by name.
    known
        Kinds that a model knows of, for columns that the file may lack.
    split
        File that fixes what each row is for (see :mod:`ringfence.splits`).
    strict
        Refuse damaged pictures instead of leaving them out.
    channels
        Of pictures: 1, 3 or 4; None takes what holds all of them.
    workers
        Threads that decode pictures.
    seed
        Of the split of a known set.
    scoring
        Whether rows are only to be scored: then labels need not hold the normal one.
    """

    data_dir: str | None = None
    label: str | None = None
    normal: str | None = None
    group: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    known: Mapping[str, str] = field(default_factory=dict)
    split: Path | None = None
    strict: bool = False
    channels: int | None = None
    workers: int = 2
    seed: int = 0
    scoring: bool = False


@dataclass(frozen=True, eq=False)
class Source:
    """Rows and what is known of each.

    Attributes
    ----------
    rows
        An array, a frame, or pictures.
    names
        What rows are called: their numbers from 0, or the names of pictures.
    parts
        (n,) what each is for, one of `ringfence.splits.PARTS`.
    why
        For each part the reason, in words.
    anomaly
        (n,) bool, or None where nothing tells.
    groups
        (n,), or None.
    notes
        What a user should know of the reading.
    """

    rows: Rows
    name: str
    names: Sequence[str]
    parts: Parts
    why: Mapping[str, str]
    anomaly: NDArray[np.bool_] | None = None
    groups: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def take(self, *parts: str) -> Rows:
        """Return the rows of some parts."""
        index = np.flatnonzero(np.isin(self.parts, parts))
        if isinstance(self.rows, Pictures | Frame):
            return self.rows if len(index) == len(self) else self.rows.take(index)
        return self.rows[index]

    def of(self, values: NDArray[Any] | None, *parts: str) -> Any:
        """Return a value for each row of some parts; None stays None."""
        return None if values is None else values[np.isin(self.parts, parts)]

    def calibrated(self, share: float, rng: Any) -> "Source":
        """Keep a share of the training rows out for the cut, whole groups where there are some."""
        if not share:
            return self
        training = np.flatnonzero(self.parts == TRAIN)
        _, judged = sides(len(training), share, rng, self.of(self.groups, TRAIN), None)
        parts = self.parts.copy()
        parts[training[judged]] = CALIBRATE
        grouped = ", whole groups" if self.groups is not None else ""
        return replace(self, parts=parts, why={**self.why, CALIBRATE: f"a drawn share of {share:g}{grouped}"})

    def tested(self, share: float, rng: Any) -> "Source":
        """Keep a share of the training rows to test on, whole groups where there are some, and every labelled anomaly.

        Anomalies of a group that trains are left out: nothing of a group that trains is tested on.
        """
        training = np.flatnonzero(self.parts == TRAIN)
        _, judged = sides(len(training), share, rng, self.of(self.groups, TRAIN), None)
        parts = self.parts.copy()
        parts[training[judged]] = TEST
        odd = np.zeros(len(self), dtype=bool) if self.anomaly is None else self.anomaly
        if self.groups is not None:
            odd = odd & ~np.isin(self.groups.astype(str), self.groups[parts == TRAIN].astype(str))
        parts[odd] = TEST
        grouped = ", whole groups" if self.groups is not None else ""
        said = f"a drawn share of {share:g} of the training rows{grouped}"
        said += f", and {int(odd.sum()):,} labelled anomalies" if odd.any() else ""
        return replace(self, parts=parts, why={**self.why, TEST: said})

    def said(self) -> list[str]:
        """Say in lines how many rows are for what, and why."""
        told = {
            TRAIN: ("row trains", "rows train"),
            CALIBRATE: ("row calibrates the cut", "rows calibrate the cut"),
            TEST: ("row does not train", "rows do not train"),
            SKIP: ("row is left out", "rows are left out"),
        }
        counts = {part: int((self.parts == part).sum()) for part in PARTS}
        return [
            f"{counts[part]:,} {told[part][counts[part] > 1]}: {self.why.get(part, 'as the split says')}"
            for part in PARTS
            if counts[part]
        ]


def source_of(data: str, reading: Reading) -> Source:
    """Read DATA.

    Parameters
    ----------
    data
        A known set ("digits:3", "kdd99:all"; without a case the whole set, nothing of which trains), a file that
        :func:`ringfence.data.load_file` takes, or a folder of pictures.

    Raises
    ------
    InvalidParameter, InvalidData
        As the loaders say; or if the split is not of these rows, has a group on two sides, or there is nothing to
        train on.
    """
    name = data.partition(":")[0]
    if name in CATALOG:
        source = _known(data, reading)
    elif Path(data).expanduser().is_dir():
        source = _folder(Path(data).expanduser(), reading)
    elif Path(data).suffix.lower() in SUFFIXES:
        source = _picture(Path(data).expanduser(), reading)
    else:
        source = _file(data, reading)
    if reading.split is not None:
        source = _fixed(source, reading.split)
    check_groups(source.parts, source.groups)
    return source


def _known(data: str, reading: Reading) -> Source:
    name, _, case = data.partition(":")
    known = built_in(name)
    if case and case not in known.cases:
        raise InvalidParameter(unknown_name(f"case of {name}", case, known.cases))
    rows = known.load(reading.data_dir)
    table = Frame(dict(zip(rows.columns, rows.x.T, strict=True))) if rows.columns else rows.x
    names = [str(at) for at in range(len(rows.x))]
    if not case:
        why = f"'{name}' holds anomalies beside its normal rows; a case says which they are"
        return Source(table, f"{name}, all rows", names, np.full(len(names), TEST), {TEST: why})
    split = rows.split(case, reading.seed)
    parts = np.full(len(names), SKIP, dtype="<U9")
    parts[split.train], parts[split.test] = TRAIN, TEST
    anomaly = np.zeros(len(names), dtype=bool)
    anomaly[split.test] = split.anomaly
    said = f"protocol {split.name}, seed {reading.seed}"
    return Source(table, f"{name} case {case}", names, parts, dict.fromkeys(PARTS, said), anomaly)


def _file(data: str, reading: Reading) -> Source:
    loaded = _loaded(data, reading)
    rows, groups = loaded.x, None
    if isinstance(rows, Frame) and reading.known:  # of a model: what the user leaves out now was perhaps not there then
        left_out = [name for name, kind in reading.kinds.items() if kind == "skip" and name in rows]
        rows = rows.without(*left_out) if left_out else rows
    if reading.group is not None:
        if not isinstance(rows, Frame) or reading.group not in rows:
            known = rows if isinstance(rows, Frame) else []
            raise InvalidParameter(f"'{data}': {unknown_name('group column', reading.group, known)}")
        groups, rows = rows[reading.group], rows.without(reading.group)
        if missing(groups).any():
            at = int(np.argmax(missing(groups)))
            raise InvalidData(f"'{data}': row {at + 1} has no group in '{reading.group}'")
        groups = as_categories(reading.group, groups)
    names = [str(at) for at in range(rows.rows if isinstance(rows, Frame) else len(rows))]
    parts, why = np.full(len(names), TRAIN, dtype="<U9"), {TRAIN: "every row of the file"}
    if loaded.labels is not None:
        parts[loaded.labels] = SKIP
        why = {
            TRAIN: f"'{reading.label}' is '{reading.normal}', which means normal",
            SKIP: f"'{reading.label}' is not '{reading.normal}', so they are anomalies",
        }
    return Source(rows, loaded.name, names, parts, why, loaded.labels, groups, loaded.notes)


def _loaded(data: str, reading: Reading) -> Loaded:
    label, normal, drop = reading.label, reading.normal, reading.scoring or reading.normal is None
    text = () if reading.group is None else (reading.group,)
    if reading.known:
        try:
            return load_file(data, label, normal, drop, {**reading.known, **reading.kinds}, text)
        except InvalidParameter:
            pass  # perhaps the file lacks one of these columns: the model says it better than the reader
    return load_file(data, label, normal, drop, reading.kinds, text)


def _folder(path: Path, reading: Reading) -> Source:
    if reading.label is not None or reading.group is not None or reading.kinds:
        raise InvalidParameter(f"'{path}' is a folder of pictures: --label, --group and --kind are for tables")
    folder = read_picture_folder(path, normal=reading.normal, strict=reading.strict)
    # The pictures that train say how many channels a model has; those to be tested are made alike.
    training = [file.header for file in folder.files if file.part == "train"]
    channels = reading.channels or channels_of(training or [file.header for file in folder.files])
    files = PictureFiles(folder.files, channels)
    faults = files.faults(reading.workers)
    if faults and reading.strict:
        raise InvalidData(next(iter(faults.values())))
    whole = [at for at in range(len(files)) if at not in faults]
    notes = [f"'{name}' is left out: {reason}" for name, reason in folder.skipped]
    notes += [f"'{files.names[at]}' is left out: {reason}" for at, reason in faults.items()]
    kept = [folder.files[at] for at in whole]
    if not kept:
        raise InvalidData(f"'{path}' has no picture that can be decoded")
    parts = np.array([file.part for file in kept], dtype="<U9")
    known = all(file.anomalous is not None for file in kept)
    anomaly = np.array([bool(file.anomalous) for file in kept]) if known else None
    why = {
        "flat": {TRAIN: "every picture of the folder"},
        "mvtec": {TRAIN: "train/good", TEST: "test/"},
        "classes": {TRAIN: f"class '{reading.normal}'", TEST: "the other classes"},
    }[folder.layout]
    pictures = PictureFiles(kept, channels)
    return Source(pictures, path.name, pictures.names, parts, why, anomaly, notes=tuple(notes))


def _picture(path: Path, reading: Reading) -> Source:
    """One picture, to be scored."""
    header = read_header(path)
    file = PictureFile(path, path.name, "test", "", None, None, header)
    pictures = PictureFiles([file], reading.channels)
    return Source(pictures, path.name, pictures.names, np.array([TEST]), {TEST: "one picture, to be scored"})


def _fixed(source: Source, path: Path) -> Source:
    parts = read_split(path, source.names).astype("<U9")
    said = f"as {path.name} says"
    why = dict.fromkeys(PARTS, said)
    if source.anomaly is not None and (odd := np.isin(parts, (TRAIN, CALIBRATE)) & source.anomaly).any():
        parts[odd] = SKIP
        why[SKIP] = f"{said}; {int(odd.sum()):,} that it would train on are labelled anomalies"
    return replace(source, parts=parts, why=why)
