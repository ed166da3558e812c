"""GANomaly on 32×32 images with one channel: networks of the released code, and a loop as a textbook writes it."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ringfence.presets import parameters

from .textbook import BETAS

SIDE, LATENT, MAPS = 32, 100, 64


def layers() -> Mapping[str, Any]:
    """The preset's tables; those of the generator are for 28 pixels, and without a size each level doubles."""
    made = copy.deepcopy(parameters("ganomaly", "mnist", "released")["layers"])
    for row in made["generator"]:
        row.pop("size", None)
    return made  # type: ignore[no-any-return]


def down() -> list[nn.Module]:
    """The pyramid of encoders and of D."""
    found: list[nn.Module] = []
    for level, (inputs, maps) in enumerate(((1, MAPS), (MAPS, 2 * MAPS), (2 * MAPS, 4 * MAPS))):
        found += [nn.Conv2d(inputs, maps, 4, 2, 1, bias=False)]
        found += [nn.BatchNorm2d(maps)] if level else []
        found += [nn.LeakyReLU(0.2)]
    return found


def networks() -> tuple[nn.Module, nn.Module, nn.Module, nn.Module]:
    """G_E, G_D, E and D; D in two, its features and what follows them."""
    torch.manual_seed(0)

    def encoder() -> nn.Module:
        return nn.Sequential(*down(), nn.Conv2d(4 * MAPS, LATENT, 4, 1, 0, bias=False))

    decoder = [nn.ConvTranspose2d(LATENT, 4 * MAPS, 4, 1, 0, bias=False), nn.BatchNorm2d(4 * MAPS), nn.ReLU()]
    for inputs, maps in ((4 * MAPS, 2 * MAPS), (2 * MAPS, MAPS)):
        decoder += [nn.ConvTranspose2d(inputs, maps, 4, 2, 1, bias=False), nn.BatchNorm2d(maps), nn.ReLU()]
    decoder += [nn.ConvTranspose2d(MAPS, 1, 4, 2, 1, bias=False), nn.Tanh()]
    head = nn.Sequential(nn.Flatten(), nn.Linear(16 * 4 * MAPS, 1, bias=False))
    return encoder(), nn.Sequential(*decoder), encoder(), nn.ModuleList([nn.Sequential(*down()), head])


def train(batches: Iterable[Tensor], nets: tuple[nn.Module, ...]) -> Iterator[None]:
    """GANomaly as its released code trains: G by D's features, λ = 50 and the codes; then D on rows and remade ones."""
    encoder, decoder, second, judge = nets
    features, head = judge  # type: ignore[misc]
    of_g = torch.optim.Adam([p for n in (encoder, decoder, second) for p in n.parameters()], lr=2e-4, betas=BETAS)
    of_d = torch.optim.Adam(judge.parameters(), lr=2e-4, betas=BETAS)
    squared, absolute, criterion = nn.MSELoss(), nn.L1Loss(), nn.BCEWithLogitsLoss()
    history: list[float] = []
    for x in batches:
        z = encoder(x)
        fake = decoder(z)
        again = second(fake)
        of_g.zero_grad()
        loss_g = squared(features(fake), features(x)) + 50 * absolute(fake, x) + squared(again, z)
        loss_g.backward()
        of_g.step()

        of_d.zero_grad()
        real, made = head(features(x)), head(features(fake.detach()))
        loss_d = criterion(real, torch.ones_like(real)) + criterion(made, torch.zeros_like(made))
        loss_d.backward()
        of_d.step()
        history += [loss_g.item(), loss_d.item()]
        yield
