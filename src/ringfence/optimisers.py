"""Optimisers that cost one kernel a step: rules of PyTorch's, without what its classes do around them.

On networks as small as these `torch.optim.Adam.step` takes three times as long as the fused kernel that it calls. The
kernels and their results are PyTorch's.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor


class Optimiser(ABC):
    """Moves parameters against their slopes.

    Parameters
    ----------
    parameters
        What it moves; contiguous.
    betas
        Decay of the moments, for a rule that has some.
    weight_decay
        Weight of the parameters' squares in the loss, L2.
    """

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float], weight_decay: float) -> None:
        self.parameters = [p.detach() for p in parameters]  # shares memory, and can be written
        self.betas, self.weight_decay = betas, weight_decay

    def step(self, slopes: Sequence[Tensor | None], lr: float) -> None:
        """Move every parameter once; one whose slope is None, as no loss reached it, stays where it is."""
        if all(slope is not None for slope in slopes):
            self._move(range(len(slopes)), [s.contiguous() for s in slopes if s is not None], lr)
            return
        reached = [i for i, slope in enumerate(slopes) if slope is not None]
        self._move(reached, [s.contiguous() for s in slopes if s is not None], lr)

    @abstractmethod
    def _move(self, at: Sequence[int], slopes: list[Tensor], lr: float) -> None:
        """Move the parameters at these places."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Tensors by name that a step depends on; written in place by each."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state`, of which copies are kept."""
        for name, value in self.state().items():
            value.copy_(state[name])


def some(values: list[Tensor], at: Sequence[int]) -> list[Tensor]:
    """The values at these places."""
    return values if len(at) == len(values) else [values[i] for i in at]


def numbered(name: str, values: list[Tensor]) -> dict[str, Tensor]:
    """Values by name and place."""
    return {f"{name}.{i}": value for i, value in enumerate(values)}


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015), ε = 10⁻⁸."""

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(parameters, betas, weight_decay)
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.steps = torch.zeros((), dtype=torch.float32, device=self.parameters[0].device)

    def _move(self, at: Sequence[int], slopes: list[Tensor], lr: float) -> None:
        self.steps.add_(1.0)
        torch._fused_adam_(
            some(self.parameters, at), slopes, some(self.means, at), some(self.squares, at), [], [self.steps] * len(at),
            lr=lr, beta1=self.betas[0], beta2=self.betas[1], weight_decay=self.weight_decay, eps=1e-8,
            amsgrad=False, maximize=False,
        )  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """Moments and number of steps."""
        return {"steps": self.steps, **numbered("means", self.means), **numbered("squares", self.squares)}


class SGD(Optimiser):
    """Plain steps against the slope."""

    def _move(self, at: Sequence[int], slopes: list[Tensor], lr: float) -> None:
        torch._fused_sgd_(
            some(self.parameters, at), slopes, [], weight_decay=self.weight_decay, momentum=0.0, lr=lr, dampening=0.0,
            nesterov=False, maximize=False, is_first_step=False,
        )  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}


class Momentum(Optimiser):
    """Steps along v, where v ← β₁ v + slope, from v = 0."""

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(parameters, betas, weight_decay)
        self.speeds = [torch.zeros_like(p) for p in self.parameters]

    def _move(self, at: Sequence[int], slopes: list[Tensor], lr: float) -> None:
        speeds = some(self.speeds, at) if self.betas[0] else []  # the kernel wants none where there is no momentum
        torch._fused_sgd_(
            some(self.parameters, at), slopes, speeds, weight_decay=self.weight_decay,
            momentum=self.betas[0], lr=lr, dampening=0.0, nesterov=False, maximize=False, is_first_step=False,
        )  # fmt: skip

    def state(self) -> dict[str, Tensor]:
        """The speeds v."""
        return numbered("speeds", self.speeds)


class RMSprop(Optimiser):
    """Steps divided by the root of a mean of squares (Hinton 2012), α = .99, ε = 10⁻⁸; PyTorch has no kernel for it."""

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(parameters, betas, weight_decay)
        self.squares = [torch.zeros_like(p) for p in self.parameters]

    def _move(self, at: Sequence[int], slopes: list[Tensor], lr: float) -> None:
        parameters, squares = some(self.parameters, at), some(self.squares, at)
        if self.weight_decay:
            slopes = list(torch._foreach_add(slopes, parameters, alpha=self.weight_decay))
        torch._foreach_mul_(squares, 0.99)
        torch._foreach_addcmul_(squares, slopes, slopes, 0.01)
        roots = torch._foreach_sqrt(squares)
        torch._foreach_add_(roots, 1e-8)
        torch._foreach_addcdiv_(parameters, slopes, roots, -lr)

    def state(self) -> dict[str, Tensor]:
        """Means of squares."""
        return numbered("squares", self.squares)


OPTIMISERS: dict[str, Callable[[Sequence[Tensor], tuple[float, float], float], Optimiser]] = {
    "adam": Adam,
    "sgd": SGD,
    "momentum": Momentum,
    "rmsprop": RMSprop,
}
