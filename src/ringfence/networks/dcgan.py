"""Convolutional networks in the manner of DCGAN, for images of any height and width ≥ 8 and any number of channels."""

import math

from ..exceptions import InvalidData
from .family import Family
from .rows import Row, Shape, Table

# The pyramid halves height and width until the smaller is at most 4 pixels, as DCGAN does; that of a U-shape goes on to
# one pixel, as pix2pix does, or the bottom would hold more values than a small image.
SMALLEST = 4
LEAST = 8
# First layer's feature maps, doubled at every level up to the limit; the papers' own are presets.
MAPS = 32
MOST_MAPS = 128


class DCGAN(Family):
    """Strided convolutions down, transposed ones up, kernel 4; generators end in tanh."""

    chunk = 128

    def encoder_table(self) -> Table:
        """X → pyramid → 128 → z."""
        return [
            *self._down("batch"),
            Row("dense", MOST_MAPS, act="leaky_relu"),
            Row("dense", self.latent_dim),
        ]

    def generator_table(self) -> Table:
        """Z → 128 → the smallest level → transposed pyramid → x in [−1, 1]."""
        sizes = self._sizes()
        maps = self._maps()
        table = [
            Row("dense", MOST_MAPS, norm="batch", act="relu"),
            Row("dense", (maps[-1], *sizes[-1]), norm="batch", act="relu"),
        ]
        for level in range(len(sizes) - 2, 0, -1):
            table.append(Row("conv_transpose", maps[level - 1], size=sizes[level], norm="batch", act="relu"))
        return [*table, Row("conv_transpose", self.shape[0], size=sizes[0], act="tanh")]

    def down_table(self) -> Table:
        """The pyramid down to a single pixel, with batch norm from the second level on."""
        return self._down("batch", smallest=1)

    def up_table(self) -> Table:
        """Transposed convolutions to each level's size, the last one to x in [−1, 1]."""
        sizes, maps = self._sizes(smallest=1), self._maps(smallest=1)
        levels = range(len(sizes) - 2, 0, -1)
        table = [Row("conv_transpose", maps[at - 1], size=sizes[at], norm="batch", act="relu") for at in levels]
        return [*table, Row("conv_transpose", self.shape[0], size=sizes[0], act="tanh")]

    def branch_table(self, argument: str) -> Table:
        """Pyramid for x, one dense layer for z."""
        return self._down("none") if argument == "x" else [Row("dense", MOST_MAPS, act="leaky_relu")]

    def joint_table(self, arguments: str) -> Table:
        """One dense feature layer and the logit, after the pyramid where x stands alone or beside another x."""
        pyramid = self._down("none") if set(arguments) == {"x"} else []
        return [*pyramid, Row("dense", MOST_MAPS, act="leaky_relu"), Row("dense", 1)]

    def _sizes(self, smallest: int = SMALLEST) -> list[tuple[int, int]]:
        """(height, width) at every level, from the image down until the smaller is at most `smallest`."""
        if len(self.shape) != 3 or min(self.shape[1:]) < LEAST:
            raise InvalidData(f"images need a height and width of at least {LEAST} pixels, got {_side(self.shape)}")
        sizes = [(self.shape[1], self.shape[2])]
        while min(sizes[-1]) > smallest:
            sizes.append((math.ceil(sizes[-1][0] / 2), math.ceil(sizes[-1][1] / 2)))
        return sizes

    def _maps(self, smallest: int = SMALLEST) -> list[int]:
        return [min(MAPS * 2**level, MOST_MAPS) for level in range(len(self._sizes(smallest)) - 1)]

    def _down(self, norm: str, smallest: int = SMALLEST) -> list[Row]:
        # The first layer goes without normalisation, as in DCGAN: its inputs keep their scale.
        return [
            Row("conv", maps, norm=norm if level else "none", act="leaky_relu")
            for level, maps in enumerate(self._maps(smallest))
        ]


def _side(shape: Shape) -> str:
    return "×".join(str(s) for s in shape[1:]) if len(shape) == 3 else f"rows of {shape[0]}"
