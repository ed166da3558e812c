"""What rows of layer tables can be besides layers: residual blocks, weights that are normalised, noise, shapes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ringfence import GAN, BadGAN
from ringfence.exceptions import InvalidParameter
from ringfence.members import alone
from ringfence.networks import Discriminator, Maker, Network, Row, settle
from ringfence.networks.axis import INITIALISERS
from ringfence.networks.dropout import Noise
from ringfence.networks.layers import Linear
from ringfence.networks.normalisation import LayerNorm, WeightNorm
from ringfence.networks.residual import MeanPool, Repeat


def maker(*seeds: int) -> Maker:
    rngs = [torch.Generator().manual_seed(seed) for seed in seeds or (0,)]
    return Maker(INITIALISERS["xavier"], rngs, lambda count: torch.zeros(count, 1))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(*rows: Row, shape: tuple[int, ...], seeds: tuple[int, ...] = (0,)) -> Network:
    return Network(rows, shape, maker(*seeds))


# ---- residual blocks ----------------------------------------------------------------------------------------------


def by_hand(net: Network, x: Tensor, resample: str) -> Tensor:
    """A block of ReLU and no normalisation, from its weights."""
    first, second, past = (m for m in net.modules() if hasattr(m, "stride"))
    up = (lambda t: t.repeat_interleave(2, 2).repeat_interleave(2, 3)) if resample == "up" else (lambda t: t)
    down = (lambda t: F.avg_pool2d(t, 2)) if resample == "down" else (lambda t: t)
    main = F.conv2d(up(x.relu()), first.weight[0], padding=1)
    main = down(F.conv2d(main.relu(), second.weight[0], second.bias[0], padding=1))
    return main + F.conv2d(down(up(x)), past.weight[0], past.bias[0])


@pytest.mark.parametrize(("resample", "sides"), [("none", (6, 4)), ("down", (3, 2)), ("up", (12, 8))])
@pytest.mark.parametrize("slopes", [True, False], ids=["with slopes", "without"])
def test_a_block_is_the_sum_of_two_ways(resample: str, sides: tuple[int, int], slopes: bool) -> None:
    net = network(Row("residual", 5, kernel=3, resample=resample, act="relu"), shape=(3, 6, 4))
    assert net.out_shape == (5, *sides)
    with torch.no_grad():
        for bias in (m.bias for m in net.modules() if getattr(m, "bias", None) is not None):
            bias.copy_(drawn(*bias.shape))
    x = drawn(2, 3, 6, 4)
    before = x.clone()
    with torch.set_grad_enabled(slopes):
        torch.testing.assert_close(net(x), by_hand(net, x, resample))
    assert torch.equal(x, before)  # activations work in place where no slope is asked for


def test_a_block_that_changes_no_shape_has_no_weights_past_it() -> None:
    net = network(Row("residual", 3, kernel=3, act="relu"), shape=(3, 6, 4))
    with torch.no_grad():
        for weight in net.parameters():
            weight.zero_()
        x = drawn(2, 3, 6, 4)
        assert torch.equal(net(x), x)
    assert sum(p.numel() for p in net.parameters()) == 2 * 9 * 9 + 3


def test_sizes_are_halved_by_means_and_doubled_by_repeating() -> None:
    x = torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]])
    assert MeanPool()(x).tolist() == [[[[4.0]]]]
    assert Repeat()(x)[0, 0].tolist() == [[1, 1, 3, 3], [1, 1, 3, 3], [5, 5, 7, 7], [5, 5, 7, 7]]


def test_a_block_draws_its_convolutions_its_own_way_and_the_way_past_as_the_network_does() -> None:
    row = Row("residual", 400, kernel=3, resample="down", act="relu", init="xavier_relu")
    first, second, past = (m for m in network(row, shape=(40, 4, 4)).modules() if hasattr(m, "stride"))
    # Uniform: the variance is the square of the bound over 3; twice Glorot's 2 / (fan in + fan out) within the block.
    assert first.weight.var().item() == pytest.approx(4 / (2 * 9 * 40), rel=0.05)
    assert second.weight.var().item() == pytest.approx(4 / (9 * 440), rel=0.05)
    assert past.weight.var().item() == pytest.approx(2 / 440, rel=0.05)


# ---- normalisation ------------------------------------------------------------------------------------------------


def test_layer_norm_is_over_all_values_of_a_row_with_a_scale_for_each_channel() -> None:
    ours, theirs = LayerNorm(3, members=1), nn.GroupNorm(1, 3, eps=1e-5)
    with torch.no_grad():
        for mine, its in ((ours.weight, theirs.weight), (ours.bias, theirs.bias)):
            its.copy_(drawn(3))
            mine[0] = its
    x = 3 * drawn(4, 3, 5, 2) + 1
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours(x[:, :, 0, 0]), theirs(x[:, :, 0, 0]))
    assert torch.equal(ours(x)[:1], ours(x[:1]))  # a function of the row


def test_weight_norm_gives_every_unit_the_length_of_its_scale() -> None:
    weight = torch.tensor([[[3.0, 4.0], [0.0, 2.0]]])
    norm = WeightNorm(weight, learned=True)
    with torch.no_grad():
        norm.scale.copy_(torch.tensor([[10.0, 1.0]]))
    # (3, 4) / 5 · 10 and (0, 2) / 2 · 1
    torch.testing.assert_close(norm(weight), torch.tensor([[[6.0, 8.0], [0.0, 1.0]]]), rtol=1e-6, atol=1e-6)
    maps = drawn(1, 2, 3, 4, 4)
    torch.testing.assert_close(WeightNorm(maps, learned=False)(maps).flatten(2).norm(dim=2), torch.ones(1, 2))


def test_a_fixed_scale_is_no_parameter_and_a_learned_one_is() -> None:
    for kind, names in (("learned", {"weight", "bias", "norm.scale"}), ("fixed", {"weight", "bias"})):
        net = network(Row("dense", 3, weight_norm=kind), shape=(4,))
        assert {name.removeprefix("layers.0.") for name, _ in net.named_parameters()} == names
        assert ("layers.0.norm.scale" in dict(net.named_buffers())) == (kind == "fixed")


def judge(*seeds: int) -> Discriminator:
    hidden = Row("dense", 6, noise=0.5, weight_norm="fixed", act="relu")
    return Discriminator([()], [hidden, hidden, Row("dense", 1, weight_norm="learned")], [(4,)], maker(*seeds))


def test_settled_layers_give_mean_0_and_deviation_1_on_the_rows() -> None:
    net, rows = judge(), 5 * drawn(800, 4) - 3
    found: list[Tensor] = []
    settle(net, rows)
    # 500 of the rows, evenly chosen.
    x = rows[torch.linspace(0, 799, 500).round().long()]
    net.eval()
    with torch.no_grad():
        for layer in (*net.trunk.layers, *net.head.layers):
            x = layer(x.clone())
            if isinstance(layer, Linear):
                found.append(x.clone())
    assert len(found) == 3
    for made in found:
        torch.testing.assert_close(made.mean(0), torch.zeros(made.shape[1]), rtol=0, atol=1e-5)
        torch.testing.assert_close(made.std(0, correction=0), torch.ones(made.shape[1]), rtol=1e-4, atol=0)


def test_settling_leaves_other_networks_and_the_mode_alone() -> None:
    plain = Discriminator([()], [Row("dense", 6, act="relu"), Row("dense", 1)], [(4,)], maker())
    before = [p.clone() for p in plain.parameters()]
    settle(plain, drawn(9, 4))
    assert all(torch.equal(a, b) for a, b in zip(before, plain.parameters(), strict=True))
    net = judge().train()
    settle(net, drawn(9, 4))
    assert all(module.training for module in net.modules())


TABLES: dict[str, Any] = {
    "discriminator": [
        {"op": "dense", "units": 6, "noise": 0.5, "weight_norm": "fixed", "act": "relu"},
        {"op": "dense", "units": 1, "weight_norm": "learned"},
    ]
}
X = np.random.default_rng(0).normal(size=(40, 4)) * 3 + 1


def test_a_bad_gan_settles_its_discriminator_before_it_learns_and_keeps_the_fixed_scales() -> None:
    det = BadGAN(layers=TABLES, batch_size=8, epochs=3, latent_dim=2, ema=0.9, random_state=0).fit(X)
    scale = det.nets_.discriminator.trunk.layers[1].norm.scale
    assert not torch.equal(scale, torch.ones_like(scale))
    fresh = BadGAN(layers=TABLES, batch_size=8, latent_dim=2, random_state=0).fit_untrained(X)
    settle(fresh.nets_.discriminator, fresh.preprocess_.tensor(X))
    torch.testing.assert_close(scale, fresh.nets_.discriminator.trunk.layers[1].norm.scale)


def test_members_settle_draw_and_normalise_apart() -> None:
    det = BadGAN(layers=TABLES, batch_size=8, epochs=3, latent_dim=2, members=2, random_state=0).fit(X)
    single = BadGAN(layers=TABLES, batch_size=8, epochs=3, latent_dim=2, random_state=det.member_seeds_[1]).fit(X)
    np.testing.assert_allclose(det.member(1).anomaly_score(X), single.anomaly_score(X), rtol=1e-4)


# ---- noise --------------------------------------------------------------------------------------------------------


def test_noise_is_added_while_training_alone_and_belongs_to_the_member() -> None:
    noise = Noise(0.5).train()
    with pytest.raises(RuntimeError, match="only inside the training loop"):
        noise(torch.zeros(4, 3))
    noise.rngs = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    made = noise(torch.zeros(20_000, 3))
    assert made.std().item() == pytest.approx(0.5, rel=0.02)
    second = torch.empty(10_000, 3).normal_(0.0, 0.5, generator=torch.Generator().manual_seed(2))
    assert torch.equal(made[10_000:], second)
    x = drawn(4, 3)
    assert torch.equal(noise.eval()(x), x)


def test_a_fit_with_noise_between_layers_is_seeded_and_its_scores_have_none() -> None:
    fit = lambda: GAN(layers=TABLES, batch_size=8, epochs=2, latent_dim=2, random_state=0).fit(X)  # noqa: E731
    one, two = fit(), fit()
    np.testing.assert_array_equal(one.anomaly_score(X), two.anomaly_score(X))
    np.testing.assert_array_equal(one.anomaly_score(X), one.anomaly_score(X))


# ---- shapes -------------------------------------------------------------------------------------------------------


def test_rows_without_weights_keep_what_others_need() -> None:
    for row in (Row("norm", act="relu"), Row("reshape", (2, 2), act="leaky_relu")):
        x = drawn(3, 4)
        before = x.clone()
        with torch.no_grad():
            made = network(row, shape=(4,))(x)
        assert torch.equal(x, before)
        assert made.min() < 0 or row.act == "relu"
        assert made.shape[1:] == ((2, 2) if row.op == "reshape" else (4,))


@pytest.mark.parametrize(("kernel", "stride"), [(5, 2), (3, 1), (4, 3)])
def test_nothing_is_padded_where_a_table_says_so(kernel: int, stride: int) -> None:
    row = Row("conv", 2, kernel=kernel, stride=stride, pad="valid")
    net, x = network(row, shape=(3, 13, 9)), drawn(2, 3, 13, 9)
    torch.testing.assert_close(net(x), F.conv2d(x, net.layers[0].weight[0], net.layers[0].bias[0], stride))
    back = network(replace(row, op="conv_transpose"), shape=(3, 5, 4))
    x = drawn(2, 3, 5, 4)
    expected = F.conv_transpose2d(x, back.layers[0].weight[0], back.layers[0].bias[0], stride)
    torch.testing.assert_close(back(x), expected)
    assert back.out_shape == tuple(expected.shape[1:])


def test_a_row_may_draw_its_weights_its_own_way() -> None:
    net = network(Row("dense", 4, init="identity"), Row("dense", 3), shape=(4,))
    assert torch.equal(net.layers[0].weight[0], torch.eye(4))
    # Truncated at two deviations, N(0, 1/d) keeps .774 of its variance (Keras makes up for it only later on).
    wide = network(Row("dense", 300, init="lecun"), shape=(400,)).layers[0].weight
    assert wide.abs().max().item() <= 2 / 20
    assert wide.var().item() == pytest.approx(0.7737 / 400, rel=0.02)


@pytest.mark.parametrize(
    ("rows", "shape", "message"),
    [
        ([Row("reshape", (3, 2))], (5,), r"keeps all values, here 5 as \(5,\)"),
        ([Row("conv", 2, kernel=5, pad="valid")], (1, 4, 4), "kernel=5: pad='valid' needs images as large"),
        ([Row("residual", 2)], (5,), "a residual row needs an image"),
        ([Row("residual", 2, resample="down")], (2, 1, 4), "resample='down': images of at least 2×2 can be halved"),
        ([Row("dense", 6, init="identity")], (4,), "init='identity': 4 values in and 6 out: no square weight"),
    ],
)
def test_a_row_that_does_not_fit_says_so_and_names_the_network(rows: Any, shape: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        Network(rows, shape, maker())
    assert f"row 1 of a network for {shape}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"op": "dens", "units": 3}, "unknown op 'dens': did you mean 'dense'"),
        ({"op": "dense", "units": 3, "pad": "vaild"}, "unknown pad 'vaild': did you mean 'valid'"),
        ({"op": "residual", "units": 3, "resample": "dwn"}, "unknown resample 'dwn': did you mean 'down'"),
        ({"op": "dense", "units": 3, "weight_norm": "fix"}, "unknown weight_norm 'fix': did you mean 'fixed'"),
        ({"op": "dense", "units": 3, "init": "identety"}, "unknown init 'identety': did you mean 'identity'"),
        ({"op": "conv", "units": 3, "init": "identity"}, "init='identity': a conv row has no square weight"),
        ({"op": "residual", "units": 3, "spectral": True}, "a residual row has no use for `spectral`; it may say norm"),
        ({"op": "residual", "units": 3, "stride": 1}, "a residual row has no use for `stride`; it may say .*resample"),
        ({"op": "dense", "units": 3, "kernel": 5}, "a dense row has no use for `kernel`"),
        ({"op": "dense", "units": 3, "resample": "up"}, "a dense row has no use for `resample`"),
        ({"op": "norm", "units": 99, "act": "relu"}, "a norm row has no use for `units`"),
        ({"op": "norm"}, "a norm row needs `norm` or `act`"),
        ({"op": "reshape", "units": 3, "init": "he"}, "a reshape row has no use for `init`"),
        ({"op": "conv_transpose", "units": 3, "pad": "valid", "size": [4, 4]}, "pad='valid' and `size`"),
        ({"op": "dense", "units": 3, "spectral": True, "weight_norm": "fixed"}, "normalised in one way"),
    ],
)
def test_a_row_says_what_is_wrong_with_it(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        Row.read(row)


# ---- members ------------------------------------------------------------------------------------------------------

KINDS: dict[str, tuple[tuple[int, ...], list[Row]]] = {
    "weight norm": ((4,), [Row("dense", 6, weight_norm="learned", act="relu"), Row("dense", 2, weight_norm="fixed")]),
    "layer norm": ((3, 4, 4), [Row("conv", 4, norm="layer", act="relu"), Row("dense", 2, norm="layer")]),
    "residual": (
        (3, 4, 4),
        [
            Row("residual", 4, kernel=3, resample="down", norm="layer", act="relu"),
            Row("residual", 2, kernel=3, resample="up", norm="batch", act="relu"),
        ],
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_networks_of_members_are_those_of_their_seeds(name: str) -> None:
    shape, rows = KINDS[name]
    together = network(*rows, shape=shape, seeds=(1, 2)).eval()
    x = drawn(6, *shape)
    made = together(torch.cat([x, x])).chunk(2)
    for member, seed in enumerate((1, 2)):
        single = network(*rows, shape=shape, seeds=(seed,)).eval()
        torch.testing.assert_close(made[member], single(x))
        torch.testing.assert_close(alone(together, member, 2)(x), single(x))
