"""Members: k seeds side by side are the k single models, whatever the method; one that goes wrong goes alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import Tensor

from ringfence import EGBAD, GAN, InvalidParameter, TrainingDiverged, load
from ringfence.checks import CHECKS
from ringfence.combination import COMBINATIONS, rank, waic
from ringfence.detector import Detector
from ringfence.game import Statistic
from ringfence.losses import Wasserstein
from ringfence.maps import row_maps
from ringfence.members import MemberStopped, alone, joined, seeds_of, side_by_side
from ringfence.networks import dcgan, mlp
from ringfence.preprocess import Preprocess
from test_methods import KINDS, SMALL, small

pytestmark = pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")


@pytest.fixture
def double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything in float64: rows, weights, noise; and narrow networks."""
    for module, width in ((dcgan, "MAPS"), (dcgan, "MOST_MAPS"), (mlp, "WIDTH")):
        monkeypatch.setattr(module, width, 8)
    prepared = Preprocess.tensor
    monkeypatch.setattr(Preprocess, "tensor", lambda self, x: prepared(self, x).double())
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


ROWS = {kind: rows[:16] for kind, rows in KINDS.items()}
# 3 batches of 5 or 6 rows in an epoch, 51 steps in a stage.
STEPS = {"batch_size": 6, "epochs": 17}
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "alad": ("table", {"own_rows": True}),
    "gan with a penalty, features and a batch": (
        "table", {"adversary": Wasserstein(), "generator_loss": "feature_matching", "minibatch": 3},
    ),
    "egbad on its own rows": ("table", {"own_rows": True, "prior": "hypersphere"}),
    "lad spectral": ("image", {"lipschitz": "spectral"}),
    "dagmm in stages": ("table", {"joint": False, "latent_dim": 1}),
    "deepsvdd soft": ("table", {"objective": "soft_boundary", "ema": 0.0}),
    "fencegan apart": ("table", {"apart": True, "decay": 0.01, "pretrain_epochs": 2}),
}  # fmt: skip
# More directions than rows would leave a Gaussian flat, and rounding to decide.
FEW: dict[str, dict[str, Any]] = {"dagmm": {"latent_dim": 1}}
CASES = {
    **{f"{name} {kind}": (name, kind, FEW.get(name, {})) for name in SMALL for kind in KINDS},
    **{f"{what} {kind}": (what.split()[0], kind, options) for what, (kind, options) in OPTIONS.items()},
}


def differences(one: Any, other: Any) -> float:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


# Logarithms of volumes that are all but 0 tell of more than 8 digits.
LOOSE = {"gpnd": 1e-3}


# Of images every kind of network once: pyramids, pairs, a U-shape, many generators, slopes; all others are long.
BRIEFLY = {"egbad", "alad", "skipganomaly", "mogaal", "dsebm", "lad"}
MATRIX = [
    pytest.param(case, marks=[pytest.mark.full] * (kind == "image" and name not in BRIEFLY))
    for case, (name, kind, _) in CASES.items()
]


@pytest.mark.parametrize("case", MATRIX)
@pytest.mark.usefixtures("double")
def test_a_member_is_the_single_model_of_its_seed(case: str) -> None:
    name, kind, options = CASES[case]
    det, X = small(name, kind).set_params(**STEPS, **options), ROWS[kind]
    member = clone(det).set_params(members=2, random_state=5).fit(X).member(1)
    single = clone(det).set_params(random_state=member.random_state).fit(X)
    assert len(single.history_) * 3 >= 50
    assert differences(member.nets_, single.nets_) < 1e-8
    parts, within = member.parts(X), LOOSE.get(name, 1e-8)
    for part, values in single.parts(X).items():
        np.testing.assert_allclose(parts[part], values, rtol=within, atol=within)
    assert member.offset_ == pytest.approx(single.offset_, rel=within, abs=within)
    for mine, its in zip(member.history_, single.history_, strict=True):
        assert mine.pop("stage") == its.pop("stage")
        assert mine == pytest.approx(its, rel=1e-7, abs=1e-8)


X = ROWS["table"]


def brief(**changes: Any) -> EGBAD:
    return EGBAD(**{"epochs": 4, "batch_size": 8, "latent_dim": 4, "random_state": 5, **changes})


def test_a_single_model_is_what_it_was_before_there_were_members() -> None:
    det = brief().fit(X)
    assert (det.member_seeds_, det.stopped_, len(det.members_)) == ((5,), {}, 1)
    assert det.members_[0].nets is det.nets_
    assert not det.members_[0].reference
    np.testing.assert_array_equal(det.anomaly_score(X), det.member(0).anomaly_score(X))
    assert det.anomaly_score(X).max() > 1  # on its own scale, no rank


def test_seeds_of_members_differ_and_do_not_depend_on_how_many_there_are() -> None:
    three, five = seeds_of(11, 3), seeds_of(11, 5)
    assert three == five[:3]
    assert five[0] == 11
    assert len({*five, *seeds_of(12, 5)}) == 10
    det = brief(members=3).fit_untrained(X)
    assert [m.seed for m in det.members_] == list(seeds_of(det.seed_, 3))
    assert det.member_seeds_[0] == 5
    assert brief(members=2, random_state=None).fit_untrained(X).member_seeds_[0] is None


# ---- one that goes wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_nan_in_one_member_leaves_the_others_as_they_would_be_to_the_bit(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    det = small(name, "table").set_params(members=3, random_state=1, epochs=3)
    well = clone(det).fit(X)
    drawn = Detector._drawn

    def ill(self: Detector, seed: int) -> Any:
        nets = drawn(self, seed)
        if seed == well.members_[1].seed:
            for parameter in nets.parameters():
                parameter.data.fill_(torch.nan)
        return nets

    monkeypatch.setattr(Detector, "_drawn", ill)
    with pytest.warns(MemberStopped, match="member 1 of 3 is left out: the loss term .* became nan in epoch 1 of"):
        hurt = clone(det).fit(X)
    assert list(hurt.stopped_) == [1]
    assert [m.number for m in hurt.members_] == [0, 2]
    for number in (0, 2):
        mine, its = hurt.member(number), well.member(number)
        for key, value in mine.nets_.state_dict().items():
            assert torch.equal(value, its.nets_.state_dict()[key]), key
        np.testing.assert_array_equal(mine.anomaly_score(X), its.anomaly_score(X))
        assert mine.history_ == its.history_
    for entry, one, other in zip(hurt.history_, hurt.member(0).history_, hurt.member(2).history_, strict=True):
        for term in set(entry) - {"stage", "epoch"}:
            assert entry[term] == pytest.approx((one[term] + other[term]) / 2)


def spoil(monkeypatch: pytest.MonkeyPatch, *numbers: int) -> None:
    """Members whose weights are NaN from the start."""
    drawn = Detector._drawn

    def ill(self: Detector, seed: int) -> Any:
        nets = drawn(self, seed)
        if seed in [seeds_of(self.seed_, 10)[number] for number in numbers]:
            next(nets.parameters()).data.fill_(torch.nan)
        return nets

    monkeypatch.setattr(Detector, "_drawn", ill)


def test_where_all_members_stop_the_fit_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 0, 1)
    with pytest.raises(TrainingDiverged, match=r"the loss term .* became nan in epoch 1 of stage 'train': lower `lr`"):
        brief(members=2).fit(X)


def test_weights_that_are_no_numbers_stop_a_member_that_no_loss_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, 0)
    with pytest.warns(MemberStopped, match="member 0 of 3 is left out: weights became NaN or infinite"):
        det = brief(members=3).fit_untrained(X)
    assert det.nets_ is det.members_[0].nets
    assert [m.number for m in det.members_] == [1, 2]
    with pytest.raises(InvalidParameter, match="member 0 was left out: weights"):
        det.member(0)
    with pytest.raises(InvalidParameter, match="member 3: allowed are whole numbers from 0 to 2"):
        det.member(3)


def test_a_member_that_was_left_out_stays_so_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        spoil(patched, 1)
        with pytest.warns(MemberStopped):
            det = brief(members=2).fit(X)
    back = load(det.save(tmp_path / "model"))
    assert back.stopped_ == det.stopped_
    assert back.member_seeds_ == det.member_seeds_
    # One that is left is still ranked.
    np.testing.assert_array_equal(back.anomaly_score(X), det.anomaly_score(X))
    assert det.anomaly_score(X).max() < 1


# ---- the whole estimator ------------------------------------------------------------------------------------------


LONG = ("deepsvdd", "check_every_hyperparameter_is_read")


@pytest.mark.parametrize(
    ("name", "check"),
    [
        pytest.param(name, c, id=f"{name}-{c.__name__}", marks=[pytest.mark.full] * bool({name, c.__name__} & {*LONG}))
        for name in ("egbad", "deepsvdd")
        for c in CHECKS
    ],
)
def test_detectors_of_two_members_pass_the_checks(name: str, check: Any) -> None:
    check(small(name, "table").set_params(members=2), KINDS["table"][:24])


@pytest.mark.parametrize(
    ("name", "kind", "check"),
    [
        pytest.param(name, kind, c, id=f"{name}-{c.__name__}", marks=[pytest.mark.full] * (c.__name__ in LONG))
        for name, kind in (("egbad", "table"), ("ganomaly", "image"))
        for c in CHECKS
    ],
)
def test_detectors_trained_in_bfloat16_pass_the_checks(name: str, kind: str, check: Any) -> None:
    check(small(name, kind).set_params(precision="bfloat16"), KINDS[kind][:24])


@pytest.mark.parametrize("combine", COMBINATIONS)
def test_the_score_is_the_combination_and_the_cut_is_its_quantile(combine: str) -> None:
    det = brief(members=3, combine=combine, contamination=0.25).fit(X)
    each = [det.member(number).anomaly_score(X) for number in range(3)]
    np.testing.assert_array_equal(det.anomaly_score(X), COMBINATIONS[combine](each, [np.sort(e) for e in each]))
    assert (det.predict(X) == -1).sum() == 4
    mean = np.mean([det.member(number).parts(X)["residual"] for number in range(3)], axis=0)
    np.testing.assert_allclose(det.parts(X)["residual"], mean)
    parts, kinds = det.every_score(X)
    assert set(kinds) == set(det.scores)
    np.testing.assert_array_equal(kinds["fm"], det.anomaly_score(X))
    np.testing.assert_array_equal(parts["residual"], det.parts(X)["residual"])


def test_members_are_kept_with_the_model(tmp_path: Path) -> None:
    det = brief(members=3, combine="waic").fit(X)
    back = load(det.save(tmp_path / "model"))
    np.testing.assert_array_equal(back.anomaly_score(X), det.anomaly_score(X))
    np.testing.assert_array_equal(back.member(2).anomaly_score(X), det.member(2).anomaly_score(X))
    assert back.member(1).history_ == det.member(1).history_
    assert back.member_seeds_ == det.member_seeds_


def test_what_needs_one_model_takes_the_first_member_or_the_one_that_is_named() -> None:
    det = brief(members=2).fit(X)
    np.testing.assert_array_equal(det.sample(3, 0), det.member(0).sample(3, 0))
    assert not np.array_equal(det.sample(3, 0), det.member(1).sample(3, 0))
    np.testing.assert_array_equal(det.reconstruct(X), det.member(0).reconstruct(X))


def test_maps_are_the_mean_of_the_members() -> None:
    images = ROWS["image"]
    det = GAN(members=2, epochs=1, random_state=0).fit(images)
    mean = np.mean([row_maps(det.member(number), images)["gradient"] for number in range(2)], axis=0)
    np.testing.assert_allclose(row_maps(det, images)["gradient"], mean, rtol=1e-5)


def test_a_killed_fit_of_members_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> Detector:
        return small("deepsvdd", "table").set_params(members=2, random_state=3)

    whole = make().fit(X)
    steps = []

    def kill(self: Any, run: Any) -> None:
        steps.append(run.steps)
        keep(run)
        if len(steps) == 3:
            raise KeyboardInterrupt

    from ringfence import checkpoint

    watch = checkpoint.Keeper.watch

    def keep(run: Any) -> None:
        keepers[0].save(run, whole.seed_)

    keepers: list[Any] = []

    def watched(self: Any, seed: int) -> Any:
        keepers.append(self)
        return lambda run: kill(self, run)

    monkeypatch.setattr(checkpoint.Keeper, "watch", watched)
    with pytest.raises(KeyboardInterrupt):
        make().fit(X, checkpoint=tmp_path / "run")
    monkeypatch.setattr(checkpoint.Keeper, "watch", watch)
    again = make().fit(X, checkpoint=tmp_path / "run")
    np.testing.assert_array_equal(again.anomaly_score(X), whole.anomaly_score(X))
    assert again.member(1).history_ == whole.member(1).history_


def test_no_members_are_refused_in_one_line() -> None:
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(InvalidParameter, match=f"^members={wrong!r}: allowed are whole numbers ≥ 1$"):
            brief(members=wrong).fit(X)
    with pytest.raises(InvalidParameter, match="unknown combine 'ranks': did you mean 'rank'"):
        brief(combine="ranks").fit(X)


# ---- combinations -------------------------------------------------------------------------------------------------


def test_ranks_are_those_of_middles_with_the_mean_of_ties() -> None:
    reference = np.array([0.0, 1.0, 1.0, 3.0])
    # Places (j − ½)/4: ⅛, ⅜ and ⅝ with the mean ½, ⅞; linear between.
    assert rank(np.array([0.0, 1.0, 3.0]), reference).tolist() == [0.125, 0.5, 0.875]
    assert rank(np.array([0.5, 2.0]), reference).tolist() == [0.3125, 0.6875]
    # One width of 3 beyond either end: ¼ log 2.
    quarter = np.log(2.0) / 4
    assert rank(np.array([-3.0, 6.0]), reference) == pytest.approx([0.125 - quarter, 0.875 + quarter])


def test_scores_beyond_all_of_training_still_differ_in_order_and_units_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    reference = np.sort(rng.standard_normal(1000))
    scores = np.concatenate([-np.geomspace(1e9, 4, 50), np.linspace(-3, 3, 500), np.geomspace(4, 1e9, 50)])
    found = rank(scores, reference)
    assert (np.diff(found) > 0).all()
    np.testing.assert_allclose(rank(1e6 * scores + 3, 1e6 * reference + 3), found, rtol=1e-9)
    assert found.max() < 1.05  # no member outweighs the others
    assert (np.diff(rank(np.array([1.0, 2.0, 3.0]), np.full(4, 2.0))) > 0).all()


def test_waic_is_the_mean_plus_the_variance_of_standardised_scores() -> None:
    references = [np.array([-1.0, 1.0]), np.array([0.0, 20.0])]  # means 0 and 10, deviations 1 and 10
    found = waic([np.array([1.0, 3.0]), np.array([30.0, 40.0])], references)
    # z: (1, 2) → 1.5 + ¼; (3, 3) → 3 + 0. Members that disagree make a row more suspect, never less.
    assert found.tolist() == [1.75, 3.0]
    constant = waic([np.array([5.0])], [np.array([4.0, 4.0])])
    assert constant.tolist() == [1.0]


@pytest.mark.parametrize("combine", COMBINATIONS)
def test_a_combination_is_a_function_of_the_row_to_the_bit(combine: str) -> None:
    rng = np.random.default_rng(1)
    scores = [3 * rng.standard_normal(101) for _ in range(11)]
    references = [np.sort(rng.standard_normal(57)) for _ in range(11)]
    found = COMBINATIONS[combine](scores, references)
    alone = [COMBINATIONS[combine]([s[i : i + 1] for s in scores], references)[0] for i in range(101)]
    assert found.tolist() == alone


# ---- side by side -------------------------------------------------------------------------------------------------


def test_networks_side_by_side_part_again_into_views_of_them() -> None:
    det = small("mogaal", "table").fit_untrained(X)
    singles = [det._drawn(seed) for seed in (1, 2, 3)]
    stacked = side_by_side(singles)
    for number, single in enumerate(singles):
        assert differences(alone(stacked, number, 3), single) == 0
    view = alone(stacked, 1, 3)
    next(view.parameters()).data.fill_(7.0)
    assert float((alone(stacked, 1, 3).state_dict().popitem(last=False)[1] - 7).abs().max()) == 0
    assert differences(alone(stacked, 0, 3), singles[0]) == 0


def test_a_statistic_has_one_for_each_member() -> None:
    stacked = side_by_side([Statistic(mean=torch.tensor(float(i))) for i in range(3)])
    assert stacked.mean.tolist() == [0, 1, 2]
    parted: Tensor = alone(stacked, 2, 3).mean
    parted.fill_(9.0)
    assert stacked.mean.tolist() == [0, 1, 9]


def test_histories_are_joined_by_the_members_that_have_the_epoch() -> None:
    entries = [[{"stage": "s", "epoch": e, "a.x": v} for e, v in enumerate(values)] for values in ([1.0, 2.0], [3.0])]
    assert joined(entries) == [{"stage": "s", "epoch": 0, "a.x": 2.0}, {"stage": "s", "epoch": 1, "a.x": 2.0}]
