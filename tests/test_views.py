"""Pictures to rows of one shape and maps back."""

from pathlib import Path

import numpy as np
import pytest

from ringfence.data.decode import decode, decode_mask
from ringfence.data.pictures import read_picture_folder
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.views import VIEWS, Pad, Patches, Resize, View, view_facts, view_from

SIZES = [(80, 80), (200, 150), (81, 79), (33, 65), (9, 200), (5, 3), (1, 1)]
ALL: list[View] = [Resize(32, 48), Pad(200, 200), Patches(32, 48, 20)]


def picture(height: int, width: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((channels, height, width), dtype=np.float32)


@pytest.mark.parametrize("view", ALL, ids=lambda view: type(view).__name__)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_rows_have_the_views_shape_and_the_counted_number(view: View, size: tuple[int, int], channels: int) -> None:
    rows = view.rows(picture(*size, channels))
    assert rows.shape == (view.count(*size), channels, *view.shape)
    assert rows.dtype == np.float32
    assert rows.flags.c_contiguous
    assert rows.min() >= 0
    assert rows.max() <= 1
    assert view.windows(*size).shape == (view.count(*size), 4)
    stitched = view.stitch(rows[:, 0], *size)
    assert stitched.shape == size
    assert stitched.dtype == np.float32


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", [Pad(200, 200), Patches(32, 48, 32), Patches(32, 48, 7), Patches(64, 64, 1)], ids=str)
def test_stitched_rows_are_the_picture(view: View, size: tuple[int, int]) -> None:
    given = picture(*size)
    np.testing.assert_allclose(view.stitch(view.rows(given)[:, 0], *size), given[0], atol=1e-6)


def test_resize_keeps_a_constant_and_a_same_sized_picture() -> None:
    flat = np.full((3, 81, 79), 0.25, dtype=np.float32)
    np.testing.assert_allclose(Resize(32, 48).rows(flat), 0.25, atol=1e-6)
    np.testing.assert_allclose(Resize(32, 48).stitch(np.full((1, 32, 48), 0.25), 81, 79), 0.25, atol=1e-6)
    given = picture(32, 48)
    np.testing.assert_allclose(Resize(32, 48).rows(given)[0], given, atol=1e-6)


def test_resize_averages_when_it_shrinks() -> None:
    stripes = np.tile(np.array([0, 1], dtype=np.float32), (1, 64, 64))
    np.testing.assert_allclose(Resize(16, 16).rows(stripes)[0, 0, 2:-2, 2:-2], 0.5, atol=0.02)


@pytest.mark.parametrize("view", ALL, ids=lambda view: type(view).__name__)
def test_rows_are_the_same_bits_whatever_was_seen_before(view: View) -> None:
    first = view.rows(picture(81, 79))
    view.rows(picture(200, 150, seed=1))
    assert np.array_equal(view.rows(picture(81, 79)), first)
    assert np.array_equal(view.rows(picture(81, 79, 3))[:, :1], view.rows(picture(81, 79, 3)[:1]))


def test_rows_do_not_change_the_picture_or_share_its_memory() -> None:
    for view in (Resize(80, 80), Pad(80, 80), Patches(80, 80, 80)):
        given = picture(80, 80)
        view.rows(given)[...] = -1
        assert np.array_equal(given, picture(80, 80))


def test_pad_centres_and_repeats_the_edge() -> None:
    row = Pad(10, 11).rows(np.array([[[1, 2], [3, 4], [5, 6]]], dtype=np.float32))[0, 0]
    assert row[3:6, 4:6].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert row[0, 0] == 1
    assert row[-1, -1] == 6
    assert row[4].tolist() == [3] * 5 + [4] * 6


def test_pad_refuses_a_larger_picture_and_names_both_sizes() -> None:
    with pytest.raises(InvalidData, match=r"150×200 pixels is larger than the frame of 128×256"):
        Pad(256, 128).rows(picture(200, 150))
    with pytest.raises(InvalidData, match="larger"):
        Pad(256, 128).count(200, 150)


def test_patches_end_flush_with_the_far_edge() -> None:
    windows = Patches(32, 32, 16).windows(70, 32)
    assert windows.tolist() == [[0, 0, 32, 32], [16, 0, 48, 32], [32, 0, 64, 32], [38, 0, 70, 32]]
    assert Patches(32, 32, 16).count(64, 64) == 9


def test_patches_pad_a_small_picture_at_its_end() -> None:
    row = Patches(8, 8, 8).rows(np.array([[[1, 2], [3, 4]]], dtype=np.float32))[0, 0]
    assert row[0].tolist() == [1] + [2] * 7
    assert row[-1].tolist() == [3] + [4] * 7


def test_patches_stitch_the_mean_of_overlaps() -> None:
    maps = np.stack([np.full((8, 8), 1.0), np.full((8, 8), 3.0)])
    assert Patches(8, 8, 4).stitch(maps, 8, 12)[0].tolist() == [1] * 4 + [2] * 4 + [3] * 4


def test_window_labels_follow_the_papers_intersection_over_union() -> None:
    # Windows at columns 0, 4, 8; the defect is columns 4…11: shares of the union 32/96, 1, 32/96.
    mask = np.zeros((8, 16), dtype=bool)
    mask[:, 4:12] = True
    view = Patches(8, 8, 4)
    assert view.window_labels(mask).tolist() == [True, True, True]
    assert view.window_labels(mask, 0.34).tolist() == [False, True, False]
    assert view.window_labels(mask, 0.5, of="window").tolist() == [False, True, False]
    assert view.window_labels(mask, 0.49, of="defect").tolist() == [True, True, True]


def test_an_overlap_equal_to_the_threshold_is_normal() -> None:
    mask = np.zeros((8, 16), dtype=bool)
    mask[:, 4:8] = True
    assert Patches(8, 8, 8).window_labels(mask, 0.5).tolist() == [False, False]
    assert Patches(8, 8, 8).window_labels(mask, 0.499).tolist() == [True, False]


def test_a_tiny_defect_counts_by_its_own_share_only() -> None:
    mask = np.zeros((32, 32), dtype=bool)
    mask[3:5, 3:5] = True
    view = Patches(16, 16, 16)
    assert not view.window_labels(mask).any()
    assert not view.window_labels(mask, of="window").any()
    assert view.window_labels(mask, of="defect").tolist() == [True, False, False, False]


def test_defects_count_one_by_one_and_corners_join() -> None:
    mask = np.zeros((8, 24), dtype=bool)
    mask[:, :8] = True
    mask[:, 16:] = True
    assert Patches(8, 8, 8).window_labels(mask, 0.9).tolist() == [True, False, True]
    joined = np.zeros((16, 16), dtype=bool)
    joined[:8, :8] = joined[8:, 8:] = True
    assert Patches(8, 8, 8).window_labels(joined, 0.5, of="defect").tolist() == [False] * 4


def test_an_empty_mask_labels_nothing() -> None:
    for of in ("union", "window", "defect"):
        assert not Patches(8, 8, 4).window_labels(np.zeros((40, 40), dtype=bool), 0, of=of).any()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Resize(7, 32), "height=7"),
        (lambda: Resize(32, 32.5), "width=32.5"),
        (lambda: Pad(True, 32), "height=True"),
        (lambda: Patches(32, 32, 0), "stride=0"),
        (lambda: Patches(32, 16, 17), "stride=17.*at most 16"),
        (lambda: Patches(8, 8, 4).window_labels(np.ones((9, 9), dtype=bool), 1.0), "threshold=1"),
        (lambda: Patches(8, 8, 4).window_labels(np.ones((9, 9), dtype=bool), of="unoin"), "did you mean 'union'"),
        (lambda: view_from({"view": "patch"}), "did you mean 'patches'"),
        (lambda: view_from({}), "unknown view"),
        (lambda: view_from({"view": "resize", "height": 32}), "lacks 'width'"),
        (lambda: view_from({"view": "resize", "height": 32, "widht": 32}), "did you mean 'width'"),
    ],
)
def test_wrong_parameters_are_named(build, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        build()


def test_wrong_shapes_are_named() -> None:
    view = Patches(8, 8, 4)
    with pytest.raises(InvalidData, match=r"\(9, 9\) is no picture"):
        view.rows(np.zeros((9, 9), dtype=np.float32))
    with pytest.raises(InvalidData, match=r"\(1, 9, 9\) is no picture"):
        view.window_labels(np.zeros((1, 9, 9), dtype=bool))
    with pytest.raises(InvalidData, match=r"maps have shape \(1, 8, 8\).*needs \(4, 8, 8\)"):
        view.stitch(np.zeros((1, 8, 8)), 9, 9)


def test_facts_build_the_same_view() -> None:
    assert {type(view) for view in ALL} == set(VIEWS.values())
    for view in ALL:
        assert view_from(view_facts(view)) == view
    assert view_facts(Patches(np.int64(32), 48, 20)) == {"view": "patches", "height": 32, "width": 48, "stride": 20}


def test_magnetic_tiles_come_back_from_their_patches(data_dir: Path) -> None:
    root = data_dir / "magnetic_tile"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    view = Patches(64, 64, 32)
    folder = read_picture_folder(root)
    for file in folder.test[::9]:
        pixels = decode(file.path, 1)
        rows = view.rows(pixels)
        assert len(rows) == view.count(*pixels.shape[1:])
        np.testing.assert_allclose(view.stitch(rows[:, 0], *pixels.shape[1:]), pixels[0], atol=1e-6)
    uneven = next(file for file in folder.test if file.group == "uneven")
    assert uneven.mask is not None
    mask = decode_mask(uneven.mask, (uneven.header.height, uneven.header.width))
    labels = view.window_labels(mask, of="window")
    assert labels.any()
    shares = [float(mask[top:bottom, left:right].mean()) for top, left, bottom, right in view.windows(*mask.shape)]
    assert np.array_equal(labels, np.greater(shares, 0.3))
