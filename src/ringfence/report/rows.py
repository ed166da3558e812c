"""The rows with the highest scores: as pictures, or by the columns that their reconstruction misses most."""

from typing import NamedTuple

import numpy as np

from .figures import picture
from .runs import Array, Run

_ROWS = 10
_COLUMNS = 5


class Difference(NamedTuple):
    """A column with its value and the reconstructed one."""

    column: str
    value: str
    remade: str


class TopRow(NamedTuple):
    """One row; pictures are addresses of embedded PNGs, and None where there is none."""

    number: int
    score: float
    anomalous: bool
    picture: str | None
    remade: str | None
    difference: str | None
    columns: tuple[Difference, ...] | None


def top_rows(run: Run, scale: tuple[float, float]) -> list[TopRow]:
    """Show at most ten rows; `scale` is the lowest and highest value of all pictures of the section."""
    show = _as_pictures if run.top_rows.ndim > 2 else _as_columns
    return [show(run, at, scale) for at in range(min(_ROWS, len(run.top_index)))]


def _as_pictures(run: Run, at: int, scale: tuple[float, float]) -> TopRow:
    low, high = scale
    row, remade = run.top_rows[at], None if run.top_remade is None else run.top_remade[at]
    gap = None if remade is None else np.abs(row - remade)
    return TopRow(
        *_facts(run, at),
        picture(row, low, high, "gray_r"),
        None if remade is None else picture(remade, low, high, "gray_r"),
        None if gap is None else picture(gap, 0.0, high - low, "Oranges"),
        None,
    )


def _as_columns(run: Run, at: int, scale: tuple[float, float]) -> TopRow:
    if run.top_remade is None:
        return TopRow(*_facts(run, at), None, None, None, None)
    row, remade = run.top_rows[at].astype(np.float64), run.top_remade[at].astype(np.float64)
    # Measured as the detector does: in raw units the column with the largest numbers would always come first.
    widths = 1.0 if run.top_widths is None else run.top_widths
    worst = np.argsort(-np.abs((row - remade) / widths), kind="stable")[:_COLUMNS]
    found = (Difference(_column(run.columns, int(i)), f"{row[i]:.4g}", f"{remade[i]:.4g}") for i in worst)
    return TopRow(*_facts(run, at), None, None, None, tuple(found))


def _facts(run: Run, at: int) -> tuple[int, float, bool]:
    test_row = np.argsort(-run.scores, kind="stable")[at]
    return int(run.top_index[at]), float(run.scores[test_row]), bool(run.anomaly[test_row])


def _column(columns: Array | None, at: int) -> str:
    return f"column {at}" if columns is None else str(columns[at])
