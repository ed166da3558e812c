"""Run records → numbers and text: means, gains, what is said of failures and of what did not learn."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ringfence.benchmark.notes import notes
from ringfence.benchmark.records import FIGURES, read_records, sections
from ringfence.benchmark.tables import tables
from ringfence.benchmark.text import render_text
from ringfence.exceptions import InvalidData


def record(auroc: float = 0.9, **changes: Any) -> dict[str, Any]:
    plain = {
        "id": "0a",
        "benchmark": "digits",
        "case": "0",
        "protocol": "leave_one_out",
        "role": "trained",
        "method": "gan",
        "variant": "default",
        "preset": None,
        "seed": 0,
        "budget": "short",
        "epochs": 5,
        "wall_s": 2.0,
        "peak_mb": 300.0,
        "status": "ok",
        "metrics": dict.fromkeys(FIGURES, 0.5) | {"auroc": auroc},
        "parts": {"score:discriminator": auroc, "part:discriminator": auroc},
    }
    return plain | changes


def written(folder: Path, *lines: str) -> Path:
    (folder / "records.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def row_of(text: str, *starts: str) -> list[str]:
    """The cells of the first row that starts so."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[: len(starts)] == list(starts):
            return cells
    raise AssertionError(f"no row {starts} in\n{text}")


def test_mean_is_over_cases_and_sd_over_seeds() -> None:
    at = {("0", 0): 0.8, ("0", 1): 0.6, ("1", 0): 0.9, ("1", 1): 0.9}
    (section,) = sections(record(auroc, case=case, seed=seed) for (case, seed), auroc in at.items())
    spread = section.rows[0].metric("auroc")
    # Case 0: .7, case 1: .9, mean .8. Seed 0: .85, seed 1: .75, sd = .1 / √2.
    assert spread.mean == pytest.approx(0.8)
    assert spread.sd == pytest.approx(0.1 / math.sqrt(2))
    assert section.rows[0].metric("auroc", "0").sd == pytest.approx(0.2 / math.sqrt(2))


def test_one_seed_has_no_sd() -> None:
    (section,) = sections([record()])
    assert math.isnan(section.rows[0].metric("auroc").sd)
    assert row_of(render_text([record()]), "gan")[4:6] == [".900", "-"]


def test_other_score_kinds_of_a_search_are_said_to_be_measured_where_its_own_ended() -> None:
    (section,) = sections([record(method="anogan"), record(method="anogan", params={"score_kind": "sigma"}, seed=1)])
    (said,) = [note for note in notes(section) if "search" in note]
    assert said.startswith("anogan: ")
    assert said.endswith("ended (fm, sigma)")
    (section,) = sections([record()])
    assert not [note for note in notes(section) if "search" in note]


def test_gain_is_paired_by_case_and_seed() -> None:
    trained = [0.9, 0.7, 0.8, 0.8]
    runs = [record(a, case=str(i // 2), seed=i % 2) for i, a in enumerate(trained)]
    foils = [record(0.6, case=str(i // 2), seed=i % 2, role="untrained") for i in range(4)]
    # A fifth untrained run has no trained partner and so no part in the gain.
    foils.append(record(0.1, case="5", role="untrained"))
    (section,) = sections(runs + foils)
    gain = section.rows[0].gain
    assert gain is not None
    # Differences .3, .1, .2, .2: mean .2, sd √(.02 / 3), error sd / 2; t(3, .975) = 3.18245.
    reach = 3.18245 * math.sqrt(0.02 / 3) / 2
    assert gain == pytest.approx((0.2, 0.2 - reach, 0.2 + reach, 0.6), abs=1e-6)


def test_one_pair_has_a_gain_without_interval() -> None:
    cells = row_of(render_text([record(0.9), record(0.6, role="untrained")]), "gan")
    assert cells[4:] == [".900", "-", ".600", "+.300", "-", "-", ".900"]


@pytest.mark.parametrize(("untrained", "named"), [(0.75, False), (0.85, True), (0.95, True)])
def test_what_did_not_learn_is_named(untrained: float, named: bool) -> None:
    text = render_text([record(0.9), record(untrained, role="untrained")])
    assert ("did not clearly learn: gan" in text) == named


def test_a_method_without_untrained_self_is_named() -> None:
    assert "no untrained run to compare with: gan" in render_text([record()])


def test_best_first_and_baselines_among_them() -> None:
    other = {"role": "baseline", "variant": "-", "epochs": None, "parts": {}}
    runs = [record(0.7), record(0.9, method="pca", **other), record(0.6, method="lof", **other)]
    (section,) = sections(runs)
    assert [row.name.method for row in section.rows] == ["pca", "gan", "lof"]
    assert row_of(render_text(runs), "pca")[1:4] == ["-", "a", "baseline"]


def test_all_ten_cases_are_columns_in_order_and_lines_are_aligned() -> None:
    text = render_text(record(i / 10, case=str(i), id=f"{i}") for i in reversed(range(10)))
    assert row_of(text, "method")[10:] == [*"0123456789"]
    assert row_of(text, "gan")[10:] == [".000", *(f".{i}00" for i in range(1, 10))]
    # The mean stands first, where a phone shows it.
    assert row_of(text, "method")[4:6] == ["mean", "sd"]
    assert row_of(text, "gan")[4] == ".450"
    blocks = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(blocks) == 3
    assert all(len({len(line) for line in block}) == 1 for block in blocks)


def test_named_cases_are_never_averaged_together() -> None:
    found = sections([record(0.9, benchmark="kdd99", case=case) for case in ("all", "dedup")])
    assert [(s.place.case, s.cases) for s in found] == [("all", ("all",)), ("dedup", ("dedup",))]


def test_budgets_and_variants_stay_apart() -> None:
    runs = [record(), record(0.8, budget="full"), record(0.7, variant="printed")]
    (section,) = sections(runs)
    assert [(row.name.budget, row.name.variant) for row in section.rows] == [
        ("short", "default"),
        ("full", "default"),
        ("short", "printed"),
    ]
    assert {"budget a: short", "budget b: full"} <= set(notes(section))
    assert row_of(render_text(runs), "gan", "default", "b")[4] == ".800"


def test_a_run_that_failed_before_its_split_stands_with_the_others() -> None:
    failed = record(status="failed: no file", metrics={}, parts={}, protocol=None, seed=3)
    assert len(sections([failed, record()])) == 1


def test_of_two_runs_of_a_case_and_seed_the_last_counts() -> None:
    (section,) = sections([record(0.5, id="1"), record(0.7, id="2")])
    assert section.rows[0].metric("auroc").mean == pytest.approx(0.7)
    assert len(section.records) == 1


def test_failed_runs_are_stated_with_their_reason() -> None:
    failed = record(status="failed: loss became NaN in epoch 3", metrics={}, parts={}, method="egbad", seed=4)
    (section,) = sections([record(), failed])
    assert "failed: egbad (trained), case 0, seed 4: loss became NaN in epoch 3" in notes(section)
    assert [row.name.method for row in section.rows] == ["gan"]


def test_a_place_where_all_failed_still_renders() -> None:
    text = render_text([record(status="failed: no memory", metrics={}, parts={})])
    assert "failed: gan (trained), case 0, seed 0: no memory" in text


def test_gaps_are_stated_and_sd_is_over_whole_seeds() -> None:
    runs = [record(0.8), record(0.6, seed=1), record(0.9, case="1")]
    (section,) = sections(runs)
    assert "means with gaps: gan lacks case 1 (seed 1)" in notes(section)
    assert section.rows[0].metric("auroc").mean == pytest.approx((0.7 + 0.9) / 2)
    assert math.isnan(section.rows[0].metric("auroc").sd)


def test_an_untrained_run_alone_is_shown_as_what_it_is() -> None:
    assert row_of(render_text([record(role="untrained")]), "gan", "default", "a", "untrained")


def test_published_numbers_stand_beside_ours() -> None:
    metrics = dict.fromkeys(FIGURES, 0.5) | {"oracle_precision": 0.81}
    run = record(benchmark="kdd99", case="all", method="egbad", variant="printed", preset="kdd99", metrics=metrics)
    (section,) = sections([run])
    by_score = {cells[3].text: cells for cells in tables(section)[-1].rows}
    # Zenati et al. print precision .9200, recall .9582, F1 .9372 for the cross-entropy score.
    assert [cell.value for cell in by_score["sigma"][4:7]] == [0.9200, 0.9582, 0.9372]
    assert by_score["sigma"][7].text == "fm"
    assert by_score["sigma"][8].value == 0.81


def test_an_unknown_preset_has_no_published_numbers() -> None:
    assert "Published" not in render_text([record(preset="no such set")])


def test_parts_have_a_row_each_beside_the_untrained() -> None:
    foil = record(0.6, role="untrained", parts={"score:discriminator": 0.4})
    text = render_text([record(0.9), foil])
    assert row_of(text, "gan", "default", "a", "trained", "score")[5:] == [
        "discriminator",
        ".900",
        "-",
        ".400",
        "+.500",
    ]
    assert row_of(text, "gan", "default", "a", "trained", "part")[-2:] == ["-", "-"]


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    runs = [record(0.1), record(0.2, seed=1)]
    assert read_records(written(tmp_path, json.dumps(runs[0]), "", json.dumps(runs[1]))) == runs


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "0a", ', "damaged JSON"),
        ("[1, 2]", "without id"),
        (json.dumps({k: v for k, v in record().items() if k != "seed"}), "without seed"),
        (json.dumps(record(role="oracle")), "role is 'oracle'"),
        (json.dumps(record(id="../../secret")), "id is '../../secret'"),
        (json.dumps(record(seed="zero")), "seed is 'zero'"),
        (json.dumps(record(math.nan)), "no number for auroc"),
        (json.dumps(record(metrics={"auroc": 0.9})), "no number for ap"),
    ],
)
def test_a_bad_line_is_refused_by_file_and_number(tmp_path: Path, line: str, says: str) -> None:
    folder = written(tmp_path, json.dumps(record()), line)
    with pytest.raises(InvalidData) as caught:
        read_records(folder)
    message = str(caught.value)
    assert f"{folder / 'records.jsonl'}, line 2: " in message
    assert says in message
    assert "\n" not in message


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"records\.jsonl: can't be read"):
        read_records(tmp_path / "nowhere")
    with pytest.raises(InvalidData, match=r"records\.jsonl: has no run record"):
        read_records(written(tmp_path, ""))


def test_runs_with_other_hyperparameters_are_rows_of_their_own() -> None:
    changed = [record(0.7, changes={"prior": "uniform"}), record(0.5, role="untrained", changes={"prior": "uniform"})]
    (section,) = sections([record(0.9), *changed])
    assert [row.name.label for row in section.rows] == ["gan", "gan (default, prior=uniform)"]
    gains = {row.name.changes: row.gain for row in section.rows}
    assert gains[""] is None
    assert gains["prior=uniform"] is not None
    assert gains["prior=uniform"].mean == pytest.approx(0.2)
    assert row_of(render_text([record(0.9), *changed]), "gan", "default, prior=uniform")[4] == ".700"


def test_figures_of_generators_have_a_table_where_there_are_some() -> None:
    figures = {"mmd": 0.125, "precision": 0.75, "recall": 0.5, "tstr": 0.8, "trtr": 0.9}
    text = render_text([record(quality=figures), record(method="vae")])
    *_, title = (line for line in text.splitlines() if line.startswith("Generated rows"))
    assert "oracle TSTR, TRTR: test labels used" in title
    table = text[text.index(title) :]
    assert row_of(table, "gan")[4:] == [".125", ".750", ".500", ".800", ".900"]
    assert "| vae" not in table
    assert "Generated rows" not in render_text([record()])


def test_methods_below_80_are_named() -> None:
    text = render_text([record(0.79), record(0.81, method="vae"), record(0.3, method="pca", role="baseline")])
    assert "- below .800: gan .790; pages of the methods say why, where it is known" in text
    assert "below" not in render_text([record(0.81)])
