"""AnoGAN: a GAN on normal rows, and for each new row a search for the latent vector that generates it best.

::

    L_D = mean [−log D(x) − log(1 − D(G(z)))]      L_G = mean −log D(G(z))
    z* = the end of a descent on A(x, z) over z, G and D held still
    A(x, z) = (1 − λ) ‖x − G(z)‖₁ + λ ‖f(x) − f(G(z))‖₁,   λ = .1            score kind "fm"
    A(x, z) = (1 − λ) ‖x − G(z)‖₁ + λ (−log D(G(z)))                         score kind "sigma"

The objective of the search is the score itself, so `score_kind` changes where the search ends; the parts of the other
kinds are then measured there.

Three aids of Lüer and Böhm's review (§3, §4) are options: another distance than ‖·‖₁ (`residual_distance`); a search
that accepts only likely z (`likely`), whose ‖z‖₂ lies between quantiles of the χ distribution with d degrees, which it
follows under N(0, I_d); and the part `latent`, |‖z*‖₂ − √(d − 1)|, the deviation from the mode of that distribution,
with Σ λ = 1 as in the review's Eq. 9::

    A(x, z) = .8 ‖x − G(z)‖₁ + .1 ‖f(x) − f(G(z))‖₁ + .1 |‖z‖₂ − √(d − 1)|   score kind "fm_latent"

Reference: T. Schlegl et al., "Unsupervised Anomaly Detection with Generative Adversarial Networks to Guide Marker
Discovery", IPMI 2017; networks and search of the presets: H. Zenati et al., arXiv 1802.06222, Tables 3 and 5; aids of
the search: F. Lüer and C. Böhm's review of GAN-based anomaly detection.

Differs from the paper in:

* The start of the search is one draw (or `restarts` draws) from the prior, made in `fit` and common to all rows, so
  that a row's score is a function of the row; the released code draws anew for each row of each batch, and from a
  truncated normal (|z| ≤ 2) where training draws from the whole one: here one `prior` serves both.
* As in the paper, the search itself is held to no prior: it may end where training never drew.
* The released code scores with the averaged generator and the last discriminator (it hands D the generator's average
  by mistake); we average both.
* A higher weight of the L1 term is what AnoGAN and EGBAD print; ALAD's copy of AnoGAN swaps the two weights, and
  its presets (Arrhythmia, CIFAR-10) keep the printed ones.
* The released code leaves KDD99 unscaled: variant "released".
* The review bounds ‖z‖₂ by so many standard deviations about its mode and names no weight of the latent part; ours is a
  share of the prior with equal tails, and a weight like the features'.
* Schlegl et al.'s own text was not at hand; their network is not among the presets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..distances import l1
from ..exceptions import InvalidParameter
from ..game import Stage, Statistic
from ..inversion import OPTIMISERS, Judged, Likely, Plan, needs_normal, off_shell, search
from ..limits import Limit, OneOf, Several
from ..losses import cross_entropy
from ..networks import Family, still, still_judge
from ..registry import Info, register
from ..scoring import weights_of
from ..walks import RATE, Schedule
from .shared import ROW_DISTANCE, PlainGAN, encoder_stage, izi_f


@register("anogan")
@dataclass(eq=False, repr=False, kw_only=True)
class AnoGAN(PlainGAN):
    """AnoGAN (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss by name or object.
    generator_loss
        What moves G: "adversary", or "feature_matching", as in :class:`ringfence.GAN`.
    minibatch
        Units of minibatch discrimination in D, 0 for none, as in :class:`ringfence.GAN`; features go without.
    spectral
        Spectral normalisation in D's own layers but the last; layer tables say it row by row.
    steps
        Gradient steps of the search, at least 1; with "lbfgs" looks at the loss, one pass each as well.
    search_rates, search_until
        Adam's rate in the search: `search_rates[i]` until step `search_until[i]`, the last one to the end.
    restarts
        Starts of the search for every row; the lowest end counts.
    start
        Where the search starts: "prior", draws that are common to all rows, or "encoder", E(x) and, for restarts, such
        draws beside it. E is trained after the GAN, as :class:`ringfence.FAnoGAN` trains its own.
    encoder_epochs
        Epochs of E's stage; None is as many as the GAN has.
    z_optimiser
        What moves z: "adam", or "lbfgs", which has no rates and no use for `likely`.
    stop
        Share, between 0 and 1, by which a row's loss must fall within a tenth of `steps`, or its search ends there.
        None takes all steps.
    residual_distance
        Of x from G(z), in the search and the score: "l1" (the paper's), "l2", "l2_squared", "linf", "mean_absolute",
        "mean_squared", "rbf", "cosine" or, for images, "ssim".
    likely
        Share of the prior, between 0 and 1, that the search may end in: z is put back to its lengths at the start and
        after every step. None accepts every z. It needs the prior "normal", as "fm_latent" does.
    """

    steps: int = 200
    search_rates: Sequence[float] = (0.2, 0.05, 0.01)
    search_until: Sequence[int] = (100, 160)
    restarts: int = 1
    residual_distance: str = "l1"
    likely: float | None = None
    start: str = "prior"
    encoder_epochs: int | None = None
    z_optimiser: str = "adam"
    stop: float | None = None

    info = Info(
        "GAN and a latent search for each row", "Schlegl et al., IPMI 2017", 2017, ("search",), "search",
        source="unverified",
    )  # fmt: skip
    scores = {
        "fm": {"residual": 0.9, "feature": 0.1},
        "sigma": {"residual": 0.9, "cross_entropy": 0.1},
        "fm_latent": {"residual": 0.8, "feature": 0.1, "latent": 0.1},
    }
    limits = {
        **PlainGAN.limits,
        "steps": Limit(1, whole=True),
        "search_rates": Several(RATE, least=1),
        "search_until": Several(Limit(0, whole=True)),
        "restarts": Limit(1, whole=True),
        "residual_distance": ROW_DISTANCE,
        "likely": Limit(0, 1, open_low=True, open_high=True, none=True),
        "start": OneOf(("prior", "encoder")),
        "encoder_epochs": Limit(1, whole=True, none=True),
        "z_optimiser": OneOf(tuple(OPTIMISERS)),
        "stop": Limit(0, 1, open_low=True, open_high=True, none=True),
    }
    cut_rows: ClassVar[int] = 500
    waves: ClassVar[int] = 4

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G, D, the starts of the search, and E where it starts there."""
        encoder = {"encoder": make.encoder()} if self.start == "encoder" else {}
        return {**self.pair(make), **encoder, "search": Statistic(starts=make.make.noise(self.restarts))}

    def stages(self) -> list[Stage]:
        """A plain GAN; then E, if the search starts there."""
        if self.z_optimiser != "adam" and self.likely is not None:
            raise InvalidParameter(f"likely={self.likely!r} needs z_optimiser='adam', not {self.z_optimiser!r}")
        _ = self.plan  # refuses rates and bounds that do not fit before anything is trained
        if self.likely is not None:
            needs_normal(f"likely={self.likely!r}", self.prior)
        if "latent" in weights_of(self.scores, self.score_kind):
            needs_normal(f"score_kind={self.score_kind!r}", self.prior)
        encoder = [encoder_stage(izi_f(self, 1.0), self.adam, self.encoder_epochs)] if self.start == "encoder" else []
        return [self.gan, *encoder]

    def code(self, nets: Any, x: Tensor) -> Tensor:
        """z*, the end of the search."""
        # f(x) stands still during the search and is computed once.
        return search(self.objective(nets), (x, nets.discriminator(x)[1]), self.starts(nets, x), self.plan)[0]

    def objective(self, nets: Any) -> Judged:
        """The score itself, of places, rows and their f(x)."""
        return Judged(
            still(nets.generator),
            still_judge(nets.discriminator),
            self.residual_sloped(self.residual_distance),
            weights_of(self.scores, self.score_kind),
        )

    def starts(self, nets: Any, x: Tensor) -> Tensor:
        """Where the search starts: (restarts, d) for all rows, or (n, restarts, d)."""
        common: Tensor = nets.search.starts
        if self.start == "prior":
            return common
        return torch.cat([nets.encoder(x)[:, None], common[1:].expand(len(x), -1, -1)], 1)

    @property
    def plan(self) -> Plan:
        """How each row is searched for."""
        schedule = Schedule(self.steps, self.search_rates, self.search_until)
        return Plan(schedule, self.z_optimiser, Likely(self.likely) if self.likely is not None else None, self.stop)

    def parts_at(self, nets: Any, z: Tensor, x: Tensor, features: Tensor) -> dict[str, Tensor]:
        """Parts of the score at given latent vectors; `features` are f(x)."""
        made = nets.generator(z)
        logit, features_made = nets.discriminator(made)
        return {
            "residual": self.residual(x, made, self.residual_distance),
            "feature": l1(features, features_made),
            "cross_entropy": cross_entropy(logit, 1.0),
            "latent": off_shell(z),
        }

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """L_R, both forms of L_D and the deviation of ‖z‖₂ (of use under a normal prior) at z*."""
        return self.parts_at(nets, self.code(nets, x), x, nets.discriminator(x)[1])
