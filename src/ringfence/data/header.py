"""A picture file's header: size, mode, bits, and whether the file is whole; and how every picture is opened.

Only the first page of a TIFF or MPO file is looked at. EXIF orientation is applied: sizes are those a viewer shows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..exceptions import InvalidData, MissingExtra, RingfenceError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

MAX_PIXELS: Final = 80_000_000
"""A picture of more pixels is refused unread: 80 megapixels, a little below where Pillow itself starts to warn."""


FORMATS: Final = ("PNG", "JPEG", "TIFF", "BMP")
"""Pillow's names of what is read; JPEG stands for MPO too, which some phones write into a .jpg."""


COLOURS: Final[Mapping[str, str]] = {
    "1": "L",
    "L": "L",
    "LA": "L",
    "P": "RGB",
    "PA": "RGB",
    "RGB": "RGB",
    "RGBA": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
}
"""Modes of 8 bits or fewer, and grey or colour as which they are read."""


GREY_16: Final = frozenset(("I;16", "I;16L", "I;16B", "I;16N", "I"))


_GREY: Final = GREY_16 | {mode for mode, colour in COLOURS.items() if colour == "L"}


class PictureTooLarge(InvalidData):
    """A picture has more pixels than `MAX_PIXELS`: perhaps a decompression bomb."""


@dataclass(frozen=True)
class Picture:
    """A picture's header.

    Attributes
    ----------
    width, height : int
        In pixels, EXIF orientation applied.
    mode : str
        Pillow's mode: "L", "RGB", "I;16", …
    bits : int
        Bits a channel in the file: 1, 8 or 16. Where it is 16 and the mode is colour, decoding keeps only 8.
    alpha : bool
        Whether it has an alpha channel or a transparent colour.
    """

    width: int
    height: int
    mode: str
    bits: int
    alpha: bool

    @property
    def grey(self) -> bool:
        """Whether it has one channel beside alpha. A palette counts as colour, whatever its colours are."""
        return self.mode in _GREY


def read_header(path: str | Path) -> Picture:
    """Read a picture's header and check, without decoding, that the file is whole.

    The check is of the file's end: a PNG must end with its IEND chunk, a JPEG with its end marker, the rows that a
    plain BMP and the strips or tiles that a TIFF announce must lie inside the file. Where that fails (a cut file, but
    also one with something appended) or can't be said, the picture is decoded once to find out; one whose pixels are
    all there is taken as whole. Damage in the middle of a file shows when it is decoded.

    Parameters
    ----------
    path : str or Path
        A PNG, JPEG, TIFF or BMP file.

    Returns
    -------
    Picture

    Raises
    ------
    InvalidData
        If the file can't be read, is no picture, is cut short or has a mode that is not read;
        as `PictureTooLarge` if it has more than `MAX_PIXELS` pixels.
    MissingExtra
        If Pillow is not installed.
    """
    path = Path(path)
    with opened(path) as image:
        # TIFF gives its size already turned.
        width, height = image.size[::-1] if orientation_of(image) >= 5 else image.size
        mode, alpha, bits = image.mode, has_alpha(image), _bits(image)
        if mode not in COLOURS and mode not in GREY_16:
            raise InvalidData(unknown_mode(path, mode))
        if not _ends_well(path, image):
            image.load()
    return Picture(width, height, mode, bits, alpha)


def channels_of(headers: Iterable[Picture]) -> int:
    """Return the channels that hold all of these pictures: 4 if each has alpha, else 1 if each is grey, else 3.

    Raises
    ------
    InvalidData
        If there is no picture.
    """
    headers = list(headers)
    if not headers:
        raise InvalidData("no pictures: there must be one at least to choose channels")
    if all(header.alpha for header in headers):
        return 4
    return 1 if all(header.grey for header in headers) else 3


@contextmanager
def opened(path: Path) -> Iterator["ImageFile"]:
    """Open with Pillow, and say in one line whatever it raises, here or in the block."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtra("pictures need Pillow: pip install ringfence[images]") from error
    try:
        # Opened here and not by Pillow, which maps a plain file into memory if it knows its name, and then garbles a
        # TIFF that is to be turned by 90°.
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise PictureTooLarge(f"'{path}' has {width}×{height} pixels; allowed are at most {MAX_PIXELS:,}")
            yield image
    except (RingfenceError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLarge(f"'{path}' has too many pixels; allowed are at most {MAX_PIXELS:,}") from error
    except UnidentifiedImageError as error:
        raise InvalidData(f"'{path}' is damaged, or no PNG, JPEG, TIFF or BMP picture") from error
    except Exception as error:  # Pillow's parsers raise many kinds on damaged files
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        raise InvalidData(f"'{path}' can't be read: {reason}") from error


def orientation_of(image: "ImageFile") -> int:
    """Return the EXIF orientation still to be applied to a picture not yet loaded, 1 to 8."""
    # Pillow turns a TIFF itself. Of a PNG, looking for EXIF behind the pixels would decode it.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        found = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return found if found in range(1, 9) else 1


def has_alpha(image: "ImageFile") -> bool:
    """Tell whether alpha is read from the picture; a transparent value of 16-bit grey is not."""
    return image.mode in COLOURS and bool(image.has_transparency_data)


def _bits(image: "ImageFile") -> int:
    if image.mode == "1":
        return 1
    # The raw mode ("RGB;16B") tells what Pillow is about to reduce.
    return 16 if image.mode in GREY_16 or any(";16" in str(tile[3]) for tile in image.tile) else 8


def unknown_mode(path: Path, mode: str) -> str:
    """Return the line for a mode that is not read."""
    return f"'{path}' has mode '{mode}'; read are: {', '.join((*COLOURS, 'I;16', 'I'))}"


def _ends_well(path: Path, image: "ImageFile") -> bool:
    """Tell whether the file's end is certainly there; False means that only decoding can tell."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 12))
        end = file.read()
    return _END_CHECKS.get(str(image.format), _no_idea)(image, size, end)


def _bmp_fits(image: Any, size: int, _end: bytes) -> bool:
    return all(tile[0] == "raw" and tile[2] + tile[3][1] * (tile[1][3] - tile[1][1]) <= size for tile in image.tile)


def _tiff_fits(image: Any, size: int, _end: bytes) -> bool:
    # The tags of strips and of tiles; a file has the one or the other.
    offsets = [*image.tag_v2.get(273, ()), *image.tag_v2.get(324, ())]
    lengths = [*image.tag_v2.get(279, ()), *image.tag_v2.get(325, ())]
    return 0 < len(offsets) == len(lengths) and max(map(sum, zip(offsets, lengths, strict=True))) <= size


def _no_idea(_image: Any, _size: int, _end: bytes) -> bool:
    return False


_END_CHECKS: Final[Mapping[str, Callable[[Any, int, bytes], bool]]] = {
    "PNG": lambda _image, _size, end: end == b"\0\0\0\0IEND\xaeB`\x82",
    "JPEG": lambda _image, _size, end: end.endswith(b"\xff\xd9"),
    "BMP": _bmp_fits,
    "TIFF": _tiff_fits,
}
"""By Pillow's format: (image, the file's size, its last 12 bytes) to whether the end is there."""
