"""The time of a draft step by vocabulary size, measured with random weights.

The time of a step does not depend on the values of the weights, so no trained draft is needed. The
measured curve is compared with FLOPs and bytes; with the time of a verification it gives T(k).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.paper import FUNCTION_CALLING_K, GENERAL_K, SHIPPED_K
from vocabtrim_core.serving.store import Storable, Store

FORMAT = 1
FOLDER = "probes"
LEAST = 6  # repeats that a 95 % interval of a median needs
ANCHORS = (FUNCTION_CALLING_K, GENERAL_K, SHIPPED_K)  # the paper's two, and the usual one


@dataclass(frozen=True, slots=True)
class Timing:
    """Median time of repeats, with the 95 % interval of the median from order statistics.

    Attributes:
        seconds: The median.
        low: Lower end of the interval, seconds.
        high: Upper end of the interval, seconds.
        n: Number of repeats.
    """

    seconds: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """The median and its interval.

        Args:
            seconds: Times of the repeats.

        Returns:
            The timing.

        Raises:
            InputError: There are fewer than 6 repeats, which have no such interval.
        """
        from scipy.special import bdtr

        n = len(seconds)
        if n < LEAST:
            raise InputError(f"The interval of a median needs {LEAST} repeats, but there are {n}.")
        ordered = np.sort(np.asarray(seconds, float))
        outside = int((bdtr(np.arange(n // 2), n, 0.5) <= 0.025).sum())
        return cls(
            float(np.median(ordered)), float(ordered[outside - 1]), float(ordered[-outside]), n
        )


@dataclass(frozen=True, slots=True)
class ProbeRow:
    """Times of one draft step of all sequences of a batch, for one size.

    Attributes:
        batch: Sequences at once.
        k: Draft vocabulary size.
        step: The step with all its parts.
        fusion: Fusion of the target's hidden states alone; does not depend on k.
        layer: Decoder layer alone; does not depend on k.
        head: LM head alone.
        pick: Choice of the most likely token, or the top-k, and its target id alone.
    """

    batch: int
    k: int
    step: Timing
    fusion: Timing
    layer: Timing
    head: Timing
    pick: Timing


@dataclass(frozen=True, slots=True)
class VerifyRow:
    """The time of a verification.

    Attributes:
        batch: Sequences at once.
        tokens: Tokens of each sequence in the target's forward pass.
        step: Time of the forward pass.
    """

    batch: int
    tokens: int
    step: Timing


@dataclass(frozen=True)
class Probe(Storable):
    """The times of draft steps of one architecture on one device.

    Attributes:
        architecture: Shapes of the draft.
        device: Name of the device.
        dtype: Data type of the weights.
        context: Tokens that attention reads.
        topk: Branches of a step, 1 for a chain.
        graphs: Whether steps ran as CUDA graphs.
        rows: Times by batch and k.
        verify: Times of verifications by a target with random weights; empty where not timed.
        versions: Versions of packages, by name.
        command: The command that repeats the probe.
        notes: Sentences that readers of the numbers must know.
        created: UTC, ISO 8601.
        format: Version of the stored format.
    """

    architecture: DraftArchitecture
    device: str
    dtype: str
    context: int
    topk: int
    graphs: bool
    rows: tuple[ProbeRow, ...]
    verify: tuple[VerifyRow, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    notes: tuple[str, ...] = ()
    created: str = ""
    format: int = FORMAT

    @property
    def batches(self) -> tuple[int, ...]:
        """Batch sizes that were timed, ascending."""
        return tuple(sorted({row.batch for row in self.rows}))

    def at(self, batch: int) -> tuple[ProbeRow, ...]:
        """The rows of one batch size.

        Args:
            batch: Sequences at once.

        Returns:
            The rows by ascending k.

        Raises:
            InputError: The batch size was not timed.
        """
        rows = sorted((row for row in self.rows if row.batch == batch), key=lambda row: row.k)
        if not rows:
            batches = ", ".join(map(str, self.batches))
            raise InputError(f"Batch {batch} was not probed; this probe has {batches}.")
        return tuple(rows)

    def verify_s(self, batch: int, depth: int) -> float | None:
        """Seconds of a verification of depth + 1 tokens.

        Args:
            batch: Sequences at once.
            depth: Draft steps per cycle.

        Returns:
            The median time, None where it was not measured.
        """
        for row in self.verify:
            if (row.batch, row.tokens) == (batch, depth + 1):
                return row.step.seconds
        return None

    def cycle_points(
        self, batch: int = 1, depth: int = 3, verify_s: float | None = None
    ) -> list[tuple[int, float]]:
        """Seconds per cycle by size: `depth` draft steps and one verification.

        The target's hidden states are fused once per cycle, whatever the number of steps.

        Args:
            batch: Sequences at once.
            depth: Draft steps per cycle.
            verify_s: Seconds of a verification; None for the measured time.

        Returns:
            (k, seconds per cycle) by ascending k.

        Raises:
            InputError: The batch, or the verification, was not timed.
        """
        verify_s = self.verify_s(batch, depth) if verify_s is None else verify_s
        if verify_s is None:
            raise InputError(
                f"The target's verification of {depth + 1} tokens at batch {batch} was not timed; "
                "probe with the target, or give its seconds."
            )
        return [
            (row.k, verify_s + depth * row.step.seconds - (depth - 1) * row.fusion.seconds)
            for row in self.at(batch)
        ]

    def moved_bytes(self, k: int | np.ndarray, batch: int) -> np.ndarray:
        """Bytes that a step moves: weights and cache read, logits written and read again.

        Args:
            k: Draft vocabulary size, or sizes of any shape.
            batch: Sequences at once.

        Returns:
            float64 bytes, of the shape of k.
        """
        shape = self.architecture
        cached = 2 * shape.key_value_heads * shape.head_dim * self.context
        moved = batch * (cached + 2 * np.asarray(k, float)) * shape.bytes_per_weight
        return shape.step_bytes(k) + moved


def default_sizes(vocab_size: int) -> list[int]:
    """Sizes to time: even on a log axis from V/128 to V, with the paper's sizes and 32,000.

    Args:
        vocab_size: V.

    Returns:
        At most 12 distinct sizes, ascending. Those nearest to the paper's sizes and to
        32,000 are replaced by them.
    """
    grid = np.unique(np.geomspace(max(1, vocab_size / 128), vocab_size, 12).round().astype(int))
    for anchor in ANCHORS:
        if grid[0] < anchor < vocab_size:
            grid[np.abs(np.log(grid[:-1] / anchor)).argmin()] = anchor
    return np.unique(grid).tolist()


PROBES = Store(Probe, FOLDER, FORMAT, "latency probe", "probes", "`probe` prints the key of each")
decode, save, stored, find, remove = (
    PROBES.decode,
    PROBES.save,
    PROBES.stored,
    PROBES.find,
    PROBES.remove,
)
