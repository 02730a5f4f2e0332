"""Cycle times of settings: what is impossible is refused, what is unlikely is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.settings import ForecastSettings

LLAMA = PRESETS["llama-3.1-8b"]
FULL, TRIMMED = 128_256, 13_264
ROW = 3 * 2 * 4096  # bytes of a head row that a cycle of three steps reads


def cycles(*points: tuple[int, float], **fields):
    return cycle_times(ForecastSettings(2.9, 3, cycles=points, **fields), LLAMA)


def at_rate(bytes_per_s: float) -> tuple[tuple[int, float], tuple[int, float]]:
    """Two cycles between which the saved rows are read at this rate."""
    return (TRIMMED, 0.5), (FULL, 0.5 + (FULL - TRIMMED) * ROW / bytes_per_s)


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (((FULL, 0.0),), "give seconds above 0 and up to 60, such as 0.0168 for 16.8 ms"),
        (((FULL, -0.01),), "k = 128,256 is said to take -0.01 s"),
        (((FULL, 16_800),), "is said to take 16800 s"),
        (((TRIMMED, 0.0149), (FULL, 0.0)), "k = 128,256 is said to take 0 s"),
        (((TRIMMED, -1.0), (FULL, 0.02)), "k = 13,264 is said to take -1 s"),
        (((TRIMMED, 0.02), (FULL, 0.02)), "do not rise with k"),
        (((TRIMMED, 0.03), (FULL, 0.02)), "do not rise with k"),
        (((TRIMMED, 0.0149), (FULL, 0.0149 + 4e-5)), "faster than 8 devices of B200"),
        (((TRIMMED, 14.9), (FULL, 18.8)), "slower than any memory"),
        (((32_000, 14.9), (FULL, 16.8)), "slower than any device here; give .* 0.0149 for 14.9 ms"),
        (((FULL, 16.8),), "give seconds, such as 0.0168 for 16.8 ms"),
        (((FULL, 0.001),), "longer than the 1.00 ms measured for the whole cycle"),
    ],
)
def test_impossible_cycles_are_refused_in_one_sentence(points, message):
    with pytest.raises(InputError, match=message) as refused:
        cycles(*points)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")


@given(st.floats(5, 15))
def test_two_cycles_are_judged_by_the_rate_they_imply(exponent):
    """The rate is that of the rows saved: refused, said or taken by where it lies."""
    rate = 10**exponent
    slowest = min(sheet.bandwidth * sheet.effective[0] for sheet in HARDWARE.values())
    fastest = max(sheet.bandwidth for sheet in HARDWARE.values())
    points = at_rate(rate)
    if points[1][1] > 60 or not 1.001e9 < rate < 7.99 * fastest:
        if not 0.999e9 < rate < 8.01 * fastest or points[1][1] > 60.1:
            with pytest.raises(InputError):
                cycles(*points)
        return
    regime = cycles(*points).regime
    if 1.001 * slowest < rate < 0.999 * fastest:
        assert "check" not in regime
    elif rate < 0.999 * slowest:
        assert "slower than any device here" in regime
    elif rate > 1.001 * fastest:
        assert "faster than one B200" in regime


def test_one_run_is_held_against_the_reading_of_all_weights():
    # 15 GB at 2,039 GB/s are 7.36 ms.
    weights = 2 * LLAMA.target_weights / 2.039e12
    assert weights == pytest.approx(7.36e-3, rel=0.01)
    assert "ms, less than the" in cycles((FULL, 0.9 * weights)).regime
    assert "reads the weights" not in cycles((FULL, 1.1 * weights)).regime
    assert "reads the weights" not in cycles((FULL, 19 * weights)).regime
    assert "more than 20 times the" in cycles((FULL, 21 * weights)).regime


def test_the_papers_cycles_are_taken_without_a_word():
    measured = cycles((TRIMMED, 2.65 / 177.54), (FULL, 2.89 / 172.38))
    assert "check" not in measured.regime
    assert np.isclose(measured.middle.cycle_s(FULL), 2.89 / 172.38)
