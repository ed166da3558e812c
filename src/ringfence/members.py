"""Members: models of several seeds that are trained side by side, and what becomes of each.

A member is the single model of its seed. For training the networks of all members are laid side by side, as one set
of networks whose weights have a leading member axis (:mod:`ringfence.networks.layers`); afterwards each has its own
again.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .game import MEMBER, Nets, Statistic, drawn_seed
from .scoring import Parts


class MemberStopped(UserWarning):
    """A member's loss, weights or scores became NaN or infinite; the others went on."""


@dataclass
class Member:
    """One of the models of a fit, trained to its end.

    Attributes
    ----------
    number, seed
        Its place among the members, and what all its random numbers come from.
    nets
        Its networks, as those of a single model.
    history
        Its own means of the loss terms by epoch.
    reference
        Parts of its score on the rows that the cut was measured on: what its scores are ranked among.
    """

    number: int
    seed: int
    nets: Nets
    history: list[dict[str, Any]] = field(default_factory=list)
    reference: Parts = field(default_factory=dict)


def state_of(seed: int, number: int) -> int:
    """The `random_state` of a member but the first, from the seed of the fit and the member's number."""
    return int(np.random.SeedSequence((seed, MEMBER, number)).generate_state(1, np.uint32)[0])


def seeds_of(seed: int, count: int) -> tuple[int, ...]:
    """Seeds of all members: the fit's own for the first, for the others what a fit draws from their `random_state`."""
    return (seed, *(drawn_seed(state_of(seed, number)) for number in range(1, count)))


def side_by_side(singles: Sequence[nn.Module]) -> Any:
    """Lay networks of one shape side by side, as the members of one network.

    Parameters
    ----------
    singles
        Networks that were built alike; left as they are.

    Returns
    -------
    A network whose batches, (k·b, …), are member-major: its first b rows are those of the first. Buffers of a
    `Statistic`, which have no member axis, get one in front.
    """
    held = [dict(_tensors(single)) for single in singles]
    joined: dict[str, Tensor] = {}
    for name, (first, statistic) in held[0].items():
        join = torch.stack if statistic else torch.cat
        joined[name] = _like(first, join([each[name][0].detach() for each in held]))
    made = _with(singles[0], joined)
    _count(made, lambda members: members * len(singles))
    return made


def alone(stacked: nn.Module, member: int, count: int) -> Any:
    """Return one of `count` members as a network of its own, whose tensors are views of those side by side."""
    parts: dict[str, Tensor] = {}
    for name, (tensor, statistic) in _tensors(stacked):
        parts[name] = _like(tensor, tensor.detach()[member] if statistic else tensor.detach().chunk(count)[member])
    made = _with(stacked, parts)
    _count(made, lambda members: members // count)
    return made


def finite(nets: nn.Module) -> bool:
    """Whether all weights and buffers are numbers, none of them infinite."""
    return all(bool(t.isfinite().all()) for t in nets.state_dict().values())


def mean_parts(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean over members of what is named alike; one member's own is returned as it is."""
    if len(each) == 1:
        return dict(each[0])
    return {name: sum(one[name] for one in each) / len(each) for name in each[0]}


def joined(histories: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """One history for all members: means of the loss terms over those that have the epoch."""
    if len(histories) == 1:
        return histories[0]
    epochs = [[h[at] for h in histories if len(h) > at] for at in range(max(map(len, histories)))]
    place = ("stage", "epoch")
    return [
        {k: v if k in place else sum(one[k] for one in each) / len(each) for k, v in each[0].items()} for each in epochs
    ]


def _tensors(network: nn.Module) -> Iterator[tuple[str, tuple[Tensor, bool]]]:
    """Parameters and buffers by name, and whether they are a statistic's."""
    for path, module in network.named_modules():
        own: Iterable[tuple[str, Tensor]] = (
            *module.named_parameters(recurse=False),
            *module.named_buffers(recurse=False),
        )
        for name, tensor in own:
            yield f"{path}.{name}", (tensor, isinstance(module, Statistic))


def _like(tensor: Tensor, values: Tensor) -> Tensor:
    return nn.Parameter(values, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else values


def _with(network: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """A copy of a network that holds other tensors in the places of its own."""
    # What the memo of a copy knows already is not copied but put in place.
    memo: dict[int, Any] = {id(own): tensors[name] for name, (own, _) in _tensors(network)}
    for module in network.modules():
        rngs = getattr(module, "rngs", None)
        if rngs is not None:
            memo[id(rngs)] = None  # lent to dropout by the loop: no network's own
    return copy.deepcopy(network, memo)


def _count(network: nn.Module, change: Any) -> None:
    for module in network.modules():
        if hasattr(module, "members"):
            module.members = change(module.members)
