"""MNIST from the four official idx files (LeCun, Cortes and Burges)."""

from pathlib import Path
from typing import Final

import numpy as np

from ..exceptions import InvalidData
from .folder import locate, read_official

FILES: Final = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}
"""File names and the md5 that was published for each."""

_UNSIGNED_BYTE = 0x08


def load_mnist(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Load the 60,000 training images, then the 10,000 test images.

    Parameters
    ----------
    folder : Path
        Holds the four files of :data:`FILES`, itself or in a folder ``mnist``.

    Returns
    -------
    images : ndarray of uint8, shape (70000, 28, 28)
        Grey levels 0 (background) to 255 (ink).
    labels : ndarray of int64, shape (70000,)
        The digits 0 to 9.

    Raises
    ------
    InvalidData
        If a file is missing, truncated or not the official one.
    """
    paths = [locate(folder, "mnist", [name]) for name in FILES]
    parts = [parse_idx(read_official(path, "md5", [FILES[path.name]]), path) for path in paths]
    images = np.concatenate((parts[0], parts[2]))
    labels = np.concatenate((parts[1], parts[3])).astype(np.int64)
    return images, labels


def parse_idx(content: bytes, path: Path) -> np.ndarray:
    """Return the array of unsigned bytes in an (uncompressed) idx file.

    The format: two zero bytes, a type code, the number of axes, each axis as a big-endian 32-bit number, the
    values.

    Parameters
    ----------
    content : bytes
        The file.
    path : Path
        Only for the error.

    Raises
    ------
    InvalidData
        If it is no idx file of unsigned bytes, or has fewer or more values than its header says.
    """
    if len(content) < 4 or content[:3] != bytes((0, 0, _UNSIGNED_BYTE)):
        raise InvalidData(
            f"'{path}' is no idx file of unsigned bytes: it starts with {content[:4].hex(' ') or 'nothing'}"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise InvalidData(f"'{path}' is truncated: its header needs {start} bytes, there are {len(content)}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", count=content[3], offset=4))
    values = np.frombuffer(content, np.uint8, offset=start)
    expected = int(np.prod(shape))
    if values.size != expected:
        state = "is truncated" if values.size < expected else "is too long"
        raise InvalidData(f"'{path}' {state}: its header says {expected} values, there are {values.size}")
    return values.reshape(shape)
