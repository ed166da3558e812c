"""GANomaly: an autoencoder whose reconstructions are encoded once more; an anomaly is what lands elsewhere.

With z = G_E(x), x̂ = G_D(z), ẑ = E(x̂) and f the features of D::

    L_adv = mean ‖f(x) − f(x̂)‖₂                      Eq. 1     released: mean squared difference
    L_con = mean ‖x − x̂‖₁                            Eq. 2     released: mean absolute difference
    L_enc = mean ‖z − ẑ‖₁                            Eq. 3     released: mean squared difference
    L_G   = w_adv L_adv + λ L_con + w_enc L_enc      Eq. 4,    λ = 50, others 1
    L_D   = mean [−log D(x) − log(1 − D(x̂))]         §4
    A(x)  = ‖z − ẑ‖₁                                 code,     score kind "code"
    A(x)  = mean of (z − ẑ)² over its values         code_squared, score kind "code_squared", the released code's

`residual`, ‖x − x̂‖₁, and `feature`, the mean squared difference of f(x) and f(x̂), are further parts, and score kinds of
their own.

Reference: S. Akcay et al., "GANomaly: Semi-Supervised Anomaly Detection via Adversarial Training", ACCV 2018 (arXiv
1805.06725), §3 and §4; released code: commit 78da4ea. Our copy of the paper has no formula of the score.

Differs from the paper in:

* Eq. 1 prints an expectation inside of the norm; features are matched row by row, as the code does.
* By default the released distances, means over values, so that λ means the same for rows of any length.
* The code draws D's weights anew when its loss falls below 10⁻⁵; we let it be. It moves D with what D said of x̂ before
  G's step; here x̂ is made anew. Its ½ before L_D changes nothing under Adam.
* No score is scaled to the smallest and largest of a test set, and batch norm uses its running statistics while rows
  are scored: the code does neither, and its scores depend on the rest of the batch.
* The code keeps the epoch with the best AUROC on the labelled test set; here no epoch is picked.
* The presets take MNIST at 28×28, not resized to 32×32: maps of 14, 7 and 4 pixels instead of 16, 8 and 4, the same
  weights. The code scales pixels to −.42…2.82, beyond what its tanh reaches; ours are −1…1. Batch norm's scales start
  at 1, the code's are drawn from N(1, .02²).
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..distances import DISTANCES, l1, mean_squared
from ..game import Batch, Player, Stage, Terms
from ..losses import Adversary, adversary_named
from ..networks import Family
from ..registry import Info, register
from .shared import ADVERSARY, DISTANCE, ROW_DISTANCE, encoder_code, judged, judging, weights


@register("ganomaly")
@dataclass(eq=False, repr=False, kw_only=True)
class GANomaly(Detector):
    """GANomaly (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss of D by name or object; G is moved by D's features alone.
    adversarial_weight, residual_weight, code_weight
        Weights of Eq. 4, ≥ 0; `residual_weight` is λ.
    adversarial_distance, residual_distance, code_distance
        Distances of Eq. 1, 2 and 3: the paper's are "l2", "l1", "l1".
    """

    adversary: str | Adversary = "non_saturating"
    adversarial_weight: float = 1.0
    residual_weight: float = 50.0
    code_weight: float = 1.0
    adversarial_distance: str = "mean_squared"
    residual_distance: str = "mean_absolute"
    code_distance: str = "mean_squared"

    info = Info(
        "encoder, decoder, encoder: rows compared as codes", "Akcay et al., arXiv 1805.06725", 2018, ("encoder",)
    )
    scores = {
        "code": {"code": 1.0},
        "code_squared": {"code_squared": 1.0},
        "residual": {"residual": 1.0},
        "feature": {"feature": 1.0},
    }
    limits = {
        **Detector.limits,
        "adversary": ADVERSARY,
        **weights("adversarial_weight", "residual_weight", "code_weight"),
        "adversarial_distance": DISTANCE,
        "residual_distance": ROW_DISTANCE,
        "code_distance": DISTANCE,
    }

    unused = ("prior",)

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G_E, G_D, E and D."""
        return {
            "encoder": make.encoder(),
            "generator": make.generator(),
            "second_encoder": make.encoder("second_encoder"),
            "discriminator": make.discriminator("x"),
        }

    def stages(self) -> list[Stage]:
        """G_E, G_D and E together; then D."""
        remakers = ("generator", "encoder", "second_encoder")
        judge = judging(self.adversary, self.discriminator_loss, self.adam)
        return [Stage((Player(remakers, self.generator_loss, self.adam), judge))]

    def generator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Eq. 4."""
        z = nets.encoder(batch.x)
        remade = nets.generator(z)
        features, features_remade = (nets.discriminator(x)[1] for x in (batch.x, remade))
        return {
            "adversarial": self.adversarial_weight * DISTANCES[self.adversarial_distance](features, features_remade),
            "residual": self.residual_weight * self.residual(batch.x, remade, self.residual_distance),
            "code": self.code_weight * DISTANCES[self.code_distance](z, nets.second_encoder(remade)),
        }

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Rows against their reconstructions."""
        remade = nets.generator(nets.encoder(batch.x))
        return judged(adversary_named(self.adversary), nets.discriminator, (batch.x,), (remade,))

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """How far the two codes lie apart, and the further parts."""
        z = nets.encoder(x)
        remade = nets.generator(z)
        again = nets.second_encoder(remade)
        return {
            "code": l1(z, again),
            "code_squared": mean_squared(z, again),
            "residual": self.residual(x, remade),
            "feature": mean_squared(nets.discriminator(x)[1], nets.discriminator(remade)[1]),
        }
