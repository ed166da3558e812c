"""Training aids: priors, clipped critics, matched features and minibatch discrimination, by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ringfence import GAN, VAE
from ringfence.exceptions import InvalidParameter
from ringfence.game import NOISE, PRIORS, Game, stream
from ringfence.persist import load

X = np.random.default_rng(0).normal(size=(40, 5))


def values(t: Tensor) -> list[float]:
    return t.detach().double().flatten().tolist()


# ---- priors -------------------------------------------------------------------------------------------------------


def drawn(prior: str, *shape: int) -> Tensor:
    return PRIORS[prior](torch.empty(*shape), stream(0, NOISE))


def test_draws_of_the_older_priors_are_what_they_were() -> None:
    # Noted before the others came.
    assert values(drawn("normal", 1, 4)) == pytest.approx([-1.1636215, 1.5709645, 0.6905524, -0.7375432], abs=1e-6)
    assert values(drawn("uniform", 1, 4)) == pytest.approx([0.3378663, 0.4793020, -0.2869842, 0.5912272], abs=1e-6)


def test_a_truncated_normal_is_the_inverse_cdf_of_the_seeds_uniforms() -> None:
    # Φ(1) = .84134475, Φ(0) = .5, Φ(−1.5) = .06680720; beyond ±2 lies nothing, however rounded.
    for u, z in ((0.84134475, 1.0), (0.5, 0.0), (0.06680720, -1.5), (0.02275013, -2.0), (0.97724987, 2.0)):
        filled = Fixed(u)
        assert PRIORS["truncated_normal"](filled, stream(0)).item() == pytest.approx(z, abs=1e-5)
        # Φ(−2) and Φ(2)
        assert filled.bounds == pytest.approx((0.022750132, 0.977249868), abs=1e-8)
    z = drawn("truncated_normal", 50_000, 4)
    assert z.abs().max() <= 2
    assert z.abs().max() > 1.999
    # 1 − 2 · 2 φ(2) / (Φ(2) − Φ(−2)) = 1 − 4 · .05399097 / .95449974; a normal clamped at ±2 has .921.
    assert z.var().item() == pytest.approx(0.77374, abs=0.005)
    assert z.mean().item() == pytest.approx(0, abs=0.01)
    assert (z.abs() < 1).double().mean().item() == pytest.approx(0.68268949 / 0.95449974, abs=0.005)


class Fixed(Tensor):
    """A value that a "uniform draw" finds there, and the bounds that it was asked to draw within."""

    bounds: tuple[float, float]

    def __new__(cls, u: float) -> "Fixed":
        return torch.tensor([u], dtype=torch.float64).as_subclass(cls)

    def uniform_(self, low: float = 0, high: float = 1, *, generator: Any = None) -> "Fixed":  # type: ignore[override]
        self.bounds = (low, high)
        return self


def test_the_hypersphere_has_radius_root_d_in_every_direction() -> None:
    z = drawn("hypersphere", 20_000, 3)
    assert values(z.norm(dim=1)) == pytest.approx([math.sqrt(3)] * len(z), rel=1e-5)
    # The same directions as the normal draws of the seed; on a sphere in three dimensions each number is uniform on ±√3
    # (Archimedes), with mean 0 and variance 1.
    torch.testing.assert_close(z, math.sqrt(3) * torch.nn.functional.normalize(drawn("normal", 20_000, 3), dim=1))
    assert values(z.mean(0)) == pytest.approx([0] * 3, abs=0.03)
    assert values(z.var(0)) == pytest.approx([1] * 3, abs=0.03)
    assert values((z.abs() < math.sqrt(3) / 2).double().mean(0)) == pytest.approx([0.5] * 3, abs=0.02)
    # One dimension has two points.
    assert set(values(drawn("hypersphere", 10, 1).round(decimals=6))) == {-1.0, 1.0}


@pytest.mark.parametrize("prior", ["truncated_normal", "hypersphere"])
def test_a_fit_draws_from_the_prior_and_keeps_it(prior: str, tmp_path: Any) -> None:
    det = GAN(epochs=1, prior=prior, random_state=0).fit(X)
    assert np.isfinite(det.anomaly_score(X)).all()
    assert not np.array_equal(det.anomaly_score(X), GAN(epochs=1, random_state=0).fit(X).anomaly_score(X))
    back = load(det.save(tmp_path / "m"))
    assert np.array_equal(back.sample(3, random_state=1), det.sample(3, random_state=1))


def test_a_prior_is_refused_by_its_nearest_and_where_the_mathematics_need_another() -> None:
    with pytest.raises(InvalidParameter, match="unknown prior 'hypersfere': did you mean 'hypersphere'"):
        GAN(prior="hypersfere").fit(X)
    with pytest.raises(InvalidParameter, match="unknown prior 'truncated'"):
        Game([], torch.zeros(4, 1), 2, "truncated", 1, 2, 0.0, True, (1,))
    # The KL of a variational autoencoder is the one from N(0, I).
    with pytest.raises(InvalidParameter, match="unknown prior 'truncated_normal'; known: normal"):
        VAE(prior="truncated_normal").fit(X)
