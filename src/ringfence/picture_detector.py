"""A detector of pictures of any size around any detector of rows; a view makes rows of pictures, and back."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils.validation import check_is_fitted

from . import persist
from .detector import Detector
from .exceptions import InvalidData, InvalidParameter, unknown_name
from .game import ROWS, drawn_seed, stream
from .holdout import sides
from .maps import row_maps
from .pictures import Pictures, WindowRows, as_pictures
from .progress import steps_bar
from .threshold import quantile_cut
from .views import View, view_facts, view_from

Scores = NDArray[np.float64]
Maps = dict[str, NDArray[np.float32]]

POOLS: Final[Mapping[str, Callable[[Scores], Any]]] = MappingProxyType({"max": np.max, "mean": np.mean})
"""A picture's score from those of its rows: one bad window is enough, or all count."""

SCALED_ON: Final = 50
"""Pictures kept out of training (or training ones) that the scale of the maps is measured on, evenly spread."""

SCALE_SHARE: Final = 0.995
"""Share of their pixels that lies within the maps' scale."""

ROWS_AT_ONCE: Final = 2048


@final
class PictureDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]
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
        Threads that decode pictures from files.

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
            Normal pictures: `Pictures`, or arrays (height, width) or (channels, height, width) of any sizes.
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

    def _fit(self, X: Any, learn: bool, groups: Any, held_out: Any, checkpoint: Any) -> Self:
        if self.pool not in POOLS:
            raise InvalidParameter(unknown_name("pool", self.pool, POOLS))
        pictures = as_pictures(X)
        if len(pictures) < 2:
            raise InvalidData(f"X has {len(pictures)} picture: at least 2 are needed")
        seed = drawn_seed(self.detector.random_state)
        training, judged = sides(len(pictures), self.detector.calibration, stream(seed, ROWS), groups, held_out)
        self.detector_: Detector = clone(self.detector).set_params(calibration=0.0)
        rows = self._rows(pictures.take(training))
        if learn:
            self.detector_.fit(rows, checkpoint=checkpoint)
        else:
            self.detector_.fit_untrained(rows)
        self.n_features_in_ = self.detector_.n_features_in_
        self.split_ = {"train": len(training), "calibrate": len(pictures) - len(training)}
        few = judged[: max(2, self.detector_.cut_rows * len(training) // max(len(rows), 1))]
        cut = pictures.take(np.sort(few))
        self.offset_ = -quantile_cut(self.anomaly_score(cut), self.detector.contamination)
        scaled_on = np.unique(np.linspace(0, len(cut) - 1, SCALED_ON).astype(np.int64))
        pixels: dict[str, list[NDArray[Any]]] = {}
        for maps in self.maps(cut.take(scaled_on)):
            for name, values in maps.items():
                pixels.setdefault(name, []).append(values.ravel())
        self.map_scale_ = {name: float(np.quantile(np.concatenate(v), SCALE_SHARE)) for name, v in pixels.items()}
        return self

    def _rows(self, pictures: Pictures) -> WindowRows:
        return WindowRows(pictures, self.view, self.workers)

    def _received(self, X: Any) -> WindowRows:
        check_is_fitted(self, "detector_")
        pictures, channels = as_pictures(X), self.detector_.preprocess_.shape[0]
        if pictures.channels != channels:
            raise InvalidData(f"the pictures have {pictures.channels} channels, the detector was fitted on {channels}")
        return self._rows(pictures)

    def row_scores(self, X: Any) -> list[Scores]:
        """Return the scores of each picture's rows, in the order of `view.windows`."""
        rows = self._received(X)
        scores = self.detector_.anomaly_score(rows)
        return [scores[rows.of(at)] for at in range(len(rows.pictures))]

    def anomaly_score(self, X: Any) -> Scores:
        """Return how anomalous each picture is, (n,) float64; higher = more anomalous."""
        return np.array([POOLS[self.pool](scores) for scores in self.row_scores(X)], dtype=np.float64)

    def score_samples(self, X: Any) -> Scores:
        """Return −`anomaly_score`."""
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> Scores:
        """Return `score_samples` − `offset_`: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return −1 for anomalies and +1 for normal pictures, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    @property
    def threshold_(self) -> float:
        """The cut: a picture is an anomaly if its `anomaly_score` is above it."""
        return -self.offset_

    @property
    def history_(self) -> list[dict[str, Any]]:
        """Losses of the detector of rows."""
        return self.detector_.history_

    def maps(self, X: Any) -> list[Maps]:
        """Return for each picture its maps by name, (height, width) float32 in the picture's own pixels.

        Those of :mod:`ringfence.maps`, and with windows "score": the mean score of the windows that a pixel lies in.
        """
        rows = self._received(X)
        found: list[Maps] = []
        with steps_bar(len(rows.pictures), "maps", show=bool(self.detector_.verbose)) as bar:
            for batch in _batches(rows.counts, ROWS_AT_ONCE):
                index = np.concatenate([rows.of(at) for at in batch])
                made = row_maps(self.detector_, rows.take(index))
                if rows.counts.max() > 1:
                    flat = self._quiet_scores(rows, index).astype(np.float32)
                    made["score"] = np.broadcast_to(flat[:, None, None], (len(flat), *self.view.shape))
                start = 0
                for at in batch:
                    end = start + rows.counts[at]
                    size = rows.pictures.sizes[at]
                    found.append({name: self.view.stitch(v[start:end], *size) for name, v in made.items()})
                    start = end
                    bar.update()
        return found

    def _quiet_scores(self, rows: WindowRows, index: NDArray[np.int64]) -> Scores:
        verbose, self.detector_.verbose = self.detector_.verbose, 0
        try:
            return self.detector_.anomaly_score(rows.take(index))
        finally:
            self.detector_.verbose = verbose

    def reconstruct(self, X: Any) -> list[NDArray[np.float32]]:
        """Return what the generator makes of each picture, (channels, height, width); overlapping windows averaged.

        Raises
        ------
        InvalidParameter
            If the method has no reconstruction.
        """
        rows = self._received(X)
        remake = getattr(self.detector_, "reconstruct", None)
        if remake is None:
            raise InvalidParameter(f"{type(self.detector_).__name__} does not reconstruct")
        found = []
        for at in range(len(rows.pictures)):
            made = remake(rows.take(rows.of(at)))
            size = rows.pictures.sizes[at]
            found.append(np.stack([self.view.stitch(made[:, c], *size) for c in range(made.shape[1])]))
        return found

    def save(self, folder: str | Path) -> Path:
        """Write the fitted detector to a folder, as `Detector.save` does."""
        check_is_fitted(self, "offset_")
        facts = {
            "view": view_facts(self.view), "pool": self.pool, "offset": self.offset_,
            "map_scale": self.map_scale_, "split": self.split_, "calibration": self.detector.calibration,
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
