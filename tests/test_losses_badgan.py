"""Terms of the bad GAN against numbers worked out by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from golden import APPROX, LOG2, LOG3, LOG4, Judge, batch, first, values
from ringfence import BadGAN
from ringfence.methods.badgan import pull_away


def nets() -> Any:
    """G(z) = z."""
    return SimpleNamespace(generator=lambda z: z, discriminator=Judge(first))


# ---- entropy ------------------------------------------------------------------------------------------------------


def test_the_pull_away_term_is_the_mean_squared_cosine_of_pairs() -> None:
    # Cosines 0, 3/5 and 4/5: each pair twice, 2 · (.36 + .64) of 6. Not squared it would be .47, with each row beside
    # itself 5/9, over n² 2/9.
    assert pull_away(torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])).item() == pytest.approx(1 / 3)


def test_rows_that_point_the_same_way_or_the_opposite_are_alike() -> None:
    assert pull_away(torch.tensor([[1.0, 2.0], [2.0, 4.0]])).item() == pytest.approx(1)
    assert pull_away(torch.tensor([[1.0, 2.0], [-2.0, -4.0]])).item() == pytest.approx(1)
    assert pull_away(torch.tensor([[1.0, 2.0], [2.0, -1.0]])).item() == pytest.approx(0, abs=1e-6)


def test_the_pull_away_term_pulls_away() -> None:
    # cos² of (1, 0) and (x, y) is x² / (x² + y²): at (1, 1) its slope is (2 x y², −2 x² y) / 4; descent turns it up.
    rows = torch.tensor([[1.0, 0.0], [1.0, 1.0]], requires_grad=True)
    (slope,) = torch.autograd.grad(pull_away(rows), rows)
    assert values(slope[1]) == pytest.approx([0.5, -0.5])


# ---- the generator ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.1, 1.0), (0.25, 2.0), (0.5, 5.0), (0.99, 9.0)])
def test_the_threshold_is_the_quantile_of_normal_rows(share: float, expected: float) -> None:
    # Of ten logits 0 … 9 the one at place ⌊10 q⌋ from below.
    logits = torch.tensor([9.0, 0.0, 4.0, 1.0, 8.0, 2.0, 7.0, 3.0, 6.0, 5.0])
    assert BadGAN(density_quantile=share).threshold(logits).item() == expected


X = [[1.0, 1.0], [4.0, 3.0], [3.0, -1.0], [2.0, 5.0]]
MADE = [[3.0, 4.0], [0.0, 2.0], [1.0, 0.0], [-4.0, 3.0]]


def test_terms_of_the_bad_generator_and_their_weights() -> None:
    det = BadGAN(
        entropy_weight=2.0, density_weight=3.0, feature_weight=5.0, density_quantile=0.25, feature_distance="l2_squared"
    )
    found = det.generator_loss(nets(), batch(X, MADE))
    assert list(found) == ["entropy", "density", "feature"]
    # Cosines of MADE: .8, .6, 0, 0, .6, −.8: squares .64 + .36 + .36 + .64 = 2 of 6 pairs.
    assert values(found["entropy"]) == pytest.approx([2 / 3] * 4)
    # Logits of X are 1, 4, 3, 2: ε is 2, the second; of 3, 0, 1, −4 only the first lies above, by 1.
    assert values(found["density"]) == pytest.approx([3, 0, 0, 0])
    # Means (2.5, 2) and (0, 2.25): 6.25 + .0625. The mean of the rows' own distances would be far more.
    assert values(found["feature"]) == pytest.approx([5 * 6.3125] * 4)


@pytest.mark.parametrize(
    ("distance", "expected"), [("l2_squared", 13.0), ("mean_squared", 6.5), ("mean_absolute", 2.5), ("l1", 5.0)]
)
def test_features_are_matched_on_average(distance: str, expected: float) -> None:
    # Generated (0, 0) and (2, 4), normal (3, 9) and (3, 1): means (1, 2) and (3, 5).
    pairs = torch.tensor([[[0.0, 0.0], [3.0, 9.0]], [[2.0, 4.0], [3.0, 1.0]]])
    assert BadGAN(feature_distance=distance).means_apart(pairs).item() == pytest.approx(expected)


def test_only_dense_rows_are_pushed_and_towards_lower_density() -> None:
    z = torch.tensor(MADE, requires_grad=True)
    found = BadGAN(density_weight=3.0, density_quantile=0.25).generator_loss(nets(), batch(X, z))
    (slope,) = torch.autograd.grad(found["density"].sum(), z)
    assert slope.tolist() == [[3, 0], [0, 0], [0, 0], [0, 0]]


def test_features_pull_generated_rows_towards_the_normal_mean() -> None:
    # d/dx̂ᵢ of ‖mean x̂ − mean x‖² is 2 (mean x̂ − mean x) / n = (−5, .5) / 4 for every row.
    z = torch.tensor(MADE, requires_grad=True)
    det = BadGAN(feature_weight=1.0, feature_distance="l2_squared")
    (slope,) = torch.autograd.grad(det.generator_loss(nets(), batch(X, z))["feature"].mean(), z)
    assert slope.tolist() == [pytest.approx([-1.25, 0.125])] * 4


def test_statistics_of_a_batch_are_each_members_own() -> None:
    det = BadGAN(entropy_weight=1.0, density_weight=1.0, feature_weight=1.0, density_quantile=0.0,
                 feature_distance="l2_squared")  # fmt: skip
    two = det.generator_loss(
        nets(),
        batch([[0.0, 1.0], [0.0, 1.0], [9.0, 0.0], [7.0, 0.0]], [[1.0, 0.0], [0.0, 1.0], [8.0, 0.0], [8.0, 0.0]], 2),
    )
    assert values(two["entropy"]) == pytest.approx([0, 0, 1, 1])
    assert values(two["density"]) == [1, 0, 1, 1]  # ε is 0 for the first member, 7 for the second
    assert values(two["feature"]) == pytest.approx([0.5, 0.5, 0, 0])


# ---- the discriminator --------------------------------------------------------------------------------------------


def test_d_tells_normal_rows_from_their_complement() -> None:
    # σ(log 3) = 3/4: −log 3/4 and −log 1/2; −.5 log 1/4 and −.5 log 1/2.
    found = BadGAN(gamma=0.5).discriminator_loss(nets(), batch([[LOG3, 0.0], [0.0, 0.0]], [[LOG3, 0.0], [0.0, 0.0]]))
    assert values(found["real"]) == pytest.approx([LOG4 - LOG3, LOG2], **APPROX)
    assert values(found["fake"]) == pytest.approx([0.5 * LOG4, 0.5 * LOG2], **APPROX)


def test_the_score_is_one_minus_d() -> None:
    found = BadGAN().score_parts(nets(), torch.tensor([[LOG3, 0.0], [-LOG3, 0.0]]))
    assert values(found["discriminator"]) == pytest.approx([0.25, 0.75])


def test_d_moves_before_g_once_each_a_step() -> None:
    (stage,) = BadGAN().stages()
    assert [(p.nets, p.repeat, p.every) for p in stage.players] == [(("discriminator",), 1, 1), (("generator",), 1, 1)]


def test_the_generator_leaves_no_more_dense_rows_than_it_is_allowed() -> None:
    # The released threshold is measured on test images; ours on the batch, so that fit needs no further row.
    X = np.random.default_rng(0).normal(size=(60, 4))
    det = BadGAN(epochs=2, random_state=0).fit(X)
    assert set(det.history_[-1]) == {
        "stage", "epoch", "discriminator.real", "discriminator.fake",
        "generator.entropy", "generator.density", "generator.feature",
    }  # fmt: skip
    assert det.sample(5, random_state=0).shape == (5, 4)
