"""Frames of numbers, words, dates, booleans and gaps: fitted, saved, loaded and scored as they are."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ringfence import ADGAN, EGBAD, GAN, GPND, MOGAAL, OCGAN, AnoGAN, FenceGAN, load
from ringfence.columns import UnseenValues
from ringfence.detector import Detector
from ringfence.distances import residual
from ringfence.exceptions import InvalidData
from ringfence.frame import Frame, as_frame
from ringfence.intake import ColumnsLeftOut

N = 120
METHODS: tuple[type[Detector], ...] = (GAN, FenceGAN, EGBAD, AnoGAN, ADGAN, GPND, MOGAAL, OCGAN)
LIBRARIES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "ringfence": Frame,
}


def mixed(n: int = N, seed: int = 0) -> pd.DataFrame:
    """Rows in which colour follows size; some gaps."""
    rng = np.random.default_rng(seed)
    size = rng.normal(50, 10, n)
    frame = pd.DataFrame(
        {
            "size": size,
            "weight": 2 * size + rng.normal(size=n),
            "colour": np.where(size > 50, "red", "blue").astype(object),
            "when": pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 24 * 30, n), unit="h"),
            "on": size > 45,
        }
    )
    frame.loc[::11, "weight"] = np.nan
    frame.loc[::13, "colour"] = None
    return frame


def quick(cls: type[Detector], **changes: Any) -> Detector:
    search = {"steps": 5, "search_until": (2, 4)} if cls is AnoGAN else {}
    return cls(**{"epochs": 3, "random_state": 0, **search, **changes})


@pytest.mark.parametrize("cls", METHODS)
def test_a_mixed_frame_fits_saves_loads_and_scores_alike(cls: type[Detector], tmp_path: Path) -> None:
    frame = mixed()
    det = quick(cls, calibration=0.2).fit(frame)
    scores = det.anomaly_score(frame)
    assert np.isfinite(scores).all()
    back = load(det.save(tmp_path / "m"))
    assert np.array_equal(back.anomaly_score(frame), scores)
    assert np.array_equal(det.anomaly_score(frame.iloc[5:6]), scores[5:6])
    assert list(det.feature_names_in_) == list(frame.columns)
    assert det.n_features_in_ == 5
    assert back.columns_ == det.columns_


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_library_gives_the_same_scores(library: str) -> None:
    columns = {name: [None if pd.isna(v) else v for v in values] for name, values in mixed().items()}
    columns["when"] = [v.to_pydatetime() for v in columns["when"]]
    native = LIBRARIES[library](columns) if library != "ringfence" else as_frame(mixed())
    det = quick(EGBAD).fit(native)
    assert np.array_equal(det.anomaly_score(native), quick(EGBAD).fit(mixed()).anomaly_score(mixed()))
    assert type(det.reconstruct(native)) is type(native)


@pytest.mark.parametrize("cls", [EGBAD, AnoGAN])
def test_a_reconstruction_reads_as_a_row(cls: type[Detector]) -> None:
    frame = mixed()
    det: Any = quick(cls, epochs=40).fit(frame)
    remade = det.reconstruct(frame)
    assert list(remade.columns) == list(frame.columns)
    assert set(remade["colour"].dropna()) <= {"red", "blue"}
    assert remade["on"].dtype == bool
    assert str(remade["when"].dtype).startswith("datetime64")
    assert 20 < remade["size"].median() < 80  # the user's units, not scaled ones


@pytest.mark.parametrize("cls", METHODS)
def test_generated_rows_read_as_rows(cls: type[Detector]) -> None:
    made = quick(cls).fit(mixed()).sample(7, random_state=0)
    assert isinstance(made, pd.DataFrame)
    assert made.shape == (7, 5)
    assert set(made["colour"].dropna()) <= {"red", "blue"}


def test_categories_are_scored_by_cross_entropy() -> None:
    import torch

    # Two numbers, then a category of three: |1 − 0| + |2 − 4| − log .2; an unseen one (all zeros) costs −log 10⁻⁶.
    x = torch.tensor([[1.0, 2.0, 0.0, 1.0, 0.0], [1.0, 2.0, 0.0, 0.0, 0.0]])
    remade = torch.tensor([[0.0, 4.0, 0.5, 0.2, 0.3], [0.0, 4.0, 0.5, 0.2, 0.3]])
    found = residual(x, remade, [(2, 5)])
    np.testing.assert_allclose(found.numpy(), [3 - np.log(0.2), 3 - np.log(1e-6)], rtol=1e-6)


def test_generators_end_in_probabilities() -> None:
    import torch

    det = quick(EGBAD).fit(mixed())
    made = det.nets_.generator(torch.randn(6, det.latent_dim))
    for start, end in det.preprocess_.heads:
        np.testing.assert_allclose(made[:, start:end].sum(1).numpy(), 1, rtol=1e-5)
        assert (made[:, start:end] > 0).all()


def test_an_unseen_category_is_scored_counted_and_warned_of_and_refused_if_strict() -> None:
    det, other = quick(EGBAD, epochs=30).fit(mixed()), mixed(20, seed=1)
    usual = det.anomaly_score(other)
    other.loc[3, "colour"] = "octarine"
    with pytest.warns(UnseenValues, match=r"column 'colour': 1 of 20 rows has values never .*: 'octarine'$"):
        scores = det.anomaly_score(other)
    assert scores[3] > usual[3]
    assert np.array_equal(np.delete(scores, 3), np.delete(usual, 3))
    with pytest.raises(InvalidData, match=r"strict=True: column 'colour': 1 of 20 rows"):
        det.set_params(strict=True).anomaly_score(other)
    assert np.array_equal(det.anomaly_score(mixed(20, seed=1)), usual)


def test_a_gap_that_training_never_had_is_warned_of() -> None:
    det, other = quick(GAN).fit(mixed()), mixed(20, seed=1)
    other.loc[2, "size"] = np.nan
    with pytest.warns(UnseenValues, match=r"column 'size': 1 of 20 rows has 1 gap, and training had none"):
        assert np.isfinite(det.anomaly_score(other)).all()


def test_columns_are_learned_from_training_rows_alone() -> None:
    frame = mixed()
    held = np.zeros(N, dtype=bool)
    held[:30] = True
    frame.loc[:29, "colour"] = "only here"
    det = quick(GAN).fit(frame, held_out=held)
    assert "colour=only here" not in det.columns_.names
    assert det.split_ == {"train": 90, "calibrate": 30}
    assert det.preprocess_.shift[0] == pytest.approx(frame["size"][30:].mean())


def test_a_column_that_counts_the_rows_is_left_out_with_a_warning_and_can_be_kept() -> None:
    frame = mixed().assign(number=range(N))
    with pytest.warns(ColumnsLeftOut, match=r"columns left out: 'number' \(it counts the rows\)"):
        det = quick(GAN).fit(frame)
    assert "number" not in det.columns_.names
    assert det.n_features_in_ == 6
    assert np.array_equal(det.anomaly_score(frame), det.anomaly_score(frame.assign(number=0)))
    assert "number" in quick(GAN, kinds={"number": "number"}).fit(frame).columns_.names


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust", "quantile"])
def test_scalings_leave_categories_alone(scale: str) -> None:
    det = quick(EGBAD, scale=scale).fit(mixed())
    heads = det.preprocess_.heads
    matrix = det.columns_.encode(as_frame(mixed()))[0]
    scaled = det.preprocess_.tensor(matrix).numpy()
    for start, end in heads:
        np.testing.assert_array_equal(scaled[:, start:end], matrix[:, start:end])
    back = det.preprocess_.rows(det.preprocess_.tensor(matrix))
    np.testing.assert_allclose(back, matrix, rtol=1e-3, atol=1e-2)


def test_a_numeric_frame_scores_as_its_array() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    frame = pd.DataFrame(x, columns=list("abc"))
    det, plain = quick(EGBAD).fit(frame), quick(EGBAD).fit(x)
    assert np.array_equal(det.anomaly_score(frame), plain.anomaly_score(x))
    assert isinstance(det.reconstruct(frame), pd.DataFrame)


def test_an_array_with_gaps_fits_and_comes_back_as_an_array() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    x[::7, 1] = np.nan
    det = quick(EGBAD).fit(x)
    assert np.isfinite(det.anomaly_score(x)).all()
    for rows in (det.reconstruct(x), det.sample(60)):
        assert isinstance(rows, np.ndarray)
        assert rows.shape == (60, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        det.anomaly_score(x[:1])
    with pytest.raises(ValueError, match="infinity"):
        det.anomaly_score(np.where(np.isnan(x), np.inf, x))


def test_every_column_of_an_array_trains_with_gaps_or_without() -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    x[:, 0] = np.arange(60)
    x[3, 1] = np.nan
    det = quick(EGBAD).fit(x)
    assert det.reconstruct(x).shape == (60, 3)
    assert det.sample(2).shape == (2, 3)


@pytest.mark.parametrize(
    "rows",
    [
        {"a": [1.0, 2.0]},
        [{"a": 1.0}, {"a": 2.0}],
        "rows.csv",
        pl.LazyFrame({"a": [1.0]}),
        pd.DataFrame({"a": [1.0], 2: [3.0]}),
    ],
    ids=["dict", "list of dicts", "path", "lazy frame", "names of two types"],
)
@pytest.mark.filterwarnings("ignore::polars.exceptions.PerformanceWarning")
def test_what_is_no_table_is_refused_in_one_line(rows: Any) -> None:
    with pytest.raises(InvalidData) as caught:
        quick(GAN).fit(rows)
    assert "\n" not in str(caught.value)


def test_rows_that_were_kept_out_can_be_asked_for() -> None:
    det = quick(GAN, calibration=0.25).fit(mixed())
    assert det.held_out_.shape == (N,)
    assert det.held_out_.sum() == 30


def test_other_columns_than_at_fit_are_refused() -> None:
    det = quick(GAN).fit(as_frame(mixed()))
    with pytest.raises(InvalidData, match="missing 'colour'"):
        det.anomaly_score(as_frame(mixed()).without("colour"))
    with pytest.raises(ValueError, match="should match those that were passed during fit"):
        quick(GAN).fit(mixed()).anomaly_score(mixed().rename(columns={"colour": "color"}))


def test_whole_groups_are_held_out() -> None:
    frame, groups = mixed(), np.arange(N) % 10
    det = quick(GAN, calibration=0.25).fit(frame, groups=groups)
    # A quarter of 120 rows is 30; groups have 12 rows, so three of them are held out.
    assert det.split_ == {"train": 84, "calibrate": 36}
    with pytest.raises(InvalidData, match=r"groups has the shape \(3,\): one value for each of the 120 rows"):
        quick(GAN, calibration=0.25).fit(frame, groups=[1, 2, 3])
    with pytest.raises(InvalidData, match="give one"):
        quick(GAN, calibration=0.25).fit(frame, held_out=groups == 0)
    with pytest.raises(InvalidData, match="leaves 0 of 120 rows"):
        quick(GAN).fit(frame, held_out=groups >= 0)


def test_a_killed_fit_of_a_frame_goes_on(tmp_path: Path) -> None:
    frame = mixed()
    whole = quick(GAN).fit(frame, checkpoint=tmp_path / "c")
    again = quick(GAN).fit(frame, checkpoint=tmp_path / "c")
    assert np.array_equal(whole.anomaly_score(frame), again.anomaly_score(frame))
    with pytest.raises(ValueError, match="other rows"):
        quick(GAN).fit(frame.assign(size=1.0), checkpoint=tmp_path / "c")
