"""What a command of ringfence takes of memory, in a process of its own; read from Linux's /proc."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

# The peak is the kernel's "high water mark" of the process.
CHILD = """
import json, sys
from pathlib import Path
import pyarrow.parquet
import ringfence, ringfence.cli

def peak():
    return 1024 * int(next(l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l).split()[1])

before = peak()
status = ringfence.cli.main(sys.argv[1:])
print(json.dumps({"status": status, "taken": peak() - before}))
"""


def taken(words: Sequence[Any]) -> int:
    """Run a command; bytes that it took beyond the import. Raises `RuntimeError` with what it said where it fails."""
    command = [sys.executable, "-c", CHILD, *map(str, words), "--quiet"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    if found["status"]:
        raise RuntimeError(done.stderr)
    return int(found["taken"])
