"""What the documents say is so: pages are what their sources make, commands exist, figures come from records."""

import importlib
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from ringfence import cli, methods
from ringfence.checks import CHECKS
from ringfence.game import Statistic
from ringfence.networks import INITIALISERS, Maker
from ringfence.networks.rows import Row
from ringfence.networks.tables import Network
from ringfence.presets import names

ROOT = Path(__file__).resolve().parent.parent
ROWS = np.random.default_rng(0).normal(size=(16, 64))
PICTURES = ROWS.reshape(16, 8, 8)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="session")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        yield importlib.import_module("method_pages")


@pytest.fixture(scope="session")
def written(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("methods")
    script.main(folder)
    return folder


def test_method_pages_are_what_their_sources_make(written: Path) -> None:
    for page in written.glob("*.md"):
        committed = ROOT / "docs" / "methods" / page.name
        assert committed.read_text() == page.read_text(), f"docs/methods/{page.name} is old: run scripts/docs"
    assert {p.stem for p in written.glob("*.md")} == {*methods(), "README", "aids", "choosing"}


def test_drawings_are_what_the_layer_tables_make(written: Path) -> None:
    for made in (written / "images").iterdir():
        committed = ROOT / "docs" / "methods" / "images" / made.name
        assert committed.read_text() == made.read_text(), f"docs/methods/images/{made.name} is old: run scripts/docs"
    assert {p.stem for p in (ROOT / "docs" / "methods" / "images").iterdir()} == set(methods())


def test_a_drawing_names_every_network_and_every_number_of_values(written: Path) -> None:
    for name, cls in methods().items():
        root = ElementTree.parse(written / "images" / f"{name}.svg").getroot()
        words = [node.text for node in root.iter() if node.tag.endswith("text")]
        nets = cls().set_params(random_state=0).fit_untrained(ROWS if "table" in cls.info.kinds else PICTURES).nets_
        for key, net in nets.named_children():
            if not isinstance(net, Statistic):
                assert key.replace("_", " ") in words
                assert f"{sum(p.numel() for p in net.parameters()):,} parameters" in words


def test_the_flow_of_a_drawing_is_that_of_the_formulas(script: ModuleType) -> None:
    flow, _ = script.drawings.flow_of(methods()["egbad"](), (64,))
    # A(x) = ‖x − G(E(x))‖ + ‖f(x, E(x)) − f(G(E(x)), E(x))‖; L_D besides: D(G(z), z).
    assert set(flow.scoring) == {
        ("x", "encoder"), ("encoder", "generator"), ("x", "discriminator"), ("encoder", "discriminator"),
        ("generator", "discriminator"), ("x", "score"), ("generator", "score"), ("discriminator", "score"),
    }  # fmt: skip
    assert set(flow.training) == {("z", "generator"), ("z", "discriminator")}
    flow, _ = script.drawings.flow_of(methods()["anogan"](), (64,))
    assert ("z", "generator") in flow.scoring  # what the search moves
    assert all(target != "generator" for source, target in flow.scoring if source != "z")


def test_networks_alike_are_drawn_once_with_their_number(script: ModuleType) -> None:
    make = Maker(INITIALISERS["he"], [torch.Generator()], lambda count: torch.zeros(count, 4))
    tables = [[Row("dense", 3)], [Row("dense", 3)], [Row("dense", 2)]]
    nets = torch.nn.ModuleList([Network(table, (4,), make) for table in tables])
    found = [(copies, count) for _, copies, count in script.drawings.chains(nets)]
    assert found == [(2, 2 * (4 * 3 + 3)), (1, 4 * 2 + 2)]


def test_notes_on_every_method_have_their_five_headings_and_say_something(script: ModuleType) -> None:
    for name in methods():
        notes = script.notes_of(name)
        assert tuple(notes) == (
            "The idea", "When to use it", "Published results", "What its public code gets wrong", "Notes",
        )  # fmt: skip
        for head, body in notes.items():
            assert len(body.split()) > 2, f"notes on {name}: nothing under '{head}'"
        sentences = re.findall(r"[.!?](?=\s|$)", notes["The idea"])
        assert len(sentences) == 5, f"notes on {name}: the idea has {len(sentences)} sentences, not 5"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_tests_and_checks_that_the_documents_name_are_there(page: Path) -> None:
    """A flaw that was turned round stays so: who renames its test is told which page names it."""
    for path, name in re.findall(r"(tests/\w+\.py)::(\w+)", page.read_text()):
        assert (ROOT / path).exists(), f"{page.name} names {path}"
        assert f"def {name}(" in (ROOT / path).read_text(), f"{page.name} names {path}::{name}"
    defined = {
        name for path in (ROOT / "tests").glob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    for name in re.findall(r"`(test_\w+)`", page.read_text()):
        assert name in defined, f"{page.name} names {name}"
    known = {check.__name__ for check in CHECKS}
    for name in re.findall(r"ringfence\.checks\.(check_\w+)", page.read_text()):
        assert name in known | {"check_detector"}, f"{page.name} names {name}"


def test_every_known_flaw_has_a_test_that_holds_the_opposite() -> None:
    lines = (ROOT / "docs" / "methods" / "flaws.md").read_text().splitlines()
    flaws = [line.split("|")[1:-1] for line in lines if re.match(r"\| \d+ \|", line)]
    assert [int(cells[0]) for cells in flaws] == list(range(1, 19))
    for number, *_, here in flaws:
        assert re.search(r"tests/\w+\.py::\w+|ringfence\.checks\.check_\w+", here), f"flaw {number} has no test"


def test_pages_keep_one_order(written: Path) -> None:
    for name in methods():
        heads = re.findall(r"^## (.+)$", (written / f"{name}.md").read_text(), flags=re.M)
        assert [head for head in heads if not head.startswith("Preset `")] == [
            "The idea", "Formula", "When to use it", "Use", "Networks by default", "Cost per row",
            "What it reached here", "Published results", "What its public code gets wrong", "Notes",
        ]  # fmt: skip


def test_a_page_shows_the_cost_that_records_have(script: ModuleType) -> None:
    from ringfence.benchmark.records import read_records, sections

    runs = read_records(ROOT / "records" / "digits")
    cost = script.methods()["gan"]
    (section,) = sections([{k: v for k, v in run.items() if k != "score_cpu_s"} for run in runs])
    assert "No record" in script._cost("gan", cost, [("digits", section)])[-1]
    # 5 milliseconds for each test row are 5,000 for 1,000 of them.
    timed = [run | {"score_cpu_s": 0.005 * run["n_test"], "fit_cpu_s": 2.0, "device": "cpu"} for run in runs]
    (section,) = sections(timed)
    assert script._cost("gan", cost, [("digits", section)])[-1] == "| digits (`records/digits`) | gan | 5,000.0 | 2.0 |"


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


def measured(name: str = "results.jsonl") -> tuple[dict[str, Any], dict[str, Any]]:
    """Records of speed on one thread by case, and their ratios of CPU time by who is divided by whom."""
    lines = (ROOT / "records" / "bench" / name).read_text().splitlines()
    records = {record["case"]: record for record in map(json.loads, lines) if record["threads"] == 1}
    return records, {
        name: {(r["of"], r["against"]): r["cpu"][0] for r in record["ratios"]} for name, record in records.items()
    }


def test_the_figures_of_large_files_and_of_the_earlier_processor_are_those_of_the_records() -> None:
    records, ratios = measured()
    text = " ".join((ROOT / "docs" / "speed.md").read_text().split())
    facts = records["parquet"]["facts"]
    seconds, taken = (facts[f"{what} 20 million rows{end}"] for what, end in (
        ("CPU seconds of", ""), ("MiB above the import that", " take"),
    ))  # fmt: skip
    assert f"{seconds:.0f} s of CPU time and with {taken:.0f} MiB above what the import takes" in text
    assert f"take {ratios['parquet']['from Parquet', 'in memory']:.2f} times as long as from memory" in text
    assert facts["the same rows have the same scores"] is True
    earlier = measured("xeon.jsonl")[1]
    assert f"took {earlier['egbad-step-256']['ours', 'products']:.2f} times its products" in text
    assert f"it took {earlier['scoring']['ours', 'bare products']:.2f} times MKL's products" in text
    both = [f"{earlier[f'members-{batch}']['ten members', 'textbook']:.2f}" for batch in (50, 256)]
    assert f"on the Xeon they were {both[0]} and {both[1]}" in text
    assert f"took {both[0]} and {both[1]} (`records/bench/xeon.jsonl`)" in " ".join(
        (ROOT / "docs" / "guides" / "members.md").read_text().split()
    )
    for batch in (50, 256):
        ten = ratios[f"members-{batch}"]
        bare = ten["ten members", "textbook"] / ten["ten members", "bare products"]
        assert re.search(rf"{bare:.2f} (of a textbook's step )?at (batch )?{batch}", text)


def test_the_figures_of_training_steps_are_those_of_the_records() -> None:
    records, ratios = measured()
    text = " ".join((ROOT / "docs" / "speed.md").read_text().split())
    for batch in (50, 256):
        found = ratios[f"egbad-step-{batch}"]
        book, products = found["ours", "textbook"], found["ours", "products"]
        assert f"| EGBAD, batch {batch} | {book:.2f} | {products:.1f}× |" in text
        (told,) = re.findall(rf"\* batch {batch}: (.*?);", text)
        shares = dict(item.rsplit(" ", 2)[:2] for item in told.split(", "))
        facts = records[f"egbad-step-{batch}"]["facts"]
        assert shares == {name: f"{100 * facts[f'share of {name}']:.0f}" for name in shares}
        assert 97 <= sum(map(int, shares.values())) <= 103
    assert f"| GANomaly, batch 64 | {ratios['ganomaly-step']['bfloat16', 'textbook']:.2f} | |" in text
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"takes {100 * ratios['egbad-step-256']['ours', 'textbook']:.0f} % of a textbook PyTorch loop's" in readme
    assert f"{1 / ratios['search-kdd99']['ours', 'textbook, one row']:.0f} times its rows" in readme


def test_the_figures_of_members_and_of_single_rows_are_those_of_the_records() -> None:
    records, ratios = measured()
    guides = ROOT / "docs" / "guides"
    text = " ".join((ROOT / "docs" / "speed.md").read_text().split())
    for batch in (50, 256):
        ten = ratios[f"members-{batch}"]["ten members", "textbook"]
        assert f"{ten:.2f}" in (guides / "members.md").read_text()
        assert re.search(rf"{ten:.2f}".lstrip("0") + rf" (of ten textbook trainings )?at (batch )?{batch}", text)
    seconds = records["onnx-single-row"]["seconds"]
    times = {who: of["cpu"][0] for who, of in seconds.items()}
    told = " ".join((guides / "deploy.md").read_text().split())
    assert f"{1e6 * times['onnx']:.0f} µs" in told
    assert 7.5 < times["bare networks"] / times["onnx"] < 8.5, "eight times"
    assert 100 < times["ours"] / times["onnx"] < 120, "over a hundred times"


def test_the_figures_of_scoring_are_those_of_the_records() -> None:
    records, ratios = measured()
    text = " ".join((ROOT / "docs" / "speed.md").read_text().split())
    against = ("bare products", "PyOD's ALAD", "nearest neighbour")
    for who, named in (("ours", "`anomaly_score`, PyTorch"), ("exported", "`ringfence export`, ONNX Runtime")):
        cells = " | ".join(f"{ratios['scoring'][who, other]:.3g}" for other in against)
        assert f"| {named} | {cells} |" in text
    assert f"isolation forest takes {1 / ratios['scoring']['ours', 'isolation forest']:.2f} of our time" in text
    assert f"of oneDNN `anomaly_score` takes {ratios['scoring']['ours', 'products of oneDNN']:.2f} times" in text
    assert f"takes {1 / ratios['scoring']['ours', 'exported']:.2f} of our time. One row" in text
    assert f"takes {100 / ratios['scoring']['ours', 'scaling']:.0f} % of the whole" in text
    facts = records["scoring"]["facts"]
    assert facts["largest relative difference of exported"] < 1e-6
    (told,) = re.findall(r"profiler: products with bias and activation (.*?)\. Those", text)
    shares = dict(item.removesuffix(" %").rsplit(" ", 1) for item in f"products {told}".split(", "))
    assert shares == {name: f"{100 * facts[f'share of {name}']:.0f}" for name in shares}
    assert 97 <= sum(map(int, shares.values())) <= 103
    assert 0.115 < ratios["onnx-single-row"]["onnx", "bare networks"] < 0.135, "an eighth"


def test_doubling_costs_what_the_records_say() -> None:
    ratios = list(measured()[1]["cost"].items())
    doubled = [value for (of, against), value in ratios if size(of) == 2 * size(against)]
    text = " ".join((ROOT / "docs" / "speed.md").read_text().split())
    assert f"take {min(doubled):.2f} to {max(doubled):.2f} times as long" in text


def size(name: str) -> int:
    """Rows times epochs of a contestant of the case `cost`."""
    rows, epochs = re.findall(r"[\d,]+", name)
    return int(rows.replace(",", "")) * int(epochs)


def test_the_figures_of_precision_are_those_of_the_records() -> None:
    from ringfence.benchmark.records import read_records

    found: dict[str, dict[int, float]] = {}
    for record in read_records(ROOT / "records" / "precision"):
        if record["role"] == "trained":
            found.setdefault(record["params"]["precision"], {})[record["seed"]] = record["metrics"]["auroc"]
    assert {name: set(seeds) for name, seeds in found.items()} == {"bfloat16": {0, 1, 2}, "float32": {0, 1, 2}}
    text = " ".join((ROOT / "docs" / "speed.md").read_text().split())
    low, full = (
        f"{np.mean(list(of.values())):.3f} ({min(of.values()):.3f} to {max(of.values()):.3f})".replace("0.", ".")
        for of in (found["bfloat16"], found["float32"])
    )
    assert f"the mean AUROC was {low} beside {full} in float32" in text


def test_the_figures_of_searches_are_those_of_the_records() -> None:
    records, ratios = measured()
    text = " ".join((ROOT / "docs" / "speed.md").read_text().split())
    for networks in ("kdd99", "mnist"):
        facts, ratio = records[f"search-{networks}"]["facts"], ratios[f"search-{networks}"]
        quicker, products = 1 / ratio["ours", "textbook, one row"], ratio["ours", "products"]
        assert f"| {networks.upper()} | {facts['slots']} | {quicker:.3g}× | {products:.3g}× |" in text
        assert abs(facts["loss, ours / textbook"] - 1) < 1e-5
    facts, ratio = records["search-options"]["facts"], ratios["search-options"]
    loss = {
        (way, passes): f"{facts[f'loss of normal rows, {way}, {passes} passes']:.1f}"
        for way in ("Adam", "Adam from E(x)", "Adam, stop .01", "L-BFGS")
        for passes in (25, 200)
    }
    for said in (
        f"Adam brings normal rows to {loss['Adam', 25]} in 25 passes and to {loss['Adam', 200]} in 200",
        f"from E(x) to {loss['Adam from E(x)', 25]} and {loss['Adam from E(x)', 200]}",
        f"L-BFGS to {loss['L-BFGS', 25]} and {loss['L-BFGS', 200]}, with passes that cost"
        f" {1 / ratio['Adam', 'L-BFGS']:.1f} times as much",
        f"`stop=.01` takes {1 / ratio['Adam', 'Adam, stop .01']:.0%} of the time of 200 passes".replace("%", " %"),
        f"and ends at {loss['Adam, stop .01', 200]}",
    ):
        assert said in text, said


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


# The methods without a preset, each with what its source does not say; no other may lack one.
WITHOUT_PRESET = {
    "aae": "no networks were at hand, neither text nor code.",
    "adgan": "there is no public code, and what is remembered of the paper (a DCGAN, 256 latent values) is no table.",
    "autoencoder": "the method has no one paper, and neither text was at hand.",
    "gan": "the papers give no network or rate for it.",
    "goodbadgan": "no networks are published.",
    "lad": "no networks were at hand, neither text nor code.",
    "minlgan": "neither text nor code was at hand.",
}


def test_every_method_has_a_preset_but_those_that_are_named_here() -> None:
    assert {name for name in methods() if not names(name)} == set(WITHOUT_PRESET)


@pytest.mark.parametrize("name", methods())
def test_the_page_of_a_method_without_a_preset_says_why_and_no_other_does(name: str) -> None:
    page = " ".join((ROOT / "docs" / "methods" / f"{name}.md").read_text(encoding="utf-8").split())
    assert page.count("No preset:") == (name in WITHOUT_PRESET)
    assert f"No preset: {WITHOUT_PRESET.get(name)}" in page or name not in WITHOUT_PRESET


def test_the_readme_names_the_data_sets_of_presets() -> None:
    titles = {
        "kdd99": "KDD99", "arrhythmia": "Arrhythmia", "mnist": "MNIST", "mnist61": "MNIST at 61×61",
        "cifar10": "CIFAR-10", "oct": "retinal OCT", "ionosphere": "Ionosphere", "pageblocks": "PageBlocks",
        "pima": "Pima", "spambase": "SpamBase", "waveform": "Waveform", "wdbc": "WDBC",
    }  # fmt: skip
    told = dict.fromkeys(methods(), "")
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines():
        linked = re.findall(r"\[([^]]+)\]\(docs/methods/(\w+)\.md\)", line) if line.startswith("| [") else []
        cell = line.strip("|").split("|")[-1].strip()
        # Several methods of one line have their names before their sets: "A, B: sets; C: sets".
        parts = cell.split("; ") if len(linked) > 1 else [f"{linked[0][0]}: {cell}"] if linked else []
        own = {name: sets for part in parts if part for heads, sets in [part.split(": ")] for name in heads.split(", ")}
        told |= {method: own.get(title, "") for title, method in linked}
    assert told == {m: ", ".join(title for name, title in titles.items() if name in names(m)) for m in methods()}


@pytest.mark.parametrize("name", methods())
def test_a_method_whose_text_was_not_at_hand_is_unverified(name: str) -> None:
    said = sys.modules[methods()[name].__module__].__doc__ or ""
    assert "not at hand" not in " ".join(said.split()) or methods()[name].info.source == "unverified"
