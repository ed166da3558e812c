"""Terms and parts of ALOCC against numbers worked out by hand."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from golden import APPROX, LOG3, Judge, softplus, terms, values
from ringfence import ALOCC
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch
from ringfence.losses import Wasserstein


def nets(at: Tensor | None = None) -> Any:
    """E(x) = at · x₁ (`at` is 1), G(z) = (z, 2z); D's logit is x₁ + x₂."""
    at = torch.tensor(1.0) if at is None else at
    return SimpleNamespace(
        encoder=lambda x: at * x[:, :1],
        generator=lambda z: torch.cat([z, 2 * z], 1),
        discriminator=Judge(lambda x: x[:, 0] + x[:, 1]),
    )


def noisy_batch(x: list[list[float]], normal: list[list[float]]) -> Batch:
    rows, drawn = torch.tensor(x), torch.tensor(normal)
    return Batch(rows, 0, 0, 0.0, 1, lambda n: torch.zeros(n, 1), lambda shape: drawn)


# With σ = ½: x + η = (1 + ½, 5 − 1) and (−1 + 0, −6 + ½); R gives (1.5, 3) and (−1, −2), logits 4.5 and −3.
X = [[1.0, 5.0], [-1.0, -6.0]]
BATCH = noisy_batch(X, [[1.0, -2.0], [0.0, 1.0]])
JUDGED = {
    "discriminator.real": [softplus(-6), softplus(7)],  # logits 6 and −7 of the clean rows: −log σ
    "discriminator.fake": [softplus(4.5), softplus(-3)],  # −log(1 − σ)
}


def approximately(found: dict[str, list[float]]) -> dict[str, Any]:
    return {name: pytest.approx(value, **APPROX) for name, value in found.items()}


def test_alocc_refines_noisy_rows_towards_clean_ones() -> None:
    assert terms(ALOCC(noise=0.5), nets(), BATCH) == approximately(
        JUDGED
        | {
            "refiner.adversarial": [softplus(-4.5), softplus(3)],  # −log σ
            # (1, 5) − (1.5, 3) and (−1, −6) − (−1, −2): .4 (¼ + 4) and .4 · 16, sums and not means
            "refiner.residual": [0.4 * 4.25, 0.4 * 16],
        }
    )


def test_alocc_may_be_held_to_the_noisy_row_as_released() -> None:
    found = terms(ALOCC(noise=0.5, target="noisy", residual_weight=0.2), nets(), BATCH)
    # (1.5, 4) − (1.5, 3) and (−1, −5.5) − (−1, −2): 1 and 12.25. D's real rows are clean all the same.
    assert found["refiner.residual"] == pytest.approx([0.2, 0.2 * 12.25], **APPROX)
    assert {name: found[name] for name in JUDGED} == approximately(JUDGED)


def test_weight_distance_noise_and_adversary_of_alocc_are_read() -> None:
    det = ALOCC(noise=0.0, residual_weight=3.0, residual_distance="l1", adversary=Wasserstein(penalty=2))
    found = terms(det, nets(), BATCH)
    # No noise: R(x) = (1, 2) and (−1, −2), logits 3 and −3, apart by 3 and 4. D's slope is (1, 1): 2 (√2 − 1)².
    assert found["refiner.residual"] == pytest.approx([9, 12])
    assert found["refiner.adversarial"] == pytest.approx([-3, 3])
    assert found["discriminator.penalty"] == pytest.approx([2 * (2**0.5 - 1) ** 2] * 2, **APPROX)
    with pytest.raises(InvalidParameter, match="unknown target 'nosy': did you mean 'noisy'"):
        ALOCC(target="nosy").check()
    with pytest.raises(InvalidParameter, match="adversary 'hinged': did you mean 'hinge'"):
        ALOCC(adversary="hinged").check()


def test_the_moves_of_alocc() -> None:
    judge, refiner = ALOCC(refine_steps=2).stages()[0].players
    assert (judge.nets, judge.repeat) == (("discriminator",), 1)
    assert (refiner.nets, refiner.repeat) == (("generator", "encoder"), 2)
    assert ALOCC().stages()[0].players[1].repeat == 1
    assert not hasattr(ALOCC(), "sample")


def test_the_refiner_goes_where_its_judge_takes_refined_rows_for_real() -> None:
    # No noise, x = (1, 5): R(x) = (a, 2a), logit 3a. At a = ⅓ log 3, D = ¾: the slope of −log D is −3 · ¼, of
    # −log(1 − D) it is 3 · ¾, and of .4 [(a − 1)² + (2a − 5)²] it is .4 (10a − 22).
    a = LOG3 / 3
    at = torch.tensor(a, requires_grad=True)
    one = replace(BATCH, x=torch.tensor([[1.0, 5.0]]), gauss=lambda shape: torch.zeros(*shape))
    det = ALOCC()
    found = det.refiner_loss(nets(at), one)
    (fooled,) = torch.autograd.grad(found["adversarial"].sum(), at, retain_graph=True)
    (home,) = torch.autograd.grad(found["residual"].sum(), at)
    (caught,) = torch.autograd.grad(det.discriminator_loss(nets(at), one)["fake"].sum(), at)
    assert [fooled.item(), home.item(), caught.item()] == pytest.approx([-0.75, 0.4 * (10 * a - 22), 2.25], **APPROX)


def test_parts_of_alocc() -> None:
    # R(x) = (0, 0) and (log 3, 2 log 3) / 3: D ½ and ¾. D(x) at logits log 3 and 0 is ¾ and ½.
    found = ALOCC(noise=5.0).score_parts(nets(), torch.tensor([[0.0, LOG3], [LOG3 / 3, -LOG3 / 3]]))
    assert {k: values(v) for k, v in found.items()} == approximately(
        {"refined": [0.5, 0.25], "discriminator": [0.25, 0.5], "residual": [LOG3**2, LOG3**2]}
    )
    assert found["refined"].dtype == torch.float64
    assert ALOCC.scores == {
        "refined": {"refined": 1},
        "discriminator": {"discriminator": 1},
        "residual": {"residual": 1},
    }
    assert next(iter(ALOCC.scores)) == "refined"


def test_the_noise_of_alocc_is_fresh_in_every_move() -> None:
    # The released code draws it once for the whole training.
    drawn: list[Tensor] = []

    class Watched(ALOCC):
        def noisy(self, batch: Batch) -> Tensor:
            found = super().noisy(batch)
            drawn.append(found - batch.x)
            return found

    Watched(epochs=2, batch_size=20, refine_steps=2, random_state=0).fit(np.random.default_rng(0).normal(size=(20, 4)))
    assert len(drawn) == 2 * (1 + 2)
    assert len({tuple(values(noise.flatten())) for noise in drawn}) == len(drawn)
