"""Training aids: priors, clipped critics, matched features and minibatch discrimination, by hand."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from ringfence import ADGAN, GAN, VAE, AnoGAN, methods
from ringfence.checks import (
    check_a_player_moves_only_its_own,
    check_same_seed_same_bits,
    check_saved_and_loaded_is_the_same,
    check_score_is_a_function_of_the_row,
    check_scoring_changes_nothing,
)
from ringfence.configure import detector_for
from ringfence.exceptions import InvalidParameter
from ringfence.game import INIT, NOISE, PRIORS, ROWS, Batch, Game, batches, stream
from ringfence.losses import ADVERSARIES, Adversary, WassersteinClipped, adversary_named
from ringfence.methods.shared import matching
from ringfence.networks import INITIALISERS, MLP, Discriminator, Maker, Row
from ringfence.networks.layers import Linear
from ringfence.networks.minibatch import Minibatch
from ringfence.networks.normalisation import BatchNorm
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
    # The same numbers halved about ½.
    torch.testing.assert_close(drawn("uniform_01", 1, 4), (drawn("uniform", 1, 4) + 1) / 2)


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


@pytest.mark.parametrize("prior", ["truncated_normal", "hypersphere", "uniform_01"])
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
    det.fit_untrained(X)
    run = det._run(det.preprocess_.tensor(X), learn=True)
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


# ---- spectral normalisation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [GAN, AnoGAN])
def test_spectral_holds_every_layer_of_the_discriminator_but_the_last(method: Any) -> None:
    def largest(spectral: bool) -> list[float]:
        det = method(epochs=20, batch_size=16, latent_dim=4, lr=0.05, spectral=spectral, random_state=0)
        judge = det.fit(X).nets_.discriminator
        with torch.no_grad():
            layers = [m for m in judge.modules() if isinstance(m, Linear)]
            used = [layer.weight if layer.norm is None else layer.norm(layer.weight) for layer in layers]
            return [float(torch.linalg.matrix_norm(weight[0], ord=2)) for weight in used]

    *held, last = largest(True)
    assert held
    assert held == pytest.approx([1.0] * len(held), abs=0.05)
    assert abs(last - 1.0) > 0.05
    assert max(largest(False)[:-1]) > 1.5


@pytest.mark.parametrize("method", [GAN, AnoGAN, ADGAN])
def test_no_aid_changes_the_weights_that_a_seed_draws_first_for_the_generator(method: Any) -> None:
    def family() -> MLP:
        make = Maker(INITIALISERS["he"], [stream(5, INIT)], lambda count: torch.zeros(count, 4))
        return MLP((6,), 4, None, make, ())

    alone = family().generator().state_dict()
    for aids in ({}, {"spectral": True}, {"minibatch": 8}):
        made = method(latent_dim=4, **aids).build(family())["generator"].state_dict()
        assert all(torch.equal(made[name], weight) for name, weight in alone.items()), aids


# ---- minibatch discrimination -------------------------------------------------------------------------------------

LOG2, LOG3 = math.log(2), math.log(3)


def five(*rows: tuple[float, float]) -> Tensor:
    """Rows of five numbers, three of them 0."""
    return torch.tensor([[a, b, 0, 0, 0] for a, b in rows])


def plain(units: int = 1, members: int = 1) -> Minibatch:
    """T is the identity for unit 0 and twice that for unit 1."""
    made = Minibatch(5, units, init=INITIALISERS["he"], rngs=[stream(m) for m in range(members)])
    with torch.no_grad():
        made.kernels.weight.copy_(torch.cat([(u + 1) * torch.eye(5) for u in range(units)]))
    return made


def test_nearness_in_a_batch_by_hand() -> None:
    # ‖a − b‖₁ = log 2, ‖a − c‖₁ = log 3 + log 2, ‖b − c‖₁ = log 3; each row is at distance 0 from itself.
    rows = five((0, 0), (LOG2, 0), (LOG2, -LOG3))
    expected = [1 + 1 / 2 + 1 / 6, 1 / 2 + 1 + 1 / 3, 1 / 6 + 1 / 3 + 1]
    assert values(plain()(rows)) == pytest.approx(expected)
    # Unit 1 sees all distances doubled: 1/4, 1/36 and 1/9.
    found = plain(2)(rows)
    assert found.shape == (3, 2)
    assert values(found[:, 0]) == pytest.approx(expected)
    assert values(found[:, 1]) == pytest.approx([1 + 1 / 4 + 1 / 36, 1 / 4 + 1 + 1 / 9, 1 / 36 + 1 / 9 + 1])


def test_a_row_to_be_scored_is_put_among_the_rows_that_were_kept() -> None:
    layer = plain()
    # Kept in turn: half of 64 at 0, half at log 2. Seen from log 2: (1/2 + 1) / 2, times 9 others, and itself.
    layer.remember(five((0, 0), (LOG2, 0)), others=9)
    layer.eval()
    assert values(layer(five((LOG2, 0)))) == pytest.approx([1 + 9 * 3 / 4])
    # Those that are judged with it change nothing.
    assert values(layer(five((LOG2, 0), (LOG2, 0), (5, 5))))[:2] == pytest.approx([1 + 9 * 3 / 4] * 2)
    # It is what training would say of the row among those others.
    kept = torch.randn(Minibatch.REFERENCE, 5, generator=stream(0))
    layer.remember(kept, others=Minibatch.REFERENCE)
    row = five((0.3, -0.2))
    alone = layer.eval()(row)
    torch.testing.assert_close(layer.train()(torch.cat([row, kept]))[:1], alone)


def test_nearness_falls_where_rows_move_apart() -> None:
    # d/da e^−|a − b| at a − b = −log 2 is 1/2 for the row's own value and 1/2 for the other's: together 1.
    rows = five((0, 0), (LOG2, 0)).requires_grad_()
    (slope,) = torch.autograd.grad(plain()(rows).sum(), rows)
    assert values(slope[:, 0]) == pytest.approx([1, -1])


def test_each_member_has_its_own_batch_and_its_own_kept_rows() -> None:
    rngs = [stream(1), stream(2)]
    both = Minibatch(4, 3, init=INITIALISERS["he"], rngs=rngs)
    x = torch.randn(2, 6, 4, generator=stream(3))
    alone = [Minibatch(4, 3, init=INITIALISERS["he"], rngs=[stream(s)]) for s in (1, 2)]
    for training in (True, False):
        found = both.train(training)(x.flatten(0, 1)).view(2, 6, 3)
        for member, layer in enumerate(alone):
            torch.testing.assert_close(found[member], layer.train(training)(x[member]))
            layer.remember(x[member] + 1, others=5)
        both.remember(x.flatten(0, 1) + 1, others=5)
    for member, layer in enumerate(alone):
        torch.testing.assert_close(both.get_buffer("reference")[member], layer.get_buffer("reference")[0])


def discriminator(minibatch: int, joint: list[Row] | None = None) -> Discriminator:
    rows = joint or [Row("dense", 6, act="leaky_relu"), Row("dense", 1)]
    make = Maker(INITIALISERS["he"], [stream(0)], lambda count: torch.zeros(count, 2))
    return Discriminator([()], rows, [(4,)], make, minibatch=minibatch)


def test_a_discriminator_judges_real_and_fake_rows_each_among_their_own() -> None:
    judge = discriminator(3)
    assert not judge.rowwise
    assert discriminator(0).rowwise
    assert judge.head.shape == (9,)
    real, fake = (torch.randn(5, 4, generator=stream(s)) for s in (1, 2))
    found = judge.both((real,), (fake,))
    torch.testing.assert_close(found[0], judge(real)[0])
    torch.testing.assert_close(found[1], judge(fake)[0])
    # One and the same row is judged by its company; its features are not.
    assert not torch.allclose(judge(real)[0][:2], judge(real[:2])[0])
    torch.testing.assert_close(judge(real)[1][:2], judge(real[:2])[1])


def test_without_it_a_discriminator_has_the_weights_that_it_had() -> None:
    # Its layers are drawn before, and those of the trunk are the same with it.
    with_it, without = discriminator(3).state_dict(), discriminator(0).state_dict()
    assert set(with_it) - set(without) == {"minibatch.kernels.weight", "minibatch.reference", "minibatch.others"}
    torch.testing.assert_close(with_it["trunk.layers.0.weight"], without["trunk.layers.0.weight"], rtol=0, atol=0)


def test_minibatch_is_refused_where_it_cannot_be() -> None:
    with pytest.raises(InvalidParameter, match=r"^minibatch=-1: allowed are whole numbers ≥ 0$"):
        GAN(minibatch=-1).fit(X)
    with pytest.raises(InvalidParameter, match=r"^minibatch=2: a dense row must follow the discriminator's features"):
        discriminator(2, [Row("dense", 6), Row("dense", 1, feature=True)])


def test_batches_of_an_epoch() -> None:
    # ⌈n/b⌉, but of two rows at least.
    assert [batches(*case) for case in ((64, 64), (65, 64), (5, 2), (3, 2), (2, 100), (1, 2))] == [1, 2, 2, 1, 1, 1]


def test_what_a_fit_keeps_are_training_rows_in_the_directions_of_the_averaged_networks() -> None:
    det = GAN(epochs=2, batch_size=16, minibatch=3, random_state=0).fit(X)
    layer = det.nets_.discriminator.minibatch
    # 40 rows in ⌈40/16⌉ = 3 batches: 13⅓ rows each.
    assert values(layer.others) == pytest.approx([40 / 3 - 1])
    order = torch.randperm(40, generator=stream(det.seed_, ROWS, 1))
    rows = det.preprocess_.tensor(X)[order]
    expected = layer.kernels(det.nets_.discriminator.trunk(rows)).view(1, 40, 3, 5)
    torch.testing.assert_close(layer.reference[:, :40], expected)
    torch.testing.assert_close(layer.reference[:, 40:], expected[:, :24])
    # An untrained foil keeps them too.
    assert det.fit_untrained(X).nets_.discriminator.minibatch.reference.abs().sum() > 0


DIGITS = load_digits().images[:40]


@pytest.mark.parametrize("rows", [DIGITS.reshape(40, 64), DIGITS], ids=["table", "image"])
@pytest.mark.parametrize(
    "check",
    [
        check_score_is_a_function_of_the_row,
        check_scoring_changes_nothing,
        check_same_seed_same_bits,
        check_a_player_moves_only_its_own,
        check_saved_and_loaded_is_the_same,
    ],
)
@pytest.mark.parametrize(
    "det",
    [
        GAN(epochs=2, batch_size=16, latent_dim=4, minibatch=3),
        AnoGAN(
            epochs=2, batch_size=16, latent_dim=4, minibatch=3, score_kind="sigma", steps=3, search_rates=(0.1,),
            search_until=(), prior="hypersphere", generator_loss="feature_matching", adversary="wasserstein_clipped",
        ),
    ],
    ids=["gan", "anogan"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")
def test_with_all_aids_a_detector_is_what_every_detector_must_be(det: Any, check: Any, rows: np.ndarray) -> None:
    check(det, rows)


def test_a_discriminator_of_comparisons_tells_a_collapsed_batch_that_a_plain_one_cannot() -> None:
    # Real rows are 0 and 1 in turn; fakes are all 1, which a real row may be too. Row by row the best logit of a 1 is
    # that of 1/3 real; among their own, fakes have no other beside them.
    real = torch.tensor([[0.0], [1.0]]).repeat(8, 4)
    fake = torch.ones(16, 4)
    gaps = []
    for units in (0, 3):
        judge = discriminator(units)
        optimiser = torch.optim.Adam(judge.parameters(), lr=0.02)
        for _ in range(300):
            one, other = judge.both((real,), (fake,))
            loss = (
                adversary_named("non_saturating").real(one).mean()
                + adversary_named("non_saturating").fake(other).mean()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        one, other = judge.both((real,), (fake,))
        gaps.append((one[1] - other[0]).item())  # the same row, 1, among real and among fake rows
    assert gaps[0] == pytest.approx(0, abs=1e-5)
    assert gaps[1] > 2
