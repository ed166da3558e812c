"""Data frames of every library become the same columns."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ringfence.exceptions import InvalidData
from ringfence.frame import Frame, as_frame, is_frame, missing, native_like

DATA: dict[str, list[Any]] = {
    "f": [1.5, None, 3.0],
    "i": [1, 2, 3],
    "gap": [1, None, 3],
    "s": ["x", None, "y"],
    "b": [True, False, True],
    "maybe": [True, None, False],
    "t": [dt.datetime(2024, 1, 1, 12), None, dt.datetime(2024, 2, 1)],
}
LIBRARIES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_of_every_library_become_the_same_columns(library: str) -> None:
    native = LIBRARIES[library](DATA)
    assert is_frame(native)
    frame = as_frame(native)
    assert frame.names == tuple(DATA)
    assert frame.rows == 3
    np.testing.assert_array_equal(frame["f"], [1.5, np.nan, 3.0])
    np.testing.assert_array_equal(frame["gap"], [1, np.nan, 3])
    assert frame["i"].dtype.kind == "i"
    assert list(frame["s"]) == ["x", None, "y"]
    assert frame["b"].dtype == bool
    assert [v if v is None else bool(v) for v in frame["maybe"]] == [True, None, False]
    assert frame["t"].dtype == "datetime64[us]"
    assert frame["t"][0] == np.datetime64("2024-01-01T12")
    for name in ("f", "s", "maybe", "t"):
        assert missing(frame[name]).tolist() == [False, True, False], name


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_frame_goes_back_to_its_library(library: str) -> None:
    native = LIBRARIES[library](DATA)
    back = native_like(as_frame(native), native)
    assert type(back) is type(native)
    again = as_frame(back)
    for name in DATA:
        assert [str(v) for v in again[name]] == [str(v) for v in as_frame(native)[name]], name


def test_a_library_that_is_not_there_gives_the_frame_itself() -> None:
    frame = Frame({"a": [1.0]})
    assert native_like(frame, "no_such_library_anywhere") is frame
    assert isinstance(native_like(frame, "pandas"), pd.DataFrame)


def test_zones_become_utc() -> None:
    zoned = pd.DataFrame({"t": pd.to_datetime(["2024-05-01T10:00:00+02:00"])})
    assert as_frame(zoned)["t"][0] == np.datetime64("2024-05-01T08:00")


def test_categories_and_mixed_objects_are_text() -> None:
    mixed = pd.DataFrame({"c": pd.Categorical(["a", None, "a"]), "o": np.array(["x", 3, None], dtype=object)})
    frame = as_frame(mixed)
    assert list(frame["c"]) == ["a", None, "a"]
    assert list(frame["o"]) == ["x", "3", None]


@pytest.mark.parametrize("dtype", ["boolean", "boolean[pyarrow]"])
def test_booleans_with_gaps_are_true_false_or_missing(dtype: str) -> None:
    frame = as_frame(pd.DataFrame({"b": pd.Series([True, None, False], dtype=dtype)}))
    assert frame["b"].tolist() == [True, None, False]
    assert as_frame(pd.DataFrame(DATA).convert_dtypes())["maybe"].tolist() == [True, None, False]


def test_nan_among_text_is_missing_and_row_numbers_are_kept() -> None:
    frame = Frame({"a": np.array(["x", np.nan, "y"], dtype=object)})
    assert frame["a"].tolist() == ["x", None, "y"]
    taken = frame.take(np.array([2, 0])).take(np.array([1]))
    assert taken.origin is not None
    assert taken.origin.tolist() == [0]


@pytest.mark.parametrize(
    "native",
    [
        pd.DataFrame({"d": pd.to_timedelta([1, 2], unit="s")}),
        pl.DataFrame({"d": [[1, 2], [3]]}),
        pd.DataFrame({"d": [[1], [2]]}),
        pd.DataFrame({"d": [1 + 2j, 3j]}),
    ],
)
def test_types_that_are_not_understood_are_named(native: Any) -> None:
    with pytest.raises(InvalidData, match=r"column 'd' holds .*: numbers, text, booleans or dates are needed"):
        as_frame(native)


@pytest.mark.parametrize("other", [np.zeros((2, 2)), [[1, 2]], {"a": [1]}, pd.Series([1.0])])
def test_arrays_and_lists_are_no_frames(other: Any) -> None:
    assert not is_frame(other)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "at least one column"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "column 'b' has 2 rows, column 'a' has 1"),
        ({"a": np.zeros((2, 2))}, r"column 'a' has the shape \(2, 2\)"),
        ({"a": np.zeros(2, dtype=complex)}, "column 'a' holds complex128"),
    ],
)
def test_what_is_no_table_is_refused(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        Frame(columns)


def test_rows_and_columns_can_be_chosen() -> None:
    frame = Frame({"a": [1.0, 2.0, 3.0], "b": ["x", None, "z"]})
    assert list(frame.take(np.array([2, 0]))["b"]) == ["z", "x"]
    assert frame.without("a").names == ("b",)
    assert frame.only(["b"]).rows == 3
