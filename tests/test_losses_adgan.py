"""ADGAN: searches that bend copies of the generator, against numbers worked out by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ringfence import ADGAN, tuning
from ringfence.benchmark.job import Job
from ringfence.game import Optim
from ringfence.networks import INITIALISERS, Maker, Network, family_for
from ringfence.networks.layers import Linear
from ringfence.networks.normalisation import BatchNorm
from ringfence.tuning import Tuning, at_once, side_by_side, tune


def line(weight: float, bias: float, outputs: int = 1) -> Linear:
    """G(z) = weight · z + bias, in every column."""
    made = Linear(1, outputs, bias=True, init=INITIALISERS["he"], rngs=[torch.Generator()])
    with torch.no_grad():
        made.weight.fill_(weight)
        made.bias.fill_(bias)  # type: ignore[union-attr]
    return made


def squares(made: Tensor, x: Tensor) -> Tensor:
    return (x - made).square().sum(1)


def plan(steps: int = 1, kind: str = "sgd", z_rate: float = 0.1, network_rate: float = 0.01) -> Tuning:
    return Tuning(steps, Optim(kind, z_rate, (0.9, 0.999)), Optim("sgd", network_rate))


def ends(rows: list[float], starts: list[float], how: Tuning) -> list[list[float]]:
    found = tune(line(2.0, 0.5), squares, torch.tensor(rows)[:, None], torch.tensor(starts)[:, None], how)
    assert not found.requires_grad
    return found.double().tolist()


def test_a_step_moves_z_and_a_copy_of_the_network_of_its_own() -> None:
    # G(z) = 2z + .5, x = 3. From z = 1: r = 3 − 2.5 = .5; slopes −2 r w = −2, −2 r z = −1 and −2 r = −1: z = 1.2,
    # w = 2.01, b = .51, and (3 − 2.412 − .51)² = .078². From z = 0: r = 2.5; −10, 0, −5: z = 1, w = 2, b = .55, .45².
    assert ends([3.0], [1.0, 0.0], plan()) == [pytest.approx([0.078**2, 0.45**2], rel=1e-4)]


def test_rows_have_copies_of_their_own() -> None:
    # x = 2.5 is G(1) already: nothing moves. Beside it the row above ends where it did.
    assert ends([2.5, 3.0], [1.0], plan()) == [pytest.approx([0.0]), pytest.approx([0.078**2], rel=1e-4)]


def test_without_a_rate_the_network_stays() -> None:
    # z = 1.2 alone: (3 − 2.4 − .5)².
    assert ends([3.0], [1.0], plan(network_rate=0.0)) == [pytest.approx([0.01], rel=1e-4)]


def test_adams_first_step_is_its_rate() -> None:
    # z = 1.1, w = 2.01, b = .51: (3 − 2.211 − .51)².
    assert ends([3.0], [1.0], plan(kind="adam")) == [pytest.approx([0.279**2], rel=1e-4)]


def test_steps_go_on_from_the_copy_that_was_bent() -> None:
    # The second step from z = 1.2, w = 2.01, b = .51, r = .078: slopes −2 r w = −.31356, −2 r z = −.1872, −2 r = −.156:
    # z = 1.231356, w = 2.011872, b = .51156: 3 − 2.011872 · 1.231356 − .51156 = .011109….
    assert ends([3.0], [1.0], plan(steps=2)) == [pytest.approx([(3 - 2.011872 * 1.231356 - 0.51156) ** 2], rel=1e-3)]


def test_the_score_is_the_mean_of_the_squares_that_are_left() -> None:
    # A generator that gives b = (0, 0) for every z, and may not be bent: 3² + 4² = 25, no root, no mean over columns.
    nets = SimpleNamespace(generator=line(0.0, 0.0, outputs=2), search=SimpleNamespace(starts=torch.zeros(3, 1)))
    x = torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    det = ADGAN(starts=3, network_rate=0.0)
    assert {k: v.tolist() for k, v in det.score_parts(nets, x).items()} == {"residual": [25, 1]}
    # Two ends, .078² and .45²: their mean, not the lower one.
    nets = SimpleNamespace(generator=line(2.0, 0.5), search=SimpleNamespace(starts=torch.tensor([[1.0], [0.0]])))
    det = ADGAN(steps=1, z_rate=0.1, network_rate=0.01, z_optimiser="sgd")
    found = det.score_parts(nets, torch.tensor([[3.0]]))["residual"].item()
    assert found == pytest.approx((0.078**2 + 0.45**2) / 2, rel=1e-4)


def test_the_papers_settings_are_the_defaults() -> None:
    det = ADGAN()
    assert (det.starts, det.steps, det.z_rate, det.network_rate) == (8, 5, 0.25, 5e-5)
    assert ADGAN.scores == {"residual": {"residual": 1.0}}


def generator(shape: tuple[int, ...]) -> Network:
    rngs = [torch.Generator().manual_seed(0)]
    make = Maker(INITIALISERS["he"], rngs, lambda count: torch.zeros(count, 4))
    made = family_for(shape)(shape, 4, None, make).generator()
    for module in made.modules():
        if isinstance(module, BatchNorm):  # statistics that were learned
            module.get_buffer("running_mean").uniform_(-0.5, 0.5, generator=rngs[0])
            module.get_buffer("running_var").uniform_(0.5, 2.0, generator=rngs[0])
    return made.eval()


@pytest.mark.parametrize("shape", [(6,), (1, 8, 8), (3, 9, 12)], ids=str)
def test_copies_make_what_the_network_makes(shape: tuple[int, ...]) -> None:
    network, z = generator(shape), torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    copies = side_by_side(network, 5)
    with torch.no_grad():
        torch.testing.assert_close(copies(z), network(z), rtol=1e-4, atol=1e-5)
        for parameter in copies.parameters():
            parameter[2].mul_(1.5)  # one of them is bent, and it alone makes something else
        changed = (copies(z) - network(z)).abs().flatten(1).amax(1) > 1e-3
    assert changed.tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("shape", [(6,), (1, 8, 8)], ids=str)
def test_a_row_alone_is_the_row_in_a_batch(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    # Passes of 7 pairs, so that rows of 3 starts are cut in two by some.
    monkeypatch.setattr(tuning, "COPIES", 7)
    network, rng = generator(shape), torch.Generator().manual_seed(1)
    rows, starts = torch.randn(6, *shape, generator=rng), torch.randn(3, 4, generator=rng)

    def loss(made: Tensor, x: Tensor) -> Tensor:
        return (made - x).square().flatten(1).sum(1)

    before = {k: v.clone() for k, v in network.state_dict().items()}
    together = tune(network, loss, rows, starts, plan(steps=3, kind="adam", network_rate=1e-3))
    assert together.shape == (6, 3)
    for i in range(6):
        assert torch.equal(tune(network, loss, rows[i : i + 1], starts, plan(3, "adam", 0.1, 1e-3))[0], together[i])
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    # Bending does something, and more of it brings rows nearer.
    stiff = tune(network, loss, rows, starts, plan(3, "adam", 0.1, 0.0))
    assert (together < stiff).float().mean() > 0.9


def test_memory_is_bounded_by_the_parameters_of_a_pass() -> None:
    def sized(count: int) -> nn.Module:
        module = nn.Module()
        module.weight = nn.Parameter(torch.empty(1, count, device="meta"))
        return module

    assert at_once(sized(10)) == 256
    assert at_once(sized(2**20)) == 8
    assert at_once(sized(2**24)) == 1


def test_scoring_leaves_the_networks_and_starts_as_they_were() -> None:
    X = np.random.default_rng(0).normal(size=(30, 5))
    det = ADGAN(epochs=1, starts=2, steps=2, random_state=0).fit(X)
    assert det.nets_.search.starts.shape == (2, det.latent_dim)
    before = {k: v.clone() for k, v in det.nets_.state_dict().items()}
    scores = det.anomaly_score(X)
    assert all(torch.equal(v, before[k]) for k, v in det.nets_.state_dict().items())
    assert np.array_equal(det.anomaly_score(X[[7, 3]]), scores[[7, 3]])
    assert np.array_equal(det.anomaly_score(X[3:4]), scores[3:4])
    assert not hasattr(det, "encode")


def test_few_rows_are_searched_in_benchmarks() -> None:
    def job(method: str, **changes: Any) -> Job:
        return Job("digits", "5", 0, "trained", method, **changes)

    assert [job(m, variant="default").judged_rows for m in ("adgan", "anogan", "egbad")] == [200, 1000, None]
    assert job("adgan", variant="default", test_rows=300).judged_rows == 300
    assert Job("digits", "5", 0, "baseline", "knn").judged_rows is None
