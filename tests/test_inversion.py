"""The latent search: it finds what the generator can make, row by row, and touches nothing else."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from ringfence import AnoGAN
from ringfence.exceptions import InvalidParameter
from ringfence.inversion import Schedule, descend, search
from ringfence.losses import l1
from ringfence.preprocess import ConstantColumns

FAST = Schedule(steps=300, rates=(0.1, 0.01), until=(200,))


@pytest.fixture(scope="module")
def trained() -> AnoGAN:
    """AnoGAN with its own search, briefly trained on the digits but the 8."""
    x, y = load_digits(return_X_y=True)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantColumns)
        patch.setattr(AnoGAN, "cut_rows", 10)
        return AnoGAN(epochs=20, random_state=0).fit(x[y != 8])


def test_the_search_finds_what_the_generator_made(trained: AnoGAN) -> None:
    # Rows x = G(z*) for z* from the prior: the residual can be brought to 0.
    x = trained.sample(200, random_state=5)
    rows = trained.preprocess_.tensor(x)
    with torch.no_grad():
        starts = [l1(rows, trained.nets_.generator(z[None])) for z in trained.nets_.search.starts]
    began = torch.stack(starts).amin(0).double().numpy()  # the better start of each row
    ended = trained.parts(x)["residual"]
    assert (ended <= 0.1 * began).mean() >= 0.9


def test_the_search_tells_what_the_generator_can_not_make(trained: AnoGAN) -> None:
    # Rows with their pixels permuted are none of the generator's.
    x = trained.sample(40, random_state=5)
    other = x[:, np.random.default_rng(0).permutation(64)]
    assert np.median(trained.parts(other)["residual"]) > 10 * np.median(trained.parts(x)["residual"])


def test_permuting_rows_permutes_reconstructions_to_the_bit(trained: AnoGAN) -> None:
    x = trained.sample(30, random_state=6)
    order = np.random.default_rng(0).permutation(30)
    remade, codes = trained.reconstruct(x), trained.encode(x)
    assert np.array_equal(trained.reconstruct(x[order]), remade[order])
    assert np.array_equal(trained.encode(x[order]), codes[order])
    assert codes.shape == (30, trained.latent_dim)
    assert remade.shape == x.shape
    # Something was searched: rows end in different places.
    assert len(np.unique(codes.round(3), axis=0)) == 30


def test_the_search_leaves_networks_and_starts_as_they_were(trained: AnoGAN) -> None:
    before = {k: v.clone() for k, v in trained.nets_.state_dict().items()}
    trained.anomaly_score(trained.sample(5, random_state=1))
    assert "search.starts" in before
    for key, value in trained.nets_.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(p.grad is None and not p.requires_grad for p in trained.nets_.parameters())


def test_a_score_is_the_lowest_end_of_its_starts() -> None:
    # Two wells, at -2 (depth 1) and at 3 (depth 0): a start at -1 ends in the first, one at 2 in the second.
    def wells(z: Tensor, shift: Tensor) -> Tensor:
        z = z - shift
        return torch.minimum((z + 2).square() + 1, (z - 3).square())[:, 0]

    shift = torch.tensor([[0.0], [10.0]])
    # For row 0 the second start wins; for row 1, shifted by 10, both starts lie left of the crest and end at 8.
    found, ends = search(wells, [shift], torch.tensor([[-1.0], [2.0]]), FAST)
    assert found[:, 0].tolist() == pytest.approx([3, 8], abs=0.05)
    assert ends.tolist() == pytest.approx([0, 1], abs=0.01)
    assert search(wells, [shift], torch.tensor([[-1.0]]), FAST)[1][0].item() == pytest.approx(1, abs=0.01)


def test_descend_lowers_each_rows_own_loss() -> None:
    goals = torch.tensor([[1.0, -2.0], [0.5, 4.0], [0.0, 0.0]])
    start = torch.zeros(3, 2)
    found, ends = descend(lambda z: (z - goals).square().sum(1), start, FAST)
    torch.testing.assert_close(found, goals, atol=0.05, rtol=0)
    assert ends.tolist() == pytest.approx([0, 0, 0], abs=0.01)
    assert not start.any()
    assert not found.requires_grad
    # The loss is the one at the last place, not the one before the last step.
    assert torch.equal(ends, (found - goals).square().sum(1))


def test_a_row_alone_is_the_row_in_a_batch() -> None:
    # A loss a thousand times as steep beside it does not change a row's steps; nor does their number, which would
    # show where slopes are as small as Adam's ε of 1e-8.
    goals, steep = torch.tensor([[1.0], [-3.0], [2.0]]), torch.tensor([1.0, 1000.0, 1e-8])
    together, ends = descend(lambda z: steep * (z - goals).square()[:, 0], torch.zeros(3, 1), FAST)
    for i in range(3):
        alone, end = descend(lambda z, i=i: steep[i] * (z - goals[i]).square()[:, 0], torch.zeros(1, 1), FAST)
        assert torch.equal(alone[0], together[i])
        assert torch.equal(end[0], ends[i])


def test_descend_works_while_scoring_forbids_gradients() -> None:
    with torch.no_grad():
        found, _ = descend(lambda z: (z - 1).square()[:, 0], torch.zeros(1, 1), FAST)
        assert not torch.is_grad_enabled()
    assert found.item() == pytest.approx(1, abs=0.05)


def test_the_first_steps_of_adam_are_its_rates() -> None:
    # Adam's step on a constant slope is its rate: 2 · .5 + 3 · .1 away from 0 after 5 steps.
    schedule = Schedule(steps=5, rates=(0.5, 0.1), until=(2,))
    found, ends = descend(lambda z: z[:, 0], torch.zeros(1, 1), schedule)
    assert found.item() == pytest.approx(-1.3, rel=1e-5)
    assert ends.item() == found.item()


def test_rates_hold_until_their_step() -> None:
    schedule = Schedule(steps=9, rates=(0.3, 0.2, 0.1), until=(2, 5))
    assert [schedule.rate(s) for s in range(8)] == [0.3, 0.3, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1]
    assert Schedule(steps=3, rates=(0.3,)).rate(2) == 0.3


@pytest.mark.parametrize(
    ("steps", "rates", "until", "message"),
    [
        (0, (0.1,), (), "steps=0"),
        (1, (), (), r"search_rates=\(\): allowed are one or more numbers > 0"),
        (1, (0.1, -1.0), (5,), r"search_rates=\(0.1, -1.0\)"),
        (1, (0.1,), (5,), r"search_until=\(5,\): allowed are 0 rising steps for 1 rates"),
        (1, (0.1, 0.2, 0.3), (5,), r"search_until=\(5,\): allowed are 2"),
        (1, (0.1, 0.2, 0.3), (5, 3), r"search_until=\(5, 3\): allowed are 2 rising"),
    ],
)
def test_a_schedule_says_what_is_wrong(steps: int, rates: tuple, until: tuple, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        Schedule(steps, rates, until)
    assert "\n" not in str(caught.value)


MEASURE = """
import resource, sys, warnings
import numpy as np
from ringfence import AnoGAN
warnings.simplefilter("ignore")
X = np.random.default_rng(0).normal(size=(4000, 20))
AnoGAN.cut_rows = 10
det = AnoGAN(epochs=1, steps=3, search_rates=(0.1,), search_until=(), restarts=2, random_state=0).fit(X[:500])
det.anomaly_score(X[:1000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
det.anomaly_score(X)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "linux" else 1 / 1024))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs resource")
def test_memory_does_not_grow_with_the_rows() -> None:
    # 3,000 further rows are .24 MB as float32 and 3 parts of .024 MB; one pass over all of them, with 128 units in
    # each of 4 layers, 2 starts and Adam's moments, would be 3000 · 2 · 128 · 4 · 4 bytes = 12 MB and more.
    out = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    assert float(out.stdout) < 5_000, f"{out.stdout} KiB more"
