"""The request for a training run, checked before anything is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.drafts.trial import Setting
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import NUMBER, TEXT, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.vocabulary import DraftVocabulary

NAME = "name of the run (default: from target, corpus and settings)"
MOST = "read about this many in all, from every file"
HELD_OUT = "conversations kept from training, to evaluate on"
Regenerate = Callable[[Path, Callable[..., Any]], Corpus]


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRequest:
    """Everything that a training run is made of.

    Attributes:
        target: The target.
        corpus: The conversations.
        recipe: How they are rendered and which tokens count.
        ks: Sizes to train; V among them for the full vocabulary.
        plan: The trainer's settings.
        deployment: Where it runs.
        trainer: The environment that trains.
        counts: The counts that vocabularies are chosen from; None for those of the training
            conversations.
        given: Vocabularies chosen elsewhere, by the name of their file; one per size.
        order: Sizes to train first, in this order; the others follow.
        name: The run's name; None for one derived from the settings.
        max_tokens: Most tokens to capture; None for the whole corpus.
        held_out: Share of conversations that are not trained on, 0..1.
        regenerate: Writes the target's own answers into a file and opens it, called as
            regenerate(path, progress); None to train on the corpus as it is.
        regenerated_by: What wrote these answers, for the record.
        threads: CPU threads; None for all cores.
        command: The command line, for the record.
    """

    target: Target
    corpus: Corpus
    recipe: CountConfig
    ks: Sequence[int]
    plan: TrainingPlan
    deployment: Deployment
    trainer: Trainer
    counts: TokenCounts | None = None
    given: Mapping[str, DraftVocabulary] = field(default_factory=dict)
    order: Sequence[int] = ()
    name: Annotated[str | None, Leaf(TEXT, "--name", help=NAME, metavar="NAME")] = None
    max_tokens: Annotated[
        int | None, Leaf(WHOLE, "--max-tokens", help=MOST, metavar="TOKENS", unset="all")
    ] = None
    held_out: Annotated[float, Leaf(NUMBER, "--held-out", help=HELD_OUT, metavar="SHARE")] = 0.05
    regenerate: Regenerate | None = None
    regenerated_by: str = ""
    threads: Annotated[
        int | None, Leaf(WHOLE, "--threads", help="CPU threads", unset="all cores")
    ] = None
    command: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        size = self.target.vocab_size
        if not self.sizes:
            raise InputError("Name at least one draft vocabulary to train.")
        for k in self.ks:
            if not 1 <= k <= size:
                raise InputError(f"k must lie within 1..{size:,} (the target's V), not {k:,}.")
        used_sizes = set(self.ks)
        for name, vocabulary in self.given.items():
            if vocabulary.vocab_size != size:
                raise InputError(
                    f"{name} is a vocabulary of V = {vocabulary.vocab_size:,}, but the target "
                    f"{self.target.name} has {size:,}."
                )
            if len(vocabulary) in used_sizes:
                raise InputError(
                    f"Two vocabularies have {len(vocabulary):,} tokens, {name} among them; a run "
                    "trains one of each size, so train the other with another --name."
                )
            used_sizes.add(len(vocabulary))
        if self.counts and self.counts.vocab_size != size:
            raise InputError(
                f"The counts have V = {self.counts.vocab_size:,}, but the target "
                f"{self.target.name} has {size:,}; count with the target's tokenizer."
            )

    @property
    def setting(self) -> Setting:
        """What speed and memory of the trainings depend on."""
        return Setting(
            self.target,
            self.corpus,
            self.recipe,
            self.plan,
            self.deployment,
            self.trainer,
            self.threads,
        )

    @property
    def sizes(self) -> list[int]:
        """Every k that is trained, in the order of training: as they were named."""
        named = [*self.ks, *map(len, self.given.values())]
        return list(dict.fromkeys([*(k for k in self.order if k in named), *named]))

    def chosen(self, k: int) -> tuple[str, DraftVocabulary] | None:
        """Find the given vocabulary of a size.

        Args:
            k: The size.

        Returns:
            Its name and tokens; None where none is given.
        """
        return next(((n, v) for n, v in self.given.items() if len(v) == k), None)

    @property
    def notes(self) -> list[str]:
        """Sentences about what is allowed but may be a mistake."""
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
        """The given name, or one derived from target, corpus and plan."""
        if self.name:
            return self.name
        parts = [
            self.target.fingerprint,
            self.corpus.fingerprint(),
            self.recipe.provenance(),
            asdict(self.plan),
            self.max_tokens,
            self.held_out,
            self.regenerated_by,
        ]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]
        return f"{self.target.name}-{self.corpus.name}-{key}".replace(" ", "-").replace("/", "-")
