"""Draw a method: where its values flow, and its networks box by box, as SVG.

Nothing is drawn by hand. The boxes are the layer tables of `build`; the arrows are found by computing the method's
score and losses on a few rows and noting which network's outputs reach which network (`Origins`). The same code and
the same method give the same bytes; tests/test_docs.py holds that the committed drawings are those.
"""

import itertools
import math
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ringfence.detector import Detector
from ringfence.game import Batch, Nets, Statistic
from ringfence.networks import UNet
from ringfence.networks.rows import Row, Shape
from ringfence.networks.tables import Discriminator, Network
from ringfence.scoring import weights_of

ROWS = 16
"""Rows that the flow is found on."""

SCORE = "score"
Edge = tuple[str, str]

# ---- the flow --------------------------------------------------------------------------------------------------------


class Origins(TorchFunctionMode):
    """While it is on, what torch computes from tensors knows which marked tensors that was."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call, and hand the marks of the arguments on to what comes out."""
        kwargs = kwargs or {}
        found = origins((args, kwargs))
        out = func(*args, **kwargs)
        if found:
            for tensor in tensors(out):
                # What a search moves stays what it was, by whatever it is moved or chosen.
                if tensor.is_floating_point() and not (tensor.is_leaf and tensor.requires_grad):
                    mark(tensor, found | origins(tensor))
        return out


def tensors(value: Any) -> Iterator[Tensor]:
    """All tensors within lists, tuples and mappings."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from tensors(each)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def origins(value: Any) -> frozenset[str]:
    """Marks of all tensors within."""
    return frozenset[str]().union(*(getattr(t, "_origins", frozenset()) for t in tensors(value)))


def mark(tensor: Tensor, names: Iterable[str]) -> Tensor:
    """Say what a tensor was made from."""
    tensor._origins = frozenset(names)  # type: ignore[attr-defined]
    return tensor


@dataclass(frozen=True)
class Flow:
    """Who hands values to whom: while rows are scored, and in training besides."""

    scoring: tuple[Edge, ...]
    training: tuple[Edge, ...]


class Watch:
    """Calls of networks, each a node of its own, and the edges between them."""

    def __init__(self, nets: Nets, drawn: bool) -> None:
        self.edges: list[Edge] = []
        self.count = 0
        self.drawn = frozenset(["z"]) if drawn else frozenset[str]()
        self.handles = [
            handle
            for name, net in nets.named_children()
            if not isinstance(net, Statistic)
            for handle in (
                net.register_forward_pre_hook(partial(self._before, name=name), with_kwargs=True),
                net.register_forward_hook(partial(self._after, name=name)),
            )
        ]

    def _before(self, net: nn.Module, args: Any, kwargs: Any, *, name: str) -> None:
        self.count += 1
        for argument in (*args, *kwargs.values()):
            # A latent vector that a search moves, or that a fit has drawn, has no origin but the prior.
            sources = origins(argument) or self.drawn
            self.edges += [(source, f"{name}#{self.count}") for source in sorted(sources)]

    def _after(self, net: nn.Module, args: Any, out: Any, *, name: str) -> None:
        for tensor in tensors(out):
            mark(tensor, [f"{name}#{self.count}"])

    def close(self) -> None:
        """Stop watching."""
        for handle in self.handles:
            handle.remove()


def named(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Edges between networks from those between calls, in order, each once, none from a network to itself."""
    merged = ((source.partition("#")[0], target.partition("#")[0]) for source, target in edges)
    return tuple(dict.fromkeys(edge for edge in merged if edge[0] != edge[1]))


def leading_to(end: str, edges: Sequence[Edge]) -> list[Edge]:
    """The edges on some way to `end`."""
    wanted = {end}
    for source, target in reversed(edges):  # a call comes after those that it takes values from
        if target in wanted:
            wanted.add(source)
    return [edge for edge in edges if edge[1] in wanted]


def one_by_one(judge: Discriminator, firsts: Sequence[Tensor], *others: Tensor) -> list[tuple[Tensor, Tensor]]:
    """What `Discriminator.several` gives."""
    return [judge(first, *others) for first in firsts]


def flow_of(detector: Detector, shape: Shape) -> tuple[Flow, Nets]:
    """Find the flow of a method by scoring a few rows and computing every loss on them, untrained."""
    rows = np.random.default_rng(0).uniform(-1, 1, (ROWS, *shape))
    short = {"steps": 2} if detector.info.cost == "search" and "steps" in detector.get_params() else {}
    det = detector.set_params(random_state=0, **short).fit_untrained(rows)
    nets, x = det.nets_, det.preprocess_.tensor(rows)
    for net in nets.children():
        if isinstance(net, Discriminator):  # what it does at once is watched call by call
            net.several = partial(one_by_one, net)  # type: ignore[method-assign]
    scored = Watch(nets, drawn="prior" not in det.unused)
    with torch.no_grad(), Origins():
        parts = det.score_parts(nets, mark(x.clone(), ["x"]))
    scored.close()
    ends = [parts[name] for name in weights_of(det.scores, det.score_kind)]
    scoring = named(leading_to(SCORE, [*scored.edges, *((o, SCORE) for o in sorted(origins(ends) - {"z"}))]))
    trained = Watch(nets, drawn="prior" not in det.unused)
    noise = torch.Generator().manual_seed(0)
    for stage in det._game(x, learn=True).stages:
        for player in stage.players:
            batch = Batch(
                mark(x.clone(), ["x"]), 0, 0, 0.5, 1,
                lambda count: mark(torch.randn(count, det.latent_dim, generator=noise), ["z"]),
                lambda size: torch.randn(tuple(size), generator=noise),
            )  # fmt: skip
            with Origins():
                player.loss(nets, batch)
    trained.close()
    return Flow(scoring, tuple(edge for edge in named(trained.edges) if edge not in scoring)), nets


# ---- the flow, laid out ----------------------------------------------------------------------------------------------


def forward(edges: Sequence[Edge]) -> list[Edge]:
    """The edges that lead onwards: each one, in order, that closes no circle with those before it."""
    kept: list[Edge] = []

    def reaches(start: str, end: str) -> bool:
        return start == end or any(reaches(b, end) for a, b in kept if a == start)

    for source, target in edges:
        if not reaches(target, source):
            kept.append((source, target))
    return kept


def layers_of(edges: Sequence[Edge]) -> dict[str, int]:
    """Column of each node: the longest way to it; the score stands last."""
    names = dict.fromkeys(name for edge in edges for name in edge)
    column = dict.fromkeys(names, 0)
    for _ in names:
        for source, target in edges:
            column[target] = max(column[target], column[source] + 1)
    if SCORE in column:
        column[SCORE] = max(column.values())
    return column


def lanes(column: dict[str, int], edges: Sequence[Edge]) -> tuple[list[list[str]], dict[Edge, list[str]]]:
    """Order of the nodes in each column, and the ways of edges, by places kept free in the columns between."""
    ways: dict[Edge, list[str]] = {}
    columns: list[list[str]] = [[n for n in column if column[n] == at] for at in range(max(column.values()) + 1)]
    for source, target in edges:
        between = [f"{source}>{target}@{at}" for at in range(column[source] + 1, column[target])]
        for at, name in enumerate(between, column[source] + 1):
            columns[at].append(name)
        ways[source, target] = [source, *between, target]
    steps = [pair for way in ways.values() for pair in itertools.pairwise(way)]
    orders = [columns]
    for sweep in range(8):
        columns = [list(names) for names in columns]
        onwards = sweep % 2 == 0
        for at in range(len(columns)) if onwards else reversed(range(len(columns))):
            place = {n: (i + 0.5) / len(names) for names in columns for i, n in enumerate(names)}
            beside = {n: [a for a, b in steps if b == n] if onwards else [b for a, b in steps if a == n] for n in place}
            mean = {n: np.mean([place[m] for m in beside[n]]) if beside[n] else place[n] for n in columns[at]}
            columns[at].sort(key=lambda n: float(mean[n]))
        orders.append(columns)
    return min(orders, key=lambda order: _crossings(order, steps)), ways


def _crossings(columns: Sequence[Sequence[str]], steps: Sequence[Edge]) -> int:
    """How many pairs of steps cross."""
    at = {name: (c, i) for c, names in enumerate(columns) for i, name in enumerate(names)}
    count = 0
    for i, (a, b) in enumerate(steps):
        for c, d in steps[i + 1 :]:
            if at[a][0] == at[c][0] and (at[a][1] - at[c][1]) * (at[b][1] - at[d][1]) < 0:
                count += 1
    return count


# ---- SVG -------------------------------------------------------------------------------------------------------------

INK, FAINT, CARD, EDGE_OF_CARD = "#1f2328", "#59636e", "#fcfcfa", "#d1d5da"
FILLS = {
    "generator": ("#d6e6f5", "#2f6ea5"),
    "encoder": ("#d9efdf", "#2e7d4f"),
    "discriminator": ("#fbe3d4", "#b4541a"),
    "": ("#e7e0f3", "#6b4ba3"),
    "x": ("#eeeeea", "#6e6e68"),
}
MARGIN, PITCH, LANE, NODE = 24, 178, 46, (118, 30)
BOX, GAP, LABEL = 22, 112, 150
"""Width of a box of values, of what lies between two, and of a network's name before the first."""


def fill_of(name: str) -> tuple[str, str]:
    """Fill and line of a network, of a source or of the score."""
    if name in ("x", "z", SCORE):
        return FILLS["x"]
    kinds = {"decoder": "generator", "critic": "discriminator"}
    found = [kinds.get(k, k) for k in ("generator", "decoder", "encoder", "discriminator", "critic") if k in name]
    return FILLS[found[0] if found else ""]


def said(name: str) -> str:
    """A network's name in words."""
    return name.replace("_", " ")


def number(value: float) -> str:
    """A coordinate."""
    return f"{value:.1f}".removesuffix(".0")


def tag(kind: str, inside: str = "", **attributes: Any) -> str:
    """One element; underscores of attributes are hyphens."""
    shown = {k.rstrip("_").replace("_", "-"): number(v) if isinstance(v, float) else v for k, v in attributes.items()}
    words = "".join(f' {k}="{escape(str(v))}"' for k, v in shown.items())
    return f"<{kind}{words}>{inside}</{kind}>" if inside else f"<{kind}{words}/>"


def text(x: float, y: float, words: str, size: int = 11, fill: str = INK, anchor: str = "middle", **more: Any) -> str:
    """One line of text, its baseline at y."""
    return tag("text", escape(words), x=float(x), y=float(y), font_size=size, fill=fill, text_anchor=anchor, **more)


def curve(points: Sequence[tuple[float, float]]) -> str:
    """A path through points that leaves and arrives level."""
    (x, y), *rest = points
    said = f"M{number(x)},{number(y)}"
    for to_x, to_y in rest:
        middle = (x + to_x) / 2
        said += f"C{number(middle)},{number(y)} {number(middle)},{number(to_y)} {number(to_x)},{number(to_y)}"
        x, y = to_x, to_y
    return said


def arrow(path: str, dashed: bool, colour: str = FAINT) -> str:
    """A path with a head."""
    more = {"stroke_dasharray": "4 4"} if dashed else {}
    return tag("path", d=path, fill="none", stroke=colour, stroke_width=1.4, marker_end="url(#head)", **more)


@dataclass
class Drawing:
    """Elements, and how far they reach."""

    elements: list[str] = field(default_factory=list)
    rules: list[float] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0

    def add(self, *elements: str) -> None:
        """Draw on top of what is there."""
        self.elements += elements

    def reach(self, x: float, y: float) -> None:
        """Make room."""
        self.width, self.height = max(self.width, x), max(self.height, y)


def draw(name: str, title: str, flow: Flow, nets: dict[str, nn.Module]) -> str:
    """Return the SVG of a method: its flow on top, then a row for each network."""
    made = Drawing()
    made.add(text(MARGIN, 32, title, 15, anchor="start", font_weight="bold"))
    made.reach(2 * MARGIN + 8 * len(title), 44)
    _flow(made, flow)
    nets = {key: net for key, net in nets.items() if not isinstance(net, Statistic)}
    told = {target: [a for a, b in [*flow.scoring, *flow.training] if b == target] for target in nets}
    for key, net in nets.items():
        _network(made, key, net, told[key])
    _legend(made, flow)
    return _page(made, f"{name}: flow of values and networks")


def _page(made: Drawing, label: str) -> str:
    width, height = made.width + MARGIN, made.height + MARGIN / 2
    head = tag("path", d="M0,0L8,4L0,8Z", fill=FAINT)
    marker = tag(
        "marker", head, id="head", viewBox="0 0 8 8", refX=8, refY=4, markerWidth=7, markerHeight=7, orient="auto"
    )
    card = tag(
        "rect", x=1, y=1, width=width - 2, height=height - 2, rx=10, fill=CARD, stroke=EDGE_OF_CARD
    )  # its own ground, so that it reads on a dark page too
    rules = [tag("path", d=f"M{MARGIN},{number(y)}H{number(made.width)}", stroke=EDGE_OF_CARD) for y in made.rules]
    lines = "\n".join([tag("title", escape(label)), tag("defs", marker), card, *rules, *made.elements])
    size = {"width": width, "height": height, "viewBox": f"0 0 {number(width)} {number(height)}"}
    font = "Helvetica, Arial, sans-serif"
    return tag("svg", f"\n{lines}\n", xmlns="http://www.w3.org/2000/svg", font_family=font, role="img", **size) + "\n"


def _flow(made: Drawing, flow: Flow) -> None:
    edges = [*flow.scoring, *flow.training]
    if not edges:
        return
    onwards = forward(edges)
    column = layers_of(onwards)
    columns, ways = lanes(column, onwards)
    tallest = max(map(len, columns))
    back = [edge for edge in edges if edge not in onwards]
    top = made.height + 16
    places = {
        name: (MARGIN + at * PITCH + NODE[0] / 2, top + LANE * (i + 0.5 + (tallest - len(names)) / 2))
        for at, names in enumerate(columns)
        for i, name in enumerate(names)
    }
    half = NODE[0] / 2
    for edge in onwards:
        points = [places[n] for n in ways[edge]]
        # What passes a column runs level through it, from edge to edge of where a node would be.
        level = [p for x, y in points[1:-1] for p in ((x - half, y), (x + half, y))]
        (x0, y0), (x1, y1) = points[0], points[-1]
        made.add(arrow(curve([(x0 + half, y0), *level, (x1 - half - 1, y1)]), edge in flow.training))
    low = top + tallest * LANE
    for at, edge in enumerate(back):
        (x0, y0), (x1, y1) = places[edge[0]], places[edge[1]]
        # Out below, down between two columns, back beneath all of them, and in from below.
        deep, low_0, low_1 = low + 12 * at, y0 + NODE[1] / 2, y1 + NODE[1] / 2
        left, right = x0 - half - 14 - 8 * at, x1 + half + 14 + 8 * at
        corners = [
            (x0 - half + 16, low_0), (x0 - half + 16, low_0 + 8), (left, low_0 + 8), (left, deep),
            (right, deep), (right, low_1 + 8), (x1 + half - 24, low_1 + 8), (x1 + half - 24, low_1 + 1),
        ]  # fmt: skip
        path = "M" + "L".join(f"{number(x)},{number(y)}" for x, y in corners)
        made.add(arrow(path, edge in flow.training))
    for name, (x, y) in places.items():
        if name in column:
            fill, line = fill_of(name)
            made.add(
                tag(
                    "rect", x=x - half, y=y - NODE[1] / 2, width=NODE[0], height=NODE[1],
                    rx=15 if name in ("x", "z", SCORE) else 5, fill=fill, stroke=line, stroke_width=1.4,
                ),
                text(x, y + 4, SOURCES.get(name, said(name)), 12),
            )  # fmt: skip
    made.reach(MARGIN + (len(columns) - 1) * PITCH + NODE[0], low + 12 * len(back) + 2)


SOURCES = {"x": "row x", "z": "noise z"}


def _network(made: Drawing, name: str, net: nn.Module, told: Sequence[str]) -> None:
    """One network below the last."""
    top = made.height + 18
    made.rules.append(top - 8)
    count = sum(p.numel() for p in net.parameters())
    if isinstance(net, Discriminator):
        middle = _discriminator(made, net, top, fill_of(name))
    elif isinstance(net, UNet):
        middle = _unet(made, net, top, fill_of(name))
    else:
        middle, under = 0.0, top
        for chain, copies, _ in chains(net):
            at = _middle(chain, under)
            end = _chain(made, chain, LABEL + MARGIN, at, fill_of(name)) + BOX + 12
            if copies > 1:
                made.add(text(end, at + 5, f"× {copies}", 14, anchor="start"))
                made.reach(end + 40, at)
            middle, under = middle or at, made.height
        if not middle:  # weights of a method's own, which no layer table describes
            middle = top + 20 + height_of((count,)) / 2
            _box(made, LABEL + MARGIN, middle, (count,), fill_of(name))
    made.add(
        text(MARGIN, middle - 2, said(name), 13, fill_of(name)[1], "start", font_weight="bold"),
        text(MARGIN, middle + 13, f"{count:,} parameters", 10, FAINT, "start"),
    )
    sources = textwrap.wrap(f"from {', '.join(map(said, told))}", 26) if told else []
    for at, line in enumerate(sources):
        made.add(text(MARGIN, middle + 27 + 13 * at, line, 10, FAINT, "start"))
    made.reach(0, middle + 19 + 13 * len(sources))


def chains(net: nn.Module) -> list[tuple[Network, int, int]]:
    """Networks within a module, those with the same layers once: how many there are, and parameters of all of them."""
    found: dict[Any, list[Network]] = {}
    for module in net.modules():
        if isinstance(module, Network):
            found.setdefault((module.shape, module.table), []).append(module)
    return [
        (
            alike[0],
            # Several networks may also share modules, with an axis of their own in every weight.
            len(alike) * max((getattr(layer, "members", 1) for layer in alike[0].layers), default=1),
            sum(p.numel() for chain in alike for p in chain.parameters()),
        )
        for alike in found.values()
    ]


def height_of(shape: Shape) -> float:
    """Height of a box: the root of the number of values, so that 4 times as many are twice as high."""
    return max(4.0, 5 * math.sqrt(math.prod(shape)))


def _middle(chain: Network, top: float) -> float:
    """Where the middle of a chain lies that begins at `top`: its name needs some room too."""
    return top + max(18, *map(height_of, chain.shapes)) / 2 + 6


def _box(made: Drawing, x: float, middle: float, shape: Shape, fill: tuple[str, str]) -> None:
    """Values as a box whose height says how many; maps of an image lie behind each other."""
    high = height_of(shape)
    sheets = min(shape[0], 3) if len(shape) == 3 else 1
    for shift in range(3 * sheets - 3, -1, -3):
        made.add(
            tag(
                "rect", x=x + shift, y=middle - high / 2 - shift, width=BOX, height=high, rx=3,
                fill=fill[0], stroke=fill[1], stroke_width=1.2,
            )
        )  # fmt: skip
    made.add(text(x + BOX / 2, middle + high / 2 + 13, "×".join(map(str, shape)), 10))
    made.reach(x + BOX + 8, middle + high / 2 + 18)


def sized(row: Row) -> str:
    """What a row says of places in an image, in short."""
    if row.op == "residual":
        return f"k{row.kernel}" + (f" {row.resample}" if row.resample != "none" else "")
    valid = " unpadded" if row.pad == "valid" else ""
    return f"k{row.kernel} s{row.stride}{valid}" if row.op in ("conv", "conv_transpose") else ""


def _step(made: Drawing, x: float, middle: float, row: Row) -> None:
    """What lies between two boxes."""
    made.add(arrow(f"M{number(x + BOX + 3)},{number(middle)}h{GAP - 8}", dashed=False))
    at = x + BOX + GAP / 2
    op = f"{row.op.replace('conv_transpose', 'conv up')} {sized(row)}".strip()
    act = "" if row.act == "linear" else said(row.act)
    norm = "" if row.norm == "none" else row.norm.replace("_", " ")
    tail = [norm, act] if row.order == "norm_act" else [act, norm]
    tail = [t for t in (*tail, f"drop {row.dropout:g}" if row.dropout else "") if t]
    made.add(text(at, middle - 6, op, 10))
    if tail:
        made.add(text(at, middle + 14, ", ".join(tail), 10, FAINT))


def _chain(made: Drawing, chain: Network, x: float, middle: float, fill: tuple[str, str]) -> float:
    """A network from left to right; returns where its last box begins."""
    _box(made, x, middle, chain.shape, fill)
    for row, shape in zip(chain.table, chain.shapes[1:], strict=True):
        _step(made, x, middle, row)
        x += BOX + GAP
        _box(made, x, middle, shape, fill)
    return x


def _discriminator(made: Drawing, net: Discriminator, top: float, fill: tuple[str, str]) -> float:
    """Branches one below the other, joined, and what judges them; returns the height of its middle."""
    left, branches = float(LABEL + MARGIN), [b for b in net.branches if isinstance(b, Network)]
    if len(branches) > 1:
        levels, under = [], top
        for branch in branches:
            levels.append(_middle(branch, under))
            under = 2 * levels[-1] - under + 12
        # What judges them may be taller than all branches together.
        shift = max(0.0, _middle(net.trunk, top + 12) - (levels[0] + levels[-1]) / 2)
        levels = [at + shift for at in levels]
        ends = [(_chain(made, branch, left, at, fill), at) for branch, at in zip(branches, levels, strict=True)]
        middle = (ends[0][1] + ends[-1][1]) / 2
        joined = max(x for x, _ in ends) + BOX + GAP
        for x, y in ends:
            made.add(arrow(curve([(x + BOX + 3, y), (joined - 3, middle)]), dashed=False))
        high = height_of(net.trunk.shape) / 2
        made.add(text(joined + BOX / 2, middle - high - 6, "joined", 10, FAINT))
        left = joined
    else:
        middle = _middle(net.trunk, top + 12)
    end = _chain(made, net.trunk, left, middle, fill)
    made.add(text(end + BOX / 2, middle - height_of(net.trunk.out_shape) / 2 - 6, "features", 10, FAINT))
    for row, shape in zip(net.head.table, net.head.shapes[1:], strict=True):
        _step(made, end, middle, row)
        end += BOX + GAP
        _box(made, end, middle, shape, fill)
    made.add(text(end + BOX / 2, middle - 10, "logit", 10, FAINT))
    return middle


def _unet(made: Drawing, net: UNet, top: float, fill: tuple[str, str]) -> float:
    """Down and up again, with an arc for each skip."""
    levels = [n for part in (net.down, net.up) for n in part if isinstance(n, Network)]
    rows = [row for level in levels for row in level.table]
    shapes = [net.shape, *(level.out_shape for level in levels)]
    half = max(map(height_of, shapes)) / 2
    count = len(net.down)
    middle = top + half + 14 * count + 10
    x = float(LABEL + MARGIN)
    places = [x + at * (BOX + GAP) for at in range(len(shapes))]
    _box(made, places[0], middle, shapes[0], fill)
    for at, row in enumerate(rows):
        _step(made, places[at], middle, row)
        _box(made, places[at + 1], middle, shapes[at + 1], fill)
    for at in range(1, count):
        start, end = places[at] + BOX / 2, places[2 * count - at] + BOX / 2
        begin = middle - height_of(shapes[at]) / 2 - 4
        finish = middle - height_of(shapes[2 * count - at]) / 2 - 4
        high = middle - half - 14 * (count - at)
        path = (
            f"M{number(start)},{number(begin)}C{number(start)},{number(high)} {number(end)},{number(high)}"
            f" {number(end)},{number(finish)}"
        )
        made.add(arrow(path, dashed=False))
    return middle


def _legend(made: Drawing, flow: Flow) -> None:
    y = made.height + 20
    words = "A box is so many values; its height grows with the root of their number."
    if flow.training:
        words += " Dashed: in training only."
    made.add(text(MARGIN, y, words, 10, FAINT, "start"))
    made.reach(MARGIN + 5.2 * len(words), y)


def drawing(name: str, cls: type[Detector]) -> str:
    """Return the SVG of a method by default, for a table of 64 columns, or images of 8×8 where it takes no tables."""
    shape, what = ((64,), "a table of 64 columns") if "table" in cls.info.kinds else ((1, 8, 8), "images of 8×8")
    flow, nets = flow_of(cls(), shape)
    return draw(name, f"{cls.__name__}: networks for {what}", flow, dict(nets.named_children()))
