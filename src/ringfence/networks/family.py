"""A family makes the networks for one kind and shape of data; a preset's layer tables replace what it would make."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..exceptions import InvalidParameter, unknown_name
from .generators import Generators
from .layers import Softmax
from .rows import Maker, Row, Shape, Table
from .tables import Discriminator, Network
from .unet import UNet

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

    @abstractmethod
    def down_table(self) -> Table:
        """Way down of a U-shaped network."""

    @abstractmethod
    def up_table(self) -> Table:
        """Way up, a row for each of `down_table` in reverse, the last one to x."""

    def encoder(
        self, name: str = "encoder", outputs: int | None = None, change: Callable[[Row], Row] | None = None
    ) -> Network:
        """(n, *shape) → (n, latent_dim), or as many `outputs` as a method needs (a mean and a variance, say).

        `change` makes of each row of the family's own table what the method needs; tables of presets stay as they are.
        """
        table = list(self.encoder_table())
        width = self.latent_dim if outputs is None else outputs
        table[-1] = replace(table[-1], units=width)
        table = [change(row) for row in table] if change else table
        return self._ending(Network(self._table(name, table), self.shape, self.make), (width,))

    def vectors(self, name: str, table: Table, inputs: int, outputs: int) -> Network:
        """(n, inputs) → (n, outputs): a network of a method's own for vectors, by its own table or a preset's."""
        return self._ending(Network(self._table(name, table), (inputs,), self.make), (outputs,))

    def unet(self, name: str = "generator") -> UNet:
        """(n, *shape) → (n, *shape), with skips from each level of the way down to its mirror on the way up."""
        given = self._given(name, {})
        down = rows(given["down"]) if "down" in given else self.down_table()
        up = rows(given["up"]) if "up" in given else self.up_table()
        made = UNet(down, up, self.shape, self.make)
        if self.heads:
            made.last.layers.append(Softmax(self.heads))
        if made.out_shape != self.shape:
            raise InvalidParameter(
                f"layer table ends with shape {made.out_shape}, but these data need {self.shape} "
                "(is this preset for another data set?)"
            )
        return made

    def generator(self, name: str = "generator", plain: bool = False) -> Network:
        """(n, latent_dim) → (n, *shape); `plain` ends in any numbers instead of what rows may be."""
        table = list(self.generator_table())
        table[-1] = replace(table[-1], act="linear") if plain else table[-1]
        made = Network(self._table(name, table), (self.latent_dim,), self.make)
        if self.heads and not plain:
            made.layers.append(Softmax(self.heads))
        return self._ending(made, self.shape)

    def generators(self, count: int, name: str = "generator") -> Generators:
        """(n, latent_dim) → (n, *shape) by `count` generators of one table in turn, each with weights of its own."""
        made = Generators(self._table(name, self.generator_table()), self.latent_dim, self.make, count)
        if self.heads:
            made.each.layers.append(Softmax(self.heads))
        self._ending(made.each, self.shape)
        return made

    def discriminator(
        self,
        arguments: str,
        name: str = "discriminator",
        *,
        join: str = "channels",
        spectral: bool = False,
        bounded: bool = False,
        minibatch: int = 0,
    ) -> Discriminator:
        """(x), (x, z), … → (logit, features); `arguments` spells them as the paper does: "x", "z", "xz", "xx", "zz".

        Parameters
        ----------
        join
            How two images are joined ("xx"): one of `ringfence.networks.tables.JOINS`. Other arguments are flattened.
        spectral
            Spectral normalisation of every layer of the family's own tables but the last.
        bounded
            And of the last: nothing else may hold the size of the logit then.
        minibatch
            Units of minibatch discrimination behind the features; the method has it `remember` rows in its `finish`.
        """
        shapes = [self.shape if a == "x" else (self.latent_dim,) for a in arguments]
        if len(arguments) == 1:
            table = self._table(name, self._normed(self.joint_table(arguments), spectral, last=bounded))
            return Discriminator([()], table, shapes, self.make, minibatch=minibatch)
        given = self._given(name, {})
        alike = len(set(arguments)) == 1  # two of a kind are compared as they are, by layers that see both
        own = [() if alike else self._normed(self.branch_table(a), spectral, last=True) for a in arguments]
        branches = [rows(given[a]) if a in given else table for a, table in zip(arguments, own, strict=True)]
        normed = self._normed(self.joint_table(arguments), spectral, last=bounded)
        joint = rows(given["joint"]) if "joint" in given else normed
        images = alike and all(len(shape) == 3 for shape in shapes)
        return Discriminator(branches, joint, shapes, self.make, join if images else "flat", minibatch)

    @staticmethod
    def _normed(table: Table, spectral: bool, last: bool = False) -> Table:
        """A table with spectral normalisation in all rows, or in all but the last."""
        if not spectral:
            return table
        keep = len(table) if last else len(table) - 1
        return [replace(row, spectral=True) if at < keep else row for at, row in enumerate(table)]

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
