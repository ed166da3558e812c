"""Parquet and Arrow files: every type of column that a frame has, the rest refused by name."""

import datetime as dt
import sys
from decimal import Decimal

import numpy as np
import pytest

from ringfence.data import load_file
from ringfence.exceptions import InvalidData, InvalidParameter, MissingExtra

pa = pytest.importorskip("pyarrow")
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")


def _write_stream(table, path):
    with pa.ipc.new_stream(path, table.schema) as stream:
        stream.write_table(table)


def _write_file(table, path):
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table.unify_dictionaries())  # the format has one dictionary a column


WRITERS = {
    "parquet": (parquet.write_table, "t.parquet"),
    "arrow": (_write_file, "t.arrow"),
    "stream": (_write_stream, "t.arrow"),
    "feather": (feather.write_feather, "T.FEATHER"),
}


@pytest.fixture(params=WRITERS)
def read(request, tmp_path):
    write, name = WRITERS[request.param]

    def read(columns, **options):
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        write(table, str(tmp_path / name))
        return load_file(tmp_path / name, **options)

    return read


@pytest.fixture
def keep(tmp_path):
    def keep(columns, **options):
        path = tmp_path / "t.parquet"
        parquet.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path)
        return load_file(path, **options)

    return keep


def refusal(read, columns, error=InvalidData, **options):
    with pytest.raises(error) as caught:
        read(columns, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_kind_of_column_arrives(read):
    loaded = read(
        {
            "whole": pa.array([1, 2, 3], pa.int32()),
            "gaps": pa.array([1, None, 3], pa.int64()),
            "float": pa.array([0.5, None, float("nan")], pa.float32()),
            "text": pa.array(["a", None, "a"]),
            "coded": pa.array(["u", "v", None]).dictionary_encode(),
            "flag": pa.array([True, False, True]),
            "unsure": pa.array([True, None, False]),
            "none": pa.nulls(3),
            "price": pa.array([Decimal("1.25"), None, Decimal("-3.00")], pa.decimal128(10, 2)),
            "day": pa.array([dt.date(2020, 1, 2), None, dt.date(1969, 12, 31)], pa.date32()),
        }
    )
    x = loaded.x
    assert loaded.columns == x.names
    assert loaded.labels is None
    assert (x["whole"].dtype, x["whole"].tolist()) == (np.int32, [1, 2, 3])
    assert np.array_equal(x["gaps"], [1, np.nan, 3], equal_nan=True)
    assert x["float"].dtype == np.float64
    assert np.array_equal(x["float"], [0.5, np.nan, np.nan], equal_nan=True)
    assert x["text"].tolist() == ["a", None, "a"]
    assert x["text"][0] is x["text"][2]
    assert x["coded"].tolist() == ["u", "v", None]
    assert (x["flag"].dtype, x["flag"].tolist()) == (np.bool_, [True, False, True])
    assert x["unsure"].tolist() == [True, None, False]
    assert np.isnan(x["none"]).all()
    assert np.array_equal(x["price"], [1.25, np.nan, -3], equal_nan=True)
    assert x["day"].dtype == np.dtype("datetime64[us]")
    assert x["day"].tolist() == [dt.datetime(2020, 1, 2), None, dt.datetime(1969, 12, 31)]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_instants_are_microseconds_in_utc(read, unit):
    summer = dt.datetime(2020, 7, 1, 12)
    zoned = pa.array([summer], pa.timestamp(unit)).cast(pa.timestamp(unit, tz="Europe/Berlin"))
    x = read({"plain": pa.array([summer], pa.timestamp(unit)), "zoned": zoned}).x
    assert x["plain"].tolist() == [summer]
    assert x["zoned"].tolist() == [zoned[0].as_py().astimezone(dt.UTC).replace(tzinfo=None)]


def test_nanoseconds_are_cut_and_dates_beyond_microseconds_refused(keep, tmp_path):
    assert keep({"t": pa.array([1_999], pa.timestamp("ns"))}).x["t"].astype(int).tolist() == [1]
    path = tmp_path / "far.arrow"
    _write_file(pa.table({"t": pa.array([2**60], pa.timestamp("s"))}), str(path))
    with pytest.raises(InvalidData, match="column 't' holds a date beyond"):
        load_file(path)


def test_a_column_of_many_chunks_is_one(read):
    texts = pa.chunked_array([["a", "b"], ["b", None], ["c"]])
    coded = pa.chunked_array([pa.array(["a"]).dictionary_encode(), pa.array(["b", "c", "b", "a"]).dictionary_encode()])
    x = read(pa.table({"t": texts, "c": coded, "n": pa.chunked_array([[1], [2, 3, 4], [5]])})).x
    assert x["t"].tolist() == ["a", "b", "b", None, "c"]
    assert x["c"].tolist() == ["a", "b", "c", "b", "a"]
    assert x["n"].tolist() == [1, 2, 3, 4, 5]


def test_a_coded_column_of_numbers_is_text(tmp_path):
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, None]), pa.array([7, 8]))
    _write_file(pa.table({"c": coded}), str(tmp_path / "t.arrow"))
    assert load_file(tmp_path / "t.arrow").x["c"].tolist() == ["7", "8", None]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([[1], [2, 3]]), "nested"),
        (pa.array([{"p": 1}, {"p": 2}]), "nested"),
        (pa.array([b"x", b"y"]), "binary"),
        (pa.array([1, 2], pa.time32("s")), "time32"),
        (pa.array([1, 2], pa.duration("s")), "duration"),
    ],
)
def test_columns_that_are_no_values_are_refused_by_name(keep, column, said):
    message = refusal(keep, {"a": [1, 2], "odd": column})
    assert "column 'odd'" in message
    assert message.count(said) == 1


def test_infinite_numbers_are_refused_by_row(keep):
    assert "row 2, column 'a' is '-inf'" in refusal(keep, {"a": [1.0, float("-inf")]})


def test_labels_are_split_off(read):
    loaded = read({"a": [1.0, 2.0], "kind": ["ok", "bad"]}, label="kind", normal="ok")
    assert (loaded.x.names, loaded.labels.tolist()) == (("a",), [False, True])
    assert read({"a": [1.0, 2.0], "y": [0, 1]}, label="y", normal="0").labels.tolist() == [False, True]
    assert read({"a": [1.0, 2.0], "y": [True, False]}, label="y", normal=0).labels.tolist() == [True, False]


def test_labels_are_asked_for_and_may_not_be_missing(keep):
    assert "--label y --normal VALUE" in refusal(keep, {"a": [1], "y": [0]})
    assert "did you mean 'kind'" in refusal(keep, {"a": [1], "kind": ["u"]}, InvalidParameter, label="kinds", normal=1)
    assert "row 2 has no label" in refusal(keep, {"a": [1, 2], "t": ["u", None]}, label="t", normal="u")
    assert "row 1 has no label" in refusal(keep, {"a": [1, 2], "t": [None, 1]}, label="t", normal=1)
    assert "no column but the label" in refusal(keep, {"y": [0, 1]}, label="y", normal=0)


def test_labels_that_mean_missing_and_second_labels_are_refused_as_in_a_csv_file(keep):
    assert "row 2 has no label" in refusal(keep, {"a": [1, 2], "t": ["u", "NA"]}, label="t", normal="u")
    columns = {"a": [1, 2], "y": [0, 1], "Target": [3, 4]}
    assert "--kind Target=skip" in refusal(keep, columns, label="y", normal=0)
    assert keep(columns, label="y", normal=0, kinds={"Target": "number"}).x.names == ("a", "Target")
    assert keep({"a": [1], "y": [0]}, kinds={"y": "number"}).x.names == ("a", "y")
    assert keep({"a": [1], "y": ["odd"]}, label="y", normal="ok", drop_label=True).labels.tolist() == [True]


def test_a_column_may_be_asked_for_as_text(read):
    x = read({"a": [1, 2], "b": [1.0, None], "t": ["1", "6b"]}, text=("a", "b", "t", "absent")).x
    assert [x[name].tolist() for name in x] == [["1", "2"], ["1", None], ["1", "6b"]]


def test_tables_without_rows_with_equal_names_or_a_stray_index_are_refused(keep):
    assert "no rows" in refusal(keep, {"a": pa.array([], pa.float64())})
    twice = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert "two columns 'a'" in refusal(keep, twice)
    assert "to_parquet(index=False)" in refusal(keep, {"a": [1], "__index_level_0__": [0]})


def test_a_kind_for_a_column_that_is_not_there_suggests_the_nearest(keep):
    assert "did you mean 'size'" in refusal(keep, {"size": [1]}, InvalidParameter, kinds={"sise": "category"})
    assert keep({"size": [1]}, kinds={"size": "category"}).x["size"].tolist() == [1]


@pytest.mark.parametrize("kind", WRITERS)
def test_damaged_files_are_refused_in_one_line(tmp_path, kind):
    write, name = WRITERS[kind]
    write(pa.table({"a": np.arange(50.0), "b": [f"t{i % 5}" for i in range(50)]}), str(tmp_path / name))
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / f"d{(tmp_path / name).suffix}"
    for content in (b"", b"junk", whole[:40], whole[: len(whole) // 2]):
        path.write_bytes(content)
        assert "can't be read" in refusal(load_file, path)
    for _ in range(100):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=3):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            load_file(path)
        except InvalidData as error:
            assert "\n" not in str(error)  # noqa: PT017  (many of them are still readable)


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.feather"])
def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(MissingExtra, match=r"pip install ringfence\[tables\]"):
        load_file(tmp_path / name)
