"""OCGAN: terms and parts by hand, mining step by step, and what its released code gets wrong."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golden import Summing, values
from ringfence import OCGAN
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch
from ringfence.inversion import mine
from ringfence.networks import untracked
from ringfence.networks.normalisation import BatchNorm

X = np.random.default_rng(0).normal(size=(40, 5))
IMAGES = np.random.default_rng(0).uniform(size=(24, 8, 8))


class Times(nn.Module):
    """Its input times a weight that learns."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


def toys() -> Any:
    """En(x) = x / 2, De(z) = 4 z: x̂ = 2 x; D_v 1, D_l −1, C 2 times the sum."""
    return SimpleNamespace(
        encoder=Times(0.5),
        generator=Times(4.0),
        discriminator=Summing(1.0),
        latent_discriminator=Summing(-1.0),
        classifier=Summing(2.0),
    )


def step(
    x: list[list[float]], u: list[list[float]], normal: list[list[float]] | None = None, progress: float = 0.0
) -> Batch:
    """A step on rows x with u from the prior and n / noise = `normal`."""
    fixed = torch.tensor(normal) if normal is not None else torch.zeros(len(x), len(x[0]))
    return Batch(torch.tensor(x), 0, 0, progress, 1, lambda n: torch.tensor(u), lambda shape: fixed)


def real(logit: float) -> Any:
    """−log σ(logit)."""
    return pytest.approx([math.log1p(math.exp(-logit))], rel=1e-5)


def fake(logit: float) -> Any:
    """−log(1 − σ(logit))."""
    return real(-logit)


# ---- terms ----------------------------------------------------------------------------------------------------------


def test_the_visual_discriminator_sees_rows_and_decodings_of_random_latents() -> None:
    # D_v(x) has the logit 1 + 2 = 3, D_v(De(u)) 4 · (.5 − .25) = 1. No reconstruction is shown.
    nets = toys()
    found = OCGAN().visual_loss(nets, step([[1.0, 2.0]], [[0.5, -0.25]]))
    assert values(found["real"]) == real(3)
    assert values(found["fake"]) == fake(1)
    assert set(found) == {"real", "fake"}


def test_the_latent_discriminator_takes_random_latents_for_real_and_codes_for_fake() -> None:
    # D_l(u) has the logit −(.5 − .25) = −.25; the code of x + .2 · (5, 0) = (2, 2) is (1, 1): −2.
    found = OCGAN(noise=0.2).latent_loss(toys(), step([[1.0, 2.0]], [[0.5, -0.25]], [[5.0, 0.0]]))
    assert values(found["real"]) == real(-0.25)
    assert values(found["fake"]) == fake(-2)


def test_the_classifier_takes_reconstructions_for_in_class() -> None:
    # x̂ = 2 (x + n) = (1, 1): the logit 2 · 2 = 4; De(u) = (2, −1): 2.
    batch = step([[0.5, 0.0]], [[0.5, -0.25]], [[0.0, 2.5]])
    found = OCGAN(noise=0.2).classifier_loss(toys(), batch)
    assert values(found["real"]) == real(4)
    assert values(found["fake"]) == fake(2)
    # Whatever D_v and D_l lower, C is a classifier.
    hinge = OCGAN(noise=0.2, adversary="hinge").classifier_loss(toys(), batch)
    assert {k: values(v) for k, v in hinge.items()} == {k: values(v) for k, v in found.items()}


def test_the_autoencoder_fools_both_and_remakes_the_row_without_its_noise() -> None:
    # D_v(De(u)): 1. D_l of the code (1, 1): −2. x̂ = (4, 4) against x = (1, 2): 10 · (9 + 4) / 2 = 65.
    found = OCGAN(noise=0.2).autoencoder_loss(toys(), step([[1.0, 2.0]], [[0.5, -0.25]], [[5.0, 0.0]]))
    assert values(found["visual"]) == real(1)
    assert values(found["latent"]) == real(-2)
    assert values(found["residual"]) == pytest.approx([65.0])
    heavier = OCGAN(noise=0.2, residual_weight=500.0).autoencoder_loss(
        toys(), step([[1.0, 2.0]], [[0.5, -0.25]], [[5.0, 0.0]])
    )
    assert values(heavier["residual"]) == pytest.approx([3250.0], rel=1e-5)


def test_the_released_code_weighs_what_fools_the_latent_discriminator_by_ten() -> None:
    given = step([[1.0, 2.0]], [[0.5, -0.25]], [[5.0, 0.0]])
    plain, weighed = (det.autoencoder_loss(toys(), given) for det in (OCGAN(), OCGAN(latent_weight=10.0)))
    # D_l of the code (1, 1) has the logit −2: log(1 + e²) = 2.126928…, ten times that; the other terms stay.
    assert values(plain["latent"]) == pytest.approx([2.126928], rel=1e-5)
    assert values(weighed["latent"]) == pytest.approx([21.26928], rel=1e-5)
    assert all(torch.equal(plain[name], weighed[name]) for name in ("visual", "residual"))
    # It is the step of En and De alone that it is in: D_l's own loss knows no weight.
    judged = [det.latent_loss(toys(), given) for det in (OCGAN(), OCGAN(latent_weight=10.0))]
    assert all(torch.equal(judged[0][name], judged[1][name]) for name in judged[0])


def test_before_mining_the_decoder_learns_from_the_latents_that_the_discriminator_sees() -> None:
    # The released code shows D_v De(u) and trains De on tanh(u), within ±.76.
    u = [[0.99, -0.99]]
    nets = toys()
    det = OCGAN()
    det.visual_loss(nets, step([[1.0, 2.0]], u))
    det.autoencoder_loss(nets, step([[1.0, 2.0]], u, progress=0.74))
    _, judged, fooling = nets.discriminator.seen
    assert torch.equal(judged, fooling)
    assert not nets.classifier.seen


def test_mined_latents_are_those_that_the_classifier_takes_for_less_in_class() -> None:
    # log(1 − C(De(z))) with logit c = 8 (z₁ + z₂): the slope of −log(1 − σ(c)) is σ(c) · 8 in both. From (.5, −.25),
    # c = 2: one step of .05 takes .4 σ(2) off each.
    nets = toys()
    det = OCGAN(mine_from=0.75, mine_steps=1, mine_rate=0.05)
    found = det.autoencoder_loss(nets, step([[1.0, 2.0]], [[0.5, -0.25]], progress=0.75))
    less = 0.4 / (1 + math.exp(-2))
    assert values(nets.discriminator.seen[0] / 4) == [pytest.approx([0.5 - less, -0.25 - less], rel=1e-5)]
    assert values(found["visual"]) == real(4 * (0.25 - 2 * less))
    # Codes and residual are as they were.
    assert values(found["latent"]) == real(-1.5)


def test_mining_stays_in_the_cube_and_moves_neither_classifier_nor_decoder() -> None:
    nets = toys()
    det = OCGAN(mine_steps=50, mine_rate=1.0)
    z = det.mined(nets, torch.tensor([[0.9, 0.9], [0.0, 0.2]]))
    assert values(z) == [[-1, -1], [-1, -1]]
    assert not z.requires_grad
    assert nets.classifier.weight.grad is None
    assert nets.generator.factor.grad is None


def slopes(det: OCGAN, nets: Any, progress: float) -> dict[str, float]:
    """Slope of En's and De's loss in the weight of every network."""
    terms = det.autoencoder_loss(nets, step([[1.0, 2.0]], [[0.5, -0.25]], progress=progress))
    weights = {
        "encoder": nets.encoder.factor,
        "generator": nets.generator.factor,
        "discriminator": nets.discriminator.weight,
        "classifier": nets.classifier.weight,
    }
    found = torch.autograd.grad(torch.stack(list(terms.values())).sum(), list(weights.values()), allow_unused=True)
    return {name: 0.0 if g is None else float(g) for name, g in zip(weights, found, strict=True)}


def test_who_moves_whom() -> None:
    det = OCGAN(residual_weight=0.0)
    before, after = (slopes(det, toys(), progress) for progress in (0.0, 1.0))
    # d/dfactor −log σ(factor · .25) = −(1 − σ(1)) · .25: a larger factor makes De(u) more real.
    assert before["generator"] == pytest.approx(-0.25 / (1 + math.exp(1)), rel=1e-5)
    # D_l's logit of a code is −3 factor: fooling it asks for a smaller one.
    assert before["encoder"] == pytest.approx(3 / (1 + math.exp(-1.5)), rel=1e-5)
    # C has its say in where z lies and in no slope.
    assert before["classifier"] == after["classifier"] == 0
    # With mined z = (−1, −1), De(z) sums to −2 factor: a smaller factor is more real.
    assert after["generator"] > 0


def test_a_reconstruction_moves_both_ends_of_the_autoencoder() -> None:
    # x̂ = e · g · x, MSE = (e g − 1)² (1 + 4) / 2: d/de = 5 · 1 · g = 20, d/dg = 5 · 1 · e = 2.5, times λ = 10.
    det = OCGAN()
    without = slopes(OCGAN(residual_weight=0.0), toys(), 0.0)
    found = slopes(det, toys(), 0.0)
    assert found["encoder"] - without["encoder"] == pytest.approx(200, rel=1e-4)
    assert found["generator"] - without["generator"] == pytest.approx(25, rel=1e-4)


def test_parts_of_ocgan() -> None:
    # x̂ = 2 x without noise: MSE (1 + 4) / 2. D_v(x̂): 1 − σ(6); D_v(x): 1 − σ(3).
    found = OCGAN(noise=100.0).score_parts(toys(), torch.tensor([[1.0, 2.0]]))
    assert values(found["residual"]) == pytest.approx([2.5])
    assert values(found["visual"]) == pytest.approx([1 / (1 + math.exp(6))])
    assert values(found["discriminator"]) == pytest.approx([1 / (1 + math.exp(3))])
    assert next(iter(OCGAN.scores)) == "residual"


# ---- the mining helper ----------------------------------------------------------------------------------------------


def free(z: Tensor) -> Tensor:
    return z


def test_mining_is_plain_gradient_steps() -> None:
    # z² from 3 with rate .25: each step halves it; 5 steps end at 3 / 32. A row with the loss 2 z² / 10 keeps to .9 a
    # step.
    start = torch.tensor([[3.0], [1.0]])
    scale = torch.tensor([1.0, 0.2])
    found = mine(lambda z: scale * z[:, 0] ** 2, start, 5, 0.25, free)
    assert values(found[:, 0]) == pytest.approx([3 / 32, 0.9**5])
    assert values(start[:, 0]) == [3, 1]
    assert not found.requires_grad


def test_every_step_of_mining_is_put_back() -> None:
    # |z − 2| pulls to the right: put back to 1 after each step, it stays there; the other row goes on by .3 a step.
    def pull(z: Tensor) -> Tensor:
        return -z[:, 0]

    found = mine(pull, torch.tensor([[0.9], [-0.5]]), 3, 0.3, lambda z: z.clamp(-1, 1))
    assert values(found[:, 0]) == pytest.approx([1, 0.4])


def test_mining_works_while_gradients_are_forbidden_and_without_a_slope_left_behind() -> None:
    weight = torch.tensor(2.0, requires_grad=True)
    with torch.no_grad():
        found = mine(lambda z: weight * z[:, 0], torch.zeros(1, 1), 1, 0.5, free)
        assert not torch.is_grad_enabled()
    assert found.item() == -1
    assert weight.grad is None


def test_mining_leaves_running_statistics_alone() -> None:
    norm = BatchNorm(2, momentum=0.1, eps=1e-5, members=1).train()
    idle = BatchNorm(2, momentum=0.1, eps=1e-5, members=1).train()
    idle.tracking = False
    both = nn.Sequential(norm, idle)
    before = {k: v.clone() for k, v in both.state_dict().items()}
    with untracked(both):
        both(torch.randn(8, 2))
    assert all(torch.equal(v, before[k]) for k, v in both.state_dict().items())
    assert (norm.tracking, idle.tracking) == (True, False)  # each as it was
    with pytest.raises(ZeroDivisionError), untracked(both):
        raise ZeroDivisionError
    assert norm.tracking
    both(torch.randn(8, 2))
    assert not torch.equal(norm.running_mean, before["0.running_mean"])


def test_mining_writes_nothing_into_a_convolutional_decoder() -> None:
    det = OCGAN(epochs=1, batch_size=8, latent_dim=4, random_state=0).fit(IMAGES)
    nets = det.nets_
    nets.generator.train()
    before = {k: v.clone() for k, v in nets.state_dict().items()}
    z = det.mined(nets, torch.rand(8, 4) * 2 - 1)
    assert z.abs().max() <= 1
    for key, value in nets.state_dict().items():
        assert torch.equal(value, before[key]), key


# ---- the frame ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[X, IMAGES], ids=["table", "image"])
def det(request: pytest.FixtureRequest) -> OCGAN:
    return OCGAN(epochs=2, batch_size=16, latent_dim=4, random_state=0, mine_from=0.5).fit(request.param)


def test_codes_lie_within_the_cube(det: OCGAN) -> None:
    # The released code leaves its encoder unbounded unless it is told otherwise.
    rows = X if det.n_features_in_ == 5 else IMAGES
    for scale in (1.0, 1e3):
        codes = det.encode(rows * scale)
        assert np.abs(codes).max() <= 1
    assert np.abs(det.encode(rows)).max() < 1


def test_every_discriminator_has_one_logit(det: OCGAN) -> None:
    # The released latent discriminator has 16 sigmoid outputs, and its loss applies a sigmoid again.
    logit, features = det.nets_.latent_discriminator(torch.zeros(3, 4))
    assert logit.shape == (3,)
    assert features.ndim == 2
    assert not any(isinstance(m, nn.Sigmoid) for m in det.nets_.modules())


def test_random_latents_are_uniform_for_everyone_and_for_samples() -> None:
    with pytest.raises(InvalidParameter, match="unknown prior 'normal'"):
        OCGAN(prior="normal").fit(X)
    game = OCGAN(epochs=1, random_state=0).fit(X)._game(torch.zeros(4, 5), learn=True)
    assert game.prior == "uniform"


def test_an_encoder_without_bounds_is_refused() -> None:
    end: Callable[[str], Any] = lambda act: {"encoder": [{"op": "dense", "units": 4, "act": act}]}  # noqa: E731
    with pytest.raises(InvalidParameter, match=r"^layers: encoder ends in act='leaky_relu': codes of ocgan lie"):
        OCGAN(latent_dim=4, layers=end("leaky_relu")).fit(X)
    OCGAN(latent_dim=4, epochs=1, layers=end("tanh")).fit(X)


def test_mining_begins_where_it_is_told_to() -> None:
    def weights(mine_from: float) -> Tensor:
        nets = OCGAN(epochs=4, batch_size=20, random_state=0, ema=0.0, mine_from=mine_from, mine_rate=5.0).fit(X).nets_
        return torch.cat([p.flatten() for p in nets.generator.parameters()])

    # Eight steps, the last at 7/8 of the way.
    never = weights(1.0)
    assert torch.equal(weights(0.9), never)
    assert not torch.equal(weights(0.875), never)


def test_what_the_classifier_lowers_is_its_cross_entropy() -> None:
    logit = torch.tensor([1.5])
    assert values(F.softplus(-logit)) == real(1.5)
    nets = toys()
    batch = step([[1.0, 2.0]], [[0.5, -0.25]])
    terms = OCGAN().classifier_loss(nets, replace(batch, progress=1.0))
    (slope,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), nets.classifier.weight)
    # −(1 − σ(2 · 6)) · 6 + σ(2 · 1) · 1: mostly the fake row's, so a smaller weight is better.
    assert float(slope) == pytest.approx(-6 / (1 + math.exp(12)) + 1 / (1 + math.exp(-2)), rel=1e-4)
