"""Networks: layers with a member axis, layer tables, and the families that make tables for a shape of data."""

from .axis import INITIALISERS
from .dcgan import DCGAN
from .family import Family, Layers
from .generators import Generators, turns
from .layers import Offset
from .mlp import MLP
from .normalisation import untracked
from .products import Still
from .ready import ready
from .rows import Maker, Row, Shape, Table
from .settling import settle
from .still import StillJudge, still, still_judge
from .tables import JOINS, Discriminator, Network
from .unet import UNet

__all__ = [
    "DCGAN",
    "INITIALISERS",
    "JOINS",
    "MLP",
    "Discriminator",
    "Family",
    "Generators",
    "Layers",
    "Maker",
    "Network",
    "Offset",
    "Row",
    "Shape",
    "Still",
    "StillJudge",
    "Table",
    "UNet",
    "family_for",
    "ready",
    "settle",
    "still",
    "still_judge",
    "turns",
    "untracked",
]


def family_for(shape: Shape) -> type[Family]:
    """Name the family for rows of this shape: (d,) an MLP, (channels, height, width) a DCGAN."""
    return {1: MLP, 3: DCGAN}[len(shape)]
