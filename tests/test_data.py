"""The built-in sets: official files or none, and exactly the columns that the papers used."""

import ast
import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from ringfence.data import CATALOG, built_in, data_folder, load_digits, load_kdd99, load_mnist, sha256_of
from ringfence.data import mnist as mnist_module
from ringfence.data.adbench import TABLES, load_adbench
from ringfence.data.kdd99 import ATTRIBUTES, parse_kdd99
from ringfence.data.mnist import parse_idx
from ringfence.exceptions import InvalidData, InvalidParameter

HERE = Path("file")


def one_line(error: pytest.ExceptionInfo[Exception]) -> str:
    message = str(error.value)
    assert message
    assert "\n" not in message
    return message


# ---- the folder


def test_the_named_folder_goes_before_the_environment(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("RINGFENCE_DATA", str(tmp_path))
    assert data_folder(str(tmp_path / "other")) == tmp_path / "other"
    assert data_folder(None) == tmp_path


def test_without_any_folder_the_error_says_how_to_name_one(monkeypatch):
    monkeypatch.delenv("RINGFENCE_DATA", raising=False)
    with pytest.raises(InvalidData) as error:
        data_folder(None)
    assert "--data-dir" in one_line(error)
    assert "RINGFENCE_DATA" in one_line(error)


def test_a_folder_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("RINGFENCE_DATA", str(tmp_path / "gone"))
    with pytest.raises(InvalidData, match=r"gone.*not a folder"):
        data_folder(None)


# ---- digests


def test_the_digest_sees_dtype_shape_and_values_and_nothing_else():
    x = np.arange(6, dtype=np.int32).reshape(2, 3)
    # By hand: the dtype and shape as text, then 0…5 as little-endian 32-bit numbers.
    by_hand = hashlib.sha256(b"<i4(2, 3)" + struct.pack("<6i", *range(6))).hexdigest()
    assert sha256_of(x) == by_hand
    assert sha256_of(np.asfortranarray(x)) == by_hand
    assert sha256_of(x.astype(">i4")) == by_hand
    others = [sha256_of(x.reshape(3, 2)), sha256_of(x.astype(np.int64)), sha256_of(x + 1), sha256_of(x, x)]
    assert len({by_hand, *others}) == 5


def test_the_digest_refuses_objects():
    with pytest.raises(InvalidData, match="Python objects"):
        sha256_of(np.array([{}], dtype=object))


# ---- digits and MNIST


def test_digits_come_with_scikit_learn():
    images, labels = load_digits()
    assert (images.shape, images.dtype, images.min(), images.max()) == ((1797, 8, 8), np.float64, 0, 16)
    assert labels.dtype == np.int64
    assert labels[:10].tolist() == list(range(10))


def test_mnist_is_60000_training_then_10000_test_images(mnist):
    images, labels = mnist
    assert (images.shape, images.dtype) == ((70000, 28, 28), np.uint8)
    assert (labels.shape, labels.dtype) == ((70000,), np.int64)
    # The first labels of the two official files, and the number of zeros in both together (5,923 + 980).
    assert labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert labels[60000:60005].tolist() == [7, 2, 1, 0, 4]
    assert (labels == 0).sum() == 6903
    assert images.max() == 255


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + values


def test_idx_axes_are_big_endian_and_rows_come_first():
    assert parse_idx(idx((2, 3), bytes(range(6))), HERE).tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "starts with nothing"),
        (bytes((0, 0, 13, 1, 0, 0, 0, 0)), "00 00 0d 01"),
        (idx((2, 3), b"")[:7], "truncated.*needs 12 bytes, there are 7"),
        (idx((2, 3), bytes(5)), "truncated.*6 values, there are 5"),
        (idx((2, 3), bytes(7)), "too long.*6 values, there are 7"),
    ],
)
def test_a_damaged_idx_file_is_refused(content, says):
    with pytest.raises(InvalidData, match=says):
        parse_idx(content, HERE)


@pytest.fixture
def small_mnist(tmp_path, monkeypatch):
    """Four idx files of the official names, 2 + 1 images, with their own digests."""
    shapes = {
        "train-images": (2, 28, 28),
        "train-labels": (2,),
        "t10k-images": (1, 28, 28),
        "t10k-labels": (1,),
    }
    digests = {}
    (tmp_path / "mnist").mkdir()
    for k, name in enumerate(mnist_module.FILES):
        shape = shapes["-".join(name.split("-")[:2])]
        raw = gzip.compress(idx(shape, bytes([k]) * int(np.prod(shape))))
        (tmp_path / "mnist" / name).write_bytes(raw)
        digests[name] = hashlib.md5(raw).hexdigest()
    monkeypatch.setattr(mnist_module, "FILES", digests)
    return tmp_path


def test_mnist_is_found_in_the_folder_or_in_its_mnist_folder(small_mnist):
    for folder in (small_mnist, small_mnist / "mnist"):
        images, labels = load_mnist(folder)
        # File k holds the value k: images are files 0 and 2, labels files 1 and 3; training comes first.
        assert images[:, 0, 0].tolist() == [0, 0, 2]
        assert labels.tolist() == [1, 1, 3]


def test_a_missing_mnist_file_says_what_was_looked_for_and_where(small_mnist):
    (small_mnist / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InvalidData) as error:
        load_mnist(small_mnist)
    message = one_line(error)
    named = ("t10k-labels-idx1-ubyte.gz", str(small_mnist), str(small_mnist / "mnist"))
    for part in (*named, "--data-dir", "RINGFENCE_DATA"):
        assert part in message


def test_another_file_of_the_same_name_is_refused(small_mnist):
    path = small_mnist / "mnist" / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx((2,), bytes((7, 7)))))
    with pytest.raises(InvalidData, match=r"train-labels.*not the official file: its md5 is [0-9a-f]{32}"):
        load_mnist(small_mnist)


def test_a_truncated_or_damaged_download_is_called_so(small_mnist):
    path = small_mnist / "mnist" / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-12])
    with pytest.raises(InvalidData, match=r"train-images.*truncated"):
        load_mnist(small_mnist)
    path.write_bytes(whole[:12] + b"\xff" * 8 + whole[20:])
    with pytest.raises(InvalidData, match=r"train-images.*(damaged|truncated)"):
        load_mnist(small_mnist)


# ---- KDD 99


def connection(label="normal.", **values) -> str:
    cells = dict.fromkeys(ATTRIBUTES, "0") | {"protocol_type": "tcp", "service": "http", "flag": "SF"}
    return ",".join([*(cells | values).values(), label])


def test_kdd99_has_numbers_first_then_sorted_dummies_in_attribute_order():
    lines = [
        connection(protocol_type="udp", src_bytes="5", land="1"),
        connection("smurf.", protocol_type="icmp", duration="2"),
        connection("smurf.", protocol_type="icmp", duration="2"),
    ]
    table = parse_kdd99("\n".join(lines).encode() + b"\n", HERE)
    # Dummies that occur: 2 protocols, 1 service, 1 flag, 2 land, 1 each of the last three.
    assert table.columns[:3] == ("duration", "src_bytes", "dst_bytes")
    assert table.columns[33] == "dst_host_srv_rerror_rate"
    assert table.columns[34:] == (
        "protocol_type=icmp",
        "protocol_type=udp",
        "service=http",
        "flag=SF",
        "land=0",
        "land=1",
        "logged_in=0",
        "is_host_login=0",
        "is_guest_login=0",
    )
    assert table.x[:, :3].tolist() == [[0, 5, 0], [2, 0, 0], [2, 0, 0]]
    assert table.x[0, 34:].tolist() == [0, 1, 1, 1, 0, 1, 1, 1, 1]
    assert table.x[1, 34:].tolist() == [1, 0, 1, 1, 1, 0, 1, 1, 1]
    assert table.normal_connection.tolist() == [True, False, False]
    assert table.first_rows.tolist() == [0, 1]


def test_kdd99_refuses_other_tables():
    with pytest.raises(InvalidData, match="row 2 has 3 cells, expected 42"):
        parse_kdd99(connection().encode() + b"\n1,2,3\n", HERE)
    with pytest.raises(InvalidData, match="empty"):
        parse_kdd99(b"", HERE)
    with pytest.raises(InvalidData, match=r"no number.*'many'"):
        parse_kdd99(connection(duration="many").encode(), HERE)


def test_kdd99_refuses_a_changed_file(tmp_path):
    (tmp_path / "kddcup.data_10_percent.gz").write_bytes(gzip.compress(connection().encode()))
    with pytest.raises(InvalidData, match="not the official file: its sha256"):
        load_kdd99(tmp_path)


def test_kdd99_names_every_file_it_looked_for(tmp_path):
    with pytest.raises(InvalidData) as error:
        load_kdd99(tmp_path)
    assert "kddcup.data_10_percent.gz" in one_line(error)
    assert str(tmp_path / "kdd99") in one_line(error)


def test_kdd99_official_file_has_the_published_counts(kdd99):
    assert (kdd99.x.shape, kdd99.x.dtype) == ((494021, 121), np.float64)
    assert kdd99.normal_connection.sum() == 97278
    assert len(kdd99.first_rows) == 145586
    # The first line: 0,tcp,http,SF,181,5450,… normal.
    first = dict(zip(kdd99.columns, kdd99.x[0].tolist(), strict=True))
    assert (first["src_bytes"], first["dst_bytes"], first["same_srv_rate"]) == (181, 5450, 1)
    assert (first["protocol_type=tcp"], first["protocol_type=udp"], first["logged_in=1"]) == (1, 0, 1)
    # One dummy of each of the seven attributes is set in every row.
    assert np.array_equal(np.unique(kdd99.x[:, 34:].sum(axis=1)), [7])
    counts = {name: sum(c.startswith(f"{name}=") for c in kdd99.columns) for name in ("service", "flag", "land")}
    assert counts == {"service": 66, "flag": 11, "land": 2}


def test_kdd99_rows_that_repeat_are_the_only_ones_left_out(kdd99):
    later = np.ones(len(kdd99.x), dtype=bool)
    later[kdd99.first_rows] = False
    assert kdd99.first_rows[0] == 0
    assert (np.diff(kdd99.first_rows) > 0).all()
    # A sample of the rows left out: each equals an earlier kept row.
    kept = {kdd99.x[i].tobytes() for i in kdd99.first_rows}
    assert all(kdd99.x[i].tobytes() in kept for i in np.flatnonzero(later)[::5000])


# ---- the catalog


def test_the_catalog_lists_sets_with_their_cases():
    digits = tuple("0123456789")
    assert {name: (entry.needs_folder, entry.cases) for name, entry in CATALOG.items()} == {
        "digits": (False, digits),
        "mnist": (True, digits),
        "kdd99": (True, ("all", "dedup")),
        **dict.fromkeys(TABLES, (True, ("outliers",))),
    }
    assert all(name == entry.name and "\n" not in entry.description for name, entry in CATALOG.items())


def test_digits_load_without_a_folder_and_split_by_case(monkeypatch):
    monkeypatch.delenv("RINGFENCE_DATA", raising=False)
    rows = built_in("digits").load()
    split = rows.split("3", seed=0)
    labels = load_digits()[1]
    assert tuple(rows.splits) == CATALOG["digits"].cases
    assert set(labels[split.test[split.anomaly]].tolist()) == {3}
    assert 3 not in labels[split.train]


def test_kdd99_cases_split_all_rows_or_the_distinct_ones(data_dir, kdd99, monkeypatch):
    monkeypatch.setattr("ringfence.data.catalog.load_kdd99", lambda folder: kdd99 if folder == data_dir else None)
    rows = built_in("kdd99").load(str(data_dir))
    dedup = rows.split("dedup", seed=1)
    assert len(rows.split("all", seed=42).test) == 247011
    assert np.isin(dedup.train, kdd99.first_rows).all()
    assert np.isin(dedup.test, kdd99.first_rows).all()


@pytest.mark.parametrize(
    ("name", "shape", "outliers"),
    [("shuttle", (49_097, 9), 3_511), ("thyroid", (3_772, 6), 93), ("letter", (1_600, 32), 100)],
)
def test_a_table_of_adbench_has_its_rows_and_outliers(data_dir, name, shape, outliers):
    x, outlier = load_adbench(data_dir, name)
    assert (x.shape, x.dtype, int(outlier.sum())) == (shape, np.float64, outliers)


def test_outliers_never_train_and_all_of_them_are_tested(data_dir):
    rows = built_in("vowels").load(str(data_dir))
    _, outlier = load_adbench(data_dir, "vowels")
    split = rows.split("outliers", seed=3)
    assert not outlier[split.train].any()
    assert (split.anomaly == outlier[split.test]).all()
    # 80 % of 1,406 inliers, rounded down, train; the other 282 and all 50 outliers test.
    assert (len(split.train), len(split.test), int(split.anomaly.sum()), split.name) == (1124, 332, 50, "outliers_out")


def test_another_table_under_a_name_of_adbench_is_refused(tmp_path):
    np.savez(tmp_path / "40_vowels.npz", X=np.zeros((3, 2)), y=np.array([0, 0, 1]))
    with pytest.raises(InvalidData, match=r"40_vowels.npz' is not the official file: its sha256 is"):
        load_adbench(tmp_path, "vowels")


def test_unknown_sets_and_cases_suggest_the_nearest():
    with pytest.raises(InvalidParameter, match="did you mean 'kdd99'"):
        built_in("kdd9")
    with pytest.raises(InvalidParameter, match="unknown case '10'"):
        built_in("digits").load().split("10", seed=0)


def test_data_imports_no_detector_and_no_network():
    folder = Path(mnist_module.__file__).parent
    allowed = {"data", "protocol", "exceptions", "metrics"}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                root, *rest = name.split(".")
                assert root not in {"torch", "pandas", "urllib", "socket", "http", "requests"}, path
                assert root != "ringfence" or rest[0] in allowed, path
