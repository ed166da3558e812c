"""Rows that a view makes of pictures when they are asked for: order, memory, threads, files that change."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ringfence import GAN, PictureDetector, picture_rows
from ringfence.data.picture_files import PictureFiles
from ringfence.data.pictures import read_picture_folder
from ringfence.exceptions import InvalidData
from ringfence.game import stream
from ringfence.lazy import LazyRows, ScaledRows
from ringfence.picture_rows import WindowRows, packed, unpacked
from ringfence.pictures import Arrays, Pictures, as_pictures
from ringfence.preprocess import Preprocess
from ringfence.views import Pad, Patches, Resize, View

SIZES = [(20, 24), (16, 16), (33, 17), (40, 30), (11, 19)]
ALL: list[View] = [Resize(16, 16), Pad(40, 40), Patches(16, 16, 7)]
kinds = pytest.mark.parametrize("view", ALL, ids=lambda view: type(view).__name__)


def pictures(count: int = 12, channels: int = 1) -> list[np.ndarray]:
    """Every other one as files have it, of whole 255ths."""
    rng = np.random.default_rng(0)
    made = [rng.random((channels, *SIZES[at % len(SIZES)]), dtype=np.float32) for at in range(count)]
    return [np.divide(np.rint(p * 255), 255, dtype=np.float32) if at % 2 else p for at, p in enumerate(made)]


class Counted(Pictures):
    """Pictures that note which were read."""

    def __init__(self, given: list[np.ndarray]) -> None:
        self._inner = Arrays(given)
        self.sizes, self.names, self.channels = self._inner.sizes, self._inner.names, self._inner.channels
        self.read_: list[int] = []

    def read(self, at: int) -> np.ndarray:
        self.read_.append(at)
        return self._inner.read(at)

    def digest(self) -> str:
        return self._inner.digest()


def at_once(given: list[np.ndarray], view: View) -> np.ndarray:
    return np.concatenate([view.rows(picture) for picture in given])


# ---- rows ----------------------------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("workers", [1, 4])
def test_rows_come_in_the_order_that_they_are_asked_for(view: View, workers: int) -> None:
    given = pictures(channels=3)
    rows = WindowRows(Arrays(given), view, workers)
    expected = at_once(given, view)
    assert rows.shape == expected.shape
    assert len(rows) == len(expected)
    assert np.array_equal(rows.read(np.arange(len(rows))), expected)
    index = np.random.default_rng(1).integers(0, len(rows), 200)
    assert np.array_equal(rows.read(index), expected[index]), "any order, and some twice"
    assert rows.read(index[:0]).shape == (0, *rows.shape[1:])


@kinds
def test_a_pictures_rows_are_its_own(view: View) -> None:
    given = pictures()
    rows = WindowRows(Arrays(given), view)
    for at, picture in enumerate(given):
        assert np.array_equal(rows.read(rows.of(at)), view.rows(picture))
    several = np.concatenate([view.rows(given[at]) for at in (7, 2, 3)])
    assert np.array_equal(rows.read(rows.of(7, 2, 3)), several)
    assert len(rows.of()) == 0
    assert sum(rows.counts) == len(rows)


@kinds
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("limit", [0, 5_000, 10**9])
def test_the_rows_are_the_same_however_little_is_kept(
    view: View, workers: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_rows, "CACHED_BYTES", limit)
    given = pictures()
    source = Counted(given)
    rows, expected, rng = WindowRows(source, view, workers), at_once(given, view), np.random.default_rng(0)
    largest = max(p.nbytes for p in given) if not isinstance(view, Resize) else 4 * 16 * 16
    for _ in range(20):
        index = rng.integers(0, len(rows), 9)
        assert np.array_equal(rows.read(index), expected[index])
        held = sum(kept.nbytes for kept in rows._cache.values())
        assert rows._cached == held <= max(limit, largest * 40 * 40)
        assert held <= limit or len(rows._cache) == 1
    if limit == 10**9:
        assert len(source.read_) == len(set(source.read_)) == 12, "decoded twice though there was room"
    else:
        assert len(source.read_) > 12


def test_the_longest_unused_is_dropped_first(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [np.full((8, 8), at / 5 + 0.05, np.float32) for at in range(1, 5)]
    source = Counted(given)
    rows = WindowRows(source, Pad(8, 8))
    rows.read(np.array([0]))
    monkeypatch.setattr(picture_rows, "CACHED_BYTES", 3 * rows._cached)
    for at in (1, 2, 0, 3, 0, 2, 1):
        rows.read(np.array([at]))
    assert source.read_ == [0, 1, 2, 3, 1]


def test_no_more_pictures_are_held_at_a_time_than_threads_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_rows, "CACHED_BYTES", 0)
    made: list[int] = []
    finished: list[int] = []
    most = [0]

    class Watched(Arrays):
        def read(self, at: int) -> Any:
            made.append(at)
            most[0] = max(most[0], len(made) - len(finished))
            return super().read(at)

    class Noting(WindowRows):
        def _remember(self, owner: int, kept: Any) -> None:
            finished.append(owner)
            super()._remember(owner, kept)

    given = [np.random.default_rng(at).random((40, 40)) for at in range(50)]
    rows = Noting(Watched(given), Patches(16, 16, 8), 2)
    rows.read(np.array([rows.of(at)[0] for at in range(50)]))
    assert len(finished) == 50
    assert most[0] <= 2 * 2 + 1


def test_an_error_in_a_thread_reaches_the_reader() -> None:
    class Broken(Arrays):
        def read(self, at: int) -> Any:
            if at == 7:
                raise InvalidData("picture 7 is broken")
            return super().read(at)

    rows = WindowRows(Broken(pictures()), Resize(16, 16), 3)
    with pytest.raises(InvalidData, match="picture 7 is broken"):
        rows.read(np.arange(12))
    assert rows.read(np.arange(7)).shape == (7, 1, 16, 16)


def test_digests_tell_pictures_views_and_choices_apart() -> None:
    given = pictures()
    rows = WindowRows(Arrays(given), Resize(16, 16))
    others: list[LazyRows] = [
        WindowRows(Arrays(given), Resize(16, 17)),
        WindowRows(Arrays(given[1:]), Resize(16, 16)),
        WindowRows(Arrays(given).take([1, 0]), Resize(16, 16)),
        WindowRows(Arrays(given).take([0, 1]), Resize(16, 16)),
        rows.take(np.arange(3)),
    ]
    assert len({rows.digest(), *(other.digest() for other in others)}) == 6
    assert WindowRows(Arrays(given), Resize(16, 16)).digest() == rows.digest()


def test_batches_are_scaled_as_arrays_are() -> None:
    import torch

    given = pictures()
    rows, expected = WindowRows(Arrays(given), Resize(16, 16)), at_once(given, Resize(16, 16))
    prepared = Preprocess.fit(expected, "standard")
    scaled = ScaledRows(rows, prepared, torch.device("cpu"))
    whole = prepared.tensor(expected)
    index = torch.tensor([5, 0, 5, 11])
    assert torch.equal(scaled.index_select(0, index), whole[index])
    assert torch.equal(scaled[3:7], whole[3:7])
    assert torch.equal(scaled[9:99], whole[9:])
    assert len(scaled) == 12


# ---- fewer bytes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_pixels_of_files_are_kept_in_fewer_bytes_and_come_back_to_the_bit(kind: Any, top: int) -> None:
    every = np.divide(np.arange(top + 1, dtype=kind), top, dtype=np.float32)[None, None]
    kept = packed(every)
    assert kept.dtype == kind
    assert np.array_equal(unpacked(kept).view(np.uint32), every.view(np.uint32))


@pytest.mark.parametrize("values", [[0.1, 0.2], [0, 2], [-1, 0], [0, 1 / 7], [-0.0, 1]])
def test_other_pixels_are_kept_as_they_are(values: list[float]) -> None:
    given = np.array([[values]], dtype=np.float32)
    assert packed(given) is given
    assert unpacked(given) is given


# ---- files ---------------------------------------------------------------------------------------------------------


def folder_of(root: Path, count: int = 8, size: tuple[int, int] = (20, 24)) -> PictureFiles:
    rng = np.random.default_rng(0)
    for at in range(count):
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(root / f"{at}.png")
    return PictureFiles(read_picture_folder(root).files)


def other_picture(path: Path, size: tuple[int, int]) -> None:
    Image.fromarray(np.full(size, 77, np.uint8)).save(path)
    os.utime(path, ns=(10**18, 10**18))


def test_files_are_decoded_to_the_bit_by_any_number_of_threads(tmp_path: Path) -> None:
    files = folder_of(tmp_path)
    index = np.random.default_rng(0).integers(0, 8, 30)
    one, four = (WindowRows(files, Resize(16, 16), workers).read(index) for workers in (1, 4))
    assert np.array_equal(one, four)
    fits = [PictureDetector(GAN(epochs=2, random_state=0), Resize(16, 16), workers=w).fit(files) for w in (1, 4)]
    assert fits[0].history_ == fits[1].history_
    assert np.array_equal(*(det.anomaly_score(files) for det in fits))


@pytest.mark.parametrize("size", [(20, 24), (24, 20), (10, 10)])
@pytest.mark.parametrize("view", [Resize(16, 16), Patches(16, 16, 8)], ids=lambda v: type(v).__name__)
def test_a_file_that_changed_since_it_was_found_is_named(tmp_path: Path, size: tuple[int, int], view: View) -> None:
    files = folder_of(tmp_path)
    other_picture(tmp_path / "3.png", size)
    rows = WindowRows(files, view)
    with pytest.raises(InvalidData, match=r"3\.png' has changed since the folder was read") as caught:
        rows.read(np.arange(len(rows)))
    assert "\n" not in str(caught.value)
    assert list(files.faults()) == [3]
    assert PictureFiles(read_picture_folder(tmp_path).files).faults() == {}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), r"3\.png' is no longer there"),
        (lambda path: other_picture(path, (20, 24)), r"3\.png' has changed"),
        (lambda path: path.write_bytes(b"nothing"), r"3\.png' is damaged"),
    ],
)
def test_a_file_that_is_spoilt_between_epochs_is_named(
    tmp_path: Path, spoil: Any, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing is kept, so that every epoch reads the files again.
    monkeypatch.setattr(picture_rows, "CACHED_BYTES", 0)
    files, steps = folder_of(tmp_path), [0]
    fit = PictureDetector(GAN(epochs=4, batch_size=4, random_state=0), Resize(16, 16), workers=2)
    read = PictureFiles.read

    def counted(self: PictureFiles, at: int) -> Any:
        steps[0] += 1
        if steps[0] == 20:
            spoil(tmp_path / "3.png")
        return read(self, at)

    monkeypatch.setattr(PictureFiles, "read", counted)
    with pytest.raises(InvalidData, match=words) as caught:
        fit.fit(files)
    assert "\n" not in str(caught.value)


def test_a_folder_told_by_its_digest(tmp_path: Path) -> None:
    files = folder_of(tmp_path)
    again = PictureFiles(read_picture_folder(tmp_path).files)
    assert again.digest() == files.digest()
    assert PictureFiles(files.files, 3).digest() != files.digest()
    other_picture(tmp_path / "3.png", (20, 24))
    assert PictureFiles(files.files).digest() != files.digest()
    (tmp_path / "3.png").unlink()
    assert files.digest() == again.digest(), "of the files as they were found"


def test_pictures_in_memory_are_taken_in_every_form() -> None:
    stack = np.random.default_rng(0).random((3, 9, 11))
    for given in (stack, list(stack), tuple(stack[:, None]), stack[:, None], iter(stack)):
        taken = as_pictures(given)
        assert taken.sizes == [(9, 11)] * 3
        assert np.array_equal(taken.read(2)[0], stack[2].astype(np.float32))
    assert as_pictures(taken) is taken
    chosen = taken.take([2, 0])
    assert len(chosen) == 2
    assert chosen.names == ["picture 2", "picture 0"]
    assert np.array_equal(chosen.read(0), taken.read(2))


def test_an_epoch_over_windows_decodes_each_picture_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    given = [np.rint(rng.random((1, 40, 40)) * 255) / 255 for _ in range(60)]
    monkeypatch.setattr(picture_rows, "CACHED_BYTES", 20 * 2 * 40 * 40)
    counted = Counted([each.astype(np.float32) for each in given])
    rows = WindowRows(counted, Patches(16, 16, 8))
    some = rows.take(rows.of(*range(5, 60)))
    order = some.order(stream(0), stream(1)).numpy()
    assert np.array_equal(np.sort(order), np.arange(len(some)))
    for start in range(0, len(order), 32):
        some.read(order[start : start + 32])
    assert 55 <= len(counted.read_) <= 1.2 * 55
    assert len(set(counted.read_[:12])) > 8, "pictures come in a drawn order"
    assert WindowRows(counted, Resize(16, 16)).windows() is None
