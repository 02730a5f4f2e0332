"""The one answer: which size, what is as good, why."""

from __future__ import annotations

import numpy as np
import pytest

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import PRESETS
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel, order_free_ceiling
from vocabtrim_core.forecast.cycle_model import roofline
from vocabtrim_core.forecast.decision import Served, decide
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.throughput import forecast
from vocabtrim_core.tradeoff import TradeOff

LLAMA = PRESETS["llama-3.1-8b"]
V = LLAMA.vocab_size


def zipf(distinct, exponent):
    """Counts that fall like a power law over so many distinct tokens."""
    counts = np.zeros(V)
    counts[:distinct] = np.ceil(1e7 / np.arange(1, distinct + 1) ** exponent)
    return counts


def tradeoff_of(counts, **more):
    return TradeOff(CoverageCurve.of(counts), LLAMA, **more)


def served(name, coverage, device="a100-80g"):
    model = AcceptanceModel(coverage, order_free_ceiling(coverage, 3), 3, 2.89)
    cycles = roofline(LLAMA, HARDWARE[device], 3, context=512)
    return Served(name, "another set", forecast(model, cycles))


def test_the_optimum_of_the_utility_is_served_where_it_is_as_good_as_the_fastest():
    tradeoff = tradeoff_of(zipf(40_000, 1.1))
    text = served("chat", tradeoff.curve.coverage)
    answer = decide(tradeoff, [text])
    low, high = answer.equivalent
    assert low <= answer.k <= high
    if low <= tradeoff.optimum.k <= high:
        assert (answer.k, answer.reason) == (tradeoff.optimum.k, "utility")
    # What is called equivalent is: against the fastest, the band holds "no difference".
    for k in (low, answer.k, high):
        assert text.forecast.gain(k, answer.fastest_k).high >= -1e-9
    assert text.forecast.gain(max(low - 500, 1), answer.fastest_k).high < 0 or low <= 500


def test_never_more_tokens_than_the_choosing_text_has_seen():
    tradeoff = tradeoff_of(zipf(900, 0.2))
    # The text to be served has far more tokens, so that the forecast alone asks for many.
    wide = CoverageCurve.of(zipf(60_000, 0.7)).coverage
    answer = decide(tradeoff, [served("wide", wide)])
    assert answer.k <= 900
    assert answer.equivalent[1] <= 900
    assert answer.fastest_k <= 900


def test_a_chosen_size_stands_and_the_worst_text_is_named():
    tradeoff = tradeoff_of(zipf(40_000, 1.1))
    good, bad = tradeoff.curve.coverage, CoverageCurve.of(zipf(90_000, 0.6)).coverage
    answer = decide(tradeoff, [served("good", good), served("bad", bad)], chosen_k=5_000)
    assert (answer.k, answer.reason, answer.served) == (5_000, "chosen", "bad")
    assert answer.coverage == pytest.approx(bad[4_999])
    assert set(answer.gains) == {V, 32_000}


def test_the_equivalent_alpha_leads_to_the_fastest_size():
    tradeoff = tradeoff_of(zipf(40_000, 1.1))
    answer = decide(tradeoff, [served("chat", tradeoff.curve.coverage)])
    again = TradeOff(tradeoff.curve, LLAMA, answer.equivalent_alpha)
    count = tradeoff.curve.sorted_counts
    # Sizes whose last tokens occur equally often have one alpha.
    assert count[again.optimum.k - 1] == count[answer.fastest_k - 1]


def test_little_to_win_is_said():
    tradeoff = tradeoff_of(zipf(30_000, 1.3))
    h200 = decide(tradeoff, [served("chat", tradeoff.curve.coverage, "h200")], chosen_k=31_000)
    assert not h200.worth_it
