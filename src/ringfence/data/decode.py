"""One picture file to numbers: its pixels, or a mask.

Pillow does the decoding. Only the first page of a TIFF or MPO file is read. Pillow reduces colour of 16 bits a channel
to 8 bits; only grey keeps 16. EXIF orientation is applied everywhere: pixels are those a viewer shows.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..exceptions import InvalidData, InvalidParameter
from .header import (
    COLOURS,
    GREY_16,
    MAX_PIXELS,
    Picture,
    PictureTooLarge,
    channels_of,
    has_alpha,
    opened,
    orientation_of,
    read_header,
    unknown_mode,
)

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

__all__ = [
    "MAX_PIXELS",
    "Picture",
    "PictureTooLarge",
    "channels_of",
    "decode",
    "decode_mask",
    "read_header",
]

_WITH_ALPHA: Final[Mapping[str, str]] = {"L": "LA", "RGB": "RGBA"}


_LUMA: Final = np.array([0.299, 0.587, 0.114], dtype=np.float32)
"""Rec. 601, as Pillow's own conversion to grey."""


_TURNS: Final[Mapping[int, Callable[[NDArray[np.float32]], NDArray[np.float32]]]] = {
    2: lambda a: a[:, :, ::-1],
    3: lambda a: a[:, ::-1, ::-1],
    4: lambda a: a[:, ::-1, :],
    5: lambda a: a.swapaxes(1, 2),
    6: lambda a: np.rot90(a, -1, axes=(1, 2)),
    7: lambda a: a[:, ::-1, ::-1].swapaxes(1, 2),
    8: lambda a: np.rot90(a, 1, axes=(1, 2)),
}
"""What each EXIF orientation asks for, on (channels, height, width)."""


def decode(path: str | Path, channels: int) -> NDArray[np.float32]:
    """Decode one picture.

    Parameters
    ----------
    path : str or Path
        A PNG, JPEG, TIFF or BMP file of mode 1, L, LA, P, PA, RGB, RGBA, CMYK, YCbCr, I;16 (either byte order), or I
        with values from 0 to 65535, which are taken as 16 bits.
    channels : int
        1, 3 or 4. Grey becomes colour by repetition and colour grey by Rec. 601 luma. With 1 and 3, alpha is
        composited on black. With 4, colours stay as stored and alpha is 1 where the picture has none.

    Returns
    -------
    ndarray of float32, shape (channels, height, width)
        From 0 to 1: 8-bit values / 255, 16-bit values / 65535. EXIF orientation is applied. Pillow reduces colour
        pictures of 16 bits a channel to 8 bits.

    Raises
    ------
    InvalidParameter
        If ``channels`` is not 1, 3 or 4.
    InvalidData
        If the file can't be read, is damaged, has another mode or more than `MAX_PIXELS` pixels.
    MissingExtra
        If Pillow is not installed.
    """
    _check_channels(channels)
    path = Path(path)
    with opened(path) as image:
        orientation = orientation_of(image)
        colour, alpha = _planes(image, path)
    pixels = _turned(_as_channels(colour, alpha, channels), orientation)
    return np.ascontiguousarray(pixels)


def decode_mask(path: str | Path, size: tuple[int, int] | None = None) -> NDArray[np.bool_]:
    """Decode a mask.

    A pixel is abnormal where the mask is above half of the full range: masks of 0 and 255 often have soft or noisy
    edges. A mask that never gets above half (0 and 1, or class numbers) is abnormal wherever it is not 0.

    Parameters
    ----------
    path : str or Path
        A picture of any mode that `decode` reads; of colours, the brightest channel counts.
    size : (int, int) or None
        The (height, width) that it must have.

    Returns
    -------
    ndarray of bool, shape (height, width)

    Raises
    ------
    InvalidData
        If the mask has another size, or can't be decoded.
    """
    values = decode(path, 3).max(axis=0)
    if size is not None and values.shape != tuple(size):
        raise InvalidData(
            f"'{path}' is a mask of {values.shape[1]}×{values.shape[0]} pixels; its picture has {size[1]}×{size[0]}"
        )
    bright = float(values.max()) > 0.5
    abnormal: NDArray[np.bool_] = values > (0.5 if bright else 0.0)
    return abnormal


def _turned(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    return _TURNS[orientation](pixels) if orientation in _TURNS else pixels


def _planes(image: "ImageFile", path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return grey (1, h, w) or colour (3, h, w), and alpha (1, h, w) if there is any; all from 0 to 1."""
    if image.mode in GREY_16:
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InvalidData(f"'{path}' has values from {values.min()} to {values.max()}; allowed are 0 to 65535")
        return np.divide(values, 65535, dtype=np.float32)[None], None
    colour = COLOURS.get(image.mode)
    if colour is None:
        raise InvalidData(unknown_mode(path, image.mode))
    alpha = has_alpha(image)
    stored = np.asarray(image.convert(_WITH_ALPHA[colour] if alpha else colour))
    pixels = np.divide(np.atleast_3d(stored).transpose(2, 0, 1), 255, dtype=np.float32)
    return (pixels[:-1], pixels[-1:]) if alpha else (pixels, None)


def _as_channels(colour: NDArray[np.float32], alpha: NDArray[np.float32] | None, channels: int) -> NDArray[np.float32]:
    if channels == 4:
        colours = np.broadcast_to(colour, (3, *colour.shape[1:]))
        return np.concatenate([colours, np.ones_like(colour[:1]) if alpha is None else alpha])
    if alpha is not None:
        colour = colour * alpha
    if channels == 1 and len(colour) == 3:
        # The weights' sum may round to a little above 1.
        return np.minimum(np.tensordot(_LUMA, colour, axes=1)[None], np.float32(1))
    return np.broadcast_to(colour, (channels, *colour.shape[1:]))


def _check_channels(channels: int) -> None:
    if channels not in (1, 3, 4):
        raise InvalidParameter(f"channels={channels!r}: allowed are 1, 3 and 4")
