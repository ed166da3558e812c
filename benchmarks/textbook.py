"""Loops as tutorials write them: what a user would have without the library, kept here as reference code.

`nn.Sequential`, `nn.Linear`, `torch.optim.Adam` as it comes, `BCEWithLogitsLoss`, a `DataLoader` that shuffles a
`TensorDataset`, and the losses of every step read out with `.item()`.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

BETAS = (0.5, 0.999)


class PairDiscriminator(nn.Module):
    """D(x, z) of EGBAD's KDD99 tables: a branch for x, one for z, joined."""

    def __init__(self, x: int, z: int, width: int, joint: int) -> None:
        super().__init__()
        self.x = nn.Sequential(nn.Linear(x, width), nn.LeakyReLU(0.1), nn.Dropout(0.2))
        self.z = nn.Sequential(nn.Linear(z, width), nn.LeakyReLU(0.1), nn.Dropout(0.2))
        self.joint = nn.Sequential(nn.Linear(2 * width, joint), nn.LeakyReLU(0.1), nn.Dropout(0.2), nn.Linear(joint, 1))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Logit of each pair."""
        logit: Tensor = self.joint(torch.cat([self.x(x), self.z(z)], dim=1))
        return logit


def loaded(rows: Tensor, batch: int) -> Iterator[Tensor]:
    """Batches for ever, from a DataLoader."""
    loader = DataLoader(TensorDataset(rows), batch_size=batch, shuffle=True)
    while True:
        for (x,) in loader:
            yield x


def sliced(rows: Tensor, batch: int) -> Iterator[Tensor]:
    """Batches for ever, without a DataLoader: what a user does who has found it to be slow."""
    while True:
        order = torch.randperm(len(rows))
        for start in range(0, len(rows), batch):
            yield rows[order[start : start + batch]]


def follow(averaged: Sequence[nn.Module], networks: Sequence[nn.Module], decay: float) -> None:
    """Moving average of all weights."""
    with torch.no_grad():
        for mean, net in zip(averaged, networks, strict=True):
            for kept, new in zip(mean.parameters(), net.parameters(), strict=True):
                kept.mul_(decay).add_(new, alpha=1.0 - decay)


def egbad(
    batches: Iterable[Tensor], latent: int, networks: Sequence[nn.Module], lr: float = 1e-5, average: float = 0.0
) -> Iterator[None]:
    """EGBAD: updates of D, of G and of E, each with its own Adam and its own pass, G and E on fresh noise.

    As published, with the moving average of the weights where `average` is its decay. What D is shown is detached, as
    PyTorch's own tutorial on GANs does it.
    """
    averaged = [copy.deepcopy(net) for net in networks]
    generator, encoder, discriminator = networks
    of_d, of_g, of_e = (torch.optim.Adam(net.parameters(), lr=lr, betas=BETAS)
                        for net in (discriminator, generator, encoder))  # fmt: skip
    criterion = nn.BCEWithLogitsLoss()
    history: dict[str, list[float]] = {"d": [], "g": [], "e": []}
    for x in batches:
        ones, zeros = torch.ones(len(x), 1), torch.zeros(len(x), 1)

        of_d.zero_grad()
        z = torch.randn(len(x), latent)
        code, fake = encoder(x), generator(z)
        loss_d = criterion(discriminator(x, code.detach()), ones) + criterion(discriminator(fake.detach(), z), zeros)
        loss_d.backward()
        of_d.step()

        of_g.zero_grad()
        z = torch.randn(len(x), latent)
        loss_g = criterion(discriminator(generator(z), z), ones)
        loss_g.backward()
        of_g.step()

        of_e.zero_grad()
        loss_e = criterion(discriminator(x, encoder(x)), zeros)
        loss_e.backward()
        of_e.step()

        for name, loss in (("d", loss_d), ("g", loss_g), ("e", loss_e)):
            history[name].append(loss.item())
        if average:
            follow(averaged, networks, average)
        yield


def inversion(
    generator: nn.Module, features: nn.Module, x: Tensor, start: Tensor, rate: Callable[[int], float], steps: int
) -> float:
    """AnoGAN's search for one row, (1, …), as its public codes have it; the networks need no gradients already.

    Returns the loss at the end.
    """
    z = start.clone().requires_grad_()
    optimiser = torch.optim.Adam([z], lr=rate(0))
    seen = features(x)

    def objective() -> Tensor:
        made = generator(z)
        return 0.9 * (x - made).abs().sum() + 0.1 * (seen - features(made)).abs().sum()

    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        optimiser.zero_grad()
        objective().backward()
        optimiser.step()
    return objective().item()
