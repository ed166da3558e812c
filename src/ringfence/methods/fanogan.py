"""f-AnoGAN: a Wasserstein GAN, then an encoder that learns to invert it, in the place of AnoGAN's search.

Stage 1, D in every step and G in every `critic_steps`-th (WGAN-GP; D has no sigmoid)::

    L_D = mean [D(G(z)) − D(x) + λ (‖∇D(x̃)‖₂ − 1)²]        L_G = mean −D(G(z)),        λ = 10

Stage 2, E alone, G and D in inference mode; means run over the n values of a row, the n_f of its features, the d of z::

    L_E = mean [(1/n) ‖x − G(E(x))‖² + κ (1/n_f) ‖f(x) − f(G(E(x)))‖²]      encoder_loss "izi_f",  κ = 1
    L_E = mean (1/n) ‖x − G(E(x))‖²                                         encoder_loss "izi"
    L_E = mean (1/d) ‖z − E(G(z))‖²                                         encoder_loss "ziz"

    A(x) = residual + κ feature, as in "izi_f" with κ = 1      score kind "izi_f"
    A(x) = residual                                            score kind "izi"
    A(x) = (1/d) ‖E(x) − E(G(E(x)))‖²                          score kind "code"
    A(x) = mean of D over the training rows − D(x)             score kind "discriminator"

Reference: T. Schlegl et al., "f-AnoGAN: Fast unsupervised anomaly detection with generative adversarial networks",
Medical Image Analysis 54, 2019; released code: tSchlegl/f-AnoGAN. The paper's text was not at hand: all this is read
from its code, and "izi", "ziz" and the score of D, which the code lacks, are from memory.

Differs from the paper in:

* By default our networks are those of the other methods; the code's are residual, with layer norm in D: the preset
  `oct` has them.
* By default G moves in every second step, not in every fifth: 1,000 steps would leave it 200 moves.
* The code's encoder ends in tanh, though z is drawn from N(0, I); by default ours is linear, the preset's ends in tanh.
* The code's Adam for G and D has the rate 10⁻⁴, β₁ 0 and β₂ .9 (`lr=1e-4, beta1=0, beta2=0.9`); by default ours is that
  of the other methods, 10⁻³, .5 and .999. The code trains E with RMSProp at 5·10⁻⁵
  (`encoder_optimiser="rmsprop", encoder_lr=5e-5`); by default here one Adam's settings serve all.
* The gradient penalty is taken halfway between a real and a generated row, not at a random place.
* The code mirrors images at random; nothing here knows whether a mirrored row is still normal.
* D is no probability: its score is set against its mean over the training rows, which moves no rank.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..detector import Detector
from ..distances import mean_squared
from ..game import Batch, Optim, Stage, Statistic, Terms
from ..limits import Limit, OneOf
from ..losses import Wasserstein
from ..networks import Family
from ..registry import Info, register
from .shared import OPTIMISER, ROW_DISTANCE, apart, encoder_code, encoder_stage, gan_stage, izi_f, mean_logit


@register("fanogan")
@dataclass(eq=False, repr=False, kw_only=True)
class FAnoGAN(Detector):
    """f-AnoGAN (see the module's docstring).

    Parameters
    ----------
    penalty
        λ, weight of the gradient penalty, ≥ 0.
    critic_steps
        Moves of D for each of G; the paper's is 5.
    encoder_loss
        "izi_f", "izi" or "ziz".
    kappa
        κ, weight of the features in "izi_f" while E learns, ≥ 0. Scores keep the paper's 1.
    encoder_epochs
        Epochs of stage 2; None is as many as stage 1 has.
    encoder_lr, encoder_optimiser
        E's own rate, above 0 (None is `lr`), and optimiser: "adam", "sgd", "momentum" or "rmsprop".
    residual_distance
        Of x from G(E(x)), in the place of the mean of squares, while E learns and in the score: one of
        `ringfence.distances.ROW_DISTANCES`.
    """

    penalty: float = 10.0
    critic_steps: int = 2
    encoder_loss: str = "izi_f"
    kappa: float = 1.0
    encoder_epochs: int | None = None
    encoder_lr: float | None = None
    encoder_optimiser: str = "adam"
    residual_distance: str = "mean_squared"

    info = Info(
        "WGAN, then an encoder for it",
        "Schlegl et al., Medical Image Analysis 2019",
        2019,
        ("encoder", "stages"),
        source="unverified",
    )
    scores = {
        "izi_f": {"residual": 1.0, "feature": 1.0},
        "izi": {"residual": 1.0},
        "code": {"code": 1.0},
        "discriminator": {"discriminator": 1.0},
    }
    limits = {
        **Detector.limits,
        "penalty": Limit(0),
        "critic_steps": Limit(1, whole=True),
        "encoder_loss": OneOf(("izi_f", "izi", "ziz")),
        "kappa": Limit(0),
        "encoder_epochs": Limit(0, whole=True, none=True),
        "encoder_lr": Limit(0, open_low=True, none=True),
        "encoder_optimiser": OPTIMISER,
        "residual_distance": ROW_DISTANCE,
    }

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G, D, E, and D's mean over the training rows."""
        return {
            "generator": make.generator(),
            "discriminator": make.discriminator("x"),
            "encoder": make.encoder(),
            "normal": Statistic(mean=torch.zeros(())),
        }

    def stages(self) -> list[Stage]:
        """The WGAN; then E."""
        losses = {"izi_f": izi_f(self, self.kappa, self.residual_distance), "izi": self.izi_loss, "ziz": self.ziz_loss}
        optim = Optim(self.encoder_optimiser, self.lr if self.encoder_lr is None else self.encoder_lr, self.momenta)
        return [
            gan_stage(Wasserstein(penalty=self.penalty), self.adam, every=self.critic_steps),
            encoder_stage(losses[self.encoder_loss], optim, self.encoder_epochs),
        ]

    def izi_loss(self, nets: Any, batch: Batch) -> Terms:
        """From image to z to image."""
        return {"residual": self.residual(batch.x, nets.generator(nets.encoder(batch.x)), self.residual_distance)}

    def ziz_loss(self, nets: Any, batch: Batch) -> Terms:
        """From z to image to z."""
        z = batch.noise()
        return {"code": mean_squared(z, nets.encoder(nets.generator(z)))}

    def finish(self, nets: Any, rows: Any) -> None:
        """Take the mean of D over the training rows."""
        nets.normal.mean.copy_(mean_logit(nets, rows))

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """Residual and features, and the further parts."""
        z = nets.encoder(x)
        remade = nets.generator(z)
        residual, feature = apart(self, nets, x, remade, self.residual_distance)
        return {
            "residual": residual,
            "feature": feature,
            "code": mean_squared(z, nets.encoder(remade)),
            "discriminator": nets.normal.mean - nets.discriminator(x)[0],
        }
