"""A training as the form asks for it: one value that knows its command, its run and its cost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import streamlit as st

from pages.ui import tokens
from pages.ui.train import options_form, sizes_form, target_form
from pages.ui.train.options_form import Options
from pages.ui.train.sizes_form import Sizes
from pages.ui.train.target_form import ChosenTarget, TrainingCorpus
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts.estimate import Estimate, estimate
from vocabtrim_core.drafts.tokenized_dataset import survey
from vocabtrim_core.drafts.training_env import Trainer
from vocabtrim_core.drafts.trial import Setting
from vocabtrim_core.templates.resolve import resolve_template


@dataclass(frozen=True, slots=True, eq=False)
class TrainingForm:
    """Everything the form says."""

    target: ChosenTarget
    corpus: TrainingCorpus
    sizes: Sizes
    options: Options

    @property
    def settings(self) -> list[str]:
        """What the run is, without its vocabularies: more of them continue the same run."""
        return [
            "train",
            "--target",
            self.target.spec,
            *self.corpus.arguments,
            *self.options.arguments,
            *self.options.run_arguments,
        ]

    @property
    def run(self) -> str:
        """The name of the run: the one typed, or one that the same settings always get."""
        if self.options.name:
            return self.options.name
        text = "\0".join([*self.settings, self.sizes.counts])
        plain = "".join(c if c.isalnum() or c in "._-" else "-" for c in self.target.name)
        return f"{plain.strip('._-') or 'run'}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    @property
    def argv(self) -> list[str]:
        """The command that does it."""
        return [*self.settings, *self.sizes.arguments(), "--name", self.run]

    @property
    def title(self) -> str:
        """Of the job."""
        n = len(self.sizes.all)
        drafts = "a draft" if n == 1 else f"{n} drafts"
        return f"Train {drafts} for {self.target.name}"

    def estimate(self, trainer: Trainer) -> Estimate | None:
        """What it costs; None while target or conversations are not here yet."""
        target, corpus = self.target.target, self.corpus.corpus
        if target is None or corpus is None or not self.sizes.all:
            return None
        options = self.options
        tokenizer = tokens.load(options.tokenizer or str(target.folder))
        template = resolve_template(tokenizer, options.template)
        recipe = CountConfig(
            replace(tokenizer, vocab_size=target.vocab_size),
            template,
            max_length=options.max_length,
        )
        surveyed = _survey(
            _stamp(corpus),
            tokenizer.fingerprint,
            template.name,
            options.max_length,
            options.max_tokens,
            corpus,
            recipe,
        )
        setting = Setting(target, corpus, recipe, options.plan, options.deployment, trainer)
        return estimate(
            setting,
            self.sizes.all,
            max_tokens=options.max_tokens,
            held_out=options.held_out,
            surveyed=surveyed,
        )


@st.cache_data(max_entries=32, show_spinner="Reading the head of the corpus")
def _survey(
    stamp: tuple,
    tokenizer: str,
    template: str,
    length: int,
    most: int | None,
    _corpus: Corpus,
    _recipe: CountConfig,
) -> tuple[int, int]:
    """Conversations and tokens a capture would read."""
    return survey(_corpus, _recipe, max_tokens=most)


def _stamp(corpus: Corpus) -> tuple:
    stats = ((str(path), path.stat()) for path in corpus.files)
    return (corpus.limit, *((name, s.st_size, s.st_mtime_ns) for name, s in stats))


def form() -> TrainingForm | None:
    """Draw it; None until target and conversations are chosen. InputError for what cannot be."""
    target = target_form.target()
    if target is None:
        return None
    corpus = target_form.corpus(target)
    if corpus is None:
        return None
    sizes = sizes_form.choose(target, corpus)
    return TrainingForm(target, corpus, sizes, options_form.choose(target.bundled))
