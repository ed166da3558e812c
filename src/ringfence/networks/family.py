"""A family makes the networks for one kind and shape of data; a preset's layer tables replace what it would make."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from ..exceptions import InvalidParameter, unknown_name
from .layers import Softmax
from .tables import Discriminator, Maker, Network, Row, Shape, Table

Layers = Mapping[str, Any]
"""Tables by network name: a list of rows, or for a discriminator of several arguments a mapping of lists with one
list for each argument ("x", "z") and "joint"."""


Heads = tuple[tuple[int, int], ...]


class Family(ABC):
    """Networks for rows of one `shape` and one latent size, from its own tables or a preset's.

    Parameters
    ----------
    shape
        Of one row: (d,) or (channels, height, width).
    latent_dim
        Length of a latent vector.
    layers
        Tables that replace the family's own, by network name.
    make
        Initialiser and generators for the weights.
    heads
        Of rows with categories: the first column and end of each; generators end in a softmax over them.
    """

    chunk: int
    """Rows that are scored at once; every chunk has exactly this many, the last one padded."""

    def __init__(self, shape: Shape, latent_dim: int, layers: Layers | None, make: Maker, heads: Heads = ()) -> None:
        self.shape, self.latent_dim, self.make, self.heads = shape, latent_dim, make, heads
        self.layers: Layers = layers or {}
        self._asked: set[str] = set()

    @abstractmethod
    def encoder_table(self) -> Table:
        """X → z."""

    @abstractmethod
    def generator_table(self) -> Table:
        """Z → x."""

    @abstractmethod
    def branch_table(self, argument: str) -> Table:
        """Layers that a discriminator of several arguments gives to "x" or "z" alone."""

    @abstractmethod
    def joint_table(self, arguments: str) -> Table:
        """Layers after the branches; the whole discriminator where it has one argument."""

    def encoder(self, name: str = "encoder") -> Network:
        """(n, *shape) → (n, latent_dim)."""
        return self._ending(Network(self._table(name, self.encoder_table()), self.shape, self.make), (self.latent_dim,))

    def generator(self, name: str = "generator") -> Network:
        """(n, latent_dim) → (n, *shape)."""
        made = Network(self._table(name, self.generator_table()), (self.latent_dim,), self.make)
        if self.heads:
            made.layers.append(Softmax(self.heads))
        return self._ending(made, self.shape)

    def discriminator(self, arguments: str, name: str = "discriminator") -> Discriminator:
        """(x), (x, z), … → (logit, features); `arguments` spells them as the paper does: "x", "z", "xz"."""
        shapes = [self.shape if a == "x" else (self.latent_dim,) for a in arguments]
        if len(arguments) == 1:
            return Discriminator([()], self._table(name, self.joint_table(arguments)), shapes, self.make)
        given = self._given(name, {})
        branches = [rows(given[a]) if a in given else self.branch_table(a) for a in arguments]
        joint = rows(given["joint"]) if "joint" in given else self.joint_table(arguments)
        return Discriminator(branches, joint, shapes, self.make)

    def unused(self) -> None:
        """Refuse layer tables that no network asked for; called once every network is built."""
        for name in self.layers:
            if name not in self._asked:
                raise InvalidParameter(f"layers: {unknown_name('network', name, self._asked)}")

    def _given(self, name: str, otherwise: Any) -> Any:
        self._asked.add(name)
        return self.layers.get(name, otherwise)

    def _table(self, name: str, own: Table) -> Table:
        given = self._given(name, None)
        return own if given is None else rows(given)

    def _ending(self, network: Network, shape: Shape) -> Network:
        if network.out_shape != shape:
            raise InvalidParameter(
                f"layer table ends with shape {network.out_shape}, but these data need {shape} "
                "(is this preset for another data set?)"
            )
        return network


def rows(table: Sequence[Mapping[str, Any]]) -> Table:
    """A table as read from a preset, checked."""
    return [Row.read(row) for row in table]
