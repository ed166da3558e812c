"""The data sets that ringfence knows by name, for callers to list and load."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from ..exceptions import InvalidParameter, unknown_name
from ..protocol import Split, kdd99_halves, leave_one_out, outliers_out
from .adbench import TABLES, load_adbench
from .digits import load_digits
from .folder import data_folder
from .kdd99 import load_kdd99
from .mnist import load_mnist

_DIGITS: Final = tuple("0123456789")
_OUTLIERS: Final = "outliers"


@dataclass(frozen=True, eq=False)
class Rows:
    """A loaded data set and the ways to split it.

    Attributes
    ----------
    x : ndarray, shape (n, …)
        As loaded, unscaled: (n, height, width) for images, (n, columns) for tables.
    columns : tuple of str or None
        A table's column names.
    splits : mapping of str to callable
        For each case a function of the seed that gives its :class:`~ringfence.protocol.Split`.
    """

    x: np.ndarray
    columns: tuple[str, ...] | None
    splits: Mapping[str, Callable[[int], Split]]

    def split(self, case: str, seed: int) -> Split:
        """Return the rows to train and to test on; ``InvalidParameter`` for a case there isn't."""
        if case not in self.splits:
            raise InvalidParameter(unknown_name("case", case, self.splits))
        return self.splits[case](seed)


@dataclass(frozen=True)
class BuiltIn:
    """A data set known by name.

    Attributes
    ----------
    name, description : str
        The name on the command line; one line about the set.
    needs_folder : bool
        Whether the official files must lie in a folder that the user names.
    cases : tuple of str
        What may be the anomaly, or other versions of the task.
    read : callable
        Makes :class:`Rows` of the folder (None where none is needed).
    """

    name: str
    description: str
    needs_folder: bool
    cases: tuple[str, ...]
    read: Callable[[Path | None], Rows]

    def load(self, folder: str | None = None) -> Rows:
        """Load it; ``folder`` (else ``RINGFENCE_DATA``) is looked at only where files are needed.

        Raises
        ------
        InvalidData
            If the folder or a file in it is missing or not the official one.
        """
        return self.read(data_folder(folder) if self.needs_folder else None)


def built_in(name: str) -> BuiltIn:
    """Return the data set of that name; ``InvalidParameter`` names the nearest if there is none."""
    if name not in CATALOG:
        raise InvalidParameter(unknown_name("data set", name, CATALOG))
    return CATALOG[name]


def _one_digit_out(images: np.ndarray, labels: np.ndarray) -> Rows:
    return Rows(images, None, {case: partial(leave_one_out, labels, int(case)) for case in _DIGITS})


def _digits(folder: Path | None) -> Rows:
    return _one_digit_out(*load_digits())


def _mnist(folder: Path | None) -> Rows:
    assert folder is not None
    return _one_digit_out(*load_mnist(folder))


def _kdd99(folder: Path | None) -> Rows:
    assert folder is not None
    table = load_kdd99(folder)
    whole = partial(kdd99_halves, table.normal_connection)
    return Rows(table.x, table.columns, {"all": whole, "dedup": partial(whole, rows=table.first_rows)})


def _adbench(name: str, folder: Path | None) -> Rows:
    assert folder is not None
    x, outlier = load_adbench(folder, name)
    columns = tuple(f"column_{j}" for j in range(x.shape[1]))
    return Rows(x, columns, {_OUTLIERS: partial(outliers_out, outlier)})


CATALOG: Final[Mapping[str, BuiltIn]] = {
    entry.name: entry
    for entry in (
        BuiltIn(
            "digits",
            "1,797 digits of 8x8 from scikit-learn; one digit is the anomaly",
            False,
            _DIGITS,
            _digits,
        ),
        BuiltIn("mnist", "70,000 digits of 28x28; one digit is the anomaly", True, _DIGITS, _mnist),
        BuiltIn(
            "kdd99",
            "494,021 network connections, 121 columns; 'normal.' is the anomaly",
            True,
            ("all", "dedup"),
            _kdd99,
        ),
        *(
            BuiltIn(
                name,
                "tables of ADBench; what they call outliers is the anomaly",
                True,
                (_OUTLIERS,),
                partial(_adbench, name),
            )
            for name in TABLES
        ),
    )
}
"""Name → data set."""
