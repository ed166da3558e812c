"""What training asks of the memory allocator of the C library."""

import torch

BLOCK = 31 * 2**20
"""Bytes; from 32 MiB on glibc learns nothing from a block."""


def keep_freed() -> None:
    """Let the process keep what a step of training frees for the next step, up to 62 MiB.

    glibc hands memory at the end of its heap back to the system once there is more of it than twice the largest block
    that was ever freed, and the next step asks for it again page by page: up to a fifth of a step of ten members. So a
    block is freed here that nobody ever writes to. With another C library nothing comes of it.
    """
    torch.empty(BLOCK, dtype=torch.uint8, device="cpu")
