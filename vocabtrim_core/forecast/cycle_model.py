"""Time of one speculative cycle as a function of k.

A cycle drafts K tokens and verifies them once. Only the draft's head depends on k, and at small
batch it is read from memory once per draft step, so T(k) = T0 + K * bytes * H * k / BW.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.devices import Hardware, device
from vocabtrim_core.forecast.paper import FULL_K, RESULTS
from vocabtrim_core.forecast.settings import HEAD_BYTES, ForecastSettings


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


def calibrate(points: Sequence[tuple[int, float]], source: str = "two measurements") -> CycleModel:
    """Fit a least-squares line through measured cycle times.

    Args:
        points: (k, seconds per cycle), with two different k at least. Seconds per cycle are
            acceptance length / throughput.
        source: What the numbers are based on, one phrase for people.

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
    return CycleModel(float(fixed_s), float(row_s), source)


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

    @classmethod
    def of(cls, settings: ForecastSettings, architecture: DraftArchitecture) -> CycleRange:
        """The cycle time that settings give.

        Args:
            settings: Two or more measured cycles make a line; one is taken together with the time
                that the hardware needs for a head row; none leaves everything to the hardware.
            architecture: Shapes of the draft and its target.

        Returns:
            The range.

        Raises:
            InputError: The hardware is unknown, or the settings give no cycle time.
        """
        if len(settings.cycles) > 1:
            return cls.measured(settings.cycles)
        hardware = device(settings.hardware)
        if settings.cycles:
            return from_one_run(*settings.cycles[0], hardware, row_bytes(settings, architecture))
        return roofline(
            architecture,
            hardware,
            settings.depth,
            batch=settings.batch,
            width=settings.width,
            verified=settings.verified,
            context=settings.context,
            head_bytes=HEAD_BYTES[settings.head_format],
        )


def row_bytes(settings: ForecastSettings, architecture: DraftArchitecture) -> float:
    """Compute the bytes of one head row that a cycle reads: one row per draft step.

    Args:
        settings: Depth, and the format of head rows.
        architecture: Gives the weights per row, H.

    Returns:
        Bytes.
    """
    return settings.depth * HEAD_BYTES[settings.head_format] * architecture.hidden_size


MOST_HEAD_SHARE = 0.9  # of a measured cycle; the rest takes time on any device


def from_one_run(k: int, seconds: float, hardware: Hardware, row: float) -> CycleRange:
    """Cycle models from one measured run and the bandwidth of the device.

    Args:
        k: Size of the measured draft.
        seconds: Its seconds per cycle.
        hardware: Device whose effective bandwidth gives the time of a head row.
        row: Bytes of a head row that a cycle reads.

    Returns:
        Both ends pass through the measured run.

    Raises:
        InputError: The heads alone would take longer than the measured cycle.
    """
    rows = [row / (hardware.bandwidth * share) for share in hardware.effective]
    if rows[1] * k >= seconds:
        raise InputError(
            f"Reading {k:,} head rows takes {1e3 * rows[1] * k:.2f} ms on {hardware.name}, longer "
            f"than the {1e3 * seconds:.2f} ms measured for the whole cycle; check the hardware and "
            "the cycle time."
        )
    name = f"one run at {k:,} tokens, head rows at the bandwidth of {hardware.name}"
    longest_row_s = MOST_HEAD_SHARE * seconds / k
    fast, slow = (
        CycleModel(seconds - min(r, longest_row_s) * k, min(r, longest_row_s), name) for r in rows
    )
    text = (
        f"One run at {k:,} tokens was measured; what a head row takes is that of {hardware.name} "
        f"at {hardware.effective[0]:.0%} to {hardware.effective[1]:.0%} of its bandwidth."
    )
    return CycleRange(fast, slow, " ".join(filter(None, [text, hardware.caution])))


def roofline(
    architecture: DraftArchitecture,
    hardware: Hardware,
    depth: int,
    *,
    batch: int = 1,
    width: int = 1,
    verified: int | None = None,
    context: int = 0,
    head_bytes: float | None = None,
) -> CycleRange:
    """Cycle models from weights, cache and peaks: every product takes max(bytes/BW, FLOPs/peak).

    Args:
        architecture: Shapes of the draft and its target.
        hardware: The device.
        depth: Draft steps K per cycle.
        batch: Sequences decoded together.
        width: Branches of a draft tree extended per step; 1 is a chain.
        verified: Tokens of one sequence that the target verifies per cycle; None for depth x
            width + 1.
        context: Tokens of one sequence that attention reads from the cache, in each verification
            for all layers of the target, in each draft step for the draft's.
        head_bytes: Bytes per weight of the draft's head; None for the draft's.

    Returns:
        The range; its ends differ by the device's overhead.

    Raises:
        InputError: A number is out of range, the target's layers are unknown, or weights and
            cache do not fit into the device's memory.
    """
    verified = depth * width + 1 if verified is None else verified
    for name, value in (("depth", depth), ("batch", batch), ("width", width)):
        if value < 1:
            raise InputError(f"{name} must be 1 or more, but it is {value}.")
    if context < 0:
        raise InputError(f"context must be 0 tokens or more, but it is {context}.")
    if verified < depth + 1:
        raise InputError(
            f"At draft depth {depth} the target verifies {depth + 1} tokens or more per cycle, "
            f"but {verified} is given."
        )
    target = architecture.target_weights
    if target is None:
        raise InputError(
            f"{architecture.name} does not say how many layers its target has, or which kinds, so "
            "the time of a verification is unknown; use the target's config.json or measured runs."
        )
    _check_memory(architecture, hardware, batch * context)
    bandwidth = hardware.expected_bandwidth
    flops = hardware.flops * sum(hardware.effective) / 2
    per_weight = architecture.bytes_per_weight

    def seconds(weights: float, rows: int, bytes_per_weight: float = per_weight) -> float:
        return max(weights * bytes_per_weight / bandwidth, 2 * weights * rows / flops)

    def cache(layers: int) -> float:
        return batch * context * layers * architecture.cache_bytes_per_layer / bandwidth

    body = sum(architecture.weights.values())
    verification = seconds(target, batch * verified) + cache(architecture.target_layers or 0)
    step = seconds(body, batch * width) + cache(architecture.layers)
    fixed_s = verification + depth * step
    row_s = depth * seconds(architecture.hidden_size, batch * width, head_bytes or per_weight)
    least, most = hardware.overhead
    name = f"{hardware.name}, batch {batch}, {sum(hardware.effective) / 2:.0%} of peak"
    return CycleRange(
        CycleModel(fixed_s * (1 + least), row_s, name),
        CycleModel(fixed_s * (1 + most), row_s, name),
        _regime(architecture, hardware, batch * width, batch * verified, context),
    )


def _check_memory(architecture: DraftArchitecture, hardware: Hardware, cached: int) -> None:
    """InputError where weights and the cache of so many tokens do not fit into the device."""
    draft = sum(architecture.weights.values()) + architecture.hidden_size * architecture.vocab_size
    weights = architecture.bytes_per_weight * ((architecture.target_weights or 0) + draft)
    layers = (architecture.target_layers or 0) + architecture.layers
    cache = cached * layers * architecture.cache_bytes_per_layer
    if weights + cache > hardware.memory:
        raise InputError(
            f"{architecture.name} needs {weights / 1e9:,.1f} GB for weights and "
            f"{cache / 1e9:,.1f} GB for the cache of {cached:,} tokens, more than the "
            f"{hardware.memory / 1e9:,.0f} GB of {hardware.name}; choose another device, fewer "
            "sequences or a shorter context."
        )


def _regime(
    architecture: DraftArchitecture, hardware: Hardware, drafted: int, verified: int, context: int
) -> str:
    """Which side of the roofline the products are on, and what the estimate leaves out."""
    ridge = hardware.flops * architecture.bytes_per_weight / (2 * hardware.bandwidth)
    where = f"{hardware.name}'s arithmetic bound begins at {ridge:,.0f} rows"
    if verified <= ridge:
        text = (
            f"Memory-bound: {drafted:,} drafted and {verified:,} verified rows per product, and "
            f"{where}."
        )
    else:
        also = "and the draft are" if drafted > ridge else "is"
        text = (
            f"The verification of {verified:,} rows {also} compute-bound ({where}), so trimming "
            "gains less than at batch 1."
        )
    if architecture.active_experts > 1:
        text += (
            " Experts are counted as if every row used the same ones, and memory is checked with "
            "those alone."
        )
    text += (
        f" Attention reads {context:,} tokens of cache per sequence."
        if context
        else " Attention over the context is left out."
    )
    least, most = hardware.overhead
    text += (
        f" Beyond that the rest of the cycle takes {least:.0%} to {most:.0%} of this time again "
        f"({hardware.measured})."
    )
    return " ".join(filter(None, [text, hardware.caution]))


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
