"""Draw what a training step costs as members are added, from the records of `scripts/bench members-curve`.

usage: python scripts/members_picture.py records/bench/results.jsonl docs/images/members.png
"""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

CASE = "members-curve-"
COLOURS = ("#1f5f8b", "#c2571a")


def main(records: Path, out: Path) -> None:
    """Draw and write the picture: CPU time of a step of all members, in steps of a single model."""
    lines = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    found = {r["case"].removeprefix(CASE): r for r in lines if r["case"].startswith(CASE) and r["threads"] == 1}
    figure = Figure(figsize=(5.6, 4.0), layout="constrained", dpi=110)
    axes = figure.subplots()
    most = 1
    for colour, (batch, record) in zip(COLOURS, sorted(found.items(), key=lambda item: int(item[0])), strict=False):
        each = {int(name.split()[0]): seconds["cpu"] for name, seconds in record["seconds"].items()}
        counts, alone = sorted(each), each[1][0]
        most = max(most, *counts)
        middle, low, high = ([count * each[count][at] / alone for count in counts] for at in range(3))
        axes.plot(counts, middle, "o-", color=colour, label=f"batch {batch}")
        axes.fill_between(counts, low, high, color=colour, alpha=0.2, linewidth=0)
    axes.plot([1, most], [1, most], "--", color="0.5", label="one after another")
    axes.set(xlabel="members", ylabel="CPU time of a step, in steps of one model", xlim=(0, None), ylim=(0, None))
    axes.set_title("EGBAD's KDD99 networks, one thread", fontsize=10)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
