"""Layers with a member axis, TensorFlow's sizes, and how weights are drawn."""

import math
from unittest.mock import Mock

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ringfence.exceptions import InvalidParameter
from ringfence.networks import Discriminator, Maker, Network, Row, onednn
from ringfence.networks.axis import INITIALISERS, Initialiser, he, normal_001, normal_002, xavier
from ringfence.networks.convolutions import Conv2d, ConvTranspose2d
from ringfence.networks.dropout import Dropout, share_in_bits
from ringfence.networks.layers import LeakyReLU, Linear, Products, ReLU, Reshape
from ringfence.networks.normalisation import BatchNorm
from ringfence.networks.operations import same_padding

SEEDS = (11, 12, 13)


def rngs(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(s) for s in seeds]


def maker(*seeds: int) -> Maker:
    return Maker(xavier, rngs(*seeds), lambda count: torch.zeros(count, 1))


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rngs(seed)[0])


LAYERS = {
    "linear": (lambda r: Linear(5, 4, bias=True, init=xavier, rngs=r), (5,)),
    "linear without bias": (lambda r: Linear(5, 4, bias=False, init=he, rngs=r), (5,)),
    "conv": (lambda r: Conv2d(2, 3, 3, 2, (0, 1, 0, 1), bias=True, init=xavier, rngs=r), (2, 8, 6)),
    "conv with even padding": (
        lambda r: Conv2d(2, 3, 4, 2, (1, 1, 1, 1), bias=True, init=he, rngs=r),
        (2, 8, 6),
    ),
    "conv of one channel": (lambda r: Conv2d(1, 3, 4, 2, (0, 1, 1, 2), bias=True, init=he, rngs=r), (1, 8, 6)),
    "conv_transpose to one channel": (
        lambda r: ConvTranspose2d(2, 1, 5, 2, (4, 3), (7, 6), bias=True, init=he, rngs=r),
        (2, 4, 3),
    ),
    "conv_transpose": (
        lambda r: ConvTranspose2d(2, 3, 5, 2, (4, 3), (7, 6), bias=True, init=normal_002, rngs=r),
        (2, 4, 3),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_three_members_equal_the_three_single_layers_of_their_seeds(name: str) -> None:
    make, shape = LAYERS[name]
    stacked, singles = make(rngs(*SEEDS)), [make(rngs(s)) for s in SEEDS]
    if stacked.bias is not None:
        # Biases start at 0; give every member its own, so that a mix-up of members would show.
        with torch.no_grad():
            for member, single in enumerate(singles):
                stacked.bias[member] = single.bias[0] = 1.0 + member
    x = rows(3 * 4, *shape)
    apart = torch.cat([layer(part) for layer, part in zip(singles, x.split(4), strict=True)])
    torch.testing.assert_close(stacked(x), apart, rtol=1e-5, atol=1e-6)
    stacked(x).pow(2).sum().backward()
    apart.pow(2).sum().backward()
    together = torch.cat([layer.weight.grad for layer in singles])
    torch.testing.assert_close(stacked.weight.grad, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_products_of_members_have_slopes_and_slopes_of_slopes(bias: bool) -> None:
    shapes = [(3, 4, 5), (3, 2, 5), *([(3, 2)] if bias else [])]
    given = [rows(*shape, seed=at).double().requires_grad_() for at, shape in enumerate(shapes)]

    def products(*tensors: Tensor) -> Tensor:
        made: Tensor = Products.apply(*tensors, *([] if bias else [None]))  # type: ignore[no-untyped-call]
        return made

    assert torch.autograd.gradcheck(products, given)
    assert torch.autograd.gradgradcheck(products, given)
    slopes = torch.autograd.grad(products(*given).sum(), given)
    assert all(slope.is_contiguous() for slope in slopes[:2])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kernels", ["oneDNN's", "PyTorch's"])
def test_large_products_of_members_are_those_of_each_alone(
    bias: bool, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kernels == "PyTorch's":
        monkeypatch.setattr(onednn, "kernels", lambda: None)
    taken = Mock(wraps=onednn.each)
    monkeypatch.setattr(onednn, "each", taken)
    there = onednn.kernels() is not None
    shapes = [(2, 130, 128), (2, 96, 128), *([(2, 96)] if bias else [])]
    given = [rows(*shape, seed=at).requires_grad_() for at, shape in enumerate(shapes)]
    made: Tensor = Products.apply(*given, *([] if bias else [None]))  # type: ignore[no-untyped-call]
    assert taken.call_count == there
    exact = [t.detach().double().requires_grad_() for t in given]
    those = torch.stack([F.linear(*(t[member] for t in exact)) for member in range(2)])
    torch.testing.assert_close(made, those.float(), rtol=1e-5, atol=1e-4)
    slopes = torch.autograd.grad(made.pow(2).sum(), given, retain_graph=True)
    assert taken.call_count == 2 * there
    for slope, that in zip(slopes, torch.autograd.grad(those.pow(2).sum(), exact, retain_graph=True), strict=True):
        torch.testing.assert_close(slope, that.float(), rtol=1e-4, atol=1e-5 * float(that.abs().max()))

    def penalised(out: Tensor, given: list[Tensor]) -> Tensor:
        before = taken.call_count
        by_rows = torch.autograd.grad(out.pow(3).sum(), given[0], create_graph=True)[0]
        assert taken.call_count == before, "slopes that have slopes are PyTorch's"
        return torch.autograd.grad(by_rows.pow(2).sum(), given[1])[0]

    that = penalised(those, exact)
    torch.testing.assert_close(penalised(made, given), that.float(), rtol=1e-4, atol=1e-5 * float(that.abs().max()))


def test_large_products_of_members_are_in_bfloat16_where_that_is_asked_for() -> None:
    x, weight = rows(2, 130, 128), rows(2, 96, 128, seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        made: Tensor = Products.apply(x, weight, None)  # type: ignore[no-untyped-call]
    assert made.dtype is torch.bfloat16


@pytest.mark.parametrize("shape", [(5,), (5, 4, 3)], ids=["rows", "images"])
def test_three_members_normalise_apart_and_keep_their_own_statistics(shape: tuple[int, ...]) -> None:
    stacked = BatchNorm(5, momentum=0.1, eps=1e-5, members=3)
    singles = [BatchNorm(5, momentum=0.1, eps=1e-5, members=1) for _ in SEEDS]
    with torch.no_grad():
        for member, single in enumerate(singles):
            stacked.weight[member] = single.weight[0] = 2.0 + member
            stacked.bias[member] = single.bias[0] = 0.5 * member
    x = rows(3 * 4, *shape) * 3 + torch.arange(3).repeat_interleave(4).view(-1, *[1] * len(shape))
    for training in (True, False):
        stacked.train(training)
        parts = [s.train(training)(part) for s, part in zip(singles, x.split(4), strict=True)]
        torch.testing.assert_close(stacked(x), torch.cat(parts), rtol=1e-5, atol=1e-5)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(stacked.get_buffer(name), torch.cat([s.get_buffer(name) for s in singles]))


def test_batch_norm_is_what_pytorch_computes() -> None:
    ours, theirs = BatchNorm(3, momentum=0.2, eps=1e-3, members=1), nn.BatchNorm2d(3, eps=1e-3, momentum=0.2)
    x = rows(6, 3, 4, 4) * 2 + 1
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours.running_var[0], theirs.running_var)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_batch_norm_writes_only_while_training_and_tracking() -> None:
    norm = BatchNorm(1, momentum=0.1, eps=1e-12, members=1)
    x = torch.tensor([[1.0], [3.0]])  # mean 2, variance 1 (2 as the unbiased one that is kept)
    norm.tracking = False
    # The batch's own statistics: (1 - 2) / 1 and (3 - 2) / 1, and nothing is written.
    torch.testing.assert_close(norm(x), torch.tensor([[-1.0], [1.0]]))
    assert (norm.running_mean.item(), norm.running_var.item()) == (0.0, 1.0)
    norm.tracking = True
    torch.testing.assert_close(norm(x), torch.tensor([[-1.0], [1.0]]))
    # .9 · 0 + .1 · 2 and .9 · 1 + .1 · 2
    assert norm.running_mean.item() == pytest.approx(0.2)
    assert norm.running_var.item() == pytest.approx(1.1)
    # In evaluation mode the running ones count: (1 - .2) / sqrt(1.1).
    assert norm.eval()(x)[0].item() == pytest.approx(0.8 / math.sqrt(1.1))
    assert norm.running_mean.item() == pytest.approx(0.2)


def test_members_drop_what_they_would_drop_alone() -> None:
    stacked, x = Dropout(0.4), torch.ones(3 * 50, 7)
    stacked.rngs = rngs(*SEEDS)
    parts = []
    for seed in SEEDS:
        single = Dropout(0.4)
        single.rngs = rngs(seed)
        parts.append(single(x[:50]))
    assert torch.equal(stacked(x), torch.cat(parts))


def test_dropout_keeps_its_share_and_scales_the_rest() -> None:
    layer = Dropout(0.2)
    layer.rngs = rngs(1)
    out = layer(torch.ones(100, 100))
    # 51 of 256 are dropped and what is kept is 256 / 205: of 10,000 values 1,992 ± 40 (one standard deviation).
    assert out.unique().tolist() == pytest.approx([0.0, 256 / 205])
    assert abs((out == 0).sum().item() - 2000) < 200
    assert torch.equal(layer.eval()(torch.ones(3, 3)), torch.ones(3, 3))


@pytest.mark.parametrize(
    ("share", "bits", "dropped"),
    [
        (0.5, 8, 128),
        (0.2, 8, 51),  # 51.2: .0008 less, a 256th of the share
        (0.1, 8, 26),  # 25.6: .0016 more, less than a fiftieth
        (0.03, 16, 1966),  # 7.68: 8 of 256 would be .0013 more, more than a fiftieth
        (0.001, 16, 66),
        (0.99, 16, 64881),  # 253.4 of 256 would leave .0117 instead of .01
        (0.999999, 16, 65535),  # something is left
    ],
)
def test_a_share_is_drawn_by_as_few_bits_as_come_close(share: float, bits: int, dropped: int) -> None:
    assert share_in_bits(share) == (bits, dropped)


@pytest.mark.parametrize("seeds", [(1,), SEEDS], ids=["one", "three"])
@pytest.mark.parametrize("share", [0.5, 0.03])
def test_dropout_draws_anew_at_each_pass_and_whatever_the_rows(seeds: tuple[int, ...], share: float) -> None:
    layer, copied = Dropout(share), torch.ones(0)
    layer.rngs = rngs(*seeds)
    for count in (31, 31, 4):  # rows of 7 values, which don't end with 64 bits
        made = layer(torch.ones(count * len(seeds), 7))
        assert not torch.equal(made, copied)
        copied = made
    assert abs((layer(torch.ones(3000, 7)) == 0).float().mean().item() - share) < 0.02


@pytest.mark.parametrize("act", ["leaky_relu", "relu"])
def test_an_activation_left_to_dropout_is_what_both_do_one_after_the_other(act: str) -> None:
    network = Network([Row("dense", 8, act=act, slope=0.3, dropout=0.4)], (5,), maker(1))
    linear, activation, dropout = network.layers
    alone, x = type(activation)(*([0.3] if act == "leaky_relu" else [])), rows(6, 5).requires_grad_()
    apart = Dropout(0.4)
    for one, made in ((dropout, network), (apart, lambda x: apart(alone(linear(x))))):
        one.rngs = rngs(3)
        out = made(x)
        (found,) = torch.autograd.grad(out.square().sum(), x)
        if one is dropout:
            first = out, found
    assert (first[0] == 0).any()
    torch.testing.assert_close(first, (out, found))
    # Where nothing is dropped the activation does its own.
    torch.testing.assert_close(network.eval()(x), alone(linear(x)))


def test_dropout_refuses_to_draw_outside_the_loop() -> None:
    with pytest.raises(RuntimeError, match="training loop"):
        Dropout(0.5)(torch.ones(2, 2))


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "before", "after"),
    [
        # total = (ceil(n / s) - 1) · s + k - n; the larger half goes behind.
        (7, 3, 2, 1, 1),  # 3 · 2 + 3 - 7 = 2
        (7, 4, 2, 1, 2),  # 3 · 2 + 4 - 7 = 3
        (7, 5, 2, 2, 2),  # 3 · 2 + 5 - 7 = 4
        (8, 3, 2, 0, 1),  # 3 · 2 + 3 - 8 = 1
        (8, 4, 2, 1, 1),  # 3 · 2 + 4 - 8 = 2
        (8, 5, 2, 1, 2),  # 3 · 2 + 5 - 8 = 3
        (13, 3, 2, 1, 1),  # 6 · 2 + 3 - 13 = 2
        (13, 4, 2, 1, 2),  # 6 · 2 + 4 - 13 = 3
        (13, 5, 2, 2, 2),  # 6 · 2 + 5 - 13 = 4
        (28, 3, 1, 1, 1),  # 27 + 3 - 28 = 2
        (28, 3, 2, 0, 1),  # 13 · 2 + 3 - 28 = 1
        (28, 4, 2, 1, 1),  # 13 · 2 + 4 - 28 = 2
        (28, 5, 2, 1, 2),  # 13 · 2 + 5 - 28 = 3
        (8, 1, 2, 0, 0),  # 3 · 2 + 1 - 8 < 0
    ],
)
def test_padding_is_tensorflows_same(size: int, kernel: int, stride: int, before: int, after: int) -> None:
    assert same_padding(size, kernel, stride) == (before, after)
    row = Row("conv", 2, kernel=kernel, stride=stride)
    net = Network([row], (1, size, 8), maker(1))
    x = rows(3, 1, size, 8)
    out = net(x)
    # "same": ceil(n / stride) in both directions.
    assert net.out_shape == tuple(out.shape[1:]) == (2, -(-size // stride), -(-8 // stride))
    width = same_padding(8, kernel, stride)
    layer = net.layers[0]
    expected = F.conv2d(F.pad(x, (*width, before, after)), layer.weight[0], layer.bias[0], stride=stride)
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("size", [7, 8, 13, 14, 28])
def test_a_transposed_convolution_turns_the_same_convolution_round(size: int, kernel: int) -> None:
    # TensorFlow's conv2d_transpose to a stated size is the gradient of the "same" convolution from that size.
    height, width = size, size + 3
    down, up = Row("conv", 1, kernel=kernel), Row("conv_transpose", 1, kernel=kernel, size=(height, width))
    x = rows(2, 1, height, width).requires_grad_()
    conv = Network([down], (1, height, width), maker(3))
    small = conv(x)
    back = Network([up], tuple(small.shape[1:]), maker(4))
    assert back.out_shape == (1, height, width)
    y = rows(*small.shape, seed=5)
    with torch.no_grad():
        back.layers[0].weight.copy_(conv.layers[0].weight)
    (gradient,) = torch.autograd.grad((small * y).sum(), x)
    torch.testing.assert_close(back(y), gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("units", [1, 3])
def test_a_transposed_convolution_hits_every_size_that_its_stride_can_come_from(
    kernel: int, stride: int, units: int
) -> None:
    row = {"kernel": kernel, "stride": stride}
    for size in range(2, 12):
        shape = (2, -(-size // stride), -(-6 // stride))
        table = [Row("conv_transpose", units, size=(size, 6), **row)]
        x = rows(4, *shape)
        one, two = Network(table, shape, maker(1)), Network(table, shape, maker(1, 1))
        assert one(x).shape == (4, units, size, 6)
        # However a layer gets there, one member and two copies of it compute the same.
        torch.testing.assert_close(one(x), two(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", [1, 3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_convolution_computes_the_same_for_one_member_and_for_two_copies(
    kernel: int, stride: int, channels: int
) -> None:
    for size in (7, 8, 13):
        table, shape = [Row("conv", 3, kernel=kernel, stride=stride)], (channels, size, 9)
        x = rows(4, *shape)
        one, two = Network(table, shape, maker(1)), Network(table, shape, maker(1, 1))
        torch.testing.assert_close(one(x), two(x), rtol=1e-5, atol=1e-6)


def test_a_transposed_convolution_without_a_size_multiplies_by_its_stride() -> None:
    net = Network([Row("conv_transpose", 1)], (2, 7, 5), maker(1))
    assert net(rows(1, 2, 7, 5)).shape == (1, 1, 14, 10)


@pytest.mark.parametrize(
    ("name", "bound"),
    # fan-in 2 · 3 · 3 = 18 and fan-out 6 · 3 · 3 = 54: Xavier sqrt(6 / 72) = .2887, He sqrt(6 / 18) = .5774
    [("xavier", math.sqrt(6 / 72)), ("he", math.sqrt(6 / 18))],
)
@pytest.mark.parametrize("kind", ["conv", "conv_transpose"])
def test_uniform_initialisers_fill_their_bounds(name: str, bound: float, kind: str) -> None:
    draw = {"bias": True, "init": INITIALISERS[name], "rngs": rngs(*SEEDS)}
    layer = (
        Conv2d(2, 6, 3, 2, (0, 1, 0, 1), **draw)
        if kind == "conv"
        else ConvTranspose2d(2, 6, 3, 2, (4, 4), (8, 8), **draw)
    )
    assert layer.weight.abs().max().item() <= bound
    assert layer.weight.abs().max().item() > 0.95 * bound
    # U(-a, a) has the standard deviation a / sqrt(3).
    assert layer.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.15)
    assert not layer.bias.any()
    assert not torch.equal(layer.weight[0], layer.weight[1])


@pytest.mark.parametrize(("init", "deviation"), [(normal_002, 0.02), (normal_001, 0.01)])
def test_normal_numbers_have_the_deviation_of_their_name(init: Initialiser, deviation: float) -> None:
    layer = Linear(100, 100, bias=True, init=init, rngs=rngs(1))
    assert layer.weight.std().item() == pytest.approx(deviation, rel=0.05)
    assert abs(layer.weight.mean().item()) < 0.001
    assert not layer.bias.any()


def test_xavier_of_a_dense_layer_counts_units() -> None:
    # 121 → 64: sqrt(6 / 185)
    weight = Linear(121, 64, bias=True, init=xavier, rngs=rngs(1)).weight
    assert 0.99 * math.sqrt(6 / 185) < weight.abs().max().item() <= math.sqrt(6 / 185)


def test_leaky_relu_and_reshape() -> None:
    assert LeakyReLU(0.1)(torch.tensor([-2.0, 3.0])).tolist() == pytest.approx([-0.2, 3.0])
    assert Reshape((-1,))(torch.zeros(2, 3, 4)).shape == (2, 12)


def test_a_row_goes_layer_norm_activation_dropout_or_as_a_released_code_has_it() -> None:
    row = {"op": "dense", "units": 3, "norm": "batch_tf", "act": "relu", "dropout": 0.5}
    kinds = [type(m) for m in Network([Row.read(row)], (2,), maker(1)).layers]
    assert kinds == [Linear, BatchNorm, ReLU, Dropout]
    kinds = [type(m) for m in Network([Row.read({**row, "order": "act_norm"})], (2,), maker(1)).layers]
    assert kinds == [Linear, ReLU, BatchNorm, Dropout]


def test_batch_tf_has_tensorflows_constants() -> None:
    made = {n: Network([Row("dense", 3, norm=n)], (2,), maker(1)).layers[1] for n in ("batch", "batch_tf")}
    assert (made["batch"].momentum, made["batch"].eps) == (0.1, 1e-5)
    # TensorFlow keeps .99 of the old value: momentum .01 here.
    assert (made["batch_tf"].momentum, made["batch_tf"].eps) == (0.01, 1e-3)


def test_a_dense_row_that_opens_an_image_normalises_over_its_channels() -> None:
    net = Network([Row("dense", (6, 2, 2), norm="batch")], (3,), maker(1))
    assert net(rows(5, 3)).shape == (5, 6, 2, 2)
    assert net.layers[-1].weight.shape == (1, 6)


def test_features_are_the_marked_row_and_by_default_the_one_before_the_logit() -> None:
    joint = [Row("dense", 4, act="relu"), Row("dense", 5, act="relu"), Row("dense", 1)]
    judge = Discriminator([()], joint, [(3,)], maker(1))
    logit, features = judge(rows(2, 3))
    assert (logit.shape, features.shape) == ((2,), (2, 5))
    # After the activation, as the starred layers of the papers.
    assert features.min().item() >= 0
    marked = [Row("dense", 4, act="relu", feature=True), *joint[1:]]
    assert Discriminator([()], marked, [(3,)], maker(1))(rows(2, 3))[1].shape == (2, 4)


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("seeds", [(1,), SEEDS], ids=["one", "three"])
def test_judging_both_is_judging_each(norm: str, seeds: tuple[int, ...]) -> None:
    joint = [Row("dense", 4, norm=norm, act="relu"), Row("dense", 1)]
    judge = Discriminator([[Row("dense", 3)], [Row("dense", 2)]], joint, [(5,), (4,)], maker(*seeds))
    n = 4 * len(seeds)
    real, fake = (rows(n, 5), rows(n, 4, seed=1)), (rows(n, 5, seed=2) + 3, rows(n, 4, seed=3))
    one, two = judge.both(real, fake)
    torch.testing.assert_close(one, judge(*real)[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(two, judge(*fake)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seeds", [(1,), SEEDS], ids=["one", "three"])
@pytest.mark.parametrize("learned", [0, 1], ids=["real", "fake"])
def test_slopes_of_both_are_those_of_each_where_one_of_the_two_learns(seeds: tuple[int, ...], learned: int) -> None:
    joint = [Row("dense", 4, act="relu"), Row("dense", 1)]
    judge = Discriminator([[Row("conv", 3)], [Row("dense", 2)]], joint, [(1, 6, 6), (4,)], maker(*seeds))
    n = 4 * len(seeds)
    pairs = [(rows(n, 1, 6, 6, seed=i), rows(n, 4, seed=i + 2)) for i in (0, 1)]
    x = pairs[learned][0].requires_grad_()
    moved = [x, *judge.parameters()]
    one, two = judge.both(*pairs)
    found = torch.autograd.grad((one - 2 * two).sum(), moved)
    apart = torch.autograd.grad((judge(*pairs[0])[0] - 2 * judge(*pairs[1])[0]).sum(), moved)
    torch.testing.assert_close(one, judge(*pairs[0])[0])
    torch.testing.assert_close(found, apart)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"op": "dens", "units": 3}, "unknown op 'dens': did you mean 'dense'"),
        ({"op": "dense", "units": 3, "slop": 1}, "unknown key 'slop': did you mean 'slope'"),
        ({"op": "dense", "units": 3, "act": "rely"}, "unknown act 'rely': did you mean 'relu'"),
        ({"op": "dense", "units": 3, "norm": "bath"}, "unknown norm 'bath': did you mean 'batch'"),
        ({"op": "dense", "units": 3, "order": "norm"}, "unknown order 'norm'"),
        ({"op": "dense"}, "needs `units`"),
        ({"units": 3}, "unknown op"),
    ],
)
def test_a_layer_table_says_what_is_wrong(row: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        Row.read(row)
    assert "\n" not in str(caught.value)


def test_pooling_keeps_the_largest_value_of_each_window_and_drops_what_is_left_over() -> None:
    network = Network([Row("conv", 1, kernel=1, stride=1, pool=2)], (1, 5, 4), maker(1)).eval()
    assert network.out_shape == (1, 2, 2)
    with torch.no_grad():
        network.layers[0].weight.fill_(1.0)
        made = network(torch.arange(20.0).view(1, 1, 5, 4))
    assert made.flatten().tolist() == [5, 7, 13, 15]


@pytest.mark.parametrize("pool", [0, 3, -1])
def test_pooling_of_more_than_there_is_is_refused(pool: int) -> None:
    with pytest.raises(InvalidParameter, match=f"pool={pool}: allowed are 1 to 2 here, the sides"):
        Network([Row("conv", 1, stride=2, pool=pool)], (1, 4, 4), maker(1))


def test_pooling_needs_an_image() -> None:
    with pytest.raises(InvalidParameter, match="needs an image"):
        Network([Row("dense", 4, pool=2)], (4,), maker(1))


def test_a_discriminator_ends_with_one_unit() -> None:
    with pytest.raises(InvalidParameter, match="ends with one unit"):
        Discriminator([()], [Row("dense", 2)], [(3,)], maker(1))


HIDDEN, LOGIT = Row("dense", 6, act="leaky_relu"), Row("dense", 1)
JUDGES = {
    "a hidden row": ([(HIDDEN,), (HIDDEN,)], [HIDDEN, LOGIT], "flat", (1,)),
    "rows as they come": ([(), ()], [HIDDEN, HIDDEN, LOGIT], "flat", (1,)),
    "spectral normalisation": ([(), ()], [Row("dense", 5, spectral=True, bias=False), LOGIT], "flat", (1,)),
    "a feature before the last": ([(), ()], [Row("dense", 5, feature=True), HIDDEN, LOGIT], "flat", (1,)),
    "nothing but the logit": ([(HIDDEN,), ()], [LOGIT], "flat", (1,)),
    "a convolution of what is joined": (
        [(Row("dense", (2, 4, 4)),), (Row("dense", (1, 4, 4)),)], [Row("conv", 3), LOGIT], "channels", (1,),
    ),
    "two members": ([(HIDDEN,), (HIDDEN,)], [HIDDEN, LOGIT], "flat", (1, 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", JUDGES)
def test_several_first_arguments_beside_one_second_are_judged_as_one_by_one(name: str) -> None:
    branches, joint, join, seeds = JUDGES[name]
    judge = Discriminator(branches, joint, [(7,), (3,)], maker(*seeds), join).eval()
    # Four rows of each member; the second argument is one for both.
    x, y, z = rows(4 * len(seeds), 7), rows(4 * len(seeds), 7, seed=1), rows(4 * len(seeds), 3, seed=2)
    with torch.no_grad():
        for found, first in zip(judge.several((x, y), z), (x, y), strict=True):
            for part, wanted in zip(found, judge(first, z), strict=True):
                torch.testing.assert_close(part, wanted)


# ---- a row's bits are its own ----------------------------------------------------------------------------------------

WIDTHS = (*range(1, 14), 17, 25, 37, 64, 121, 274)
PLACES = 512


def alike(made: Tensor) -> bool:
    """Whether the same row gave the same bits at every place."""
    return bool((made == made[:1]).all())


@pytest.mark.parametrize("inputs", WIDTHS)
def test_a_dense_layer_gives_a_row_the_same_bits_at_every_place(inputs: int) -> None:
    # MKL's kernels for AVX-512 did not for few outputs; on other processors this holds anyhow.
    x = rows(1, inputs).expand(PLACES, -1).contiguous()
    for outputs in WIDTHS:
        layer = Linear(inputs, outputs, bias=True, init=xavier, rngs=rngs(1)).eval()
        with torch.no_grad():
            assert alike(layer(x)), outputs
        place = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(layer(place).square().sum(), place)
        assert alike(slope), outputs
        if inputs > 1:
            first, last = x[:, 1:].contiguous(), x[:, :1].contiguous()
            with torch.no_grad():
                assert alike(layer.parted(last)(first)), outputs


@pytest.mark.parametrize("side", [5, 8, 9])
@pytest.mark.parametrize("kernel", [3, 4, 5])
def test_a_convolution_gives_an_image_the_same_bits_at_every_place(side: int, kernel: int) -> None:
    for op in ("conv", "conv_transpose"):
        for channels, units in ((1, 2), (1, 3), (1, 8), (1, 32), (2, 1), (3, 5), (8, 1), (8, 3), (32, 1)):
            x = rows(1, channels, side, side).expand(32, -1, -1, -1).contiguous()
            network = Network([Row(op, units, kernel=kernel)], (channels, side, side), maker(1)).eval()
            with torch.no_grad():
                assert alike(network(x)), (op, channels, units)
            place = x.clone().requires_grad_()
            (slope,) = torch.autograd.grad(network(place).square().sum(), place)
            assert alike(slope), (op, channels, units)
