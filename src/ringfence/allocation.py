"""What the training of several members asks of the memory allocator of the C library."""

import torch

BLOCK = 31 * 2**20
"""Bytes; from 32 MiB on glibc learns nothing from a block."""


def keep_freed() -> None:
    """Have glibc keep what a step of training frees for the next step, while that is below 62 MiB.

    It hands the free end of its heap back to the system once that is twice as large as the largest block that was ever
    freed, and the next step asks for it again page by page. So a block is freed here, untouched. As after any such
    block, smaller ones lie in the heap from then on, for the rest of the process, and what lies under one that is still
    in use stays with it. Where glibc was given thresholds by its environment, and with another C library, nothing comes
    of it.
    """
    torch.UntypedStorage(BLOCK, device="cpu")  # type: ignore[no-untyped-call]
