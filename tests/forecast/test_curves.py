"""Gain over the number of streams, and bytes of the head in other formats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vocabtrim_core.draft_presets import PRESETS
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.concurrency import gains_by_streams
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.head_format import head_bytes, same_bytes
from vocabtrim_core.forecast.settings import ForecastSettings

LLAMA = PRESETS["llama-3.1-8b"]
V = LLAMA.vocab_size
ALL_COVERED = AcceptanceModel(np.ones(V), np.full(V, 4.0), 3, 2.89, training="sliced")


def test_the_gain_falls_with_the_streams_and_ends_where_memory_does():
    settings = ForecastSettings(2.89, hardware="a100-80g", context=4096)
    points = gains_by_streams(settings, LLAMA, ALL_COVERED, 13_264, V, (1, 8, 64, 512))
    gains = [point.gain.middle for point in points[:3]]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] > 3 * gains[2]
    assert points[3].gain is None
    assert "GB for the cache" in points[3].reason


@pytest.mark.parametrize("context", [0, 1024, 4096])
def test_the_curve_over_streams_by_hand(context):
    """Llama 3.1 8B on an H100, three drafted tokens: weights, cache and sums in plain numbers."""
    h100 = HARDWARE["h100"]
    bandwidth, flops = h100.expected_bandwidth, h100.flops * sum(h100.effective) / 2
    h, kv, f, layers = 4096, 8 * 128, 14_336, 32
    feed_forward = 3 * h * f
    target = layers * (2 * h * h + 2 * h * kv + feed_forward) + h * V
    draft = 3 * h * h + (2 * h) * (h + 2 * kv) + h * h + feed_forward
    settings = ForecastSettings(2.89, hardware="h100", context=context)
    points = gains_by_streams(settings, LLAMA, ALL_COVERED, 13_264, V)
    assert [point.streams for point in points] == [1, 2, 4, 8, 16, 32, 64]
    for streams, gain, _ in points:
        cache = streams * context * 2 * 2 * kv / bandwidth  # of one layer: keys and values, bf16
        verify = max(2 * target / bandwidth, 2 * target * streams * 4 / flops) + layers * cache
        step = max(2 * draft / bandwidth, 2 * draft * streams / flops) + cache
        row = 3 * max(2 * h / bandwidth, 2 * h * streams / flops)
        cycles = cycle_times(replace(settings, batch=streams), LLAMA)
        accepted = ALL_COVERED.middle[13_264 - 1] / ALL_COVERED.middle[-1]
        by_hand = []
        for overhead, model in zip(h100.overhead, cycles.ends, strict=True):
            fixed = (verify + 3 * step) * (1 + overhead)
            times = [fixed + row * rows for rows in (13_264, V)]
            assert [float(model.cycle_s(rows)) for rows in (13_264, V)] == pytest.approx(times)
            by_hand.append(accepted * times[1] / times[0] - 1)
        assert gain is not None
        assert min(by_hand) <= gain.middle <= max(by_hand)


def test_measured_cycles_have_no_curve():
    settings = ForecastSettings(2.89, cycles=((V, 0.02),))
    with pytest.raises(InputError, match="hold at one batch size"):
        gains_by_streams(settings, LLAMA, ALL_COVERED, 13_264, V)


def test_head_bytes_by_hand():
    found = head_bytes(LLAMA, 3, np.array([1000, V]))
    assert found.by_format["bf16"].tolist() == [3 * 4096 * 2 * 1000, 3 * 4096 * 2 * V]
    assert found.by_format["fp8"][0] == 3 * 4096 * 1000
    # Four bits, and 16 more for each group of 128.
    assert found.by_format["int4"][0] == 3 * 4096 * 1000 * (0.5 + 2 / 128)
    assert found.full == found.by_format["bf16"][1]
    assert same_bytes(10_000, V) == {"bf16": 10_000, "fp8": 20_000, "int4": 38_787}


def test_the_held_out_ceiling_is_that_of_each_fold_under_the_order_of_the_others():
    """Fold by fold, cycle by cycle, in plain Python."""
    from vocabtrim_core.counting.responses import Responses
    from vocabtrim_core.forecast.ceiling import held_out_ceiling
    from vocabtrim_core.generalization.held_out import by_count, folds_of

    rng = np.random.default_rng(1)
    size, talks, depth = 12, 25, 3
    lengths = rng.integers(1, 9, talks)
    ids = (rng.zipf(1.5, int(lengths.sum())) % size).astype(np.uint32)
    at = np.append(0, np.cumsum(lengths))
    responses = Responses(ids, at, np.arange(talks), np.full(talks, -1, np.int16), (), size)
    fold = folds_of(talks)
    for k in (3, 6, 12):
        cycles = 0.0
        for talk in range(talks):
            others = [
                i for t in range(talks) if fold[t] != fold[talk] for i in ids[at[t] : at[t + 1]]
            ]
            counts = np.bincount(others, minlength=size)
            kept = set(sorted(range(size), key=lambda i: (-counts[i], i))[:k])
            left = [int(i) in kept for i in ids[at[talk] : at[talk + 1]]]
            while left:
                run = next((n for n, inside in enumerate(left) if not inside), len(left))
                step = min(run, depth) + 1
                cycles += min(1.0, len(left) / (depth + 1)) if run == len(left) < depth + 1 else 1
                left = left[step:]
        found = held_out_ceiling(responses, by_count).length(depth)[k - 1]
        assert found == pytest.approx(len(ids) / cycles)
