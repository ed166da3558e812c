"""GAN losses: what a discriminator's logits are worth to those who play, by a small object for each published loss.

Every function takes logits or rows and returns one value a row, so that a term can be weighted, logged and averaged
for each member by the training loop. A discriminator's logit is high for what it takes to be real.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from .exceptions import InvalidParameter, unknown_name
from .limits import Limit, check_limits


def cross_entropy(logit: Tensor, target: float | Tensor) -> Tensor:
    """−target · log σ(logit) − (1 − target) · log(1 − σ(logit)), one value a row."""
    if isinstance(target, Tensor) or 0.0 < target < 1.0:
        return F.softplus(logit) - target * logit
    # The same without a difference, which would lose what is left of a large logit.
    return F.softplus(-logit) if target else F.softplus(logit)


def slope(fn: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∇ₓ of a function of rows, in the shape of `x`.

    Parameters
    ----------
    fn
        (n, …) → (n,), each value a function of its own row.
    x
        (n, …); left as it is.

    Returns
    -------
    The slope at each row. Where gradients are on it can be learned from itself, through `fn` and, if `x` requires them,
    through `x`; where they are off it is found all the same, and holds no graph.
    """
    learned = torch.is_grad_enabled()
    with torch.enable_grad():
        place = x if x.requires_grad else x.detach().requires_grad_()
        (found,) = torch.autograd.grad(fn(place).sum(), place, create_graph=learned)
    return found


class Adversary(BaseEstimator, ABC):  # type: ignore[misc]
    """A GAN loss: what the discriminator lowers on real and fake rows, and what fools it.

    Signs: every value is to be minimised by the player it belongs to. Parameters are reached as
    `adversary__penalty` and the like when a detector holds the object.
    """

    @abstractmethod
    def real(self, logit: Tensor) -> Tensor:
        """Discriminator's term for real rows."""

    @abstractmethod
    def fake(self, logit: Tensor) -> Tensor:
        """Discriminator's term for generated rows."""

    @abstractmethod
    def fool(self, logit: Tensor) -> Tensor:
        """Generator's term for its own rows, which should pass for real."""

    @abstractmethod
    def fool_real(self, logit: Tensor) -> Tensor:
        """Encoder's term for real pairs, which should pass for fake (BiGAN)."""

    limits: ClassVar[Mapping[str, Limit]] = {}

    def penalties(self, judge: "Judge", real: Sequence[Tensor], fake: Sequence[Tensor]) -> dict[str, Tensor]:
        """Further terms of the discriminator, none by default; `real` and `fake` are its arguments."""
        return {}

    def after(self, judge: nn.Module) -> None:
        """Change a discriminator's weights after each of its moves; nothing by default."""


Judge = Callable[..., tuple[Tensor, Tensor]]


@dataclass(eq=False, repr=False)
class NonSaturating(Adversary):
    """Cross-entropy, with the generator maximising log D(G(z)) (Goodfellow et al. 2014, §3)."""

    def real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return cross_entropy(logit, 1.0)

    def fake(self, logit: Tensor) -> Tensor:  # noqa: D102
        return cross_entropy(logit, 0.0)

    def fool(self, logit: Tensor) -> Tensor:  # noqa: D102
        return cross_entropy(logit, 1.0)

    def fool_real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return cross_entropy(logit, 0.0)


@dataclass(eq=False, repr=False)
class Saturating(Adversary):
    """Cross-entropy, with the generator minimising log(1 − D(G(z))) (Fence GAN paper, Eq. 1 and 2)."""

    def real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return cross_entropy(logit, 1.0)

    def fake(self, logit: Tensor) -> Tensor:  # noqa: D102
        return cross_entropy(logit, 0.0)

    def fool(self, logit: Tensor) -> Tensor:  # noqa: D102
        return -cross_entropy(logit, 0.0)

    def fool_real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return -cross_entropy(logit, 1.0)


@dataclass(eq=False, repr=False)
class LeastSquares(Adversary):
    """Squares to the targets 1 and 0 (Mao et al. 2017, with a = 0 and b = c = 1)."""

    def real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return 0.5 * (logit - 1.0) ** 2

    def fake(self, logit: Tensor) -> Tensor:  # noqa: D102
        return 0.5 * logit**2

    def fool(self, logit: Tensor) -> Tensor:  # noqa: D102
        return 0.5 * (logit - 1.0) ** 2

    def fool_real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return 0.5 * logit**2


@dataclass(eq=False, repr=False)
class Hinge(Adversary):
    """max(0, 1 ∓ logit) for the discriminator, ∓ logit for those who fool it (Miyato et al. 2018)."""

    def real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return F.relu(1.0 - logit)

    def fake(self, logit: Tensor) -> Tensor:  # noqa: D102
        return F.relu(1.0 + logit)

    def fool(self, logit: Tensor) -> Tensor:  # noqa: D102
        return -logit

    def fool_real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return logit


class Critic(Adversary, ABC):
    """Difference of means: the discriminator gives any number, and something must keep its slope small."""

    def real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return -logit

    def fake(self, logit: Tensor) -> Tensor:  # noqa: D102
        return logit

    def fool(self, logit: Tensor) -> Tensor:  # noqa: D102
        return -logit

    def fool_real(self, logit: Tensor) -> Tensor:  # noqa: D102
        return logit


@dataclass(eq=False, repr=False)
class Wasserstein(Critic):
    """Difference of means with a gradient penalty of weight `penalty` (Gulrajani et al. 2017, λ = 10)."""

    penalty: float = 10.0

    limits = {"penalty": Limit(0)}

    def penalties(self, judge: Judge, real: Sequence[Tensor], fake: Sequence[Tensor]) -> dict[str, Tensor]:
        """λ (‖∇D‖₂ − 1)² halfway between each real and its fake row, over all arguments together.

        The paper draws the place on the line at random; its middle keeps a step free of further noise. None with λ = 0.
        """
        if not self.penalty:
            return {}
        between = [((r + f) / 2).detach().requires_grad_() for r, f in zip(real, fake, strict=True)]
        slopes = torch.autograd.grad(judge(*between)[0].sum(), between, create_graph=True)
        norm = torch.cat([s.flatten(1) for s in slopes], 1).norm(dim=1)
        return {"penalty": self.penalty * (norm - 1.0) ** 2}


@dataclass(eq=False, repr=False)
class WassersteinClipped(Critic):
    """Difference of means, every weight of the discriminator clipped to ±`clip` (Arjovsky et al. 2017, Algorithm 1).

    The paper moves the critic five times for each move of the generator, by RMSProp at 5·10⁻⁵; here the method says who
    moves when, and its optimiser serves.
    """

    clip: float = 0.01

    limits = {"clip": Limit(0, open_low=True)}

    def after(self, judge: nn.Module) -> None:
        """Clip biases and the weights of norms too, as the paper's w is all of them; statistics are no weights."""
        with torch.no_grad():
            for weight in judge.parameters():
                weight.clamp_(-self.clip, self.clip)


ADVERSARIES: dict[str, type[Adversary]] = {
    "non_saturating": NonSaturating,
    "saturating": Saturating,
    "least_squares": LeastSquares,
    "hinge": Hinge,
    "wasserstein": Wasserstein,
    "wasserstein_clipped": WassersteinClipped,
}


def adversary_named(adversary: "str | Adversary") -> Adversary:
    """Return the object that a name stands for; an object stands for itself."""
    if isinstance(adversary, Adversary):
        check_limits(adversary.get_params(), adversary.limits)
        return adversary
    if adversary not in ADVERSARIES:
        raise InvalidParameter(unknown_name("adversary", adversary, ADVERSARIES))
    return ADVERSARIES[adversary]()
