"""The latent search: it finds what the generator can make, row by row, and touches nothing else."""

import copy
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from ringfence import AnoGAN
from ringfence.checks import (
    check_a_player_moves_only_its_own,
    check_saved_and_loaded_is_the_same,
    check_score_is_a_function_of_the_row,
)
from ringfence.distances import DISTANCES, l1, ssim
from ringfence.exceptions import InvalidParameter
from ringfence.inversion import Likely, Plan, off_shell, search
from ringfence.preprocess import ConstantColumns
from ringfence.scoring import weighted_sum
from ringfence.walks import Schedule

FAST = Schedule(steps=300, rates=(0.1, 0.01), until=(200,))


def sloped(loss: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """An objective out of a loss of places and targets."""

    def objective(place: Tensor, *given: Any) -> tuple[Tensor, Tensor]:
        *targets, _ = given
        with torch.enable_grad():
            z = place.detach().requires_grad_()
            value = loss(z, *targets)
            return value.detach(), torch.autograd.grad(value.sum(), z)[0]

    return objective


def find(
    loss: Callable[..., Tensor],
    targets: list[Tensor],
    starts: Tensor,
    schedule: Schedule = FAST,
    slots: int = 4,
    **plan: Any,
) -> tuple[Tensor, Tensor]:
    return search(sloped(loss), targets, starts, Plan(schedule, **plan), slots)


@pytest.fixture(scope="module")
def trained() -> AnoGAN:
    """AnoGAN with its own search, briefly trained on the digits but the 8."""
    x, y = load_digits(return_X_y=True)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantColumns)
        patch.setattr(AnoGAN, "cut_rows", 10)
        return AnoGAN(epochs=20, random_state=0).fit(x[y != 8])


def test_the_search_finds_what_the_generator_made(trained: AnoGAN) -> None:
    # Rows x = G(z*) for z* from the prior: the residual can be brought to 0.
    x = trained.sample(200, random_state=5)
    rows = trained.preprocess_.tensor(x)
    with torch.no_grad():
        starts = [l1(rows, trained.nets_.generator(z[None])) for z in trained.nets_.search.starts]
    began = torch.stack(starts).amin(0).double().numpy()  # the better start of each row
    ended = trained.parts(x)["residual"]
    assert (ended <= 0.1 * began).mean() >= 0.9


def test_the_search_tells_what_the_generator_can_not_make(trained: AnoGAN) -> None:
    # Rows with their pixels permuted are none of the generator's.
    x = trained.sample(40, random_state=5)
    other = x[:, np.random.default_rng(0).permutation(64)]
    assert np.median(trained.parts(other)["residual"]) > 10 * np.median(trained.parts(x)["residual"])


def test_permuting_rows_permutes_reconstructions_to_the_bit(trained: AnoGAN) -> None:
    x = trained.sample(30, random_state=6)
    order = np.random.default_rng(0).permutation(30)
    remade, codes = trained.reconstruct(x), trained.encode(x)
    assert np.array_equal(trained.reconstruct(x[order]), remade[order])
    assert np.array_equal(trained.encode(x[order]), codes[order])
    assert codes.shape == (30, trained.latent_dim)
    assert remade.shape == x.shape
    # Something was searched: rows end in different places.
    assert len(np.unique(codes.round(3), axis=0)) == 30


def test_the_search_leaves_networks_and_starts_as_they_were(trained: AnoGAN) -> None:
    before = {k: v.clone() for k, v in trained.nets_.state_dict().items()}
    trained.anomaly_score(trained.sample(5, random_state=1))
    assert "search.starts" in before
    for key, value in trained.nets_.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(p.grad is None and not p.requires_grad for p in trained.nets_.parameters())


def test_a_score_is_the_lowest_end_of_its_starts() -> None:
    # Two wells, at -2 (depth 1) and at 3 (depth 0): a start at -1 ends in the first, one at 2 in the second.
    def wells(z: Tensor, shift: Tensor) -> Tensor:
        z = z - shift
        return torch.minimum((z + 2).square() + 1, (z - 3).square())[:, 0]

    shift = torch.tensor([[0.0], [10.0]])
    # For row 0 the second start wins; for row 1, shifted by 10, both starts lie left of the crest and end at 8.
    found, ends = find(wells, [shift], torch.tensor([[-1.0], [2.0]]))
    assert found[:, 0].tolist() == pytest.approx([3, 8], abs=0.05)
    assert ends.tolist() == pytest.approx([0, 1], abs=0.01)
    assert find(wells, [shift], torch.tensor([[-1.0]]))[1][0].item() == pytest.approx(1, abs=0.01)


def test_a_search_lowers_each_rows_own_loss() -> None:
    goals = torch.tensor([[1.0, -2.0], [0.5, 4.0], [0.0, 0.0]])
    start = torch.zeros(1, 2)
    found, ends = find(lambda z, goal: (z - goal).square().sum(1), [goals], start)
    torch.testing.assert_close(found, goals, atol=0.05, rtol=0)
    assert ends.tolist() == pytest.approx([0, 0, 0], abs=0.01)
    assert not start.any()
    assert not found.requires_grad
    # The loss is the one at the last place, not the one before the last step.
    assert torch.equal(ends, (found - goals).square().sum(1))


def test_a_row_alone_is_the_row_in_a_batch() -> None:
    # A loss a thousand times as steep beside it does not change a row's steps; nor does their number, which would
    # show where slopes are as small as Adam's ε of 1e-8.
    goals, steep = torch.tensor([[1.0], [-3.0], [2.0]]), torch.tensor([1.0, 1000.0, 1e-8])

    def loss(z: Tensor, goal: Tensor, steep: Tensor) -> Tensor:
        return steep * (z - goal).square()[:, 0]

    together, ends = find(loss, [goals, steep], torch.zeros(1, 1))
    for i in range(3):
        alone, end = find(loss, [goals[i : i + 1], steep[i : i + 1]], torch.zeros(1, 1))
        assert torch.equal(alone[0], together[i])
        assert torch.equal(end[0], ends[i])


def test_a_search_works_while_scoring_forbids_gradients() -> None:
    with torch.no_grad():
        found, _ = find(lambda z, goal: (z - goal).square()[:, 0], [torch.ones(1, 1)], torch.zeros(1, 1))
        assert not torch.is_grad_enabled()
    assert found.item() == pytest.approx(1, abs=0.05)


def test_the_first_steps_of_adam_are_its_rates() -> None:
    # Adam's step on a constant slope is its rate: 2 · .5 + 3 · .1 away from 0 after 5 steps.
    schedule = Schedule(steps=5, rates=(0.5, 0.1), until=(2,))
    found, ends = find(lambda z, _: z[:, 0], [torch.zeros(1, 1)], torch.zeros(1, 1), schedule)
    assert found.item() == pytest.approx(-1.3, rel=1e-5)
    assert ends.item() == found.item()


def test_rates_hold_until_their_step() -> None:
    schedule = Schedule(steps=9, rates=(0.3, 0.2, 0.1), until=(2, 5))
    assert [schedule.rate(s) for s in range(8)] == [0.3, 0.3, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1]
    assert Schedule(steps=3, rates=(0.3,)).rate(2) == 0.3


@pytest.mark.parametrize(
    ("steps", "rates", "until", "message"),
    [
        (0, (0.1,), (), "steps=0"),
        (1, (), (), r"search_rates=\(\): allowed are one or more numbers > 0"),
        (1, (0.1, -1.0), (5,), r"search_rates=\(0.1, -1.0\)"),
        (1, (0.1,), (5,), r"search_until=\(5,\): allowed are 0 rising steps for 1 rates"),
        (1, (0.1, 0.2, 0.3), (5,), r"search_until=\(5,\): allowed are 2"),
        (1, (0.1, 0.2, 0.3), (5, 3), r"search_until=\(5, 3\): allowed are 2 rising"),
    ],
)
def test_a_schedule_says_what_is_wrong(steps: int, rates: tuple, until: tuple, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        Schedule(steps, rates, until)
    assert "\n" not in str(caught.value)


def test_likely_lengths_of_two_values_are_rayleighs_quantiles() -> None:
    # P(‖z‖ ≤ r) = 1 − exp(−r² / 2) for d = 2: r = √(−2 log(1 − p)) at p = ¼ and ¾.
    assert Likely(0.5).bounds(2) == pytest.approx((math.sqrt(2 * math.log(4 / 3)), math.sqrt(2 * math.log(4))))


def test_likely_lengths_hold_their_share_of_the_prior() -> None:
    z = torch.randn(100_000, 7, generator=torch.Generator().manual_seed(0))
    low, high = Likely(0.8).bounds(7)
    lengths = z.norm(dim=1)
    assert ((lengths >= low) & (lengths <= high)).double().mean().item() == pytest.approx(0.8, abs=0.005)
    assert (lengths < low).double().mean().item() == pytest.approx(0.1, abs=0.005)
    # The mode lies within.
    assert low < math.sqrt(6) < high


def test_unlikely_vectors_are_put_back_along_their_direction() -> None:
    low, high = Likely(0.5).bounds(2)
    z = torch.tensor([[3.0, 4.0], [-0.03, 0.04], [0.9, -0.7], [0.0, 0.0]])
    found = Likely(0.5)(z)
    # Lengths 5 and .05 are put back to the bounds; 1.14 is within (.76…1.67); a zero vector goes along the diagonal.
    torch.testing.assert_close(found[0], high * torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(found[1], low * torch.tensor([-0.6, 0.8]))
    assert torch.equal(found[2], z[2])
    torch.testing.assert_close(found[3], torch.full((2,), low / math.sqrt(2)))


def test_a_search_sees_likely_vectors_alone() -> None:
    seen: list[Tensor] = []
    low, high = Likely(0.5).bounds(2)

    def loss(z: Tensor, goal: Tensor) -> Tensor:
        seen.append(z.detach().clone())
        return (z - goal).square().sum(1)

    # The goals lie beyond, and below the shortest length; the starts too.
    goals, starts = torch.tensor([[10.0, 0.0], [0.0, 0.1]]), torch.tensor([[0.1, 0.1], [-4.0, 9.0]])
    found, ends = find(loss, [goals], starts, accept=Likely(0.5))
    torch.testing.assert_close(found, torch.tensor([[high, 0.0], [0.0, low]]), atol=0.02, rtol=0)
    assert ends.tolist() == pytest.approx([(10 - high) ** 2, (low - 0.1) ** 2], abs=0.05)
    lengths = torch.cat(seen).norm(dim=1)
    assert len(seen) == FAST.steps + 1
    assert low - 1e-6 <= lengths.min() < lengths.max() <= high + 1e-6
    # Without it they are reached.
    assert find(loss, [goals], starts)[1].tolist() == pytest.approx([0, 0], abs=0.05)


def test_accepting_every_place_changes_no_bit() -> None:
    def loss(z: Tensor, goals: Tensor) -> Tensor:
        return (z - goals).square().sum(1)

    goals, start = torch.tensor([[1.0, 1.0, 1.0], [-3.0, 0.0, 2.0]]), torch.zeros(1, 3)
    free, held = find(loss, [goals], start), find(loss, [goals], start, accept=lambda z: z)
    assert torch.equal(free[0], held[0])
    assert torch.equal(free[1], held[1])


def test_the_latent_part_is_the_distance_to_the_mode_of_chi() -> None:
    # d = 5: the density of ‖z‖ is r⁴ exp(−r² / 2) but for a factor, highest at r = 2. Lengths 5, 0 and 2.
    z = torch.tensor([[3.0, 4.0, 0.0, 0.0, 0.0], [0.0] * 5, [0.0, -2.0, 0.0, 0.0, 0.0]])
    assert off_shell(z).tolist() == pytest.approx([3, 2, 0])
    # d = 1: highest at 0.
    assert off_shell(torch.tensor([[-1.5]])).tolist() == [1.5]


def test_anogan_ends_its_search_where_z_is_likely(trained: AnoGAN) -> None:
    x = trained.sample(20, random_state=5)
    codes = clone_of(trained, likely=0.2).encode(x)
    low, high = Likely(0.2).bounds(trained.latent_dim)
    lengths = np.linalg.norm(codes, axis=1)
    assert low - 1e-4 <= lengths.min() <= lengths.max() <= high + 1e-4
    assert np.linalg.norm(trained.encode(x), axis=1).max() > high + 1e-4


def test_the_latent_score_of_anogan_draws_the_search_to_the_mode() -> None:
    # G gives 0 for every z: .8 |2 − 0| + .1 |2 − 0| stand still, and .1 |‖z‖ − √(3 − 1)| alone has a slope.
    nets = SimpleNamespace(
        generator=lambda z: 0 * z[:, :1],
        discriminator=lambda x: (x[:, 0], x),
        search=SimpleNamespace(starts=torch.tensor([[2.0, 3.0, 6.0]])),
    )
    x, fast = torch.tensor([[2.0]]), {"steps": 300, "search_rates": (0.1, 0.01), "search_until": (200,)}
    found = AnoGAN(score_kind="fm_latent", **fast).code(nets, x)
    assert found.norm().item() == pytest.approx(math.sqrt(2), abs=0.02)
    # "fm" leaves it at its length of 7, and the part says how far that is.
    parts = AnoGAN(**fast).score_parts(nets, x)
    assert parts["latent"].item() == pytest.approx(7 - math.sqrt(2))
    assert weighted_sum({k: v.numpy() for k, v in parts.items()}, AnoGAN.scores["fm_latent"]).item() == pytest.approx(
        0.8 * 2 + 0.1 * 2 + 0.1 * (7 - math.sqrt(2))
    )


@pytest.mark.parametrize("distance", [name for name in DISTANCES if name != "l1"])
def test_anogan_searches_and_scores_by_its_distance(distance: str, trained: AnoGAN) -> None:
    x = trained.sample(10, random_state=5)
    det = clone_of(trained, residual_distance=distance)
    rows, remade = (trained.preprocess_.tensor(r) for r in (x, det.reconstruct(x)))
    found = det.parts(x)["residual"]
    np.testing.assert_allclose(found, DISTANCES[distance](rows, remade).numpy(), rtol=1e-3, atol=1e-4)
    assert not np.array_equal(det.encode(x), trained.encode(x))


def clone_of(det: AnoGAN, **changes: Any) -> AnoGAN:
    """The same fitted networks with other hyperparameters of the search."""
    copied = copy.deepcopy(det)
    return copied.set_params(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"likely": 0.95, "prior": "uniform"},
            "likely=0.95 needs prior='normal', whose lengths follow χ, not 'uniform'",
        ),
        ({"score_kind": "fm_latent", "prior": "uniform"}, "score_kind='fm_latent' needs prior='normal'"),
        ({"likely": 1.0}, "likely=1.0: allowed are numbers > 0 and < 1, or None"),
        ({"likely": 0}, "likely=0: allowed are"),
        ({"likely": 0.9, "z_optimiser": "lbfgs"}, "likely=0.9 needs z_optimiser='adam', not 'lbfgs'"),
        (
            {"residual_distance": "ssim"},
            "residual_distance='ssim' is for images alone; for tables allowed are 'l1', 'l2'",
        ),
        ({"residual_distance": "cosin"}, "unknown residual_distance 'cosin': did you mean 'cosine'"),
    ],
)
def test_aids_that_make_no_sense_are_refused_before_training(changes: dict[str, Any], message: str) -> None:
    det = AnoGAN(epochs=1, **changes)
    with pytest.raises(InvalidParameter, match=message) as caught:
        det.fit(np.random.default_rng(0).normal(size=(20, 3)))
    assert "\n" not in str(caught.value)
    assert not hasattr(det, "history_")


def test_ssim_is_for_images() -> None:
    schedule = {"steps": 3, "search_rates": (0.1,), "search_until": ()}
    X = np.random.default_rng(0).uniform(size=(20, 8, 8))
    det = AnoGAN(epochs=1, residual_distance="ssim", random_state=0, **schedule).fit(X)
    remade = det.preprocess_.tensor(det.reconstruct(X))
    np.testing.assert_allclose(
        det.parts(X)["residual"], ssim(det.preprocess_.tensor(X), remade).numpy(), rtol=1e-3, atol=1e-4
    )


FITTED = {
    "encoder": {"start": "encoder", "restarts": 2},
    "encoder alone": {"start": "encoder", "encoder_epochs": 1, "stop": 0.3},
    "L-BFGS": {"z_optimiser": "lbfgs", "score_kind": "fm_latent"},
    "stopping": {"stop": 0.2, "restarts": 2, "score_kind": "sigma"},
}


@pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")
@pytest.mark.parametrize("options", FITTED.values(), ids=FITTED)
@pytest.mark.parametrize("images", [False, True], ids=["table", "images"])
def test_options_of_the_search_leave_a_score_the_rows_own(options: dict[str, Any], images: bool) -> None:
    digits = load_digits()
    rows = (digits.images if images else digits.data)[:40]
    det = AnoGAN(epochs=1, batch_size=16, latent_dim=4, steps=12, search_rates=(0.1,), search_until=(), **options)
    check_score_is_a_function_of_the_row(det, rows)
    if "encoder" in options.values():
        check_a_player_moves_only_its_own(det, rows)
        check_saved_and_loaded_is_the_same(det, rows)


def test_a_search_that_starts_at_the_encoder_starts_nearer() -> None:
    x, y = load_digits(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantColumns)
        det = AnoGAN(epochs=10, random_state=0, start="encoder", steps=1, search_rates=(1e-9,), search_until=()).fit(
            x[y != 8]
        )
    rows = x[y != 8][:200]
    at_encoder = det.parts(rows)["residual"]
    assert [h["stage"] for h in det.history_] == ["train"] * 10 + ["encoder"] * 10
    at_prior = clone_of(det, start="prior").parts(rows)["residual"]
    assert np.median(at_encoder) < 0.7 * np.median(at_prior)
    # With more starts E(x) is the first of them, and the best end counts.
    with torch.no_grad():
        scaled = det.preprocess_.tensor(rows)
        two = clone_of(det, restarts=2)
        two.nets_.search.starts = torch.randn(2, det.latent_dim, generator=torch.Generator().manual_seed(0))
        starts = two.starts(two.nets_, scaled)
    assert starts.shape == (200, 2, det.latent_dim)
    assert torch.equal(starts[:, 0], det.nets_.encoder(scaled))
    assert torch.equal(starts[:, 1], two.nets_.search.starts[1].expand(200, -1))
    assert (two.anomaly_score(rows) <= det.anomaly_score(rows) + 1e-5).all()


MEASURE = """
import resource, sys, warnings
import numpy as np
from ringfence import AnoGAN
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(4000, 20))
AnoGAN.cut_rows = 10
det = AnoGAN(epochs=1, steps=3, search_rates=(0.1,), search_until=(), restarts=2, random_state=0).fit(X[:500])
det.anomaly_score(X[:1000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
det.anomaly_score(X)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "linux" else 1 / 1024))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource")
def test_memory_does_not_grow_with_the_rows() -> None:
    # 3,000 further rows are .24 MB as float32 and 3 parts of .024 MB; one pass over all of them, with 128 units in
    # each of 4 layers, 2 starts and Adam's moments, would be 3000 · 2 · 128 · 4 · 4 bytes = 12 MB and more.
    out = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    assert float(out.stdout) < 5_000, f"{out.stdout} KiB more"
