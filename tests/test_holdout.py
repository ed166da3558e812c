"""Which rows train and which are kept out for the cut."""

from typing import Any

import numpy as np
import pytest
import torch

from ringfence import GAN, holdout
from ringfence.exceptions import InvalidData
from ringfence.frame import Frame
from ringfence.holdout import glimpse, rows_in, sides, some
from ringfence.lazy import LazyRows


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Counted(LazyRows):
    """Rows that hold their own number, and note which were made."""

    def __init__(self, count: int, side: int = 8) -> None:
        self.shape = (count, 1, side, side)
        self.made: list[int] = []

    def read(self, index: np.ndarray) -> np.ndarray:
        self.made += index.tolist()
        return np.broadcast_to(index[:, None, None, None].astype(np.float32), (len(index), *self.shape[1:]))

    def digest(self) -> str:
        return str(self.shape)


@pytest.mark.parametrize(("count", "calibration"), [(2, 0.0), (3, 0.3), (10, 0.0), (10, 0.05), (101, 0.3)])
def test_every_row_is_on_one_side(count: int, calibration: float) -> None:
    training, judged = sides(count, calibration, rng(), None, None)
    assert training.tolist() == sorted(set(training.tolist()))
    kept = int(np.ceil(calibration * count))
    assert len(training) == count - kept
    if kept:
        assert sorted([*training.tolist(), *judged.tolist()]) == list(range(count))
    else:
        assert sorted(judged.tolist()) == list(range(count)), "the cut is measured on the training rows"


def test_the_same_seed_draws_the_same_sides_and_another_draws_others() -> None:
    first, second, other = (sides(50, 0.2, rng(seed), None, None)[1].tolist() for seed in (0, 0, 1))
    assert first == second != other


@pytest.mark.parametrize(("count", "share", "kept"), [(100, 0.07, 7), (100, 0.14, 14), (1000, 0.001, 1), (10, 0.11, 2)])
def test_the_share_is_rounded_up_but_not_for_the_sake_of_binary_fractions(count: int, share: float, kept: int) -> None:
    assert len(sides(count, share, rng(), None, None)[1]) == kept


def test_groups_are_kept_out_whole_until_there_are_enough() -> None:
    groups = np.repeat(["a", "b", "c", "d"], [10, 20, 30, 40])
    for seed in range(8):
        training, judged = sides(100, 0.25, rng(seed), groups, None)
        assert not set(groups[training]) & set(groups[judged])
        assert len(training) + len(judged) == 100
        assert len(judged) >= 25
        largest = max(np.unique(groups[judged], return_counts=True)[1])
        assert len(judged) - largest < 25, "a group too many"


def test_rows_held_out_by_name_are_kept_out_and_no_others() -> None:
    out = np.zeros(10, dtype=bool)
    out[[1, 4]] = True
    for given in (out, out.tolist(), out.astype(int)):
        training, judged = sides(10, 0.0, rng(), None, given)
        assert sorted(judged.tolist()) == [1, 4]
        assert training.tolist() == [0, 2, 3, 5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    ("calibration", "groups", "held_out", "words"),
    [
        (0.0, None, ["True", "False"] * 3, "held_out holds 'True': allowed are True and False"),
        (0.0, None, [0, 1, 2, 3, 4, 5], "held_out holds 2"),
        (0.0, None, [np.nan, 0, 0, 0, 0, 1], "held_out holds nan"),
        (0.0, None, [1, 3], r"held_out has the shape \(2,\): one value for each of the 6 pictures"),
        (0.2, None, [True] + [False] * 5, "calibration=0.2 and held_out both say which pictures"),
        (0.0, None, [True] * 5 + [False], "^held_out leaves 1 of 6 pictures to train on: at least 2 are needed"),
        (0.9, None, None, "^calibration=0.9 leaves 0 of 6 pictures"),
        (0.1, ["a"] * 6, None, "^calibration=0.1 of whole groups leaves 0 of 6"),
        (0.1, [["a"]] * 6, None, r"groups has the shape \(6, 1\)"),
    ],
)
def test_sides_that_can_not_be_are_refused_with_their_cause(
    calibration: float, groups: Any, held_out: Any, words: str
) -> None:
    with pytest.raises(InvalidData, match=words):
        sides(6, calibration, rng(), groups, held_out, "pictures")


def test_a_detector_calls_rows_rows() -> None:
    with pytest.raises(InvalidData, match="held_out leaves 1 of 6 rows"):
        GAN().fit(np.random.default_rng(0).normal(size=(6, 3)), held_out=[True] * 5 + [False])


def test_rows_are_counted_and_chosen_wherever_they_lie() -> None:
    index = np.array([5, 1, 1])
    assert rows_in(np.zeros((7, 2))) == rows_in(Counted(7)) == rows_in(Frame({"a": np.arange(7.0)})) == 7
    assert some(np.arange(7.0), index).tolist() == [5, 1, 1]
    lazy = Counted(7)
    chosen = some(lazy, index)
    assert not lazy.made
    assert len(chosen) == 3
    assert chosen.shape == (3, 1, 8, 8)
    assert chosen.read(np.array([2, 0]))[:, 0, 0, 0].tolist() == [1, 5]
    assert chosen.take(np.array([0])).read(np.array([0]))[0, 0, 0, 0] == 5
    assert len({lazy.digest(), chosen.digest(), lazy.take(np.array([5, 1])).digest()}) == 3


def test_a_glimpse_is_all_of_few_rows_and_an_even_choice_of_many() -> None:
    array = np.zeros((2000, 3))
    assert glimpse(array) is array
    few, many = Counted(512), Counted(2001)
    assert len(glimpse(few)) == 512
    assert few.made == list(range(512))
    glimpse(many)
    assert len(many.made) == 512
    assert (many.made[0], many.made[-1]) == (0, 2000)
    assert set(np.diff(many.made)) <= {3, 4}


def test_a_glimpse_of_large_rows_is_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdout, "GLIMPSE_BYTES", 100 * 8 * 8 * 4)
    many = Counted(2000)
    assert len(glimpse(many)) == 100
    monkeypatch.setattr(holdout, "GLIMPSE_BYTES", 1)
    assert len(glimpse(many)) == 16, "a few are needed to know a range at all"
    assert len(glimpse(Counted(3))) == 3
