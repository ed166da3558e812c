"""A search goes by what the score is made of: loss and slope are those of its parts, for every kind of network."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ringfence import AnoGAN
from ringfence.preprocess import ConstantColumns

DIGITS = load_digits()
TABLE, IMAGES = DIGITS.data[:60], DIGITS.images[:60]
COLOURS = np.random.default_rng(0).random((40, 3, 12, 9))
NORMED = [{"op": "dense", "units": 16, "norm": "batch", "act": "relu"}, {"op": "dense", "units": 64, "act": "tanh"}]

CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "table": (TABLE, {}),
    "verdict": (TABLE, {"score_kind": "sigma"}),
    "length": (TABLE, {"score_kind": "fm_latent"}),
    "batch norm": (TABLE, {"layers": {"generator": NORMED}}),
    "compared rows": (TABLE, {"minibatch": 4, "score_kind": "sigma"}),
    "spectral": (TABLE, {"spectral": True}),
    "members": (TABLE, {"members": 2}),
    **{f"by {name}": (TABLE, {"residual_distance": name}) for name in ("l2", "l2_squared", "linf", "rbf", "cosine")},
    "images": (IMAGES, {"score_kind": "sigma"}),
    "images, compared": (IMAGES, {"minibatch": 4}),
    "images, spectral": (IMAGES, {"spectral": True, "score_kind": "sigma"}),
    "images, by ssim": (IMAGES, {"residual_distance": "ssim"}),
    "colours": (COLOURS, {}),
}


@pytest.mark.filterwarnings("ignore::ringfence.members.MemberStopped")
@pytest.mark.parametrize("case", CASES)
def test_loss_and_slope_are_those_of_the_score(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, options = CASES[case]
    monkeypatch.setattr(AnoGAN, "cut_rows", 4)
    det = AnoGAN(epochs=1, batch_size=20, latent_dim=5, steps=1, search_rates=(0.1,), search_until=(), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantColumns)
        det.set_params(**options).fit(rows)
    agrees(det, rows)


def test_categories_are_judged_by_their_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    monkeypatch.setattr(AnoGAN, "cut_rows", 4)
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"a": rng.normal(size=60), "b": rng.normal(size=60), "c": rng.choice(["x", "y", "z"], 60)})
    det = AnoGAN(epochs=1, batch_size=20, latent_dim=5, steps=1, search_rates=(0.1,), search_until=(), random_state=0)
    det.fit(frame)
    assert det.heads
    one_hot = np.eye(3)[rng.integers(3, size=6)]
    agrees(det, None, torch.from_numpy(np.hstack([rng.normal(size=(6, 2)), one_hot])))


def agrees(det: AnoGAN, rows: Any, scaled: Any = None) -> None:
    """Objective against autograd, in float64, at the nets of the last member."""
    nets = det.members_[-1].nets.double()
    x = (det.preprocess_.tensor(rows[:6]) if scaled is None else scaled).double()
    weights = det.scores[det.score_kind] if det.score_kind else next(iter(det.scores.values()))
    z = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    parts = det.parts_at(nets, z, x, nets.discriminator(x)[1].detach())
    loss = sum(weight * parts[name] for name, weight in weights.items())
    (slope,) = torch.autograd.grad(loss.sum(), z)
    with torch.no_grad():
        objective, features = det.objective(nets), nets.discriminator(x)[1]
        for _ in range(2):  # memory is kept, and must not show
            found = objective(z.detach(), x, features, True)
            torch.testing.assert_close(found[0], loss.detach(), rtol=1e-9, atol=1e-10)
            torch.testing.assert_close(found[1], slope, rtol=1e-9, atol=1e-10)
            # Without the loss the slope is the same to the bit.
            assert torch.equal(objective(z.detach(), x, features, False)[1], found[1])
