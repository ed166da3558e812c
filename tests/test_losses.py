"""Every term and part against numbers worked out by hand from the papers' equations."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from golden import APPROX, HALF, LOG2, LOG3, LOG4, QUARTER, THREE_QUARTERS, Judge, batch, softplus, terms, values
from ringfence import EGBAD, GAN, AnoGAN, FenceGAN
from ringfence.distances import l1, l2, linf
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch, Game, Nets, Optim, Player, Stage, stream
from ringfence.losses import ADVERSARIES, Hinge, Wasserstein, adversary_named, cross_entropy
from ringfence.methods.shared import COLLAPSED, cross_entropy_to, doubt, inverse_spread, log_distance
from ringfence.networks import INITIALISERS, Maker, family_for
from ringfence.training import Run, play


def test_distances_are_sums_roots_and_maxima_of_absolutes() -> None:
    # Differences (3, -4) and (-1, -1): L1 7 and 2, L2 5 and √2, L∞ 4 and 1. A signed sum would give -1 and -2.
    a, b = torch.tensor([[3.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 4.0], [2.0, 2.0]])
    assert values(l1(a, b)) == [7, 2]
    assert values(l2(a, b)) == pytest.approx([5, math.sqrt(2)], **APPROX)
    assert values(linf(a, b)) == [4, 1]


def test_distances_run_over_all_pixels_of_an_image() -> None:
    a, b = torch.ones(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    assert values(l1(a, b)) == [12, 12]
    assert values(l2(a, b)) == pytest.approx([math.sqrt(12)] * 2)
    assert values(linf(a, b)) == [1, 1]


@pytest.mark.parametrize(
    ("logit", "target", "expected"),
    [
        (HALF, 1.0, LOG2),  # -log 1/2
        (HALF, 0.0, LOG2),
        (THREE_QUARTERS, 1.0, LOG4 - LOG3),  # -log 3/4
        (THREE_QUARTERS, 0.0, LOG4),  # -log(1 - 3/4)
        (QUARTER, 1.0, LOG4),
        (QUARTER, 0.0, LOG4 - LOG3),
        # -α log D - (1 - α) log(1 - D) at D = 3/4, α = 1/10: -.1 log 3/4 + .9 log 4
        (THREE_QUARTERS, 0.1, 0.1 * (LOG4 - LOG3) + 0.9 * LOG4),
        # Logits that a sigmoid would round to 1: log(1 + e^100) = 100.
        (100.0, 0.0, 100.0),
        (-100.0, 1.0, 100.0),
    ],
)
def test_cross_entropy(logit: float, target: float, expected: float) -> None:
    assert cross_entropy(torch.tensor([logit]), target).item() == pytest.approx(expected, **APPROX)


# real, fake, fool, fool_real at D = 3/4 (logit log 3 = 1.0986)
AT = LOG3
TERMS = {
    # -log 3/4; -log 1/4; -log 3/4; -log(1 - 3/4)
    "non_saturating": (LOG4 - LOG3, LOG4, LOG4 - LOG3, LOG4),
    # G minimises log(1 - D) = log 1/4, Eq. 1; E minimises log D = log 3/4
    "saturating": (LOG4 - LOG3, LOG4, -LOG4, -(LOG4 - LOG3)),
    # ½ (logit - 1)², ½ logit²
    "least_squares": (0.5 * (AT - 1) ** 2, 0.5 * AT**2, 0.5 * (AT - 1) ** 2, 0.5 * AT**2),
    # max(0, 1 - 1.0986) = 0; 1 + 1.0986; ∓ logit
    "hinge": (0.0, 1 + AT, -AT, AT),
    "wasserstein": (-AT, AT, -AT, AT),
    "wasserstein_clipped": (-AT, AT, -AT, AT),
}


def test_every_adversary_has_golden_terms() -> None:
    assert set(TERMS) == set(ADVERSARIES)


@pytest.mark.parametrize("name", TERMS)
def test_terms_of_an_adversary_at_three_quarters(name: str) -> None:
    adversary = adversary_named(name)
    found = [getattr(adversary, t)(torch.tensor([AT])).item() for t in ("real", "fake", "fool", "fool_real")]
    assert found == pytest.approx(TERMS[name], **APPROX)


@pytest.mark.parametrize(("logit", "real", "fake"), [(0.5, 0.5, 1.5), (-2.0, 3.0, 0.0), (0.0, 1.0, 1.0)])
def test_hinge_is_flat_beyond_the_margin(logit: float, real: float, fake: float) -> None:
    # max(0, 1 - s) and max(0, 1 + s)
    t = torch.tensor([logit])
    assert (Hinge().real(t).item(), Hinge().fake(t).item()) == (real, fake)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_a_discriminator_wants_real_up_and_fake_down_and_its_opponents_the_opposite(name: str) -> None:
    adversary, logit = adversary_named(name), torch.tensor([0.3], requires_grad=True)
    slopes = [
        torch.autograd.grad(getattr(adversary, term)(logit).sum(), logit)[0].item()
        for term in ("real", "fake", "fool", "fool_real")
    ]
    assert [s < 0 for s in slopes] == [True, False, True, False]


def test_gradient_penalty_by_hand() -> None:
    # D(x) = 2 x₁² + 3 x₂, so ∇D = (4 x₁, 3). Halfway between (2, 0) and (0, 5): x₁ = 1, ∇D = (4, 3), norm 5:
    # λ (5 - 1)² = 160 for λ = 10. Halfway between (0, 0) and (0, 2): ∇D = (0, 3): 10 · 2² = 40.
    judge = Judge(lambda x: 2 * x[:, 0] ** 2 + 3 * x[:, 1])
    real, fake = torch.tensor([[2.0, 0.0], [0.0, 0.0]]), torch.tensor([[0.0, 5.0], [0.0, 2.0]])
    assert values(Wasserstein().penalties(judge, [real], [fake])["penalty"]) == pytest.approx([160, 40])
    assert values(Wasserstein(penalty=1).penalties(judge, [real], [fake])["penalty"]) == pytest.approx([16, 4])


def test_gradient_penalty_is_over_all_arguments_together() -> None:
    # D(x, z) = 3 x + 4 z: the norm over both is 5, not 3 + 4.
    judge = Judge(lambda x, z: 3 * x[:, 0] + 4 * z[:, 0])
    pair = [torch.zeros(2, 1), torch.zeros(2, 1)]
    assert values(Wasserstein().penalties(judge, pair, pair)["penalty"]) == pytest.approx([160, 160])


def test_gradient_penalty_can_be_learned_from() -> None:
    # (‖∇D‖ - 1)² for D = w x is (w - 1)²: its slope at w = 3 is 2 (3 - 1) = 4.
    w = torch.tensor(3.0, requires_grad=True)
    term = Wasserstein(penalty=1).penalties(Judge(lambda x: w * x[:, 0]), [torch.zeros(1, 1)], [torch.ones(1, 1)])
    assert torch.autograd.grad(term["penalty"].sum(), w)[0].item() == pytest.approx(4)


def test_an_adversary_by_name_or_object() -> None:
    mine = Wasserstein(penalty=3)
    assert adversary_named(mine) is mine
    assert type(adversary_named("hinge")) is Hinge
    with pytest.raises(InvalidParameter, match="unknown adversary 'hinged': did you mean 'hinge'"):
        adversary_named("hinged")
    with pytest.raises(InvalidParameter, match=r"^penalty=-1: allowed are numbers ≥ 0$"):
        adversary_named(Wasserstein(penalty=-1))


# ---- GAN ----------------------------------------------------------------------------------------------------------


def gan_nets() -> SimpleNamespace:
    """G(z) = -z; D's logit is its input, its features (x, 2x)."""
    return SimpleNamespace(
        generator=lambda z: -z,
        discriminator=Judge(lambda x: x[:, 0], lambda x: torch.cat([x, 2 * x], 1)),
    )


def test_gan_is_eq_2_and_the_non_saturating_generator() -> None:
    # Real rows have D 3/4 and 1/4; noise -log 3 gives G(z) = log 3, D 3/4, noise 0 gives D 1/2.
    found = terms(GAN(), gan_nets(), batch([[THREE_QUARTERS], [QUARTER]], [[-LOG3], [0.0]]))
    assert found == {
        "discriminator.real": pytest.approx([LOG4 - LOG3, LOG4], **APPROX),  # -log D(x)
        "discriminator.fake": pytest.approx([LOG4, LOG2], **APPROX),  # -log(1 - D(G(z)))
        "generator.adversarial": pytest.approx([LOG4 - LOG3, LOG2], **APPROX),  # -log D(G(z))
    }


def test_saturating_gan_is_eq_1() -> None:
    found = terms(GAN(adversary="saturating"), gan_nets(), batch([[0.0], [0.0]], [[-LOG3], [0.0]]))
    # log(1 - D(G(z))) = log 1/4 and log 1/2
    assert found["generator.adversarial"] == pytest.approx([-LOG4, -LOG2], **APPROX)


def test_gan_with_a_penalty_logs_it() -> None:
    found = terms(GAN(adversary=Wasserstein(penalty=2)), gan_nets(), batch([[1.0], [2.0]]))
    # ∇D = 1: no penalty.
    assert found["discriminator.penalty"] == [0, 0]
    assert found["discriminator.real"] == [-1, -2]


@pytest.mark.parametrize("cls", [GAN, FenceGAN])
def test_score_of_a_discriminator_is_one_minus_d(cls: Any) -> None:
    x = torch.tensor([[THREE_QUARTERS], [QUARTER]])
    assert values(cls().score_parts(gan_nets(), x)["discriminator"]) == pytest.approx([1 / 4, 3 / 4])


def test_doubt_still_tells_rows_apart_that_float32_calls_certain() -> None:
    # 1 - σ(40) = e^-40 / (1 + e^-40) = 4.248e-18; 1 - 1 would be 0.
    assert doubt(torch.tensor([40.0])).item() == pytest.approx(math.exp(-40), rel=1e-6)


# ---- Fence GAN ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "logit", "expected"),
    [
        (0.5, THREE_QUARTERS, math.log(1 / 4)),  # |1/2 - 3/4|
        (0.5, QUARTER, math.log(1 / 4)),  # |1/2 - 1/4|, the other side
        (0.1, HALF, math.log(0.4)),
        (0.5, HALF, math.log(1e-3)),  # on the fence: clamped to ε = .001
        (0.5, 0.001, math.log(1e-3)),  # |D - 1/2| = .00025 is within ε
    ],
)
def test_encirclement_is_eq_3(alpha: float, logit: float, expected: float) -> None:
    assert log_distance(torch.tensor([logit]), alpha, 1e-3).item() == pytest.approx(expected, **APPROX)


def test_encirclement_of_the_released_code_is_cross_entropy_to_alpha() -> None:
    # D = 3/4, α = .1: .1 log 4/3 + .9 log 4; at D = α it is the entropy of α, for α = 1/2 log 2.
    assert cross_entropy_to(torch.tensor([LOG3]), 0.1, 1e-3).item() == pytest.approx(
        0.1 * (LOG4 - LOG3) + 0.9 * LOG4, **APPROX
    )
    assert cross_entropy_to(torch.tensor([0.0]), 0.5, 1e-3).item() == pytest.approx(LOG2)


@pytest.mark.parametrize("logit", [-2.0, 0.0, 1.0, 3.0])
@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_slopes_of_both_encirclements(logit: float, alpha: float) -> None:
    t = torch.tensor([logit], dtype=torch.float64, requires_grad=True)
    d = 1 / (1 + math.exp(-logit))
    # d/ds [-α log σ(s) - (1 - α) log(1 - σ(s))] = σ(s) - α
    (slope,) = torch.autograd.grad(cross_entropy_to(t, alpha, 1e-3).sum(), t)
    assert slope.item() == pytest.approx(d - alpha)
    # d/ds log|α - σ(s)| = σ(s) (1 - σ(s)) / (σ(s) - α); 0 within ε of the fence
    (slope,) = torch.autograd.grad(log_distance(t, alpha, 1e-3).sum(), t)
    expected = 0.0 if abs(d - alpha) < 1e-3 else d * (1 - d) / (d - alpha)
    assert slope.item() == pytest.approx(expected)


@pytest.mark.parametrize("encirclement", [log_distance, cross_entropy_to])
@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.5])
def test_both_encirclements_are_lowest_where_d_is_alpha(encirclement: Any, alpha: float) -> None:
    d = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    lowest = d[encirclement(torch.logit(d), alpha, 1e-6).argmin()]
    assert lowest.item() == pytest.approx(alpha)


@pytest.mark.parametrize(
    ("distance", "mean"),
    # Rows (0, 0), (6, 8), centre (3, 4): both lie (3, 4) away. L2 5, L1 7, L∞ 4.
    [("l2", 5.0), ("l1", 7.0), ("linf", 4.0)],
)
def test_dispersion_is_eq_4(distance: str, mean: float) -> None:
    made = torch.tensor([[0.0, 0.0], [6.0, 8.0]])
    assert inverse_spread(made, distance).item() == pytest.approx(1 / (mean + COLLAPSED))


def test_dispersion_inverts_the_mean_distance_not_each() -> None:
    # 0, 0 and 3 lie 1, 1 and 2 from their mean 1: 1 / (4/3) = .75; the mean of inverses would be 5/6, the inverse
    # of the sum 1/4.
    made = torch.tensor([[0.0], [0.0], [3.0]])
    assert inverse_spread(made).item() == pytest.approx(0.75, rel=1e-5)


def test_dispersion_of_images_runs_over_all_pixels() -> None:
    # Two images of 4 pixels, all 0 and all 2: each is 1 away in every pixel, √4 = 2 in L2.
    made = torch.stack([torch.zeros(1, 2, 2), torch.full((1, 2, 2), 2.0)])
    assert inverse_spread(made).item() == pytest.approx(0.5, rel=1e-5)


def test_a_collapsed_generator_has_a_finite_dispersion() -> None:
    assert inverse_spread(torch.ones(3, 2)).item() == pytest.approx(1 / COLLAPSED)


def fence_nets() -> SimpleNamespace:
    """G(z) = (z, 2z); D's logit is the first value."""
    return SimpleNamespace(generator=lambda z: torch.cat([z, 2 * z], 1), discriminator=Judge(lambda x: x[:, 0]))


def test_generator_of_fence_gan_is_eq_5() -> None:
    # G gives (log 3, 2 log 3) and (-log 3, -2 log 3) about 0: D 3/4 and 1/4, both √5 log 3 away.
    det = FenceGAN(alpha=0.1, beta=30.0, encirclement="log_distance")
    found = det.generator_loss(fence_nets(), batch([[0.0], [0.0]], [[LOG3], [-LOG3]]))
    assert list(found) == ["encirclement", "dispersion"]
    assert values(found["encirclement"]) == pytest.approx([math.log(0.65), math.log(0.15)], **APPROX)
    assert values(found["dispersion"]) == pytest.approx([30 / (math.sqrt(5) * LOG3)] * 2, rel=1e-5)
    det = FenceGAN(alpha=0.1, beta=30.0)
    found = det.generator_loss(fence_nets(), batch([[0.0], [0.0]], [[LOG3], [-LOG3]]))
    # cross-entropy to .1 at D 3/4 and 1/4
    expected = [0.1 * (LOG4 - LOG3) + 0.9 * LOG4, 0.1 * LOG4 + 0.9 * (LOG4 - LOG3)]
    assert values(found["encirclement"]) == pytest.approx(expected, **APPROX)


def test_discriminator_of_fence_gan_is_eq_6() -> None:
    b = batch([[THREE_QUARTERS, 9.0], [HALF, 9.0]], [[LOG3], [0.0]])
    found = FenceGAN(gamma=0.1).discriminator_loss(fence_nets(), b)
    assert values(found["real"]) == pytest.approx([LOG4 - LOG3, LOG2], **APPROX)  # -log D(x)
    assert values(found["fake"]) == pytest.approx([0.1 * LOG4, 0.1 * LOG2], **APPROX)  # -γ log(1 - D(G(z)))
    det = FenceGAN(gamma=0.1, apart=True)
    assert values(det.real_loss(fence_nets(), b)["real"]) == pytest.approx([LOG4 - LOG3, LOG2], **APPROX)
    assert values(det.fake_loss(fence_nets(), b)["fake"]) == pytest.approx([0.1 * LOG4, 0.1 * LOG2], **APPROX)


def test_dispersion_is_each_members_own() -> None:
    # Member 0 makes 0 and 2 (1 from their centre), member 1 makes 0 and 20 (10): 1 and 1/10, not one for all.
    nets = SimpleNamespace(generator=lambda z: z, discriminator=Judge(lambda x: x[:, 0]))
    two = Batch(torch.zeros(4, 1), 0, 0, 0.0, 2, lambda n: torch.tensor([[0.0], [2.0], [0.0], [20.0]]))
    found = values(FenceGAN(beta=1.0).generator_loss(nets, two)["dispersion"])
    assert found == pytest.approx([1, 1, 0.1, 0.1], rel=1e-5)


# ---- EGBAD --------------------------------------------------------------------------------------------------------


def egbad_nets() -> SimpleNamespace:
    """E(x) = x₁ + 1; G(z) = (z, -z); D's logit is x₁ - z, its features (x₁ + z, 3 x₂)."""
    return SimpleNamespace(
        encoder=lambda x: x[:, :1] + 1,
        generator=lambda z: torch.cat([z, -z], 1),
        discriminator=Judge(
            lambda x, z: x[:, 0] - z[:, 0], lambda x, z: torch.stack([x[:, 0] + z[:, 0], 3 * x[:, 1]], 1)
        ),
    )


def test_egbad_judges_pairs_and_its_opponents_swap_them() -> None:
    nets = egbad_nets()
    # E(x) = x₁ + 1, so the logit of real pairs is -1; G(z) starts with z, so that of fake pairs is 0. Then G is
    # shifted by 2, and fake pairs have logit 2.
    nets.generator = lambda z: torch.cat([z + 2, -z], 1)
    found = terms(EGBAD(), nets, batch([[1.0, 0.0], [5.0, 0.0]], [[7.0], [8.0]]))
    assert found == {
        "discriminator.real": pytest.approx([softplus(1)] * 2, **APPROX),  # -log σ(-1) = log(1 + e)
        "discriminator.fake": pytest.approx([softplus(2)] * 2, **APPROX),  # -log(1 - σ(2)) = log(1 + e²)
        "generator.generator": pytest.approx([softplus(-2)] * 2, **APPROX),  # -log σ(2) = log(1 + e^-2)
        "generator.encoder": pytest.approx([softplus(-1)] * 2, **APPROX),  # -log(1 - σ(-1)) = log(1 + e^-1)
    }


def test_parts_of_egbad() -> None:
    x = torch.tensor([[1.0, 2.0], [-3.0, 0.5]])
    found = EGBAD().score_parts(egbad_nets(), x)
    # E(x) = 2 and -2; G(E(x)) = (2, -2) and (-2, 2).
    assert {k: values(v) for k, v in found.items()} == {
        # |1 - 2| + |2 + 2| = 5; |-3 + 2| + |.5 - 2| = 2.5. Signed sums: 3 and -2.5.
        "residual": pytest.approx([5.0, 2.5]),
        # f(x, E(x)) = (3, 6) and (-5, 1.5); f(G(E(x)), E(x)) = (4, -6) and (-4, 6): 1 + 12 = 13; 1 + 4.5 = 5.5.
        "feature": pytest.approx([13.0, 5.5]),
        # D(x, E(x)): logits 1 - 2 = -1, -3 + 2 = -1; -log σ(-1) = log(1 + e).
        "cross_entropy": pytest.approx([softplus(1), softplus(1)], **APPROX),
        # D(G(E(x)), E(x)): logits 2 - 2 = 0: log 2.
        "cross_entropy_reconstructed": pytest.approx([LOG2, LOG2], **APPROX),
    }


@pytest.mark.parametrize("cls", [EGBAD, AnoGAN])
def test_weights_of_the_scores_are_the_papers(cls: Any) -> None:
    # α = .9 on the residual (appendix A), 1 - α on the discriminator's part.
    released = {"sigma_released": {"residual": 0.9, "cross_entropy_reconstructed": 0.1}}
    latent = {
        "fm_latent": {"residual": 0.8, "feature": 0.1, "latent": 0.1}
    }  # ours, with a sum of 1 (the review, Eq. 9)
    assert cls.scores == {
        "fm": {"residual": 0.9, "feature": 0.1},
        "sigma": {"residual": 0.9, "cross_entropy": 0.1},
        **(released if cls is EGBAD else latent),
    }
    assert next(iter(cls.scores)) == "fm"


# ---- AnoGAN -------------------------------------------------------------------------------------------------------


def test_parts_of_anogan_at_given_latent_vectors() -> None:
    x, z = torch.tensor([[2.0], [0.0]]), torch.tensor([[-LOG3], [1.0]])
    nets = gan_nets()
    found = AnoGAN().parts_at(nets, z, x, nets.discriminator(x)[1])
    assert {k: values(v) for k, v in found.items()} == {
        # G(z) = log 3 and -1: |2 - log 3|, |0 + 1|
        "residual": pytest.approx([2 - LOG3, 1.0], **APPROX),
        # f = (x, 2x): three times that
        "feature": pytest.approx([3 * (2 - LOG3), 3.0], **APPROX),
        # -log D(G(z)): D 3/4, and σ(-1)
        "cross_entropy": pytest.approx([LOG4 - LOG3, softplus(1)], **APPROX),
        # ||z| - √(1 - 1)|
        "latent": pytest.approx([LOG3, 1.0], **APPROX),
    }


def test_anogan_lowers_the_score_itself() -> None:
    # G(z) = -z: both parts of "fm" are lowest at z = -x, with "sigma" as well for D's logit is its input, but there
    # the descent stops where .9 |x + z| still outweighs .1 (-log σ(-z)), whose slope never exceeds .1.
    nets = gan_nets()
    nets.search = SimpleNamespace(starts=torch.tensor([[0.0]]))
    x = torch.tensor([[1.5], [-1.0]])
    for kind in ("fm", "sigma"):
        det = AnoGAN(steps=300, search_rates=(0.05, 0.005), search_until=(200,), score_kind=kind)
        assert values(det.code(nets, x)[:, 0]) == pytest.approx([-1.5, 1.0], abs=0.02)


def test_the_search_of_anogan_follows_the_weights_of_its_score() -> None:
    # Residual alone would end at z = -x; D wants G(z) = -z high. With a logit of 100 x its part has the slope 100 · .1
    # = 10 > .9, and "sigma" is driven away from -x, to where D is sure: -log σ(-100 z) → 0 for z < 0.
    nets = SimpleNamespace(generator=lambda z: -z, discriminator=Judge(lambda x: 100 * x[:, 0]))
    nets.search = SimpleNamespace(starts=torch.tensor([[0.0]]))
    schedule = {"steps": 300, "search_rates": (0.05, 0.005), "search_until": (200,)}
    x = torch.tensor([[-1.0]])
    assert AnoGAN(score_kind="sigma", **schedule).code(nets, x).item() < 0.1
    assert AnoGAN(score_kind="fm", **schedule).code(nets, x).item() == pytest.approx(1.0, abs=0.02)
    # With a logit of 5 x the slope is at most .5 < .9, and the residual keeps z at -x; unweighted, 5 > 1 would not.
    nets.discriminator = Judge(lambda x: 5 * x[:, 0])
    assert AnoGAN(score_kind="sigma", **schedule).code(nets, x).item() == pytest.approx(1.0, abs=0.02)


# ---- who learns from what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "det", [GAN(), GAN(adversary=Wasserstein()), EGBAD(), FenceGAN(), FenceGAN(apart=True)], ids=str
)
def test_no_loss_moves_a_network_of_another_player(det: Any) -> None:
    make = Maker(INITIALISERS["he"], [stream(0)], lambda count: torch.zeros(count, 3))
    nets = Nets(det.build(family_for((4,))((4,), 3, None, make)))
    rows = torch.randn(6, 4, generator=stream(1))
    game = Game(det.stages(), rows, 3, "normal", 1, 6, 0.0, True, (1,))
    run = Run(game, nets)
    run.open_stage()
    run.take_back()  # slopes are read from the parameters themselves
    for seat in run.seats:
        seat.stand()
        for p in nets.parameters():
            p.grad = None
        loss = seat.player.loss(run.nets, Batch(rows, 0, 0, 0.0, 1, run.draw))
        sum(t.mean() for t in loss.values()).backward()
        learned = {n for n, net in nets.named_children() if any(p.grad is not None for p in net.parameters())}
        assert learned == set(seat.player.nets)
        for name in learned:
            assert any(p.grad.abs().sum() > 0 for p in getattr(nets, name).parameters()), f"{name} learns nothing"


def test_a_term_is_averaged_over_rows_and_summed_with_the_others() -> None:
    """One step of plain descent on w: terms (w x) and (5 w) on rows 1 and 3 have the slope mean(x) + 5 = 7."""
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 2.0)

    def loss(nets: Any, b: Batch) -> dict[str, Tensor]:
        w = nets.net.weight[0, 0]
        return {"one": w * b.x[:, 0], "two": 5 * w.expand(len(b.x))}

    player = Player(("net",), loss, Optim("sgd", lr=0.1))
    game = Game([Stage((player,))], torch.tensor([[1.0], [3.0]]), 1, "normal", 1, 2, 0.0, True, (1,))
    run = Run(game, Nets({"net": net}))
    play(run)
    assert net.weight.item() == pytest.approx(2.0 - 0.1 * 7)
    # Logged before the step: 2 · (1 + 3) / 2 and 5 · 2.
    assert run.history == [{"stage": "train", "epoch": 0, "net.one": 4.0, "net.two": 10.0}]
