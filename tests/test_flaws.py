"""Flaws of public code, each turned round: docs/methods/flaws.md lists them, with the tests that hold the opposite."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from ringfence import ALAD, EGBAD, GAN, AnoGAN, GANomaly
from ringfence.benchmark import execute as execution
from ringfence.benchmark.job import Job
from ringfence.benchmark.records import CUT, read_records
from ringfence.data import built_in
from ringfence.detector import Detector
from ringfence.game import Batch
from ringfence.metrics import evaluate
from ringfence.networks.dropout import Dropout
from ringfence.networks.normalisation import BatchNorm
from ringfence.protocol import Split, kdd99_halves, leave_one_out

pytestmark = pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")

RECORDS = Path(__file__).resolve().parent.parent / "records"
DIGITS = load_digits()
JOB = Job("digits", "3", 0, "trained", "gan", "default", changes={"epochs": 2})


@pytest.fixture(scope="module")
def rows() -> Any:
    return built_in("digits").load(None)


def judged(rows: Any, split: Split, job: Job = JOB) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a benchmark keeps of one run: its record and its arrays."""
    work = execution._judge_baseline if job.role == "baseline" else execution._judge
    return work(job, rows.x[split.train][:200], rows.x[split.test], split)


# ---- labels: 1, 2, 3, 9, 10, 18 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["gan", "one_class_svm", "isolation_forest"])
def test_labels_change_the_figures_and_nothing_else(rows: Any, method: str) -> None:
    """No epoch, no threshold, no γ or ν is picked by them: with other labels the run is the same, to the bit."""
    job = JOB if method == "gan" else Job("digits", "3", 0, "baseline", method)
    split = rows.split("3", 0)
    turned = Split(split.train, split.test, ~split.anomaly, split.name)
    record, arrays = judged(rows, split, job)
    other, same = judged(rows, turned, job)
    assert set(arrays) == set(same)
    for name in set(arrays) - {"anomaly"}:
        np.testing.assert_array_equal(same[name], arrays[name])
    changed = {key for key in record if record[key] != other[key]}
    assert changed <= {"metrics", "parts", "quality", "fit_cpu_s", "score_cpu_s"}
    assert other["metrics"]["auroc"] == pytest.approx(1 - record["metrics"]["auroc"])


def test_every_epoch_that_was_asked_for_is_played_and_the_last_one_counts() -> None:
    x = DIGITS.data[:96]
    det = GAN(epochs=3, ema=0.0, random_state=0).fit(x)
    assert [entry["epoch"] for entry in det.history_] == [0, 1, 2]
    # The first two epochs are those of a shorter fit: the third alone makes the difference, good or bad.
    short = GAN(epochs=2, ema=0.0, random_state=0).fit(x)
    assert det.history_[:2] == short.history_
    assert not np.array_equal(det.anomaly_score(x), short.anomaly_score(x))


def test_what_is_scored_changes_nothing_of_a_fit(rows: Any) -> None:
    """Cut and scale come from the training rows, however many anomalies are tested and however large they are."""
    split = rows.split("3", 0)
    few = Split(split.train, split.test[~split.anomaly][:50], np.arange(50) == 0, split.name)
    _, arrays = judged(rows, split)
    _, fewer = judged(rows, few)
    assert fewer["threshold"] == arrays["threshold"]
    det = GAN(epochs=1, random_state=0).fit(DIGITS.data[:96])
    before, cut = det.anomaly_score(DIGITS.data[96:128]), det.threshold_
    det.anomaly_score(1e6 * DIGITS.data[128:160])
    np.testing.assert_array_equal(det.anomaly_score(DIGITS.data[96:128]), before)
    assert det.threshold_ == cut
    # Exactly a twentieth of the rows that it trained on lies beyond the cut, of no others.
    assert (det.anomaly_score(DIGITS.data[:96]) > cut).sum() == int(0.05 * 96)


def test_the_anomaly_is_the_positive_class_of_every_figure() -> None:
    """One row in ten is an anomaly; a score that knows nothing has its share as precision, not that of the normal."""
    anomaly = np.arange(100) % 10 == 0
    nothing = evaluate(np.zeros(100), anomaly, -1.0)
    assert nothing["ap"] == pytest.approx(0.1)
    assert (nothing["precision"], nothing["recall"]) == (pytest.approx(0.1), 1.0)
    assert nothing["f1"] == pytest.approx(2 * 0.1 / 1.1)
    found = evaluate(anomaly.astype(float), anomaly, 0.5)
    assert all(found[name] == 1.0 for name in ("auroc", "ap", "precision", "recall", "f1", "mcc"))
    # The same scores upside down find nothing: no figure is turned round to look better.
    missed = evaluate(1.0 - anomaly, anomaly, 0.5)
    assert (missed["auroc"], missed["precision"], missed["recall"], missed["f1"]) == (0.0, 0.0, 0.0, 0.0)
    assert missed["ap"] < 0.1 + 1e-9


# ---- splits: 6, 7, 16 ----------------------------------------------------------------------------------------------


def splits() -> Iterator[Split]:
    """One split a seed of each protocol, of real digits and of labels as KDD99 has them (four attacks in five)."""
    attacks = np.random.default_rng(0).random(5000) < 0.8
    for seed in range(3):
        yield leave_one_out(DIGITS.target, 3, seed)
        yield kdd99_halves(~attacks, seed)


def truths() -> Iterator[np.ndarray]:
    """Which rows are anomalies, for each of `splits`."""
    attacks = np.random.default_rng(0).random(5000) < 0.8
    for _ in range(3):
        yield DIGITS.target == 3
        yield ~attacks


def test_no_row_is_on_both_sides_and_no_anomaly_trains() -> None:
    for split, odd in zip(splits(), truths(), strict=True):
        assert not set(split.train.tolist()) & set(split.test.tolist())
        assert len(set(split.train.tolist())) == len(split.train)
        assert len(set(split.test.tolist())) == len(split.test)
        assert not odd[split.train].any()
        np.testing.assert_array_equal(split.anomaly, odd[split.test])


def test_the_two_parts_come_from_one_shuffle() -> None:
    """EGBAD's code draws them from two: asking for the test part again must give the same rows."""
    for first, again in zip(splits(), splits(), strict=True):
        np.testing.assert_array_equal(first.train, again.train)
        np.testing.assert_array_equal(first.test, again.test)


# ---- inference: 5, 11, 12, 17 --------------------------------------------------------------------------------------


def test_batch_norm_knows_nothing_of_the_rows_beside_one() -> None:
    images = DIGITS.images[:64]
    det = GANomaly(epochs=1, random_state=0).fit(images)
    norms = [module for module in det.nets_.modules() if isinstance(module, BatchNorm)]
    assert norms
    assert not any(module.training for module in det.nets_.modules())
    alone = det.anomaly_score(images[:4])
    # Beside rows of one class, beside far ones, beside none: the statistics are those of training.
    for beside in (images[:60], 1e3 + images[:60], images[:0]):
        np.testing.assert_array_equal(det.anomaly_score(np.concatenate([images[:4], beside]))[:4], alone)


def test_no_dropout_is_active_while_rows_are_scored() -> None:
    dense = {"op": "dense", "units": 16, "act": "leaky_relu", "dropout": 0.5}
    det = GAN(epochs=1, layers={"discriminator": [dense, dense, {"op": "dense", "units": 1}]}, random_state=0)
    x = DIGITS.data[:64]
    det = det.fit(x)
    dropouts = [module for module in det.nets_.modules() if isinstance(module, Dropout)]
    assert len(dropouts) == 2
    scores = det.anomaly_score(x)
    np.testing.assert_array_equal(det.anomaly_score(x), scores)
    for module in dropouts:
        module.share = 0.0
        module.forward = lambda t: t  # type: ignore[method-assign]
    np.testing.assert_array_equal(det.anomaly_score(x), scores)


def weights(det: Detector, name: str) -> Tensor:
    return torch.cat([p.flatten() for p in getattr(det.nets_, name).parameters()])


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (AnoGAN, ("generator", "discriminator")),
        (EGBAD, ("generator", "encoder", "discriminator")),
        (ALAD, ("generator", "encoder", "discriminator_xx")),
    ],
)
def test_every_network_of_a_score_is_averaged(cls: type[Detector], names: tuple[str, ...]) -> None:
    """The average moves nothing in training, so that a fit without it ends where the average was taken from."""
    search = {"steps": 2, "search_rates": (0.1,), "search_until": ()} if cls is AnoGAN else {}
    last, averaged = (cls(epochs=2, ema=ema, random_state=0, **search).fit(DIGITS.data[:64]) for ema in (0.0, 0.9))
    assert last.history_ == averaged.history_
    for name in names:
        assert not torch.equal(weights(last, name), weights(averaged, name)), f"{name} is not averaged"


def test_anogan_searches_for_every_row() -> None:
    x = DIGITS.data[:64]
    det = AnoGAN(epochs=5, steps=30, search_until=(10, 20), random_state=0).fit(x)
    made = det.reconstruct(x)
    # pyod's holds every row against one and the same.
    assert len(np.unique(made.round(6), axis=0)) == len(x)
    with torch.no_grad():
        start = det.preprocess_.rows(det.nets_.generator(det.nets_.search.starts))
    assert (np.abs(made - x).sum(1) < np.abs(start - x).sum(1)).mean() > 0.9


def test_the_fake_pair_of_alads_d_xx_is_the_row_and_its_reconstruction() -> None:
    det = ALAD(epochs=1, random_state=0).fit(DIGITS.data[:64])
    x = det.preprocess_.tensor(DIGITS.data[:8])
    batch = Batch(x, 0, 0, 0.0, 1, lambda count: torch.full((count, det.latent_dim), 0.5))
    with torch.no_grad():
        real, fake = det.pairs(det.nets_, batch)["discriminator_xx"]
        remade = det.nets_.generator(det.nets_.encoder(x))
    assert torch.equal(real[0], x)
    assert torch.equal(real[1], x)
    assert torch.equal(fake[0], x)
    assert torch.equal(fake[1], remade)


# ---- figures: 14 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in RECORDS.glob("*/records.jsonl")))
def test_f1_follows_from_precision_and_recall_in_every_record(folder: str) -> None:
    records = [r for r in read_records(RECORDS / folder) if r["status"] == "ok"]
    for prefix in ("", "oracle_"):
        precision, recall, f1 = (np.array([r["metrics"][prefix + name] for r in records]) for name in CUT)
        both = precision + recall
        expected = np.divide(2 * precision * recall, both, out=np.zeros_like(both), where=both > 0)
        np.testing.assert_allclose(f1, expected, atol=1e-12)
        # A harmonic mean is concave: no mean over runs exceeds the harmonic mean of the means.
        assert f1.mean() <= 2 * precision.mean() * recall.mean() / (precision.mean() + recall.mean()) + 1e-12
