"""Rows in chunks of one fixed size: what makes a row's result a function of the row to the last bit.

Matrix products of another shape may add in another order; rows of a chunk of one shape do not see each other.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .progress import Bar


def in_chunks(
    rows: Tensor, size: int, fn: Callable[[Tensor], dict[str, Tensor]], device: torch.device, bar: Bar
) -> dict[str, Tensor]:
    """Apply `fn` to chunks of exactly `size` rows, the last one padded, and join what it returns.

    Parameters
    ----------
    rows
        (n, …) on the CPU.
    fn
        (size, …) on `device` → values by name, (size, …) each.
    bar
        Moved on by one for each chunk.

    Returns
    -------
    By name (n, …) on the CPU; memory beyond input and output is that of one chunk.
    """
    out: dict[str, Tensor] = {}
    with torch.no_grad():
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            missing = size - len(chunk)
            if missing:
                chunk = torch.cat([chunk, chunk[-1:].expand(missing, *chunk.shape[1:])])
            for key, value in fn(chunk.to(device)).items():
                if key not in out:
                    out[key] = torch.empty(len(rows), *value.shape[1:], dtype=value.dtype)
                out[key][start : start + size] = value[: size - missing].cpu()
            bar.update()
    return out
