"""Terms and parts of the adversarial autoencoder against numbers worked out by hand."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from golden import APPROX, LOG2, LOG3, LOG4, Judge, batch, terms, values
from ringfence import AAE
from ringfence.exceptions import InvalidParameter
from ringfence.game import PRIORS, Optim, stream
from ringfence.losses import Wasserstein
from ringfence.methods.aae import UNLIKELY, half_square


def nets(at: Tensor | None = None) -> Any:
    """E(x) = at · x₁ (`at` is 1), G(z) = (z, 2z), D_z's logit is z · log 3."""
    at = torch.tensor(1.0) if at is None else at
    return SimpleNamespace(
        encoder=lambda x: at * x[:, :1],
        generator=lambda z: torch.cat([z, 2 * z], 1),
        latent_discriminator=Judge(lambda z: z[:, 0] * LOG3),
    )


# E(x) = 1 and −1: G gives (1, 2) and (−1, −2), apart from x by (0, 3) and (0, −4). D_z is ¾ and ¼ at the codes, and ½
# and ¾ at the draws 0 and 1.
X = [[1.0, 5.0], [-1.0, -6.0]]
BATCH = batch(X, [[0.0], [1.0]])


def test_an_adversarial_autoencoder_has_three_moves() -> None:
    assert terms(AAE(), nets(), BATCH) == {
        "generator.residual": pytest.approx([9.0, 16.0]),
        "latent_discriminator.real": pytest.approx([LOG2, LOG4 - LOG3], **APPROX),  # −log ½, −log ¾: draws are real
        "latent_discriminator.fake": pytest.approx([LOG4, LOG4 - LOG3], **APPROX),  # −log(1 − ¾), −log(1 − ¼)
        "encoder.adversarial": pytest.approx([LOG4 - LOG3, LOG4], **APPROX),  # −log ¾, −log ¼
    }


def test_the_moves_of_an_adversarial_autoencoder_and_their_rates() -> None:
    players = AAE(lr=3e-3, beta1=0.4, beta2=0.8).stages()[0].players
    assert [p.nets for p in players] == [("generator", "encoder"), ("latent_discriminator",), ("encoder",)]
    assert [p.optim for p in players] == [Optim("adam", 3e-3, (0.4, 0.8))] * 3
    slower = AAE(lr=3e-3, adversarial_lr=1e-4).stages()[0].players
    assert [p.optim.lr for p in slower] == [3e-3, 1e-4, 1e-4]


def test_the_encoder_goes_where_its_judge_takes_codes_for_draws() -> None:
    # Code a, logit a log 3: the slope of −log σ is −(1 − ¾) log 3 at a = 1, of −log(1 − σ) it is ¾ log 3.
    at = torch.tensor(1.0, requires_grad=True)
    one = batch([[1.0, 5.0]], [[0.0]])
    det = AAE()
    (up,) = torch.autograd.grad(det.encoder_loss(nets(at), one)["adversarial"].sum(), at)
    assert up.item() == pytest.approx(-0.25 * LOG3, **APPROX)
    (down,) = torch.autograd.grad(det.discriminator_loss(nets(at), one)["fake"].sum(), at)
    assert down.item() == pytest.approx(0.75 * LOG3, **APPROX)
    # (a − 1)² + (2a − 5)²: 2 (a − 1) + 4 (2a − 5) at a = 1.
    (home,) = torch.autograd.grad(det.reconstruction_loss(nets(at), one)["residual"].sum(), at)
    assert home.item() == pytest.approx(-12)


def test_distances_and_adversaries_of_an_adversarial_autoencoder() -> None:
    found = terms(AAE(distance="l1", adversary="saturating"), nets(), BATCH)
    assert found["generator.residual"] == pytest.approx([3, 4])
    assert found["encoder.adversarial"] == pytest.approx([-LOG4, -(LOG4 - LOG3)], **APPROX)  # log(1 − ¾), log(1 − ¼)
    # The slope of D_z is log 3 everywhere.
    held = terms(AAE(adversary=Wasserstein(penalty=2)), nets(), BATCH)
    assert held["latent_discriminator.penalty"] == pytest.approx([2 * (LOG3 - 1) ** 2] * 2, **APPROX)
    with pytest.raises(InvalidParameter, match="adversary 'hinged': did you mean 'hinge'"):
        AAE(adversary="hinged").check()


def test_parts_of_an_adversarial_autoencoder() -> None:
    found = AAE().score_parts(nets(), torch.tensor([[2.0, 5.0], [-1.0, -6.0]]))
    assert {k: values(v) for k, v in found.items()} == {
        "residual": pytest.approx([1.0, 16.0]),  # (2, 4) from (2, 5); (−1, −2) from (−1, −6)
        "prior": pytest.approx([2.0, 0.5]),  # ½ 2², ½ 1²
        "discriminator": pytest.approx([0.1, 0.75], **APPROX),  # σ(2 log 3) = 9/10, σ(−log 3) = ¼
    }
    assert AAE.scores == {
        "residual": {"residual": 1},
        "prior": {"prior": 1},
        "sum": {"residual": 1, "prior": 1},
        "discriminator": {"discriminator": 1},
    }
    assert next(iter(AAE.scores)) == "residual"


def test_the_priors_part_is_minus_its_log_density_but_for_a_constant() -> None:
    z = torch.tensor([[0.5, -2.0], [3.0, 1.0]])
    # ½ (¼ + 4) and ½ (9 + 1): a sum over z, not a mean.
    assert values(half_square(z)) == pytest.approx([2.125, 5.0])
    density = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    assert values(half_square(z) + density) == pytest.approx([-math.log(2 * math.pi)] * 2, **APPROX)


@pytest.mark.parametrize(
    ("prior", "expected"),
    # (3, 4) and (.6, −.8): ½ 25 and ½ 1; beyond the box by (2, 3) and (0, 0), beyond
    # that of 0…1 by (2, 3) and (0, .8); of lengths 5 and 1, the sphere's is √2.
    [
        ("normal", [12.5, 0.5]),
        ("truncated_normal", [12.5, 0.5]),
        ("uniform", [6.5, 0.0]),
        ("uniform_01", [6.5, 0.32]),
        ("hypersphere", [(5 - math.sqrt(2)) ** 2 / 2, (math.sqrt(2) - 1) ** 2 / 2]),
    ],
)
def test_the_part_of_every_prior(prior: str, expected: list[float]) -> None:
    assert set(UNLIKELY) == set(PRIORS)
    rows, held = torch.tensor([[3.0, 4.0], [0.6, -0.8]]), nets()
    held.encoder, held.generator = (lambda x: x), (lambda z: z)
    assert values(AAE(prior=prior).score_parts(held, rows)["prior"]) == pytest.approx(expected, **APPROX)


@pytest.mark.parametrize(("prior", "spread"), [("normal", 1.0), ("uniform", math.sqrt(1 / 3))])
def test_codes_of_an_adversarial_autoencoder_come_to_follow_the_prior(prior: str, spread: float) -> None:
    # Left to the reconstruction alone they end at a mean of (−.4, −.05) and deviations of 1.1.
    rows = torch.randn(256, 2, generator=stream(0)).numpy() @ np.array([[1.0, 0.5, -1.0], [0.0, 1.0, 2.0]])
    codes = AAE(latent_dim=2, prior=prior, random_state=0, epochs=60, lr=3e-4).fit(rows).encode(rows)
    assert (abs(codes.mean(0)) < 0.15).all()
    assert (abs(codes.std(0) / spread - 1) < 0.25).all()
