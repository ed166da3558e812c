"""Where the user's copies of the official files lie, and whether they are the official ones.

Nothing is downloaded: a set that needs files is read from a folder that the user names.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from ..exceptions import InvalidData

ENVIRONMENT = "RINGFENCE_DATA"
"""Environment variable that names the data folder where no argument does."""

_GZIP_MAGIC = b"\x1f\x8b"


def data_folder(given: str | None = None) -> Path:
    """Return the folder that holds the data sets: the argument, else the environment's.

    Parameters
    ----------
    given : str or None
        What the user named (``--data-dir``); None or "" leaves it to ``RINGFENCE_DATA``.

    Raises
    ------
    InvalidData
        If neither names a folder, or what they name is no folder.
    """
    named, source = (given, "--data-dir") if given else (os.environ.get(ENVIRONMENT), ENVIRONMENT)
    if not named:
        raise InvalidData(f"no data folder is named: give --data-dir FOLDER or set {ENVIRONMENT}")
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise InvalidData(f"{source} names '{folder}', which is not a folder")
    return folder


def locate(folder: Path, subfolder: str, names: Sequence[str]) -> Path:
    """Return the first file of that name in ``folder`` or in ``folder/subfolder``.

    Raises
    ------
    InvalidData
        If there is none; the line says which names were looked for, and where.
    """
    places = (folder, folder / subfolder)
    found = [place / name for name in names for place in places if (place / name).is_file()]
    if not found:
        raise InvalidData(
            f"{' or '.join(names)} is in neither '{places[0]}' nor '{places[1]}':"
            f" put the official file there, or name its folder with --data-dir or {ENVIRONMENT}"
        )
    return found[0]


def read_official(path: Path, algorithm: str, digests: Collection[str]) -> bytes:
    """Read a file whose digest must be one of ``digests`` and return it uncompressed.

    Parameters
    ----------
    path : Path
        A gzip file, or the same uncompressed.
    algorithm : str
        A name that :mod:`hashlib` knows, such as "md5" or "sha256".
    digests : collection of str
        The hexadecimal digests of the file as it lies on disk that are accepted.

    Raises
    ------
    InvalidData
        If the file can't be read, is truncated, or is another file than the official one.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidData(f"'{path}' can't be read: {error.strerror}") from error
    content = unzipped(raw, path) if raw.startswith(_GZIP_MAGIC) else raw
    found = hashlib.new(algorithm, raw, usedforsecurity=False).hexdigest()
    if found not in digests:
        raise InvalidData(
            f"'{path}' is not the official file: its {algorithm} is {found}, expected {' or '.join(digests)}"
        )
    return content


def unzipped(raw: bytes, path: Path) -> bytes:
    """Return what a gzip file holds; ``path`` is only for the error.

    Raises
    ------
    InvalidData
        If the bytes end early or are damaged.
    """
    try:
        return gzip.decompress(raw)
    except EOFError as error:
        raise InvalidData(f"'{path}' is truncated: the gzip data ends after {len(raw)} bytes") from error
    except (OSError, zlib.error) as error:
        raise InvalidData(f"'{path}' is damaged: it is no intact gzip file ({error})") from error


def sha256_of(*arrays: np.ndarray) -> str:
    """Return one hexadecimal digest of the dtypes, shapes and values of some arrays, in order.

    It does not depend on memory layout or on the byte order of the machine, so that a run record can name its
    rows.

    Raises
    ------
    InvalidData
        If an array holds Python objects, whose bytes are addresses.
    """
    digest = hashlib.sha256()
    for array in arrays:
        if array.dtype.hasobject:
            raise InvalidData("an array of Python objects has no digest: convert it to numbers first")
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(f"{little.dtype.str}{array.shape}".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()
