"""One picture file to numbers."""

import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ringfence.data.decode import (
    MAX_PIXELS,
    Picture,
    PictureTooLarge,
    channels_of,
    decode,
    decode_mask,
    read_header,
)
from ringfence.exceptions import InvalidData, InvalidParameter, MissingExtra

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (7, 9), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)
WITH_ALPHA = RNG.integers(0, 256, (7, 9, 4), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (7, 9), dtype=np.uint16)


def saved(folder: Path, image: Image.Image, name: str = "a.png", **options: object) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def png(width: int, height: int, depth: int, kind: int, data: bytes, extra: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "bmp"])
def test_grey_of_8_bits_is_exact(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, Image.fromarray(GREY), f"a.{suffix}")
    assert read_header(path) == Picture(9, 7, "L", 8, False)
    pixels = decode(path, 1)
    assert pixels.dtype == np.float32
    assert pixels.flags.c_contiguous
    np.testing.assert_allclose(pixels, GREY[None] / 255, atol=1e-7)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_colour_of_8_bits_is_exact(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, Image.fromarray(COLOUR), f"a.{suffix}")
    np.testing.assert_allclose(decode(path, 3), COLOUR.transpose(2, 0, 1) / 255, atol=1e-7)


def test_jpeg_is_close(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("RGB", (9, 7), (200, 100, 50)), "a.JPG", quality=95)
    expected = np.broadcast_to(np.array([200, 100, 50])[:, None, None] / 255, (3, 7, 9))
    np.testing.assert_allclose(decode(path, 3), expected, atol=0.02)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_grey_of_16_bits_keeps_them_in_either_byte_order(tmp_path: Path, name: str, mode: str) -> None:
    order = ">u2" if mode == "I;16B" else "<u2"
    path = saved(tmp_path, Image.frombytes(mode, (9, 7), DEEP.astype(order).tobytes()), name)
    assert read_header(path).bits == 16
    assert read_header(path).grey
    np.testing.assert_allclose(decode(path, 1)[0], DEEP / 65535, atol=1e-7)
    assert decode(path, 3).shape == (3, 7, 9)
    assert np.array_equal(decode(path, 4)[3], np.ones((7, 9)))


def test_whole_numbers_of_32_bits_are_read_as_16(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(DEEP.astype(np.int32)), "a.tif")
    assert read_header(path).mode == "I"
    np.testing.assert_allclose(decode(path, 1)[0], DEEP / 65535, atol=1e-7)


@pytest.mark.parametrize("value", [65536, -1])
def test_whole_numbers_beyond_16_bits_are_refused(tmp_path: Path, value: int) -> None:
    path = saved(tmp_path, Image.fromarray(np.full((7, 9), value, dtype=np.int32)), "a.tif")
    with pytest.raises(InvalidData, match=f"a.tif' has values from {value} to {value}; allowed are 0 to 65535"):
        decode(path, 1)


def test_colour_of_16_bits_is_reduced_to_8_and_the_header_says_16(tmp_path: Path) -> None:
    values = np.array([0, 256, 40000, 65535, 32768, 1], dtype=">u2")
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, 16, 2, b"\0" + values.tobytes()))
    assert read_header(path) == Picture(2, 1, "RGB", 16, False)
    np.testing.assert_allclose(decode(path, 3)[:, 0, :].T.ravel(), values / 65535, atol=1 / 255)


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    bits = GREY > 100
    path = saved(tmp_path, Image.fromarray(bits))
    assert read_header(path) == Picture(9, 7, "1", 1, False)
    assert np.array_equal(decode(path, 1)[0], bits)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    image = Image.fromarray((GREY % 2), "L").convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    path = saved(tmp_path, image)
    assert read_header(path).mode == "P"
    expected = np.where(GREY % 2, np.array([200, 100, 50])[:, None, None], np.array([10, 20, 30])[:, None, None])
    np.testing.assert_allclose(decode(path, 3), expected / 255, atol=1e-7)


def test_a_transparent_palette_colour_is_alpha(tmp_path: Path) -> None:
    image = Image.fromarray((GREY % 2), "L").convert("P")
    image.putpalette([10, 20, 30, 200, 100, 50])
    path = saved(tmp_path, image, transparency=0)
    assert read_header(path).alpha
    assert np.array_equal(decode(path, 4)[3], GREY % 2)


def test_alpha_is_kept_with_4_channels_and_put_on_black_with_fewer(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(WITH_ALPHA))
    stored = WITH_ALPHA.transpose(2, 0, 1) / 255
    np.testing.assert_allclose(decode(path, 4), stored, atol=1e-7)
    np.testing.assert_allclose(decode(path, 3), stored[:3] * stored[3], atol=1e-6)
    luma = np.tensordot([0.299, 0.587, 0.114], stored[:3] * stored[3], axes=1)
    np.testing.assert_allclose(decode(path, 1)[0], luma, atol=1e-6)


def test_grey_with_alpha_is_put_on_black(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(WITH_ALPHA[..., :2], "LA"))
    stored = WITH_ALPHA.transpose(2, 0, 1) / 255
    np.testing.assert_allclose(decode(path, 1)[0], stored[0] * stored[1], atol=1e-6)
    np.testing.assert_allclose(decode(path, 4), stored[[0, 0, 0, 1]], atol=1e-7)


def test_white_stays_white_as_grey(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("RGB", (9, 7), "white"))
    assert decode(path, 1).max() <= 1
    np.testing.assert_allclose(decode(path, 1), 1, atol=1e-6)


@pytest.mark.parametrize(("mode", "name"), [("CMYK", "a.jpg"), ("CMYK", "a.tif"), ("YCbCr", "a.tif")])
def test_print_and_video_colours_become_rgb(tmp_path: Path, mode: str, name: str) -> None:
    path = saved(tmp_path, Image.new("RGB", (9, 7), (200, 100, 50)).convert(mode), name)
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        pytest.skip("this Pillow can't read the file back that it wrote")
    expected = np.broadcast_to(np.array([200, 100, 50])[:, None, None] / 255, (3, 7, 9))
    np.testing.assert_allclose(decode(path, 3), expected, atol=0.03)


@pytest.mark.parametrize("mode", ["F", "LAB"])
def test_another_mode_is_refused_by_name(tmp_path: Path, mode: str) -> None:
    path = saved(tmp_path, Image.new(mode, (9, 7)), "a.tif")
    for read in (read_header, lambda path: decode(path, 1)):
        with pytest.raises(InvalidData, match=rf"a.tif' has mode '{mode}'; read are: 1, L, "):
            read(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_to_size_and_pixels(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    steps = np.kron(np.arange(6, dtype=np.uint8).reshape(2, 3) * 50, np.ones((16, 16), dtype=np.uint8))
    path = saved(tmp_path, Image.fromarray(steps), name, exif=exif)
    turned = {
        1: steps,
        2: steps[:, ::-1],
        3: steps[::-1, ::-1],
        4: steps[::-1],
        5: steps.T,
        6: steps[::-1].T,
        7: steps[::-1, ::-1].T,
        8: steps[:, ::-1].T,
    }[orientation]
    header = read_header(path)
    assert (header.height, header.width) == turned.shape
    np.testing.assert_allclose(decode(path, 1)[0], turned / 255, atol=0.02)


def test_channels_are_the_fewest_that_lose_nothing() -> None:
    grey, deep, colour = Picture(9, 7, "L", 8, False), Picture(9, 7, "I;16", 16, False), Picture(9, 7, "RGB", 8, False)
    soft, grey_soft = Picture(9, 7, "RGBA", 8, True), Picture(9, 7, "LA", 8, True)
    assert channels_of([grey, deep]) == 1
    assert channels_of([grey, grey_soft]) == 1
    assert channels_of([grey, colour]) == 3
    assert channels_of([colour, soft]) == 3
    assert channels_of(iter([soft, grey_soft])) == 4
    with pytest.raises(InvalidData, match="no pictures"):
        channels_of([])


@pytest.mark.parametrize("channels", [0, 2, 5])
def test_other_channels_are_refused(tmp_path: Path, channels: int) -> None:
    with pytest.raises(InvalidParameter, match=f"channels={channels}"):
        decode(tmp_path / "a.png", channels)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.jpg", {}),
        ("a.bmp", {}),
        ("a.tif", {}),
        ("b.tif", {"compression": "tiff_lzw"}),
        ("c.tif", {"compression": "tiff_deflate"}),
    ],
)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_cut_file_is_found_by_its_header(tmp_path: Path, name: str, options: dict[str, str], share: float) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = saved(tmp_path, noise, name, **options)
    read_header(path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    for read in (read_header, lambda path: decode(path, 3)):
        with pytest.raises(InvalidData, match=f"{name}' (is damaged|can't be read)"):
            read(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.bmp", "a.tif"])
def test_a_file_with_something_appended_is_still_a_picture(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, Image.fromarray(COLOUR), name)
    path.write_bytes(path.read_bytes() + b"added by a camera")
    assert read_header(path).mode == "RGB"


def test_a_whole_file_is_not_decoded_for_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a.png", "a.jpg", "a.bmp", "a.tif", "b.tif"]
    paths = [saved(tmp_path, Image.fromarray(COLOUR), name) for name in names[:-1]]
    paths.append(saved(tmp_path, Image.fromarray(COLOUR), names[-1], compression="tiff_lzw"))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded")

    Image.init()
    for plugin in ("PngImagePlugin.PngImageFile", "TiffImagePlugin.TiffImageFile", "ImageFile.ImageFile"):
        monkeypatch.setattr(f"PIL.{plugin}.load", refuse)
    for path in paths:
        assert read_header(path).width == 9


def test_damage_in_the_middle_shows_when_decoding(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8)))
    data = bytearray(path.read_bytes())
    data[500:600] = bytes(100)
    path.write_bytes(data)
    assert read_header(path).width == 64
    with pytest.raises(InvalidData, match=r"a.png' can't be read"):
        decode(path, 1)


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"GIF89a" + bytes(50), b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=r"a.png' is damaged, or no PNG, JPEG, TIFF or BMP picture") as caught:
        decode(path, 1)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"a.png' can't be read: No such file"):
        decode(tmp_path / "a.png", 1)
    with pytest.raises(InvalidData, match="can't be read: Is a directory"):
        decode(tmp_path, 1)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9000, 9600, 40000])
def test_a_decompression_bomb_is_refused_undecoded(tmp_path: Path, side: int) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(side, side, 8, 0, b""))
    for read in (read_header, lambda path: decode(path, 1), decode_mask):
        with pytest.raises(PictureTooLarge, match=r"a.png' has .*pixels; allowed are at most 80,000,000"):
            read(path)


def test_the_limit_holds_where_pillows_own_was_lifted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    path = tmp_path / "a.png"
    path.write_bytes(png(MAX_PIXELS + 1, 1, 8, 0, b""))
    with pytest.raises(PictureTooLarge, match="80000001×1 pixels"):
        read_header(path)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_damaged_exif_block_does_not_cost_the_picture(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(GREY), "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    assert read_header(path).width == 9
    assert decode(path, 1).shape == (1, 7, 9)


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtra, match=r"ringfence\[images\]"):
        read_header(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 255, 3, 127, 128], [0, 1, 0, 0, 1]),
        ([0, 1, 0, 1, 1], [0, 1, 0, 1, 1]),
        ([0, 1, 2, 3, 0], [0, 1, 1, 1, 0]),
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0]),
    ],
)
def test_masks_of_255_of_1_and_of_class_numbers(tmp_path: Path, values: list[int], expected: list[int]) -> None:
    path = saved(tmp_path, Image.fromarray(np.array([values], dtype=np.uint8)))
    mask = decode_mask(path, (1, 5))
    assert mask.dtype == np.bool_
    assert mask.tolist() == [[bool(value) for value in expected]]


def test_a_mask_of_another_size_names_both(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(GREY))
    with pytest.raises(InvalidData, match=r"a.png' is a mask of 9×7 pixels; its picture has 7×9"):
        decode_mask(path, (9, 7))
