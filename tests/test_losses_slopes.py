"""Which way the losses of ALAD, GANomaly, Skip-GANomaly, f-AnoGAN and DAGMM move which weight, worked out by hand.

Every network is one weight, so that a slope is one number. Where D's logit is log 3 · t, D is ¼, ½ and ¾ at t = −1, 0
and 1: −log D has the slope −(1 − D) log 3 in t, and −log(1 − D) has D log 3.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from golden import APPROX, LOG3, Judge, batch
from ringfence import ALAD, DAGMM, FAnoGAN, GANomaly, SkipGANomaly


def weight(value: float) -> Tensor:
    return torch.tensor(value, requires_grad=True)


def slopes(found: Mapping[str, Tensor], *weights: Tensor) -> dict[str, list[float]]:
    """The slope of the mean of each term in each weight, 0 where a term knows nothing of it."""
    each = {k: torch.autograd.grad(v.mean(), weights, allow_unused=True, retain_graph=True) for k, v in found.items()}
    return {name: [0.0 if s is None else s.item() for s in row] for name, row in each.items()}


def near(**expected: list[float]) -> dict[str, Any]:
    return {name: pytest.approx(row, **APPROX) for name, row in expected.items()}


# ---- ALAD ---------------------------------------------------------------------------------------------------------


def test_alad_brings_rows_and_latent_vectors_back_and_each_discriminator_learns_from_its_own_pairs() -> None:
    # E(x) = e x, G(z) = g z, e = g = 2. Logits: log 3 a (x − z), log 3 b (x − x') / 3, log 3 c (z − z') / 3, a = b =
    # c = 1. x = z = 1: (x, E(x)) = (1, 2) has t = −1, (G(z), z) = (2, 1) has 1, (x, G(E(x))) = (1, 4) and
    # (z, E(G(z))) = (1, 4) have −1, (x, x) and (z, z) 0.
    e, g, a, b, c = weight(2.0), weight(2.0), weight(1.0), weight(1.0), weight(1.0)
    nets = SimpleNamespace(
        encoder=lambda x: e * x,
        generator=lambda z: g * z,
        discriminator=Judge(lambda x, z: LOG3 * a * (x - z)[:, 0]),
        discriminator_xx=Judge(lambda x, y: LOG3 * b * (x - y)[:, 0] / 3),
        discriminator_zz=Judge(lambda z, w: LOG3 * c * (z - w)[:, 0] / 3),
    )
    step = batch([[1.0]], [[1.0]])
    assert slopes(ALAD().generator_loss(nets, step), e, g) == near(
        generator=[0.0, -0.25 * LOG3],  # −(1 − ¾) log 3 · z: G goes where D_xz takes its pair for (x, E(x))
        encoder=[-0.25 * LOG3, 0.0],  # ¼ log 3 · −x: E goes where D_xz takes its pair for (G(z), z)
        cycle_xx=[0.5 * LOG3, 0.5 * LOG3],  # −(1 − ¼) log 3 · −g / 3 and · −e / 3: x' = 4 comes down towards x = 1
        cycle_zz=[0.5 * LOG3, 0.5 * LOG3],
    )
    assert slopes(ALAD().discriminator_loss(nets, step), a, b, c) == near(
        xz_real=[0.75 * LOG3, 0.0, 0.0],  # −(1 − ¼) log 3 · −1
        xz_fake=[0.75 * LOG3, 0.0, 0.0],  # ¾ log 3
        xx_real=[0.0, 0.0, 0.0],
        xx_fake=[0.0, -0.25 * LOG3, 0.0],  # ¼ log 3 · −1: a larger b lowers D at the fake pair
        zz_real=[0.0, 0.0, 0.0],
        zz_fake=[0.0, 0.0, -0.25 * LOG3],
    )


# ---- GANomaly -----------------------------------------------------------------------------------------------------


def test_ganomaly_moves_reconstructions_and_codes_towards_each_other() -> None:
    # G_E(x) = e x, G_D(z) = g z, E(x̂) = h x̂, D's logit log 3 (k x − 1), its feature x: x = 1, z = 2, x̂ = 2, ẑ = 6.
    e, g, h, k = weight(2.0), weight(1.0), weight(3.0), weight(1.0)
    nets = SimpleNamespace(
        encoder=lambda x: e * x,
        generator=lambda z: g * z,
        second_encoder=lambda x: h * x,
        discriminator=Judge(lambda x: LOG3 * (k * x[:, 0] - 1)),
    )
    step = batch([[1.0]])
    assert slopes(GANomaly().generator_loss(nets, step), e, g, h) == near(
        adversarial=[2.0, 4.0, 0.0],  # (1 − g e)²: 2 (g e − 1) g and · e; D's verdict is in none of them
        residual=[50.0, 100.0, 0.0],  # 50 |1 − g e|
        code=[16.0, 48.0, 16.0],  # (e − h g e)²: 2 · −4 · (1 − h g), · −h e, · −g e
    )
    assert slopes(GANomaly().discriminator_loss(nets, step), k) == near(real=[-0.5 * LOG3], fake=[1.5 * LOG3])


# ---- Skip-GANomaly ------------------------------------------------------------------------------------------------


def test_skip_ganomaly_fools_d_and_comes_back_to_the_row() -> None:
    # G(x) = g x, D's logit log 3 (k x − 1), its feature a x: x = 1, x̂ = 2, where D is ½ and ¾.
    g, k, a = weight(2.0), weight(1.0), weight(1.0)
    nets = SimpleNamespace(
        generator=lambda x: g * x, discriminator=Judge(lambda x: LOG3 * (k * x[:, 0] - 1), lambda x: a * x)
    )
    step = batch([[1.0]])
    assert slopes(SkipGANomaly().generator_loss(nets, step), g) == near(
        adversarial=[-0.25 * LOG3],  # up, where D takes x̂ for a row; the other two pull it down to x
        residual=[50.0],
        latent=[2.0],  # 2 (g − 1)
    )
    judge = {"real": [-0.5 * LOG3, 0.0], "fake": [1.5 * LOG3, 0.0]}
    assert slopes(SkipGANomaly().discriminator_loss(nets, step), k, a) == near(**judge)
    # As released D takes its feature down to 0, where x and x̂ are alike: a² (1 − g)².
    released = SkipGANomaly(latent_in_discriminator=True).discriminator_loss(nets, step)
    assert slopes(released, k, a) == near(**judge, latent=[0.0, 2.0])


# ---- f-AnoGAN -----------------------------------------------------------------------------------------------------


def test_the_critic_the_generator_and_then_the_encoder_of_f_anogan_go_their_ways() -> None:
    # G(z) = g z, E(x) = e x, D = k x, its feature x; x = 1, z = 2: G(z) = 4, G(E(x)) = 6, E(G(z)) = 12.
    g, e, k = weight(2.0), weight(3.0), weight(2.0)
    nets = SimpleNamespace(
        generator=lambda z: g * z, encoder=lambda x: e * x, discriminator=Judge(lambda x: k * x[:, 0])
    )
    step = batch([[1.0]], [[2.0]])
    critic, maker = FAnoGAN(penalty=10.0).stages()[0].players
    assert slopes(critic.loss(nets, step), k) == near(
        real=[-1.0],  # −k x: D rises at rows
        fake=[4.0],  # k g z: and falls at what G makes
        penalty=[20.0],  # 10 (k − 1)²: and is held to a slope of 1
    )
    assert slopes(maker.loss(nets, step), g) == near(adversarial=[-4.0])  # −k g z: G goes up with D
    # g e = 6 comes down to 1: (1 − g e)², 2 · 5 · g; in features κ times that; (z − e g z)² is z² = 4 times that.
    for det, expected in [
        (FAnoGAN(kappa=0.5), {"residual": [20.0], "feature": [10.0]}),
        (FAnoGAN(encoder_loss="izi"), {"residual": [20.0]}),
        (FAnoGAN(encoder_loss="ziz"), {"code": [80.0]}),
    ]:
        (encoder,) = det.stages()[1].players
        assert slopes(encoder.loss(nets, step), e) == near(**expected)


# ---- DAGMM --------------------------------------------------------------------------------------------------------

ROWS = [[1.0, 0.5], [0.5, 2.0], [-1.0, 1.0], [2.0, 2.0], [3.0, -1.0], [-2.0, -1.0]]


def test_the_energy_of_dagmm_draws_codes_together_and_its_penalty_holds_them_apart() -> None:
    # E(x) = e x₁, e = 2, and G gives (1, 1) whatever z: e scales the codes alone. Under one Gaussian of the rows' own
    # mean and covariance the mean of the energies is ½ log |Σ| but for a constant, and e is in |Σ| as e²: 1 / e. With
    # v = 73 / 24 the variance of x₁, the penalty has 1 / (e² v): −2 / (e³ v).
    e = weight(2.0)
    nets = SimpleNamespace(
        encoder=lambda x: e * x[:, :1],
        generator=lambda z: torch.ones(len(z), 2),
        estimator=lambda z: torch.zeros(len(z), 1),
    )
    det = DAGMM(latent_dim=1, components=1, energy_weight=0.5, covariance_weight=3.0)
    v = np.var([row[0] for row in ROWS])
    found = slopes(det.mixing(nets, batch(ROWS)), e)
    assert found["energy"] == pytest.approx([0.5 / 2.0], rel=1e-3)  # up to what is added to Σ's diagonal
    assert found["covariance"] == pytest.approx([-3.0 * 2 / (2.0**3 * v)], rel=1e-3)
    # The reconstruction is another matter: ‖x − G(E(x))‖² with G(z) = (g z, 0): Σ over rows of 2 (g e − 1) x₁² g, / 6.
    g = weight(1.0)
    nets.generator = lambda z: torch.cat([g * z, 0 * z], 1)
    square = np.mean([row[0] ** 2 for row in ROWS])
    expected = [2 * square * 1.0, 2 * square * 2.0]
    assert slopes(det.reconstruction(nets, batch(ROWS)), e, g) == {"residual": pytest.approx(expected, **APPROX)}


def test_the_estimator_of_dagmm_goes_where_the_mixture_fits_its_rows_better() -> None:
    # M(z) = (m z₁ + c, 0). With m = 0 all rows are shared alike, both Gaussians are the one of all rows, and however
    # they are shared, the energies are the same: no slope in c. Of two groups that lie apart, m = ½ tells which row is
    # whose: sharper shares give each group a Gaussian of its own, and the energy falls.
    groups = [[x + shift, y] for shift in (-6.0, 6.0) for x, y in ROWS]
    m, c = weight(0.0), weight(0.3)
    nets = SimpleNamespace(
        encoder=lambda x: x[:, :1],
        generator=lambda z: torch.ones(len(z), 2),
        estimator=lambda z: torch.cat([m * z[:, :1] + c, 0 * z[:, :1]], 1),
    )
    det = DAGMM(latent_dim=1, components=2, energy_weight=1.0)
    assert slopes(det.mixing(nets, batch(groups)), c)["energy"] == pytest.approx([0.0], abs=1e-6)
    with torch.no_grad():
        m.fill_(0.5), c.fill_(0.0)
    (slope,) = slopes(det.mixing(nets, batch(groups)), m)["energy"]
    assert slope < 0

    def energies(at: float) -> float:
        """The mean energy by numpy, row by row."""
        x = np.array(groups)
        apart = np.linalg.norm(x - 1, axis=1) / np.linalg.norm(x, axis=1)
        cosine = x.sum(1) / np.linalg.norm(x, axis=1) / np.sqrt(2)
        z, first = np.stack([x[:, 0], apart, cosine], 1), 1 / (1 + np.exp(-at * x[:, 0]))
        density = np.zeros(len(z))
        for share in (first, 1 - first):
            mean = np.average(z, axis=0, weights=share)
            covariance = np.cov(z.T, aweights=share, ddof=0) + 1e-6 * np.eye(3)
            far = np.einsum("ni,ij,nj->n", z - mean, np.linalg.inv(covariance), z - mean)
            density += share.mean() * np.exp(-far / 2) / np.sqrt(np.linalg.det(2 * np.pi * covariance))
        return float(-np.log(density).mean())

    assert slope == pytest.approx((energies(0.501) - energies(0.499)) / 0.002, rel=1e-3)
