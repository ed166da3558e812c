"""What a user hands a detector → rows to split, scale and score; and rows → what the user handed in."""

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from .block_rows import BlockRows
from .blocks import ArrayBlocks, Blocks
from .columns import Columns, Unseen, UnseenValues, chosen
from .exceptions import InvalidData, unusable_rows
from .frame import Frame, as_frame, is_frame, native_like
from .kinds import LEFT_OUT, as_numbers
from .lazy import LazyRows
from .preprocess import as_array
from .survey import as_named, surveyed

if TYPE_CHECKING:
    from .detector import Detector

Rows = NDArray[Any] | Frame | LazyRows | Blocks


class ColumnsLeftOut(UserWarning):
    """Some columns of a table are not learned from, as they say nothing about a row but which one it is."""


@unusable_rows()
def received(detector: "Detector", X: Any, *, reset: bool) -> Rows:
    """Check what was handed in; learn (`reset`) or compare the number and names of its columns.

    Returns
    -------
    Images as a finite float array or as they lie on disk; a table of names, text or gaps as a frame, any other as a
    finite float array (n, d). Blocks stay blocks, unless they are so few that a fit takes them whole.
    """
    least = 2 if reset else 1
    if isinstance(X, np.memmap) and not reset:
        X = ArrayBlocks(X)
    if isinstance(X, Blocks):
        return _blocks(detector, X, reset, least)
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


def _blocks(detector: "Detector", X: Blocks, reset: bool, least: int) -> Rows:
    if len(X) < least:
        raise InvalidData(f"X has {len(X)} row{'s' * (len(X) != 1)}, at least {least} are needed")
    if reset:
        if X.small:
            return received(detector, X.whole(), reset=True)
        detector.n_features_in_ = math.prod(X.shape[1:])
        _name_features(detector, X.names)
    elif X.names is not None and detector.columns_ is not None:
        return X.only(chosen(X.names, detector.columns_, ordered=False))
    if reset:
        return X
    expected = detector.preprocess_.given if detector.columns_ is None else (detector.n_features_in_,)
    if X.shape[1:] != expected:
        name = type(detector).__name__
        raise InvalidData(f"X has rows of shape {X.shape[1:]}, but {name} was fitted with {expected}")
    return X


def _name_features(detector: "Detector", names: Sequence[str] | None) -> None:
    if names is not None:
        detector.feature_names_in_ = np.array(names, dtype=object)
    elif hasattr(detector, "feature_names_in_"):
        del detector.feature_names_in_


def _gaps(detector: "Detector", rows: NDArray[Any], reset: bool) -> Rows:
    """An array as it is, or as a frame without names where that is needed to know its gaps."""
    # NaN is the least of all where there is one: no mask of all values is made.
    gaps, known = bool(np.isnan(rows.min(initial=0.0))), None if reset else detector.columns_
    if known or (reset and gaps):
        names = [c.name for c in known.understood] if known else [str(j) for j in range(rows.shape[1])]
        return Frame(dict(zip(names, rows.T.astype(np.float64), strict=True)), named=False)
    if gaps:
        row, column = np.argwhere(np.isnan(rows))[0].tolist()
        raise InvalidData(
            f"X has NaN in row {row}, column {column} (counted from 0), and no row that {type(detector).__name__} was "
            "fitted on had a gap (NaN); fill it, or fit on rows with gaps"
        )
    return rows


def _table(detector: "Detector", X: Any, reset: bool, least: int) -> Rows:
    own = isinstance(X, Frame)
    if own and reset:
        detector.n_features_in_ = len(X)
        _name_features(detector, X.names if X.named else None)
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
        return frame.only(chosen(frame.names, detector.columns_, ordered=not own))
    if len(frame) != detector.n_features_in_:
        name, expected = type(detector).__name__, detector.n_features_in_
        raise InvalidData(f"X has {len(frame)} features, but {name} is expecting {expected} features as input")
    return _gaps(detector, np.column_stack([as_numbers(name, frame[name]) for name in frame]), reset)


def learned(detector: "Detector", X: Any, given: Rows, training: NDArray[np.int64]) -> Columns | None:
    """Learn the columns of the training rows, and say which are left out; None where rows have no columns to learn."""
    if not isinstance(given, Frame | Blocks) or (isinstance(given, Blocks) and not _worded(given)):
        return None
    taught = given.take(training)
    # Nobody gave the columns of an array names: there are no words in it, and no counter of rows.
    said = is_frame(X) or (isinstance(X, Blocks) and X.names is not None)
    names = given if isinstance(given, Frame) else [str(at) for at in range(given.shape[1])]
    numbers = {} if said else dict.fromkeys(names, "number")
    kinds = {**numbers, **(detector.kinds or {})}
    if isinstance(taught, Frame):
        library = type(X).__module__.partition(".")[0] if is_frame(X) and not isinstance(X, Frame) else ""
        columns = Columns.learn(taught, kinds, library)
    else:
        columns = surveyed(taught, kinds)
    left_out = [f"{c.name!r} ({c.reason})" for c in columns.understood if c.kind in LEFT_OUT and c.reason != "as given"]
    if left_out:
        warnings.warn(f"columns left out: {', '.join(left_out)}", ColumnsLeftOut, stacklevel=4)
    return columns


def _worded(blocks: Blocks) -> bool:
    """Whether blocks have names, or are a table with gaps."""
    if blocks.names is not None:
        return True
    return len(blocks.shape) == 2 and any(np.isnan(np.asarray(block)).any() for block in blocks)


def encoded(detector: "Detector", rows: Rows, *, warn: bool = True) -> NDArray[Any] | LazyRows:
    """Turn a frame into the matrix that its columns say, blocks into rows made so; anything else stays as it is.

    With `warn`, values that no training row had are warned of, or refused where the detector is strict; of blocks when
    `tell` is called.
    """
    unseen = Unseen() if warn else None
    if isinstance(rows, Blocks):
        row = rows.shape[1:] if detector.columns_ is None else (len(detector.columns_.names),)
        row = (1, *row) if len(row) == 2 else row
        return BlockRows(rows, lambda at: _encoded_block(detector, rows, at, unseen), row, unseen)
    if not isinstance(rows, Frame):
        return rows
    matrix = _matrix(detector, rows, unseen)
    if unseen and unseen.said():
        warnings.warn("; ".join(unseen.said()), UnseenValues, stacklevel=4)
    return matrix


def tell(rows: Any) -> None:
    """Warn of what rows in blocks held that no training row had, once they were read."""
    if isinstance(rows, BlockRows) and rows.unseen and (said := rows.unseen.said()):
        warnings.warn("; ".join(said), UnseenValues, stacklevel=3)


def _matrix(detector: "Detector", frame: Frame, unseen: Unseen | None) -> NDArray[Any]:
    assert detector.columns_ is not None
    matrix, strange = detector.columns_.encode(frame)
    if unseen is not None:
        unseen.add(frame, strange)
        if strange and detector.strict:
            raise InvalidData(f"strict=True: {'; '.join(unseen.said())}")
    return matrix


def _encoded_block(detector: "Detector", blocks: Blocks, at: int, unseen: Unseen | None) -> NDArray[Any]:
    block = blocks.block(at)
    try:
        if detector.columns_ is not None:
            return _matrix(detector, as_named(block, [c.name for c in detector.columns_.understood]), unseen)
        if isinstance(block, Frame):
            return np.column_stack([as_numbers(name, block[name], block.origin) for name in block])
        return _finite(detector, block)
    except InvalidData as error:
        raise InvalidData(f"{blocks.where(at)}: {error}") from error


@unusable_rows()
def _finite(detector: "Detector", block: NDArray[Any]) -> NDArray[Any]:
    """A block of an array, checked as an array in memory is."""
    flat = block.ndim == 2
    finite: Any = "allow-nan" if flat else True
    rows = check_array(block, allow_nd=True, dtype=[np.float64, np.float32], ensure_all_finite=finite)
    _gaps(detector, rows, False) if flat else None
    return rows[:, None] if rows.ndim == 3 else np.asarray(rows)


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
