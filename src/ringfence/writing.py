"""Files that are whole or not there."""

import csv
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .exceptions import InvalidData


def write_csv(out: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file under a temporary name and rename it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)
    try:
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        Path(name).chmod(0o644)
        os.replace(name, out)
    finally:
        Path(name).unlink(missing_ok=True)


def writable(out: Path) -> None:
    """Refuse a place that can't be written before anything runs for it; nothing is made yet."""
    try:
        parent = next(p for p in out.absolute().parents if p.exists())
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise InvalidData(f"can't write {out}: {error.strerror}") from error
