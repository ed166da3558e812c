"""LAD and corruptions: what becomes of rows, terms and parts, against values worked out by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from golden import APPROX, Judge, values
from ringfence import LAD, Frame
from ringfence.corruption import CORRUPTIONS, corrupted, noisy, permuted, tied, uniform
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch
from ringfence.losses import Wasserstein
from ringfence.networks import DCGAN, MLP, Maker
from ringfence.networks.axis import he
from ringfence.networks.normalisation import Spectral

X = np.random.default_rng(0).normal(size=(60, 6))


# ---- corruptions --------------------------------------------------------------------------------------------------

ROWS = torch.tensor([[[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]]])


def test_each_feature_is_permuted_by_the_ranks_of_its_own_draws() -> None:
    # Draws of the first feature, .5, −.2, .1, rise in the order of rows 2, 3, 1; of the second, −1, 2, 0, in that of 1,
    # 3, 2.
    normal = torch.tensor([[[0.5, -1.0], [-0.2, 2.0], [0.1, 0.0]]])
    assert values(permuted(ROWS, normal)) == [[[2.0, 10.0], [3.0, 30.0], [1.0, 20.0]]]


def test_permuted_features_keep_their_values_and_lose_what_they_had_to_do_with_each_other() -> None:
    x = torch.randn(1, 4000, 1).expand(1, 4000, 2).clone()
    found = permuted(x, torch.randn(1, 4000, 2))[0]
    assert torch.equal(found.sort(0).values, x[0].sort(0).values)
    assert abs(np.corrcoef(found.numpy().T)[0, 1]) < 0.1


def test_noise_is_added_at_its_size() -> None:
    assert values(noisy(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[2.0, -4.0]]]), 0.5)) == [[[2.0, 0.0]]]


def test_uniform_values_fill_the_range_that_the_feature_has() -> None:
    # Φ(0) = ½, Φ(∓∞) = 0 and 1, Φ(.67448975) = ¾: of 1…3 and 10…30.
    normal = torch.tensor([[[0.0, 0.67448975], [-99.0, 99.0], [0.0, -99.0]]])
    expected = torch.tensor([[[2.0, 25.0], [1.0, 30.0], [2.0, 10.0]]])
    assert torch.allclose(uniform(ROWS, normal), expected)


def test_a_share_of_the_values_is_corrupted() -> None:
    # Φ(−.1) < ½ < Φ(.1): with a share of ½ the first value of each row goes, the second stays.
    x, normal = torch.zeros(2, 2), torch.ones(2, 2)
    choice = torch.tensor([[-0.1, 0.1], [-9.0, 9.0]])
    found = corrupted("noise", x, 1, normal, choice, share=0.5, deviation=3.0)
    assert values(found) == [[3.0, 0.0], [3.0, 0.0]]
    # Φ(9) is 1 in float32: a share of 1 takes it too.
    assert values(corrupted("noise", x, 1, normal, choice, share=1.0, deviation=3.0)) == [[3.0, 3.0], [3.0, 3.0]]
    many = corrupted("noise", torch.zeros(10_000, 4), 1, torch.ones(10_000, 4), torch.randn(10_000, 4),
                     share=0.2, deviation=1.0)  # fmt: skip
    assert float(many.mean()) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_a_member_is_corrupted_as_it_would_be_alone(kind: str, shape: tuple[int, ...]) -> None:
    x, normal, choice = (torch.randn(2 * 7, *shape) for _ in range(3))
    x[7:] += 100  # what leaked from one member to the other would show
    both = corrupted(kind, x, 2, normal, choice, share=0.7, deviation=1.0)
    for own in (slice(0, 7), slice(7, 14)):
        alone = corrupted(kind, x[own], 1, normal[own], choice[own], share=0.7, deviation=1.0)
        assert torch.equal(both[own], alone)
        assert not torch.equal(alone, x[own])


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_corruptions_leave_their_arguments_as_they_are(kind: str) -> None:
    given = [torch.randn(6, 3) for _ in range(3)]
    before = [t.clone() for t in given]
    corrupted(kind, given[0], 2, given[1], given[2], share=1.0, deviation=1.0)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))


def test_a_category_is_permuted_as_a_whole() -> None:
    normal = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    assert values(tied(normal, [(1, 3), (3, 6)])) == [[1.0, 2.0, 2.0, 4.0, 4.0, 4.0]]
    assert tied(normal, ()) is normal
    one_hot = torch.eye(3)[torch.arange(30) % 3]
    moved = permuted(one_hot[None], tied(torch.randn(30, 3), [(0, 3)])[None])[0]
    assert torch.equal(moved.sum(1), torch.ones(30))
    assert not torch.equal(moved, one_hot)


# ---- the method ---------------------------------------------------------------------------------------------------


def batch(x: list[list[float]], *draws: list[list[float]]) -> Batch:
    """A step on rows x that draws these values of N(0, 1), one after the other."""
    left = [torch.tensor(d) for d in draws]
    return Batch(torch.tensor(x), 0, 0, 0.0, 1, lambda n: torch.zeros(n, 1), lambda shape: left.pop(0))


def test_lad_raises_f_on_rows_and_lowers_it_on_their_corruptions() -> None:
    # f = 2 x₁ + x₂. Rows (1, 10), (2, 20); draws: first feature exchanged, second not, and all chosen:
    # x̃ = (2, 10), (1, 20). −f(x) = −12, −24; f(x̃) = 14, 22; ‖∇f‖ = √5: 3 (√5 − 1)².
    nets = SimpleNamespace(discriminator=Judge(lambda x: 2 * x[:, 0] + x[:, 1]))
    step = batch([[1.0, 10.0], [2.0, 20.0]], [[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]])
    found = LAD(penalty=3.0, share=1.0).loss(nets, step)
    assert list(found) == ["real", "fake", "penalty"]
    assert values(found["real"]) == [-12.0, -24.0]
    assert values(found["fake"]) == [14.0, 22.0]
    assert values(found["penalty"]) == pytest.approx([3 * (5**0.5 - 1) ** 2] * 2, **APPROX)


def test_the_second_draw_chooses_what_is_corrupted() -> None:
    nets = SimpleNamespace(discriminator=Judge(lambda x: 2 * x[:, 0] + x[:, 1]))
    # x = (0, 0), noise 2 · (1, 1); Φ(−1) ≤ .3 < Φ(1): x̃ = (2, 0), f = 4. Draws the other way round would give 0.
    step = batch([[0.0, 0.0]], [[1.0, 1.0]], [[-1.0, 1.0]])
    found = LAD(corruption="noise", noise=2.0, share=0.3).loss(nets, step)
    assert values(found["fake"]) == [4.0]


def test_f_moves_up_on_rows() -> None:
    # L = −w x + w x̃ with x = 1, x̃ = 1 + 2 = 3 and no penalty: dL/dw = 2, so that w falls.
    w = torch.tensor(1.0, requires_grad=True)
    nets = SimpleNamespace(discriminator=Judge(lambda x: w * x[:, 0]))
    found = LAD(corruption="noise", share=1.0, lipschitz="spectral").loss(nets, batch([[1.0]], [[2.0]], [[0.0]]))
    assert list(found) == ["real", "fake"]
    assert torch.autograd.grad(torch.stack(list(found.values())).sum(), w)[0].item() == 2.0


def test_lad_scores_how_far_f_is_below_its_mean() -> None:
    nets = SimpleNamespace(
        discriminator=Judge(lambda x: 2 * x[:, 0]), normal=SimpleNamespace(mean=torch.zeros((), dtype=torch.double))
    )
    det = LAD()
    # f = 2, 6: mean 4.
    det.finish(nets, torch.tensor([[1.0], [3.0]]))
    found = det.score_parts(nets, torch.tensor([[1.0], [5.0]]))
    assert {k: values(v) for k, v in found.items()} == {"discriminator": [2.0, -6.0]}


def test_no_penalty_is_no_term() -> None:
    one = torch.ones(2, 1)
    assert Wasserstein(penalty=0.0).penalties(Judge(lambda x: 3 * x[:, 0]), [one], [one]) == {}
    history = LAD(epochs=1, random_state=0, lipschitz="spectral").fit(X).history_
    assert set(history[0]) == {"stage", "epoch", "discriminator.real", "discriminator.fake"}
    assert "discriminator.penalty" in LAD(epochs=1, random_state=0).fit(X).history_[0]


def test_spectral_norms_bound_the_slope_of_f() -> None:
    det = LAD(epochs=60, random_state=0, lipschitz="spectral", ema=0.0).fit(X)
    one, other = (torch.randn(500, 6, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    with torch.no_grad():
        apart = (det.nets_.discriminator(one)[0] - det.nets_.discriminator(other)[0]).abs()
    ratio = float((apart / (one - other).norm(dim=1)).max())
    assert 0.05 < ratio < 1.02


def test_bounded_discriminators_norm_all_layers() -> None:
    make = Maker(he, [torch.Generator().manual_seed(0)], lambda count: torch.zeros(count, 4))
    for family, shape in ((MLP, (6,)), (DCGAN, (1, 8, 8))):
        for arguments in ("x", "xz"):
            judge = family(shape, 4, None, make).discriminator(arguments, spectral=True, bounded=True)
            normed = [isinstance(m.norm, Spectral) for m in judge.modules() if hasattr(m, "norm")]
            assert all(normed)
            plain = family(shape, 4, None, make).discriminator(arguments, bounded=True)
            assert not any(isinstance(m, Spectral) for m in plain.modules())


def test_lad_learns_which_values_go_together() -> None:
    # Two features of 0 mean and equal size that agree in sign; each alone is as usual where they do not.
    first = np.random.default_rng(1).normal(size=(300, 1))
    det = LAD(epochs=60, random_state=0).fit(
        np.hstack([first, first + 0.1 * np.random.default_rng(2).normal(size=(300, 1))])
    )
    together, apart = (
        det.anomaly_score(np.array([[1.0, 1.0], [-1.0, -1.0]])),
        det.anomaly_score(np.array([[1.0, -1.0], [-1.0, 1.0]])),
    )
    assert apart.min() > together.max() + 0.1


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_lad_takes_frames_with_categories(kind: str) -> None:
    frame = Frame({"a": X[:, 0], "b": ["red" if v > 0 else "blue" for v in X[:, 0]], "c": X[:, 1]})
    scores = LAD(epochs=2, random_state=0, corruption=kind).fit(frame).anomaly_score(frame)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"corruption": "permute"}, "unknown corruption 'permute': did you mean 'permuted'?"),
        ({"lipschitz": "clip"}, "unknown lipschitz 'clip'; known: penalty, spectral"),
        ({"share": 0.0}, "share=0.0: allowed are numbers > 0 and ≤ 1"),
        ({"share": 1.5}, "share=1.5: allowed are numbers > 0 and ≤ 1"),
        ({"noise": 0.0}, "noise=0.0: allowed are numbers > 0"),
        ({"penalty": -1.0}, "penalty=-1.0: allowed are numbers ≥ 0"),
    ],
)
def test_lad_says_what_is_not_allowed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        LAD(**given).fit(X)
    assert str(caught.value).startswith(message)
