"""The settings that decide the numbers of a count, besides the corpus."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import FLAG, NUMBER, TEXT, WHOLE
from vocabtrim_core.fields.leaf import Leaf

if TYPE_CHECKING:
    from vocabtrim_core.templates.chat_template import ChatTemplate
    from vocabtrim_core.tokenizers.tokenizer import Tokenizer

RULE = (
    "assistant: what the target generates in its turns, up to and including the stop token; "
    "content: without the stop token; all: everything; reference: as the paper's code"
)
LENGTH = "see only the first tokens of a conversation, as training with this limit does"
REFUSED = (
    "conversations that the template may refuse to render, 0 to 1; they are left out and reported, "
    "and with more of them nothing is counted"
)
SEMANTICS = 3  # raise when the same recipe would give other counts than before


@dataclass(frozen=True, slots=True)
class CountConfig:
    """How conversations become counted ids.

    Attributes:
        tokenizer: The tokenizer of the target model.
        template: The chat template of the target model.
        rule: One of `templates.RULES`: which tokens count.
        reasoning: Whether reasoning content counts where the template renders it.
        last_turn_only: Whether only the last assistant turn counts.
        max_length: Tokens of a rendered conversation that are read, None for all.
        most_refused: Largest share (0..1) of the conversations that may be broken or refused by the
            template.
        checked: Pairs of adjacent messages that were checked already (`span_proof`); grows during a
            count.
    """

    tokenizer: Tokenizer
    template: ChatTemplate
    rule: Annotated[str, Leaf(TEXT, "--rule", help=RULE, metavar="RULE")] = "assistant"
    reasoning: Annotated[bool, Leaf(FLAG, "--no-reasoning", help="leave reasoning content out")] = (
        True
    )
    last_turn_only: Annotated[
        bool, Leaf(FLAG, "--last-turn-only", help="count only the last assistant turn")
    ] = False
    max_length: Annotated[
        int | None, Leaf(WHOLE, "--max-length", help=LENGTH, metavar="TOKENS")
    ] = None
    most_refused: Annotated[float, Leaf(NUMBER, "--max-refused", help=REFUSED, metavar="SHARE")] = (
        0.01
    )
    checked: set[tuple[Any, ...]] = field(default_factory=set, compare=False, repr=False)

    def __post_init__(self) -> None:
        from vocabtrim_core.templates.spans import RULES

        if self.rule not in RULES:
            known = ", ".join(RULES)
            raise InputError(f"There is no counting rule {self.rule}; choose one of {known}.")
        if self.max_length is not None and self.max_length < 1:
            raise InputError(f"The length limit must be at least 1 token, not {self.max_length}.")
        if not 0 <= self.most_refused <= 1:
            raise InputError(
                f"The share of conversations that may be refused is between 0 and 1, not "
                f"{self.most_refused}."
            )

    @property
    def counts_everything(self) -> bool:
        """Whether every token of a rendered conversation counts, so that no spans are needed."""
        return self.rule == "all" and self.reasoning

    def provenance(self) -> dict[str, Any]:
        """The fields of Provenance that this recipe decides."""
        return {
            "rule": self.rule,
            "tokenizer": self.tokenizer.name,
            "tokenizer_sha256": self.tokenizer.fingerprint,
            "template": self.template.name,
            "template_sha256": self.template.fingerprint,
            "reasoning": self.reasoning,
            "last_turn_only": self.last_turn_only,
            "max_length": self.max_length,
            "span_end": self.template.span_end,
        }

    def key(self, corpus_fingerprint: str) -> str:
        """Compute the content address of counting a corpus by this recipe.

        Args:
            corpus_fingerprint: `Corpus.fingerprint`.

        Returns:
            32 hex digits.
        """
        decides = {k: v for k, v in self.provenance().items() if k not in ("tokenizer", "template")}
        decides |= {"corpus": corpus_fingerprint, "vocab_size": self.tokenizer.vocab_size}
        text = json.dumps(decides | {"semantics": SEMANTICS}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]
