"""What several methods have in common, each thing once: hyperparameters, the plain GAN game, hooks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..chunks import over
from ..detector import Detector
from ..distances import DISTANCES, IMAGE_DISTANCES, ROW_DISTANCES, mean_squared
from ..game import ROWS, Batch, Optim, Player, Stage, Terms, batches, stream
from ..limits import Flag, Limit, OneOf, Rule
from ..losses import ADVERSARIES, Adversary, adversary_named, cross_entropy
from ..networks import Discriminator, Family
from ..networks.minibatch import Minibatch
from ..optimisers import OPTIMISERS

ADVERSARY: OneOf = OneOf(tuple(ADVERSARIES), objects=Adversary)
"""What the hyperparameter `adversary` may be, for every method that has it."""

DISTANCE = OneOf(tuple(DISTANCES))
"""What a hyperparameter that names a distance of features or latent vectors may be."""

ROW_DISTANCE: OneOf = OneOf(tuple(ROW_DISTANCES), images=tuple(IMAGE_DISTANCES))
"""What a hyperparameter that names a distance of rows from their reconstructions may be."""


OPTIMISER: OneOf = OneOf(tuple(OPTIMISERS))
"""What a hyperparameter that names an optimiser may be."""

STOPPING: dict[str, Rule] = {
    "stop": Limit(0, 1, open_low=True),
    "generator_lr": Limit(0, open_low=True, none=True),
    "optimiser": OPTIMISER,
    "decay": Limit(0),
}
"""Limits of the hyperparameters that `stopping_stage` reads."""

Loss = Callable[[Any, Batch], Terms]


def weights(*names: str) -> dict[str, Limit]:
    """Limits of hyperparameters that weigh a term: at least 0."""
    return {name: Limit(0) for name in names}


def encoder_code(self: Any, nets: Any, x: Tensor) -> Tensor:
    """E(x): the hook `code` of a method whose network `encoder` gives the latent vector."""
    z: Tensor = nets.encoder(x)
    return z


def apart(self: Any, nets: Any, x: Tensor, remade: Tensor, distance: str) -> tuple[Tensor, Tensor]:
    """Distance of rows, and the mean squared difference of D's features of them."""
    features, features_remade = nets.discriminator(x)[1], nets.discriminator(remade)[1]
    return self.residual(x, remade, distance), mean_squared(features, features_remade)


def izi_f(self: Any, kappa: float, distance: str = "mean_squared") -> Loss:
    """f-AnoGAN's loss of an encoder, from row to z to row: in values and, weighed by `kappa`, in D's features."""

    def loss(nets: Any, batch: Batch) -> Terms:
        residual, feature = apart(self, nets, batch.x, nets.generator(nets.encoder(batch.x)), distance)
        return {"residual": residual, "feature": kappa * feature}

    return loss


def encoder_stage(loss: Loss, optim: Optim, epochs: int | None) -> Stage:
    """E learns alone after the GAN, whose networks are in inference mode."""
    return Stage((Player(("encoder",), loss, optim, others="eval"),), name="encoder", epochs=epochs)


def doubt(logit: Tensor) -> Tensor:
    """1 − σ(logit) in float64, where it still tells rows apart that float32 would call certain."""
    return torch.sigmoid(-logit.double())


def judging(
    adversary: str | Adversary,
    loss: Callable[[Any, Batch], Terms],
    optim: Optim,
    names: Sequence[str] = ("discriminator",),
) -> Player:
    """Make the player that moves discriminators, of whose weights the adversary has the last word.

    Raises `InvalidParameter` for an adversary that is not known, or is with a parameter that is not allowed.
    """
    chosen = adversary_named(adversary)

    def after(nets: Any) -> None:
        for name in names:
            chosen.after(getattr(nets, name))

    return Player(tuple(names), loss, optim, after=after)


def fooling(adversary: Adversary, nets: Any, batch: Batch) -> Terms:
    """G's term where D's verdict moves it."""
    logit, _ = nets.discriminator(nets.generator(batch.noise()))
    return {"adversarial": adversary.fool(logit)}


def matching(adversary: Adversary, nets: Any, batch: Batch) -> Terms:
    """G's term where D's features move it: ‖mean f(x) − mean f(G(z))‖₂² (Salimans et al. 2016, §3.1)."""
    apart = nets.discriminator(batch.x)[1] - nets.discriminator(nets.generator(batch.noise()))[1]
    return {"feature": batch.whole(lambda each: each.mean(0).square().sum(), apart)}


GENERATOR_LOSSES: dict[str, Callable[[Adversary, Any, Batch], Terms]] = {
    "adversary": fooling,
    "feature_matching": matching,
}
"""What may move the generator of a plain GAN; the discriminator's loss is the adversary's in any case."""


def gan_stage(adversary: Adversary, optim: Optim, every: int = 1, generator_loss: str = "adversary") -> Stage:
    """The game of Eq. 1 and 2: D, then G in every so many steps, each with an optimiser of its own."""

    def imitate(nets: Any, batch: Batch) -> Terms:
        return GENERATOR_LOSSES[generator_loss](adversary, nets, batch)

    judge = against_noise(adversary)
    return Stage((judging(adversary, judge, optim), Player(("generator",), imitate, optim, every=every)))


def stopping_stage(self: Any, imitate: Loss) -> Stage:
    """SO-GAAL's and MO-GAAL's game: D, then G at a rate of its own until `stop` is over; D goes on alone."""
    optim = Optim(self.optimiser, self.lr, self.momenta, self.decay)
    slower = optim if self.generator_lr is None else replace(optim, lr=self.generator_lr)
    judge = judging("non_saturating", against_noise(adversary_named("non_saturating")), optim)
    return Stage((judge, Player(("generator",), imitate, slower, until=self.stop)))


def against_noise(adversary: Adversary) -> Loss:
    """D's loss in a game for x and G(z), on fresh noise."""

    def judge(nets: Any, batch: Batch) -> Terms:
        return judged(adversary, nets.discriminator, (batch.x,), (nets.generator(batch.noise()),))

    return judge


def judged(adversary: Adversary, judge: Discriminator, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Terms:
    """Return a discriminator's terms on real and fake arguments, and its penalties."""
    real_logit, fake_logit = judge.both(real, fake)
    return {
        "real": adversary.real(real_logit),
        "fake": adversary.fake(fake_logit),
        **adversary.penalties(judge, real, fake),
    }


def mean_logit(nets: Any, rows: Any) -> Tensor:
    """Mean of D over all training rows, (): what its answers, which are no probabilities, can be set against."""
    logits = over(rows, lambda x: {"logit": nets.discriminator(x)[0]})["logit"]
    return logits.double().mean()


@dataclass(eq=False, repr=False, kw_only=True)
class PlainGAN(Detector):
    """What detectors around a plain GAN, G and D(x), have in common.

    Parameters
    ----------
    adversary
        GAN loss by name or object.
    generator_loss
        What moves G: "adversary", or "feature_matching" (Salimans et al. 2016): G brings the mean of D's features over
        its rows to the mean over the batch, and the adversary moves D alone.
    minibatch
        Units of minibatch discrimination (Salimans et al. 2016) in D, 0 for none: D sees how near rows are to those of
        their batch, and a row to be scored is put among training rows that were kept.
    spectral
        Spectral normalisation (Miyato et al. 2018) in D's own layers but the last; layer tables say it row by row.
    """

    adversary: str | Adversary = "non_saturating"
    generator_loss: str = "adversary"
    minibatch: int = 0
    spectral: bool = False

    limits = {
        **Detector.limits,
        "adversary": ADVERSARY,
        "generator_loss": OneOf(tuple(GENERATOR_LOSSES)),
        "minibatch": Limit(0, whole=True),
        "spectral": Flag(),
    }

    @property
    def gan(self) -> Stage:
        """The game of G and D."""
        return gan_stage(adversary_named(self.adversary), self.adam, generator_loss=self.generator_loss)

    def pair(self, make: Family) -> dict[str, nn.Module]:
        """G and D; G's weights are drawn first, as the records' were."""
        generator = make.generator()
        judge = make.discriminator("x", minibatch=self.minibatch, spectral=self.spectral)
        return {"generator": generator, "discriminator": judge}

    def finish(self, nets: Any, rows: Any) -> None:
        """Keep some training rows, drawn by the seed, for a D that puts rows among others."""
        if not self.minibatch:
            return
        count = len(rows)
        chosen = torch.randperm(count, generator=stream(self.seed_, ROWS, 1))[: Minibatch.REFERENCE]
        others = count / batches(count, self.batch_size) - 1
        nets.discriminator.remember(rows.index_select(0, chosen.to(rows.device)), others=others)


# Keeps Eq. 4 of Fence GAN finite when all generated rows fall together.
COLLAPSED = 1e-6


def log_distance(logit: Tensor, alpha: float, clamp: float) -> Tensor:
    """Eq. 3 of Fence GAN for each row: log max(|α − σ(logit)|, clamp)."""
    return (alpha - torch.sigmoid(logit)).abs().clamp_min(clamp).log()


def cross_entropy_to(logit: Tensor, alpha: float, clamp: float) -> Tensor:
    """Cross-entropy of D(G(z)) to α for each row, as Fence GAN's released code has it; it needs no clamp."""
    return cross_entropy(logit, alpha)


DISPERSIONS = {name: DISTANCES[name] for name in ("l2", "l1", "linf")}
ENCIRCLEMENTS = {"log_distance": log_distance, "cross_entropy": cross_entropy_to}
FENCE: dict[str, Rule] = {
    "alpha": Limit(0, 1, open_low=True, open_high=True),
    "beta": Limit(0),
    "encirclement": OneOf(tuple(ENCIRCLEMENTS)),
    "clamp": Limit(0, 1, open_low=True, open_high=True),
    "dispersion": OneOf(tuple(DISPERSIONS)),
}
"""What the hyperparameters of a generator that surrounds normal rows may be."""


def inverse_spread(made: Tensor, distance: str = "l2") -> Tensor:
    """Eq. 4 of Fence GAN for one batch, (b, …) → (): the inverse of the mean distance from the batch's centre."""
    centre = made.mean(0, keepdim=True).expand_as(made)
    return 1.0 / (DISPERSIONS[distance](made, centre).mean() + COLLAPSED)


def surrounding(self: Any, judge: Discriminator, made: Tensor, batch: Batch) -> Terms:
    """Eq. 5 of Fence GAN on generated rows, for a method that has the hyperparameters of `FENCE`."""
    encircle = ENCIRCLEMENTS[self.encirclement]
    return {
        "encirclement": encircle(judge(made)[0], self.alpha, self.clamp),
        "dispersion": self.beta * batch.whole(lambda each: inverse_spread(each, self.dispersion), made),
    }
