"""How long one speculative cycle takes as a function of k.

A cycle drafts K tokens and verifies them once. Only the draft's head depends on k, and at small
batch it is read from memory once per draft step, so T(k) = T0 + K * bytes * H * k / BW.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.paper import FULL_K, RESULTS
from vocabtrim_core.forecast.settings import ForecastSettings


@dataclass(frozen=True, slots=True)
class CycleModel:
    """T(k) = fixed_s + row_s * k, in seconds. source: what it rests on, one phrase for people."""

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
        """Seconds per cycle."""
        return self.fixed_s + self.row_s * np.asarray(k, float)

    def speedup(self, k: int | np.ndarray, baseline_k: int) -> np.ndarray:
        """T(baseline) / T(k): how much faster cycles run."""
        return self.cycle_s(baseline_k) / self.cycle_s(k)

    def kappa(self, k: int) -> float:
        """Head time over the rest of the cycle at this k."""
        return self.row_s * k / self.fixed_s if self.fixed_s else float("inf")

    def largest_gain(self, baseline_k: int) -> float:
        """Throughput gain if the head cost nothing and acceptance stayed: kappa."""
        return self.kappa(baseline_k)

    def break_even_loss(self, k: int, baseline_k: int) -> float:
        """Share of the acceptance length that may be lost before k is slower than the baseline."""
        return 1 - float(self.cycle_s(k) / self.cycle_s(baseline_k))

    def bandwidth(self, hidden_size: int, depth: int, bytes_per_weight: int = 2) -> float:
        """Bytes per second at which the head would be read to give row_s."""
        return depth * bytes_per_weight * hidden_size / self.row_s


def calibrate(points: Sequence[tuple[int, float]], source: str = "two measurements") -> CycleModel:
    """Least-squares line through (k, seconds per cycle) of at least two different k.

    Seconds per cycle are acceptance length / throughput. InputError otherwise.
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
    return CycleModel(float(fixed_s), float(row_s), source)


@dataclass(frozen=True, slots=True)
class Hardware:
    """Peak memory bandwidth (bytes/s) and dense bf16 compute (FLOP/s), from the maker's sheet."""

    name: str
    bandwidth: float
    flops: float
    source: str


HARDWARE = {
    "a100-80g": Hardware("A100 80 GB SXM", 2.039e12, 312e12, "NVIDIA A100 data sheet"),
    "h100": Hardware("H100 SXM", 3.35e12, 989e12, "NVIDIA H100 data sheet"),
    "h200": Hardware("H200 SXM", 4.8e12, 989e12, "NVIDIA H200 data sheet"),
    "l4": Hardware("L4", 0.3e12, 121e12, "NVIDIA L4 data sheet"),
    "rtx-4090": Hardware("RTX 4090", 1.008e12, 165e12, "NVIDIA Ada architecture paper"),
    "laptop-cpu": Hardware("Laptop CPU", 0.0768e12, 1e12, "dual-channel DDR5-4800; FLOPs assumed"),
}

# Both fitted on the paper's A100 runs: the head is read at 1.54e12 bytes/s, 75 % of peak, and the
# rest of the cycle takes 14.7 ms where reading its weights at that speed would take 11.0.
EFFICIENCY = 0.75
OVERHEAD = (0.0, 0.34)


@dataclass(frozen=True, slots=True)
class CycleRange:
    """Two cycle models that enclose the truth as far as is known; equal when measured.

    regime: what the range holds for, in a sentence.
    """

    fast: CycleModel  # least fixed time, so trimming gains most
    slow: CycleModel
    regime: str = ""

    @classmethod
    def measured(cls, points: Sequence[tuple[int, float]]) -> CycleRange:
        """The line through measured (k, seconds per cycle); see `calibrate`."""
        model = calibrate(points)
        return cls(
            model,
            model,
            "Holds for the engine, batch size and tree shape that were measured.",
        )

    @classmethod
    def of(cls, settings: ForecastSettings, architecture: DraftArchitecture) -> CycleRange:
        """From measured cycles, else from hardware; InputError where they give none."""
        if settings.cycles:
            return cls.measured(settings.cycles)
        if settings.hardware not in HARDWARE:
            raise InputError(
                f"There is no hardware {settings.hardware!r}; choose one of {', '.join(HARDWARE)}."
            )
        return roofline(
            architecture,
            HARDWARE[settings.hardware],
            settings.depth,
            batch=settings.batch,
            width=settings.width,
            verified=settings.verified,
        )


def roofline(
    architecture: DraftArchitecture,
    hardware: Hardware,
    depth: int,
    *,
    batch: int = 1,
    width: int = 1,
    verified: int | None = None,
    efficiency: float = EFFICIENCY,
    overhead: tuple[float, float] = OVERHEAD,
) -> CycleRange:
    """Cycle models from weights and peaks: every product takes max(bytes/BW, FLOPs/peak).

    depth: draft steps K per cycle.  batch: sequences decoded together.  width: branches of a
    draft tree extended per step; 1 is a chain.  verified: tokens of one sequence that the target
    verifies per cycle, depth + 1 for a chain. These three count in the compute bound only.
    overhead: fixed time beyond the weights' (kernel launches, attention over the cache, sampling)
    as a share of the roofline, from least to most. InputError when the target's number of layers
    is unknown.
    """
    verified = depth * width + 1 if verified is None else verified
    for name, value in (("depth", depth), ("batch", batch), ("width", width)):
        if value < 1:
            raise InputError(f"{name} must be 1 or more, but it is {value}.")
    if verified < depth + 1:
        raise InputError(
            f"At draft depth {depth} the target verifies {depth + 1} tokens or more per cycle, "
            f"but {verified} is given."
        )
    if not 0 < efficiency <= 1 or not 0 <= overhead[0] <= overhead[1]:
        raise InputError("efficiency must lie within 0..1, and overhead run from 0 upwards.")
    target = architecture.target_weights
    if target is None:
        raise InputError(
            f"{architecture.name} does not say how many layers its target has, or which kinds, so "
            "the time of a verification is unknown; use the target's config.json or two "
            "measurements."
        )

    def seconds(weights: float, rows: int) -> float:
        read = weights * architecture.bytes_per_weight / (hardware.bandwidth * efficiency)
        return max(read, 2 * weights * rows / (hardware.flops * efficiency))

    body = sum(architecture.weights.values())
    fixed_s = seconds(target, batch * verified) + depth * seconds(body, batch * width)
    row_s = depth * seconds(architecture.hidden_size, batch * width)
    name = f"{hardware.name}, batch {batch}, {efficiency:.0%} of peak"
    least, most = overhead
    return CycleRange(
        CycleModel(fixed_s * (1 + least), row_s, name),
        CycleModel(fixed_s * (1 + most), row_s, name),
        _regime(architecture, hardware, batch * width, batch * verified),
    )


def _regime(
    architecture: DraftArchitecture, hardware: Hardware, drafted: int, verified: int
) -> str:
    """Which side of the roofline the two products are on, and what the estimate leaves out."""
    ridge = hardware.flops * architecture.bytes_per_weight / (2 * hardware.bandwidth)
    where = f"{hardware.name}'s arithmetic bound begins at {ridge:,.0f} rows"
    if verified <= ridge:
        text = (
            f"Memory-bound: {drafted:,} drafted and {verified:,} verified rows per product, and "
            f"{where}. Batch size and tree shape then change nothing but the overhead."
        )
    else:
        also = "and the draft are" if drafted > ridge else "is"
        text = (
            f"The verification of {verified:,} rows {also} compute-bound ({where}), so trimming "
            "gains less than at batch 1."
        )
    if architecture.active_experts > 1:
        text += " Experts are counted as if every row used the same ones."
    return text + " Attention over long contexts, which grows with the batch, is left out."


@dataclass(frozen=True, slots=True)
class PaperCheck:
    """One of the paper's gains (0.03 = +3 %) against the model calibrated on MT-Bench alone."""

    task: str
    k: int
    observed: float
    predicted: float
    fitted: bool


def check_against_paper() -> tuple[PaperCheck, ...]:
    """Predict the paper's seven gains from one fitted constant.

    Fitted: seconds per head row, from MT-Bench's two runs. Taken as measured: each task's cycle
    time at V and its two acceptance lengths. Predicted: the throughput gain.
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
