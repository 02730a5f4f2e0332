"""Verdicts: corrected for several comparisons and for picking the fastest, with their power."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from helpers.lazy import Lazy
from helpers.made_measurements import V, measured

from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.summary import candidates, summary
from vocabtrim_core.serving.verdict import fastest, fastest_verdict, precision, verdict

stats = Lazy("scipy.stats")


def test_a_verdict_names_what_may_be_chance():
    made = measured(
        {
            "13264": [104.0, 104.2, 104.1, 104.3],
            str(V): [100.0, 100.1, 100.0, 100.2],
            "32000": [103.0, 104.9, 102.7, 104.5],
        }
    )
    row = summary(made, 1)[0]
    ratios = {name: each.ratio for name, each in row.ratios.items()}
    assert verdict(made, "13264", 1) == (
        f"13,264 is +{100 * (ratios['128,256'].mean - 1):.1f} % ± "
        f"{100 * ratios['128,256'].half:.1f} over 128,256 and +0.4 % ± "
        f"{100 * ratios['32,000'].half:.1f} over 32,000 on MT-Bench: not distinguishable from "
        "32,000."
    )


@pytest.mark.parametrize(
    ("throughputs", "said"),
    [
        ({"13264": [104.0], str(V): [100.0]}, "+4.0 % over 128,256 on MT-Bench: one run each"),
        (
            {"13264": [104.0, 104.1, 104.2], str(V): [100.0, 100.1, 100.0], "32000": [99.0]},
            "faster than 128,256; one pair of runs with 32,000, which may be chance.",
        ),
        ({"13264": ["died"], str(V): [100.0]}, "no run that went well"),
        ({"13264": [104.0, 105.0]}, "without a baseline"),
        (
            {"13264": [104.0, 104.1], str(V): [100.0, 100.1], "none": [300.0, 300.3]},
            "faster than 128,256 and slower than no speculation.",
        ),
    ],
)
def test_other_verdicts(throughputs, said):
    assert said in verdict(measured(throughputs), "13264", 1)


def noisy(sizes: dict[str, float], runs: int, noise: float, seed: int) -> Measurement:
    """Runs around these tokens/s, with this relative noise."""
    random = np.random.default_rng(seed)
    return measured(
        {label: list(rate * np.exp(random.normal(0, noise, runs))) for label, rate in sizes.items()}
    )


@pytest.mark.parametrize("seed", range(5))
def test_comparisons_with_one_baseline_are_corrected_together(seed):
    sizes = {"2000": 101.0, "4000": 100.6, "8000": 100.3, str(V): 100.0, "none": 100.5}
    made = noisy(sizes, 4, 0.003, seed)
    rows = {row.label: row.ratios for row in summary(made, 1)}
    logs = {label: np.log([r.throughput for r in made.good(label)]) for label in sizes}
    others = [label for label in sizes if label != str(V)]
    raw = {label: stats.ttest_rel(logs[label], logs[str(V)]).pvalue for label in others}
    for label in others:
        # Closed testing: every set of hypotheses with this one must be rejected by Bonferroni.
        sets = [s for n in range(1, 5) for s in combinations(others, n) if label in s]
        expected = max(min(1, len(s) * min(raw[each] for each in s)) for s in sets)
        found = rows[label][f"{V:,}"]
        assert found.p == pytest.approx(expected)
        assert (found.tests, found.distinguishable) == (4, expected <= 0.05)


def test_many_equal_sizes_are_rarely_all_called_different_from_the_baseline():
    sizes = {str(k): 100.0 for k in (1000, 2000, 3000, 4000, 5000, 6000, 7000, V)}
    wrong = 0
    for seed in range(400):
        rows = summary(noisy(sizes, 4, 0.005, seed), 1)
        wrong += any(row.ratios[f"{V:,}"].distinguishable for row in rows[:-1])
    # At most 5 % are expected; four standard errors are 4.4 points.
    assert wrong / 400 <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 400)


def test_the_power_behind_a_verdict_is_told():
    # The logarithms of the ratios differ by sqrt(2) * 0.5 %: half a percent for each run.
    spread = 0.005 * math.sqrt(2)
    made = measured(
        {"13264": [100 * math.exp(0.02 + z * spread) for z in (-1, 0, 1)], str(V): [100.0] * 3}
    )
    assert precision(made, "13264", 1) == (
        "3 runs at 0.5 % noise see a 1 % effect 28 % of the time: take 7 for 80 % and 8 for 90 %."
    )
    many = [z % 3 - 1 for z in range(30)]
    made = measured(
        {"13264": [100 * math.exp(z * spread) for z in many], str(V): [100.0] * 30, "none": [9.0]}
    )
    said = precision(made, "13264", 1)
    assert said.startswith("30 runs at 0.4")
    assert "take" not in said
    assert precision(measured({"13264": [1.0], str(V): [1.0]}), "13264", 1) == ""
    assert precision(measured({"13264": [1.0, 2.0]}), "13264", 1) == ""


def test_power_counts_the_correction():
    made = noisy({"2000": 101.0, "4000": 101.0, str(V): 100.0}, 3, 0.005, 0)
    assert "with Holm's correction for 2 comparisons: take" in precision(made, "2000", 1)


def test_the_fastest_is_looked_for_among_trimmed_drafts():
    made = measured({"none": [300.0], "2000": [104.0], "4000": [105.0], str(V): [110.0]})
    assert [c.label for c in candidates(made, 1)] == ["2000", "4000"]
    assert fastest(made, 1).label == "4000"
    assert fastest(measured({"none": [300.0], str(V): [110.0]}), 1).label == str(V)
    assert fastest(measured({"none": [300.0], "2000": ["died"]}), 1) is None
    assert fastest_verdict(measured({"none": [300.0]}), 1) == ()
    (one,) = fastest_verdict(made, 1)[:1]
    assert "one run each" in one


def test_a_tie_is_said_and_a_clear_winner_has_none():
    tied = measured(
        {
            "4096": [104.0, 104.3, 104.1, 104.4],
            "8192": [104.2, 104.1, 104.3, 104.1],
            "16384": [101.0, 101.2, 101.1, 101.3],
            str(V): [100.0, 100.2, 100.1, 100.3],
        }
    )
    first, second, third = fastest_verdict(tied, 1)
    assert first.startswith("4,096 is the fastest of 3 drafts, +4.0")
    assert second == "As it was picked from 3, these intervals hold for all of them at once."
    assert third == "4,096 and 8,192 cannot be told apart."
    clear = measured(
        {
            "4096": [104.0, 104.3, 104.1, 104.4],
            "16384": [101.0, 101.2, 101.1, 101.3],
            str(V): [100.0, 100.2, 100.1, 100.3],
        }
    )
    assert not any("told apart" in said for said in fastest_verdict(clear, 1))


def half_of(sentence: str) -> tuple[float, float]:
    """Gain and half an interval, in percent, as a sentence about one baseline says them."""
    gain, half = sentence.split(", ", 1)[1].split(" over ")[0].split(" % ± ")
    return float(gain.replace("\N{MINUS SIGN}", "-")), float(half)


def test_the_interval_of_the_fastest_holds_although_it_was_picked():
    # Six sizes are 2 % faster than V; whichever had the best runs is looked at.
    sizes = {str(k): 102.0 for k in (1000, 2000, 3000, 4000, 5000, 6000)} | {str(V): 100.0}
    held = plain = 0
    for seed in range(300):
        made = noisy(sizes, 5, 0.01, seed)
        gain, half = half_of(fastest_verdict(made, 1)[0])
        held += abs(gain - 2.0) <= half + 0.05  # the sentence has one decimal
        rows = {row.label: row for row in summary(made, 1)}
        ratio = rows[fastest(made, 1).label].ratios[f"{V:,}"].ratio
        plain += ratio.low <= 1.02 <= ratio.high
    assert held / 300 >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 300)
    assert plain < held  # an interval that ignores the choice holds less often
