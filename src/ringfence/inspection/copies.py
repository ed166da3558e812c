"""Which rows are exact copies of each other: a digest a row, and counts of what they share."""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..frame import Column, Frame
from ..splits import CALIBRATE, SKIP, TEST, TRAIN, Parts

Digests = NDArray[np.uint64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def digests_of_columns(frame: Frame, names: Sequence[str]) -> Digests:
    """Digest the rows of a table, (n,): equal rows have equal ones, others differ but for one chance in 10⁷."""
    found = np.zeros(frame.rows, dtype=np.uint64)
    for name in names:
        found = _mixed(_mixed(_codes(frame[name])) ^ (found + _GOLDEN))
    return found


def digests_of_arrays(rows: NDArray[Any]) -> Digests:
    """Digest the rows of an array of any shape, (n,)."""
    return np.array([_number(np.ascontiguousarray(row).tobytes()) for row in rows], dtype=np.uint64)


def digests_of_files(paths: Sequence[Path]) -> Digests:
    """Digest files by their bytes, (n,); files that alone have their size need not be read."""
    sizes: dict[int, list[int]] = defaultdict(list)
    for at, path in enumerate(paths):
        sizes[path.stat().st_size].append(at)
    found = np.arange(len(paths), dtype=np.uint64)
    for alike in sizes.values():
        if len(alike) > 1:
            for at in alike:
                with paths[at].open("rb") as file:
                    found[at] = int.from_bytes(hashlib.file_digest(file, "sha256").digest()[:8], "little")
    return found


def copies(
    digests: Digests, parts: Parts, anomaly: NDArray[np.bool_] | None = None, groups: NDArray[Any] | None = None
) -> dict[str, int]:
    """Count copies.

    Parameters
    ----------
    digests, parts, anomaly, groups
        (n,) each; the last two are None where nothing is known of them.

    Returns
    -------
    within_training
        Training rows that repeat another one, the first of each left out.
    test_in_training
        Test rows that are copies of rows that train or calibrate.
    calibrate_in_training
        Rows to calibrate with that are copies of training rows.
    anomalies_in_training
        Labelled anomalies that are copies of training rows; only where labels are known.
    across_groups
        Rows that have a copy in another group; only where there are groups.
    """
    train, calibrate, test = (digests[parts == part] for part in (TRAIN, CALIBRATE, TEST))
    found = {
        "within_training": len(train) - len(np.unique(train)),
        "test_in_training": int(np.isin(test, np.concatenate([train, calibrate])).sum()),
        "calibrate_in_training": int(np.isin(calibrate, train).sum()),
    }
    if anomaly is not None:
        found["anomalies_in_training"] = int(np.isin(digests[anomaly & (parts != TRAIN)], train).sum())
    if groups is not None:
        used = parts != SKIP
        found["across_groups"] = _across(digests[used], groups[used])
    return found


def _across(digests: Digests, groups: NDArray[Any]) -> int:
    _, rows = np.unique(digests, return_inverse=True)
    _, codes = np.unique(groups.astype(str), return_inverse=True)
    pairs = np.unique(np.stack([rows, codes]), axis=1)
    return int((np.bincount(pairs[0])[rows] > 1).sum())


def _codes(column: Column) -> Digests:
    if column.dtype == object:
        seen: dict[Any, int] = {}
        return np.fromiter((seen.setdefault(value, len(seen)) for value in column), np.uint64, len(column))
    if column.dtype.kind == "f":
        # −0 and 0 are one number; so is every NaN.
        return np.where(np.isnan(column), np.nan, column + 0.0).astype(np.float64).view(np.uint64)
    return column.astype(np.int64).view(np.uint64)


def _mixed(values: Digests) -> Digests:
    """Spread every bit over all of them (SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * _FIRST
    values = (values ^ (values >> np.uint64(27))) * _SECOND
    mixed: Digests = values ^ (values >> np.uint64(31))
    return mixed


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")
