"""AnoGAN's search on the networks of its presets: as many rows as there are slots, one row, and bare products."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ringfence import AnoGAN
from ringfence.game import Nets
from ringfence.inversion import search, slots_for
from ringfence.networks import Network, convolutions, layers, normalisation
from ringfence.preprocess import Preprocess

from .. import bare, textbook
from ..frame import Contest, Fact, Target, case
from ..ours import uniform

KDD99 = ((32, 64), (64, 128), (128, 121), (121, 256), (256, 128), (128, 128))
"""Inputs and outputs of G's layers and of D's up to its features, on one row each."""

MNIST = (
    (1, 200, 1024), (1, 1024, 6272), (49, 128, 1024), (196, 64, 16),  # G: 7 × 7 × 128 up to 28 × 28
    (196, 16, 64), (49, 1024, 64), (1, 3136, 1024),  # D: down to 7 × 7 × 64, and its features
)  # fmt: skip
"""Rows, inputs and outputs of the products for one image."""


def plain(network: Network) -> nn.Sequential:
    """The same network of PyTorch's own layers."""
    made: list[nn.Module] = []
    for layer in network.layers:
        like: Any = layer
        if isinstance(layer, layers.Linear):
            like = nn.Linear(layer.weight.shape[2], layer.weight.shape[1])
        elif isinstance(layer, convolutions.Conv2d):
            like = nn.Conv2d(layer.weight.shape[2], layer.weight.shape[1], 4, layer.stride, layer.padding[0])
        elif isinstance(layer, convolutions.ConvTranspose2d):
            like = nn.ConvTranspose2d(layer.weight.shape[1], layer.weight.shape[2], 4, layer.stride, layer.padding[0])
        elif isinstance(layer, normalisation.BatchNorm):
            kind = nn.BatchNorm1d if layer is network.layers[1] or layer is network.layers[-2] else nn.BatchNorm2d
            like = kind(layer.get_buffer("running_mean").shape[1], layer.eps)
        if like is not layer:
            like.load_state_dict({k: v[0] for k, v in layer.state_dict().items()}, strict=False)
        made.append(like)
    return nn.Sequential(*made).eval().requires_grad_(False)


def prepared(preset: str, rows: Any) -> tuple[AnoGAN, Nets]:
    """A detector of a preset, with networks as they are drawn."""
    detector = AnoGAN.preset(preset).set_params(random_state=0, device="cpu")
    detector.check()
    detector.seed_, detector.preprocess_ = 0, Preprocess.fit(rows, detector.scale)
    return detector, detector._drawn(0).eval().requires_grad_(False)


def contest(preset: str, shape: tuple[int, ...], steps: int, alone: int, products: Callable[[int], Any]) -> Contest:
    """Searches of `steps` steps for as many rows as there are slots; of `alone` steps for one row."""
    rows = uniform(512, *shape)
    detector, nets = prepared(preset, rows)
    x = detector.preprocess_.tensor(rows)
    x = x[: slots_for(x)]
    slots = len(x)
    generator = plain(nets.generator)
    body = nn.Sequential(*plain(nets.discriminator.branches[0]), *plain(nets.discriminator.trunk))
    start = nets.search.starts
    passes = products(slots)

    def found(some: Tensor, slots: int, steps: int) -> Tensor:
        detector.set_params(steps=steps)
        with torch.no_grad():
            features = nets.discriminator(some)[1]
            return search(detector.objective(nets), (some, features), start, detector.plan, slots)[1]

    def ours() -> float:
        found(x, slots, steps)
        return slots * steps

    def one_row() -> float:
        found(x[:1], 1, alone)
        return alone

    def tutorial() -> float:
        textbook.inversion(generator, body, x[:1], start, detector.plan.schedule.rate, alone)
        return alone

    def limit() -> float:
        for _ in range(steps):
            passes()
        return slots * steps

    def facts() -> dict[str, Any]:
        # 500 steps as the preset prints them, for a few rows in every way; the mean of their losses.
        few = 4
        together = found(x, slots, 500)[:few].mean().item()
        each = [textbook.inversion(generator, body, row[None], start, detector.plan.schedule.rate, 500)
                for row in x[:few]]  # fmt: skip
        return {"slots": slots, "loss, ours / textbook": together / float(np.mean(each))}

    return Contest(
        {"ours": ours, "products": limit, "textbook, one row": tutorial, "ours, one row": one_row},
        unit="step of a row",
        facts=facts,
    )


SAME = Fact("loss, ours / textbook", 0.99, 1.01)


@case(
    "search-kdd99", "AnoGAN's search, KDD99 networks",
    Target("ours", "textbook, one row", 1 / 50), Target("ours", "products", 1.5), SAME,
)  # fmt: skip
def kdd99() -> Contest:
    """512 rows at a time."""
    return contest("kdd99", (121,), 100, 200, lambda n: bare.Thither([(n, i, o) for i, o in KDD99]))


@case(
    "search-mnist", "AnoGAN's search, MNIST networks",
    Target("ours", "textbook, one row", 1 / 5), Target("ours", "products", 1.5), SAME, rounds=7,
)  # fmt: skip
def mnist() -> Contest:
    """64 rows at a time."""
    return contest("mnist", (28, 28), 25, 50, lambda n: bare.Thither([(n * p, i, o) for p, i, o in MNIST]))
