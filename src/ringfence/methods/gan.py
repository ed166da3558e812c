"""GAN with the discriminator as the score: the foil of every other method.

Goodfellow et al. 2014, as the Fence GAN paper puts it (Eq. 1 and 2), with the non-saturating generator by default::

    L_G = mean −log D(G(z))                            adversary "non_saturating"
    L_G = mean  log(1 − D(G(z)))                       adversary "saturating", Eq. 1
    L_G = ‖mean f(x) − mean f(G(z))‖₂²                 generator_loss "feature_matching", f the features of D
    L_D = mean [−log D(x) − log(1 − D(G(z)))]          Eq. 2
    A(x) = 1 − D(x)

At its optimum D is ½ for everything the generator imitates, so that its score carries little by design: Fence GAN's
Fig. 1 (B). It is here to be beaten.

Reference: I. Goodfellow et al., "Generative Adversarial Nets", NeurIPS 2014; P. C. Ngo et al., "Fence GAN: Towards
Better Anomaly Detection", 2019; feature matching and minibatch discrimination: T. Salimans et al., "Improved Techniques
for Training GANs", NeurIPS 2016, §3.1 and §3.2.

Differs from the paper in: nothing known; the papers give no network or rate for it.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..game import Stage
from ..networks import Family
from ..registry import Info, register
from .shared import PlainGAN, doubt


@register("gan")
@dataclass(eq=False, repr=False, kw_only=True)
class GAN(PlainGAN):
    """GAN whose discriminator is the score (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss by name ("non_saturating", "saturating", "least_squares", "hinge", "wasserstein",
        "wasserstein_clipped") or object.
    generator_loss
        What moves G: "adversary" or "feature_matching".
    minibatch
        Units of minibatch discrimination in D, 0 for none.
    spectral
        Spectral normalisation in D's own layers but the last; layer tables say it row by row.
    """

    info = Info(
        "GAN, discriminator as score",
        "Goodfellow et al., NeurIPS 2014; Ngo et al. 2019",
        2014,
        source="paper",
    )
    scores = {"discriminator": {"discriminator": 1.0}}

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G and D."""
        return self.pair(make)

    def stages(self) -> list[Stage]:
        """D, then G."""
        return [self.gan]

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """1 − D(x)."""
        return {"discriminator": doubt(nets.discriminator(x)[0])}
