"""A file that fixes which row is for what."""

from pathlib import Path

import numpy as np
import pytest

from ringfence.exceptions import InvalidData
from ringfence.splits import check_groups, read_split, split_rows

NAMES = ["0", "1", "2"]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "split.csv"
    path.write_text(text)
    return path


def test_parts_come_in_the_order_of_the_rows(tmp_path: Path) -> None:
    path = written(tmp_path, "row,part\n2,test\n0,train\n\n1,calibrate\n")
    assert read_split(path, NAMES).tolist() == ["train", "calibrate", "test"]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    parts = np.array(["train", "skip", "test"])
    path = written(tmp_path, "\n".join(",".join(line) for line in split_rows(parts, NAMES)))
    assert np.array_equal(read_split(path, NAMES), parts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its first line must be row,part"),
        ("part,row\n0,train\n", "its first line must be row,part"),
        ("row,part\n0,train\n1,train\n2\n", "line 4 has 1 cells, 2 are expected"),
        ("row,part\n7,train\n", "line 2: there is no row '7'; rows are 0, 1, 2$"),
        ("row,part\n0,trian\n", "line 2: unknown part 'trian': did you mean 'train'"),
        ("row,part\n0,train\n0,test\n", "line 3: row '0' was named before"),
        ("row,part\n1,train\n", "says nothing of 2 rows: 0, 2; name every row"),
    ],
)
def test_a_split_that_is_none_is_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=message) as caught:
        read_split(written(tmp_path, text), NAMES)
    assert "split.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_split_that_is_not_there_or_no_text_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="can't be read as a split: No such file"):
        read_split(tmp_path / "none.csv", NAMES)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00row")
    with pytest.raises(InvalidData, match="can't be read as a split"):
        read_split(tmp_path / "b.csv", NAMES)


def test_a_group_on_two_sides_is_refused_and_one_left_out_is_not() -> None:
    groups = np.array(["a", "a", "b"])
    check_groups(np.array(["train", "train", "test"]), groups)
    check_groups(np.array(["train", "skip", "test"]), groups)
    with pytest.raises(InvalidData, match="group 'a' is in both 'train' and 'test'"):
        check_groups(np.array(["train", "test", "test"]), groups)
