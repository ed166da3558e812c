"""Figures of a run, by hand."""

import numpy as np
import pytest

from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.metrics import evaluate, flag_top, paired_interval, pr_points, roc_points

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
TRUTH = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0], dtype=bool)


def test_every_figure_by_hand():
    found = evaluate(SCORES, TRUTH, threshold=0.55)
    assert found == pytest.approx(
        {
            # Of 2 · 8 pairs one is in the wrong order: row 2 (.7) below row 1 (.8).
            "auroc": 15 / 16,
            # Recall rises by 1/2 at rank 1 (precision 1) and by 1/2 at rank 3 (2/3).
            "ap": 5 / 6,
            # 4 scores above .55: TP 2, FP 2, FN 0, TN 6.
            "precision": 1 / 2,
            "recall": 1,
            "f1": 2 / 3,
            # (2 · 6 - 2 · 0) / sqrt(4 · 2 · 8 · 6)
            "mcc": 12 / np.sqrt(384),
            # The 80th percentile of 10 scores lies at position 7.2, between .7 and .8: two are flagged, one
            # hit.
            "oracle_precision": 1 / 2,
            "oracle_recall": 1 / 2,
            "oracle_f1": 1 / 2,
        }
    )
    assert all(type(value) is float for value in found.values())


def test_average_precision_is_step_wise():
    # One anomaly, ranked second of two: steps give 1/2; the trapezoid would give 1/4 (from (0, 0) to (1,
    # 1/2)).
    assert evaluate(np.array([1.0, 0.0]), np.array([False, True]), 0.5)["ap"] == 0.5


def test_higher_scores_are_more_anomalous_and_never_flipped():
    assert evaluate(-SCORES, TRUTH, threshold=0.0)["auroc"] == pytest.approx(1 / 16)


def test_the_cut_is_above_the_threshold_not_at_it():
    at = evaluate(SCORES, TRUTH, threshold=0.8)
    # Only .9 is above .8: one hit of two anomalies.
    assert (at["precision"], at["recall"]) == (1, 0.5)


def test_nothing_flagged_gives_zeros():
    found = evaluate(SCORES, TRUTH, threshold=np.inf)
    assert [found[key] for key in ("precision", "recall", "f1", "mcc")] == [0, 0, 0, 0]


def test_ties_at_the_percentile_are_all_flagged():
    scores = np.array([0.0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    # The 80th percentile is 1, and five scores reach it: half is flagged, not a fifth.
    assert flag_top(scores, 0.2).tolist() == [False] * 5 + [True] * 5
    found = evaluate(scores, TRUTH[::-1], threshold=0.5)
    assert (found["oracle_precision"], found["oracle_recall"]) == (2 / 5, 1)


def test_the_flagged_share_is_an_option():
    assert flag_top(SCORES, 0.5).sum() == 5
    assert evaluate(SCORES, TRUTH, 0.5, flagged_share=0.5)["oracle_precision"] == 2 / 5


@pytest.mark.parametrize(
    ("scores", "truth", "says"),
    [
        (SCORES, np.zeros(10, dtype=bool), "0 of 10 rows are anomalies"),
        (SCORES, np.ones(10, dtype=bool), "10 of 10 rows are anomalies"),
        (np.where(SCORES == 0.7, np.nan, SCORES), TRUTH, "1 scores are not finite.*nan in row 3"),
        (np.where(SCORES == 0.9, np.inf, SCORES), TRUTH, "inf in row 1"),
        (SCORES[:9], TRUTH, "one value a row"),
        (SCORES[:, None], TRUTH[:, None], "one value a row"),
        (SCORES, TRUTH.astype(int), "must be bool"),
        (np.empty(0), np.empty(0, dtype=bool), "0 of 0"),
    ],
)
def test_scores_that_cannot_be_judged_are_refused(scores, truth, says):
    for call in (
        lambda: evaluate(scores, truth, 0.5),
        lambda: roc_points(scores, truth),
        lambda: pr_points(scores, truth),
    ):
        with pytest.raises(InvalidData, match=says):
            call()


def test_options_out_of_range_are_refused():
    for share in (0, 1, -0.1, 20, float("nan")):
        with pytest.raises(InvalidParameter, match="flagged_share"):
            evaluate(SCORES, TRUTH, 0.5, flagged_share=share)
    with pytest.raises(InvalidParameter, match="threshold is nan"):
        evaluate(SCORES, TRUTH, float("nan"))
    with pytest.raises(InvalidParameter, match="limit is 1"):
        roc_points(SCORES, TRUTH, limit=1)
    with pytest.raises(InvalidParameter, match="level is 95"):
        paired_interval(np.ones(3), np.ones(3), level=95)


# ---- curves


def test_a_short_roc_curve_by_hand():
    false_rate, true_rate = roc_points(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False]))
    assert false_rate.tolist() == [0, 0, 0.5, 0.5, 1]
    assert true_rate.tolist() == [0, 0.5, 0.5, 1, 1]


def test_a_short_precision_recall_curve_by_hand():
    recall, precision = pr_points(np.array([3.0, 2, 1, 0]), np.array([True, False, True, False]))
    # From no row flagged (precision 1 by convention) to all: hits 1 of 1, 1 of 2, 2 of 3, 2 of 4.
    assert recall.tolist() == [0, 0.5, 0.5, 1, 1]
    assert precision.tolist() == [1, 1, 0.5, pytest.approx(2 / 3), 0.5]


def test_thinned_curves_keep_their_ends_and_their_area():
    rng = np.random.default_rng(0)
    truth = rng.random(20000) < 0.1
    scores = rng.normal(size=20000) + 2 * truth
    whole = evaluate(scores, truth, 0.0)
    false_rate, true_rate = roc_points(scores, truth, limit=100)
    assert 50 <= len(false_rate) <= 100
    assert (false_rate[0], true_rate[0], false_rate[-1], true_rate[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true_rate, false_rate) == pytest.approx(whole["auroc"], abs=2e-3)
    recall, precision = pr_points(scores, truth, limit=100)
    assert 50 <= len(recall) <= 100
    assert (recall[0], recall[-1], precision[-1]) == (0, 1, truth.mean())
    assert (np.diff(recall) >= 0).all()
    assert np.trapezoid(precision, recall) == pytest.approx(whole["ap"], abs=0.02)


# ---- pairs


def test_a_paired_interval_by_hand():
    # Differences 1, 2, 3: mean 2, sd 1, error 1/sqrt(3); t(.975, 2) = 4.302653.
    found = paired_interval(np.array([2.0, 4, 6]), np.array([1.0, 2, 3]))
    assert found.mean == 2
    assert (found.low, found.high) == pytest.approx((2 - 4.302653 / np.sqrt(3), 2 + 4.302653 / np.sqrt(3)), rel=1e-6)
    # t(.9, 2) = 1.885618 for the narrower level .8.
    assert paired_interval(np.array([2.0, 4, 6]), np.array([1.0, 2, 3]), level=0.8).high == pytest.approx(
        2 + 1.885618 / np.sqrt(3), rel=1e-6
    )


def test_equal_differences_give_an_interval_of_no_width():
    assert paired_interval(np.array([1.5, 2.5]), np.array([1.0, 2.0])) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("a", "b"), [([1.0], [1.0]), ([1.0, 2], [1.0, 2, 3]), ([1.0, np.nan], [1.0, 2])])
def test_pairs_that_cannot_be_compared_are_refused(a, b):
    with pytest.raises(InvalidData, match="pairs"):
        paired_interval(np.array(a), np.array(b))
