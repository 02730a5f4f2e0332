"""A vocabulary that is not top-k."""

from __future__ import annotations

from dataclasses import dataclass

from vocabtrim_core.selection_spec.settings import NO_MIX, Mix
from vocabtrim_core.vocabulary import DraftVocabulary


@dataclass(frozen=True, slots=True, eq=False)
class OwnVocabulary:
    """A vocabulary that is not top-k: how it came about, and the command that makes it again.

    mix: what it was tailored to.  tokenizer_sha256: of the counts it was kept for.
    foreign: chosen elsewhere, as imported mappings are, so that no counted set is in sample.
    """

    title: str
    about: str
    counts_key: str
    vocabulary: DraftVocabulary
    command: tuple[str, ...]
    mix: Mix = NO_MIX
    tokenizer_sha256: str = ""
    foreign: bool = False

    @property
    def chosen_on(self) -> frozenset[str]:
        """Keys of the counted sets that had a part in choosing the tokens."""
        if self.foreign:
            return frozenset()
        weights = self.mix.weights or (1,) * len(self.mix.sets)
        mixed = zip(self.mix.sets, weights, strict=True)
        return frozenset(key for key, weight in mixed if weight) or frozenset({self.counts_key})
