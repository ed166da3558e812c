"""Draw what a fit costs as rows and epochs are doubled, from the record of `scripts/bench cost`.

usage: python scripts/cost_picture.py records/bench/results.jsonl docs/images/cost.png
"""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

COLOURS = ("#1f5f8b", "#c2571a")


def main(records: Path, out: Path) -> None:
    """Draw and write the picture: CPU time of a fit, in fits of the smallest."""
    lines = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    record = next(r for r in lines if r["case"] == "cost" and r["threads"] == 1)
    sizes = {name: size_of(name) for name in record["seconds"]}
    rows, epochs = (min(size[at] for size in sizes.values()) for at in (0, 1))
    smallest = next(record["seconds"][name]["cpu"][0] for name, size in sizes.items() if size == (rows, epochs))
    figure = Figure(figsize=(5.6, 4.0), layout="constrained", dpi=110)
    axes = figure.subplots()
    for at, (what, colour) in enumerate(zip(("rows", "epochs"), COLOURS, strict=True)):
        line = {size[at] // (rows, epochs)[at]: record["seconds"][name]["cpu"]
                for name, size in sizes.items() if size[1 - at] == (rows, epochs)[1 - at]}  # fmt: skip
        factors = sorted(line)
        middle, low, high = ([line[factor][part] / smallest for factor in factors] for part in range(3))
        start = (f"{rows:,} rows", f"{epochs} epochs")[at]
        axes.plot(factors, middle, "os"[at] + "-", color=colour, label=f"{what}, from {start}")
        axes.fill_between(factors, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot(factors, factors, "--", color="0.5", label="twice as much, twice as long")
    axes.set(
        xlabel="times as many", ylabel="CPU time of a fit, in fits of the smallest", xlim=(0, None), ylim=(0, None)
    )
    axes.set_title("EGBAD's KDD99 networks, batch 256, one thread", fontsize=10)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def size_of(name: str) -> tuple[int, int]:
    """Rows and epochs of a contestant."""
    rows, epochs = name.replace(",", "").split(" × ")
    return int(rows.split()[0]), int(epochs.split()[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
