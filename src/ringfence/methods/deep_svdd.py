"""Deep SVDD: a network that draws normal rows close to one point; far from it lie anomalies.

::

    L = mean ‖φ(x) − c‖²                                               Eq. 4    objective "one_class"
    L = R² + 1/ν · mean max(0, ‖φ(x) − c‖² − R²)                       Eq. 3    objective "soft_boundary"
    A(x) = ‖φ(x) − c‖²                                                          score kind "distance"
    A(x) = ‖φ(x) − c‖² − R²                                                     score kind "boundary"

c is the mean of φ over the training rows, after φ was trained as the encoder of an autoencoder and before Eq. 3 or 4
is; a coordinate within .1 of 0 is put at ±.1. φ has no biases and its batch normalisation no shift and no scale: with
them it could map everything to c. R² is the (1 − ν)-quantile of the distances, the minimum of Eq. 3 in R².

Reference: L. Ruff et al., "Deep One-Class Classification", ICML 2018; released code: Deep-SVDD-PyTorch, commit 1901612.

Differs from the paper in:

* The text was not at hand; equations and networks are those of the released code.
* R² is the quantile of the batch itself, in the code that of the batch before; the R² of the score is that of all
  training rows under the final φ. Until `warm_up` of the training is over R is 0, as in the code (10 of 150 epochs).
* The decoder of the pretraining is the family's generator, not a mirror of φ. The rate does not step down.
* The code's images are normalised in contrast, each by itself, before they are scaled; here rows are only scaled.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..chunks import over
from ..detector import Detector
from ..distances import l2_squared
from ..game import Batch, Optim, Player, Stage, Statistic, Terms, constant
from ..limits import Limit, OneOf
from ..networks import Family, Row
from ..registry import Info, register

LEAST = 0.1
"""A coordinate of the centre is at least so far from 0, where a network without biases puts things for free."""


@register("deepsvdd")
@dataclass(eq=False, repr=False, kw_only=True)
class DeepSVDD(Detector):
    """Deep SVDD (see the module's docstring).

    Parameters
    ----------
    objective
        "one_class" or "soft_boundary".
    nu
        ν, share of the training rows that may lie beyond R; above 0, below 1.
    warm_up
        Share of the training, 0 to 1, during which the soft boundary has R = 0.
    pretrain_epochs
        Passes as an autoencoder before, or "auto": as many as `epochs`; 0 leaves it out.
    weight_decay
        Of Adam, at least 0.
    """

    objective: str = "one_class"
    nu: float = 0.1
    warm_up: float = 0.1
    pretrain_epochs: int | str = "auto"
    weight_decay: float = 1e-6

    info = Info(
        "one-class network: distance to a centre", "Ruff et al., ICML 2018", 2018, ("encoder", "stages"),
        source="unverified",
    )  # fmt: skip
    scores = {"distance": {"distance": 1.0}, "boundary": {"boundary": 1.0}}
    limits = {
        **Detector.limits,
        "objective": OneOf(("one_class", "soft_boundary")),
        "nu": Limit(0, 1, open_low=True, open_high=True),
        "warm_up": Limit(0, 1),
        "pretrain_epochs": Limit(0, whole=True, words=("auto",)),
        "weight_decay": Limit(0),
    }
    unused = ("prior",)

    def build(self, make: Family) -> dict[str, nn.Module]:
        """φ, the decoder of its pretraining, and the sphere."""
        decoder = {"generator": make.generator()} if self.pretrain_epochs else {}
        sphere = Statistic(centre=torch.zeros(self.latent_dim), radius_squared=torch.zeros(()))
        return {"encoder": make.encoder(change=unbiased), **decoder, "sphere": sphere}

    def stages(self) -> list[Stage]:
        """The autoencoder; then φ alone, about the centre that it has by then."""
        adam: Optim = replace(self.adam, weight_decay=self.weight_decay)
        before = Player(("encoder", "generator"), self.pretraining, adam)
        epochs = None if isinstance(self.pretrain_epochs, str) else self.pretrain_epochs
        return [
            Stage((before,), "pretrain", epochs),
            Stage((Player(("encoder",), self.loss, adam),), before=self.centred),
        ]

    def pretraining(self, nets: Any, batch: Batch) -> Terms:
        """Squared error of the reconstruction."""
        return {"residual": self.residual(batch.x, nets.generator(nets.encoder(batch.x)), "l2_squared")}

    def centred(self, nets: Any, rows: Any) -> None:
        """Put c at the mean of φ."""
        nets.encoder.eval()
        mean = over(rows, lambda x: {"code": nets.encoder(x)})["code"].mean(0)
        nets.sphere.centre.copy_(torch.where(mean.abs() < LEAST, LEAST * torch.where(mean < 0, -1.0, 1.0), mean))

    def loss(self, nets: Any, batch: Batch) -> Terms:
        """Eq. 4 or Eq. 3."""
        apart = l2_squared(nets.encoder(batch.x), batch.held(nets.sphere.centre))
        if self.objective == "one_class":
            return {"distance": apart}
        radius = batch.whole(self.radius, constant(apart))
        radius = radius if batch.progress >= self.warm_up else torch.zeros_like(radius)
        return {"radius": radius, "beyond": F.relu(apart - radius) / self.nu}

    def radius(self, apart: Tensor) -> Tensor:
        """R², the (1 − ν)-quantile of squared distances, (n,) → ()."""
        # torch.quantile takes no more than 16 million values.
        return torch.sort(apart).values[min(int((1 - self.nu) * len(apart)), len(apart) - 1)]

    def distance(self, nets: Any, x: Tensor) -> Tensor:
        """‖φ(x) − c‖²."""
        return l2_squared(nets.encoder(x), nets.sphere.centre)

    def finish(self, nets: Any, rows: Any) -> None:
        """R² of all training rows; and c, where no training has set it."""
        if not nets.sphere.centre.any():
            self.centred(nets, rows)
        nets.sphere.radius_squared.copy_(self.radius(over(rows, lambda x: {"d": self.distance(nets, x)})["d"]))

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """The distance, and what of it is beyond R²."""
        apart = self.distance(nets, x)
        return {"distance": apart, "boundary": apart.double() - nets.sphere.radius_squared.double()}


def unbiased(row: Row) -> Row:
    """A layer without bias, shift and scale."""
    return replace(row, bias=False, norm="none" if row.norm == "none" else "batch_plain")
