"""What the documents say is so: pages are what their sources make, commands exist, figures come from records."""

import importlib.util
import json
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
    assert {p.stem for p in tmp_path.iterdir()} == {*methods(), "README", "choosing"}


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


# What README calls a method or a baseline, in tables and in sentences.
CALLED = {
    "Fence GAN": "fencegan",
    "GAN, discriminator as score": "gan",
    "EGBAD": "egbad",
    "AnoGAN": "anogan",
    "*nearest neighbour*": "nearest_neighbour",
    "*PCA, 16 components*": "pca",
    "*isolation forest*": "isolation_forest",
}


def figures_of(folder: str) -> dict[str, list[str]]:
    """AUROC, untrained AUROC and gain of every method in a folder of records of one section, as README prints them."""
    from ringfence.benchmark.records import read_records, sections
    from ringfence.benchmark.tables import share

    (section,) = sections(read_records(ROOT / "records" / folder))
    return {
        row.name.method: [
            share(row.metric("auroc").mean).text,
            *([share(row.gain.untrained).text, share(row.gain.mean, "+").text] if row.gain else ["", ""]),
        ]
        for row in section.rows
    }


def test_the_table_of_the_readme_is_that_of_the_records() -> None:
    found = figures_of("digits")
    lines = [line for line in (ROOT / "README.md").read_text().splitlines() if re.search(r"\| \.\d{3} \|", line)]
    told = {cells[0]: cells[1:] for cells in ([c.strip() for c in line.strip("|").split("|")] for line in lines)}
    assert told == {name: found[method] for name, method in CALLED.items()}


def test_the_sentence_on_kdd99_is_that_of_the_records() -> None:
    found = figures_of("kdd99")
    text = " ".join((ROOT / "README.md").read_text().split())
    fence, egbad = found["fencegan"], found["egbad"]
    for said in (
        f"Fence GAN reaches {fence[0]} from {fence[1]} untrained",
        f"EGBAD's {egbad[0]} gains nothing over its untrained {egbad[1]}",
        f"the distance to the mean has {found['mean_distance'][0]}",
    ):
        assert said in text
    # Three hundredths at most are nothing: the interval of the records reaches below 0.
    assert abs(float(egbad[2])) < 0.03


def test_no_other_figure_stands_in_the_readme() -> None:
    """What the two tests above do not read, they do not hold: 3 · 4 figures of methods, 3 of baselines, 5 of KDD99."""
    assert len(re.findall(r"(?<![\d.v])\.\d{3}\b", (ROOT / "README.md").read_text())) == 3 * 4 + 3 + 5


def test_baselines_beside_the_printed_presets_are_copies_that_saw_the_same_rows() -> None:
    own, beside = (
        (ROOT / "records" / f / "records.jsonl").read_text().splitlines() for f in ("kdd99", "kdd99-printed")
    )
    copied = [line for line in beside if json.loads(line)["role"] == "baseline"]
    rows = {(r["seed"], r["data_sha256"]) for r in map(json.loads, beside)}
    assert set(copied) <= set(own)
    assert {r["method"] for r in map(json.loads, copied)} == {"isolation_forest", "nearest_neighbour"}
    assert len(copied) == 2 * len(rows) == 2 * 3
    assert {(r["seed"], r["data_sha256"]) for r in map(json.loads, copied)} == rows
