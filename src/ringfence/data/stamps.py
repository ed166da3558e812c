"""Files as they were found: what tells that one was written again since."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..exceptions import InvalidData


def stamp(path: Path) -> tuple[int, int] | None:
    """Size in bytes and time of the last change; None where there is no such file."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


class Files:
    """Files that must stay as they were found: half of a fit would see the one table, half the other."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._stamps = [stamp(path) for path in paths]

    def checked(self, at: int) -> Path:
        """Return a path if its file is the one that was found."""
        if stamp(self.paths[at]) != self._stamps[at]:
            raise InvalidData(f"'{self.paths[at]}' has changed since it was opened, or is gone: open the shards again")
        return self.paths[at]

    def digest(self) -> str:
        """Of names, sizes and times."""
        said = [f"{path.name} {found}" for path, found in zip(self.paths, self._stamps, strict=True)]
        return hashlib.sha256("\n".join(said).encode()).hexdigest()
