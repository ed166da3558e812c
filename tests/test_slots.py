"""Searches in slots: a row's end is its own, whoever is searched for beside it, in whatever slot, whenever."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ringfence.inversion import Plan, search
from ringfence.networks import INITIALISERS, Maker, Network, Row, still
from ringfence.slopes import l1, l2_squared
from ringfence.slots import run
from ringfence.walks import LBFGS, Adam, Schedule, Walk

SCHEDULE = Schedule(steps=40, rates=(0.1, 0.02), until=(25,))
ROWS = 37


def network() -> Network:
    make = Maker(INITIALISERS["he"], [torch.Generator().manual_seed(0)], lambda count: torch.zeros(count, 6))
    table = [Row("dense", 20, act="leaky_relu"), Row("dense", 11, act="tanh")]
    return Network(table, (6,), make).eval().requires_grad_(False)


class Fit:
    """Squared distance of G(z) from a row; counts its passes and remembers with how many rows they were."""

    def __init__(self) -> None:
        self.network = still(network())
        self.passes: list[int] = []

    def __call__(self, z: Tensor, rows: Tensor, valued: bool) -> tuple[Tensor | None, Tensor]:
        self.passes.append(len(z))
        value, slope = l2_squared(self.network.forward(z), rows, valued)
        return value, self.network.back(slope)


def drawn(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


WALKS: dict[str, Any] = {"adam": lambda: Adam(SCHEDULE), "lbfgs": lambda: LBFGS(40)}


def ended(walk: Walk, rows: Tensor, starts: Tensor, slots: int = 8, **options: Any) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return run(Fit(), [rows], starts, walk, slots, **options)


@pytest.mark.parametrize("stop", [None, (0.05, 4)], ids=["all steps", "stopping"])
@pytest.mark.parametrize("walk", WALKS)
def test_a_search_is_its_own_to_the_bit(walk: str, stop: tuple[float, int] | None) -> None:
    # 37 searches in 8 slots. Those that stop early make room at other times, in other slots, for others.
    rows, starts = drawn(ROWS, 11), drawn(ROWS, 6, seed=2)
    found, losses = ended(WALKS[walk](), rows, starts, stop=stop)
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(3))
    for some in (order, order[:9], order[3:5], torch.tensor([5]), torch.tensor([5, 30, 5, 5])):
        again = ended(WALKS[walk](), rows[some], starts[some], stop=stop)
        assert torch.equal(again[0], found[some])
        assert torch.equal(again[1], losses[some])
    assert len(torch.unique(found, dim=0)) == ROWS


def test_every_pass_has_as_many_rows_as_there_are_slots() -> None:
    for rows in (1, 8, 37):
        fit = Fit()
        with torch.no_grad():
            run(fit, [drawn(rows, 11)], drawn(rows, 6), Adam(SCHEDULE), 8, stop=(0.05, 4))
        assert set(fit.passes) == {8}


def test_slots_that_fall_free_are_filled_again() -> None:
    # One search in three starts where the loss stays; it stops after 4 steps, and saves 36 of 40.
    rows, starts = drawn(48, 11), drawn(48, 6)
    with torch.no_grad():
        rows[::3] = network()(starts[::3])
        waves, queue = Fit(), Fit()
        run(waves, [rows], starts, Adam(SCHEDULE), 8)
        run(queue, [rows], starts, Adam(SCHEDULE), 8, stop=(1e-4, 4))
    assert len(waves.passes) == 6 * (40 + 1)
    assert len(queue.passes) < 0.85 * len(waves.passes)


def test_adam_in_slots_is_torchs_adam_row_by_row() -> None:
    rows, starts = drawn(5, 11), drawn(5, 6, seed=2)
    found, losses = ended(Adam(SCHEDULE), rows, starts, slots=2)
    for row, start, end, loss in zip(rows, starts, found, losses, strict=True):
        place = start[None].clone().requires_grad_()
        optimiser = torch.optim.Adam([place], lr=1.0)
        for step in range(SCHEDULE.steps):
            optimiser.param_groups[0]["lr"] = SCHEDULE.rate(step)
            optimiser.zero_grad()
            (network()(place) - row).square().sum().backward()
            optimiser.step()
        torch.testing.assert_close(end, place.detach()[0], atol=1e-6, rtol=1e-6)
        assert loss.item() == pytest.approx((network()(place) - row).square().sum().item(), rel=1e-5)


def test_a_search_stops_when_its_loss_no_longer_falls() -> None:
    # |z| from 10 down by .1 a step: it falls by 5 % of itself within 4 steps from |z| < 8 on, and by less before.
    schedule = Schedule(200, (0.1,))

    def objective(z: Tensor, rows: Tensor, valued: bool) -> tuple[Tensor, Tensor]:
        return z.abs()[:, 0], z.sgn()

    with torch.no_grad():
        far = run(objective, [torch.zeros(1, 1)], torch.tensor([[10.0]]), Adam(schedule), 2, stop=(0.05, 4))
        near = run(objective, [torch.zeros(1, 1)], torch.tensor([[7.0]]), Adam(schedule), 2, stop=(0.05, 4))
    # 10 is marked at the first look; four steps later the loss is 9.6, and that is the end.
    assert far[1].item() == pytest.approx(9.6, abs=1e-4)
    assert near[1].item() < 0.5


def test_starts_of_a_row_stop_on_their_own_and_the_best_end_counts() -> None:
    rows, starts = drawn(9, 11), drawn(3, 6, seed=2)
    plan = Plan(SCHEDULE, stop=0.05)
    with torch.no_grad():
        each = [search(Fit(), [rows], start[None], plan, 8) for start in starts]
        found, losses = search(Fit(), [rows], starts, plan, 8)
        own = search(Fit(), [rows], starts.expand(9, -1, -1), plan, 8)
    best = torch.stack([ends for _, ends in each]).amin(0)
    assert torch.equal(losses, best)
    assert len({int(torch.stack([e[i] for _, e in each]).argmin()) for i in range(9)}) > 1
    assert torch.equal(own[0], found)


def test_rows_that_are_equal_are_searched_for_once() -> None:
    rows, fit = drawn(4, 11), Fit()
    with torch.no_grad():
        alone = search(Fit(), [rows], drawn(2, 6), Plan(SCHEDULE), 8)
        many = rows[[2, 0, 0, 3, 1, 1, 1, 2, 3, 3, 3, 3]]
        found, losses = search(fit, [many], drawn(2, 6), Plan(SCHEDULE), 8)
    assert len(fit.passes) == 41  # 4 rows from 2 starts: one wave
    assert torch.equal(found, alone[0][[2, 0, 0, 3, 1, 1, 1, 2, 3, 3, 3, 3]])
    assert torch.equal(losses, alone[1][[2, 0, 0, 3, 1, 1, 1, 2, 3, 3, 3, 3]])


def test_one_row_that_is_lost_leaves_the_others_alone() -> None:
    # NaN in a row: its search ends nowhere, and those beside it end where they would.
    rows, starts = drawn(6, 11), drawn(6, 6)
    for walk in WALKS.values():
        found, losses = ended(walk(), rows, starts, slots=3)
        spoilt = rows.clone()
        spoilt[2] = torch.nan
        again = ended(walk(), spoilt, starts, slots=3)
        kept = [0, 1, 3, 4, 5]
        assert torch.equal(again[0][kept], found[kept])
        assert torch.equal(again[1][kept], losses[kept])
        assert not again[1][2].isfinite()


@pytest.mark.parametrize("distance", [l1, l2_squared])
def test_slopes_of_distances_are_autograds(distance: Any) -> None:
    made, target = drawn(5, 2, 3, 4), drawn(5, 2, 3, 4, seed=2)
    made[0, 0, 0, 0] = target[0, 0, 0, 0]
    value, slope = distance(made, target, True)
    place = made.clone().requires_grad_()
    from ringfence import distances

    expected = getattr(distances, distance.__name__)(place, target)
    torch.testing.assert_close(value, expected.detach())
    torch.testing.assert_close(slope, torch.autograd.grad(expected.sum(), place)[0])
    assert distance(made, target, False)[0] is None
