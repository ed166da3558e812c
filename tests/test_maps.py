"""Maps of image rows against naive recomputations, finite differences, and a square pasted into real digits."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from ringfence import EGBAD, GAN, AnoGAN, FenceGAN, SkipGANomaly
from ringfence.detector import Detector
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.maps import row_maps, spatial
from ringfence.views import Resize

BRIEF: dict[str, Any] = {"epochs": 1, "batch_size": 8, "latent_dim": 3, "random_state": 0}
METHODS: dict[str, Callable[..., Detector]] = {
    "egbad": lambda **kw: EGBAD(**(BRIEF | kw)),
    "fencegan": lambda **kw: FenceGAN(**(BRIEF | {"pretrain_epochs": 1} | kw)),
    "gan": lambda **kw: GAN(**(BRIEF | kw)),
    "anogan": lambda **kw: AnoGAN(**(BRIEF | {"steps": 3, "search_rates": (0.1,), "search_until": ()} | kw)),
    "skipganomaly": lambda **kw: SkipGANomaly(**(BRIEF | kw)),
}
ROWS = np.random.default_rng(0).random((12, 2, 9, 14))
OTHER = np.random.default_rng(1).random((5, 2, 9, 14))


@cache
def fitted(method: str) -> Detector:
    return METHODS[method]().fit(ROWS)


def chunked(det: Detector, x: torch.Tensor) -> torch.Tensor:
    """One row as the library computes it: in a chunk of the fixed size."""
    return x.expand(det._chunk, *x.shape[1:])


@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_a_frozen_function_of_its_row(method: str) -> None:
    det = fitted(method)
    maps = row_maps(det, OTHER)
    assert set(maps) == ({"gradient"} if method in ("gan", "fencegan") else {"residual", "feature"})
    for name, values in maps.items():
        assert values.shape == (5, 9, 14)
        assert values.dtype == np.float32
        assert values.min() >= 0
        assert values.max() > 0
        assert np.array_equal(row_maps(det, OTHER[::-1])[name], values[::-1])
        assert np.array_equal(row_maps(det, np.concatenate([ROWS, OTHER]))[name][12:], values)
        for at in range(5):
            assert np.array_equal(row_maps(det, OTHER[at : at + 1])[name][0], values[at])


@pytest.mark.parametrize("method", ["egbad", "anogan", "skipganomaly"])
def test_the_residual_is_the_difference_from_the_reconstruction_row_by_row(method: str) -> None:
    det = fitted(method)
    maps = row_maps(det, OTHER)["residual"]
    remade = det.reconstruct(OTHER)
    scale = float(det.preprocess_.width)  # both in the scaled units of the networks
    for row, made, found in zip(OTHER, remade, maps, strict=True):
        expected = np.zeros((9, 14))
        for channel in range(2):
            expected += np.abs(row[channel] - made[channel]) / scale
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    if method == "skipganomaly":  # a mean of squares
        return
    # Its sum is the residual of the score.
    np.testing.assert_allclose(maps.sum((1, 2)), det.parts(OTHER)["residual"], rtol=1e-5)


@pytest.mark.parametrize("method", ["egbad", "anogan", "skipganomaly"])
def test_the_feature_map_compares_the_last_convolution_row_by_row(method: str) -> None:
    det: Any = fitted(method)
    nets = det.nets_
    found = row_maps(det, OTHER)["feature"]
    for at, row in enumerate(det.preprocess_.tensor(OTHER)):
        x = chunked(det, row[None])
        remade = nets.generator(det.code(nets, x) if hasattr(det, "code") else x)
        judge = nets.discriminator
        pyramid = judge.branches[0].layers if method == "egbad" else judge.trunk.layers
        kept = [layer for layer in pyramid if type(layer).__name__ in ("Conv2d", "LeakyReLU")]
        kept = kept[: 2 * sum(type(layer).__name__ == "Conv2d" for layer in kept)]
        seen, imagined = x, remade
        for layer in kept:
            seen, imagined = layer(seen), layer(imagined)
        assert seen.shape[2:] == (3, 4)
        apart = (seen - imagined).abs().sum(1, keepdim=True)
        expected = F.interpolate(apart, size=(9, 14), mode="bilinear", align_corners=False)[0, 0]
        np.testing.assert_allclose(found[at], expected.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_maps_of_a_hand_made_case() -> None:
    # G gives 0 everywhere, whatever z: the residual is the row itself.
    det = EGBAD(**(BRIEF | {"scale": "none"})).fit_untrained(ROWS)
    with torch.no_grad():
        for weight in det.nets_.generator.layers[-2].parameters():
            weight.zero_()
    np.testing.assert_allclose(row_maps(det, OTHER)["residual"], OTHER.sum(1), rtol=1e-6)
    # A row that is what G makes of it differs nowhere, in no layer.
    zeros = row_maps(det, np.zeros((1, 2, 9, 14)))
    assert zeros["residual"].max() == zeros["feature"].max() == 0


@pytest.mark.parametrize("method", ["gan", "fencegan"])
def test_the_gradient_is_what_finite_differences_are(method: str) -> None:
    det: Any = METHODS[method](scale="none").fit(ROWS)
    found = row_maps(det, OTHER)["gradient"][2]
    nets = det.nets_.double()  # so that small steps can be told from rounding
    x = torch.from_numpy(OTHER[2:3])

    def score(x: torch.Tensor) -> float:
        with torch.no_grad():
            return float(nets.discriminator(x)[0])

    step, expected = 1e-6, np.zeros((9, 14))
    for channel, i, j in np.ndindex(2, 9, 14):
        up, down = x.clone(), x.clone()
        up[0, channel, i, j] += step
        down[0, channel, i, j] -= step
        expected[i, j] += abs(score(up) - score(down)) / (2 * step)
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-4 * expected.max())


def test_the_gradient_does_not_vanish_where_the_discriminator_is_sure() -> None:
    det: Any = METHODS["gan"](scale="none").fit(ROWS)
    usual = row_maps(det, OTHER)["gradient"]
    with torch.no_grad():
        det.nets_.discriminator.head.layers[0].bias -= 50.0  # every row is one beyond doubt, for the same reasons
    np.testing.assert_allclose(row_maps(det, OTHER)["gradient"], usual, rtol=1e-5)


def test_maps_leave_the_networks_without_gradients() -> None:
    for method in METHODS:
        row_maps(fitted(method), OTHER)
        assert all(p.grad is None and not p.requires_grad for p in fitted(method).nets_.parameters())


def test_a_discriminator_without_pixels_has_no_feature_map() -> None:
    layers = {"discriminator": [{"op": "dense", "units": 8, "act": "relu"}, {"op": "dense", "units": 1}]}
    det: Any = METHODS["anogan"](layers=layers).fit(ROWS)
    assert spatial(det.nets_.discriminator, det.preprocess_.tensor(OTHER)) is None
    assert set(row_maps(det, OTHER)) == {"residual"}


def test_the_last_layer_with_pixels_may_lie_behind_the_features() -> None:
    layers = {
        "discriminator": [
            {"op": "conv", "units": 4, "feature": True},
            {"op": "conv", "units": 6, "act": "relu"},
            {"op": "dense", "units": 1},
        ]
    }
    det: Any = METHODS["anogan"](layers=layers).fit(ROWS)
    assert spatial(det.nets_.discriminator, det.preprocess_.tensor(OTHER)).shape == (5, 6, 3, 4)


def test_what_has_no_maps_is_refused() -> None:
    table = GAN(**BRIEF).fit(np.random.default_rng(0).normal(size=(20, 3)))
    with pytest.raises(InvalidParameter, match="maps are for images"):
        row_maps(table, np.zeros((2, 3)))
    with pytest.raises(NotFittedError):
        row_maps(GAN(), OTHER)
    with pytest.raises(InvalidData, match=r"X has rows of shape \(2, 9, 13\), but GAN was fitted with \(2, 9, 14\)"):
        row_maps(fitted("gan"), OTHER[..., 1:])
    with pytest.raises(InvalidData, match="NaN"):
        row_maps(fitted("gan"), np.full_like(OTHER, np.nan))


def test_images_without_a_channel_axis_have_maps_too() -> None:
    det = METHODS["gan"]().fit(ROWS[:, 0])
    assert row_maps(det, OTHER[:, 0])["gradient"].shape == (5, 9, 14)


def test_a_pasted_square_stands_out_in_the_residual_of_real_digits() -> None:
    digits = load_digits()
    # The digits, twice as large; one of ten classes, so that a second of training tells what belongs there.
    clean = np.concatenate([Resize(16, 16).rows((image / 16)[None]) for image in digits.images[digits.target == 0]])
    train, held_out = clean[:140], clean[140:]
    det = EGBAD(latent_dim=8, epochs=20, batch_size=20, random_state=0).fit(train)
    spoiled = held_out.copy()
    rng = np.random.default_rng(0)
    masks = np.zeros((len(spoiled), 16, 16), dtype=bool)
    for mask, (top, left) in zip(masks, rng.integers(0, 12, (len(spoiled), 2)), strict=True):
        mask[top : top + 4, left : left + 4] = True
    spoiled[:, 0][masks] = 1 - (spoiled[:, 0][masks] > 0.5)
    before, after = row_maps(det, held_out), row_maps(det, spoiled)
    for name, ratio in (("residual", 2.0), ("feature", 1.1)):
        inside = np.array([values[mask].mean() for values, mask in zip(after[name], masks, strict=True)])
        outside = np.array([values[~mask].mean() for values, mask in zip(after[name], masks, strict=True)])
        assert inside.mean() > ratio * outside.mean(), name
        assert (inside > outside).mean() >= 0.8, name
        # Where nothing was pasted, the same places do not stand out so.
        untouched = np.array([values[mask].mean() for values, mask in zip(before[name], masks, strict=True)])
        assert inside.mean() > 1.5 * untouched.mean(), name
