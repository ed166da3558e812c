"""Folders of a manifest and tensors: how models and unfinished runs are kept. Nothing in them is executable.

A folder holds `manifest.json` (facts, format version, digests of the tensors' file and of itself) and
`weights.safetensors`. It is written under a temporary name and renamed, so that it is whole or not there.
"""

import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from safetensors.torch import save as tensor_bytes
from sklearn.base import BaseEstimator
from torch import Tensor

from . import __version__
from .columns import Columns
from .exceptions import InvalidModel, InvalidParameter
from .losses import ADVERSARIES, Adversary
from .members import Member
from .preprocess import Preprocess
from .registry import method_named

if TYPE_CHECKING:
    from .detector import Detector

FORMAT = 1
MANIFEST, WEIGHTS = "manifest.json", "weights.safetensors"


def save(detector: "Detector", folder: Path, pictures: Mapping[str, Any] | None = None) -> Path:
    """Write a fitted detector; the folder is replaced if it holds a ringfence model, and refused if anything else.

    `pictures` are the facts of the detector of pictures around it, if there is one.
    """
    prepared = detector.preprocess_
    names = getattr(detector, "feature_names_in_", None)
    facts = {
        "method": type(detector).name,
        # How loud a fit was says nothing about the model.
        "parameters": {k: v for k, v in plain(detector).items() if k != "verbose"},
        "shape": prepared.shape,
        "given": prepared.given,
        "columns": detector.columns_ and detector.columns_.facts(),
        "split": detector.split_,
        "pictures": pictures,
        "seed": detector.seed_,
        # A float goes through JSON as its shortest exact decimal, and comes back to the bit.
        "offset": detector.offset_,
        "n_features_in": detector.n_features_in_,
        "feature_names_in": None if names is None else [str(n) for n in names],
        "history": detector.history_,
        "n_iter": int(detector.n_iter_),
        "members": [{"number": m.number, "seed": m.seed, "history": m.history} for m in detector.members_]
        if len(detector.members_) > 1 or detector.stopped_
        else None,
        "stopped": [[number, why] for number, why in detector.stopped_.items()],
    }
    write_folder(folder, "model", facts, _tensors(detector))
    return folder


def _tensors(detector: "Detector") -> dict[str, Tensor]:
    """Weights, statistics and scaling by name."""
    prepared = detector.preprocess_
    tensors = {
        f"{_place(at)}{k}": v.cpu().clone()  # members' tensors lie side by side in one
        for at, member in enumerate(detector.members_)
        for k, v in member.nets.state_dict().items()
    }
    tensors |= {
        f"references.{at}.{k}": torch.from_numpy(v)
        for at, member in enumerate(detector.members_)
        for k, v in member.reference.items()
    }
    tensors["preprocess.shift"] = torch.from_numpy(np.asarray(prepared.shift, dtype=np.float64).copy())
    tensors["preprocess.width"] = torch.from_numpy(np.asarray(prepared.width, dtype=np.float64).copy())
    if prepared.knots is not None:
        tensors["preprocess.knots"] = torch.from_numpy(prepared.knots.copy())
    return tensors


def digest(detector: "Detector") -> str:
    """Return the `weights_sha256` that the manifest of a saved detector has, in hexadecimal digits."""
    return hashlib.sha256(tensor_bytes(_tensors(detector))).hexdigest()


def load(folder: str | Path) -> Any:
    """Read a `Detector` or `PictureDetector` that `save` wrote; its scores are equal to the bit.

    Raises
    ------
    InvalidModel
        When the folder is missing, truncated, tampered with, or written by a newer version.
    """
    facts, tensors = read_folder(Path(folder), "model")
    parameters = {k: _object(v) for k, v in facts["parameters"].items() if k != "verbose"}
    try:
        detector = method_named(facts["method"])(**parameters)
    except (InvalidParameter, TypeError) as error:
        raise InvalidModel(f"{folder}: {error}") from error
    shape, given = tuple(facts["shape"]), tuple(facts["given"])
    shift, width = tensors.pop("preprocess.shift").numpy(), tensors.pop("preprocess.width").numpy()
    knots = tensors.pop("preprocess.knots").numpy() if "preprocess.knots" in tensors else None
    # Models of format 1 may be older than frames, and then have no columns.
    detector.columns_ = Columns.read(facts["columns"]) if facts.get("columns") else None
    heads = detector.columns_.heads if detector.columns_ else ()
    detector.preprocess_ = Preprocess(shape, given, shift, width, knots, heads)
    detector.split_ = facts.get("split", {})
    detector.seed_, detector.offset_ = facts["seed"], facts["offset"]
    detector.history_, detector.n_iter_ = facts["history"], facts["n_iter"]
    detector.n_features_in_ = facts["n_features_in"]
    if facts["feature_names_in"] is not None:
        detector.feature_names_in_ = np.array(facts["feature_names_in"], dtype=object)
    detector.stopped_ = dict(facts.get("stopped", []))
    single = {"number": 0, "seed": detector.seed_, "history": detector.history_}
    detector.members_ = [
        Member(each["number"], each["seed"], detector._drawn(each["seed"]), each["history"])
        for each in facts.get("members") or [single]
    ]
    for at, member in enumerate(detector.members_):
        try:
            member.nets.load_state_dict(_under(_place(at), tensors))
        except RuntimeError as error:
            raise InvalidModel(f"{folder}: the weights do not fit the networks of its manifest") from error
        member.nets.requires_grad_(False)
        member.reference = {k: v.numpy() for k, v in _under(f"references.{at}.", tensors).items()}
    detector.nets_ = detector.members_[0].nets
    if facts.get("pictures"):
        from .picture_detector import restored  # which saves by this module

        return restored(detector, facts["pictures"])
    return detector


def _place(member: int) -> str:
    """Where the tensors of the networks of one of the members that are kept begin."""
    return f"others.{member}." if member else "nets."


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def plain(estimator: BaseEstimator) -> dict[str, Any]:
    """Hyperparameters as JSON can hold them."""
    return {k: _plain(v) for k, v in estimator.get_params(deep=False).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Adversary):
        for name, cls in ADVERSARIES.items():
            if type(value) is cls:
                return {"adversary": name, "parameters": plain(value)}
        raise InvalidParameter(f"adversary={value!r} can't be kept in a folder: allowed are those of ADVERSARIES")
    if isinstance(value, np.random.RandomState):
        return None  # the seed that was drawn from it stands beside
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def _object(value: Any) -> Any:
    if isinstance(value, dict) and "adversary" in value:
        return ADVERSARIES[value["adversary"]](**value["parameters"])
    return value


def write_folder(folder: Path, kind: str, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write a folder whole or not at all."""
    refuse_foreign(folder, kind)
    folder.parent.mkdir(parents=True, exist_ok=True)
    for stale in folder.parent.glob(f".{glob.escape(folder.name)}.*.part"):
        shutil.rmtree(stale, ignore_errors=True)  # left by a writer that was killed
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        save_file(dict(tensors), made / WEIGHTS)
        manifest = {
            "format": FORMAT,
            "kind": kind,
            "ringfence": __version__,
            "weights_sha256": hashlib.sha256((made / WEIGHTS).read_bytes()).hexdigest(),
            **facts,
        }
        manifest["sha256"] = _digest(manifest)
        (made / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        _replace(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _replace(made: Path, folder: Path) -> None:
    """Put `made` where `folder` is; a kill in between leaves the old one beside, where `read_folder` finds it."""
    made.chmod(0o755)
    old = _aside(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.rename(folder, old)
    os.rename(made, folder)
    shutil.rmtree(old, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def is_kept(folder: Path) -> bool:
    """Whether there is anything at `folder` to read, also after a kill in the middle of a replacement."""
    return (folder.exists() and not _empty(folder)) or _aside(folder).exists()


def written(folder: Path) -> tuple[int, int] | None:
    """Tell this writing of a folder from any other, or None where there is nothing to read."""
    for place in (folder, _aside(folder)):
        if (place / MANIFEST).is_file():
            stat = (place / MANIFEST).stat()
            return stat.st_ino, stat.st_mtime_ns
    return None


def remove(folder: Path) -> None:
    """Remove a folder of ours and what a killed writer left beside it."""
    for path in (folder, _aside(folder)):
        shutil.rmtree(path, ignore_errors=True)


def refuse_foreign(folder: Path, kind: str) -> None:
    """Raise `InvalidModel` for a place where something else lies than a folder of this kind that may be replaced."""
    if folder.exists() and not _ours(folder, kind):
        raise InvalidModel(f"{folder} exists and is no {kind} folder of ringfence's: name another")


def _ours(folder: Path, kind: str) -> bool:
    # A manifest.json beside other files may be anybody's: a folder is replaced only where nothing else can be lost.
    if not folder.is_dir() or {p.name for p in folder.iterdir()} not in ({MANIFEST, WEIGHTS}, set()):
        return False
    return _empty(folder) or f'"kind": "{kind}"' in (folder / MANIFEST).read_text(encoding="utf-8", errors="replace")


def _empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def read_folder(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read and verify a folder that `write_folder` wrote."""
    if (not folder.exists() or _empty(folder)) and _aside(folder).exists():
        folder = _aside(folder)  # a writer was killed between its two renamings
    if not (folder / MANIFEST).is_file():
        raise InvalidModel(f"{folder} is no {kind} folder: it has no {MANIFEST}")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        newer, found, whole = manifest["format"] > FORMAT, manifest["kind"], manifest.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidModel(f"{folder / MANIFEST} is damaged: it can't be read as a manifest") from error
    if newer:
        raise InvalidModel(
            f"{folder} has format {manifest['format']}, written by ringfence {manifest.get('ringfence')}; this is "
            f"ringfence {__version__} and reads formats up to {FORMAT}"
        )
    if found != kind:
        raise InvalidModel(f"{folder} holds a {found}, not a {kind}")
    if whole != _digest(manifest):
        raise InvalidModel(f"{folder / MANIFEST} was changed after it was written: its digest does not match")
    if not (folder / WEIGHTS).is_file():
        raise InvalidModel(f"{folder} has no {WEIGHTS}")
    if hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest() != manifest["weights_sha256"]:
        raise InvalidModel(f"{folder / WEIGHTS} is truncated or was changed: its digest does not match")
    try:
        return manifest, load_file(folder / WEIGHTS)
    except SafetensorError as error:
        raise InvalidModel(f"{folder / WEIGHTS} can't be read: {error}") from error


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
