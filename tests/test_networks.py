"""What methods may ask of a family: joined arguments, spectral norm, U-shapes, encoders of any width."""

import numpy as np
import pytest
import torch

from ringfence.exceptions import InvalidParameter
from ringfence.networks import DCGAN, MLP, Family, Maker, UNet
from ringfence.networks.axis import he
from ringfence.networks.layers import Linear
from ringfence.networks.normalisation import Spectral
from ringfence.networks.rows import Row


def make() -> Maker:
    return Maker(he, [torch.Generator().manual_seed(0)], lambda count: torch.zeros(count, 4))


def family(shape: tuple[int, ...]) -> Family:
    return (MLP if len(shape) == 1 else DCGAN)(shape, 4, None, make())


@pytest.mark.parametrize("shape", [(7,), (1, 8, 8), (3, 13, 9), (2, 32, 20)])
def test_a_u_shape_gives_back_the_shape_of_its_rows_and_uses_every_skip(shape: tuple[int, ...]) -> None:
    net = family(shape).unet()
    x = torch.randn(5, *shape)
    assert net(x).shape == x.shape
    # A gradient at every layer of the way down, also past the bottom: skips are used.
    net.eval()
    x.requires_grad_()
    net(x).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_u_shape_of_other_tables_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="as many rows up as down: 1 and 2"):
        UNet([Row("dense", 4), Row("dense", 2)], [Row("dense", 7)], (7,), make())


@pytest.mark.parametrize(
    ("shape", "arguments", "join", "joined"),
    [
        ((2, 8, 8), "xx", "channels", (4, 8, 8)),
        ((2, 8, 8), "xx", "height", (2, 16, 8)),
        ((6,), "xx", "channels", (12,)),
        ((2, 8, 8), "zz", "channels", (8,)),
    ],
)
def test_pairs_of_a_kind_are_joined_as_they_are(
    shape: tuple[int, ...], arguments: str, join: str, joined: tuple[int, ...]
) -> None:
    judge = family(shape).discriminator(arguments, join=join)
    assert judge.trunk.shape == joined
    pair = [torch.randn(3, *(shape if a == "x" else (4,))) for a in arguments]
    logit, features = judge(*pair)
    assert logit.shape == (3,)
    assert features.shape[0] == 3
    # Order matters: a pair is no set.
    assert not torch.allclose(logit, judge(*pair[::-1])[0])


def test_an_encoder_may_be_wider_than_the_latent_vector() -> None:
    for shape in ((7,), (1, 8, 8)):
        assert family(shape).encoder(outputs=9)(torch.randn(2, *shape)).shape == (2, 9)
        assert family(shape).encoder()(torch.randn(2, *shape)).shape == (2, 4)


def test_spectral_norm_divides_by_the_largest_singular_value() -> None:
    weight = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(0))
    norm = Spectral(weight)
    for _ in range(200):
        normed = norm(weight)
    found = torch.linalg.svdvals(normed)[:, 0]
    np.testing.assert_allclose(found.numpy(), [1.0, 1.0], rtol=1e-4)


def test_spectral_norm_writes_only_while_training_and_tracking_and_lets_gradients_through_the_norm() -> None:
    norm = Spectral(torch.eye(3)[None])
    weight = torch.randn(1, 3, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    before = norm.u.clone()
    norm.eval()(weight)
    norm.train().tracking = False
    norm(weight)
    assert torch.equal(norm.u, before)
    norm.tracking = True
    out = norm(weight)
    assert not torch.equal(norm.u, before)
    # W / σ(W) does not change with the size of W, so its slope along W is 0.
    for _ in range(100):
        norm(weight)
    out = norm(weight)
    (slope,) = torch.autograd.grad((out * torch.randn(out.shape)).sum(), [weight])
    assert float((slope * weight.detach()).sum()) == pytest.approx(0.0, abs=1e-4)


def test_a_member_has_the_spectral_norm_of_its_own_weight() -> None:
    rngs = [torch.Generator().manual_seed(s) for s in (0, 1)]
    both = Linear(5, 4, bias=True, init=he, rngs=rngs, norm=Spectral)
    x = torch.randn(3, 5)
    out = both(torch.cat([x, x])).view(2, 3, 4)
    for seed in (0, 1):
        alone = Linear(5, 4, bias=True, init=he, rngs=[torch.Generator().manual_seed(seed)], norm=Spectral)
        np.testing.assert_allclose(out[seed].detach().numpy(), alone(x).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_spectral_discriminators_norm_all_layers_but_the_last() -> None:
    for shape in ((6,), (1, 8, 8)):
        judge = family(shape).discriminator("xz", spectral=True)
        normed = [isinstance(m.norm, Spectral) for m in judge.modules() if hasattr(m, "norm")]
        assert normed[:-1] == [True] * (len(normed) - 1)
        assert not normed[-1]
