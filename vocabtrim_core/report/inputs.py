"""What a report is made from: the choice on its counts, other corpora, measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.uncertainty import CoverageInterval
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.tokenizers.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Measured:
    """A measured comparison: throughput of k against a baseline, as relative gain (0.03 = +3 %).

    baseline: what it is compared with, "128,256" tokens or "no speculation".  gain_low, gain_high:
    its 95 % interval, None for a single run.  length, baseline_length: acceptance lengths.  on:
    engine, version, device.  toy: the target is the embedded toy.
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
    toy: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What a report is made from. intervals: by key of the counts, over conversations.

    others: counts of corpora that had no part in the choice. created: shown as it is given.
    ceiling: float64[V], acceptance length of a perfect draft on the counted responses.
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
    ceiling: np.ndarray | None = None

    def check(self) -> None:
        """InputError for counts of another tokenizer or rule, and for another tokenizer."""
        for other in self.others:
            self.counts.check_comparable(other)
        tokenizer, counts = self.tokenizer, self.counts
        if tokenizer and tokenizer.fingerprint != counts.provenance.tokenizer_sha256:
            raise InputError(
                f"{counts.name} was counted with the tokenizer {counts.provenance.tokenizer} "
                f"({counts.provenance.tokenizer_sha256[:8]}), but {tokenizer.name} "
                f"({tokenizer.fingerprint[:8]}) is given."
            )
