"""A killed fit goes on and ends with the same bits; a run of anything else is refused."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringfence import EGBAD, GAN, FenceGAN, checkpoint, persist
from ringfence.detector import Detector
from ringfence.exceptions import InvalidModel

X = np.random.default_rng(0).normal(size=(60, 6))
LAYERS = {
    "generator": [
        {"op": "dense", "units": 8, "norm": "batch", "act": "relu", "dropout": 0.2},
        {"op": "dense", "units": 6},
    ],
    "discriminator": [
        {"op": "dense", "units": 8, "norm": "batch", "act": "leaky_relu", "dropout": 0.2},
        {"op": "dense", "units": 1},
    ],
}


def fence(**changes: Any) -> Detector:
    """Two stages, an optimiser that is shared, batch norm and dropout."""
    settings = {"pretrain_epochs": 4, "apart": True, "decay": 1e-3, "layers": LAYERS, "epochs": 8}
    return FenceGAN(**{"batch_size": 10, "latent_dim": 3, "random_state": 0, **settings, **changes})


def egbad(**changes: Any) -> Detector:
    return EGBAD(**{"batch_size": 10, "latent_dim": 3, "epochs": 14, "own_rows": True, "random_state": 0, **changes})


def ends(det: Detector) -> tuple[dict[str, bytes], str, bytes, float]:
    """Weights, history with its order, scores and cut."""
    weights = {k: v.numpy().tobytes() for k, v in det.nets_.state_dict().items()}
    return weights, repr(det.history_), det.anomaly_score(X).tobytes(), det.offset_


def in_a_child(work: Callable[[], None], after: float | None) -> int:
    """Do `work` in a forked child, killed with signal 9 after some seconds; what `os.waitpid` says of its end."""
    child = os.fork()
    if not child:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def kept_often(det: Detector, folder: Path) -> None:
    """Fit with a run kept after every step."""
    checkpoint.LEAST_PAUSE, checkpoint.SHARE = 0.0, 0.0
    det.fit(X, checkpoint=folder)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("make", [fence, egbad])
def test_a_fit_killed_at_random_moments_ends_with_the_same_bits(make: Callable[..., Detector], tmp_path: Path) -> None:
    expected = ends(make().fit(X))
    begun = time.monotonic()
    assert in_a_child(lambda: kept_often(make(), tmp_path / "whole"), None) == 0
    took = time.monotonic() - begun
    assert ends(make().fit(X, checkpoint=tmp_path / "whole")) == expected
    rng, kills, found = random.Random(0), 0, 0
    folder = tmp_path / "run"
    while kills < 20:
        if in_a_child(lambda: kept_often(make(), folder), rng.uniform(0.05, 0.4) * took) != signal.SIGKILL:
            # It came to its end before it was killed: begin again.
            assert ends(make().fit(X, checkpoint=folder)) == expected
            persist.remove(folder)
            continue
        kills += 1
        found += persist.is_kept(folder)
        # Whatever is there is whole.
        if persist.is_kept(folder):
            persist.read_folder(folder, "checkpoint")
    assert found >= 10, "hardly a kill came after the first keeping"
    assert ends(make().fit(X, checkpoint=folder)) == expected
    # What killed writers left is gone, once another has written.
    assert {p.name for p in tmp_path.iterdir()} == {"whole", "run"}


class Stop(Exception):
    """Stands for a kill, in the same process."""


def cut_short(det: Detector, folder: Path, keepings: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit with a run kept after every step, and stop after so many."""
    monkeypatch.setattr(checkpoint, "LEAST_PAUSE", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 0.0)
    save, count = checkpoint.Keeper.save, [0]

    def counted(self: Any, *args: Any) -> None:
        save(self, *args)
        count[0] += 1
        if count[0] == keepings:
            raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.Keeper, "save", counted)
        with pytest.raises(Stop):
            det.fit(X, checkpoint=folder)


@pytest.mark.parametrize("keepings", [1, 24, 25, 71])
def test_a_fit_cut_at_any_step_goes_on(keepings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 4 epochs of 6 steps, then 8 of 6: step 24 closes the first stage.
    cut_short(fence(), tmp_path / "run", keepings, monkeypatch)
    facts, _ = persist.read_folder(tmp_path / "run", "checkpoint")
    run = facts["run"]
    assert (24 if run["stage"] else 0) + run["epoch"] * 6 + run["position"] == keepings
    assert ends(fence().fit(X, checkpoint=tmp_path / "run")) == ends(fence().fit(X))


def test_a_resumed_fit_does_not_begin_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short(fence(), tmp_path / "run", 60, monkeypatch)
    moves: list[int] = []
    loss = FenceGAN.real_loss
    monkeypatch.setattr(FenceGAN, "real_loss", lambda *a: moves.append(1) or loss(*a))
    fence().fit(X, checkpoint=tmp_path / "run")
    assert len(moves) == 72 - 60


def test_a_finished_run_is_not_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ends(fence().fit(X, checkpoint=tmp_path / "run"))
    monkeypatch.setattr(FenceGAN, "real_loss", None)
    assert ends(fence().fit(X, checkpoint=tmp_path / "run")) == whole


def test_without_a_seed_the_resumed_fit_keeps_the_one_that_was_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_short(fence(random_state=None), tmp_path / "run", 40, monkeypatch)
    facts, _ = persist.read_folder(tmp_path / "run", "checkpoint")
    resumed = fence(random_state=None).fit(X, checkpoint=tmp_path / "run")
    assert resumed.seed_ == facts["seed"]
    assert [h["stage"] for h in resumed.history_] == ["pretrain"] * 4 + ["train"] * 8


def test_keeping_a_run_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "LEAST_PAUSE", 0.0)
    assert ends(egbad().fit(X, checkpoint=tmp_path / "run")) == ends(egbad().fit(X))


def test_a_run_is_kept_now_and_then_and_not_after_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    monkeypatch.setattr(checkpoint.Keeper, "save", lambda self, run, seed: saved.append(run.steps))
    monkeypatch.setattr(checkpoint, "LEAST_PAUSE", 1000.0)
    egbad().fit(X, checkpoint=tmp_path / "run")
    assert len(saved) == 1  # at the end


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        ({"lr": 2e-3}, X),
        ({"epochs": 2}, X),
        ({"random_state": 1}, X),
        ({"layers": None}, X),
        ({}, X + 1e-9),
        ({}, X[:-1]),
        ({}, X[::-1]),
        ({}, X.astype(np.float32)),
    ],
    ids=["lr", "epochs", "seed", "layers", "other rows", "fewer rows", "other order", "other type"],
)
def test_a_run_of_anything_else_is_refused_in_one_line(change: dict[str, Any], rows: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    fence(epochs=1, pretrain_epochs=0).fit(X, checkpoint=folder)
    before = (folder / persist.MANIFEST).read_bytes()
    with pytest.raises(InvalidModel, match="of other rows, hyperparameters, device, number of threads or") as caught:
        fence(**{"epochs": 1, "pretrain_epochs": 0, **change}).fit(rows, checkpoint=folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert (folder / persist.MANIFEST).read_bytes() == before


def test_another_method_is_refused_and_how_loud_it_is_does_not_matter(tmp_path: Path) -> None:
    GAN(epochs=1, random_state=0).fit(X, checkpoint=tmp_path)
    with pytest.raises(InvalidModel, match="other rows, hyperparameters"):
        FenceGAN(epochs=1, random_state=0).fit(X, checkpoint=tmp_path)
    GAN(epochs=1, random_state=0, verbose=1).fit(X, checkpoint=tmp_path)


def test_a_run_of_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    GAN(epochs=1, random_state=0).fit(X, checkpoint=tmp_path)
    monkeypatch.setattr(checkpoint, "__version__", "0.0.9")
    with pytest.raises(InvalidModel, match="or version of ringfence"):
        GAN(epochs=1, random_state=0).fit(X, checkpoint=tmp_path)


def test_a_run_with_another_number_of_threads_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    GAN(epochs=1, random_state=0).fit(X, checkpoint=tmp_path)
    # Sums are split among threads and rounded otherwise: going on would end with bits that no whole fit has.
    monkeypatch.setattr(checkpoint.torch, "get_num_threads", lambda: 97)
    with pytest.raises(InvalidModel, match="number of threads"):
        GAN(epochs=1, random_state=0).fit(X, checkpoint=tmp_path)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", [persist.MANIFEST, persist.WEIGHTS])
@pytest.mark.parametrize("damage", [half, flip, Path.unlink])
def test_a_damaged_run_is_refused_in_one_line(name: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    GAN(epochs=1, random_state=0).fit(X, checkpoint=tmp_path / "run")
    damage(tmp_path / "run" / name)
    with pytest.raises(InvalidModel) as caught:
        GAN(epochs=1, random_state=0).fit(X, checkpoint=tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "run") in str(caught.value)


def test_a_folder_of_something_else_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InvalidModel, match="no checkpoint folder"):
        GAN(epochs=1).fit(X, checkpoint=tmp_path)
    model = GAN(epochs=1).fit(X).save(tmp_path / "model")
    with pytest.raises(InvalidModel, match="holds a model, not a checkpoint"):
        GAN(epochs=1).fit(X, checkpoint=model)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    GAN(epochs=1).fit(X, checkpoint=tmp_path)
    assert (tmp_path / persist.MANIFEST).is_file()


@pytest.mark.parametrize("put_back", [False, True], ids=["nothing there", "an empty folder there"])
def test_a_kill_between_the_two_renamings_leaves_the_old_run_to_be_found(
    put_back: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    cut_short(fence(), folder, 20, monkeypatch)
    rename, calls = os.rename, [0]

    def second_fails(source: Any, target: Any) -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise Stop
        rename(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(persist.os, "rename", second_fails)
        # What a killed writer would clear away, it leaves.
        patch.setattr(persist.shutil, "rmtree", lambda *a, **k: None)
        with pytest.raises(Stop):
            fence().fit(X, checkpoint=folder)
    assert not folder.exists()
    if put_back:
        folder.mkdir()
    assert persist.is_kept(folder)
    facts, _ = persist.read_folder(folder, "checkpoint")
    assert facts["run"]["epoch"] * 6 + facts["run"]["position"] == 20
    assert ends(fence().fit(X, checkpoint=folder)) == ends(fence().fit(X))
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_removing_a_run_removes_what_is_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    GAN(epochs=1).fit(X, checkpoint=folder)
    shutil.copytree(folder, tmp_path / ".run.old")
    persist.remove(folder)
    assert not persist.is_kept(folder)
    assert not list(tmp_path.iterdir())
