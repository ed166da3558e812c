"""Where the time of a contestant goes, by torch's profiler: shares of a call that stand beside its ratios.

They are of wall time, as the profiler's clock is, and the profiler costs each operation alike: small ones look dearer
than they are.
"""

import time
from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile

KINDS = {
    "products": (
        *("mm", "addmm", "bmm", "baddbmm", "mkldnn_convolution", "convolution_backward"),
        "mkldnn::_linear_pointwise",  # with bias and activation inside
    ),
    "random numbers": ("random_", "normal_", "uniform_"),
    "masks of dropout": ("ge", "mul", "mul_"),
    "activations": (
        *("leaky_relu", "leaky_relu_", "leaky_relu_backward", "clamp_min", "clamp_min_", "threshold_backward"),
        *("relu", "relu_", "tanh", "tanh_", "tanh_backward"),
    ),
    "normalisation": ("native_batch_norm", "native_batch_norm_backward"),
    "joining and copying": ("cat", "copy_", "index_select"),
    "optimiser and average": ("_fused_adam_", "lerp_", "_foreach_lerp_"),
}
"""Operations by what they are for; without a library's name they are aten's."""

REST, OUTSIDE = "other operations", "between operations"


def shares(contestant: Callable[[], float]) -> dict[str, float]:
    """Share of one call that each kind of operation takes itself, by what they are for, largest first."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        before = time.perf_counter()
        contestant()
        spent = time.perf_counter() - before
    kind = {name if "::" in name else f"aten::{name}": kind for kind, names in KINDS.items() for name in names}
    found: dict[str, float] = {}
    for event in seen.key_averages():
        place = kind.get(event.key, REST)
        found[place] = found.get(place, 0.0) + event.self_cpu_time_total / 1e6 / spent
    found[OUTSIDE] = 1.0 - sum(found.values())
    return {f"share of {name}": share for name, share in sorted(found.items(), key=lambda item: -item[1])}
