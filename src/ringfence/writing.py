"""Files that are whole or not there."""

import csv
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .exceptions import InvalidData, MissingExtra

Add = Callable[[Sequence[Any]], None]
"""Writes a block: one sequence or array for each column."""


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


def table_file(out: Path, columns: Sequence[str], alone: int) -> AbstractContextManager[Add]:
    """Write a table block by block, as Parquet or npy where `out` is called so, otherwise as CSV.

    Parameters
    ----------
    columns
        Their names.
    alone
        Number of the column that an npy file has, as float64; it has no room for the others.

    Raises
    ------
    MissingExtra
        If a Parquet file is wanted and pyarrow is not installed; before anything is written.
    """
    suffix = out.suffix.lower()
    if suffix == ".npy":
        return _npy_file(out, alone)
    if suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise MissingExtra(f"'{out}' needs pyarrow: pip install ringfence[tables]") from error
        return _parquet_file(out, columns)
    return _csv_file(out, columns)


@contextmanager
def _csv_file(out: Path, columns: Sequence[str]) -> Iterator[Add]:
    with whole(out) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)

        def add(block: Sequence[Any]) -> None:
            lists = [values.tolist() if isinstance(values, np.ndarray) else values for values in block]
            writer.writerows(zip(*lists, strict=True))

        yield add


@contextmanager
def _parquet_file(out: Path, columns: Sequence[str]) -> Iterator[Add]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    opened: list[Any] = []
    with whole(out) as part:
        try:

            def add(block: Sequence[Any]) -> None:
                table = pa.table(dict(zip(columns, block, strict=True)))
                if not opened:
                    opened.append(pq.ParquetWriter(part, table.schema))
                opened[0].write_table(table)

            yield add
        finally:
            for writer in opened:
                writer.close()


@contextmanager
def _npy_file(out: Path, alone: int) -> Iterator[Add]:
    count = 0
    with whole(out) as part, part.open("wb") as file:

        def head() -> None:
            # The same length for any count: the place of the values is fixed before it is known.
            np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (count,)})

        head()

        def add(block: Sequence[Any]) -> None:
            nonlocal count
            count += len(block[alone])
            file.write(np.asarray(block[alone], dtype="<f8").tobytes())

        yield add
        file.seek(0)
        head()


def writable(out: Path) -> None:
    """Refuse a place that can't be written before anything runs for it; nothing is made yet."""
    try:
        parent = next(p for p in out.absolute().parents if p.exists())
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise InvalidData(f"can't write {out}: {error.strerror}") from error
