"""Every panel of the comparison with the paper, against golden numbers and the formulas by hand."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT
from helpers.made_measurements import made
from helpers.real_data import SHARED, real_tokenizer

from vocabtrim_core.cli import main
from vocabtrim_core.figures.paper import (
    AXES,
    frontier_info,
    paper_figure,
    samples_info,
    utility_info,
)
from vocabtrim_core.forecast.paper import RESULTS, SECONDS
from vocabtrim_core.paper import published
from vocabtrim_core.paper.compare import panels
from vocabtrim_core.paper.counts import sample_sizes, tradeoff
from vocabtrim_core.paper.missing import KEPT, LACKING, SEVERAL, looked_up
from vocabtrim_core.paper.panels import PanelRow
from vocabtrim_core.report.paper_page import paper_html, write_paper
from vocabtrim_core.shipped.sets import find_shipped

V, K = 128_256, 13_264
# FLOPs of a row of the head, and of a step with all tokens: those of table 1, not rounded.
HEAD, WHOLE = 8_192, 2 * (50_331_648 + 67_108_864 + 176_160_768 + 525_336_576)
PLACES = [f"Figure {n}" for n in (1, 2, 3)] + [f"Table {n}" for n in range(1, 7)]


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VOCABTRIM_HOME", str(tmp_path_factory.mktemp("paper")))
        yield


@pytest.fixture(scope="module")
def by_place(home):
    return {panel.place: panel for panel in panels()}


@pytest.fixture(scope="module")
def rows(by_place):
    return {(place, row.label): row for place, panel in by_place.items() for row in panel.rows}


def ours(rows, place: str) -> dict[str, float | None]:
    return {label: row.ours for (where, label), row in rows.items() if where == place}


def blend() -> np.ndarray:
    return np.sort(find_shipped("Public blend", "llama-3.1").counts().counts)[::-1]


def test_all_nine_in_order(by_place):
    assert list(by_place) == PLACES
    assert all(panel.reason.endswith(".") for panel in by_place.values())


# --- the panels -----------------------------------------------------------------------------------


def test_figure_1(rows):
    found = ours(rows, "Figure 1")
    counts = blend()
    covered = np.cumsum(counts) / counts.sum()
    utility = 0.5 * covered + 0.5 * (V - np.arange(1, V + 1)) * HEAD / WHOLE
    assert found["Best size k*"] == np.argmax(utility) + 1 == 11_160
    assert rows["Figure 1", "Best size k*"].paper == K
    assert "13,264 is an optimum here at alpha 0.564;" in rows["Figure 1", "Best size k*"].reason
    alpha = found["Alpha at which 13,264 is an optimum"]
    assert alpha == pytest.approx(0.5641, abs=5e-5)
    again = alpha * covered + (1 - alpha) * (V - np.arange(1, V + 1)) * HEAD / WHOLE
    assert again[K - 1] == pytest.approx(again.max(), abs=1e-12)
    assert found["Utility at 13,264"] == pytest.approx(utility[K - 1])


def test_figure_2(rows):
    counts = blend()
    covered = np.cumsum(counts) / counts.sum()
    saved = (V - np.arange(1, V + 1)) * HEAD / WHOLE
    found = ours(rows, "Figure 2")
    assert found["Saved at 13,264"] == pytest.approx(0.575, abs=5e-4)
    assert found["Coverage at 13,264"] == pytest.approx(0.954, abs=5e-4)
    by_share = {
        round(reduction, 2): covered[np.flatnonzero(saved >= reduction)[-1]]
        for reduction in (0.64, 0.39)
    }
    for share, name in ((0.64, "saving the most"), (0.39, "nearly everything covered")):
        label = f"Coverage where {share:.0%} is saved, {name}"
        assert found[label] == pytest.approx(by_share[share], abs=2e-3)
    assert found["Coverage where 64% is saved, saving the most"] == pytest.approx(0.62, abs=5e-3)


def test_figure_3(rows):
    found = ours(rows, "Figure 3")
    assert found["k* of 1,000 conversations (ours: 1,197)"] == pytest.approx(10_200, rel=0.03)
    assert found["k* of 25,000 conversations (ours: 25,131)"] == pytest.approx(11_360, rel=0.02)
    assert found["k* of 500,000 conversations (ours: 76,590)"] == 11_160
    paper = {label: row.paper for (where, label), row in rows.items() if where == "Figure 3"}
    assert sorted(paper.values(), key=lambda v: v or 0)[-3:] == [11_199, 13_054, 13_298]
    low, high = rows["Figure 3", "k* with unlimited conversations"].ends
    assert 10_700 < low < 11_160 < high < 11_400


def test_table_1(rows):
    hidden, middle, keys = 4_096, 14_336, 1_024
    weights = {
        "Feature fusion": 3 * hidden * hidden,
        "Attention": 2 * hidden * hidden + 2 * 2 * hidden * keys + hidden * hidden,
        "Feed-forward": 3 * hidden * middle,
        "LM head": hidden * V,
    }
    found = ours(rows, "Table 1")
    for name, number in weights.items():
        assert found[name] == pytest.approx(2 * number / 1e6)
    assert found["Total"] == pytest.approx(1_637.9, abs=0.05)
    printed = {label: row.paper for (where, label), row in rows.items() if where == "Table 1"}
    assert printed["Attention"] + printed["Feed-forward"] == pytest.approx(
        found["Attention"] + found["Feed-forward"], abs=0.1
    )
    assert rows["Table 1", "LM head's share"].paper == 0.642
    assert "swapped" in rows["Table 1", "Attention"].reason


@pytest.mark.parametrize("place", ["Table 2", "Table 3", "Table 6"])
def test_tables_of_throughput(rows, place):
    domain = {"Table 2": False, "Table 3": True}
    tasks = [r for r in RESULTS if domain.get(place) in (None, r.task in SECONDS)]
    for result in tasks:
        gain = rows[place, f"{result.task}, gain of throughput"]
        change = result.throughput_trimmed / result.throughput_full - 1
        assert gain.paper == pytest.approx(change)
        assert gain.basis == "estimated"
        low, high = gain.ends
        assert low < gain.ours < high
        assert gain.reason
    inside = [
        rows["Table 2", f"{r.task}, gain of throughput"] for r in RESULTS if r.task not in SECONDS
    ]
    assert all(row.ends[0] <= row.paper <= row.ends[1] for row in inside)
    if place == "Table 6":
        for result in tasks:
            length = rows[place, f"{result.task}, acceptance length at {result.k:,}"]
            assert (length.paper, length.basis) == (result.length_trimmed, "estimated")
            assert 1 < length.ends[0] < length.ours < length.ends[1] < result.length_full
        calls = rows[place, "Function calling, coverage of 4,380"]
        assert calls.ours == pytest.approx(0.905, abs=5e-4)
        assert (
            "98.6%, this one to 90.5%" in rows[place, "Function calling, gain of throughput"].reason
        )
    if place == "Table 3":
        assert rows[place, "NER, change of latency"].paper == pytest.approx(-0.164, abs=5e-4)
        assert rows[place, "NER, seconds at 128,256"].half == 5.50


TABLE_4 = {  # tokens, share of them, share of their distinct tokens, in percent
    "GSM8K": (271_440, 96.4, 60.8),
    "MT-Bench": (28_096, 92.0, 71.2),
    "HumanEval": (35_856, 95.5, 80.6),
    "MATH-500": (105_339, 98.5, 78.5),
    "AIME": (46_440, 96.8, 77.5),
}


def test_table_4(rows):
    order = np.argsort(-find_shipped("Public blend", "llama-3.1").counts().counts, kind="stable")
    for name, (tokens, share, unique) in TABLE_4.items():
        counts = find_shipped(name, "llama-3.1").counts().counts
        assert rows["Table 4", f"{name}, tokens"].ours == tokens
        row = rows["Table 4", f"{name}, share of its tokens"]
        assert row.ours == pytest.approx(counts[order[:K]].sum() / counts.sum())
        assert 100 * row.ours == pytest.approx(share, abs=0.06)
        distinct = rows["Table 4", f"{name}, share of its distinct tokens"]
        assert 100 * distinct.ours == pytest.approx(unique, abs=0.06)
        assert (row.paper, distinct.paper) == published.TABLE_4[name][1:]
    whole = rows["Table 4", "Combined, tokens"]
    assert whole.ours == sum(tokens for tokens, _, _ in TABLE_4.values())
    assert whole.paper == sum(tokens for tokens, _, _ in published.TABLE_4.values())


def test_table_5(rows):
    shares = {"math": 0.394, "code": 0.389, "chat": 0.176}
    for name, (domain, share) in published.TABLE_5.items():
        row = rows["Table 5", f"{name}, training conversations of its domain, {domain}"]
        assert (row.paper, row.difference_text) == (share, "0")
        assert row.ours == pytest.approx(shares[domain], abs=5e-4)
        covered = rows["Table 5", f"{name}, coverage"]
        assert 100 * covered.ours == pytest.approx(TABLE_4[name][1], abs=0.06)


VERDICTS = {
    "<<": KEPT,
    ">>>": KEPT,
    "enumerate": KEPT,
    "asympt": KEPT,
    "cyclic": KEPT,
    "Socrates": SEVERAL,
}


def test_missing_tokens():
    found = {item.example.text: item for item in looked_up()}
    assert len(found) == 15
    assert {text: item.verdict for text, item in found.items()} == {
        text: VERDICTS.get(text, LACKING) for text in found
    }
    assert found["<<"].in_benchmark == 4_278
    assert all((item.rank > K) == (item.verdict == LACKING) for item in found.values() if item.rank)


def test_the_ids_of_the_examples_are_those_of_the_tokenizer():
    backend = real_tokenizer("llama-3.1").backend
    for example in published.MISSING:
        alone = (
            backend.encode(t, add_special_tokens=False).ids
            for t in (example.text, f" {example.text}")
        )
        assert tuple(ids[0] for ids in alone if len(ids) == 1) == example.ids, example.text


def test_the_papers_numbers_are_those_of_its_text():
    path = SHARED / "paper.txt"
    if not path.is_file():
        pytest.skip("needs ../shared/paper.txt, which is not in the repository")
    text = path.read_text("utf-8")
    for name, (tokens, share, unique) in published.TABLE_4.items():
        assert f"| {name} | {tokens:,} | {100 * share:.1f}% | {100 * unique:.1f}% |" in text
    for name, (domain, share) in published.TABLE_5.items():
        covered = published.TABLE_4[name][1]
        assert f"| {name} | {domain.title()} | {100 * covered:.1f}% | {100 * share:.1f}% |" in text
    for name, number in published.TABLE_1.items():
        assert re.search(rf"\| {name}.*\| {number}M \|", text)
    for number in published.STABILITY.values():
        assert f"{number:,}" in text
    for example in published.MISSING:
        assert example.text in text


# --- measured, written, drawn ---------------------------------------------------------------------


def test_a_measurement_takes_the_place_of_the_forecast():
    by_place = {panel.place: panel for panel in panels([made("MT-Bench")])}
    found = {row.label: row for row in by_place["Table 2"].rows}
    gain = found["MT-Bench, gain of throughput"]
    assert gain.basis == "measured"
    assert gain.reason.startswith("Ours was measured on")
    assert found["MT-Bench, tokens/s at 128,256"].ours > 100
    assert found["GSM8K, gain of throughput"].basis == "estimated"


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        (PanelRow("", "count", 13_264, 11_160), ("13,264", "11,160", "\N{MINUS SIGN}15.9%")),
        (PanelRow("", "share", 0.946, 0.9642), ("94.6%", "96.4%", "+1.8 points")),
        (PanelRow("", "share", 0.394, 0.39401), ("39.4%", "39.4%", "0")),
        (
            PanelRow("", "rate", 172.38, None, half=0.67),
            ("172.38 ± 0.67", "\N{EN DASH}", "\N{EN DASH}"),
        ),
        (
            PanelRow("", "change", 0.03, 0.004, ends=(-0.045, 0.069)),
            ("+3.0%", None, "\N{MINUS SIGN}2.6 points"),
        ),
    ],
)
def test_how_numbers_are_written(row, texts):
    written = (row.paper_text, row.our_text, row.difference_text)
    assert all(wanted in (None, text) for wanted, text in zip(texts, written, strict=True))


@pytest.mark.parametrize("place", list(AXES))
def test_figures_hold_the_papers_points(place):
    info = {
        "Figure 1": utility_info(tradeoff()),
        "Figure 2": frontier_info(tradeoff()),
        "Figure 3": samples_info(sample_sizes()),
    }[place]
    drawn = {trace.name: trace for trace in paper_figure(place, info).data}
    line, points = drawn["Shipped counts"], drawn["The paper"]
    assert len(line.x) == len(info.x) > 2
    wanted = {"Figure 1": [K], "Figure 2": [64, 57.5, 39], "Figure 3": [1_000, 25_000, 500_000]}
    assert list(points.x) == pytest.approx(wanted[place])
    if place == "Figure 2":
        assert list(points.y) == pytest.approx([60, 93.7, 99])


def test_the_page_is_one_file_that_loads_nothing(tmp_path):
    text = paper_html()
    assert all(f"<h2>{place}. " in text for place in PLACES)
    assert "Missing tokens" in text
    assert text.count("<svg") == 3
    assert "&lt;&lt;" in text
    assert not re.search(r'<script|src="http|href="http|url\(', text)
    assert "CC-BY-SA-4.0" in text
    file = write_paper(tmp_path / "paper.html")
    assert file.read_text("utf-8") == text


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
def test_the_page_is_printed(tmp_path):
    assert write_paper(tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_the_command(capsys, tmp_path):
    assert main(["paper", "--json", "--out", str(tmp_path / "p.html")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [panel["place"] for panel in result["panels"]] == PLACES
    assert Path(result["out"]).is_file()
    assert main(["paper"]) == 0
    said = capsys.readouterr().out
    assert "13,264" in said
    assert "11,160" in said
    assert main(["paper", "--out", str(tmp_path / "p.docx")]) == 2
    assert "must end in .html or .pdf" in capsys.readouterr().err


def test_the_app_shows_all_of_it():
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
    app.run().switch_page("pages/paper.py").run()
    assert not app.exception
    assert not app.error
    titles = [title.value for title in app.subheader]
    assert [title.split(". ")[0] for title in titles] == [*PLACES, "Section 4.1"]
    assert len(app.table) == 10
