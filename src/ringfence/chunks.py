"""Rows in chunks of one fixed size: what makes a row's result a function of the row to the last bit.

Matrix products of another shape may add in another order; rows of a chunk of one shape do not see each other.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .progress import Bar


def in_chunks(
    rows: Tensor,
    size: int,
    fn: Callable[[Tensor], dict[str, Tensor]],
    device: torch.device,
    bar: Bar,
    dtype: torch.dtype | None = None,
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
    dtype
        That `fn` is given rows in; None leaves them as they are.

    Returns
    -------
    By name (n, …) on the CPU; memory beyond input and output is that of one chunk.
    """
    out: dict[str, Tensor] = {}
    with torch.inference_mode(False), torch.no_grad():  # some scores need slopes on the way
        for start in range(0, len(rows), size):
            chunk = rows[start : start + size]
            missing = size - len(chunk)
            if missing:
                chunk = torch.cat([chunk, chunk[-1:].expand(missing, *chunk.shape[1:])])
            for key, value in fn(chunk.to(device, dtype)).items():
                if key not in out:
                    out[key] = torch.empty(len(rows), *value.shape[1:], dtype=value.dtype)
                out[key][start : start + size] = value[: size - missing].cpu()
            bar.update()
    return out


def over(rows: Any, fn: Callable[[Tensor], dict[str, Tensor]], size: int = 512) -> dict[str, Tensor]:
    """Apply `fn` to all training rows, `size` at a time and without gradients, and join what it returns.

    For statistics of a fitted method: the last chunk is as long as it is. `rows` are a tensor, or rows that are made
    when they are asked for.
    """
    found: dict[str, list[Tensor]] = {}
    with torch.no_grad():
        for start in range(0, len(rows), size):
            for name, value in fn(rows[start : start + size]).items():
                found.setdefault(name, []).append(value)
    return {name: torch.cat(values) for name, values in found.items()}
