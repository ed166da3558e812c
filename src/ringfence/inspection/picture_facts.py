"""What is seen of pictures in files: headers of all of them, pixels of some."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..data.decode import decode, decode_mask
from ..data.picture_files import PictureFiles
from ..data.pictures import PictureFile

DECODED: Final = 300
"""Pictures, and masks, evenly spread, whose pixels are looked at."""


@dataclass(frozen=True)
class PictureFacts:
    """Pictures.

    Attributes
    ----------
    layout
        "flat", "mvtec" or "classes".
    groups, modes
        How many pictures there are of each: "train/good", "test/crack" …; Pillow's modes, 16 bits named.
    sizes
        Different (height, width) with their counts, the most common first.
    channels
        As which all are read.
    sixteen
        Colour pictures of 16 bits, of which 8 are kept.
    anomalous, masks, without_mask
        Anomalous pictures where that is known; masks; anomalous pictures that lack one.
    decoded, blank, black
        Pictures whose pixels were looked at; names of those of one value, and how many of these are all black.
    masks_decoded, empty, large
        Masks that were looked at; names of pictures whose mask is all zero, or covers more than half.
    """

    layout: str
    groups: dict[str, int]
    modes: dict[str, int]
    sizes: tuple[tuple[tuple[int, int], int], ...]
    channels: int
    sixteen: int
    anomalous: int
    masks: int
    without_mask: int
    decoded: int
    blank: tuple[str, ...]
    black: int
    masks_decoded: int
    empty: tuple[str, ...]
    large: tuple[str, ...]

    @property
    def heights(self) -> tuple[int, int]:
        """The smallest and the largest."""
        return min(size[0] for size, _ in self.sizes), max(size[0] for size, _ in self.sizes)

    @property
    def widths(self) -> tuple[int, int]:
        """The smallest and the largest."""
        return min(size[1] for size, _ in self.sizes), max(size[1] for size, _ in self.sizes)

    @property
    def aspects(self) -> tuple[float, float]:
        """The smallest and the largest of width divided by height."""
        found = [width / height for (height, width), _ in self.sizes]
        return min(found), max(found)

    def facts(self) -> dict[str, Any]:
        """What JSON gets."""
        return {
            "layout": self.layout, "groups": self.groups, "modes": self.modes, "channels": self.channels,
            "sizes": {"different": len(self.sizes), "height": list(self.heights), "width": list(self.widths)},
            "sixteen_bit_colour": self.sixteen, "anomalous": self.anomalous, "masks": self.masks,
            "anomalous_without_mask": self.without_mask, "decoded": self.decoded, "one_value": list(self.blank),
            "black": self.black, "masks_decoded": self.masks_decoded, "masks_empty": list(self.empty),
            "masks_of_more_than_half": list(self.large),
        }  # fmt: skip


def picture_facts(pictures: PictureFiles, workers: int) -> PictureFacts:
    """Look at pictures; `InvalidData` if one can't be decoded."""
    files = pictures.files
    some, masked = _spread(files), _spread([file for file in files if file.mask is not None])
    highest = _each(lambda file: _one_value(file.path, pictures.channels), some, workers)
    covered = _each(lambda file: float(decode_mask(file.mask or file.path).mean()), masked, workers)
    anomalous = [file for file in files if file.anomalous]
    return PictureFacts(
        layout=_layout(files),
        groups=dict(Counter(f"{file.part}/{file.group}".rstrip("/") for file in files)),
        modes=dict(Counter(_mode(file) for file in files).most_common()),
        sizes=tuple(Counter(pictures.sizes).most_common()),
        channels=pictures.channels,
        sixteen=sum(file.header.bits == 16 and not file.header.grey for file in files),
        anomalous=len(anomalous),
        masks=sum(file.mask is not None for file in files),
        without_mask=sum(file.mask is None for file in anomalous),
        decoded=len(some),
        blank=tuple(file.name for file, value in zip(some, highest, strict=True) if value is not None),
        black=sum(value == 0 for value in highest),
        masks_decoded=len(masked),
        empty=tuple(file.name for file, part in zip(masked, covered, strict=True) if part == 0),
        large=tuple(file.name for file, part in zip(masked, covered, strict=True) if part > 0.5),
    )


def _layout(files: Sequence[PictureFile]) -> str:
    if not any(file.group for file in files):
        return "flat"
    inside = all(file.name.startswith(("train/good/", "test/")) for file in files)
    return "mvtec" if inside else "classes"


def _mode(file: PictureFile) -> str:
    return f"{file.header.mode} (16 bits)" if file.header.bits == 16 else file.header.mode


def _spread(files: Sequence[PictureFile]) -> list[PictureFile]:
    at = np.unique(np.linspace(0, max(len(files) - 1, 0), min(len(files), DECODED)).astype(int))
    return [files[i] for i in at]


def _each(look: Callable[[PictureFile], Any], files: Sequence[PictureFile], workers: int) -> list[Any]:
    with ThreadPoolExecutor(workers, thread_name_prefix="ringfence-decode") as pool:
        return list(pool.map(look, files))


def _one_value(path: Path, channels: int) -> float | None:
    """The value of a picture that has but one in each channel, the greatest of them, else None."""
    pixels = decode(path, channels)[:3]  # without alpha
    return None if np.ptp(pixels, axis=(1, 2)).any() else float(pixels.max())
