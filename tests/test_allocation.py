"""Memory that a step of training frees stays with the process."""

import ctypes
import os
import subprocess
import sys

import pytest

from ringfence.allocation import BLOCK

# A block comes from the heap once one as large was freed, and from the system (as one more region) before; what is free
# at the heap's end may then be twice that.
REGIONS = f"""
import sys
import ctypes, torch
from ringfence.allocation import keep_freed
class Told(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd a b c d e".split()]
told = ctypes.CDLL(None).mallinfo2
told.restype = Told
def regions():
    before = told().hblks
    block = torch.empty({BLOCK - 2**20}, dtype=torch.uint8)
    return told().hblks - before
if sys.argv[1] == "kept":
    keep_freed()
print(regions())
"""


TELLS = sys.platform == "linux" and hasattr(ctypes.CDLL(None), "mallinfo2")


@pytest.mark.skipif(not TELLS, reason="only glibc, from 2.33 on, tells of its blocks")
def test_blocks_as_large_as_a_step_frees_come_from_the_heap() -> None:
    # Thresholds that are given stay as they are.
    plain = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}

    def regions(how: str) -> int:
        command = [sys.executable, "-c", REGIONS, how]
        return int(subprocess.run(command, capture_output=True, text=True, check=True, env=plain).stdout)

    assert (regions("as it was"), regions("kept")) == (1, 0)
