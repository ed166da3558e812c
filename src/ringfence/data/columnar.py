"""A user's Parquet and Arrow files as a frame; needs pyarrow (extra ``tables``)."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..exceptions import InvalidData, MissingExtra
from ..frame import Frame
from ..kinds import as_categories
from .labels import claimed
from .table import Parsed, check_kinds

_ARROW_FILE = b"ARROW1"  # how a file that can be sought begins; others are streams
_PANDAS_INDEX = "__index_level_"


def read_parquet(
    path: Path, label: str | None, kinds: Mapping[str, str] | None = None, text: Collection[str] = ()
) -> Parsed:
    """Read a Parquet file.

    Parameters
    ----------
    path : Path
        The file.
    label : str or None
        The column that holds labels, split off.
    kinds : mapping of str to str, or None
        Kinds by column; the file has types of its own, so that here only the names are checked. A column named here
        is no label, whatever it is called.
    text : collection of str
        Columns that become text whatever their type, whole numbers as such ("3" for 3.0); other names are passed over.

    Raises
    ------
    InvalidData
        If the file is damaged, has no rows, two columns of one name, an index of pandas without a name, an infinite
        number, a column that holds no numbers, text, booleans or dates, or one that looks like a label and has no kind.
    InvalidParameter
        If there is no column ``label`` or one of ``kinds``.
    MissingExtra
        If pyarrow is not installed.
    """
    pa = needs_pyarrow(path)

    def read(stream: BinaryIO) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetFile(stream).read()

    return _parsed(pa, _intact(read, path), path, label, kinds or {}, text)


def read_arrow(
    path: Path, label: str | None, kinds: Mapping[str, str] | None = None, text: Collection[str] = ()
) -> Parsed:
    """Read an Arrow file or stream (Feather version 2 is the former); for the rest see :func:`read_parquet`."""
    pa = needs_pyarrow(path)

    def read(stream: BinaryIO) -> Any:
        begin = stream.read(len(_ARROW_FILE))
        stream.seek(0)
        opened = pa.ipc.open_file(stream) if begin == _ARROW_FILE else pa.ipc.open_stream(stream)
        return opened.read_all()

    return _parsed(pa, _intact(read, path), path, label, kinds or {}, text)


def needs_pyarrow(path: Path) -> ModuleType:
    """Import pyarrow, or say what is to be installed."""
    try:
        import pyarrow
    except ImportError as error:
        raise MissingExtra(f"'{path}' needs pyarrow: pip install ringfence[tables]") from error
    return pyarrow  # type: ignore[no-any-return]


def _intact(read: Callable[[BinaryIO], Any], path: Path) -> Any:
    """Call ``read`` on the open file; whatever pyarrow raises on damaged bytes becomes one line."""
    with path.open("rb") as stream:
        try:
            table = read(stream)
            table.validate(full=True)
        except Exception as error:  # Arrow's own, OSError, ValueError, KeyError: as the bytes have it
            raise InvalidData(f"'{path}' can't be read: it is truncated, damaged or no {path.suffix} file") from error
    return table


def _parsed(
    pa: ModuleType, table: Any, path: Path, label: str | None, kinds: Mapping[str, str], text: Collection[str]
) -> Parsed:
    """Split a table of Arrow into features and labels."""
    label = checked_names(tuple(table.column_names), label, path, kinds, text)
    if table.num_rows == 0:
        raise InvalidData(f"'{path}' has no rows")
    columns = read_columns(pa, table, path)
    truth = None if label is None else raw_labels(columns.pop(label))
    check_finite(columns, path)
    columns |= {name: as_categories(name, columns[name]) for name in text if name in columns}
    return Parsed(Frame(columns), truth)


def checked_names(
    names: tuple[str, ...], label: str | None, path: Path, kinds: Mapping[str, str], text: Collection[str]
) -> str | None:
    """Return the label's name after checking the names of a file's columns; errors as in :func:`read_parquet`."""
    twice = next((name for j, name in enumerate(names) if name in names[:j]), None)
    if twice is not None:
        raise InvalidData(f"'{path}' has two columns '{twice}'")
    index = next((name for name in names if name.startswith(_PANDAS_INDEX)), None)
    if index is not None:
        raise InvalidData(f"'{path}': column '{index}' is an index of pandas; leave it out: to_parquet(index=False)")
    label = claimed(names, label, path, settled={*kinds, *text})
    check_kinds(kinds, names, path)
    if names == (label,):
        raise InvalidData(f"'{path}' has no column but the label '{label}'")
    return label


def read_columns(pa: ModuleType, table: Any, path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns of an Arrow table as a frame keeps them."""
    return {name: _values(pa, table.column(name), f"'{path}': column '{name}'") for name in table.column_names}


def check_finite(columns: Mapping[str, NDArray[Any]], path: Path, first: int = 0) -> None:
    """Refuse an infinite number; `first` is the number of the first row in its file, from 0."""
    for name, values in columns.items():
        infinite = np.isinf(values) if values.dtype.kind == "f" else np.zeros(0, dtype=bool)
        if infinite.any():
            row = int(np.argmax(infinite))
            raise InvalidData(
                f"'{path}': row {first + row + 1}, column '{name}' is '{values[row]}', not a finite number"
            )


def raw_labels(values: NDArray[Any]) -> NDArray[Any]:
    """Return labels as `as_anomaly` takes them: text, missing ones empty, if they are no plain numbers."""
    if values.dtype.kind in "bif":
        return values
    return np.array(["" if value is None else str(value) for value in values.tolist()])


def _values(pa: ModuleType, column: Any, where: str) -> NDArray[Any]:
    """Return a column of Arrow as a frame keeps it."""
    kind = column.type
    types = pa.types
    if types.is_null(kind):
        return np.full(len(column), np.nan)
    if types.is_boolean(kind):
        return np.array(column.to_pylist(), dtype=object if column.null_count else bool)
    if types.is_integer(kind) and not column.null_count:
        return np.asarray(column.to_numpy())
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    if types.is_timestamp(kind) or types.is_date(kind):
        return _dates(pa, column, where)
    if types.is_dictionary(kind) and not types.is_nested(kind.value_type):
        return _texts(pa, column.cast(kind.value_type), where)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _texts(pa, column, where)
    found = f"a nested value in each row ({kind})" if types.is_nested(kind) else str(kind)
    raise InvalidData(f"{where} holds {found}: numbers, text, booleans or dates are needed")


def _dates(pa: ModuleType, column: Any, where: str) -> NDArray[Any]:
    """Return instants as microseconds, those with a time zone in UTC."""
    target = pa.timestamp("us", tz=getattr(column.type, "tz", None))
    options = pa.compute.CastOptions(target_type=target, allow_time_truncate=True)
    try:
        found = pa.compute.cast(column, options=options)
    except pa.ArrowInvalid as error:
        raise InvalidData(f"{where} holds a date beyond what microseconds can say ({column.type})") from error
    return np.asarray(found.to_numpy()).astype("datetime64[us]")


def _texts(pa: ModuleType, column: Any, where: str) -> NDArray[Any]:
    """Return texts as objects, equal ones as one object, None for missing."""
    try:
        coded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    except pa.ArrowException as error:  # bytes that are no UTF-8
        raise InvalidData(f"{where} can't be read as text ({column.type})") from error
    found: NDArray[Any] = np.empty(len(coded.dictionary) + 1, dtype=object)
    found[:-1] = coded.dictionary.to_pylist()
    return np.asarray(found[np.asarray(coded.indices.fill_null(len(coded.dictionary)))])
