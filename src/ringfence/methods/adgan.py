"""ADGAN: a GAN on normal rows, and for each new row several short searches that may bend the generator as well.

With starts z_j, 0 of the prior, θ_j, 0 = θ and η, η_θ the two rates::

    L_D = mean [−log D(x) − log(1 − D(G(z)))]      L_G = mean −log D(G(z))
    ℓ_j   = ‖x − G(z_j; θ_j)‖₂²
    z_j ← z_j − η ∂ℓ_j/∂z_j,   θ_j ← θ_j − η_θ ∂ℓ_j/∂θ_j,   k times, each start with a θ_j of its own
    A(x)  = mean over j of ℓ_j at the end

D has no part in the score, and the trained θ is the same for every row.

Reference: L. Deecke et al., "Image Anomaly Detection with Generative Adversarial Networks", ECML-PKDD 2018.

Differs from the paper in:

* Its text was not at hand and no public code is known: steps, rates and starts are from memory (8 starts are those of
  an earlier version, the final one takes 64).
* Starts are drawn in `fit` and common to all rows, so that a row's score is a function of the row.
* z moves by Adam by default. Plain steps of the paper's rate .25 on a sum of squares run away where rows are not images
  of few values (`z_optimiser="sgd"` takes them).
* Batch norm uses its running statistics while the generator is bent.
* The GAN is the family's with the plain adversary; the paper's has the networks of DCGAN.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from ..game import Optim, Stage, Statistic
from ..limits import Limit, OneOf
from ..networks import Family
from ..registry import Info, register
from ..tuning import Tuning, tune
from .shared import ROW_DISTANCE, PlainGAN


@register("adgan")
@dataclass(eq=False, repr=False, kw_only=True)
class ADGAN(PlainGAN):
    """ADGAN (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss by name or object.
    generator_loss, minibatch, spectral
        As in :class:`ringfence.GAN`.
    starts
        Searches for every row; the mean of their ends counts.
    steps
        Gradient steps of each, k, at least 1.
    z_rate, network_rate
        Rates η of z and η_θ of the copy of G; with a `network_rate` of 0 G stays as it is.
    z_optimiser
        What moves z: "adam" or "sgd", plain steps. G's copies take plain steps.
    residual_distance
        ℓ, in the searches and the score, in the place of ‖·‖₂²: one of `ringfence.distances.ROW_DISTANCES`.
    """

    starts: int = 8
    steps: int = 5
    z_rate: float = 0.25
    network_rate: float = 5e-5
    z_optimiser: str = "adam"
    residual_distance: str = "l2_squared"

    info = Info(
        "GAN and searches that bend the generator", "Deecke et al., ECML-PKDD 2018", 2018, ("search",), "search",
        source="unverified",
    )  # fmt: skip
    scores = {"residual": {"residual": 1.0}}
    limits = {
        **PlainGAN.limits,
        "starts": Limit(1, whole=True),
        "steps": Limit(1, whole=True),
        "z_rate": Limit(0, open_low=True),
        "network_rate": Limit(0, 1, open_high=True),
        "z_optimiser": OneOf(("adam", "sgd")),
        "residual_distance": ROW_DISTANCE,
    }
    cut_rows: ClassVar[int] = 500
    chunk_rows: ClassVar[int] = 32
    searched_rows: ClassVar[int] = 200

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G, D and the starts of the searches."""
        return {**self.pair(make), "search": Statistic(starts=make.make.noise(self.starts))}

    def stages(self) -> list[Stage]:
        """A plain GAN."""
        return [self.gan]

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """How far x is from where its searches end."""
        return {"residual": tune(nets.generator, self.loss, x, nets.search.starts, self.plan).mean(1)}

    def remade(self, nets: Any, x: Tensor) -> Tensor:
        """Mean over the starts of what the tuned generators make of x."""
        return tune(nets.generator, self.loss, x, nets.search.starts, self.plan, lambda made, rows: made).mean(1)

    @property
    def plan(self) -> Tuning:
        """How each search goes."""
        z = Optim(self.z_optimiser, self.z_rate, (0.9, 0.999))
        return Tuning(self.steps, z, Optim("sgd", self.network_rate))

    def loss(self, made: Tensor, x: Tensor) -> Tensor:
        """ℓ, of each row from what was made."""
        return self.residual(x, made, self.residual_distance)
