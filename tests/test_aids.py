"""Training aids: priors, clipped critics, matched features and minibatch discrimination, by hand."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ringfence import GAN, VAE, AnoGAN, methods
from ringfence.configure import detector_for
from ringfence.exceptions import InvalidParameter
from ringfence.game import NOISE, PRIORS, Batch, Game, stream
from ringfence.losses import ADVERSARIES, Adversary, WassersteinClipped, adversary_named
from ringfence.methods.shared import matching
from ringfence.networks.layers import BatchNorm
from ringfence.persist import load
from ringfence.training import Run, play

X = np.random.default_rng(0).normal(size=(40, 5))


def values(t: Tensor) -> list[float]:
    return t.detach().double().flatten().tolist()


# ---- priors -------------------------------------------------------------------------------------------------------


def drawn(prior: str, *shape: int) -> Tensor:
    return PRIORS[prior](torch.empty(*shape), stream(0, NOISE))


def test_draws_of_the_older_priors_are_what_they_were() -> None:
    # Noted before the others came.
    assert values(drawn("normal", 1, 4)) == pytest.approx([-1.1636215, 1.5709645, 0.6905524, -0.7375432], abs=1e-6)
    assert values(drawn("uniform", 1, 4)) == pytest.approx([0.3378663, 0.4793020, -0.2869842, 0.5912272], abs=1e-6)


def test_a_truncated_normal_is_the_inverse_cdf_of_the_seeds_uniforms() -> None:
    # Φ(1) = .84134475, Φ(0) = .5, Φ(−1.5) = .06680720; beyond ±2 lies nothing, however rounded.
    for u, z in ((0.84134475, 1.0), (0.5, 0.0), (0.06680720, -1.5), (0.02275013, -2.0), (0.97724987, 2.0)):
        filled = Fixed(u)
        assert PRIORS["truncated_normal"](filled, stream(0)).item() == pytest.approx(z, abs=1e-5)
        # Φ(−2) and Φ(2)
        assert filled.bounds == pytest.approx((0.022750132, 0.977249868), abs=1e-8)
    z = drawn("truncated_normal", 50_000, 4)
    assert z.abs().max() <= 2
    assert z.abs().max() > 1.999
    # 1 − 2 · 2 φ(2) / (Φ(2) − Φ(−2)) = 1 − 4 · .05399097 / .95449974; a normal clamped at ±2 has .921.
    assert z.var().item() == pytest.approx(0.77374, abs=0.005)
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    assert (z.abs() < 1).double().mean().item() == pytest.approx(0.68268949 / 0.95449974, abs=0.005)


class Fixed(Tensor):
    """A value that a "uniform draw" finds there, and the bounds that it was asked to draw within."""

    bounds: tuple[float, float]

    def __new__(cls, u: float) -> "Fixed":
        return torch.tensor([u], dtype=torch.float64).as_subclass(cls)

    def uniform_(self, low: float = 0, high: float = 1, *, generator: Any = None) -> "Fixed":  # type: ignore[override]
        self.bounds = (low, high)
        return self


def test_the_hypersphere_has_radius_root_d_in_every_direction() -> None:
    z = drawn("hypersphere", 20_000, 3)
    assert values(z.norm(dim=1)) == pytest.approx([math.sqrt(3)] * len(z), rel=1e-5)
    # The same directions as the normal draws of the seed; on a sphere in three dimensions each number is uniform on ±√3
    # (Archimedes), with mean 0 and variance 1.
    torch.testing.assert_close(z, math.sqrt(3) * torch.nn.functional.normalize(drawn("normal", 20_000, 3), dim=1))
    assert values(z.mean(0)) == pytest.approx([0] * 3, abs=0.03)
    assert values(z.var(0)) == pytest.approx([1] * 3, abs=0.03)
    assert values((z.abs() < math.sqrt(3) / 2).double().mean(0)) == pytest.approx([0.5] * 3, abs=0.02)
    # One dimension has two points.
    assert set(values(drawn("hypersphere", 10, 1).round(decimals=6))) == {-1.0, 1.0}


@pytest.mark.parametrize("prior", ["truncated_normal", "hypersphere"])
def test_a_fit_draws_from_the_prior_and_keeps_it(prior: str, tmp_path: Any) -> None:
    det = GAN(epochs=1, prior=prior, random_state=0).fit(X)
    assert np.isfinite(det.anomaly_score(X)).all()
    assert not np.array_equal(det.anomaly_score(X), GAN(epochs=1, random_state=0).fit(X).anomaly_score(X))
    back = load(det.save(tmp_path / "m"))
    assert np.array_equal(back.sample(3, random_state=1), det.sample(3, random_state=1))


def test_a_prior_is_refused_by_its_nearest_and_where_the_mathematics_need_another() -> None:
    with pytest.raises(InvalidParameter, match="unknown prior 'hypersfere': did you mean 'hypersphere'"):
        GAN(prior="hypersfere").fit(X)
    with pytest.raises(InvalidParameter, match="unknown prior 'truncated'"):
        Game([], torch.zeros(4, 1), 2, "truncated", 1, 2, 0.0, True, (1,))
    # The KL of a variational autoencoder is the one from N(0, I).
    with pytest.raises(InvalidParameter, match="unknown prior 'truncated_normal'; known: normal"):
        VAE(prior="truncated_normal").fit(X)


# ---- a clipped critic ---------------------------------------------------------------------------------------------


def test_clipping_by_hand() -> None:
    net = nn.Linear(2, 2)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[0.5, -0.02], [0.005, -0.5]]))
        net.bias.copy_(torch.tensor([0.03, -0.009]))
    WassersteinClipped(clip=0.02).after(net)
    assert values(net.weight) == pytest.approx([0.02, -0.02, 0.005, -0.02])
    assert values(net.bias) == pytest.approx([0.02, -0.009])
    assert net.weight.requires_grad
    WassersteinClipped().after(net)  # the paper's c = .01
    assert values(net.weight) == pytest.approx([0.01, -0.01, 0.005, -0.01])


def test_clipping_leaves_statistics_alone() -> None:
    norm = BatchNorm(3, momentum=0.1, eps=1e-5, members=1)
    WassersteinClipped().after(norm)
    assert values(norm.get_buffer("running_var")) == [1, 1, 1]
    assert values(norm.weight) == pytest.approx([0.01] * 3)  # type: ignore[arg-type]


def test_only_the_clipped_critic_has_a_say_after_a_move_and_it_has_no_penalty() -> None:
    says = {name for name, cls in ADVERSARIES.items() if cls.after is not Adversary.after}
    assert says == {"wasserstein_clipped"}
    assert adversary_named("wasserstein_clipped").penalties(lambda *a: (a[0], a[0]), [X], [X]) == {}  # type: ignore[list-item]


WITH_ADVERSARY = sorted(name for name, cls in methods().items() if "adversary" in cls.limits)


@pytest.mark.parametrize("name", WITH_ADVERSARY)
def test_every_discriminator_is_clipped_after_each_of_its_moves_and_no_other_network(name: str) -> None:
    det = methods()[name](epochs=1, batch_size=20, random_state=0, adversary=WassersteinClipped(clip=0.03))
    det.fit_untrained(X)._assemble()
    run = Run(det._game(det.preprocess_.tensor(X), learn=True), det.nets_)
    largest = {name: 0.0 for name, _ in run.nets.named_children()}

    def watch(run: Run) -> None:
        for name, net in run.nets.named_children():
            largest[name] = max([largest[name], *(float(p.detach().abs().max()) for p in net.parameters())])

    play(run, watch)
    judges = {name for name in largest if "discriminator" in name}
    assert judges
    assert all(largest[name] == pytest.approx(0.03) for name in judges)
    assert all(value > 0.1 for name, value in largest.items() if name not in judges and value)


def test_a_clipped_critic_is_set_by_name_kept_and_checked(tmp_path: Any) -> None:
    det = detector_for("gan", changes={"adversary": "wasserstein_clipped", "adversary__clip": 0.05, "epochs": 1})
    back = load(det.set_params(random_state=0).fit(X).save(tmp_path / "m"))
    assert isinstance(back.adversary, WassersteinClipped)
    assert back.adversary.clip == 0.05
    for cls in (methods()[name] for name in WITH_ADVERSARY):
        with pytest.raises(InvalidParameter, match=r"^clip=0: allowed are numbers > 0$"):
            cls(adversary=WassersteinClipped(clip=0)).check()
        with pytest.raises(InvalidParameter, match="unknown adversary 'wasserstein_cliped': did you mean"):
            cls(adversary="wasserstein_cliped").check()


# ---- matched features ---------------------------------------------------------------------------------------------


def matched(x: list[list[float]], z: list[list[float]], members: int = 1, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """G(z) = w z with w = `scale`; D's features are (x, 2x) and its logit is of no account."""
    w = torch.tensor(scale, requires_grad=True)
    nets = SimpleNamespace(
        generator=lambda z: w * z, discriminator=lambda x: (torch.full((len(x),), math.nan), torch.cat([x, 2 * x], 1))
    )
    noise = torch.tensor(z)
    found = matching(
        adversary_named("non_saturating"), nets, Batch(torch.tensor(x), 0, 0, 0.0, members, lambda n: noise)
    )
    assert list(found) == ["feature"]
    return w, found["feature"]


def test_feature_matching_is_the_squared_distance_of_two_means() -> None:
    # Means of x 2 and of G(z) 5: features apart by (−3, −6), 9 + 36, for each row of the batch.
    _, found = matched([[1.0], [3.0]], [[4.0], [6.0]])
    assert values(found) == pytest.approx([45, 45])
    # Row by row they may lie apart as they will.
    _, found = matched([[1.0], [3.0]], [[-96.0], [100.0]])
    assert values(found) == pytest.approx([0, 0])


def test_feature_matching_is_for_each_member_its_own() -> None:
    # Member 0: 2 and 5 as above. Member 1: 1 and 1.
    _, found = matched([[1.0], [3.0], [0.0], [2.0]], [[4.0], [6.0], [1.0], [1.0]], members=2)
    assert values(found) == pytest.approx([45, 45, 0, 0])


def test_feature_matching_moves_the_generator_towards_the_rows() -> None:
    # 5 (2 − 5 w)² at w = 1: slope 2 · 5 · (−3) · (−5) = 150, so w falls.
    w, found = matched([[1.0], [3.0]], [[4.0], [6.0]])
    assert torch.autograd.grad(found.mean(), w)[0].item() == pytest.approx(150)


@pytest.mark.parametrize("cls", [GAN, AnoGAN])
def test_matched_features_are_an_option_of_the_generator_alone(cls: Any) -> None:
    players = cls(generator_loss="feature_matching").stages()[0].players
    assert [p.nets for p in players] == [("discriminator",), ("generator",)]
    det = cls(epochs=1, random_state=0, generator_loss="feature_matching").fit(X)
    assert set(det.history_[0]) == {"stage", "epoch", "discriminator.real", "discriminator.fake", "generator.feature"}
    with pytest.raises(
        InvalidParameter, match="unknown generator_loss 'features_matching': did you mean 'feature_match"
    ):
        cls(generator_loss="features_matching").fit(X)


def test_matched_features_bring_the_generators_mean_to_the_rows() -> None:
    # The rows' mean is 3 in every column, but they are not scaled: an untrained generator's is about 0.
    rows = np.random.default_rng(1).normal(3, 0.5, size=(200, 4))
    det = GAN(generator_loss="feature_matching", scale="none", epochs=60, random_state=0)
    before = np.abs(det.fit_untrained(rows).sample(500, random_state=0).mean(0) - 3).max()
    after = np.abs(det.fit(rows).sample(500, random_state=0).mean(0) - 3).max()
    assert before > 2
    assert after < 0.5
