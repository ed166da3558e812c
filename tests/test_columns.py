"""Columns to numbers and back: learned on training rows, nothing lost, and unseen values told apart."""

import json

import numpy as np
import pytest

from ringfence.columns import Columns, Unseen, chosen
from ringfence.exceptions import InvalidData
from ringfence.frame import Frame

TABLE = Frame(
    {
        "colour": ["red", None, "blue", "red"],
        "size": [1.0, 3.0, np.nan, 8.0],
        "on": [True, False, True, True],
        "when": np.array(["2024-01-01", "2024-01-02", "2024-01-03T12", "NaT"], dtype="datetime64[us]"),
        "row": ["u1", "u2", "u3", "u4"],
        "same": [5.0, 5.0, 5.0, 5.0],
        "word": ["x", "x", "x", "x"],
    }
)
COLUMNS = Columns.learn(TABLE, {"row": "skip"})


def test_numbers_come_first_and_each_category_has_a_head() -> None:
    assert COLUMNS.names == (
        "size", "size is missing", "when", "when is missing", "same",
        "colour=blue", "colour=red", "colour is missing", "on=false", "on=true", "word=x",
    )  # fmt: skip
    assert COLUMNS.heads == ((5, 8), (8, 10), (10, 11))


def test_codes_are_as_derived_by_hand() -> None:
    matrix, unseen = COLUMNS.encode(TABLE)
    # Row 3: size is missing (median of 1, 3, 8 is 3), 2024-01-03 12:00 is day 19725.5 since 1970, blue, on, x.
    np.testing.assert_array_equal(matrix[2], [3, 1, 19725.5, 0, 5, 1, 0, 0, 0, 1, 1])
    # Row 4: the date is missing; the median of days 19723, 19724 and 19725.5 stands there.
    np.testing.assert_array_equal(matrix[3], [8, 0, 19724, 1, 5, 0, 1, 0, 0, 1, 1])
    assert not unseen


def test_rows_come_back_in_their_units_and_words() -> None:
    back = COLUMNS.decode(COLUMNS.encode(TABLE)[0])
    assert back.names == tuple(name for name in TABLE if name != "row")
    assert list(back["colour"]) == ["red", None, "blue", "red"]
    np.testing.assert_array_equal(back["size"], TABLE["size"])
    np.testing.assert_array_equal(back["when"], TABLE["when"])
    assert back["on"].dtype == bool
    assert list(back["on"]) == [True, False, True, True]
    assert list(back["word"]) == ["x"] * 4


def test_probabilities_are_read_as_the_most_likely_word() -> None:
    matrix = COLUMNS.encode(TABLE)[0][:1]
    matrix[0, 5:8] = [0.2, 0.3, 0.5]
    matrix[0, 8:10] = [0.6, 0.4]
    matrix[0, 1] = 0.7
    back = COLUMNS.decode(matrix)
    assert back["colour"][0] is None
    assert back["on"][0] == np.False_
    assert np.isnan(back["size"][0])


def test_an_unseen_category_has_a_code_of_its_own_and_is_counted() -> None:
    other = Frame({**TABLE, "colour": ["green", "red", "pink", None], "word": ["x", "x", "x", None]})
    matrix, unseen = COLUMNS.encode(other)
    np.testing.assert_array_equal(matrix[0, 5:8], [0, 0, 0])
    assert not (COLUMNS.encode(TABLE)[0][:, 5:8].sum(1) == 0).any()
    assert {name: rows.tolist() for name, rows in unseen.items()} == {
        "colour": [True, False, True, False],
        "word": [False, False, False, True],
    }
    said = Unseen()
    said.add(other, unseen)
    assert said.said() == [
        "column 'colour': 2 of 4 rows have values never seen in training: 'green', 'pink'",
        "column 'word': 1 of 4 rows has 1 gap, and training had none",
    ]


def test_a_gap_where_training_had_none_is_filled_and_counted() -> None:
    columns = Columns.learn(Frame({"a": [1.0, 2.0, 9.0], "b": [1.0, 2.0, 3.0]}))
    matrix, unseen = columns.encode(Frame({"a": [np.nan, 2.0], "b": [1.0, 1.0]}))
    assert matrix.tolist() == [[2.0, 1.0], [2.0, 1.0]]
    assert unseen["a"].tolist() == [True, False]


def test_numbers_given_as_categories_keep_their_look() -> None:
    columns = Columns.learn(Frame({"a": [0.0, 1.0, 1.0], "b": ["0", "1", "1"]}), {"a": "category", "b": "category"})
    assert columns.names == ("a=0", "a=1", "b=0", "b=1")
    np.testing.assert_array_equal(columns.encode(Frame({"a": [1, 0], "b": ["1", "0"]}))[0][0], [0, 1, 0, 1])


def test_numbers_that_came_as_text_are_learned_as_numbers() -> None:
    columns = Columns.learn(Frame({"heat": [50.5, None, 49.5, 51.5], "code": ["1.5", "2", "3", "2"]}))
    assert [c.kind for c in columns.understood] == ["number", "number"]
    matrix, unseen = columns.encode(Frame({"heat": [60.0, None], "code": ["7.25", "2"]}))
    np.testing.assert_array_equal(matrix, [[60.0, 0, 7.25], [50.5, 1, 2.0]])
    assert not unseen


def test_columns_survive_json() -> None:
    back = Columns.read(json.loads(json.dumps(COLUMNS.facts())))
    assert back == COLUMNS
    np.testing.assert_array_equal(back.encode(TABLE)[0], COLUMNS.encode(TABLE)[0])


def test_a_number_that_can_not_be_read_is_named() -> None:
    with pytest.raises(InvalidData, match=r"row 2, column 'size' is 'big', not a number"):
        COLUMNS.encode(Frame({**TABLE, "size": ["1", "big", "2", "3"]}))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a", "c"), r"missing 'b'; not known from fit 'c' \(leave out: --kind c=skip\)"),
        (("b", "a"), "in another order than at fit"),
        (("a",), "missing 'b'"),
    ],
)
def test_other_columns_than_at_fit_are_named(names: tuple[str, ...], message: str) -> None:
    columns = Columns.learn(Frame({"a": [1.0, 2.0], "b": [1.0, 3.0]}))
    with pytest.raises(InvalidData, match=message):
        chosen(names, columns)


def test_columns_are_found_by_name_and_those_left_out_may_lack() -> None:
    columns = Columns.learn(Frame({"a": [1.0, 2.0], "b": [1.0, 3.0], "no": ["x", "y"]}), {"no": "skip"})
    assert chosen(("b", "a"), columns, ordered=False) == ["a", "b"]
    assert chosen(("a", "b"), columns) == ["a", "b"]


def test_booleans_come_back_in_the_words_of_the_training_rows() -> None:
    words = ["yes", "No", "no", "no", None]
    columns = Columns.learn(Frame({"b": words, "t": [True] * 5, "w": ["yes"] * 5, "x": np.arange(5.0)}))
    other = Frame({"b": ["YES", "f", None], "t": ["true"] * 3, "w": ["yes"] * 3, "x": np.zeros(3)})
    back = columns.decode(columns.encode(other)[0])
    assert back["b"].tolist() == ["yes", "no", None]
    assert back["t"].tolist() == [True] * 3
    assert back["w"].tolist() == ["yes"] * 3
