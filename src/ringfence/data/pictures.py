"""A folder of pictures: what each file in it is, found without decoding.

Three layouts are understood::

    flat       pictures in the folder itself: they train
    mvtec      train/good, test/good, test/<defect>, ground_truth/<defect>/<name>_mask.png
    classes    one sub-folder a class; the caller says which is normal

Every header is read, and the file's end is checked (`header.read_header`): a cut file is found here at the price of a
few reads a file. Damage in the middle of a file shows when it is decoded; finding it here would double the work of
the first epoch. Links to folders are not followed, so no loop of links can catch the reader.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from ..exceptions import InvalidData, InvalidParameter, unknown_name
from .header import Picture
from .scan import MASK_SUFFIXES, SUFFIXES, Scan, folders_in, has_pictures

Layout = Literal["flat", "mvtec", "classes"]
Part = Literal["train", "test"]


@dataclass(frozen=True)
class PictureFile:
    """One picture.

    Attributes
    ----------
    path : Path
        To open it.
    name : str
        Its path relative to the folder, with ``/``.
    part : {"train", "test"}
        Where the layout puts it.
    group : str
        "good", or the class or defect; "" in a flat folder.
    anomalous : bool or None
        None if nothing says so: in a flat folder.
    mask : Path or None
        The picture of its abnormal pixels.
    header : Picture
        Size, mode and bits.
    """

    path: Path
    name: str
    part: Part
    group: str
    anomalous: bool | None
    mask: Path | None
    header: Picture


@dataclass(frozen=True, eq=False)
class PictureFolder:
    """What a folder of pictures holds.

    Attributes
    ----------
    root : Path
        The folder.
    layout : {"flat", "mvtec", "classes"}
        As found.
    files : tuple of PictureFile
        Sorted by name.
    skipped : tuple of (str, str)
        Name and reason of each file and folder left out, sorted.
    """

    root: Path
    layout: Layout
    files: tuple[PictureFile, ...]
    skipped: tuple[tuple[str, str], ...]

    @property
    def train(self) -> tuple[PictureFile, ...]:
        """The files to train with."""
        return tuple(file for file in self.files if file.part == "train")

    @property
    def test(self) -> tuple[PictureFile, ...]:
        """The files to test with."""
        return tuple(file for file in self.files if file.part == "test")


def read_picture_folder(path: str | Path, *, normal: str | None = None, strict: bool = False) -> PictureFolder:
    """Find the pictures of a folder and what they are.

    Parameters
    ----------
    path : str or Path
        A folder of one of the layouts above, with files of `scan.SUFFIXES` in any case. Other files are listed as
        skipped; hidden files, Thumbs.db, desktop.ini and licence and readme texts are passed over.
    normal : str or None
        The class that is normal, where each sub-folder is a class; needed there. Its pictures train (keeping some
        back is the caller's business) and all others are anomalous and test.
    strict : bool
        If True, the first picture or mask that can't be used is an error; else it is listed in ``skipped``. Such are
        damaged and unreadable files, links that leave the folder, and broken links.

    Returns
    -------
    PictureFolder

    Raises
    ------
    InvalidData
        If the folder is missing, can't be listed, has no usable picture or no clear layout; if two pictures differ
        only by their suffix; if a mask has no picture or another size than its picture; if a picture is larger than
        `header.MAX_PIXELS`.
    InvalidParameter
        If ``normal`` is missing where it is needed, is no class, or is given where it means nothing.
    MissingExtra
        If Pillow is not installed.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise InvalidData(f"'{root}' {'is no folder' if root.exists() else 'does not exist'}")
    scan = Scan(root, strict)
    layout = _layout(scan)
    with warnings.catch_warnings():
        # What Pillow has to say about odd headers is no concern of the user's as long as the picture can be read.
        warnings.simplefilter("ignore")
        files = _READERS[layout](scan, normal)
    if not files:
        raise InvalidData(f"'{root}' has no picture that can be read ({', '.join(SUFFIXES)}){scan.first_left_out()}")
    return PictureFolder(
        root, layout, tuple(sorted(files, key=lambda file: file.name)), tuple(sorted(set(scan.skipped)))
    )


def _layout(scan: Scan) -> Layout:
    """Tell the layout by the names of files and folders, or raise where two are possible."""
    folders = {folder.name: folder for folder in folders_in(scan.root)}
    mvtec = "ground_truth" in folders or {"train", "test"} <= folders.keys() or (scan.root / "train/good").is_dir()
    if mvtec:
        return "mvtec"
    if not has_pictures(scan.root):
        return "classes"
    both = [name for name, folder in sorted(folders.items()) if has_pictures(folder)]
    if both:
        raise InvalidData(
            f"'{scan.root}' has pictures and also folders of pictures ({_few(both)}): move one of them elsewhere"
        )
    return "flat"


def _group(scan: Scan, folder: Path, part: Part, group: str, anomalous: bool | None) -> list[PictureFile]:
    """Return the pictures of one folder as one group."""
    return [
        PictureFile(path, scan.name(path), part, group, anomalous, None, header)
        for path, header in scan.pictures(folder)
    ]


def _read_flat(scan: Scan, normal: str | None) -> list[PictureFile]:
    if normal is not None:
        raise InvalidParameter(f"normal='{normal}': '{scan.root}' has no folders of classes to choose from")
    return _group(scan, scan.root, "train", "", None)


def _read_mvtec(scan: Scan, normal: str | None) -> list[PictureFile]:
    if normal not in (None, "good"):
        raise InvalidParameter(f"normal='{normal}': '{scan.root}' has the MVTec layout, where 'good' is normal")
    tops = {folder.name: folder for folder in _only_folders(scan, scan.root)}
    for name in sorted(tops.keys() - {"train", "test", "ground_truth"}):
        scan.leave_out(tops[name], "is none of the folders train, test and ground_truth")
    files: list[PictureFile] = []
    if "train" in tops:
        parts = {folder.name: folder for folder in _only_folders(scan, tops["train"])}
        if "good" not in parts:
            raise InvalidData(
                f"'{tops['train']}' has no folder 'good', where the MVTec layout has normal pictures"
                f"{scan.first_left_out()}"
            )
        for name in sorted(parts.keys() - {"good"}):
            scan.leave_out(parts[name], "is not 'good', the only folder to train with")
        files += _group(scan, parts["good"], "train", "good", False)
    if "test" in tops:
        for folder in _only_folders(scan, tops["test"]):
            files += _group(scan, folder, "test", folder.name, folder.name != "good")
    return _with_masks(scan, files, tops.get("ground_truth"))


def _with_masks(scan: Scan, files: list[PictureFile], ground_truth: Path | None) -> list[PictureFile]:
    """Give each picture its mask, and make sure that each mask has its picture."""
    if ground_truth is None:
        return files
    masks: dict[str, tuple[Path, Picture]] = {}
    for folder in _only_folders(scan, ground_truth):
        for path, header in scan.pictures(folder, MASK_SUFFIXES):
            if not path.stem.endswith("_mask"):
                scan.leave_out(path, "is no mask: its name does not end with _mask", unusable=True)
                continue
            picture = f"test/{folder.name}/{path.stem.removesuffix('_mask')}"
            if picture not in scan.seen:
                raise InvalidData(f"'{path}' is a mask without a picture: there is no {picture} with any suffix")
            masks[picture] = path, header
    return [_masked(file, masks.get(file.name.removesuffix(file.path.suffix))) for file in files]


def _masked(file: PictureFile, mask: tuple[Path, Picture] | None) -> PictureFile:
    if mask is None:
        return file
    path, header = mask
    if (header.width, header.height) != (file.header.width, file.header.height):
        raise InvalidData(
            f"'{path}' is a mask of {header.width}×{header.height} pixels;"
            f" its picture {file.name} has {file.header.width}×{file.header.height}"
        )
    return replace(file, mask=path)


def _read_classes(scan: Scan, normal: str | None) -> list[PictureFile]:
    folders = _only_folders(scan, scan.root)
    names = [folder.name for folder in folders]
    if folders and normal is None:
        raise InvalidParameter(
            f"'{scan.root}' has a folder for each class: say which is normal: --normal NAME (normal=NAME in Python),"
            f" one of: {_few(names)}"
        )
    if folders and normal not in names:
        raise InvalidParameter(f"'{scan.root}': {unknown_name('class', normal, names)}")
    files: list[PictureFile] = []
    for folder in folders:
        is_normal = folder.name == normal
        found = _group(scan, folder, "train" if is_normal else "test", folder.name, not is_normal)
        if not found and is_normal:
            raise InvalidData(f"'{folder}', the normal class, has no picture that can be read ({', '.join(SUFFIXES)})")
        if not found:
            scan.leave_out(folder, "has no picture that can be read")
        files += found
    return files


_READERS: Final[Mapping[Layout, Callable[[Scan, str | None], list[PictureFile]]]] = {
    "flat": _read_flat,
    "mvtec": _read_mvtec,
    "classes": _read_classes,
}


def _only_folders(scan: Scan, folder: Path) -> list[Path]:
    """Return the folders in a folder where the layout has no files; such are listed as skipped."""
    files, folders = scan.entries(folder)
    for path in files:
        scan.leave_out(path, "lies where the layout has only folders")
    return folders


def _few(names: list[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
