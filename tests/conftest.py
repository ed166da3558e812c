"""What the tests share: real data, where there is any."""

import os
from pathlib import Path

import numpy as np
import pytest

from ringfence.data import Kdd99, load_kdd99, load_mnist


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: RINGFENCE_DATA, else ../shared/data beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("RINGFENCE_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there; set RINGFENCE_DATA to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def kdd99(data_dir: Path) -> Kdd99:
    if not any(data_dir.rglob("kddcup.data_10_percent*")):
        pytest.skip(f"no KDD 99 file in {data_dir}")
    return load_kdd99(data_dir)


@pytest.fixture(scope="session")
def mnist(data_dir: Path) -> tuple[np.ndarray, np.ndarray]:
    if not any(data_dir.rglob("train-images-idx3-ubyte.gz")):
        pytest.skip(f"no MNIST files in {data_dir}")
    return load_mnist(data_dir)
