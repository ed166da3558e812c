"""What DATA holds, how a fit would take it, and what a careful colleague would say of it before a fit."""

from dataclasses import asdict
from typing import Any

import numpy as np

from ..data.picture_files import PictureFiles
from ..exceptions import InvalidData, InvalidParameter, unknown_name
from ..frame import Frame
from ..game import ROWS, drawn_seed, stream
from ..limits import Limit, check_limits
from ..sources import Reading, Source, source_of
from ..splits import PARTS, TEST, TRAIN
from ..views import View, view_facts
from . import picture_rules, row_rules, table_rules
from .advice import Advice
from .columns import FAULTY, Sides, look
from .copies import copies, digests_of_arrays, digests_of_columns, digests_of_files
from .picture_facts import picture_facts
from .text import render

__all__ = ["inspect_data", "inspect_source", "render"]


def inspect_data(
    data: str, reading: Reading, view: View | None = None, calibration: float = 0.0, seed: int = 0
) -> dict[str, Any]:
    """Look at DATA as a fit would take it; nothing is learned and nothing written.

    Parameters
    ----------
    data, reading
        What :func:`ringfence.sources.source_of` reads.
    view
        How pictures would become rows; None where nothing was said.
    calibration
        Share of the training rows that a fit would keep out for the cut, from 0 to below 1; a split file overrules it.
    seed
        `random_state` of that fit.

    Returns
    -------
    dict, fit for JSON
        ``data``, ``name``, ``kind`` ("table", "images" in an array, or "pictures" in files), ``rows``, ``split`` (how
        many rows are for what, ``said`` in lines), ``anomalies``, ``groups``, ``copies``, ``columns``, ``pictures``,
        ``images``, ``view``, ``notes``, and ``warnings``: each has ``about``, ``text`` and ``columns``. What a kind of
        data has not is None.

    Raises
    ------
    InvalidParameter, InvalidData
        As :func:`ringfence.sources.source_of`; also for a calibration out of range, a view of what is no folder of
        pictures, or an array of other than 2 to 4 dimensions. What only a fit would refuse is a warning.
    """
    check_limits({"calibration": calibration}, {"calibration": Limit(0, 1, open_high=True)})
    source = source_of(data, reading)
    if view is not None and not isinstance(source.rows, PictureFiles):
        raise InvalidParameter(f"'{data}' is no folder of pictures: --resize, --pad and --patch are for those")
    if reading.split is None and int((source.parts == TRAIN).sum()) >= 2:
        source = source.calibrated(calibration, stream(drawn_seed(seed), ROWS))
    found = {"data": data, **inspect_source(source, reading, view)}
    if reading.label is not None and reading.normal is None:
        text = (
            f"'{reading.label}' is kept out of the features, but a fit must know which label is normal: --normal VALUE"
        )
        found["warnings"].append(asdict(Advice("label", text)))
    return found


def inspect_source(source: Source, reading: Reading, view: View | None = None) -> dict[str, Any]:
    """Do the same for rows that were read already: see :func:`inspect_data`."""
    specific, warned = (
        _pictures(source, source.rows, reading, view)
        if isinstance(source.rows, PictureFiles)
        else _table(source, source.rows, reading, array=False)
        if isinstance(source.rows, Frame)
        else _array(source, reading)
    )
    return {
        "name": source.name,
        "rows": len(source),
        "split": {
            "parts": {part: int((source.parts == part).sum()) for part in PARTS},
            "why": dict(source.why),
            "said": [line.strip() for line in source.said()],
        },
        "anomalies": None if source.anomaly is None else int(source.anomaly.sum()),
        "groups": None if source.groups is None else len(set(source.groups.astype(str).tolist())),
        **{"columns": None, "pictures": None, "images": None, "view": None, **specific},
        "notes": list(source.notes),
        "warnings": [asdict(advice) for advice in warned],
    }


Found = tuple[dict[str, Any], list[Advice]]


def _table(source: Source, frame: Frame, reading: Reading, array: bool) -> Found:
    if (stranger := next((name for name in reading.kinds if name not in frame), None)) is not None:
        raise InvalidParameter(unknown_name("column", stranger, frame))
    sides = Sides.of(source.parts, source.anomaly)
    looks = [look(frame, name, reading.kinds, sides, array) for name in frame]
    alike = [one.name for one in looks if one.used or one.kind == FAULTY]
    found = copies(digests_of_columns(frame, alike), source.parts, source.anomaly, source.groups)
    width = sum(one.width for one in looks)
    facts = {
        "kind": "table",
        "columns": [one.facts() for one in looks],
        "matrix_columns": width,
        "copies": found,
    }
    return facts, [*row_rules.advise(source, found, width), *table_rules.advise(looks, array)]


def _array(source: Source, reading: Reading) -> Found:
    rows = source.rows
    assert isinstance(rows, np.ndarray)
    if rows.ndim == 2:
        names = {
            str(j): rows[:, j].astype(float if rows.dtype.kind != "f" else rows.dtype) for j in range(rows.shape[1])
        }
        return _table(source, Frame(names, named=False), reading, array=True)
    if rows.ndim not in (3, 4):
        raise InvalidData(
            f"rows of shape {rows.shape[1:]}: allowed are (d,), (height, width) and (channels, height, width)"
        )
    found = copies(digests_of_arrays(rows), source.parts, source.anomaly, source.groups)
    flat = rows.reshape(len(rows), -1)
    blank = np.flatnonzero(flat.min(1) == flat.max(1))
    warned = list(row_rules.advise(source, found, rows="images"))
    if len(blank):
        warned.append(
            Advice(
                "blank",
                f"{len(blank):,} of {len(rows):,} images are of one value (the first is {blank[0]}): remove them",
            )
        )
    facts = {
        "shape": list(rows.shape[1:]),
        "dtype": str(rows.dtype),
        "min": float(rows.min()),
        "max": float(rows.max()),
    }
    return {"kind": "images", "images": {**facts, "one_value": len(blank)}, "copies": found}, warned


def _pictures(source: Source, files: PictureFiles, reading: Reading, view: View | None) -> Found:
    facts = picture_facts(files, reading.workers)
    found = copies(digests_of_files([file.path for file in files.files]), source.parts, source.anomaly, source.groups)
    left_out = [note for note in source.notes if "is left out" in note]
    seen = picture_rules.Seen(facts, view, files.sizes, left_out)
    of_rows = row_rules.advise(source, found, rows="pictures", few=picture_rules.FEW_PICTURES)
    return {
        "kind": "pictures",
        "pictures": facts.facts(),
        "copies": found,
        "view": None if view is None else {**view_facts(view), **_rows(source, files, view)},
    }, [*of_rows, *picture_rules.advise(seen)]


def _rows(source: Source, files: PictureFiles, view: View) -> dict[str, int | None]:
    """How many rows of one shape the view makes of the pictures that train, and of those to test."""
    sizes = {
        part: [size for size, of in zip(files.sizes, source.parts.tolist(), strict=True) if of == part]
        for part in (TRAIN, TEST)
    }
    return {f"{part}_rows": picture_rules.rows_of(view, some) for part, some in sizes.items()}
