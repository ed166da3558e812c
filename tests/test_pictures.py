"""A folder of pictures: what each file is."""

import os
import shutil
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ringfence.data.decode import channels_of, decode, decode_mask
from ringfence.data.pictures import PictureFolder, read_picture_folder
from ringfence.exceptions import InvalidData, InvalidParameter

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write pictures under a root by their names, each 9×7 grey unless told."""

    def write(*names: str, size: tuple[int, int] = (9, 7), mode: str = "L") -> Path:
        root = tmp_path / "root"
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new(mode, size).save(path)
        return root

    return write


@pytest.fixture
def mvtec(make: Make) -> Path:
    return make(
        "train/good/0.png",
        "train/good/1.png",
        "test/good/0.png",
        "test/crack/0.png",
        "test/crack/1.png",
        "test/dent/0.bmp",
        "ground_truth/crack/0_mask.png",
        "ground_truth/dent/0_mask.png",
    )


def names(folder: PictureFolder) -> list[str]:
    return [file.name for file in folder.files]


def bomb(path: Path, side: int) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def test_a_flat_folder_trains_and_says_nothing_of_truth(make: Make) -> None:
    folder = read_picture_folder(make("b.png", "a.JPG", "c.Tiff", "d.bmp", "e.jpeg", "f.tif"))
    assert folder.layout == "flat"
    assert names(folder) == ["a.JPG", "b.png", "c.Tiff", "d.bmp", "e.jpeg", "f.tif"]
    assert {(file.part, file.group, file.anomalous, file.mask) for file in folder.files} == {("train", "", None, None)}
    assert folder.train == folder.files
    assert folder.test == ()
    assert folder.skipped == ()


def test_the_mvtec_layout_gives_parts_groups_truth_and_masks(mvtec: Path) -> None:
    folder = read_picture_folder(mvtec)
    assert folder.layout == "mvtec"
    assert [(f.name, f.part, f.group, f.anomalous, f.mask and f.mask.name) for f in folder.files] == [
        ("test/crack/0.png", "test", "crack", True, "0_mask.png"),
        ("test/crack/1.png", "test", "crack", True, None),
        ("test/dent/0.bmp", "test", "dent", True, "0_mask.png"),
        ("test/good/0.png", "test", "good", False, None),
        ("train/good/0.png", "train", "good", False, None),
        ("train/good/1.png", "train", "good", False, None),
    ]


def test_class_folders_make_the_named_class_normal(make: Make) -> None:
    root = make("cat/0.png", "cat/1.png", "dog/0.png", "eel/0.png")
    folder = read_picture_folder(root, normal="cat")
    assert folder.layout == "classes"
    assert {(file.part, file.group, file.anomalous) for file in folder.files} == {
        ("train", "cat", False),
        ("test", "dog", True),
        ("test", "eel", True),
    }


def test_class_folders_without_a_normal_class_list_the_classes(make: Make) -> None:
    root = make("cat/0.png", "dog/0.png")
    with pytest.raises(InvalidParameter, match=r"normal: --normal NAME \(normal=NAME in Python\), one of: cat, dog"):
        read_picture_folder(root)
    with pytest.raises(InvalidParameter, match="unknown class 'cats': did you mean 'cat'"):
        read_picture_folder(root, normal="cats")


def test_normal_is_refused_where_it_means_nothing(make: Make, mvtec: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="where 'good' is normal"):
        read_picture_folder(mvtec, normal="crack")
    assert read_picture_folder(mvtec, normal="good").layout == "mvtec"
    shutil.rmtree(mvtec)
    with pytest.raises(InvalidParameter, match="no folders of classes"):
        read_picture_folder(make("a.png"), normal="good")


def test_other_files_are_listed_and_everyday_litter_is_not(make: Make) -> None:
    root = make("a.png")
    for name in (
        ".hidden.png",
        "Thumbs.db",
        "desktop.ini",
        "license.txt",
        "README.md",
        "LICENSE",
        "notes.csv",
        "b.gif",
    ):
        (root / name).write_text("x")
    folder = read_picture_folder(root, strict=True)
    assert names(folder) == ["a.png"]
    assert [name for name, _ in folder.skipped] == ["b.gif", "notes.csv"]
    assert "is none of .png, .jpg" in folder.skipped[0][1]


def test_deeper_folders_and_strange_places_are_listed(mvtec: Path, make: Make) -> None:
    make("train/good/deep/0.png", "train/bad/0.png", "extra/0.png", "test/stray.png")
    assert read_picture_folder(mvtec).skipped == (
        ("extra", "is none of the folders train, test and ground_truth"),
        ("test/stray.png", "lies where the layout has only folders"),
        ("train/bad", "is not 'good', the only folder to train with"),
        ("train/good/deep", "is a folder deeper than the layout"),
    )


@pytest.mark.parametrize("damage", [b"", b"no picture", b"\x89PNG\r\n\x1a\n", None])
def test_damaged_pictures_are_skipped_and_listed_or_with_strict_refused(make: Make, damage: bytes | None) -> None:
    root = make("a.png", "b.png", size=(64, 64))
    path = root / "b.png"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10] if damage is None else damage)
    folder = read_picture_folder(root)
    assert names(folder) == ["a.png"]
    [(name, reason)] = folder.skipped
    assert name == "b.png"
    assert reason.startswith(("is damaged", "can't be read"))
    with pytest.raises(InvalidData, match=r"b.png' (is damaged|can't be read)"):
        read_picture_folder(root, strict=True)


def test_a_damaged_pictures_mask_is_no_orphan_and_a_damaged_mask_is_listed(mvtec: Path) -> None:
    (mvtec / "test/crack/0.png").write_bytes(b"")
    (mvtec / "ground_truth/dent/0_mask.png").write_bytes(b"")
    folder = read_picture_folder(mvtec)
    assert [name for name, _ in folder.skipped] == ["ground_truth/dent/0_mask.png", "test/crack/0.png"]
    assert all(file.mask is None for file in folder.files)


@pytest.mark.parametrize("name", ["", "good", "test"])
def test_an_empty_folder_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "root" / name).mkdir(parents=True)
    normal = name or None
    with pytest.raises(InvalidData, match=r"root.*has no picture that can be read \(.png"):
        read_picture_folder(tmp_path / "root", normal=normal)


def test_a_folder_of_only_damaged_pictures_names_one(make: Make) -> None:
    root = make("a.png")
    (root / "a.png").write_bytes(b"")
    with pytest.raises(InvalidData, match=r"no picture that can be read .*; left out: a.png, which is damaged"):
        read_picture_folder(root)


def test_a_missing_folder_and_a_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="does not exist"):
        read_picture_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidData, match="is no folder"):
        read_picture_folder(tmp_path / "file")


def test_a_class_without_pictures_is_listed_unless_it_is_the_normal_one(make: Make) -> None:
    root = make("cat/0.png")
    (root / "dog").mkdir()
    assert read_picture_folder(root, normal="cat").skipped == (("dog", "has no picture that can be read"),)
    with pytest.raises(InvalidData, match="the normal class, has no picture"):
        read_picture_folder(root, normal="dog")


@pytest.mark.parametrize("mask", ["ground_truth/crack/7_mask.png", "ground_truth/rust/0_mask.png"])
def test_a_mask_without_a_picture_is_an_error(mvtec: Path, make: Make, mask: str) -> None:
    make(mask)
    with pytest.raises(InvalidData, match=rf"{mask}' is a mask without a picture: there is no test/"):
        read_picture_folder(mvtec)


def test_masks_alone_are_an_error(make: Make) -> None:
    with pytest.raises(InvalidData, match="mask without a picture"):
        read_picture_folder(make("ground_truth/crack/0_mask.png"))


def test_what_is_not_named_as_a_mask_is_listed(mvtec: Path, make: Make) -> None:
    make("ground_truth/crack/1.png")
    [(name, reason)] = read_picture_folder(mvtec).skipped
    assert (name, "_mask" in reason) == ("ground_truth/crack/1.png", True)


def test_a_jpeg_mask_is_listed(mvtec: Path, make: Make) -> None:
    make("ground_truth/crack/1_mask.jpg")
    assert [name for name, _ in read_picture_folder(mvtec).skipped] == ["ground_truth/crack/1_mask.jpg"]


def test_a_mask_of_another_size_is_an_error(mvtec: Path, make: Make) -> None:
    make("ground_truth/crack/0_mask.png", size=(7, 9))
    with pytest.raises(InvalidData, match=r"0_mask.png' is a mask of 7×9 pixels; its picture test/crack/0.png has 9×7"):
        read_picture_folder(mvtec)


@pytest.mark.parametrize("twin", ["test/crack/0.bmp", "test/crack/0.PNG", "ground_truth/crack/0_mask.tif"])
def test_two_files_of_one_name_are_an_error(mvtec: Path, make: Make, twin: str) -> None:
    make(twin)
    with pytest.raises(InvalidData, match=r"has two pictures of one name: 0(_mask)?\.\w+ and 0(_mask)?\.\w+"):
        read_picture_folder(mvtec)


def test_pictures_beside_folders_of_pictures_are_an_error(make: Make) -> None:
    with pytest.raises(InvalidData, match=r"also folders of pictures \(cat\): move one"):
        read_picture_folder(make("a.png", "cat/0.png"))


def test_train_without_good_is_an_error(make: Make) -> None:
    with pytest.raises(InvalidData, match="train' has no folder 'good'"):
        read_picture_folder(make("train/cat/0.png", "test/cat/0.png"))


def test_links_that_leave_the_folder_are_not_followed(make: Make, tmp_path: Path) -> None:
    root = make("a.png")
    outside = tmp_path / "outside.png"
    Image.new("L", (9, 7)).save(outside)
    (root / "absolute.png").symlink_to(outside)
    (root / "relative.png").symlink_to("../outside.png")
    (root / "inside.png").symlink_to("a.png")
    (root / "folder").symlink_to(tmp_path)
    folder = read_picture_folder(root)
    assert names(folder) == ["a.png", "inside.png"]
    assert {name for name, reason in folder.skipped if "link that leaves" in reason} == {
        "absolute.png",
        "relative.png",
        "folder",
    }
    with pytest.raises(InvalidData, match=r"absolute.png' is a link that leaves the folder"):
        read_picture_folder(root, strict=True)


def test_the_folder_itself_may_be_a_link(make: Make, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(make("a.png"))
    folder = read_picture_folder(tmp_path / "link")
    assert names(folder) == ["a.png"]


@pytest.mark.timeout(60)
def test_loops_of_links_end(make: Make) -> None:
    root = make("cat/0.png", "dog/0.png")
    (root / "up").symlink_to(root)
    (root / "cat/up").symlink_to("..")
    (root / "cat/self.png").symlink_to("self.png")
    (root / "cat/gone.png").symlink_to("nothing.png")
    folder = read_picture_folder(root, normal="cat")
    assert names(folder) == ["cat/0.png", "dog/0.png"]
    reasons = dict(folder.skipped)
    assert reasons.keys() == {"up", "cat/up", "cat/self.png", "cat/gone.png"}
    assert "link to a folder" in reasons["up"]
    assert "Too many levels" in reasons["cat/self.png"]
    assert "No such file" in reasons["cat/gone.png"]


@pytest.mark.timeout(60)
def test_a_pipe_with_a_pictures_name_is_not_opened(make: Make) -> None:
    root = make("a.png")
    os.mkfifo(root / "b.png")
    assert read_picture_folder(root).skipped == (("b.png", "is neither a file nor a folder"),)


@pytest.mark.parametrize("side", [9000, 9600, 40000])
def test_a_decompression_bomb_is_an_error_even_without_strict(make: Make, side: int) -> None:
    root = make("a.png")
    bomb(root / "b.png", side)
    with pytest.raises(InvalidData, match=r"b.png' has .*pixels; allowed are at most 80,000,000") as caught:
        read_picture_folder(root)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_says_so(make: Make) -> None:
    root = make("a.png", "b.png")
    (root / "b.png").chmod(0)
    assert read_picture_folder(root).skipped == (("b.png", "can't be read: Permission denied"),)
    root.chmod(0)
    try:
        with pytest.raises(InvalidData, match="can't be listed: Permission denied"):
            read_picture_folder(root)
    finally:
        root.chmod(0o755)


def test_refusals_of_the_system_say_so(mvtec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir, opened = os.scandir, Path.open

    def deny_listing(path: Path):
        if Path(path).name == "crack":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    def deny_opening(path: Path, *args: str):
        if path.name == "1.png":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args)

    monkeypatch.setattr(Path, "open", deny_opening)
    assert read_picture_folder(mvtec).skipped == (
        ("test/crack/1.png", "can't be read: Permission denied"),
        ("train/good/1.png", "can't be read: Permission denied"),
    )
    monkeypatch.setattr(os, "scandir", deny_listing)
    with pytest.raises(InvalidData, match="crack' can't be listed: Permission denied"):
        read_picture_folder(mvtec)


@pytest.mark.parametrize(
    ("mode", "size", "channels"),
    [
        ("L", (80, 80), 1),
        ("L", (150, 200), 1),
        ("I;16", (81, 79), 1),
        ("RGB", (150, 200), 3),
        ("RGBA", (81, 79), 4),
        ("1", (80, 81), 1),
    ],
)
def test_headers_choose_the_channels(make: Make, mode: str, size: tuple[int, int], channels: int) -> None:
    root = make("a.png", size=size, mode=mode)
    folder = read_picture_folder(make("b.tif", size=(size[0] + 1, size[1]), mode=mode))
    assert folder.root == root
    assert channels_of(file.header for file in folder.files) == channels
    for file, wider in zip(folder.files, (0, 1), strict=True):
        assert decode(file.path, channels).shape == (channels, size[1], size[0] + wider)


def test_magnetic_tiles_have_their_counts_and_every_mask(data_dir: Path) -> None:
    root = data_dir / "magnetic_tile"
    if not root.is_dir():
        pytest.skip(f"no {root}")
    folder = read_picture_folder(root, strict=True)
    assert Counter(f"{file.part}/{file.group}" for file in folder.files) == {
        "test/blowhole": 25,
        "test/break": 25,
        "test/crack": 25,
        "test/good": 80,
        "test/uneven": 25,
        "train/good": 240,
    }
    assert all((file.mask is not None) == file.anomalous for file in folder.files)
    assert sum(file.mask is not None for file in folder.files) == 100
    assert folder.skipped == ()
    assert {file.header.mode for file in folder.files} == {"L"}
    assert len({(file.header.width, file.header.height) for file in folder.files}) > 100
    for file in folder.files[::7]:
        size = file.header.height, file.header.width
        assert decode(file.path, 1).shape == (1, *size)
        if file.mask is not None:
            assert np.mean(decode_mask(file.mask, size)) < 0.9
