"""What a method is made of: networks, batches, players, stages and the game that they make up.

A player lowers its loss by moving its own networks and nothing else; a stage lets its players move in turn on every
batch. How they are played is :mod:`ringfence.training`.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn

from .exceptions import InvalidParameter, unknown_name
from .optimisers import OPTIMISERS, Optimiser

Terms = dict[str, Tensor]

TRUNCATED = 2.0
"""No number of "truncated_normal" is larger."""


def truncated_normal(z: Tensor, rng: torch.Generator) -> Tensor:
    """Fill with N(0, 1) given |z| ≤ 2: the normal distribution's inverse CDF of numbers uniform on Φ(−2)…Φ(2)."""
    beyond = 0.5 * math.erfc(TRUNCATED / math.sqrt(2.0))
    # Rounding of the outermost would go beyond the bound.
    z.uniform_(beyond, 1.0 - beyond, generator=rng)
    return z.copy_(torch.special.ndtri(z).clamp(-TRUNCATED, TRUNCATED))


def hypersphere(z: Tensor, rng: torch.Generator) -> Tensor:
    """Fill (n, d) with rows uniform on the sphere of radius √d, where each number has the variance 1 of "normal"."""
    z.normal_(generator=rng)
    return z.mul_(math.sqrt(z.shape[-1]) / torch.linalg.vector_norm(z, dim=-1, keepdim=True))


PRIORS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "normal": lambda z, rng: z.normal_(generator=rng),
    "uniform": lambda z, rng: z.uniform_(-1.0, 1.0, generator=rng),
    "uniform_01": lambda z, rng: z.uniform_(generator=rng),
    "truncated_normal": truncated_normal,
    "hypersphere": hypersphere,
}


def stream(seed: int, *path: int, device: str = "cpu") -> torch.Generator:
    """Make a generator of its own for every (seed, path), so that no stream depends on how much another drew."""
    high, low = np.random.SeedSequence((seed, *path)).generate_state(2, np.uint32)
    return torch.Generator(device).manual_seed(int(high) << 32 | int(low))


def drawn_seed(random_state: int | np.random.RandomState | None) -> int:
    """Draw a seed as scikit-learn would; None draws a fresh one and leaves numpy's global generator alone."""
    if random_state is None:
        return int(np.random.default_rng().integers(2**31 - 1))
    return int(check_random_state(random_state).randint(2**31 - 1))


# First steps of the paths of `stream`; a member's number follows.
INIT, NOISE, ORDER, DROPOUT, ROWS, MEMBER = range(6)


class Statistic(nn.Module):
    """Buffers that a method computes rather than learns: a centre, the starts of a search. Never averaged."""

    def __init__(self, **buffers: Tensor) -> None:
        super().__init__()
        for name, value in buffers.items():
            self.register_buffer(name, value)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class Nets(nn.Module):
    """Networks and statistics of a method by name: `nets.generator(z)`."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def constant(t: Tensor) -> Tensor:
    """Return a value that a loss holds still, though the player's own networks made it."""
    return t.detach()


@dataclass(frozen=True)
class Batch:
    """What a player's loss sees of one step.

    Attributes
    ----------
    x
        Rows, (k·b, …), member-major.
    epoch, step, progress
        Within the stage; progress runs from 0 to 1.
    """

    x: Tensor
    epoch: int
    step: int
    progress: float
    members: int
    draw: Callable[[int], Tensor]
    gauss: Callable[[Sequence[int]], Tensor] | None = None

    def normal(self, like: Tensor) -> Tensor:
        """Fresh values of N(0, 1) in the shape of `like`, (k·b, …), from the same streams as `noise`."""
        assert self.gauss is not None, "this batch was made outside of the training loop"
        return self.gauss((len(like) // self.members, *like.shape[1:]))

    def noise(self) -> Tensor:
        """Fresh latent vectors from the prior, (k·b, latent_dim), one for each row."""
        return self.draw(len(self.x) // self.members)

    def whole(self, fn: Callable[[Tensor], Tensor], t: Tensor) -> Tensor:
        """Apply a statistic of a whole batch, (b, …) → (), for each member; the value is repeated for its rows."""
        each = [fn(member) for member in t.view(self.members, -1, *t.shape[1:])]
        return torch.stack(each).repeat_interleave(len(t) // self.members)

    def held(self, buffer: Tensor) -> Tensor:
        """A buffer of a `Statistic`, (…), for every row of `x`: with several members each has its own."""
        return buffer if self.members == 1 else buffer.repeat_interleave(len(self.x) // self.members, 0)


@dataclass(frozen=True)
class Optim:
    """An optimiser by name; `decay` lowers the rate at update t to lr / (1 + decay · t), as Keras does.

    `betas` are those of Adam; the first is the momentum of "momentum" too, and nothing to "sgd" and "rmsprop".
    """

    kind: str = "adam"
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.999)
    decay: float = 0.0
    weight_decay: float = 0.0

    def over(self, parameters: Sequence[Tensor]) -> Optimiser:
        """Make the optimiser; raises `InvalidParameter` for an unknown name."""
        if self.kind not in OPTIMISERS:
            raise InvalidParameter(unknown_name("optimiser", self.kind, OPTIMISERS))
        return OPTIMISERS[self.kind](parameters, self.betas, self.weight_decay)

    def rate(self, update: int) -> float:
        """The learning rate at an update, counted from 0."""
        return self.lr / (1.0 + self.decay * update) if self.decay else self.lr


@dataclass(frozen=True)
class Player:
    """Who moves which networks to lower which loss.

    Attributes
    ----------
    nets
        Names of the networks that it moves.
    loss
        (nets, batch) → terms, one weighted value a row; the loop averages, sums and logs them.
    optim
        Its optimiser.
    name
        Under which its terms are logged; the first network's by default.
    repeat, every
        Moves per turn; a turn every so many steps.
    until
        Share of the stage after which it moves no more, while the others go on; above 0, at most 1.
    after
        Called with the networks after each move (weight clipping and the like).
    others
        "batch": the other networks use batch statistics and write none; "eval": they use their running ones.
    own_rows
        Draw this player's rows from a permutation of its own.
    shares
        Name of an earlier player of the stage, over the same networks, whose optimiser this one uses too.
    """

    nets: tuple[str, ...]
    loss: Callable[[Any, Batch], Terms]
    optim: Optim
    name: str = ""
    repeat: int = 1
    every: int = 1
    until: float = 1.0
    after: Callable[[Any], None] | None = None
    others: str = "batch"
    own_rows: bool = False
    shares: str = ""

    @property
    def title(self) -> str:
        """Name in the history."""
        return self.name or self.nets[0]


@dataclass(frozen=True)
class Stage:
    """Players that play together for a while; `epochs` None means the detector's."""

    players: tuple[Player, ...]
    name: str = "train"
    epochs: int | None = None
    before: Callable[[Any, Tensor], None] | None = None


def batches(rows: int, batch_size: int) -> int:
    """Number of batches that an epoch over so many rows has."""
    return max(min(math.ceil(rows / batch_size), rows // 2), 1)


@dataclass
class Game:
    """What stays the same throughout a run: rows, rules and budget."""

    stages: Sequence[Stage]
    rows: Tensor
    latent_dim: int
    prior: str
    epochs: int
    batch_size: int
    ema: float
    ema_warmup: bool
    seeds: tuple[int, ...]
    device: str = "cpu"
    precision: str = "float32"

    def __post_init__(self) -> None:
        if self.prior not in PRIORS:
            raise InvalidParameter(unknown_name("prior", self.prior, PRIORS))
        self.stages = [s for s in self.stages if self.epochs_of(s)]

    def epochs_of(self, stage: Stage) -> int:
        """Passes over the rows in a stage."""
        return self.epochs if stage.epochs is None else stage.epochs

    def bounds(self) -> list[tuple[int, int]]:
        """An epoch is every row once: ⌈n/b⌉ near-equal batches, never of fewer than 2 rows."""
        n = len(self.rows)
        edges = np.linspace(0, n, batches(n, self.batch_size) + 1).round().astype(int).tolist()
        return list(itertools.pairwise(edges))
