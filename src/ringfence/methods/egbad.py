"""EGBAD: a BiGAN whose encoder finds the latent vector that AnoGAN has to search for.

The value function of §3, in its non-saturating form::

    L_D = mean [−log D(x, E(x)) − log(1 − D(G(z), z))]
    L_G = mean −log D(G(z), z)            L_E = mean −log(1 − D(x, E(x)))
    A(x) = α L_G(x) + (1 − α) L_D(x),     α = .9
    L_G(x) = ‖x − G(E(x))‖₁                                                residual
    L_D(x) = ‖f(x, E(x)) − f(G(E(x)), E(x))‖₁                              feature,        score kind "fm"
    L_D(x) = −log D(x, E(x))                                               cross_entropy,  score kind "sigma"

Reference: H. Zenati et al., "Efficient GAN-Based Anomaly Detection", 2018 (arXiv 1802.06222), §3 and Tables 1–6.

Differs from the paper in:

* The paper prints E[1 − log D(G(z), z)] in the value function; we read log(1 − D(G(z), z)), as its code does.
* The released code scores σ on the reconstruction, −log D(G(E(x)), E(x)): score kind "sigma_released".
* The released code puts dropout .5 behind each layer of the MNIST discriminator, gives the encoder's first layer a
  leaky ReLU, leaves KDD99 unscaled and draws the rows of the second player from a shuffle of their own: variant
  "released". The paper's tables and its min-max scaling are the variant "printed".
* The moving average covers batch-norm statistics too, and defaults (not presets) warm it up.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..distances import l1
from ..game import Batch, Player, Stage, Terms
from ..limits import Flag
from ..losses import Adversary, adversary_named, cross_entropy
from ..networks import Family
from ..registry import Info, register
from .shared import ADVERSARY, ROW_DISTANCE, encoder_code, judged, judging


@register("egbad")
@dataclass(eq=False, repr=False, kw_only=True)
class EGBAD(Detector):
    """Efficient GAN-based anomaly detection (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss by name or object.
    own_rows
        Draw the rows that train generator and encoder from a shuffle of their own, as the released code does.
    residual_distance
        Of L_G, the part `residual`, in the place of ‖·‖₁: one of `ringfence.distances.ROW_DISTANCES`.
    """

    adversary: str | Adversary = "non_saturating"
    own_rows: bool = False
    residual_distance: str = "l1"

    info = Info("BiGAN: encoder instead of search", "Zenati et al., arXiv 1802.06222", 2018, needs=("encoder",))
    scores = {
        "fm": {"residual": 0.9, "feature": 0.1},
        "sigma": {"residual": 0.9, "cross_entropy": 0.1},
        "sigma_released": {"residual": 0.9, "cross_entropy_reconstructed": 0.1},
    }
    limits = {**Detector.limits, "adversary": ADVERSARY, "own_rows": Flag(), "residual_distance": ROW_DISTANCE}

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G, E and D(x, z)."""
        return {
            "generator": make.generator(),
            "encoder": make.encoder(),
            "discriminator": make.discriminator("xz"),
        }

    def stages(self) -> list[Stage]:
        """D; then G and E together."""
        both = Player(("generator", "encoder"), self.generator_loss, self.adam, own_rows=self.own_rows)
        return [Stage((judging(self.adversary, self.discriminator_loss, self.adam), both))]

    def pairs(self, nets: Any, batch: Batch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(x, E(x)) and (G(z), z) on fresh noise."""
        z = batch.noise()
        return (batch.x, nets.encoder(batch.x)), (nets.generator(z), z)

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Real pairs (x, E(x)) against generated pairs (G(z), z)."""
        return judged(adversary_named(self.adversary), nets.discriminator, *self.pairs(nets, batch))

    def generator_loss(self, nets: Any, batch: Batch) -> Terms:
        """G wants its pairs to pass for real, E wants its own to pass for generated."""
        adversary = adversary_named(self.adversary)
        real, fake = nets.discriminator.both(*self.pairs(nets, batch))
        return {"generator": adversary.fool(fake), "encoder": adversary.fool_real(real)}

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """L_G and the published forms of L_D."""
        z = nets.encoder(x)
        remade = nets.generator(z)
        (logit, features), (logit_remade, features_remade) = nets.discriminator.several((x, remade), z)
        return {
            "residual": self.residual(x, remade, self.residual_distance),
            "feature": l1(features, features_remade),
            "cross_entropy": cross_entropy(logit, 1.0),
            "cross_entropy_reconstructed": cross_entropy(logit_remade, 1.0),
        }
