"""Terms of the good-and-bad pair against numbers worked out by hand."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from golden import APPROX, HALF, LOG2, LOG3, LOG4, QUARTER, THREE_QUARTERS, Judge, batch, first, values
from ringfence import FenceGAN, GoodBadGAN
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch
from ringfence.losses import Wasserstein


def nets() -> Any:
    """G(z) = z, B(z) = (−z, z): what D takes the one's row for, it takes the other's for least."""
    return SimpleNamespace(
        generator=lambda z: z, bad_generator=lambda z: torch.cat([-z, z], 1), discriminator=Judge(first)
    )


def test_d_sees_normal_good_and_bad_rows_with_their_weights() -> None:
    det = GoodBadGAN(good_weight=0.25, bad_weight=3.0)
    found = det.discriminator_loss(nets(), batch([[THREE_QUARTERS], [HALF]], [[THREE_QUARTERS], [HALF]]))
    assert list(found) == ["real", "fake", "bad"]
    assert values(found["real"]) == pytest.approx([LOG4 - LOG3, LOG2], **APPROX)  # −log 3/4, −log 1/2
    assert values(found["fake"]) == pytest.approx([0.25 * LOG4, 0.25 * LOG2], **APPROX)  # −log 1/4, −log 1/2
    assert values(found["bad"]) == pytest.approx([3 * (LOG4 - LOG3), 3 * LOG2], **APPROX)  # −log 3/4, −log 1/2


def test_generated_rows_weigh_as_much_as_normal_ones_by_default() -> None:
    det = GoodBadGAN()
    assert det.good_weight + det.bad_weight == 1
    # Where G imitates, D is 1 / (1 + w_g) on normal rows; the fence lies below.
    assert det.alpha < 1 / (1 + det.good_weight)


def test_the_good_generator_fools_d() -> None:
    found = GoodBadGAN().good_loss(nets(), batch([[0.0], [0.0]], [[THREE_QUARTERS], [QUARTER]]))
    assert {k: values(v) for k, v in found.items()} == {"adversarial": pytest.approx([LOG4 - LOG3, LOG4])}


def test_the_bad_generator_surrounds() -> None:
    # B gives (−log 3, log 3) and (log 3, −log 3) about 0: D 1/4 and 3/4, both √2 log 3 away.
    det = GoodBadGAN(alpha=0.1, beta=30.0)
    found = det.bad_loss(nets(), batch([[0.0], [0.0]], [[LOG3], [-LOG3]]))
    assert list(found) == ["encirclement", "dispersion"]
    # cross-entropy to .1 at D 1/4 and 3/4
    expected = [0.1 * LOG4 + 0.9 * (LOG4 - LOG3), 0.1 * (LOG4 - LOG3) + 0.9 * LOG4]
    assert values(found["encirclement"]) == pytest.approx(expected, **APPROX)
    assert values(found["dispersion"]) == pytest.approx([30 / (math.sqrt(2) * LOG3)] * 2, rel=1e-5)


def test_the_bad_generator_has_the_distances_of_fence_gan() -> None:
    # |.1 − 1/4| = .15 and |.1 − 3/4| = .65; L∞ of (log 3, log 3) is log 3.
    det = GoodBadGAN(alpha=0.1, beta=2.0, encirclement="log_distance", dispersion="linf", clamp=0.2)
    found = det.bad_loss(nets(), batch([[0.0], [0.0]], [[LOG3], [-LOG3]]))
    assert values(found["encirclement"]) == pytest.approx([math.log(0.2), math.log(0.65)], **APPROX)
    assert values(found["dispersion"]) == pytest.approx([2 / LOG3] * 2, rel=1e-5)


@pytest.mark.parametrize("encirclement", ["cross_entropy", "log_distance"])
def test_the_bad_generator_learns_what_that_of_fence_gan_learns(encirclement: str) -> None:
    given = {"alpha": 0.3, "beta": 7.0, "encirclement": encirclement, "clamp": 0.01, "dispersion": "l1"}
    z = torch.tensor([[0.2, 1.0], [-1.0, 0.4], [2.0, -0.3]])
    same = SimpleNamespace(generator=lambda z: z, bad_generator=lambda z: z, discriminator=Judge(first))
    step = batch([[0.0]] * 3, z)
    ours = GoodBadGAN(**given).bad_loss(same, step)
    theirs = FenceGAN(**given).generator_loss(same, step)
    assert {k: values(v) for k, v in ours.items()} == {k: values(v) for k, v in theirs.items()}


def test_who_moves_whom_and_which_way() -> None:
    # Logits .5 and −.5: the good generator raises both (slope −(1 − D)), the bad one brings both to α = ½ (D − α).
    z = torch.tensor([[0.5], [-0.5]], requires_grad=True)
    same = SimpleNamespace(generator=lambda z: z, bad_generator=lambda z: z, discriminator=Judge(first))
    det, step = GoodBadGAN(alpha=0.5), batch([[0.0], [0.0]], z)
    (good,) = torch.autograd.grad(det.good_loss(same, step)["adversarial"].sum(), z)
    (bad,) = torch.autograd.grad(det.bad_loss(same, step)["encirclement"].sum(), z)
    d = 1 / (1 + math.exp(-0.5))
    assert values(good[:, 0]) == pytest.approx([d - 1, -d])
    assert values(bad[:, 0]) == pytest.approx([d - 0.5, 0.5 - d])


def test_each_player_moves_its_own_networks_on_its_own_noise() -> None:
    (stage,) = GoodBadGAN().stages()
    assert [p.nets for p in stage.players] == [("discriminator",), ("generator",), ("bad_generator",)]
    drawn: list[int] = []

    def draw(n: int) -> Tensor:
        drawn.append(n)
        return torch.zeros(n, 1)

    step = Batch(torch.zeros(2, 1), 0, 0, 0.0, 1, draw)
    GoodBadGAN().discriminator_loss(nets(), step)
    assert drawn == [2, 2]  # one draw for each generator


def test_a_penalty_of_the_adversary_keeps_its_weight() -> None:
    # D(x) = x₁: its slope is 1 in one of two columns, so the penalty is 0; with logit 2 x₁ it is λ (2 − 1)².
    judge = Judge(lambda x: 2 * x[:, 0])
    steep = SimpleNamespace(generator=lambda z: z, bad_generator=lambda z: z, discriminator=judge)
    det = GoodBadGAN(adversary=Wasserstein(penalty=3.0), good_weight=0.25, bad_weight=0.5)
    found = det.discriminator_loss(steep, batch([[1.0], [2.0]], [[4.0], [6.0]]))
    assert values(found["penalty"]) == pytest.approx([3, 3])
    assert values(found["fake"]) == [2, 3]
    assert values(found["bad"]) == [4, 6]


def test_an_unknown_adversary_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(InvalidParameter, match="did you mean 'hinge'"):
        GoodBadGAN(adversary="hing").fit(np.zeros((10, 2)))


def test_the_score_is_one_minus_d() -> None:
    found = GoodBadGAN().score_parts(nets(), torch.tensor([[THREE_QUARTERS], [QUARTER]]))
    assert values(found["discriminator"]) == pytest.approx([0.25, 0.75])


def test_samples_are_the_good_generators() -> None:
    X = np.random.default_rng(0).normal(size=(40, 3))
    det = GoodBadGAN(epochs=1, random_state=0, latent_dim=2).fit(X)
    before = det.sample(4, random_state=0)
    det.nets_.bad_generator = None
    assert np.array_equal(det.sample(4, random_state=0), before)
