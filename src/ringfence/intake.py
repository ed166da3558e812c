"""What a user hands a detector → rows to split, scale and score; and rows → what the user handed in."""

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from .columns import Columns, UnseenValues, chosen, unseen_in_words
from .exceptions import InvalidData, unusable_rows
from .frame import Frame, as_frame, is_frame, native_like
from .kinds import LEFT_OUT, as_numbers
from .lazy import LazyRows
from .preprocess import as_array

if TYPE_CHECKING:
    from .detector import Detector

Rows = NDArray[Any] | Frame | LazyRows


class ColumnsLeftOut(UserWarning):
    """Some columns of a table are not learned from, as they say nothing about a row but which one it is."""


@unusable_rows()
def received(detector: "Detector", X: Any, *, reset: bool) -> Rows:
    """Check what was handed in; learn (`reset`) or compare the number and names of its columns.

    Returns
    -------
    Images as a finite float array or as they lie on disk; a table of names, text or gaps as a frame, any other as a
    finite float array (n, d).
    """
    least = 2 if reset else 1
    if isinstance(X, LazyRows):
        return _images(detector, X, reset)
    if is_frame(X):
        return _table(detector, X, reset, least)
    X = as_array(X)
    if X.ndim not in (3, 4) and (reset or len(detector.preprocess_.given) == 1):
        rows: NDArray[Any] = validate_data(
            detector, X, dtype=[np.float64, np.float32], reset=reset, ensure_min_samples=least,
            ensure_all_finite="allow-nan",
        )  # fmt: skip
        return _gaps(detector, rows, reset)
    # Eight- and sixteen-bit pictures fit float32 exactly and take half the memory.
    small = getattr(getattr(X, "dtype", None), "itemsize", 8) <= 2
    dtype = np.float32 if small else [np.float64, np.float32]
    images: NDArray[Any] = check_array(X, allow_nd=True, dtype=dtype, ensure_min_samples=least)
    return _images(detector, images, reset)


def _images(detector: "Detector", images: NDArray[Any] | LazyRows, reset: bool) -> Rows:
    if reset:
        detector.n_features_in_ = math.prod(images.shape[1:])
    elif images.shape[1:] != detector.preprocess_.given:
        raise InvalidData(
            f"X has rows of shape {images.shape[1:]}, but {type(detector).__name__} was fitted with "
            f"{detector.preprocess_.given}"
        )
    return images


def _gaps(detector: "Detector", rows: NDArray[Any], reset: bool) -> Rows:
    """An array as it is, or as a frame without names where that is needed to know its gaps."""
    gaps = np.isnan(rows)
    if reset and not gaps.any():
        return rows
    known = None if reset else detector.columns_
    if reset or known:
        names = [c.name for c in known.understood] if known else [str(j) for j in range(rows.shape[1])]
        return Frame(dict(zip(names, rows.T.astype(np.float64), strict=True)), named=False)
    if gaps.any():
        row, column = np.argwhere(gaps)[0].tolist()
        raise InvalidData(
            f"X has NaN in row {row}, column {column} (counted from 0), and no row that {type(detector).__name__} was "
            "fitted on had a gap (NaN); fill it, or fit on rows with gaps"
        )
    return rows


def _table(detector: "Detector", X: Any, reset: bool, least: int) -> Rows:
    own = isinstance(X, Frame)
    if own and reset:
        detector.n_features_in_ = len(X)
        if X.named:
            detector.feature_names_in_ = np.array(X.names, dtype=object)
        elif hasattr(detector, "feature_names_in_"):
            del detector.feature_names_in_
    try:
        if not own:
            validate_data(detector, X, reset=reset, skip_check_array=True)
        frame = as_frame(X)
    except TypeError as error:  # names of several types, lazy frames: what the libraries say of them
        raise InvalidData(f"X can't be read as a table: {error}") from error
    if frame.rows < least:
        raise InvalidData(f"X has {frame.rows} row{'s' * (frame.rows != 1)}, at least {least} are needed")
    if reset:
        return frame
    if detector.columns_ is not None:
        # Files say their columns by name; frames of other libraries are held to scikit-learn's order.
        return chosen(frame, detector.columns_, ordered=not own)
    if len(frame) != detector.n_features_in_:
        name, expected = type(detector).__name__, detector.n_features_in_
        raise InvalidData(f"X has {len(frame)} features, but {name} is expecting {expected} features as input")
    return _gaps(detector, np.column_stack([as_numbers(name, frame[name]) for name in frame]), reset)


def learned(detector: "Detector", X: Any, training: Frame) -> Columns:
    """Learn the columns of the training rows, and say which are left out."""
    named = is_frame(X) and not isinstance(X, Frame)
    library = type(X).__module__.partition(".")[0] if named else ""
    # Nobody gave the columns of an array names: there are no words in it, and no counter of rows.
    kinds = detector.kinds if is_frame(X) else {**dict.fromkeys(training, "number"), **(detector.kinds or {})}
    columns = Columns.learn(training, kinds, library)
    left_out = [f"{c.name!r} ({c.reason})" for c in columns.understood if c.kind in LEFT_OUT and c.reason != "as given"]
    if left_out:
        warnings.warn(f"columns left out: {', '.join(left_out)}", ColumnsLeftOut, stacklevel=4)
    return columns


def encoded(detector: "Detector", rows: Rows, *, warn: bool = True) -> NDArray[Any] | LazyRows:
    """Turn a frame into the matrix that its columns say; anything else stays as it is.

    With `warn`, values that no training row had are warned of, or refused where the detector is strict.
    """
    if not isinstance(rows, Frame):
        return rows
    assert detector.columns_ is not None
    matrix, unseen = detector.columns_.encode(rows)
    if unseen and warn:
        said = "; ".join(unseen_in_words(rows, unseen))
        if detector.strict:
            raise InvalidData(f"strict=True: {said}")
        warnings.warn(said, UnseenValues, stacklevel=4)
    return matrix


def returned(detector: "Detector", matrix: NDArray[np.float64], X: Any = None) -> Any:
    """Rows in the user's units, words and kind of table; `X` is what the user handed in, if anything."""
    if detector.columns_ is None:
        return matrix
    frame = detector.columns_.decode(matrix)
    if X is not None and is_frame(X):
        return native_like(frame, X)
    if X is not None or not hasattr(detector, "feature_names_in_"):
        return np.column_stack([as_numbers(name, frame[name]) for name in frame])
    return native_like(frame, detector.columns_.library or frame)
