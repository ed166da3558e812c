"""DSEBM: an energy that is low where rows lie, learned by taking noise off; an anomaly lies high or on a slope.

With h(x) the outputs of a network of softplus layers, b' one vector for all rows, and ε ~ N(0, I)::

    E(x) = ½ ‖x − b'‖² − Σ_j h_j(x)
    f(x) = x − ∇ₓE(x) = b' + Σ_j ∇ₓh_j(x)
    L = mean ‖x − f(x + σ ε)‖²                       denoising score matching, σ = `noise`
    A(x) = E(x)                                      score kind "energy"
    A(x) = ‖x − f(x)‖₂ = ‖∇ₓE(x)‖₂                   score kind "reconstruction"

Where L is least, ∇E is −σ² times the slope of the log-density of the noisy rows: E ranks rows as that density does. The
reconstruction ranks them by its slope, which is 0 on every summit and saddle of E too; hence the energy comes first.
The paper has results of both.

Reference: S. Zhai et al., "Deep Structured Energy Based Models for Anomaly Detection", ICML 2016. The text was not at
hand: all this is read from the re-implementation in ALAD's repository, commit 1f1c310, and from memory.

Differs from the paper in:

* The energy sums the outputs of the top softplus layer, as the paper does. The code goes back down through the same
  weights, transposed, and sums what comes out at the bottom; f goes down that way by itself.
* b' has the shape of one row. The code's has that of a batch, so that its scores depend on a row's place in the batch.
* The code's noise has σ = 1 on rows that it does not scale; here rows are scaled, and σ is a hyperparameter.
* L is a sum over the values of a row; the code takes the mean for tables, which Adam can hardly tell apart.
* The presets have the code's widths and rates for KDD99, Arrhythmia and CIFAR-10, and the paper's sum.
* By default strided layers in the place of the code's pooling, and no batch normalisation: it would let rows of a batch
  move each other's energy, and ∇ₓE would be more than a row's own slope.
* A category counts as its columns of 0 and 1, in L and in both scores: f gives no probabilities.
* The code's patience on a validation loss is left out: no epoch is picked.
"""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..distances import l2, l2_squared
from ..game import Batch, Player, Stage, Terms
from ..limits import Limit
from ..losses import slope
from ..networks import Family, Offset, Row
from ..registry import Info, register


@register("dsebm")
@dataclass(eq=False, repr=False, kw_only=True)
class DSEBM(Detector):
    """Deep structured energy based model (see the module's docstring).

    Parameters
    ----------
    units
        Number of softplus outputs h_j that the energy sums, at least 1.
    noise
        σ, standard deviation of the noise that is taken off, on the scale of the scaled rows; above 0.
    """

    units: int = 128
    noise: float = 1.0

    info = Info(
        "energy learned by denoising score matching", "Zhai et al., ICML 2016", 2016,
        source="unverified",
    )  # fmt: skip
    scores = {"energy": {"energy": 1.0}, "reconstruction": {"reconstruction": 1.0}}
    limits = {**Detector.limits, "units": Limit(1, whole=True), "noise": Limit(0, open_low=True)}
    unused = ("prior", "latent_dim")

    def build(self, make: Family) -> dict[str, nn.Module]:
        """The network of h, and b'."""
        return {
            "energy": make.encoder("energy", outputs=self.units, change=smooth),
            "offset": Offset(make.shape, members=len(make.make.rngs)),
        }

    def stages(self) -> list[Stage]:
        """Both together."""
        return [Stage((Player(("energy", "offset"), self.loss, self.adam),))]

    def loss(self, nets: Any, batch: Batch) -> Terms:
        """What f leaves of the noise."""
        noisy = batch.x + self.noise * batch.normal(batch.x)
        return {"denoising": l2_squared(batch.x, self.remade(nets, noisy))}

    def energy(self, nets: Any, x: Tensor) -> Tensor:
        """E(x), (n,)."""
        apart: Tensor = nets.offset(x).square().flatten(1).sum(1)
        heights: Tensor = nets.energy(x)
        return 0.5 * apart - heights.sum(1)

    def remade(self, nets: Any, x: Tensor) -> Tensor:
        """f(x), in the shape of x."""
        return x - slope(lambda rows: self.energy(nets, rows), x)

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """The energy, and how far f moves the row."""
        return {"energy": self.energy(nets, x), "reconstruction": l2(x, self.remade(nets, x))}


def smooth(row: Row) -> Row:
    """A layer whose slope has a slope, and that sees each row alone."""
    return replace(row, act="softplus", norm="none")
