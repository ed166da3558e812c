"""What to do with a column of labels: nobody trains on one by accident."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..exceptions import InvalidData, InvalidParameter, unknown_name
from .cells import is_missing

LABEL_NAMES: Final = frozenset(("y", "label", "labels", "class", "target", "anomaly", "is_anomaly", "outlier"))
"""Lower-case names that look like labels."""

_SHOWN = 10


def looks_like_label(name: str) -> bool:
    """Tell whether a column or array of that name is probably the truth and not a feature."""
    return name.strip().lower() in LABEL_NAMES


def claimed(names: Iterable[str], label: str | None, path: Path, settled: Collection[str] = ()) -> str | None:
    """Return the label's name if the user gave one, after checking it against the names in the file.

    Parameters
    ----------
    names : iterable of str
        Columns or arrays in the file.
    label : str or None
        What the user named.
    path : Path
        For the error.
    settled : collection of str
        Names that are no label, whatever they look like: the user said what they are, or they are no features.

    Raises
    ------
    InvalidParameter
        If the file has nothing of that name.
    InvalidData
        If the file has another one, not settled, that looks like a label.
    """
    names = list(names)
    if label is not None and label not in names:
        raise InvalidParameter(f"'{path}': {unknown_name('label column', label, names)}")
    suspects = (name for name in names if name != label and name not in settled and looks_like_label(name))
    suspect = next(suspects, None)
    if suspect is None:
        return label
    if label is None:
        raise InvalidData(
            f"'{path}': '{suspect}' looks like a label; say what it is with --label {suspect} --normal VALUE,"
            f" or --kind {suspect}=number (or category …) if it is a feature"
        )
    raise InvalidData(
        f"'{path}': '{suspect}' looks like another label beside '{label}'; leave it out with --kind {suspect}=skip,"
        f" or say --kind {suspect}=number (or category …) if it is a feature"
    )


def as_anomaly(
    values: np.ndarray, label: str, normal: object, path: Path, must_occur: bool = True
) -> NDArray[np.bool_]:
    """Turn labels into truth: False where a value means normal, else True.

    Parameters
    ----------
    values : ndarray of str, int, float or bool, shape (n,)
        The labels.
    label : str
        Their name, for the error.
    normal : object
        The value that means normal, compared as text and as a number: "1", 1 and "1.0" are the same.
        None is refused here, with the values to choose from.
    path : Path
        For the error.
    must_occur : bool
        Whether one of the values must be normal; rows to score may all be anomalies.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    InvalidParameter
        If ``normal`` is None, or none of the values although it must be.
    InvalidData
        If a label is one of the cells that mean missing in any column (:func:`~ringfence.data.cells.is_missing`).
    """
    seen, codes = np.unique(values, return_inverse=True)
    texts = [str(value).strip() for value in seen.tolist()]
    empty = np.isin(codes, [i for i, text in enumerate(texts) if is_missing(text)])
    if empty.any():
        row = int(np.argmax(empty))
        written = texts[codes[row]]
        hint = f": '{written}' means missing" if written else ""
        raise InvalidData(f"'{path}': row {row + 1} has no label in '{label}'{hint}")
    is_normal = np.array([_same(text, str(normal).strip()) for text in texts], dtype=bool)
    if normal is None or (must_occur and not is_normal.any()):
        shown = ", ".join(" ".join(text.split())[:40] for text in texts[:_SHOWN]) + (
            ", …" if len(texts) > _SHOWN else ""
        )
        state = "needs the value that means normal" if normal is None else f"never is '{normal}', the normal value"
        raise InvalidParameter(f"'{path}': label '{label}' {state}; give --normal VALUE, one of: {shown}")
    return np.asarray(~is_normal[codes], dtype=bool)


def _same(a: str, b: str) -> bool:
    """Tell whether two values are the same text or the same number; True and False are 1 and 0."""
    return a == b or (_as_number(a) is not None and _as_number(a) == _as_number(b))


def _as_number(text: str) -> float | None:
    try:
        return float({"true": "1", "false": "0"}.get(text.lower(), text))
    except ValueError:
        return None
