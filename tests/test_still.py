"""Networks held still: they make what the networks make, and their slopes are autograd's."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ringfence.networks import INITIALISERS, Maker, Network, Row, family_for, still, still_judge
from ringfence.networks.dropout import Dropout
from ringfence.networks.normalisation import BatchNorm
from ringfence.networks.still import Chain, ChainJudge, Traced, TracedJudge


def maker(members: int = 1) -> Maker:
    return Maker(
        INITIALISERS["he"], [torch.Generator().manual_seed(i) for i in range(members)], lambda n: torch.zeros(n, 5)
    )


def ready(network: nn.Module) -> nn.Module:
    """In evaluation mode, with statistics that were learned and biases that are not 0."""
    rng = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if "bias" in name:
                value.uniform_(-0.5, 0.5, generator=rng)
        for module in network.modules():
            if isinstance(module, BatchNorm):
                module.get_buffer("running_mean").uniform_(-0.5, 0.5, generator=rng)
                module.get_buffer("running_var").uniform_(0.5, 2.0, generator=rng)
                if module.weight is not None:
                    module.weight.data.uniform_(0.5, 1.5, generator=rng)
    return network.eval().requires_grad_(False)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


TABLES: dict[str, tuple[tuple[int, ...], list[Row]]] = {
    "dense": ((5,), [Row("dense", 9, act="relu"), Row("dense", 7, act="leaky_relu", slope=0.1), Row("dense", 4)]),
    "bare": ((5,), [Row("dense", 4, bias=False)]),
    "empty": ((5,), []),
    "curved": ((5,), [Row("dense", 9, act="tanh"), Row("dense", 7, act="sigmoid"), Row("dense", 4, act="softplus")]),
    "turned": ((5,), [Row("dense", 9, act="leaky_relu", slope=-0.1), Row("dense", 4, act="leaky_relu", slope=0.0)]),
    "normalised": ((5,), [Row("dense", 9, norm="batch", act="relu"), Row("dense", 4, norm="batch_plain")]),
    "unbiased": ((5,), [Row("dense", 9, norm="batch_tf", bias=False, act="relu"), Row("dense", 4)]),
    "activated first": ((5,), [Row("dense", 9, norm="batch", act="relu", order="act_norm"), Row("dense", 4)]),
    "dropped": ((5,), [Row("dense", 9, act="relu", dropout=0.5), Row("dense", 4)]),
    "spectral": ((5,), [Row("dense", 9, spectral=True, act="relu"), Row("dense", 4, spectral=True)]),
    "up": (
        (5,),
        [
            Row("dense", 9, norm="batch", act="relu"),
            Row("dense", (6, 4, 3), norm="batch", act="relu"),
            Row("conv_transpose", 4, size=(7, 5), norm="batch", act="relu"),
            Row("conv_transpose", 3, size=(13, 9), act="leaky_relu"),
            Row("conv_transpose", 1, size=(26, 17), act="tanh"),
        ],
    ),
    "up with surplus": (
        (5,),
        [Row("dense", (3, 4, 4)), Row("conv_transpose", 2, kernel=3, stride=3), Row("conv_transpose", 1, kernel=2)],
    ),
    "up short": ((5,), [Row("dense", (3, 2, 2)), Row("conv_transpose", 1, kernel=2, stride=4, size=(8, 8))]),
    "down": (
        (1, 14, 11),
        [
            Row("conv", 4, act="leaky_relu"),
            Row("conv", 6, norm="batch", act="leaky_relu"),
            Row("conv", 5, kernel=3, norm="batch", act="relu"),
            Row("dense", 8, norm="batch", act="leaky_relu"),
            Row("dense", 2),
        ],
    ),
    "down in colour": ((3, 9, 12), [Row("conv", 4, kernel=5, stride=3, spectral=True, act="relu"), Row("dense", 3)]),
    "images to images": ((2, 8, 8), [Row("conv", 4, act="relu"), Row("conv_transpose", 2, act="tanh")]),
}


CLOSE = {torch.float32: {"rtol": 1e-4, "atol": 1e-5}, torch.float64: {"rtol": 1e-10, "atol": 1e-11}}


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("name", TABLES)
def test_a_network_held_still_makes_the_same_and_slopes_are_autograds(name: str, dtype: torch.dtype) -> None:
    shape, table = TABLES[name]
    network = ready(Network(table, shape, maker())).to(dtype)
    held = still(network)
    assert isinstance(held, Chain)
    for seed in (0.0, 0.3):  # twice: memory is kept, and must not show
        x = drawn(6, *shape).to(dtype) + seed
        place = x.clone().requires_grad_()
        made = network(place)
        with torch.no_grad():
            found = held.forward(x.clone())
            torch.testing.assert_close(found, made.detach(), **CLOSE[dtype])
            slope = drawn(*made.shape).to(dtype)
            expected = torch.autograd.grad(made, place, slope)[0] if table else slope
            torch.testing.assert_close(held.back(slope.clone()), expected, **CLOSE[dtype])


@pytest.mark.parametrize("name", ["dense", "up", "down", "normalised"])
def test_what_can_be_done_once_is_done_once(name: str) -> None:
    # No layer is left to autograd or to itself: as many links as there are products.
    shape, table = TABLES[name]
    held = still(ready(Network(table, shape, maker())))
    assert isinstance(held, Chain)
    assert len(held.links) == len(table)
    assert not any(isinstance(link, Traced) for link in held.links)


def test_the_network_stays_as_it_was() -> None:
    shape, table = TABLES["up"]
    network = ready(Network(table, shape, maker()))
    before = {k: v.clone() for k, v in network.state_dict().items()}
    held, x = still(network), drawn(4, 5)
    given = x.clone()
    with torch.no_grad():
        held.back(torch.ones_like(held.forward(x)))
    assert torch.equal(x, given)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    # What is learned afterwards does not reach what was held still before.
    first = held.forward(x).clone()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert torch.equal(still(ready(Network(table, shape, maker()))).forward(x), first)


def test_networks_of_other_kinds_go_by_autograd() -> None:
    shape, table = TABLES["dense"]
    assert isinstance(still(nn.Linear(3, 2)), Traced)
    assert isinstance(still(Network(table, shape, maker(2)).eval()), Traced)
    training = Network(table, shape, maker())
    assert isinstance(still(training), Traced)
    assert not any(isinstance(layer, Dropout) for layer in training.layers)


@pytest.mark.parametrize("shape", [(11,), (1, 12, 9)], ids=str)
@pytest.mark.parametrize("options", [{}, {"spectral": True}, {"minibatch": 3}], ids=str)
@pytest.mark.parametrize("dtype", CLOSE, ids=str)
def test_a_discriminator_held_still_judges_the_same(
    shape: tuple[int, ...], options: dict[str, Any], dtype: torch.dtype
) -> None:
    judge = ready(family_for(shape)(shape, 5, None, maker()).discriminator("x", **options)).to(dtype)
    held = still_judge(judge)
    assert isinstance(held, TracedJudge if "minibatch" in options else ChainJudge)
    x = drawn(6, *shape).to(dtype)
    place = x.clone().requires_grad_()
    logit, features = judge(place)
    down, along = drawn(6).to(dtype), drawn(*features.shape).to(dtype)
    both = torch.autograd.grad([logit, features], place, [down, along], retain_graph=True)[0]
    alone = torch.autograd.grad(features, place, along)[0]
    with torch.no_grad():
        found = held.forward(x, True)
        torch.testing.assert_close(found[0], logit.detach(), **CLOSE[dtype])
        torch.testing.assert_close(found[1], features.detach(), **CLOSE[dtype])
        torch.testing.assert_close(held.back(down.clone(), along.clone()), both, **CLOSE[dtype])
        assert held.forward(x, False)[0] is None
        torch.testing.assert_close(held.back(None, along.clone()), alone, **CLOSE[dtype])


PLACES = 128
WIDTHS = (1, 2, 3, 5, 6, 8, 9, 11, 12, 13, 25, 37, 64, 121, 274)


@pytest.mark.parametrize("inputs", WIDTHS)
def test_a_row_and_its_slope_have_the_same_bits_at_every_place(inputs: int) -> None:
    x = drawn(1, inputs).expand(PLACES, -1).contiguous()
    for outputs in WIDTHS:
        held = still(ready(Network([Row("dense", outputs, act="tanh"), Row("dense", 7)], (inputs,), maker())))
        made = held.forward(x.clone())
        assert bool((made == made[:1]).all()), outputs
        back = held.back(made.clone())
        assert bool((back == back[:1]).all()), outputs


@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_an_image_and_its_slope_have_the_same_bits_at_every_place(kernel: int) -> None:
    for channels, units in ((1, 2), (1, 8), (2, 1), (3, 5), (8, 1)):
        for op in ("conv", "conv_transpose"):
            x = drawn(1, channels, 5, 7).expand(16, -1, -1, -1).contiguous()
            held = still(ready(Network([Row(op, units, kernel=kernel, act="tanh")], (channels, 5, 7), maker())))
            made = held.forward(x.clone())
            assert bool((made == made[:1]).all()), (op, channels, units)
            back = held.back(made.clone())
            assert bool((back == back[:1]).all()), (op, channels, units)
