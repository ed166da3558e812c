"""What to warn of in pictures: one small rule each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..views import Pad, Patches, Resize, View
from ..workflow import AS_THEY_ARE
from .advice import Advice, listed
from .picture_facts import PictureFacts

FEW_PICTURES: Final = 50
"""Fewer pictures than this are few to train a network on."""

FAR_APART: Final = 2.0
"""The greatest aspect ratio divided by the smallest from which on it is worth a word."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What rules look at: facts, the view that was named, (height, width) of each picture, what was left out."""

    facts: PictureFacts
    view: View | None
    sizes: Sequence[tuple[int, int]]
    left_out: Sequence[str]


Rule = Callable[[Seen], Iterator[Advice]]


def advise(seen: Seen) -> Iterator[Advice]:
    """Warn of pictures."""
    for rule in RULES:
        yield from rule(seen)


def rows_of(view: View, sizes: Sequence[tuple[int, int]]) -> int | None:
    """How many rows a view makes of pictures; None where one is larger than its frame."""
    return None if isinstance(view, Pad) and _too_large(view, sizes) else sum(view.count(*size) for size in sizes)


def _skipped(seen: Seen) -> Iterator[Advice]:
    if seen.left_out:
        more = f" and {len(seen.left_out) - 1:,} more" if len(seen.left_out) > 1 else ""
        yield Advice("left out", f"{seen.left_out[0]}{more}; mend or move what should be used, --strict refuses it")


def _sizes(seen: Seen) -> Iterator[Advice]:
    if seen.view is not None:
        return
    (height, tall), (width, wide) = seen.facts.heights, seen.facts.widths
    options = f"--resize 64x64 (details get lost), --pad {tall}x{wide} or --patch 64x64 --stride 32 (keep them)"
    if len(seen.facts.sizes) > 1:
        yield Advice(
            "sizes",
            f"{len(seen.facts.sizes):,} sizes, from {height}x{width} to {tall}x{wide} (height x width): rows need one"
            f" shape, say {options}",
        )
    elif max(tall, wide) > AS_THEY_ARE:
        yield Advice("sizes", f"pictures of {tall}x{wide} are large for a network: say {options}")


def _aspects(seen: Seen) -> Iterator[Advice]:
    low, high = seen.facts.aspects
    if high >= FAR_APART * low and (seen.view is None or isinstance(seen.view, Resize)):
        yield Advice(
            "aspect ratios",
            f"width to height goes from {low:.2f} to {high:.2f}: --resize squeezes pictures differently; --pad and"
            " --patch do not",
        )


def _modes(seen: Seen) -> Iterator[Advice]:
    if len(seen.facts.modes) > 1:
        modes = ", ".join(f"{count:,} {mode}" for mode, count in seen.facts.modes.items())
        yield Advice(
            "modes",
            f"modes are mixed ({modes}), all are read with {seen.facts.channels}"
            f" channel{'s' * (seen.facts.channels > 1)}: a mode may give away where a picture comes from; --channels 1"
            " makes them alike",
        )


def _sixteen(seen: Seen) -> Iterator[Advice]:
    if seen.facts.sixteen:
        yield Advice(
            "16 bits",
            f"{seen.facts.sixteen:,} colour pictures have 16 bits a channel, and 8 are kept; save them as 16-bit grey"
            " if the finer steps matter",
        )


def _blank(seen: Seen) -> Iterator[Advice]:
    blank, black = seen.facts.blank, seen.facts.black
    if blank:
        what = "all black" if black == len(blank) else f"of one value, {black:,} of them black"
        yield Advice(
            "blank",
            f"{len(blank):,} of {seen.facts.decoded:,} pictures looked at are {what} ({listed(blank)}): a covered"
            " camera? Remove them",
        )


def _masks(seen: Seen) -> Iterator[Advice]:
    facts = seen.facts
    if facts.layout == "mvtec" and facts.without_mask:
        lacking = (
            f"{facts.without_mask:,} of {facts.anomalous:,} anomalous pictures have no mask"
            if facts.masks
            else f"none of the {facts.anomalous:,} anomalous pictures has a mask"
        )
        yield Advice(
            "masks missing",
            f"{lacking}: their pixels can't be judged; put one into ground_truth/DEFECT/NAME_mask.png",
        )
    if facts.empty:
        yield Advice(
            "masks empty",
            f"{len(facts.empty):,} of {facts.masks_decoded:,} masks looked at are all zero ({listed(facts.empty)}):"
            " draw them, or move the pictures to good",
        )
    if facts.large:
        yield Advice(
            "masks large",
            f"{len(facts.large):,} of {facts.masks_decoded:,} masks looked at cover more than half of their picture"
            f" ({listed(facts.large)}): inverted?",
        )


def _windows(seen: Seen) -> Iterator[Advice]:
    if not isinstance(seen.view, Patches):
        return
    height, width = seen.view.shape
    small = sum(size[0] < height or size[1] < width for size in seen.sizes)
    if small * 10 > len(seen.sizes):
        yield Advice(
            "windows",
            f"windows of {height}x{width} are larger than {small:,} of {len(seen.sizes):,} pictures, which get their"
            " edges repeated: take a smaller --patch",
        )


def _frames(seen: Seen) -> Iterator[Advice]:
    if isinstance(seen.view, Pad) and (large := _too_large(seen.view, seen.sizes)):
        (_, tall), (_, wide) = seen.facts.heights, seen.facts.widths
        yield Advice(
            "frame",
            f"{large:,} of {len(seen.sizes):,} pictures are larger than the frame of {seen.view.height}x"
            f"{seen.view.width}: a fit will refuse them; say --pad {tall}x{wide}",
        )


def _too_large(view: Pad, sizes: Sequence[tuple[int, int]]) -> int:
    return sum(height > view.height or width > view.width for height, width in sizes)


RULES: Final[tuple[Rule, ...]] = (
    _skipped, _sizes, _aspects, _windows, _frames, _modes, _sixteen, _masks, _blank,
)  # fmt: skip
