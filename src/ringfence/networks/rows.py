"""Layer tables: a network as data, row by row as the papers print it.

A row is a mapping with these keys (defaults in brackets):

===========  ================================================================================================
op           "dense", "conv", "conv_transpose", "residual" (two convolutions and a way past them), or without
             weights "reshape" and "norm" (a normalisation and an activation by themselves)
units        feature maps or units; of a dense row that opens an image, and of "reshape", [channels, height, width]
kernel       side of the kernel [4], images only
stride       [2], conv and conv_transpose only; sizes follow TensorFlow's "same": ceil(n / stride), n · stride
pad          "same", or "valid" where nothing is padded: a conv ends with floor((n − kernel) / stride) + 1 values,
             a conv_transpose with (n − 1) · stride + kernel ["same"]
size         [height, width] that a conv_transpose ends with [n · stride]
resample     of a residual row: "none", "down" (halves height and width) or "up" (doubles them) ["none"]
noise        standard deviation of Gaussian noise that is added to what comes in while training [0]
norm         "none", "batch" (PyTorch's constants), "batch_tf" (TensorFlow's: momentum .01, eps .001), "batch_plain"
             (no scale and no shift, eps .0001: Deep SVDD's) or "layer" (all values of a row together) ["none"]
act          "linear", "relu", "leaky_relu", "tanh", "sigmoid" or "softplus" ["linear"]
slope        of the leaky ReLU [0.2]
pool         side of the windows, side by side, of which the largest value stays: after the activation, images only;
             what is left over at the end is dropped [1]
dropout      share of values set to zero while training [0]
order        "norm_act", or "act_norm" where a released code normalises after the activation ["norm_act"]
bias         [true]
init         how the weights are drawn, where the network's own way is not meant: a name of `INITIALISERS`; of a
             residual row that of the two convolutions [""]
spectral     spectral normalisation of the weight, dense and conv only [false]
weight_norm  weight normalisation, dense and conv only: "none", "learned" (each unit's scale is learned) or "fixed"
             (it stays 1, or where `BadGAN` puts those of its discriminator before training) ["none"]
feature      true on the row whose outputs are the discriminator's features [the row before the last]
===========  ================================================================================================

The last row of a discriminator is its logit: the papers' final sigmoid is part of the loss, not of the table. A
residual row normalises and activates what comes in before each of its convolutions; the second alone has a bias, and
the way past is a convolution of 1×1 unless nothing changes shape.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameter, unknown_name
from .axis import INITIALISERS, Initialiser
from .layers import LeakyReLU, ReLU
from .normalisation import BatchNorm, LayerNorm, Normaliser, Spectral, WeightNorm

Shape = tuple[int, ...]

NORMS: dict[str, Callable[[int, int], nn.Module] | None] = {
    "none": None,
    "batch": lambda channels, members: BatchNorm(channels, momentum=0.1, eps=1e-5, members=members),
    "batch_tf": lambda channels, members: BatchNorm(channels, momentum=0.01, eps=1e-3, members=members),
    "batch_plain": lambda channels, members: BatchNorm(channels, momentum=0.1, eps=1e-4, members=members, affine=False),
    "layer": LayerNorm,
}
ACTIVATIONS: dict[str, Callable[[float], nn.Module] | None] = {
    "linear": None,
    "relu": lambda slope: ReLU(),
    "leaky_relu": LeakyReLU,
    "tanh": lambda slope: nn.Tanh(),
    "sigmoid": lambda slope: nn.Sigmoid(),
    "softplus": lambda slope: nn.Softplus(),
}
WEIGHT_NORMS: dict[str, Normaliser | None] = {
    "none": None,
    "learned": partial(WeightNorm, learned=True),
    "fixed": partial(WeightNorm, learned=False),
}
WEIGHTLESS = ("reshape", "norm")
"""Operations that learn nothing."""
_ALL = ("op", "norm", "act", "slope", "order", "noise", "dropout", "pool", "feature")
_LEARNED = (*_ALL, "units", "bias", "init")
_HELD = (*_LEARNED, "spectral", "weight_norm")
_PLACED = ("kernel", "stride", "pad")
KEYS: dict[str, tuple[str, ...]] = {
    "dense": _HELD,
    "conv": (*_HELD, *_PLACED),
    "conv_transpose": (*_LEARNED, *_PLACED, "size"),
    "residual": tuple(key for key in (*_LEARNED, "kernel", "resample") if key not in ("order", "bias")),
    "reshape": (*_ALL, "units"),
    "norm": _ALL,
}
"""What a row of each operation can say."""

WORDS: dict[str, Sequence[str]] = {
    "op": tuple(KEYS),
    "norm": tuple(NORMS),
    "act": tuple(ACTIVATIONS),
    "order": ("norm_act", "act_norm"),
    "pad": ("same", "valid"),
    "resample": ("none", "down", "up"),
    "init": ("", *INITIALISERS),
    "weight_norm": tuple(WEIGHT_NORMS),
}
"""Keys whose values are words, and which."""


@dataclass(frozen=True)
class Row:
    """One row of a layer table; the keys are explained in the module's docstring."""

    op: str
    units: int | tuple[int, ...] = 0
    kernel: int = 4
    stride: int = 2
    pad: str = "same"
    size: tuple[int, int] | None = None
    resample: str = "none"
    noise: float = 0.0
    norm: str = "none"
    act: str = "linear"
    slope: float = 0.2
    pool: int = 1
    dropout: float = 0.0
    order: str = "norm_act"
    bias: bool = True
    init: str = ""
    spectral: bool = False
    weight_norm: str = "none"
    feature: bool = False

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Check a mapping and make it a row; raises `InvalidParameter` naming the key."""
        known = [f.name for f in fields(cls)]
        for key in row:
            if key not in known:
                raise InvalidParameter(f"layer table: {unknown_name('key', key, known)}")
        for key, allowed in WORDS.items():
            value = row.get(key, getattr(cls, key, None))
            if value not in allowed:
                raise InvalidParameter(f"layer table: {unknown_name(key, value, allowed)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        if "units" not in values and row["op"] != "norm":
            raise InvalidParameter(f"layer table: a row needs `units`, got {dict(row)}")
        made = cls(**values)
        made.check()
        return made

    def check(self) -> None:
        """Raise `InvalidParameter` for keys that no layer has together."""
        for key in fields(self):
            if key.name not in KEYS[self.op] and getattr(self, key.name) != key.default:
                known = ", ".join(KEYS[self.op][1:])
                raise InvalidParameter(f"layer table: a {self.op} row has no use for `{key.name}`; it may say {known}")
        if self.op == "norm" and self.norm == "none" and self.act == "linear":
            raise InvalidParameter("layer table: a norm row needs `norm` or `act`, or it does nothing")
        if self.size and self.pad == "valid":
            raise InvalidParameter("layer table: pad='valid' and `size`: each says what a conv_transpose ends with")
        if self.spectral and self.weight_norm != "none":
            raise InvalidParameter("layer table: spectral=true and weight_norm: a weight is normalised in one way")
        if self.init == "identity" and self.op != "dense":
            raise InvalidParameter(f"layer table: init='identity': a {self.op} row has no square weight")

    @property
    def normaliser(self) -> Normaliser | None:
        """What normalises the weight."""
        return Spectral if self.spectral else WEIGHT_NORMS[self.weight_norm]


Table = Sequence[Row]


@dataclass(frozen=True)
class Maker:
    """What every layer of one network is made with."""

    init: Initialiser
    rngs: Sequence[torch.Generator]
    noise: Callable[[int], Tensor]
    """Latent vectors from the prior, (count, latent_dim): for buffers that a score starts from."""
