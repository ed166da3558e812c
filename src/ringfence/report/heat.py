"""Maps of pictures as pictures, on a colour scale that training has fixed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import InvalidData, MissingExtra
from ..pictures import Pictures

if TYPE_CHECKING:
    from ..picture_detector import PictureDetector

Pixels = NDArray[np.uint8]

# Black through red and yellow to white, as metal glows: dark is normal. Positions and colours of the ramp.
_AT = (0.0, 0.35, 0.7, 1.0)
_COLOURS = ((0, 0, 0), (170, 20, 20), (255, 200, 40), (255, 255, 255))


def heat(values: NDArray[Any], end: float) -> Pixels:
    """(h, w) → (h, w, 3): black at 0, white at `end` and beyond."""
    share = np.clip(np.asarray(values, dtype=np.float64) / (end or 1.0), 0.0, 1.0)
    bands = [np.interp(share, _AT, [colour[band] for colour in _COLOURS]) for band in range(3)]
    glow: Pixels = np.stack(bands, axis=-1).round().astype(np.uint8)
    return glow


def shown(picture: NDArray[Any]) -> Pixels:
    """(c, h, w) with values from 0 to 1 → (h, w, 3); what lies beyond is cut, alpha is left out."""
    colours = np.repeat(picture, 3, axis=0) if len(picture) < 3 else picture[:3]
    pixels: Pixels = (np.clip(colours, 0.0, 1.0) * 255).round().astype(np.uint8)
    return pixels.transpose(1, 2, 0)


def write_maps(fitted: "PictureDetector", pictures: Pictures, names: Sequence[str], folder: Path) -> None:
    """Write for each picture a PNG of it beside its maps, in a folder of the same tree.

    Raises
    ------
    InvalidData
        If the folder can't be written.
    MissingExtra
        If Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtra("pictures of maps need Pillow: pip install 'ringfence[images]'") from error
    for at, maps in enumerate(fitted.each_maps(pictures)):
        tiles = [shown(pictures.read(at)), *(heat(v, fitted.map_scale_[name]) for name, v in maps.items())]
        path = (folder / names[at]).with_suffix(".png")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.concatenate(tiles, axis=1)).save(path)
        except OSError as error:
            raise InvalidData(f"can't write {path}: {error.strerror}") from error
