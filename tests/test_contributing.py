"""The method that CONTRIBUTING.md walks through is one: its very code, outside of the package, passes all checks."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from ringfence.checks import check_detector
from ringfence.detector import Detector
from ringfence.registry import _METHODS, method_named

pytestmark = pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")

TEXT = (Path(__file__).resolve().parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
DIGITS = load_digits()


@pytest.fixture
def toy(tmp_path: Path) -> Iterator[type[Detector]]:
    """The class of the walk-through, from a file of its own; gone from the catalogue afterwards."""
    path = tmp_path / "somebodys_denoiser.py"
    path.write_text(CODE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # a dataclass looks its own module up
    try:
        spec.loader.exec_module(module)
        yield method_named("toy_denoiser")
    finally:
        _METHODS.pop("toy_denoiser", None)
        del sys.modules[path.stem]


@pytest.mark.parametrize("rows", [DIGITS.data[:40], DIGITS.images[:40]], ids=["table", "image"])
def test_the_method_of_the_walk_through_passes_every_check(toy: type[Detector], rows: np.ndarray) -> None:
    check_detector(toy(epochs=2, batch_size=16, latent_dim=4), rows)


def test_the_method_of_the_walk_through_learns(toy: type[Detector]) -> None:
    odd = DIGITS.target == 3
    normal = DIGITS.data[~odd]
    train, test = normal[:1000], np.concatenate([normal[1000:], DIGITS.data[odd]])
    truth = np.arange(len(test)) >= len(normal) - 1000
    det = toy(epochs=20, latent_dim=8, random_state=0)
    untrained = roc_auc_score(truth, det.fit_untrained(train).anomaly_score(test))
    assert roc_auc_score(truth, det.fit(train).anomaly_score(test)) > untrained + 0.1


def test_every_step_of_the_walk_through_is_explained() -> None:
    marked = [int(n) for n in re.findall(r"  # (\d)$", CODE, re.M)]
    explained = [int(n) for n in re.findall(r"^(\d)\. ", TEXT, re.M)]
    assert marked == explained == list(range(1, len(marked) + 1))
