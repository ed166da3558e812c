"""Imports go one way: methods → detector → training, losses, networks, scoring, threshold, preprocess."""

import ast
import subprocess
import sys
from pathlib import Path

import ringfence

SOURCE = Path(ringfence.__file__).parent
FRONT = {"cli", "workflow", "benchmark", "report"}
# What a module of the inner rooms may import; the front (command line, benchmark, report) may import anything.
ALLOWED = {
    "exceptions": set(),
    "limits": {"exceptions"},
    "threshold": {"exceptions", "limits"},
    "scoring": {"exceptions"},
    "metrics": {"exceptions"},
    "inversion": {"exceptions", "limits"},
    "losses": {"exceptions", "limits"},
    "preprocess": {"exceptions"},
    "presets": {"exceptions"},
    "chunks": {"progress"},
    "networks": {"exceptions"},
    "progress": {"training"},
    "registry": {"exceptions", "detector"},
    "game": {"exceptions"},
    "training": {"exceptions", "game", "networks"},
    "protocol": {"exceptions", "metrics"},
    "data": {"exceptions", "protocol"},
    "persist": {"exceptions", "losses", "preprocess", "registry", "detector"},
    "checkpoint": {"exceptions", "persist", "detector", "training"},
    "detector": {
        "checkpoint", "chunks", "exceptions", "game", "limits", "networks", "persist", "preprocess", "presets",
        "progress", "registry", "scoring", "threshold", "training",
    },
    "methods": {"detector", "game", "inversion", "limits", "losses", "networks", "registry", "scoring"},
    "configure": {"detector", "exceptions", "limits", "losses", "registry"},
    "checks": {"detector", "game", "limits", "losses", "persist", "preprocess", "training"},
}  # fmt: skip


def rooms_imported(path: Path) -> set[str]:
    """First names below `ringfence` that a file imports, relative or absolute."""
    package = path.relative_to(SOURCE).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("ringfence")):
            module = (node.module or "").removeprefix("ringfence").strip(".").split(".") if node.module else []
            above = package[: len(package) - (node.level - 1)] if node.level else ()
            whole = [p for p in (*above, *module) if p]
            found |= {whole[0]} if whole else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("ringfence.")}
    return found - {"__version__"}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def test_inner_rooms_import_only_what_lies_below_them() -> None:
    for path in SOURCE.rglob("*.py"):
        here = room(path)
        if here in FRONT | {"__init__", "__main__"}:
            continue
        strange = rooms_imported(path) - ALLOWED[here] - {here}
        assert not strange, f"{path.relative_to(SOURCE)} imports {sorted(strange)}"


def test_only_the_front_knows_the_methods() -> None:
    importers = {room(p) for p in SOURCE.rglob("*.py") if "methods" in rooms_imported(p)} - {"methods"}
    assert importers <= FRONT | {"__init__"}


def test_no_method_has_a_loop_a_detach_or_a_word_on_the_kind_of_data() -> None:
    for path in (SOURCE / "methods").glob("*.py"):
        code = path.read_text().split('"""', 2)[-1]
        for word in (".detach(", "zero_grad", ".backward(", "ndim", "MLP", "DCGAN", "optimizer.step"):
            assert word not in code, f"{path.name} says {word}"


def test_import_needs_no_optional_package_and_no_command_line() -> None:
    code = (
        "import sys, ringfence;"
        "print([m for m in ('matplotlib', 'jinja2.environment', 'ringfence.cli', 'ringfence.benchmark',"
        " 'ringfence.report', 'torchvision') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_torchvision_is_not_installed() -> None:
    # It can't be imported beside the CPU build of torch, and breaks libraries that look for it.
    found = subprocess.run([sys.executable, "-m", "pip", "show", "torchvision"], capture_output=True, text=True)
    assert found.returncode != 0


def test_import_costs_little_more_than_torch_and_scikit_learn() -> None:
    # CPU time in fresh processes; the least of three, since the machine may be busy.
    code = (
        "import time, torch, sklearn.base, sklearn.utils.validation, sklearn.utils.metaestimators;"
        "begun = time.process_time(); import ringfence; print(time.process_time() - begun)"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(3)]
    assert min(float(r.stdout) for r in runs) <= 0.3
