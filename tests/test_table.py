"""CSV files as people have them: text, gaps, quotes, gzip; columns are numbers or text, and faults name their cell."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from ringfence.data import load_file
from ringfence.data.kdd99 import ATTRIBUTES, CATEGORICAL
from ringfence.data.table import read_csv
from ringfence.exceptions import InvalidData, InvalidParameter


@pytest.fixture
def read(tmp_path):
    def read(content, name="file.csv", **options):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_csv(path, options.pop("label", None), **options).x

    return read


def refusal(read, content, error=InvalidData, **options):
    with pytest.raises(error) as caught:
        read(content, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---- numbers, text, missing


def test_columns_are_numbers_or_text_and_keep_their_names(read):
    frame = read("size,colour,day\n1,red,2020-01-01\n2.5,007 blue,\n")
    assert frame.names == ("size", "colour", "day")
    assert frame.named
    assert frame["size"].tolist() == [1, 2.5]
    assert frame["colour"].tolist() == ["red", "007 blue"]
    assert frame["day"].tolist() == ["2020-01-01", None]


def test_a_column_keeps_its_number_in_the_file_when_the_label_before_it_is_split_off(read):
    frame = read("5,a,1\n6,b,2\n", label="2")
    assert (frame.names, frame.named) == (("1", "3"), False)


@pytest.mark.parametrize(
    "cell", ["", " ", "NA", "N/A", "#N/A", "<NA>", "NaT", "nan", "NaN", "NAN", "-nan", "null", "NULL", "None"]
)
def test_a_missing_cell_is_nan_among_numbers_and_none_among_text(read, cell):
    frame = read(f"a,b\n1,x\n{cell},{cell}\n")
    assert np.isnan(frame["a"][1])
    assert frame["a"].dtype == np.float64
    assert frame["b"].tolist() == ["x", None]


@pytest.mark.parametrize("cell", ["?", "-"])
def test_question_mark_and_dash_are_missing_among_numbers_but_text_among_text(read, cell):
    frame = read(f"a,b\n1,x\n{cell},{cell}\n")
    assert np.isnan(frame["a"][1])
    assert frame["b"].tolist() == ["x", cell]


@pytest.mark.parametrize("cell", ["none", "Na", "n/a!", "--", "0x10", "1 000"])
def test_what_only_resembles_a_missing_cell_or_a_number_is_text(read, cell):
    assert read(f"a;b\n{cell};1\nred;1\n")["a"].tolist() == [cell, "red"]


def test_a_column_all_missing_is_nan_and_as_a_category_none(read):
    assert np.isnan(read("a,b\n1,\n2,?\n")["b"]).all()
    assert read("a,b\n1,\n2,NA\n", kinds={"b": "category"})["b"].tolist() == [None, None]


def test_an_infinite_number_is_refused_but_the_word_is_fine_among_text(read):
    assert "row 2, column 'a' is '1e999', not a finite number" in refusal(read, "a,b\n1,2\n1e999,3\n")
    assert "--kind" not in refusal(read, "a\n1\ninf\n")
    assert read("a,b\nred,1\ninf,1\nblue,1\n")["a"].tolist() == ["red", "inf", "blue"]


def test_text_among_numbers_is_refused_from_half_on_with_the_remedy(read):
    message = refusal(read, "a,b\n5,1\n6,tcp\n,2\n7,3\n")
    assert "row 2, column 'b' is 'tcp', not a number; mend it or say --kind b=category" in message
    assert "'x'" in refusal(read, "a\n1\nx\n")  # half of them
    assert read("a,b\nx,0\n1,0\ny,0\n")["a"].tolist() == ["x", "1", "y"]


@pytest.mark.parametrize("content", ["a|b\n1,5|2\n3,5|4\n", "a;b\n1,5;2\n3.5;4\n", 'a,b\n"1,500",2\n7,3\n'])
def test_numbers_with_commas_are_neither_misread_nor_taken_as_text(read, content):
    message = refusal(read, content)
    assert "row 1, column" in message
    assert "is '1,5" in message
    assert "not a number" in message
    assert "write it with a decimal point only" in message
    assert "--kind" not in message


@pytest.mark.parametrize("mark", [";", "\t"])
def test_decimal_commas_are_read_where_they_part_no_cells(read, mark):
    rows = ("temp,at", "20,25,7", "-3,5,8", "21,?", ",9")
    frame = read("".join(row[::-1].replace(",", mark, 1)[::-1] + "\n" for row in rows))
    assert np.array_equal(frame["temp"], [20.25, -3.5, 21, np.nan], equal_nan=True)
    assert np.array_equal(frame["at"], [7, 8, np.nan, 9], equal_nan=True)
    assert read("1,5;2\n3,5;4\n")["1"].tolist() == [1.5, 3.5]
    assert read("a;b\n0,5;1\n", kinds={"a": "number"})["a"].tolist() == [0.5]
    assert read("a;b\n0,5;1\n", kinds={"a": "category"})["a"].tolist() == ["0,5"]


def test_a_comma_before_three_digits_is_no_decimal_comma_unless_another_column_says_so(read):
    message = refusal(read, "a;b\n999;2\n1,250;4\n")
    assert "row 2, column 'a' is '1,250'" in message
    assert "1.250 or 1250" in message
    assert "--kind" not in message
    assert read("a;b\n999;2,5\n1,250;4\n")["a"].tolist() == [999, 1.25]
    assert read("a;b\n0,250;2\n1,250;4\n")["a"].tolist() == [0.25, 1.25]


def test_decimal_commas_may_begin_far_down(read):
    frame = read("a;b\n" + "7;1\n" * 10_000 + "7,5;1\n")
    assert frame["a"][-2:].tolist() == [7, 7.5]
    assert read("a;b\n" + "7;1\n" * 10_000 + "7,5;1\n", kinds={"a": "number"})["a"][-1] == 7.5


def test_the_uppermost_culprit_of_all_columns_is_named(read):
    assert "row 2, column 'b'" in refusal(read, "a,b\n1,1\n2,x\ny,2\n3,3\n")


def test_a_long_or_broken_culprit_is_shown_in_part_and_in_one_line(read):
    message = refusal(read, 'a\n1\n2\n"' + "x\n" * 90 + '"\n')
    assert len(message) < 300


def test_named_kinds_are_read_as_written(read):
    frame = read("a,b,c\n0,1,5\n1.0,x,6\n007,2,NA\n", kinds={"a": "category", "b": "category"})
    assert frame["a"].tolist() == ["0", "1.0", "007"]
    assert frame["b"].tolist() == ["1", "x", "2"]
    assert frame["c"].dtype == np.float64


def test_a_column_called_number_must_hold_numbers_only(read):
    message = refusal(read, "a\nx\ny\n1\n", kinds={"a": "number"})
    assert "row 1, column 'a' is 'x', not a number" in message
    assert "category" not in message
    assert read("a,b\n1,2\n", kinds={"a": "number"})["a"].tolist() == [1]


def test_a_kind_for_a_column_that_is_not_there_suggests_the_nearest(read):
    message = refusal(read, "colour,b\nred,2\n", InvalidParameter, kinds={"color": "category"})
    assert "did you mean 'colour'" in message


def test_half_is_counted_in_different_texts_as_for_any_other_table(read):
    assert read("a,b\n" + "0,1\n" * 50 + "x,1\ny,1\n")["a"].tolist()[-3:] == ["0", "x", "y"]
    assert "'x'" in refusal(read, "a,b\n1,1\n2,1\n" + "x,1\n" * 50)
    far = "a,b\n" + "0,1\n" * 9000
    assert read(far + "x,1\ny,1\n")["a"].tolist()[-3:] == ["0", "x", "y"]
    assert "row 9001, column 'a' is 'x'" in refusal(read, far + "x,1\n1,1\n")
    varied = "a,b\n" + "".join(f"{i},1\n" for i in range(9000))
    assert "row 9001, column 'a' is 'x'" in refusal(read, varied + "x,1\n-inf,1\n")
    assert "row 1, column 'a' is '-inf'" in refusal(read, varied.replace("\n0,", "\n-inf,", 1) + "x,1\n")
    assert "row 2, column 'a' is 'inf'" in refusal(read, "a,b\n1,1\ninf,1\nx,1\n", kinds={"a": "number"})


def test_a_column_may_be_asked_for_as_text(read):
    content = "a,y,b\n1,1,1\n2,2,2\n6b,3,3\n"
    frame = read(content, text=["a", "y", "c"])
    assert (frame["a"].tolist(), frame["y"].tolist()) == (["1", "2", "6b"], ["1", "2", "3"])
    assert frame["b"].dtype == np.float64
    assert read("a\n1\n", text=["a"], kinds={"a": "number"})["a"].tolist() == ["1"]


# ---- header or not


@pytest.fixture
def parse(tmp_path):
    def parse(content, **options):
        (tmp_path / "file.csv").write_text(content)
        return load_file(tmp_path / "file.csv", **options)

    return parse


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("size,2023,2024\n1,2,3\n4,5,6\n", ("size", "2023", "2024")),
        ("who,total,2024\nann,2,3\nbob,NA,6\ncy,?,6\n", ("who", "total", "2024")),
        ("a;1,5\n2,5;3\n", ("a", "1,5")),
    ],
)
def test_text_over_numbers_is_a_header_even_beside_a_number(parse, content, names):
    loaded = parse(content)
    assert loaded.columns == names
    assert loaded.x.rows == content.count("\n") - 1
    assert len(loaded.notes) == 1
    assert "the first line is the header" in loaded.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        "name,2023,2024\nann,1,2\nbob,3,4\n",  # text over text
        "0,tcp,215\n0,udp,162\n",
        "a,7\n,8\n",  # text over nothing
        "7,7,x\n1,2,y\n",
        ",0,1\n0,5,6\n1,7,8\n",
        "0,1,2\n5,6,7\n",  # as pandas writes an array
    ],
)
def test_a_first_line_that_may_be_either_is_a_row_and_noted(parse, content):
    loaded = parse(content)
    assert loaded.columns is None
    assert loaded.x.rows == content.count("\n")
    first = content.partition("\n")[0]
    said = f"no header: columns are called 1 to {len(loaded.x)}; the first line '{first}' counts as data"
    assert loaded.notes == (said,)


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "1,2\n3,4\n", "5.1\n4.9\n"])
def test_an_evident_first_line_is_not_noted(parse, content):
    assert parse(content).notes == ()


def test_a_name_that_the_user_says_makes_the_first_line_the_header(parse):
    content = "name,2023,state\nann,1,ok\nbob,3,bad\n"
    loaded = parse(content, label="state", normal="ok")
    assert (loaded.columns, loaded.labels.tolist(), loaded.notes) == (("name", "2023"), [False, True], ())
    assert parse(content, kinds={"2023": "number"}).columns == ("name", "2023", "state")
    assert parse(content, text=["name"]).columns == ("name", "2023", "state")
    assert parse("3,x\n1,y\n", kinds={"1": "category"}).columns is None  # the number of a column


def test_equal_texts_are_one_object(read):
    cells = read("a,b\n" + "some text,1\n" * 20_000)["a"]
    assert len({id(cell) for cell in cells}) == 1


# ---- more rows than one block


LONG = 20_000


def test_blocks_join_in_order(read):
    frame = read("a,b,c\n" + "".join(f"{i},t{i % 7},{i if i % 5000 else '?'}\n" for i in range(LONG)))
    assert np.array_equal(frame["a"], np.arange(LONG))
    assert frame["b"].tolist() == [f"t{i % 7}" for i in range(LONG)]
    assert np.flatnonzero(np.isnan(frame["c"])).tolist() == [0, 5000, 10000, 15000]


def test_a_culprit_far_down_is_named_by_its_row(read):
    cells = [str(i) for i in range(LONG)]
    cells[15_554] = "oops"
    assert "row 15555, column 'a' is 'oops'" in refusal(read, "a,b\n" + "".join(f"{cell},0\n" for cell in cells))
    cells[15_554], cells[12_344] = "1", "inf"
    assert "row 12345, column 'a' is 'inf'" in refusal(read, "a,b\n" + "".join(f"{cell},0\n" for cell in cells))


def test_text_that_begins_far_down_brings_back_the_cells_above_as_written(read):
    cells = ["007" if i < 9000 else "?" if i % 3 else f"x{i}" for i in range(40_000)]
    cells[9000:9003] = ["NA", "-", "1.50"]
    frame = read("a,b\n" + "".join(f"{cell},1\n" for cell in cells))
    assert frame["a"].tolist() == [None if cell == "NA" else cell for cell in cells]


def test_reading_holds_little_more_than_the_columns(tmp_path):
    path = tmp_path / "big.csv"
    path.write_text(",".join("abcdefgh") + "\n" + "1.5,2.5,red,4.5,5.5,blue,7.5,8.5\n" * 100_000)
    tracemalloc.start()
    frame = read_csv(path, None).x
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * sum(values.nbytes for values in frame.values())  # every cell as a str would be ten times


# ---- text, delimiters, quotes


def test_a_bar_parts_cells_too(read):
    assert read("a|b\n1|2\n").names == ("a", "b")


def test_the_delimiter_is_one_that_cuts_the_lines_evenly(read):
    assert read("Action|Comedy,5\nDrama,3\nWar,4\n").names == ("1", "2")
    assert read("name,note\nx,a;b\ny,c\n").names == ("name", "note")
    assert read("a;b\n1;2,x\n3;4,y\n").names == ("a", "b")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("a b c\n1 2 3\n4 5 6\n", "3 pieces parted by spaces"),
        ("1  2.5\n3  4.5\n", "2 pieces parted by spaces"),
        ("1 0.5 0.6 MIT\n2 0.4 0.7 NUC\n", "4 pieces parted by spaces"),
        ("a:b\n1:2\n3:4\n", "2 pieces parted by colons"),
        ("1:2:3:4\n3:4:5:6\n", "4 pieces parted by colons"),
    ],
)
def test_cells_parted_by_something_else_are_pointed_out(read, content, what):
    message = refusal(read, content)
    assert what in message
    assert "comma, semicolon, tab or |" in message


@pytest.mark.parametrize(
    "content", ["time\n12:30:05\n12:30:06\n", "12:30:05\n12:30:06\n", "when\n2020-01-01 10:00:00\n", "say\na b\nc d\n"]
)
def test_one_column_of_times_or_words_is_no_wrong_delimiter(read, content):
    assert read(content).rows in (1, 2)


def test_quoted_cells_hold_delimiters_quotes_and_line_ends(read):
    frame = read('a,b\n"x, ""y""\nz",1\nplain, "2"\n')
    assert frame["a"].tolist() == ['x, "y"\nz', "plain"]
    assert frame["b"].tolist() == [1, 2]


def test_an_empty_quoted_cell_is_a_row_of_a_single_column_but_a_blank_line_is_none(read):
    frame = read('a\n1\n""\n\n   \n3\n')
    assert np.array_equal(frame["a"], [1, np.nan, 3], equal_nan=True)


def test_a_quotation_mark_left_open_is_named_where_it_opens(read):
    message = refusal(read, 'a,b\n1,2\n3,"4\n5,6\n7,8\n')
    assert "row 2 (line 3) can't be read as CSV" in message
    assert "quotation mark" in message


def test_a_ragged_row_is_named_by_row_and_line(read):
    assert "row 2 (line 4) has 1 cells, expected 2 as in the header" in refusal(read, "a,b\n1,2\n\n3\n")


def test_a_row_of_delimiters_is_a_row_of_missing_cells(read):
    assert np.isnan(read("a\tb\n1\t2\n\t\n")["b"][1])


def test_equal_names_in_the_first_line_say_that_it_is_the_header(read):
    assert "two columns 'tcp' (the first line is the header" in refusal(read, "tcp,tcp\nudp,tcp\n")


def test_a_first_line_with_no_word_at_all_is_a_row(read):
    assert read("nan,NA\n1,2\n").rows == 2


@pytest.mark.parametrize("content", ["a,b\n1,2\n".encode("utf-16-le"), b"a,b\n1,\x002\n"])
def test_zero_bytes_are_refused(read, content):
    assert "zero byte" in refusal(read, content)


def test_a_wrong_byte_far_down_is_named_by_its_line(read):
    assert "line 15001 holds byte 0xe9" in refusal(read, b"a,b\n" + b"1,2\n" * 14_999 + b"caf\xe9,2\n")


def test_a_file_that_is_one_endless_line_is_refused(read):
    assert "line 1 is longer than" in refusal(read, gzip.compress(b"1" * 2**25), name="bomb.csv.gz")


# ---- gzip


@pytest.mark.parametrize("name", ["t.csv.gz", "kddcup.data_10_percent.gz", "T.GZ", "t.csv"])
def test_gzipped_text_is_read_under_any_name(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(b"a,b\n1,x\n2,y\n"))
    assert load_file(tmp_path / name).x["a"].tolist() == [1, 2]


@pytest.mark.parametrize("name", ["t.data", "t.tsv", "t.csv.gz"])
def test_plain_text_is_read_under_any_name_of_tables(tmp_path, name):
    (tmp_path / name).write_text("a\tb\n1\tx\n")
    assert load_file(tmp_path / name).columns == ("a", "b")


def test_damaged_gzip_is_refused(tmp_path):
    whole = gzip.compress("".join(f"{i},{i * i}\n" for i in range(10_000)).encode())
    path = tmp_path / "t.csv.gz"
    for content in (whole[:-4], whole[: len(whole) // 2], whole[:100] + b"\xff" * 50 + whole[150:], whole[:5]):
        path.write_bytes(content)
        with pytest.raises(InvalidData, match="can't be unpacked") as caught:
            load_file(path)
        assert str(path) in str(caught.value)


def test_gzipped_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "x.npy.gz"
    path.write_bytes(gzip.compress(b"\x93NUMPY\x01\x00"))
    with pytest.raises(InvalidData, match="not UTF-8"):
        load_file(path)


# ---- real data


def test_kdd99_read_as_it_was_published_agrees_with_its_own_loader(data_dir, kdd99):
    path = next(data_dir.rglob("kddcup.data_10_percent*"))
    kinds = {str(ATTRIBUTES.index(name) + 1): "category" for name in CATEGORICAL}
    loaded = load_file(path, label="42", normal="normal.", kinds=kinds)
    assert np.array_equal(loaded.labels, ~kdd99.normal_connection)
    assert loaded.columns is None
    assert len(loaded.x) == len(ATTRIBUTES)
    for j, name in enumerate(ATTRIBUTES, 1):
        values = loaded.x[str(j)]
        if name in CATEGORICAL:
            assert values.dtype == object
            found = {
                f"{name}={text}": count for text, count in zip(*np.unique(values, return_counts=True), strict=True)
            }
            dummies = [k for k, column in enumerate(kdd99.columns) if column.startswith(f"{name}=")]
            assert found == {kdd99.columns[k]: kdd99.x[:, k].sum() for k in dummies}
        else:
            assert np.array_equal(values, kdd99.x[:, kdd99.columns.index(name)])


def test_whole_numbers_with_leading_zeros_are_codes_and_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "codes.csv"
    path.write_text("code,x,share\n" + "".join(f"{i:03d},{i},0.{i}\n" for i in range(1, 90)))
    frame = read_csv(path, None).x
    assert frame["code"].dtype == object
    assert frame["code"][0] == "001"
    assert frame["x"].dtype == frame["share"].dtype == np.float64
    assert read_csv(path, None, kinds={"code": "number"}).x["code"].dtype == np.float64
