"""What a run leaves beside its record: scores, losses and the rows with the highest scores."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..benchmark.records import Record, Row, Section

Array = NDArray[Any]

_NONE = np.empty((0,))


@dataclass(frozen=True, eq=False)
class Run:
    """The arrays of one run; None is what its method does not have.

    Attributes
    ----------
    scores, anomaly, threshold
        (n_test,) float64, (n_test,) bool, and the cut.
    generated
        (m,) scores of generated rows.
    losses, terms
        (epochs, terms) and (terms,) "player.term".
    top_index, top_rows, top_remade
        The rows with the highest scores, highest first: (k,) their numbers in the data set, (k, …) the rows
        in the user's units and their reconstructions.
    top_widths
        What one unit is in each column for the detector, (columns,) or one for all.
    columns
        (columns,) names.
    album
        Of a folder of pictures what `benchmark.album` has kept, by name without "album_".
    """

    scores: Array
    anomaly: Array
    threshold: float
    generated: Array | None
    losses: Array | None
    terms: Array | None
    top_index: Array
    top_rows: Array
    top_remade: Array | None
    top_widths: Array | None
    columns: Array | None
    album: dict[str, Array] | None = None


@dataclass(frozen=True, eq=False)
class Shown:
    """A row of the tables and its run in one case, the one with the lowest seed."""

    row: Row
    record: Record
    run: Run | None


def read_run(path: Path) -> Run | None:
    """Read the arrays of a run; None if the file is missing or can't be read."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
        scores, anomaly = found["scores"].astype(np.float64), found["anomaly"].astype(bool)
        # A run on a folder of pictures keeps no rows but an album.
        top, rows = found.get("top_index", _NONE).astype(np.int64), found.get("top_rows", _NONE)
        whole = scores.shape == anomaly.shape == (len(scores),)
        whole &= len(rows) == len(top) <= len(scores)
        album = _album_of(found)
        threshold = float(found["threshold"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    if not whole or not np.isfinite(scores).all():
        return None
    optional = {
        name: found.get(name) for name in ("generated", "losses", "terms", "top_remade", "top_widths", "columns")
    }
    return Run(scores, anomaly, threshold, top_index=top, top_rows=rows, album=album, **optional)


def _album_of(found: dict[str, Array]) -> dict[str, Array] | None:
    """Return the arrays of an album, None if there is none; raise `KeyError` if one of them is missing."""
    kept = {name.removeprefix("album_"): values for name, values in found.items() if name.startswith("album_")}
    if not kept:
        return None
    of_each = ["picture", *(f"map_{name}" for name in kept["maps"])]
    needed = ["group", "why", "score", "anomaly", "ends"]
    of_all = [f"{at}_{what}" for at in range(len(kept["name"])) for what in of_each]
    missing = [name for name in (*needed, *of_all) if name not in kept]
    if missing:
        raise KeyError(missing[0])
    return kept


def shown_in(section: Section, case: str, folder: Path) -> list[Shown]:
    """Pick the run with the lowest seed of every trained method and baseline in a case."""
    found = []
    for row in section.rows:
        seeds = [seed for at, seed in row.runs if at == case]
        if seeds and row.name.role != "untrained":
            record = row.runs[case, min(seeds)]
            found.append(Shown(row, record, read_run(folder / "runs" / f"{record['id']}.npz")))
    return found


def picture_range(runs: Sequence[Run]) -> tuple[float, float]:
    """Return the lowest and highest value in all pictures, for one common scale."""
    pictures = [run.top_rows for run in runs if run.top_rows.ndim > 2 and run.top_rows.size]
    low = min((float(p.min()) for p in pictures), default=0.0)
    high = max((float(p.max()) for p in pictures), default=1.0)
    return low, high if high > low else low + 1.0
