"""A table of named columns as NumPy arrays: what data frames of every library, CSV and Parquet files become here."""

import importlib.util
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidData

Column = NDArray[Any]

# Kinds of NumPy dtypes that a column may have: bool, whole numbers, floats, dates, and objects (text or None).
_KEPT = "biufMO"
_UNDERSTOOD = "numbers, text, booleans or dates are needed"


class Frame(Mapping[str, Column]):
    """Columns of equal length by name; never changed in place.

    Columns hold float64 (NaN is missing), integers, bool, datetime64[us] (NaT is missing), or object: text, with None
    for missing.

    Parameters
    ----------
    columns
        Arrays or lists by name, each (n,). Lists and arrays of text become object columns.
    named
        Whether the names are the user's own; False where columns have only numbers.
    worded
        Names of columns that are categories by their type, whatever they hold.
    origin
        (n,) numbers of the rows in the table that they were taken from, for messages; None for a whole table.

    Raises
    ------
    InvalidData
        If there is no column, lengths differ, or a column is not one-dimensional.
    """

    def __init__(
        self,
        columns: Mapping[str, Any],
        named: bool = True,
        worded: Collection[str] = (),
        origin: NDArray[np.int64] | None = None,
    ) -> None:
        self.named, self.worded, self.origin = named, frozenset(worded), origin
        self._columns = {str(name): _typed(str(name), values) for name, values in columns.items()}
        lengths = {name: len(values) for name, values in self._columns.items()}
        if not lengths:
            raise InvalidData("a table needs at least one column")
        self.rows = next(iter(lengths.values()))
        other = next((name for name, length in lengths.items() if length != self.rows), None)
        if other is not None:
            raise InvalidData(
                f"column {other!r} has {lengths[other]} rows, column {next(iter(lengths))!r} has {self.rows}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self._columns)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        """Return the number of columns, as mappings do; the number of rows is `rows`."""
        return len(self._columns)

    def __repr__(self) -> str:
        kinds = ", ".join(f"{name}: {values.dtype}" for name, values in self._columns.items())
        return f"Frame of {self.rows} rows ({kinds})"

    def take(self, index: Any) -> "Frame":
        """Return some rows, by numbers, slice or a mask."""
        origin = (np.arange(self.rows) if self.origin is None else self.origin)[index]
        return Frame({name: values[index] for name, values in self._columns.items()}, self.named, self.worded, origin)

    def only(self, names: Sequence[str]) -> "Frame":
        """Return some columns."""
        return Frame({name: self._columns[name] for name in names}, self.named, self.worded, self.origin)

    def without(self, *names: str) -> "Frame":
        """Return all but some columns."""
        return self.only([name for name in self._columns if name not in names])


def _typed(name: str, values: Any) -> Column:
    array = np.asarray(values, dtype=object) if _is_text(values) else np.asarray(values)
    if array.ndim != 1:
        raise InvalidData(f"column {name!r} has the shape {array.shape}: one value a row is needed")
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]")
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind in "US":
        return array.astype(str).astype(object)
    if array.dtype == object:
        # NaN among text, as pandas has it, is a missing value too; nothing else differs from itself.
        return objects([None if value != value else value for value in array.tolist()])
    if array.dtype.kind not in _KEPT:
        raise InvalidData(f"column {name!r} holds {array.dtype}: {_UNDERSTOOD}")
    return array


def objects(values: Iterable[Any]) -> Column:
    """Make a column of objects, (n,), also of values that are all of one type, which NumPy would make an array of."""
    return np.array([*values, None], dtype=object)[:-1]


def missing(column: Column) -> NDArray[np.bool_]:
    """Whether each value of a column is missing, (n,) bool."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind == "M":
        return np.isnat(column)
    if column.dtype == object:
        return np.array([value is None for value in column], dtype=bool)
    return np.zeros(len(column), dtype=bool)


def _is_text(values: Any) -> bool:
    return isinstance(values, list) and any(isinstance(v, str) or v is None for v in values)


def is_frame(x: Any) -> bool:
    """Whether `as_frame` takes it: a `Frame`, or a data frame of pandas, polars or pyarrow."""
    return (
        isinstance(x, Frame)
        or (hasattr(x, "columns") and hasattr(x, "shape") and not hasattr(x, "ndim"))
        or (hasattr(x, "columns") and hasattr(x, "dtypes"))
    )


def as_frame(x: Any) -> Frame:
    """Make a `Frame` of a data frame of pandas, polars or pyarrow (any that narwhals knows).

    Raises
    ------
    InvalidData
        If a column holds something else than numbers, text, booleans or dates, or two columns share a name.
    """
    if isinstance(x, Frame):
        return x
    import narwhals as nw  # a tenth of a second that arrays do not need

    native = nw.from_native(x, eager_only=True)
    columns = list(native.iter_columns())
    worded = [str(column.name) for column in columns if column.dtype in (nw.Categorical, nw.Enum)]
    return Frame({str(column.name): _values(column, nw) for column in columns}, worded=worded)


def _values(column: Any, nw: Any) -> Any:
    """One column as an array, missing values as NaN, NaT or None."""
    dtype = column.dtype
    if dtype == nw.Boolean:
        gaps = column.is_null().to_numpy()
        flags = column.fill_null(False).to_numpy().astype(bool)
        if not gaps.any():
            return flags
        return np.array(
            [*(None if gap else flag for gap, flag in zip(gaps, flags.tolist(), strict=True)), None], dtype=object
        )[:-1]
    if dtype.is_integer() and not column.is_null().any():
        return column.to_numpy()
    if dtype.is_numeric():
        return column.cast(nw.Float64).to_numpy()
    if dtype in (nw.Date, nw.Datetime):
        zone = getattr(dtype, "time_zone", None)
        plain = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else column
        return plain.cast(nw.Datetime("us")).to_numpy().astype("datetime64[us]")
    if dtype in (nw.String, nw.Categorical, nw.Enum):
        text = column.cast(nw.String).to_list()
        return np.array([v if isinstance(v, str) else None for v in text], dtype=object)
    # Objects: pandas keeps mixed columns so.
    found = np.empty(len(column), dtype=object)
    for at, value in enumerate(column.to_list() if dtype == nw.Object else []):
        if value is None or str(value) in ("<NA>", "NaT", "nan"):
            continue
        if not isinstance(value, str | bool | np.bool_ | Number | date):
            raise InvalidData(f"column {column.name!r} holds {type(value).__name__}: {_UNDERSTOOD}")
        found[at] = value if isinstance(value, bool | np.bool_) else str(value)
    if dtype != nw.Object:
        raise InvalidData(f"column {column.name!r} holds {dtype}: {_UNDERSTOOD}")
    return found


def native_like(frame: Frame, like: Any) -> Any:
    """Return `frame` as a data frame of another library.

    Parameters
    ----------
    like
        A data frame of that library, or its name; a `Frame` is returned for a `Frame`, and where the library of that
        name is not installed.
    """
    if isinstance(like, Frame):
        return frame
    if isinstance(like, str) and importlib.util.find_spec(like) is None:
        return frame
    import narwhals as nw

    backend: Any = like if isinstance(like, str) else nw.get_native_namespace(like)
    columns = {name: list(values) if values.dtype == object else values for name, values in frame.items()}
    return nw.from_dict(columns, backend=backend).to_native()
