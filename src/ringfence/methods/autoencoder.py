"""Autoencoder: rows that it can't remake are anomalies. The plain companion of every method that reconstructs.

A game with one player::

    L = mean d(x, G(E(x)))
    A(x) = d(x, G(E(x)))                          d = `distance`: ‖·‖₂² by default

It is what the reconstruction of GANomaly, Skip-GANomaly, ADAE or GPND has to beat: the same networks, no adversary.

Reference: G. E. Hinton and R. R. Salakhutdinov, "Reducing the Dimensionality of Data with Neural Networks", Science
313, 2006; as an anomaly detector S. Hawkins et al., "Outlier Detection Using Replicator Neural Networks", DaWaK 2002.

Differs from the paper in:

* Neither text was at hand. No layer-wise pretraining (2006) and no step-wise activation (2002): networks of the family,
  trained end to end.
* Its codes follow no prior, so that it has no `sample`.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..game import Batch, Player, Stage, Terms
from ..networks import Family
from ..registry import Info, register
from .shared import ROW_DISTANCE, encoder_code


@register("autoencoder")
@dataclass(eq=False, repr=False, kw_only=True)
class AutoEncoder(Detector):
    """Autoencoder (see the module's docstring).

    Parameters
    ----------
    distance
        Between a row and its reconstruction, in training and in the score: "l1", "l2", "l2_squared", "linf",
        "mean_absolute", "mean_squared", "rbf", "cosine" or, for images, "ssim".
    """

    distance: str = "l2_squared"

    info = Info(
        "autoencoder, reconstruction error", "Hinton and Salakhutdinov, Science 2006", 2006, ("encoder",),
        source="unverified",
    )  # fmt: skip
    scores = {"residual": {"residual": 1.0}}
    limits = {**Detector.limits, "distance": ROW_DISTANCE}
    unused = ("prior",)

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G and E."""
        return {"generator": make.generator(), "encoder": make.encoder()}

    def stages(self) -> list[Stage]:
        """E and G together."""
        return [Stage((Player(("encoder", "generator"), self.loss, self.adam),))]

    def loss(self, nets: Any, batch: Batch) -> Terms:
        """What is lost on the way through the code."""
        return self.score_parts(nets, batch.x)

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """d(x, G(E(x)))."""
        return {"residual": self.residual(x, nets.generator(nets.encoder(x)), self.distance)}
