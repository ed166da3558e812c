"""Pictures that a run leaves for the report: small, 8 bits, with what the method makes of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from ..picture_detector import PictureDetector
from .bench import Arrays

if TYPE_CHECKING:
    from .pictures import Task

HIGHEST: Final = 8
"""Pictures with the highest scores that are kept."""

SIDE: Final = 160
"""Longest side of a kept picture, in pixels."""

NORMAL_QUANTILES: Final = (0.25, 0.5, 0.75)


def chosen(scores: NDArray[np.float64], anomaly: NDArray[np.bool_], groups: Sequence[str]) -> dict[int, str]:
    """Return the numbers of the pictures to keep and why, each once.

    The highest scores; since these are a choice of what went well, also the middle one of every defect; and normal
    ones to compare with, at the quartiles of their scores.
    """
    order = np.argsort(-scores, kind="stable")
    found = {int(at): "highest" for at in order[:HIGHEST]}
    for group in sorted({group for group, odd in zip(groups, anomaly, strict=True) if odd}):
        of_group = [int(at) for at in order if groups[at] == group]
        found.setdefault(of_group[len(of_group) // 2], f"middle of {group}")
    normal = [int(at) for at in order[::-1] if not anomaly[at]]
    for quantile in NORMAL_QUANTILES:
        found.setdefault(normal[round(quantile * (len(normal) - 1))], "normal")
    return found


def album(
    det: PictureDetector,
    task: "Task",
    scores: NDArray[np.float64],
    maps: Sequence[Mapping[str, NDArray[np.float32]]],
) -> Arrays:
    """Keep some test pictures with reconstruction, maps and mask, as arrays of uint8 at most `SIDE` pixels long.

    A map is 255 at and beyond `map_scale_`, which training pictures have fixed.
    """
    kept = chosen(scores, task.anomaly, task.groups)
    pictures = task.test.take(list(kept))
    remade = det.reconstruct(pictures) if hasattr(det.detector_, "reconstruct") else None
    arrays: Arrays = {
        "album_name": np.array(pictures.names),
        "album_group": np.array([task.groups[at] for at in kept]),
        "album_why": np.array(list(kept.values())),
        "album_score": scores[list(kept)],
        "album_anomaly": task.anomaly[list(kept)],
        "album_maps": np.array(list(det.map_scale_)),
        "album_ends": np.array(list(det.map_scale_.values())),
    }
    for i, at in enumerate(kept):
        mask = task.masks[at]
        arrays[f"album_{i}_picture"] = _bytes(pictures.read(i))
        if remade is not None:
            arrays[f"album_{i}_remade"] = _bytes(remade[i])
        if mask is not None:
            arrays[f"album_{i}_mask"] = _bytes(mask[None])
        for name, end in det.map_scale_.items():
            arrays[f"album_{i}_map_{name}"] = _bytes(maps[at][name][None] / (end or 1.0))
    return arrays


def _bytes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """(channels, h, w) with values from 0 to 1 → the same, smaller, from 0 to 255; what lies beyond is cut."""
    given = torch.from_numpy(np.array(values, dtype=np.float32))[None]
    factor = min(1.0, SIDE / max(given.shape[2:]))
    if factor < 1:
        size = [max(1, round(side * factor)) for side in given.shape[2:]]
        given = torch.nn.functional.interpolate(given, size=size, mode="bilinear", align_corners=False, antialias=True)
    found: NDArray[np.uint8] = (given[0].clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return found
