"""The cut: exactly the share that was asked for lies above it."""

import numpy as np
import pytest

from ringfence.exceptions import InvalidParameter
from ringfence.threshold import AUTO, quantile_cut, share_of

SCORES = np.random.default_rng(0).permutation(300).astype(float)


@pytest.mark.parametrize(
    ("share", "flagged"),
    # ⌊share · 300⌋
    [(0.0, 0), (0.1, 30), (30 / 300, 30), (0.07, 21), (0.29, 87), (0.5, 150), (0.004, 1), (0.003, 0), ("auto", 15)],
)
def test_so_many_rows_lie_above_the_cut(share: float | str, flagged: int) -> None:
    assert (quantile_cut(SCORES, share) < SCORES).sum() == flagged


def test_rounding_of_a_product_flags_no_row_less() -> None:
    # .29 · 100 is 28.999999999999996.
    assert int(0.29 * 100) == 28
    assert (SCORES[:100] > quantile_cut(SCORES[:100], 0.29)).sum() == 29


def test_the_cut_is_the_least_value_that_does() -> None:
    # 10 scores 0 … 9, share .2: above 7 are two, above 6.999 three.
    assert quantile_cut(np.arange(10.0), 0.2) == 7
    assert quantile_cut(np.arange(10.0), 0.0) == 9


def test_ties_flag_fewer_never_more() -> None:
    # Half of the scores are 1: above 1 there is nothing, above 0 there would be a half.
    assert quantile_cut(np.repeat([0.0, 1.0], 5), 0.2) == 1
    assert quantile_cut(np.ones(7), 0.5) == 1


@pytest.mark.parametrize("count", range(1, 40))
@pytest.mark.parametrize("share", [0.05, 0.1, 1 / 3, 0.5])
def test_never_more_than_the_share_whatever_the_number_of_rows(count: int, share: float) -> None:
    scores = np.arange(count, dtype=float)
    flagged = (scores > quantile_cut(scores, share)).sum()
    assert flagged <= share * count + 1e-9
    assert flagged + 1 > share * count - 1e-9


def test_auto_is_one_row_in_twenty() -> None:
    assert share_of("auto") == AUTO == 0.05


@pytest.mark.parametrize("bad", [-0.1, 0.51, 0.9, 5, float("nan"), float("inf"), "most", "0.1", None, True, [0.1]])
def test_other_shares_are_refused_in_one_line(bad: object) -> None:
    with pytest.raises(
        InvalidParameter, match=r"^contamination=.*allowed are 'auto' and numbers from 0 to 0\.5$"
    ) as caught:
        share_of(bad)  # type: ignore[arg-type]
    assert repr(bad) in str(caught.value)
    assert "\n" not in str(caught.value)
