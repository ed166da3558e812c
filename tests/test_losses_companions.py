"""Terms and parts of the companions (autoencoders, one-class networks, energies) against numbers worked out by hand."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from golden import APPROX, values
from ringfence import DAGMM, VAE, AutoEncoder, DeepSVDD
from ringfence.distances import gaussian
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch
from ringfence.methods.dagmm import JITTER, energy, mixture_of
from ringfence.methods.vae import LEAST, divergence
from ringfence.networks.normalisation import BatchNorm


def batch(x: list[list[float]], normal: list[list[float]] | None = None, epoch: int = 0, members: int = 1) -> Batch:
    """A step on rows x, whose N(0, 1) noise is `normal`."""
    rows = torch.tensor(x)
    fixed = torch.tensor(normal) if normal is not None else torch.zeros_like(rows)
    return Batch(rows, epoch, 0, 0.0, members, lambda n: fixed[:n], lambda shape: fixed)


# ---- autoencoder --------------------------------------------------------------------------------------------------


def halving() -> Any:
    """E(x) = (x₁, x₂) / 2, G(z) = z: what is lost is half of x."""
    return SimpleNamespace(encoder=lambda x: x / 2, generator=lambda z: z)


@pytest.mark.parametrize(
    ("distance", "expected"),
    # x − G(E(x)) = (3, −4) and (1, 0).
    [
        ("l1", [7.0, 1.0]),
        ("l2", [5.0, 1.0]),
        ("l2_squared", [25.0, 1.0]),
        ("linf", [4.0, 1.0]),
        ("mean_absolute", [3.5, 0.5]),
        ("mean_squared", [12.5, 0.5]),
    ],
)
def test_an_autoencoder_learns_and_scores_its_distance(distance: str, expected: list[float]) -> None:
    x = [[6.0, -8.0], [2.0, 0.0]]
    det = AutoEncoder(distance=distance)
    assert values(det.loss(halving(), batch(x))["residual"]) == pytest.approx(expected)
    assert values(det.score_parts(halving(), torch.tensor(x))["residual"]) == pytest.approx(expected)


def test_an_autoencoder_scores_squares_unless_told_otherwise() -> None:
    assert values(AutoEncoder().score_parts(halving(), torch.tensor([[6.0, -8.0]]))["residual"]) == [25.0]


# ---- variational autoencoder --------------------------------------------------------------------------------------

LOG_2PI = math.log(2 * math.pi)


def gauss_nets() -> Any:
    """E: μ_z = x₁, σ_z = 2; decoder: μ = (z, 2z), σ = 2 in both columns (softplus⁻¹(1.9) = log(e^1.9 − 1))."""
    return SimpleNamespace(
        encoder=lambda x: torch.stack([x[:, 0], torch.full_like(x[:, 0], math.log(math.expm1(2 - LEAST)))], 1),
        generator=lambda z: torch.cat([z, 2 * z], 1),
        deviation=lambda z: torch.full((len(z), 2), math.log(math.expm1(1.9))),
        draws=SimpleNamespace(noise=torch.tensor([[0.0], [0.5]])),
    )


def test_a_gaussians_surprise_by_hand() -> None:
    # (1 − 0) / 2 and (5 − 2) / 3: ½ (¼ + 1) + log 2 + log 3 + log 2π.
    found = gaussian(torch.tensor([[1.0, 5.0]]), torch.tensor([[0.0, 2.0]]), torch.tensor([[2.0, 3.0]]))
    assert values(found) == pytest.approx([0.625 + math.log(6) + LOG_2PI], **APPROX)


def test_a_gaussian_leaves_categories_to_their_cross_entropy() -> None:
    # One number at its mean with σ 1, and a category of two with probability ¼: ½ log 2π + log 4, whatever σ it has.
    x, mean = torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[3.0, 0.25, 0.75]])
    found = gaussian(x, mean, torch.tensor([[1.0, 9.0, 9.0]]), [(1, 3)])
    assert values(found) == pytest.approx([LOG_2PI / 2 + math.log(4)], **APPROX)


def test_kl_by_hand() -> None:
    # ½ (μ² + σ² − 1 − log σ²): ½ (9 + 4 − 1 − log 4) and, at N(0, 1), 0; it is a sum over z.
    found = divergence(torch.tensor([[3.0, 0.0], [0.0, 0.0]]), torch.tensor([[2.0, 1.0], [1.0, 1.0]]))
    assert values(found) == pytest.approx([6 - math.log(2), 0.0], **APPROX)


def test_a_vae_learns_the_negative_elbo_with_one_draw() -> None:
    # μ_z = 1, σ_z = 2, ε = ½: z = 2, decoded to (2, 4), σ 2. x = (1, 4): ½ · (½)² + 2 log 2 + log 2π.
    found = VAE(latent_dim=1, least_deviation=0.1).loss(gauss_nets(), batch([[1.0, 4.0]], [[0.5]]))
    assert list(found) == ["reconstruction", "kl"]
    assert values(found["reconstruction"]) == pytest.approx([0.125 + 2 * math.log(2) + LOG_2PI], **APPROX)
    assert values(found["kl"]) == pytest.approx([0.5 * (1 + 4 - 1 - math.log(4))], **APPROX)


def test_parts_of_a_vae() -> None:
    # ε = 0: z = 1, μ = (1, 2), x = (1, 4): ½ · 1; ε = ½ as above: ⅛. Their mean is 5/16; the mean of densities is not.
    found = VAE(latent_dim=1, least_deviation=0.1).score_parts(gauss_nets(), torch.tensor([[1.0, 4.0]]))
    assert values(found["recon_prob"]) == pytest.approx([5 / 16 + 2 * math.log(2) + LOG_2PI], **APPROX)
    assert values(found["kl"]) == pytest.approx([0.5 * (1 + 4 - 1 - math.log(4))], **APPROX)
    # |1 − 1| + |4 − 2|, at the mean code.
    assert values(found["residual"]) == pytest.approx([2.0])
    assert VAE.scores["elbo"] == {"recon_prob": 1.0, "kl": 1.0}
    assert next(iter(VAE.scores)) == "recon_prob"


def test_the_floor_of_a_vaes_deviation_is_added() -> None:
    nets = gauss_nets()
    nets.deviation = lambda z: torch.full((len(z), 2), -1e4)  # softplus 0: σ = σ_min
    nets.draws.noise = torch.tensor([[0.0]])
    found = VAE(latent_dim=1, least_deviation=0.5).score_parts(nets, torch.tensor([[1.0, 3.0]]))
    # (3 − 2) / .5 = 2: ½ · 4 + 2 log ½ + log 2π
    assert values(found["recon_prob"]) == pytest.approx([2 - 2 * math.log(2) + LOG_2PI], **APPROX)


def test_draws_of_a_vae_are_those_of_its_seed_and_stay_as_they_are() -> None:
    X = np.random.default_rng(0).normal(size=(30, 4))
    one, two = (VAE(epochs=1, random_state=seed, latent_dim=3, samples=5).fit(X) for seed in (0, 1))
    assert one.nets_.draws.noise.shape == (5, 3)
    assert not torch.equal(one.nets_.draws.noise, two.nets_.draws.noise)
    with pytest.raises(InvalidParameter, match="unknown prior 'uniform'"):
        VAE(prior="uniform").fit(X)


# ---- Deep SVDD ----------------------------------------------------------------------------------------------------


def sphere(centre: list[Any], radius_squared: float = 0.0) -> Any:
    """φ(x) = x about a centre."""
    held = SimpleNamespace(centre=torch.tensor(centre), radius_squared=torch.tensor(radius_squared))
    return SimpleNamespace(encoder=nn.Identity(), sphere=held)


def test_deep_svdd_learns_squared_distances_to_the_centre() -> None:
    # (3, 4) and (0, 1) about (0, 0): 25 and 1, no root.
    found = DeepSVDD().loss(sphere([0.0, 0.0]), batch([[3.0, 4.0], [0.0, 1.0]]))
    assert {k: values(v) for k, v in found.items()} == {"distance": [25, 1]}


def test_the_soft_boundary_is_eq_3() -> None:
    # Squared distances 0, 1, 4, 9, 16 and ν = .4: R² is 9, two of five are not below it (place ⌊.6 · 5⌋ = 3);
    # beyond it lies 16 − 9 = 7, which weighs 1 / .4.
    rows = [[0.0], [1.0], [2.0], [3.0], [4.0]]
    nets = sphere([0.0])
    late = replace(batch(rows), progress=0.5)
    det = DeepSVDD(objective="soft_boundary", nu=0.4, warm_up=0.1)
    found = det.loss(nets, late)
    assert values(found["radius"]) == [9] * 5
    assert values(found["beyond"]) == pytest.approx([0, 0, 0, 0, 17.5])
    # While it warms up R = 0: all distances weigh 1 / ν.
    early = det.loss(nets, batch(rows))
    assert values(early["radius"]) == [0] * 5
    assert values(early["beyond"]) == pytest.approx([0, 2.5, 10, 22.5, 40])


def test_the_radius_is_held_still_while_the_network_learns() -> None:
    # d/dx of (x² − R²) / ν for the farthest row alone: 2 · 4 / .4 = 20; through R² the row at it would move as well.
    x = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0]], requires_grad=True)
    det = DeepSVDD(objective="soft_boundary", nu=0.4, warm_up=0.0)
    found = det.loss(sphere([0.0]), replace(batch([[0.0]]), x=x))
    (slope,) = torch.autograd.grad(torch.stack(list(found.values())).sum(), x)
    assert values(slope[:, 0]) == pytest.approx([0, 0, 0, 0, 20])


def test_the_radius_is_each_members_own() -> None:
    two = replace(batch([[0.0], [1.0], [0.0], [10.0]], members=2), progress=1.0)
    found = DeepSVDD(objective="soft_boundary", nu=0.5).loss(sphere([[0.0], [0.0]]), two)
    assert values(found["radius"]) == [1, 1, 100, 100]


def test_parts_of_deep_svdd() -> None:
    found = DeepSVDD().score_parts(sphere([1.0, 0.0], 5.0), torch.tensor([[4.0, 4.0], [1.0, 0.0]]))
    assert {k: values(v) for k, v in found.items()} == {"distance": [25, 0], "boundary": [20, -5]}


def test_the_centre_is_the_mean_and_keeps_off_zero() -> None:
    nets = sphere([0.0] * 4)
    DeepSVDD().centred(nets, torch.tensor([[1.0, 0.01, -0.09, -3.0], [3.0, 0.03, -0.01, -1.0]]))
    # Means 2, .02, −.05, −2: the two near 0 are put at ±.1.
    assert values(nets.sphere.centre) == pytest.approx([2, 0.1, -0.1, -2])


@pytest.mark.parametrize("shape", [(64,), (16, 16)])
def test_nothing_in_the_network_of_deep_svdd_can_shift(shape: tuple[int, ...]) -> None:
    X = np.random.default_rng(0).normal(size=(20, *shape))
    det = DeepSVDD(epochs=1, random_state=0).fit(X)
    assert not [name for name, _ in det.nets_.encoder.named_parameters() if name.endswith("bias")]
    norms = [m for m in det.nets_.encoder.modules() if isinstance(m, BatchNorm)]
    assert all(m.weight is None and m.eps == 1e-4 for m in norms)
    assert bool(norms) == (len(shape) == 2)


def test_the_centre_is_set_once_after_the_pretraining() -> None:
    X = np.random.default_rng(0).normal(size=(40, 5))
    det = DeepSVDD(epochs=2, random_state=0, pretrain_epochs=3).fit(X)
    assert [entry["stage"] for entry in det.history_] == ["pretrain"] * 3 + ["train"] * 2
    assert (det.nets_.sphere.centre.abs() >= 0.1 - 1e-6).all()
    alone = DeepSVDD(epochs=2, random_state=0, pretrain_epochs=0).fit(X)
    assert {entry["stage"] for entry in alone.history_} == {"train"}
    assert not hasattr(alone.nets_, "generator")
    untrained = DeepSVDD(random_state=0).fit_untrained(X)
    assert untrained.nets_.sphere.centre.any()


def test_the_radius_of_the_score_leaves_nu_of_the_training_rows_beyond() -> None:
    X = np.random.default_rng(0).normal(size=(200, 5))
    det = DeepSVDD(epochs=1, random_state=0, nu=0.2, score_kind="boundary").fit(X)
    assert (det.anomaly_score(X) > 0).sum() == pytest.approx(40, abs=1)


# ---- DAGMM --------------------------------------------------------------------------------------------------------


def test_a_mixture_by_hand() -> None:
    # Rows 0, 2, 10 belong wholly, wholly and half to the first: φ₁ = 2.5 / 3, μ₁ = (0 + 2 + 5) / 2.5 = 2.8 and
    # Σ₁ = (2.8² + .8² + ½ 7.2²) / 2.5 = 13.76; the second has half of the row 10 alone: φ₂ = ⅙, μ₂ = 10, Σ₂ = 0.
    z = torch.tensor([[0.0], [2.0], [10.0]], dtype=torch.float64)
    shares = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
    weight, mean, covariance = mixture_of(z, shares)
    assert values(weight) == pytest.approx([2.5 / 3, 0.5 / 3])
    assert values(mean.flatten()) == pytest.approx([2.8, 10])
    assert values(covariance.flatten() - JITTER) == pytest.approx([13.76, 0], abs=1e-9)


def test_a_covariance_has_its_products() -> None:
    # (1, 2) and (−1, −2) about 0: Σ = ((1, 2), (2, 4)).
    z = torch.tensor([[1.0, 2.0], [-1.0, -2.0]], dtype=torch.float64)
    covariance = mixture_of(z, torch.ones(2, 1, dtype=torch.float64))[2][0]
    assert covariance.tolist() == pytest.approx(np.array([[1 + JITTER, 2], [2, 4 + JITTER]]))


def test_energy_by_hand() -> None:
    # One Gaussian, Σ = diag(4, 1), at (2, 1) from its mean: ½ (1 + 1) + ½ log |2πΣ| = 1 + log 2π + ½ log 4.
    z = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    one = (torch.ones(1).double(), torch.zeros(1, 2).double(), torch.diag(torch.tensor([4.0, 1.0])).double()[None])
    assert values(energy(z, one)) == pytest.approx([1 + LOG_2PI + math.log(2)])
    # Correlated: Σ = ((2, 1), (1, 2)), |Σ| = 3, Σ⁻¹ = ((2, −1), (−1, 2)) / 3: (1, 0)ᵀ Σ⁻¹ (1, 0) = ⅔.
    other = (one[0], one[1], torch.tensor([[[2.0, 1.0], [1.0, 2.0]]]).double())
    found = energy(torch.tensor([[1.0, 0.0]]).double(), other)
    assert values(found) == pytest.approx([1 / 3 + LOG_2PI + math.log(3) / 2])
    # Weights ¼ and ¾ of the standard normal at 0 and at 1, seen from 0: −log (¼ + ¾ e^−½) + ½ log 2π.
    two = (torch.tensor([0.25, 0.75]).double(), torch.tensor([[0.0], [1.0]]).double(), torch.ones(2, 1, 1).double())
    found = energy(torch.zeros(1, 1).double(), two)
    assert values(found) == pytest.approx([LOG_2PI / 2 - math.log(0.25 + 0.75 * math.exp(-0.5))])


def test_energies_do_not_saturate() -> None:
    # A released code adds 1e-12 inside the logarithm and calls everything beyond 27.6 alike.
    one = (torch.ones(1).double(), torch.zeros(1, 1).double(), torch.ones(1, 1, 1).double())
    far = values(energy(torch.tensor([[10.0], [100.0]]).double(), one))
    assert far == pytest.approx([50 + LOG_2PI / 2, 5000 + LOG_2PI / 2])


def mixing_nets() -> Any:
    """E(x) = x₁, G(z) = (z, 0), and an estimator that can't tell."""
    return SimpleNamespace(
        encoder=lambda x: x[:, :1],
        generator=lambda z: torch.cat([z, torch.zeros_like(z)], 1),
        estimator=lambda z: torch.zeros(len(z), 1),
    )


def test_what_dagmm_describes_rows_by() -> None:
    # x = (3, 4), x' = (3, 0): code 3, relative error 4 / 5, cosine 9 / (5 · 3).
    z = DAGMM().described(mixing_nets(), torch.tensor([[3.0, 4.0]]))
    assert values(z) == [pytest.approx([3, 0.8, 0.6])]


def test_terms_of_dagmm_have_their_weights() -> None:
    rows = torch.tensor([[3.0, 4.0], [1.0, 0.0], [-2.0, 1.0]])
    det = DAGMM(components=1)
    found = det.loss(mixing_nets(), batch(rows.tolist()))
    assert values(found["residual"]) == [16, 0, 1]
    z = det.described(mixing_nets(), rows).double()
    held = mixture_of(z, torch.ones(3, 1).double())
    assert values(found["energy"]) == pytest.approx([0.1 * e for e in values(energy(z, held))])
    variances = z.numpy().var(0) + JITTER
    assert values(found["covariance"]) == pytest.approx([0.005 * float((1 / variances).sum())] * 3)
    heavier = DAGMM(components=1, energy_weight=1, covariance_weight=1).loss(mixing_nets(), batch(rows.tolist()))
    assert values(heavier["covariance"] / found["covariance"]) == pytest.approx([200] * 3)


def test_the_mixture_of_the_score_is_that_of_all_training_rows() -> None:
    # Both released codes score with the mixture of the last batch.
    X = np.random.default_rng(0).normal(size=(70, 5))
    det = DAGMM(epochs=2, random_state=0, batch_size=16, latent_dim=2).fit(X)
    rows = det.preprocess_.tensor(X)
    with torch.no_grad():
        z = det.described(det.nets_, rows)
        weight, mean, covariance = mixture_of(z.double(), torch.softmax(det.nets_.estimator(z), 1).double())
    held = det.nets_.mixture
    for one, other in ((held.weight, weight), (held.mean, mean), (held.covariance, covariance)):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_dagmm_apart_learns_the_autoencoder_first() -> None:
    X = np.random.default_rng(0).normal(size=(40, 5))
    det = DAGMM(epochs=2, random_state=0, joint=False, latent_dim=2).fit(X)
    assert [list(e)[2:] for e in det.history_[::2]] == [
        ["encoder.residual"],
        ["estimator.energy", "estimator.covariance"],
    ]
