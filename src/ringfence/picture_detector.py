"""A detector of pictures of any size around any detector of rows; a view makes rows of pictures, and back."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from . import persist
from .detector import Detector
from .exceptions import InvalidData, InvalidParameter
from .game import ROWS, drawn_seed, stream
from .holdout import sides
from .lazy import LazyRows
from .limits import Limit, OneOf, check_limits
from .maps import row_maps
from .picture_rows import WindowRows
from .pictures import as_pictures
from .progress import steps_bar
from .signs import Scores, Signed
from .threshold import quantile_cut
from .views import Patches, View, view_facts, view_from

Maps = dict[str, NDArray[np.float32]]

POOLS: Final[Mapping[str, Callable[[Scores], Any]]] = MappingProxyType({"max": np.max, "mean": np.mean})
"""A picture's score from those of its rows: one bad window is enough, or all count."""

SCALED_ON: Final = 50
"""Pictures kept out of training (or training ones) that the scale of the maps is measured on, evenly spread."""

SCALED_PIXELS: Final = 40_000
"""Pixels of each, on an even grid."""

SCALE_SHARE: Final = 0.995
"""Share of those pixels that lies within the maps' scale."""

PIXELS_AT_ONCE: Final = 2**24
"""Pixels of rows that are mapped together; the rows of one picture are not parted."""


@final
class PictureDetector(Signed):
    """Fit a detector on the rows that a view makes of pictures, and score, cut and map whole pictures.

    Parameters
    ----------
    detector
        Unfitted; its `calibration` is the share of *pictures* kept out for the cut, its `contamination` the share of
        those that lies beyond it.
    view
        `Resize`, `Pad` or `Patches` of :mod:`ringfence.views`.
    pool
        "max" or "mean" of the rows' scores.
    workers
        Threads that decode pictures from files, from 1 to 64.

    Attributes
    ----------
    detector_
        The fitted detector of rows.
    offset_, threshold_
        The cut for pictures, as in `Detector`.
    map_scale_
        By map the value that `SCALE_SHARE` of the pixels of normal pictures stay below: the end of a colour scale
        that is the same for every picture.
    """

    def __init__(self, detector: Detector, view: View, pool: str = "max", workers: int = 2) -> None:
        self.detector, self.view, self.pool, self.workers = detector, view, pool, workers

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        groups: ArrayLike | None = None,
        held_out: ArrayLike | None = None,
        checkpoint: str | Path | None = None,
    ) -> Self:
        """Learn what normal looks like.

        Parameters
        ----------
        X
            Normal pictures: `Pictures`, or arrays (height, width) or (channels, height, width) of any sizes. Files
            have values from 0 to 1; arrays may have others, the same in fitting and scoring. What scaling needs is
            measured on up to 512 rows, evenly spread.
        y
            Ignored.
        groups, held_out, checkpoint
            As in `Detector.fit`, one value a picture.

        Raises
        ------
        InvalidParameter, InvalidData
            Before training starts; naming the picture that the view can't take.
        """
        return self._fit(X, True, groups, held_out, checkpoint)

    def fit_untrained(
        self, X: Any, y: Any = None, *, groups: ArrayLike | None = None, held_out: ArrayLike | None = None
    ) -> Self:
        """Fit scaling and cut alone: the foil that a trained detector must beat."""
        return self._fit(X, False, groups, held_out, None)

    def check(self) -> None:
        """Raise `InvalidParameter` for the first hyperparameter that can't be used; `fit` begins with it."""
        for name, kind, such_as in (("detector", Detector, "FenceGAN()"), ("view", View, "Resize(32, 32)")):
            if not isinstance(getattr(self, name), kind):
                raise InvalidParameter(f"{name}={getattr(self, name)!r}: allowed is a {name} such as {such_as}")
        check_limits(
            {"pool": self.pool, "workers": self.workers},
            {"pool": OneOf(tuple(POOLS)), "workers": Limit(1, 64, whole=True)},
        )
        self.detector.check()

    def _fit(self, X: Any, learn: bool, groups: Any, held_out: Any, checkpoint: Any) -> Self:
        self.check()
        if checkpoint and self.detector.random_state is None and self.detector.calibration:
            raise InvalidParameter(
                "random_state=None: a run kept in a checkpoint can't be found again, as other pictures would be kept "
                "out for the cut; give a number"
            )
        pictures = as_pictures(X)
        if len(pictures) < 2:
            raise InvalidData(f"X has {len(pictures)} picture{'s' * (len(pictures) != 1)}, at least 2 are needed")
        seed = drawn_seed(self.detector.random_state)
        calibration = self.detector.calibration
        training, judged = sides(len(pictures), calibration, stream(seed, ROWS), groups, held_out, "pictures")
        # One maker of rows for all that follows: what was decoded for the one is there for the other.
        rows = WindowRows(pictures, self.view, self.workers)
        detector: Detector = clone(self.detector).set_params(calibration=0.0)
        taught = rows.take(rows.of(*training.tolist()))
        self.detector_ = detector.fit(taught, checkpoint=checkpoint) if learn else detector.fit_untrained(taught)
        self.n_features_in_ = detector.n_features_in_
        self.split_ = {"train": len(training), "calibrate": len(pictures) - len(training)}
        few = np.sort(judged[: max(2, detector.cut_rows * len(pictures) // len(rows))]).tolist()
        self.offset_ = -quantile_cut(self._pooled(self._row_scores(rows, few)), self.detector.contamination)
        evenly = np.unique(np.linspace(0, len(few) - 1, SCALED_ON).astype(np.int64))
        self.map_scale_ = self._measured(self._maps(rows, [few[at] for at in evenly]))
        return self

    def _received(self, X: Any) -> WindowRows:
        check_is_fitted(self, "detector_")
        pictures, channels = as_pictures(X), self.detector_.preprocess_.shape[0]
        if not len(pictures):
            raise InvalidData("X has no picture, at least 1 is needed")
        if pictures.channels != channels:
            raise InvalidData(f"the pictures' channels are {pictures.channels}, those that were fitted are {channels}")
        return WindowRows(pictures, self.view, self.workers)

    def row_scores(self, X: Any) -> list[Scores]:
        """Return the scores of each picture's rows, in the order of `view.windows`."""
        rows = self._received(X)
        return self._row_scores(rows, range(len(rows.pictures)))

    def _row_scores(self, rows: WindowRows, which: Sequence[int]) -> list[Scores]:
        scores = self.detector_.anomaly_score(rows.take(rows.of(*which)))
        return np.split(scores, np.cumsum(rows.counts[list(which)])[:-1])

    def _pooled(self, scores: Sequence[Scores]) -> Scores:
        return np.array([POOLS[self.pool](each) for each in scores], dtype=np.float64)

    def anomaly_score(self, X: Any) -> Scores:
        """Return how anomalous each picture is, (n,) float64; higher = more anomalous."""
        return self._pooled(self.row_scores(X))

    def iter_scores(self, X: Any, pictures: int = 256) -> Iterator[Scores]:
        """Yield the scores of `anomaly_score`, those of some pictures at a time, in their order."""
        rows = self._received(X)
        for start in range(0, len(rows.pictures), pictures):
            yield self._pooled(self._row_scores(rows, range(start, min(start + pictures, len(rows.pictures)))))

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Losses of the detector of rows."""
        return self.detector_.history_

    def maps(self, X: Any) -> list[Maps]:
        """Return for each picture its maps by name, (height, width) float32 in the picture's own pixels.

        Those of :mod:`ringfence.maps`, and with `Patches` "score": the mean score of the windows that a pixel lies in.
        """
        return list(self.each_maps(X))

    def each_maps(self, X: Any) -> Iterator[Maps]:
        """Make what `maps` returns picture by picture, where all of them would not fit into memory."""
        rows = self._received(X)
        with steps_bar(len(rows.pictures), "maps", show=bool(self.detector_.verbose)) as bar:
            for maps in self._maps(rows, range(len(rows.pictures))):
                yield maps
                bar.update()

    def _maps(self, rows: WindowRows, which: Sequence[int]) -> Iterator[Maps]:
        quiet = copy(self.detector_)  # one bar is enough
        quiet.verbose = 0

        def work(some: LazyRows) -> Maps:
            made = row_maps(quiet, some)
            if isinstance(self.view, Patches):
                flat = quiet.anomaly_score(some).astype(np.float32)
                made["score"] = np.broadcast_to(flat[:, None, None], (len(flat), *self.view.shape))
            return made

        return self._stitched(rows, which, work)

    def _stitched(
        self, rows: WindowRows, which: Sequence[int], work: Callable[[LazyRows], Mapping[str, NDArray[Any]]]
    ) -> Iterator[Maps]:
        """Make maps of rows, (n, height, width) by name, and put together those of each picture."""
        for batch in _batches(rows.counts[list(which)], PIXELS_AT_ONCE // math.prod(self.view.shape)):
            pictures = [which[at] for at in batch]
            made = work(rows.take(rows.of(*pictures)))
            start = 0
            for at in pictures:
                end = start + rows.counts[at]
                yield {name: self.view.stitch(v[start:end], *rows.pictures.sizes[at]) for name, v in made.items()}
                start = end

    def _measured(self, each: Iterator[Maps]) -> dict[str, float]:
        """The scale of each map, over all pictures."""
        pixels: dict[str, list[NDArray[Any]]] = {}
        for maps in each:
            for name, values in maps.items():
                step = math.ceil(math.sqrt(values.size / SCALED_PIXELS))
                pixels.setdefault(name, []).append(values[::step, ::step].flatten())
        return {name: float(np.quantile(np.concatenate(v), SCALE_SHARE)) for name, v in pixels.items()}

    def reconstruct(self, X: Any) -> list[NDArray[np.float32]]:
        """Return what the generator makes of each picture, (channels, height, width); overlapping windows averaged.

        In the units of the pictures that were fitted, 0 to 1 where they came from files.

        Raises
        ------
        InvalidParameter
            If the method has no reconstruction.
        """
        rows = self._received(X)
        quiet = copy(self.detector_)
        quiet.verbose = 0
        remake = getattr(quiet, "reconstruct", None)
        if remake is None:
            raise InvalidParameter(f"{type(quiet).__name__} does not reconstruct")

        def work(some: LazyRows) -> Maps:
            return {str(channel): plane for channel, plane in enumerate(np.moveaxis(remake(some), 1, 0))}

        found = []
        with steps_bar(len(rows.pictures), "reconstructing", show=bool(self.detector_.verbose)) as bar:
            for planes in self._stitched(rows, range(len(rows.pictures)), work):
                found.append(np.stack([*planes.values()]))
                bar.update()
        return found

    def save(self, folder: str | Path) -> Path:
        """Write the fitted detector to a folder, as `Detector.save` does."""
        check_is_fitted(self, "offset_")
        facts = {
            "view": view_facts(self.view), "pool": self.pool, "offset": self.offset_,
            "map_scale": self.map_scale_, "split": self.split_, "calibration": float(self.detector.calibration),
        }  # fmt: skip
        return persist.save(self.detector_, Path(folder), facts)


def restored(detector: Detector, facts: Mapping[str, Any]) -> PictureDetector:
    """Make again what `save` described, around the detector of rows."""
    unfitted = clone(detector).set_params(calibration=facts["calibration"])
    made = PictureDetector(unfitted, view_from(facts["view"]), facts["pool"])
    made.detector_, made.offset_ = detector, facts["offset"]
    made.map_scale_, made.split_ = facts["map_scale"], facts["split"]
    made.n_features_in_ = detector.n_features_in_
    return made


def _batches(counts: NDArray[np.int64], most: int) -> list[list[int]]:
    """Numbers of pictures in groups of at most so many rows together, one picture at least."""
    batches: list[list[int]] = []
    held = most + 1
    for at, count in enumerate(counts.tolist()):
        if held + count > most:
            batches.append([])
            held = 0
        batches[-1].append(at)
        held += count
    return batches
