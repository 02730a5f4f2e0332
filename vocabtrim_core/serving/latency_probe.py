"""How long a draft step takes, measured for sizes of its vocabulary with random weights.

What a step costs does not depend on what the weights say, so no trained draft is needed: the
measured curve stands beside FLOPs and bytes, and with the time of a verification it gives T(k).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import numpy as np

from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.paper import FUNCTION_CALLING_K, GENERAL_K, SHIPPED_K
from vocabtrim_core.serving.store import Store

FORMAT = 1
FOLDER = "probes"
LEAST = 6  # repeats that a 95 % interval of a median needs
ANCHORS = (FUNCTION_CALLING_K, GENERAL_K, SHIPPED_K)  # the paper's two, and the usual one


@dataclass(frozen=True, slots=True)
class Timing:
    """Median seconds of n repeats, and the 95 % interval of the median from order statistics."""

    seconds: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """InputError for fewer than 6 repeats, which have no such interval."""
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
    """One size at one batch. Times are those of one draft step of all `batch` sequences.

    step: as a whole, every part in it.  fusion, layer, head, pick: its parts, each on its own;
    fusion and layer do not depend on k.  pick: the most likely token, or the top-k, and its id.
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
    """The target's forward pass over `tokens` of each of `batch` sequences."""

    batch: int
    tokens: int
    step: Timing


@dataclass(frozen=True)
class Probe:
    """The draft steps of one architecture on one device.

    context: tokens that attention looks back on.  topk: branches of a step, 1 for a chain.
    graphs: whether steps ran as CUDA graphs.  verify: of a random target of these shapes, empty
    where it was not timed.  versions: package -> version.  command: what does the same again.
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

    @cached_property
    def key(self) -> str:
        """sha256 of the content, shortened to 16 hexadecimal digits."""
        return hashlib.sha256(self.encoded()).hexdigest()[:16]

    def encoded(self) -> bytes:
        """JSON, the same bytes for the same probe."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1)

    @property
    def batches(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted({row.batch for row in self.rows}))

    def at(self, batch: int) -> tuple[ProbeRow, ...]:
        """The rows of a batch size by ascending k; InputError where it was not probed."""
        rows = sorted((row for row in self.rows if row.batch == batch), key=lambda row: row.k)
        if not rows:
            known = ", ".join(map(str, self.batches))
            raise InputError(f"Batch {batch} was not probed; this probe has {known}.")
        return tuple(rows)

    def draft_points(self, batch: int = 1) -> list[tuple[int, float]]:
        """(k, seconds of a draft step), by ascending k."""
        return [(row.k, row.step.seconds) for row in self.at(batch)]

    def verify_s(self, batch: int, depth: int) -> float | None:
        """Seconds in which the target verifies depth + 1 tokens; None where it was not timed."""
        for row in self.verify:
            if (row.batch, row.tokens) == (batch, depth + 1):
                return row.step.seconds
        return None

    def cycle_points(
        self, batch: int = 1, depth: int = 3, verify_s: float | None = None
    ) -> list[tuple[int, float]]:
        """(k, seconds per cycle), what `CycleRange.measured` takes: `depth` draft steps, and one
        verification of `verify_s` seconds (None: as timed here, InputError where it was not).

        The states of the target are fused once per cycle, however many steps follow.
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
        """Bytes of a step at this batch: weights and cache read, logits written and read again."""
        shape = self.architecture
        cached = 2 * shape.key_value_heads * shape.head_dim * self.context
        moved = batch * (cached + 2 * np.asarray(k, float)) * shape.bytes_per_weight
        return shape.step_bytes(k) + moved


def default_sizes(vocab_size: int, count: int = 12) -> list[int]:
    """Sizes even on a log axis up to V, the nearest of them moved to those people ask about."""
    grid = np.unique(np.geomspace(max(1, vocab_size / 128), vocab_size, count).round().astype(int))
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
