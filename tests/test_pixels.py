"""Pixel figures: by hand on small maps, against scikit-learn and a count at every threshold on larger ones."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.pixels import evaluate_pixels, pixel_ap, pixel_auroc, pro

# A region of two pixels (9 and 4), one of a single pixel (7), five normal pixels.
MAP = np.array([[9.0, 4.0, 8.0, 7.0], [5.0, 3.0, 2.0, 1.0]])
MASK = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], dtype=bool)


@pytest.fixture
def pictures():
    """Maps of several sizes with many ties, masks of several regions, one picture of them normal."""
    rng = np.random.default_rng(3)
    maps, masks = [], []
    for h, w in ((7, 9), (12, 5), (1, 30), (16, 16), (8, 8)):
        mask = rng.random((h, w)) < 0.15
        masks.append(mask if h != 8 else np.zeros((h, w), dtype=bool))
        maps.append(np.round(rng.normal(size=(h, w)) + masks[-1], 1).astype(np.float32))
    return maps, masks


def touching(mask):
    """The regions of a mask as sets of pixels, by flooding."""
    left = set(zip(*np.nonzero(mask), strict=True))
    regions = []
    while left:
        region, border = set(), [left.pop()]
        while border:
            i, j = border.pop()
            region.add((i, j))
            near = {(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)} & left
            left -= near
            border.extend(near)
        regions.append(region)
    return regions


def pro_by_counting(maps, masks, limit):
    """The curve's points threshold by threshold, its area in narrow strips between them."""
    points = [(0.0, 0.0)]
    n_normal = sum(int((~mask).sum()) for mask in masks)
    for threshold in sorted({float(v) for values in maps for v in values.ravel()}, reverse=True):
        false = sum(int((values[~mask] >= threshold).sum()) for values, mask in zip(maps, masks, strict=True))
        shares = [
            np.mean([values[pixel] >= threshold for pixel in region])
            for values, mask in zip(maps, masks, strict=True)
            for region in touching(mask)
        ]
        points.append((false / n_normal, float(np.mean(shares))))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            height = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + height) / 2
    return area / limit


# ---- by hand


def test_the_overlap_curve_of_a_small_map():
    # (rate, overlap): (0, 1/4) from 9; (1/5, 1/4) from 8; (1/5, 3/4) from 7; (2/5, 3/4) from 5; (2/5, 1) from 4.
    assert pro([MAP], [MASK], limit=0.3) == pytest.approx((0.2 * 0.25 + 0.1 * 0.75) / 0.3)
    assert pro([MAP], [MASK], limit=0.1) == pytest.approx(0.25)
    assert pro([MAP], [MASK], limit=0.2) == pytest.approx(0.25)
    assert pro([MAP], [MASK], limit=1) == pytest.approx(0.2 * 0.25 + 0.2 * 0.75 + 0.6)


def test_rank_figures_of_a_small_map():
    assert pixel_auroc([MAP], [MASK]) == 12 / 15  # 9 beats five, 7 beats four, 4 beats three
    assert pixel_ap([MAP], [MASK]) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)


def test_a_tie_counts_half_and_cuts_the_curve_straight():
    maps, masks = [np.array([[1.0, 1.0, 0.0, 0.0]])], [np.array([[True, False, False, False]])]
    assert pixel_auroc(maps, masks) == 2.5 / 3
    assert pro(maps, masks, limit=0.3) == pytest.approx(0.3 * 0.9 / 2 / 0.3)  # on the line to (1/3, 1)
    assert pro(maps, masks, limit=1) == pytest.approx(1 / 6 + 2 / 3)
    assert pixel_ap(maps, masks) == 1 / 2


def test_small_regions_count_as_much_as_large_ones():
    mask = np.zeros((10, 12), dtype=bool)
    mask[:5, :5] = mask[9, 11] = True
    values = np.where(mask, 0.0, 1.0)
    values[9, 11] = 2.0
    assert pro([values], [mask]) == pytest.approx(0.5)
    values[:5, :5], values[9, 11] = 2.0, 0.0
    assert pro([values], [mask]) == pytest.approx(0.5)


def test_pixels_that_touch_at_a_corner_are_one_region():
    mask = np.zeros((4, 4), dtype=bool)
    mask[0, 0] = mask[1, 1] = mask[3, 3] = True
    values = np.where(mask, 0.0, 1.0)
    values[3, 3] = 2.0
    assert pro([values], [mask]) == pytest.approx(1 / 2)  # of two regions, not a third of three


# ---- ends of the scale


def test_a_perfect_map_has_one_and_an_inverted_one_nothing(pictures):
    _, masks = pictures
    perfect = [mask.astype(np.float32) for mask in masks]
    assert evaluate_pixels(perfect, masks) == {"pixel_auroc": 1.0, "pro": 1.0, "pixel_ap": 1.0}
    worst = evaluate_pixels([-values for values in perfect], masks)
    share = sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks)
    assert (worst["pixel_auroc"], worst["pro"]) == (0.0, 0.0)
    assert worst["pixel_ap"] == pytest.approx(share)


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
def test_a_constant_map_is_as_good_as_chance(pictures, limit):
    _, masks = pictures
    found = evaluate_pixels([np.ones(mask.shape) for mask in masks], masks, limit)
    share = sum(mask.sum() for mask in masks) / sum(mask.size for mask in masks)
    assert found["pixel_auroc"] == 0.5
    assert found["pro"] == pytest.approx(limit / 2)
    assert found["pixel_ap"] == pytest.approx(share)


def test_random_maps_come_near_chance():
    rng = np.random.default_rng(0)
    masks = [np.kron(rng.random((8, 8)) < 0.1, np.ones((4, 4), dtype=bool)).astype(bool) for _ in range(40)]
    found = evaluate_pixels([rng.random(mask.shape) for mask in masks], masks)
    assert found["pixel_auroc"] == pytest.approx(0.5, abs=0.02)
    assert found["pro"] == pytest.approx(0.15, abs=0.02)


# ---- against other ways to count


@pytest.mark.parametrize("limit", [0.01, 0.1, 0.3, 0.5, 1.0])
def test_pro_agrees_with_a_count_at_every_threshold(pictures, limit):
    assert pro(*pictures, limit=limit) == pytest.approx(pro_by_counting(*pictures, limit), abs=1e-12)


def test_rank_figures_agree_with_scikit_learn(pictures):
    maps, masks = pictures
    truth, scores = (np.concatenate([part.ravel() for part in parts]) for parts in (masks, maps))
    assert pixel_auroc(maps, masks) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert pixel_ap(maps, masks) == pytest.approx(average_precision_score(truth, scores), abs=1e-12)


def test_all_figures_at_once_are_the_single_ones(pictures):
    maps, masks = pictures
    assert evaluate_pixels(iter(maps), iter(masks), 0.2) == {
        "pixel_auroc": pixel_auroc(maps, masks),
        "pro": pro(maps, masks, 0.2),
        "pixel_ap": pixel_ap(maps, masks),
    }


@pytest.mark.parametrize("change", [np.exp, lambda v: 3 * v - 7, lambda v: v**3, lambda v: v.astype(np.float16)])
def test_an_increasing_change_of_the_scores_changes_nothing(pictures, change):
    maps, masks = pictures
    wide = [values.astype(np.float64) for values in maps]
    assert evaluate_pixels([change(values) for values in wide], masks) == evaluate_pixels(maps, masks)


def test_the_order_of_pictures_and_a_turned_picture_change_nothing(pictures):
    maps, masks = pictures
    found = evaluate_pixels([values.T for values in maps[::-1]], [mask.T for mask in masks[::-1]])
    assert found == pytest.approx(evaluate_pixels(maps, masks), abs=1e-12)


def test_scores_that_differ_in_the_last_bit_of_float64_are_told_apart():
    values = np.array([[1.0, np.nextafter(1.0, 2.0)]])
    assert pixel_auroc([values], [np.array([[False, True]])]) == 1.0


def test_a_stack_of_whole_numbers_is_fine():
    maps = np.array([[[3, 0], [0, 0]], [[0, 1], [0, 0]]], dtype=np.uint8)
    masks = np.array([[[True, False], [False, False]], [[False, False], [False, False]]])
    assert evaluate_pixels(maps, masks)["pixel_auroc"] == 1.0


# ---- refusals


@pytest.mark.parametrize("figure", [pixel_auroc, pixel_ap, pro, evaluate_pixels])
@pytest.mark.parametrize(
    ("maps", "masks", "said"),
    [
        ([MAP], [np.zeros_like(MASK)], "0 of 8 pixels are anomalous"),
        ([MAP], [np.ones_like(MASK)], "8 of 8 pixels are anomalous"),
        ([], [], "0 of 0 pixels"),
        ([MAP, MAP], [MASK, MASK.T], r"picture 2: map and mask need one shape \(h, w\), not \(2, 4\) and \(4, 2\)"),
        ([MAP.ravel()], [MASK.ravel()], "picture 1: map and mask need one shape"),
        ([MAP, MAP], [MASK], "picture 2 has no mask"),
        ([MAP], [MASK, MASK], "picture 2 has no map"),
        ([MAP], [MASK.astype(int)], "picture 1: the mask has dtype int64"),
        ([MAP.astype(str)], [MASK], "picture 1: the map has dtype <U32"),
        ([MAP, np.where(MAP == 3, np.nan, MAP)], [MASK, MASK], "picture 2: the map is nan in row 2, column 2"),
        ([np.where(MAP == 7, -np.inf, MAP)], [MASK], "picture 1: the map is -inf in row 1, column 4"),
    ],
)
def test_pictures_that_cannot_be_judged_are_named(figure, maps, masks, said):
    with pytest.raises(InvalidData, match=said):
        figure(maps, masks)


@pytest.mark.parametrize("limit", [0, -0.1, 1.1, float("nan")])
@pytest.mark.parametrize("figure", [pro, evaluate_pixels])
def test_a_limit_out_of_range_is_refused(figure, limit):
    with pytest.raises(InvalidParameter, match="above 0 and at most 1"):
        figure([MAP], [MASK], limit)
