"""A good and a bad generator: one imitates normal rows, one surrounds them, and D, which sees both, is the score.

With normal rows x, G's rows x̂ = G(z) and the bad generator's x̌ = B(z')::

    L_D = mean [−log D(x) − w_g log(1 − D(x̂)) − w_b log(1 − D(x̌))]
    L_G = mean −log D(x̂)
    L_B = EL(x̌) + β · DL(x̌)                 encirclement and dispersion of Fence GAN, its Eq. 3 to 5 or its code
    A(x) = 1 − D(x)

Where D has learned, D(x) = p / (p + w_g p_g + w_b p_b): where G imitates well, 1 / (1 + w_g) on normal rows, however
long the game goes on, and less beyond them, as far as B's rows reach. A plain GAN has no p_b: its D is ½ on normal rows
and says nothing of what neither they nor G have shown.

Reference: F. Lüer, C. Böhm, "Anomaly Detection using Generative Adversarial Networks: Reviewing methodological progress
and challenges", §4.2: "one generator learning the distribution of normal class data" and one "working as a bad
generator"; D receives data from both and normal rows, and the bad one's rows lead "to an improved enforcement of the
boundary". It names no paper for the pair and gives no formula, network or figure.

Differs from the paper in:

* The review does not say how the bad generator is trained. Here it is Fence GAN's (Ngo et al. 2019); the review names
  generators of weak anomalies and those of low density (Dai et al. 2017, the method `badgan`) beside the pair.
* The weights w_g and w_b are ours: ½ each by default, so that generated rows weigh as much as normal ones. α must lie
  below ⅔ = 1 / (1 + w_g), which is D on normal rows that are imitated well, or the fence would stand among them.
* With an adversary whose D is no probability, α still is a level of σ(D), and 1 − σ(D) the score.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..game import Batch, Player, Stage, Terms
from ..losses import Adversary, adversary_named
from ..networks import Family
from ..registry import Info, register
from .shared import ADVERSARY, FENCE, doubt, fooling, judged, judging, surrounding, weights


@register("goodbadgan")
@dataclass(eq=False, repr=False, kw_only=True)
class GoodBadGAN(Detector):
    """A good and a bad generator (see the module's docstring).

    `sample` gives rows of the good one.

    Parameters
    ----------
    adversary
        GAN loss of D and the good generator, by name or object; a penalty lies between normal and good rows.
    good_weight, bad_weight
        w_g and w_b, weights of each generator's rows in D's loss, ≥ 0.
    encirclement, clamp
        "cross_entropy" or "log_distance" (Fence GAN, Eq. 3), and its ε.
    alpha
        The value of D on the fence, in (0, 1).
    dispersion, beta
        Distance in the dispersion, "l2", "l1" or "linf", and its weight, ≥ 0.
    """

    adversary: str | Adversary = "non_saturating"
    good_weight: float = 0.5
    bad_weight: float = 0.5
    encirclement: str = "cross_entropy"
    clamp: float = 1e-3
    alpha: float = 0.5
    dispersion: str = "l2"
    beta: float = 15.0

    info = Info("two generators: one imitates, one surrounds", "Lüer & Böhm, review, §4.2", 2023, source="unverified")
    scores = {"discriminator": {"discriminator": 1.0}}
    limits = {**Detector.limits, **FENCE, "adversary": ADVERSARY, **weights("good_weight", "bad_weight")}

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G, D and B; the first two begin as those of a plain GAN."""
        return {
            "generator": make.generator(),
            "discriminator": make.discriminator("x"),
            "bad_generator": make.generator("bad_generator"),
        }

    def stages(self) -> list[Stage]:
        """D, then both generators, each for itself."""
        judge = judging(self.adversary, self.discriminator_loss, self.adam)
        good = Player(("generator",), self.good_loss, self.adam)
        bad = Player(("bad_generator",), self.bad_loss, self.adam)
        return [Stage((judge, good, bad))]

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Normal rows against those of both generators."""
        adversary = adversary_named(self.adversary)
        found = judged(adversary, nets.discriminator, (batch.x,), (nets.generator(batch.noise()),))
        bad, _ = nets.discriminator(nets.bad_generator(batch.noise()))
        return {**found, "fake": self.good_weight * found["fake"], "bad": self.bad_weight * adversary.fake(bad)}

    def good_loss(self, nets: Any, batch: Batch) -> Terms:
        """Fool D."""
        return fooling(adversary_named(self.adversary), nets, batch)

    def bad_loss(self, nets: Any, batch: Batch) -> Terms:
        """Surround normal rows."""
        return surrounding(self, nets.discriminator, nets.bad_generator(batch.noise()), batch)

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """1 − D(x)."""
        return {"discriminator": doubt(nets.discriminator(x)[0])}
