"""The inputs of a report: the choice on its counts, other corpora, measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.inputs import Acceptance
from vocabtrim_core.generalization.intervals import CoverageInterval
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured comparison: throughput of k relative to a baseline.

    Attributes:
        task: The prompts, with the number of requests at once.
        k: Size of the draft vocabulary.
        baseline: What it is compared with: "128,256" tokens, or "no speculation".
        gain: Relative gain, 0.03 for 3 %.
        gain_low: Lower end of its 95 % interval, None for a single run.
        gain_high: Upper end of its 95 % interval, None for a single run.
        length: Acceptance length, None where it was not measured.
        baseline_length: Acceptance length of the baseline, None where it was not measured.
        on: Engine, version and device.
    """

    task: str
    k: int
    baseline: str
    gain: float
    gain_low: float | None
    gain_high: float | None
    length: float | None = None
    baseline_length: float | None = None
    on: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class ReportInputs:
    """The inputs of a report.

    Attributes:
        counts: The counts the choice was made on.
        choice: The choice.
        others: Counts of corpora that had no part in the choice.
        intervals: Key of counts -> 95 % interval of the coverage over conversations.
        tokenizer: The tokenizer, to show tokens as text; None to show ids.
        measured: Measured comparisons.
        title: Title, "" for the decision.
        created: Date, shown as it is given.
        commands: Further command lines of the report.
        acceptance: Acceptance on the evaluation traffic, under the choice's forecast settings; None
            for that on the counts alone.
        k_range: Between which sizes k* would lie on other samples; None where not known.
        held_out: Coverage of the counted corpus on conversations that had no part in the choice;
            None where it is not known, as for tokens that are not simply the most frequent.
    """

    counts: TokenCounts
    choice: SelectionSpec
    others: Sequence[TokenCounts] = ()
    intervals: Mapping[str, CoverageInterval] = field(default_factory=dict)
    tokenizer: Tokenizer | None = None
    measured: Sequence[Measured] = ()
    title: str = ""
    created: str = ""
    commands: Sequence[str] = ()
    acceptance: Acceptance | None = None
    held_out: CoverageInterval | None = None
    k_range: tuple[int, int] | None = None

    def check(self) -> None:
        """Check that counts and tokenizer belong together.

        Raises:
            InputError: Counts have another tokenizer or rule, or the tokenizer is another one.
        """
        for other_counts in self.others:
            self.counts.check_comparable(other_counts)
        tokenizer, counts = self.tokenizer, self.counts
        if tokenizer and tokenizer.fingerprint != counts.provenance.tokenizer_sha256:
            raise InputError(
                f"{counts.name} was counted with the tokenizer {counts.provenance.tokenizer} "
                f"({counts.provenance.tokenizer_sha256[:8]}), but {tokenizer.name} "
                f"({tokenizer.fingerprint[:8]}) is given."
            )
