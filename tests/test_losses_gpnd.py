"""GPND and the densities of a manifold: linear decoders whose Jacobian is known, densities worked out by hand."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from golden import Summing, values
from ringfence import GPND
from ringfence.exceptions import TrainingDiverged
from ringfence.game import Batch, Statistic
from ringfence.manifold import (
    LEAST_STRETCH,
    codimension,
    decoder_jacobian,
    encoder_jacobian,
    fit_generalised_normal,
    generalised_normal,
    histogram,
    log_perpendicular,
    log_volume,
)
from ringfence.preprocess import ConstantColumns

X = np.random.default_rng(0).normal(size=(60, 5))
LOG_2PI = math.log(2 * math.pi)


def doubles(*values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# ---- Jacobians and their volumes ----------------------------------------------------------------------------------

# x = A z, three values from two.
A = torch.tensor([[3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])


def test_jacobians_of_linear_maps_are_their_matrices() -> None:
    z, x = torch.randn(4, 2), torch.randn(4, 3)
    assert decoder_jacobian(lambda z: z @ A.T + 7, z).tolist() == [A.tolist()] * 4
    assert encoder_jacobian(lambda x: x @ A + 7, x).tolist() == [A.T.tolist()] * 4
    assert decoder_jacobian(lambda z: z @ A.T, z).dtype == torch.float64


def test_jacobians_are_taken_at_each_row() -> None:
    # x = (z₁², z₁ z₂): ∂x/∂z = ((2 z₁, 0), (z₂, z₁)).
    def bent(z: Tensor) -> Tensor:
        return torch.stack([z[:, 0] ** 2, z[:, 0] * z[:, 1]], 1)

    z = torch.tensor([[2.0, 3.0], [-1.0, 5.0]])
    expected = [[[4, 0], [3, 2]], [[-2, 0], [5, -1]]]
    assert decoder_jacobian(bent, z).tolist() == expected
    assert encoder_jacobian(bent, z).tolist() == expected


def test_pictures_have_a_row_for_each_pixel() -> None:
    def picture(z: Tensor) -> Tensor:
        return (z @ torch.arange(8.0).view(2, 4)).view(-1, 1, 2, 2)

    assert decoder_jacobian(picture, torch.zeros(1, 2)).tolist() == [[[0, 4], [1, 5], [2, 6], [3, 7]]]
    assert encoder_jacobian(lambda x: x.flatten(1)[:, :2], torch.zeros(1, 1, 2, 2)).shape == (1, 2, 4)


def test_jacobians_work_while_gradients_are_forbidden_and_leave_parameters_alone() -> None:
    net = nn.Linear(2, 3)
    with torch.no_grad():
        torch.testing.assert_close(decoder_jacobian(net, torch.zeros(1, 2))[0].float(), net.weight.detach())
        torch.testing.assert_close(encoder_jacobian(net, torch.zeros(1, 2))[0].float(), net.weight.detach())
        assert not torch.is_grad_enabled()
    assert net.weight.grad is None


def test_a_volume_is_the_product_of_singular_values() -> None:
    # AᵀA = ((9, 3), (3, 5)), determinant 36: s₁ s₂ = 6. A diagonal has its entries.
    assert values(log_volume(A[None])) == pytest.approx([math.log(6)])
    assert values(log_volume(doubles([[3.0, 0.0], [0.0, -4.0], [0.0, 0.0]]))) == pytest.approx([math.log(12)])
    # Columns that nearly agree have a small volume, though they are long: ((1, 1), (0, .01)), determinant .01.
    assert values(log_volume(doubles([[1.0, 1.0], [0.0, 0.01]]))) == pytest.approx([math.log(0.01)])


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (1, 3), (30, 1)])
def test_volumes_are_those_of_the_singular_values_of_any_shape(shape: tuple[int, int]) -> None:
    many = torch.from_numpy(np.random.default_rng(0).normal(size=(20, *shape)))
    expected = torch.linalg.svdvals(many).log().sum(1)
    torch.testing.assert_close(log_volume(many), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(log_volume(many.mT), expected, rtol=1e-9, atol=1e-9)


def test_what_a_decoder_ignores_counts_as_hardly_stretched() -> None:
    found = log_volume(doubles([[2.0, 0.0], [0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    assert values(found) == pytest.approx([math.log(2 * LEAST_STRETCH), 2 * math.log(LEAST_STRETCH)])


def test_a_volume_is_a_function_of_the_row_to_the_bit() -> None:
    many = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 9, 5)))
    order = torch.randperm(64, generator=torch.Generator().manual_seed(0))
    together = log_volume(many)
    assert torch.equal(log_volume(many[order]), together[order])
    for at in (0, 5, 63):
        assert torch.equal(log_volume(many[at : at + 1])[0], together[at])


# ---- generalised normals ------------------------------------------------------------------------------------------


def test_a_generalised_normal_is_the_normal_at_two_and_laplaces_at_one() -> None:
    # N(1, 3²) at 4: ½ + log 3 + ½ log 2π below 0; Laplace with scale 2 about −1 at 4: −log 4 − 5 / 2; they add up.
    z = torch.tensor([[4.0, 4.0]])
    found = generalised_normal(z, doubles(2, 1), doubles(1, -1), doubles(3 * math.sqrt(2), 2))
    assert values(found) == pytest.approx([-(0.5 + math.log(3) + LOG_2PI / 2) - math.log(4) - 2.5])
    # β = 4, α = 1 at 2: log 4 − log 2 Γ(¼) − 16.
    found = generalised_normal(torch.tensor([[2.0]]), doubles(4), doubles(0), doubles(1))
    assert values(found) == pytest.approx([math.log(2) - math.lgamma(0.25) - 16])


def test_a_density_has_the_mass_one() -> None:
    z = torch.linspace(-30, 30, 60_001).double()[:, None]
    for shape in (0.7, 1.0, 2.0, 8.0):
        mass = generalised_normal(z, doubles(shape), doubles(0.5), doubles(1.3)).exp().sum() * 1e-3
        assert mass.item() == pytest.approx(1, abs=1e-3)


def test_no_place_is_impossible() -> None:
    # The released code has −∞ there, and puts −1000 in its place.
    z = torch.tensor([[1e30], [0.0], [float(np.finfo(np.float32).max)]])
    for shape in (0.2, 2.0, 10.0):
        assert generalised_normal(z, doubles(shape), doubles(0), doubles(1e-6)).isfinite().all()


def test_generalised_normals_are_fitted_column_by_column() -> None:
    rng = np.random.default_rng(0)
    codes = np.stack([rng.normal(3, 2, 4000), rng.laplace(-1, 0.5, 4000)], 1)
    shape, location, scale = fit_generalised_normal(codes)
    assert shape == pytest.approx([2, 1], rel=0.15)
    assert location == pytest.approx([3, -1], abs=0.15)
    assert scale == pytest.approx([2 * math.sqrt(2), 0.5], rel=0.15)


def test_fits_are_bounded_where_there_is_no_best_one() -> None:
    # The more β the better for uniform codes, and the less α for a constant one.
    rng = np.random.default_rng(0)
    codes = np.stack([rng.uniform(-1, 1, 500), np.full(500, 2.0), np.where(np.arange(500), 0.0, 1e3)], 1)
    found = fit_generalised_normal(codes)
    assert np.isfinite(found).all()
    assert found[0].min() >= 0.2
    assert found[0, 0] == 10
    assert found[2].min() >= 1e-6
    assert found[1, 1] == pytest.approx(2, abs=1e-3)


# ---- off the manifold ---------------------------------------------------------------------------------------------

EDGES, HEIGHTS = doubles(1, 2, 3), doubles(0.25, 0.75)


def test_the_density_off_the_manifold_by_hand() -> None:
    # N = 3: 1 / (4 π d²), one over the sphere's surface; N = 2: 1 / (2 π d); times r(d).
    d = doubles(1.5, 2.5)
    expected = [math.log(0.25 / (4 * math.pi * 1.5**2)), math.log(0.75 / (4 * math.pi * 2.5**2))]
    assert values(log_perpendicular(d, EDGES, HEIGHTS, 3.0)) == pytest.approx(expected)
    expected = [math.log(0.25 / (2 * math.pi * 1.5)), math.log(0.75 / (2 * math.pi * 2.5))]
    assert values(log_perpendicular(d, EDGES, HEIGHTS, 2.0)) == pytest.approx(expected)
    # N = 1: both ends of an interval, r / 2.
    assert values(log_perpendicular(d, EDGES, HEIGHTS, 1.0)) == pytest.approx([math.log(0.125), math.log(0.375)])


def test_the_dimensions_off_the_manifold_are_what_the_code_leaves() -> None:
    assert codimension(784, 16) == 768
    assert codimension(784, 16, 0.2) == pytest.approx(153.6)  # the released code's
    assert codimension(5, 16) == codimension(16, 16) == codimension(5, 2, 0.2) == 1


def test_beyond_the_histogram_no_two_distances_are_alike() -> None:
    # N = 1 leaves r alone. It starts as its first bin and falls by e with every width of 1 beyond 3.
    found = log_perpendicular(doubles(0.0, 0.9, 1.1, 3.0, 4.0, 5.5), EDGES, HEIGHTS, 1.0) + math.log(2)
    expected = [math.log(0.25)] * 3 + [math.log(0.75) - beyond for beyond in (0, 1, 2.5)]
    assert values(found) == pytest.approx(expected)


def test_a_perfect_reconstruction_has_a_finite_density() -> None:
    found = log_perpendicular(doubles(0.0, 1e-9, 1e30), EDGES, HEIGHTS, 768.0)
    assert found.isfinite().all()
    assert found[0] == found[1] > found[2]


def test_an_empty_bin_counts_as_half_a_row() -> None:
    # Two of four in [0, 1), one in [1, 2), none in [2, 3), one in [3, 4].
    edges, heights = histogram(np.array([0.0, 0.5, 1.0, 4.0]), 4)
    assert edges.tolist() == [0, 1, 2, 3, 4]
    assert heights.tolist() == [0.5, 0.25, 0.125, 0.25]
    # A width of ½ doubles densities.
    assert histogram(np.array([0.0, 0.0, 1.0, 1.0]), 2)[1].tolist() == [1, 1]
    assert np.isfinite(histogram(np.full(3, 7.0), 5)[1]).all()


# ---- the method ---------------------------------------------------------------------------------------------------


def linear(stretch: float = 1.0) -> Any:
    """E(x) = (x₁, x₂) / stretch, G(z) = (stretch z, 0): x₃ is lost. p_Z is N(0, 1)², r as above."""
    return SimpleNamespace(
        encoder=lambda x: x[:, :2] / stretch,
        generator=lambda z: torch.cat([stretch * z, torch.zeros_like(z[:, :1])], 1),
        discriminator=Summing(1.0),
        latent_discriminator=Summing(-2.0),
        density=Statistic(
            shape=doubles(2, 2),
            location=doubles(0, 0),
            scale=doubles(math.sqrt(2), math.sqrt(2)),
            edges=EDGES,
            heights=HEIGHTS,
        ),
    )


def step(x: list[list[float]], z: list[list[float]]) -> Batch:
    return Batch(torch.tensor(x), 0, 0, 0.0, 1, lambda n: torch.tensor(z))


def real(logit: float) -> Any:
    """−log σ(logit)."""
    return pytest.approx([math.log1p(math.exp(-logit))], rel=1e-4)


def test_the_players_move_in_the_printed_order() -> None:
    (stage,) = GPND().stages()
    moved = [player.nets for player in stage.players]
    assert moved == [("discriminator",), ("generator",), ("latent_discriminator",), ("encoder", "generator")]
    assert not any(player.shares for player in stage.players)  # four optimisers


def test_the_first_two_players_are_a_plain_gan() -> None:
    # D_x(x): 1 + 2 + 3; G(z) = (.5, −1, 0): −.5.
    batch = step([[1.0, 2.0, 3.0]], [[0.5, -1.0]])
    judge, imitate = GPND().stages()[0].players[:2]
    found = judge.loss(linear(), batch)
    assert values(found["real"]) == real(6)
    assert values(found["fake"]) == real(0.5)
    assert values(imitate.loss(linear(), batch)["adversarial"]) == real(-0.5)


def test_terms_of_the_latent_game_and_of_the_autoencoder() -> None:
    # D_z: the prior's (.5, −1) is real, logit 1; the code (1, 2) is fake, logit −6.
    batch = step([[1.0, 2.0, 3.0]], [[0.5, -1.0]])
    found = GPND().latent_loss(linear(), batch)
    assert values(found["real"]) == real(1)
    assert values(found["fake"]) == real(6)
    # E fools D_z; x̂ = (1, 2, 0): 2 · 9 / 3.
    found = GPND().autoencoder_loss(linear(), batch)
    assert values(found["latent"]) == real(-6)
    assert values(found["residual"]) == pytest.approx([6.0])
    assert values(GPND(residual_weight=5.0).autoencoder_loss(linear(), batch)["residual"]) == pytest.approx([15.0])
    other = GPND(residual_distance="l1").autoencoder_loss(linear(), batch)
    assert values(other["residual"]) == pytest.approx([6.0])  # 2 · 3


def test_the_encoder_is_moved_towards_the_prior_and_towards_the_row() -> None:
    # E(x) = e x, G(z) = z, D_z's logit −2 Σ z: −log σ(−2 · 3 e) grows with e at 1; (1 − e)² falls with e at ½.
    e = torch.tensor(0.5, requires_grad=True)
    nets = SimpleNamespace(encoder=lambda x: e * x, generator=lambda z: z, latent_discriminator=Summing(-2.0))
    batch = step([[1.0, 2.0]], [[0.0, 0.0]])
    terms = GPND().autoencoder_loss(nets, batch)
    (latent,) = torch.autograd.grad(terms["latent"].sum(), e, retain_graph=True)
    (residual,) = torch.autograd.grad(terms["residual"].sum(), e)
    assert float(latent) == pytest.approx(6 / (1 + math.exp(-3)), rel=1e-5)
    # 2 · mean of (1 − e)² (1, 4): slope −2 · 5 (1 − e).
    assert float(residual) == pytest.approx(-5, rel=1e-5)


def test_parts_of_gpnd() -> None:
    # x = (1, 2, 1.5): z = (1, 2) / 2, d = 1.5. −log p_∥ = log 2 + log 2 + ½ (¼ + 1) + log 2π; N = 1, r = ¼.
    found = GPND(latent_dim=2).score_parts(linear(2.0), torch.tensor([[1.0, 2.0, 1.5]]))
    assert values(found["parallel"]) == pytest.approx([2 * math.log(2) + 0.625 + LOG_2PI])
    assert values(found["perpendicular"]) == pytest.approx([-math.log(0.125)])
    assert values(found["residual"]) == pytest.approx([1.5])
    assert GPND.scores["likelihood"] == {"parallel": 1.0, "perpendicular": 1.0}
    assert next(iter(GPND.scores)) == "likelihood"


def test_the_stretch_of_the_decoder_and_of_the_encoder_have_opposite_signs() -> None:
    # The same volume of codes spread over more of the space is less likely: 2 log s. The released code takes the
    # encoder's 1 / s with the decoder's sign.
    x = torch.tensor([[0.0, 0.0, 1.5]])

    def parallel(jacobian: str, stretch: float) -> float:
        return GPND(latent_dim=2, jacobian=jacobian).score_parts(linear(stretch), x)["parallel"].item()

    assert parallel("decoder", 3.0) - parallel("decoder", 1.0) == pytest.approx(2 * math.log(3))
    assert parallel("encoder", 3.0) - parallel("encoder", 1.0) == pytest.approx(-2 * math.log(3))


def test_power_weighs_the_distance() -> None:
    # Twenty columns, two in the code: N = 18, or 3.6 with the released power.
    def perpendicular(power: float, d: float) -> float:
        nets = linear()
        nets.generator = lambda z: torch.cat([z, torch.zeros(len(z), 18)], 1)
        x = torch.zeros(1, 20)
        x[0, -1] = d
        return GPND(latent_dim=2, power=power).score_parts(nets, x)["perpendicular"].item()

    for power, n in ((1.0, 18.0), (0.2, 3.6)):
        assert perpendicular(power, 1.8) - perpendicular(power, 1.2) == pytest.approx((n - 1) * math.log(1.5), rel=1e-4)


def test_what_the_score_is_fitted_by_is_of_all_training_rows() -> None:
    det = GPND(epochs=2, latent_dim=2, random_state=0, bins=7).fit(X)
    z, d = det.encode(X), det.parts(X)["residual"]
    held = det.nets_.density
    expected = (*fit_generalised_normal(z), *histogram(d, 7))
    for name, value in zip(("shape", "location", "scale", "edges", "heights"), expected, strict=True):
        np.testing.assert_allclose(getattr(held, name).numpy(), value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("latent_dim", [4, 5, 16])
@pytest.mark.parametrize("jacobian", ["decoder", "encoder"])
def test_scores_are_finite_whatever_the_code_and_the_row(latent_dim: int, jacobian: str) -> None:
    det = GPND(epochs=1, latent_dim=latent_dim, random_state=0, jacobian=jacobian).fit(X)
    far = np.concatenate([X * 10.0**power for power in (0, 3, 9)])
    parts = det.parts(far)
    assert all(np.isfinite(part).all() for part in parts.values())
    # What lies further off is less likely, all the way.
    off = parts["perpendicular"].reshape(3, -1)
    assert (off[1] > off[0]).all()
    assert (off[2] > off[1]).all()


def test_rows_that_are_all_alike_have_finite_scores() -> None:
    same = np.repeat(np.arange(5.0)[None], 20, 0)
    with pytest.warns(ConstantColumns):
        det = GPND(epochs=1, latent_dim=2, random_state=0).fit(same)
    assert np.isfinite(det.anomaly_score(X)).all()


def test_pictures_are_scored_row_by_row_to_the_bit() -> None:
    images = np.random.default_rng(0).uniform(size=(20, 2, 9, 8))
    det = GPND(epochs=1, latent_dim=3, random_state=0).fit(images)
    scores = det.anomaly_score(images)
    order = np.random.default_rng(1).permutation(20)
    assert np.array_equal(det.anomaly_score(images[order]), scores[order])
    assert np.array_equal(det.anomaly_score(images[7:8]), scores[7:8])


def test_categories_have_a_stretch_too() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=60), "b": rng.choice(["x", "y", "z"], 60)})
    det = GPND(epochs=2, latent_dim=2, random_state=0).fit(frame)
    assert np.isfinite(det.anomaly_score(frame)).all()


def test_codes_that_are_no_numbers_are_told_as_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = GPND.finish

    def spoilt(self: GPND, nets: Any, rows: Any) -> None:
        for p in nets.encoder.parameters():
            p.fill_(float("nan"))
        finish(self, nets, rows)

    monkeypatch.setattr(GPND, "finish", spoilt)
    with pytest.raises(TrainingDiverged, match="scores became NaN"):
        GPND(epochs=1, random_state=0).fit(X)
