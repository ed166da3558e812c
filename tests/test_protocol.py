"""Splits: the papers' rows, disjoint, with both classes in the test part; and what they make possible."""

import numpy as np
import pytest

from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.metrics import evaluate
from ringfence.protocol import Split, kdd99_halves, leave_one_out, oracle_bounds, subsample_test

LABELS = np.repeat([0, 1, 2], [50, 30, 21])


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


# ---- Split


@pytest.mark.parametrize(
    ("train", "test", "anomaly", "says"),
    [
        (rows(0, 1), rows(1, 2), [True, False], "1 row numbers twice"),
        (rows(0, 0), rows(1, 2), [True, False], "1 row numbers twice"),
        (rows(0), rows(1, 2, 2), [True, False, True], "1 row numbers twice"),
        (rows(0), rows(1, 2), [False, False], "0 anomalies in 2 test rows"),
        (rows(0), rows(1, 2), [True, True], "2 anomalies in 2 test rows"),
        (rows(0), rows(), [], "one bool|0 anomalies"),
        (rows(), rows(1, 2), [True, False], "no training row"),
        (rows(0), rows(1, 2), [True], "one bool for each of the 2"),
        (rows(0), rows(1, 2), [1, 0], "one bool.*int64"),
    ],
)
def test_a_split_that_cannot_be_trusted_is_not_made(train, test, anomaly, says):
    with pytest.raises(InvalidData, match=says):
        Split(train, test, np.array(anomaly), "mine")


# ---- leave one out


def test_one_class_is_the_anomaly_and_a_fifth_of_the_others_is_tested():
    split = leave_one_out(LABELS, 1, seed=0)
    # 50 + 21 = 71 normal rows: floor(.8 · 71) = 56 train, 15 are tested beside all 30 of class 1.
    assert (len(split.train), len(split.test), int(split.anomaly.sum())) == (56, 45, 30)
    assert (split.train.dtype, split.test.dtype, split.anomaly.dtype) == (np.int64, np.int64, np.bool_)
    assert np.array_equal(LABELS[split.test] == 1, split.anomaly)
    assert not (LABELS[split.train] == 1).any()
    assert np.array_equal(np.sort(np.concatenate((split.train, split.test))), np.arange(101))


def test_the_seed_decides_which_rows_train():
    a, again, b = (leave_one_out(LABELS, 1, seed) for seed in (5, 5, 6))
    assert np.array_equal(a.train, again.train)
    assert not np.array_equal(a.train, b.train)


def test_training_rows_are_drawn_from_every_normal_class_alike():
    # 2,000 rows of class 0 then 2,000 of class 2: of 3,200 drawn 1,600 are expected, sd 14.
    labels = np.repeat([0, 2, 1], [2000, 2000, 10])
    split = leave_one_out(labels, 1, seed=3)
    assert abs((labels[split.train] == 0).sum() - 1600) < 60


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"anomalous": 7}, "unknown anomalous class '7'.*0, 1, 2"),
        ({"train_share": 0}, "train_share is 0"),
        ({"train_share": 1.0}, "train_share is 1.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 1.5}, "seed is 1.5"),
    ],
)
def test_leave_one_out_refuses_what_it_cannot_do(options, says):
    with pytest.raises(InvalidParameter, match=says):
        leave_one_out(**{"labels": LABELS, "anomalous": 1, "seed": 0} | options)


def test_without_normal_rows_to_train_on_there_is_no_split():
    with pytest.raises(InvalidData, match="no training row"):
        leave_one_out(np.array([1, 1, 0]), 1, seed=0)


# ---- KDD 99


@pytest.mark.parametrize("n", [20, 21, 23, 494021])  # halves of 10, 10 (not 11), 12 and 247,010 rows
def test_the_halves_are_those_of_pandas_sample(n):
    pandas = pytest.importorskip("pandas")
    normal = np.arange(n) % 3 == 0
    split = kdd99_halves(normal, seed=42)
    half = pandas.DataFrame({"normal": normal}).sample(frac=0.5, random_state=42).index.to_numpy()
    assert np.array_equal(split.train, np.sort(half[~normal[half]]))
    assert np.array_equal(split.test[~split.anomaly], np.setdiff1d(np.flatnonzero(~normal), half))


def test_anomalies_are_at_most_a_fifth_of_the_test_part():
    # All even rows are anomalies: about as many as inliers; of these floor(n_in · .2 / .8) = n_in // 4 stay.
    normal = np.arange(1000) % 2 == 0
    split = kdd99_halves(normal, seed=1)
    n_in = int((~split.anomaly).sum())
    assert int(split.anomaly.sum()) == n_in // 4
    assert np.array_equal(normal[split.test], split.anomaly)
    assert not normal[split.train].any()
    # A draw, not simply the first in the table.
    assert split.test[split.anomaly].max() > 800


def test_only_the_given_rows_are_split():
    normal = np.arange(400) % 10 == 0
    chosen = np.arange(0, 400, 5)
    split = kdd99_halves(normal, seed=0, rows=chosen)
    assert np.isin(np.concatenate((split.train, split.test)), chosen).all()
    # Half of the 80 rows, where every second is normal: 40 rows of the test half hold all inliers that don't
    # train.
    assert len(split.train) + int((~split.anomaly).sum()) == 40


def test_the_seed_must_suit_the_legacy_generator():
    with pytest.raises(InvalidParameter, match="below 4294967296"):
        kdd99_halves(np.arange(10) % 5 == 0, seed=2**32)


def test_kdd99_seed_42_is_the_published_split(kdd99):
    split = kdd99_halves(kdd99.normal_connection, seed=42)
    bounds = oracle_bounds(split)
    assert (len(split.test), int(split.anomaly.sum())) == (247011, 48629)
    # 396,743 attacks, of which 247,011 - 48,629 = 198,382 are tested.
    assert len(split.train) == 198361
    # Flagged are the ranks from .8 · 247,010 = 197,608 on: 247,011 - 197,608 = 49,403.
    assert bounds.precision == pytest.approx(48629 / 49403)
    assert bounds.recall == 1
    assert bounds.f1 == pytest.approx(2 * 48629 / (48629 + 49403))
    assert [round(v, 4) for v in (bounds.precision, bounds.f1, bounds.recall_over_precision)] == [
        0.9843,
        0.9921,
        1.0159,
    ]


def test_kdd99_other_seeds_bound_f1_alike(kdd99):
    # Half of the 97,278 anomalies is expected, 48,639, with the hypergeometric standard deviation
    # sqrt(247,011 · .19691 · .80309 / 2) = 140. Three of these either way: 48,219 to 49,059 of 49,403 flagged
    # rows.
    found = [oracle_bounds(kdd99_halves(kdd99.normal_connection, seed)) for seed in range(10)]
    for bounds in found:
        assert 2 * 48219 / (48219 + 49403) < bounds.f1 < 2 * 49059 / (49059 + 49403)
        assert 49403 / 49059 < bounds.recall_over_precision < 49403 / 48219
    # Seeds 0, 1 and 2, which the design notes quote as a range.
    assert [round(bounds.f1, 4) for bounds in found[:3]] == [0.9906, 0.9929, 0.9944]
    assert [round(bounds.recall_over_precision, 3) for bounds in found[:3]] == [1.019, 1.014, 1.011]


# ---- fewer test rows


def test_a_subsample_keeps_training_rows_and_the_share_of_anomalies():
    split = leave_one_out(LABELS, 1, seed=0)  # 45 test rows, 30 of them anomalies
    small = subsample_test(split, 15, seed=4)
    assert (len(small.test), int(small.anomaly.sum())) == (15, 10)
    assert np.array_equal(small.train, split.train)
    assert np.isin(small.test, split.test).all()
    assert np.array_equal(LABELS[small.test] == 1, small.anomaly)
    assert np.array_equal(subsample_test(split, 15, seed=4).test, small.test)
    assert not np.array_equal(subsample_test(split, 15, seed=5).test, small.test)


def test_a_subsample_never_loses_a_class():
    split = Split(rows(0), np.arange(1, 101), np.arange(1, 101) == 50, "rare")
    for n in (2, 3, 10):
        small = subsample_test(split, n, seed=0)
        assert (len(small.test), int(small.anomaly.sum())) == (n, 1)
    assert subsample_test(split, 100, seed=0) is split
    with pytest.raises(InvalidParameter, match="n is 1"):
        subsample_test(split, 1, seed=0)


# ---- bounds


@pytest.mark.parametrize(("n_anomalies", "share"), [(10, 0.2), (30, 0.2), (20, 0.2), (5, 0.1)])
def test_perfect_scores_reach_the_bounds_exactly(n_anomalies, share):
    anomaly = np.arange(101) < n_anomalies
    split = Split(rows(1000), np.arange(101), anomaly, "mine")
    scores = 2.0 * anomaly + np.linspace(0, 1, 101)
    reached = evaluate(scores, anomaly, threshold=0.0, flagged_share=share)
    bounds = oracle_bounds(split, share)
    assert reached["oracle_precision"] == pytest.approx(bounds.precision)
    assert reached["oracle_recall"] == pytest.approx(bounds.recall)
    assert reached["oracle_f1"] == pytest.approx(bounds.f1)
    assert bounds.recall_over_precision == pytest.approx(bounds.recall / bounds.precision)


def test_bounds_by_hand_when_more_are_anomalous_than_flagged():
    # 11 rows: ranks from .8 · 10 = 8 on are flagged, 3 rows. 6 anomalies: P <= 1, R <= 3/6, F1 <= 6/9.
    split = Split(rows(50), np.arange(11), np.arange(11) < 6, "mine")
    bounds = oracle_bounds(split)
    assert (bounds.precision, bounds.recall, bounds.recall_over_precision) == (1, 0.5, 0.5)
    assert bounds.f1 == pytest.approx(2 / 3)
