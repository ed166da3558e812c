"""GPND: an adversarial autoencoder as a chart of the normal rows, and the probability of a row along it and off it.

With z = E(x), x̂ = G(z), d = ‖x − x̂‖, m values in a row and n in z, the players move in this order::

    L_Dx = −log D_x(x) − log(1 − D_x(G(z))),    z from the prior
    L_G  = −log D_x(G(z))
    L_Dz = −log D_z(z) − log(1 − D_z(E(x)))
    L_EG = −log D_z(E(x)) + λ distance(x, x̂),   λ = 2                         E and G

    log p_∥(x) = −Σ log s_i + log p_Z(z)        s: singular values of ∂G/∂z;  p_Z: a generalised normal for each z_j
    log p_⊥(x) = log Γ(N/2) / (2 π^(N/2) d^(N−1)) + log r(d)       N = power (m − n);  r: histogram of d
    A(x) = −log p_∥(x) − log p_⊥(x)             score kind "likelihood"
    A(x) = −log p_∥(x), −log p_⊥(x), d          score kinds "parallel", "perpendicular", "residual"

p_Z and r are fitted to the training rows once all is learned.

Reference: S. Pidhorskyi et al., "Generative Probabilistic Novelty Detection with Adversarial Autoencoders", NeurIPS
2018; released code: podgorskiy/GPND, commit d44896b. The paper's text was not at hand: the formulas are from memory and
its code, so they have no numbers here.

Differs from the paper in:

* The released code takes s from the *encoder's* Jacobian ∂z/∂x and keeps the minus sign, though E inverts G and its
  singular values are the reciprocals: `jacobian="encoder"`. By default it is the decoder's, as the paper derives it.
* The released code multiplies N by .2, of which the paper says nothing: `power=0.2`. By default it is 1. N is at least
  1, also where z is as long as a row. Its constant has log 2π for log π, and no −log 2: no rank changes.
* It sets a log p_Z that is not finite to −1000, and r to 10⁻³⁰⁸ in empty bins. Here β lies within .2 and 10, an empty
  bin counts as one with half a row, and r falls by e with every bin's width beyond the last; all else is in float64.
* λ weighs the binary cross-entropy of pixels there; here a distance, means of squares by default, as rows are scaled to
  other ranges than 0 to 1. Its rate is divided by 4 every 30 epochs; here it stays.
* The presets take MNIST at 28×28, not resized to 32×32: maps of 14, 7 and 4 pixels instead of 16, 8 and 4, the same
  weights; and −1…1 and tanh where the code has 0…1 and ½ tanh + ½.
* p_Z is fitted to 20,000 codes, evenly taken, where there are more.
* The error of rows with categories, in L_EG and in d, is the cross-entropy of those plus the distance of the numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..chunks import over
from ..detector import Detector
from ..game import Batch, Player, Stage, Statistic, Terms
from ..limits import Limit, OneOf
from ..losses import Adversary, adversary_named
from ..manifold import (
    codimension,
    decoder_jacobian,
    encoder_jacobian,
    fit_generalised_normal,
    generalised_normal,
    histogram,
    log_perpendicular,
    log_volume,
)
from ..networks import Family
from ..registry import Info, register
from .shared import ADVERSARY, ROW_DISTANCE, encoder_code, gan_stage, judged, judging, weights

MOST_CODES = 20_000
"""Codes that p_Z is fitted to."""
JACOBIANS: dict[str, Callable[[Any, Tensor, Tensor], Tensor]] = {
    "decoder": lambda nets, x, z: decoder_jacobian(nets.generator, z),
    "encoder": lambda nets, x, z: encoder_jacobian(nets.encoder, x),
}


@register("gpnd")
@dataclass(eq=False, repr=False, kw_only=True)
class GPND(Detector):
    """Generative probabilistic novelty detection (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss of D_x and D_z by name or object.
    residual_weight, residual_distance
        λ, ≥ 0, and what it weighs.
    jacobian
        Whose singular values stretch the manifold: "decoder" or "encoder".
    power
        Factor of N, > 0.
    bins
        Bins of r, at least 1.
    """

    adversary: str | Adversary = "non_saturating"
    residual_weight: float = 2.0
    residual_distance: str = "mean_squared"
    jacobian: str = "decoder"
    power: float = 1.0
    bins: int = 30

    info = Info(
        "adversarial autoencoder, probability along and off its manifold",
        "Pidhorskyi et al., NeurIPS 2018",
        2018,
        ("encoder",),
        "jacobian",
        source="unverified",
    )
    scores = {
        "likelihood": {"parallel": 1.0, "perpendicular": 1.0},
        "parallel": {"parallel": 1.0},
        "perpendicular": {"perpendicular": 1.0},
        "residual": {"residual": 1.0},
    }
    limits = {
        **Detector.limits,
        "adversary": ADVERSARY,
        **weights("residual_weight"),
        "residual_distance": ROW_DISTANCE,
        "jacobian": OneOf(tuple(JACOBIANS)),
        "power": Limit(0, open_low=True),
        "bins": Limit(1, whole=True),
    }

    cut_rows: ClassVar[int] = 500

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G, E, D_x, D_z, and what the densities are fitted by."""
        d = self.latent_dim
        density = Statistic(  # until a fit has ended: N(0, 1) for each z_j, and distances of 0 to 1 alike
            shape=torch.full((d,), 2.0, dtype=torch.float64),
            location=torch.zeros(d, dtype=torch.float64),
            scale=torch.full((d,), math.sqrt(2.0), dtype=torch.float64),
            edges=torch.linspace(0.0, 1.0, self.bins + 1, dtype=torch.float64),
            heights=torch.ones(self.bins, dtype=torch.float64),
        )
        return {
            "generator": make.generator(),
            "encoder": make.encoder(),
            "discriminator": make.discriminator("x"),
            "latent_discriminator": make.discriminator("z", "latent_discriminator"),
            "density": density,
        }

    def stages(self) -> list[Stage]:
        """D_x, G alone, D_z, then E and G."""
        chart = Player(("encoder", "generator"), self.autoencoder_loss, self.adam)
        latent = judging(self.adversary, self.latent_loss, self.adam, ("latent_discriminator",))
        return [Stage((*gan_stage(adversary_named(self.adversary), self.adam).players, latent, chart))]

    def latent_loss(self, nets: Any, batch: Batch) -> Terms:
        """L_Dz."""
        real, fake = batch.noise(), nets.encoder(batch.x)
        return judged(adversary_named(self.adversary), nets.latent_discriminator, (real,), (fake,))

    def autoencoder_loss(self, nets: Any, batch: Batch) -> Terms:
        """L_EG."""
        z = nets.encoder(batch.x)
        residual = self.residual(batch.x, nets.generator(z), self.residual_distance)
        return {
            "latent": adversary_named(self.adversary).fool(nets.latent_discriminator(z)[0]),
            "residual": self.residual_weight * residual,
        }

    def finish(self, nets: Any, rows: Any) -> None:
        """Fit p_Z and r."""

        def measured(x: Tensor) -> dict[str, Tensor]:
            z = nets.encoder(x)
            return {"z": z.double(), "distance": self.residual(x, nets.generator(z), "l2").double()}

        found = {name: values.cpu() for name, values in over(rows, measured).items()}
        if not all(values.isfinite().all() for values in found.values()):
            return  # nor will scores be, and `fit` says so
        codes = found["z"][:: -(-len(found["z"]) // MOST_CODES)]
        fitted = (*fit_generalised_normal(codes.numpy()), *histogram(found["distance"].numpy(), self.bins))
        held = nets.density
        for buffer, value in zip(
            (held.shape, held.location, held.scale, held.edges, held.heights), fitted, strict=True
        ):
            buffer.copy_(torch.from_numpy(value))

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """−log p along the manifold and off it, and d."""
        z, held = nets.encoder(x), nets.density
        distance = self.residual(x, nets.generator(z), "l2")
        stretched = log_volume(JACOBIANS[self.jacobian](nets, x, z))
        n = codimension(x[0].numel(), self.latent_dim, self.power)
        return {
            "parallel": stretched - generalised_normal(z, held.shape, held.location, held.scale),
            "perpendicular": -log_perpendicular(distance, held.edges, held.heights, n),
            "residual": distance,
        }
