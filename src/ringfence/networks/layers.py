"""Layers with a member axis: k networks of one shape side by side, k = 1 by default.

A batch is flat and member-major: rows 0…b−1 belong to member 0, b…2b−1 to member 1, and so on. Every weight has a
leading axis of length k; with k = 1 the layers cost what PyTorch's own cost. Each member draws its initial weights
and its dropout masks from its own generator, so that a member equals the single network of its seed.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Initialiser = Callable[[Tensor, int, int, torch.Generator], None]
"""Fills one member's weight in place, given fan-in, fan-out and the member's generator."""


def xavier(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """Glorot's uniform initialisation, U(±√(6 / (fan_in + fan_out))) ("Xavier" in the EGBAD paper, Tables 5 and 6)."""
    bound = math.sqrt(6.0 / (fan_in + fan_out))
    weight.uniform_(-bound, bound, generator=rng)


def normal_002(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """N(0, 0.02²), the DCGAN initialisation (EGBAD paper, Tables 3 and 4)."""
    weight.normal_(0.0, 0.02, generator=rng)


def he(weight: Tensor, fan_in: int, fan_out: int, rng: torch.Generator) -> None:
    """He's uniform initialisation for leaky ReLU, U(±√(6 / fan_in)): keeps the variance through deep stacks."""
    bound = math.sqrt(6.0 / fan_in)
    weight.uniform_(-bound, bound, generator=rng)


INITIALISERS: dict[str, Initialiser] = {"xavier": xavier, "normal_002": normal_002, "he": he}


def _drawn(
    shape: Sequence[int], fans: tuple[int, int], init: Initialiser, rngs: Sequence[torch.Generator]
) -> nn.Parameter:
    weight = torch.empty(len(rngs), *shape)
    for member, rng in zip(weight, rngs, strict=True):
        init(member, fans[0], fans[1], rng)
    return nn.Parameter(weight)


def _beside(x: Tensor, members: int) -> Tensor:
    """(k·b, c, …) → (b, k·c, …): members side by side as channel groups."""
    rows = x.view(members, -1, *x.shape[1:]).transpose(0, 1)
    return rows.reshape(rows.shape[0], -1, *x.shape[2:])


def _stacked(x: Tensor, members: int) -> Tensor:
    """(b, k·c, …) → (k·b, c, …): the inverse of :func:`_beside`."""
    rows = x.view(x.shape[0], members, -1, *x.shape[2:]).transpose(0, 1)
    return rows.reshape(-1, *rows.shape[2:])


class Spectral(nn.Module):
    """Spectral normalisation W / σ(W) (Miyato et al. 2018): σ by one step of power iteration, for each member its own.

    The step is kept only while the layer trains and `tracking` is on, as batch norm's statistics are, so that scoring
    changes nothing.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.tracking = True
        matrix = weight.detach().flatten(2)
        u = torch.ones(matrix.shape[:2])
        for _ in range(15):  # a start near the first singular vector; it follows the weight from there
            u = _step(matrix, u)[0]
        self.register_buffer("u", u)

    def forward(self, weight: Tensor) -> Tensor:
        """Divide each member's weight, (k, out, …), by its largest singular value."""
        matrix = weight.flatten(2)
        with torch.no_grad():
            u, v = _step(matrix, self.get_buffer("u"))
            if self.training and self.tracking:
                self.get_buffer("u").copy_(u)
        sigma = torch.einsum("ko,koi,ki->k", u, matrix, v)
        return weight / sigma.view(-1, *[1] * (weight.ndim - 1))


def _step(matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """One step of power iteration for each member: (k, out, in) and (k, out) → new u and v."""
    v = F.normalize(torch.einsum("koi,ko->ki", matrix, u), dim=1)
    return F.normalize(torch.einsum("koi,ki->ko", matrix, v), dim=1), v


class Linear(nn.Module):
    """x ↦ xWᵀ + b for each member; weight (k, out, in), bias (k, out) or None."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool,
        init: Initialiser,
        rngs: Sequence[torch.Generator],
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.members = len(rngs)
        self.weight = _drawn((outputs, inputs), (inputs, outputs), init, rngs)
        self.bias = nn.Parameter(torch.zeros(self.members, outputs)) if bias else None
        self.norm = Spectral(self.weight) if spectral else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (k·b, in) to (k·b, out)."""
        weight = self.weight if self.norm is None else self.norm(self.weight)
        if self.members == 1:
            return F.linear(x, weight[0], None if self.bias is None else self.bias[0])
        rows = x.view(self.members, -1, x.shape[-1])
        out = torch.bmm(rows, weight.transpose(1, 2))
        if self.bias is not None:
            out = out + self.bias[:, None, :]
        return out.reshape(-1, out.shape[-1])


class Conv2d(nn.Module):
    """Convolution; weight (k, out, in, h, w).

    `padding` is (left, right, top, bottom): TensorFlow's "same" may need more on one side.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        padding: tuple[int, int, int, int],
        *,
        bias: bool,
        init: Initialiser,
        rngs: Sequence[torch.Generator],
        spectral: bool = False,
    ) -> None:
        super().__init__()
        self.members, self.stride, self.padding = len(rngs), stride, padding
        fans = (inputs * kernel * kernel, outputs * kernel * kernel)
        self.weight = _drawn((outputs, inputs, kernel, kernel), fans, init, rngs)
        self.bias = nn.Parameter(torch.zeros(self.members, outputs)) if bias else None
        self.norm = Spectral(self.weight) if spectral else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (k·b, in, h, w) to (k·b, out, h', w')."""
        left, right, top, bottom = self.padding
        even = left == right and top == bottom
        weight = self.weight if self.norm is None else self.norm(self.weight)
        if self.members == 1 and x.shape[1] == 1:
            return self._columns(x if even else F.pad(x, self.padding), (top, left) if even else (0, 0), weight)
        if self.members > 1:
            x = _beside(x, self.members)
        out = F.conv2d(
            x if even else F.pad(x, self.padding),
            weight.flatten(0, 1),
            None if self.bias is None else self.bias.flatten(),
            stride=self.stride,
            padding=(top, left) if even else 0,
            groups=self.members,
        )
        return _stacked(out, self.members) if self.members > 1 else out

    def _columns(self, x: Tensor, padding: tuple[int, int], weight: Tensor) -> Tensor:
        """The same as one matrix product: twice as fast on CPUs where there is one input channel."""
        side, stride = weight.shape[-1], self.stride
        columns = F.unfold(x, side, padding=padding, stride=stride).transpose(1, 2)
        out = F.linear(columns, weight[0].flatten(1), None if self.bias is None else self.bias[0])
        height, width = ((n + 2 * p - side) // stride + 1 for n, p in zip(x.shape[2:], padding, strict=True))
        return out.transpose(1, 2).view(len(out), -1, height, width)


class ConvTranspose2d(nn.Module):
    """Transposed convolution to a stated height and width; weight (k, in, out, h, w).

    The surplus border is cropped as TensorFlow's "same" does: the smaller half before, the larger after.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        size_in: tuple[int, int],
        size_out: tuple[int, int],
        *,
        bias: bool,
        init: Initialiser,
        rngs: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        self.members, self.stride, self.size_out = len(rngs), stride, size_out
        surplus = [(n - 1) * stride + kernel - target for n, target in zip(size_in, size_out, strict=True)]
        self.padding = [max(s, 0) // 2 for s in surplus]
        self.output_padding = [max(2 * p - s, 0) for p, s in zip(self.padding, surplus, strict=True)]
        fans = (inputs * kernel * kernel, outputs * kernel * kernel)
        self.weight = _drawn((inputs, outputs, kernel, kernel), fans, init, rngs)
        self.bias = nn.Parameter(torch.zeros(self.members, outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (k·b, in, h, w) to (k·b, out, *size_out)."""
        if self.members == 1 and self.weight.shape[2] == 1:
            return self._columns(x)
        if self.members > 1:
            x = _beside(x, self.members)
        out = F.conv_transpose2d(
            x,
            self.weight.flatten(0, 1),
            None if self.bias is None else self.bias.flatten(),
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            groups=self.members,
        )[:, :, : self.size_out[0], : self.size_out[1]]
        return _stacked(out, self.members) if self.members > 1 else out

    def _columns(self, x: Tensor) -> Tensor:
        """The same as one matrix product: twice as fast on CPUs where there is one output channel."""
        height, width = self.size_out
        # The canvas before cropping; what lies outside the image is folded into a border and left out. A kernel that
        # is shorter than the stride leaves empty lines at the end, which `output_padding` counts.
        extra = [0 if p else e for p, e in zip(self.padding, self.output_padding, strict=True)]
        side = self.weight.shape[-1]
        whole = (
            (x.shape[2] - 1) * self.stride + side + extra[0],
            (x.shape[3] - 1) * self.stride + side + extra[1],
        )
        columns = self.weight[0].flatten(1).t() @ x.flatten(2)
        canvas = F.fold(columns, whole, side, stride=self.stride)
        top, left = self.padding
        out = canvas[:, :, top : top + height, left : left + width]
        return out if self.bias is None else out + self.bias[0][:, None, None]


class BatchNorm(nn.Module):
    """Batch normalisation over rows and pixels, for each member its own.

    In training mode it uses the batch's statistics; it writes the running ones only while `tracking` is on, which the
    training loop switches on for the networks of the player that moves.
    """

    def __init__(self, channels: int, *, momentum: float, eps: float, members: int, affine: bool = True) -> None:
        super().__init__()
        self.members, self.momentum, self.eps, self.tracking = members, momentum, eps, True
        self.weight = nn.Parameter(torch.ones(members, channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(members, channels)) if affine else None
        self.register_buffer("running_mean", torch.zeros(members, channels))
        self.register_buffer("running_var", torch.ones(members, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (k·b, c) or (k·b, c, h, w)."""
        write = self.training and self.tracking
        keep = write or not self.training
        out = F.batch_norm(
            _beside(x, self.members) if self.members > 1 else x,
            self.get_buffer("running_mean").flatten() if keep else None,
            self.get_buffer("running_var").flatten() if keep else None,
            None if self.weight is None else self.weight.flatten(),
            None if self.bias is None else self.bias.flatten(),
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )
        return _stacked(out, self.members) if self.members > 1 else out


TRACKING = (BatchNorm, Spectral)
"""Layers that write statistics while they train and their `tracking` is on."""


@contextmanager
def untracked(network: nn.Module) -> Iterator[None]:
    """Let a network write no statistics for a while: its passes there are no part of what it learns from."""
    writing = [layer for layer in network.modules() if isinstance(layer, TRACKING) and layer.tracking]
    for layer in writing:
        layer.tracking = False
    try:
        yield
    finally:
        for layer in writing:
            layer.tracking = True


class Minibatch(nn.Module):
    """Minibatch discrimination (Salimans et al. 2016, §3.2): how near each row's features are to those of its batch.

    With M_i = T f_i, which has `DIRECTIONS` values for each unit u::

        o(x_i)_u = Σ_j exp(−‖M_iu − M_ju‖₁)        over the rows j of the batch, i among them

    A generator whose rows are all alike gives itself away by it. While training, the batch is the one at hand, for each
    member its own. In evaluation mode a row is put among the rows that `remember` kept instead, and never sees those
    that happen to be judged with it: o is then 1, for the row itself, and a mean over the reference times the number of
    other rows that a batch had in training.

    Differs from the paper in: T is drawn as other weights are and not normalised, as the released code's is; the
    reference, of which the paper says nothing, as it scores no rows.
    """

    REFERENCE = 64
    """Rows that are kept."""
    DIRECTIONS = 5
    """Values of M for each unit, the released code's."""

    def __init__(self, inputs: int, units: int, *, init: Initialiser, rngs: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.members, self.units = len(rngs), units
        self.kernels = Linear(inputs, units * self.DIRECTIONS, bias=False, init=init, rngs=rngs)
        # Zero while training, and so is their moving average; `remember` fills them when training has ended.
        self.register_buffer("reference", torch.zeros(self.members, self.REFERENCE, units, self.DIRECTIONS))
        self.register_buffer("others", torch.zeros(self.members))

    def forward(self, features: Tensor) -> Tensor:
        """Map (k·b, inputs) to (k·b, units)."""
        rows = self._directions(features)
        if self.training:
            return self._nearness(rows, rows).sum(2).flatten(0, 1)
        near = self._nearness(rows, self.get_buffer("reference")).mean(2)
        return (1.0 + self.get_buffer("others")[:, None, None] * near).flatten(0, 1)

    def remember(self, features: Tensor, others: float) -> None:
        """Keep rows' features, (k·r, inputs), as the reference, and how many `others` a row had in its batches.

        The first `REFERENCE` rows of each member are kept; fewer are repeated until there are as many.
        """
        rows = self._directions(features)
        places = torch.arange(self.REFERENCE, device=rows.device) % rows.shape[1]
        self.get_buffer("reference").copy_(rows[:, places])
        self.get_buffer("others").fill_(others)

    def _directions(self, features: Tensor) -> Tensor:
        """M, (k, b, units, directions)."""
        made: Tensor = self.kernels(features)
        return made.view(self.members, -1, self.units, self.DIRECTIONS)

    @staticmethod
    def _nearness(rows: Tensor, others: Tensor) -> Tensor:
        """exp(−‖M_i − M_j‖₁) of all pairs: (k, b, u, d) and (k, r, u, d) → (k, b, r, u)."""
        return torch.exp(-(rows[:, :, None] - others[:, None]).abs().sum(-1))


class Dropout(nn.Module):
    """Sets a share of the inputs to zero while training and scales the rest by 1 / (1 − share).

    Masks come from `rngs`, one generator a member, lent by the training loop; without them the layer refuses to train.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.rngs: Sequence[torch.Generator] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Drop from (k·b, …) in training mode, the identity otherwise."""
        if not self.training:
            return x
        if self.rngs is None:
            raise RuntimeError("dropout draws only inside the training loop, which lends it its generators")
        shape = (x.shape[0] // len(self.rngs), *x.shape[1:])
        masks = [torch.rand(shape, generator=rng, device=x.device) for rng in self.rngs]
        kept = (masks[0] if len(masks) == 1 else torch.cat(masks)) >= self.share
        return x * kept / (1.0 - self.share)


class LeakyReLU(nn.Module):
    """max(x, slope · x)."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply to every value."""
        return F.leaky_relu(x, self.slope)


class Softmax(nn.Module):
    """Makes the logits of each category of a row probabilities; `heads` are their first columns and ends."""

    def __init__(self, heads: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.heads = tuple(heads)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, d) to (n, d): numbers, which come before the first head, stay as they are."""
        numbers = x[:, : self.heads[0][0]]
        return torch.cat([numbers, *(torch.softmax(x[:, start:end], 1) for start, end in self.heads)], 1)


class Offset(nn.Module):
    """x ↦ x − b for each member; bias (k, *shape), one for all rows of a member, 0 at first."""

    def __init__(self, shape: Sequence[int], members: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(members, *shape))

    def forward(self, x: Tensor) -> Tensor:
        """Shift (k·b, *shape)."""
        return (x.view(len(self.bias), -1, *x.shape[1:]) - self.bias[:, None]).view(x.shape)


class Reshape(nn.Module):
    """(n, …) → (n, *shape); `Reshape((-1,))` flattens."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Change the shape of every row."""
        return x.reshape(x.shape[0], *self.shape)
