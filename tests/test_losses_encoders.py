"""Terms and parts of the methods that encode, against numbers worked out by hand."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from golden import APPROX, Judge, batch, softplus, terms, values
from ringfence import ALAD, FAnoGAN, GANomaly, SkipGANomaly
from ringfence.game import stream
from ringfence.losses import Wasserstein
from ringfence.networks import INITIALISERS, Maker, family_for


def family(shape: tuple[int, ...]) -> Any:
    make = Maker(INITIALISERS["he"], [stream(0)], lambda count: torch.zeros(count, 3))
    return family_for(shape)(shape, 3, None, make)


# ---- ALAD ---------------------------------------------------------------------------------------------------------


def alad_nets() -> SimpleNamespace:
    """E(x) = x₁ + 1; G(z) = (z + 2, -z).

    Logits: D_xz x₁ - z; D_xx x₁ - 2 x'₁; D_zz z - 3 z'. Features of D_xx: (x₁ + x'₁, x'₂).
    """
    return SimpleNamespace(
        encoder=lambda x: x[:, :1] + 1,
        generator=lambda z: torch.cat([z + 2, -z], 1),
        discriminator=Judge(lambda x, z: x[:, 0] - z[:, 0]),
        discriminator_xx=Judge(
            lambda x, y: x[:, 0] - 2 * y[:, 0], lambda x, y: torch.stack([x[:, 0] + y[:, 0], y[:, 1]], 1)
        ),
        discriminator_zz=Judge(lambda z, w: z[:, 0] - 3 * w[:, 0]),
    )


# Row (1, 0): E(x) = 2, G(E(x)) = (4, -2). Noise 1: G(z) = (3, -1), E(G(z)) = 4.
ALAD_BATCH = batch([[1.0, 0.0], [1.0, 0.0]], [[1.0], [1.0]])
ALAD_TERMS = {
    "discriminator.xz_real": softplus(1),  # D_xz(x, E(x)): 1 - 2 = -1, -log σ(-1)
    "discriminator.xz_fake": softplus(2),  # D_xz(G(z), z): 3 - 1 = 2, -log(1 - σ(2))
    "discriminator.xx_real": softplus(1),  # D_xx(x, x): 1 - 2 = -1
    "discriminator.xx_fake": softplus(-7),  # D_xx(x, G(E(x))): 1 - 8 = -7, -log(1 - σ(-7))
    "discriminator.zz_real": softplus(2),  # D_zz(z, z): 1 - 3 = -2
    "discriminator.zz_fake": softplus(-11),  # D_zz(z, E(G(z))): 1 - 12 = -11
    "generator.generator": softplus(-2),  # -log σ(2)
    "generator.encoder": softplus(-1),  # -log(1 - σ(-1))
    "generator.cycle_xx": softplus(7),  # -log σ(-7)
    "generator.cycle_zz": softplus(11),  # -log σ(-11)
}


def test_alad_judges_three_kinds_of_pairs() -> None:
    found = terms(ALAD(), alad_nets(), ALAD_BATCH)
    assert found == {name: pytest.approx([value] * 2, **APPROX) for name, value in ALAD_TERMS.items()}


def test_alad_without_the_third_discriminator_lacks_its_terms_and_changes_no_other() -> None:
    nets = alad_nets()
    del nets.discriminator_zz
    found = terms(ALAD(dzz=False), nets, ALAD_BATCH)
    kept = {name: value for name, value in ALAD_TERMS.items() if "zz" not in name}
    assert found == {name: pytest.approx([value] * 2, **APPROX) for name, value in kept.items()}
    assert "discriminator_zz" not in ALAD(dzz=False).build(family((4,)))


def test_each_discriminator_of_alad_has_its_own_penalty() -> None:
    found = terms(ALAD(adversary=Wasserstein(penalty=1)), alad_nets(), ALAD_BATCH)
    # Slopes (1, -1), (1, -2) and (1, -3): (√2 - 1)², (√5 - 1)², (√10 - 1)².
    for name, square in (("xz", 2), ("xx", 5), ("zz", 10)):
        expected = (math.sqrt(square) - 1) ** 2
        assert found[f"discriminator.{name}_penalty"] == pytest.approx([expected] * 2, **APPROX)


def test_parts_of_alad() -> None:
    found = ALAD().score_parts(alad_nets(), torch.tensor([[1.0, 0.0], [0.0, 3.0]]))
    # G(E(x)) = (4, -2) and (3, -1).
    assert {k: values(v) for k, v in found.items()} == {
        # f(x, x) = (2, 0) and (0, 3); f(x, G(E(x))) = (5, -2) and (3, -1): 3 + 2 and 3 + 4.
        "feature": pytest.approx([5.0, 7.0]),
        # -log σ of 1 - 8 and of 0 - 6
        "cross_entropy": pytest.approx([softplus(7), softplus(6)], **APPROX),
        # Differences (-3, 2) and (-3, 4): 5 and 7; √13 and 5.
        "residual": pytest.approx([5.0, 7.0]),
        "residual_l2": pytest.approx([math.sqrt(13), 5.0]),
    }
    assert ALAD.scores == {
        "fm": {"feature": 1},
        "ch": {"cross_entropy": 1},
        "l1": {"residual": 1},
        "l2": {"residual_l2": 1},
    }
    assert next(iter(ALAD.scores)) == "fm"


def test_alad_joins_images_as_channels_or_one_below_the_other() -> None:
    shape = (2, 8, 8)
    first = {
        join: next(iter(ALAD(join=join).build(family(shape))["discriminator_xx"].parameters())).shape[1:3]
        for join in ("channels", "height")
    }
    assert first == {"channels": (32, 4), "height": (32, 2)}  # maps, channels in


def test_spectral_normalisation_of_alad_is_in_its_discriminators_and_nowhere_else() -> None:
    for shape in ((4,), (1, 8, 8)):
        nets = ALAD().build(family(shape))
        normed = {name for name, net in nets.items() if any(type(m).__name__ == "Spectral" for m in net.modules())}
        assert normed == {"discriminator", "discriminator_xx", "discriminator_zz"}
        plain = ALAD(spectral=False).build(family(shape))
        assert not any(type(m).__name__ == "Spectral" for net in plain.values() for m in net.modules())


def test_the_released_alad_draws_the_second_players_rows_apart() -> None:
    assert [p.own_rows for p in ALAD(own_rows=True).stages()[0].players] == [False, True]
    assert [p.nets for p in ALAD().stages()[0].players] == [
        ("discriminator", "discriminator_xx", "discriminator_zz"),
        ("generator", "encoder"),
    ]


# ---- GANomaly -----------------------------------------------------------------------------------------------------


def ganomaly_nets() -> SimpleNamespace:
    """G_E(x) = x; G_D(z) = z + (3, 4); E(x̂) = 2 x̂; D's logit is x₁ - 1, its features (2 x₁, 3 x₂)."""
    return SimpleNamespace(
        encoder=lambda x: x,
        generator=lambda z: z + torch.tensor([3.0, 4.0]),
        second_encoder=lambda x: 2 * x,
        discriminator=Judge(lambda x: x[:, 0] - 1, lambda x: x * torch.tensor([2.0, 3.0])),
    )


# Row (1, 0): z = (1, 0), x̂ = (4, 4), ẑ = (8, 8). f(x) = (2, 0), f(x̂) = (8, 12): apart by (6, 12).
# Row (0, -4): x̂ = (3, 0), ẑ = (6, 0), apart from z by (6, 4). f(x) = (0, -12), f(x̂) = (6, 0): (6, 12) again.
GANOMALY_X = [[1.0, 0.0], [0.0, -4.0]]
PAPER = {"adversarial_distance": "l2", "residual_distance": "l1", "code_distance": "l1"}


def test_ganomaly_is_eq_1_to_4() -> None:
    found = terms(GANomaly(**PAPER), ganomaly_nets(), batch(GANOMALY_X))
    assert found == {
        "generator.adversarial": pytest.approx([math.sqrt(180)] * 2, **APPROX),  # ‖(6, 12)‖₂
        "generator.residual": pytest.approx([50 * 7] * 2),  # 50 (3 + 4)
        "generator.code": pytest.approx([7 + 8, 6 + 4]),  # ‖(1, 0) - (8, 8)‖₁, ‖(0, -4) - (6, 0)‖₁
        "discriminator.real": pytest.approx([softplus(0), softplus(1)], **APPROX),  # logits 0 and -1: -log σ
        "discriminator.fake": pytest.approx([softplus(3), softplus(2)], **APPROX),  # 3 and 2: -log(1 - σ)
    }


def test_ganomaly_as_released_takes_means() -> None:
    found = terms(GANomaly(), ganomaly_nets(), batch(GANOMALY_X))
    assert found["generator.adversarial"] == pytest.approx([90, 90])  # (36 + 144) / 2
    assert found["generator.residual"] == pytest.approx([175, 175])  # 50 (3 + 4) / 2
    assert found["generator.code"] == pytest.approx([(49 + 64) / 2, (36 + 16) / 2])


def test_weights_of_ganomaly_weigh_their_own_terms() -> None:
    det = GANomaly(**PAPER, adversarial_weight=2, residual_weight=3, code_weight=5)
    found = terms(det, ganomaly_nets(), batch(GANOMALY_X))
    assert found["generator.adversarial"] == pytest.approx([2 * math.sqrt(180)] * 2, **APPROX)
    assert found["generator.residual"] == pytest.approx([21, 21])
    assert found["generator.code"] == pytest.approx([75, 50])


def test_parts_of_ganomaly() -> None:
    found = GANomaly().score_parts(ganomaly_nets(), torch.tensor(GANOMALY_X))
    assert {k: values(v) for k, v in found.items()} == {
        "code": pytest.approx([15.0, 10.0]),
        "code_squared": pytest.approx([56.5, 26.0]),
        "residual": pytest.approx([7.0, 7.0]),
        "feature": pytest.approx([90.0, 90.0]),
    }
    assert next(iter(GANomaly.scores.items())) == ("code", {"code": 1.0})


def test_ganomaly_plays_its_generator_first_and_draws_no_noise() -> None:
    players = GANomaly().stages()[0].players
    assert [p.nets for p in players] == [("generator", "encoder", "second_encoder"), ("discriminator",)]
    assert not hasattr(GANomaly(), "sample")


def test_no_score_of_ganomaly_is_scaled_to_the_rows_beside_it() -> None:
    # Flaw 4 and 5 of the released code: min-max over the test set, and batch norm in training mode.
    rows = torch.randn(20, 1, 8, 8, generator=stream(0)).numpy()
    det = GANomaly(epochs=1, random_state=0).fit(rows)
    assert det.anomaly_score(rows[:2]).tolist() == det.anomaly_score(rows)[:2].tolist()
    assert det.anomaly_score(rows[:1]) != [0.0]


# ---- f-AnoGAN -----------------------------------------------------------------------------------------------------


def fanogan_nets() -> SimpleNamespace:
    """G(z) = (2 z, z); E(x) = x₁ + 1; D's value is 3 x₁ + 4 x₂, its features (x₁, 3 x₂); D's mean on normal rows 10."""
    return SimpleNamespace(
        generator=lambda z: torch.cat([2 * z, z], 1),
        encoder=lambda x: x[:, :1] + 1,
        discriminator=Judge(lambda x: 3 * x[:, 0] + 4 * x[:, 1], lambda x: x * torch.tensor([1.0, 3.0])),
        normal=SimpleNamespace(mean=torch.tensor(10.0)),
    )


# Row (1, 0): E 2, G(E) (4, 2), apart by (3, 2): mean square 6.5; features apart by (3, 6): 22.5; E(G(E)) = 5.
# Row (0, 1): E 1, G(E) (2, 1), apart by (2, 0): 2; features by (2, 0): 2; E(G(E)) = 3.
FANOGAN_X = [[1.0, 0.0], [0.0, 1.0]]


def encoder_terms(det: FAnoGAN) -> dict[str, list[float]]:
    return terms(det, fanogan_nets(), batch(FANOGAN_X, [[1.0], [3.0]]))


def test_the_three_losses_of_f_anogans_encoder() -> None:
    assert encoder_terms(FAnoGAN(encoder_loss="izi")) == {"encoder.residual": pytest.approx([6.5, 2.0])}
    assert encoder_terms(FAnoGAN(kappa=0.5)) == {
        "encoder.residual": pytest.approx([6.5, 2.0]),
        "encoder.feature": pytest.approx([11.25, 1.0]),
    }
    # z = 1 and 3: E(G(z)) = 2 z + 1 = 3 and 7.
    assert encoder_terms(FAnoGAN(encoder_loss="ziz")) == {"encoder.code": pytest.approx([4.0, 16.0])}


def test_the_gan_of_f_anogan_is_wgan_gp() -> None:
    judge, maker = FAnoGAN(penalty=2.0).stages()[0].players
    b, nets = batch(FANOGAN_X, [[1.0], [3.0]]), fanogan_nets()
    found = {k: values(v) for k, v in judge.loss(nets, b).items()}
    assert found == {
        "real": pytest.approx([-3.0, -4.0]),  # -D(x)
        "fake": pytest.approx([10.0, 30.0]),  # D(G(z)) at (2, 1) and (6, 3)
        "penalty": pytest.approx([32.0, 32.0]),  # 2 (5 - 1)², ∇D = (3, 4)
    }
    assert values(maker.loss(nets, b)["adversarial"]) == pytest.approx([-10.0, -30.0])


def test_f_anogans_generator_moves_in_every_so_many_steps() -> None:
    gan, encoder = FAnoGAN(critic_steps=5, encoder_epochs=3).stages()
    assert [(p.nets, p.every, p.repeat) for p in gan.players] == [(("discriminator",), 1, 1), (("generator",), 5, 1)]
    assert [(p.nets, p.others) for p in encoder.players] == [(("encoder",), "eval")]
    assert (gan.epochs, encoder.epochs) == (None, 3)


def test_parts_of_f_anogan() -> None:
    found = FAnoGAN().score_parts(fanogan_nets(), torch.tensor(FANOGAN_X))
    assert {k: values(v) for k, v in found.items()} == {
        "residual": pytest.approx([6.5, 2.0]),
        "feature": pytest.approx([22.5, 2.0]),
        "code": pytest.approx([9.0, 4.0]),
        "discriminator": pytest.approx([7.0, 6.0]),  # 10 - 3, 10 - 4: higher where D is lower
    }
    assert next(iter(FAnoGAN.scores.items())) == ("izi_f", {"residual": 1.0, "feature": 1.0})


def test_f_anogan_keeps_the_mean_of_its_critic_over_the_training_rows() -> None:
    rows = torch.randn(30, 4, generator=stream(0)).numpy()
    det = FAnoGAN(epochs=1, random_state=0).fit(rows)
    # Their own mean is 0 then, whatever D says; a last batch weighed as much as the others would move it.
    assert abs(det.parts(rows)["discriminator"].mean()) < 1e-5
    assert det.nets_.normal.mean != 0


# ---- Skip-GANomaly ------------------------------------------------------------------------------------------------


def skip_nets() -> SimpleNamespace:
    """G(x) = x + (3, 4); D's logit is x₁ - 1, its features (2 x₁, 3 x₂)."""
    return SimpleNamespace(
        generator=lambda x: x + torch.tensor([3.0, 4.0]),
        discriminator=Judge(lambda x: x[:, 0] - 1, lambda x: x * torch.tensor([2.0, 3.0])),
    )


# Rows (1, 0) and (0, -4): x̂ is (4, 4) and (3, 0), features are apart by (6, 12), mean square 90.
SKIP_TERMS = {
    "generator.adversarial": [softplus(-3), softplus(-2)],  # -log σ of 3 and 2
    "generator.residual": [175.0, 175.0],  # 50 (3 + 4) / 2
    "generator.latent": [90.0, 90.0],
    "discriminator.real": [softplus(0), softplus(1)],  # -log σ of 0 and -1
    "discriminator.fake": [softplus(3), softplus(2)],  # -log(1 - σ) of 3 and 2
}


def test_skip_ganomaly_fools_remakes_and_keeps_features() -> None:
    found = terms(SkipGANomaly(), skip_nets(), batch(GANOMALY_X))
    assert found == {name: pytest.approx(expected, **APPROX) for name, expected in SKIP_TERMS.items()}


def test_weights_of_skip_ganomaly_weigh_their_own_terms() -> None:
    det = SkipGANomaly(adversarial_weight=2, residual_weight=3, latent_weight=5)
    found = terms(det, skip_nets(), batch(GANOMALY_X))
    assert found["generator.adversarial"] == pytest.approx([2 * softplus(-3), 2 * softplus(-2)], **APPROX)
    assert found["generator.residual"] == pytest.approx([10.5, 10.5])
    assert found["generator.latent"] == pytest.approx([450, 450])


def test_only_as_released_does_d_of_skip_ganomaly_lower_the_latent_distance() -> None:
    found = terms(SkipGANomaly(latent_in_discriminator=True), skip_nets(), batch(GANOMALY_X))
    expected = SKIP_TERMS | {"discriminator.latent": [90.0, 90.0]}
    assert found == {name: pytest.approx(value, **APPROX) for name, value in expected.items()}


def test_parts_of_skip_ganomaly() -> None:
    found = SkipGANomaly().score_parts(skip_nets(), torch.tensor(GANOMALY_X))
    assert {k: values(v) for k, v in found.items()} == {
        "residual": pytest.approx([12.5, 12.5]),  # (9 + 16) / 2
        "feature": pytest.approx([90.0, 90.0]),
    }
    assert next(iter(SkipGANomaly.scores.items())) == ("sum", {"residual": 0.9, "feature": 0.1})


@pytest.mark.parametrize("shape", [(9,), (1, 8, 8), (3, 11, 20)])
def test_skip_ganomaly_remakes_rows_of_any_shape(shape: tuple[int, ...]) -> None:
    made = SkipGANomaly().build(family(shape))["generator"].eval()
    assert made(torch.zeros(2, *shape)).shape == (2, *shape)
    assert not hasattr(SkipGANomaly(), "sample")
    assert not hasattr(SkipGANomaly(), "encode")


def test_the_u_of_images_goes_down_to_one_pixel() -> None:
    net = SkipGANomaly().build(family((1, 8, 8)))["generator"]
    # 8 → 4 → 2 → 1, and on the way up each level is joined by its mirror: 128; 64 + 64; 32 + 32 maps.
    assert [n.out_shape for n in net.down] == [(32, 4, 4), (64, 2, 2), (128, 1, 1)]
    assert [n.shape for n in net.up] == [(128, 1, 1), (128, 2, 2), (64, 4, 4)]
