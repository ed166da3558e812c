"""Minibatch discrimination: a layer that compares each row with those of its batch, or with rows kept for scoring."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .axis import Initialiser
from .layers import Linear


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
