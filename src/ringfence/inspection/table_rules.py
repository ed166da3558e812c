"""What to warn of in a table: one small rule each, on what was seen of the columns."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from .advice import Advice, columns_are, share, short
from .columns import FAULTY, Look

FEW_VALUES: Final = 10
"""A number of no more different whole values than this may be a code."""

NEARLY_ALL: Final = 0.99
"""A column hardly varies if so many of the training rows have one value."""

MANY_CATEGORIES: Final = 50
"""A category of more values than this makes a wide table."""

Rule = Callable[[Sequence[Look], bool], Iterator[Advice]]


def advise(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    """Warn of columns; `array` says that they have no names of their own, so no --kind is of help."""
    for rule in RULES:
        yield from rule(looks, array)


def _faulty(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    if not any(look.used for look in looks):
        yield Advice("refused", "a fit will refuse this table: no column is left to learn from")
    for look in looks:
        if look.kind == FAULTY:
            yield Advice("refused", f"a fit will refuse this table: {look.reason}", (look.name,))


def _told(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    for look in looks:
        if look.tells is not None and look.used:
            yield Advice(
                "leak",
                f"column '{short(look.name)}' alone tells the label ({look.tells}): is it known before the label is?"
                f" If not, {_skip([look.name], array)}",
                (look.name,),
            )


def _identifiers(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    for look in looks:
        if look.kind == "identifier" and look.reason != "as given":
            yield Advice(
                "identifier",
                f"column '{short(look.name)}' is left out as an identifier ({look.reason}); if it is a feature, say"
                f" --kind {look.name}=number or =category",
                (look.name,),
            )
    counting = [look.name for look in looks if look.counts and look.used]
    if counting:
        yield Advice(
            "identifier",
            f"{columns_are(counting, 'counts', 'count')} the rows, and every column of an array trains: drop it",
            tuple(counting),
        )


def _gappy(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    found = [look for look in looks if look.used and 2 * look.missing > look.rows]
    if found:
        names = [look.name for look in found]
        worst = max(found, key=lambda look: look.missing)
        yield Advice(
            "missing",
            f"{columns_are(names, 'is', 'are')} missing in more than half of the training rows (up to"
            f" {share(worst.missing, worst.rows)}): mostly the gap is learned; {_skip(names, array)}",
            tuple(names),
        )


def _near_constant(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    found = [
        look for look in looks
        if look.used and look.kind != "constant" and look.distinct > 1 and look.top >= NEARLY_ALL * look.rows
        and look.rows >= 100
    ]  # fmt: skip
    if found:
        names = [look.name for look in found]
        example = found[0]
        yield Advice(
            "near-constant",
            f"{columns_are(names, 'hardly varies', 'hardly vary')} ('{short(example.name)}' has one value in"
            f" {share(example.top, example.rows)} of the training rows): a rare value in it outweighs all else; unless"
            f" that matters, {_skip(names, array)}",
            tuple(names),
        )


def _coded(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    found = [
        look for look in looks
        if look.kind == "number" and look.reason != "as given" and look.whole
        and look.top < NEARLY_ALL * look.rows and 2 < look.distinct <= FEW_VALUES and look.rows >= 20 * look.distinct
    ]  # fmt: skip
    if found:
        names = [look.name for look in found]
        remedy = "make one 0/1 column of each value" if array else f"say --kind {names[0]}=category"
        yield Advice(
            "code",
            f"{columns_are(names, 'has', 'have')} at most {max(look.distinct for look in found)} different whole"
            f" numbers: if they are codes and not amounts, {remedy}",
            tuple(names),
        )


def _ambiguous(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    for look in looks:
        count, example = look.ambiguous
        if count:
            yield Advice(
                "ambiguous date",
                f"column '{short(look.name)}' holds dates such as {short(example)}, of which nobody knows day from"
                f" month, so it is taken for {'an' if look.kind == 'identifier' else 'a'} {look.kind}: write them as"
                " 2024-05-31",
                (look.name,),
            )


def _skewed(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    found = [look.name for look in looks if look.used and look.quantiles and _lopsided(look)]
    if found:
        yield Advice(
            "skewed",
            f"{columns_are(found, 'is', 'are')} highly skewed: most values lie close to one end and few reach far; try"
            " --set scale=quantile or --set scale=robust",
            tuple(found),
        )


def _lopsided(look: Look) -> bool:
    low, middle, high = look.quantiles[1], look.quantiles[3], look.quantiles[5]
    return look.distinct > 20 and high > low and abs(high + low - 2 * middle) > 0.8 * (high - low)


def _extreme(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    found = [look for look in looks if look.used and look.far[0]]
    if found:
        names = [look.name for look in found]
        worst = max(found, key=_distance)
        yield Advice(
            "extreme",
            f"{columns_are(names, 'has', 'have')} training values more than 20 robust standard deviations from the"
            f" median ('{short(worst.name)}': {worst.far[0]:,}, up to {worst.far[1]:.6g}, median"
            f" {worst.quantiles[3]:.6g}): anomalies or slips among the training rows? Look at them, or try"
            " --set scale=robust",
            tuple(names),
        )


def _distance(look: Look) -> float:
    """Of the farthest value from the median, in widths of the middle half."""
    return abs(look.far[1] - look.quantiles[3]) / (look.quantiles[4] - look.quantiles[2])


def _dates(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    for look in looks:
        remedy = _skip([look.name], array)
        if look.used and look.beyond:
            yield Advice(
                "date",
                f"column '{short(look.name)}': {look.beyond:,} test rows have dates outside of the training rows' range"
                f" ({look.dates[0]} to {look.dates[1]}), which alone makes them strange; {remedy}",
                (look.name,),
            )
        elif look.used and look.ascending:
            yield Advice(
                "date",
                f"column '{short(look.name)}' grows from row to row, to {look.dates[1]}: every later row will look"
                f" strange by its date alone; {remedy}",
                (look.name,),
            )


def _many(looks: Sequence[Look], array: bool) -> Iterator[Advice]:
    for look in looks:
        if look.kind == "category" and look.distinct > MANY_CATEGORIES:
            yield Advice(
                "many categories",
                f"column '{short(look.name)}' has {look.distinct:,} different values, each a column for the networks:"
                f" group the rare ones, or {_skip([look.name], array)}",
                (look.name,),
            )


def _skip(names: Sequence[str], array: bool) -> str:
    if array:
        return "drop it from the array" if len(names) == 1 else "drop them from the array"
    return f"leave it out with --kind {names[0]}=skip" if len(names) == 1 else "leave them out with --kind NAME=skip"


RULES: Final[tuple[Rule, ...]] = (
    _faulty, _told, _identifiers, _gappy, _ambiguous, _dates, _extreme, _skewed, _near_constant, _coded, _many,
)  # fmt: skip
