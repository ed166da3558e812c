"""What every detector must show, whoever wrote it: `check_detector(MyMethod(epochs=2), rows)`.

Each check takes an unfitted detector and normal rows, and raises `AssertionError` with one line that says what was
found. They hold the rules of docs/architecture.md.
"""

import copy
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone

from .detector import Detector
from .game import Batch, Statistic
from .limits import Limit, OneOf
from .losses import ADVERSARIES
from .persist import load
from .preprocess import ConstantColumns
from .training import Run, move

Rows = NDArray[np.float64]
Check = Callable[[Detector, Rows], None]

# They say where and how loudly a fit runs, not what it learns.
SILENT = ("device", "verbose")

# They say what columns of data frames are; arrays have none.
FRAMES = ("kinds", "strict")

# They say how images are laid together; rows of tables have one way.
IMAGES = ("join",)


def check_detector(detector: Detector, X: Rows) -> None:
    """Run every check on clones of `detector`.

    Parameters
    ----------
    detector
        Unfitted, with a budget small enough to fit some hundred times and of 5 steps at least: an average warms up
        over the first ones, and `ema` changes nothing before.
    X
        Normal rows, at least 20: (n, d), (n, height, width) or (n, channels, height, width).
    """
    for check in CHECKS:
        check(detector, X)


def fitted(detector: Detector, X: Rows, **changes: Any) -> Detector:
    """Fit a clone with a fixed seed and some hyperparameters changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantColumns)
        copied: Detector = clone(detector)
        return copied.set_params(**{"random_state": 0, **changes}).fit(X)  # type: ignore[no-any-return]


def check_score_is_a_function_of_the_row(detector: Detector, X: Rows) -> None:
    """Alone, in any batch and order, and twice: the same bits."""
    det = fitted(detector, X)
    scores = det.anomaly_score(X)
    order = np.random.default_rng(0).permutation(len(X))
    _same(det.anomaly_score(X), scores, "scored twice")
    _same(det.anomaly_score(X[order]), scores[order], "in another order")
    _same(det.anomaly_score(X[:3]), scores[:3], "in a smaller batch")
    _same(det.anomaly_score(np.concatenate([X[-2:]] * 7)), np.tile(scores[-2:], 7), "repeated")
    _same(det.anomaly_score(X[5:6]), scores[5:6], "alone")


def check_scoring_changes_nothing(detector: Detector, X: Rows) -> None:
    """No weight, no buffer, no input and no global random state changes while rows are scored."""
    det = fitted(detector, X)
    before, given = _weights(det), X.copy()
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    det.anomaly_score(X)
    assert _weights(det) == before, "scoring changed a weight or a buffer"
    assert np.array_equal(X, given), "scoring changed its input"
    assert torch.equal(torch.get_rng_state(), state[0]), "scoring drew from torch's global generator"
    assert np.array_equal(np.random.get_state()[1], state[1]), "scoring drew from numpy's global generator"  # type: ignore[index]


def check_same_seed_same_bits(detector: Detector, X: Rows) -> None:
    """The same seed gives the same networks and scores, another gives others; global generators stay as they were."""
    state = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]
    one, two, other = fitted(detector, X), fitted(detector, X), fitted(detector, X, random_state=1)
    assert torch.equal(torch.get_rng_state(), state[0]), "fit drew from torch's global generator"
    assert np.array_equal(np.random.get_state()[1], state[1]), "fit drew from numpy's global generator"  # type: ignore[index]
    assert _weights(one) == _weights(two), "the same seed gave other weights"
    _same(one.anomaly_score(X), two.anomaly_score(X), "with the same seed")
    assert _weights(one) != _weights(other), "another seed gave the same weights"


def check_a_player_moves_only_its_own(detector: Detector, X: Rows) -> None:
    """In every turn the player's networks move, buffers included, and no other does."""
    det = fitted(detector, X)
    rows = det.preprocess_.tensor(np.asarray(X)).to(det._device)
    run = det._run(rows, learn=True)
    moved: set[str] = set()
    for stage in range(len(run.game.stages)):
        run.stage, run.opened = stage, False
        run.open_stage()
        for seat in run.seats:
            before = {name: _bytes(net) for name, net in run.nets.named_children()}
            move(run, seat, _batch(run))
            changed = {name for name, net in run.nets.named_children() if _bytes(net) != before[name]}
            own = set(seat.player.nets)
            assert changed == own, f"player {seat.player.title} of {sorted(own)} moved {sorted(changed)}"
            moved |= changed
    learned = {name for name, net in run.nets.named_children() if not isinstance(net, Statistic)}
    assert moved == learned, f"never moved: {sorted(learned - moved)}"


def check_terms_and_parts_are_per_row(detector: Detector, X: Rows) -> None:
    """A loss gives a value a row for each term, a score a finite value a row for each part, with all weights' parts."""
    det = fitted(detector, X)
    parts = det.parts(X)
    for name, part in parts.items():
        assert part.shape == (len(X),), f"part {name} has shape {part.shape} for {len(X)} rows"
        assert part.dtype == np.float64, f"part {name} is {part.dtype}, not float64"
        assert np.isfinite(part).all(), f"part {name} is not finite"
    for kind, weights in det.scores.items():
        assert set(weights) <= set(parts), f"score kind {kind} weighs parts that are not there"
    rows = det.preprocess_.tensor(np.asarray(X)).to(det._device)
    run = det._run(rows, learn=True)
    run.open_stage()
    for player in run.game.stages[-1].players:
        for name, term in player.loss(run.nets, _batch(run)).items():
            rows_seen = len(X) * detector.members
            assert term.shape == (rows_seen,), f"term {name} of {player.title} has shape {tuple(term.shape)}"


def check_cut_and_signs_agree(detector: Detector, X: Rows) -> None:
    """Signs are scikit-learn's, and a row is an anomaly exactly when its score is above `threshold_`."""
    det = fitted(detector, X, contamination=0.2)
    scores = det.anomaly_score(X)
    _same(det.score_samples(X), -scores, "as score_samples")
    _same(det.decision_function(X), -scores - det.offset_, "as decision_function")
    assert np.array_equal(det.predict(X) == -1, scores > det.threshold_), "predict disagrees with threshold_"
    if len(np.unique(scores)) == len(X) <= det.cut_rows:
        flagged = int((scores > det.threshold_).sum())
        assert flagged == int(0.2 * len(X)), f"contamination .2 of {len(X)} training rows flags {flagged}"


def check_fit_ignores_y_and_keeps_parameters(detector: Detector, X: Rows) -> None:
    """Labels change nothing, fit changes no hyperparameter, and a second fit is a fresh one."""
    det = fitted(detector, X)
    before = repr(det.get_params())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantColumns)
        again = copy.deepcopy(det).fit(X, np.arange(len(X)) % 2)
    assert repr(again.get_params()) == before, "fit changed a hyperparameter"
    _same(again.anomaly_score(X), det.anomaly_score(X), "after a second fit, with labels")


def check_units_do_not_matter(detector: Detector, X: Rows) -> None:
    """Rows × 1000 are ranked alike: scaling is the detector's."""
    if detector.scale == "none":
        return
    plain, large = (
        fitted(detector, X).anomaly_score(X),
        fitted(detector, X * 1000.0).anomaly_score(X * 1000.0),
    )
    ranks = np.corrcoef(plain.argsort().argsort(), large.argsort().argsort())[0, 1]
    assert ranks > 0.99, f"rows × 1000 are ranked otherwise: rank correlation {ranks:.3f}"


def check_any_batch_size(detector: Detector, X: Rows) -> None:
    """A batch larger than the data, and one that does not divide it, both learn from every row."""
    for size in (10 * len(X), len(X) - 1):
        det = fitted(detector, X, batch_size=size)
        assert np.isfinite(det.anomaly_score(X)).all(), f"batch_size={size} for {len(X)} rows gave no finite scores"
        assert det.history_, f"batch_size={size} for {len(X)} rows never trained"


def check_saved_and_loaded_is_the_same(detector: Detector, X: Rows) -> None:
    """A saved and loaded detector has the same scores, cut, history and hyperparameters."""
    det = fitted(detector, X)
    with tempfile.TemporaryDirectory() as folder:
        back = load(det.save(Path(folder) / "model"))
    _same(back.anomaly_score(X), det.anomaly_score(X), "after loading")
    assert back.offset_ == det.offset_, "the cut changed on the way through a folder"
    assert back.history_ == det.history_, "the history changed on the way through a folder"


def check_every_hyperparameter_is_read(detector: Detector, X: Rows) -> None:
    """Changing a hyperparameter changes the scores, the cut or the history, at least beside another choice of names.

    One that allows a single value, and one that the method says it leaves `unused`, may change nothing.
    """
    shape = (1, *np.shape(X)[1:])[-3:] if np.ndim(X) > 2 else np.shape(X)[1:]
    # How members are combined is of use to several alone; where they are ranked, two score kinds may rank alike.
    choices = [{}, *_choices(detector, shape), {"members": 1 if detector.members > 1 else 2}]
    idle = (*SILENT, *FRAMES, *(IMAGES if np.ndim(X) == 2 else ()), *detector.unused, "layers")
    for name in detector.get_params(deep=False):
        if name in idle or (name == "score_kind" and len(detector.scores) == 1):
            continue
        others = _alternatives(detector, name, shape)
        if others and not any(
            _trace(fitted(detector, X, **beside)) != _trace(fitted(detector, X, **{**beside, name: value}))
            for beside in (choices[::-1] if name == "combine" else choices)
            for value in others
        ):
            raise AssertionError(f"hyperparameter {name} changes nothing")


CHECKS: tuple[Check, ...] = (
    check_score_is_a_function_of_the_row,
    check_scoring_changes_nothing,
    check_same_seed_same_bits,
    check_a_player_moves_only_its_own,
    check_terms_and_parts_are_per_row,
    check_cut_and_signs_agree,
    check_fit_ignores_y_and_keeps_parameters,
    check_units_do_not_matter,
    check_any_batch_size,
    check_saved_and_loaded_is_the_same,
    check_every_hyperparameter_is_read,
)


def _same(found: Rows, expected: Rows, when: str) -> None:
    assert np.array_equal(found, expected), f"scores differ {when}: by up to {np.abs(found - expected).max():.3g}"


def _bytes(nets: torch.nn.Module) -> bytes:
    return b"".join(t.cpu().numpy().tobytes() for t in nets.state_dict().values())


def _weights(det: Detector) -> bytes:
    return b"".join(_bytes(member.nets) for member in det.members_)


def _batch(run: Run) -> Batch:
    members = len(run.game.seeds)
    return Batch(torch.cat([run.game.rows] * members), 0, 0, 0.0, members, run.draw, run.gauss)


def _trace(det: Detector) -> tuple[Any, ...]:
    """What a hyperparameter may change: weights, cut, history and the parts and scores of a few rows."""
    return _weights(det), det.offset_, repr(det.history_), det._chunk


def _choices(detector: Detector, shape: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """Every other name of every hyperparameter that is one of several names."""
    for name, limit in detector.limits.items():
        if isinstance(limit, OneOf) and name not in SILENT:
            yield from ({name: other} for other in limit.names_for(shape) if other != getattr(detector, name))


def _alternatives(detector: Detector, name: str, shape: tuple[int, ...]) -> list[Any]:
    """Other values of a hyperparameter that its limits allow."""
    value, limit = getattr(detector, name), detector.limits.get(name)
    if name == "random_state":
        return [1]
    if name == "score_kind":
        return list(detector.scores)
    if name == "adversary":
        return list(ADVERSARIES)
    if isinstance(limit, OneOf):
        return [other for other in limit.names_for(shape) if other != value]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, tuple | list):
        return [tuple(v * 2 for v in value)]
    if value is None or isinstance(value, str):
        return [n for n in (0.3, 1e-4, 3) if limit.allows(n)] if isinstance(limit, Limit) else [0.3, 1e-4]
    numbers = [value + 1, value * 0.5, value * 100, 0.3]
    typed = [int(n) for n in numbers] if isinstance(value, int) else numbers
    return [n for n in typed if n != value and (not isinstance(limit, Limit) or limit.allows(n))]
