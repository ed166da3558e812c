"""What the documents say is so: pages are what their sources make, commands exist, figures come from records."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from ringfence import cli, methods

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def written(folder: Path) -> None:
    spec = importlib.util.spec_from_file_location("method_pages", ROOT / "scripts" / "method_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(folder)


def test_method_pages_are_what_their_sources_make(tmp_path: Path) -> None:
    written(tmp_path)
    for page in tmp_path.iterdir():
        committed = ROOT / "docs" / "methods" / page.name
        assert committed.read_text() == page.read_text(), f"docs/methods/{page.name} is old: run scripts/docs"
    assert {p.stem for p in tmp_path.iterdir()} == {*methods(), "README"}


def test_every_method_says_where_it_differs_from_its_paper() -> None:
    for name, cls in methods().items():
        text = (ROOT / "docs" / "methods" / f"{name}.md").read_text()
        for needed in ("Reference:", "Differs from the paper in:"):
            assert needed in text, f"{cls.__name__} lacks '{needed}'"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_commands_in_the_documents_are_commands() -> None:
    parser = cli._parser()
    commands = []
    for page in PAGES:
        for block in re.findall(r"```(?:bash|sh|console)\n(.*?)```", page.read_text(), re.S):
            commands += [line for line in block.replace("\\\n", " ").splitlines() if line.startswith("ringfence ")]
    assert commands
    for line in commands:
        parser.parse_args(shlex.split(line, comments=True)[1:])


def test_scripts_that_the_documents_name_can_be_run() -> None:
    for page in PAGES:
        for name in re.findall(r"`(scripts/\w+)", page.read_text()):
            script = ROOT / name
            assert script.exists(), f"{page.name} names {name}"
            assert script.stat().st_mode & 0o111, f"{name} can't be run"


def test_figures_of_the_readme_stand_in_the_records() -> None:
    """Every AUROC in README (a number like .912) is the mean of a method in some folder of records."""
    from ringfence.benchmark.records import read_records, sections
    from ringfence.benchmark.tables import share

    known = set()
    for folder in (ROOT / "records").iterdir():
        if not folder.is_dir():
            continue
        for section in sections(read_records(folder)):
            for row in section.rows:
                figures = [
                    row.metric(m).mean for m in ("auroc", "ap", "f1", "oracle_precision", "oracle_recall", "oracle_f1")
                ]
                figures += [row.gain.untrained, row.gain.mean] if row.gain else []
                known |= {share(f).text for f in figures}
    for figure in re.findall(r"(?<![\d.v])\.\d{3}\b", (ROOT / "README.md").read_text()):
        assert figure in known, f"README prints {figure}, which no record has"
