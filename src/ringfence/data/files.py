"""A user's own file: features, and labels only as far as the user said what they mean."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ..exceptions import InvalidData, InvalidParameter
from .arrays import read_npy, read_npz
from .labels import as_anomaly
from .table import Parsed, read_csv

READERS: Final[Mapping[str, Callable[[Path, str | None], Parsed]]] = {
    ".csv": read_csv,
    ".npy": read_npy,
    ".npz": read_npz,
}
"""How a file is read, by the end of its name."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A file's content.

    Attributes
    ----------
    x : ndarray, shape (n, …)
        Finite numbers: float64 of shape (n, columns) from CSV, otherwise dtype and shape as stored.
    columns : tuple of str or None
        The names of x's columns, where a CSV file has a header.
    labels : ndarray of bool, shape (n,), or None
        True for an anomaly.
    name : str
        The file's name without its folder.
    """

    x: np.ndarray
    columns: tuple[str, ...] | None
    labels: np.ndarray | None
    name: str


def load_file(path: str | Path, label: str | None = None, normal: object = None, drop_label: bool = False) -> Loaded:
    """Read a ``.csv``, ``.npy`` or ``.npz`` file of numbers.

    Parameters
    ----------
    path : str or Path
        The file.
    label : str or None
        The column (CSV; its number from 1 where there is no header) or array (npz) that holds labels. It is
        never a feature.
    normal : object
        The label that means normal, compared as text and as a number; every other label is an anomaly.
    drop_label : bool
        If True and ``normal`` is None, the labels are just removed, as for scoring.

    Raises
    ------
    InvalidData
        If there is no such file, its suffix is unknown, something in it is no finite number, or it has what
        looks like labels and ``label`` is None.
    InvalidParameter
        If ``label`` is not in the file, ``normal`` is missing or never seen, or comes without ``label``.
    """
    path = Path(path).expanduser()
    if label is None and normal is not None:
        raise InvalidParameter(f"normal is '{normal}' but no label column is named: add --label NAME")
    if path.is_dir():
        raise InvalidData(f"'{path}' is a folder; a file is needed: {', '.join(READERS)}")
    if not path.is_file():
        raise InvalidData(f"'{path}' does not exist")
    if path.suffix.lower() not in READERS:
        raise InvalidData(f"'{path}' has the unknown suffix '{path.suffix}'; allowed: {', '.join(READERS)}")
    try:
        parsed = READERS[path.suffix.lower()](path, label)
    except OSError as error:
        raise InvalidData(f"'{path}' can't be read: {error.strerror}") from error
    labels = None
    if label is not None and parsed.labels is not None and not (drop_label and normal is None):
        labels = as_anomaly(parsed.labels, label, normal, path)
    return Loaded(parsed.x, parsed.columns, labels, path.name)
