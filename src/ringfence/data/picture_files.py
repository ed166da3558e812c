"""Pictures in files as a detector takes them: decoded when they are asked for."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import final

import numpy as np
from numpy.typing import NDArray

from ..exceptions import InvalidData
from ..pictures import Pictures
from .decode import decode
from .header import channels_of
from .pictures import PictureFile
from .stamps import stamp


@final
class PictureFiles(Pictures):
    """Pictures of a folder.

    Parameters
    ----------
    files
        At least one.
    channels
        1, 3 or 4; None takes what holds all of them (`channels_of`).

    A file that is written again afterwards is refused when it is read: half of a fit would see the one picture, half
    the other.
    """

    def __init__(self, files: Sequence[PictureFile], channels: int | None = None) -> None:
        self.files = tuple(files)
        self.channels = channels_of([file.header for file in files]) if channels is None else channels
        self.sizes = [(file.header.height, file.header.width) for file in self.files]
        self.names = [file.name for file in self.files]
        self._stamps = [stamp(file.path) for file in self.files]

    def read(self, at: int) -> NDArray[np.float32]:
        """Decode one picture, (channels, height, width), 0 to 1.

        Raises
        ------
        InvalidData
            If the file is gone, damaged, or not the one that was found.
        """
        path, now = self.files[at].path, stamp(self.files[at].path)
        if not now:
            raise InvalidData(f"'{path}' is no longer there, or can't be read any more")
        picture = decode(path, self.channels)
        if now != self._stamps[at] or picture.shape[1:] != self.sizes[at]:
            raise InvalidData(f"'{path}' has changed since the folder was read: read the folder again")
        return picture

    def digest(self) -> str:
        """Of names, sizes and times of the files, as they were found."""
        digest = hashlib.sha256(str(self.channels).encode())
        for file, found in zip(self.files, self._stamps, strict=True):
            digest.update(f"{file.name} {found}".encode())
        return digest.hexdigest()

    def faults(self, workers: int = 2) -> dict[int, str]:
        """Decode every picture once and return what is wrong with those that can't be, by number."""

        def fault(at: int) -> str | None:
            try:
                self.read(at)
            except InvalidData as error:
                return str(error)
            return None

        with ThreadPoolExecutor(workers, thread_name_prefix="ringfence-decode") as pool:
            found = pool.map(fault, range(len(self)))
            return {at: text for at, text in enumerate(found) if text is not None}
