"""MinLGAN: the generator is kept from likely rows, so that it makes weak anomalies around the normal ones.

::

    L_G = mean [−log D(G(z)) + λ · log (D(G(z)) / (1 − D(G(z))))]
    L_D = mean [−log D(x) − log(1 − D(G(z)))]
    A(x) = 1 − D(x)

D / (1 − D) says how much likelier a row is among the normal ones than among the generated: the second term lowers it.
With ℓ the logit of D(G(z)), L_G is log(1 + e^−ℓ) + λℓ: up to a constant the cross-entropy to 1 − λ, lowest where
D(G(z)) = 1 − λ. λ = 0 is the plain GAN; at λ = ½ its optimum, D = ½ everywhere, still stands; above ½ generated rows
are drawn to where they are λ / (1 − λ) times as dense as normal ones, rather off the data than on them. Fence GAN's
cross-entropy with α = 1 − λ is the same pull, with a dispersion beside it.

Reference: C. Wang, Y.-M. Zhang and C.-L. Liu, "Anomaly Detection via Minimum Likelihood Generative Adversarial
Networks", ICPR 2018.

Differs from the paper in:

* Neither text nor code was at hand: this is a variant of our own after what is said of the paper (a regulariser of
  minimum likelihood; a generator of weak anomalies; D as the score), and its formulas are not the paper's.
* The paper is said to steady D by an ensemble or by its own history; here D is averaged over its last steps (`ema`).
* Networks and optimiser are our own, and so is λ = ⅔, where generated rows are drawn to twice the density of normal
  ones, as by Fence GAN's α = γ = ½. Larger ones let G keep to a smaller part of the data (see the notes).
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..game import Batch, Player, Stage, Terms
from ..limits import Limit
from ..losses import NonSaturating, cross_entropy
from ..networks import Family
from ..registry import Info, register
from .shared import against_noise, doubt


@register("minlgan")
@dataclass(eq=False, repr=False, kw_only=True)
class MinLGAN(Detector):
    """GAN with a generator of low likelihood, after MinLGAN (see the module's docstring).

    Parameters
    ----------
    likelihood_weight
        λ, from 0 (a plain GAN) to below 1, where no level of D is left to be reached.
    """

    likelihood_weight: float = 2 / 3

    info = Info(
        "generator of unlikely rows around the normal ones", "Wang et al., ICPR 2018", 2018, source="unverified"
    )
    scores = {"discriminator": {"discriminator": 1.0}}
    limits = {**Detector.limits, "likelihood_weight": Limit(0, 1, open_high=True)}

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G and D."""
        return {"generator": make.generator(), "discriminator": make.discriminator("x")}

    def stages(self) -> list[Stage]:
        """D, then G."""
        judge = Player(("discriminator",), against_noise(NonSaturating()), self.adam)
        return [Stage((judge, Player(("generator",), self.generator_loss, self.adam)))]

    def generator_loss(self, nets: Any, batch: Batch) -> Terms:
        """−log D(G(z)), and λ times the log of the likelihood ratio, which is the logit itself."""
        logit, _ = nets.discriminator(nets.generator(batch.noise()))
        return {"adversarial": cross_entropy(logit, 1.0), "likelihood": self.likelihood_weight * logit}

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """1 − D(x)."""
        return {"discriminator": doubt(nets.discriminator(x)[0])}
