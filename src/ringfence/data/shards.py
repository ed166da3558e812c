"""Parquet and npy files larger than memory, alone or many of them as the shards of one table."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, final

import numpy as np
from numpy.typing import NDArray

from ..blocks import HELD, LEAST_HELD, Blocks, joined, pieces, rows_at_once
from ..exceptions import InvalidData, InvalidParameter, unknown_name
from ..frame import Frame
from .arrays import checked_features
from .columnar import check_finite, checked_names, needs_pyarrow, raw_labels, read_columns
from .stamps import Files

SHARDS: Final = (".parquet", ".npy")
"""Ends of the names of files that can be read block by block."""

BUFFER: Final = 2**15
"""Bytes of each column of a Parquet file that are read at a time."""


class Piece(NamedTuple):
    """Where a block lies: number of the file, row group (0 in an array), first row within it, and in the file."""

    file: int
    group: int
    start: int
    first: int


def open_shards(
    path: str | Path | Sequence[str | Path],
    label: str | None = None,
    kinds: Mapping[str, str] | None = None,
    text: Collection[str] = (),
    memory: int = HELD,
) -> "ParquetShards | NpyShards":
    """Open Parquet or npy files without reading their rows, for `fit`, `anomaly_score` and `iter_scores`.

    Parameters
    ----------
    path : str, Path or sequence of them
        A file, the files of one table in order, or a folder of them, which are taken in the order of their names.
        Names that begin with a dot or an underscore are passed over.
    label : str or None
        The column that holds labels, which is no feature; :meth:`ParquetShards.column` reads it.
    kinds : mapping of str to str, or None
        Kinds by column. A column named here is no label, whatever it is called.
    text : collection of str
        Columns that are no features, such as groups, whatever they are called; :meth:`ParquetShards.column` reads them.
    memory : int
        Bytes that rows held at a time may take while a fit draws its batches from them; at least 1 MiB.

    Raises
    ------
    InvalidData
        If there is nothing to read, formats are mixed, a file is damaged, ends early or has no rows, or one has other
        columns or types than the first. The line names the file.
    InvalidParameter
        If ``label`` or a column of ``kinds`` is not there.
    MissingExtra
        If a Parquet file needs pyarrow and it is not installed.
    """
    if memory < LEAST_HELD:
        raise InvalidParameter(f"memory={memory}: allowed are whole numbers of bytes ≥ {LEAST_HELD}")
    files = _files(path)
    if files[0].suffix.lower() == ".npy":
        if label is not None:
            raise InvalidParameter(f"'{files[0]}' is one array without names, so there is no label '{label}'")
        return NpyShards.open(files, memory)
    return ParquetShards.open(files, label, kinds or {}, text, memory)


def is_sharded(path: Path) -> bool:
    """Whether a folder holds shards, as far as the names of its files say."""
    return path.is_dir() and any(entry.suffix.lower() in SHARDS for entry in path.iterdir() if entry.is_file())


def _files(path: str | Path | Sequence[str | Path]) -> list[Path]:
    given = [path] if isinstance(path, str | Path) else list(path)
    files = [Path(each).expanduser() for each in given]
    if len(files) == 1 and files[0].is_dir():
        folder = files[0]
        files = sorted(each for each in folder.iterdir() if not each.name.startswith((".", "_")))
        inner = next((each for each in files if each.is_dir()), None)
        if inner is not None:
            raise InvalidData(f"'{folder}' holds the folder '{inner.name}': the shards of a table lie in one folder")
        if not files:
            raise InvalidData(f"'{folder}' is empty: files {' or '.join(SHARDS)} are needed")
    if not files:
        raise InvalidData(f"no files: at least one of {', '.join(SHARDS)} is needed")
    for file in files:
        if not file.is_file():
            raise InvalidData(f"'{file}' does not exist" if not file.exists() else f"'{file}' is no file")
        if file.suffix.lower() not in SHARDS:
            raise InvalidData(f"'{file}' can't be read block by block; allowed: {', '.join(SHARDS)}")
        if file.suffix.lower() != files[0].suffix.lower():
            raise InvalidData(f"'{file}' lies beside '{files[0].name}': the shards of a table have one format")
    return files


@final
class ParquetShards(Blocks):
    """The rows of Parquet files; a block is a row group, or a part of one that is large. Made by :func:`open_shards`.

    Attributes
    ----------
    label
        Name of the column of labels, or None.
    """

    names: tuple[str, ...]

    def __init__(
        self, files: Files, groups: Sequence[Sequence[int]], names: tuple[str, ...], label: str | None, memory: int
    ) -> None:
        self._files, self._groups, self.names, self.label, self.memory = files, groups, names, label, memory
        self._most = rows_at_once((len(names),), memory)
        self._pieces: list[Piece] = []
        sizes: list[int] = []
        for file, counts in enumerate(groups):
            first = 0
            for group, count in enumerate(counts):
                cut = pieces(count, self._most).tolist()
                starts = [self._most * at for at in range(len(cut))]
                self._pieces += [Piece(file, group, start, first + start) for start in starts]
                sizes += cut
                first += count
        self.sizes = np.array(sizes, dtype=np.int64)
        self.shape = (int(self.sizes.sum()), len(names))
        self._ahead: tuple[int, Iterator[Any]] | None = None

    @classmethod
    def open(
        cls, paths: Sequence[Path], label: str | None, kinds: Mapping[str, str], text: Collection[str], memory: int
    ) -> Self:
        """Read what the files say of themselves; see :func:`open_shards`."""
        import pyarrow as pa

        found: list[Any] = []
        groups = []
        for path in paths:
            with _parquet(path) as opened:
                found.append(opened.schema_arrow)
                about = opened.metadata
                groups.append([about.row_group(at).num_rows for at in range(about.num_row_groups)])
            if not sum(groups[-1]):
                raise InvalidData(f"'{path}' has no rows")
            _same_columns(pa, found[0], found[-1], paths[0], path)
        names = tuple(found[0].names)
        label = checked_names(names, label, paths[0], kinds, text)
        features = tuple(name for name in names if name != label and name not in text)
        return cls(Files(paths), groups, features, label, memory)

    def block(self, at: int) -> Frame:
        """Read a block; its rows know their numbers in their file."""
        if self._ahead is None or self._ahead[0] != at:
            self._ahead = None  # lets go of the file that was open
            self._ahead = (at, self._from(at, self.names))
        columns = next(self._ahead[1])
        self._ahead = (at + 1, self._ahead[1]) if at + 1 < len(self.sizes) else None
        piece = self._pieces[at]
        check_finite(columns, self._files.paths[piece.file], piece.first)
        return Frame(columns, origin=np.arange(piece.first, piece.first + int(self.sizes[at])))

    def _from(self, at: int, names: Sequence[str]) -> Iterator[dict[str, NDArray[Any]]]:
        """Columns of a block and of those behind it; a file stays open until its last row."""
        pa = needs_pyarrow(self._files.paths[0])
        while at < len(self._pieces):
            piece = self._pieces[at]
            path = self._files.checked(piece.file)
            with _parquet(path) as opened:
                while at < len(self._pieces) and self._pieces[at].file == piece.file:
                    group, start, before = self._pieces[at].group, self._pieces[at].start, at
                    for table in _tables(pa, opened, path, group, self._most, names, start // self._most):
                        if table.num_rows != self.sizes[at]:
                            raise _damaged(path)
                        yield read_columns(pa, table, path)
                        at += 1
                    if at == before:
                        raise _damaged(path)

    def where(self, at: int) -> str:  # noqa: D102
        return f"'{self._files.paths[self._pieces[at].file]}'"

    def only(self, names: Sequence[str]) -> "ParquetShards":
        """Return some of the columns; the others are not read."""
        known = self.names + ((self.label,) if self.label else ())
        strange = next((name for name in names if name not in known), None)
        if strange is not None:
            raise InvalidParameter(unknown_name("column", strange, known))
        return ParquetShards(self._files, self._groups, tuple(names), self.label, self.memory)

    def column(self, name: str) -> NDArray[Any]:
        """Read one column whole, (n,), the label or a group too; labels that are no numbers as text, gaps empty."""
        # Pieces of the same length, so that a block is a block here too.
        return joined([raw_labels(columns[name]) for columns in self._from(0, [name])])

    def digest(self) -> str:  # noqa: D102
        return f"{self._files.digest()} {self.names} {self.memory}"


def _parquet(path: Path) -> Any:
    """Open a file; what lies behind its end is not looked for."""
    needs_pyarrow(path)
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    except Exception as error:  # Arrow's own, OSError, KeyError: as the bytes have it
        raise _damaged(path) from error


def _damaged(path: Path) -> InvalidData:
    return InvalidData(f"'{path}' can't be read: it ends early, is damaged, or is no {path.suffix} file")


def _tables(
    pa: Any, opened: Any, path: Path, group: int, most: int, names: Sequence[str], skipped: int
) -> Iterator[Any]:
    """Tables of `most` rows each of a row group, the last one as long as it is, without the first few."""
    batches = opened.iter_batches(most, row_groups=[group], columns=list(names), use_threads=False)
    waiting: list[Any] = []
    while True:
        try:
            batch = next(batches, None)
            if batch is not None:
                batch.validate(full=True)
        except Exception as error:
            raise _damaged(path) from error
        waiting += [] if batch is None else [batch]
        # A batch may be shorter where text is long.
        while waiting and (batch is None or sum(part.num_rows for part in waiting) >= most):
            table = pa.Table.from_batches(waiting)
            rest = table.slice(most)
            waiting = rest.to_batches() if rest.num_rows else []
            if skipped:
                skipped -= 1
            else:
                yield table.slice(0, most)
        if batch is None:
            return


def _same_columns(pa: Any, first: Any, other: Any, path: Path, there: Path) -> None:
    """Refuse a file whose columns have other names or other kinds of types than those of the first."""
    lacking = [name for name in first.names if name not in other.names]
    strange = [name for name in other.names if name not in first.names]
    if lacking or strange:
        faults = [f"lacks the column '{lacking[0]}'"] if lacking else []
        faults += [f"has the column '{strange[0]}', which is not there"] if strange else []
        raise InvalidData(f"'{there}' has other columns than '{path.name}': it {' and '.join(faults)}")
    for name in first.names:
        one, two = first.field(name).type, other.field(name).type
        if _sort(pa, one) != _sort(pa, two) and not (pa.types.is_null(one) or pa.types.is_null(two)):
            raise InvalidData(f"'{there}': column '{name}' holds {two}, in '{path.name}' it holds {one}")


def _sort(pa: Any, kind: Any) -> str:
    """What types may stand for each other from file to file."""
    types = pa.types
    kind = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "date"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    return str(kind)


@final
class NpyShards(Blocks):
    """The rows of npy files. Made by :func:`open_shards`.

    They are read and not mapped, so that what was read takes no memory.
    """

    def __init__(
        self, files: Files, counts: Sequence[int], offsets: Sequence[int], row: tuple[int, ...], dtype: Any, memory: int
    ) -> None:
        self._files, self._offsets, self._dtype, self.memory, self.names = files, offsets, dtype, memory, None
        most = rows_at_once(row, memory)
        cut = [pieces(count, most) for count in counts]
        self.sizes = np.concatenate(cut)
        self.shape = (int(self.sizes.sum()), *row)
        spans = [(file, most * at) for file, sizes in enumerate(cut) for at in range(len(sizes))]
        self._pieces = [Piece(file, 0, start, start) for file, start in spans]

    @classmethod
    def open(cls, paths: Sequence[Path], memory: int) -> Self:
        """Read what the files say of themselves; see :func:`open_shards`."""
        found = [_header(path) for path in paths]
        (_, *row), dtype, _ = found[0]
        for path, ((_, *other), kind, _) in zip(paths, found, strict=True):
            if (other, kind) != (row, dtype):
                raise InvalidData(
                    f"'{path}' holds {kind} rows of shape {tuple(other)}, '{paths[0].name}' {dtype} of {tuple(row)}"
                )
        counts, offsets = [shape[0] for shape, _, _ in found], [offset for _, _, offset in found]
        return cls(Files(paths), counts, offsets, tuple(row), dtype, memory)

    def block(self, at: int) -> NDArray[Any]:
        """Read a block."""
        piece, rows, row = self._pieces[at], int(self.sizes[at]), self.shape[1:]
        path = self._files.checked(piece.file)
        each = int(np.prod(row))
        offset = self._offsets[piece.file] + piece.start * each * self._dtype.itemsize
        values = np.fromfile(path, self._dtype, rows * each, offset=offset)
        if values.size != rows * each:
            raise InvalidData(f"'{path}' has changed since it was opened, or is gone: open the shards again")
        return checked_features(values.reshape(rows, *row), path, piece.first)

    def where(self, at: int) -> str:  # noqa: D102
        piece = self._pieces[at]
        return f"'{self._files.paths[piece.file]}', behind row {piece.first:,}"

    def only(self, names: Sequence[str]) -> "NpyShards":  # noqa: D102
        raise InvalidParameter(f"{names}: the columns of an array have no names")

    def digest(self) -> str:  # noqa: D102
        return f"{self._files.digest()} {self.memory}"


def _header(path: Path) -> tuple[tuple[int, ...], Any, int]:
    """Shape, dtype and place of the values of an npy file that is as long as it says."""
    try:
        with path.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, fortran, dtype = read(stream)
            offset = stream.tell()
    except Exception as error:  # on damaged bytes NumPy and tokenize each raise their own
        raise InvalidData(f"'{path}' can't be read: it ends early, or is no .npy file") from error
    if dtype.kind not in "buif":
        raise InvalidData(f"'{path}' holds {dtype}: numbers are needed")
    if len(shape) < 2 or 0 in shape:
        raise InvalidData(f"'{path}' holds no rows of several values: its shape is {shape}")
    if fortran:
        raise InvalidData(f"'{path}' lies column by column (Fortran's order): save it as np.ascontiguousarray(x)")
    needed, there = offset + int(np.prod(shape)) * dtype.itemsize, path.stat().st_size
    if there < needed:
        raise InvalidData(f"'{path}' ends early: {shape} of {dtype} take {needed:,} bytes, the file has {there:,}")
    return shape, dtype, offset
