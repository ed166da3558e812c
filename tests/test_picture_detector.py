"""Pictures of any size through detectors of rows: frozen scores, cuts, maps in the picture's own pixels."""

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from ringfence import EGBAD, GAN, AnoGAN, FenceGAN, Pad, Patches, PictureDetector, Resize, checkpoint, load
from ringfence.data.picture_files import PictureFiles
from ringfence.data.pictures import read_picture_folder
from ringfence.detector import Detector
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.picture_rows import WindowRows
from ringfence.pictures import Arrays
from ringfence.threshold import quantile_cut
from ringfence.views import View

BRIEF: dict[str, Any] = {"epochs": 1, "batch_size": 8, "latent_dim": 3, "random_state": 0}
METHODS: dict[str, Callable[..., Detector]] = {
    "egbad": lambda **kw: EGBAD(**(BRIEF | kw)),
    "fencegan": lambda **kw: FenceGAN(**(BRIEF | {"pretrain_epochs": 1} | kw)),
    "gan": lambda **kw: GAN(**(BRIEF | kw)),
    "anogan": lambda **kw: AnoGAN(**(BRIEF | {"steps": 2, "search_rates": (0.1,), "search_until": ()} | kw)),
}
VIEWS: dict[str, View] = {"resize": Resize(16, 16), "pad": Pad(26, 26), "patches": Patches(16, 16, 12)}
SIZES = [(20, 24), (16, 16), (26, 17), (25, 22), (11, 19), (25, 25)]


def pictures(seed: int = 0, channels: int = 1, sizes: list[tuple[int, int]] = SIZES) -> list[np.ndarray]:
    """Smooth pictures with a little noise, from 0 to 1."""
    rng = np.random.default_rng(seed)
    made = []
    for height, width in sizes:
        slope = np.linspace(0, 0.5, height)[:, None] + np.linspace(0, 0.3, width)
        made.append((slope + rng.uniform(0, 0.2, (channels, height, width))).astype(np.float32))
    return made


TRAIN, OTHER = pictures(0), pictures(1)


@cache
def fitted(method: str, view: str) -> PictureDetector:
    return PictureDetector(METHODS[method](), VIEWS[view]).fit(TRAIN)


every = pytest.mark.parametrize(("method", "view"), [(m, v) for m in METHODS for v in VIEWS])


# ---- scores --------------------------------------------------------------------------------------------------------


@every
def test_a_score_is_a_frozen_function_of_the_picture(method: str, view: str) -> None:
    det = fitted(method, view)
    scores = det.anomaly_score(OTHER)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    assert len(set(scores)) == len(OTHER)
    assert np.array_equal(det.anomaly_score(OTHER), scores)
    assert np.array_equal(det.anomaly_score(OTHER[::-1]), scores[::-1])
    assert [det.anomaly_score([picture])[0] for picture in OTHER] == scores.tolist()
    assert np.array_equal(det.anomaly_score(OTHER + TRAIN)[: len(OTHER)], scores)


@every
def test_a_picture_is_scored_by_the_worst_of_its_rows(method: str, view: str) -> None:
    det = fitted(method, view)
    each = det.row_scores(OTHER)
    rows = [det.view.rows(picture) for picture in OTHER]
    assert [len(scores) for scores in each] == [len(r) for r in rows]
    assert np.array_equal(np.concatenate(each), det.detector_.anomaly_score(np.concatenate(rows)))
    assert [scores.max() for scores in each] == det.anomaly_score(OTHER).tolist()


def test_the_mean_counts_every_window() -> None:
    det = PictureDetector(METHODS["gan"](), VIEWS["patches"], pool="mean").fit(TRAIN)
    means = [scores.mean() for scores in det.row_scores(OTHER)]
    assert det.anomaly_score(OTHER).tolist() == means
    assert not np.array_equal(means, fitted("gan", "patches").anomaly_score(OTHER))


def test_models_score_the_same_bits_in_a_fresh_process(tmp_path: Path) -> None:
    np.savez(tmp_path / "pictures.npz", **{str(i): p for i, p in enumerate(OTHER)})
    expected = {}
    for method in METHODS:
        for view in VIEWS:
            det, folder = fitted(method, view), f"{method}-{view}"
            det.save(tmp_path / folder)
            back = load(tmp_path / folder)
            assert isinstance(back, PictureDetector)
            assert (back.view, back.pool, back.split_, back.map_scale_) == (
                det.view, det.pool, det.split_, det.map_scale_
            )  # fmt: skip
            assert back.threshold_ == det.threshold_
            assert [m.keys() for m in back.maps(OTHER)] == [m.keys() for m in det.maps(OTHER)]
            expected[folder] = det.anomaly_score(OTHER).tobytes().hex() + det.predict(OTHER).tobytes().hex()
    code = (
        "import sys, numpy as np, ringfence\n"
        "with np.load(sys.argv[1] + '/pictures.npz') as kept: given = [kept[k] for k in kept]\n"
        "for name in sys.argv[2:]:\n"
        "    det = ringfence.load(sys.argv[1] + '/' + name)\n"
        "    print(name, det.anomaly_score(given).tobytes().hex() + det.predict(given).tobytes().hex())\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *expected], capture_output=True, text=True, check=True
    ).stdout
    assert dict(line.split() for line in found.splitlines()) == expected


def test_a_loaded_detector_can_be_fitted_again_to_the_same_bits(tmp_path: Path) -> None:
    det = PictureDetector(METHODS["egbad"](calibration=0.3), VIEWS["resize"]).fit(TRAIN)
    again = load(det.save(tmp_path / "model")).fit(TRAIN)
    assert again.split_ == {"train": 4, "calibrate": 2}
    assert np.array_equal(again.anomaly_score(OTHER), det.anomaly_score(OTHER))
    assert again.threshold_ == det.threshold_


# ---- the cut -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_signs_and_cut_agree(method: str) -> None:
    det = fitted(method, "patches")
    scores = det.anomaly_score(OTHER + TRAIN)
    assert np.array_equal(det.score_samples(OTHER + TRAIN), -scores)
    assert np.array_equal(det.decision_function(OTHER + TRAIN), -scores - det.offset_)
    assert det.threshold_ == -det.offset_
    assert np.array_equal(det.predict(OTHER + TRAIN), np.where(scores > det.threshold_, -1, 1))


def test_the_cut_lies_at_the_asked_share_of_the_pictures() -> None:
    det = PictureDetector(METHODS["gan"](contamination=0.34), VIEWS["patches"]).fit(TRAIN)
    assert (det.predict(TRAIN) == -1).sum() == 2


def test_calibration_keeps_whole_pictures_out(monkeypatch: pytest.MonkeyPatch) -> None:
    taught: list[np.ndarray] = []
    fit = GAN.fit

    def noting(self: Any, rows: Any, **kw: Any) -> Any:
        taught.append(rows.read(np.arange(len(rows))))
        return fit(self, rows, **kw)

    monkeypatch.setattr(GAN, "fit", noting)
    det = PictureDetector(METHODS["gan"](calibration=0.5), VIEWS["patches"]).fit(TRAIN)
    assert det.split_ == {"train": 3, "calibrate": 3}
    assert det.detector_.split_["calibrate"] == 0
    inside = [
        any(np.array_equal(window, row) for row in taught[0]) for picture in TRAIN for window in det.view.rows(picture)
    ]
    counts = [det.view.count(*size) for size in SIZES]
    each = [part.mean() for part in np.split(np.array(inside), np.cumsum(counts)[:-1])]
    assert sorted(each) == [0, 0, 0, 1, 1, 1], "some windows of a picture trained and others did not"
    # The cut is that of the pictures kept out, and of no other.
    out = [picture for picture, share in zip(TRAIN, each, strict=True) if not share]
    assert det.threshold_ == quantile_cut(det.anomaly_score(out), "auto")


def test_pictures_of_one_group_are_on_one_side() -> None:
    groups = ["a", "a", "b", "b", "c", "c"]
    det = PictureDetector(METHODS["gan"](calibration=0.2), VIEWS["resize"]).fit(TRAIN, groups=groups)
    assert det.split_ == {"train": 4, "calibrate": 2}
    out = np.array([True, True, False, False, False, False])
    named = PictureDetector(METHODS["gan"](), VIEWS["resize"]).fit(TRAIN, held_out=out)
    assert named.split_ == {"train": 4, "calibrate": 2}
    apart = PictureDetector(METHODS["gan"](), VIEWS["resize"]).fit(TRAIN[2:])
    assert np.array_equal(named.anomaly_score(OTHER), apart.anomaly_score(OTHER)), "what was kept out has trained"


def test_an_untrained_detector_is_the_foil() -> None:
    foil = PictureDetector(METHODS["egbad"](), VIEWS["patches"]).fit_untrained(TRAIN)
    assert foil.history_ == []
    assert len(fitted("egbad", "patches").history_) == 1
    assert not np.array_equal(foil.anomaly_score(OTHER), fitted("egbad", "patches").anomaly_score(OTHER))


# ---- maps ----------------------------------------------------------------------------------------------------------


@every
def test_maps_have_the_pictures_own_size_and_a_scale(method: str, view: str) -> None:
    det = fitted(method, view)
    names = {"residual", "feature"} if hasattr(det.detector_, "code") else {"gradient"}
    names |= {"score"} if view == "patches" else set()
    assert set(det.map_scale_) == names
    found = det.maps(OTHER)
    assert len(found) == len(OTHER)
    for picture, maps in zip(OTHER, found, strict=True):
        assert set(maps) == names
        for name, values in maps.items():
            assert values.shape == picture.shape[1:]
            assert values.dtype == np.float32
            assert np.isfinite(values).all()
            assert 0 <= det.map_scale_[name] < np.inf


@every
def test_maps_are_frozen_functions_of_the_picture(method: str, view: str) -> None:
    det = fitted(method, view)
    among = det.maps(OTHER)
    for picture, maps in zip(OTHER, among, strict=True):
        (alone,) = det.maps([picture])
        assert alone.keys() == maps.keys()
        assert all(np.array_equal(alone[name], maps[name]) for name in maps)


def test_the_scale_is_a_share_of_the_pixels_of_the_pictures_kept_out() -> None:
    out = np.arange(len(TRAIN)) >= 4
    det = PictureDetector(METHODS["egbad"](), VIEWS["patches"]).fit(TRAIN, held_out=out)
    for name, scale in det.map_scale_.items():
        pixels = np.concatenate([maps[name].ravel() for maps in det.maps(TRAIN[4:])])
        assert scale == pytest.approx(np.quantile(pixels, 0.995), rel=1e-6)


def test_the_score_map_is_the_mean_score_of_the_windows_over_a_pixel() -> None:
    det = fitted("gan", "patches")
    (scores,), (maps,) = det.row_scores(OTHER[3:4]), det.maps(OTHER[3:4])
    total, times = np.zeros((25, 22)), np.zeros((25, 22))
    for score, (top, left, bottom, right) in zip(scores, det.view.windows(25, 22), strict=True):
        total[top:bottom, left:right] += score
        times[top:bottom, left:right] += 1
    np.testing.assert_allclose(maps["score"], total / times, rtol=1e-5)


def test_maps_of_many_rows_come_in_parts_of_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    det = fitted("egbad", "patches")
    whole = det.maps(OTHER)
    monkeypatch.setattr("ringfence.picture_detector.PIXELS_AT_ONCE", 1)
    for maps, one in zip(whole, det.each_maps(OTHER), strict=True):
        assert all(np.array_equal(maps[name], one[name]) for name in maps)


def test_a_reconstruction_is_a_picture_in_the_pictures_units() -> None:
    for view in VIEWS.values():
        colour = pictures(2, 3)
        det = PictureDetector(METHODS["egbad"](), view).fit(colour)
        among = det.reconstruct(colour)
        low, high = min(p.min() for p in colour), max(p.max() for p in colour)
        for given, made in zip(colour, among, strict=True):
            assert made.shape == given.shape
            assert made.dtype == np.float32
            assert low - 1e-5 <= made.min() < made.max() <= high + 1e-5
        assert np.array_equal(det.reconstruct(colour[1:2])[0], among[1])
    rows = det.view.rows(colour[3])
    remade = det.detector_.reconstruct(rows)
    stitched = np.stack([det.view.stitch(remade[:, c], 25, 22) for c in range(3)])
    assert np.array_equal(among[3], stitched)


def test_reconstruction_takes_chunks_and_not_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    det = fitted("egbad", "resize")
    calls: list[int] = []
    code = EGBAD.code
    monkeypatch.setattr(EGBAD, "code", lambda self, nets, x: calls.append(len(x)) or code(self, nets, x))
    det.reconstruct(OTHER)
    assert len(calls) == 1, "one chunk holds all six rows"


def test_what_can_not_reconstruct_says_so() -> None:
    with pytest.raises(InvalidParameter, match="GAN does not reconstruct"):
        fitted("gan", "resize").reconstruct(OTHER)


# ---- scikit-learn --------------------------------------------------------------------------------------------------


def test_parameters_are_nested_and_clones_are_unfitted() -> None:
    det = PictureDetector(METHODS["gan"](), VIEWS["patches"], pool="mean", workers=3)
    assert det.get_params()["detector__lr"] == det.detector.lr
    assert det.set_params(detector__lr=0.5, workers=1).detector.lr == 0.5
    copied = clone(fitted("gan", "patches").set_params(detector__verbose=0))
    assert copied.get_params(deep=False).keys() == {"detector", "view", "pool", "workers"}
    assert (copied.view, copied.pool) == (VIEWS["patches"], "max")
    with pytest.raises(NotFittedError):
        copied.anomaly_score(OTHER)
    with pytest.raises(NotFittedError):
        copied.save("nowhere")
    check_is_fitted(fitted("gan", "patches"))
    assert "Patches(height=16" in repr(copied)


def test_fitting_leaves_the_given_detector_alone() -> None:
    given = METHODS["gan"](calibration=0.3)
    before = given.get_params()
    det = PictureDetector(given, VIEWS["resize"]).fit(TRAIN)
    assert given.get_params() == before
    assert not hasattr(given, "nets_")
    assert det.detector_ is not given


def test_scikit_learn_knows_an_outlier_detector() -> None:
    det = PictureDetector(METHODS["gan"](), VIEWS["resize"])
    assert get_tags(det).estimator_type == "outlier_detector"
    assert set(det.fit_predict(TRAIN)) <= {-1, 1}


def test_a_fit_that_fails_leaves_an_unfitted_detector_unfitted() -> None:
    det = PictureDetector(METHODS["gan"](layers={"nonsense": []}), VIEWS["resize"])
    with pytest.raises(InvalidParameter):
        det.fit(TRAIN)
    with pytest.raises(NotFittedError):
        det.anomaly_score(OTHER)


def test_a_bar_is_shown_once_and_loudness_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    det = PictureDetector(METHODS["egbad"](verbose=1), VIEWS["patches"]).fit(TRAIN)
    shown: list[str] = []
    from ringfence import progress

    real = progress.tqdm
    monkeypatch.setattr(progress, "tqdm", lambda **kw: shown.append(kw["desc"]) or real(**kw))
    det.maps(OTHER)
    det.reconstruct(OTHER)
    assert shown == ["maps", "reconstructing"]
    assert det.detector_.verbose == 1
    assert load(det.save(tmp_path / "model")).detector_.verbose == 0


# ---- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"pool": "man"}, "unknown pool 'man': did you mean 'mean'"),
        ({"workers": 0}, "workers=0: allowed are whole numbers"),
        ({"workers": "2"}, "workers='2'"),
        ({"view": "resize"}, r"view='resize': allowed is a view such as Resize\(32, 32\)"),
        ({"detector": FenceGAN}, "detector=.*FenceGAN.*: allowed is a detector such as"),
        ({"detector__calibration": "0.1"}, "calibration='0.1'"),
        ({"detector__lr": -1}, "lr=-1"),
    ],
)
def test_wrong_parameters_are_named_before_pictures_are_read(changes: dict[str, Any], words: str) -> None:
    class Unread(Arrays):
        def read(self, at: int) -> Any:
            raise AssertionError("read")

    det = PictureDetector(METHODS["gan"](), VIEWS["resize"]).set_params(**changes)
    with pytest.raises(InvalidParameter, match=words) as caught:
        det.fit(Unread(TRAIN))
    assert "\n" not in str(caught.value)


def hole(height: int = 20, width: int = 24) -> np.ndarray:
    made = np.zeros((height, width))
    made[3, 4] = np.nan
    return made


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (TRAIN[:1], "X has 1 picture, at least 2 are needed"),
        ([], "no pictures: at least one"),
        ([*TRAIN, hole()], "picture 6 holds NaN"),
        ([*TRAIN, np.full((9, 9), 1e300)], "picture 6 holds NaN or infinite"),
        ([*TRAIN, np.zeros((3, 20, 24))], "picture 6 has 3 channels, the first has 1"),
        ([*TRAIN, np.zeros((20, 24, 3))], r"picture 6 has the shape \(20, 24, 3\), channels at the end"),
        ([*TRAIN, np.zeros(9)], r"picture 6 has the shape \(9,\)"),
        ([*TRAIN, np.zeros((0, 9))], r"picture 6 has the shape \(0, 9\)"),
        (["a.png", "b.png"], "picture 0 is no array of numbers"),
        ([[[1, 2], [3]], TRAIN[0]], "picture 0 is no array of numbers"),
        ("folder", "X is of type str"),
        (None, "X is of type NoneType"),
        (7, "X is of type int"),
    ],
)
def test_what_is_no_set_of_pictures_is_refused_in_one_line(given: Any, words: str) -> None:
    with pytest.raises(InvalidData, match=words) as caught:
        PictureDetector(METHODS["gan"](), VIEWS["patches"]).fit(given)
    assert "\n" not in str(caught.value)


def test_a_picture_that_the_view_can_not_take_is_named() -> None:
    too_large = [*TRAIN, np.zeros((27, 22))]
    words = r"'picture 6': a picture of 22×27 pixels is larger than the frame of 26×26"
    with pytest.raises(InvalidData, match=words):
        PictureDetector(METHODS["gan"](), VIEWS["pad"]).fit(too_large)
    with pytest.raises(InvalidData, match=words):
        fitted("gan", "pad").anomaly_score(too_large)


def test_scoring_refuses_other_channels_and_nothing() -> None:
    det = fitted("gan", "patches")
    for ask in (det.anomaly_score, det.maps, det.predict):
        with pytest.raises(InvalidData, match="channels are 3, those that were fitted are 1"):
            ask(pictures(1, 3))
    with pytest.raises(InvalidData, match="X has no picture"):
        det.anomaly_score(Arrays(OTHER).take([]))


def test_one_picture_left_to_train_is_too_few() -> None:
    with pytest.raises(InvalidData, match=r"held_out leaves 1 of 6 pictures to train on"):
        PictureDetector(METHODS["gan"](), VIEWS["patches"]).fit(TRAIN, held_out=[True] * 5 + [False])
    with pytest.raises(InvalidData, match=r"groups has the shape \(2,\): one value for each of the 6 pictures"):
        PictureDetector(METHODS["gan"](calibration=0.2), VIEWS["patches"]).fit(TRAIN, groups=[1, 2])


# ---- checkpoints and lazily read rows ------------------------------------------------------------------------------


class Stop(Exception):
    """Stands for a kill."""


def test_a_fit_cut_short_ends_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> PictureDetector:
        return PictureDetector(METHODS["fencegan"](calibration=0.3, epochs=3), VIEWS["patches"])

    expected = make().fit(TRAIN)
    monkeypatch.setattr(checkpoint, "LEAST_PAUSE", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 0.0)
    save, steps = checkpoint.Keeper.save, [0]

    def counted(self: Any, *args: Any) -> None:
        save(self, *args)
        steps[0] += 1
        if steps[0] == 4:
            raise Stop

    monkeypatch.setattr(checkpoint.Keeper, "save", counted)
    with pytest.raises(Stop):
        make().fit(TRAIN, checkpoint=tmp_path / "run")
    resumed = make().fit(TRAIN, checkpoint=tmp_path / "run")
    assert resumed.history_ == expected.history_
    assert np.array_equal(resumed.anomaly_score(OTHER), expected.anomaly_score(OTHER))
    assert (resumed.threshold_, resumed.map_scale_) == (expected.threshold_, expected.map_scale_)
    with pytest.raises(ValueError, match="keeps a run of other rows"):
        make().fit(OTHER, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="keeps a run of other rows"):
        make().set_params(view=Patches(16, 16, 11)).fit(TRAIN, checkpoint=tmp_path / "run")


def test_a_checkpoint_that_could_never_be_found_again_is_refused(tmp_path: Path) -> None:
    det = PictureDetector(METHODS["gan"](calibration=0.3, random_state=None), VIEWS["resize"])
    with pytest.raises(InvalidParameter, match=r"random_state=None: .* give a number"):
        det.fit(TRAIN, checkpoint=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", METHODS)
def test_rows_made_lazily_teach_the_same_bits_as_an_array_of_them(method: str) -> None:
    rows = WindowRows(Arrays(TRAIN), VIEWS["patches"])
    array = rows.read(np.arange(len(rows)))
    lazily, at_once = METHODS[method]().fit(rows), METHODS[method]().fit(array)
    assert lazily.history_ == at_once.history_
    assert lazily.offset_ == at_once.offset_
    weights = zip(lazily.nets_.state_dict().values(), at_once.nets_.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)
    assert np.array_equal(lazily.anomaly_score(rows), at_once.anomaly_score(array))
    assert fitted(method, "patches").detector_.offset_ == at_once.offset_


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("calibration", [0.0, 0.3])
def test_a_fit_decodes_every_picture_once(view: str, calibration: float) -> None:
    read: list[int] = []

    class Counted(Arrays):
        def read(self, at: int) -> Any:
            read.append(at)
            return super().read(at)

    det = PictureDetector(METHODS["gan"](epochs=2, calibration=calibration), VIEWS[view], workers=1)
    det.fit(Counted(TRAIN))
    assert sorted(read) == list(range(len(TRAIN)))


def test_lazy_rows_of_another_shape_are_refused() -> None:
    rows = WindowRows(Arrays(TRAIN), VIEWS["resize"])
    with pytest.raises(InvalidData, match=r"rows of shape \(1, 26, 26\), but GAN was fitted with \(1, 16, 16\)"):
        fitted("gan", "resize").detector_.anomaly_score(WindowRows(Arrays(TRAIN), VIEWS["pad"]))
    assert len(fitted("gan", "resize").detector_.anomaly_score(rows)) == 6


# ---- folders -------------------------------------------------------------------------------------------------------


def folder_of(root: Path, mode: str, height: int, width: int, count: int = 4) -> Path:
    from PIL import Image

    rng = np.random.default_rng(0)
    channels = {"L": 1, "RGB": 3, "RGBA": 4, "I;16": 1}[mode]
    root.mkdir()
    for at in range(count):
        slope = np.linspace(0, 100, height)[:, None, None] + np.linspace(0, 90, width)[None, :, None]
        values = slope + rng.uniform(0, 60, (height, width, channels))
        array = (values * 257).astype(np.uint16) if mode == "I;16" else values.astype(np.uint8)
        image = Image.fromarray(array[:, :, 0] if channels == 1 else array)
        assert image.mode == mode
        image.save(root / f"{at}.png")
    return root


@pytest.mark.parametrize("view", [Resize(16, 16), Patches(16, 16, 16)], ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(
    ("mode", "height", "width"),
    [("RGB", 80, 80), ("RGB", 150, 200), ("L", 81, 79), ("L", 80, 80), ("RGBA", 80, 80), ("I;16", 80, 80)],
)
def test_folders_of_any_size_and_mode_are_fitted(
    mode: str, height: int, width: int, view: View, tmp_path: Path
) -> None:
    folder = read_picture_folder(folder_of(tmp_path / "pictures", mode, height, width))
    files = PictureFiles(folder.files)
    assert files.channels == {"L": 1, "RGB": 3, "RGBA": 4, "I;16": 1}[mode]
    assert files.faults() == {}
    det = PictureDetector(METHODS["egbad"](), view, workers=2).fit(files)
    scores = det.anomaly_score(files)
    assert len(set(scores)) == len(files)
    (maps,) = det.maps(files.take([2]))
    assert {values.shape for values in maps.values()} == {(height, width)}
    (made,) = det.reconstruct(files.take([2]))
    assert made.shape == (files.channels, height, width)
    assert 0 <= made.min() <= made.max() <= 1
    # The same pictures from memory are the same pictures.
    held = [files.read(at) for at in range(len(files))]
    assert np.array_equal(PictureDetector(METHODS["egbad"](), view).fit(held).anomaly_score(held), scores)
