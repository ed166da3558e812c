"""L-BFGS over slots: a quadratic in a few steps, no worse than SciPy's and torch's on a network, and never uphill."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from ringfence.inversion import Plan, search
from ringfence.slots import run
from ringfence.walks import LBFGS, Adam, Schedule
from test_slots import Fit, drawn, ended, network


class Quadratic:
    """½ (z − goal)ᵀ A (z − goal), with A common to all rows."""

    def __init__(self, dim: int, condition: float) -> None:
        turned = torch.linalg.qr(drawn(dim, dim).double())[0]
        self.a = turned @ torch.diag(torch.logspace(0, np.log10(condition), dim, dtype=torch.double)) @ turned.t()

    def __call__(self, z: Tensor, goal: Tensor, valued: bool) -> tuple[Tensor, Tensor]:
        apart = z - goal
        slope = apart @ self.a
        return 0.5 * (apart * slope).sum(1), slope


def test_a_quadratic_is_solved() -> None:
    goals, starts = drawn(6, 8).double(), torch.zeros(6, 8).double()
    with torch.no_grad():
        found, losses = run(Quadratic(8, 100.0), [goals], starts, LBFGS(60), 4)
    torch.testing.assert_close(found, goals, atol=1e-5, rtol=0)
    assert losses.max() < 1e-9


def test_with_an_exact_model_the_step_is_newtons() -> None:
    # One dimension: after a first step of length 1 the secant is the curvature, and the next step is the end.
    with torch.no_grad():
        found, _ = run(Quadratic(1, 1.0), [torch.tensor([[5.0]]).double()], torch.zeros(1, 1).double(), LBFGS(2), 1)
    assert found.item() == pytest.approx(5.0, abs=1e-12)


def test_a_network_is_fitted_as_well_as_scipy_and_torch_do() -> None:
    # Rows near what the starts make, of which the network can make all but a little: one valley, not at 0.
    starts = drawn(6, 6, seed=2)
    rows = network()(starts + 0.2 * drawn(6, 6, seed=3)) + 0.05 * drawn(6, 11)
    _, losses = ended(LBFGS(150), rows, starts)
    still = network().double()

    def loss(z: Tensor, row: Tensor) -> Tensor:
        return (still(z[None])[0] - row).square().sum()

    for row, start, found in zip(rows.double(), starts.double(), losses, strict=True):

        def both(z: np.ndarray, row: Tensor = row) -> tuple[float, np.ndarray]:
            place = torch.from_numpy(z).requires_grad_()
            value = loss(place, row)
            value.backward()
            return value.item(), place.grad.numpy()

        theirs = minimize(both, start.numpy(), jac=True, method="L-BFGS-B", options={"maxfun": 150, "maxcor": 8})
        place = start.clone().requires_grad_()
        torchs = torch.optim.LBFGS([place], max_iter=150, max_eval=150, history_size=8, line_search_fn="strong_wolfe")

        def closure(place: Tensor = place, row: Tensor = row) -> Tensor:
            place.grad = None
            value = loss(place, row)
            value.backward()
            return value

        torchs.step(closure)
        assert found.item() == pytest.approx(theirs.fun, rel=0.01)
        assert found.item() == pytest.approx(loss(place, row).item(), rel=0.01)
        assert found.item() > 1e-4


def test_more_passes_are_never_worse() -> None:
    rows, starts = drawn(9, 11), drawn(9, 6, seed=2)
    ends = [ended(LBFGS(steps), rows, starts)[1] for steps in (1, 2, 5, 10, 40, 80)]
    for before, after in itertools.pairwise(ends):
        assert (after <= before).all()
    with torch.no_grad():
        begun = Fit()(starts, rows, True)[0]
    assert (ends[-1] < begun).all()


def test_a_cliff_is_no_place_to_end() -> None:
    # √|z − 1| is not convex and its slope has no bound: steps overshoot, and the line search comes back.
    def objective(z: Tensor, rows: Tensor, valued: bool) -> tuple[Tensor, Tensor]:
        apart = z - 1.0
        return apart.abs().sqrt().sum(1), 0.5 * apart.sgn() / apart.abs().sqrt().clamp_min(1e-6)

    with torch.no_grad():
        found, losses = run(objective, [torch.zeros(3, 1)], torch.tensor([[0.0], [3.0], [1.5]]), LBFGS(60), 2)
    assert (losses < torch.tensor([1.0, 2**0.5, 0.5**0.5])).all()
    assert found.isfinite().all()


def test_the_plan_names_the_walk() -> None:
    rows, starts = drawn(5, 11), drawn(1, 6)
    with torch.no_grad():
        plans = {kind: Plan(Schedule(30, (0.05,)), kind) for kind in ("adam", "lbfgs")}
        by = {kind: search(Fit(), [rows], starts, plan, 4)[1] for kind, plan in plans.items()}
    expected = ended(LBFGS(30), rows, starts.expand(5, -1), slots=4)[1]
    assert torch.equal(by["lbfgs"], expected)
    assert torch.equal(by["adam"], ended(Adam(Schedule(30, (0.05,))), rows, starts.expand(5, -1), slots=4)[1])
