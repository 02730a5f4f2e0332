"""The one answer: which size, what is as good, why."""

from __future__ import annotations

import numpy as np
import pytest

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel, order_free_ceiling
from vocabtrim_core.forecast.decision import TrafficForecast, decide
from vocabtrim_core.forecast.decision_text import decision_text, gain_text
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.roofline import roofline
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
    return TrafficForecast(name, "another set", forecast(model, cycles))


def test_the_optimum_of_the_utility_is_served_where_it_is_as_good_as_the_fastest():
    tradeoff = tradeoff_of(zipf(40_000, 1.1))
    text = served("chat", tradeoff.curve.coverage)
    answer = decide(tradeoff, [text])
    low, high = answer.equivalent
    assert low <= answer.recommended_k <= high
    assert answer.k == tradeoff.optimum.k
    assert (answer.recommended_k == answer.k) == (low <= answer.k <= high)
    # What is called equivalent is: against the fastest, the band holds "no difference".
    for k in (low, answer.recommended_k, high):
        assert text.forecast.gain(k, answer.fastest_k).high >= -1e-9
    assert text.forecast.gain(max(low - 500, 1), answer.fastest_k).high < 0 or low <= 500


def test_never_more_tokens_than_the_choosing_text_has_seen():
    tradeoff = tradeoff_of(zipf(900, 0.2))
    # The text to be served has far more tokens, so that the forecast alone asks for many.
    wide = CoverageCurve.of(zipf(60_000, 0.7)).coverage
    answer = decide(tradeoff, [served("wide", wide)])
    assert answer.recommended_k <= 900
    assert answer.equivalent[1] <= 900
    assert answer.fastest_k <= 900


def test_a_chosen_size_stands_and_the_worst_text_is_named():
    tradeoff = tradeoff_of(zipf(40_000, 1.1))
    good, bad = tradeoff.curve.coverage, CoverageCurve.of(zipf(90_000, 0.6)).coverage
    answer = decide(tradeoff, [served("good", good), served("bad", bad)], chosen_k=5_000)
    assert (answer.k, answer.served) == (5_000, "bad")
    assert answer.coverage == pytest.approx(bad[4_999])
    assert set(answer.gains) == {V, 32_000}


def test_the_equivalent_alpha_leads_to_the_fastest_size():
    tradeoff = tradeoff_of(zipf(40_000, 1.1))
    answer = decide(tradeoff, [served("chat", tradeoff.curve.coverage)])
    again = TradeOff(tradeoff.curve, LLAMA, answer.equivalent_alpha)
    count = tradeoff.curve.sorted_counts
    # Sizes whose last tokens occur equally often have one alpha.
    assert count[again.optimum.k - 1] == count[answer.fastest_k - 1]


@pytest.mark.parametrize("seen", [1, 2, 17, 200])
def test_a_text_whose_every_token_pays_is_too_little_to_judge_by(seen):
    tradeoff = tradeoff_of(zipf(seen, 0.1))
    decision = decide(tradeoff, [served("few", tradeoff.curve.coverage)])
    assert decision.too_little
    words = decision_text(decision, V)
    assert words.headline.startswith("Too little text to choose by")
    assert f"Each of the {seen:,} tokens that were seen" in words.caution
    rich = tradeoff_of(zipf(60_000, 1.3))
    assert rich.optimum.k < 60_000
    assert not decide(rich, [served("rich", rich.curve.coverage)]).too_little


@pytest.mark.parametrize(("most", "too_little"), [(59_999, False), (60_000, True), (V, True)])
def test_a_text_is_too_little_where_unlimited_text_may_ask_for_more_than_it_has(most, too_little):
    tradeoff = tradeoff_of(zipf(60_000, 1.3))
    least = tradeoff.optimum.k
    text = served("chat", tradeoff.curve.coverage)
    answer = decide(tradeoff, [text], stability=(least, most))
    assert answer.too_little == too_little
    words = decision_text(answer, V)
    assert words.headline.startswith("Too little text to choose by") == too_little
    assert ("as large as the 60,000 tokens that were seen" in words.caution) == too_little
    # A size of the user's own is judged, with the same caution.
    own = decide(tradeoff, [text], chosen_k=least + 1, stability=(least, most))
    words = decision_text(own, V)
    assert f"{least + 1:,} of 128,256 tokens" in words.headline
    assert ("as large as the 60,000" in words.caution) == too_little


def test_all_tokens_seen_is_never_too_little():
    tradeoff = tradeoff_of(zipf(V, 0.2))
    text = served("all", tradeoff.curve.coverage)
    assert not decide(tradeoff, [text], stability=(1, V)).too_little


def test_an_expected_loss_is_said_before_what_is_not_worth_it():
    tradeoff = tradeoff_of(zipf(40_000, 1.1))
    half = 0.5 + 0.5 * CoverageCurve.of(zipf(90_000, 0.6)).coverage
    answer = decide(tradeoff, [served("far", half)], chosen_k=9_000)
    gain = answer.recommended_gains[V]
    assert gain.middle < 0 <= gain.high
    words = decision_text(answer, V)
    assert words.caution.startswith("A loss is expected on far")


def test_little_to_win_is_said():
    tradeoff = tradeoff_of(zipf(30_000, 1.3))
    h200 = decide(tradeoff, [served("chat", tradeoff.curve.coverage, "h200")], chosen_k=31_000)
    assert not h200.worth_it


@pytest.mark.parametrize(
    ("k", "headline"), [(20, "are too few: serve"), (90_000, "are too many: serve")]
)
def test_a_size_that_is_not_equivalent_is_said_to_be_too_few_or_too_many(k, headline):
    tradeoff = tradeoff_of(zipf(5_000, 1.1))
    answer = decide(tradeoff, [served("chat", tradeoff.curve.coverage)], chosen_k=k)
    text = decision_text(answer, V)
    assert f"{k:,} of 128,256 tokens" in text.headline
    assert headline in text.headline
    assert f"serve {answer.recommended_k:,}." in text.headline
    assert answer.recommended_k in answer.equivalent
    assert f"of {k:,}" in text.expected


def test_the_decision_in_sentences():
    tradeoff = tradeoff_of(zipf(40_000, 1.1))
    text = served("function_calling_test", tradeoff.curve.coverage)
    answer = decide(tradeoff, [text], chosen_k=13_264, stability=(11_000, 15_000))
    words = decision_text(answer, V)
    low, high = answer.equivalent
    assert words.headline == "Serve 13,264 of 128,256 tokens."
    assert words.equivalent.startswith(f"Anything from {low:,} to {high:,} is equivalent")
    assert "Unlimited text of the kind would put k* between 11,000 and 15,000" in words.equivalent
    gain = answer.gains[V]
    assert gain_text(gain) in words.expected
    assert words.expected.endswith("on function_calling_test (another set).")
    assert f"{100 * answer.break_even.coverage:.1f}%" in words.break_even
    assert f"alpha {answer.equivalent_alpha:g}" in words.alpha
