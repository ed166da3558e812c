"""DSEBM: terms and parts against numbers worked out by hand, slopes that can be learned from, one bias for all rows."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from golden import APPROX, values
from ringfence import DSEBM
from ringfence.exceptions import InvalidParameter
from ringfence.game import Batch
from ringfence.losses import slope
from ringfence.networks import Maker, Network, Offset, Row
from ringfence.networks.axis import he
from ringfence.networks.normalisation import BatchNorm
from ringfence.networks.rows import ACTIVATIONS

pytestmark = pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")


def maker(count: int = 1) -> Maker:
    return Maker(he, [torch.Generator().manual_seed(s) for s in range(count)], lambda n: torch.zeros(n, 1))


# ---- the method ---------------------------------------------------------------------------------------------------


def nets(a: Any = 1.0, b: Any = (1.0, -1.0)) -> Any:
    """h(x) = (a x₁², 3 x₂) and b' = (1, −1): E = ½ ((x₁ − 1)² + (x₂ + 1)²) − a x₁² − 3 x₂, f = (1 + 2 a x₁, −1 + 3)."""
    return SimpleNamespace(
        energy=lambda x: torch.stack([a * x[:, 0] ** 2, 3 * x[:, 1]], 1),
        offset=lambda x: x - torch.as_tensor(b),
    )


def batch(x: list[list[float]], normal: list[list[float]]) -> Batch:
    """A step on rows x, whose N(0, 1) noise is `normal`."""
    fixed = torch.tensor(normal)
    return Batch(torch.tensor(x), 0, 0, 0.0, 1, lambda n: fixed[:n], lambda shape: fixed)


def test_parts_of_dsebm() -> None:
    # x = (2, 3): E = ½ (1 + 16) − 4 − 9 = −4.5; f = (1 + 4, 2) = (5, 2), and (2, 3) − (5, 2) has length √10.
    # x = (0, 0): E = ½ (1 + 1) = 1; f = (1, 2), of length √5.
    found = DSEBM().score_parts(nets(), torch.tensor([[2.0, 3.0], [0.0, 0.0]]))
    assert values(found["energy"]) == pytest.approx([-4.5, 1.0])
    assert values(found["reconstruction"]) == pytest.approx([10**0.5, 5**0.5], **APPROX)
    assert DSEBM.scores == {"energy": {"energy": 1.0}, "reconstruction": {"reconstruction": 1.0}}
    assert next(iter(DSEBM.scores)) == "energy"


def test_parts_of_dsebm_need_no_gradients_to_be_on() -> None:
    x = torch.tensor([[2.0, 3.0]])
    with torch.no_grad():
        found = DSEBM().score_parts(nets(), x)
    assert values(found["reconstruction"]) == pytest.approx([10**0.5], **APPROX)
    assert not any(part.requires_grad for part in found.values())
    assert not x.requires_grad


def test_dsebm_learns_to_take_noise_off() -> None:
    # x = (2, 3), ε = (1, −2), σ = ½: x + σ ε = (2.5, 2), f = (6, 2); (2 − 6)² + (3 − 2)² = 17.
    # x = (1, 2), ε = 0: f = (3, 2); 4. Against the noisy row instead of the clean one the first were 12.25.
    found = DSEBM(noise=0.5).loss(nets(), batch([[2.0, 3.0], [1.0, 2.0]], [[1.0, -2.0], [0.0, 0.0]]))
    assert {k: values(v) for k, v in found.items()} == {"denoising": pytest.approx([17.0, 4.0])}


def test_both_the_network_and_the_bias_learn_from_the_slope() -> None:
    # L = (x − b − 2 a u)² + …, u = x + σ ε = 3, x = 2, a = b = 1: x − f = 2 − 7 = −5.
    # dL/da = −2 · 2u · (−5) = 60, dL/db₁ = −2 · (−5) = 10; second value: x₂ − f₂ = 3 − 2 = 1, dL/db₂ = −2.
    a, b = torch.tensor(1.0, requires_grad=True), torch.tensor([1.0, -1.0], requires_grad=True)
    term = DSEBM(noise=1.0).loss(nets(a, b), batch([[2.0, 3.0]], [[1.0, 0.0]]))["denoising"]
    found = torch.autograd.grad(term.sum(), [a, b])
    assert values(found[0]) == pytest.approx(60.0)
    assert values(found[1]) == pytest.approx([10.0, -2.0])


def test_what_dsebm_learns_of_a_gaussian_is_known() -> None:
    # Of x ~ N(0, I) in noise of σ = 1 the best guess is f(u) = u / 2, so that ∇E(u) = u / 2 and E = ‖u‖² / 4 + const.
    x = np.random.default_rng(0).normal(size=(1000, 2))
    det = DSEBM(epochs=20, random_state=0).fit(x)
    found = det.anomaly_score(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, -2.0], [-3.0, 0.0]]))
    assert found - found[0] == pytest.approx([0.0, 1.0, 1.0, 2.25], abs=0.3)
    at_two = det.parts(np.array([[2.0, 0.0], [0.0, 2.0]]))["reconstruction"]
    assert at_two == pytest.approx([1.0, 1.0], abs=0.2)


@pytest.mark.parametrize("kind", ["data", "images"])
def test_a_row_scores_alike_at_every_place_of_a_batch(kind: str) -> None:
    # One b' for all rows, and no layer that mixes them: the same row eight times over, and behind others.
    x = getattr(load_digits(), kind)[:40]
    det = DSEBM(epochs=2, random_state=0, units=8).fit(x)
    assert det.nets_.offset.bias.shape == (1, *det.preprocess_.shape)
    assert det.nets_.offset.bias.abs().sum() > 0
    assert not any(isinstance(m, BatchNorm) for m in det.nets_.modules())
    rows = det.preprocess_.tensor(x)
    for place in (0, 7, 39):
        moved = torch.roll(rows, place, 0)
        for name, part in det.score_parts(det.nets_, moved).items():
            assert torch.allclose(torch.roll(part, -place), det.score_parts(det.nets_, rows)[name], atol=1e-4), name


@pytest.mark.parametrize("kind", ["data", "images"])
def test_every_layer_of_dsebms_network_is_smooth(kind: str) -> None:
    det = DSEBM(epochs=1, random_state=0, units=5).fit(getattr(load_digits(), kind)[:20])
    table = det.nets_.energy.table
    assert {(row.act, row.norm) for row in table} == {("softplus", "none")}
    assert table[-1].units == 5


def test_dsebm_refuses_no_noise_and_no_units() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(InvalidParameter, match=r"^noise=0: allowed are numbers > 0$"):
        DSEBM(noise=0).fit(x)
    with pytest.raises(InvalidParameter, match=r"^units=0: allowed are whole numbers ≥ 1$"):
        DSEBM(units=0).fit(x)
    assert not hasattr(DSEBM(), "sample")


# ---- what it is made of -------------------------------------------------------------------------------------------


def cube(x: Tensor) -> Tensor:
    """Σ x³: slope 3 x², slope of the sum of that 6 x."""
    return x.pow(3).flatten(1).sum(1)


def test_a_slope_is_found_with_gradients_on_and_off() -> None:
    x = torch.tensor([[1.0, -2.0], [0.5, 0.0]])
    for on in (True, False):
        with torch.set_grad_enabled(on):
            found = slope(cube, x)
        assert values(found) == [[3.0, 12.0], [0.75, 0.0]]
        assert found.requires_grad == on
    assert not x.requires_grad


def test_a_slope_can_be_learned_from_through_the_rows() -> None:
    w = torch.tensor([[1.0, -2.0]], requires_grad=True)
    (found,) = torch.autograd.grad(slope(cube, 2 * w).sum(), w)  # 3 (2w)²: 24 w
    assert values(found) == [[24.0, -48.0]]


def test_a_slope_needs_no_network_that_learns() -> None:
    frozen = nn.Linear(2, 1).requires_grad_(False)
    found = slope(lambda x: frozen(x).square().squeeze(1), torch.zeros(3, 2))
    assert torch.allclose(found, (2 * frozen.bias * frozen.weight).expand(3, 2))


def test_softplus_is_an_activation_of_layer_tables() -> None:
    net = Network([Row.read({"op": "dense", "units": 3, "act": "softplus"})], (4,), maker())
    x = torch.randn(5, 4)
    assert torch.equal(net(x), F.softplus(net.layers[0](x)))
    assert ACTIVATIONS["softplus"] is not None


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("kernel", [3, 4])
def test_slopes_of_convolutions_have_slopes(channels: int, kernel: int) -> None:
    # One channel goes by columns (unfold), more by torch's own convolution; kernel 3 pads one side more than the other.
    rows = [Row("conv", 3, kernel=kernel, act="softplus"), Row("dense", 2, act="softplus")]
    net = Network(rows, (channels, 6, 6), maker()).double()
    x = torch.randn(2, channels, 6, 6, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda rows: net(rows).sum(1), x)


def test_an_offset_is_each_members_own_and_one_for_all_its_rows() -> None:
    both = Offset((2,), members=2)
    assert values(both.bias) == [[0.0, 0.0], [0.0, 0.0]]
    with torch.no_grad():
        both.bias.copy_(torch.tensor([[1.0, 2.0], [10.0, 20.0]]))
    x = torch.tensor([[5.0, 5.0], [6.0, 6.0], [5.0, 5.0], [6.0, 6.0]])
    assert values(both(x)) == [[4.0, 3.0], [5.0, 4.0], [-5.0, -15.0], [-4.0, -14.0]]


def test_an_offset_has_the_shape_of_an_image() -> None:
    assert Offset((3, 4, 5), members=1)(torch.zeros(2, 3, 4, 5)).shape == (2, 3, 4, 5)
