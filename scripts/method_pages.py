"""Write a page and a drawing a method: idea, formula, use, networks, presets, cost, the records of it, and its notes.

usage: python scripts/method_pages.py [DIR]      (default: docs/methods)

What stands in the pages comes from src/ringfence/methods, src/ringfence/presets, records/ and docs/methods/notes; edit
those, not the pages. tests/test_docs.py holds that the committed pages and drawings are what this writes.
"""

import math
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import drawings
import numpy as np
import torch

from ringfence import methods
from ringfence.benchmark.notes import notes as section_notes
from ringfence.benchmark.records import Record, Section, number, read_records, sections
from ringfence.benchmark.records import Row as Line
from ringfence.benchmark.tables import share
from ringfence.detector import Detector
from ringfence.distances import DISTANCES, IMAGE_DISTANCES
from ringfence.maps import row_maps
from ringfence.methods.shared import ROW_DISTANCE
from ringfence.networks import INITIALISERS, Maker, UNet, family_for
from ringfence.networks.rows import Row, Shape
from ringfence.networks.tables import Discriminator, Network
from ringfence.presets import entry, names

ROOT = Path(__file__).resolve().parent.parent
MADE = "<!-- written by scripts/docs: edit the docstring, the preset, the records or docs/methods/notes -->"

SETTLED = (
    "What the records show is on each page; [records](../../records/README.md) says which command made which. No epoch",
    "and no threshold is picked on test labels. Some defaults were settled with the AUROC of digits in view: a hidden",
    "layer in the image networks of all methods, the depth of Skip-GANomaly's U, ALOCC's noise, when the generators of",
    "SO-GAAL and MO-GAAL stop and how long their noise is, MinLGAN's λ. None was settled with that of another set.",
)
"""What holds for the records of every method."""

BESIDE = (
    "[Which method to pick](choosing.md) puts the records side by side. [Flaws of public code](flaws.md) says for each",
    "known one which test here holds the opposite.",
)

COSTS = {
    "one pass": "a row goes once through the networks of its score.",
    "jacobian": "a row goes through a network of its score once for each latent value.",
    "search": "every row takes a search of its own, many passes there and back.",
}
"""What the classes of `Info.cost` mean."""


def main(out: Path) -> None:
    """Write the pages and their index."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    folders = sorted(path.parent for path in (ROOT / "records").glob("*/records.jsonl"))
    found = [s for folder in folders for s in _sections(folder)]
    for name, cls in methods().items():
        (out / f"{name}.md").write_text(page(name, cls, found), encoding="utf-8")
        (out / "images" / f"{name}.svg").write_text(drawings.drawing(name, cls), encoding="utf-8")
    (out / "README.md").write_text(index(), encoding="utf-8")
    (out / "choosing.md").write_text(choosing([pair for pair in found if pair[0] != AIDS]), encoding="utf-8")
    (out / "aids.md").write_text(aids([section for folder, section in found if folder == AIDS]), encoding="utf-8")


def _sections(folder: Path) -> list[tuple[str, Section]]:
    return [(folder.name, section) for section in sections(read_records(folder))]


def index() -> str:
    """List the methods."""
    rows = [
        (f"[{name}]({name}.md)", cls.info.title, str(cls.info.year), cls.info.cost, cls.info.source)
        for name, cls in methods().items()
    ]
    heads = ("method", "idea", "year", "scoring", "source")
    return "\n".join([MADE, "", "# Methods", "", *_markdown(heads, rows), "", *SETTLED, "", *BESIDE, ""])


AIDS = "aids"
"""Folder of records in which one option at a time differs from the default."""
AIDED = (
    "Options of the frame and of the plain GANs that the review and the papers list, each beside the default it",
    "changes: same rows, same seeds, same budget (`records/aids`; each record names its command). They are",
    "effects on one or two sets, read with the AUROC of test rows, and no default was changed for them but ALAD's",
    "spectral normalisation, which MMD² settled. Spectral normalisation is `spectral` of the plain GANs and ALAD,",
    "`lipschitz` of LAD and a key of layer tables; progressive growing is not here, and",
    "[the architecture](../architecture.md) says why. Searches that accept only likely latent vectors, and the part of",
    "‖z‖ − mode, are AnoGAN's alone: `likely`, and the score kind `fm_latent`.",
)


def _distances() -> list[str]:
    """Say which methods take another distance of a row from its reconstruction, and under which name."""
    taken: dict[str, list[str]] = {}
    for name, cls in methods().items():
        for option in (option for option, rule in cls.limits.items() if rule is ROW_DISTANCE):
            taken.setdefault(option, []).append(f"[{name}]({name}.md)")
    text = (
        f"Distances of a row from its reconstruction by name: {', '.join(f'`{n}`' for n in DISTANCES)}; for images "
        f"{', '.join(f'`{n}`' for n in IMAGE_DISTANCES)} too. "
        + " ".join(f"`{option}` names it for {', '.join(names)}." for option, names in taken.items())
        + " The docstring of each says where it counts. ALAD's two distances are its score kinds `l1` and `l2`."
    )
    return textwrap.wrap(text, 118, break_on_hyphens=False)


def aids(found: list[Section]) -> str:
    """Show what single options did."""
    lines = [MADE, "", "# What single options do", "", *AIDED, "", *_distances(), ""]
    for section in found:
        place = ", ".join(p for p in section.place if p)
        lines += [f"## {place}", ""]
        for name in sorted({row.name.method for row in section.rows}):
            rows = [_figures(row) for row in section.rows if row.name.method == name]
            if len(rows) > 1:
                lines += [*_markdown((*COLUMNS, *GENERATED.values()), rows), ""]
    return "\n".join(lines).rstrip() + "\n"


def choosing(found: list[tuple[str, Section]]) -> str:
    """Say what each method needs and gives, and where the records put it."""
    rows = []
    for name, cls in methods().items():
        remakes = "yes" if hasattr(cls(), "reconstruct") else "no"
        row = (f"[{name}]({name}.md)", ", ".join(cls.info.kinds), cls.info.cost, remakes, ", ".join(_maps(cls)))
        rows.append(row)
    heads = ("method", "data", "cost of scoring", "reconstructs", "maps of pictures")
    lines = [MADE, "", "# Which method to pick", "", *CHOICE, "", *_markdown(heads, rows), ""]
    for folder, section in found:
        place = ", ".join(p for p in section.place if p)
        lines += [f"## {place} (`records/{folder}`)", "", *_markdown(RANKED, _ranked(section)), ""]
        lines += [*(f"* {line}" for line in section_notes(section) if line.startswith(TOLD)), ""]
    return "\n".join(lines).rstrip() + "\n"


CHOICE = (
    "From the records, not from opinion. Two questions decide before any figure does: must the method show what it",
    "would have expected (then it must reconstruct), and may scoring a row take a search or a Jacobian (then AnoGAN,",
    "ADGAN and GPND are possible). The rest is measured below: mean AUROC over cases and seeds, what training added to",
    "the same networks untrained, and the CPU seconds of a whole run, one thread. Baselines (*slanted*) stand beside",
    "them: where a nearest neighbour wins and you need no generator, take the nearest neighbour.",
)
RANKED = ("method", "budget", "AUROC", "sd over seeds", "gain over untrained", "CPU seconds a run")
TOLD = ("budget", "below", "failed", "means with gaps")
"""Notes that a ranking needs beside it, by how they begin; the tables of a benchmark have them all."""


def _ranked(section: Section) -> list[tuple[str, ...]]:
    """Who did how well in one place, best first."""
    rows = []
    for row in section.rows:
        if row.name.role == "untrained":
            continue
        mark = "*" if row.name.role == "baseline" else ""
        gain = share(row.gain.mean, "+").text if row.gain else ""
        seconds = row.spread(lambda record: record.get("cpu_s")).mean
        auroc = row.metric("auroc")
        label = f"{mark}{row.name.label}{mark}"
        budget = section.budgets[row.name.budget]
        rows.append((label, budget, share(auroc.mean).text, share(auroc.sd).text, gain, f"{seconds:,.1f}"))
    return rows


def _maps(cls: type[Detector]) -> list[str]:
    """Names of the maps that a method gives of pictures."""
    pictures = np.random.default_rng(0).normal(size=(4, 8, 8))
    return sorted(row_maps(cls(random_state=0).fit_untrained(pictures), pictures))


def page(name: str, cls: type[Detector], found: list[tuple[str, Section]]) -> str:
    """Return the page of one method."""
    notes = notes_of(name)
    lines = [MADE, "", f"# {cls.__name__}", ""]

    def say(head: str, body: Iterable[str]) -> None:
        lines.extend([f"## {head}", "", *body, ""])

    say("The idea", [notes["The idea"]])
    say("Formula", _docstring(cls))
    say("When to use it", [notes["When to use it"]])
    say("Use", _use(name, cls))
    say(
        "Networks by default",
        [f"![Flow of values and networks of {cls.__name__}](images/{name}.svg)", "", *_defaults(cls)],
    )
    for preset, variants in names(name).items():
        for variant in variants:
            say(f"Preset `{preset}`, variant `{variant}`", _preset(name, preset, variant))
    say("Cost per row", _cost(name, cls, found))
    say("What it reached here", _reached(name, found))
    for head in HEADS[2:]:
        say(head, [notes[head]])
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


HEADS = ("The idea", "When to use it", "Published results", "What its public code gets wrong", "Notes")
"""Headings of the notes on a method, in order."""


def notes_of(name: str) -> dict[str, str]:
    """Return what the notes on a method say under each heading."""
    text = (ROOT / "docs" / "methods" / "notes" / f"{name}.md").read_text(encoding="utf-8")
    before, *parts = re.split(r"^## (.+)$", text, flags=re.M)
    if before.strip() or tuple(parts[::2]) != HEADS:
        raise SystemExit(f"docs/methods/notes/{name}.md: the headings are {parts[::2]}, not {list(HEADS)}")
    return {head: body.strip() for head, body in zip(parts[::2], parts[1::2], strict=True)}


def _docstring(cls: type[Detector]) -> list[str]:
    text = sys.modules[cls.__module__].__doc__ or ""
    # reStructuredText's literal blocks are indented, which Markdown reads as code too.
    return re.sub(r"^::$", "", re.sub(r"(\S)::$", r"\1:", text.strip(), flags=re.M), flags=re.M).splitlines()


def _use(name: str, cls: type[Detector]) -> list[str]:
    kinds = "; ".join(
        f"`{kind}` = {' + '.join(f'{w:g} · {p}' for p, w in weights.items())}" for kind, weights in cls.scores.items()
    )
    return [
        "```python",
        f"from ringfence import {cls.__name__}",
        "",
        f"det = {cls.__name__}(random_state=0).fit(normal_rows)",
        "det.anomaly_score(new_rows)   # higher = more anomalous",
        "det.parts(new_rows)           # the parts of the score, unweighted",
        "```",
        "",
        f"`ringfence fit data.csv --method {name} --out model` does the same from the command line.",
        "",
        f"Score kinds: {kinds}. {_beside(cls)}",
    ]


def _beside(cls: type[Detector]) -> str:
    """Say what a method does beside scoring."""
    able = [hook for hook in ("sample", "encode", "reconstruct", "interpolate") if hasattr(cls(), hook)]
    return f"Beside scoring it can {', '.join(f'`{hook}`' for hook in able)}." if able else "It scores, and no more."


def _built(cls: type[Detector], shape: tuple[int, ...], det: Detector) -> dict[str, torch.nn.Module]:
    rng = torch.Generator().manual_seed(0)
    make = Maker(INITIALISERS[det.init], [rng], lambda count: torch.zeros(count, det.latent_dim))
    with torch.no_grad():
        return det.build(family_for(shape)(shape, det.latent_dim, det.layers, make))


def _defaults(cls: type[Detector]) -> list[str]:
    lines: list[str] = []
    for title, shape in (("a table of 64 columns", (64,)), ("images of 8×8", (1, 8, 8))):
        lines += [f"For {title}:", "", *_networks(_built(cls, shape, cls())), ""]
    return lines


def _networks(nets: Mapping[str, torch.nn.Module]) -> list[str]:
    rows = []
    for name, net in nets.items():
        for part, network, count in _parts(net):
            table = " → ".join(_row(r) for r in network.table) if isinstance(network, Network) else "weights of its own"
            rows.append((name + part, table, f"{count:,}"))
    return _markdown(("network", "layers", "parameters"), rows)


def _parts(net: torch.nn.Module) -> list[tuple[str, torch.nn.Module, int]]:
    """What a network consists of: an end of its name, the part, and its parameters."""
    parts: list[tuple[str, torch.nn.Module]] = []
    if isinstance(net, Discriminator):
        branches = [(f" branch {i + 1}", b) for i, b in enumerate(net.branches) if len(net.branches) > 1]
        parts = [*branches, (" features", net.trunk), (" logit", net.head)]
    if isinstance(net, UNet):
        ways = (("down", net.down), ("up", net.up))
        parts = [(f" {way} {i + 1}", level) for way, levels in ways for i, level in enumerate(levels)]
    if parts:
        return [(end, part, sum(p.numel() for p in part.parameters())) for end, part in parts]
    found = [(f" × {copies}" if copies > 1 else "", chain, count) for chain, copies, count in drawings.chains(net)]
    count = sum(p.numel() for p in net.parameters())
    return [*found] or ([("", net, count)] if count else [])


SHAPES: dict[str, Shape] = {
    "kdd99": (121,),
    "arrhythmia": (274,),
    "mnist": (1, 28, 28),
    "mnist61": (1, 61, 61),
    "oct": (1, 64, 64),
    "cifar10": (3, 32, 32),
}
"""Rows of the data sets that presets are for."""


def _row(row: Row) -> str:
    units = "×".join(map(str, row.units)) if isinstance(row.units, tuple) else str(row.units or "")
    act = f"{row.act} {row.slope:g}" if row.act == "leaky_relu" else row.act
    tail = [row.norm if row.norm != "none" else "", act if act != "linear" else ""]
    tail = tail if row.order == "norm_act" else tail[::-1]
    pooled = f"pool {row.pool}" if row.pool > 1 else ""
    dropped = f"dropout {row.dropout:g}" if row.dropout else ""
    before = f"noise {row.noise:g}," if row.noise else ""
    drawn = "no bias" if not row.bias else "", f"drawn by {row.init}" if row.init else ""
    held = "spectral" if row.spectral else f"weights normed, {row.weight_norm}" if row.weight_norm != "none" else ""
    op = row.op.replace("_", " ")
    return " ".join(t for t in (before, op, units, drawings.sized(row), *drawn, held, *tail, pooled, dropped) if t)


def _preset(name: str, preset: str, variant: str) -> list[str]:
    found = entry(name, preset, variant)
    det = methods()[name].preset(preset, variant)
    shape = SHAPES.get(preset) or (det.latent_dim,)  # of GAAL's tables z has the width
    params = ", ".join(f"`{k}={v!r}`" for k, v in found["parameters"].items())
    lines = [f"Source: {found['source']}.", "", params, "", *_networks(_built(type(det), shape, det)), ""]
    for printed in (v for k, v in found.items() if k.startswith("published")):
        figures = ", ".join(f"{k} {v:g}" for k, v in printed.items() if k != "score")
        flagged = "the papers flag the top 20 %, unless the notes say otherwise"
        lines += [f"Published with score `{printed['score']}` ({flagged}): {figures}.", ""]
    return lines


def _cost(name: str, cls: type[Detector], found: list[tuple[str, Section]]) -> list[str]:
    """What scoring takes: the class, and CPU time where records have it."""
    rows = []
    for folder, section in found:
        for row in section.rows:
            if (row.name.method, row.name.role) == (name, "trained"):
                taken, fit = row.spread(_per_thousand).mean, row.spread(lambda record: record.get("fit_cpu_s")).mean
                if not math.isnan(taken):
                    place = f"{section.place.benchmark} (`records/{folder}`)"
                    rows.append((place, row.name.label, f"{taken:,.1f}", f"{fit:,.1f}"))
    lines = [f"Class: {cls.info.cost}; {COSTS[cls.info.cost]}"]
    if not rows:
        return [*lines, "No record of it tells scoring apart from fitting yet."]
    heads = ("where", "method", "CPU milliseconds per 1,000 rows", "CPU seconds of a fit")
    return [*lines, "Means of the records, one thread, all parts of the score:", "", *_markdown(heads, rows)]


def _per_thousand(record: Record) -> float:
    """CPU milliseconds of scoring 1,000 test rows (windows, where pictures are cut into some); NaN if not known."""
    rows = record.get("counts", {}).get("test_rows", record["n_test"])
    return 1e6 * number(record.get("score_cpu_s")) / rows if record["device"] == "cpu" else math.nan


COLUMNS = ("method", "AUROC", "sd over seeds", "gain over untrained [95 %]", "AP", "F1 at the cut", "oracle F1")
GENERATED = {"mmd": "MMD² of its rows", "precision": "their precision", "recall": "their recall"}
"""Figures of `ringfence.quality` that records may have, and their heads."""


def _reached(name: str, found: list[tuple[str, Section]]) -> list[str]:
    """Say what a method reached, beside the baselines of the same place."""
    lines: list[str] = []
    for folder, section in found:
        shown = [row for row in section.rows if row.name.role != "trained" or row.name.method == name]
        if not any(row.name.method == name for row in shown):
            continue
        drawn = any("quality" in record for row in shown for record in row.runs.values())
        heads = (*COLUMNS, *(GENERATED.values() if drawn else ()))
        place = ", ".join(p for p in section.place if p)
        rows = [_figures(row)[: len(heads)] for row in shown]
        lines += [f"{place} (`records/{folder}`):", "", *_markdown(heads, rows), ""]
    return lines or ["No records yet."]


def _figures(row: Line) -> tuple[str, ...]:
    """Show one row of records under `COLUMNS` and `GENERATED`."""
    auroc, gain = row.metric("auroc"), row.gain
    means = [row.metric(m).mean for m in ("ap", "f1", "oracle_f1")]
    made = [row.spread(lambda record, of=of: (record.get("quality") or {}).get(of)).mean for of in GENERATED]
    added = [share(value, "+").text for value in gain[:3]] if gain else []
    return (
        row.name.label,
        *(share(v).text for v in (auroc.mean, auroc.sd)),
        f"{added[0]} [{added[1]}, {added[2]}]" if added else "-",
        *(share(v).text for v in (*means, *made)),
    )


def _markdown(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    table = [heads, tuple("---" for _ in heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in table]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "methods")
