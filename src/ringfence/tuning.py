"""Descents inside scoring that move copies of a network as well as what goes into it: ADGAN's.

Every pair of a row and a start has a copy of its own. Copies lie side by side, as the members of one network, so that a
pass moves many of them at once; the network itself stays as it is.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .game import Optim

VALUES = 2**23
"""Most parameters in all copies of a pass (32 MiB), unless a single copy has more."""

COPIES = 256
"""Most copies in a pass: 32 rows from 8 starts."""


@dataclass(frozen=True)
class Tuning:
    """How a pair descends.

    Attributes
    ----------
    steps
        Gradient steps, at least 1.
    place, network
        Optimiser of the latent vector, and of the network's copy.
    """

    steps: int
    place: Optim
    network: Optim


def side_by_side(network: nn.Module, count: int) -> nn.Module:
    """Make `count` equal copies of a network of one member, as the members of one network.

    A batch (count · b, …) is member-major: its first b rows are the first copy's.
    """
    made = copy.deepcopy(network)
    for module in made.modules():
        if hasattr(module, "members"):
            module.members = count  # type: ignore[assignment]
        for name, value in module.named_parameters(recurse=False):
            setattr(module, name, nn.Parameter(_repeated(value, count)))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, _repeated(buffer, count))
    return made


def _repeated(value: Tensor, count: int) -> Tensor:
    assert len(value) == 1, "a network of several members can't be copied as one"
    return value.detach().expand(count, *value.shape[1:]).clone()


def at_once(network: nn.Module) -> int:
    """Copies in a pass. A function of the network alone: with the batch, sums would be added in another order."""
    return max(1, min(COPIES, VALUES // sum(p.numel() for p in network.parameters())))


def tune(
    network: Any,
    loss: Callable[[Tensor, Tensor], Tensor],
    rows: Tensor,
    starts: Tensor,
    plan: Tuning,
    read: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Lower each row's own loss from every start, by the latent vector and a copy of the network together.

    Parameters
    ----------
    network
        (n, d) → (n, …), in evaluation mode and of one member; left as it is.
    loss
        (what copies make (n, …), rows (n, …)) → (n,), each value a function of its own row.
    rows
        (n, …).
    starts
        (s, d), common to all rows.
    read
        What is wanted of the end, as `loss` is called; the loss itself by default.

    Returns
    -------
    Where each descent ends: its loss there, (n, s), or what `read` gives, (n, s, …), free of gradients.
    """
    size, count = at_once(network), len(rows) * len(starts)
    copies = side_by_side(network, size)
    pairs = torch.arange(count + -count % size, device=rows.device).clamp_max(count - 1)  # the last pass is padded
    ends = []
    for chosen in torch.split(pairs, size):
        for moved, own in zip(copies.parameters(), network.parameters(), strict=True):
            moved.data.copy_(own.data)
        ends.append(
            _descend(copies, loss, rows[chosen // len(starts)], starts[chosen % len(starts)], plan, read or loss)
        )
    found = torch.cat(ends)[:count]
    return found.view(len(rows), len(starts), *found.shape[1:])


def _descend(
    copies: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    rows: Tensor,
    starts: Tensor,
    plan: Tuning,
    read: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    place = nn.Parameter(starts.clone())
    moved = [place, *copies.parameters()]
    of_place, of_network = plan.place.over(moved[:1]), plan.network.over(moved[1:])
    with torch.enable_grad():
        for _ in range(plan.steps):
            slopes = torch.autograd.grad(loss(copies(place), rows).sum(), moved)
            of_place.step(slopes[:1], plan.place.lr)
            of_network.step(slopes[1:], plan.network.lr)
    with torch.no_grad():
        return read(copies(place), rows)
