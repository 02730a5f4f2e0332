"""The acceptance model, against a naive one and by hand."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import (
    AcceptanceModel,
    expected_tokens,
    full_length_from,
    order_free_ceiling,
    position_rates,
)
from vocabtrim_core.forecast.ceiling import ceiling
from vocabtrim_core.forecast.cycle_model import CycleModel, CycleRange
from vocabtrim_core.forecast.retraining import RARITY, RETRAININGS
from vocabtrim_core.forecast.throughput import forecast

COVERAGE = np.array([0.5, 0.75, 0.9, 0.96, 0.99, 1.0])
CEILING = np.array([1.6, 2.4, 3.1, 3.6, 3.9, 4.0])


def naive_length(rates, coverage, rarity, delta, top):
    """The model's formula, one number at a time."""
    total = product = 1.0
    for rate in rates:
        theta = 1 / (1 + math.exp(-(math.log(rate / (1 - rate)) - rarity)))
        product *= min((rate - theta * (1 - coverage)) * math.exp(delta), coverage)
        total += product
    return min(total, top)


@given(st.floats(1, 4), st.integers(1, 8))
def test_position_rates_give_the_length(length, depth):
    length = min(length, depth + 1)
    rates = position_rates(length, depth)
    assert expected_tokens(rates) == pytest.approx(length, abs=1e-6)
    assert ((rates >= 0) & (rates <= 1)).all()


def test_lengths_of_deeper_drafts_from_that_at_three():
    # SpecBundle, Llama-3.1-8B on MT-Bench: 2.898, 3.516 and 3.856 tokens at K = 3, 5 and 7.
    first = position_rates(2.898, 3)[0]
    for depth, measured in ((5, 3.516), (7, 3.856)):
        assert expected_tokens(first * 0.98 ** np.arange(depth)) == pytest.approx(
            measured, rel=0.01
        )


@pytest.mark.parametrize("name", RETRAININGS)
def test_the_model_is_its_formula(name):
    terms = RETRAININGS[name]
    model = AcceptanceModel(COVERAGE, CEILING, 3, 3.0, training=name)
    rates = position_rates(3.0, 3)
    for k in range(1, 6):
        at = (COVERAGE[k - 1], CEILING[k - 1])
        expected = naive_length(rates, at[0], RARITY[0], terms.shift, at[1])
        assert model.middle[k - 1] == pytest.approx(expected)
        for z, end in zip((-1, 1), model.spreads["training"], strict=True):
            shifted = terms.shift + z * 1.6449 * terms.spread
            assert end[k - 1] == pytest.approx(
                naive_length(rates, at[0], RARITY[0], shifted, at[1])
            )
    assert model.middle[-1] == 3.0


def test_only_the_training_term_is_left_where_all_is_covered():
    model = AcceptanceModel(np.ones(6), np.full(6, 4.0), 3, 3.0, training="sliced")
    terms, rates = RETRAININGS["sliced"], position_rates(3.0, 3)
    shifted = [
        expected_tokens(rates * math.exp(terms.shift + z * 1.6449 * terms.spread))
        for z in (-1, 0, 1)
    ]
    low, high = model.interval()
    assert model.middle[:5] == pytest.approx([shifted[1]] * 5)
    assert (low[0], high[0]) == (pytest.approx(shifted[0]), pytest.approx(shifted[2]))
    assert (low[-1], high[-1]) == (3.0, 3.0)


@given(
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(1, 4),
    st.sampled_from(["sliced", "other-text", "same-text", "short"]),
)
def test_more_coverage_is_never_accepted_less(one, other, full, training):
    coverage = np.array([*sorted((one, other)), 1.0])
    model = AcceptanceModel(coverage, np.full(3, 4.0), 3, full, training=training)
    assert model.middle[0] <= model.middle[1] + 1e-9
    low, high = model.interval()
    assert (low <= model.middle + 1e-9).all()
    assert (model.middle <= high + 1e-9).all()
    assert (low >= 1).all()
    assert (high <= 4).all()


def test_measured_positions_replace_the_assumed_shape():
    rates = (0.9, 0.6, 0.3)
    full = expected_tokens(rates)
    model = AcceptanceModel(COVERAGE, np.full(6, 4.0), 3, full, training="sliced", rates=rates)
    terms = (RARITY[0], RETRAININGS["sliced"].shift)
    assert model.middle[2] == pytest.approx(naive_length(rates, 0.9, *terms, 4.0))


def test_a_measured_length_closes_the_band_at_its_k():
    wide = AcceptanceModel(COVERAGE, CEILING, 3, 3.0)
    model = AcceptanceModel(COVERAGE, CEILING, 3, 3.0, {3: 2.8})
    low, high = model.interval()
    assert (low[2], high[2]) == (pytest.approx(2.8), pytest.approx(2.8))
    wide_low, wide_high = wide.interval()
    assert high[3] / low[3] < wide_high[3] / wide_low[3]
    assert low[-1] == pytest.approx(3.0)


@given(st.dictionaries(st.integers(1, 5), st.floats(1, 4), max_size=3), st.floats(1, 4))
def test_the_band_holds_what_was_measured(measured, full):
    low, high = AcceptanceModel(COVERAGE, CEILING, 3, full, measured).interval()
    assert (low >= 1).all()
    assert (high <= 4).all()
    assert (low <= high + 1e-9).all()
    for k, length in measured.items():
        assert low[k - 1] == pytest.approx(length)
        assert high[k - 1] == pytest.approx(length)


def test_an_inferred_full_length_widens_every_band_but_that_of_the_measured_size():
    sure = AcceptanceModel(COVERAGE, CEILING, 3, 3.0, {4: 2.7})
    unsure = AcceptanceModel(COVERAGE, CEILING, 3, 3.0, {4: 2.7}, full_range=(2.8, 3.3))
    assert unsure.middle == pytest.approx(sure.middle)
    (low, high), (narrow_low, narrow_high) = unsure.interval(), sure.interval()
    assert (low[-1], high[-1]) == (pytest.approx(2.8), pytest.approx(3.3))
    assert (low[3], high[3]) == (pytest.approx(2.7), pytest.approx(2.7))
    for k in (1, 2, 3, 5):
        assert low[k - 1] <= narrow_low[k - 1] + 1e-9
        assert high[k - 1] >= narrow_high[k - 1] - 1e-9
    # Over all tokens the measured size gains 2.7 over what the full draft may have.
    cycles = CycleModel(4.0, 0.2, "made up")
    gain = forecast(unsure, CycleRange(cycles, cycles)).gain(4, 6)
    faster = (4 + 0.2 * 6) / (4 + 0.2 * 4)
    expected = [2.7 / full * faster - 1 for full in (3.3, 3.0, 2.8)]
    assert gain == pytest.approx(expected)


@given(st.floats(1.1, 3.9), st.floats(0, 1), st.floats(0, 1))
def test_the_ends_of_an_unsure_length_are_the_models_of_these_lengths(full, below, above):
    ends = (1 + below * (full - 1), full + above * (4 - full))
    model = AcceptanceModel(COVERAGE, CEILING, 3, full, full_range=ends)
    for end, lengths in zip(ends, model.spreads["full length"], strict=True):
        expected = AcceptanceModel(COVERAGE, CEILING, 3, end).middle
        assert lengths == pytest.approx(expected, rel=1e-5)


def test_a_length_that_cannot_be_is_named_with_its_own_size():
    with pytest.raises(InputError, match=r"within 1\.\.4, but 4\.5 is given for k = 5"):
        full_length_from({5: 4.5}, COVERAGE, 3, "sliced")


def test_noise_of_the_measured_length_widens_the_inferred_one():
    curve = np.array([0.97, 0.97, 1.0])
    sure, noisy = (full_length_from({2: 2.5}, curve, 3, "sliced", noise) for noise in (0.0, 0.03))
    assert noisy[0] == pytest.approx(sure[0])
    assert noisy[1] < sure[1] <= sure[0] <= sure[2] < noisy[2]
    # Where the model itself is all but sure, what is left is the noise: 5 % and 95 % of it.
    covered = full_length_from({1: 2.5}, np.array([1.0, 1.0]), 3, "sliced", 0.03)
    by_hand = RETRAININGS["sliced"].spread * 1.6449 * 2  # about, two positions' worth
    assert math.log(covered[2] / covered[0]) == pytest.approx(
        math.hypot(1.6449 * 0.03, by_hand), rel=0.3
    )


@given(st.floats(1.2, 3.5), st.floats(0.6, 0.999), st.sampled_from(list(RETRAININGS)))
def test_the_full_length_leads_back_to_the_measured_one(length, coverage, training):
    curve = np.array([coverage, coverage, 1.0])
    full, least, most = full_length_from({2: length}, curve, 3, training)
    assert least - 1e-6 <= full <= most + 1e-6
    if 1 < full < 4:
        model = AcceptanceModel(curve, np.full(3, 4.0), 3, full, training=training)
        assert model.middle[1] == pytest.approx(length, abs=1e-4)


def test_order_free_ceiling_holds_in_every_order():
    # Three kept tokens of four: at best one cycle of three and one of the missing token's.
    kept = np.array([0, 0, 0, 1], np.uint32)
    for order in set(permutations(kept.tolist())):
        text = [(np.array(order, np.uint32), np.array([0, 4]))]
        exact = ceiling(text, np.arange(2)).length(3)
        assert (exact <= order_free_ceiling(np.array([0.75, 1.0]), 3) + 1e-9).all()
    assert order_free_ceiling(np.array([0.0, 0.5, 0.75, 1.0]), 3).tolist() == [1, 2, 4, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 4.5), r"within 1\.\.4, but 4\.5"),
        ((3, 3.0, {9: 2.0}), r"k = 9 is outside"),
        ((3, 3.0, {6: 2.9}), "given twice"),
        ((3, 3.0, {}, "by magic"), "no way 'by magic'"),
        ((3, 3.0, {}, "sliced", (), (3.1, 3.5)), "between a least and a most"),
        ((3, 3.0, {}, "sliced", (), (0.5, 3.5)), "between a least and a most"),
        ((3, 3.0, {}, "sliced", (), (2.5,)), "between a least and a most"),
        ((3, 3.0, {}, "sliced", (0.5, 0.5)), "is 3 shares"),
        ((3, 3.0, {}, "sliced", (0.5, 0.5, 0.5)), "an acceptance length of 1.88"),
    ],
)
def test_bad_input_is_one_sentence(arguments, message):
    with pytest.raises(InputError, match=message):
        AcceptanceModel(COVERAGE, CEILING, *arguments)
