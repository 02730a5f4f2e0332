"""The report: its numbers, its escaping, its figures and tables; the model card."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from vocabtrim_core import wording
from vocabtrim_core.counts import EARLIER_VERSION
from vocabtrim_core.coverage import CoverageCurve, coverage_on, sampled
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel, order_free_ceiling
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.decision_text import decision_text
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import forecast
from vocabtrim_core.generalization.intervals import CoverageInterval
from vocabtrim_core.report import dot_plot, pdf, phrasing
from vocabtrim_core.report.card import model_card
from vocabtrim_core.report.charts import figures
from vocabtrim_core.report.data import report_data
from vocabtrim_core.report.forecast import acceptance_for
from vocabtrim_core.report.inputs import Measured, ReportInputs
from vocabtrim_core.report.page import report_html
from vocabtrim_core.report.svg import Scale, free_places
from vocabtrim_core.report.tables import tables
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection_spec.settings import Pin, Settings
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.tradeoff import TradeOff

SIZE = 40_000
LLAMA = replace(PRESETS["llama-3.1-8b"], vocab_size=SIZE)
TINY = DraftArchitecture("tiny", 64, 128, 4, 2, 16, SIZE)
EVIL = "<script>alert(1)</script>\"'&{{ 7*7 }}"
FORECAST = ForecastSettings(2.6, 3, ((9000, 2.4),))


def zipf(seed: int, distinct: int = 30_000) -> np.ndarray:
    """Falling counts with ties, in an order of their own."""
    values = np.zeros(SIZE, np.int64)
    values[:distinct] = 900_000 // np.arange(3, distinct + 3)
    return np.roll(values, 100 * seed)


@pytest.fixture(scope="module")
def counts(make_counts_of):
    return make_counts_of(zipf(0))


def named(counts, name: str, values=None):
    """The same counts under another corpus name, or other counts."""
    made = replace(counts.provenance, corpora=({"name": name, "sha256": name, "conversations": 2},))
    return replace(counts, counts=counts.counts if values is None else values, provenance=made)


@pytest.fixture(scope="module")
def full(counts):
    """A report with every section."""
    others = [named(counts, "near", zipf(1)), named(counts, "far", np.roll(zipf(2, 6000), 20_000))]
    pins = (
        Pin(counts.key, "corpus", Settings(LLAMA, 0.8)),
        Pin("0" * 16, "b", Settings(LLAMA, k=77)),
    )
    choice = SelectionSpec.make(
        counts, Settings(LLAMA, 0.5, k=13_264), pins=pins, note="a pilot", forecast=FORECAST
    )
    intervals = {others[0].key: CoverageInterval(0.9, 0.88, 0.92)}
    measured = [
        Measured("MT-Bench", 13_264, f"{SIZE:,}", 0.03, 0.021, 0.041, 2.65, 2.89, "SGLang, A100")
    ]
    return report_data(
        ReportInputs(
            counts,
            choice,
            others,
            intervals,
            measured=measured,
            created="22 November 2026",
            commands=["report …"],
        )
    )


@pytest.fixture(scope="module")
def plain(counts):
    """A report with as little as there can be."""
    return report_data(ReportInputs(counts, SelectionSpec.make(counts, Settings(TINY, 0.7))))


# ---------------------------------------------------------------- facts


def test_facts_are_the_curves_own(counts, full):
    curve = CoverageCurve.of(counts)
    tradeoff = TradeOff(curve, LLAMA, 0.5)
    assert [o.k for o in full.options] == sorted(
        {
            13_264,  # chosen; the paper's sizes are those of another V
            32_000,
            77,
            SIZE,
            tradeoff.optimum.k,
            TradeOff(curve, LLAMA, 0.8).optimum.k,
        }
    )
    for option in full.options:
        assert option.choice == tradeoff.at(option.k)
        assert option.head_bytes == LLAMA.head_bytes(option.k)
    assert full.chosen.labels == ("chosen",)
    assert full.option(77).labels == ("pinned on b",)
    assert full.full.labels == ("all tokens",)
    assert full.full.gain == (0, 0)
    held = [coverage_on(curve.vocabulary(13_264), other) for other in full.inputs.others]
    assert [place.held for place in full.elsewhere] == held
    assert [bool(place.interval) for place in full.elsewhere] == [True, False]
    assert full.missing.share == pytest.approx(1 - curve.at(13_264))
    first = full.next_in_line[0]
    assert (first.id, first.count) == (curve.order[13_264], curve.sorted_counts[13_264])
    assert full.missed[0].mostly == "far"


def test_protected_tokens_and_multiples_are_what_is_written(counts):
    rare = int(CoverageCurve.of(counts).order[-1])
    choice = SelectionSpec.make(
        counts, Settings(LLAMA, k=1000), rules=Rules(frozenset([rare]), frozenset([0]), 64)
    )
    facts = report_data(ReportInputs(counts, choice))
    assert facts.chosen.k == 1024
    assert rare in facts.opened.vocabulary.ids
    assert 0 not in facts.opened.vocabulary.ids
    said = phrasing.how_chosen(facts)
    assert "rounded up from 1,000 to 1,024" in said
    assert "1 tokens protected, 1 excluded, a multiple of 64" in said


def test_stale_and_foreign_counts_are_refused(counts, make_counts_of):
    choice = SelectionSpec.make(counts, Settings(LLAMA))
    with pytest.raises(InputError, match="choose again"):
        report_data(ReportInputs(named(counts, "corpus", counts.counts + 1), choice))
    for changes, message in (
        ({"tokenizer_sha256": "other"}, r"tokenizer is tiny \(other\), not tiny \(t\)"),
        ({"rule": "content"}, "rule is content, not assistant"),
    ):
        other = make_counts_of(counts.counts, **changes)
        with pytest.raises(InputError, match=message):
            report_data(ReportInputs(counts, choice, [other]))


def test_forecast_settings_are_checked(counts):
    def forecast_of(**settings):
        choice = SelectionSpec.make(counts, Settings(LLAMA), forecast=ForecastSettings(**settings))
        return report_data(ReportInputs(counts, choice)).forecast

    assert forecast_of() is None
    assert forecast_of(full_length=2.9).baseline_k == SIZE
    with pytest.raises(InputError, match="no hardware 'abacus'"):
        forecast_of(full_length=2.9, hardware="abacus")
    with pytest.raises(InputError, match=r"lies within 1\.\.4"):
        forecast_of(full_length=9.0)
    with pytest.raises(InputError, match=r"longer than the 0\.10 ms measured"):
        forecast_of(full_length=2.9, cycles=((SIZE, 0.0001),))


def test_the_forecast_is_about_the_text_to_be_served(counts):
    """Coverage of the k tokens chosen on one text, summed by hand on the other."""
    served = named(counts, "served", np.roll(zipf(3, 9000), 5_000))
    choice = SelectionSpec.make(counts, Settings(LLAMA, k=13_264), forecast=FORECAST)
    acceptance = acceptance_for(choice, choice.open(counts), served)
    facts = report_data(ReportInputs(counts, choice, acceptance=acceptance))
    order = sorted(range(SIZE), key=lambda i: (-int(counts.counts[i]), i))
    by_hand = np.cumsum([int(served.counts[i]) for i in order]) / int(served.counts.sum())
    model = AcceptanceModel(
        by_hand,
        order_free_ceiling(by_hand, FORECAST.depth),
        FORECAST.depth,
        FORECAST.full_length,
        dict(FORECAST.measured),
    )
    expected = forecast(model, cycle_times(FORECAST, LLAMA))
    assert facts.forecast.tokens_per_s(13_264) == pytest.approx(expected.tokens_per_s(13_264))
    alone = report_data(ReportInputs(counts, choice))
    assert alone.forecast.tokens_per_s(13_264) != pytest.approx(expected.tokens_per_s(13_264))
    assert "on served (another set)" in report_html(facts)
    assert "(in sample)" in report_html(alone)


# ---------------------------------------------------------------- sentences


def test_coverage_where_it_was_chosen_is_said_held_out_too(counts, plain):
    choice = SelectionSpec.make(counts, Settings(TINY, 0.7))
    other = named(counts, "near", zipf(1))
    known = ReportInputs(counts, choice, [other], held_out=CoverageInterval(0.8123, 0.8, 0.8246))
    said = " ".join(phrasing.verdict(report_data(known)))
    assert "in sample; on conversations that had no part in the choice they make up" in said
    assert "81.23% (80.00% to 82.46%, 95% interval)" in said
    drawn = dot_plot.elsewhere(report_data(known))
    assert "corpus, held out" in drawn
    assert "in sample" in drawn
    assert "in sample" not in " ".join(phrasing.verdict(plain))


def test_the_verdict_names_decision_price_and_risk(full, plain):
    said = " ".join(phrasing.verdict(full))
    for part in (
        "keeps 13,264 of the target's 40,000 tokens (33.2%)",
        "never a wrong answer",
        "On 2 corpora",
        "It is not made for traffic like far",
        "Measured throughput changes by +3.0% (MT-Bench)",
    ):
        assert part in said
    order = [Page(report_html(full)).text.find(f"Figure {i}.") for i in range(1, 7)]
    assert order == sorted(order)
    other = replace(full.inputs, measured=[replace(full.inputs.measured[0], k=77)])
    said = " ".join(phrasing.verdict(report_data(other)))
    assert "Measured" not in said
    assert "Forecast throughput" in said
    said = " ".join(phrasing.verdict(plain))
    assert "neither measured nor forecast" in said
    assert "corpora" not in said


def test_the_report_carries_the_whole_decision(full):
    text = Page(report_html(full)).text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    sentences = decision_text(full.decision, full.full.k).sentences()
    assert len(sentences) >= 4
    assert [s for s in sentences if " ".join(s.split()) not in " ".join(text.split())] == []


def test_how_it_was_chosen(counts, full, plain):
    assert "13,264 tokens were chosen by hand; the exact optimum is" in phrasing.how_chosen(full)
    assert "the exact optimum, found over every size" in phrasing.how_chosen(plain)
    hard = SelectionSpec.make(counts, Settings(LLAMA, floor=0.9, k=50))
    said = phrasing.how_chosen(report_data(ReportInputs(counts, hard)))
    assert "at least 90.0% coverage" in said
    assert "does not meet the floor" in said


def test_padding_is_said(make_counts_of):
    counts = make_counts_of(np.bincount([1, 2, 3, 3], minlength=SIZE))
    facts = report_data(ReportInputs(counts, SelectionSpec.make(counts, Settings(LLAMA, k=10))))
    assert phrasing.padding(facts).startswith("Only 3 distinct tokens were seen, so 7 of")
    page = report_html(facts)
    assert "so every one of them can be drafted." in page
    assert "Nothing: every token that occurs is kept." in page
    assert "add head rows and no coverage" in page


def test_numbers_as_people_read_them():
    assert wording.signed(-0.012) == "\u22121.2%"
    assert wording.between(-0.01, 0.02) == "\u22121.0% to +2.0%"
    assert wording.percent(0.9999) == "99.99%"
    assert wording.percent(1.0) == "100.0%"
    assert sum([0.1] * 10) < 1 < 1.1 + 2.2 - 2.3
    assert {wording.percent(sum([0.1] * 10)), wording.percent(1.1 + 2.2 - 2.3)} == {"100.0%"}
    assert wording.percent(1 - (1.1 + 2.2 - 2.3), 2) == "0.00%"
    assert wording.percent(1 - 1 / 3e9) == "99.99999997%"
    assert wording.one_in(0.046) == "about 1 in 22"
    assert wording.one_in(0.0) == "none"


# ---------------------------------------------------------------- the page


class Page(HTMLParser):
    """What a browser would see: elements, their attributes, the text outside style."""

    VOID = ("meta", "br", "line", "path", "rect", "circle")

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


def test_every_section_is_there(full, plain):
    page = Page(report_html(full))
    assert not page.open
    for words_ in (
        "Keep 13,264 of 40,000 tokens",
        "The question",
        "What was counted",
        "The trade-off",
        "The choice and its alternatives",
        "Will it hold on other traffic?",
        "What will it do to tokens per second?",
        "What is left out",
        "What this does not say",
        "Provenance",
        "Reproduce it",
        "22 November 2026",
        "a pilot",
        "typical EAGLE-3 head",
        "88.0",
        "SGLang, A100",
        full.inputs.choice.vocabulary_sha256,
        "python -m vocabtrim_core export counts.npz --choice choice.json",
    ):
        assert words_ in page.text, words_
    assert "&#" not in page.text
    less = Page(report_html(plain)).text
    assert "Not tested: no other corpus was given." in less
    assert "Neither measured nor forecast." in less


@pytest.mark.parametrize(
    ("made", "said", "command"),
    [
        ({"span_end": "stop"}, "through the stop token", "--template llama3 --out"),
        (
            {
                "span_end": "template",
                "template": "tokenizer",
                "reasoning": False,
                "last_turn_only": True,
            },
            "through all that the template writes for the turn",
            "--template auto --out counts.npz --span-end template --no-reasoning --last-turn-only",
        ),
        (
            {"span_end": EARLIER_VERSION},
            "counted by an earlier version, spans found by strings around turns",
            "--template llama3 --out",
        ),
    ],
)
def test_how_it_was_counted_is_said_and_made_again(counts, made, said, command):
    """How far turns go and what is not in the counts, in the report, and the command for it."""
    corpus = {
        **counts.provenance.corpora[0],
        "notes": [["images", 7, ["a.jsonl:9"]]],
        "skipped": [["no assistant text", 2, ["a.jsonl:4"]]],
    }
    about = replace(counts.provenance, corpora=(corpus,), **made)
    facts = report_data(
        ReportInputs(
            replace(counts, provenance=about),
            SelectionSpec.make(replace(counts, provenance=about), Settings(TINY, 0.7)),
        )
    )
    text = Page(report_html(facts)).text
    assert f"Turns: {said}." in text
    assert f"Counted turns {said}" in text
    assert "Left out of the counts 2 times no assistant text; 7 times images" in text
    assert command in phrasing.commands(facts)[0]
    assert f"rule assistant, {said}" in model_card(facts)


def test_nothing_is_loaded_and_nothing_runs(full):
    source = report_html(full)
    page = Page(source)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "img", "a", "form", "base"}
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
        assert not {"src", "href", "action", "srcset"} & attributes.keys()
    policy = [
        a for t, a in page.elements if t == "meta" and "content" in a and "none" in a["content"]
    ]
    assert policy[0]["http-equiv"] == "Content-Security-Policy"
    assert "url(" not in source
    assert "@import" not in source
    outside = set(re.findall(r"https?://[^\s\"'<]+", source))
    assert outside == {"http://www.w3.org/2000/svg"}
    assert len(source) < 200_000


def test_text_from_data_stays_text(counts):
    evil = named(counts, EVIL)
    evil = replace(
        evil,
        provenance=replace(
            evil.provenance,
            tokenizer=EVIL,
            template=EVIL,
            engine=EVIL,
            versions={EVIL: EVIL},
            proof={"sentence": EVIL},
        ),
    )
    architecture = replace(LLAMA, name=EVIL)
    pins = (Pin("0" * 16, EVIL, Settings(architecture, k=99)),)
    choice = SelectionSpec.make(
        evil, Settings(architecture, k=200), pins=pins, note=EVIL, forecast=FORECAST
    )
    measured = [Measured(EVIL, 200, EVIL, 0.1, 0.0, 0.2, on=EVIL)]
    facts = report_data(
        ReportInputs(
            evil, choice, [evil], measured=measured, title=EVIL, created=EVIL, commands=[EVIL]
        )
    )
    source = report_html(facts)
    page = Page(source)
    assert not page.open
    assert {tag for tag, _ in page.elements} == {tag for tag, _ in page.elements} - {"script"}
    assert "<script" not in source
    assert "49" not in re.findall(r"&(\w+)", source)
    assert page.text.count("{{ 7*7 }}") >= 12
    for svg in figures(facts).values():
        assert "<script" not in svg
        ElementTree.fromstring(svg)
    card = model_card(facts, target=EVIL, licence=EVIL)
    assert not re.search(r"(?<!\\)<", card.split("---", 2)[2])
    assert yaml.safe_load(card.split("---")[1])["base_model"] == EVIL


def test_size_stays_small_with_many_corpora(counts):
    others = [named(counts, f"corpus {i}", zipf(i)) for i in range(60)]
    choice = SelectionSpec.make(counts, Settings(LLAMA, k=5000), forecast=FORECAST)
    assert len(report_html(report_data(ReportInputs(counts, choice, others)))) < 6_000_000 / 20


def test_equal_facts_give_equal_bytes(full):
    assert report_html(full) == report_html(full)
    assert tables(full) == tables(full)


# ---------------------------------------------------------------- figures


def test_figures_are_well_formed_and_finite(full, plain):
    assert list(figures(full)) == [
        "curve",
        "frontier",
        "breakdown",
        "elsewhere",
        "measured",
        "throughput",
    ]
    assert list(figures(plain)) == ["curve", "frontier", "breakdown"]
    for facts in (full, plain):
        for name, svg in figures(facts).items():
            root = ElementTree.fromstring(svg)
            assert root.get("aria-label"), name
            assert not re.search(r"\b(nan|inf)\b", svg, re.IGNORECASE), name
            width, height = map(float, root.get("viewBox").split()[2:])
            for element in root.iter("{http://www.w3.org/2000/svg}circle"):
                assert 0 <= float(element.get("cx")) <= width
                assert 0 <= float(element.get("cy")) <= height


def test_the_curve_goes_through_the_numbers(full):
    root = ElementTree.fromstring(figures(full)["curve"])
    dots = root.findall("{http://www.w3.org/2000/svg}circle")
    assert len(dots) == len(full.options)
    x = Scale(77, SIZE, 52, 624, log=True)
    y = Scale(0, 100, 276, 44)
    drawn = {(float(d.get("cx")), float(d.get("cy"))) for d in dots}
    expected = {(round(x(o.k), 1), round(y(100 * o.choice.coverage), 1)) for o in full.options}
    assert drawn == expected


def test_floors_and_bounds_are_drawn(counts):
    choice = SelectionSpec.make(counts, Settings(LLAMA, 0.5, 0.8, k_min=100, k_max=20_000))
    svg = figures(report_data(ReportInputs(counts, choice)))
    assert "floor 80.0" in svg["curve"]
    assert "below it nothing qualifies" in svg["frontier"]


def test_scales_and_places():
    line = Scale(0, 100, 300, 0)
    assert (line(0), line(100), line(50)) == (300, 0, 150)
    assert Scale(0, 97, 0, 1).ticks(5) == [0, 20, 40, 60, 80]
    assert Scale(0.2, 0.9, 0, 1).ticks(4) == [0.2, 0.4, 0.6, 0.8]
    log = Scale(100, 128_256, 0, 10, log=True)
    assert log.ticks() == [100, 1000, 10_000, 100_000]
    assert (log(100), round(log(128_256), 9)) == (0, 10)
    assert free_places([(0, 10), (5, 20), (11, 20)]) == [True, False, True]
    ks = sampled(5, 1000, 37, 2000)
    assert (ks[0], ks[-1]) == (5, 1000)
    assert 37 in ks
    assert (np.diff(ks) > 0).all()


# ---------------------------------------------------------------- tables


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_tables_hold_the_same_numbers(full):
    found = {name: read(text) for name, text in tables(full).items()}
    assert list(found) == ["sizes", "curve", "left_out", "elsewhere", "measured"]
    chosen = next(row for row in found["sizes"] if row["k"] == "13264")
    assert float(chosen["coverage"]) == full.chosen.choice.coverage
    assert float(chosen["throughput_gain_low"]) == full.chosen.gain[0]
    curve = next(row for row in found["curve"] if row["k"] == "13264")
    assert float(curve["utility"]) == full.chosen.choice.utility
    assert sum(int(row["count"]) for row in found["left_out"]) == full.missing.occurrences
    assert float(found["elsewhere"][0]["low"]) == 0.88
    assert found["elsewhere"][1]["low"] == ""
    assert found["measured"][0]["gain"] == "0.03"


def test_no_cell_is_a_formula(counts):
    other = named(counts, "=SUM(A1)")
    facts = report_data(
        ReportInputs(counts, SelectionSpec.make(counts, Settings(LLAMA, k=9)), [other])
    )
    assert read(tables(facts)["elsewhere"])[0]["corpus"] == "'=SUM(A1)"


# ---------------------------------------------------------------- the card


def test_the_card_has_front_matter_numbers_and_commands(full):
    card = model_card(full, target="meta-llama/Llama-3.1-8B-Instruct", licence="llama3.1")
    front = yaml.safe_load(card.split("---")[1])
    assert front["license"] == "llama3.1"
    assert front["base_model"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert "speculative-decoding" in front["tags"]
    for part in (
        "with 13,264 tokens",
        "13,264 of 40,000",
        "--speculative-draft-model-path draft",
        '"method": "eagle3"',
        "convert_hf_to_gguf.py",
        full.inputs.counts.key,
        full.inputs.choice.vocabulary_sha256,
        "| near |",
    ):
        assert part in card
    assert "license" not in yaml.safe_load(model_card(full).split("---")[1])


# ---------------------------------------------------------------- PDF and PNG


@pytest.mark.skipif(pdf.chromium() is None, reason="needs Chromium or Chrome")
def test_pages_and_pictures_are_printed(tmp_path, monkeypatch, full):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.html").write_text(report_html(full), "utf-8")
    pdf.print_pdf("report.html", "report.pdf")
    data = (tmp_path / "report.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert 4 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 12
    pdf.print_png(figures(full)["breakdown"], "figure.png")
    data = (tmp_path / "figure.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    size = [int.from_bytes(data[i : i + 4], "big") for i in (16, 20)]
    assert size == [1440, 280]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figure.png", "report.html", "report.pdf"]


def test_without_chromium_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf, "NAMES", ())
    monkeypatch.delenv("CHROME", raising=False)
    with pytest.raises(InputError, match="needs Chromium or Chrome, and none was found"):
        pdf.print_pdf(tmp_path / "a.html", tmp_path / "a.pdf")
    monkeypatch.setenv("CHROME", sys.executable)
    with pytest.raises(InputError, match="could not print"):
        pdf.print_pdf(tmp_path / "a.html", tmp_path / "a.pdf")
    monkeypatch.setenv("CHROME", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="could not print"):
        pdf.print_pdf(tmp_path / "a.html", tmp_path / "a.pdf")
    assert not list(tmp_path.iterdir())


def test_reports_need_no_heavy_library():
    code = (
        "import sys, vocabtrim_core.report.page, vocabtrim_core.report.card;"
        "bad = {'torch', 'transformers', 'streamlit', 'plotly'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
