"""Multilayer perceptrons for tables."""

import math

from .family import Family
from .rows import Row, Table

# Widths that learn the tables of the benchmarks in a few thousand steps on one CPU core; the papers' own are presets.
WIDTH = 128


class MLP(Family):
    """Two hidden layers of 128 units for rows of d numbers."""

    chunk = 512

    def encoder_table(self) -> Table:
        """X → 128 → 128 → z."""
        return [*self._hidden(2), Row("dense", self.latent_dim)]

    def generator_table(self) -> Table:
        """Z → 128 → 128 → x, with a linear end: tables are standardised, not bounded."""
        return [*self._hidden(2), Row("dense", math.prod(self.shape))]

    def down_table(self) -> Table:
        """X → 128 → 64 → 32."""
        return [Row("dense", WIDTH // 2**level, act="leaky_relu") for level in range(3)]

    def up_table(self) -> Table:
        """32 → 64 → 128 → x."""
        widths = [WIDTH // 2, WIDTH]
        return [*(Row("dense", w, act="leaky_relu") for w in widths), Row("dense", math.prod(self.shape))]

    def branch_table(self, argument: str) -> Table:
        """One hidden layer for each argument."""
        return self._hidden(1)

    def joint_table(self, arguments: str) -> Table:
        """Two hidden layers and the logit, one where branches came before."""
        return [*self._hidden(2 if len(arguments) == 1 else 1), Row("dense", 1)]

    def _hidden(self, count: int) -> list[Row]:
        return [Row("dense", WIDTH, act="leaky_relu") for _ in range(count)]
