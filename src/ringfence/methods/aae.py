"""Adversarial autoencoder: a discriminator of codes makes them follow the prior; what is remade badly is an anomaly.

Three moves a step, z ~ p(z) the prior::

    reconstruction   E and G    L   = mean d(x, G(E(x)))                        d = `distance`: ‖·‖₂² by default
    regularisation   D_z        L_D = mean [−log D_z(z) − log(1 − D_z(E(x)))]
    regularisation   E          L_E = mean −log D_z(E(x))

    A(x) = d(x, G(E(x)))                    residual,        score kind "residual"
    A(x) = −log p(E(x)) but for a constant  prior,           score kind "prior"
    A(x) = residual + prior                                  score kind "sum"
    A(x) = 1 − D_z(E(x))                    discriminator,   score kind "discriminator"

`prior` is ½ ‖E(x)‖₂² for the normal priors, the truncated one beyond its bound too. Of the others −log p is a constant
on the box or the sphere and infinite off it, which would tell no two rows apart: there `prior` is half the squared
distance to the box or the sphere.

Reference: A. Makhzani et al., "Adversarial Autoencoders", 2015 (arXiv 1511.05644). It generates and classifies; the
residual as a score of anomalies, and −log p(E(x)) beside it, came later.

Differs from the paper in:

* The text was not at hand: all this is from memory.
* E is a function of the row, the first of the three posteriors that the paper has; there is no noise in the code.
* Each move has an Adam of its own, and Adam is blind to the scale of a loss that it lowers alone: a weight of L_E would
  change nothing. What balances the moves are their rates, `lr` and `adversarial_lr`.
* Networks are the family's, and so are the rates.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..detector import Detector
from ..game import Batch, Player, Stage, Terms
from ..limits import Limit
from ..losses import Adversary, adversary_named
from ..networks import Family
from ..registry import Info, register
from .shared import ADVERSARY, ROW_DISTANCE, doubt, encoder_code, judged, judging


def half_square(z: Tensor) -> Tensor:
    """½ ‖z‖₂², −log of N(0, I)'s density but for a constant; (n, d) → (n,)."""
    return 0.5 * z.square().sum(1)


def off_the_box(z: Tensor) -> Tensor:
    """Half the squared distance to the box of −1…1; (n, d) → (n,)."""
    return half_square(F.relu(z.abs() - 1.0))


def off_the_unit_box(z: Tensor) -> Tensor:
    """Half the squared distance to the box of 0…1; (n, d) → (n,)."""
    return half_square(z - z.clamp(0.0, 1.0))


def off_the_sphere(z: Tensor) -> Tensor:
    """Half the squared distance to the sphere of radius √d; (n, d) → (n,)."""
    length: Tensor = torch.linalg.vector_norm(z, dim=1)
    return 0.5 * (length - math.sqrt(z.shape[1])).square()


UNLIKELY: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": half_square,
    "truncated_normal": half_square,
    "uniform": off_the_box,
    "uniform_01": off_the_unit_box,
    "hypersphere": off_the_sphere,
}
"""How far a code is from what each prior draws."""


@register("aae")
@dataclass(eq=False, repr=False, kw_only=True)
class AAE(Detector):
    """Adversarial autoencoder (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss of D_z and of E by name or object.
    distance
        Between a row and its reconstruction, in training and in the score: one of `ringfence.distances.ROW_DISTANCES`.
    adversarial_lr
        Rate of D_z and of E while it fools D_z, above 0; None is `lr`.
    """

    adversary: str | Adversary = "non_saturating"
    distance: str = "l2_squared"
    adversarial_lr: float | None = None

    info = Info(
        "autoencoder whose codes follow the prior", "Makhzani et al., arXiv 1511.05644", 2015, ("encoder",),
        source="unverified",
    )  # fmt: skip
    scores = {
        "residual": {"residual": 1.0},
        "prior": {"prior": 1.0},
        "sum": {"residual": 1.0, "prior": 1.0},
        "discriminator": {"discriminator": 1.0},
    }
    limits = {
        **Detector.limits,
        "adversary": ADVERSARY,
        "distance": ROW_DISTANCE,
        "adversarial_lr": Limit(0, open_low=True, none=True),
    }

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G, E and D_z."""
        return {
            "generator": make.generator(),
            "encoder": make.encoder(),
            "latent_discriminator": make.discriminator("z", "latent_discriminator"),
        }

    def stages(self) -> list[Stage]:
        """E and G; then D_z; then E against it."""
        optim = replace(self.adam, lr=self.lr if self.adversarial_lr is None else self.adversarial_lr)
        remaker = Player(("generator", "encoder"), self.reconstruction_loss, self.adam)
        judge = judging(self.adversary, self.discriminator_loss, optim, ("latent_discriminator",))
        return [Stage((remaker, judge, Player(("encoder",), self.encoder_loss, optim)))]

    def reconstruction_loss(self, nets: Any, batch: Batch) -> Terms:
        """What is lost on the way through the code."""
        return {"residual": self.residual(batch.x, nets.generator(nets.encoder(batch.x)), self.distance)}

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Draws from the prior against codes."""
        codes = nets.encoder(batch.x)
        return judged(adversary_named(self.adversary), nets.latent_discriminator, (batch.noise(),), (codes,))

    def encoder_loss(self, nets: Any, batch: Batch) -> Terms:
        """Codes want to pass for draws."""
        return {
            "adversarial": adversary_named(self.adversary).fool(nets.latent_discriminator(nets.encoder(batch.x))[0])
        }

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """The residual, and where the code lies."""
        z = nets.encoder(x)
        return {
            "residual": self.residual(x, nets.generator(z), self.distance),
            "prior": UNLIKELY[self.prior](z),
            "discriminator": doubt(nets.latent_discriminator(z)[0]),
        }
