"""A user's .npy and .npz files: plain numbers only, never a pickle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..exceptions import InvalidData, InvalidParameter
from .labels import claimed, looks_like_label
from .table import Parsed

_LABEL_KINDS = "buifU"


def read_npy(path: Path, label: str | None) -> Parsed:
    """Read one array; its dtype is kept.

    Raises
    ------
    InvalidData
        If the file is damaged, holds Python objects or no rows, or a value is infinite, or NaN where rows are not
        flat: in an array of shape (n, columns) NaN is missing.
    InvalidParameter
        If a label is named: one array has no room for it.
    """
    if label is not None:
        raise InvalidParameter(
            f"'{path}' is one array without names, so there is no label '{label}': use .npz with x and {label}, or .csv"
        )
    with path.open("rb") as stream:
        x = _intact(lambda: np.load(stream, allow_pickle=False), path)
    if isinstance(x, np.lib.npyio.NpzFile):
        raise InvalidData(f"'{path}' is an archive of arrays: call it .npz")
    return Parsed(checked_features(x, path), None)


def read_npz(path: Path, label: str | None) -> Parsed:
    """Read the array ``x`` or ``X``, or the only array that is no label; its dtype is kept.

    Raises
    ------
    InvalidData
        If the file is damaged, holds Python objects, no rows or several arrays and no ``x``, labels and rows
        differ in number, or a value is infinite or NaN as for :func:`read_npy`.
    InvalidParameter
        If there is no array ``label``.
    """
    with path.open("rb") as stream:  # NumPy leaves the file open when an archive is damaged
        archive = _intact(lambda: np.load(stream, allow_pickle=False), path)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise InvalidData(f"'{path}' is no .npz archive but a single array: call it .npy")
        label = claimed(archive.files, label, path, settled=() if label is None else archive.files)
        names = [name for name in archive.files if name != label and not looks_like_label(name)]
        chosen = next((name for name in ("x", "X") if name in names), names[0] if len(names) == 1 else None)
        if chosen is None:
            raise InvalidData(
                f"'{path}' has no array x; it has {', '.join(archive.files) or 'none at all'}: call one x"
            )
        x = checked_features(_intact(lambda: archive[chosen], path), path)
        truth = None if label is None else _intact(lambda: archive[label], path)
    if truth is not None:
        if truth.dtype.kind not in _LABEL_KINDS or truth.size != len(x):
            raise InvalidData(
                f"'{path}': '{label}' needs one number or text for each of the {len(x)} rows of '{chosen}',"
                f" not {truth.dtype} of shape {truth.shape}"
            )
        truth = truth.ravel()
    return Parsed(x, truth)


def _intact(read: Callable[[], Any], path: Path) -> Any:
    """Call ``read``; turn each way in which NumPy says "not such a file" into one line."""
    try:
        return read()
    except Exception as error:  # on damaged bytes NumPy, zipfile, zlib and tokenize each raise their own
        raise InvalidData(
            f"'{path}' can't be read: it is truncated, no NumPy file, or holds Python objects (a pickle),"
            " which are refused"
        ) from error


def checked_features(x: np.ndarray, path: Path, first: int = 0) -> np.ndarray:
    """Return an array of numbers with rows, or refuse it: infinite ones, and missing ones in pictures and signals.

    `first` is the number of its first row in the file, from 0.
    """
    if x.dtype.kind not in "buif":
        raise InvalidData(f"'{path}' holds {x.dtype}: numbers are needed")
    if x.ndim == 0 or x.size == 0:
        raise InvalidData(f"'{path}' holds no rows: its shape is {x.shape}")
    finite = ~np.isinf(x) if x.ndim == 2 else np.isfinite(x)
    if not finite.all():
        place = [int(i) for i in np.unravel_index(int(np.argmin(finite)), x.shape)]
        found = x[tuple(place)]
        place[0] += first
        where = ", ".join(
            f"{axis} {i + 1}" for axis, i in zip(("row", "column", *["axis"] * x.ndim), place, strict=False)
        )
        raise InvalidData(f"'{path}': {where} is {found}, not a finite number")
    return x
