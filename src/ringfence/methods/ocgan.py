"""OCGAN: an autoencoder whose whole latent cube decodes to normal rows, so that an anomaly can't be remade.

With u ~ U(−1, 1)^d, n ~ N(0, noise²), a code En(x + n) within (−1, 1)^d, and x̂ = De(En(x + n))::

    L_v = −log D_v(x) − log(1 − D_v(De(u)))                   visual discriminator
    L_l = −log D_l(u) − log(1 − D_l(En(x + n)))               latent discriminator
    L_C = −log C(x̂) − log(1 − C(De(u)))                       weak classifier, C(·) is "in class"
    z   = u, then a few steps down −log(1 − C(De(z))), each put back into the cube: an informative negative
    L   = −log D_v(De(z)) − w log D_l(En(x + n)) + λ d(x, x̂),   λ = 10, w = 1    En and De
    A(x) = d(x, De(En(x)))              score kind "residual", d the mean squared error by default
    A(x) = 1 − D_v(De(En(x)))           score kind "visual"
    A(x) = 1 − D_v(x)                   score kind "discriminator"

Reference: P. Perera et al., "OCGAN: One-class Novelty Detection Using GANs with Constrained Latent Representations",
CVPR 2019; released code: PramuPerera/OCGAN, commit 0dda279. The paper's text was not at hand: the formulas are from
memory and its code, so they have no numbers here.

Differs from the paper in:

* The released code leaves the encoder's end unbounded by default; here it is always tanh, and a layer table that ends
  otherwise is refused.
* Its D_l has 16 sigmoid outputs and a loss that applies a sigmoid again; ours has one logit.
* Its D_v sees De(u), its decoder learns from De(tanh u), which reaches ±.76 alone; here both are U(−1, 1) until mining.
* It mines from epoch 151 of 201 on, by one step of SGD on the argument of a tanh; here from a share `mine_from` of the
  training on, by `mine_steps` plain steps on z itself. Mining leaves batch norm's running statistics alone.
* It does not run: the iterator is reset inside of the batch loop, so that the first epoch never ends.
* Its λ is 500 by default and 10 in its README's command, on half the mean of squares; ours is 10 on the whole mean.
* It weighs −log D_l in L by 10; ours is the formula's 1, and `latent_weight=10` is the code's. Its ½ before L_v + L_l
  changes nothing under Adam. Every player draws u and n anew.
* It adds noise to the rows that are scored too; here a score is a function of the row.
* The noise falls on the columns of categories as well; their part of d is their cross-entropy.
"""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..exceptions import InvalidParameter
from ..game import Batch, Player, Stage, Terms
from ..inversion import mine
from ..limits import Limit, OneOf
from ..losses import Adversary, NonSaturating, adversary_named, cross_entropy
from ..networks import Family, Row, untracked
from ..registry import Info, register
from ..walks import RATE
from .shared import ADVERSARY, ROW_DISTANCE, doubt, encoder_code, judged, judging, weights


@register("ocgan")
@dataclass(eq=False, repr=False, kw_only=True)
class OCGAN(Detector):
    """One-class GAN with a bounded latent space (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss of D_v and D_l by name or object; C always lowers its cross-entropy.
    residual_weight, latent_weight
        λ and w, ≥ 0.
    residual_distance
        d, in training and in the score: one of `ringfence.distances.ROW_DISTANCES`.
    noise
        Standard deviation of n, on the scale of the scaled rows.
    mine_from
        Share of the training after which informative negatives are mined, 0 to 1; 1 never mines.
    mine_steps, mine_rate
        Gradient steps of the mining, and how far each goes on a slope of 1.
    """

    prior: str = "uniform"
    adversary: str | Adversary = "non_saturating"
    residual_weight: float = 10.0
    latent_weight: float = 1.0
    residual_distance: str = "mean_squared"
    noise: float = 0.2
    mine_from: float = 0.75
    mine_steps: int = 5
    mine_rate: float = 1.0

    info = Info(
        "denoising autoencoder with a bounded latent space, two discriminators and mined negatives",
        "Perera et al., CVPR 2019",
        2019,
        ("encoder",),
        source="unverified",
    )
    scores = {"residual": {"residual": 1.0}, "visual": {"visual": 1.0}, "discriminator": {"discriminator": 1.0}}
    limits = {
        **Detector.limits,
        "prior": OneOf(("uniform",)),  # the cube is what codes are held to
        "adversary": ADVERSARY,
        **weights("residual_weight", "latent_weight", "noise"),
        "residual_distance": ROW_DISTANCE,
        "mine_from": Limit(0, 1),
        "mine_steps": Limit(1, whole=True),
        "mine_rate": RATE,
    }

    def build(self, make: Family) -> dict[str, nn.Module]:
        """En, De, D_v, D_l and C."""
        encoder = make.encoder(change=bounded)
        if encoder.table[-1].act != "tanh":
            raise InvalidParameter(
                f"layers: encoder ends in act={encoder.table[-1].act!r}: codes of ocgan lie within (−1, 1), "
                "so its last row needs act='tanh'"
            )
        return {
            "encoder": encoder,
            "generator": make.generator(),
            "discriminator": make.discriminator("x"),
            "latent_discriminator": make.discriminator("z", "latent_discriminator"),
            "classifier": make.discriminator("x", "classifier"),
        }

    def stages(self) -> list[Stage]:
        """D_v, D_l and C; then En and De together."""
        players = (
            judging(self.adversary, self.visual_loss, self.adam),
            judging(self.adversary, self.latent_loss, self.adam, ("latent_discriminator",)),
            Player(("classifier",), self.classifier_loss, self.adam),
            Player(("encoder", "generator"), self.autoencoder_loss, self.adam),
        )
        return [Stage(players)]

    def visual_loss(self, nets: Any, batch: Batch) -> Terms:
        """L_v: rows against decodings of random latent vectors."""
        made = nets.generator(batch.noise())
        return judged(adversary_named(self.adversary), nets.discriminator, (batch.x,), (made,))

    def latent_loss(self, nets: Any, batch: Batch) -> Terms:
        """L_l: random latent vectors against codes."""
        z = self.noisy_code(nets, batch)
        return judged(adversary_named(self.adversary), nets.latent_discriminator, (batch.noise(),), (z,))

    def classifier_loss(self, nets: Any, batch: Batch) -> Terms:
        """L_C: reconstructions against decodings of random latent vectors."""
        remade = nets.generator(self.noisy_code(nets, batch))
        return judged(NonSaturating(), nets.classifier, (remade,), (nets.generator(batch.noise()),))

    def autoencoder_loss(self, nets: Any, batch: Batch) -> Terms:
        """L, with z mined once `mine_from` of the training is over."""
        adversary = adversary_named(self.adversary)
        u = batch.noise()
        z = u if batch.progress < self.mine_from else self.mined(nets, u)
        visual, _ = nets.discriminator(nets.generator(z))
        code = self.noisy_code(nets, batch)
        latent, _ = nets.latent_discriminator(code)
        return {
            "visual": adversary.fool(visual),
            "latent": self.latent_weight * adversary.fool(latent),
            "residual": self.residual_weight * self.residual(batch.x, nets.generator(code), self.residual_distance),
        }

    def noisy_code(self, nets: Any, batch: Batch) -> Tensor:
        """En(x + n)."""
        z: Tensor = nets.encoder(batch.x + self.noise * batch.normal(batch.x))
        return z

    def mined(self, nets: Any, u: Tensor) -> Tensor:
        """Informative negatives: latent vectors near u whose decodings C takes for less in class."""

        def in_class(z: Tensor) -> Tensor:
            return cross_entropy(nets.classifier(nets.generator(z))[0], 0.0)

        with untracked(nets.generator):
            return mine(in_class, u, self.mine_steps, self.mine_rate, lambda z: z.clamp(-1.0, 1.0))

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """The residual without noise, and what D_v says of the reconstruction and of the row."""
        remade = nets.generator(nets.encoder(x))
        return {
            "residual": self.residual(x, remade, self.residual_distance),
            "visual": doubt(nets.discriminator(remade)[0]),
            "discriminator": doubt(nets.discriminator(x)[0]),
        }


def bounded(row: Row) -> Row:
    """A row of the family's own encoder, its linear end made a tanh."""
    return replace(row, act="tanh") if row.act == "linear" else row
