"""The one training loop: epochs, turns, averages, members, and going on exactly where a run stood."""

import copy
import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ringfence import EGBAD, GAN, FenceGAN
from ringfence.exceptions import InvalidParameter, TrainingDiverged
from ringfence.game import INIT, Batch, Game, Nets, Optim, Player, Stage, Statistic, stream
from ringfence.losses import Wasserstein
from ringfence.networks import INITIALISERS, Maker, family_for
from ringfence.networks.dropout import Dropout
from ringfence.networks.layers import Linear
from ringfence.networks.normalisation import BatchNorm
from ringfence.training import Run, play

Loss = Callable[[Any, Batch], dict[str, Tensor]]


class Point(nn.Module):
    """One number to learn."""

    def __init__(self, value: float = 0.0) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor([value]))


def game(stages: list[Stage], n: int = 6, **changes: Any) -> Game:
    rows = torch.arange(n, dtype=torch.get_default_dtype())[:, None]
    rules = {"latent_dim": 2, "prior": "normal", "epochs": 1, "batch_size": 2, "ema": 0.0, "ema_warmup": True}
    return Game(stages=stages, rows=rows, **{**rules, "seeds": (3,), **changes})


def recorder(name: str = "a", **changes: Any) -> tuple[Player, list[Batch]]:
    """A player that learns nothing and notes every batch that it sees."""
    seen: list[Batch] = []

    def loss(nets: Any, batch: Batch) -> dict[str, Tensor]:
        seen.append(batch)
        return {"none": getattr(nets, name).value.expand(len(batch.x)) * 0.0}

    return Player((name,), loss, Optim("sgd", lr=1.0), **changes), seen


def noting(turns: list[str], name: str) -> Loss:
    """A loss that notes in which step it was asked for."""

    def loss(nets: Any, batch: Batch) -> dict[str, Tensor]:
        turns.append(f"{name}{batch.step}")
        return {"none": nets.a.value.expand(len(batch.x))}

    return loss


def seen_rows(seen: list[Batch]) -> list[int]:
    return [int(v) for b in seen for v in b.x[:, 0]]


@pytest.mark.parametrize(
    ("n", "size", "sizes"),
    [
        (6, 2, [2, 2, 2]),
        (7, 3, [2, 3, 2]),  # ⌈7/3⌉ = 3 batches, near-equal
        (5, 4, [2, 3]),  # not 4 and 1
        (5, 2, [2, 3]),  # ⌈5/2⌉ = 3 would leave one with a single row
        (3, 2, [3]),
        (2, 2, [2]),
        (4, 100, [4]),
        (101, 50, [34, 33, 34]),
    ],
)
def test_an_epoch_is_every_row_once_in_near_equal_batches(n: int, size: int, sizes: list[int]) -> None:
    player, seen = recorder()
    play(Run(game([Stage((player,))], n, batch_size=size), Nets({"a": Point()})))
    assert sorted(len(b.x) for b in seen) == sorted(sizes)
    assert sorted(seen_rows(seen)) == list(range(n))


def test_batches_never_have_one_row_nor_differ_by_more_than_one() -> None:
    for n in range(2, 60):
        for size in range(2, 20):
            bounds = game([], n, batch_size=size).bounds()
            sizes = [stop - start for start, stop in bounds]
            assert (bounds[0][0], bounds[-1][1], sum(sizes)) == (0, n, n)
            assert min(sizes) >= 2
            assert max(sizes) - min(sizes) <= 1
            assert len(sizes) == min(math.ceil(n / size), n // 2)


def test_every_epoch_has_another_order_and_every_seed_too() -> None:
    player, seen = recorder()
    play(Run(game([Stage((player,))], 30, epochs=3, batch_size=30), Nets({"a": Point()})))
    orders = [b.x[:, 0].tolist() for b in seen]
    assert len({tuple(o) for o in orders}) == 3
    assert list(range(30)) not in orders
    player, other = recorder()
    play(Run(game([Stage((player,))], 30, batch_size=30, seeds=(4,)), Nets({"a": Point()})))
    assert other[0].x[:, 0].tolist() not in orders


def test_a_batch_knows_where_it_stands() -> None:
    player, seen = recorder()
    play(Run(game([Stage((player,))], 4, epochs=2), Nets({"a": Point()})))
    assert [(b.epoch, b.step, b.progress) for b in seen] == [(0, 0, 0), (0, 1, 0.25), (1, 2, 0.5), (1, 3, 0.75)]


def test_noise_is_fresh_each_time_and_from_the_prior() -> None:
    drawn: list[Tensor] = []

    def loss(nets: Any, b: Batch) -> dict[str, Tensor]:
        drawn.extend((b.noise(), b.noise()))
        return {"none": nets.a.value.expand(len(b.x))}

    player = Player(("a",), loss, Optim("sgd"))
    play(Run(game([Stage((player,))], 400, batch_size=400, prior="uniform"), Nets({"a": Point()})))
    assert [d.shape for d in drawn] == [(400, 2)] * 2
    assert not torch.equal(*drawn)
    assert -1.0 <= drawn[0].min().item() < -0.95
    assert 0.95 < drawn[0].max().item() <= 1.0
    with pytest.raises(InvalidParameter, match="unknown prior 'norml': did you mean 'normal'"):
        game([], prior="norml")


def test_own_rows_are_every_row_once_in_an_order_of_their_own() -> None:
    first, seen = recorder()
    second, other = recorder("b", own_rows=True)
    third, third_seen = recorder("c")
    play(
        Run(
            game([Stage((first, second, third))], 20, batch_size=5, epochs=2),
            Nets({n: Point() for n in "abc"}),
        )
    )
    assert seen_rows(seen) == seen_rows(third_seen)
    assert seen_rows(seen) != seen_rows(other)
    for part in (slice(0, 4), slice(4, 8)):
        assert sorted(seen_rows(other[part])) == list(range(20))


def test_players_play_in_turn_repeat_and_pause() -> None:
    turns: list[str] = []
    players = (
        Player(("a",), noting(turns, "d"), Optim("sgd")),
        Player(("a",), noting(turns, "r"), Optim("sgd"), repeat=2, name="r"),
        # f-AnoGAN: the generator moves every few steps, after the others have moved that often.
        Player(("a",), noting(turns, "g"), Optim("sgd"), every=3, name="g"),
    )
    play(Run(game([Stage(players)], 8), Nets({"a": Point()})))
    assert turns == ["d0", "r0", "r0", "d1", "r1", "r1", "d2", "r2", "r2", "g2", "d3", "r3", "r3"]


def test_a_player_moves_until_its_share_of_the_stage_is_over_also_within_an_epoch() -> None:
    turns: list[str] = []
    players = (
        Player(("a",), noting(turns, "d"), Optim("sgd")),
        Player(("a",), noting(turns, "g"), Optim("sgd"), until=0.5, name="g"),
    )
    play(Run(game([Stage(players)], 8), Nets({"a": Point()})))
    assert turns == ["d0", "g0", "d1", "g1", "d2", "d3"]


def test_after_is_called_when_its_player_has_moved() -> None:
    found: list[float] = []

    def loss(nets: Any, b: Batch) -> dict[str, Tensor]:
        return {"slope": nets.a.value.expand(len(b.x))}

    def clip(nets: Any) -> None:
        found.append(nets.a.value.item())
        nets.a.value.data.clamp_(-0.25, 0.25)

    nets = Nets({"a": Point()})
    play(Run(game([Stage((Player(("a",), loss, Optim("sgd", lr=0.5), after=clip),))], 4), nets))
    assert found == [-0.5, -0.75]
    assert nets.a.value.item() == -0.25


def test_stages_follow_one_another_with_their_own_epochs_and_start() -> None:
    one, first = recorder()
    two, second = recorder("b")
    begun: list[tuple[int, float]] = []

    def before(nets: Any, rows: Tensor) -> None:
        begun.append((len(first), float(rows.sum())))

    none, never = recorder()
    stages = [Stage((one,), "warm", epochs=2), Stage((none,), epochs=0), Stage((two,), "game", before=before)]
    run = Run(game(stages, 4, epochs=3), Nets({"a": Point(), "b": Point()}))
    assert run.total_steps == 2 * 2 + 3 * 2
    play(run)
    assert (len(first), len(second), len(never)) == (4, 6, 0)
    assert begun == [(4, 6.0)]
    assert [(h["stage"], h["epoch"]) for h in run.history] == [
        *(("warm", e) for e in range(2)),
        *(("game", e) for e in range(3)),
    ]


# ---- networks that hold still -------------------------------------------------------------------------------------


# No bias before a normalisation, which takes it out again: its slope is rounding alone, and Adam makes steps of that.
TABLES = {
    "generator": [
        {"op": "dense", "units": 8, "bias": False, "norm": "batch", "act": "relu", "dropout": 0.3},
        {"op": "dense", "units": 5},
    ],
    "discriminator": [
        {"op": "dense", "units": 8, "bias": False, "norm": "batch", "act": "leaky_relu", "dropout": 0.2},
        {"op": "dense", "units": 1},
    ],
}


def build(det: Any, seeds: tuple[int, ...] = (1,), layers: Any = None, d: int = 5) -> Nets:
    dtype = torch.get_default_dtype()
    make = Maker(
        INITIALISERS["xavier"], [stream(s, INIT) for s in seeds], lambda count: torch.zeros(count, 2, dtype=dtype)
    )
    return Nets(det.build(family_for((d,))((d,), 2, layers, make)))


def rows(n: int = 20, d: int = 5) -> Tensor:
    return torch.randn(n, d, generator=stream(99))


def snapshot(nets: Nets) -> dict[str, bytes]:
    return {
        name: b"".join(t.numpy().tobytes() for t in net.state_dict().values()) for name, net in nets.named_children()
    }


@pytest.mark.parametrize(
    "det", [GAN(), FenceGAN(), FenceGAN(apart=True, pretrain_epochs=1)], ids=["gan", "fence", "apart"]
)
def test_a_player_moves_only_its_own_networks_buffers_included(det: Any) -> None:
    nets = build(det, layers=TABLES)
    run = Run(game(det.stages(), ema=0.0, batch_size=10), nets)
    run.game.rows = rows()
    for player in (p for s in run.game.stages for p in s.players):
        before = snapshot(nets)
        # A stage of one player is that player's moves alone.
        single = Run(game([Stage((player,))], batch_size=10), nets)
        single.game.rows = rows()
        play(single)
        moved = {n for n, state in snapshot(nets).items() if state != before[n]}
        assert moved == set(player.nets)
        norm = next(m for m in getattr(nets, player.nets[0]).modules() if isinstance(m, BatchNorm))
        assert norm.running_mean.any(), "the player's own statistics are written"


def test_others_use_batch_statistics_or_their_running_ones_as_the_player_says() -> None:
    norm = BatchNorm(1, momentum=0.5, eps=1e-5, members=1)
    found: dict[str, list[float]] = {}

    def loss(name: str) -> Loss:
        def value(nets: Any, b: Batch) -> dict[str, Tensor]:
            found[name] = nets.norm(b.x).flatten().tolist()
            return {"none": nets.a.value.expand(len(b.x))}

        return value

    for others in ("batch", "eval"):
        player = Player(("a",), loss(others), Optim("sgd"), others=others)
        play(Run(game([Stage((player,))], 2), Nets({"a": Point(), "norm": norm})))
    # Rows 0 and 1: by their own statistics (mean ½, variance ¼) ∓1; by the untouched running ones (0, 1) as they are.
    assert sorted(found["batch"]) == pytest.approx([-1, 1], abs=1e-4)
    assert sorted(found["eval"]) == pytest.approx([0, 1], abs=1e-4)
    assert (norm.running_mean.item(), norm.running_var.item()) == (0, 1)


# ---- what is lent ----


def lending(loss: Loss, before: Callable[[Any, Tensor], None] | None = None, epochs: int = 1) -> Run:
    """A run of a single layer, by plain steps along a loss."""
    layer = Linear(1, 1, bias=True, init=INITIALISERS["normal_002"], rngs=[stream(0, INIT)])
    stages = [Stage((Player(("a",), loss, Optim("sgd", lr=1.0)),), before=before) for _ in range(epochs)]
    return Run(game(stages, n=2), Nets({"a": layer}))


@pytest.mark.parametrize("through", [True, False], ids=["both ways", "itself alone"])
def test_a_loss_may_use_a_weight_itself_beside_its_layer(through: bool) -> None:
    def loss(nets: Any, batch: Batch) -> dict[str, Tensor]:
        own = nets.a.weight.square().flatten()
        return {"a": own + (nets.a(batch.x).squeeze(1) if through else 0.0) + torch.zeros(len(batch.x))}

    run = lending(loss)
    weight, bias = (p.detach().clone() for p in run.nets.a.parameters())
    play(run)
    # Rows are 0 and 1: the slope by the weight is 2w + .5, that by the bias 1.
    torch.testing.assert_close(run.nets.a.weight, weight - 2 * weight - 0.5 * through)
    torch.testing.assert_close(run.nets.a.bias, bias - 1.0 * through)


def test_what_stands_for_a_weight_learns_what_the_weight_would() -> None:
    layer = Linear(1, 3, bias=False, init=INITIALISERS["normal_002"], rngs=[stream(0, INIT)])
    last = Linear(3, 1, bias=True, init=INITIALISERS["normal_002"], rngs=[stream(1, INIT)])

    def loss(nets: Any, batch: Batch) -> dict[str, Tensor]:
        return {"a": (nets.b(nets.a(batch.x)) - 1).square().flatten()}

    run = Run(game([Stage((Player(("a", "b"), loss, Optim("sgd", lr=1.0)),))], n=2), Nets({"a": layer, "b": last}))
    first, second, bias = (p.detach().clone().requires_grad_() for p in run.nets.parameters())
    value = (run.game.rows @ first[0].t() @ second[0].t() + bias - 1).square().mean()
    slopes = torch.autograd.grad(value, (first, second, bias))
    play(run)
    for moved, start, slope in zip(run.nets.parameters(), (first, second, bias), slopes, strict=True):
        torch.testing.assert_close(moved, start - slope)


def test_a_copy_of_a_layer_that_was_lent_its_weights_uses_its_own() -> None:
    copies: list[Linear] = []

    def loss(nets: Any, batch: Batch) -> dict[str, Tensor]:
        copies.append(copy.deepcopy(nets.a))
        return {"a": nets.a(batch.x).squeeze(1)}

    play(lending(loss))
    with torch.no_grad():
        copies[0].weight.fill_(3.0)
        copies[0].bias.zero_()
    assert copies[0](torch.ones(1, 1)).item() == 3.0


def test_a_stages_start_and_the_end_find_nothing_lent() -> None:
    lent: list[bool] = []

    def loss(nets: Any, batch: Batch) -> dict[str, Tensor]:
        lent.append(nets.a.lent is not None)
        return {"a": nets.a(batch.x).squeeze(1)}

    run = lending(loss, before=lambda nets, rows: lent.append(nets.a.lent is not None), epochs=2)
    play(run)
    assert lent == [False, True, False, True]
    assert run.result().a.lent is None


# ---- precision ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("members", [1, 2])
def test_products_are_in_bfloat16_and_weights_losses_and_scores_in_float32(members: int) -> None:
    images = np.random.default_rng(0).random((24, 16, 16), dtype=np.float32)
    det = EGBAD(epochs=2, batch_size=8, latent_dim=4, random_state=0, members=members, precision="bfloat16")
    seen: list[tuple[torch.dtype, torch.dtype]] = []
    judge = det.discriminator_loss

    def watched(nets: Any, batch: Batch) -> dict[str, Tensor]:
        z = nets.encoder(batch.x)
        seen.append((nets.encoder.layers[0](batch.x).dtype, z.dtype))
        terms = judge(nets, batch)
        assert {t.dtype for t in terms.values()} == {torch.float32}
        return terms

    det.discriminator_loss = watched  # type: ignore[method-assign]
    det.fit(images)
    assert set(seen) == {(torch.bfloat16, torch.float32)}
    assert {t.dtype for t in det.nets_.state_dict().values()} == {torch.float32}
    # bfloat16 has 8 bits: scores of weights that were trained with it are no coarser than others.
    parts = det.parts(images)["residual"]
    assert len({float(v) for v in parts}) == len(parts)
    np.testing.assert_array_equal(det.anomaly_score(images[3:5]), det.anomaly_score(images)[3:5])
    plain = EGBAD(epochs=2, batch_size=8, latent_dim=4, random_state=0, members=members).fit(images)
    np.testing.assert_allclose(det.parts(images)["residual"], plain.parts(images)["residual"], rtol=0.2)


# ---- optimisers ---------------------------------------------------------------------------------------------------


def pulls(*slopes: float) -> list[Loss]:
    """Losses of a constant slope."""
    return [lambda nets, b, s=s: {"pull": s * nets.a.value.expand(len(b.x))} for s in slopes]


def adam_by_hand(slopes: list[float], lr: float, b1: float, b2: float) -> float:
    place = m = v = 0.0
    for t, g in enumerate(slopes, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        place -= lr * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + 1e-8)
    return place


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 0.0), (0.5, 0.1), (0.0, 0.0)])
def test_momentum_is_that_of_pytorchs_sgd(momentum: float, decay: float) -> None:
    slopes = [1.0, -3.0, 0.5]
    theirs = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([theirs], lr=0.1, momentum=momentum, weight_decay=decay)
    for slope in slopes:
        theirs.grad = torch.tensor([slope])
        optimiser.step()
    nets = Nets({"a": Point()})
    optim = Optim("momentum", 0.1, (momentum, 0.999), weight_decay=decay)
    players = [
        Player(("a",), loss, optim, name=f"p{i}", shares="p0" if i else "") for i, loss in enumerate(pulls(*slopes))
    ]
    play(Run(game([Stage(tuple(players))], 2), nets))
    assert nets.a.value.item() == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parametrize("shares", ["", "one"], ids=["own", "shared"])
def test_players_that_share_an_optimiser_share_its_moments(shares: str) -> None:
    one, two = pulls(1.0, -3.0)
    optim = Optim("adam", 0.1, (0.5, 0.9))
    players = (Player(("a",), one, optim, name="one"), Player(("a",), two, optim, name="two", shares=shares))
    nets = Nets({"a": Point()})
    play(Run(game([Stage(players)], 6), nets))
    together = adam_by_hand([1, -3, 1, -3, 1, -3], 0.1, 0.5, 0.9)
    # Apart, Adam makes steps of one length of every constant slope: three of -.1 and three of +.1.
    assert abs(together) > 0.01
    assert nets.a.value.item() == pytest.approx(together if shares else 0.0, abs=1e-6)


def test_fence_gan_apart_has_one_adam_for_its_discriminator() -> None:
    det = FenceGAN(apart=True, pretrain_epochs=1)
    run = Run(game(det.stages()), build(det, d=1))
    for stage in (0, 1):
        run.stage, run.opened = stage, False
        run.open_stage()
        real, fake = (next(s for s in run.seats if s.player.title == n) for n in ("real", "fake"))
        assert real.optimiser is fake.optimiser
        assert real.moves is fake.moves
    fence = next(s for s in run.seats if s.player.title == "generator")
    assert fence.optimiser is not real.optimiser


@pytest.mark.parametrize("apart", [False, True])
def test_momenta_are_everybodys_and_weight_decay_is_the_discriminators_of_fence_gan(apart: bool) -> None:
    det = FenceGAN(apart=apart, pretrain_epochs=1, beta1=0, beta2=0.9, discriminator_weight_decay=0.5)
    for player in (player for stage in det.stages() for player in stage.players):
        assert player.optim.betas == (0.0, 0.9)
        assert player.optim.weight_decay == (0.5 if player.nets == ("discriminator",) else 0.0)


@pytest.mark.parametrize(
    ("decay", "expected"),
    # Keras: rate lr / (1 + decay · t) at update t = 0, 1, 2. Slope 1, lr 1: 1 + 1/1.5 + 1/2 = 13/6; 3 without decay.
    [(0.5, -13 / 6), (0.0, -3.0)],
)
def test_rates_decay_as_keras_has_it(decay: float, expected: float) -> None:
    nets = Nets({"a": Point()})
    player = Player(("a",), pulls(1.0)[0], Optim("sgd", lr=1.0, decay=decay))
    play(Run(game([Stage((player,))], 6), nets))
    assert nets.a.value.item() == pytest.approx(expected)


def test_decay_counts_the_updates_of_those_who_share() -> None:
    nets = Nets({"a": Point()})
    one, two = pulls(1.0, 1.0)
    optim = Optim("sgd", lr=1.0, decay=1.0)
    players = (Player(("a",), one, optim, name="one"), Player(("a",), two, optim, name="two", shares="one"))
    play(Run(game([Stage(players)], 4), nets))
    # 1 + 1/2 + 1/3 + 1/4
    assert nets.a.value.item() == pytest.approx(-25 / 12)


class Points(nn.Module):
    """Numbers to learn."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(count))


@pytest.mark.parametrize("kind", ["adam", "sgd", "rmsprop"])
def test_networks_named_in_another_order_than_built_get_their_own_slopes(kind: str) -> None:
    nets = Nets({"a": Point(), "b": Points(4)})

    def pull(nets: Any, b: Batch) -> dict[str, Tensor]:
        return {"pull": (nets.a.value - 2.0 * nets.b.values.mean()).expand(len(b.x))}

    play(Run(game([Stage((Player(("b", "a"), pull, Optim(kind, lr=0.1)),))], 2), nets))
    assert nets.a.value.item() < 0
    assert (nets.b.values > 0).all()


@pytest.mark.parametrize(
    ("kind", "theirs"),
    [
        ("adam", lambda p: torch.optim.Adam(p, 0.1, (0.5, 0.9), weight_decay=0.3)),
        ("sgd", lambda p: torch.optim.SGD(p, 0.1, weight_decay=0.3)),
        ("rmsprop", lambda p: torch.optim.RMSprop(p, 0.1, weight_decay=0.3)),
    ],
)
def test_rules_are_those_of_pytorch(kind: str, theirs: Callable[..., torch.optim.Optimizer]) -> None:
    rng = torch.Generator().manual_seed(0)
    place = [torch.randn(3, 2, generator=rng), torch.randn(4, generator=rng)]
    ours, their = ([nn.Parameter(p.clone()) for p in place] for _ in range(2))
    rule, reference = Optim(kind, 0.1, (0.5, 0.9), weight_decay=0.3).over(ours), theirs(their)
    for _ in range(5):
        slopes = [torch.randn(2, 3, generator=rng).t(), torch.randn(4, generator=rng)]  # one of them not contiguous
        for parameter, slope in zip(their, slopes, strict=True):
            parameter.grad = slope.clone()
        reference.step()
        rule.step(slopes, 0.1)
    for a, b in zip(ours, their, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", ["adam", "sgd", "rmsprop"])
def test_a_parameter_that_no_loss_reaches_stays_where_it_is(kind: str) -> None:
    place = [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))]
    rule = Optim(kind, 0.1, weight_decay=0.3).over(place)
    rule.step([torch.ones(2), None, -torch.ones(2)], 0.1)
    assert (place[0] < 1).all()
    assert (place[1] == 1).all()
    assert (place[2] > 1).all()


def test_an_unknown_optimiser_is_named_with_the_nearest() -> None:
    with pytest.raises(InvalidParameter, match="unknown optimiser 'adm': did you mean 'adam'"):
        Optim("adm").over([nn.Parameter(torch.zeros(1))])


# ---- Fence GAN's order of play ------------------------------------------------------------------------------------


def played(det: FenceGAN, epochs: int = 1) -> tuple[list[tuple[str, Any]], Nets]:
    """(player, noise) of every move of a fit, in order."""
    log: list[tuple[str, Any]] = []
    stages = []
    for stage in det.stages():
        players = []
        for player in stage.players:

            def loss(nets: Any, b: Batch, p: Player = player) -> dict[str, Tensor]:
                drawn: list[Tensor] = []

                def draw(count: int) -> Tensor:
                    drawn.append(b.draw(count))
                    return drawn[-1]

                terms = p.loss(nets, Batch(b.x, b.epoch, b.step, b.progress, b.members, draw))
                log.append((p.title, drawn))
                return terms

            players.append(Player(**{**vars(player), "loss": loss}))
        stages.append(Stage(tuple(players), stage.name, stage.epochs, stage.before))
    nets = build(det, d=1)
    play(Run(game(stages, 6, epochs=epochs, batch_size=3), nets))
    return log, nets


def test_fence_gan_plays_algorithm_1_generator_first_each_on_fresh_noise() -> None:
    log, _ = played(FenceGAN())
    assert [name for name, _ in log] == ["generator", "discriminator"] * 2
    noise = [z for _, drawn in log for z in drawn]
    assert len(noise) == 4  # one draw a move
    assert len({z.numpy().tobytes() for z in noise}) == 4


def test_fence_gan_released_plays_the_discriminator_first_and_apart() -> None:
    log, _ = played(FenceGAN(apart=True))
    assert [name for name, _ in log] == ["real", "fake", "generator"] * 2
    # Real rows need no noise; the generator moves on noise of its own.
    assert [len(drawn) for _, drawn in log] == [0, 1, 1] * 2


def test_pretraining_moves_the_discriminator_only() -> None:
    det = FenceGAN(pretrain_epochs=2)
    log, _ = played(det, epochs=1)
    assert [name for name, _ in log] == ["discriminator"] * 4 + ["generator", "discriminator"] * 2
    nets = build(det, d=1)
    before = snapshot(nets)
    run = Run(game(det.stages()[:1], 6), nets)
    play(run)
    after = snapshot(nets)
    assert after["generator"] == before["generator"]
    assert after["discriminator"] != before["discriminator"]
    assert [(h["stage"], h["epoch"]) for h in run.history] == [("pretrain", 0), ("pretrain", 1)]


def test_egbad_and_gan_play_the_discriminator_first() -> None:
    assert [p.nets for p in GAN().stages()[0].players] == [("discriminator",), ("generator",)]
    assert [p.nets for p in EGBAD().stages()[0].players] == [("discriminator",), ("generator", "encoder")]
    assert [p.own_rows for p in EGBAD(own_rows=True).stages()[0].players] == [False, True]


# ---- averages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("warmup", [True, False])
def test_the_average_is_the_recursion_by_hand(warmup: bool) -> None:
    nets = Nets({"a": Point(1.0)})
    run = Run(
        game([Stage((Player(("a",), pulls(1.0)[0], Optim("sgd", lr=1.0)),))], 8, ema=0.3, ema_warmup=warmup), nets
    )
    play(run)
    # The weight goes 1 → 0, -1, -2, -3. Warmed up, the decay at t = 0, 1, 2, 3 is min(.3, (1 + t) / (10 + t)):
    # .1, 2/11, .25, .3 (4/13 is more).
    mean = 1.0
    for t, weight in enumerate((0.0, -1.0, -2.0, -3.0)):
        decay = min(0.3, (1 + t) / (10 + t)) if warmup else 0.3
        mean = decay * mean + (1 - decay) * weight
    assert nets.a.value.item() == -3
    assert run.result().a.value.item() == pytest.approx(mean, rel=1e-6)


def test_the_average_has_the_buffers_too_and_not_the_statistics() -> None:
    class Counted(Point):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))

    def loss(nets: Any, b: Batch) -> dict[str, Tensor]:
        nets.a.seen += 1
        nets.stat.centre += 1
        return {"none": nets.a.value.expand(len(b.x)) * 0}

    nets = Nets({"a": Counted(), "stat": Statistic(centre=torch.zeros(1))})
    run = Run(game([Stage((Player(("a",), loss, Optim("sgd")),))], 4, ema=0.5, ema_warmup=False), nets)
    play(run)
    result = run.result()
    # 0 → ½ · 0 + ½ · 1 = .5 → ½ · .5 + ½ · 2 = 1.25; the statistic as it stands: 2.
    assert result.a.seen.item() == 1.25
    assert result.stat.centre.item() == 2


def test_without_an_average_the_result_is_the_last_weights_still_and_frozen() -> None:
    nets = Nets({"a": Point()})
    run = Run(game([Stage((Player(("a",), pulls(1.0)[0], Optim("sgd", lr=1.0)),))], 4), nets)
    play(run)
    result = run.result()
    assert result.a.value.item() == -2
    assert not result.training
    assert not result.a.value.requires_grad


# ---- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_with_its_name(bad: float) -> None:
    def loss(nets: Any, b: Batch) -> dict[str, Tensor]:
        value = nets.a.value.expand(len(b.x))
        return {"fine": value, "bad": value * 0 + (bad if b.epoch == 1 else 0.0)}

    run = Run(game([Stage((Player(("a",), loss, Optim("sgd")),), "warm")], epochs=3), Nets({"a": Point()}))
    with pytest.raises(
        TrainingDiverged, match=r"the loss term a\.bad became -?(nan|inf) in epoch 2 of stage 'warm'"
    ) as e:
        play(run)
    assert "\n" not in str(e.value)
    assert len(run.history) == 1


def test_the_history_is_the_mean_over_the_steps_of_an_epoch() -> None:
    def loss(nets: Any, b: Batch) -> dict[str, Tensor]:
        return {"x": b.x[:, 0] + nets.a.value * 0}

    run = Run(game([Stage((Player(("a",), loss, Optim("sgd"), repeat=2),))], 6), Nets({"a": Point()}))
    play(run)
    # Equal batches of rows 0…5: their means average 2.5, however often a batch is repeated.
    assert run.history == [{"stage": "train", "epoch": 0, "a.x": pytest.approx(2.5)}]


# ---- members ------------------------------------------------------------------------------------------------------


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


SPREAD = {
    "gan": GAN(),
    "gan with a penalty": GAN(adversary=Wasserstein()),
    "egbad": EGBAD(own_rows=True),
    "fence": FenceGAN(pretrain_epochs=1),
    "fence apart": FenceGAN(apart=True, decay=0.01, encirclement="log_distance"),
}


@pytest.mark.parametrize("name", SPREAD)
@pytest.mark.usefixtures("double")
def test_two_members_are_the_two_runs_of_their_seeds(name: str) -> None:
    det = SPREAD[name]
    # Dropout and batch norm too: each member has its own masks and statistics.
    layers = None if name == "egbad" else TABLES
    found = {}
    for seeds in ((1, 2), (1,), (2,)):
        nets = build(det, seeds, layers)
        run = Run(game(det.stages(), seeds=seeds, epochs=17, batch_size=8, ema=0.9), nets)
        run.game.rows = rows()
        play(run)
        found[seeds] = run.result().state_dict(), run.history
        assert len(run.game.bounds()) * 17 >= 50
    both, history = found[1, 2]
    for member in (0, 1):
        alone, _ = found[member + 1,]
        for key, value in both.items():
            torch.testing.assert_close(
                value[member], alone[key][0], rtol=0, atol=1e-8, msg=lambda m, k=key: f"{k}: {m}"
            )
    for epoch, one, two in zip(history, found[1,][1], found[2,][1], strict=True):
        # A term is logged as the mean over members.
        for key in set(epoch) - {"stage", "epoch"}:
            assert epoch[key] == pytest.approx((one[key] + two[key]) / 2, rel=1e-7)


def test_whole_batch_statistics_are_each_members_own() -> None:
    batch = Batch(torch.zeros(4, 1), 0, 0, 0.0, 2, lambda n: torch.zeros(n, 1))
    t = torch.tensor([[1.0], [2.0], [10.0], [30.0]])
    assert batch.whole(lambda m: m.mean(), t).tolist() == [1.5, 1.5, 20, 20]


# ---- going on where a run stood -----------------------------------------------------------------------------------


def two_stages(kind: str) -> Run:
    """D alone for two epochs, then the game; batch norm and dropout in both networks, an own order for the last."""
    det = FenceGAN(pretrain_epochs=2, apart=True, decay=0.01, discriminator_optimiser=kind)
    first, second = det.stages()
    *judges, fence = second.players

    def centre(nets: Any, rows: Tensor) -> None:
        nets.stat.mean += rows.mean()

    own = Player(**{**vars(fence), "own_rows": True, "every": 2})
    nets = build(det, layers=TABLES)
    nets.add_module("stat", Statistic(mean=torch.zeros(1)))
    stages = [first, Stage((*judges, own), before=centre)]
    run = Run(game(stages, epochs=3, batch_size=6, ema=0.9), nets)
    run.game.rows = rows(23)
    return run


def ends(run: Run) -> tuple[dict[str, bytes], str]:
    """Weights of both kinds, and the history with its order."""
    nets = {**snapshot(run.result()), **{f"live.{k}": v for k, v in snapshot(run.nets).items()}}
    return nets, repr(run.history)


@pytest.mark.parametrize("kind", ["adam", "sgd", "rmsprop"])
def test_a_run_restored_anywhere_ends_with_the_same_bits(kind: str) -> None:
    whole = two_stages(kind)
    states: list[Any] = [whole.state()]
    play(whole, lambda run: states.append(run.state()))
    assert len(states) == 1 + 5 * 4
    expected = ends(whole)
    for tensors, facts in states[:: 1 if kind == "adam" else 5]:
        # Another run before it must not matter, nor that a state is read twice.
        for _ in range(2 if facts["position"] == 2 else 1):
            again = two_stages(kind)
            again.restore(tensors, facts)
            play(again)
            assert ends(again) == expected, (
                f"restored at stage {facts['stage']}, epoch {facts['epoch']}, {facts['position']}"
            )


def test_a_state_is_a_snapshot() -> None:
    run = two_stages("adam")
    states: list[Any] = []
    play(run, lambda r: states.append((r.state(), copy.deepcopy(r.state()))))
    for (tensors, facts), (tensors_then, facts_then) in states:
        assert facts == facts_then
        assert all(torch.equal(t, tensors_then[k]) for k, t in tensors.items())


def test_before_is_not_run_again_after_a_restore() -> None:
    whole = two_stages("adam")
    play(whole)
    # Rows have some mean: added once.
    assert whole.nets.stat.mean.item() == pytest.approx(whole.game.rows.mean().item(), rel=1e-5)


def test_facts_of_a_state_are_what_json_holds() -> None:
    run = two_stages("adam")
    facts: list[Any] = []
    play(run, lambda r: facts.append(r.state()[1]))
    assert json.loads(json.dumps(facts)) == facts


# ---- random streams -----------------------------------------------------------------------------------------------


def test_streams_differ_by_seed_and_by_path() -> None:
    paths = [
        (s, *p)
        for s in (0, 1)
        for p in ((0,), (1,), (2, 0, 0, 0), (2, 0, 1, 0), (2, 1, 0, 0), (2, 0, 0, 1), (3,), (4,), (1, 1))
    ]
    drawn = {tuple(torch.rand(4, generator=stream(*p)).tolist()) for p in paths}
    assert len(drawn) == len(paths)
    assert torch.equal(torch.rand(4, generator=stream(5, 2)), torch.rand(4, generator=stream(5, 2)))


def test_training_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(7)
    np.random.seed(7)
    state, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()
    play(two_stages("adam"))
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numbers)


def test_dropout_is_lent_its_streams_and_gives_them_back() -> None:
    run = two_stages("adam")
    masks = [m for m in run.nets.modules() if isinstance(m, Dropout)]
    assert len(masks) == 2
    assert all(m.rngs is run.dropout_rngs for m in masks)
    play(run)
    run.result()
    assert all(m.rngs is None for m in masks)
    # In the averaged networks, which score, there are none either.
    assert all(m.rngs is None for m in run.averaged.modules() if isinstance(m, Dropout))
    assert isinstance(next(iter(run.averaged.generator.layers)), Linear)
