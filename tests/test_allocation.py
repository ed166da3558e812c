"""Memory that a step of training frees stays with the process."""

import platform
import subprocess
import sys

import pytest

# Steps of 50 MB, as those of ten members are; what a step costs in pages that the system hands out anew.
STEPS = """
import resource, sys, torch
from ringfence.allocation import keep_freed
def step():
    [torch.ones(5 * 2**18) for _ in range(10)]
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
if sys.argv[1] == "kept":
    keep_freed()
for _ in range(3):
    step()
before = faults()
for _ in range(5):
    step()
print(faults() - before)
"""


def pages(how: str) -> int:
    """New pages of five steps in a process of their own."""
    done = subprocess.run([sys.executable, "-c", STEPS, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator is what is told to keep it")
def test_a_step_takes_again_what_the_step_before_freed() -> None:
    assert pages("kept") * 10 < pages("returned")
