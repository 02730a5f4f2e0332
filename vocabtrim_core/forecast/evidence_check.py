"""Each measurement of the evidence beside the forecast made without it.

A forecast sees of a row what is known before the trimmed draft is run: shapes, device, the
baseline's acceptance length and cycle time, coverage.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import (
    AcceptanceModel,
    full_length_from,
    order_free_ceiling,
)
from vocabtrim_core.forecast.band import Z, around
from vocabtrim_core.forecast.cycle_model import CycleRange
from vocabtrim_core.forecast.devices import device
from vocabtrim_core.forecast.evidence import CLASSES, Evidence
from vocabtrim_core.forecast.retraining import LENGTH_NOISE
from vocabtrim_core.forecast.roofline import from_one_run
from vocabtrim_core.forecast.throughput import Forecast, Gain

PAIRS = ("P", "L", "Q")
# Where a source does not say what a list of so many tokens covers: the least, expected and most.
LEAST_WITHOUT_COVERAGE = 32_000
UNKNOWN_COVERAGE = (0.93, 0.97, 0.999)


@dataclass(frozen=True, slots=True)
class Checked:
    """A measurement beside its forecast.

    Attributes:
        evidence: The measurement.
        forecast: Relative gain; None where there is none.
        refused: Why there is none, a sentence; empty otherwise.
    """

    evidence: Evidence
    forecast: Gain | None
    refused: str = ""

    @property
    def inside(self) -> bool | None:
        """Whether the measured gain lies in the band; None without forecast or gain."""
        observed = self.evidence.observed
        if self.forecast is None or observed is None:
            return None
        return self.forecast.low <= observed <= self.forecast.high

    @property
    def error(self) -> float | None:
        """Expected less measured gain."""
        observed = self.evidence.observed
        if self.forecast is None or observed is None:
            return None
        return self.forecast.middle - observed


class Score(NamedTuple):
    """How well forecasts did.

    Attributes:
        pairs: Measurements with a forecast and a gain.
        inside: Those in the band.
        median_error: Median absolute error of the expected gain, 0.01 = one point.
        median_width: Median width of the band.
    """

    pairs: int
    inside: int
    median_error: float
    median_width: float


def check(row: Evidence) -> Checked:
    """A measurement beside the forecast that is made without it.

    The band is that of the forecast together with the noise of the measurement.

    Args:
        row: The measurement.

    Returns:
        The forecast, or the reason why there is none.
    """
    try:
        return Checked(row, _forecast_of(row))
    except InputError as error:
        return Checked(row, None, str(error))


def _forecast_of(row: Evidence) -> Gain:
    if row.kind not in PAIRS:
        raise InputError(f"No pair to compare: {CLASSES[row.kind]}.")
    if not (row.hidden_size and row.vocab_size and row.k and row.k_base and row.depth):
        raise InputError("The source does not give the head's shape and the drafted tokens.")
    if row.head_bytes_base is None:
        raise InputError("The source does not say in how many bits the head is stored.")
    _check_lengths(row)
    cycle_s = _cycle_s(row)
    if cycle_s is None:
        raise InputError("The source gives no cycle time of the baseline.")
    if row.equal_acceptance or row.kind == "Q":
        return _with_noise(_cycle_gain(row, cycle_s), row.noise)
    least = row.vocab_size if row.kind == "L" else LEAST_WITHOUT_COVERAGE
    if row.coverage_k is None and row.k < least:
        raise InputError("The source does not say what share of the text the list covers.")
    return _with_noise(_trimmed(row, cycle_s), row.noise)


def _check_lengths(row: Evidence) -> None:
    """InputError where a length is more than a perfect draft reaches at the stated coverage."""
    for length, coverage in (
        (row.length_base, row.coverage_base),
        (row.length_k, row.coverage_k),
    ):
        if length is None or coverage is None:
            continue
        (most,) = order_free_ceiling(np.array([coverage]), row.depth)
        if length > most * np.exp(Z * LENGTH_NOISE):
            raise InputError(
                f"An acceptance length of {length:g} contradicts a coverage of {coverage:.1%}: a "
                f"perfect draft reaches {most:.2f}; check both."
            )


def _with_noise(gain: Gain, noise: float) -> Gain:
    """The band of what would be measured."""
    return _widened(gain, (-Z * noise, Z * noise))


def _widened(gain: Gain, deviation: tuple[float, float]) -> Gain:
    """The same gain with the log deviations of one more independent assumption."""
    low, middle, high = (1 + end for end in gain)
    own = (np.log(low / middle), np.log(high / middle))
    return Gain(*(float(end) - 1 for end in around(middle, [own, deviation])))


def _cycle_s(row: Evidence) -> float | None:
    """Seconds per cycle of the baseline: given, or acceptance length over throughput."""
    if row.cycle_ms_base is not None:
        return row.cycle_ms_base / 1e3
    if row.length_base is not None and row.throughput_base:
        return row.length_base * row.batch / row.throughput_base
    return None


def _cycle_gain(row: Evidence, cycle_s: float) -> Gain:
    """What fewer bytes of head alone give, between the ends of the device's bandwidth."""
    hardware, base = device(row.device), row.head_bytes_base or 0.0
    head_bytes = base if row.head_bytes_k is None else row.head_bytes_k
    saved = row.depth * row.hidden_size / row.ranks * (row.k_base * base - row.k * head_bytes)
    times = [cycle_s - saved / (hardware.bandwidth * share) for share in hardware.effective]
    if min(times) <= 0:
        raise InputError(
            f"Reading the head takes longer on {hardware.name} than the baseline's whole cycle."
        )
    low, high = sorted(cycle_s / time - 1 for time in times)
    return Gain(low, cycle_s / (sum(times) / 2) - 1, high)


def _trimmed(row: Evidence, cycle_s: float) -> Gain:
    row_bytes = row.depth * row.hidden_size / row.ranks * (row.head_bytes_base or 0.0)
    cycles = from_one_run(row.k_base, cycle_s, device(row.device), row_bytes)
    length = row.length_base
    if length is None:
        if not row.throughput_base:
            raise InputError("The source gives no acceptance length of the baseline.")
        length = row.throughput_base * cycle_s / row.batch
    covers = (row.coverage_k,) if row.coverage_k is not None else UNKNOWN_COVERAGE
    forecasts = [_forecast(row, length, cover, cycles) for cover in covers]
    head_bytes = (row.head_bytes_k or 1.0, row.head_bytes_base or 1.0)
    rows = round(row.k * head_bytes[0] / head_bytes[1]) if row.head_bytes_k else row.k
    expected_gain = forecasts[len(forecasts) // 2].gain(rows, row.k_base, row.k)
    if len(covers) == 1:
        return expected_gain
    least, most = (
        float(np.log((1 + f.gain(rows, row.k_base, row.k).middle) / (1 + expected_gain.middle)))
        for f in forecasts[::2]
    )
    return _widened(expected_gain, (least, most))


def _forecast(row: Evidence, length: float, cover: float, cycles: CycleRange) -> Forecast:
    """A forecast over sizes whose coverage is known at two of them only."""
    coverage = np.ones(row.vocab_size)
    known = {row.k: cover, row.k_base: row.coverage_base if row.coverage_base else 1.0}
    for k in sorted(known, reverse=True):
        coverage[:k] = known[k]
    coverage[-1] = 1.0
    full, ends = length, ()
    if row.k_base < row.vocab_size:
        full, *ends = full_length_from({row.k_base: length}, coverage, row.depth, row.training)
    ceiling = np.full(row.vocab_size, row.depth + 1.0)
    model = AcceptanceModel(
        coverage, ceiling, row.depth, full, training=row.training, full_range=tuple(ends)
    )
    return Forecast(model, cycles, row.k_base)


def score(checked: Iterable[Checked]) -> Score | None:
    """Score the forecasts of pairs that have a measured gain.

    Args:
        checked: Measurements with their forecasts.

    Returns:
        Hit rate of the band and errors of the middle; None without any pair.
    """
    rows: Sequence[Checked] = [row for row in checked if row.inside is not None]
    if not rows:
        return None
    errors = [abs(row.error) for row in rows if row.error is not None]
    widths = [row.forecast.high - row.forecast.low for row in rows if row.forecast]
    return Score(len(rows), sum(bool(row.inside) for row in rows), median(errors), median(widths))
