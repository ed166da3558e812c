"""DATA as a user names it (a known set, a file, a folder of pictures) → rows, what each is for, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .blocks import HELD, Blocks
from .data import CATALOG, Loaded, built_in, load_file, open_shards
from .data.header import channels_of, read_header
from .data.labels import LABEL_NAMES, as_anomaly
from .data.picture_files import PictureFiles
from .data.pictures import PictureFile, read_picture_folder
from .data.scan import SUFFIXES
from .data.shards import SHARDS, ParquetShards, is_sharded
from .exceptions import InvalidData, InvalidParameter, RingfenceError, unknown_name
from .frame import Frame, missing
from .holdout import sides
from .kinds import as_categories
from .pictures import Pictures
from .splits import CALIBRATE, PARTS, SKIP, TEST, TRAIN, Parts, check_groups, read_split

Rows = NDArray[Any] | Frame | Pictures | Blocks


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
    memory
        Bytes that rows held at a time may take: Parquet and npy files that take more as numbers are left on disk, to be
        read block by block. None reads every file whole.
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
    memory: int | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """Rows and what is known of each.

    Attributes
    ----------
    rows
        An array, a frame, pictures, or blocks on disk.
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
        if len(index := self.numbers(*parts)) == len(self):
            return self.rows
        return self.rows[index] if isinstance(self.rows, np.ndarray) else self.rows.take(np.asarray(index))

    def of(self, values: NDArray[Any] | None, *parts: str) -> Any:
        """Return a value for each row of some parts; None stays None."""
        if values is None or len(index := self.numbers(*parts)) == len(self):
            return values
        return values[np.asarray(index)]

    def numbers(self, *parts: str) -> Sequence[int] | NDArray[np.int64]:
        """Return the numbers of the rows of some parts, ascending."""
        if len(self) and self.parts.strides == (0,):  # one part for all
            return range(len(self) if self.parts[0] in parts else 0)
        return np.flatnonzero(np.isin(self.parts, parts))

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

    def counts(self) -> dict[str, int]:
        """How many rows are for what, parts without rows left out."""
        return {part: count for part in PARTS if (count := len(self.numbers(part)))}

    def said(self) -> list[str]:
        """Say in lines how many rows are for what, and why."""
        told = {
            TRAIN: ("row trains", "rows train"),
            CALIBRATE: ("row calibrates the cut", "rows calibrate the cut"),
            TEST: ("row does not train", "rows do not train"),
            SKIP: ("row is left out", "rows are left out"),
        }
        counts = {part: len(self.numbers(part)) for part in PARTS}
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
    elif is_sharded(Path(data).expanduser()):
        source = _shards(data, reading)
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


@dataclass(frozen=True)
class Numbers(Sequence[str]):
    """The names of so many rows: their numbers from 0."""

    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, at: Any) -> Any:
        numbers = range(self.rows)[at]
        return list(map(str, numbers)) if isinstance(at, slice) else str(numbers)


def _file(data: str, reading: Reading) -> Source:
    path = Path(data).expanduser()
    if reading.memory is not None and path.suffix.lower() in SHARDS:
        try:
            small = open_shards(path, reading.label, text=LABEL_NAMES, memory=reading.memory).small
        except RingfenceError:
            small = True  # the reader of whole files says what is wrong
        if not small:
            return _shards(data, reading)
    return _table(_loaded(data, reading), data, reading)


def _table(loaded: Loaded, data: str, reading: Reading) -> Source:
    rows, groups = loaded.x, None
    if isinstance(rows, Frame) and reading.known:  # of a model: what the user leaves out now was perhaps not there then
        left_out = [name for name, kind in reading.kinds.items() if kind == "skip" and name in rows]
        rows = rows.without(*left_out) if left_out else rows
    if reading.group is not None:
        if not isinstance(rows, Frame) or reading.group not in rows:
            known = rows if isinstance(rows, Frame) else []
            raise InvalidParameter(f"'{data}': {unknown_name('group column', reading.group, known)}")
        groups, rows = _groups(data, reading.group, rows[reading.group]), rows.without(reading.group)
    names = Numbers(rows.rows if isinstance(rows, Frame) else len(rows))
    parts, why = _labelled(loaded.labels, len(names), reading)
    return Source(rows, loaded.name, names, parts, why, loaded.labels, groups, loaded.notes)


def _shards(data: str, reading: Reading) -> Source:
    """A file or a folder of files of one table, left on disk unless it is small."""
    path, text = Path(data).expanduser(), () if reading.group is None else (reading.group,)
    if reading.label is None and reading.normal is not None:
        raise InvalidParameter(f"normal is '{reading.normal}' but no label column is named: add --label NAME")
    memory = HELD if reading.memory is None else reading.memory
    try:
        blocks = open_shards(path, reading.label, {**reading.known, **reading.kinds}, text, memory)
    except InvalidParameter:  # perhaps the model knows of a column that is not there: it says so better
        blocks = open_shards(path, reading.label, reading.kinds, text, memory)
    labels, groups = None, None
    if isinstance(blocks, ParquetShards):
        if reading.label is not None and not (reading.normal is None and reading.scoring):
            values = blocks.column(reading.label)
            labels = as_anomaly(values, reading.label, reading.normal, path, must_occur=not reading.scoring)
        if reading.group is not None:
            groups = _groups(data, reading.group, blocks.column(reading.group))
        left_out = [name for name, kind in reading.kinds.items() if kind == "skip"] if reading.known else []
        blocks = blocks.only([name for name in blocks.names if name not in left_out])
    elif reading.group is not None:
        raise InvalidParameter(f"'{data}': {unknown_name('group column', reading.group, [])}")
    if blocks.small or reading.memory is None:
        table = Loaded(blocks.whole(), None, labels, path.name)
        made = _table(table, data, replace(reading, group=None, known={}))
        return replace(made, groups=groups)
    parts, why = _labelled(labels, len(blocks), reading)
    return Source(blocks, path.name, Numbers(len(blocks)), parts, why, labels, groups)


def _labelled(labels: NDArray[np.bool_] | None, count: int, reading: Reading) -> tuple[Parts, dict[str, str]]:
    """What the rows of a file are for, and why."""
    if labels is None or reading.scoring:  # what is scored is scored whatever it is
        return np.broadcast_to(np.array(TRAIN, dtype="<U9"), count), {TRAIN: "every row of the file"}
    parts = np.full(count, TRAIN, dtype="<U9")
    parts[labels] = SKIP
    return parts, {
        TRAIN: f"'{reading.label}' is '{reading.normal}', which means normal",
        SKIP: f"'{reading.label}' is not '{reading.normal}', so they are anomalies",
    }


def _groups(data: str, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """The group of each row as text; none may lack."""
    if missing(values).any():
        raise InvalidData(f"'{data}': row {int(np.argmax(missing(values))) + 1} has no group in '{name}'")
    return as_categories(name, values)


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
