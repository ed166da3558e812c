"""ALAD: a BiGAN that is also held to come back to where it started, judged in the features of pairs (x, x').

Three discriminators learn together, and G and E fool all three::

    D_xz   real (x, E(x))   fake (G(z), z)         as EGBAD
    D_xx   real (x, x)      fake (x, G(E(x)))      V_ALICE: rows come back
    D_zz   real (z, z)      fake (z, E(G(z)))      V_ALAD: so do latent vectors; left out with dzz=False

    L_D = mean Σ over the three [−log D(real) − log(1 − D(fake))]
    L_G = mean [−log D_xz(G(z), z) − log(1 − D_xz(x, E(x))) − log D_xx(x, G(E(x))) − log D_zz(z, E(G(z)))]

    A(x) = ‖f_xx(x, x) − f_xx(x, G(E(x)))‖₁        feature,         score kind "fm", the paper's
    A(x) = −log D_xx(x, G(E(x)))                   cross_entropy,   score kind "ch"
    A(x) = ‖x − G(E(x))‖₁                          residual,        score kind "l1"
    A(x) = ‖x − G(E(x))‖₂                          residual_l2,     score kind "l2"

Reference: H. Zenati et al., "Adversarially Learned Anomaly Detection", ICDM 2018 (arXiv 1812.02288); released code:
commit 1f1c310. The paper's text was not at hand: all this is read from its code, and what is said of the paper is from
memory.

Differs from the paper in:

* The code adds log(1 − D_xx(x, x)) and log(1 − D_zz(z, z)) to the loss of G and E: neither depends on them, and they
  are left out.
* The code learns with D_zz even where its cost is switched off; `dzz=False` has no D_zz at all.
* One Adam serves all five updates of the code, so that its bias correction fades five times as fast; here
  discriminators have one, generator and encoder another.
* The code puts the two images of a pair one below the other (join "height"); by default ours lie over each other as
  channels.
* Spectral normalisation keeps its power iteration still while rows are scored; the code's goes on. The code has it in
  image networks alone, the encoder among them, as the preset for CIFAR-10 has; by default ours is for discriminators,
  of tables too.
* The code tests the last weights although it says that it restores the best; here no epoch is picked. It leaves
  KDD99 unscaled: variant "released"; the variant "printed" is the same with the min-max scaling of EGBAD's text. Of
  Arrhythmia and CIFAR-10 there is the code's variant alone, and no stop on validation scores.
* The average's decay .999 of the code covers G, E and D_xx; ours covers all networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..detector import Detector
from ..distances import l1
from ..game import Batch, Player, Stage, Terms
from ..limits import Flag, OneOf
from ..losses import Adversary, adversary_named, cross_entropy
from ..networks import Family
from ..registry import Info, register
from .shared import ADVERSARY, encoder_code, judged, judging

Pair = tuple[Sequence[Tensor], Sequence[Tensor]]


@register("alad")
@dataclass(eq=False, repr=False, kw_only=True)
class ALAD(Detector):
    """Adversarially learned anomaly detection (see the module's docstring).

    Parameters
    ----------
    adversary
        GAN loss by name or object, of all three discriminators.
    dzz
        Whether there is a third discriminator, of pairs of latent vectors.
    spectral
        Spectral normalisation in the family's own discriminators; layer tables say it row by row.
    join
        How two images are joined for D_xx: "channels" or, as the released code does, "height". Rows of tables are put
        end to end.
    own_rows
        Draw the rows that train generator and encoder from a shuffle of their own, as the released code does.
    """

    adversary: str | Adversary = "non_saturating"
    dzz: bool = True
    spectral: bool = True
    join: str = "channels"
    own_rows: bool = False

    info = Info(
        "BiGAN with cycles, judged in features of pairs",
        "Zenati et al., ICDM 2018",
        2018,
        ("encoder",),
        source="unverified",
    )
    scores = {
        "fm": {"feature": 1.0},
        "ch": {"cross_entropy": 1.0},
        "l1": {"residual": 1.0},
        "l2": {"residual_l2": 1.0},
    }
    limits = {
        **Detector.limits,
        "adversary": ADVERSARY,
        "dzz": Flag(),
        "spectral": Flag(),
        "join": OneOf(("channels", "height")),
        "own_rows": Flag(),
    }

    def build(self, make: Family) -> dict[str, nn.Module]:
        """G, E, and the discriminators of (x, z), (x, x) and (z, z)."""
        made: dict[str, nn.Module] = {"generator": make.generator(), "encoder": make.encoder()}
        for name, arguments in self.judges.items():
            made[name] = make.discriminator(arguments, name, join=self.join, spectral=self.spectral)
        return made

    @property
    def judges(self) -> dict[str, str]:
        """Names of the discriminators and what each is shown."""
        return {"discriminator": "xz", "discriminator_xx": "xx"} | ({"discriminator_zz": "zz"} if self.dzz else {})

    def stages(self) -> list[Stage]:
        """All discriminators; then G and E together."""
        both = Player(("generator", "encoder"), self.generator_loss, self.adam, own_rows=self.own_rows)
        return [Stage((judging(self.adversary, self.discriminator_loss, self.adam, tuple(self.judges)), both))]

    def pairs(self, nets: Any, batch: Batch) -> dict[str, Pair]:
        """Real and fake pairs of each discriminator, on fresh noise."""
        x, z = batch.x, batch.noise()
        encoded, made = nets.encoder(x), nets.generator(z)
        pairs: dict[str, Pair] = {
            "discriminator": ((x, encoded), (made, z)),
            "discriminator_xx": ((x, x), (x, nets.generator(encoded))),
        }
        return pairs | ({"discriminator_zz": ((z, z), (z, nets.encoder(made)))} if self.dzz else {})

    def discriminator_loss(self, nets: Any, batch: Batch) -> Terms:
        """Real against fake pairs, for each discriminator."""
        adversary = adversary_named(self.adversary)
        return {
            f"{self.judges[name]}_{term}": value
            for name, (real, fake) in self.pairs(nets, batch).items()
            for term, value in judged(adversary, getattr(nets, name), real, fake).items()
        }

    def generator_loss(self, nets: Any, batch: Batch) -> Terms:
        """G and E want their fake pairs to pass for real, and E its own pairs (x, E(x)) to pass for generated."""
        adversary = adversary_named(self.adversary)
        pairs = self.pairs(nets, batch)
        real, fake = nets.discriminator.both(*pairs.pop("discriminator"))
        returned = {
            f"cycle_{self.judges[name]}": adversary.fool(getattr(nets, name)(*pair)[0])
            for name, (_, pair) in pairs.items()
        }
        return {"generator": adversary.fool(fake), "encoder": adversary.fool_real(real), **returned}

    code = encoder_code

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """The four published scores."""
        remade = nets.generator(nets.encoder(x))
        logit, features_remade = nets.discriminator_xx(x, remade)
        return {
            "feature": l1(nets.discriminator_xx(x, x)[1], features_remade),
            "cross_entropy": cross_entropy(logit, 1.0),
            "residual": self.residual(x, remade),
            "residual_l2": self.residual(x, remade, "l2"),
        }
