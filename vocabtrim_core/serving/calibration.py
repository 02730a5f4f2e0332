"""Calibration of the forecast with measurements, and the error of its predictions.

A cycle of a run takes concurrency * seconds / verifications. The cycle model is the line through
the cycle times of several k. The measured acceptance lengths narrow the acceptance model. Length
over cycle time is the rate of the tokens that cycles give, so it is compared with the measured rate
without the first tokens of answers. Both models hold for one shape (steps, top-k, draft tokens) at
one concurrency; runs of different shapes or concurrencies are never combined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel, full_length_from
from vocabtrim_core.forecast.band import Z
from vocabtrim_core.forecast.cycle_model import CycleModel, CycleRange
from vocabtrim_core.forecast.retraining import LENGTH_NOISE
from vocabtrim_core.forecast.throughput import Forecast
from vocabtrim_core.serving.measurement import Configuration, Measurement, Run
from vocabtrim_core.serving.statistics import (
    RatioInterval,
    acceptance_length,
    interval,
    position_acceptance,
    quantile,
)
from vocabtrim_core.wording import listed

if TYPE_CHECKING:
    from vocabtrim_core.serving.latency_probe import Probe

LEAST_SHARE = 0.01  # of the fitted slope: the lower end where the runs do not exclude a slope of 0


@dataclass(frozen=True, slots=True)
class Point:
    """The runs with one draft.

    Attributes:
        k: Draft vocabulary size.
        label: Label of the configuration.
        length: Acceptance length, a ratio of sums over the runs.
        cycle: Seconds per cycle.
        decode_rate: Output tokens per second, without the first of each answer.
        runs: The runs.
    """

    k: int
    label: str
    length: float
    cycle: RatioInterval
    decode_rate: RatioInterval
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The measured drafts of one shape at one concurrency.

    Attributes:
        measurement: The measurement they are from.
        concurrency: Requests at once.
        steps: Draft steps per cycle; 0 where unknown.
        topk: Branches per step, 1 for a chain.
        points: One for each size, by ascending k.
    """

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
    def length_noise(self) -> float:
        """Standard deviation of the logarithm of the largest size's acceptance length.

        The larger of two: what its runs differ by, with the width that few of them need, and what
        other prompts would change, which runs over the same prompts do not show: from the answers,
        else the one of measurements whose runs are not known.
        """
        runs = self.points[-1].runs
        prompts = max((run.prompt_noise or 0.0 for run in runs), default=0.0) or LENGTH_NOISE
        values = [length for run in runs if (length := acceptance_length([run]))]
        if len(values) < 2:
            return prompts
        spread = interval(np.log(values), confidence=0.9)
        return max((spread.half or 0.0) / Z, prompts)

    def rates(self, vocab_size: int) -> tuple[float, ...]:
        """Acceptance per draft position of the full draft, from its histogram of accepted tokens.

        Args:
            vocab_size: V.

        Returns:
            Chance that position 1 .. K is accepted when all before it were; empty where the full
            draft or its histogram is missing, or drafts are trees.
        """
        runs = [run for point in self.points if point.k == vocab_size for run in point.runs]
        shares = position_acceptance(runs)
        if self.topk != 1 or len(shares) != self.steps or not all(shares):
            return ()
        return tuple(share / before for before, share in pairwise((1.0, *shares)))

    @property
    def where(self) -> str:
        """Engine, device, prompts and shape, as part of a sentence."""
        source = self.measurement
        parts = [
            source.engine,
            f"on {source.device}" if source.device else "",
            f"with {source.prompts}, {self.concurrency} at once",
        ]
        steps = f", {self.steps} draft steps" if self.steps else ""
        return " ".join(filter(None, parts)) + steps

    def cycles(self, without: int | None = None) -> CycleRange:
        """The line through the cycle times.

        Args:
            without: A k to leave out.

        Returns:
            T(k) with its 95 % interval.

        Raises:
            InputError: There are fewer than two k, or see `fitted_range`.
        """
        points = [point for point in self.points if point.k != without]
        if len(points) < 2:
            sizes = listed([f"k = {point.k:,}" for point in points]) if points else "none"
            raise InputError(
                "Calibrating the cycle time needs drafts of two sizes at least, measured with the "
                f"same steps at the same concurrency, but {self.measurement.prompts} has {sizes}."
            )
        rows = [(run.index, point.k, run.cycle_s) for point in points for run in point.runs]
        return fitted_range(np.array(rows, float), self.where)


def calibration(
    measurement: Measurement, concurrency: int | None = None, steps: int | None = None
) -> Calibration:
    """The shape and concurrency of a measurement with the most sizes; ties go to more runs.

    Args:
        measurement: The measurement.
        concurrency: Requests at once; None for any.
        steps: Draft steps, where drafts with as many were measured; None for any, of equal ones the
            most, which tell acceptance at the most positions.

    Returns:
        Its drafts of that shape at that concurrency.

    Raises:
        InputError: No run has a draft of a known size and an acceptance length.
    """
    points_by_shape: dict[tuple[int, int, int, int], list[Point]] = {}
    for draft in measurement.configurations:
        for at_once in measurement.concurrencies if concurrency is None else (concurrency,):
            point = _point(measurement, draft, at_once)
            if point:
                shape = (at_once, draft.steps, draft.topk, draft.draft_tokens)
                points_by_shape.setdefault(shape, []).append(point)
    if not points_by_shape:
        raise InputError(_no_points(measurement, concurrency))

    def amount(shape: tuple[int, int, int, int]) -> tuple[bool, int, int, int, int]:
        points = points_by_shape[shape]
        runs = sum(len(point.runs) for point in points)
        return shape[1] == steps, len({point.k for point in points}), runs, -shape[0], shape[1]

    best = max(points_by_shape, key=amount)
    by_k = {point.k: point for point in reversed(points_by_shape[best])}  # first draft of each size
    return Calibration(measurement, *best[:3], tuple(by_k[k] for k in sorted(by_k)))


def _point(measurement: Measurement, draft: Configuration, concurrency: int) -> Point | None:
    runs = tuple(run for run in measurement.good(draft.label, concurrency) if run.cycle_s)
    length = acceptance_length(runs)
    if draft.k is None or length is None:
        return None
    cycles = interval([run.cycle_s for run in runs if run.cycle_s])
    rates = interval([run.decode_rate for run in runs if run.decode_rate])
    return Point(draft.k, draft.label, length, cycles, rates, runs)


def _no_points(measurement: Measurement, concurrency: int | None) -> str:
    at = "" if concurrency is None else f" at concurrency {concurrency}"
    text = f"{measurement.prompts} on {measurement.engine} has no draft of a known size{at}"
    if concurrency is not None and concurrency not in measurement.concurrencies:
        measured = listed([str(at_once) for at_once in measurement.concurrencies])
        return f"{text}; it was measured at {measured}."
    if all(draft.k is None for draft in measurement.configurations):
        return f"{text}; import it again and give the sizes with --k."
    return f"{text} whose acceptance length and throughput are known."


def probed_range(
    probe: Probe, *, batch: int = 1, depth: int = 3, verify_s: float | None = None
) -> CycleRange:
    """T(k) from the timed steps of a draft and the time of a verification.

    Args:
        probe: The timed steps.
        batch: Sequences at once.
        depth: Draft steps per cycle.
        verify_s: Seconds of a verification; None for the time in the probe.

    Returns:
        T(k).

    Raises:
        InputError: The batch was not probed, the time of a verification is unknown, or the probe
            has fewer than two sizes.
    """
    points = probe.cycle_points(batch, depth, verify_s)
    rows = np.array([(0, k, seconds) for k, seconds in points], float)
    where = f"{probe.device}, {batch} at once, {depth} draft steps, random weights"
    return fitted_range(rows, where)


def fitted_range(rows: np.ndarray, where: str) -> CycleRange:
    """Fit cycle times as a line in k, by least squares within rounds.

    Runs of one round followed each other closely, so differences between rounds cancel, as in a
    paired test. The two ends are the 95 % interval of the slope, both through the mean of all rows.

    Args:
        rows: float64[n, 3] of (round, k, seconds per cycle).
        where: Engine and device, for notes and messages.

    Returns:
        The fast and the slow end of T(k).

    Raises:
        InputError: No round has two sizes, or the time does not rise with k.
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
        residuals = centred[:, 1] - slope * centred[:, 0]
        half = quantile(freedom) * float(np.sqrt((residuals**2).sum() / freedom / spread))
    fast, slow = (
        CycleModel(max(seconds - row_s * k, 0.0), row_s, f"measured on {where}")
        for row_s in (min(slope + half, seconds / k), max(slope - half, LEAST_SHARE * slope))
    )
    precision = "One run at each of two sizes, so how sure the line is cannot be said."
    if freedom:
        precision = f"The time of a head row is known to ± {half / slope:.0%}"
        precision += ", so k may make no difference." if half >= slope else "."
    return CycleRange(fast, slow, f"Holds for what was measured: {where}. {precision}")


def with_lengths(
    model: AcceptanceModel, lengths: Mapping[int, float], full_length: float | None = None
) -> AcceptanceModel:
    """The acceptance model of the same corpus, with these measured lengths instead of its own.

    Args:
        model: The acceptance model.
        lengths: Measured acceptance lengths by k.
        full_length: Acceptance length of the full draft where the user knows it; None for the
            measured one, or one inferred from the others.

    Returns:
        The model.

    Raises:
        InputError: A k is above V.
    """
    full, ends = lengths.get(len(model.coverage)) if full_length is None else full_length, ()
    if full is None:
        full, *ends = full_length_from(lengths, model.coverage, model.depth, model.training)
    return replace(
        model, full_length=full, measured=dict(lengths), rates=(), full_range=tuple(ends)
    )


# --- predicted against measured ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CalibrationCheck:
    """Measured and predicted output tokens/s at one k, without the first tokens of answers.

    Attributes:
        k: Draft vocabulary size.
        label: Label of the configuration.
        measured: Measured output tokens/s.
        low: Lower end of the 90 % band, tokens/s.
        predicted: The expected rate, tokens/s.
        high: Upper end of the band, tokens/s.
        length: Measured acceptance length.
        lengths: Both ends of the band of the acceptance length.
        fitted: Whether the prediction used the runs of this k, so that agreement proves nothing;
            otherwise it was made from the other sizes only.
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
        """Relative error of the prediction; 0.02 is 2 % too high."""
        return self.predicted / self.measured.mean - 1


def checks(
    measured: Calibration, predict: Callable[[Mapping[int, float], CycleRange], Forecast]
) -> tuple[CalibrationCheck, ...]:
    """Compare every measured k with the forecast made from the other sizes.

    Where the other sizes give no line (there are only two sizes, say), the forecast is made from
    all sizes and the result is marked as fitted.

    Args:
        measured: The measured sizes.
        predict: Makes a forecast from acceptance lengths by k and T(k).

    Returns:
        One comparison per size, by ascending k.
    """
    return tuple(_check(measured, point, predict) for point in measured.points)


def _check(
    measured: Calibration,
    point: Point,
    predict: Callable[[Mapping[int, float], CycleRange], Forecast],
) -> CalibrationCheck:
    try:
        cycles, fitted = measured.cycles(without=point.k), False
    except InputError:
        cycles, fitted = measured.cycles(), True
    lengths = {k: v for k, v in measured.lengths.items() if fitted or k != point.k}
    forecast = predict(lengths, cycles)
    pair = (float(forecast.lengths[0][point.k - 1]), float(forecast.lengths[1][point.k - 1]))
    low, middle, high = (
        measured.concurrency * float(rate[0]) for rate in forecast.rates(np.array([point.k]))
    )
    return CalibrationCheck(
        point.k,
        point.label,
        point.decode_rate,
        low,
        middle,
        high,
        point.length,
        pair,
        fitted,
    )
