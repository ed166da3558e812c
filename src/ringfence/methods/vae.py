"""Variational autoencoder, scored by its reconstruction probability.

::

    q(z|x) = N(μ_z(x), σ_z(x)²)      p(x|z) = N(μ(z), σ(z)²),  σ(z) = σ_min + softplus(·)      p(z) = N(0, 1)
    L  = mean [−log p(x|z) + KL(q(z|x) ‖ p(z))],   z = μ_z + σ_z ε,  ε ~ N(0, 1)
    KL = ½ Σ (μ_z² + σ_z² − 1 − log σ_z²)
    −RP(x) = −(1/L) Σ_l log p(x|z_l)                                   score kind "recon_prob"
    −ELBO(x) = −RP(x) + KL(x)                                          score kind "elbo"
    residual: ‖x − μ(μ_z(x))‖₁          kl: KL(x)

σ_z is the softplus of the encoder's second half, at least 10⁻³: an exponential answers a rare, far row with a KL of
thousands, and one such step undoes hundreds. Densities are sums over the columns of a row, in logarithms; a
category's part is −log of its probability.

Reference: J. An and S. Cho, "Variational Autoencoder based Anomaly Detection using Reconstruction Probability", SNU
Data Mining Center, 2015; D. P. Kingma and M. Welling, "Auto-Encoding Variational Bayes", 2014.

Differs from the paper in:

* The text was not at hand.
* The L draws of ε for the score are made in `fit`, once, and are common to all rows: a score is a function of the row.
* σ_min keeps the density of a column that hardly varies from growing without bound.
* The preset has the widths and rates of the re-implementation named below, whose one decoder ends in μ and σ; here each
  has a network of those widths. Its data are its user's: that they are MNIST's is our choice.
* A re-implementation (Michedev/VAE_anomaly_detection, commit fa2fb6a) scores the arithmetic mean of the densities of
  single columns, which is no likelihood of the row; here it is the sum of their logarithms, as the paper has it.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..detector import Detector
from ..game import Batch, Player, Stage, Statistic, Terms
from ..limits import Limit, OneOf
from ..networks import Family
from ..registry import Info, register

LEAST = 1e-3
"""Smallest σ_z."""


@register("vae")
@dataclass(eq=False, repr=False, kw_only=True)
class VAE(Detector):
    """Variational autoencoder (see the module's docstring).

    Parameters
    ----------
    samples
        L, draws of z in a row's score.
    least_deviation
        σ_min, the smallest standard deviation of a column, on the scale of the scaled rows.
    """

    samples: int = 10
    least_deviation: float = 0.3

    info = Info(
        "variational autoencoder, reconstruction probability", "An and Cho, SNU 2015", 2015, ("encoder",),
        source="unverified",
    )  # fmt: skip
    scores = {
        "recon_prob": {"recon_prob": 1.0},
        "elbo": {"recon_prob": 1.0, "kl": 1.0},
        "residual": {"residual": 1.0},
        "kl": {"kl": 1.0},
    }
    limits = {
        **Detector.limits,
        "prior": OneOf(("normal",)),  # the KL above is the one from N(0, 1)
        "samples": Limit(1, whole=True),
        "least_deviation": Limit(0, open_low=True),
    }

    def build(self, make: Family) -> dict[str, nn.Module]:
        """Networks of the decoder's μ and σ, the encoder's of both, and the draws of ε for scores."""
        return {
            "generator": make.generator(),
            "deviation": make.generator("deviation", plain=True),
            "encoder": make.encoder(outputs=2 * self.latent_dim),
            "draws": Statistic(noise=make.make.noise(self.samples)),
        }

    def stages(self) -> list[Stage]:
        """All together."""
        return [Stage((Player(("encoder", "generator", "deviation"), self.loss, self.adam),))]

    def loss(self, nets: Any, batch: Batch) -> Terms:
        """−ELBO with one draw a row."""
        mean, deviation = self.posterior(nets, batch.x)
        z = mean + deviation * batch.normal(mean)
        return {"reconstruction": self.surprise(nets, batch.x, z), "kl": divergence(mean, deviation)}

    def posterior(self, nets: Any, x: Tensor) -> tuple[Tensor, Tensor]:
        """μ_z and σ_z, (n, latent_dim) each."""
        mean, raw = nets.encoder(x).chunk(2, 1)
        return mean, LEAST + F.softplus(raw)

    def surprise(self, nets: Any, x: Tensor, z: Tensor) -> Tensor:
        """−log p(x|z), (n,)."""
        mean, deviation = nets.generator(z), self.least_deviation + F.softplus(nets.deviation(z))
        return self.gaussian(x, mean, deviation)

    def code(self, nets: Any, x: Tensor) -> Tensor:
        """μ_z."""
        return self.posterior(nets, x)[0]

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """−RP, KL and the residual."""
        mean, deviation = self.posterior(nets, x)
        each = [self.surprise(nets, x, mean + deviation * e) for e in nets.draws.noise]
        return {
            "recon_prob": torch.stack(each).mean(0),
            "kl": divergence(mean, deviation),
            "residual": self.residual(x, nets.generator(mean)),
        }


def divergence(mean: Tensor, deviation: Tensor) -> Tensor:
    """KL(N(μ, σ²) ‖ N(0, 1)), (n, d) twice → (n,)."""
    return (0.5 * (mean.square() + deviation.square() - 1.0) - deviation.log()).sum(1)
