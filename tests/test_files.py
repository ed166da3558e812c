"""A user's own files: read as they are, or refused in one line that says where the fault lies."""

import numpy as np
import pytest

from ringfence.data import load_file
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.frame import Frame


@pytest.fixture
def write(tmp_path):
    def write(content, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def pack(tmp_path):
    def pack(**arrays):
        path = tmp_path / "file.npz"
        np.savez(path, **arrays)
        return path

    return pack


def refusal(error, path, **options):
    with pytest.raises(error) as caught:
        load_file(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def rows(loaded):
    """The rows of a table as lists."""
    assert isinstance(loaded.x, Frame)
    return [list(row) for row in zip(*(values.tolist() for values in loaded.x.values()), strict=True)]


# ---- CSV


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_delimiter_and_header_are_found(write, mark):
    loaded = load_file(write(f"a{mark}b\n1{mark}2.5\n-3e2{mark}4\n"))
    assert rows(loaded) == [[1, 2.5], [-300, 4]]
    assert (loaded.x["a"].dtype, loaded.columns, loaded.labels) == (np.float64, ("a", "b"), None)
    assert loaded.name == "file.csv"


def test_without_header_the_first_line_is_a_row(write):
    loaded = load_file(write("1,2\n3,4\n"))
    assert (rows(loaded), loaded.columns) == ([[1, 2], [3, 4]], None)


@pytest.mark.parametrize(
    "content", ["a,b\r\n1,2\r\n", "\ufeffa,b\n1,2\n", "a,b\n\n1,2\n\n", '"a","b"\n"1","2"', "a , b\n 1 , 2\n"]
)
def test_line_ends_marks_blank_lines_quotes_and_spaces_do_not_matter(write, content):
    loaded = load_file(write(content))
    assert (rows(loaded), loaded.columns) == ([[1, 2]], ("a", "b"))


def test_one_column_and_one_row_stay_a_table(write):
    assert rows(load_file(write("a\n1\n2\n"))) == [[1], [2]]
    assert rows(load_file(write("7,8,9\n"))) == [[7, 8, 9]]


def test_a_comma_in_a_quoted_name_is_no_delimiter(write):
    assert load_file(write('"width, mm";b\n1;2\n')).columns == ("width, mm", "b")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["is empty"]),
        (" \n\n", ["is empty"]),
        ("a,b\n", ["header but no rows"]),
        ("a,b\n1,2\n3,red\n", ["row 2", "'b'", "'red'"]),
        ("a,b\n1,2\n3,1_000\n", ["row 2", "'b'", "'1_000'"]),
        ("a;b\n1;2\n3;4,5.6\n", ["row 2", "'b'", "'4,5.6'"]),
        ("a,b\n1,2\n\n3,inf\n", ["row 2", "'b'", "'inf'", "not a finite number"]),
        ("a,b\n-inf,2\n", ["row 1", "'a'", "'-inf'"]),
        ("a,b\n1,2\n3,4,5\n", ["row 2", "3 cells", "expected 2", "header"]),
        ("a,b\n1,2\n3\n", ["row 2", "1 cells", "expected 2"]),
        ("1,2\n3\n", ["row 2", "1 cells", "expected 2", "first row"]),
        ("5,width,5\n4,3.0,1\n", ["row 1", "column 2", "'width'", "first line counts as data", "--kind 2=category"]),
        (",a,b\n0,1,2\n", ["column 1 has no name", "index=False"]),
        ('a,b\n1,2\n3,"' + "4" * 200_000 + "\n", ["can't be read as CSV", "quotation mark"]),
        ("a,b,a\n1,2,3\n", ["two columns 'a'"]),
        (b"a,b\n1,2\n\xfc,4\n", ["not UTF-8", "line 3", "0xfc"]),
        ("a,b\n1,2\n".encode("utf-16"), ["not UTF-8", "line 1"]),
    ],
)
def test_csv_faults_are_named(write, content, parts):
    path = write(content)
    message = refusal(InvalidData, path)
    for part in (str(path), *parts):
        assert part in message


# ---- labels


LABELLED = "a,kind,b\n1,ok,2\n3,bad,4\n5,ok,6\n"


def test_a_label_column_is_split_off_and_all_but_normal_is_anomalous(write):
    loaded = load_file(write(LABELLED), label="kind", normal="ok")
    assert rows(loaded) == [[1, 2], [3, 4], [5, 6]]
    assert loaded.columns == ("a", "b")
    assert loaded.labels.dtype == np.bool_
    assert loaded.labels.tolist() == [False, True, False]


@pytest.mark.parametrize("normal", [1, "1", 1.0, "1.0", "1e0"])
def test_normal_is_compared_as_text_and_as_number(write, normal):
    loaded = load_file(write("a,y\n5,1\n6,1.0\n7,0\n"), label="y", normal=normal)
    assert loaded.labels.tolist() == [False, False, True]


def test_without_header_a_label_is_named_by_its_column_number(write):
    loaded = load_file(write("5,1\n6,0\n"), label="2", normal=0)
    assert (rows(loaded), loaded.labels.tolist()) == ([[5], [6]], [True, False])


def test_labels_can_be_dropped_for_scoring(write):
    loaded = load_file(write(LABELLED), label="kind", drop_label=True)
    assert (rows(loaded), loaded.labels) == ([[1, 2], [3, 4], [5, 6]], None)
    assert load_file(write(LABELLED), label="kind", normal="bad", drop_label=True).labels.tolist() == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("name", ["y", "Label", "labels", "CLASS", "target", "anomaly", "is_anomaly", "Outlier"])
def test_what_looks_like_a_label_is_no_feature_by_accident(write, pack, name):
    offer = f"--label {name} --normal VALUE"
    assert offer in refusal(InvalidData, write(f"a,{name}\n1,0\n"))
    assert offer in refusal(InvalidData, pack(x=np.ones((2, 1)), **{name: np.zeros(2)}))


def test_a_label_that_is_not_there_suggests_the_nearest(write, pack):
    assert "did you mean 'kind'" in refusal(InvalidParameter, write(LABELLED), label="kinds", normal="ok")
    assert "did you mean 'truth'" in refusal(InvalidParameter, pack(x=np.ones((2, 1)), truth=np.ones(2)), label="trut")


@pytest.mark.parametrize("text", ["", "NA", "None", "null", "nan", "N/A"])
def test_a_label_that_means_missing_is_no_label_in_any_kind_of_file(write, pack, text):
    said = "row 2 has no label in 'kind'"
    assert said in refusal(InvalidData, write(f"a,kind\n1,ok\n2,{text}\n"), label="kind", normal="ok")
    assert said in refusal(
        InvalidData, pack(x=np.eye(2), kind=np.array(["ok", text or " "])), label="kind", normal="ok"
    )


def test_a_missing_label_shows_how_it_is_written(write):
    message = refusal(InvalidData, write("a,kind\n1,None\n2,bad\n"), label="kind", normal="None")
    assert "row 1 has no label in 'kind': 'None' means missing" in message


def test_a_second_column_that_looks_like_a_label_is_no_feature_by_accident(write):
    path = write("a,label,class\n1,0,x\n2,1,y\n")
    message = refusal(InvalidData, path, label="label", normal=0)
    assert "'class' looks like another label beside 'label'" in message
    assert "--kind class=skip" in message
    for kind in ("skip", "category"):
        assert load_file(path, label="label", normal=0, kinds={"class": kind}).x.names == ("a", "class")


def test_a_second_array_of_labels_is_no_feature_anyway(pack):
    path = pack(x=np.eye(2), y=np.array([0, 1]), label=np.array([1, 0]))
    assert load_file(path, label="y", normal=0).labels.tolist() == [False, True]


def test_a_kind_settles_that_a_column_is_no_label(write):
    assert load_file(write("a,y\n1,0\n2,1\n"), kinds={"y": "number"}).x["y"].tolist() == [0, 1]


@pytest.mark.parametrize("kind", ["number", "skip", "category"])
def test_a_kind_of_the_label_is_ignored(write, kind):
    loaded = load_file(write(LABELLED), label="kind", normal="ok", kinds={"kind": kind})
    assert (loaded.x.names, loaded.labels.tolist()) == (("a", "b"), [False, True, False])


def test_rows_to_score_may_all_be_anomalies(write, pack):
    options = {"label": "y", "normal": "ok", "drop_label": True}
    assert load_file(write("a,y\n1,bad\n2,odd\n"), **options).labels.tolist() == [True, True]
    assert load_file(pack(x=np.eye(2), y=np.array([1, 2])), **options).labels.tolist() == [True, True]


def test_a_normal_value_never_seen_lists_at_most_ten_that_are(write):
    assert "one of: bad, ok" in refusal(InvalidParameter, write(LABELLED), label="kind", normal="good")
    many = "a,y\n" + "".join(f"0,{i}\n" for i in range(10, 30))
    message = refusal(InvalidParameter, write(many), label="y", normal=5)
    assert message.endswith("one of: 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, …")


def test_a_label_without_its_normal_value_lists_the_values(write):
    message = refusal(InvalidParameter, write(LABELLED), label="kind")
    assert "--normal VALUE" in message
    assert "bad, ok" in message


def test_normal_without_label_is_refused(write):
    assert "--label NAME" in refusal(InvalidParameter, write("a,b\n1,2\n"), normal=0)


def test_an_empty_label_is_neither_normal_nor_anomalous(write):
    assert "row 2 has no label in 'kind'" in refusal(
        InvalidData, write("a,kind\n1,ok\n2,\n"), label="kind", normal="ok"
    )


def test_a_table_of_labels_only_is_refused(write):
    assert "no column but the label" in refusal(InvalidData, write("y\n1\n0\n"), label="y", normal=0)


def test_ragged_rows_and_bad_cells_are_found_beside_a_label(write):
    assert "row 2 (line 3) has 4 cells" in refusal(InvalidData, write("a,y\n1,0\n3,1,9,9\n"), label="y", normal=0)
    assert "row 2, column 'b' is 'x'" in refusal(InvalidData, write("a,y,b\n1,0,2\n3,1,x\n"), label="y", normal=0)


# ---- NumPy


def test_npy_keeps_dtype_and_shape(tmp_path):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.save(tmp_path / "i.npy", images)
    loaded = load_file(tmp_path / "i.npy")
    assert loaded.x.dtype == np.uint8
    assert np.array_equal(loaded.x, images)
    assert (loaded.columns, loaded.labels) == (None, None)


def test_npz_takes_x_or_the_only_array(pack):
    x = np.eye(3)
    assert np.array_equal(load_file(pack(X=x, weights=np.ones(5))).x, x)
    assert np.array_equal(load_file(pack(signal=x)).x, x)
    loaded = load_file(pack(signal=x, y=np.array([[0], [1], [2]])), label="y", normal="0")
    assert np.array_equal(loaded.x, x)
    assert loaded.labels.tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("labels", "normal"),
    [(np.array([True, False]), 0), (np.array([True, False]), "false"), (np.array(["b", "a"]), "a")],
)
def test_npz_labels_may_be_bool_or_text(pack, labels, normal):
    assert load_file(pack(x=np.eye(2), y=labels), label="y", normal=normal).labels.tolist() == [True, False]


def test_npz_faults_are_named(pack):
    assert "no array x; it has a, b" in refusal(InvalidData, pack(a=np.ones(2), b=np.ones(2)))
    assert "for each of the 3 rows" in refusal(InvalidData, pack(x=np.eye(3), y=np.ones(2)), label="y", normal=1)
    assert "row 2 has no label" in refusal(InvalidData, pack(x=np.eye(2), y=np.array([0, np.nan])), label="y", normal=0)


def test_pickles_are_refused_and_never_run(tmp_path, pack):
    ran = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (ran.touch, ())

    np.save(tmp_path / "o.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    assert "pickle" in refusal(InvalidData, tmp_path / "o.npy")
    assert "pickle" in refusal(InvalidData, pack(x=np.array([{}], dtype=object)))
    assert "pickle" in refusal(InvalidData, pack(x=np.eye(1), y=np.array([{}], dtype=object)), label="y", normal=1)
    assert not ran.exists()


def test_array_values_must_be_finite_numbers_in_rows(tmp_path, pack):
    x = np.ones((3, 4))
    x[1, 2] = np.nan
    assert np.isnan(load_file(pack(x=x)).x[1, 2])
    assert "row 2, column 3 is -inf" in refusal(InvalidData, pack(x=np.where(np.isnan(x), -np.inf, x)))
    assert "row 2, column 3, axis 1 is nan" in refusal(InvalidData, pack(x=x[:, :, np.newaxis]))
    assert "numbers are needed" in refusal(InvalidData, pack(x=np.array(["a"])))
    assert "no rows" in refusal(InvalidData, pack(x=np.ones((0, 4))))
    assert "no rows" in refusal(InvalidData, pack(x=np.float64(1)))


def test_truncated_and_misnamed_archives_are_refused(tmp_path, pack, write):
    whole = pack(x=np.eye(30)).read_bytes()
    assert "truncated" in refusal(InvalidData, write(whole[:-40], "t.npz"))
    assert "truncated" in refusal(InvalidData, write(b"", "t.npy"))
    assert "truncated" in refusal(InvalidData, write(b"junk", "t.npy"))
    np.save(tmp_path / "n.npy", np.eye(2))
    assert "call it .npy" in refusal(InvalidData, write((tmp_path / "n.npy").read_bytes(), "n.npz"))
    assert "call it .npz" in refusal(InvalidData, write(whole, "z.npy"))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_damaged_bytes_are_refused_in_one_line_wherever_they_are(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    {".npy": np.save, ".npz": lambda path, x: np.savez_compressed(path, x=x)}[suffix](whole, np.eye(5))
    rng = np.random.default_rng(0)
    refusals = []
    for _ in range(300):
        content = bytearray(whole.read_bytes())
        for place in rng.integers(len(content), size=3):
            content[place] = rng.integers(256)
        damaged = tmp_path / f"damaged{suffix}"
        damaged.write_bytes(content)
        try:
            load_file(damaged)
        except InvalidData as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert not any("\n" in message for message in refusals)


def test_a_single_array_has_no_room_for_a_label(tmp_path):
    np.save(tmp_path / "n.npy", np.eye(2))
    assert "use .npz" in refusal(InvalidParameter, tmp_path / "n.npy", label="y", normal=1)


# ---- paths


def test_paths_that_are_no_readable_file_are_refused(tmp_path, write):
    assert "does not exist" in refusal(InvalidData, tmp_path / "gone.csv")
    assert "is a folder" in refusal(InvalidData, tmp_path)
    message = refusal(InvalidData, write("1,2", "table.xlsx"))
    assert "'.xlsx'" in message
    assert ".csv, .tsv" in message
    assert ".npy, .npz" in message


def test_the_suffix_may_be_in_capitals_and_the_path_a_string(write):
    assert rows(load_file(str(write("a\n1\n", "T.CSV")))) == [[1]]


def test_an_adbench_table_asks_for_its_labels_and_has_the_published_counts(data_dir):
    path = data_dir / "adbench" / "38_thyroid.npz"
    if not path.is_file():
        pytest.skip(f"no {path}")
    assert "--label y" in refusal(InvalidData, path)
    loaded = load_file(path, label="y", normal=0)
    assert (loaded.x.shape, int(loaded.labels.sum())) == ((3772, 6), 93)
