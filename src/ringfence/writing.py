"""Files that are whole or not there."""

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .exceptions import InvalidData


def write_csv(out: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file under a temporary name and rename it."""
    with whole(out) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """Lend a temporary name beside `out`, and rename what was written under it when all went well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


def writable(out: Path) -> None:
    """Refuse a place that can't be written before anything runs for it; nothing is made yet."""
    try:
        parent = next(p for p in out.absolute().parents if p.exists())
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise InvalidData(f"can't write {out}: {error.strerror}") from error
