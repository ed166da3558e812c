"""The detector: one estimator around every method.

A method says which networks it has, who trains them and what the parts of its score are. Everything else (checking
and scaling rows, training, scoring in fixed chunks, the cut, the scikit-learn contract) is written here once and never
overridden.
"""

import copy
import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from . import persist, presets, scoring
from .blocks import ArrayBlocks
from .checkpoint import Keeper
from .chunks import in_chunks
from .columns import Columns
from .combination import COMBINATIONS
from .corruption import tied
from .distances import gaussian, residual
from .exceptions import InvalidParameter, TrainingDiverged
from .game import INIT, NOISE, PRIORS, ROWS, Game, Nets, Optim, Stage, drawn_seed, stream
from .generative import Generative
from .holdout import rows_in, seen_of, sides, some
from .intake import encoded, learned, received, tell
from .lazy import LazyRows, ScaledArray, ScaledRows
from .limits import Flag, LayerTables, Limit, OneOf, Rule, Seed, Words, check_limits, check_shape
from .members import Member, MemberStopped, finite, mean_parts, seeds_of, side_by_side, state_of
from .networks import INITIALISERS, Family, Maker, family_for, ready
from .preprocess import SCALES, Preprocess
from .progress import steps_bar, watcher
from .registry import Info
from .signs import Scores, Signed
from .slopes import Sloped
from .slopes import residual as sloped_residual
from .threshold import quantile_cut, share_of
from .training import Run, play

# `epochs="auto"` passes over the rows until about so many steps are done, whatever their number: seconds on one CPU
# core. At least one pass is made.
AUTO_STEPS = 1000


@dataclass(eq=False, repr=False, kw_only=True)
class Detector(Generative, Signed):
    """An anomaly detector that learns what normal looks like from normal rows alone.

    Parameters
    ----------
    epochs
        Passes over the training rows, or "auto": as many as make about 1,000 steps.
    batch_size
        Rows in a step, at least 2.
    lr, beta1, beta2
        Learning rate of Adam, its momentum β₁ and the decay β₂ of its mean of squares.
    latent_dim
        Length of the generator's input.
    prior
        Distribution of the generator's input: "normal", "uniform" (−1…1), "uniform_01" (0…1), "truncated_normal"
        (N(0, 1) with no number beyond ±2) or "hypersphere" (uniform on the sphere of radius √latent_dim). All but the
        first are bounded.
    ema
        Decay of the moving average of the networks that is used for scoring; 0 scores with the last weights.
    ema_warmup
        Start the average as min(ema, (1 + t) / (10 + t)) at step t.
    score_kind
        Which of the method's published scores `anomaly_score` gives; None is the first of `scores`.
    scale
        "auto" ("standard" for tables, "range" for images), "standard", "minmax", "robust", "range", "quantile" or
        "none". Categories are 0 and 1 under all of them.
    kinds
        What columns of a data frame are, by name, where it should not be inferred: "number", "category", "boolean",
        "date", "constant", "identifier" or "skip" (see `ringfence.kinds`).
    strict
        Refuse rows to be scored that hold a category or a gap that no training row had, instead of warning.
    init
        How weights are drawn: "he", "xavier", "xavier_relu", "lecun", "normal_002" or "normal_001".
    layers
        Layer tables by network name instead of the family's own (see `ringfence.networks.rows`); presets fill it.
    contamination
        Share of the training rows that lie beyond the cut, 0 to 0.5; "auto" is 0.05.
    calibration
        Share of the training rows kept out of training and used for the cut alone, from 0 to below 1.
    members
        Models of as many seeds, at least 1, that are trained side by side and scored together; `member` gives each.
    combine
        How the members' scores become one: "rank", the mean of the ranks that a row has among each member's scores of
        the rows that the cut is measured on, or "waic", the mean plus the variance of standardised scores
        (:mod:`ringfence.combination`). A single model's score is its own.
    random_state
        Seed, `numpy.random.RandomState` or None; the same seed gives the same bits on a CPU with the same number of
        torch's threads (sums are split among threads, and rounding follows the split).
    device
        "auto" (a GPU where there is one), "cpu" or "cuda".
    precision
        Of the products while training: "float32", or "bfloat16", which is faster for convolutions where the processor
        has instructions for it (AVX-512 BF16, AMX, GPUs) and slower elsewhere. Weights, losses and all of scoring stay
        in float32.
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
    columns_
        How the columns of a data frame, or of an array with gaps, become numbers; None for other rows.
    split_, held_out_
        How many rows trained ("train"), and how many were kept out for the cut ("calibrate"); and which, (n,) bool,
        which is not saved.
    members_
        The members that went on to the end, each with its networks, its `seed` and its `history`
        (:class:`ringfence.members.Member`).
    member_seeds_
        The `random_state` of each member: the detector with members=1 and that one is the member. The first is the
        detector's own (None where that is no number); the others come from the seed that it gave, `seed_`, and the
        member's number.
    stopped_
        Members whose loss, weights or scores became NaN or infinite, by number, and why. They count for nothing.
    nets_
        Networks of the first of `members_`; what needs one model (`sample`, `reconstruct` …) takes these.
    """

    epochs: int | str = "auto"
    batch_size: int = 64
    lr: float = 1e-3
    beta1: float = 0.5
    beta2: float = 0.999
    latent_dim: int = 16
    prior: str = "normal"
    ema: float = 0.99
    ema_warmup: bool = True
    score_kind: str | None = None
    scale: str = "auto"
    kinds: Mapping[str, str] | None = None
    strict: bool = False
    init: str = "he"
    layers: Mapping[str, Any] | None = None
    members: int = 1
    combine: str = "rank"
    contamination: float | str = "auto"
    calibration: float = 0.0
    random_state: int | np.random.RandomState | None = None
    device: str = "auto"
    precision: str = "float32"
    verbose: int = 0

    name: ClassVar[str]
    info: ClassVar[Info]
    scores: ClassVar[Mapping[str, scoring.Weights]]
    limits: ClassVar[Mapping[str, Rule]] = {
        "epochs": Limit(1, whole=True, words=("auto",)),
        "batch_size": Limit(2, whole=True),
        "lr": Limit(0, open_low=True),
        "beta1": Limit(0, 1, open_high=True),
        "beta2": Limit(0, 1, open_high=True),
        "latent_dim": Limit(1, whole=True),
        "prior": OneOf(tuple(PRIORS)),
        "ema": Limit(0, 1, open_high=True),
        "ema_warmup": Flag(),
        "scale": OneOf(("auto", *SCALES)),
        "kinds": Words(),
        "strict": Flag(),
        "init": OneOf(tuple(name for name in INITIALISERS if name != "identity")),
        "layers": LayerTables(),
        "members": Limit(1, whole=True),
        "combine": OneOf(tuple(COMBINATIONS)),
        "calibration": Limit(0, 1, open_high=True),
        "random_state": Seed(),
        "device": OneOf(("auto", "cpu", "cuda")),
        "precision": OneOf(("float32", "bfloat16")),
        "verbose": Limit(0, whole=True, flag=True),
    }
    nets_: Nets = field(init=False)  # what a fit makes; declared for type checkers
    columns_: Columns | None = field(init=False)
    cut_rows: ClassVar[int] = 10_000
    """Most rows that the cut is measured on, a seeded choice where there are more; fewer for searching methods."""
    chunk_rows: ClassVar[int] = 512
    """Most rows that are scored at once: every chunk is as large, padded, so a method with costly scores takes few."""
    waves: ClassVar[int] = 1
    """Chunks that are scored at once: several where rows are searched for in slots that others fall free for."""
    searched_rows: ClassVar[int] = 1_000
    """Most test rows of a benchmark that names no number, for a method whose scores cost more than one pass."""

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

    def finish(self, nets: Any, rows: Any) -> None:
        """Compute statistics over the training rows into `Statistic` modules, after averaging and before the cut.

        `rows` are the scaled training rows; :func:`ringfence.chunks.over` applies a function to all of them. Nothing
        by default.
        """

    @property
    def adam(self) -> Optim:
        """Adam with the detector's rate and momenta."""
        return Optim("adam", self.lr, self.momenta)

    @property
    def momenta(self) -> tuple[float, float]:
        """β₁ and β₂ of Adam; torch refuses a 0 that is no float."""
        return float(self.beta1), float(self.beta2)

    # ---- fitting ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `InvalidParameter` for the first hyperparameter that can't be used; `fit` begins with it.

        What depends on the rows (layer tables that end in another shape, a share that leaves too few) shows in `fit`.
        """
        kinds = OneOf(tuple(self.scores), none=True)
        check_limits(self.get_params(deep=False), {**self.limits, "score_kind": kinds})
        share_of(self.contamination)
        self.stages()  # a method checks there what its limits can't say
        _ = self._device

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
            Normal rows: an array (n, d) of numbers, a data frame of numbers, text, booleans and dates (pandas, polars,
            pyarrow or `ringfence.Frame`), or images (n, height, width) or (n, channels, height, width). At least 2
            rows; no infinity. Missing values (NaN, None) are fine in tables.
        y
            Ignored, as scikit-learn does.
        groups
            (n,) what each row belongs to (a patient, a machine): rows of one group are never on both sides of the
            split that `calibration` asks for.
        held_out
            (n,) bool: these rows are kept out of training and used for the cut alone, instead of a draw.
        checkpoint
            Folder in which the run is kept as it goes. A fit that finds its own unfinished run there goes on from it
            and ends with the same bits; with another number of torch's threads it refuses to, as the bits would differ.

        Returns
        -------
        The detector itself.

        Raises
        ------
        InvalidParameter, InvalidData
            Before training starts.
        TrainingDiverged
            When a loss becomes NaN or infinite, for every member; one that stops while others go on is warned of.
        InvalidModel
            When `checkpoint` holds another run.
        """
        return self._fit(X, learn=True, groups=groups, held_out=held_out, checkpoint=checkpoint)

    def fit_untrained(
        self, X: Any, y: Any = None, *, groups: ArrayLike | None = None, held_out: ArrayLike | None = None
    ) -> Self:
        """Fit scaling and cut, but leave the networks as they were drawn: the foil that a trained one must beat."""
        return self._fit(X, learn=False, groups=groups, held_out=held_out, checkpoint=None)

    def _fit(self, X: Any, *, learn: bool, groups: Any, held_out: Any, checkpoint: str | Path | None) -> Self:
        self.check()
        weights = scoring.weights_of(self.scores, self.score_kind)
        given = received(self, X, reset=True)
        keeper = Keeper.of(checkpoint, self, given, (groups, held_out)) if checkpoint else None
        kept = keeper.load() if keeper else None
        fresh = drawn_seed(self.random_state)
        seed = int(kept.facts["seed"]) if kept else fresh
        training, judged = sides(rows_in(given), self.calibration, stream(seed, ROWS), groups, held_out)
        self.split_ = {"train": len(training), "calibrate": rows_in(given) - len(training)}
        self.held_out_ = np.ones(rows_in(given), dtype=bool)
        self.held_out_[training] = False
        self.seed_ = seed
        self.columns_ = learned(self, X, given, training)
        x = encoded(self, given, warn=False)
        taught = x if len(training) == len(x) else some(x, training)
        names, heads = (self.columns_.names, self.columns_.heads) if self.columns_ else (None, ())
        seen, moments = seen_of(taught)
        self.preprocess_ = Preprocess.fit(seen, self.scale, names, heads, moments)
        rows = self._scaled(taught)
        run = self._run(rows, learn=learn)
        if kept:
            run.restore(kept.tensors, kept.facts["run"])
        with steps_bar(run.total_steps, type(self).__name__, show=bool(self.verbose)) as bar:
            play(run, watcher(bar, keeper.watch(seed) if keeper else None))
        if keeper:
            keeper.save(run, seed)
        self.history_, self.n_iter_ = run.history, run.game.epochs
        self._take(run, rows, some(x, np.sort(judged[: self.cut_rows])), weights)
        return self

    def _run(self, rows: Any, *, learn: bool) -> Run:
        """Networks of all members as they are drawn, and the game that they are about to play."""
        game = self._game(rows, learn=learn)
        drawn = [self._drawn(seed) for seed in game.seeds]
        nets: Nets = side_by_side(drawn) if len(drawn) > 1 else drawn[0]
        return Run(game, nets.to(self._device))

    def _take(self, run: Run, rows: Any, judged: NDArray[Any] | LazyRows, weights: scoring.Weights) -> None:
        """Part the members that trained side by side, let each finish, and cut; leave out those that went wrong."""
        ended = zip(run.game.seeds, run.members(run.result()), run.histories, strict=True)
        everyone = [Member(at, seed, nets, history) for at, (seed, nets, history) in enumerate(ended)]
        self.stopped_ = {at: why for at, why in enumerate(run.stopped) if why}
        if len(everyone) > 1:
            broken = [m.number for m in everyone if m.number not in self.stopped_ and not finite(m.nets)]
            self.stopped_ |= dict.fromkeys(broken, "weights became NaN or infinite")
        self.members_ = [m for m in everyone if m.number not in self.stopped_]
        for member in self.members_:
            single = copy.copy(self)
            single.seed_ = member.seed
            with torch.no_grad():
                single.finish(member.nets, rows)
        for member, parts in zip(self.members_, self._each(judged), strict=True):
            member.reference = parts
            if not np.isfinite(scoring.weighted_sum(parts, weights)).all():
                self.stopped_[member.number] = "scores became NaN or infinite"
        self.members_ = [m for m in self.members_ if m.number not in self.stopped_]
        if not self.members_:
            why = next(iter(self.stopped_.values()))
            raise TrainingDiverged(f"{why}: lower `lr`, or check that the rows are scaled (`scale`)")
        for number, why in self.stopped_.items():
            warnings.warn(f"member {number} of {len(everyone)} is left out: {why}", MemberStopped, stacklevel=4)
        self.nets_ = self.members_[0].nets
        self.offset_ = -quantile_cut(self._combined([m.reference for m in self.members_], weights), self.contamination)
        if len(everyone) == 1:
            self.members_[0].reference = {}  # ranks are for members that are put together

    def _scaled(self, x: NDArray[Any] | LazyRows) -> Any:
        """Rows as the training loop takes them: a tensor, or what makes batches of what lies on disk."""
        if isinstance(x, LazyRows):
            return ScaledRows(x, self.preprocess_, self._device)
        return self.preprocess_.tensor(x).to(self._device)

    def _game(self, rows: Any, *, learn: bool) -> Game:
        stages = self.stages()
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
            seeds=seeds_of(self.seed_, self.members),
            device=str(self._device),
            precision=self.precision,
        )

    def _drawn(self, seed: int) -> Nets:
        """Make the networks of one member for the fitted shape, with freshly drawn weights."""
        rngs = [stream(seed, INIT)]
        noise = stream(seed, NOISE, 1)
        make = Maker(
            INITIALISERS[self.init],
            rngs,
            lambda count: PRIORS[self.prior](torch.empty(count, self.latent_dim), noise),
        )
        shape = self.preprocess_.shape
        check_shape(self.get_params(deep=False), self.limits, shape)
        family = family_for(shape)(shape, self.latent_dim, self.layers, make, self.preprocess_.heads)
        with torch.no_grad():
            nets = Nets(self.build(family)).eval()
        family.unused()
        self._chunk = min(family.chunk, self.chunk_rows) * self.waves
        return nets

    @property
    def _device(self) -> torch.device:
        if self.device == "cuda" and not torch.cuda.is_available():
            raise InvalidParameter("device='cuda': this machine has no GPU that torch can use; allowed: 'cpu', 'auto'")
        auto = "cuda" if torch.cuda.is_available() else "cpu"
        return torch.device(auto if self.device == "auto" else self.device)

    def residual(self, x: Tensor, remade: Tensor, distance: str = "l1") -> Tensor:
        """How far rows are from their reconstructions, (n,).

        A distance of `ringfence.distances.ROW_DISTANCES`, and the cross-entropy of their categories where they have
        some.
        """
        return residual(x, remade, self.heads, distance)

    def residual_sloped(self, distance: str = "l1") -> Sloped:
        """Return `residual` with its slope at what was made, for a search."""
        return sloped_residual(self.heads, distance)

    def gaussian(self, x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """−log N(x; mean, deviation²) of rows, (n,), plus the cross-entropy of their categories, if any."""
        return gaussian(x, mean, deviation, self.heads)

    def tied(self, values: Tensor) -> Tensor:
        """Values for each column of rows, (n, …), one for all the columns of a category where there are some."""
        return tied(values, self.heads)

    @property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """First column and end of each category among the columns of a fitted detector; numbers come before them."""
        return self.preprocess_.heads if hasattr(self, "preprocess_") else ()

    # ---- scoring ------------------------------------------------------------------------------------------------

    def parts(self, X: Any) -> dict[str, Scores]:
        """Return the parts of the score of each row, unweighted: name → (n,) float64; of several members the mean."""
        check_is_fitted(self)
        return mean_parts(self._each(self._received(X)))

    def anomaly_score(self, X: Any) -> Scores:
        """Return how anomalous each row is, (n,) float64; higher = more anomalous.

        On the method's own scale; of several members on that of `combine`.
        """
        check_is_fitted(self)
        each = self._each(self._received(X))
        return self._combined(each, scoring.weights_of(self.scores, self.score_kind))

    def iter_scores(self, X: Any, rows: int = 16_384) -> Iterator[Scores]:
        """Yield the scores of `anomaly_score` block by block, to the bit, holding little more than a block at a time.

        Parameters
        ----------
        X
            Rows as for `anomaly_score`: arrays, also mapped into memory (`np.load(…, mmap_mode="r")`), data frames,
            files opened by :func:`ringfence.data.open_shards`, or rows made of pictures.
        rows
            Rows of a block, at least 1; the last one may have fewer.

        Yields
        ------
        (m,) float64, one block after the other in the order of the rows.

        Raises
        ------
        InvalidParameter, InvalidData
            At the first block for what can be seen beforehand, later for a block that can't be used.
        """
        check_is_fitted(self)
        check_limits({"rows": rows}, {"rows": Limit(1, whole=True)})
        weights = scoring.weights_of(self.scores, self.score_kind)
        x = self._received(ArrayBlocks(X) if isinstance(X, np.ndarray) and X.ndim > 1 else X)
        for start in range(0, len(x), rows):
            index = np.arange(start, min(start + rows, len(x)))
            yield self._combined(self._each(some(x, index)), weights)
        tell(x)

    def every_score(self, X: Any) -> tuple[dict[str, Scores], dict[str, Scores]]:
        """Return what `parts` does, and the scores of every kind in `scores`, (n,) float64 each, from one pass."""
        check_is_fitted(self)
        each = self._each(self._received(X))
        return mean_parts(each), {kind: self._combined(each, weights) for kind, weights in self.scores.items()}

    def _received(self, X: Any) -> NDArray[Any] | LazyRows:
        return encoded(self, received(self, X, reset=False))

    def _each(self, x: NDArray[Any] | LazyRows) -> list[dict[str, Scores]]:
        """Parts of the score by member; rows are read once for all of them."""
        everyone = [ready(member.nets.to(self._device)) for member in self.members_]

        def work(rows: Tensor) -> dict[str, Tensor]:
            parts = [self.score_parts(nets, rows) for nets in everyone]
            return {f"{at} {name}": part for at, each in enumerate(parts) for name, part in each.items()}

        found: list[dict[str, Scores]] = [{} for _ in self.members_]
        for key, values in self._by_chunks(x, work).items():
            at, _, name = key.partition(" ")
            found[int(at)][name] = values
        tell(x)
        return found

    def _combined(self, each: Sequence[scoring.Parts], weights: scoring.Weights) -> Scores:
        """One number a row from the parts by member."""
        scores = [scoring.weighted_sum(parts, weights) for parts in each]
        if self.stopped_ or len(scores) > 1:
            references = [np.sort(scoring.weighted_sum(member.reference, weights)) for member in self.members_]
            return COMBINATIONS[self.combine](scores, references)
        return scores[0]

    def member(self, number: int) -> Self:
        """Return one member as a fitted detector of its own, the single model of its seed.

        It shares the networks of this one; its cut is measured on the same rows, by its own score.

        Raises
        ------
        InvalidParameter
            For a number that no member has, or one that stopped.
        """
        check_is_fitted(self)
        if number in self.stopped_:
            raise InvalidParameter(f"member {number} was left out: {self.stopped_[number]}")
        found = [member for member in self.members_ if member.number == number]
        if not found:
            last = len(self.member_seeds_) - 1
            raise InvalidParameter(f"member {number!r}: allowed are whole numbers from 0 to {last}")
        single = copy.copy(self)
        single.members, single.random_state = 1, self.member_seeds_[number]
        single.seed_, single.nets_, single.history_ = found[0].seed, found[0].nets, found[0].history
        single.members_, single.stopped_ = [replace(found[0], number=0)], {}
        if found[0].reference:
            weights = scoring.weights_of(self.scores, self.score_kind)
            single.offset_ = -quantile_cut(scoring.weighted_sum(found[0].reference, weights), self.contamination)
        return single

    @property
    def member_seeds_(self) -> tuple[int | None, ...]:
        """The `random_state` of each member."""
        check_is_fitted(self)
        own = int(self.random_state) if isinstance(self.random_state, Integral) else None
        count = len(self.members_) + len(self.stopped_)
        return (own, *(state_of(self.seed_, number) for number in range(1, count)))

    def _by_chunks(self, x: NDArray[Any] | LazyRows, fn: Callable[[Tensor], dict[str, Tensor]]) -> dict[str, Scores]:
        prepared, lazily = self.preprocess_, isinstance(x, LazyRows)
        found = self._chunked(ScaledRows(x, prepared, self._device) if lazily else ScaledArray(x, prepared), fn)  # type: ignore[arg-type]
        return {k: v.double().numpy() for k, v in found.items()}

    def _chunked(self, rows: Any, fn: Callable[[Tensor], dict[str, Tensor]]) -> dict[str, Tensor]:
        for member in self.members_:
            member.nets.to(self._device)
        with steps_bar(math.ceil(len(rows) / self._chunk), "scoring", show=bool(self.verbose)) as bar:
            dtype = next(self.members_[0].nets.parameters()).dtype  # not torch's default, which may be another by now
            return in_chunks(rows, self._chunk, fn, self._device, bar, dtype)

    # ---- keeping and presets ------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Write the fitted detector to a folder (manifest.json and weights.safetensors) and return its path."""
        check_is_fitted(self)
        return persist.save(self, Path(folder))

    @classmethod
    def preset(cls, name: str, variant: str | None = None) -> Self:
        """Return an unfitted detector with a paper's networks and hyperparameters for a data set.

        `variant` is "printed", "released" or None: "printed" where there are both, else the one that there is.
        """
        return cls(**presets.parameters(cls.name, name, presets.chosen(cls.name, name, variant)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags
