"""What can be read of one server: its settings, its draft, and what was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from vocabtrim_core.errors import InputError


@dataclass(frozen=True, slots=True)
class DraftCounts:
    """Sums over verifications.

    Attributes:
        verifications: Verifications by the target.
        accepted: Drafted tokens that were accepted.
        drafted: Drafted tokens, None where unknown.
        reached: reached[i] verifications accepted the token at draft position i + 1; empty where
            the engine does not count by position.
        estimated: Whether the number of verifications is computed from rounded numbers of a log.
    """

    verifications: int
    accepted: int
    drafted: int | None = None
    reached: tuple[int, ...] = ()
    estimated: bool = False

    @property
    def length(self) -> float | None:
        """1 + accepted / verifications; None without verifications."""
        return 1 + self.accepted / self.verifications if self.verifications else None

    def since(self, earlier: DraftCounts) -> DraftCounts:
        """The sums of what came after an earlier reading of the same counters.

        Args:
            earlier: The earlier reading.

        Returns:
            The differences; this reading itself where the server was started again in between.
        """
        if earlier.verifications > self.verifications:
            return self
        known = self.drafted is not None and earlier.drafted is not None
        before = [*earlier.reached, *[0] * len(self.reached)]
        return DraftCounts(
            self.verifications - earlier.verifications,
            self.accepted - earlier.accepted,
            (self.drafted or 0) - (earlier.drafted or 0) if known else None,
            tuple(now - then for now, then in zip(self.reached, before, strict=False)),
            self.estimated,
        )


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What one server tells. None and "" stand for what it does not tell.

    Attributes:
        engine: SGLang, vLLM or llama.cpp.
        source: The URL, or the name of the log.
        version: Version of the engine.
        target: Path or name of the target.
        speculative: Whether it speculates.
        method: Its name of the method, such as eagle3.
        draft: Path or name of the draft.
        steps: Drafted tokens per verification, K.
        topk: Branches per draft step, 1 for a chain.
        draft_tokens: Tokens verified at once, where the engine sets them apart from K.
        head_rows: Rows of the draft's head that were loaded.
        vocab_size: Rows of the target's vocabulary.
        draft_bytes: Memory or file size of the draft's weights, bytes.
        byte_step: The step to which `draft_bytes` is rounded, bytes.
        layers: Target layers that the engine feeds the draft, 0-based decoder layers.
        prefix_cache: Whether prompts seen before are taken from a cache.
        simulated: The setting that fakes the acceptance, "" where it is real.
        counts: What was accepted since the server started, or in the log.
        mean_length: Acceptance length where the engine tells no counts.
        notes: Sentences about what was read.
    """

    engine: str
    source: str
    version: str = ""
    target: str = ""
    speculative: bool | None = None
    method: str = ""
    draft: str = ""
    steps: int | None = None
    topk: int | None = None
    draft_tokens: int | None = None
    head_rows: int | None = None
    vocab_size: int | None = None
    draft_bytes: int | None = None
    byte_step: int = 0
    layers: tuple[int, ...] | None = None
    prefix_cache: bool | None = None
    simulated: str = ""
    counts: DraftCounts | None = None
    mean_length: float | None = None
    notes: tuple[str, ...] = ()


def added_counts(parts: Sequence[DraftCounts]) -> DraftCounts | None:
    """Add counts.

    Args:
        parts: Counts of different verifications.

    Returns:
        Their sums; None for no counts. Positions are kept only where all parts have them.
    """
    if not parts:
        return None
    positions = max(len(part.reached) for part in parts)
    by_position = all(part.reached or not part.verifications for part in parts)
    reached = (
        sum(part.reached[i] for part in parts if i < len(part.reached)) for i in range(positions)
    )
    drafted = [part.drafted for part in parts if part.drafted is not None]
    return DraftCounts(
        sum(part.verifications for part in parts),
        sum(part.accepted for part in parts),
        sum(drafted) if len(drafted) == len(parts) else None,
        tuple(reached) if by_position else (),
        any(part.estimated for part in parts),
    )


def joined(report: EngineReport, other: EngineReport) -> EngineReport:
    """Join what two sources tell of one server.

    Args:
        report: What one tells; it wins.
        other: What the other tells.

    Returns:
        The report with what only the other has. Memory goes with its rounding.

    Raises:
        InputError: They are of different engines.
    """
    if report.engine != other.engine:
        raise InputError(
            f"{report.source} is of {report.engine}, but {other.source} of {other.engine}; give "
            "the URL and the log of one server."
        )
    values = {field.name: getattr(report, field.name) for field in fields(report)}
    for name, value in values.items():
        counted = name != "counts" or (value is not None and value.verifications)
        if value in (None, "") or not counted:
            values[name] = getattr(other, name)
    values |= {
        "source": f"{report.source} and {other.source}",
        "byte_step": (report if report.draft_bytes is not None else other).byte_step,
        "notes": tuple(dict.fromkeys((*report.notes, *other.notes))),
    }
    return EngineReport(**values)
