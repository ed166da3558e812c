"""SO-GAAL: a GAN whose generator stops early, so that D ends as a classifier of normal rows against likely outliers.

With one objective for one generator::

    L_D = mean [−log D(x) − log(1 − D(G(z)))]
    L_G = mean −log D(G(z))                        until `stop` of the training is over
    A(x) = 1 − D(x)

Generated rows come closer to the normal ones as G learns: likely outliers. Then G stands still, and D goes on telling
the two apart on fresh noise: it need not end at the ½ of a GAN at its optimum.

Reference: Y. Liu et al., "Generative Adversarial Active Learning for Unsupervised Outlier Detection", IEEE TKDE 2019;
released code: leibinghe/GAAL-based-outlier-detection, commit b614cd3.

Differs from the paper in:

* The text was not at hand; losses, order and constants are those of the released code.
* The code trains on the very rows that it ranks, anomalies among them; here normal rows alone train.
* G is d → d → d with ReLU and starts as the identity, on noise U(0, 1)^d; D has one hidden layer of ⌈√n⌉ units. The
  presets have that; by default both are the family's own, and the noise has `latent_dim` values of the `prior`: 64,
  since generated rows of few dimensions lie on a thin sheet, which D soon tells from anything else.
* Both learn by SGD with momentum .9, G at a hundredth of D's rate (10⁻⁴ and .01), on min(500, n) rows, as in the
  presets, where D's rate is .005, since the code takes one mean over real and generated rows, half of L_D. By default
  here by Adam at one rate, so that a thousand steps are enough. Rows left over at the end of an epoch are not dropped.
* In the code G learns from the noise that D has just seen; here from fresh noise, as the code's MO-GAAL does.
* The code's G stops after a third of the epochs. `stop` is .9: after a third of a thousand steps G still stands apart
  from the data, and a D that is left alone with it brings its loss to 0 without learning what is normal.
* The code's stop_epochs, from 6 to 1,000, were chosen for each data set, and the AUC on the labels of the same rows was
  printed in every epoch; nothing here sees a label.
* The score is the average of D over its last steps (`ema`), not D's last weights.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..game import Batch, Stage, Terms
from ..losses import cross_entropy
from ..networks import Family
from ..registry import Info, register
from .shared import STOPPING, doubt, stopping_stage


@register("sogaal")
@dataclass(eq=False, repr=False, kw_only=True)
class SOGAAL(Detector):
    """Single-objective generative adversarial active learning (see the module's docstring).

    Parameters
    ----------
    stop
        Share of the training after which the generator stops; above 0, at most 1 (a plain GAN).
    generator_lr
        The generator's rate, above 0; None is `lr`.
    optimiser
        Of D and G: "adam", "sgd", "momentum" (SGD with the momentum `beta1`) or "rmsprop".
    decay
        Rates fall as lr / (1 + decay · t) with update t; at least 0.
    """

    prior: str = "uniform"
    latent_dim: int = 64
    stop: float = 0.9
    generator_lr: float | None = None
    optimiser: str = "adam"
    decay: float = 0.0

    info = Info(
        "GAN whose generator stops before D does",
        "Liu et al., IEEE TKDE 2019",
        2019,
        source="unverified",
    )
    scores = {"discriminator": {"discriminator": 1.0}}
    limits = {**Detector.limits, **STOPPING}

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G and D."""
        return {"generator": make.generator(), "discriminator": make.discriminator("x")}

    def stages(self) -> list[Stage]:
        """D, then G while it plays, on fresh noise."""
        return [stopping_stage(self, self.imitate)]

    def imitate(self, nets: Any, batch: Batch) -> Terms:
        """−log D(G(z))."""
        return {"adversarial": cross_entropy(nets.discriminator(nets.generator(batch.noise()))[0], 1.0)}

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """1 − D(x)."""
        return {"discriminator": doubt(nets.discriminator(x)[0])}
