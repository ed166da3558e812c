"""LAD: a function of bounded slope, high on normal rows and low on corrupted ones; where it is low lie anomalies.

With f of Lipschitz constant 1, x̃ a corruption of the batch and x̂ halfway between x and its x̃::

    max_f mean [f(x) − f(x̃)]                                              the Wasserstein distance of x and x̃
    L = mean [f(x̃) − f(x) + λ (‖∇f(x̂)‖₂ − 1)²]                             lipschitz "penalty",   λ = 10
    L = mean [f(x̃) − f(x)], every weight divided by its spectral norm      lipschitz "spectral"
    A(x) = mean of f over the training rows − f(x)                         score kind "discriminator"

x̃ has a `share` of its values, chosen one by one, taken from another row of the batch ("permuted"), moved by noise
("noise"), or drawn evenly from the batch's range of the feature ("uniform"). A category is permuted, or left, as a
whole; the other two make numbers of its columns that no row has.

Reference: A. Tong, G. Wolf and S. Krishnaswamy, "A Lipschitz-constrained Anomaly Discriminator Framework", 2019 (arXiv
1905.10710). Neither text nor code was at hand: all this is from memory.

Differs from the paper in:

* What is said here of the paper could not be checked. Kinds and strength of its corruptions are not known; here they
  are options, and by default half of a row's values are those of other rows, so that x̃ keeps close to the rows.
* The penalty is taken halfway between a row and its corruption, not at a random place on the line.
* The spectral norm of a convolution is that of its kernel as a matrix, as Miyato et al. have it; the map itself may be
  steeper by a constant.
* A margin for labelled rows that may be anomalous is left out: there are no labels.
* f is set against its mean over the training rows, which moves no rank.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..corruption import CORRUPTIONS, corrupted
from ..detector import Detector
from ..game import Batch, Stage, Statistic, Terms
from ..limits import Limit, OneOf
from ..losses import Wasserstein
from ..networks import Family
from ..registry import Info, register
from .shared import judged, judging, mean_logit


@register("lad")
@dataclass(eq=False, repr=False, kw_only=True)
class LAD(Detector):
    """Lipschitz-constrained anomaly discriminator (see the module's docstring).

    Parameters
    ----------
    lipschitz
        What bounds the slope of f: "penalty" or "spectral".
    penalty
        λ, weight of the gradient penalty, ≥ 0; for "penalty" alone.
    corruption
        How values are corrupted: "permuted", "noise" or "uniform".
    share
        Chance of each value to be corrupted, above 0 and at most 1.
    noise
        Standard deviation of "noise", on the scale of the scaled rows, above 0; for "noise" alone.
    """

    lipschitz: str = "penalty"
    penalty: float = 10.0
    corruption: str = "permuted"
    share: float = 0.5
    noise: float = 1.0

    info = Info(
        "Lipschitz discriminator of rows and corrupted rows", "Tong et al., arXiv 1905.10710", 2019,
        source="unverified",
    )  # fmt: skip
    scores = {"discriminator": {"discriminator": 1.0}}
    limits = {
        **Detector.limits,
        "lipschitz": OneOf(("penalty", "spectral")),
        "penalty": Limit(0),
        "corruption": OneOf(tuple(CORRUPTIONS)),
        "share": Limit(0, 1, open_low=True),
        "noise": Limit(0, open_low=True),
    }
    unused = ("prior", "latent_dim")

    def build(self, make: Family) -> dict[str, nn.Module]:
        """The network of f, and its mean over the training rows."""
        spectral = self.lipschitz == "spectral"
        return {
            "discriminator": make.discriminator("x", spectral=spectral, bounded=spectral),
            "normal": Statistic(mean=torch.zeros(())),
        }

    @property
    def adversary(self) -> Wasserstein:
        """Difference of means; spectral norms need no penalty beside them."""
        return Wasserstein(penalty=self.penalty if self.lipschitz == "penalty" else 0.0)

    def stages(self) -> list[Stage]:
        """One player."""
        return [Stage((judging(self.adversary, self.loss, self.adam),))]

    def loss(self, nets: Any, batch: Batch) -> Terms:
        """Rows against their corruptions."""
        normal, choice = (self.tied(batch.normal(batch.x)) for _ in range(2))
        wrong = corrupted(
            self.corruption, batch.x, batch.members, normal, choice, share=self.share, deviation=self.noise
        )
        return judged(self.adversary, nets.discriminator, (batch.x,), (wrong,))

    def finish(self, nets: Any, rows: Any) -> None:
        """Take the mean of f over the training rows."""
        nets.normal.mean.copy_(mean_logit(nets, rows))

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """How far f is below its mean on normal rows."""
        return {"discriminator": nets.normal.mean - nets.discriminator(x)[0]}
