"""Measurements drawn and beside the paper: the numbers exactly, the drawing as a smoke test."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from helpers.made_measurements import SMALL, V, configuration, made, run

from vocabtrim_core.figures import acceptance, load, measurements
from vocabtrim_core.figures import throughput as figures
from vocabtrim_core.figures.style import DARK, LIGHT
from vocabtrim_core.figures.tuning import tuning_figure, tuning_info
from vocabtrim_core.forecast.paper import RESULTS
from vocabtrim_core.report.measured import measurement_files, summary_rows
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.paper_comparison import compare_with_paper, paper_result
from vocabtrim_core.serving.statistics import compare, interval, paired_ratio
from vocabtrim_core.serving.tuning import Tuning, TuningTrial
from vocabtrim_core.wording import EARLIER_DEMO

LABELS = ["no speculation", "128,256", "32,000", "13,264"]


def numbers(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_bars_are_the_interval_of_the_runs():
    found = made()
    info = figures.rate_info([found], 1)
    assert [bar.label for bar in info.bars] == LABELS
    assert [bar.role for bar in info.bars] == ["none", "full", "shipped", "draft"]
    for bar in info.bars:
        rates = [each.throughput for each in found.good(bar.label)]
        assert bar.runs == tuple(rates)
        assert bar.rate == interval(rates)


def test_roles_follow_v_first():
    found = made(ks=(None, 32_000, 4_000), vocab_size=32_000)
    assert [measurements.role(found, c) for c in found.configurations] == ["none", "full", "draft"]


def test_a_draft_of_unknown_size_is_no_baseline():
    unknown = replace(configuration(SMALL), k=None)
    found = Measurement("p", "t", "e", (unknown, configuration(None)), vocab_size=None)
    assert [measurements.role(found, c) for c in found.configurations] == ["draft", "none"]
    assert [c.label for c in measurements.ordered(found)] == ["no speculation", "13,264"]


def test_failed_runs_are_not_drawn():
    found = made()
    broken = tuple(
        replace(each, error="the server died") if each.configuration == "13,264" else each
        for each in found.runs
    )
    info = figures.rate_info([replace(found, runs=broken)], 1)
    assert [bar.label for bar in info.bars] == LABELS[:-1]


def test_one_run_has_no_error_bar():
    info = figures.rate_info([made(runs=1)], 1)
    assert {bar.rate.half for bar in info.bars} == {None}
    assert not figures.rate_figure(info).data[0].error_y.visible
    assert figures.rate_figure(figures.rate_info([made()], 1)).data[0].error_y.visible


def test_gains_are_paired_and_say_whether_they_are_told_apart():
    found = made()
    info = figures.gain_info([found], measurements.FULL, 1)
    assert [gain.label for gain in info.gains] == ["32,000", "13,264"]
    for gain in info.gains:
        against = compare(found, gain.label, "128,256", 1)
        assert (gain.ratio, gain.distinguishable) == (against.ratio, against.distinguishable)
    drawn = figures.gain_figure(info, "V").data[0]
    assert drawn.x[1] == pytest.approx(100 * (info.gains[1].ratio.mean - 1))


def test_a_gain_that_may_be_chance_is_hollow():
    close = Measurement(
        "p",
        "t",
        "e",
        (configuration(V), configuration(SMALL)),
        tuple(
            run(f"{k:,}", i, rate, 2.5)
            for k, rates in ((V, (100, 110, 90)), (SMALL, (101, 100, 99)))
            for i, rate in enumerate(rates)
        ),
        V,
    )
    info = figures.gain_info([close], measurements.FULL, 1)
    assert info.gains[0].distinguishable is False
    assert figures.gain_figure(info, "V").data[0].marker.symbol == ("circle-open",)


def test_without_the_baseline_there_is_no_gain():
    assert figures.gain_info([made(ks=(None, SMALL))], measurements.FULL, 1).gains == ()


def test_acceptance_lines_ascend_in_k():
    line = acceptance.length_info([made()], 1).lines[0]
    assert line.ks == (13_264, 32_000, 128_256)
    assert [length.mean for length in line.lengths] == sorted(m.mean for m in line.lengths)


def test_positions_are_shares_of_all_cycles():
    info = acceptance.position_info(made(), 1)
    assert [line.label for line in info.lines] == LABELS[1:]
    assert info.lines[0].shares == pytest.approx((0.7, 0.45, 0.25))


def test_concurrency_lines_hold_every_number_at_once():
    info = load.concurrency_info(made(concurrencies=(1, 4, 16)))
    assert {line.concurrencies for line in info.lines} == {(1, 4, 16)}
    assert info.lines[0].rates[2].mean > info.lines[0].rates[0].mean


def test_latency_is_the_runs_mean():
    row = load.latency_info(made(), 1).rows[0]
    assert (row.whole.p95, row.first.p50) == pytest.approx((3.5, 0.04))


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_every_figure_draws(palette):
    one, two = made(concurrencies=(1, 2)), made("NER")
    drawn = [
        figures.rate_figure(figures.rate_info([one], 1), palette),
        figures.rate_figure(figures.rate_info([one, two], 1), palette),
        figures.gain_figure(figures.gain_info([one, two], measurements.FULL, 1), "V", palette),
        acceptance.length_figure(acceptance.length_info([one, two], 1), palette),
        acceptance.position_figure(acceptance.position_info(one, 1), palette),
        load.concurrency_figure(load.concurrency_info(one), palette),
        load.latency_figure(load.latency_info(one, 1), palette),
        load.latency_figure(load.latency_info(one, 1), palette, first_token=True),
    ]
    for figure in drawn:
        assert figure.data


def test_a_target_of_an_earlier_version_among_others_is_named_so():
    info = figures.rate_info([made(target=EARLIER_DEMO), made("NER")], 1)
    assert {bar.where for bar in info.bars} == {f"MT-Bench, {EARLIER_DEMO}", "NER"}


# --- beside the paper ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("MT-Bench", "MT-Bench"),
        ("math500", "MATH-500"),
        ("AIME 2024", "AIME"),
        ("ner", "NER"),
        ("function-calling", "Function calling"),
        ("my own", None),
    ],
)
def test_prompt_sets_find_their_row(name, task):
    found = paper_result(name)
    assert (found.task if found else None) == task


def test_rows_hold_ours_beside_the_papers():
    found = made("MT-Bench")
    rows = compare_with_paper([found, made("mine")], 1)
    assert [row.task for row in rows[:2]] == ["MT-Bench", "MT-Bench"]  # 13,264 and 32,000
    row = rows[0]
    assert row.paper is RESULTS[0]
    assert (row.trimmed.k, row.full.k) == (SMALL, V)
    ours, full = ([r.throughput for r in found.good(label)] for label in ("13,264", "128,256"))
    assert row.trimmed.rate == interval(ours)
    assert row.gain == paired_ratio(ours, full)
    assert row.slower.mean == pytest.approx(1 / row.gain.mean)
    untouched = [row for row in rows if row.task == "NER"]
    assert [(row.paper, row.trimmed) for row in untouched] == [(RESULTS[-1], None)]
    assert [(row.task, row.paper) for row in rows[2:4]] == [("mine", None)] * 2


def test_a_draft_without_the_full_one_has_no_gain():
    row = compare_with_paper([made(ks=(None, SMALL))], 1)[0]
    assert row.trimmed is not None
    assert row.full is None
    assert row.gain is None


def test_runs_are_paired_by_index_even_where_some_failed():
    found = made()
    runs = tuple(
        replace(each, error="it stalled")
        if (each.configuration, each.index) == ("128,256", 0)
        else each
        for each in found.runs
    )
    row = compare_with_paper([replace(found, runs=runs)], 1)[0]
    ours, full = ([r.throughput for r in found.good(label)] for label in ("13,264", "128,256"))
    assert row.gain == paired_ratio(ours[1:], full[1:])


# --- to take along ------------------------------------------------------------------------------


def test_files_hold_every_run_and_the_measurement_itself():
    found = made(prompts="=cmd()")
    files = measurement_files([found], 1)
    runs = numbers(files["runs.csv"].decode())
    assert len(runs) == len(found.runs)
    assert float(runs[0]["tokens_per_s"]) == found.runs[0].throughput
    assert runs[0]["prompts"] == "'=cmd()"  # a spreadsheet would run it
    assert files[f"{found.key}.json"] == found.encoded()
    ElementTree.fromstring(files["throughput.svg"])
    beside = numbers(files["beside-paper.csv"].decode())
    assert {row["task"] for row in beside} >= {row.task for row in RESULTS}


def test_a_failed_run_keeps_its_reason_and_no_rate():
    found = made(runs=1)
    failed = replace(found.runs[0], error="the server died")
    files = measurement_files([replace(found, runs=(failed, *found.runs[1:]))], 1)
    first = numbers(files["runs.csv"].decode())[0]
    assert (first["tokens_per_s"], first["error"]) == ("", "the server died")
    rows = numbers(files["summary.csv"].decode())
    assert (rows[0]["Tokens/s"], rows[0]["Failed"]) == ("", "1")


def test_summary_rows_are_one_per_configuration_and_concurrency():
    rows = summary_rows([made(concurrencies=(1, 2))])
    assert [(row["Configuration"], row["At once"]) for row in rows] == [
        (label, at_once) for at_once in (1, 2) for label in LABELS
    ]


# --- a search -----------------------------------------------------------------------------------


def test_trials_are_drawn_with_the_failed_ones_and_the_best_so_far():
    found = Tuning(
        "s",
        "",
        (
            TuningTrial(0, configuration(SMALL), 50.0, 1.0, 3, 2.5),
            TuningTrial(1, configuration(V), None, error="it stalled"),
            TuningTrial(2, configuration(32_000), 60.0, 90.0, 2, 2.6),
        ),
        {},
    )
    info = tuning_info(found)
    assert (info.numbers, info.rates, info.best) == ((1, 3), (50.0, 60.0), 1)
    assert info.best_so_far == (50.0, 50.0, 60.0)
    assert info.failed == ((2, "128,256", "it stalled"),)
    figure = tuning_figure(info)
    assert figure.layout.yaxis.range[0] == 0
