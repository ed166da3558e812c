"""A folder of pictures as a benchmark: what is checked before the first run, and what a run loads."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Self, final

import numpy as np
from numpy.typing import NDArray

from ..data.decode import decode_mask
from ..data.picture_files import PictureFiles
from ..data.pictures import PictureFile, PictureFolder, read_picture_folder
from ..exceptions import InvalidData, InvalidParameter
from ..picture_rows import WindowRows
from ..protocol import Split
from ..views import View, view_facts
from .bench import Bench, Prepared
from .execute import limited
from .job import Job
from .pictures import Task, judge, judge_baseline

LEAST: Final = 3
"""Pictures to train with: baselines learn from two and place their cut on the third."""

_SAID: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "resize": lambda v: f"resized to {v['height']}x{v['width']}",
    "pad": lambda v: f"padded to {v['height']}x{v['width']}",
    "patches": lambda v: f"windows of {v['height']}x{v['width']} every {v['stride']} px",
}


@final
@dataclass(frozen=True)
class FolderBench(Bench):
    """Pictures in the MVTec layout through a view; the figures are of whole pictures, and of pixels.

    Attributes
    ----------
    folder
        Where it lies. No part of a run's identity: the digest is.
    view
        How pictures become rows.
    digest
        Of names and contents of the training and test pictures and masks.
    """

    name: ClassVar[str] = "folder"
    cases: ClassVar[Sequence[str]] = ("all",)
    baselines: ClassVar[Sequence[str]] = ("isolation_forest", "mean_distance", "nearest_neighbour", "pca")

    folder: str
    view: View
    digest: str

    @classmethod
    def of(cls, folder: str | Path, view: View) -> Self:
        """Check a folder, which reads and decodes every picture in it once.

        Raises
        ------
        InvalidData
            If the folder is missing, not in the MVTec layout, has too few pictures to train with or test pictures of
            one class alone, the view does not fit a picture, or a picture or mask can't be decoded.
        MissingExtra
            If Pillow is not installed.
        """
        found = _read(folder)
        if len(found.train) < LEAST:
            raise InvalidData(f"'{folder}' has {len(found.train)} pictures in train/good: at least {LEAST} are needed")
        for wanted, where in ((True, "test/<defect>"), (False, "test/good")):
            if wanted not in {file.anomalous for file in found.test}:
                raise InvalidData(f"'{folder}' has no picture in {where}: a benchmark needs both classes to test on")
        pictures = PictureFiles(found.files)
        WindowRows(pictures, view)
        for fault in pictures.faults().values():
            raise InvalidData(fault)
        for file in found.test:
            _mask(file)
        return cls(str(folder), view, digest_of(found.files))

    def identity(self) -> dict[str, Any]:
        """See `Bench.identity`."""
        return {"folder": self.label, "view": view_facts(self.view), "data_sha256": self.digest}

    @property
    def label(self) -> str:
        """The folder's own name."""
        return Path(self.folder).expanduser().resolve().name

    def prepare(self, job: Job) -> Prepared:
        """See `Bench.prepare`; `InvalidData` if the folder is not the one that was checked."""
        found = _read(self.folder)
        if digest_of(found.files) != self.digest:
            raise InvalidData(f"'{self.folder}' has changed since the benchmark was planned: give the command again")
        files = (*found.train, *found.test)
        facts = view_facts(self.view)
        anomaly = np.array([bool(file.anomalous) for file in found.test])
        train, test = np.arange(len(found.train)), len(found.train) + np.arange(len(found.test))
        whole = Split(train, test, anomaly, f"{self.label}, {_SAID[str(facts['view'])](facts)}")
        split = limited(whole, job)
        # All files together say how many channels there are.
        pictures = PictureFiles(files)
        tested = [files[at] for at in split.test]
        task = Task(
            self.view, pictures.take(split.train), pictures.take(split.test), split.anomaly,
            tuple(file.group for file in tested), tuple(_mask(file) for file in tested),
        )  # fmt: skip
        used = [files[at] for at in np.concatenate([split.train, split.test])]
        return Prepared(
            {
                "protocol": split.name, "budget": job.budget(len(whole.train), len(whole.test)),
                "n_train": len(split.train), "n_test": len(split.test), "data_sha256": digest_of(used),
                "folder": self.label, "view": facts, "counts": _counts(task, tested),
            },
            partial(judge_baseline if job.role == "baseline" else judge, task=task),
        )  # fmt: skip


def digest_of(files: Iterable[PictureFile]) -> str:
    """Return one SHA-256 of the names and contents of pictures and of their masks."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.part} {file.name}\0".encode())
        for path in (file.path, *([file.mask] if file.mask else [])):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _read(folder: str | Path) -> PictureFolder:
    layout = "train/good, test/good and test/<defect>"
    try:
        found = read_picture_folder(folder)
    except InvalidParameter as error:  # a folder of classes, which would ask for the normal one
        raise InvalidData(
            f"'{folder}' is a folder of classes: a benchmark needs the MVTec layout ({layout})"
        ) from error
    if found.layout != "mvtec":
        raise InvalidData(f"'{folder}' is a {found.layout} folder: a benchmark needs the MVTec layout ({layout})")
    return found


def _mask(file: PictureFile) -> NDArray[np.bool_] | None:
    """Where a picture is abnormal; None where nothing says so, which an empty mask of an anomaly does not either."""
    size = (file.header.height, file.header.width)
    mask = decode_mask(file.mask, size) if file.mask else np.zeros(size, dtype=bool)
    return None if file.anomalous and not mask.any() else mask


def _counts(task: Task, tested: Sequence[PictureFile]) -> dict[str, Any]:
    return {
        "train_rows": len(WindowRows(task.train, task.view)),
        "test_rows": len(WindowRows(task.test, task.view)),
        "groups": dict(sorted(Counter(task.groups).items())),
        "anomalous_without_mask": sum(bool(file.anomalous) and file.mask is None for file in tested),
        "anomalous_with_empty_mask": sum(
            file.mask is not None and mask is None for file, mask in zip(tested, task.masks, strict=True)
        ),
    }
