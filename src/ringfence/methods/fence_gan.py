"""Fence GAN: the generator surrounds the normal rows instead of imitating them, and D is the score.

::

    EL  = mean log |α − D(G(z))|                            Eq. 3   encirclement "log_distance"
    EL  = mean [−α log D(G(z)) − (1 − α) log(1 − D(G(z)))]  code    encirclement "cross_entropy"
    DL  = 1 / mean ‖G(z) − μ‖₂,  μ = mean G(z)              Eq. 4
    L_G = EL + β · DL                                       Eq. 5
    L_D = mean [−log D(x) − γ log(1 − D(G(z)))]             Eq. 6
    A(x) = 1 − D(x)

Both forms of EL are lowest where D(G(z)) = α. Eq. 3 falls to −∞ there and its slope grows as 1/|α − D|; it is
computed as log max(|α − D|, ε), flat within ε = `clamp` of the fence.

Reference: P. C. Ngo et al., "Fence GAN: Towards Better Anomaly Detection", 2019 (arXiv 1904.01209), §III and
Algorithm 1.

Differs from the paper in:

* ε in Eq. 3 (see above), and 10⁻⁶ in the denominator of Eq. 4, where a collapsed generator would divide by 0.
* The released code differs from the text, and the variant "released" follows the code: cross-entropy to α; 15 epochs
  of D alone before the game; D before G; D updated on real and on generated rows apart, by one Adam (which makes γ
  weigh on the shared moments only); the generator in inference mode while D learns; and for MNIST ReLU before batch
  norm, β₁ = .5 and rates that do not decay. For CIFAR-10 its D's rate decays and G's does not; one `decay` serves both
  here.
* Table III prints a weight decay of .5 for D on CIFAR-10 without a formula: `discriminator_weight_decay` adds so many
  times the weights to their slopes.
* The code chose its epoch on labelled validation anomalies and printed precision-recall with the normal class
  positive; nothing here sees a label.
"""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..game import Batch, Optim, Player, Stage, Terms
from ..limits import Flag, Limit
from ..losses import cross_entropy
from ..networks import Family
from ..registry import Info, register
from .shared import FENCE, OPTIMISER, doubt, surrounding


@register("fencegan")
@dataclass(eq=False, repr=False, kw_only=True)
class FenceGAN(Detector):
    """Fence GAN (see the module's docstring).

    Parameters
    ----------
    alpha
        The value of D on the fence, in (0, 1).
    beta
        Weight of the dispersion, ≥ 0.
    gamma
        Weight of generated rows in D's loss, in (0, 1].
    encirclement
        "cross_entropy" or "log_distance" (Eq. 3).
    clamp
        ε of "log_distance".
    dispersion
        Distance in Eq. 4: "l2", "l1" or "linf".
    pretrain_epochs
        Epochs in which D learns alone before the game.
    apart
        D before G, and D updated on real and on generated rows apart, as the released code does; otherwise Algorithm 1.
    discriminator_lr, discriminator_optimiser
        D's own rate (None is `lr`) and optimiser: "adam", "sgd", "momentum" or "rmsprop".
    discriminator_weight_decay
        Weight decay of D, at least 0: so many times its weights are added to their slopes.
    decay
        Rates fall as lr / (1 + decay · t) with update t.
    """

    alpha: float = 0.5
    beta: float = 15.0
    gamma: float = 0.5
    encirclement: str = "cross_entropy"
    clamp: float = 1e-3
    dispersion: str = "l2"
    pretrain_epochs: int = 0
    apart: bool = False
    discriminator_lr: float | None = None
    discriminator_optimiser: str = "adam"
    discriminator_weight_decay: float = 0.0
    decay: float = 0.0

    info = Info("generator on the fence around normal rows", "Ngo et al., arXiv 1904.01209", 2019)
    scores = {"discriminator": {"discriminator": 1.0}}
    limits = {
        **Detector.limits,
        **FENCE,
        "gamma": Limit(0, 1, open_low=True),
        "pretrain_epochs": Limit(0, whole=True),
        "apart": Flag(),
        "discriminator_lr": Limit(0, open_low=True, none=True),
        "discriminator_optimiser": OPTIMISER,
        "discriminator_weight_decay": Limit(0),
        "decay": Limit(0),
    }

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G and D."""
        return {"generator": make.generator(), "discriminator": make.discriminator("x")}

    def stages(self) -> list[Stage]:
        """D alone for `pretrain_epochs`; then Algorithm 1: G, and D on fresh noise."""
        rate = self.lr if self.discriminator_lr is None else self.discriminator_lr
        optim = Optim(self.discriminator_optimiser, rate, self.momenta, self.decay, self.discriminator_weight_decay)
        d = ("discriminator",)
        judges: tuple[Player, ...] = (Player(d, self.discriminator_loss, optim),)
        if self.apart:
            judges = (
                Player(d, self.real_loss, optim, name="real", others="eval"),
                Player(d, self.fake_loss, optim, name="fake", others="eval", shares="real"),
            )
        fence = Player(("generator",), self.generator_loss, replace(self.adam, decay=self.decay))
        order = (*judges, fence) if self.apart else (fence, *judges)
        return [Stage(judges, name="pretrain", epochs=self.pretrain_epochs), Stage(order)]

    def generator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Eq. 5."""
        return surrounding(self, nets.discriminator, nets.generator(batch.noise()), batch)

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Eq. 6."""
        real, fake = nets.discriminator.both((batch.x,), (nets.generator(batch.noise()),))
        return {"real": cross_entropy(real, 1.0), "fake": self.gamma * cross_entropy(fake, 0.0)}

    def real_loss(self, nets: Any, batch: Batch) -> Terms:
        """−log D(x)."""
        return {"real": cross_entropy(nets.discriminator(batch.x)[0], 1.0)}

    def fake_loss(self, nets: Any, batch: Batch) -> Terms:
        """−γ log(1 − D(G(z)))."""
        made = nets.generator(batch.noise())
        return {"fake": self.gamma * cross_entropy(nets.discriminator(made)[0], 0.0)}

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """1 − D(x)."""
        return {"discriminator": doubt(nets.discriminator(x)[0])}
