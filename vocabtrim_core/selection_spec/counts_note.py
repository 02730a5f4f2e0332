"""The note in a selection that names the counts it was made on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.counts import TokenCounts


@dataclass(frozen=True, slots=True)
class CountsNote:
    """The counts that a choice was made on: the key decides, the others explain a difference.

    Attributes:
        key: Key of the counts.
        name: Their name.
        tokens: Tokens counted.
        vocab_size: V.
        tokenizer: Name of the tokenizer.
        tokenizer_sha256: Fingerprint of the tokenizer, in hexadecimal digits.
        rule: The counting rule.
        template: Name of the chat template.
        template_sha256: Fingerprint of the chat template, in hexadecimal digits.
    """

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
        """Make the note of counts.

        Args:
            counts: The counts.

        Returns:
            The note.
        """
        provenance = counts.provenance
        names = ("tokenizer", "tokenizer_sha256", "rule", "template", "template_sha256")
        fields = {name: getattr(provenance, name) for name in names}
        return cls(counts.key, counts.name, counts.tokens, counts.vocab_size, **fields)


def check_counts(note: CountsNote, counts: TokenCounts) -> None:
    """Check that counts are those a choice was made on.

    Args:
        note: The choice's note.
        counts: The counts.

    Raises:
        InputError: They are others; the sentence names the first difference.
    """
    actual_note = CountsNote.of(counts)
    if note.key == actual_note.key:
        return
    for field, name in (
        ("tokenizer_sha256", "tokenizer"),
        ("vocab_size", "V"),
        ("rule", "rule"),
        ("template_sha256", "template"),
    ):
        expected, actual = getattr(note, field), getattr(actual_note, field)
        if expected != actual:
            if name in ("tokenizer", "template"):
                expected = f"{getattr(note, name)} ({expected[:8]})"
                actual = f"{getattr(actual_note, name)} ({actual[:8]})"
            raise InputError(
                f"The choice was made with {name} {expected}, but {counts.name} was counted with "
                f"{actual}; give the counts {note.key}."
            )
    raise InputError(
        f"The choice was made on {note.name} ({note.tokens:,} tokens, key {note.key}), but "
        f"these counts are {actual_note.name} ({actual_note.tokens:,} tokens, key "
        f"{actual_note.key}); choose again on them, or give the counts it was made on."
    )
