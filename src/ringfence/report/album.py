"""Pictures side by side: what came in, what the method makes of it, where it sees the anomaly, and the truth."""

from typing import NamedTuple

import numpy as np

from .figures import png
from .heat import heat, shown
from .runs import Array, Run


class Tile(NamedTuple):
    """One picture and what it shows."""

    what: str
    address: str
    width: int
    height: int


class Strip(NamedTuple):
    """The tiles of one test picture."""

    name: str
    group: str
    why: str
    score: float
    anomalous: bool
    tiles: tuple[Tile, ...]
    note: str


class Scale(NamedTuple):
    """A map and the value that is white."""

    map: str
    end: float


def scales(run: Run) -> tuple[Scale, ...]:
    """Return the maps of a run, each with the end of its colour scale."""
    if run.album is None:
        return ()
    return tuple(Scale(str(m), float(end)) for m, end in zip(run.album["maps"], run.album["ends"], strict=True))


def strips(run: Run) -> tuple[Strip, ...]:
    """Return the pictures that a run has kept, in its order."""
    if run.album is None:
        return ()
    return tuple(_strip(run.album, at, [scale.map for scale in scales(run)]) for at in range(len(run.album["name"])))


def _strip(album: dict[str, Array], at: int, maps: list[str]) -> Strip:
    tiles = [_tile("input", shown(album[f"{at}_picture"] / 255))]
    if f"{at}_remade" in album:
        tiles.append(_tile("reconstruction", shown(album[f"{at}_remade"] / 255)))
    tiles += [_tile(f"{name} map", heat(album[f"{at}_map_{name}"][0], 255)) for name in maps]
    mask = album.get(f"{at}_mask")
    if mask is not None:
        tiles.append(_tile("mask", shown(mask / 255)))
    return Strip(
        str(album["name"][at]),
        str(album["group"][at]),
        str(album["why"][at]),
        float(album["score"][at]),
        bool(album["anomaly"][at]),
        tuple(tiles),
        "no pixel is marked in a mask" if mask is None else "",
    )


def _tile(what: str, pixels: Array) -> Tile:
    height, width = pixels.shape[:2]
    return Tile(what, png(np.ascontiguousarray(pixels)), width, height)
