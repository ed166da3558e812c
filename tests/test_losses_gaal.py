"""SO-GAAL's terms, parts and game against numbers worked out by hand."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ringfence import SOGAAL
from ringfence.game import Batch, Game, Nets, Stage
from ringfence.training import Run, play

LOG2, LOG3, LOG4 = math.log(2), math.log(3), math.log(4)
APPROX = {"rel": 1e-5, "abs": 1e-6}


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


def values(t: Tensor) -> list[float]:
    return t.detach().double().tolist()


def batch(x: list[float], noise: list[float], members: int = 1) -> Batch:
    rows, fixed = torch.tensor(x)[:, None], torch.tensor(noise)[:, None]
    return Batch(rows, 0, 0, 0.0, members, lambda n: fixed)


def loss(stage: Stage, title: str, given: Batch, networks: Any) -> dict[str, Tensor]:
    (player,) = (p for p in stage.players if p.title == title)
    return player.loss(networks, given)


def test_terms_of_so_gaal() -> None:
    # D(x) = 3/4 and 1/2, D(G(z)) = 1/2 and 1/4.
    given, (stage,) = batch([LOG3, 0.0], [0.0, -LOG3]), SOGAAL().stages()
    found = loss(stage, "discriminator", given, nets())
    assert values(found["real"]) == pytest.approx([LOG4 - LOG3, LOG2], **APPROX)  # −log D(x)
    assert values(found["fake"]) == pytest.approx([LOG2, LOG4 - LOG3], **APPROX)  # −log(1 − D(G(z)))
    # G wants 1: −log D(G(z)) = log 2, log 4.
    assert values(loss(stage, "generator", given, nets())["adversarial"]) == pytest.approx([LOG2, LOG4], **APPROX)


@pytest.mark.parametrize("det", [SOGAAL()])
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


@pytest.mark.parametrize("det", [SOGAAL()])
def test_what_looks_normal_scores_low(det: Any) -> None:
    # pyod's GAAL returns D(x) as its anomaly score. 1 − D at D = 3/4, 1/2 and 1/4:
    found = det.score_parts(nets(), torch.tensor([[LOG3], [0.0], [-LOG3]]))["discriminator"]
    assert values(found) == pytest.approx([0.25, 0.5, 0.75], **APPROX)
    assert det.scores == {"discriminator": {"discriminator": 1.0}}


@pytest.mark.parametrize("cls", [SOGAAL])
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
