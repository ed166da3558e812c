"""The way between two latent vectors."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone

from ringfence import ADGAN, DSEBM, EGBAD, GAN, OCGAN, AutoEncoder, SkipGANomaly, methods
from ringfence.detector import Detector
from ringfence.distances import DISTANCES
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.generative import slerp

QUICK = {"epochs": 2, "batch_size": 16, "latent_dim": 4, "random_state": 0}
X = np.random.default_rng(0).normal(size=(40, 5))


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_slerp_by_hand() -> None:
    # A right angle: a third of it is 30°, cos 30° a + sin 30° b.
    found = slerp(vector(2.0, 0.0), vector(0.0, 2.0), vector(0.0, 1 / 3, 0.5, 1.0))
    expected = [[2.0, 0.0], [math.sqrt(3), 1.0], [math.sqrt(2), math.sqrt(2)], [0.0, 2.0]]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_slerp_keeps_the_norm_that_a_straight_line_would_lose() -> None:
    a, b = torch.randn(2, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    a, b = a / a.norm() * 8, b / b.norm() * 8
    np.testing.assert_allclose(slerp(a, b, torch.linspace(0, 1, 9, dtype=torch.float64)).norm(dim=1), 8.0)
    assert ((a + b) / 2).norm() < 7


@pytest.mark.parametrize("b", [vector(3.0, 0.0), vector(-1.0, 0.0), vector(0.0, 0.0)], ids=["same", "opposite", "zero"])
def test_where_there_is_no_angle_the_way_is_straight(b: torch.Tensor) -> None:
    found = slerp(vector(1.0, 0.0), b, vector(0.0, 0.5, 1.0))
    np.testing.assert_allclose(found, [[1.0, 0.0], ((vector(1.0, 0.0) + b) / 2).tolist(), b.tolist()], atol=1e-9)


@pytest.mark.parametrize("det", [EGBAD(**QUICK), AutoEncoder(**QUICK)], ids=lambda d: d.name)
def test_the_way_from_row_to_row_begins_and_ends_with_their_reconstructions(det: EGBAD) -> None:
    det.fit(X)
    way = det.interpolate(*det.encode(X[:2]), n=5)
    assert way.shape == (5, 5)
    np.testing.assert_allclose(way[[0, -1]], det.reconstruct(X[:2]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("det", "part", "distance"),
    [
        (SkipGANomaly(**QUICK), "residual", "mean_squared"),
        (ADGAN(**QUICK, starts=1, steps=2), "residual", "l2_squared"),  # of one start: the mean is its end
        (DSEBM(**QUICK, units=4), "reconstruction", "l2"),
    ],
    ids=lambda v: v.name if isinstance(v, Detector) else "",
)
@pytest.mark.parametrize("shape", [(5,), (1, 8, 8)], ids=str)
def test_what_remakes_a_row_without_its_latent_vector_reconstructs_it(
    det: Detector, part: str, distance: str, shape: tuple[int, ...]
) -> None:
    rows = np.random.default_rng(0).normal(50, 10, size=(24, *shape))
    fitted = clone(det).fit(rows)
    remade = fitted.reconstruct(rows)
    assert remade.shape == rows.shape
    # In the rows' units: scaled again, it is as far from them as the score says.
    scaled, made = fitted.preprocess_.tensor(rows), fitted.preprocess_.tensor(remade)
    np.testing.assert_allclose(DISTANCES[distance](scaled, made), fitted.parts(rows)[part], rtol=1e-3)
    # A function of the row, as its score is.
    assert np.array_equal(fitted.reconstruct(rows[::-1]), remade[::-1])
    assert np.array_equal(fitted.reconstruct(rows[3:4]), remade[3:4])


def test_a_remade_row_of_a_frame_reads_as_a_row() -> None:
    frame = pd.DataFrame({"size": X[:, 0] + 50, "colour": np.where(X[:, 0] > 0, "red", "blue").astype(object)})
    for det in (SkipGANomaly(**QUICK), ADGAN(**QUICK, starts=2, steps=2), DSEBM(**QUICK, units=4)):
        remade = det.fit(frame).reconstruct(frame)
        assert list(remade.columns) == ["size", "colour"]
        assert set(remade["colour"]) <= {"red", "blue"}


def test_a_method_without_an_encoder_takes_latent_vectors() -> None:
    det = GAN(**QUICK).fit(X.reshape(40, 5))
    assert det.interpolate([1, 0, 0, 0], [0, 1, 0, 0], n=2).shape == (2, 5)


def test_a_method_whose_generator_takes_no_latent_vector_has_no_way_between_two() -> None:
    assert not hasattr(SkipGANomaly(**QUICK), "interpolate")


def test_vectors_and_numbers_that_fit_nothing_are_refused() -> None:
    det = GAN(**QUICK).fit(X)
    with pytest.raises(InvalidData, match=r"b has shape \(3,\): a latent vector of shape \(4,\) is needed"):
        det.interpolate(np.zeros(4), np.zeros(3))
    with pytest.raises(InvalidData, match="a has a value that is not finite"):
        det.interpolate([np.nan, 0, 0, 0], np.zeros(4))
    with pytest.raises(InvalidParameter, match="n=1"):
        det.interpolate(np.zeros(4), np.ones(4), n=1)


def test_within_a_box_the_way_is_straight_and_never_leaves_it() -> None:
    det = OCGAN(**QUICK).fit(X)
    seen = []
    det.nets_.generator.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    det.interpolate([1.0, -1.0, 0.0, 0.5], [1.0, 1.0, 0.0, -0.5], n=3)
    np.testing.assert_allclose(seen[0][1], [1.0, 0.0, 0.0, 0.0], atol=1e-7)


@pytest.mark.parametrize("name", [n for n, cls in methods().items() if hasattr(cls(), "interpolate")])
def test_the_way_from_a_place_to_itself_stays_there(name: str) -> None:
    det = methods()[name](**QUICK).fit(X)
    way = det.interpolate(np.full(4, 0.5), np.full(4, 0.5), n=5)
    np.testing.assert_allclose(way, np.repeat(way[:1], 5, axis=0), rtol=1e-4, atol=1e-5)
