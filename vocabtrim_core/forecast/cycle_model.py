"""Time of one speculative cycle as a function of k.

A cycle drafts K tokens and verifies them once. Only the draft's head depends on k, and at small
batch it is read from memory once per draft step, so T(k) = T0 + K * bytes * H * k / BW.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.errors import InputError


@dataclass(frozen=True, slots=True)
class CycleModel:
    """Seconds per cycle: T(k) = fixed_s + row_s * k.

    Attributes:
        fixed_s: Seconds that do not depend on k, 0 or more.
        row_s: Seconds per head row, above 0.
        source: What the numbers are based on, one phrase for people.
    """

    fixed_s: float
    row_s: float
    source: str

    def __post_init__(self) -> None:
        if self.row_s <= 0:
            raise InputError(
                "These cycle times do not rise with k, which means a negative memory bandwidth; "
                "check that each time belongs to its k."
            )
        if self.fixed_s < 0:
            raise InputError(
                "These cycle times leave less than nothing for the rest of the cycle; "
                "check that each time belongs to its k."
            )

    def cycle_s(self, k: int | np.ndarray) -> np.ndarray:
        """Compute seconds per cycle.

        Args:
            k: Rows of the draft's head, a number or an array.

        Returns:
            float64 of the same shape.
        """
        return self.fixed_s + self.row_s * np.asarray(k, float)

    def speedup(self, k: int | np.ndarray, baseline_k: int) -> np.ndarray:
        """Compute how much faster cycles are: T(baseline) / T(k).

        Args:
            k: Rows of the draft's head, a number or an array.
            baseline_k: Rows of the baseline's head.

        Returns:
            float64 of the shape of k.
        """
        return self.cycle_s(baseline_k) / self.cycle_s(k)

    def kappa(self, k: int) -> float:
        """Compute the time of the head over the rest of the cycle.

        Args:
            k: Rows of the draft's head.

        Returns:
            0 or more; infinite where the head is the whole cycle.
        """
        return self.row_s * k / self.fixed_s if self.fixed_s else float("inf")

    def largest_gain(self, baseline_k: int) -> float:
        """Compute the throughput gain of a head that costs nothing, at unchanged acceptance: kappa.

        Args:
            baseline_k: Rows of the baseline's head.

        Returns:
            Relative gain, 0.03 = +3 %.
        """
        return self.kappa(baseline_k)

    def break_even_loss(self, k: int, baseline_k: int) -> float:
        """Compute the acceptance length that may be lost before k is slower than the baseline.

        Args:
            k: Rows of the draft's head.
            baseline_k: Rows of the baseline's head.

        Returns:
            Share of the acceptance length; negative where cycles are no shorter at k.
        """
        return 1 - float(self.cycle_s(k) / self.cycle_s(baseline_k))

    def bandwidth(self, hidden_size: int, depth: int, bytes_per_weight: float = 2) -> float:
        """Compute the memory bandwidth at which the head would be read in row_s per row.

        Args:
            hidden_size: H, weights per row.
            depth: Draft steps per cycle; each reads the head once.
            bytes_per_weight: Bytes per weight.

        Returns:
            Bytes per second.
        """
        return depth * bytes_per_weight * hidden_size / self.row_s


def calibrate(points: Sequence[tuple[int, float]]) -> CycleModel:
    """Fit a least-squares line through measured cycle times.

    Args:
        points: (k, seconds per cycle), with two different k at least. Seconds per cycle are
            acceptance length / throughput.

    Returns:
        The model.

    Raises:
        InputError: There are fewer than two different k, a time is not positive, or the times do
            not rise with k.
    """
    ks, times = np.array([k for k, _ in points], float), np.array([t for _, t in points], float)
    if len(np.unique(ks)) < 2:
        raise InputError(
            "Calibrating the cycle time needs measurements at two different k at least, "
            f"but there is only k = {int(ks[0]):,}."
            if len(ks)
            else "Calibrating the cycle time needs measurements, but there are none."
        )
    if (times <= 0).any():
        raise InputError("Cycle times must be positive seconds.")
    row_s, fixed_s = np.polyfit(ks, times, 1)
    return CycleModel(float(fixed_s), float(row_s), "two measurements")


@dataclass(frozen=True, slots=True)
class CycleRange:
    """Two cycle models at the ends of a 90 % band; equal where nothing is uncertain.

    Attributes:
        fast: The end at which trimming gains most.
        slow: The end at which it gains least.
        regime: What the range holds for, in a sentence or two.
    """

    fast: CycleModel
    slow: CycleModel
    regime: str = ""

    @property
    def ends(self) -> tuple[CycleModel, CycleModel]:
        """Both ends."""
        return self.fast, self.slow

    @property
    def middle(self) -> CycleModel:
        """The expected model: the mean of both ends."""
        return CycleModel(
            (self.fast.fixed_s + self.slow.fixed_s) / 2,
            (self.fast.row_s + self.slow.row_s) / 2,
            self.fast.source,
        )

    @classmethod
    def measured(cls, points: Sequence[tuple[int, float]]) -> CycleRange:
        """Fit a line through measured cycle times (see `calibrate`), without a band.

        Args:
            points: (k, seconds per cycle), with two different k at least.

        Returns:
            A range with equal ends.

        Raises:
            InputError: As `calibrate`.
        """
        model = calibrate(points)
        return cls(
            model,
            model,
            "Holds for the engine, batch size and tree shape that were measured.",
        )
