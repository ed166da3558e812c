"""The detector as an estimator: scikit-learn's contract, what it takes, what it refuses, and what it gives back."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from ringfence import (
    EGBAD,
    GAN,
    AnoGAN,
    AutoEncoder,
    FenceGAN,
    methods,
)
from ringfence.detector import Detector
from ringfence.distances import DISTANCES
from ringfence.exceptions import InvalidData, InvalidParameter, TrainingDiverged
from ringfence.game import Player
from ringfence.losses import Wasserstein
from ringfence.preprocess import ConstantColumns
from ringfence.presets import names

X = np.random.default_rng(0).normal(size=(40, 5))
IMAGES = load_digits().images[:20]
QUICK = {"epochs": 2, "random_state": 0}
SEARCH = {"steps": 3, "search_rates": (0.1,), "search_until": (), "restarts": 1}
SMALLER: dict[str, dict[str, Any]] = {"anogan": SEARCH, "adgan": {"steps": 2, "starts": 2}}
ALL = [cls(**QUICK, **SMALLER.get(name, {})) for name, cls in methods().items()]
# Rows have no latent vector there.
UNCODED = {
    "adgan", "badgan", "deepsvdd", "dsebm", "fencegan", "gan", "goodbadgan", "lad", "minlgan", "mogaal", "skipganomaly",
    "sogaal",
}  # fmt: skip
REMADE = {"adgan", "dsebm", "skipganomaly"}  # without a latent vector of the row
# Of the part `residual`, where a method has another one than l1 and no say in it.
OWN_DISTANCES = {"alocc": "l2_squared", "fanogan": "mean_squared", "gpnd": "l2", "ocgan": "mean_squared"}


@pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")
@parametrize_with_checks(ALL)
def test_scikit_learns_own_checks(estimator: Detector, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("det", ALL, ids=lambda d: d.name)
def test_a_clone_learns_the_same_and_shares_nothing(det: Detector) -> None:
    one = clone(det).fit(X)
    two = clone(one)
    with pytest.raises(NotFittedError):
        two.anomaly_score(X)
    assert np.array_equal(two.fit(X).anomaly_score(X), one.anomaly_score(X))
    two.fit(X + 5)
    assert np.array_equal(one.anomaly_score(X), clone(det).fit(X).anomaly_score(X))


def test_a_pipeline_scores_what_the_detector_scores() -> None:
    pipeline = make_pipeline(StandardScaler(), EGBAD(**QUICK)).fit(X)
    scaled = StandardScaler().fit_transform(X)
    alone = EGBAD(**QUICK).fit(scaled)
    assert np.array_equal(pipeline.predict(X), alone.predict(scaled))
    assert np.array_equal(pipeline.score_samples(X), alone.score_samples(scaled))
    assert set(pipeline.fit(X).predict(X)) <= {-1, 1}


def test_a_grid_search_over_epochs() -> None:
    def separation(det: Detector, rows: np.ndarray, y: Any = None) -> float:
        return float(det.anomaly_score(rows + 10).mean() - det.anomaly_score(rows).mean())

    search = GridSearchCV(EGBAD(**QUICK), {"epochs": [1, 3]}, scoring=separation, cv=2).fit(X)
    assert search.best_params_["epochs"] in (1, 3)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] != scores[1]


def test_parameters_of_an_adversary_are_reached_through_its_detector() -> None:
    det = GAN(**QUICK, adversary=Wasserstein(penalty=10.0))
    assert det.get_params()["adversary__penalty"] == 10
    one = clone(det).fit(X).anomaly_score(X)
    det.set_params(adversary__penalty=0.1)
    assert det.adversary.penalty == 0.1
    assert clone(det).adversary.penalty == 0.1
    assert not np.array_equal(det.fit(X).anomaly_score(X), one)


def test_fit_predict_is_fit_and_predict() -> None:
    assert np.array_equal(GAN(**QUICK).fit_predict(X), GAN(**QUICK).fit(X).predict(X))


# ---- kinds of rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("det", ALL, ids=lambda d: d.name)
def test_a_data_frame_is_fitted_and_scored_by_its_columns_without_a_word(det: Detector) -> None:
    frame = pd.DataFrame(X, columns=list("abcde"))
    # Warnings are errors here: not even the cut, which scores the training rows, may complain of missing names.
    fitted = clone(det).fit(frame)
    assert list(fitted.feature_names_in_) == list("abcde")
    assert np.array_equal(fitted.anomaly_score(frame), clone(det).fit(X).anomaly_score(X))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.anomaly_score(X)
    with pytest.raises(ValueError, match="feature names"):
        fitted.anomaly_score(frame[list("edcba")])
    if hasattr(fitted, "encode"):
        fitted.encode(frame)
        fitted.reconstruct(frame)


@pytest.mark.parametrize("det", ALL, ids=lambda d: d.name)
def test_images_with_and_without_a_channel_axis_score_alike(det: Detector) -> None:
    plain, channel = clone(det).fit(IMAGES), clone(det).fit(IMAGES[:, None])
    assert np.array_equal(plain.anomaly_score(IMAGES), channel.anomaly_score(IMAGES[:, None]))
    if hasattr(det, "sample"):
        assert plain.sample(2, random_state=0).shape == (2, 8, 8)
        assert channel.sample(2, random_state=0).shape == (2, 1, 8, 8)
    assert plain.n_features_in_ == channel.n_features_in_ == 64


def test_colour_images_of_odd_sides() -> None:
    rows = np.random.default_rng(0).integers(0, 256, (6, 3, 9, 13), dtype=np.uint8)
    det = EGBAD(**QUICK).fit(rows)
    assert det.reconstruct(rows).shape == rows.shape
    assert np.array_equal(det.anomaly_score(rows), EGBAD(**QUICK).fit(rows.astype(float)).anomaly_score(rows))


def test_lists_and_integers_are_rows_too() -> None:
    whole = np.random.default_rng(0).integers(0, 9, (20, 3))
    expected = GAN(**QUICK).fit(whole.astype(float)).anomaly_score(whole.astype(float))
    assert np.array_equal(GAN(**QUICK).fit(whole).anomaly_score(whole), expected)
    assert np.array_equal(GAN(**QUICK).fit(whole.tolist()).anomaly_score(whole.tolist()), expected)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.where(np.eye(40, 5) == 1, np.inf, X), "infinity"),
        (X[:1], "1 sample"),
        (X[0], "1D array"),
        (IMAGES[:, :7, :7], "at least 8 pixels, got 7×7"),
        (np.where(np.eye(8) == 1, np.nan, IMAGES), "NaN"),
        (IMAGES[:1], "1 sample"),
        (np.zeros((3, 1, 1, 8, 8)), r"rows of shape \(1, 1, 8, 8\)"),
        (pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["1", "y", "3"]}), "row 2, column 'b' is 'y'"),
        (X * 1e200, "too large to scale"),
    ],
    ids=["inf", "one row", "flat", "small", "nan image", "one image", "five axes", "text", "large"],
)
def test_rows_that_can_not_be_learned_from_are_refused(rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GAN(**QUICK).fit(rows)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_can_not_be_scored_are_refused(bad: float) -> None:
    det, other = GAN(**QUICK).fit(X), X.copy()
    other[3, 2] = bad
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        det.predict(other)


def test_rows_of_another_shape_are_refused_in_one_line() -> None:
    table, images = GAN(**QUICK).fit(X), GAN(**QUICK).fit(IMAGES)
    for det, rows in ((images, IMAGES[:, None]), (images, X), (table, IMAGES), (images, np.zeros((3, 9, 9)))):
        with pytest.raises(InvalidData, match="but GAN was fitted with") as caught:
            det.anomaly_score(rows)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="X has 4 features, but GAN is expecting 5"):
        table.anomaly_score(X[:, :4])


def test_one_row_can_be_scored_and_a_row_far_out_is_finite() -> None:
    det = EGBAD(**QUICK).fit(X)
    assert det.anomaly_score(X[:1]).shape == (1,)
    assert np.isfinite(det.anomaly_score(X[:2] * 1e300)).all()


def test_columns_of_one_value_are_named_once() -> None:
    rows = X.copy()
    rows[:, [1, 3]] = 7
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        GAN(**QUICK).fit(rows).anomaly_score(rows)
    told = [w for w in caught if issubclass(w.category, ConstantColumns)]
    assert len(told) == 1
    assert "1, 3" in str(told[0].message)


# ---- the cut ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "flagged"), [(0.0, 0), (0.1, 4), (0.5, 20), ("auto", 2)])
def test_the_share_of_training_rows_beyond_the_cut(share: Any, flagged: int) -> None:
    det = EGBAD(**QUICK, contamination=share).fit(X)
    assert (det.predict(X) == -1).sum() == flagged
    assert det.threshold_ == -det.offset_
    assert (det.decision_function(X) < 0).sum() == flagged


def test_calibration_rows_are_kept_out_of_training_and_make_the_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[bytes] = set()
    loss = EGBAD.discriminator_loss

    def note(self: EGBAD, nets: Any, batch: Any) -> Any:
        seen.update(row.numpy().tobytes() for row in batch.x)
        return loss(self, nets, batch)

    monkeypatch.setattr(EGBAD, "discriminator_loss", note)
    det = EGBAD(**QUICK, calibration=0.25, contamination=0.2).fit(X)
    trained = np.array([row.numpy().tobytes() in seen for row in det.preprocess_.tensor(X)])
    assert trained.sum() == 30
    # ⌊.2 · 10⌋ of the rows that were kept out, and nothing else, lie beyond.
    assert (det.predict(X[~trained]) == -1).sum() == 2
    # Not even the scaling saw them.
    np.testing.assert_allclose(det.preprocess_.shift, X[trained].mean(0))
    # Half a row is a whole one: ⌈.01 · 40⌉ = 1.
    seen.clear()
    EGBAD(**QUICK, calibration=0.01).fit(X)
    assert len(seen) == 39


def test_too_much_calibration_is_refused() -> None:
    with pytest.raises(InvalidData, match=r"calibration=0.99 leaves 0 of 40 rows to train on"):
        GAN(**QUICK, calibration=0.99).fit(X)


def test_the_cut_is_measured_on_a_choice_where_there_are_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EGBAD, "cut_rows", 10)
    det = EGBAD(**QUICK, contamination=0.0).fit(X)
    beyond = (det.predict(X) == -1).sum()
    # The cut is the highest score of ten of the forty rows: some of the others lie above it, none of those ten.
    assert 0 < beyond <= 30
    assert np.sum(det.anomaly_score(X) == det.threshold_) == 1


# ---- the GAN itself -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("det", [d for d in ALL if hasattr(d, "sample")], ids=lambda d: d.name)
def test_samples_have_the_shape_of_the_rows_and_follow_their_seed(det: Detector) -> None:
    fitted = clone(det).fit(X)
    one = fitted.sample(7, random_state=1)
    assert one.shape == (7, 5)
    assert one.dtype == np.float64
    assert np.array_equal(one, fitted.sample(7, random_state=1))
    assert not np.array_equal(one, fitted.sample(7, random_state=2))
    assert len(np.unique(one, axis=0)) == 7
    assert np.array_equal(one, fitted.sample(7, np.random.RandomState(1)))


def test_a_method_whose_codes_follow_no_prior_has_no_samples() -> None:
    det = AutoEncoder(**QUICK).fit(X)
    assert det.unused == ("prior",)
    assert not hasattr(det, "sample")
    with pytest.raises(AttributeError, match="sample"):
        det.sample(2)
    assert hasattr(GAN(**QUICK), "sample")


def test_samples_are_in_the_units_of_the_rows() -> None:
    # Columns about 1000 and about -5, with spreads 10 and .1: an untrained generator's rows lie there too.
    rows = np.random.default_rng(0).normal([1000, -5], [10, 0.1], (50, 2))
    made = GAN(**QUICK).fit(rows).sample(300, random_state=0)
    assert np.abs(made.mean(0) - [1000, -5]) == pytest.approx([0, 0], abs=30)
    assert 900 < made[:, 0].min() < made[:, 0].max() < 1100
    assert -6 < made[:, 1].min() < made[:, 1].max() < -4


@pytest.mark.parametrize("n", [0, -1, 2.5, "3", None, True])
def test_so_few_samples_can_not_be_made(n: int) -> None:
    with pytest.raises(InvalidParameter, match=f"n={n!r}: allowed are whole numbers ≥ 1"):
        GAN(**QUICK).fit(X).sample(n)


@pytest.mark.parametrize("det", ALL, ids=lambda d: d.name)
def test_codes_and_reconstructions_exist_where_the_method_has_them(det: Detector) -> None:
    fitted = clone(det).set_params(latent_dim=4).fit(X)
    coded = det.name not in UNCODED
    assert hasattr(fitted, "encode") == coded
    assert hasattr(fitted, "reconstruct") == (coded or det.name in REMADE)
    if coded:
        assert fitted.encode(X).shape == (40, 4)
        assert fitted.reconstruct(X).shape == X.shape
        apart = torch.from_numpy((fitted.reconstruct(X) - X) / X.std(0))
        residual = DISTANCES[getattr(det, "distance", OWN_DISTANCES.get(det.name, "l1"))](
            apart, torch.zeros_like(apart)
        )
        np.testing.assert_allclose(residual, fitted.parts(X)["residual"], rtol=1e-4)


@pytest.mark.parametrize("det", ALL, ids=lambda d: d.name)
def test_nothing_is_given_before_a_fit(det: Detector) -> None:
    names = ("anomaly_score", "score_samples", "decision_function", "predict", "parts", "encode", "reconstruct")
    for name in (n for n in names if hasattr(det, n)):
        with pytest.raises(NotFittedError):
            getattr(det, name)(X)
    if hasattr(det, "sample"):
        with pytest.raises(NotFittedError):
            det.sample(2)


def test_untrained_has_a_cut_and_no_history() -> None:
    det = EGBAD(**QUICK).fit_untrained(X)
    assert det.history_ == []
    assert (det.predict(X) == -1).sum() == 2
    other = EGBAD(**QUICK).fit(X)
    assert not np.array_equal(det.anomaly_score(X), other.anomaly_score(X))


def test_one_fit_gives_every_published_score() -> None:
    det = EGBAD(**QUICK).fit(X)
    parts = det.parts(X)
    for kind, weights in EGBAD.scores.items():
        found = det.set_params(score_kind=kind).anomaly_score(X)
        np.testing.assert_allclose(found, sum(w * parts[p] for p, w in weights.items()), rtol=1e-12)


def test_auto_epochs_make_so_many_steps_and_at_least_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringfence.detector.AUTO_STEPS", 21)
    # 40 rows in batches of 8 are 5 steps: 5 passes make 25.
    det = GAN(epochs="auto", batch_size=8, random_state=0).fit(X)
    assert (det.n_iter_, len(det.history_)) == (5, 5)
    monkeypatch.setattr("ringfence.detector.AUTO_STEPS", 1)
    assert GAN(epochs="auto", batch_size=2, random_state=0).fit(X).n_iter_ == 1


# ---- hyperparameters ----------------------------------------------------------------------------------------------

BAD = [
    (GAN, "epochs", 0, "whole numbers ≥ 1, or 'auto'"),
    (GAN, "epochs", 1.5, "whole numbers ≥ 1"),
    (GAN, "epochs", "all", "or 'auto'"),
    (GAN, "epochs", None, "whole numbers"),
    (GAN, "epochs", True, "whole numbers"),
    (GAN, "batch_size", 1, "whole numbers ≥ 2"),
    (GAN, "lr", 0, "numbers > 0"),
    (GAN, "lr", -1e-3, "numbers > 0"),
    (GAN, "lr", float("nan"), "numbers > 0"),
    (GAN, "lr", float("inf"), "numbers > 0"),
    (GAN, "lr", "fast", "numbers > 0"),
    (GAN, "beta1", 1.0, "numbers ≥ 0 and < 1"),
    (GAN, "beta2", 1.0, "numbers ≥ 0 and < 1"),
    (GAN, "latent_dim", 0, "whole numbers ≥ 1"),
    (GAN, "ema", 1.0, "numbers ≥ 0 and < 1"),
    (GAN, "ema", -0.1, "numbers ≥ 0 and < 1"),
    (GAN, "contamination", 0.9, "'auto' and numbers from 0 to 0.5"),
    (GAN, "contamination", None, "'auto' and numbers from 0 to 0.5"),
    (GAN, "calibration", 1, "numbers ≥ 0 and < 1"),
    (GAN, "calibration", 1.0, "numbers ≥ 0 and < 1"),
    (FenceGAN, "alpha", 0.0, "numbers > 0 and < 1"),
    (FenceGAN, "alpha", 1.0, "numbers > 0 and < 1"),
    (FenceGAN, "beta", -1, "numbers ≥ 0"),
    (FenceGAN, "gamma", 0, "numbers > 0 and ≤ 1"),
    (FenceGAN, "gamma", 1.01, "numbers > 0 and ≤ 1"),
    (FenceGAN, "clamp", 0, "numbers > 0 and < 1"),
    (FenceGAN, "pretrain_epochs", -1, "whole numbers ≥ 0"),
    (FenceGAN, "decay", -1, "numbers ≥ 0"),
    (FenceGAN, "discriminator_lr", 0, "numbers > 0, or None"),
    (FenceGAN, "discriminator_weight_decay", -1, "numbers ≥ 0"),
    (AnoGAN, "steps", 0, "whole numbers ≥ 1"),
    (AnoGAN, "restarts", 0, "whole numbers ≥ 1"),
    (AnoGAN, "search_rates", (0.1, 0.0, 0.1), "numbers > 0"),
    (AnoGAN, "search_until", (5,), "2 rising steps for 3 rates"),
    (AnoGAN, "search_until", (9, 5), "2 rising steps for 3 rates"),
    (AnoGAN, "search_rates", 5, "lists of 1 or more numbers > 0"),
    (AnoGAN, "search_rates", "fast", "lists of 1 or more numbers > 0"),
    (AnoGAN, "search_until", 5, "lists of any number of whole numbers ≥ 0"),
    (AnoGAN, "search_until", (10, None), "whole numbers ≥ 0"),
    (AnoGAN, "stop", 0, "numbers > 0 and < 1, or None"),
    (AnoGAN, "stop", 1, "numbers > 0 and < 1, or None"),
    (AnoGAN, "encoder_epochs", 0, "whole numbers ≥ 1, or None"),
    (GAN, "ema_warmup", "false", "True and False"),
    (GAN, "ema_warmup", 0, "True and False"),
    (EGBAD, "own_rows", "false", "True and False"),
    (FenceGAN, "apart", None, "True and False"),
    (GAN, "random_state", "abc", "whole numbers from 0 to 2³² − 1"),
    (GAN, "random_state", -1, "whole numbers from 0"),
    (GAN, "random_state", 2**32, "whole numbers from 0"),
    (GAN, "layers", 5, "None, or a mapping"),
    (GAN, "layers", {"generator": 5}, "None, or a mapping"),
    (GAN, "layers", {"generator": [5]}, "None, or a mapping"),
    (EGBAD, "layers", {"discriminator": {"x": 5}}, "None, or a mapping"),
    (GAN, "verbose", "x", "whole numbers ≥ 0, or True and False"),
]
MISSPELT = [
    (GAN, "prior", "norml", "normal"),
    (GAN, "scale", "standart", "standard"),
    (GAN, "init", "xavierr", "xavier"),
    (GAN, "device", "cpuu", "cpu"),
    (GAN, "precision", "bfloat61", "bfloat16"),
    (GAN, "adversary", "wasserstien", "wasserstein"),
    (EGBAD, "adversary", "wasserstien", "wasserstein"),
    (AnoGAN, "adversary", "wasserstien", "wasserstein"),
    (AnoGAN, "start", "encodr", "encoder"),
    (AnoGAN, "z_optimiser", "lbgfs", "lbfgs"),
    (EGBAD, "score_kind", "fmm", "fm"),
    (FenceGAN, "encirclement", "logdistance", "log_distance"),
    (FenceGAN, "dispersion", "l22", "l2"),
    (FenceGAN, "discriminator_optimiser", "adamm", "adam"),
]


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No player may move."""

    def moved(*args: Any) -> None:
        raise AssertionError("training had started")

    monkeypatch.setattr("torch.autograd.backward", moved)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("cls", "name", "value", "allowed"), BAD, ids=[f"{n}={v!r}" for _, n, v, _ in BAD])
def test_a_bad_value_is_refused_before_training_in_one_line(cls: Any, name: str, value: Any, allowed: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        cls(**{"epochs": 1, name: value}).fit(X)
    message = str(caught.value)
    assert message.startswith(f"{name}={value!r}: allowed are ")
    assert allowed in message
    assert "\n" not in message


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("cls", "name", "value", "near"), MISSPELT, ids=[f"{c.name}-{n}" for c, n, _, _ in MISSPELT])
def test_a_misspelt_name_is_refused_with_the_nearest(cls: Any, name: str, value: str, near: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        cls(**{"epochs": 1, name: value}).fit(X)
    assert str(caught.value).startswith(f"unknown {name} '{value}': did you mean '{near}'? Known: ")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("untouched")
def test_layer_tables_for_networks_that_are_not_there_are_refused() -> None:
    with pytest.raises(InvalidParameter, match="layers: unknown network 'generater': did you mean 'generator'"):
        GAN(**QUICK, layers={"generater": []}).fit(X)
    with pytest.raises(InvalidParameter, match="penalty=-1: allowed are numbers ≥ 0"):
        GAN(**QUICK, adversary=Wasserstein(penalty=-1)).fit(X)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("cls", "name"), [(GAN, "adversary"), (EGBAD, "score_kind"), (GAN, "scale")])
def test_a_list_is_no_name(cls: Any, name: str) -> None:
    with pytest.raises(InvalidParameter, match=rf"unknown {name} '\[1\]'; known: "):
        cls(**{name: [1]}).fit(X)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"op": "dense", "units": "x"}, "units='x': allowed are whole numbers ≥ 1, or lists"),
        ({"op": "dense", "units": -4}, "units=-4"),
        ({"op": "dense", "units": [4, None]}, "units=\\[4, None\\]"),
        ({"op": ["dense"], "units": 4}, "op=\\['dense'\\]"),
        ({"op": "dense", "units": 5, "dropout": "x"}, "dropout='x'"),
        ({"op": "dense", "units": 5, "bias": "false"}, "bias='false': allowed are True and False"),
    ],
)
def test_a_layer_that_can_not_be_made_is_named(row: dict[str, Any], said: str) -> None:
    good = {"op": "dense", "units": 5}
    with pytest.raises(InvalidParameter, match=f"^layers: generator, row 2: {said}"):
        GAN(**QUICK, layers={"generator": [good, row]}).fit(X)
    with pytest.raises(InvalidParameter, match=f"^layers: discriminator, row 1: {said}"):
        EGBAD(**QUICK, layers={"discriminator": {"joint": [row]}}).fit(X)


def test_every_preset_is_within_the_limits() -> None:
    for name, cls in methods().items():
        for preset, variants in names(name).items():
            for variant in variants:
                cls.preset(preset, variant).check()


def test_every_hyperparameter_has_its_limits() -> None:
    for name, cls in methods().items():
        # Two are checked with what a class alone knows, or stands elsewhere.
        assert {*cls.limits, "contamination", "score_kind"} == set(cls().get_params(deep=False)), name


def test_what_another_library_finds_wrong_with_rows_is_ours_to_catch() -> None:
    for rows in (X[:1], np.where(np.eye(40, 5) == 1, np.inf, X), X[0], IMAGES[:1]):
        with pytest.raises(InvalidData):
            GAN(**QUICK).fit(rows)


def test_a_fit_that_diverges_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingDiverged, match="became nan in epoch 1") as caught:
        EGBAD(epochs=1, lr=1e30, random_state=0).fit(X)
    assert "\n" not in str(caught.value)

    # The very last move spoils the weights: no loss saw it, the scores do.
    def spoil(nets: Any) -> None:
        for p in nets.parameters():
            p.data.fill_(float("nan"))

    stages = GAN.stages

    def spoilt(self: GAN) -> Any:
        (stage,) = stages(self)
        judge, fool = stage.players
        return [type(stage)((judge, Player(**{**vars(fool), "after": spoil})))]

    monkeypatch.setattr(GAN, "stages", spoilt)
    with pytest.raises(TrainingDiverged, match="scores became NaN"):
        GAN(epochs=1, random_state=0).fit(X)


def test_a_random_state_object_moves_on() -> None:
    rng = np.random.RandomState(0)
    one, two = GAN(epochs=1, random_state=rng).fit(X), GAN(epochs=1, random_state=rng).fit(X)
    assert one.seed_ != two.seed_
    assert one.seed_ == GAN(epochs=1, random_state=0).fit(X).seed_
