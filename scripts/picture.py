"""Draw README's picture from a folder of digits records.

usage: python scripts/picture.py DIR docs/images/digits.png

Left: the mean AUROC of every method over the ten digits, trained and untrained, beside the baselines. Right: the test
digits that AnoGAN and EGBAD find most anomalous where 3 is the anomaly, with reconstruction and difference; that half
needs `runs/`, which a benchmark writes beside its records.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ringfence.benchmark.records import Section, read_records, sections
from ringfence.report.runs import shown_in

CASE = "3"
SHOWN = 8


def main(folder: Path, out: Path) -> None:
    """Draw and write the picture."""
    section = sections(read_records(folder))[0]
    figure = Figure(figsize=(11, 4.2), layout="constrained", dpi=110)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.25))
    _bars(left.subplots(), section)
    _digits(right, section, folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def _bars(axes, section: Section) -> None:
    rows = [r for r in section.rows if r.name.role != "untrained"][::-1]
    means = [r.metric("auroc").mean for r in rows]
    colours = ["#0072b2" if r.name.role == "trained" else "#9a9a9a" for r in rows]
    axes.barh([r.name.label.replace("_", " ") for r in rows], means, color=colours)
    for at, (row, mean) in enumerate(zip(rows, means, strict=True)):
        axes.text(mean - 0.01, at, f"{mean:.3f}", va="center", ha="right", color="white", fontsize=9)
        if row.gain:
            axes.plot(row.gain.untrained, at, "o", color="#d55e00", label="untrained networks" if not at else None)
    axes.plot([], [], "o", color="#d55e00", label="the same, untrained")
    axes.set_xlim(0.3, 1)
    axes.set_xlabel("AUROC, mean of ten digits and three seeds")
    axes.legend(loc="lower right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _digits(half, section: Section, folder: Path) -> None:
    runs = {s.row.name.method: s.run for s in shown_in(section, CASE, folder) if s.run is not None}
    methods = [m for m in ("anogan", "egbad") if m in runs]
    grid = half.subplots(3 * len(methods), SHOWN)
    for block, method in enumerate(methods):
        run = runs[method]
        for column in range(SHOWN):
            row, remade = run.top_rows[column], run.top_remade[column]
            odd = run.anomaly[np.argsort(-run.scores, kind="stable")[column]]
            for line, (image, colours) in enumerate(
                ((row, "gray_r"), (remade, "gray_r"), (np.abs(row - remade), "Oranges"))
            ):
                axes = grid[3 * block + line][column]
                axes.imshow(image, cmap=colours, vmin=0, vmax=16)
                axes.set_xticks([])
                axes.set_yticks([])
                for spine in axes.spines.values():
                    spine.set(
                        color="#d55e00" if odd and not line else "#cccccc", linewidth=2 if odd and not line else 0.5
                    )
        for line, text in enumerate((method, "remade", "difference")):
            grid[3 * block + line][0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=9)
    half.suptitle(f"Highest scores where {CASE} is the anomaly (orange frame: it is one)", fontsize=10)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
