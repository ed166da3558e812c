"""Networks made ready to score: what they make is what the networks make, faster, and nothing else changes."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ringfence import EGBAD
from ringfence.networks import Discriminator, Network, Row, onednn, ready
from ringfence.networks.dropout import Dropout
from ringfence.networks.ready import ReadyDiscriminator, ReadyNetwork
from test_methods import KINDS, SMALL, small
from test_still import TABLES, drawn, maker
from test_still import ready as settled

pytestmark = pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")
WIDE = [Row("dense", 128, act=act, slope=0.1) for act in ("leaky_relu", "relu", "tanh", "sigmoid", "linear")]


def apart(found: Tensor, wanted: Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    return float((found - wanted).abs().max() / wanted.abs().max())


def kernelless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A PyTorch whose oneDNN has no dense layers."""
    monkeypatch.setattr(onednn, "kernels", lambda: None)


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SMALL)
def test_every_score_is_that_of_the_networks(
    name: str, kind: str, kernel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = small(name, kind).set_params(random_state=0, layers=SMALL[name].get("layers")).fit(KINDS[kind])
    if not kernel:
        kernelless(monkeypatch)
    x = detector.preprocess_.tensor(KINDS[kind])
    x = torch.cat([x] * 13)[: detector._chunk]
    with torch.no_grad():
        wanted = detector.score_parts(detector.nets_, x)
        found = detector.score_parts(ready(detector.nets_), x)
    assert list(found) == list(wanted)
    for part, values in found.items():
        assert apart(values, wanted[part]) < 1e-5, part


@pytest.mark.parametrize("table", TABLES)
def test_every_kind_of_layer(table: str) -> None:
    shape, rows = TABLES[table]
    network = settled(Network(rows, shape, maker()))
    x = drawn(6, *shape)
    with torch.no_grad():
        wanted, found = network(x.clone()), ready(network)(x.clone())
    assert found.shape == wanted.shape
    assert apart(found, wanted) < 1e-5


@pytest.mark.parametrize("kernel", [True, False])
def test_wide_layers(kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernel:
        kernelless(monkeypatch)
    network = settled(Network([*WIDE, Row("dense", 128, norm="batch", act="leaky_relu")], (121,), maker()))
    x = drawn(512, 121)
    with torch.no_grad():
        assert apart(ready(network)(x), network(x)) < 1e-5


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("others", [1, 2])
def test_a_discriminator_of_several_first_arguments(others: int, kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernel:
        kernelless(monkeypatch)
    shapes = [(40,), *[(9,)] * others]
    branches = [[Row("dense", 64, act="leaky_relu")] for _ in shapes]
    joint = [Row("dense", 128, norm="batch", act="leaky_relu"), Row("dense", 1)]
    judge = settled(Discriminator(branches, joint, shapes, maker()))
    made = ready(judge)
    rows, codes = [drawn(512, 40), drawn(512, 40).flip(0)], [drawn(512, 9)] * others
    assert type(made) is ReadyDiscriminator
    with torch.no_grad():
        wanted = [judge(row, *codes) for row in rows]
        for found in (made.several(rows, *codes), [made(row, *codes) for row in rows]):
            for (logit, features), (one, two) in zip(found, wanted, strict=True):
                assert apart(logit, one) < 1e-5
                assert apart(features, two) < 1e-5


@pytest.mark.parametrize("act", ["linear", "relu", "leaky_relu", "tanh", "sigmoid", "softplus"])
def test_what_is_no_number_stays_so(act: str) -> None:
    network = settled(Network([Row("dense", 128, act=act)], (128,), maker()))
    x = drawn(512, 128)
    x[3, 5] = torch.nan
    with torch.no_grad():
        found = ready(network)(x)
    assert found[3].isnan().all()
    assert found.isnan().sum() == 128


def test_a_row_has_the_same_bits_anywhere_in_a_chunk_and_in_any_company() -> None:
    rows = np.random.default_rng(0).normal(size=(1_100, 50))
    detector = EGBAD(epochs=1, random_state=0).fit(rows)
    scores, order = detector.anomaly_score(rows), np.random.default_rng(1).permutation(len(rows))
    assert onednn.kernels() is None or type(ready(detector.nets_).encoder) is ReadyNetwork
    assert (detector.anomaly_score(rows[order]) == scores[order]).all()
    for at in (0, 511, 512, 1_099):
        assert detector.anomaly_score(rows[at : at + 1])[0] == scores[at]


def test_gradients_go_through_the_networks_themselves() -> None:
    network = Network(WIDE, (121,), maker()).eval()
    x = drawn(512, 121).requires_grad_()
    made = ready(network)
    (slope,) = torch.autograd.grad(made(x).sum(), x)
    assert torch.equal(slope, torch.autograd.grad(network(x).sum(), x)[0])
    weight = network.layers[0].weight
    assert torch.autograd.grad(made(x).sum(), weight)[0].abs().sum() > 0


def test_weights_are_shared_and_read_anew() -> None:
    network = settled(Network(WIDE, (121,), maker()))
    x, before = drawn(512, 121), dict(network.state_dict())
    with torch.no_grad():
        made = ready(network)
        old = made(x)
        assert {k: v.data_ptr() for k, v in made.state_dict().items()} == {k: v.data_ptr() for k, v in before.items()}
        network.layers[0].weight.mul_(2.0)
        new = ready(network)(x)
        assert apart(new, network(x)) < 1e-5
        assert not torch.equal(new, old)


def test_a_copy_of_ready_networks_has_weights_of_its_own_and_goes_by_them() -> None:
    network = settled(Network(WIDE, (121,), maker()))
    x = drawn(512, 121)
    with torch.no_grad():
        made = ready(network)
        made(x)
        copied = copy.deepcopy(nn.ModuleList([made]))[0]
        copied.layers[0].weight.mul_(2.0)
        assert type(copied) is Network
        assert not torch.equal(copied(x), network(x))
        assert apart(made(x), network(x)) < 1e-5


@pytest.mark.parametrize("change", ["training", "two members", "double"])
def test_networks_that_are_not_for_it_stay_as_they_are(change: str) -> None:
    network: Any = Network([Row("dense", 8, dropout=0.5)], (5,), maker(1 + (change == "two members")))
    network = network.train() if change == "training" else network.eval()
    network = network.double() if change == "double" else network
    for module in network.modules():
        if isinstance(module, Dropout):
            module.rngs = [torch.Generator()]
    assert type(ready(network)) is Network


PLACES = 512
WIDTHS = (1, 2, 3, 5, 6, 8, 9, 11, 12, 13, 25, 37, 64, 121, 274)


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("inputs", WIDTHS)
def test_a_row_has_the_same_bits_at_every_place(inputs: int, kernel: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not kernel:
        kernelless(monkeypatch)
    x = drawn(1, inputs).expand(PLACES, -1).contiguous()
    for outputs in WIDTHS:
        for act in ("linear", "leaky_relu"):
            network = ready(settled(Network([Row("dense", outputs, act=act)], (inputs,), maker())))
            with torch.no_grad():
                made = network(x.clone())
                assert bool((made == made[:1]).all()), (outputs, act)
                begun = network.links[0].parted(x[:, :1].contiguous())(x[:, 1:].contiguous())
                assert bool((begun == begun[:1]).all()), (outputs, act)


@pytest.mark.parametrize("name", ["egbad", "dsebm", "gpnd", "adgan"])
def test_scores_do_not_hang_on_torchs_defaults_or_on_inference_mode(name: str) -> None:
    detector = small(name, "table").set_params(random_state=0).fit(KINDS["table"])
    wanted = detector.anomaly_score(KINDS["table"][:6])
    with torch.inference_mode():
        np.testing.assert_array_equal(detector.anomaly_score(KINDS["table"][:6]), wanted)
    torch.set_default_dtype(torch.float64)
    onednn.kernels.cache_clear()
    try:
        found = detector.anomaly_score(KINDS["table"][:6])
        fused = onednn.kernels() is not None
    finally:
        torch.set_default_dtype(torch.float32)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    onednn.kernels.cache_clear()
    assert fused == (onednn.kernels() is not None)
