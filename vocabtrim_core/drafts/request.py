"""What a training run is made of, checked before anything is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.recipe import Recipe
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.trainer import Trainer
from vocabtrim_core.errors import InputError

Regenerate = Callable[[Path, Callable[..., Any]], Corpus]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRequest:
    """Everything a run is made of.

    ks: sizes to train, V among them for the full vocabulary.  counts: what the vocabularies are
    chosen from, None for the training conversations themselves.  regenerate: writes the target's
    own answers into a file and opens it, None to train on the corpus as it is.
    """

    target: Target
    corpus: Corpus
    recipe: Recipe
    ks: Sequence[int]
    plan: TrainingPlan
    deployment: Deployment
    trainer: Trainer
    counts: TokenCounts | None = None
    name: str | None = None
    max_tokens: int | None = None
    held_out: float = 0.05
    regenerate: Regenerate | None = None
    regenerated_by: str = ""
    threads: int | None = None
    command: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        size = self.target.vocab_size
        if not self.ks:
            raise InputError("Name at least one draft vocabulary size to train.")
        for k in self.ks:
            if not 1 <= k <= size:
                raise InputError(f"k must lie within 1..{size:,} (the target's V), not {k:,}.")
        if self.counts and self.counts.vocab_size != size:
            raise InputError(
                f"The counts have V = {self.counts.vocab_size:,}, but the target "
                f"{self.target.name} has {size:,}; count with the target's tokenizer."
            )

    @property
    def notes(self) -> list[str]:
        """What is allowed but worth knowing."""
        if (
            self.counts
            and self.counts.provenance.tokenizer_sha256 != self.recipe.tokenizer.fingerprint
        ):
            return [
                "The counts were made with another tokenizer.json than the target's; check that "
                "both give the same ids."
            ]
        return []

    @property
    def run_name(self) -> str:
        """The given name, or one that the same target, corpus and plan always get."""
        if self.name:
            return self.name
        parts = [
            self.target.fingerprint, self.corpus.fingerprint(), self.recipe.provenance(),
            asdict(self.plan), self.max_tokens, self.held_out, self.regenerated_by,
        ]  # fmt: skip
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.target.name}-{self.corpus.name}-{key}".replace(" ", "-").replace("/", "-")
