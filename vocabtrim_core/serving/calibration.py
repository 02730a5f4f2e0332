"""What measurements tell the forecast: cycle times, acceptance lengths, and how far it is off.

A cycle of a run takes acceptance length * concurrency / throughput. The line through the cycle
times of several k is the cycle model; the acceptance lengths narrow the acceptance model. Both
hold for one shape (steps, top-k, draft tokens) at one concurrency, which is never mixed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.cycle_model import CycleModel, CycleRange
from vocabtrim_core.forecast.inputs import inferred_length
from vocabtrim_core.forecast.throughput import AcceptanceModel, Forecast
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run
from vocabtrim_core.serving.statistics import (
    RatioInterval,
    acceptance_length,
    interval,
    listed,
    quantile,
)

if TYPE_CHECKING:
    from vocabtrim_core.serving.latency_probe import Probe

LEAST_SHARE = 0.01  # of the fitted slope: the slow end where the runs do not exclude a slope of 0


@dataclass(frozen=True, slots=True)
class Point:
    """One measured k: acceptance length (ratio of sums), seconds per cycle, output tokens/s."""

    k: int
    label: str
    length: float
    cycle: RatioInterval
    throughput: RatioInterval
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The sizes of one shape at one concurrency, by ascending k, with what was measured there."""

    measurement: Measurement
    concurrency: int
    steps: int
    topk: int
    points: tuple[Point, ...]

    @property
    def lengths(self) -> dict[int, float]:
        """k -> acceptance length."""
        return {point.k: point.length for point in self.points}

    @property
    def where(self) -> str:
        """Engine, device and shape, to go into a sentence."""
        about = self.measurement
        parts = [
            about.engine,
            f"on {about.device}" if about.device else "",
            f"with {about.prompts}, {self.concurrency} at once",
        ]
        steps = f", {self.steps} draft steps" if self.steps else ""
        return " ".join(filter(None, parts)) + steps

    def cycles(self, without: int | None = None) -> CycleRange:
        """The line through the cycle times, `without` one k; InputError for fewer than two."""
        points = [point for point in self.points if point.k != without]
        if len(points) < 2:
            sizes = listed([f"k = {point.k:,}" for point in points]) if points else "none"
            raise InputError(
                "Calibrating the cycle time needs drafts of two sizes at least, measured with the "
                f"same steps at the same concurrency, but {self.measurement.prompts} has {sizes}."
            )
        return _line(points, self.where)


def calibration(measurement: Measurement, concurrency: int | None = None) -> Calibration:
    """The shape and concurrency of a measurement with the most sizes; ties go to more runs.

    concurrency None chooses among all. InputError when no run tells a size and an acceptance.
    """
    found: dict[tuple[int, int, int, int], list[Point]] = {}
    for each in measurement.configurations:
        for at in measurement.concurrencies if concurrency is None else (concurrency,):
            point = _point(measurement, each, at)
            if point:
                shape = (at, each.steps, each.topk, each.draft_tokens)
                found.setdefault(shape, []).append(point)
    if not found:
        raise InputError(_nothing(measurement, concurrency))

    def amount(shape: tuple[int, int, int, int]) -> tuple[int, int, int]:
        points = found[shape]
        runs = sum(len(point.runs) for point in points)
        return len({point.k for point in points}), runs, -shape[0]

    best = max(found, key=amount)
    by_k = {point.k: point for point in reversed(found[best])}  # the first draft of each size
    return Calibration(measurement, *best[:3], tuple(by_k[k] for k in sorted(by_k)))


def _point(measurement: Measurement, each: Configuration, concurrency: int) -> Point | None:
    runs = tuple(run for run in measurement.good(each.label, concurrency) if run.cycle_s)
    length = acceptance_length(runs)
    if each.k is None or length is None:
        return None
    cycles = interval([run.cycle_s for run in runs if run.cycle_s])
    rates = interval([run.throughput for run in runs])
    return Point(each.k, each.label, length, cycles, rates, runs)


def _nothing(measurement: Measurement, concurrency: int | None) -> str:
    at = "" if concurrency is None else f" at concurrency {concurrency}"
    text = f"{measurement.prompts} on {measurement.engine} has no draft of a known size{at}"
    if concurrency is not None and concurrency not in measurement.concurrencies:
        known = listed([str(each) for each in measurement.concurrencies])
        return f"{text}; it was measured at {known}."
    if all(each.k is None for each in measurement.configurations):
        return f"{text}; import it again and give the sizes with --k."
    return f"{text} whose acceptance length and throughput are known."


def cycle_range(measurement: Measurement, concurrency: int | None = None) -> CycleRange:
    """T(k) from the runs of a measurement; InputError for fewer than two k."""
    return calibration(measurement, concurrency).cycles()


def acceptance_points(measurement: Measurement, concurrency: int | None = None) -> dict[int, float]:
    """k -> acceptance length, of the shape that `calibration` chooses."""
    return calibration(measurement, concurrency).lengths


def _line(points: Sequence[Point], where: str) -> CycleRange:
    """The line through the cycle times of runs, compared within rounds of runs."""
    rows = [(run.index, point.k, run.cycle_s) for point in points for run in point.runs]
    return fitted_range(np.array(rows, float), where)


def probed_range(
    probe: Probe, *, batch: int = 1, depth: int = 3, verify_s: float | None = None
) -> CycleRange:
    """T(k) from the timed steps of a draft and the time of a verification.

    InputError for a batch that was not probed, a verification that is not known, or one size.
    """
    points = probe.cycle_points(batch, depth, verify_s)
    rows = np.array([(0, k, seconds) for k, seconds in points], float)
    where = f"{probe.device}, {batch} at once, {depth} draft steps, random weights"
    return fitted_range(rows, where)


def fitted_range(rows: np.ndarray, where: str) -> CycleRange:
    """Least squares over float64[n, 3] (round, k, seconds), within rounds.

    Runs of a round followed each other closely, so what changes from one round to the next drops
    out, as in a paired test. The two ends are the 95 % interval of the slope, both through the mean
    of all. InputError where no round has two sizes, or the time does not rise with k.
    """
    rounds, index = np.unique(rows[:, 0], return_inverse=True)
    sizes = np.bincount(index)
    means = np.stack([np.bincount(index, column) / sizes for column in rows[:, 1:].T], axis=1)
    centred = rows[:, 1:] - means[index]
    spread = (centred[:, 0] ** 2).sum()
    if not spread:
        raise InputError(f"No two sizes of {where} were measured in turns; measure two sizes so.")
    slope = float((centred[:, 0] * centred[:, 1]).sum() / spread)
    if slope <= 0:
        raise InputError(
            f"The cycle takes no longer at larger k on {where}, so these times are too noisy to "
            "calibrate with; measure sizes further apart, or more runs."
        )
    k, seconds = rows[:, 1].mean(), rows[:, 2].mean()
    freedom = len(rows) - len(rounds) - 1
    half = 0.0
    if freedom > 0:
        rest = centred[:, 1] - slope * centred[:, 0]
        half = quantile(freedom) * float(np.sqrt((rest**2).sum() / freedom / spread))
    fast, slow = (
        CycleModel(max(seconds - row_s * k, 0.0), row_s, f"measured on {where}")
        for row_s in (min(slope + half, seconds / k), max(slope - half, LEAST_SHARE * slope))
    )
    sure = "One run at each of two sizes, so how sure the line is cannot be said."
    if freedom:
        sure = f"The time of a head row is known to ± {half / slope:.0%}"
        sure += ", so k may make no difference." if half >= slope else "."
    return CycleRange(fast, slow, f"Holds for what was measured: {where}. {sure}")


def with_lengths(
    model: AcceptanceModel, lengths: Mapping[int, float], full_length: float | None = None
) -> AcceptanceModel:
    """The same text with these measured lengths alone, also where V's is not among them.

    full_length: of the full draft where the user knows it. InputError for a k above V.
    """
    full = lengths.get(len(model.coverage)) if full_length is None else full_length
    if full is None:
        full, _ = inferred_length(lengths, model.coverage, model.depth)
    return replace(model, full_length=full, measured=dict(lengths))


# --- predicted against measured ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CalibrationCheck:
    """Output tokens/s at one measured k against the forecast.

    fitted: the k's own runs are in the forecast, so agreement proves nothing; otherwise it was
    made from the other sizes alone.  low, predicted, high: least, middle, most.  lengths: the
    forecast's least and most acceptance length.
    """

    k: int
    label: str
    measured: RatioInterval
    low: float
    predicted: float
    high: float
    length: float
    lengths: tuple[float, float]
    fitted: bool

    @property
    def error(self) -> float:
        """Relative error of the prediction, 0.02 = 2 % too high."""
        return self.predicted / self.measured.mean - 1


def checks(
    found: Calibration, predict: Callable[[Mapping[int, float], CycleRange], Forecast]
) -> tuple[CalibrationCheck, ...]:
    """Every measured k against the forecast from the other sizes.

    predict: acceptance lengths and cycle times -> forecast. With two sizes none can be left out,
    and with a third one only when the other two make a line; what cannot be predicted is marked
    as fitted.
    """
    return tuple(_check(found, point, predict) for point in found.points)


def _check(
    found: Calibration,
    point: Point,
    predict: Callable[[Mapping[int, float], CycleRange], Forecast],
) -> CalibrationCheck:
    try:
        cycles, fitted = found.cycles(without=point.k), False
    except InputError:
        cycles, fitted = found.cycles(), True
    lengths = {k: v for k, v in found.lengths.items() if fitted or k != point.k}
    made = predict(lengths, cycles)
    pair = (float(made.lengths[0][point.k - 1]), float(made.lengths[1][point.k - 1]))
    rates = found.concurrency * made.rates(np.array([point.k]))
    middle = float(np.exp(np.log(rates).mean()))
    return CalibrationCheck(
        point.k,
        point.label,
        point.throughput,
        float(rates.min()),
        middle,
        float(rates.max()),
        point.length,
        pair,
        fitted,
    )
