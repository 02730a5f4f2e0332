"""The paper's seven gains, predicted from its acceptance lengths and one fitted constant."""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.forecast.cycle_model import calibrate
from vocabtrim_core.forecast.paper import FULL_K, RESULTS


@dataclass(frozen=True, slots=True)
class PaperCheck:
    """One of the paper's gains against the model calibrated on MT-Bench alone.

    Attributes:
        task: Name of the paper's task.
        k: Size of its trimmed vocabulary.
        observed: Measured gain, 0.03 = +3 %.
        predicted: Gain of the model.
        fitted: Whether the task was used for the calibration.
    """

    task: str
    k: int
    observed: float
    predicted: float
    fitted: bool


def check_against_paper() -> tuple[PaperCheck, ...]:
    """Predict the paper's seven gains from one fitted constant.

    Fitted: seconds per head row, from MT-Bench's two runs. Taken as measured: each task's cycle
    time at V and its two acceptance lengths. Predicted: the throughput gain.

    Returns:
        One check per task.
    """
    fit = RESULTS[0]
    row_s = calibrate(
        (
            (fit.k, fit.length_trimmed / fit.throughput_trimmed),
            (FULL_K, fit.length_full / fit.throughput_full),
        )
    ).row_s
    checks = []
    for result in RESULTS:
        full_s = result.length_full / result.throughput_full
        trimmed_s = full_s - row_s * (FULL_K - result.k)
        gain = result.length_trimmed / trimmed_s / result.throughput_full - 1
        checks.append(PaperCheck(result.task, result.k, result.gain, gain, result is fit))
    return tuple(checks)
