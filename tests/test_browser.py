"""The report in a real browser: drawn whole, equal to its records, and usable on a phone.

Chromium opens a copy of the page in a frame of a given width, without the page's ban on scripts; a script beside the
frame measures what came out, and the tests judge it.
"""

import functools
import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from painted import benched
from ringfence.benchmark import Setting, plan, run
from ringfence.benchmark.records import Name, Record, read_records, sections
from ringfence.benchmark.tables import tables
from ringfence.report import write_report
from ringfence.report.runs import Run, read_run
from ringfence.report.style import DASHES, lines_of

WIDE, PHONE = 1280, 375
COMMITTED = Path(__file__).resolve().parents[1] / "records"
CASES, METHODS = ("0", "8"), ("gan", "egbad")
POLICY = re.compile(r"<meta http-equiv=.Content-Security-Policy.[^>]*>")

MEASURE = """
const size = el => { const r = el.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] };
const within = (a, b) => a[0] >= b[0] - 1 && a[1] >= b[1] - 1 && a[2] <= b[2] + 1 && a[3] <= b[3] + 1;
const common = (a, b, from) => Math.min(a[from + 2], b[from + 2]) - Math.max(a[from], b[from]);
const meet = (a, b) => common(a, b, 0) > 1 && common(a, b, 1) > 1;
const shown = el => el.getClientRects().length > 0;
const cell = el => [el.textContent, el.dataset.value ?? null, shown(el)];
function figure(el) {
  const svg = el.querySelector('svg'), area = size(svg), frame = svg.querySelector('clipPath rect');
  const texts = [...svg.querySelectorAll('text')];
  const paths = [...svg.querySelectorAll('path[clip-path]')], isGrid = p => p.style.stroke.includes('221, 221, 221');
  const points = p => [...p.getAttribute('d').matchAll(/[ML] (\\S+) (\\S+)/g)].map(m => [+m[1], +m[2]]);
  return {
    name: el.getAttribute('aria-label'), area,
    frame: ['x', 'y', 'width', 'height'].map(key => +frame.getAttribute(key)),
    texts: texts.map(t => [t.textContent, +t.getAttribute('x'), +t.getAttribute('y')]),
    cut_off: texts.filter(t => !within(size(t), area)).map(t => t.textContent),
    overlapping: texts.flatMap((a, i) => texts.slice(i + 1).filter(b => meet(size(a), size(b)))
      .map(b => a.textContent + ' on ' + b.textContent)),
    grid: paths.filter(isGrid).map(points),
    lines: paths.filter(p => !isGrid(p)).map(p => ({stroke: p.style.stroke, box: size(p), points: points(p)})),
  };
}
function measure(doc) {
  doc.querySelectorAll('details:not([open]) > summary').forEach(s => s.click());
  const width = doc.documentElement.clientWidth, all = [...doc.body.querySelectorAll('*')];
  const walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT), texts = [];
  while (walk.nextNode()) {
    const el = walk.currentNode.parentElement, text = walk.currentNode.data.trim(), to = el.getScreenCTM?.();
    const pixels = parseFloat(getComputedStyle(el).fontSize) * (to ? Math.hypot(to.c, to.d) : 1);
    if (text && shown(el) && el.tagName !== 'style') texts.push([text, pixels]);
  }
  return {
    width, folded: doc.querySelectorAll('details:not([open])').length,
    full_width: doc.documentElement.scrollWidth,
    beyond: all.filter(el => !el.ownerSVGElement && shown(el) && !(el.closest('.box') && !el.matches('.box')))
      .filter(el => size(el)[0] < -0.5 || size(el)[2] > width + 0.5).map(el => el.outerHTML.slice(0, 80)),
    smallest: texts.sort((a, b) => a[1] - b[1])[0],
    figures: [...doc.querySelectorAll('figure [role=img]')].map(figure),
    legends: [...doc.querySelectorAll('.legend')].map(l => [...l.children].map(li => ({
      text: li.textContent.trim(), value: li.querySelector('[data-value]')?.dataset.value ?? null,
      stroke: li.querySelector('line').getAttribute('stroke'),
    }))),
    pictures: [...doc.images].map(i => [i.alt, i.naturalWidth, ...size(i)]),
    strips: [...doc.querySelectorAll('.strip')].map(s => ({
      text: s.querySelector('p').textContent, score: s.querySelector('[data-value]').dataset.value, area: size(s),
      tiles: [...s.querySelectorAll('figure')].map(f => ({
        alt: f.querySelector('img').alt, said: f.querySelector('figcaption').textContent,
        pixels: [f.querySelector('img').naturalWidth, f.querySelector('img').naturalHeight],
        box: size(f.querySelector('img')), rendering: getComputedStyle(f.querySelector('img')).imageRendering,
      })),
    })),
    tables: [...doc.querySelectorAll('.box')].map(box => ({
      name: box.getAttribute('aria-label'),
      rows: [...box.querySelectorAll('tr')].map(tr => [...tr.cells].map(cell)),
      edges: size(box), room: box.clientWidth, full: box.scrollWidth,
      end: (box.scrollLeft = 1e6, box.scrollLeft), first: size(box.querySelector('tbody th')),
    })),
  };
}
"""
FRAMED = """<!doctype html><meta charset="utf-8"><iframe style="border:0;height:800px" srcdoc="{page}"></iframe>
<pre id="found"></pre><script>{measure}
onload = () => {{
  const frame = document.querySelector('iframe'), found = {{}};
  for (const width of {widths}) {{ frame.style.width = width + 'px'; found[width] = measure(frame.contentDocument); }}
  document.getElementById('found').textContent = JSON.stringify(found);
  frame.remove();
}}</script>"""
CLICKED = """<pre id="found"></pre><script>onload = () => {
  const found = [...document.querySelectorAll('a[href]')].map(a => {
    scrollTo(0, 0); a.click();
    const to = document.querySelector(a.getAttribute('href')).getBoundingClientRect().top;
    return [location.hash, a.getAttribute('href'), to, scrollY, document.documentElement.scrollHeight - innerHeight];
  });
  const loaded = performance.getEntriesByType('resource').map(e => e.name);
  document.getElementById('found').textContent = JSON.stringify({links: found, loaded});
}</script>"""


class Browser:
    """Chromium without a window; every call starts it with an empty profile."""

    def __init__(self, program: str, folder: Path) -> None:
        self._command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
            "--enable-logging=stderr", "--virtual-time-budget=5000", "--force-device-scale-factor=1",
            f"--window-size={WIDE + 100},900", f"--user-data-dir={folder / 'profile'}", "--dump-dom",
        ]  # fmt: skip
        self._folder = folder
        self._known: dict[str, dict[int, Any]] = {}

    def open(self, text: str) -> tuple[str, list[str]]:
        """Return the document after loading and what its console said."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        page = self._folder / "page.html"
        page.write_text(text, encoding="utf-8")
        env = os.environ | {"HOME": str(self._folder)}
        done = subprocess.run([*self._command, page.as_uri()], capture_output=True, timeout=300, env=env, check=True)
        console = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if ":CONSOLE" in line]
        return done.stdout.decode("utf-8"), console

    def found(self, text: str) -> Any:
        """Return what the script of a page wrote into its element `found`."""
        document, console = self.open(text)
        written = re.search(r'<pre id="found">(.*?)</pre>', document, re.DOTALL)
        assert written, console
        assert written[1], console
        return json.loads(html.unescape(written[1]))

    def measured(self, page: str) -> dict[int, Any]:
        """Measure a page at both widths, once."""
        if page not in self._known:
            inner = html.escape(POLICY.sub("", page))
            found = self.found(FRAMED.format(page=inner, measure=MEASURE, widths=[WIDE, PHONE]))
            self._known[page] = {int(width): value for width, value in found.items()}
        return self._known[page]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None and os.environ.get("RINGFENCE_BROWSER") == "required":
        pytest.fail("RINGFENCE_BROWSER=required, but no chromium is installed")
    if program is None:
        pytest.skip("no chromium found: apt-get install chromium")
    return Browser(program, tmp_path_factory.mktemp("browser") / "work")


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Path:
    """A short benchmark with runs/; asks for the browser so that it isn't run for nothing."""
    folder = tmp_path_factory.mktemp("bench")
    jobs = plan("digits", METHODS, cases=CASES, changes={"epochs": 2})
    records = run(jobs, folder, Setting(None, "ringfence benchmark digits"))
    assert {record["status"] for record in records} == {"ok"}
    return folder


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Path:
    """All committed records as one folder: several places, no runs/."""
    folder = tmp_path_factory.mktemp("bare")
    lines = [path.read_text(encoding="utf-8").strip() for path in sorted(COMMITTED.glob("*/records.jsonl"))]
    (folder / "records.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def flat(tmp_path_factory: pytest.TempPathFactory, bench: Path) -> Path:
    """One run of the benchmark as if of a table: long names of columns, scores far apart."""
    folder = tmp_path_factory.mktemp("flat")
    record = next(r for r in read_records(bench) if (r["method"], r["role"]) == ("egbad", "trained"))
    (folder / "records.jsonl").write_text(json.dumps(record | {"case": "table"}), encoding="utf-8")
    with np.load(bench / "runs" / f"{record['id']}.npz") as run:
        arrays = dict(run)
    for name in ("top_rows", "top_remade"):
        arrays[name] = arrays[name].reshape(len(arrays[name]), -1)
    arrays["columns"] = np.array([f"a column with a long name, {at}" for at in range(arrays["top_rows"].shape[1])])
    arrays.pop("top_widths", None)
    # Spread over many powers of ten, for the axis of such scores.
    middle = np.median(arrays["scores"])
    arrays |= {name: np.exp(arrays[name] - middle) for name in ("scores", "threshold", "generated")}
    (folder / "runs").mkdir()
    np.savez(folder / "runs" / f"{record['id']}.npz", **arrays)
    return folder


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Path:
    """A benchmark of a folder of pictures of several sizes."""
    return benched(tmp_path_factory.mktemp("painted") / "records", tmp_path_factory.mktemp("drawn") / "tiles")


@functools.cache
def page_of(folder: Path) -> str:
    return write_report(folder, folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def drawn(bench: Path, browser: Browser) -> dict[int, Any]:
    return browser.measured(page_of(bench))


@pytest.fixture(params=["bench", "bare", "flat", "painted"])
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def any_page(folder: Path, browser: Browser) -> dict[int, Any]:
    return browser.measured(page_of(folder))


def test_the_console_is_silent(folder: Path, browser: Browser) -> None:
    assert browser.open(page_of(folder))[1] == []


def test_the_page_refuses_scripts_and_the_console_is_heard(bench: Path, browser: Browser) -> None:
    document, console = browser.open(page_of(bench) + "<script>document.title = 'changed'</script>")
    assert "<title>changed" not in document
    assert any("Content Security Policy" in line for line in console)


def test_links_lead_to_their_sections_and_nothing_is_loaded(folder: Path, browser: Browser) -> None:
    found = browser.found(POLICY.sub("", page_of(folder)) + CLICKED)
    assert found["loaded"] == []
    places = len(sections(read_records(folder)))
    assert len(found["links"]) == (places if places > 1 else 0)
    for at, wanted, top, scrolled, most in found["links"]:
        assert at == wanted
        assert scrolled > 0
        assert abs(top) < 2 or abs(scrolled - most) < 2


def test_every_figure_is_there_and_has_a_size(drawn: Any) -> None:
    wanted = [f"{title}, case {case}" for case in CASES for title in ("ROC curves", "Precision and recall")]
    wanted += [f"{title} of {name}" for name in METHODS for title in ("Scores", "Training losses")] * len(CASES)
    for width in (WIDE, PHONE):
        figures = drawn[width]["figures"]
        assert sorted(figure["name"] for figure in figures) == sorted(wanted)
        for figure in figures:
            left, top, right, bottom = figure["area"]
            assert right - left > 280
            assert bottom - top > 180
            assert len(figure["lines"]) >= 3
            for line in figure["lines"]:
                x0, y0, x1, y1 = line["box"]
                assert max(x1 - x0, y1 - y0) > 10


def test_no_label_of_a_figure_is_cut_off_or_lies_on_another(any_page: Any) -> None:
    for width in (WIDE, PHONE):
        for figure in any_page[width]["figures"]:
            assert figure["cut_off"] == figure["overlapping"] == [], figure["name"]


def test_every_picture_is_decoded_and_has_a_size(drawn: Any) -> None:
    for width in (WIDE, PHONE):
        names = [name for name, *_ in drawn[width]["pictures"]]
        assert names.count("picture") == len(CASES) * len(METHODS) * 10
        assert names.count("reconstruction") == names.count("difference") == len(CASES) * 10
        for _, pixels, left, top, right, bottom in drawn[width]["pictures"]:
            assert pixels == 8
            assert right - left >= 40
            assert bottom - top >= 40


def test_numbers_in_tables_are_those_of_the_records(folder: Path, any_page: Any) -> None:
    wanted = [table for section in sections(read_records(folder)) for table in tables(section)]
    shown = [table for table in any_page[WIDE]["tables"] if not table["name"].startswith("Highest")]
    assert [table["name"] for table in shown] == [table.title for table in wanted]
    for found, table in zip(shown, wanted, strict=True):
        heads, *rows = found["rows"]
        assert tuple(text for text, *_ in heads) == table.heads
        for row, cells in zip(rows, table.rows, strict=True):
            assert [text for text, *_ in row] == [cell.text for cell in cells]
            values = [cell.value if cell.value == cell.value else None for cell in cells]
            assert [None if value is None else float(value) for _, value, _ in row] == values
            assert all(visible for *_, visible in row)


def test_mean_aurocs_are_those_of_the_(bare: Path, browser: Browser) -> None:
    lines = [json.loads(line) for line in (bare / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    # A case that several folders ran with the same seed counts once; an option makes a row of its own.
    latest: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for line in lines:
        if line["benchmark"] == "digits" and line["role"] != "untrained":
            variant = "-" if line["role"] == "baseline" else line["variant"] or "default"
            kind = ", ".join([variant, *(f"{name}={value}" for name, value in (line.get("changes") or {}).items())])
            of_case = latest.setdefault((line["method"], kind), {}).setdefault(line["case"], {})
            of_case[line["seed"]] = line["metrics"]["auroc"]
    (rows,) = [
        table["rows"]
        for table in browser.measured(page_of(bare))[WIDE]["tables"]
        # MNIST has some of the digits in its head, this set all ten.
        if {str(digit) for digit in range(10)} <= {text for text, *_ in table["rows"][0]}
    ]
    mean = [text for text, *_ in rows[0]].index("mean")
    assert {(row[0][0], row[1][0]): float(row[mean][1]) for row in rows[1:]} == pytest.approx(
        {
            who: float(np.mean([np.mean(list(of_seed.values())) for of_seed in cases.values()]))
            for who, cases in latest.items()
        },
        abs=1e-12,
    )


def runs_of(bench: Path, case: str) -> dict[str, tuple[Record, Run]]:
    """Records and runs of a case by method, as `ringfence benchmark` has left them."""
    found = {}
    for record in read_records(bench):
        if record["case"] == case and record["role"] != "untrained":
            arrays = read_run(bench / "runs" / f"{record['id']}.npz")
            assert arrays
            found[record["method"]] = (record, arrays)
    return found


def unit(figure: Any, line: Any) -> np.ndarray:
    """Points of a line, (points, 2), in units of axes that reach from −0.01 to 1.01."""
    x, y, width, height = figure["frame"]
    at = np.array(line["points"])
    return np.column_stack([(at[:, 0] - x) / width, (y + height - at[:, 1]) / height]) * 1.02 - 0.01


def ruler(figure: Any, axis: int) -> np.poly1d:
    """Return what a place along an axis means, from the lines of the grid and the numbers beside them."""
    ticks = [t for t in figure["texts"] if re.fullmatch(r"[−\d.]+", t[0])]
    lowest = max(t[2] for t in ticks)
    beside = [t for t in ticks if (t[2] == lowest) == (axis == 0)]
    numbers = [float(text.replace("−", "-")) for text, *_ in sorted(beside, key=lambda t: t[1 + axis])]
    places = sorted(start[axis] for start, end in figure["grid"] if start[axis] == end[axis])
    return np.poly1d(np.polyfit(places, numbers, 1))


def colour(text: str) -> str:
    """Return #rrggbb as rgb(r, g, b), as a browser gives it."""
    return f"rgb({', '.join(str(int(text[i : i + 2], 16)) for i in (1, 3, 5))})"


def test_rows_of_a_table_with_the_highest_scores_are_those_of_the_run(flat: Path, browser: Browser) -> None:
    run = read_run(next((flat / "runs").iterdir()))
    assert run
    (shown,) = [t for t in browser.measured(page_of(flat))[PHONE]["tables"] if t["name"].startswith("Highest")]
    assert [int(row[0][0]) for row in shown["rows"][1:]] == run.top_index.tolist()
    assert [float(row[1][1]) for row in shown["rows"][1:]] == np.sort(run.scores)[::-1][:10].tolist()
    assert all(visible for row in shown["rows"] for *_, visible in row)


@pytest.mark.parametrize("case", CASES)
def test_curves_and_legends_are_those_of_the_records(case: str, bench: Path, drawn: Any) -> None:
    runs = runs_of(bench, case)
    figures = {figure["name"]: figure for figure in drawn[PHONE]["figures"]}
    legend = [keys for keys in drawn[PHONE]["legends"] if keys[0]["value"]][CASES.index(case)]
    roc, pr = figures[f"ROC curves, case {case}"], figures[f"Precision and recall, case {case}"]
    assert len(roc["lines"]) == len(pr["lines"]) == len(legend) == len(runs)
    # The best is the first of the legend and the last to be drawn.
    for key, of_roc, of_pr in zip(legend, reversed(roc["lines"]), reversed(pr["lines"]), strict=True):
        metrics = runs[key["text"].split()[0]][0]["metrics"]
        assert float(key["value"]) == metrics["auroc"]
        assert of_roc["stroke"] == of_pr["stroke"] == colour(key["stroke"])
        x, y = unit(roc, of_roc).T
        assert np.trapezoid(y, x) == pytest.approx(metrics["auroc"], abs=0.005)
        recall, precision = unit(pr, of_pr).T
        assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(metrics["ap"], abs=0.02)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", METHODS)
def test_cuts_and_losses_are_those_of_the_runs(method: str, case: str, bench: Path, drawn: Any) -> None:
    _, arrays = runs_of(bench, case)[method]
    by_name = [
        [f for f in drawn[WIDE]["figures"] if f["name"] == f"{kind} of {method}"]
        for kind in ("Scores", "Training losses")
    ]
    scores, losses = (found[CASES.index(case)] for found in by_name)
    (cut,) = [line["points"] for line in scores["lines"] if line["stroke"] in ("black", "rgb(0, 0, 0)")]
    span = np.ptp(arrays.scores)
    assert [ruler(scores, 0)(x) for x, _ in cut] == pytest.approx([arrays.threshold] * len(cut), abs=0.005 * span)
    assert arrays.losses is not None
    ends = [ruler(losses, 1)(line["points"][-1][1]) for line in losses["lines"]]
    assert ends == pytest.approx(list(arrays.losses[-1]), abs=0.005 * np.ptp(arrays.losses))


def test_pictures_of_a_folder_stand_side_by_side_in_one_shape(painted: Path, browser: Browser) -> None:
    records = [r for r in read_records(painted) if r["role"] == "trained"]
    runs = [
        read_run(painted / "runs" / f"{r['id']}.npz") for r in sorted(records, key=lambda r: -r["metrics"]["auroc"])
    ]
    albums = [run.album for run in runs if run and run.album]
    for width in (WIDE, PHONE):
        strips = browser.measured(page_of(painted))[width]["strips"]
        assert [float(strip["score"]) for strip in strips] == [s for album in albums for s in album["score"].tolist()]
        names = [str(name) for album in albums for name in album["name"]]
        for strip, name in zip(strips, names, strict=True):
            assert strip["text"].startswith(name)
            left, top, right, bottom = strip["area"]
            rows = set()
            for tile in strip["tiles"]:
                assert tile["alt"] == f"{tile['said']} of {name}"
                x0, y0, x1, y1 = tile["box"]
                assert left < x0 < x1 < right
                assert top < y0 < y1 < bottom
                assert max(x1 - x0, y1 - y0) >= 40
                assert (x1 - x0) / (y1 - y0) == pytest.approx(tile["pixels"][0] / tile["pixels"][1], rel=0.05)
                assert tile["rendering"] == "auto"
                rows.add(y0)
            assert len({tuple(tile["pixels"]) for tile in strip["tiles"]}) == 1
            assert len(rows) <= (1 if width == WIDE else 2)


def test_nothing_reaches_beyond_the_screen_but_tables_in_their_boxes(any_page: Any) -> None:
    for width in (WIDE, PHONE):
        assert any_page[width]["width"] == any_page[width]["full_width"] == width
        assert any_page[width]["folded"] == 0
        assert any_page[width]["beyond"] == []


def test_text_can_be_read(any_page: Any) -> None:
    for width in (WIDE, PHONE):
        text, pixels = any_page[width]["smallest"]
        assert pixels >= 11, text


def test_wide_tables_scroll_to_their_end_and_keep_their_first_column(any_page: Any) -> None:
    scrolling = [table for table in any_page[PHONE]["tables"] if table["full"] > table["room"]]
    assert scrolling
    for table in scrolling:
        assert table["end"] == pytest.approx(table["full"] - table["room"], abs=1)
        assert table["first"][0] == pytest.approx(table["edges"][0], abs=2)
        # The first column leaves room for numbers.
        assert table["first"][2] < 0.6 * PHONE


def test_a_phone_leaves_out_no_number_and_no_telling_word(any_page: Any) -> None:
    for table in any_page[PHONE]["tables"]:
        hidden = {(at, text) for row in table["rows"][1:] for at, (text, _, visible) in enumerate(row) if not visible}
        told = {text for at, text in hidden if table["rows"][0][at][0] != "budget"}
        assert told <= {"-", "default", "trained"}
        assert len(hidden) - len(told) <= 1
        assert all(visible for row in table["rows"] for _, value, visible in row if value is not None)


def test_a_phone_shows_numbers_without_scrolling(any_page: Any) -> None:
    for table in any_page[PHONE]["tables"]:
        assert table["room"] - (table["first"][2] - table["first"][0]) > 100


def test_names_of_one_label_have_their_lines_in_a_fixed_order() -> None:
    names = [Name("gan", "default", None, f"{epochs} epochs", "trained") for epochs in (1, 2, 3, 4)]
    assert [lines_of(reversed(names))[name].dash for name in names] == list(DASHES)
