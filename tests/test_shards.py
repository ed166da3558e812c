"""Tables in blocks: what files are taken, what is refused, and that blocks hold what the files hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringfence.blocks import LEAST_HELD, ArrayBlocks, Blocks, pieces, rows_at_once
from ringfence.data import load_file, open_shards
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.frame import Frame

pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (extra tables)")
pq = pytest.importorskip("pyarrow.parquet")

X = np.random.default_rng(0).normal(size=(1000, 3))
WORDS = ["tcp", "udp", None, "icmp"] * 250


def table(start: int = 0, stop: int = 1000, **more: Any) -> Any:
    columns = {"a": X[start:stop, 0], "b": np.arange(start, stop), "word": WORDS[start:stop]}
    return pa.table({**columns, **more})


def parquet(path: Path, what: Any = None, group: int = 300) -> Path:
    pq.write_table(table() if what is None else what, path, row_group_size=group)
    return path


def same(blocks: Blocks, path: Path) -> None:
    whole, read = blocks.whole(), load_file(path).x
    assert isinstance(whole, Frame)
    assert isinstance(read, Frame)
    assert whole.names == read.names
    for name in read:
        assert whole[name].dtype == read[name].dtype
        assert whole[name].tolist() == read[name].tolist()


def test_blocks_are_row_groups_and_hold_what_the_file_holds(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet")
    blocks = open_shards(path)
    assert blocks.sizes.tolist() == [300, 300, 300, 100]
    assert (blocks.names, blocks.shape) == (("a", "b", "word"), (1000, 3))
    same(blocks, path)
    assert blocks.block(2).origin.tolist() == list(range(600, 900))  # type: ignore[union-attr]


def test_a_large_row_group_is_cut_and_any_part_can_be_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", pa.table({f"c{j}": np.arange(9000.0) + j for j in range(8)}), group=5000)
    blocks = open_shards(path, memory=LEAST_HELD)
    most = rows_at_once((8,), LEAST_HELD)
    assert blocks.sizes.tolist() == [*pieces(5000, most), *pieces(4000, most)]
    ends = blocks.ends
    for at in (3, 0, 7, 6, 8, 1):
        found = blocks.block(at)
        assert isinstance(found, Frame)
        assert found["c2"].tolist() == [float(v) + 2 for v in range(ends[at] - blocks.sizes[at], ends[at])]


def test_files_of_a_folder_are_one_table_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    parquet(folder / "2.parquet", table(400, 1000))
    parquet(folder / "1.parquet", table(0, 400))
    (folder / "_SUCCESS").touch()
    (folder / ".crc").touch()
    blocks = open_shards(folder)
    assert len(blocks) == 1000
    whole = blocks.whole()
    assert isinstance(whole, Frame)
    assert whole["b"].tolist() == list(range(1000))


def test_npy_files_are_read_in_pieces(tmp_path: Path) -> None:
    np.save(tmp_path / "1.npy", X[:700].astype(np.float32))
    np.save(tmp_path / "2.npy", X[700:].astype(np.float32))
    blocks = open_shards([tmp_path / "1.npy", tmp_path / "2.npy"])
    whole = blocks.whole()
    assert isinstance(whole, np.ndarray)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, X.astype(np.float32))


@pytest.mark.parametrize("kind", ["parquet", "npy", "array"])
def test_some_of_the_rows_are_those_rows(kind: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    parquet(tmp_path / "x.parquet", group=128)
    blocks = ArrayBlocks(X, LEAST_HELD) if kind == "array" else open_shards(tmp_path / f"x.{kind}")
    index = np.flatnonzero(np.random.default_rng(1).random(1000) < 0.1)
    some = blocks.take(index[index > 400])
    found = some.whole()
    values = found["a"] if isinstance(found, Frame) else found[:, 0]
    np.testing.assert_array_equal(values, X[index[index > 400], 0])
    assert len(some) == len(values)
    assert blocks.take(np.ones(1000, dtype=bool)) is blocks


def test_only_named_columns_are_read_and_labels_are_no_features(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", table(label=["ok", "bad"] * 500))
    blocks = open_shards(path, "label")
    assert blocks.names == ("a", "b", "word")
    assert blocks.column("label").tolist() == ["ok", "bad"] * 500  # type: ignore[union-attr]
    only = blocks.only(["b"])
    assert only.block(0).names == ("b",)  # type: ignore[union-attr]
    with pytest.raises(InvalidParameter, match="unknown column 'c'"):
        blocks.only(["c"])
    with pytest.raises(InvalidData, match=r"'label' looks like a label"):
        open_shards(path)


def broken(tmp_path: Path, name: str) -> Path:
    """A folder with one fault."""
    folder = tmp_path / "shards"
    folder.mkdir()
    if name == "empty":
        return folder
    if name == "text":
        (folder / "1.csv").write_text("a\n1\n")
        return folder
    if name.startswith("npy"):
        np.save(folder / "1.npy", X)
        np.save(folder / "2.npy", {"npy rows": X[:, :2], "npy type": X.astype(np.int32)}.get(name, X))
        if name == "npy early":
            short = (folder / "2.npy").read_bytes()[:-100]
            (folder / "2.npy").write_bytes(short)
        if name == "npy head":
            (folder / "2.npy").write_bytes(b"\x93NUMPY\x01\x00")
        if name == "npy fortran":
            np.save(folder / "2.npy", np.asfortranarray(X))
        if name == "npy objects":
            np.save(folder / "2.npy", np.array([[None]]), allow_pickle=True)
        return folder
    parquet(folder / "1.parquet")
    second = {
        "lacking": table().drop_columns(["b"]),
        "more": table(c=X[:, 1]),
        "type": table().set_column(0, "a", pa.array(["x"] * 1000)),
        "no rows": table(0, 0),
    }
    parquet(folder / "2.parquet", second.get(name, table()))
    if name == "mixed":
        np.save(folder / "3.npy", X)
    if name == "inner":
        (folder / "more").mkdir()
    if name == "early":
        short = (folder / "2.parquet").read_bytes()[:-2000]
        (folder / "2.parquet").write_bytes(short)
    return folder


FAULTS = {
    "empty": r"shards' is empty: files \.parquet or \.npy are needed",
    "text": r"1\.csv' can't be read block by block; allowed: \.parquet, \.npy",
    "mixed": r"3\.npy' lies beside '1\.parquet': the shards of a table have one format",
    "inner": r"holds the folder 'more': the shards of a table lie in one folder",
    "lacking": r"2\.parquet' has other columns than '1\.parquet': it lacks the column 'b'",
    "more": r"2\.parquet' has other columns than '1\.parquet': it has the column 'c', which is not there",
    "type": r"2\.parquet': column 'a' holds string, in '1\.parquet' it holds double",
    "no rows": r"2\.parquet' has no rows",
    "early": r"2\.parquet' can't be read: it ends early, is damaged, or is no \.parquet file",
    "npy rows": r"2\.npy' holds float64 rows of shape \(2,\), '1\.npy' float64 of \(3,\)",
    "npy type": r"2\.npy' holds int32 rows of shape \(3,\), '1\.npy' float64 of \(3,\)",
    "npy early": r"2\.npy' ends early: \(1000, 3\) of float64 take 24,128 bytes, the file has 24,028",
    "npy head": r"2\.npy' can't be read: it ends early, or is no \.npy file",
    "npy fortran": r"2\.npy' lies column by column",
    "npy objects": r"2\.npy' holds object: numbers are needed",
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_one_line_that_names_the_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=FAULTS[name]) as caught:
        open_shards(broken(tmp_path, name))
    assert "\n" not in str(caught.value)


def test_a_page_that_was_damaged_behind_an_intact_end_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", group=1000)
    content = bytearray(path.read_bytes())
    content[4:2000] = b"\xff" * 1996
    path.write_bytes(content)
    blocks = open_shards(path)
    with pytest.raises(InvalidData, match=r"t\.parquet' can't be read: it ends early, is damaged"):
        blocks.whole()


@pytest.mark.parametrize("name", ["t.parquet", "t.npy"])
def test_a_file_that_changes_after_it_was_opened_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    parquet(path) if name == "t.parquet" else np.save(path, X)
    blocks = open_shards(path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InvalidData, match="has changed since it was opened"):
        blocks.block(0)


def test_an_infinite_number_is_named_by_file_row_and_column(tmp_path: Path) -> None:
    a = X[:, 0].copy()
    a[777] = np.inf
    path = parquet(tmp_path / "t.parquet", table().set_column(0, "a", pa.array(a)))
    with pytest.raises(InvalidData, match=r"t\.parquet': row 778, column 'a' is 'inf', not a finite number"):
        open_shards(path).whole()
    np.save(tmp_path / "t.npy", np.stack([a, a], 1))
    with pytest.raises(InvalidData, match=r"t\.npy': row 778, column 1 is inf, not a finite number"):
        open_shards(tmp_path / "t.npy").whole()


@pytest.mark.parametrize("memory", [0, LEAST_HELD - 1])
def test_too_little_memory_is_refused(memory: int, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=f"memory={memory}: allowed are whole numbers of bytes ≥ {LEAST_HELD}"):
        open_shards(parquet(tmp_path / "t.parquet"), memory=memory)
