"""Bad GAN: the generator makes what normal rows are not, close to them, and D, which tells the two apart, is the score.

A generator that imitates perfectly teaches D nothing. The preferred one has its mass where normal rows are rare, all
round them: its samples are spread out (entropy, by the pull-away term), it leaves where density is high, and its
features are those of normal rows on average, so that it stays near. With f the features of D, d = logit D::

    PT  = 1/(n (n − 1)) Σ_{i≠j} (f(x̂ᵢ)ᵀ f(x̂ⱼ) / (‖f(x̂ᵢ)‖ ‖f(x̂ⱼ)‖))²,  x̂ = G(z)
    LD  = mean max(0, d(x̂) − ε),  ε = the q-quantile of d(x) over the batch
    FM  = ‖mean f(x̂) − mean f(x)‖²
    L_G = w_e PT + w_d LD + w_f FM
    L_D = mean [−log D(x) − γ log(1 − D(x̂))]
    A(x) = 1 − D(x)

Reference: Z. Dai et al., "Good Semi-supervised Learning That Requires a Bad GAN", NeurIPS 2017 (arXiv 1705.09783);
released code: kimiyoung/ssl_bad_gan, commit 7109ad0. The paper's text was not at hand: all this is read from its code,
and what the code lacks, its three terms in one loss, is from memory.

Differs from the paper in:

* The density is a PixelCNN's, trained before, ε the 10 % quantile of its log p (in the code over the test set). Here d,
  the logarithm of normal rows' density over generated ones', stands for log p, and ε is measured on the batch at hand:
  no second model, rows of any kind, and no row but the training's.
* The paper classifies: D has an output for each class, and terms for labelled rows and for the classes' entropy. With
  one class of normal rows those are nothing, and D's own two terms are the plain ones (the code halves both).
* No released trainer has all three terms: MNIST's has FM and LD, from step 9,000 on with probability .1, SVHN's FM and
  PT, CIFAR-10's FM and, instead of PT, a variational bound of the entropy. Weights are ours.
* The code divides LD by the number of rows beyond ε, here it is a mean over all. Its FM is a mean of squares for MNIST
  and of absolutes for SVHN and CIFAR-10 (`feature_distance`); by default ours is a sum of squares, the norm above.
* Rates do not fall. By default G and D share rate and β₁, and D has no noise between its layers and no weight
  normalisation; the preset has what the code has for MNIST.
* The code sets the scales of D's normalised weights on 500 rows with noise between the layers, here without.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..detector import Detector
from ..distances import DISTANCES
from ..game import Batch, Optim, Player, Stage, Terms
from ..limits import Limit
from ..losses import cross_entropy
from ..networks import Family, settle
from ..registry import Info, register
from .shared import DISTANCE, doubt, weights


def pull_away(features: Tensor) -> Tensor:
    """PT for one batch, (b, f) → (): the mean squared cosine over pairs of different rows, 0 to 1."""
    unit = F.normalize(features.flatten(1), dim=1)
    squares = (unit @ unit.T).square()
    return (squares.sum() - squares.diagonal().sum()) / (len(unit) * (len(unit) - 1))


@register("badgan")
@dataclass(eq=False, repr=False, kw_only=True)
class BadGAN(Detector):
    """Bad GAN (see the module's docstring).

    Parameters
    ----------
    entropy_weight, density_weight, feature_weight
        w_e, w_d and w_f of the generator's terms, ≥ 0.
    density_quantile
        q, share of the normal rows of a batch that lie below ε, 0 to below 1.
    feature_distance
        Of the two means in FM.
    gamma
        γ, weight of generated rows in D's loss, in (0, 1].
    generator_lr, generator_beta1
        The generator's own rate, above 0, and β₁, 0 to below 1; None is D's.
    """

    entropy_weight: float = 1.0
    density_weight: float = 1.0
    density_quantile: float = 0.1
    feature_weight: float = 1.0
    feature_distance: str = "l2_squared"
    gamma: float = 1.0
    generator_lr: float | None = None
    generator_beta1: float | None = None

    info = Info("generator of what normal rows are not", "Dai et al., NeurIPS 2017", 2017, source="unverified")
    scores = {"discriminator": {"discriminator": 1.0}}
    limits = {
        **Detector.limits,
        **weights("entropy_weight", "density_weight", "feature_weight"),
        "density_quantile": Limit(0, 1, open_high=True),
        "feature_distance": DISTANCE,
        "gamma": Limit(0, 1, open_low=True),
        "generator_lr": Limit(0, open_low=True, none=True),
        "generator_beta1": Limit(0, 1, open_high=True, none=True),
    }

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G and D."""
        return {"generator": make.generator(), "discriminator": make.discriminator("x")}

    def stages(self) -> list[Stage]:
        """D, then G; weights of D that are normalised are first settled on normal rows."""
        rate = self.lr if self.generator_lr is None else self.generator_lr
        beta1 = self.beta1 if self.generator_beta1 is None else self.generator_beta1
        made = Player(("generator",), self.generator_loss, Optim("adam", rate, (float(beta1), self.momenta[1])))
        judge = Player(("discriminator",), self.discriminator_loss, self.adam)
        return [Stage((judge, made), before=lambda nets, rows: settle(nets.discriminator, rows))]

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Normal rows against their complement."""
        real, fake = nets.discriminator.both((batch.x,), (nets.generator(batch.noise()),))
        return {"real": cross_entropy(real, 1.0), "fake": self.gamma * cross_entropy(fake, 0.0)}

    def generator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Spread out, where normal rows are rare, with their features on average."""
        real_logit, real = nets.discriminator(batch.x)
        logit, made = nets.discriminator(nets.generator(batch.noise()))
        dense = F.relu(logit - batch.whole(self.threshold, real_logit))
        return {
            "entropy": self.entropy_weight * batch.whole(pull_away, made),
            "density": self.density_weight * dense,
            "feature": self.feature_weight * batch.whole(self.means_apart, torch.stack([made, real], 1)),
        }

    def threshold(self, logit: Tensor) -> Tensor:
        """ε of one batch, (b,) → (): the q-quantile of normal rows' logits."""
        return torch.sort(logit).values[int(self.density_quantile * len(logit))]

    def means_apart(self, pairs: Tensor) -> Tensor:
        """FM of one batch, generated and normal features side by side (b, 2, f) → ()."""
        made, real = pairs.mean(0)
        return DISTANCES[self.feature_distance](made[None], real[None])[0]

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """1 − D(x)."""
        return {"discriminator": doubt(nets.discriminator(x)[0])}
