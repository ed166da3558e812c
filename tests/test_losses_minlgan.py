"""MinLGAN's terms and part against numbers worked out by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from golden import APPROX, LOG2, LOG3, LOG4, Judge, first, values
from ringfence import MinLGAN
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch
from ringfence.losses import cross_entropy

NETS: Any = SimpleNamespace(generator=lambda z: z, discriminator=Judge(first))


def batch(noise: Tensor) -> Batch:
    return Batch(torch.tensor([[LOG3], [0.0], [-LOG3]]), 0, 0, 0.0, 1, lambda n: noise)


def test_terms_of_the_generator() -> None:
    # D = 3/4, 1/2, 1/4: −log D, and λ log(D / (1 − D)) = .8 · (log 3, 0, −log 3).
    found = MinLGAN(likelihood_weight=0.8).generator_loss(NETS, batch(torch.tensor([[LOG3], [0.0], [-LOG3]])))
    assert list(found) == ["adversarial", "likelihood"]
    assert values(found["adversarial"]) == pytest.approx([LOG4 - LOG3, LOG2, LOG4], **APPROX)
    assert values(found["likelihood"]) == pytest.approx([0.8 * LOG3, 0.0, -0.8 * LOG3], **APPROX)


def test_generated_rows_are_drawn_to_one_less_lambda_from_both_sides() -> None:
    # dL/dℓ = D − (1 − λ) at λ = 3/4: 3/4 − 1/4, 1/2 − 1/4, and 0 where D is 1/4.
    logit = torch.tensor([[LOG3], [0.0], [-LOG3]], requires_grad=True)
    found = MinLGAN(likelihood_weight=0.75).generator_loss(NETS, batch(logit))
    (slope,) = torch.autograd.grad((found["adversarial"] + found["likelihood"]).sum(), logit)
    assert values(slope[:, 0]) == pytest.approx([0.5, 0.25, 0.0], **APPROX)


def test_the_loss_is_the_cross_entropy_to_one_less_lambda() -> None:
    # log(1 + e^−ℓ) + λℓ = log(1 + e^ℓ) − (1 − λ)ℓ, with nothing left over.
    logit = torch.linspace(-5, 5, 11)
    found = MinLGAN(likelihood_weight=0.7).generator_loss(NETS, batch(logit[:, None]))
    torch.testing.assert_close(found["adversarial"] + found["likelihood"], cross_entropy(logit, 0.3))


def test_without_the_likelihood_it_is_the_plain_gan() -> None:
    found = MinLGAN(likelihood_weight=0.0).generator_loss(NETS, batch(torch.tensor([[LOG3]])))
    assert values(found["adversarial"] + found["likelihood"]) == pytest.approx([LOG4 - LOG3], **APPROX)


def test_terms_of_the_discriminator_and_who_plays() -> None:
    (stage,) = MinLGAN().stages()
    assert [p.nets for p in stage.players] == [("discriminator",), ("generator",)]
    found = stage.players[0].loss(NETS, batch(torch.tensor([[0.0], [-LOG3], [LOG3]])))
    # −log D(x) at 3/4, 1/2, 1/4; −log(1 − D(G(z))) at 1/2, 1/4, 3/4: no λ here.
    assert values(found["real"]) == pytest.approx([LOG4 - LOG3, LOG2, LOG4], **APPROX)
    assert values(found["fake"]) == pytest.approx([LOG2, LOG4 - LOG3, LOG4], **APPROX)


def test_what_looks_normal_scores_low() -> None:
    found = MinLGAN().score_parts(NETS, torch.tensor([[LOG3], [0.0], [-LOG3]]))["discriminator"]
    assert values(found) == pytest.approx([0.25, 0.5, 0.75], **APPROX)


@pytest.mark.parametrize("weight", [-0.1, 1.0, 2.0])
def test_a_weight_that_leaves_no_level_is_refused(weight: float) -> None:
    with pytest.raises(InvalidParameter, match=r"likelihood_weight=.*: allowed are numbers ≥ 0 and < 1"):
        MinLGAN(likelihood_weight=weight).check()
