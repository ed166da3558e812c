"""How far windows overlap with defects: the question behind "is this window abnormal?"."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .exceptions import InvalidParameter, unknown_name

Areas = NDArray[np.int64]

OVERLAPS: Final[Mapping[str, Callable[[Areas, int, Areas], NDArray[Any]]]] = MappingProxyType(
    {
        "union": lambda inside, window, defects: inside / (window + defects - inside),
        "window": lambda inside, window, defects: inside.sum(keepdims=True) / window,
        "defect": lambda inside, window, defects: inside / defects,
    }
)
"""By what the overlap is a share of: both together, the window (all defects counted), or the defect.

Each takes areas in pixels: of every defect inside the window, of the window, of every defect.
"""


def overlaps(mask: NDArray[np.bool_], windows: NDArray[np.int64], of: str) -> NDArray[np.float64]:
    """Return each window's largest overlap with a defect.

    Parameters
    ----------
    mask : ndarray of bool, shape (h, w)
        True where the picture is abnormal. Each connected part is a defect; parts that touch by a corner are one.
    windows : ndarray of int, shape (m, 4)
        Top, left, bottom and right in pixels, the ends left out.
    of : {"union", "window", "defect"}
        What the overlap is a share of; see `OVERLAPS`.

    Returns
    -------
    ndarray of float64, shape (m,)
        From 0 to 1.

    Raises
    ------
    InvalidParameter
        If ``of`` is unknown.
    """
    if of not in OVERLAPS:
        raise InvalidParameter(unknown_name("overlap", of, OVERLAPS))
    parts, found = ndimage.label(mask, structure=np.ones((3, 3), dtype=int))
    shares = np.zeros(len(windows))
    if not found:
        return shares
    # Part 0 is what is normal.
    areas = np.bincount(parts.ravel(), minlength=found + 1)[1:]
    for i, (top, left, bottom, right) in enumerate(windows.tolist()):
        inside = np.bincount(parts[top:bottom, left:right].ravel(), minlength=found + 1)[1:]
        shares[i] = OVERLAPS[of](inside, (bottom - top) * (right - left), areas).max()
    return shares
