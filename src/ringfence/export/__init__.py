"""Fitted detectors in another form: an ONNX graph that scores raw rows.

The graph is written from a trace of the score itself, so that what is exported is what is scored: the codes of columns,
the fitted scaling, the networks in evaluation mode, the parts of the score that its kind weighs, and the cut. PyTorch's
own exporters were tried first: the current one took 10 s and more for small networks, wrote to the error stream, and
fixed the number of rows in the graph of a convolution; the older one is deprecated and fails on that layer.
"""

import copy
import importlib.util
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .. import __version__, persist
from ..detector import Detector
from ..exceptions import ExportFailed, InvalidParameter, MissingExtra
from ..holdout import rows_in
from ..intake import encoded, received
from ..picture_detector import PictureDetector
from ..scoring import weighted_sum
from ..views import view_facts
from ..writing import whole, writable
from .combining import COMBINING
from .graph import Graph
from .inputs import RESULTS, Inputs, inputs_for
from .operations import OPERATIONS, write
from .parity import BATCHES, CHECKED, Parity, chosen, compare, drawn
from .scaling import scaling
from .tracing import MORE, Trace, trace
from .writer import NUMPY, Unwritable, Writer


@dataclass(frozen=True)
class Exported:
    """What an export gave.

    Attributes
    ----------
    path
        Of the file.
    inputs
        What the graph takes: name, type, shape and columns of each input.
    parity
        How near its scores are to the detector's.
    """

    path: Path
    inputs: list[dict[str, Any]]
    parity: Parity


@dataclass(frozen=True)
class _Scored:
    """The score that is to be written, and what the file says of it beside."""

    detector: Detector
    kind: str
    cut: float
    inputs: Inputs
    facts: dict[str, str] = field(default_factory=dict)


def to_onnx(fitted: Detector | PictureDetector, path: str | Path, rows: Any = None) -> Exported:
    """Write a fitted detector as an ONNX graph, and check that it scores as the detector does.

    Parameters
    ----------
    fitted
        Of a method that neither searches nor takes slopes to score a row. Of a detector of pictures the graph scores
        the rows that its view makes of them, and holds each against the cut for pictures.
    path
        File to write: when the check has passed; else it is left as it was.
    rows
        What to check with, as `fit` takes it: up to 1,000 rows of it, evenly spread. Where there are fewer, or None,
        rows drawn around the fitted scaling make up the number.

    Returns
    -------
    What the graph takes, and how near its scores are. For any number n of rows it gives `score`, (n,) float64, and
    `anomaly`, (n,) bool.

    Raises
    ------
    MissingExtra
        Without onnx and onnxruntime.
    ExportFailed
        If the score can't be written as a graph, or that of a row differs by 1e-4 of itself, or of the median score if
        that is larger.
    """
    lacking = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if lacking:
        raise MissingExtra(f"an export to ONNX needs {' and '.join(lacking)}: pip install 'ringfence[onnx]'")
    target = Path(path)
    if target.is_dir():
        raise InvalidParameter(f"path={target}: is a folder; allowed is the name of a file")
    writable(target)
    scored = _scored(fitted)
    graph = _graph(scored)
    parity = _checked(scored, graph.model(scored.detector.name, {}), _own(fitted, rows))
    facts = {
        "ringfence": __version__,
        "method": scored.detector.name,
        "score_kind": scored.kind,
        "threshold": repr(scored.cut),
        "members": str(len(scored.detector.members_)),
        "inputs": json.dumps(scored.inputs.facts()),
        "weights_sha256": persist.digest(scored.detector),
        "checked_rows": str(parity.rows),
        "largest_difference": f"{parity.difference:.3g}",
        **scored.facts,
    }
    with whole(target) as part:
        part.write_bytes(graph.model(scored.detector.name, facts).SerializeToString())
    return Exported(target, scored.inputs.facts(), parity)


def _scored(fitted: Detector | PictureDetector) -> _Scored:
    facts = {}
    if isinstance(fitted, PictureDetector):
        check_is_fitted(fitted, "detector_")
        detector: Detector = fitted.detector_
        facts = {"view": json.dumps(view_facts(fitted.view)), "pool": fitted.pool}
    else:
        check_is_fitted(fitted)
        detector = fitted
    if detector.info.cost == "search":
        raise ExportFailed(
            f"{detector.name} searches for latent vectors to score a row, and ONNX has no search: export a method whose"
            " encoder takes the place of the search, such as egbad or fanogan"
        )
    kind = detector.score_kind or next(iter(detector.scores))
    return _Scored(detector, kind, fitted.threshold_, inputs_for(detector.preprocess_, detector.columns_), facts)


def _own(fitted: Detector | PictureDetector, rows: Any) -> Any:
    """Some of the user's rows, as the detector receives them; None for none."""
    if rows is None:
        return None
    own: Any = fitted._received(rows) if isinstance(fitted, PictureDetector) else received(fitted, rows, reset=False)
    return chosen(own)


def _graph(scored: _Scored) -> Graph:
    """Inputs, codes of columns, scaling, networks, score and cut."""
    graph = Graph()
    found = _traced(scored, scored.kind)
    writer = Writer(graph, scored.inputs.write(graph))
    writer.names[found.rows] = writer.rows
    try:
        for step in found.steps:
            write(writer, step)
    except Unwritable as error:
        raise ExportFailed(_why(scored, found, error)) from error
    for name in RESULTS:
        result = found.results[name]
        graph.output(name, writer.value(result), NUMPY[result.dtype], ("n",))
    return graph


def _traced(scored: _Scored, kind: str) -> Trace:
    """The score of rows as the scaling takes them, and whether it is above the cut, step by step on the CPU."""
    detector, cut = scored.detector, scored.cut
    members = [copy.deepcopy(member.nets).cpu() for member in detector.members_]
    scaled, weights = scaling(detector.preprocess_), detector.scores[kind]
    combined = len(members) > 1 or bool(detector.stopped_)
    references = [np.sort(weighted_sum(m.reference, weights)) for m in detector.members_] if combined else []

    def single(nets: Any, x: Tensor) -> Tensor:
        parts = detector.score_parts(nets, x)
        each = [weight * parts[name].double() for name, weight in weights.items()]
        return each[0] if len(each) == 1 else torch.stack(each).sum(0)

    def score(rows: Tensor) -> dict[str, Tensor]:
        x = scaled(rows)
        each = [single(nets, x) for nets in members]
        total = COMBINING[detector.combine](each, references) if combined else each[0]
        return dict(zip(RESULTS, (total, total > cut), strict=True))

    rows = encoded(detector, received(detector, drawn(detector, MORE), reset=False), warn=False)
    return trace(score, torch.from_numpy(np.asarray(rows, scored.inputs.dtype)))


def _why(scored: _Scored, found: Trace, error: Unwritable) -> str:
    """Say why a score can't be written, and which other score of the method can."""
    detector = scored.detector
    slopes = detector.info.cost == "jacobian" or any("backward" in step.op for step in found.steps)
    why = "takes slopes of its networks for each row, which ONNX has not" if slopes else str(error)
    others = (kind for kind in detector.scores if kind != scored.kind)
    other = next((kind for kind in others if all(s.op in OPERATIONS for s in _traced(scored, kind).steps)), None)
    hint = f"fit with score_kind='{other}', which can be exported" if other else "nor can another score of the method"
    return f"score_kind='{scored.kind}' of {detector.name}: {why}; {hint}"


def _checked(scored: _Scored, model: Any, own: Any) -> Parity:
    """Score rows with both."""
    import onnxruntime

    detector = scored.detector
    given = 0 if own is None else rows_in(own)
    sources: Iterable[Any] = [] if own is None else [own]
    if given < CHECKED:
        sources = [*sources, received(detector, drawn(detector, CHECKED - given), reset=False)]
    scores = np.concatenate([detector.anomaly_score(rows) for rows in sources])
    fed = [scored.inputs.feeds(rows) for rows in sources]
    feeds = {name: np.concatenate([each[name] for each in fed]) for name in fed[0]}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    results = {
        size: session.run(list(RESULTS), {name: values[:size] for name, values in feeds.items()})
        for size in (*BATCHES, len(scores))
    }
    return compare(results, scores, scored.cut, given)
