"""Searches side by side in a fixed number of slots: whoever comes to its end makes room for the next who waits.

Matrix products of another shape may add in another order. Here the shape never changes, and every slot has its own row,
its own state and its own age: what a search finds is the same to the bit whoever is searched for beside it, in whatever
slot, and whenever its turn comes.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .walks import Walk

Objective = Callable[..., tuple[Tensor | None, Tensor]]
"""(places (n, d), *targets (n, …), whether the loss is wanted) → loss (n,) or None, and slope (n, d), row by row."""

Accept = Callable[[Tensor], Tensor]
"""Puts latent vectors, (n, d), back to those that a search accepts, each by itself."""

PROBE = 0.01
"""How far ahead a search looks for what it may not accept."""

LOOKS = 8
"""Steps between two looks at who has stopped; until then they stay where they are."""

ROOM = 8
"""One part in so many of the slots is free before they are filled again."""


class Patience:
    """Who has stopped: slots whose loss has not fallen by a share of itself within a number of steps."""

    def __init__(self, share: float, steps: int, like: Tensor) -> None:
        self.share, self.steps = share, steps
        self.mark = like.new_empty(len(like))
        self.since = torch.zeros(len(like), dtype=torch.long, device=like.device)

    def begin(self, slots: Tensor) -> None:
        """Forget what is known of some."""
        self.mark[slots], self.since[slots] = torch.finfo(self.mark.dtype).max, 0

    def out(self, value: Tensor | None, age: Tensor) -> Tensor:
        """Look at the loss, and say who is out of patience, (slots,)."""
        assert value is not None
        fell = value < self.mark - self.share * self.mark.abs()
        self.mark = torch.where(fell, value, self.mark)
        self.since = torch.where(fell, age, self.since)
        return age - self.since >= self.steps


def followed(slope: Tensor, place: Tensor, accept: Accept) -> Tensor:
    """What accepted places can follow of each row's slope: one that leads out of them bends along their border.

    Adam takes steps of one size along every axis; what leads out would outweigh the rest in it for good.
    """
    pace = PROBE / torch.linalg.vector_norm(slope, dim=1, keepdim=True).clamp_min(1e-12)
    ahead = place - pace * slope
    kept = accept(ahead)
    return torch.where((kept == ahead).all(1, keepdim=True), slope, (place - kept) / pace)


def run(
    objective: Objective,
    targets: Sequence[Tensor],
    starts: Tensor,
    walk: Walk,
    slots: int,
    accept: Accept | None = None,
    stop: tuple[float, int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Let each of n searches walk from its start to its end, `slots` at a time.

    Parameters
    ----------
    objective
        What is to be low; called with `slots` rows each time.
    targets
        (n, …) each: what a search's loss is measured against.
    starts
        (n, d).
    accept
        Applied to the starts and after every step; None accepts every place.
    stop
        A share and a number of steps: a search whose loss has not fallen by that share within so many steps ends.

    Returns
    -------
    Where each ends, (n, d), and its loss there, (n,).
    """
    count, device = len(starts), starts.device
    found, losses = torch.empty_like(starts), starts.new_empty(count)
    here = torch.zeros(slots, dtype=torch.long, device=device)  # whose search a slot holds; idle ones show the first's
    busy = torch.zeros(slots, dtype=torch.bool, device=device)
    age = torch.full((slots,), walk.steps, device=device)
    place = starts[here]
    walk.open(place)
    patience = Patience(*stop, place) if stop else None
    valued = patience is not None or walk.valued
    waiting = 0  # the first who waits
    while True:
        into = (~busy).nonzero()[: count - waiting, 0]
        here[into] = torch.arange(waiting, waiting + len(into), device=device)
        waiting += len(into)
        busy[into], age[into] = True, 0
        place[into] = accept(starts[here])[into] if accept else starts[here[into]]
        given = [t[here] for t in targets]
        walk.begin(into)
        if patience:
            patience.begin(into)
        while True:
            for _ in range(LOOKS if patience else walk.steps):
                value, slope = objective(place, *given, valued)
                if patience:
                    age = torch.where(patience.out(value, age), walk.steps, age)
                if accept:
                    walk.move(place, value, followed(slope, place, accept), age)
                    # Put back twice, a place at the border may move in its last bit: who has ended stays as he is.
                    place = torch.where((age < walk.steps)[:, None], accept(place), place)
                else:
                    walk.move(place, value, slope, age)
                age.add_(1).clamp_(max=walk.steps)
            ended = busy & (age >= walk.steps)
            room = int((ended | ~busy).sum())
            if room == slots or (waiting < count and room * ROOM >= slots):
                break
        value, _ = objective(place, *given, True)
        assert value is not None
        at, ends = walk.ends(place, value)
        out = ended.nonzero()[:, 0]
        found[here[out]], losses[here[out]] = at[out], ends[out]
        busy = busy & ~ended
        if waiting == count and not bool(busy.any()):
            return found, losses
