"""Imports go one way: methods → picture_detector → detector → training, losses, networks, …; data know no detector."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import ringfence

SOURCE = Path(ringfence.__file__).parent
FRONT = {"cli", "options", "workflow", "sources", "inspection", "benchmark", "report"}
# What a module of the inner rooms may import; the front (command line, benchmark, report) may import anything.
ALLOWED = {
    "exceptions": set(),
    "limits": {"exceptions"},
    "threshold": {"exceptions", "limits"},
    "scoring": {"exceptions"},
    "metrics": {"exceptions"},
    "pixels": {"exceptions"},
    "overlap": {"exceptions"},
    "splits": {"exceptions"},
    "writing": {"exceptions"},
    # rows in blocks
    "blocks": {"exceptions", "frame"},
    "survey": {"blocks", "columns", "frame", "kinds"},
    "block_rows": {"blocks", "columns", "lazy"},
    "ending": set(),
    "signs": set(),
    "quality": {"exceptions"},
    "corruption": set(),
    "inversion": {"exceptions", "networks", "slopes", "slots", "walks"},
    "slopes": {"distances"},
    "slots": {"walks"},
    "walks": {"exceptions", "limits"},
    "distances": set(),
    "tuning": {"game"},
    "losses": {"exceptions", "limits"},
    "manifold": set(),
    "preprocess": {"exceptions"},
    "presets": {"exceptions"},
    "chunks": {"progress"},
    "networks": {"exceptions", "limits"},
    "progress": {"training"},
    "registry": {"exceptions", "detector"},
    "optimisers": set(),
    "game": {"exceptions", "optimisers"},
    "combination": set(),
    "members": {"game", "scoring"},
    "allocation": set(),
    "training": {"allocation", "exceptions", "game", "members", "networks", "optimisers"},
    "protocol": {"exceptions", "metrics"},
    # tables
    "frame": {"exceptions"},
    "kinds": {"exceptions", "frame"},
    "columns": {"exceptions", "frame", "kinds"},
    # pictures
    "pictures": {"exceptions"},
    "views": {"exceptions", "limits", "overlap"},
    "lazy": {"preprocess"},
    "picture_rows": {"exceptions", "lazy", "pictures", "views"},
    # files: what they become is known, what is done with it is not
    "data": {"blocks", "exceptions", "frame", "kinds", "pictures", "protocol"},
    "holdout": {"blocks", "exceptions", "frame", "lazy"},
    "intake": {
        "block_rows", "blocks", "columns", "detector", "exceptions", "frame", "kinds", "lazy", "preprocess", "survey",
    },
    "persist": {
        "columns", "exceptions", "losses", "members", "preprocess", "registry", "detector", "picture_detector",
    },
    "checkpoint": {"blocks", "exceptions", "frame", "lazy", "persist", "detector", "training"},
    "generative": {"detector", "exceptions", "game", "intake", "limits", "networks", "preprocess"},
    "detector": {
        "blocks", "checkpoint", "chunks", "columns", "combination", "corruption", "distances", "exceptions", "frame",
        "game", "generative", "holdout", "intake", "lazy", "limits", "members", "networks", "persist", "preprocess",
        "presets", "progress", "registry", "scoring", "signs", "slopes", "threshold", "training",
    },
    "maps": {"chunks", "detector", "exceptions", "lazy", "members", "networks", "progress", "scoring"},
    "picture_detector": {
        "detector", "exceptions", "game", "holdout", "lazy", "limits", "maps", "persist", "pictures", "progress",
        "signs", "threshold", "views", "picture_rows",
    },
    "methods": {
        "chunks", "corruption", "detector", "distances", "exceptions", "game", "inversion", "limits", "losses",
        "manifold", "networks", "optimisers", "registry", "scoring", "tuning", "walks",
    },
    "export": {
        "columns", "detector", "exceptions", "frame", "holdout", "intake", "kinds", "lazy", "persist",
        "picture_detector", "preprocess", "scoring", "views", "writing",
    },
    "configure": {"detector", "exceptions", "limits", "losses", "registry"},
    "checks": {"detector", "game", "limits", "losses", "persist", "preprocess", "training"},
}  # fmt: skip


def imports(path: Path) -> Iterator[tuple[tuple[str, ...], bool]]:
    """What a file imports below `ringfence`, relative or absolute, and whether it does so when it is imported itself.

    Inside of functions and under TYPE_CHECKING it does not.
    """
    package = path.relative_to(SOURCE).with_suffix("").parts[:-1]
    tree = ast.parse(path.read_text())
    at_once = set(_at_once(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("ringfence")):
            module = (node.module or "").removeprefix("ringfence").strip(".").split(".") if node.module else []
            above = package[: len(package) - (node.level - 1)] if node.level else ()
            whole = tuple(p for p in (*above, *module) if p)
            for alias in node.names:
                yield (*whole, alias.name), node in at_once
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("ringfence."):
                    yield tuple(alias.name.split(".")[1:]), node in at_once


def _at_once(node: ast.AST) -> Iterator[ast.AST]:
    deferred = isinstance(node, ast.FunctionDef | ast.If)
    for child in () if deferred else ast.iter_child_nodes(node):
        yield child
        yield from _at_once(child)


def rooms_imported(path: Path) -> set[str]:
    """First names below `ringfence` that a file imports, at once or later."""
    return {names[0] for names, _ in imports(path)} - {"__version__"}


def room(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def test_inner_rooms_import_only_what_lies_below_them() -> None:
    for path in SOURCE.rglob("*.py"):
        here = room(path)
        if here in FRONT | {"__init__", "__main__"}:
            continue
        strange = rooms_imported(path) - ALLOWED[here] - {here}
        assert not strange, f"{path.relative_to(SOURCE)} imports {sorted(strange)}"


def test_no_file_waits_for_one_that_waits_for_it() -> None:
    files = {p.relative_to(SOURCE).with_suffix("").parts: p for p in SOURCE.rglob("*.py")}
    files = {name[:-1] if name[-1] == "__init__" else name: path for name, path in files.items()}
    graph: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for name, path in files.items():
        now = [target for target, at_once in imports(path) if at_once]
        # A module of its own, or a name that stands in one.
        found = {target if target in files else target[:-1] for target in now}
        graph[name] = found - {(), name}  # of the package itself only the version is asked for
    assert len([target for targets in graph.values() for target in targets]) > 100
    TopologicalSorter(graph).prepare()  # raises CycleError, which names them


def test_data_know_no_detector_and_neither_do_pictures() -> None:
    for name in ("data", "pictures", "views", "picture_rows", "frame", "splits"):
        below, waiting = set(), [name]
        while waiting:
            here = waiting.pop()
            below.add(here)
            waiting += [r for r in ALLOWED[here] if r not in below]
        assert not below & {"detector", "training", "networks", "methods", "persist"}, name


def test_only_the_front_knows_the_methods() -> None:
    importers = {room(p) for p in SOURCE.rglob("*.py") if "methods" in rooms_imported(p)} - {"methods"}
    assert importers <= FRONT | {"__init__"}


def test_no_method_has_a_loop_a_detach_or_a_word_on_the_kind_of_data() -> None:
    for path in (SOURCE / "methods").glob("*.py"):
        code = path.read_text().split('"""', 2)[-1]
        for word in (".detach(", "zero_grad", ".backward(", "heads", "ndim", "MLP", "DCGAN", "optimizer.step"):
            assert word not in code, f"{path.name} says {word}"


def code_lines(path: Path) -> list[str]:
    """Lines of a module that say something: no docstrings, comments, imports or lone brackets."""
    text = re.sub(r'"""(?:.|\n)*?"""', "", path.read_text())
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [x for x in lines if len(x) > 2 and not x.startswith(("from ", "import "))]


def test_no_two_method_files_share_six_lines() -> None:
    runs: dict[tuple[str, ...], str] = {}
    for path in sorted((SOURCE / "methods").glob("*.py")):
        lines = code_lines(path)
        for run in {tuple(lines[i : i + 6]) for i in range(len(lines) - 5)}:
            assert run not in runs, f"{path.name} and {runs[run]} both have {run}"
            runs[run] = path.name


def test_import_needs_no_optional_package_and_no_command_line() -> None:
    code = (
        "import sys, ringfence;"
        "print([m for m in ('matplotlib', 'jinja2.environment', 'onnx', 'onnxruntime', 'ringfence.cli',"
        " 'ringfence.benchmark', 'ringfence.export', 'ringfence.report', 'torchvision') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


def test_torchvision_is_not_installed() -> None:
    # It can't be imported beside the CPU build of torch, and breaks libraries that look for it.
    found = subprocess.run([sys.executable, "-m", "pip", "show", "torchvision"], capture_output=True, text=True)
    assert found.returncode != 0


def test_import_costs_little_more_than_torch_and_scikit_learn() -> None:
    # A share of what it stands on, in one process, for the machine may be busy; the least of three, with bytecode as an
    # installed package has it.
    code = (
        "import time; begun = time.process_time();"
        "import torch, sklearn.base, sklearn.utils.validation, sklearn.utils.metaestimators;"
        "known = time.process_time(); import ringfence; print((time.process_time() - known) / (known - begun))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        for _ in range(4)
    ]
    assert min(float(r.stdout) for r in runs[1:]) <= 0.1, "the first run may have compiled"
