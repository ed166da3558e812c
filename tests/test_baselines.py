"""The baselines: one scale, one direction, a cut from training rows; strong enough to be worth beating."""

import numpy as np
import pytest

from ringfence.benchmark import baselines
from ringfence.benchmark.baselines import (
    BASELINES,
    LOFBaseline,
    MeanDistanceBaseline,
    NearestNeighbourBaseline,
    OneClassSVMBaseline,
    PCABaseline,
)
from ringfence.data import load_digits
from ringfence.exceptions import InvalidData
from ringfence.metrics import evaluate
from ringfence.protocol import kdd99_halves, leave_one_out

EVERY = pytest.mark.parametrize("name", sorted(BASELINES))


@pytest.fixture(scope="module")
def cloud() -> np.ndarray:
    """300 rows near a plane in 6 dimensions, each column in its own unit."""
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(300, 2)) @ rng.normal(size=(2, 6)) + 0.1 * rng.normal(size=(300, 6))
    return flat * 10.0 ** np.arange(-2, 4) + 5


@EVERY
def test_rows_far_from_training_score_higher(name, cloud):
    fitted = BASELINES[name].fit(cloud, seed=0)
    far = cloud.mean(axis=0) + 8 * cloud.std(axis=0) * np.array([1, -1, 1, -1, 1, -1])
    scores = fitted.anomaly_score(np.vstack((cloud, far)))
    assert scores.shape == (301,)
    assert scores.dtype == np.float64
    assert scores[-1] > max(np.quantile(scores[:-1], 0.99), fitted.threshold)


@EVERY
def test_one_training_row_in_twenty_is_cut_off(name, cloud):
    fitted = BASELINES[name].fit(cloud, seed=0)
    fresh = np.vstack((cloud[:150] + 1e-3 * cloud.std(axis=0), cloud[150:]))
    # Neighbour methods know training rows by heart, so only an upper limit holds for them.
    assert (fitted.anomaly_score(fresh) > fitted.threshold).mean() <= 0.07


@pytest.mark.parametrize("name", ["isolation_forest", "mean_distance", "pca"])
def test_the_cut_is_the_95_percent_quantile_of_training_scores(name, cloud):
    fitted = BASELINES[name].fit(cloud, seed=0)
    # Of 300 sorted scores it lies at position .95 · 299 = 284.05: those numbered 285 to 299 are above, 15.
    assert (fitted.anomaly_score(cloud) > fitted.threshold).sum() == 15


@EVERY
def test_units_do_not_matter(name, cloud):
    a = BASELINES[name].fit(cloud, seed=0)
    factor = np.array([1, 1000, 1, 1e-6, 1, 64.0])
    b = BASELINES[name].fit(cloud * factor - 3, seed=0)
    probe = cloud[::7] * 1.3
    assert np.allclose(a.anomaly_score(probe), b.anomaly_score(probe * factor - 3), rtol=1e-5, atol=1e-6)


@EVERY
def test_the_seed_gives_the_same_scores_again_and_input_stays_as_it_is(name, cloud):
    before = cloud.copy()
    a, b = (BASELINES[name].fit(cloud, seed=3) for _ in range(2))
    assert np.array_equal(a.anomaly_score(cloud), b.anomaly_score(cloud))
    assert a.threshold == b.threshold
    assert np.array_equal(cloud, before)


@EVERY
def test_chunks_do_not_change_scores(name, cloud, monkeypatch):
    fitted = BASELINES[name].fit(cloud, seed=0)
    whole = fitted.anomaly_score(cloud * 1.1)
    monkeypatch.setattr(baselines, "_CHUNK", 7)
    assert np.allclose(fitted.anomaly_score(cloud * 1.1), whole, rtol=1e-9, atol=1e-12)
    assert fitted.anomaly_score(cloud[:0]).shape == (0,)


@EVERY
def test_constant_columns_and_few_rows_are_no_trouble(name):
    rows = np.column_stack((np.arange(5.0), np.full(5, 0.1)))
    fitted = BASELINES[name].fit(rows, seed=0)
    scores = fitted.anomaly_score(np.vstack((rows, [[2.0, 50.0], [40.0, 0.1]])))
    assert np.isfinite(scores).all()
    assert np.isfinite(fitted.threshold)


@EVERY
def test_unusable_rows_are_refused(name, cloud):
    baseline = BASELINES[name]
    with pytest.raises(InvalidData, match="at least 2"):
        baseline.fit(cloud[:1], seed=0)
    with pytest.raises(InvalidData, match="shape"):
        baseline.fit(cloud[0], seed=0)
    with pytest.raises(InvalidData, match="NaN"):
        baseline.fit(np.where(cloud == cloud[3, 2], np.nan, cloud), seed=0)
    with pytest.raises(InvalidData, match=r"5 values a row.*trained on 6"):
        baseline.fit(cloud, seed=0).anomaly_score(cloud[:, :5])


# ---- by hand


def test_mean_distance_by_hand():
    # Columns 0, 2 and 0, 4: mean (1, 2), std (1, 2). (4, 10) is (3, 4) of them away: 5.
    fitted = MeanDistanceBaseline().fit(np.array([[0.0, 0], [2, 4]]), seed=0)
    assert fitted.anomaly_score(np.array([[4.0, 10], [1, 2]])).tolist() == [5, 0]
    assert fitted.threshold == pytest.approx(np.sqrt(2))


def test_a_constant_column_is_centred_only():
    # The second column is always 7: mean 7, divided by 1, so 10 is 3 away.
    fitted = MeanDistanceBaseline().fit(np.array([[0.0, 7], [2, 7]]), seed=0)
    assert fitted.anomaly_score(np.array([[1.0, 10]])).tolist() == [3]


def test_images_share_one_scale():
    # Pixel means (1, 5), centred values ±1 and ±2: one spread for both, sqrt((1 + 1 + 4 + 4) / 4) =
    # sqrt(2.5).
    images = np.array([[[0.0, 3]], [[2, 7]]])
    fitted = MeanDistanceBaseline().fit(images, seed=0)
    assert fitted.anomaly_score(np.array([[[4.0, 9]]])).tolist() == pytest.approx([5 / np.sqrt(2.5)])


def test_nearest_neighbour_by_hand():
    rows = np.array([[0.0], [1], [3], [10]])
    std = rows.std()
    fitted = NearestNeighbourBaseline().fit(rows, seed=0)
    assert fitted.anomaly_score(rows).tolist() == [0, 0, 0, 0]
    assert fitted.anomaly_score(np.array([[2.5], [12]])) == pytest.approx([0.5 / std, 2 / std])
    # To the nearest *other* row it is 1, 1, 2, 7; the .95 quantile lies at position 2.85: 2 + .85 · 5 = 6.25.
    assert fitted.threshold == pytest.approx(6.25 / std)


def test_nearest_neighbour_is_exact_far_from_the_origin():
    # Rows 1e6 spreads away: expanding |a - b|² in floating point would lose the distance of 1e-3 altogether.
    rng = np.random.default_rng(0)
    rows = np.vstack((rng.normal(size=(200, 20)) * 1e-3, np.full((1, 20), 1e3)))
    fitted = NearestNeighbourBaseline().fit(rows, seed=0)
    assert fitted.anomaly_score(rows).max() == 0


def test_pca_scores_what_the_components_leave(cloud):
    # 16 components would explain 3 columns wholly; min(n, d) - 1 = 2 leave one direction, here the third
    # column's
    # noise: on the plane of the two others nothing is left.
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 400))
    rows = np.column_stack((a, b, (a + b) / np.sqrt(2)))
    fitted = PCABaseline().fit(rows, seed=0)
    on, off = np.array([[3.0, -2, 1 / np.sqrt(2)]]), np.array([[3.0, -2, -3]])
    assert fitted.anomaly_score(on)[0] == pytest.approx(0, abs=1e-3)
    assert fitted.anomaly_score(off)[0] > 1


@pytest.mark.parametrize("baseline", [LOFBaseline, NearestNeighbourBaseline, OneClassSVMBaseline])
def test_at_most_max_rows_are_kept_and_the_seed_draws_them(baseline, cloud):
    few = baseline(max_rows=40)
    probe = cloud * 1.2
    same, other = few.fit(cloud, seed=0), few.fit(cloud, seed=1)
    assert np.array_equal(few.fit(cloud, seed=0).anomaly_score(probe), same.anomaly_score(probe))
    assert not np.array_equal(same.anomaly_score(probe), other.anomaly_score(probe))
    assert baseline().max_rows == 10_000


def test_no_more_than_max_rows_score_zero(cloud):
    fitted = NearestNeighbourBaseline(max_rows=40).fit(cloud, seed=0)
    assert (fitted.anomaly_score(cloud) == 0).sum() == 40


# ---- real rows


def test_digits_are_hard_for_the_mean_and_easy_for_neighbours():
    images, labels = load_digits()

    def auroc(name: str) -> float:
        found = []
        for digit in range(10):
            split = leave_one_out(labels, digit, seed=0)
            fitted = BASELINES[name].fit(images[split.train], seed=0)
            scores = fitted.anomaly_score(images[split.test])
            found.append(evaluate(scores, split.anomaly, fitted.threshold)["auroc"])
        return float(np.mean(found))

    # Measured: .989, .836 and .628.
    assert auroc("nearest_neighbour") > 0.98
    assert 0.80 < auroc("pca") < 0.88
    assert auroc("mean_distance") < 0.70


def test_kdd99_is_nearly_solved_by_an_isolation_forest(kdd99):
    split = kdd99_halves(kdd99.normal_connection, seed=42)
    fitted = BASELINES["isolation_forest"].fit(kdd99.x[split.train], seed=0)
    found = evaluate(fitted.anomaly_score(kdd99.x[split.test]), split.anomaly, fitted.threshold)
    # Measured: .989.
    assert found["auroc"] > 0.98
