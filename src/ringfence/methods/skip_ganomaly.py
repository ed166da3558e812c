"""Skip-GANomaly: an autoencoder in the shape of a U, whose skips keep detail, with a discriminator beside it.

With x̂ = G(x) and f the features of D::

    L_adv = mean −log D(x̂)
    L_con = mean over rows and values of |x − x̂|
    L_lat = mean over rows and values of (f(x) − f(x̂))²
    L_G   = w_adv L_adv + w_con L_con + w_lat L_lat,       1, 50, 1
    L_D   = mean [−log D(x) − log(1 − D(x̂))]               released: + L_lat
    A(x)  = λ R(x) + (1 − λ) L(x),   λ = .9
    R(x)  = mean of (x − x̂)² over values                   residual
    L(x)  = mean of (f(x) − f(x̂))² over values             feature

Tables get a U-shape of dense layers.

Reference: S. Akcay et al., "Skip-GANomaly: Skip Connected and Adversarially Trained Encoder-Decoder Anomaly Detection",
IJCNN 2019 (arXiv 1901.08954); released code: commit b33bd55. The paper's text was not at hand: all this is read from
its code, and what is said of the paper is from memory.

Differs from the paper in:

* The code's D lowers L_lat too, which lets features collapse; the paper's is adversarial only. What the code does is
  `latent_in_discriminator`.
* G moves before D, as in the code, but x̂ is made anew for D.
* The code adds a noise to x that it never fills with values; there is none here.
* The code draws D's weights anew when its loss falls below 10⁻⁵; we let it be.
* No score is scaled to the smallest and largest of a test set, and batch norm uses its running statistics while rows
  are scored: the code does neither, and its scores depend on the rest of the batch.
* The code keeps the epoch with the best AUROC on the labelled test set; here no epoch is picked.
* The code has an own head for f (100 values), as the preset has; by default ours are the values before the logit. Its
  skips pass a ReLU before they are joined to the way up; ours are joined as the way down gave them.
* `latent_dim` and `prior` have no say: nothing is drawn, and the bottom of the U is as wide as its layer table says.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..distances import mean_squared
from ..game import Batch, Player, Stage, Terms
from ..limits import Flag
from ..losses import Adversary, adversary_named
from ..networks import Family
from ..registry import Info, register
from .shared import ADVERSARY, ROW_DISTANCE, judged, judging, weights


@register("skipganomaly")
@dataclass(eq=False, repr=False, kw_only=True)
class SkipGANomaly(Detector):
    """Skip-GANomaly (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss by name or object.
    adversarial_weight, residual_weight, latent_weight
        w_adv, w_con and w_lat, ≥ 0.
    latent_in_discriminator
        D lowers L_lat too, as the released code does.
    residual_distance
        Of R, in the score: one of `ringfence.distances.ROW_DISTANCES`. L_con stays as it is.
    """

    adversary: str | Adversary = "non_saturating"
    adversarial_weight: float = 1.0
    residual_weight: float = 50.0
    latent_weight: float = 1.0
    latent_in_discriminator: bool = False
    residual_distance: str = "mean_squared"

    info = Info(
        "U-shaped autoencoder with a discriminator", "Akcay et al., arXiv 1901.08954", 2019, source="unverified"
    )
    scores = {
        "sum": {"residual": 0.9, "feature": 0.1},
        "residual": {"residual": 1.0},
        "feature": {"feature": 1.0},
    }
    limits = {
        **Detector.limits,
        "adversary": ADVERSARY,
        **weights("adversarial_weight", "residual_weight", "latent_weight"),
        "latent_in_discriminator": Flag(),
        "residual_distance": ROW_DISTANCE,
    }

    unused = ("latent_dim", "prior")

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G and D."""
        return {"generator": make.unet(), "discriminator": make.discriminator("x")}

    def stages(self) -> list[Stage]:
        """G; then D."""
        remaker = Player(("generator",), self.generator_loss, self.adam)
        return [Stage((remaker, judging(self.adversary, self.discriminator_loss, self.adam)))]

    def generator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Fool D, remake the row, keep its features."""
        remade = nets.generator(batch.x)
        logit, features_remade = nets.discriminator(remade)
        features = nets.discriminator(batch.x)[1]
        return {
            "adversarial": self.adversarial_weight * adversary_named(self.adversary).fool(logit),
            "residual": self.residual_weight * self.residual(batch.x, remade, "mean_absolute"),
            "latent": self.latent_weight * mean_squared(features, features_remade),
        }

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Rows against their reconstructions."""
        remade = nets.generator(batch.x)
        terms = judged(adversary_named(self.adversary), nets.discriminator, (batch.x,), (remade,))
        if self.latent_in_discriminator:
            terms["latent"] = mean_squared(nets.discriminator(batch.x)[1], nets.discriminator(remade)[1])
        return terms

    def remade(self, nets: Any, x: Tensor) -> Tensor:
        """x̂ = G(x)."""
        rows: Tensor = nets.generator(x)
        return rows

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """R and L."""
        remade = self.remade(nets, x)
        features, features_remade = nets.discriminator(x)[1], nets.discriminator(remade)[1]
        return {
            "residual": self.residual(x, remade, self.residual_distance),
            "feature": mean_squared(features, features_remade),
        }
