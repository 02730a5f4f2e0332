"""Which counts a selection was made on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts


@dataclass(frozen=True, slots=True)
class CountsNote:
    """Which counts a choice was made on: the key decides, the rest says what differs."""

    key: str
    name: str
    tokens: int
    vocab_size: int
    tokenizer: str
    tokenizer_sha256: str
    rule: str
    template: str
    template_sha256: str

    @classmethod
    def of(cls, counts: TokenCounts) -> CountsNote:
        """The note of these counts."""
        about = counts.provenance
        names = ("tokenizer", "tokenizer_sha256", "rule", "template", "template_sha256")
        made = {name: getattr(about, name) for name in names}
        return cls(counts.key, counts.name, counts.tokens, counts.vocab_size, **made)


def check_counts(ours: CountsNote, counts: TokenCounts) -> None:
    """InputError unless these are the counts a choice was made on."""
    theirs = CountsNote.of(counts)
    if ours.key == theirs.key:
        return
    for field, name in (
        ("tokenizer_sha256", "tokenizer"),
        ("vocab_size", "V"),
        ("rule", "rule"),
        ("template_sha256", "template"),
    ):
        mine, its = getattr(ours, field), getattr(theirs, field)
        if mine != its:
            if name in ("tokenizer", "template"):
                mine = f"{getattr(ours, name)} ({mine[:8]})"
                its = f"{getattr(theirs, name)} ({its[:8]})"
            raise InputError(
                f"The choice was made with {name} {mine}, but {counts.name} was counted with "
                f"{its}; give the counts {ours.key}."
            )
    raise InputError(
        f"The choice was made on {ours.name} ({ours.tokens:,} tokens, key {ours.key}), but "
        f"these counts are {theirs.name} ({theirs.tokens:,} tokens, key {theirs.key}); choose "
        "again on them, or give the counts it was made on."
    )
