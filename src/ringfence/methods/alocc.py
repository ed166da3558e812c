"""ALOCC: a refiner takes noise off normal rows, a discriminator tells refined rows from real ones and judges them.

With R = G ∘ E, η ~ N(0, σ²) fresh in every move, and D::

    L_D = mean [−log D(x) − log(1 − D(R(x + η)))]
    L_R = mean [−log D(R(x + η)) + λ ‖x − R(x + η)‖₂²]           λ = .4

    A(x) = 1 − D(R(x))                 refined,         score kind "refined"
    A(x) = 1 − D(x)                    discriminator,   score kind "discriminator"
    A(x) = ‖x − R(x)‖₂²                residual,        score kind "residual"

R mends what is normal and distorts what it does not know, so that D is surer of a refined anomaly than of the anomaly
itself: the first score is the better one of the paper. No noise is added to rows that are scored.

Reference: M. Sabokrou et al., "Adversarially Learned One-Class Classifier for Novelty Detection", CVPR 2018; released
code: khalooei/ALOCC-CVPR2018, commit d1810b2. The paper's text was not at hand: what is said of it is from memory.

Differs from the paper in:

* By default R is the family's encoder and generator with a short code between them; the code's is convolutional
  throughout, and what lies in its middle is wider than the image: the preset's `latent_dim` is 2,048.
* The paper stops once the residual is small; the code's stop is found by looking at patches of the test video. Here a
  fixed budget, and no epoch is picked.
* The code holds R(x + η) to the noisy row by a cross-entropy of weight .2 that takes pixels for probabilities, and
  moves R twice for each move of D: `target="noisy"`, `residual_weight` and `refine_steps` come as near as squares can.
* The code draws its noise once (σ about .155) and learns from the same noisy rows in every epoch, unshuffled; here both
  are fresh, and σ is 1, the spread of a standardised column: what D knows of refined rows it has from R(x + η) alone.
* The code normalises with statistics of the batch while it scores; here with running ones.
* The code moves both networks by RMSProp at .002 (`optimiser="rmsprop"`, as in the preset); by default here Adam with
  the detector's rate.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..game import Batch, Optim, Player, Stage, Terms
from ..limits import Limit, OneOf
from ..losses import Adversary, adversary_named
from ..networks import Family
from ..registry import Info, register
from .shared import ADVERSARY, ROW_DISTANCE, doubt, encoder_code, judged, judging, weights


@register("alocc")
@dataclass(eq=False, repr=False, kw_only=True)
class ALOCC(Detector):
    """Adversarially learned one-class classifier (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss by name or object.
    residual_weight
        λ, ≥ 0.
    residual_distance
        What λ weighs, and the score "residual": one of `ringfence.distances.ROW_DISTANCES`.
    noise
        σ while training, on the scale of the scaled rows, ≥ 0.
    target
        What R is held to: the "clean" row, or the "noisy" one as in the released code.
    refine_steps
        Moves of R for each of D, at least 1; the released code makes 2.
    optimiser
        Of both: "adam" or "rmsprop".
    """

    adversary: str | Adversary = "non_saturating"
    residual_weight: float = 0.4
    residual_distance: str = "l2_squared"
    noise: float = 1.0
    target: str = "clean"
    refine_steps: int = 1
    optimiser: str = "adam"

    info = Info(
        "refiner and discriminator of refined rows", "Sabokrou et al., CVPR 2018", 2018, ("encoder",),
        source="unverified",
    )  # fmt: skip
    scores = {
        "refined": {"refined": 1.0},
        "discriminator": {"discriminator": 1.0},
        "residual": {"residual": 1.0},
    }
    limits = {
        **Detector.limits,
        "adversary": ADVERSARY,
        **weights("residual_weight", "noise"),
        "residual_distance": ROW_DISTANCE,
        "target": OneOf(("clean", "noisy")),
        "refine_steps": Limit(1, whole=True),
        "optimiser": OneOf(("adam", "rmsprop")),
    }
    unused = ("prior",)

    def build(self, make: Family) -> dict[str, nn.Module]:
        """E and G, which are R, and D."""
        return {
            "encoder": make.encoder(),
            "generator": make.generator(),
            "discriminator": make.discriminator("x"),
        }

    def stages(self) -> list[Stage]:
        """D; then R, as often as `refine_steps` says."""
        optim = Optim(self.optimiser, self.lr, self.momenta)
        judge = judging(self.adversary, self.discriminator_loss, optim)
        refiner = Player(("generator", "encoder"), self.refiner_loss, optim, "refiner", repeat=self.refine_steps)
        return [Stage((judge, refiner))]

    def noisy(self, batch: Batch) -> Tensor:
        """X + η."""
        return batch.x + self.noise * batch.normal(batch.x)

    def refined(self, nets: Any, x: Tensor) -> Tensor:
        """R(x)."""
        remade: Tensor = nets.generator(nets.encoder(x))
        return remade

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Rows against refined ones."""
        refined = self.refined(nets, self.noisy(batch))
        return judged(adversary_named(self.adversary), nets.discriminator, (batch.x,), (refined,))

    def refiner_loss(self, nets: Any, batch: Batch) -> Terms:
        """Fool D, and come back to the row."""
        noisy = self.noisy(batch)
        refined = self.refined(nets, noisy)
        logit, _ = nets.discriminator(refined)
        target = {"clean": batch.x, "noisy": noisy}[self.target]
        return {
            "adversarial": adversary_named(self.adversary).fool(logit),
            "residual": self.residual_weight * self.residual(target, refined, self.residual_distance),
        }

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """What D says of the refined row and of the row, and how far they are apart."""
        refined = self.refined(nets, x)
        return {
            "refined": doubt(nets.discriminator(refined)[0]),
            "discriminator": doubt(nets.discriminator(x)[0]),
            "residual": self.residual(x, refined, self.residual_distance),
        }
