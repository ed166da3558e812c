"""The guides' commands and code run as they stand, one after the other, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDES = Path(__file__).resolve().parent.parent / "docs" / "guides"
NEEDS_DATA = ("kdd99.md",)
# How often a guide holds scores against the truth.
SCORED = {
    "table.md": 1,
    "pictures.md": 1,
    "kdd99.md": 0,
    "large.md": 0,
    "generate.md": 0,
    "members.md": 0,
    "deploy.md": 0,
}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Kinds and texts in order; code that goes on from the code before it is one block with it."""
    found: list[tuple[str, str]] = []
    for kind, text in re.findall(r"```(bash|python)\n(.*?)```", page.read_text(), re.S):
        if kind == "python" and found and found[-1][0] == "python":
            found[-1] = (kind, f"{found[-1][1]}\n{text}")
        else:
            found.append((kind, text))
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in GUIDES.glob("*.md") if blocks(path)))
def test_a_guide_runs_as_it_stands(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": beside, "OMP_NUM_THREADS": "1"}
    if name in NEEDS_DATA:
        env["RINGFENCE_DATA"] = str(request.getfixturevalue("data_dir"))
    said = ""
    for kind, text in blocks(GUIDES / name):
        words = ["bash", "-euc", text] if kind == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, f"{name}: {text}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        said += done.stdout
    found = re.findall(r"auroc ([\d.]+)", said)
    assert len(found) == SCORED[name]
    assert all(float(auroc) > 0.7 for auroc in found), f"{name}: {found}"
