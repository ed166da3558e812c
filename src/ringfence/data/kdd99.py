"""KDD Cup 99, the 10 % file, as the GAN papers use it: 34 numeric columns, then 87 dummies.

Columns and their order follow the public code of EGBAD (Zenati et al. 2018); the values are left unscaled.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ..exceptions import InvalidData
from .folder import locate, read_official

NAMES: Final = (
    "kddcup.data_10_percent.gz",
    "kddcup.data_10_percent_corrected.gz",
    "kddcup.data_10_percent_corrected",
)
SHA256: Final = (
    "8045aca0d84e70e622d1148d7df782496f6333bf6eb979a1b0837c42a9fd9561",  # the .gz as UCI offers it
    "f8c8267ebcd9c0ed1fd7d6277fe5bfff8732e9b7db8e61b873542b2a534b6f9a",  # the same, uncompressed
)
ATTRIBUTES: Final = tuple(
    """
    duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot
    num_failed_logins logged_in num_compromised root_shell su_attempted num_root num_file_creations
    num_shells num_access_files num_outbound_cmds is_host_login is_guest_login count srv_count
    serror_rate srv_serror_rate rerror_rate srv_rerror_rate same_srv_rate diff_srv_rate
    srv_diff_host_rate dst_host_count dst_host_srv_count dst_host_same_srv_rate
    dst_host_diff_srv_rate dst_host_same_src_port_rate dst_host_srv_diff_host_rate
    dst_host_serror_rate dst_host_srv_serror_rate dst_host_rerror_rate dst_host_srv_rerror_rate
    """.split()  # noqa: SIM905  (41 lines otherwise)
)
"""The 41 attributes in the file's order; the label follows them."""

CATEGORICAL: Final = (
    "protocol_type",
    "service",
    "flag",
    "land",
    "logged_in",
    "is_host_login",
    "is_guest_login",
)
"""The seven that become dummies, one for each value that occurs."""

_NORMAL = b"normal."


@dataclass(frozen=True, eq=False)
class Kdd99:
    """The table.

    Attributes
    ----------
    x : ndarray of float64, shape (494021, 121)
        Unscaled; counts and bytes reach 7e8.
    normal_connection : ndarray of bool, shape (494021,)
        True for the label ``normal.`` (97,278 rows), False for attacks. The papers call the *attacks* normal.
    columns : tuple of str
        121 names; a dummy is called ``attribute=value``.
    first_rows : ndarray of int64, shape (145586,)
        Row numbers, ascending: the first of each distinct line of the file (attributes and label).
    """

    x: np.ndarray
    normal_connection: np.ndarray
    columns: tuple[str, ...]
    first_rows: np.ndarray


def load_kdd99(folder: Path) -> Kdd99:
    """Load the table, about 0.5 GB.

    Parameters
    ----------
    folder : Path
        Holds one of :data:`NAMES`, itself or in a folder ``kdd99``.

    Raises
    ------
    InvalidData
        If the file is missing, truncated or not the official one.
    """
    path = locate(folder, "kdd99", NAMES)
    return parse_kdd99(read_official(path, "sha256", SHA256), path)


def parse_kdd99(content: bytes, path: Path) -> Kdd99:
    """Turn the file's text into the table; ``path`` is only for the error.

    Raises
    ------
    InvalidData
        If a line does not have the 41 attributes and the label, or an attribute that must be a number is
        none.
    """
    # Seven of ten lines repeat an earlier one: each distinct line is parsed once.
    lines = content.splitlines()
    place: dict[bytes, int] = {}
    which = np.fromiter((place.setdefault(line, len(place)) for line in lines), np.int64, len(lines))
    del lines
    cells = [line.split(b",") for line in place]
    wrong = next((i for i, row in enumerate(cells) if len(row) != len(ATTRIBUTES) + 1), None)
    first_rows = np.unique(which, return_index=True)[1].astype(np.int64)
    if wrong is not None or not cells:
        found = f"row {first_rows[wrong] + 1} has {len(cells[wrong])} cells" if wrong is not None else "it is empty"
        raise InvalidData(f"'{path}' is no KDD 99 file: {found}, expected {len(ATTRIBUTES) + 1} cells a row")
    x, columns = _encoded(list(place), cells, path)
    normal = np.array([row[-1] == _NORMAL for row in cells])
    return Kdd99(x[which], normal[which], columns, first_rows)


def _encoded(lines: list[bytes], cells: list[list[bytes]], path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the numeric columns and the dummies of some rows, and the names of both."""
    numeric = [name for name in ATTRIBUTES if name not in CATEGORICAL]
    taken = [ATTRIBUTES.index(name) for name in numeric]
    try:
        blocks = [np.loadtxt(lines, np.float64, comments=None, delimiter=",", usecols=taken, ndmin=2)]
    except ValueError as error:
        raise InvalidData(f"'{path}' is no KDD 99 file: a numeric attribute is no number ({error})") from error
    names = list(numeric)
    for name in CATEGORICAL:
        j = ATTRIBUTES.index(name)
        values, codes = np.unique(np.array([row[j] for row in cells]), return_inverse=True)
        blocks.append(np.eye(len(values))[codes])
        names += [f"{name}={value.decode()}" for value in values]
    return np.hstack(blocks), tuple(names)
