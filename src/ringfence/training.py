"""The one training loop: a run of a game, and playing it.

All state of a run lies in one :class:`Run`, so that a checkpoint is that object and a resumed run ends with the same
bits. The loop knows no method, no kind of data and no label.
"""

import copy
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .allocation import keep_freed
from .exceptions import TrainingDiverged
from .game import DROPOUT, NOISE, ORDER, PRIORS, Batch, Game, Nets, Player, Stage, Statistic, stream
from .members import alone, joined
from .networks.axis import parts
from .networks.dropout import DRAWING
from .networks.layers import Linear
from .networks.normalisation import TRACKING
from .optimisers import Optimiser


def moved_by(player: Player, nets: Nets) -> list[nn.Parameter]:
    """What a player moves, in the order in which networks were built: the same for all who share an optimiser."""
    return [p for name, net in nets.named_children() if name in player.nets for p in net.parameters()]


@dataclass
class Seat:
    """A player at the table: its optimiser, and who learns and who holds still while it moves.

    Attributes
    ----------
    moves
        Updates of the optimiser so far, in a list that players who share it share too.
    lent
        What stands for parameters while they learn, in the same memory: weights transposed (`Linear.lend`).
    """

    player: Player
    nets: Nets
    optimiser: Optimiser
    moves: list[int]
    lent: Mapping[nn.Parameter, Tensor]

    def __post_init__(self) -> None:
        children = [(name in self.player.nets, net) for name, net in self.nets.named_children()]
        moved, lent = moved_by(self.player, self.nets), self.lent
        self._by = [*(lent.get(p, p) for p in moved), *(p for p in moved if p in lent)]
        self._behind = [at for at, p in enumerate(moved) if p in lent]
        self._turned = [at for at in self._behind if lent[moved[at]].ndim == 2]
        learns = [(p, moving) for moving, net in children for p in net.parameters()]
        self._learns = [*learns, *((lent[p], moving) for p, moving in learns if p in lent)]
        self._modes = [(net, moving or self.player.others == "batch") for moving, net in children]
        self._tracks = [(m, moving) for moving, net in children for m in net.modules() if isinstance(m, TRACKING)]

    def stand(self) -> None:
        """Let the player's networks learn and write statistics; hold all others still."""
        for parameter, moving in self._learns:
            parameter.requires_grad_(moving)
        for network, training in self._modes:
            if network.training != training:
                network.train(training)
        for norm, moving in self._tracks:
            norm.tracking = moving

    def slopes(self, terms: Sequence[Tensor], by: Sequence[Tensor]) -> list[Tensor | None]:
        """Slopes of the terms, weighted by `by`, for what the optimiser moves; None where no term reaches it."""
        found = torch.autograd.grad(terms, self._by, by, allow_unused=True)
        made: list[Tensor | None] = list(found[: len(found) - len(self._behind)])
        for at in self._turned:
            through = made[at]
            made[at] = None if through is None else through.t()
        # A loss may use a parameter itself too, not through its layer.
        for at, own in zip(self._behind, found[len(made) :], strict=True):
            if own is not None:
                through = made[at]
                made[at] = own.squeeze(0) if through is None else through + own.squeeze(0)
        return made


@dataclass
class Run:
    """All loop state in one object; `state` and `restore` are its checkpoint.

    Attributes
    ----------
    stage, epoch, position, updates
        Where the run stands: number of the stage, its epoch, the batch within it, steps of the stage so far.
    histories
        For each member one mapping an epoch, as long as it went on: stage, epoch and the mean of every term as
        "player.term".
    stopped
        For each member why it stopped, None while it goes on.
    """

    game: Game
    nets: Nets
    stage: int = 0
    epoch: int = 0
    position: int = 0
    steps: int = 0
    averaged_steps: int = 0
    opened: bool = False
    histories: list[list[dict[str, Any]]] = field(default_factory=list)
    stopped: list[str | None] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    sums: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        game = self.game
        self.histories, self.stopped = [[] for _ in game.seeds], [None for _ in game.seeds]
        self.averaged = copy.deepcopy(self.nets) if game.ema else self.nets
        self.noise_rngs = [stream(s, NOISE, device=game.device) for s in game.seeds]
        self.dropout_rngs = [stream(s, DROPOUT, device=game.device) for s in game.seeds]
        self.seats: list[Seat] = []
        self.orders: dict[int, list[Tensor]] = {}
        self._shares: dict[tuple[torch.Size, torch.dtype], Tensor] = {}
        for module in self.nets.modules():
            if isinstance(module, DRAWING):
                module.rngs = self.dropout_rngs
        self._linear = [module for module in self.nets.modules() if isinstance(module, Linear)]
        learned = [m for m in self.nets.named_children() if not isinstance(m[1], Statistic)]
        self._live = [t for _, m in learned for t in (*m.parameters(), *m.buffers())]
        self._mean = [
            t for name, _ in learned for t in (*getattr(self.averaged, name).parameters(),
                                               *getattr(self.averaged, name).buffers())
        ]  # fmt: skip

    @property
    def history(self) -> list[dict[str, Any]]:
        """One mapping an epoch: stage, epoch and the mean of every term over the members that went on."""
        return joined(self.histories)

    @property
    def losses(self) -> dict[str, float]:
        """Mean of every term over the last epoch that has ended, none before the first."""
        longest = max(map(len, self.histories))
        last = joined([history[-1:] for history in self.histories if len(history) == longest])
        return {k: v for entry in last for k, v in entry.items() if k not in ("stage", "epoch")}

    @property
    def finished(self) -> bool:
        """Whether every stage was played."""
        return self.stage >= len(self.game.stages)

    @property
    def total_steps(self) -> int:
        """Steps of all stages together."""
        return sum(self.game.epochs_of(s) for s in self.game.stages) * len(self.game.bounds())

    @property
    def steps_before(self) -> int:
        """Steps of the stages before this one."""
        return sum(self.game.epochs_of(s) for s in self.game.stages[: self.stage]) * len(self.game.bounds())

    def result(self) -> Nets:
        """The networks to score with: averaged ones where the game averages, in evaluation mode and frozen."""
        if self.averaged is not self.nets:
            for name, module in self.nets.named_children():
                if isinstance(module, Statistic):
                    getattr(self.averaged, name).load_state_dict(module.state_dict())
        self.take_back()
        return self.averaged.eval().requires_grad_(False)

    def take_back(self) -> None:
        """Leave layers with nothing that the loop lent them; it can't go on."""
        for module in self.nets.modules():
            if isinstance(module, DRAWING):
                module.rngs = None
        for layer in self._linear:
            layer.lent = None

    def members(self, nets: Nets) -> list[Nets]:
        """Networks of each member, as a single model has them, whose tensors are views of those side by side."""
        count = len(self.game.seeds)
        return [nets] if count == 1 else [alone(nets, member, count) for member in range(count)]

    def open_stage(self) -> None:
        """Seat the players of the current stage; run its `before` unless a checkpoint already had."""
        stage = self.game.stages[self.stage]
        for layer in self._linear:
            layer.lent = None  # `before` may learn in ways of its own
        if stage.before and not self.opened:
            for member in self.members(self.nets):
                stage.before(member, self.game.rows)
        self.opened, self.seats = True, []
        seated: dict[str, Seat] = {}
        lent = dict(pair for layer in self._linear for pair in layer.lend())
        for player in stage.players:
            other = seated.get(player.shares)
            moved = [p.squeeze(0) if p in lent else p for p in moved_by(player, self.nets)]
            optimiser, moves = (other.optimiser, other.moves) if other else (player.optim.over(moved), [0])
            seat = Seat(player, self.nets, optimiser, moves, lent)
            self.seats.append(seat)
            seated[player.title] = seat

    def shuffle(self) -> None:
        """Draw the epoch's order of rows: a pure function of seed, stage, epoch, member and player."""
        own = [i for i, s in enumerate(self.seats) if s.player.own_rows]
        self.orders = {}  # of many rows two epochs' orders take much room
        self.orders = {i: [self._order(seed, i + 1) for seed in self.game.seeds] for i in (-1, *own)}

    def _order(self, seed: int, player: int) -> Tensor:
        """One order of rows, (n,); rows on disk say which of them come together, the same for members and players."""
        rows, rng = self.game.rows, stream(seed, ORDER, self.stage, self.epoch, player)
        if isinstance(rows, Tensor):
            return torch.randperm(len(rows), generator=rng).to(rows.device)  # once an epoch: no step waits for it
        order: Tensor = rows.order(rng, stream(0, ORDER, self.stage, self.epoch))
        return order

    def rows(self, order: int, start: int, stop: int) -> Tensor:
        """Rows of one batch, (k·b, …), member-major."""
        each = [o[start:stop] for o in self.orders[order]]
        return self.game.rows.index_select(0, torch.cat(each) if len(each) > 1 else each[0])

    def products(self) -> AbstractContextManager[Any]:
        """How a loss computes its products: in float32, or in bfloat16 from float32 weights."""
        if self.game.precision == "float32":
            return nullcontext()
        return torch.autocast(torch.device(self.game.device).type, torch.bfloat16)

    def share(self, term: Tensor) -> Tensor:
        """The slope of a term's batch means, one over the rows of a member, for each of its values."""
        key = (term.shape, term.dtype)
        if key not in self._shares:
            self._shares[key] = torch.full_like(term, len(self.game.seeds) / term.numel(), requires_grad=False)
        return self._shares[key]

    def log(self, title: str, terms: Iterable[str], means: Tensor) -> None:
        """Add a move's means, (terms, k), to those of the epoch: one tensor a player, read when the epoch has ended."""
        key = SEPARATOR.join(f"{title}.{name}" for name in terms)
        if key in self.sums:
            self.sums[key] += means
            self.counts[key] += 1
        else:
            self.sums[key], self.counts[key] = means.clone(), 1

    def means(self) -> dict[str, list[float]]:
        """Mean of every term over the moves of the epoch, for each member."""
        found: dict[str, list[float]] = {}
        for key, sums in self.sums.items():
            found |= zip(key.split(SEPARATOR), (sums / self.counts[key]).tolist(), strict=True)
        return found

    def draw(self, count: int) -> Tensor:
        """Latent vectors, (k·count, latent_dim)."""
        fill = PRIORS[self.game.prior]
        return self._each((count, self.game.latent_dim), fill)

    def gauss(self, shape: Sequence[int]) -> Tensor:
        """Values of N(0, 1), (k·shape[0], *shape[1:])."""
        return self._each(shape, PRIORS["normal"])

    def _each(self, shape: Sequence[int], fill: Callable[[Tensor, torch.Generator], Tensor]) -> Tensor:
        """Let each member fill its part, of `shape`, from its own stream: (k·shape[0], *shape[1:])."""
        made = torch.empty((len(self.noise_rngs), *shape), device=self.game.device)
        for part, rng in zip(parts(made), self.noise_rngs, strict=True):
            fill(part, rng)
        return made.flatten(0, 1)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything needed to go on exactly: tensors, and facts that JSON can hold."""
        tensors = {f"nets.{k}": v for k, v in self.nets.state_dict().items()}
        tensors |= {f"averaged.{k}": v for k, v in self.averaged.state_dict().items()}
        tensors |= {f"sums.{k}": v for k, v in self.sums.items()}
        for i, rng in enumerate((*self.noise_rngs, *self.dropout_rngs)):
            tensors[f"rng.{i}"] = rng.get_state()
        for i, seat in enumerate(self.seats):
            tensors |= {f"optimiser.{i}.{k}": v for k, v in seat.optimiser.state().items()}
        facts = {k: getattr(self, k) for k in FACTS} | {"moves": [s.moves[0] for s in self.seats]}
        return {k: v.detach().clone().contiguous() for k, v in tensors.items()}, copy.deepcopy(facts)

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Put the run where `state` was taken."""
        for name in FACTS:
            setattr(self, name, copy.deepcopy(facts[name]))
        parts: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            group, _, rest = key.partition(".")
            parts.setdefault(group, {})[rest] = value
        self.nets.load_state_dict(parts["nets"])
        if self.averaged is not self.nets:
            self.averaged.load_state_dict(parts["averaged"])
        self.sums = {k: parts["sums"][k].clone() for k in self.counts}  # in the order that they were logged
        for i, rng in enumerate((*self.noise_rngs, *self.dropout_rngs)):
            rng.set_state(parts["rng"][str(i)])
        if self.finished or not self.opened:
            return
        self.open_stage()
        slots: dict[str, dict[str, Tensor]] = {}
        for key, value in parts.get("optimiser", {}).items():
            place, _, name = key.partition(".")
            slots.setdefault(place, {})[name] = value
        for i, (seat, moves) in enumerate(zip(self.seats, facts["moves"], strict=True)):
            seat.moves[0] = moves
            seat.optimiser.restore(slots.get(str(i), {}))
        if self.position:
            self.shuffle()


FACTS = (
    "stage", "epoch", "position", "steps", "averaged_steps", "opened", "histories", "stopped", "counts",
)  # fmt: skip
SEPARATOR = "|"
"""Between the terms of one player where its sums are kept."""


def play(run: Run, watch: Callable[[Run], None] | None = None) -> None:
    """Play a run from where it stands to its end; `watch` is called after every step, when the run may be kept.

    Raises
    ------
    TrainingDiverged
        When the mean of a term over an epoch is NaN or infinite, for every member.
    """
    for _ in play_steps(run):
        if watch:
            watch(run)


def play_steps(run: Run) -> Iterator[None]:
    """The same step by step: yields after each, with the run ready to be kept."""
    if len(run.game.seeds) > 1:
        keep_freed()
    while not run.finished:
        if not run.seats:
            run.open_stage()
        yield from _epoch(run)


def _epoch(run: Run) -> Iterator[None]:
    """The steps of one epoch from the run's position on; yields after each, with the run ready to be kept."""
    game, stage = run.game, run.game.stages[run.stage]
    bounds = game.bounds()
    if not run.position:
        run.shuffle()
    epochs = game.epochs_of(stage)
    while run.position < len(bounds):
        start, stop = bounds[run.position]
        shared = run.rows(-1, start, stop)
        progress = (run.epoch + run.position / len(bounds)) / epochs
        for i, seat in enumerate(run.seats):
            if (run.steps + 1) % seat.player.every or progress >= seat.player.until:
                continue
            x = run.rows(i, start, stop) if seat.player.own_rows else shared
            batch = Batch(x, run.epoch, run.steps, progress, len(game.seeds), run.draw, run.gauss)
            for _ in range(seat.player.repeat):
                move(run, seat, batch)
        if run.averaged is not run.nets:
            _average(run)
        run.position += 1
        run.steps += 1
        if run.position == len(bounds):
            _close_epoch(run, stage)
            yield
            return
        yield


def move(run: Run, seat: Seat, batch: Batch) -> None:
    """One update of one player."""
    player = seat.player
    seat.stand()
    with run.products():
        terms = player.loss(run.nets, batch)
    values = list(terms.values())
    # The loss is the sum over terms and members of batch means, so that a member's gradient is what it would be alone.
    # Its slope is handed to the terms as it is: a graph of means would cost more than it says.
    moving = [t for t in values if t.requires_grad]
    slopes = seat.slopes(moving, [run.share(t) for t in moving])
    seat.optimiser.step(slopes, player.optim.rate(seat.moves[0]))
    seat.moves[0] += 1
    if player.after:
        player.after(run.nets)
    run.log(player.title, terms, batch_means([t.detach() for t in values], batch.members))


def batch_means(terms: list[Tensor], members: int) -> Tensor:
    """Mean of every term over each member's rows, (terms, k); in one go where all have as many rows."""
    if all(t.shape == terms[0].shape for t in terms):
        return torch.stack(terms).view(len(terms), members, -1).mean(2)
    return torch.stack([t.view(members, -1).mean(1) for t in terms])


def _average(run: Run) -> None:
    """Exponential moving average of all learned networks, buffers included, warmed up as min(d, (1+t)/(10+t))."""
    t, decay = run.averaged_steps, run.game.ema
    decay = min(decay, (1 + t) / (10 + t)) if run.game.ema_warmup else decay
    with torch.no_grad():
        torch._foreach_lerp_(run._mean, run._live, 1.0 - decay)
    run.averaged_steps += 1


def _close_epoch(run: Run, stage: Stage) -> None:
    """Log the epoch's means, stop members of which one is not finite, and move on."""
    means = run.means()
    for member, stopped in enumerate(run.stopped):
        each = {key: values[member] for key, values in means.items()}
        wrong = next((key for key, value in each.items() if not math.isfinite(value)), None)
        if wrong and not stopped:
            run.stopped[member] = (
                f"the loss term {wrong} became {each[wrong]} in epoch {run.epoch + 1} of stage '{stage.name}'"
            )
        if not run.stopped[member]:
            run.histories[member].append({"stage": stage.name, "epoch": run.epoch, **each})
    if all(run.stopped):
        raise TrainingDiverged(f"{run.stopped[0]}: lower `lr`, or check that the rows are scaled (`scale`)")
    run.sums, run.counts, run.position = {}, {}, 0
    run.epoch += 1
    if run.epoch == run.game.epochs_of(stage):
        run.stage, run.epoch, run.steps, run.opened, run.seats = run.stage + 1, 0, 0, False, []
