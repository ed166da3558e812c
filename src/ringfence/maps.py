"""Where in an image the anomaly is: one map a row, from the networks of a fitted detector.

residual    |x − x̂| summed over channels, x̂ the reconstruction; for methods that have one. ADGAN's is the mean of its
            tuned generators at the ends of its searches
feature     |a(x) − a(x̂)| summed over channels, a the discriminator's last layer that still has pixels; likewise
gradient    |∂ logit D(x)/∂x| summed over channels, how much each pixel moves the judgement; for methods that do not
            reconstruct. The logit and not D, whose slope vanishes where it is sure; |∂A/∂x| of the score A where there
            is no D(x)

In the scaled units of the networks, each a frozen function of its row as scores are; of several members the mean of
their maps.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from .chunks import in_chunks
from .detector import Detector
from .exceptions import InvalidParameter
from .lazy import LazyRows
from .members import mean_parts
from .networks import Discriminator
from .progress import steps_bar
from .scoring import weights_of


def row_maps(detector: Detector, rows: NDArray[Any] | LazyRows) -> dict[str, NDArray[Any]]:
    """Return the maps of image rows by name, (n, height, width) float32 each; higher = more anomalous.

    Raises
    ------
    InvalidParameter
        If the detector was fitted on tables.
    """
    check_is_fitted(detector)
    if len(detector.preprocess_.shape) != 3:
        raise InvalidParameter("maps are for images; this detector was fitted on tables")
    work = _reconstruction if hasattr(detector, "reconstruct") else _gradient
    each = [member.nets.to(detector._device) for member in detector.members_]
    with steps_bar(1, "maps", show=False) as bar:
        scaled = detector._scaled(detector._received(rows))
        scaled = scaled.cpu() if isinstance(scaled, Tensor) else scaled

        def mean(x: Tensor) -> dict[str, Tensor]:
            return mean_parts([work(detector, nets, x) for nets in each])

        found = in_chunks(scaled, detector._chunk, mean, detector._device, bar)
    return {name: values.float().numpy() for name, values in found.items()}


def _reconstruction(detector: Any, nets: Any, x: Tensor) -> dict[str, Tensor]:
    remade = detector._remade(nets, x)
    maps = {"residual": (x - remade).abs().sum(1)}
    judge = getattr(nets, "discriminator", None)
    seen = spatial(judge, x) if isinstance(judge, Discriminator) else None
    if judge is None or seen is None:
        return maps
    apart = (seen - spatial(judge, remade)).abs().sum(1, keepdim=True)
    return maps | {"feature": F.interpolate(apart, size=x.shape[2:], mode="bilinear", align_corners=False)[:, 0]}


def _gradient(detector: Any, nets: Any, x: Tensor) -> dict[str, Tensor]:
    judge: Any = getattr(nets, "discriminator", None)
    alone = isinstance(judge, Discriminator) and len(judge.branches) == 1
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad(judge(x)[0].sum() if alone else _score(detector, nets, x).sum(), [x])
    return {"gradient": slope.abs().sum(1)}


def _score(detector: Any, nets: Any, x: Tensor) -> Tensor:
    parts, weights = detector.score_parts(nets, x), weights_of(detector.scores, detector.score_kind)
    return torch.stack([weight * parts[name] for name, weight in weights.items()]).sum(0)


def spatial(judge: Discriminator, x: Tensor) -> Any:
    """Return what the last layer of D's branch for x gives that still has pixels, (n, c, h, w); None if none has."""
    branch: Any = judge.branches[0]
    # With several arguments the trunk takes them joined, and joined they have no pixels.
    alone = len(judge.branches) == 1
    layers: list[Callable[[Tensor], Tensor]] = [*branch.layers, *([*judge.trunk.layers, *judge.head.layers] * alone)]
    last = None
    for layer in layers:
        x = layer(x)
        if x.ndim != 4:
            break
        last = x
    return last
