"""A detector as an ONNX graph: raw rows in, the detector's own scores and flags out; or one line that says why not."""

import importlib.util
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits

import ringfence
from ringfence import Frame, PictureDetector, Resize, cli, methods
from ringfence.combination import COMBINATIONS
from ringfence.detector import Detector
from ringfence.exceptions import ExportFailed, InvalidParameter, MissingExtra

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

from ringfence import export  # noqa: E402
from ringfence.export import parity, to_onnx  # noqa: E402
from ringfence.export.combining import COMBINING  # noqa: E402
from ringfence.export.operations import OPERATIONS  # noqa: E402
from ringfence.export.tracing import Rows, trace  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")

DIGITS = load_digits()
TRAIN, TEST = slice(0, 60), slice(60, 660)
KINDS = {"table": DIGITS.data, "image": DIGITS.images}
# Too dear for the suite: other searches would do too.
SEARCHES = [name for name, cls in methods().items() if cls.info.cost == "search"]
SLOPES = {("gpnd", "likelihood"), ("gpnd", "parallel"), ("dsebm", "reconstruction")}
EXPORTED = [
    (name, score)
    for name, cls in methods().items()
    if name not in SEARCHES
    for score in cls.scores
    if (name, score) not in SLOPES
]
# A search-free method for each idea that a graph needs: pairs, an encoder, a mixture, a centre, an energy.
FEW = [("egbad", "table"), ("fanogan", "image"), ("dagmm", "table"), ("deepsvdd", "image"), ("dsebm", "table")]


def small(name: str, score: str | None = None, **more: Any) -> Detector:
    return methods()[name](epochs=1, batch_size=16, latent_dim=4, random_state=0, score_kind=score, **more)


def run(path: Path, feeds: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    score, anomaly = session.run(["score", "anomaly"], dict(feeds))
    return score, anomaly


def agrees(path: Path, feeds: Mapping[str, NDArray[Any]], detector: Detector, rows: Any) -> None:
    """The graph scores and flags rows as the detector does, however many there are at once."""
    scores = detector.anomaly_score(rows)
    assert len(np.unique(scores)) > len(scores) // 2
    scale = np.maximum(np.abs(scores), np.median(np.abs(scores)))
    for count in (1, 3, 512, len(scores)):
        found, flags = run(path, {name: values[:count] for name, values in feeds.items()})
        assert found.dtype == np.float64
        assert flags.dtype == bool
        assert (np.abs(found - scores[:count]) / scale[:count]).max() < 1e-4
    assert 0 < flags.sum() < len(flags)
    # The cut is the score of a training row: what lies on it may round to either side.
    clear = np.abs(scores - detector.threshold_) > 1e-4 * scale
    assert (flags == (scores > detector.threshold_))[clear].all()


def exported(name: str, score: str | None, kind: str, path: Path) -> None:
    rows = KINDS[kind]
    detector = small(name, score).fit(rows[TRAIN])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = to_onnx(detector, path, rows[TEST])
    assert made.parity.rows == 1000
    assert made.parity.given == 600
    assert made.parity.difference < 1e-4
    agrees(path, {"rows": rows[TEST].astype(np.float64 if kind == "table" else np.float32)}, detector, rows[TEST])


@pytest.mark.parametrize(("name", "kind"), FEW)
def test_a_graph_scores_as_the_detector(name: str, kind: str, tmp_path: Path) -> None:
    exported(name, None, kind, tmp_path / "model.onnx")


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "score"), EXPORTED)
def test_every_score_without_search_and_slopes_can_be_exported(
    name: str, score: str, kind: str, tmp_path: Path
) -> None:
    exported(name, score, kind, tmp_path / "model.onnx")


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_is_refused_and_an_encoder_offered(name: str, tmp_path: Path) -> None:
    detector = small(name, steps=1).fit(KINDS["table"][TRAIN])
    with pytest.raises(ExportFailed, match=f"{name} searches .* encoder .* egbad or fanogan") as caught:
        to_onnx(detector, tmp_path / "model.onnx")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    for offered in ("egbad", "fanogan"):
        assert "encoder" in methods()[offered].info.needs


@pytest.mark.parametrize(
    ("name", "score", "other"),
    [
        ("dsebm", "reconstruction", "energy"),
        pytest.param("gpnd", "likelihood", "perpendicular", marks=pytest.mark.full),
    ],
)
def test_a_score_of_slopes_is_refused_and_another_offered(name: str, score: str, other: str, tmp_path: Path) -> None:
    detector = small(name, score).fit(KINDS["table"][TRAIN])
    with pytest.raises(ExportFailed, match=f"'{score}' of {name}: takes slopes .* score_kind='{other}', which can"):
        to_onnx(detector, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scale", ["minmax", "robust", "range", "quantile", "none"])
def test_every_scaling_is_in_the_graph(scale: str, tmp_path: Path) -> None:
    rows = KINDS["table"]
    detector = small("autoencoder", scale=scale).fit(rows[TRAIN])
    to_onnx(detector, tmp_path / "model.onnx", rows[TEST])
    agrees(tmp_path / "model.onnx", {"rows": rows[TEST]}, detector, rows[TEST])


def test_pixels_are_ranked_in_the_graph(tmp_path: Path) -> None:
    rows = KINDS["image"]
    detector = small("autoencoder", scale="quantile").fit(rows[TRAIN])
    to_onnx(detector, tmp_path / "model.onnx", rows[TEST])
    agrees(tmp_path / "model.onnx", {"rows": rows[TEST].astype(np.float32)}, detector, rows[TEST])


def test_channels_and_odd_sizes_are_in_the_graph(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).random((60, 3, 9, 14), dtype=np.float32)
    detector = small("egbad", contamination=0.2).fit(rows)
    to_onnx(detector, tmp_path / "model.onnx", rows)
    agrees(tmp_path / "model.onnx", {"rows": rows}, detector, rows)


def test_pooling_is_in_the_graph(tmp_path: Path) -> None:
    images = np.random.default_rng(0).random((60, 28, 28))
    det = ringfence.DeepSVDD.preset("mnist", "released").set_params(epochs=1, pretrain_epochs=0, random_state=0)
    made = to_onnx(det.fit(images), tmp_path / "m.onnx", images)
    assert made.parity.difference < 1e-4


def test_counts_beyond_float32_keep_their_digits(tmp_path: Path) -> None:
    # The spacing of float32 is 256 there: rows would fall together before they are scaled.
    rows = 4e9 + np.random.default_rng(0).integers(0, 100, size=(200, 5)).astype(np.float64)
    detector = small("autoencoder").fit(rows)
    to_onnx(detector, tmp_path / "model.onnx", rows)
    agrees(tmp_path / "model.onnx", {"rows": rows}, detector, rows)


def test_gaps_in_an_array_are_in_the_graph(tmp_path: Path) -> None:
    rows = KINDS["table"].copy()
    rows[::5, 20] = np.nan
    detector = small("autoencoder").fit(rows[TRAIN])
    # Column 21 had no gap in training: the graph fills it as the detector does.
    rows[100, 21] = np.nan
    with pytest.warns(ringfence.columns.UnseenValues):
        made = to_onnx(detector, tmp_path / "model.onnx", rows[TEST])
    assert made.inputs[0]["gap"] == "NaN"
    with pytest.warns(ringfence.columns.UnseenValues):
        agrees(tmp_path / "model.onnx", {"rows": rows[TEST]}, detector, rows[TEST])


def mixed(count: int) -> dict[str, list[Any]]:
    rng = np.random.default_rng(1)
    days = rng.integers(0, 28, count)
    words = rng.choice(["eco", "turbo", ""], count)
    return {
        "heat": [None if i % 9 == 0 else float(v) for i, v in enumerate(rng.normal(50, 3, count))],
        "mode": [w or None for w in words],
        "seen": [None if i % 11 == 0 else f"2024-05-{d + 1:02d} 06:30" for i, d in enumerate(days)],
        "on": [bool(v) for v in rng.integers(0, 2, count)],
        "score": [float(v) for v in rng.normal(size=count)],
    }


@pytest.mark.parametrize("scale", ["standard", "quantile"])
def test_words_dates_and_gaps_are_inputs_of_their_own(scale: str, tmp_path: Path) -> None:
    columns = mixed(200)
    detector = small("egbad", scale=scale).fit(Frame(columns))
    columns["mode"][:3] = ["warp", "hyper", "warp"]  # words that training had not
    frame = Frame(columns)
    path = tmp_path / "model.onnx"
    with pytest.warns(ringfence.columns.UnseenValues, match="'warp'"):
        made = to_onnx(detector, path, frame)
    assert {i["name"]: i["type"].split(",")[0] for i in made.inputs} == {
        "heat": "float64", "seen": "int64", "score (column)": "float64", "mode": "string", "on": "string",
    }  # fmt: skip
    # Made by hand, as the guide says.
    feeds = {
        "heat": np.array([np.nan if v is None else v for v in columns["heat"]]),
        "seen": np.array(["NaT" if v is None else v for v in columns["seen"]], dtype="datetime64[us]").astype(np.int64),
        "score (column)": np.array(columns["score"]),
        "mode": np.array(["" if v is None else v for v in columns["mode"]]),
        "on": np.array(["yes" if v else "false" for v in columns["on"]]),
    }
    with pytest.warns(ringfence.columns.UnseenValues):
        agrees(path, feeds, detector, frame)


def test_gaps_beside_empty_text_are_refused(tmp_path: Path) -> None:
    columns = mixed(40) | {"mode": ["", None, "a", "b"] * 10}
    detector = small("autoencoder").fit(Frame(columns))
    with pytest.raises(ExportFailed, match="column 'mode' has both gaps and empty text"):
        to_onnx(detector, tmp_path / "model.onnx")


@pytest.mark.parametrize("combine", COMBINATIONS)
def test_members_are_combined_in_the_graph(combine: str, tmp_path: Path) -> None:
    rows = KINDS["table"]
    detector = small("autoencoder", members=3, combine=combine).fit(rows[TRAIN])
    made = to_onnx(detector, tmp_path / "model.onnx", rows[TEST])
    agrees(made.path, {"rows": rows[TEST]}, detector, rows[TEST])
    alone = detector.member(1)
    to_onnx(alone, made.path, rows[TEST])
    agrees(made.path, {"rows": rows[TEST]}, alone, rows[TEST])


@pytest.mark.parametrize("combine", COMBINATIONS)
@pytest.mark.parametrize("reference", [[0.5, 1.0, 1.0, 1.0, 4.0], [2.0, 2.0], [3.0]])
def test_members_are_combined_as_they_are_when_they_score(combine: str, reference: list[float]) -> None:
    scores = np.array([-3.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 9.0])
    each, references = [scores, 2 * scores], [np.array(reference), np.array(reference) + 0.25]
    found = COMBINING[combine]([torch.from_numpy(s) for s in each], references).numpy()
    np.testing.assert_allclose(found, COMBINATIONS[combine](each, references), rtol=1e-12, atol=1e-12)


def test_every_combination_can_be_exported() -> None:
    assert set(COMBINING) == set(COMBINATIONS)


def test_a_detector_of_pictures_gives_the_graph_of_its_rows_and_its_own_cut(tmp_path: Path) -> None:
    pictures = list(KINDS["image"][:30])
    # Kept out for the cut: with all of them the cuts of rows and pictures would be one.
    fitted = PictureDetector(small("egbad", calibration=0.4), Resize(8, 8)).fit(pictures)
    path = tmp_path / "model.onnx"
    to_onnx(fitted, path, pictures)
    rows = KINDS["image"][:30, None].astype(np.float32)
    scores, flags = run(path, {"rows": rows})
    assert scores == pytest.approx(fitted.anomaly_score(pictures), rel=1e-4)
    assert (flags == (scores > fitted.threshold_)).all()
    facts = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert json.loads(facts["view"])["view"] == "resize"
    assert float(facts["threshold"]) == fitted.threshold_ != fitted.detector_.threshold_


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    detector = small("egbad", "sigma").fit(KINDS["table"][TRAIN])
    made = to_onnx(detector, tmp_path / "model.onnx")
    facts = {p.key: p.value for p in onnx.load(made.path).metadata_props}
    manifest = json.loads((detector.save(tmp_path / "model") / "manifest.json").read_text())
    assert facts["ringfence"] == ringfence.__version__
    assert (facts["method"], facts["score_kind"]) == ("egbad", "sigma")
    assert float(facts["threshold"]) == detector.threshold_
    assert facts["weights_sha256"] == manifest["weights_sha256"]
    assert json.loads(facts["inputs"]) == [{"name": "rows", "type": "float64", "shape": ["n", 64]}]
    assert float(facts["largest_difference"]) == pytest.approx(made.parity.difference, rel=0.01)
    # Old enough for runtimes that are in use.
    assert {o.domain: o.version for o in onnx.load(made.path).opset_import} == {"": 18, "ai.onnx.ml": 2}


def test_an_export_changes_nothing(tmp_path: Path) -> None:
    detector = small("dagmm").fit(KINDS["table"][TRAIN])
    before = {k: v.clone() for k, v in detector.nets_.state_dict().items()}
    state, held = torch.get_rng_state(), np.random.get_state()[1].copy()
    scores = detector.anomaly_score(KINDS["table"][TEST])
    to_onnx(detector, tmp_path / "model.onnx")
    assert all(torch.equal(v, before[k]) for k, v in detector.nets_.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == held).all()
    assert (detector.anomaly_score(KINDS["table"][TEST]) == scores).all()
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_a_graph_with_other_scores_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = small("autoencoder").fit(KINDS["table"][TRAIN])
    path = tmp_path / "model.onnx"
    path.write_text("the one before")
    right = export.scaling
    monkeypatch.setattr(export, "scaling", lambda fitted: lambda x: right(fitted)(x) * 1.001)
    with pytest.raises(ExportFailed, match=r"a relative difference of .*, allowed is less than 0.0001; nothing was"):
        to_onnx(detector, path)
    assert path.read_text() == "the one before"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_a_graph_tells_rows_apart_that_its_discriminator_is_sure_of(tmp_path: Path) -> None:
    rows = KINDS["table"][TEST]
    detector = small("gan").fit(KINDS["table"][TRAIN])
    with torch.no_grad():  # logits of 60 and more
        for weight in detector.nets_.discriminator.head.parameters():
            weight.mul_(20.0)
        logit = detector.nets_.discriminator(detector.preprocess_.tensor(rows))[0]
        detector.nets_.discriminator.head.layers[0].bias += 60.0 - logit.min()
    assert detector.anomaly_score(rows).max() < 1e-16
    to_onnx(detector, tmp_path / "model.onnx", rows)
    found, _ = run(tmp_path / "model.onnx", {"rows": rows})
    np.testing.assert_allclose(found, detector.anomaly_score(rows), rtol=1e-2)


def test_an_operation_without_a_counterpart_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(OPERATIONS, "leaky_relu")
    detector = small("gan").fit(KINDS["table"][TRAIN])
    with pytest.raises(ExportFailed, match=r"operation 'leaky_relu' has no counterpart .* nor can another score"):
        to_onnx(detector, tmp_path / "model.onnx")


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else found(name))
    with pytest.raises(MissingExtra, match=r"needs onnxruntime: pip install 'ringfence\[onnx\]'"):
        to_onnx(small("gan").fit(KINDS["table"][TRAIN]), tmp_path / "model.onnx")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="is a folder; allowed is the name of a file"):
        to_onnx(small("gan").fit(KINDS["table"][TRAIN]), tmp_path)


def test_the_command_checks_with_rows_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, rows, out = tmp_path / "model", tmp_path / "rows.npy", tmp_path / "model.onnx"
    detector = small("gan").fit(KINDS["table"][TRAIN])
    detector.save(model)
    np.save(rows, KINDS["table"][TEST])
    assert cli.main(["export", str(model), "--out", str(out), "--rows", str(rows), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["parity"]["given"] == 600
    assert said["inputs"][0]["name"] == "rows"
    agrees(out, {"rows": KINDS["table"][TEST]}, detector, KINDS["table"][TEST])
    assert cli.main(["export", str(model), "--out", str(out)]) == 0
    assert "1,000 rows (none of yours" in capsys.readouterr().out


def test_the_command_refuses_a_search_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small("anogan", steps=1).fit(KINDS["table"][TRAIN]).save(tmp_path / "model")
    assert cli.main(["export", str(tmp_path / "model"), "--out", str(tmp_path / "model.onnx")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("ringfence: error: anogan searches")
    assert said.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


# ---- the comparison -----------------------------------------------------------------------------------------------


def held(found: list[float], scores: list[float], flags: list[bool] | None = None) -> parity.Parity:
    """Compare by hand, with a cut of 3."""
    given, own = np.array(found), np.array(scores)
    return parity.compare({len(own): (given, given > 3 if flags is None else np.array(flags))}, own, 3.0, 0)


def test_a_difference_is_relative_to_the_score_or_to_the_median() -> None:
    # 1e-5 off a score of 0.001 is a hundredth of that, but 5e-6 of the median of 2.
    assert held([0.00101, 2.0, 4.0], [0.001, 2.0, 4.0]).difference == pytest.approx(5e-6)
    assert held([1.0, 2.0, 4.0002], [1.0, 2.0, 4.0]).difference == pytest.approx(5e-5)


@pytest.mark.parametrize("wrong", [4.0005, np.nan, np.inf, -4.0])
def test_a_score_that_is_off_fails(wrong: float) -> None:
    with pytest.raises(ExportFailed, match="scores row 2 of those checked"):
        held([1.0, 2.0, wrong], [1.0, 2.0, 4.0])


def test_a_flag_on_the_wrong_side_fails() -> None:
    with pytest.raises(ExportFailed, match="flags"):
        held([1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [False, True, True])


def test_drawn_rows_are_like_training_rows_and_some_lie_far_out() -> None:
    detector = small("gan").fit(KINDS["table"][TRAIN])
    scaled = detector.preprocess_.tensor(parity.drawn(detector, 1000)).numpy()
    varied = KINDS["table"][TRAIN].std(0) > 0
    near, far = np.delete(scaled, np.s_[::10], 0)[:, varied], scaled[::10][:, varied]
    assert 0.95 < near.std() < 1.05
    assert 9 < far.std() < 11


# ---- the trace ----------------------------------------------------------------------------------------------------


def test_sizes_that_grow_are_told_from_others_and_constants_are_folded() -> None:
    weight = torch.arange(6.0).reshape(2, 3)

    def fn(x: torch.Tensor) -> dict[str, torch.Tensor]:
        _ = x.exp()  # leads nowhere
        return {"out": (x @ (weight * 2).t()).reshape(len(x) * 2)}

    found = trace(fn, torch.rand(3, 3))
    assert [step.op for step in found.steps] == ["mm", "view"]
    assert torch.equal(found.steps[0].args[1], (weight * 2).t())
    assert found.steps[0].shape == (Rows(1), 2)
    assert found.results["out"].shape == (Rows(2),)


def test_a_score_that_looks_at_the_number_of_rows_is_refused() -> None:
    def fn(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"out": x.sum(1) if len(x) > 2 else x.exp().sum(1)}

    with pytest.raises(ExportFailed, match="in another way for another number of rows"):
        trace(fn, torch.rand(3, 2))
