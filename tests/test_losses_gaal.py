"""SO-GAAL's and MO-GAAL's terms, parts and game against numbers worked out by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from golden import APPROX, LOG2, LOG3, LOG4, values
from ringfence import MOGAAL, SOGAAL
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch, Game, Nets, Stage
from ringfence.methods.mogaal import levels
from ringfence.networks import INITIALISERS, Generators, Maker, Row, turns
from ringfence.networks.generators import most_turns
from ringfence.training import Run, play


class Judge(nn.Module):
    """Takes the first column for its logit, times a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, 0] * self.weight, x

    def both(self, real: tuple[Tensor], fake: tuple[Tensor]) -> tuple[Tensor, Tensor]:
        return self(*real)[0], self(*fake)[0]


class Shift(nn.Module):
    """Adds to the noise what it has learned."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        return z + self.by


def nets() -> Any:
    return Nets({"generator": Shift(), "discriminator": Judge()})


def batch(x: list[float], noise: list[float], members: int = 1) -> Batch:
    rows, fixed = torch.tensor(x)[:, None], torch.tensor(noise)[:, None]
    return Batch(rows, 0, 0, 0.0, members, lambda n: fixed)


def loss(stage: Stage, title: str, given: Batch, networks: Any) -> dict[str, Tensor]:
    (player,) = (p for p in stage.players if p.title == title)
    return player.loss(networks, given)


# ---- SO-GAAL ------------------------------------------------------------------------------------------------------


def test_terms_of_so_gaal() -> None:
    # D(x) = 3/4 and 1/2, D(G(z)) = 1/2 and 1/4.
    given, (stage,) = batch([LOG3, 0.0], [0.0, -LOG3]), SOGAAL().stages()
    found = loss(stage, "discriminator", given, nets())
    assert values(found["real"]) == pytest.approx([LOG4 - LOG3, LOG2], **APPROX)  # −log D(x)
    assert values(found["fake"]) == pytest.approx([LOG2, LOG4 - LOG3], **APPROX)  # −log(1 − D(G(z)))
    # G wants 1: −log D(G(z)) = log 2, log 4.
    assert values(loss(stage, "generator", given, nets())["adversarial"]) == pytest.approx([LOG2, LOG4], **APPROX)


@pytest.mark.parametrize("det", [SOGAAL(), MOGAAL(generators=2)])
def test_each_player_learns_from_its_own_loss(det: Any) -> None:
    given, (stage,) = batch([LOG3, 0.0], [-LOG3, -LOG3]), det.stages()
    assert [p.nets for p in stage.players] == [("discriminator",), ("generator",)]
    networks = nets()
    sum(t.mean() for t in loss(stage, "generator", given, networks).values()).backward()
    # D(G(z)) is 1/4, and every target is above it: a step down the slope raises G's rows.
    assert networks.generator.by.grad < 0
    networks = nets()
    sum(t.mean() for t in loss(stage, "discriminator", given, networks).values()).backward()
    # A larger weight tells the normal rows (logits above 0) from the generated ones (below 0).
    assert networks.discriminator.weight.grad < 0


@pytest.mark.parametrize("det", [SOGAAL(), MOGAAL(generators=2)])
def test_what_looks_normal_scores_low(det: Any) -> None:
    # pyod's GAAL returns D(x) as its anomaly score. 1 − D at D = 3/4, 1/2 and 1/4:
    found = det.score_parts(nets(), torch.tensor([[LOG3], [0.0], [-LOG3]]))["discriminator"]
    assert values(found) == pytest.approx([0.25, 0.5, 0.75], **APPROX)
    assert det.scores == {"discriminator": {"discriminator": 1.0}}


@pytest.mark.parametrize("cls", [SOGAAL, MOGAAL])
def test_the_generator_stops_and_the_discriminator_goes_on(cls: Any) -> None:
    networks, where = nets(), []
    stages = cls(stop=0.5, lr=0.1, generator_lr=0.01).stages()
    run = Run(Game(stages, torch.ones(20, 1), 1, "normal", 4, 10, ema=0.0, ema_warmup=False, seeds=(0,)), networks)
    play(run, lambda r: where.append((r.nets.generator.by.item(), r.nets.discriminator.weight.item())))
    # Two steps an epoch, 8 in all: G moves in the first four.
    shifts, weights = zip(*where, strict=True)
    assert len(set(shifts)) == 4
    assert len(set(shifts[3:])) == 1
    assert len(set(weights)) == 8
    # Adam's first step is the rate itself.
    assert abs(shifts[0]) == pytest.approx(0.01, rel=1e-3)
    assert abs(weights[0] - 1) == pytest.approx(0.1, rel=1e-3)
    assert "generator.adversarial" not in run.history[-1]
    assert "discriminator.fake" in run.history[-1]


def test_a_generator_has_the_rate_of_its_detector_unless_told_otherwise() -> None:
    (judge, generator) = SOGAAL(lr=0.3).stages()[0].players
    assert judge.optim.lr == generator.optim.lr == 0.3
    assert generator.until == SOGAAL().stop
    assert judge.until == 1.0


# ---- MO-GAAL ------------------------------------------------------------------------------------------------------


def test_levels_are_quantiles_from_the_least_on_for_each_member() -> None:
    # Of .1 … .5 the 0/4, 1/4, 2/4 and 3/4 quantiles; with two generators of .1, .2, .3: the least and the median.
    d = torch.tensor([0.3, 0.1, 0.5, 0.2, 0.4])
    torch.testing.assert_close(levels(d, 4), torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
    two = levels(torch.tensor([0.3, 0.1, 0.2, 0.6, 0.9, 0.7]), 2, members=2)
    torch.testing.assert_close(two, torch.tensor([[0.1, 0.2], [0.6, 0.7]]))


def test_levels_lie_between_rows_where_none_is() -> None:
    torch.testing.assert_close(levels(torch.tensor([0.2, 0.8]), 4), torch.tensor([[0.2, 0.35, 0.5, 0.65]]))


def test_generators_take_turns_by_falling_shares() -> None:
    # k = 3: 0 1 2, 0 1, 0, and again.
    assert turns(8, 3).tolist() == [0, 1, 2, 0, 1, 0, 0, 1]
    assert torch.bincount(turns(55, 10)).tolist() == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_the_most_turns_are_those_of_the_first_generator(count: int) -> None:
    for rows in range(1, 120):
        assert most_turns(rows, count) == int(torch.bincount(turns(rows, count)).max())


def test_terms_of_mo_gaal() -> None:
    # D(x) = 1/4, 1/2, 3/4; k = 2: T = 1/4 (the least) and 1/2 (the median); turns 0 1 0.
    given, (stage,) = batch([0.0, -LOG3, LOG3], [0.0, -LOG3, LOG3]), MOGAAL(generators=2).stages()
    found = loss(stage, "generator", given, nets())
    # D(G(z)) = 1/2 to 1/4: log 2 whatever the target. 1/4 to 1/2: −½ log ¼ − ½ log ¾.
    # ¾ to ¼: −¼ log ¾ − ¾ log ¼. Targets the other way round would swap the last two's halves and quarters.
    # G_0 made two of the three rows, G_1 one: 3/2 and 3 of each, so that the mean of all is the sum of their means.
    expected = [1.5 * LOG2, 3 * (LOG4 - LOG3 / 2), 1.5 * (LOG4 - LOG3 / 4)]
    assert list(found) == ["level"]
    assert float(found["level"].detach().mean()) == pytest.approx(
        (LOG2 + LOG4 - LOG3 / 4) / 2 + LOG4 - LOG3 / 2, **APPROX
    )
    assert values(found["level"]) == pytest.approx(expected, **APPROX)
    judged = loss(stage, "discriminator", given, nets())
    assert values(judged["real"]) == pytest.approx([LOG2, LOG4, LOG4 - LOG3], **APPROX)
    assert values(judged["fake"]) == pytest.approx([LOG2, LOG4 - LOG3, LOG4], **APPROX)


def test_members_have_levels_of_their_own() -> None:
    rows, noise = [0.0, -LOG3, LOG3], [0.0, -LOG3, LOG3]
    det = MOGAAL(generators=2)
    alone = [det.approach(nets(), batch([r + by for r in rows], noise))["level"] for by in (0.0, 2.0)]
    both = det.approach(nets(), batch([*rows, *(r + 2.0 for r in rows)], noise * 2, members=2))["level"]
    torch.testing.assert_close(both, torch.cat(alone))


def test_a_generator_is_drawn_to_its_level_from_both_sides() -> None:
    # k = 2 and D(x) = 1/4, 1/2, 3/4: G_0 is drawn to 1/4, G_1 to 1/2. dL/dℓ = D − T.
    z = torch.tensor([[0.0], [LOG3], [-LOG3], [-LOG3]], requires_grad=True)
    given = Batch(torch.tensor([[-LOG3], [0.0], [LOG3], [0.0]]), 0, 0, 0.0, 1, lambda n: z)
    # turns 0 1 0 0; D(G(z)) = 1/2, 3/4, 1/4, 1/4; the median of the four D(x) is 1/2, their least 1/4.
    # Weights 4/3 and 4.
    (slope,) = torch.autograd.grad(MOGAAL(generators=2).approach(nets(), given)["level"].sum(), z)
    assert values(slope[:, 0]) == pytest.approx([4 / 3 / 4, 4 / 4, 0.0, 0.0], **APPROX)


def several(count: int, seeds: tuple[int, ...] = (0,), norm: str = "none") -> Generators:
    rngs = [torch.Generator().manual_seed(s) for s in seeds]
    make = Maker(INITIALISERS["he"], rngs, lambda n: torch.zeros(n, 3))
    return Generators([Row("dense", 4, norm=norm, act="relu"), Row("dense", 2)], 3, make, count)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_each_row_is_made_by_the_generator_whose_turn_it_is(seeds: tuple[int, ...]) -> None:
    made, rows = several(3, seeds), 8
    z = torch.randn(len(seeds) * rows, 3)
    out = made(z)
    for at in range(len(z)):
        member, row = divmod(at, rows)
        own = 3 * member + int(turns(rows, 3)[row])
        first, last = (made.each.layers[i] for i in (0, 2))
        alone = torch.relu(z[at] @ first.weight[own].T + first.bias[own]) @ last.weight[own].T + last.bias[own]
        torch.testing.assert_close(out[at], alone)


def test_generators_differ_and_only_who_makes_a_row_learns_from_it() -> None:
    made = several(3)
    weight = made.each.layers[0].weight
    assert not torch.equal(weight[0], weight[1])
    out = made(torch.randn(8, 3))
    (slope,) = torch.autograd.grad(out[turns(8, 3) == 1].square().sum(), weight)
    assert slope[1].abs().sum() > 0
    assert slope[[0, 2]].abs().sum() == 0


@pytest.mark.parametrize("rows", [2, 3, 11])
def test_a_small_batch_is_enough_for_batch_normalisation(rows: int) -> None:
    assert several(4, norm="batch").train()(torch.randn(rows, 3)).shape == (rows, 2)


def test_samples_come_from_all_generators() -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    det = MOGAAL(epochs=1, generators=3, latent_dim=2, random_state=0).fit(X)
    made = det.sample(6, random_state=0)
    with torch.no_grad():
        det.nets_.generator.each.layers[-1].bias[1] += 100.0  # G_1 alone
    moved = np.abs(det.sample(6, random_state=0) - made).max(1) > 1
    assert moved.tolist() == [False, True, False, False, True, False]


def test_more_generators_than_rows_in_a_step_are_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"generators=9: allowed are at most as many as a step has rows, 8"):
        MOGAAL(generators=9, batch_size=8).fit(np.zeros((10, 2)))
    with pytest.raises(InvalidParameter, match=r"generators=1: allowed are whole numbers ≥ 2"):
        MOGAAL(generators=1).check()
