"""Saved detectors: the same bits in another process, one line for whatever is wrong, nothing left half-written."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from ringfence import EGBAD, GAN, AnoGAN, FenceGAN, load, methods, persist
from ringfence.detector import Detector
from ringfence.exceptions import InvalidModel, InvalidParameter
from ringfence.losses import NonSaturating, Wasserstein

ROWS = load_digits().data[:30] + np.random.default_rng(0).normal(scale=1e-3, size=(30, 64))
KINDS = {"table": ROWS, "image": ROWS.reshape(-1, 8, 8), "float32": ROWS.astype(np.float32)}
SHORT = {"anogan": {"steps": 3, "search_rates": (0.1,), "search_until": ()}}


def short(name: str, **changes: Any) -> Detector:
    return methods()[name](**{"epochs": 1, "random_state": 0, **SHORT.get(name, {}), **changes})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved GAN, to be copied before it is damaged."""
    return short("gan").fit(ROWS).save(tmp_path_factory.mktemp("models") / "gan")


@pytest.fixture
def own(model: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


SCORE = """
import sys
import numpy as np
from ringfence import load
for folder in sys.argv[1:]:
    det = load(folder)
    X = np.load(folder + ".npy")
    np.savez(folder + ".npz", scores=det.anomaly_score(X), flags=det.predict(X),
             made=det.sample(3, random_state=1) if hasattr(det, "sample") else X,
             **{"part_" + k: v for k, v in det.parts(X).items()})
"""


def test_scores_in_another_process_are_the_same_to_the_bit(tmp_path: Path) -> None:
    fitted = {}
    for name in methods():
        for kind, X in KINDS.items():
            folder = tmp_path / f"{name}-{kind}"
            det = fitted[folder] = short(name).fit(X)
            det.save(folder)
            np.save(f"{folder}.npy", X)
    subprocess.run([sys.executable, "-c", SCORE, *map(str, fitted)], check=True, timeout=120)
    for folder, det in fitted.items():
        X, found = np.load(f"{folder}.npy"), np.load(f"{folder}.npz")
        assert np.array_equal(found["scores"], det.anomaly_score(X)), folder.name
        assert np.array_equal(found["flags"], det.predict(X)), folder.name
        assert np.array_equal(found["made"], det.sample(3, random_state=1) if hasattr(det, "sample") else X), (
            folder.name
        )
        for key, value in det.parts(X).items():
            assert np.array_equal(found[f"part_{key}"], value), (folder.name, key)


def test_a_folder_holds_a_manifest_and_tensors_and_nothing_executable(model: Path) -> None:
    assert sorted(p.name for p in model.iterdir()) == ["manifest.json", "weights.safetensors"]
    manifest = json.loads((model / persist.MANIFEST).read_text(encoding="utf-8"))
    # A method by its registered name, no path to code.
    assert (manifest["method"], manifest["kind"], manifest["format"]) == ("gan", "model", persist.FORMAT)
    raw = (model / persist.WEIGHTS).read_bytes()
    # safetensors: the length of a JSON header, the header, and bytes; no pickle opcodes (protocol 2 and up, \x80).
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert {v["dtype"] for k, v in header.items() if k != "__metadata__"} <= {"F32", "F64"}


def test_everything_that_was_fitted_comes_back(tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS[:, 20:24], columns=["a", "b", "c", "d"])
    det = EGBAD(
        epochs=2, random_state=3, adversary=Wasserstein(penalty=2.5), own_rows=True, contamination=0.1, calibration=0.2
    ).fit(frame)
    back = load(det.save(tmp_path / "m"))
    assert isinstance(back, EGBAD)
    assert isinstance(back.adversary, Wasserstein)
    assert back.adversary.penalty == 2.5
    assert back.get_params()["adversary__penalty"] == 2.5
    ours, theirs = det.get_params(deep=False), back.get_params(deep=False)
    assert {**ours, "adversary": None} == {**theirs, "adversary": None}
    for name in ("offset_", "history_", "n_iter_", "n_features_in_", "seed_", "threshold_"):
        assert getattr(back, name) == getattr(det, name), name
    assert list(back.feature_names_in_) == ["a", "b", "c", "d"]
    assert back.preprocess_.shape == det.preprocess_.shape
    assert back.preprocess_.shift.dtype == det.preprocess_.shift.dtype == np.float64
    # A loaded detector can be saved, fitted and refuses other columns as the first did.
    again = load(back.save(tmp_path / "again"))
    assert np.array_equal(again.anomaly_score(frame), det.anomaly_score(frame))
    with pytest.raises(ValueError, match="feature names"):
        back.anomaly_score(frame[["b", "a", "c", "d"]])


def test_layer_tables_and_schedules_come_back(tmp_path: Path) -> None:
    layers = {"generator": [{"op": "dense", "units": 7, "act": "relu"}, {"op": "dense", "units": 64}]}
    det = AnoGAN(epochs=1, layers=layers, steps=4, search_rates=(0.1, 0.05), search_until=(2,), random_state=0).fit(
        ROWS
    )
    back = load(det.save(tmp_path / "m"))
    assert back.layers == layers
    assert np.array_equal(back.anomaly_score(ROWS), det.anomaly_score(ROWS))
    assert len(back.fit(ROWS).history_) == 1


def test_saving_twice_replaces_and_scores_are_the_second_ones(tmp_path: Path) -> None:
    short("gan").fit(ROWS).save(tmp_path / "m")
    second = short("fencegan").fit(ROWS)
    second.save(tmp_path / "m")
    assert np.array_equal(load(tmp_path / "m").anomaly_score(ROWS), second.anomaly_score(ROWS))
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_folders_are_made_as_needed_and_given_as_text(tmp_path: Path) -> None:
    found = short("gan").fit(ROWS).save(str(tmp_path / "a" / "b"))
    assert found == tmp_path / "a" / "b"
    load(str(found))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def rewritten(**changes: Any) -> Callable[[Path], None]:
    """A manifest with some facts changed by hand, digest and all other facts as they were."""

    def rewrite(path: Path) -> None:
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")

    return rewrite


M, W = persist.MANIFEST, persist.WEIGHTS
DAMAGES = {
    "truncated weights": (W, cut, "truncated or was changed"),
    "empty weights": (W, lambda p: p.write_bytes(b""), "truncated or was changed"),
    "changed weights": (W, flip, "truncated or was changed"),
    "no weights": (W, Path.unlink, "has no weights.safetensors"),
    "no manifest": (M, Path.unlink, "has no manifest.json"),
    "truncated manifest": (M, cut, "damaged"),
    "empty manifest": (M, lambda p: p.write_text(""), "damaged"),
    "a manifest of bytes": (M, lambda p: p.write_bytes(b"\xff\xfe\x00"), "damaged"),
    "a manifest that is a list": (M, lambda p: p.write_text("[1, 2]"), "damaged"),
    "another file of that name": (M, lambda p: p.write_text('{"name": "extension"}'), "damaged"),
    "another cut": (M, rewritten(offset=0.0), "changed after it was written"),
    "another method": (M, rewritten(method="egbad"), "changed after it was written"),
    "a further fact": (M, rewritten(more=1), "changed after it was written"),
    "a newer format": (M, rewritten(format=persist.FORMAT + 1, ringfence="9.0"), "written by ringfence 9.0"),
    "a format in words": (M, rewritten(format="new"), "damaged"),
    "a checkpoint": (M, rewritten(kind="checkpoint"), "holds a checkpoint, not a model"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_refused_in_one_line_that_names_it(damage: str, own: Path) -> None:
    name, spoil, message = DAMAGES[damage]
    spoil(own / name)
    with pytest.raises(InvalidModel, match=message) as caught:
        load(own)
    assert "\n" not in str(caught.value)
    assert str(own) in str(caught.value)


def test_every_fact_of_a_manifest_is_under_its_digest(own: Path) -> None:
    facts = json.loads((own / M).read_text(encoding="utf-8"))
    assert len(facts) > 10
    for key in set(facts) - {"sha256", "format", "kind"}:
        (own / M).write_text(json.dumps({**facts, key: "other"}), encoding="utf-8")
        with pytest.raises(InvalidModel):
            load(own)
    (own / M).write_text(json.dumps(facts), encoding="utf-8")
    load(own)


@pytest.mark.parametrize("what", ["missing", "a file", "empty"])
def test_what_is_no_folder_of_a_model_is_refused(what: str, tmp_path: Path) -> None:
    path = tmp_path / "thing"
    if what == "a file":
        path.write_text("x")
    elif what == "empty":
        path.mkdir()
    with pytest.raises(InvalidModel, match="is no model folder") as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_checkpoint_is_no_model(tmp_path: Path) -> None:
    short("gan").fit(ROWS, checkpoint=tmp_path / "run")
    with pytest.raises(InvalidModel, match="holds a checkpoint, not a model"):
        load(tmp_path / "run")


def test_a_model_of_a_method_that_nobody_registered_is_refused(own: Path) -> None:
    facts = json.loads((own / M).read_text(encoding="utf-8"))
    facts["method"] = "ganomaly9"
    del facts["sha256"]
    (own / M).write_text(json.dumps({**facts, "sha256": persist._digest(facts)}), encoding="utf-8")
    with pytest.raises(InvalidModel, match="unknown method 'ganomaly9'") as caught:
        load(own)
    assert str(own) in str(caught.value)


def test_weights_that_do_not_fit_their_manifest_are_refused(own: Path) -> None:
    facts = json.loads((own / M).read_text(encoding="utf-8"))
    facts["parameters"]["latent_dim"] = 5
    del facts["sha256"]
    (own / M).write_text(json.dumps({**facts, "sha256": persist._digest(facts)}), encoding="utf-8")
    with pytest.raises(InvalidModel, match="do not fit the networks") as caught:
        load(own)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "names", [["notes.txt"], ["manifest.json"], ["manifest.json", "index.html"], ["manifest.json", W, "notes.txt"]]
)
def test_a_folder_of_somebody_else_is_refused_and_left_alone(names: list[str], tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    with pytest.raises(InvalidModel, match="is no model folder of ringfence's") as caught:
        short("gan").fit(ROWS).save(folder)
    assert str(folder) in str(caught.value)
    assert {p.name: p.read_text() for p in folder.iterdir()} == {n: n for n in names}
    assert [p.name for p in tmp_path.iterdir()] == ["site"]


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "m").write_text("mine")
    with pytest.raises(InvalidModel):
        short("gan").fit(ROWS).save(tmp_path / "m")
    assert (tmp_path / "m").read_text() == "mine"


@pytest.mark.parametrize("step", ["weights", "manifest", "renaming"])
@pytest.mark.parametrize("there", [False, True], ids=["new", "over an old one"])
def test_a_failed_save_leaves_nothing_half_written(
    step: str, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "m"
    old = short("gan").fit(ROWS)
    if there:
        old.save(folder)
    new = short("fencegan").fit(ROWS)

    def fail(*args: Any, **kwargs: Any) -> None:
        if step == "weights":
            Path(args[1]).write_bytes(b"half")
        raise OSError("no space left")

    target = {"weights": (persist, "save_file"), "manifest": (Path, "write_text"), "renaming": (persist, "_replace")}
    with monkeypatch.context() as patch:
        patch.setattr(*target[step], fail)
        with pytest.raises(OSError, match="no space left"):
            new.save(folder)
    assert [p.name for p in tmp_path.iterdir()] == (["m"] if there else [])
    if there:
        assert np.array_equal(load(folder).anomaly_score(ROWS), old.anomaly_score(ROWS))


class Mine(NonSaturating):
    """Nobody's but mine."""


def test_an_adversary_that_could_not_be_read_back_is_refused_at_save(tmp_path: Path) -> None:
    det = short("gan", adversary=Mine()).fit(ROWS)
    with pytest.raises(InvalidParameter, match="adversary=Mine") as caught:
        det.save(tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_an_unfitted_detector_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        GAN().save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_random_state_is_kept_as_the_seed_that_it_gave(tmp_path: Path) -> None:
    det = short("gan", random_state=np.random.RandomState(4)).fit(ROWS)
    back = load(det.save(tmp_path / "m"))
    assert back.random_state is None
    assert back.seed_ == det.seed_
    assert np.array_equal(back.anomaly_score(ROWS), det.anomaly_score(ROWS))


def test_numbers_of_numpy_are_kept_as_numbers(tmp_path: Path) -> None:
    # As a search over np.arange and the like gives them.
    det = FenceGAN(epochs=np.int64(1), lr=np.float64(1e-3), alpha=np.float32(0.25), random_state=0).fit(ROWS)
    back = load(det.save(tmp_path / "m"))
    assert (back.epochs, back.lr, back.alpha) == (1, 1e-3, 0.25)
    det = short("anogan", steps=np.int64(2), search_rates=np.array([0.1, 0.2]), search_until=np.array([1])).fit(ROWS)
    assert np.array_equal(load(det.save(tmp_path / "n")).anomaly_score(ROWS), det.anomaly_score(ROWS))
