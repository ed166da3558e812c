"""Scaling: fitted on the training rows, the same there and back, deaf to columns of one value."""

import warnings

import numpy as np
import pytest
import torch

from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.preprocess import PIECE, SCALES, ConstantColumns, Preprocess, as_array

TABLE = np.array([[0.0, 10.0], [2.0, 20.0], [4.0, 60.0]])


def scaled(x: np.ndarray, scale: str, of: np.ndarray | None = None) -> np.ndarray:
    return Preprocess.fit(x, scale).tensor(x if of is None else of).numpy()


def test_standard_is_mean_and_deviation_of_each_column() -> None:
    # Column 0: mean 2, deviation √(8/3); column 1: mean 30, deviation √((400 + 100 + 900) / 3).
    a, b = np.sqrt(8 / 3), np.sqrt(1400 / 3)
    expected = [[-2 / a, -20 / b], [0, -10 / b], [2 / a, 30 / b]]
    np.testing.assert_allclose(scaled(TABLE, "standard"), expected, rtol=1e-6, atol=1e-7)


def test_minmax_maps_each_column_to_0_and_1_and_goes_beyond_for_new_rows() -> None:
    np.testing.assert_allclose(scaled(TABLE, "minmax"), [[0, 0], [0.5, 0.2], [1, 1]], rtol=1e-6)
    np.testing.assert_allclose(scaled(TABLE, "minmax", np.array([[-4.0, 110.0]])), [[-1, 2]], rtol=1e-6)


def test_robust_is_median_and_quartiles() -> None:
    x = np.arange(9.0)[:, None]
    # Median 4, quartiles 2 and 6: (8 - 4) / (4 / 1.349) = 1.349
    assert scaled(x, "robust")[-1, 0] == pytest.approx(1.349)


def test_robust_takes_the_deviation_where_the_middle_half_is_one_value() -> None:
    x = np.array([0.0] * 9 + [10.0])[:, None]
    # Mean 1, deviation 3; the median stays the centre.
    assert scaled(x, "robust")[-1, 0] == pytest.approx(10 / 3)


def test_range_maps_all_values_together_to_minus_1_and_1() -> None:
    x = np.stack([np.zeros((2, 2)), np.full((2, 2), 64.0), np.full((2, 2), 255.0)])
    # (64 - 127.5) / 127.5
    np.testing.assert_allclose(scaled(x, "range")[:, 0, 0, 0], [-1, -63.5 / 127.5, 1], rtol=1e-6)


def test_none_leaves_values_as_they_are() -> None:
    assert np.array_equal(scaled(TABLE, "none"), TABLE.astype(np.float32))


def test_auto_is_standard_for_tables_and_range_for_images() -> None:
    images = np.random.default_rng(0).uniform(size=(4, 3, 3))
    assert np.array_equal(scaled(TABLE, "auto"), scaled(TABLE, "standard"))
    assert np.array_equal(scaled(images, "auto"), scaled(images, "range"))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", [(4,), (5, 3), (2, 5, 3)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_come_back_in_their_units_and_shape(scale: str, shape: tuple[int, ...], dtype: type) -> None:
    x = (np.random.default_rng(0).normal(3, 50, (7, *shape))).astype(dtype)
    fitted = Preprocess.fit(x, scale)
    t = fitted.tensor(x)
    assert t.dtype == torch.float32
    assert t.shape == (7, *fitted.shape)
    assert fitted.shape == ((1, *shape) if len(shape) == 2 else shape)
    assert fitted.given == shape
    assert fitted.shift.dtype == fitted.width.dtype == np.float64
    back = fitted.rows(t)
    assert back.dtype == np.float64
    np.testing.assert_allclose(back, x, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("scale", SCALES)
def test_the_type_of_the_same_numbers_does_not_matter(scale: str) -> None:
    x = np.random.default_rng(0).normal(1000, 0.1, (50, 3)).astype(np.float32)
    assert np.array_equal(scaled(x, scale), scaled(x.astype(np.float64), scale))


@pytest.mark.parametrize("scale", [s for s in SCALES if s != "none"])
@pytest.mark.parametrize("factor", [1e-8, 1000.0, 1e12])
def test_units_do_not_matter(scale: str, factor: float) -> None:
    np.testing.assert_allclose(scaled(TABLE * factor, scale), scaled(TABLE, scale), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0.1, 0.0, -1e9, 1 / 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", ["standard", "minmax", "robust"])
def test_a_column_of_one_value_becomes_zero_not_noise(value: float, dtype: type, scale: str) -> None:
    # The mean of 1,000 times .1 is not .1, nor their deviation 0.
    x = np.full((1000, 2), value, dtype=dtype)
    x[:, 1] = np.arange(1000)
    with pytest.warns(ConstantColumns, match="^columns 0 .*have one value in all training rows$"):
        fitted = Preprocess.fit(x, scale)
    assert np.abs(fitted.tensor(x)[:, 0].numpy()).max() < 1e-5
    # A new value there counts by its own size.
    other = x[:1].copy()
    other[0, 0] += 1
    assert fitted.tensor(other)[0, 0].item() == pytest.approx(float(other[0, 0] - x[0, 0]), abs=1e-5)


def test_columns_of_one_value_are_named_once_ten_at_most() -> None:
    x = np.zeros((5, 14))
    x[:, 3] = np.arange(5)
    with pytest.warns(ConstantColumns, match=r"^columns 0, 1, 2, 4, 5, 6, 7, 8, 9, 10 and 3 more .*have") as caught:
        Preprocess.fit(x, "standard")
    assert len(caught) == 1


def test_pixels_of_one_value_are_nothing_to_warn_of() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Preprocess.fit(np.stack([np.zeros((2, 2)), np.eye(2)]), "range")


def test_what_does_not_fit_float32_is_as_far_out_as_can_be_said() -> None:
    fitted = Preprocess.fit(TABLE, "standard")
    t = fitted.tensor(np.array([[1e300, -1e308]]))
    assert torch.isfinite(t).all()
    # Squares of it still fit.
    assert torch.isfinite(t.double().square().float()).all()
    assert (t[0, 0] > 1e9, t[0, 1] < -1e9) == (True, True)


def test_values_that_can_not_be_scaled_are_refused() -> None:
    with pytest.raises(InvalidData, match=r"values too large to scale: up to 6e\+201") as caught:
        Preprocess.fit(TABLE * 1e200, "standard")
    assert "\n" not in str(caught.value)


def test_many_rows_are_scaled_as_few_are() -> None:
    x = np.random.default_rng(0).normal(size=(2 * PIECE + 3, 2))
    fitted = Preprocess.fit(x, "standard")
    expected = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    np.testing.assert_allclose(fitted.tensor(x).numpy(), expected, rtol=1e-6, atol=1e-7)
    assert np.array_equal(fitted.tensor(x)[-1:], fitted.tensor(x[-1:]))


def test_scaling_leaves_its_input_alone() -> None:
    x = TABLE.copy()
    Preprocess.fit(x, "none").tensor(x).add_(1)
    assert np.array_equal(x, TABLE)


def test_an_unknown_scale_is_named_with_the_nearest() -> None:
    with pytest.raises(InvalidParameter, match="unknown scale 'standart': did you mean 'standard'"):
        Preprocess.fit(TABLE, "standart")


def test_rows_of_odd_dimensions_are_refused_and_others_pass() -> None:
    with pytest.raises(InvalidData, match=r"rows of shape \(2, 3, 4, 5\): allowed are"):
        as_array(np.zeros((1, 2, 3, 4, 5)))
