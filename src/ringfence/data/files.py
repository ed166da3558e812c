"""A user's own file: features, and labels only as far as the user said what they mean."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..exceptions import InvalidData, InvalidParameter
from ..frame import Frame
from .arrays import read_npy, read_npz
from .columnar import read_arrow, read_parquet
from .labels import as_anomaly
from .table import Parsed, read_csv

TABLES: Final[Mapping[str, Callable[[Path, str | None, Mapping[str, str] | None, Collection[str]], Parsed]]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".data": read_csv,
    ".gz": read_csv,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
}
"""How a table is read, by the end of its name; ``.gz`` is a gzipped CSV file whatever stands before it."""

ARRAYS: Final[Mapping[str, Callable[[Path, str | None], Parsed]]] = {".npy": read_npy, ".npz": read_npz}
"""How an array is read, by the end of its name."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A file's content.

    Attributes
    ----------
    x : Frame, or ndarray of shape (n, …)
        A table's columns (csv, parquet, arrow); an array (npy, npz) with dtype and shape as stored. NaN is missing in a
        table and in an array of shape (n, columns); nothing is infinite.
    columns : tuple of str or None
        The names of x's columns, where the file has names.
    labels : ndarray of bool, shape (n,), or None
        True for an anomaly.
    name : str
        The file's name without its folder.
    notes : tuple of str
        What was decided in reading that a user should know, a line each: whether the first line is a header where
        that is not evident.
    """

    x: Frame | NDArray[Any]
    columns: tuple[str, ...] | None
    labels: NDArray[np.bool_] | None
    name: str
    notes: tuple[str, ...] = ()


def load_file(
    path: str | Path,
    label: str | None = None,
    normal: object = None,
    drop_label: bool = False,
    kinds: Mapping[str, str] | None = None,
    text: Collection[str] = (),
) -> Loaded:
    """Read a table (:data:`TABLES`) or an array (:data:`ARRAYS`).

    Parameters
    ----------
    path : str or Path
        The file.
    label : str or None
        The column (of a table; its number from 1 where there is no header) or array (npz) that holds labels.
        It is never a feature, and what ``kinds`` says of it does not count.
    normal : object
        The label that means normal, compared as text and as a number; every other label is an anomaly.
    drop_label : bool
        If True, as for scoring: without ``normal`` the labels are just removed, and with one that is none of the
        labels every row is an anomaly.
    kinds : mapping of str to str, or None
        Kinds of a table's columns by name: a column of a CSV file whose kind is not "number" is read as text. A column
        with a kind is no label, whatever it is called.
    text : collection of str
        Columns of a table that are read as text whatever they hold, such as groups ("1", "2", "6b"); names that the
        file has not are passed over.

    Raises
    ------
    InvalidData
        If there is no such file, its suffix is unknown, it can't be read as what it is, something in it is infinite,
        a label is missing, or a column (in an archive without ``label``: an array) that is not ``label`` and has no
        kind looks like a label.
    InvalidParameter
        If ``label`` or a column of ``kinds`` is not in the file, ``normal`` comes without ``label``, or, unless
        ``drop_label``, is missing or none of the labels.
    MissingExtra
        If the file needs pyarrow and it is not installed.
    """
    path = Path(path).expanduser()
    if label is None and normal is not None:
        raise InvalidParameter(f"normal is '{normal}' but no label column is named: add --label NAME")
    suffixes = ", ".join((*TABLES, *ARRAYS))
    if path.is_dir():
        raise InvalidData(f"'{path}' is a folder; a file is needed: {suffixes}")
    if not path.is_file():
        raise InvalidData(f"'{path}' does not exist")
    suffix = path.suffix.lower()
    if suffix not in TABLES and suffix not in ARRAYS:
        raise InvalidData(f"'{path}' has the unknown suffix '{path.suffix}'; allowed: {suffixes}")
    try:
        parsed = TABLES[suffix](path, label, kinds, text) if suffix in TABLES else ARRAYS[suffix](path, label)
    except OSError as error:
        raise InvalidData(f"'{path}' can't be read: {error.strerror}") from error
    labels = None
    if label is not None and parsed.labels is not None and not (drop_label and normal is None):
        labels = as_anomaly(parsed.labels, label, normal, path, must_occur=not drop_label)
    columns = parsed.x.names if isinstance(parsed.x, Frame) and parsed.x.named else None
    return Loaded(parsed.x, columns, labels, path.name, parsed.notes)
