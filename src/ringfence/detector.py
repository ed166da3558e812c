"""The detector: one estimator around every method.

A method says which networks it has, who trains them and what the parts of its score are. Everything else (checking
and scaling rows, training, scoring in fixed chunks, the cut, the scikit-learn contract) is written here once and never
overridden.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_array, check_is_fitted, validate_data
from torch import Tensor, nn

from . import persist, presets, scoring
from .checkpoint import Keeper
from .chunks import in_chunks
from .exceptions import InvalidData, InvalidParameter, TrainingDiverged
from .game import INIT, NOISE, PRIORS, ROWS, Game, Nets, Optim, Stage, drawn_seed, stream
from .limits import Limit, OneOf, check_limits
from .networks import INITIALISERS, Family, Maker, family_for
from .preprocess import SCALES, Preprocess, as_array
from .progress import steps_bar, watcher
from .registry import Info
from .threshold import quantile_cut, share_of
from .training import Run, play

Scores = NDArray[np.float64]

# `epochs="auto"` passes over the rows until about so many steps are done, whatever their number: seconds on one CPU
# core. At least one pass is made.
AUTO_STEPS = 1000


def _has(hook: str) -> Callable[[Any], bool]:
    return lambda self: hasattr(self, hook)


@dataclass(eq=False, repr=False, kw_only=True)
class Detector(OutlierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """An anomaly detector that learns what normal looks like from normal rows alone.

    Parameters
    ----------
    epochs
        Passes over the training rows, or "auto": as many as make about 1,000 steps.
    batch_size
        Rows in a step, at least 2.
    lr, beta1
        Learning rate and momentum of Adam (its β₁).
    latent_dim
        Length of the generator's input.
    prior
        Distribution of the generator's input: "normal" or "uniform" (−1…1).
    ema
        Decay of the moving average of the networks that is used for scoring; 0 scores with the last weights.
    ema_warmup
        Start the average as min(ema, (1 + t) / (10 + t)) at step t.
    score_kind
        Which of the method's published scores `anomaly_score` gives; None is the first of `scores`.
    scale
        "auto" ("standard" for tables, "range" for images), "standard", "minmax", "robust", "range" or "none".
    init
        How weights are drawn: "he", "xavier" or "normal_002".
    layers
        Layer tables by network name instead of the family's own (see `ringfence.networks.tables`); presets fill it.
    contamination
        Share of the training rows that lie beyond the cut, 0 to 0.5; "auto" is 0.05.
    calibration
        Share of the training rows kept out of training and used for the cut alone, from 0 to below 1.
    random_state
        Seed, `numpy.random.RandomState` or None; the same seed gives the same bits on a CPU.
    device
        "auto" (a GPU where there is one), "cpu" or "cuda".
    verbose
        0 is silent, 1 shows a progress bar on whatever takes longer than a second.

    Attributes
    ----------
    offset_
        The cut in scikit-learn's sign; `threshold_` is −`offset_`, and a row is an anomaly if its score is above that.
    history_
        One mapping an epoch: stage, epoch, and the mean of every loss term as "player.term".
    n_features_in_, feature_names_in_
        As in scikit-learn; for images the number of values of one.
    """

    epochs: int | str = "auto"
    batch_size: int = 64
    lr: float = 1e-3
    beta1: float = 0.5
    latent_dim: int = 16
    prior: str = "normal"
    ema: float = 0.99
    ema_warmup: bool = True
    score_kind: str | None = None
    scale: str = "auto"
    init: str = "he"
    layers: Mapping[str, Any] | None = None
    contamination: float | str = "auto"
    calibration: float = 0.0
    random_state: int | np.random.RandomState | None = None
    device: str = "auto"
    verbose: int = 0

    name: ClassVar[str]
    info: ClassVar[Info]
    scores: ClassVar[Mapping[str, scoring.Weights]]
    limits: ClassVar[Mapping[str, Limit | OneOf]] = {
        "epochs": Limit(1, whole=True, words=("auto",)),
        "batch_size": Limit(2, whole=True),
        "lr": Limit(0, open_low=True),
        "beta1": Limit(0, 1, open_high=True),
        "latent_dim": Limit(1, whole=True),
        "prior": OneOf(tuple(PRIORS)),
        "ema": Limit(0, 1, open_high=True),
        "scale": OneOf(("auto", *SCALES)),
        "init": OneOf(tuple(INITIALISERS)),
        "calibration": Limit(0, 1, open_high=True),
        "device": OneOf(("auto", "cpu", "cuda")),
    }
    nets_: Nets = field(init=False)  # what a fit makes; declared for type checkers
    cut_rows: ClassVar[int] = 10_000
    """Most rows that the cut is measured on, a seeded choice where there are more; fewer for searching methods."""

    # ---- what a method says -------------------------------------------------------------------------------------

    @abstractmethod
    def build(self, make: Family) -> dict[str, nn.Module]:
        """Networks and statistics by name."""

    @abstractmethod
    def stages(self) -> list[Stage]:
        """Who learns what, in the order that the algorithm prints."""

    @abstractmethod
    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """Return the parts of the score, unweighted: (n, …) → one value a row for each."""

    @property
    def adam(self) -> Optim:
        """Adam with the detector's rate and momentum."""
        return Optim("adam", self.lr, (self.beta1, 0.999))

    # ---- fitting ------------------------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: Any = None, *, checkpoint: str | Path | None = None) -> Self:
        """Learn what normal looks like.

        Parameters
        ----------
        X
            Normal rows: (n, d) array or data frame of numbers, or images (n, height, width) or (n, channels, height,
            width). At least 2 rows; no NaN, no infinity.
        y
            Ignored, as scikit-learn does.
        checkpoint
            Folder in which the run is kept as it goes. A fit that finds its own unfinished run there goes on from it
            and ends with the same bits.

        Returns
        -------
        The detector itself.

        Raises
        ------
        InvalidParameter, InvalidData
            Before training starts.
        TrainingDiverged
            When a loss becomes NaN or infinite.
        InvalidModel
            When `checkpoint` holds another run.
        """
        return self._fit(X, learn=True, checkpoint=checkpoint)

    def fit_untrained(self, X: ArrayLike, y: Any = None) -> Self:
        """Fit scaling and cut, but leave the networks as they were drawn: the foil that a trained one must beat."""
        return self._fit(X, learn=False, checkpoint=None)

    def _fit(self, X: ArrayLike, *, learn: bool, checkpoint: str | Path | None) -> Self:
        check_limits(self.get_params(deep=False), self.limits)
        share_of(self.contamination)
        weights = scoring.weights_of(self.scores, self.score_kind)
        x = self._checked(X, reset=True)
        keeper = Keeper.of(checkpoint, self, x) if checkpoint else None
        kept = keeper.load() if keeper else None
        fresh = drawn_seed(self.random_state)
        seed = int(kept.facts["seed"]) if kept else fresh
        order = torch.randperm(len(x), generator=stream(seed, ROWS)).numpy()
        held = math.ceil(self.calibration * len(x))
        if len(x) - held < 2:
            raise InvalidData(f"calibration={self.calibration} leaves {len(x) - held} of {len(x)} rows to train on")
        training, judged = np.sort(order[held:]), order[: held or len(x)][: self.cut_rows]
        self.seed_ = seed
        self.preprocess_ = Preprocess.fit(x if not held else x[training], self.scale)
        self._assemble()
        self.nets_.to(self._device)
        rows = self.preprocess_.tensor(x if not held else x[training]).to(self._device)
        run = Run(self._game(rows, learn=learn), self.nets_)
        if kept:
            run.restore(kept.tensors, kept.facts["run"])
        with steps_bar(run.total_steps, type(self).__name__, show=bool(self.verbose)) as bar:
            play(run, watcher(bar, keeper.watch(seed) if keeper else None))
        if keeper:
            keeper.save(run, seed)
        self.history_, self.n_iter_ = run.history, run.game.epochs
        self.nets_ = run.result()
        scores = scoring.weighted_sum(self._parts(x[np.sort(judged)]), weights)
        if not np.isfinite(scores).all():
            raise TrainingDiverged(
                "scores became NaN or infinite: lower `lr`, or check that the rows are scaled (`scale`)"
            )
        self.offset_ = -quantile_cut(scores, self.contamination)
        return self

    def _game(self, rows: Tensor, *, learn: bool) -> Game:
        stages = self.stages()  # also where nothing learns: a method checks its options here
        steps = max(math.ceil(len(rows) / self.batch_size), 1)
        epochs = math.ceil(AUTO_STEPS / steps) if isinstance(self.epochs, str) else self.epochs
        return Game(
            stages=stages if learn else [],
            rows=rows,
            latent_dim=self.latent_dim,
            prior=self.prior,
            epochs=epochs,
            batch_size=self.batch_size,
            ema=self.ema,
            ema_warmup=self.ema_warmup,
            seeds=(self.seed_,),
            device=str(self._device),
        )

    def _assemble(self) -> None:
        """Make the networks for the fitted shape, with freshly drawn weights."""
        rngs = [stream(self.seed_, INIT)]
        noise = stream(self.seed_, NOISE, 1)
        make = Maker(
            INITIALISERS[self.init],
            rngs,
            lambda count: PRIORS[self.prior](torch.empty(count, self.latent_dim), noise),
        )
        shape = self.preprocess_.shape
        family = family_for(shape)(shape, self.latent_dim, self.layers, make)
        with torch.no_grad():
            self.nets_ = Nets(self.build(family)).eval()
        family.unused()
        self._chunk = family.chunk

    @property
    def _device(self) -> torch.device:
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InvalidParameter("device='cuda': this machine has no GPU that torch can use; allowed: 'cpu', 'auto'")
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(auto if self.device == "auto" else self.device)

    def _checked(self, X: ArrayLike, *, reset: bool) -> NDArray[Any]:
        """Rows as a finite float array; learns (`reset`) or checks their shape and column names."""
        X = as_array(X)
        least = 2 if reset else 1
        if getattr(X, "ndim", 2) not in (3, 4) and (reset or len(self.preprocess_.given) == 1):
            rows: NDArray[Any] = validate_data(
                self, X, dtype=[np.float64, np.float32], reset=reset, ensure_min_samples=least
            )
            return rows
        # Eight- and sixteen-bit pictures fit float32 exactly and take half the memory.
        small = getattr(getattr(X, "dtype", None), "itemsize", 8) <= 2
        dtype = np.float32 if small else [np.float64, np.float32]
        images: NDArray[Any] = check_array(X, allow_nd=True, dtype=dtype, ensure_min_samples=least)
        if reset:
            self.n_features_in_ = math.prod(images.shape[1:])
        elif images.shape[1:] != self.preprocess_.given:
            raise InvalidData(
                f"X has rows of shape {images.shape[1:]}, but {type(self).__name__} was fitted with "
                f"{self.preprocess_.given}"
            )
        return images

    # ---- scoring ------------------------------------------------------------------------------------------------

    def parts(self, X: ArrayLike) -> dict[str, Scores]:
        """Return the parts of the score of each row, unweighted: name → (n,) float64."""
        check_is_fitted(self)
        return self._parts(self._checked(X, reset=False))

    def _parts(self, x: NDArray[Any]) -> dict[str, Scores]:
        return self._by_chunks(x, lambda rows: {k: v.double() for k, v in self.score_parts(self.nets_, rows).items()})

    def anomaly_score(self, X: ArrayLike) -> Scores:
        """Return how anomalous each row is, (n,) float64; higher = more anomalous, on the method's own scale."""
        return scoring.weighted_sum(self.parts(X), scoring.weights_of(self.scores, self.score_kind))

    def score_samples(self, X: ArrayLike) -> Scores:
        """Return −`anomaly_score`: scikit-learn's sign, lower = more anomalous."""
        return -self.anomaly_score(X)

    def decision_function(self, X: ArrayLike) -> Scores:
        """Return `score_samples` − `offset_`: negative for anomalies."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Return −1 for anomalies and +1 for normal rows, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    @property
    def threshold_(self) -> float:
        """The cut: a row is an anomaly if its `anomaly_score` is above it."""
        return -self.offset_

    # ---- the trained GAN itself ---------------------------------------------------------------------------------

    def sample(self, n: int, random_state: int | np.random.RandomState | None = None) -> NDArray[np.float64]:
        """Generate `n` rows in the units of the training rows, (n, …) float64."""
        check_is_fitted(self)
        if n < 1:
            raise InvalidParameter(f"n={n}: allowed are whole numbers ≥ 1")
        rng = stream(drawn_seed(random_state), NOISE, 2)  # apart from the noise of training and of searches
        z = PRIORS[self.prior](torch.empty(n, self.latent_dim), rng)
        made = self._chunked(z, lambda part: {"rows": self.nets_.generator(part)})["rows"]
        return self.preprocess_.rows(made)

    @available_if(_has("code"))  # type: ignore[untyped-decorator]
    def encode(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the latent vector of each row, (n, latent_dim) float64."""
        code: Callable[[Any, Tensor], Tensor] = getattr(self, "code")  # noqa: B009 - a hook that only some methods have
        check_is_fitted(self)
        return self._by_chunks(self._checked(X, reset=False), lambda x: {"z": code(self.nets_, x)})["z"]

    @available_if(_has("code"))  # type: ignore[untyped-decorator]
    def reconstruct(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return what the generator makes of each row's latent vector, in the units and shape of X."""
        code: Callable[[Any, Tensor], Tensor] = getattr(self, "code")  # noqa: B009
        check_is_fitted(self)
        x = self._checked(X, reset=False)
        made = self._by_chunks(x, lambda rows: {"rows": self.nets_.generator(code(self.nets_, rows))})
        return self.preprocess_.rows(torch.from_numpy(made["rows"]))

    def _by_chunks(self, x: NDArray[Any], fn: Callable[[Tensor], dict[str, Tensor]]) -> dict[str, Scores]:
        return {k: v.double().numpy() for k, v in self._chunked(self.preprocess_.tensor(x), fn).items()}

    def _chunked(self, rows: Tensor, fn: Callable[[Tensor], dict[str, Tensor]]) -> dict[str, Tensor]:
        self.nets_.to(self._device)
        with steps_bar(math.ceil(len(rows) / self._chunk), "scoring", show=bool(self.verbose)) as bar:
            return in_chunks(rows, self._chunk, fn, self._device, bar)

    # ---- keeping and presets ------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Write the fitted detector to a folder (manifest.json and weights.safetensors) and return its path."""
        check_is_fitted(self)
        return persist.save(self, Path(folder))

    @classmethod
    def preset(cls, name: str, variant: str = "printed") -> Self:
        """Return an unfitted detector with a paper's networks and hyperparameters for a data set."""
        return cls(**presets.parameters(cls.name, name, variant))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags
