"""A folder larger than memory: what a fit holds at a time is bounded, however many pictures there are."""

import json
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIDE = 256
GIB = 2**30

# Fits, scores a part and says what that took of memory and time. The peak is the kernel's "high water mark" of this
# process where there is one: on Linux `ru_maxrss` is never below what the process that started this one held.
CHILD = """
import json, resource, sys, time
from pathlib import Path
import ringfence
from ringfence import FenceGAN, PictureDetector, Resize, picture_rows
from ringfence.data.picture_files import PictureFiles
from ringfence.data.pictures import read_picture_folder

def peak():
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(next(l for l in status.read_text().splitlines() if l.startswith("VmHWM")).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

folder, limit = sys.argv[1], int(sys.argv[2])
picture_rows.CACHED_BYTES = limit or picture_rows.CACHED_BYTES
decoded, read = [0], PictureFiles.read
def counted(self, at):
    decoded[0] += 1
    return read(self, at)
PictureFiles.read = counted
begun = time.perf_counter()
files = PictureFiles(read_picture_folder(folder).files)
found = time.perf_counter()
detector = FenceGAN(epochs=1, batch_size=64, latent_dim=8, random_state=0)
small = PictureDetector(detector, Resize(32, 32)).fit(files.take(range(200)))
before, decoded[0] = peak(), 0
start = time.perf_counter()
fitted = PictureDetector(detector, Resize(32, 32), workers=2).fit(files)
end = time.perf_counter()
fit = decoded[0]
scores = fitted.anomaly_score(files.take(range(0, len(files), 10)))
print(json.dumps({
    "pictures": len(files), "found_s": found - begun, "fit_s": end - start, "score_s": time.perf_counter() - end,
    "decoded": fit, "before": before, "peak": peak(), "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "different": len(set(scores)), "scored": len(scores),
}))
"""


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def write_picture(path: Path, number: int, channels: int) -> None:
    """A smooth PNG that no other number has, written without a library for the sake of speed."""
    down, across = np.linspace(0, 90 + number % 37, SIDE), np.linspace(0, 40 + number // 37 % 41, SIDE)
    grey = np.add.outer(down + number // 1517, across).astype(np.uint8)
    pixels = grey if channels == 1 else np.stack([grey, grey // 2, 255 - grey], 2)
    lines = np.zeros((SIDE, 1 + SIDE * channels), np.uint8)
    lines[:, 1:] = pixels.reshape(SIDE, -1)
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2 if channels == 3 else 0, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)


def fitted_in_a_child(folder: Path, count: int, channels: int, cached: int) -> dict[str, Any]:
    folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda at: write_picture(folder / f"{at:05}.png", at, channels), range(count)))
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(cached)], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    found: dict[str, Any] = json.loads(child.stdout)
    sys.stdout.write(f"{found}\n")  # shown with -rP: the measurement itself
    assert found["pictures"] == count
    assert found["different"] > found["scored"] // 2
    return found


def test_a_fit_holds_a_few_pictures_and_not_the_folder(tmp_path: Path) -> None:
    # 2,000 grey pictures take 2,000 · 256² · 4 B = 500 MiB as float32, and 125 MiB as bytes; the rows made of them,
    # 8 MiB, are more than may be kept.
    found = fitted_in_a_child(tmp_path / "pictures", 2_000, 1, cached=2**20)
    assert found["peak"] - found["before"] < 100 * 2**20
    assert found["decoded"] > 2 * 2_000, "nothing was dropped: the bound was not felt"


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_twenty_thousand_pictures_stay_under_a_gibibyte_and_a_half(tmp_path: Path) -> None:
    # As float32 all of them would take 20,000 · 3 · 256² · 4 B = 14.6 GiB, as bytes 3.7 GiB.
    # Measured: 993 MiB, 549 of them before the first of these pictures is read.
    found = fitted_in_a_child(tmp_path / "pictures", 20_000, 3, cached=0)
    assert found["peak"] < 1.5 * GIB
    assert found["decoded"] == 20_000
