"""Several numbers of drafted tokens in one measurement: what is compared, and what is said."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.lazy import Lazy

from vocabtrim_core.errors import InputError
from vocabtrim_core.figures.acceptance import length_info
from vocabtrim_core.report.forecast import comparisons
from vocabtrim_core.serving.calibration import calibration
from vocabtrim_core.serving.configurations import Drafting, with_unique_labels
from vocabtrim_core.serving.drafted_tokens import best_steps
from vocabtrim_core.serving.engines.programs import Program
from vocabtrim_core.serving.engines.vllm.launch import VllmLauncher
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run
from vocabtrim_core.serving.paper_comparison import compare_with_paper
from vocabtrim_core.serving.payoff import unpaid
from vocabtrim_core.serving.summary import baselines, candidates, summary
from vocabtrim_core.serving.verdict import fastest, fastest_verdict

stats = Lazy("scipy.stats")
V = 49_152
ALONE = Configuration("no speculation")


def drafts(tmp_path, *ks):
    folders = []
    for k in ks:
        folder = tmp_path / f"k-{k}"
        folder.mkdir()
        (folder / "config.json").write_text(f'{{"draft_vocab_size": {k}, "vocab_size": {V}}}')
        folders.append(folder)
    return folders


def measured(rates: dict[tuple[int, int], list[float]], alone=(30.0, 30.3, 30.1)) -> Measurement:
    """Runs with these tokens/s, by size and steps; `alone` without speculation."""
    compared = with_unique_labels(
        [Configuration(f"{k:,}", k, f"/d/{k}", n, 1, n + 1) for k, n in rates]
    )
    runs = [Run(ALONE.label, 1, i, rate) for i, rate in enumerate(alone)]
    for c, values in zip(compared, rates.values(), strict=True):
        for i, rate in enumerate(values):
            length = 1.0 + 0.2 * c.steps
            runs.append(Run(c.label, 1, i, rate, acceptance_length=length, verified=100))
    return Measurement("p", "t", "e", (ALONE, *compared), tuple(runs), vocab_size=V)


def test_every_draft_is_measured_with_each_number_of_steps(tmp_path):
    folders = drafts(tmp_path, V, 1500)
    several = Drafting((1, 2, 3)).configurations(folders)
    assert [(c.label, c.k, c.steps, c.draft_tokens, c.draft) for c in several] == [
        (f"{k:,} (n = {n})", k, n, n + 1, str(folder))
        for (folder, k), n in itertools.product(zip(folders, (V, 1500), strict=True), (1, 2, 3))
    ]
    one = Drafting((2,)).configurations(folders)
    assert [(c.label, c.steps) for c in one] == [("49,152", 2), ("1,500", 2)]


def test_others_than_the_swept_are_measured_with_the_most(tmp_path):
    full, small = drafts(tmp_path, V, 1500)
    found = Drafting((1, 3, 2)).configurations([full, small], [small])
    assert [(c.k, c.steps) for c in found] == [(V, 3), (1500, 1), (1500, 3), (1500, 2)]


def test_without_a_baseline_of_as_many_tokens_a_swept_draft_has_none():
    found = measured({(V, 3): [20.0, 21.0], (1500, 1): [30.0, 31.0], (1500, 3): [25.0, 26.0]})
    assert baselines(found, "1,500 (n = 1)") == {"no speculation": "no speculation"}
    assert baselines(found, "1,500 (n = 3)")["49,152"] == "49,152 (n = 3)"
    rows = [row for row in compare_with_paper([found]) if row.trimmed]
    assert [row.gain is not None for row in rows] == [False, True]
    other = measured({(V, 3): [20.0, 21.0], (1500, 1): [30.0, 31.0]})  # nothing else to compare
    assert baselines(other, "1,500 (n = 1)")["49,152"] == "49,152 (n = 3)"


def test_labels_stay_unique_and_own_names_stay():
    same = [Configuration("8", 8, f"/{run}/k-8/draft", n) for run in "ab" for n in (1, 2)]
    labels = [c.label for c in with_unique_labels([ALONE, *same])]
    assert len(set(labels)) == 5
    assert all("n = " in label for label in labels[1:])
    named = [Configuration("mine", 8, "/a", 1), Configuration("9", 9, "/b", 2)]
    assert [c.label for c in with_unique_labels(named)] == ["mine", "9 (n = 2)"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (((1, 0),), "steps must be at least 1, but it is 0"),
        (((),), "steps must be at least 1"),
        (((1, 2), 1, 2), "A chain (topk 1) of 2 steps verifies 3 tokens, not 2"),
    ],
)
def test_steps_that_mean_nothing(settings, words):
    with pytest.raises(InputError, match=re.escape(words)):
        Drafting(*settings)


def test_sizes_are_compared_at_equal_steps():
    rates = {(k, n): [20.0 + n, 21.0 + n] for k in (V, 32_000, 1500) for n in (1, 2, 3)}
    found = measured(rates)
    for n in (1, 2, 3):
        assert baselines(found, f"1,500 (n = {n})") == {
            "no speculation": "no speculation",
            "49,152": f"49,152 (n = {n})",
            "32,000": f"32,000 (n = {n})",
        }
    assert "49,152" not in baselines(found, "49,152 (n = 1)")
    by_rate = {row.trimmed.rate.mean: row for row in compare_with_paper([found]) if row.trimmed}
    assert {rate: row.full.rate.mean for rate, row in by_rate.items() if row.full} == {
        rate: rate
        for rate in by_rate  # V was as fast as the others, at each n
    }


def test_holm_and_the_fastest_are_over_all_of_them():
    random = np.random.default_rng(3)
    rates = {
        (k, n): list((20 + n) * (1 + 0.01 * random.normal(size=4)))
        for k in (V, 1500, 4096)
        for n in (1, 2, 3)
    }
    found = measured(rates, alone=list(22 * (1 + 0.01 * random.normal(size=4))))
    rows = {row.label: row for row in summary(found, 1)}
    tested = {label: row.ratios["no speculation"] for label, row in rows.items() if row.k}
    assert len(tested) == 9
    assert {comparison.tests for comparison in tested.values()} == {9}
    alone = np.log([run.throughput for run in found.good("no speculation")])
    plain = {
        label: stats.ttest_1samp(
            np.log([run.throughput for run in found.good(label)]) - alone, 0
        ).pvalue
        for label in tested
    }
    reached = 0.0
    for rank, label in enumerate(sorted(plain, key=plain.__getitem__)):
        reached = max(reached, min(1.0, (9 - rank) * plain[label]))
        assert tested[label].p == pytest.approx(reached)
    assert {(c.k, c.steps) for c in candidates(found, 1)} == {
        (k, n) for k in (1500, 4096) for n in (1, 2, 3)
    }
    assert "the fastest of 6 configurations" in fastest_verdict(found, 1)[0]
    best = fastest(found, 1)
    means = {
        c.label: np.mean([r.throughput for r in found.good(c.label)]) for c in candidates(found)
    }
    assert best is not None
    assert best.label == max(means, key=means.__getitem__)


def test_the_best_number_is_said_for_each_draft():
    found = measured(
        {
            (V, 1): [20.0, 20.2, 20.1],
            (V, 2): [24.0, 24.1, 24.2],
            (1500, 1): [41.0, 41.3, 41.1],
            (1500, 2): [33.0, 33.1, 33.2],
        }
    )
    about, full, small = best_steps(found, 1)
    assert "as many tokens per cycle (n)" in about
    assert full.startswith("49,152 is fastest with n = 2 (24.1 tokens/s, +")
    assert small.startswith("1,500 is fastest with n = 1 (41.1 tokens/s, +")
    # the interval holds for both n at once: t at 1 - 0.05 / 2, paired, on logarithms
    logs = np.log(np.divide([41.0, 41.3, 41.1], [33.0, 33.1, 33.2]))
    t = stats.t.ppf(1 - 0.025 / 2, 2)
    half = math.exp(logs.mean()) * math.sinh(t * logs.std(ddof=1) / math.sqrt(3))
    gained = re.search(r"\+([\d.]+) % ± ([\d.]+) over n = 2", small)
    assert gained is not None
    assert float(gained[1]) == pytest.approx(100 * math.expm1(logs.mean()), abs=0.051)
    assert float(gained[2]) == pytest.approx(100 * half, abs=0.051)
    assert "distinguishable" not in small


def test_drafts_of_one_size_are_told_apart():
    configurations = [
        Configuration("8", 8, f"/{name}", n, 1, n + 1) for name in "ab" for n in (1, 2)
    ]
    labelled = with_unique_labels(configurations)
    runs = [Run(c.label, 1, i, 10.0 + i) for c in labelled for i in range(2)]
    found = Measurement("p", "t", "e", labelled, tuple(runs), vocab_size=V)
    said = [sentence.partition(" is fastest")[0] for sentence in best_steps(found, 1)[1:]]
    assert said == ["8 (a)", "8 (b)"]


def test_what_may_be_chance_is_said():
    near = measured({(1500, 1): [41.0, 33.0, 37.0], (1500, 2): [33.0, 40.9, 37.0]})
    assert "not distinguishable from n = " in best_steps(near, 1)[1]
    once = measured({(1500, 1): [41.0], (1500, 2): [33.0]}, alone=[30.0])
    assert "one run each, which may be chance" in best_steps(once, 1)[1]


def test_one_number_of_steps_needs_no_sentence():
    assert best_steps(measured({(V, 3): [1.0], (1500, 3): [2.0]}), 1) == ()
    failed = measured({(1500, 1): [41.0], (1500, 2): [33.0]}, alone=[30.0])
    lost = tuple(replace(r, error="died") if "n = 2" in r.configuration else r for r in failed.runs)
    assert best_steps(replace(failed, runs=lost), 1) == ()


def test_whether_speculation_pays_is_asked_of_the_best_number():
    rates = {(1500, 1): [29.0, 29.1, 29.0], (1500, 3): [20.0, 20.1, 20.2]}
    assert "the fastest draft, 1,500 (n = 1), is" in unpaid(measured(rates), 1)
    assert unpaid(measured({**rates, (1500, 1): [40.0, 40.1, 40.2]}), 1) == ""


def test_lengths_are_a_line_for_each_number():
    found = measured({(k, n): [20.0, 21.0] for k in (V, 1500) for n in (1, 3)})
    lines = {
        line.where: dict(zip(line.ks, line.lengths, strict=True))
        for line in length_info([found], 1).lines
    }
    assert list(lines) == ["p, n = 1", "p, n = 3"]
    assert [length.mean for length in lines["p, n = 3"].values()] == pytest.approx([1.6, 1.6])


def test_a_server_is_started_for_each(tmp_path):
    launcher = VllmLauncher("target", program=Program("vllm", ("python",), "0.32.0"))
    lines = [
        " ".join(launcher.argv(c, 1, 1))
        for c in Drafting((1, 3)).configurations(drafts(tmp_path, 1500))
    ]
    told = [re.search(r'"num_speculative_tokens": (\d)', line) for line in lines]
    assert [match and match[1] for match in told] == ["1", "3"]


def test_a_forecast_is_calibrated_on_one_number_of_steps():
    found = measured({(k, n): [20.0 + n, 21.0 + n] for k in (V, 1500) for n in (1, 2, 3)})
    timed = tuple(replace(r, tokens=100, seconds=100 / r.throughput) for r in found.runs)
    found = replace(found, runs=timed)
    assert {point.label for point in calibration(found).points} == {
        "49,152 (n = 3)",
        "1,500 (n = 3)",
    }
    assert calibration(found, steps=2).steps == 2
    assert calibration(found, steps=9).steps == 3


def test_a_report_names_the_number_of_steps():
    found = measured({(k, n): [20.0 + n, 21.0 + n] for k in (V, 1500) for n in (1, 2)})
    tasks = {row.task for row in comparisons([found], 1500, V)}
    assert tasks == {"p, n = 1", "p, n = 2"}
