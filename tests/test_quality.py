"""Figures of generated rows, against numbers worked out by hand and against what they must tell apart."""

import math

import numpy as np
import pytest

from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.quality import mmd, precision_recall, quality, train_on

RNG = np.random.default_rng(0)


def test_mmd_by_hand() -> None:
    # x = 0, 1 and y = 0, 2: squared distances 1 | 4 | 0 4 1 1; their median is 1, the kernel exp(−d² / 2).
    # E k(x, x') = e^−½, E k(y, y') = e^−2, E k(x, y) = (1 + e^−2 + e^−½ + e^−½) / 4.
    near, far = math.exp(-0.5), math.exp(-2.0)
    expected = near + far - 2 * (1 + far + 2 * near) / 4
    assert mmd([[0.0], [1.0]], [[0.0], [2.0]]) == pytest.approx(expected, abs=1e-12)


def test_mmd_is_about_zero_for_one_distribution_and_large_for_two() -> None:
    one, same, other = RNG.normal(size=(300, 4)), RNG.normal(size=(300, 4)), RNG.normal(1.0, 1.0, size=(300, 4))
    assert abs(mmd(one, same)) < 0.01
    assert mmd(one, other) > 0.1
    assert mmd(one, other) == pytest.approx(mmd(other, one))


def test_rows_that_are_all_alike_have_no_distance() -> None:
    assert mmd(np.ones((3, 2)), np.ones((4, 2))) == 0.0


def test_precision_and_recall_by_hand() -> None:
    # k = 1. Real 0, 1, 10: radii 1, 1, 9; they cover −1…2 and 1…19. Made 0.5, 30, 31: radii 29.5, 1, 1.
    real, made = [[0.0], [1.0], [10.0]], [[0.5], [30.0], [31.0]]
    precision, recall = precision_recall(real, made, neighbours=1)
    assert precision == pytest.approx(1 / 3)  # 0.5 alone lies among the real rows
    assert recall == 1.0  # 0.5 ± 29.5 covers them all


def test_a_generator_with_one_mode_is_precise_and_recalls_half() -> None:
    real = np.concatenate([RNG.normal(-9, 1, (200, 2)), RNG.normal(9, 1, (200, 2))])
    precision, recall = precision_recall(real, RNG.normal(9, 1, (400, 2)))
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.05)


def test_rows_that_are_there_many_times_are_one_place_of_the_manifold() -> None:
    few = RNG.normal(size=(40, 3))
    drawn = [few[RNG.integers(0, 40, 500)] for _ in range(2)]
    assert precision_recall(*drawn) == (1.0, 1.0)  # a generator of just these rows
    assert precision_recall(drawn[0], drawn[1] + 100.0) == (0.0, 0.0)


def test_a_generator_of_a_single_row_is_that_row() -> None:
    real = np.array([[0.0], [1.0], [2.0], [3.0], [9.0]])
    # It lies among the real rows, and no ball around it reaches another.
    assert precision_recall(real, np.ones((5, 1))) == (1.0, 0.2)


def test_training_on_generated_rows_is_judged_on_real_ones() -> None:
    test = np.concatenate([RNG.normal(0, 1, (100, 2)), RNG.normal(6, 1, (20, 2))])
    anomaly = np.arange(120) >= 100
    assert train_on(RNG.normal(0, 1, (200, 2)), test, anomaly) > 0.99
    assert train_on(RNG.normal(6, 1, (200, 2)), test, anomaly) < 0.01


def test_quality_is_the_three_figures_without_labels() -> None:
    real, made = RNG.normal(size=(50, 2)), RNG.normal(size=(60, 2))
    found = quality(real, made)
    assert (found.mmd, (found.precision, found.recall)) == (mmd(real, made), precision_recall(real, made))


def test_images_are_compared_value_by_value() -> None:
    real, made = RNG.normal(size=(20, 4, 4)), RNG.normal(size=(20, 4, 4))
    assert mmd(real, made) == mmd(real.reshape(20, 16), made.reshape(20, 16))


@pytest.mark.parametrize(
    ("real", "made", "message"),
    [
        (np.zeros((5, 2)), np.zeros((5, 3)), r"shapes \(5, 2\) and \(5, 3\) can't be compared"),
        (np.zeros(5), np.zeros(5), "must have the same columns"),
        (np.zeros((1, 2)), np.zeros((5, 2)), "1 rows are too few"),
        (np.full((5, 2), np.nan), np.zeros((5, 2)), "not finite"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(real: np.ndarray, made: np.ndarray, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        mmd(real, made)


def test_no_neighbours_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="neighbours=0"):
        precision_recall(np.zeros((5, 2)), np.zeros((5, 2)), neighbours=0)
