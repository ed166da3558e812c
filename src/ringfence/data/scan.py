"""Which files of a folder can be read as pictures, and why the others can't.

Links to folders are not followed, so no loop of links can catch the reader; a link to a file is followed if the file
lies in the same folder of pictures. What is neither a file nor a folder (a pipe, say) is never opened.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..exceptions import InvalidData
from .header import Picture, PictureTooLarge, read_header

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
"""Lower-case ends of names that are read as pictures."""

MASK_SUFFIXES: Final = (".png", ".tif", ".tiff", ".bmp")
"""Lower-case ends of names that are read as masks: JPEG would blur them."""


@dataclass(eq=False)
class Scan:
    """One reading of a folder: what was left out, and which pictures there are, damaged ones too."""

    root: Path
    strict: bool
    skipped: list[tuple[str, str]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.real = Path(os.path.realpath(self.root))

    def name(self, path: Path) -> str:
        """Return a path relative to the root, with ``/``."""
        return path.relative_to(self.root).as_posix()

    def leave_out(self, path: Path, reason: str, unusable: bool = False) -> None:
        """List a file or folder as skipped; with `strict`, one that should have been used is an error."""
        if unusable and self.strict:
            raise InvalidData(f"'{path}' {reason}")
        self.skipped.append((self.name(path), reason))

    def first_left_out(self) -> str:
        """Return the end of a line that names the first file left out; empty if there is none."""
        return f"; left out: {self.skipped[0][0]}, which {self.skipped[0][1]}" if self.skipped else ""

    def entries(self, folder: Path) -> tuple[list[Path], list[Path]]:
        """Return the files and folders in a folder, sorted, links checked."""
        try:
            with os.scandir(folder) as found:
                paths = sorted(folder / entry.name for entry in found if not passed_over(entry.name))
        except OSError as error:
            raise InvalidData(f"'{folder}' can't be listed: {error.strerror}") from error
        files, folders = [], []
        for path in paths:
            kind = self._kind(path)
            if stat.S_ISDIR(kind):
                folders.append(path)
            elif stat.S_ISREG(kind):
                files.append(path)
        return files, folders

    def _kind(self, path: Path) -> int:
        """Return what a path is, as bits of its mode; 0 for what must not be opened, which is then listed."""
        try:
            if not path.is_symlink():
                kind = path.stat().st_mode
                if not stat.S_ISDIR(kind) and not stat.S_ISREG(kind):
                    self.leave_out(path, "is neither a file nor a folder")
                return kind
            target = Path(os.path.realpath(path, strict=True))
            kind = target.stat().st_mode
        except OSError as error:
            self.leave_out(path, f"can't be read: {error.strerror}", unusable=True)
            return 0
        if not target.is_relative_to(self.real):
            self.leave_out(path, "is a link that leaves the folder", unusable=True)
            return 0
        if not stat.S_ISREG(kind):
            self.leave_out(path, "is a link to a folder, which is not followed", unusable=True)
            return 0
        return kind

    def pictures(self, folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[tuple[Path, Picture]]:
        """Yield the usable pictures of a folder with their headers, sorted."""
        files, folders = self.entries(folder)
        for inner in folders:
            self.leave_out(inner, "is a folder deeper than the layout")
        stems: dict[str, Path] = {}
        for path in files:
            if path.suffix.lower() not in suffixes:
                self.leave_out(path, f"is none of {', '.join(suffixes)}")
                continue
            other = stems.setdefault(path.stem, path)
            if other != path:
                raise InvalidData(f"'{folder}' has two pictures of one name: {other.name} and {path.name}")
            self.seen.add(self.name(path.with_suffix("")))
            try:
                yield path, read_header(path)
            except PictureTooLarge:
                raise
            except InvalidData as error:
                self.leave_out(path, str(error).removeprefix(f"'{path}' "), unusable=True)


def passed_over(name: str) -> bool:
    """Tell whether a file is one of those that systems and authors put everywhere."""
    low = name.lower()
    text = low.endswith((".txt", ".md")) or "." not in low
    return (
        low.startswith(".")
        or low in ("thumbs.db", "desktop.ini")
        or (text and low.startswith(("license", "licence", "readme")))
    )


def has_pictures(folder: Path) -> bool:
    """Tell whether a folder has files with names of pictures; not if it can't be listed."""
    try:
        with os.scandir(folder) as found:
            return any(not passed_over(entry.name) and Path(entry.name).suffix.lower() in SUFFIXES for entry in found)
    except OSError:
        return False


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, links left out; none if it can't be listed."""
    try:
        with os.scandir(folder) as found:
            return [
                folder / entry.name
                for entry in found
                if not passed_over(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
