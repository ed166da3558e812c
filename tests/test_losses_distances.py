"""Distances that come from a similarity against numbers worked out by hand, and who may name them."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from golden import APPROX, Judge, batch, terms, values
from ringfence import AAE, ADGAN, ALOCC, EGBAD, GPND, OCGAN, AutoEncoder, FAnoGAN, GANomaly, SkipGANomaly
from ringfence.detector import Detector
from ringfence.distances import DISTANCES, IMAGE_DISTANCES, ROW_DISTANCES, cosine, rbf, residual, ssim
from ringfence.exceptions import InvalidParameter
from test_losses_adgan import line

C1, C2 = 0.02**2, 0.06**2
"""(K₁ L)² and (K₂ L)² for K₁ = .01, K₂ = .03, L = 2."""


def image(*rows: list[float]) -> Tensor:
    return torch.tensor(rows)[None, None]


def test_distances_of_images_are_of_images_alone() -> None:
    assert set(ROW_DISTANCES) == set(DISTANCES) | set(IMAGE_DISTANCES)
    assert set(IMAGE_DISTANCES) == {"ssim"}


def test_rbf_is_a_function_of_the_mean_square() -> None:
    # (3, −4): 25 over 2σ² = 2 · 2: 1 − exp(−6.25). (1, 1): 1 − exp(−½). Equal rows: 0.
    a, b = torch.tensor([[3.0, 0.0], [1.0, 1.0], [2.0, 5.0]]), torch.tensor([[0.0, 4.0], [2.0, 2.0], [2.0, 5.0]])
    assert values(rbf(a, b)) == pytest.approx([1 - math.exp(-6.25), 1 - math.exp(-0.5), 0.0], **APPROX)
    # Twice as many values of the same differences: the same distance.
    assert values(rbf(torch.cat([a, a], 1), torch.cat([b, b], 1))) == pytest.approx(values(rbf(a, b)), **APPROX)


def test_rbf_tells_rows_apart_that_hardly_differ() -> None:
    # 1 − exp(−t) ≈ t for t = ½ · 10⁻¹⁰: a difference of numbers near 1 would be 0.
    assert values(rbf(torch.tensor([[1e-5]]), torch.zeros(1, 1))) == pytest.approx([5e-11], rel=1e-4)


def test_cosine_is_of_the_angle() -> None:
    # 45°, 90°, 180°, 0° at another length, and rows without a direction.
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    b = torch.tensor([[1.0, 1.0], [0.0, 3.0], [-1.0, -2.0], [3.0, 6.0], [1.0, 1.0], [0.0, 0.0]])
    assert values(cosine(a, b)) == pytest.approx([1 - math.sqrt(0.5), 1.0, 2.0, 0.0, 1.0, 1.0], **APPROX)


def test_ssim_of_flat_images_compares_their_means() -> None:
    # One window, no variance: (2 · ½ · 0 + C1) / (¼ + 0 + C1), times C2 / C2.
    a, b = torch.full((1, 1, 7, 7), 0.5), torch.zeros(1, 1, 7, 7)
    assert values(ssim(a, b)) == pytest.approx([1 - C1 / (0.25 + C1)], **APPROX)


def test_ssim_compares_structure() -> None:
    # Means 0 (first factor 1), variance 6 / 9. With −a the covariance is −⅔; with a / 2 it is ⅓, and the variances are
    # ⅔ and ⅙. The window of an image of three pixels is three pixels.
    a = image(*[[-1.0, 0.0, 1.0]] * 3)
    assert values(ssim(a, -a)) == pytest.approx([1 - (-4 / 3 + C2) / (4 / 3 + C2)], **APPROX)
    assert values(ssim(a, a / 2)) == pytest.approx([1 - (2 / 3 + C2) / (5 / 6 + C2)], **APPROX)
    assert values(ssim(a, a)) == pytest.approx([0.0], **APPROX)


def test_ssim_is_a_mean_over_places_and_channels() -> None:
    # Written out for two channels of 9×8 pixels: windows of 7×7 at 3 · 2 places.
    rng = np.random.default_rng(0)
    a, b = rng.uniform(-1, 1, (2, 3, 2, 9, 8))
    expected = []
    for one, two in zip(a, b, strict=True):
        found = []
        for channel in range(2):
            for top in range(3):
                for left in range(2):
                    p, q = (x[channel, top : top + 7, left : left + 7].ravel() for x in (one, two))
                    shared = ((p - p.mean()) * (q - q.mean())).mean()
                    light = (2 * p.mean() * q.mean() + C1) / (p.mean() ** 2 + q.mean() ** 2 + C1)
                    found.append(light * (2 * shared + C2) / (p.var() + q.var() + C2))
        expected.append(1 - np.mean(found))
    assert values(ssim(torch.tensor(a), torch.tensor(b))) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["rbf", "cosine", "ssim"])
def test_a_step_down_brings_rows_nearer(name: str) -> None:
    rng = torch.Generator().manual_seed(0)
    a, b = (torch.rand(4, 1, 8, 8, generator=rng).requires_grad_() for _ in range(2))
    before = ROW_DISTANCES[name](a, b)
    (slope,) = torch.autograd.grad(before.sum(), [a])
    assert (ROW_DISTANCES[name](a - 0.1 * slope, b) < before).all()


@pytest.mark.parametrize("name", ["rbf", "cosine", "ssim"])
@pytest.mark.parametrize("x", [0.0, 0.5])
def test_slopes_are_finite_where_rows_are_equal_or_zero(name: str, x: float) -> None:
    a = torch.full((2, 1, 8, 8), x, requires_grad=True)
    (slope,) = torch.autograd.grad(ROW_DISTANCES[name](a, torch.full_like(a, 0.5)).sum(), [a])
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("name", DISTANCES)
def test_categories_are_no_numbers(name: str) -> None:
    # One number and a category of two with probability ¼: its cross-entropy beside the number's distance.
    x, remade = torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[1.0, 0.25, 0.75]])
    found = residual(x, remade, [(1, 3)], name)
    assert values(found) == pytest.approx([math.log(4) + DISTANCES[name](x[:, :1], remade[:, :1]).item()], **APPROX)


@pytest.mark.parametrize("det", [AutoEncoder(distance="ssim"), GANomaly(residual_distance="ssim")], ids=str)
def test_ssim_is_refused_for_tables_before_training_and_taken_for_images(det: Any) -> None:
    rng = np.random.default_rng(0)
    det.set_params(epochs=1, random_state=0)
    with pytest.raises(InvalidParameter, match="distance='ssim' is for images alone; for tables allowed are 'l1'") as e:
        det.fit(rng.normal(size=(20, 64)))
    assert "\n" not in str(e.value)
    assert not hasattr(det, "history_")
    X = rng.uniform(size=(20, 8, 8))
    fitted: Detector = det.fit(X)
    assert np.isfinite(fitted.anomaly_score(X)).all()


def test_codes_and_features_have_no_ssim() -> None:
    for name in ("code_distance", "adversarial_distance"):
        with pytest.raises(InvalidParameter, match=f"unknown {name} 'ssim'"):
            GANomaly(**{name: "ssim"}).check()


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (AAE, "distance"),
        (ALOCC, "residual_distance"),
        (AutoEncoder, "distance"),
        (GANomaly, "residual_distance"),
        (GPND, "residual_distance"),
        (ADGAN, "residual_distance"),
        (EGBAD, "residual_distance"),
        (FAnoGAN, "residual_distance"),
        (OCGAN, "residual_distance"),
        (SkipGANomaly, "residual_distance"),
    ],
)
@pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")
def test_a_row_and_its_reconstruction_are_compared_by_ssim_where_they_are_images(method: Any, name: str) -> None:
    images = load_digits().images[:40]
    det = method(epochs=1, batch_size=20, latent_dim=4, random_state=0, **{name: "ssim"})
    assert np.isfinite(det.fit(images).anomaly_score(images[:3])).all()
    with pytest.raises(InvalidParameter, match=f"^{name}='ssim' is for images alone"):
        det.fit(images.reshape(40, 64))


# ---- methods that take another distance in their score --------------------------------------------------------------


def remaking_zeros() -> Any:
    """Every row is remade as (0, 0)."""
    judge = Judge(lambda *a: a[0][:, 0])
    return SimpleNamespace(
        encoder=lambda x: 0 * x[:, :1],
        generator=lambda z: torch.zeros(len(z), 2),
        discriminator=judge,
        latent_discriminator=judge,
        classifier=judge,
        normal=SimpleNamespace(mean=torch.tensor(0.0)),
    )


# Of the row (3, 4) from (0, 0): a sum and mean of 7, a length of 5, and cosine has no direction to go by.
FROM_ZERO = {
    "l1": 7.0,
    "l2": 5.0,
    "l2_squared": 25.0,
    "linf": 4.0,
    "mean_absolute": 3.5,
    "mean_squared": 12.5,
    "rbf": 1 - math.exp(-6.25),
    "cosine": 1.0,
}
OWN = {EGBAD: "l1", FAnoGAN: "mean_squared", SkipGANomaly: "mean_squared", OCGAN: "mean_squared", ADGAN: "l2_squared"}


@pytest.mark.parametrize("name", FROM_ZERO)
@pytest.mark.parametrize("method", OWN)
def test_the_residual_of_a_score_is_the_distance_that_is_named(method: Any, name: str) -> None:
    assert set(FROM_ZERO) == set(DISTANCES)
    nets, x = remaking_zeros(), torch.tensor([[3.0, 4.0]])
    if method is ADGAN:  # whose searches bend copies of a network: this one gives (0, 0) and has no slope in z
        nets.generator, nets.search = line(0.0, 0.0, outputs=2), SimpleNamespace(starts=torch.zeros(2, 1))
    still = {"network_rate": 0.0} if method is ADGAN else {}
    found = method(residual_distance=name, **still).score_parts(nets, x)["residual"]
    assert values(found) == pytest.approx([FROM_ZERO[name]], **APPROX)
    default = method(**still)
    assert default.residual_distance == OWN[method]
    assert values(default.score_parts(nets, x)["residual"]) == pytest.approx([FROM_ZERO[OWN[method]]], **APPROX)


def test_where_the_loss_has_the_residual_of_the_score_it_has_its_distance() -> None:
    step = replace(batch([[3.0, 4.0]], [[0.0]]), gauss=torch.zeros)
    for det, term, expected in [
        (FAnoGAN(residual_distance="l1"), "encoder.residual", 7.0),
        (FAnoGAN(residual_distance="l1", encoder_loss="izi"), "encoder.residual", 7.0),
        (OCGAN(residual_distance="l1"), "encoder.residual", 70.0),  # λ = 10
        (SkipGANomaly(residual_distance="l2"), "generator.residual", 175.0),  # 50 · 3.5, the mean absolute error
    ]:
        assert terms(det, remaking_zeros(), step)[term] == pytest.approx([expected]), det
