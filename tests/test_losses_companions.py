"""Terms and parts of the companions (autoencoders, one-class networks, energies) against numbers worked out by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ringfence import AutoEncoder
from ringfence.game import Batch

APPROX = {"rel": 1e-5, "abs": 1e-6}


def values(t: Tensor) -> list[float]:
    return t.detach().double().tolist()


def batch(x: list[list[float]], normal: list[list[float]] | None = None, epoch: int = 0, members: int = 1) -> Batch:
    """A step on rows x, whose N(0, 1) noise is `normal`."""
    rows = torch.tensor(x)
    fixed = torch.tensor(normal) if normal is not None else torch.zeros_like(rows)
    return Batch(rows, epoch, 0, 0.0, members, lambda n: fixed[:n], lambda shape: fixed)


# ---- autoencoder --------------------------------------------------------------------------------------------------


def halving() -> Any:
    """E(x) = (x₁, x₂) / 2, G(z) = z: what is lost is half of x."""
    return SimpleNamespace(encoder=lambda x: x / 2, generator=lambda z: z)


@pytest.mark.parametrize(
    ("distance", "expected"),
    # x − G(E(x)) = (3, −4) and (1, 0).
    [
        ("l1", [7.0, 1.0]),
        ("l2", [5.0, 1.0]),
        ("l2_squared", [25.0, 1.0]),
        ("linf", [4.0, 1.0]),
        ("mean_absolute", [3.5, 0.5]),
        ("mean_squared", [12.5, 0.5]),
    ],
)
def test_an_autoencoder_learns_and_scores_its_distance(distance: str, expected: list[float]) -> None:
    x = [[6.0, -8.0], [2.0, 0.0]]
    det = AutoEncoder(distance=distance)
    assert values(det.loss(halving(), batch(x))["residual"]) == pytest.approx(expected)
    assert values(det.score_parts(halving(), torch.tensor(x))["residual"]) == pytest.approx(expected)


def test_an_autoencoder_scores_squares_unless_told_otherwise() -> None:
    assert values(AutoEncoder().score_parts(halving(), torch.tensor([[6.0, -8.0]]))["residual"]) == [25.0]
