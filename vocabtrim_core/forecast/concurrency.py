"""The gain of a size at other numbers of sequences decoded together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.cycle_times import cycle_times
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.forecast.throughput import Gain, forecast

STREAMS = (1, 2, 4, 8, 16, 32, 64)


class StreamGain(NamedTuple):
    """The gain with a number of sequences decoded together.

    Attributes:
        streams: Number of sequences.
        gain: None where there is no cycle time.
        reason: Why there is none, a sentence; empty otherwise.
    """

    streams: int
    gain: Gain | None
    reason: str = ""


def gains_by_streams(
    settings: ForecastSettings,
    architecture: DraftArchitecture,
    acceptance: AcceptanceModel,
    k: int,
    baseline_k: int,
    streams: Sequence[int] = STREAMS,
) -> list[StreamGain]:
    """The gain of k over baseline_k for each number of sequences.

    Args:
        settings: What the forecast assumes; its batch is replaced. With measured cycles there is
            no curve, for they hold at one batch.
        architecture: Shapes of the draft and its target.
        acceptance: Acceptance length at every k.
        k: The size, 1..V.
        baseline_k: The size compared with.
        streams: Numbers of sequences.

    Returns:
        One entry per number of sequences.

    Raises:
        InputError: The settings hold measured cycles, or give no cycle time at any batch.
    """
    if settings.cycles:
        raise InputError("Measured cycle times hold at one batch size, so there is no curve.")
    points: list[StreamGain] = []
    for batch in streams:
        try:
            cycles = cycle_times(replace(settings, batch=batch), architecture)
        except InputError as error:
            if batch == streams[0]:
                raise
            points.append(StreamGain(batch, None, str(error)))
            continue
        points.append(StreamGain(batch, forecast(acceptance, cycles).gain(k, baseline_k)))
    return points
