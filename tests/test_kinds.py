"""What columns are taken for: from their values alone, with the reason, and an error where it would be a guess."""

import datetime as dt
from typing import Any

import numpy as np
import pytest

from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.frame import Frame
from ringfence.kinds import MOST_CATEGORIES, understand

N = 40
RNG = np.random.default_rng(0)


def kind_of(values: Any, name: str = "c", **given: str) -> str:
    frame = Frame({name: values, "other": RNG.normal(size=len(values))})
    return understand(frame, given)[0].kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RNG.normal(size=N), "number"),
        ([str(v) for v in RNG.normal(size=N)], "number"),
        (np.arange(N) % 7, "number"),
        (np.arange(N) % 2, "number"),
        ([1.0, np.nan] * (N // 2), "number"),
        (["red", "green", None, "red"] * (N // 4), "category"),
        ([f"k{i % 12}" for i in range(N)], "category"),
        (np.arange(N) % 2 == 0, "boolean"),
        (["yes", "No", None, "no"] * (N // 4), "boolean"),
        (["true"] * (N // 2) + ["FALSE"] * (N // 2), "boolean"),
        (np.datetime64("2024-01-01") + np.arange(N), "date"),
        ([f"2024-01-{d % 28 + 1:02d}" for d in range(N)], "date"),
        ([f"2024-01-01 {h % 24:02d}:30" for h in range(N)], "date"),
        ([f"2024/02/{d % 28 + 1:02d}" for d in range(N)], "date"),
        ([f"{d % 28 + 1}.12.2023" for d in range(N)], "date"),
        (np.full(N, 3.5), "constant"),
        (["same"] * N, "constant"),
        (np.arange(N), "identifier"),
        (RNG.permutation(N).astype(np.uint8), "number"),
        (RNG.permutation(60_000)[:3000].astype(np.uint16), "number"),
        ([f"{i % 30:03d}" for i in range(N)], "category"),
        ([f"{d % 28 + 1:02d}.05.2024 08:{d:02d}" for d in range(N)], "date"),
        (np.arange(N) + 7000.0, "identifier"),
        ([f"user-{i:04d}" for i in range(N)], "identifier"),
    ],
)  # fmt: skip
def test_kinds_follow_from_the_values(values: Any, kind: str) -> None:
    assert kind_of(values) == kind


def test_whole_numbers_that_are_each_there_once_are_an_identifier_only_by_name() -> None:
    values = RNG.permutation(10 * N)[:N]
    assert kind_of(values, "weight") == "number"
    assert kind_of(values, "customer_id") == "identifier"
    assert kind_of(values / 3, "customer_id") == "number"


def test_a_column_that_is_a_category_by_type_is_one() -> None:
    frame = Frame({"c": ["1", "2"] * 20, "x": RNG.normal(size=N)}, worded=["c"])
    assert understand(frame)[0].kind == "category"
    assert understand(frame.take(slice(0, 30)).only(["c"]))[0].kind == "category"


def test_few_rows_are_no_identifier() -> None:
    assert kind_of(np.arange(10)) == "number"
    assert kind_of([f"u{i}" for i in range(10)]) == "category"


def test_a_date_whose_month_nobody_knows_is_no_date() -> None:
    assert kind_of([f"0{d % 9 + 1}/04/2024" for d in range(N)]) == "category"


def test_counts_and_reasons_are_told() -> None:
    found = understand(Frame({"a": ["x", None, "y", "x"], "b": [1.0, 2.0, 2.0, np.nan]}))
    assert [(c.name, c.kind, c.missing, c.distinct) for c in found] == [("a", "category", 1, 2), ("b", "number", 1, 2)]
    assert found[0].reason == "2 different texts"


@pytest.mark.parametrize(
    ("values", "given", "kind"),
    [
        (np.arange(N), "number", "number"),
        (np.arange(N) % 2, "category", "category"),
        (np.arange(N) % 2, "boolean", "boolean"),
        (["yes", "no"] * (N // 2), "category", "category"),
        (RNG.normal(size=N), "skip", "skip"),
    ],
)
def test_a_given_kind_overrules(values: Any, given: str, kind: str) -> None:
    found = understand(Frame({"c": values, "d": RNG.normal(size=N)}), {"c": given})
    assert (found[0].kind, found[0].reason) == (kind, "as given")


@pytest.mark.parametrize(
    ("values", "given", "message"),
    [
        (["1", "2", "tcp", "3"], {}, r"row 3, column 'c' is 'tcp', not a number; mend it, or say --kind c=category"),
        (["2024-01-01", "2024-01-02", "2024-13-01"], {}, r"row 3, column 'c' is '2024-13-01', not a date"),
        (["2024-01-01", "soon"], {}, r"row 2, column 'c' is 'soon', not a date"),
        ([None, None, None], {}, r"column 'c' has no value in any of the 3 rows; leave it out: --kind c=skip"),
        ([np.nan, np.nan], {}, r"column 'c' has no value in any of the 2 rows"),
        ([1.0, np.inf, 2.0], {"c": "number"}, r"row 2, column 'c' is 'inf', not a finite number"),
        (["1", "inf", "2"], {}, r"row 2, column 'c' is 'inf', not a finite number"),
        (["yes", "maybe"], {"c": "boolean"}, r"row 2, column 'c' is 'maybe', neither true nor false"),
        (["a", "b"], {"c": "number"}, r"row 1, column 'c' is 'a', not a number"),
        ([1.0, 2.0], {"c": "numbr"}, r"column 'c': unknown kind 'numbr': did you mean 'number'"),
        ([1.0, 2.0], {"cc": "number"}, r"unknown column 'cc': did you mean 'c'"),
        (["a", "b"], {"c": "skip", "d": "skip"}, r"no column is left to learn from: 'c' is skip, 'd' is skip"),
    ],
)
def test_what_would_be_a_guess_is_an_error(values: Any, given: dict[str, str], message: str) -> None:
    frame = Frame({"c": values, "d": np.linspace(0, 1, len(values))})
    with pytest.raises((InvalidData, InvalidParameter), match=message) as caught:
        understand(frame, given)
    assert "\n" not in str(caught.value)


def test_too_many_categories_are_refused_with_their_number() -> None:
    texts = [f"k{i % (MOST_CATEGORIES + 1)}" for i in range(3 * MOST_CATEGORIES)]
    with pytest.raises(InvalidData, match=r"column 'c' has 1,001 different values, more than the 1,000"):
        kind_of(texts)


def test_a_hundred_thousand_categories_are_refused_and_as_many_different_texts_left_out() -> None:
    count = 100_000
    texts = [f"k{i}" for i in range(count)]
    with pytest.raises(InvalidData, match=r"column 'c' has 100,000 different values"):
        kind_of(texts, c="category")
    with pytest.raises(InvalidData, match=r"column 'c' has 100,000 different values"):
        kind_of(texts * 2)
    assert kind_of(texts) == "identifier"


def test_dates_of_pandas_objects_and_zones_read_alike() -> None:
    from ringfence.kinds import as_dates

    texts = np.array(["2024-05-01T10:00:00+02:00", None, "2024-05-01 08:00"], dtype=object)
    read = as_dates("t", texts)
    assert read[0] == read[2] == np.datetime64(dt.datetime(2024, 5, 1, 8))
    assert np.isnat(read[1])


def test_whole_numbers_are_the_same_category_however_they_are_written() -> None:
    from ringfence.kinds import as_categories

    written = [np.array([1, 2]), np.array([1.0, 2.0]), np.array(["1", "2"], object), np.array(["1.0", "2.0"], object)]
    assert all(as_categories("c", column).tolist() == ["1", "2"] for column in written)


def test_rows_in_messages_are_those_of_the_whole_table() -> None:
    values = ["2024-01-01"] * 50 + ["soon"]
    part = Frame({"d": values, "x": RNG.normal(size=51)}).take(np.arange(20, 51))
    with pytest.raises(InvalidData, match=r"^row 51, column 'd' is 'soon'"):
        understand(part.take(np.arange(31)[::-1]))
