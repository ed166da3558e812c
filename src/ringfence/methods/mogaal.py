"""MO-GAAL: k generators, each after a level of D of its own, so that together they surround the normal rows.

With sub-generators i = 0 … k − 1::

    T_i = the i/k quantile of D over the normal rows
    L_D = mean [−log D(x) − log(1 − D(G(z)))]
    L_i = mean [−T_i log D(G_i(z)) − (1 − T_i) log(1 − D(G_i(z)))]      over its own rows, until `stop` of the
                                                                        training is over
    A(x) = 1 − D(x)

G_0 is after rows that D doubts as much as the most doubtful normal one, the last G after rows that it trusts as much as
the most trusted: each comes to lie at another distance from the data. G_i makes a share of the generated rows that is
in proportion to k − i.

Reference: Y. Liu et al., "Generative Adversarial Active Learning for Unsupervised Outlier Detection", IEEE TKDE 2019;
released code: leibinghe/GAAL-based-outlier-detection, commit b614cd3.

Differs from the paper in:

* The text was not at hand; losses, order and constants are those of the released code.
* The quantiles are those of the batch; the code asks D about all rows in every step.
* In the code every sub-generator learns from as many rows as a batch has; here from its own share, as D does, each by
  the mean over its rows.
* The sub-generators are one network with shares of the batch in turn; `sample` draws from all of them.
* Networks, noise, optimisers, the choice of `stop` and the rows that train are as :mod:`ringfence.methods.sogaal` says.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..detector import Detector
from ..exceptions import InvalidParameter
from ..game import Batch, Stage, Terms
from ..limits import Limit
from ..losses import cross_entropy
from ..networks import Family, turns
from ..registry import Info, register
from .shared import STOPPING, doubt, stopping_stage


def levels(probability: Tensor, count: int, members: int = 1) -> Tensor:
    """T_i: the i/count quantiles of each member's D(x), i = 0 … count − 1, linear between rows; (k·b,) → (k, count)."""
    steps = torch.arange(count, dtype=probability.dtype, device=probability.device) / count
    return torch.quantile(probability.view(members, -1), steps, dim=1).t()


@register("mogaal")
@dataclass(eq=False, repr=False, kw_only=True)
class MOGAAL(Detector):
    """Multiple-objective generative adversarial active learning (see the module's docstring).

    Parameters
    ----------
    generators
        How many sub-generators, at least 2 and at most `batch_size`.
    stop
        Share of the training after which the generators stop; above 0, at most 1.
    generator_lr
        The generators' rate, above 0; None is `lr`.
    optimiser
        Of D and the generators: "adam", "sgd", "momentum" (SGD with the momentum `beta1`) or "rmsprop".
    decay
        Rates fall as lr / (1 + decay · t) with update t; at least 0.
    """

    prior: str = "uniform"
    latent_dim: int = 64
    generators: int = 10
    stop: float = 0.9
    generator_lr: float | None = None
    optimiser: str = "adam"
    decay: float = 0.0

    info = Info("many generators, each after a level of D", "Liu et al., IEEE TKDE 2019", 2019, source="unverified")
    scores = {"discriminator": {"discriminator": 1.0}}
    limits = {**Detector.limits, "generators": Limit(2, whole=True), **STOPPING}

    def build(self, make: Family) -> dict[str, nn.Module]:
        """D and the sub-generators."""
        return {"discriminator": make.discriminator("x"), "generator": make.generators(self.generators)}

    def stages(self) -> list[Stage]:
        """D, then the sub-generators while they play, on fresh noise."""
        if self.generators > self.batch_size:
            raise InvalidParameter(
                f"generators={self.generators}: allowed are at most as many as a step has rows, {self.batch_size} "
                "(`batch_size`)"
            )
        return [stopping_stage(self, self.approach)]

    def approach(self, nets: Any, batch: Batch) -> Terms:
        """Cross-entropy of each generated row to the level of the sub-generator that made it.

        Weighed so that the loop's mean over all rows is the sum over sub-generators of means over their own.
        """
        real, fake = nets.discriminator.both((batch.x,), (nets.generator(batch.noise()),))
        level = levels(torch.sigmoid(real), self.generators, batch.members)
        rows = len(fake) // batch.members
        turn = turns(rows, self.generators, fake.device)
        weight = (rows / torch.bincount(turn, minlength=self.generators))[turn]
        return {"level": weight.repeat(batch.members) * cross_entropy(fake, level[:, turn].flatten())}

    def score_parts(self, nets: Any, x: Tensor) -> dict[str, Tensor]:
        """1 − D(x)."""
        return {"discriminator": doubt(nets.discriminator(x)[0])}
