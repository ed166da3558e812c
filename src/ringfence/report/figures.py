"""Figures as strings: vector ones for curves, small pixel ones for pictures."""

import base64
import io
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import style
from .runs import Array, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curve = tuple[Array, Array, style.Line]

_SETTINGS = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
}
# In inches. On a phone a figure is some 325 px wide, and its text of 10 points then 12 px high.
_SQUARE, _FLAT = (3.7, 3.2), (3.7, 2.5)
_BINS = 40
_POINTS = 200
_FAR = 1000.0  # scores whose highest is so many times the lowest are shown on a logarithmic axis


def curves(kind: str, lines: Sequence[Curve], x_label: str, y_label: str) -> str:
    """Draw curves from 0 to 1 over one another, the last one on top."""

    def draw(axes: "Axes") -> None:
        for x, y, line in lines:
            _plot(axes, x, y, line)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=x_label, ylabel=y_label)

    return _drawn(kind, _SQUARE, draw)


def histogram(kind: str, run: Run, what: str) -> str:
    """Draw the shares of test normal, test anomalous and generated rows by score, and the cut; `what` names rows."""
    low, high = (float(q) for q in np.quantile(run.scores, [0.005, 0.995]))
    low, high = min(low, run.threshold), max(high, run.threshold)
    high = high if high > low else low + 1.0
    logarithmic = low > 0 and high / low > _FAR
    edges = (np.geomspace if logarithmic else np.linspace)(low, high, _BINS + 1)
    normal, odd = (_shares(run.scores[side], edges) for side in (~run.anomaly, run.anomaly))

    def draw(axes: "Axes") -> None:
        axes.stairs(normal, edges, fill=True, color=style.NORMAL, alpha=0.35)
        axes.stairs(normal, edges, color=style.NORMAL, linewidth=1.2)
        axes.stairs(odd, edges, color=style.ANOMALOUS, linewidth=1.8)
        if run.generated is not None:
            dots = (0, (1.5, 1.5))
            axes.stairs(_shares(run.generated, edges), edges, color=style.GENERATED, linewidth=1.6, linestyle=dots)
        axes.axvline(run.threshold, color="black", linewidth=1.4, linestyle=(0, (5, 2)))
        axes.set(xlabel="anomaly score", ylabel=f"share of {what}", xscale="log" if logarithmic else "linear")
        if logarithmic:
            # 10 to the power of a small figure, as matplotlib writes it, can't be read on a phone.
            axes.xaxis.set_major_formatter("{x:g}")
        # Generated rows often fall into one bin, which would press the others flat.
        axes.set_ylim(0, 1.15 * max(normal.max(), odd.max()))

    return _drawn(kind, _FLAT, draw)


def _shares(scores: Array, edges: Array) -> Array:
    """Share of scores in each bin; what lies beyond the edges is counted in the outer bins."""
    inside = np.clip(scores[np.isfinite(scores)], edges[0], edges[-1])
    return np.asarray(np.histogram(inside, edges)[0] / max(len(inside), 1))


def losses(kind: str, values: Array) -> str:
    """Draw the mean of each loss term by epoch, (epochs, terms)."""
    from matplotlib.ticker import MaxNLocator

    epochs = np.unique(np.linspace(1, len(values), min(len(values), _POINTS)).round().astype(int))

    def draw(axes: "Axes") -> None:
        for at, term in enumerate(values.T):
            _plot(axes, epochs, term[epochs - 1], style.term_line(at), dots=len(values) == 1)
        axes.set(xlabel="epoch", ylabel="loss")
        if len(values) == 1:
            axes.set_xlim(0, 2)  # a single epoch would get an axis of fractions
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    return _drawn(kind, _FLAT, draw)


def picture(values: Array, low: float, high: float, colours: str) -> str:
    """Return a picture, (height, width) or (channels, height, width), as the address of an embedded PNG."""
    from matplotlib.image import imsave

    pixels = np.asarray(values, dtype=np.float64)
    if pixels.ndim == 3:
        # Three channels are colours; of any other number the mean is shown.
        pixels = np.moveaxis(pixels, 0, -1) if len(pixels) == 3 else pixels.mean(axis=0)
    if pixels.ndim == 3:
        pixels = np.clip((pixels - low) / (high - low), 0.0, 1.0)
    return _saved(lambda file, **more: imsave(file, pixels, vmin=low, vmax=high, cmap=colours, **more))


def png(pixels: Array) -> str:
    """Return colours, (height, width, 3) uint8, as the address of an embedded PNG."""
    from matplotlib.image import imsave

    return _saved(lambda file, **more: imsave(file, pixels, **more))


def _saved(save: Callable[..., None]) -> str:
    file = io.BytesIO()
    save(file, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def _plot(axes: "Axes", x: Array, y: Array, line: style.Line, *, dots: bool = False) -> None:
    dashes = (0, line.dash) if line.dash else "-"
    marker = "o" if dots else "None"
    axes.plot(x, y, color=line.colour, linestyle=dashes, linewidth=line.width, marker=marker)


def _drawn(kind: str, size: tuple[float, float], draw: "Callable[[Axes], None]") -> str:
    """Draw on a figure of its own, outside pyplot's global state, and return it as an <svg> element.

    Names of clip paths and markers come from `kind`, so that no two figures of a page share one: a browser
    takes the first of a name, and that may stand in a folded section and so be of no use.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    file = io.StringIO()
    settings: dict[Any, Any] = {**_SETTINGS, "svg.hashsalt": kind}
    with rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.add_subplot()
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        draw(axes)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _element(file.getvalue())


def _element(text: str) -> str:
    """Take from an SVG file what only a file needs."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r' xmlns(:xlink)?="[^"]*"| version="1.1"', "", text)
    text = re.sub(r' id="[A-Za-z0-9.]+_\d+"', "", text)
    # Hundredths of a point are enough.
    text = re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\.\d\d)\d+", r"\1", d[0]), text)
    return re.sub(r"\s*\n\s*", "\n", text).strip()
