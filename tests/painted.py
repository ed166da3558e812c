"""A small folder of pictures, drawn and run as a benchmark, for the tests of the report."""

from pathlib import Path

import numpy as np
from PIL import Image

from ringfence.benchmark import FolderBench, Setting, plan, run
from ringfence.views import Patches


def paint(folder: Path) -> Path:
    """Write stripes of several sizes in the MVTec layout; an anomaly has a bright spot, and one has no mask."""
    rng = np.random.default_rng(0)
    plain = [f"train/good/{at}.png" for at in range(4)] + [f"test/good/{at}.png" for at in range(3)]
    spots = {"spot": 3, "stain": 1}
    for at, name in enumerate([*plain, *(f"test/{group}/{at}.png" for group, n in spots.items() for at in range(n))]):
        height, width = 30 + 3 * at, 200 if at == 4 else 44
        pixels = 90 + 40 * (np.indices((height, width))[1] // 4 % 2) + rng.integers(0, 12, (height, width))
        mask = np.zeros((height, width), dtype=bool)
        if "good" not in name:
            mask[8 : 8 + at, 10:22] = True
        pixels[mask] = 250
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        if mask.any() and "stain" not in name:
            path = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
    return folder


def benched(out: Path, pictures: Path) -> Path:
    """Run two methods, one that reconstructs and one that does not, for one epoch."""
    bench = FolderBench.of(paint(pictures), Patches(16, 16, 16))
    jobs = plan("folder", ["egbad", "fencegan"], changes={"epochs": 1}, bench=bench)
    records = run(jobs, out, Setting(None, "ringfence benchmark folder"))
    assert {record["status"] for record in records} == {"ok"}
    return out
