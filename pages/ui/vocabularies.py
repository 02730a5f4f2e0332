"""The vocabulary in view: chosen on Explore, grown by hand, tailored, imported or opened."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from pages.ui import state
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.session import session
from vocabtrim_core import workspace
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.mappings.store import keep
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import write_atomic


def user_tokens(counts: TokenCounts) -> tuple[int, ...]:
    """Ids that the user wants kept under the tokenizer of these counts, ascending.

    Args:
        counts: the counted set.
    """
    return session.own_tokens.get(counts.provenance.tokenizer_sha256[:16], ())


def keep_user_tokens(counts: TokenCounts, ids: Iterable[int]) -> None:
    """Set the ids that the user wants kept under the tokenizer of these counts.

    Args:
        counts: the counted set.
        ids: token ids.
    """
    tokenizer = counts.provenance.tokenizer_sha256[:16]
    session.own_tokens = {**session.own_tokens, tokenizer: tuple(sorted(set(ids)))}


def own_vocabularies(counts: TokenCounts) -> dict[str, OwnVocabulary]:
    """This session's vocabularies over this V and tokenizer, by kind.

    Args:
        counts: a counted set.

    Returns:
        "tailored", "extended", "even", "imported" or "opened" to the vocabulary.
    """
    return {
        kind: own
        for kind, own in session.own_vocabularies.items()
        if own.vocabulary.vocab_size == counts.vocab_size
        and own.tokenizer_sha256 == counts.provenance.tokenizer_sha256
    }


def keep_vocabulary(kind: str, own: OwnVocabulary, counts: TokenCounts) -> None:
    """Keep a vocabulary for the session and put it in view.

    Args:
        kind: "tailored", "extended", "even", "imported" or "opened"; another of the same kind is
            replaced.
        own: the vocabulary.
        counts: the counted set that it belongs to.
    """
    own = replace(own, tokenizer_sha256=counts.provenance.tokenizer_sha256)
    session.own_vocabularies = {**session.own_vocabularies, kind: own}
    session.kind_in_view = kind


@dataclass(frozen=True, slots=True, eq=False)
class InView:
    """The vocabulary the page is about.

    plain_k: its k when it is plain top-k, else None.  by_hand: whether that k was chosen by hand.
    """

    title: str
    vocabulary: DraftVocabulary
    plain_k: int | None
    tradeoff: TradeOff
    counts: TokenCounts
    own: OwnVocabulary | None = None
    by_hand: bool = False

    @property
    def architecture(self) -> DraftArchitecture:
        """Of the draft."""
        return self.tradeoff.architecture

    def arguments(self) -> list[str]:
        """How commands name it: --k, or --vocabulary and a file of the workspace."""
        if self.plain_k:
            return ["--k", str(self.plain_k)]
        return ["--vocabulary", str(self.file)]

    @property
    def file(self) -> Path:
        """The vocabulary as ids.json of the workspace, which commands and links can name."""
        about = self.own.about if self.own else f"the {len(self.vocabulary):,} most frequent tokens"
        return keep(self.vocabulary, self.counts, about)


def _kind_picked() -> None:
    session.kind_in_view = session.vocabulary_kind


def file_of_list(entries: Sequence[int | str]) -> Path:
    """A list of tokens, ids or texts, as a file of the workspace that commands can name.

    Args:
        entries: texts or ids of tokens.
    """
    text = "\n".join(map(str, entries))
    path = workspace.folder("lists") / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.txt"
    if not path.is_file():
        write_atomic(path, text.encode())
    return path


def _titles(stored: StoredCounts) -> dict[str, str]:
    """What can be in view on these counts, by kind."""
    k = state.k_in_view(stored)
    own_tokens = user_tokens(stored.counts)
    by_kind = {"choice": f"Choice on Explore, {k:,} tokens"}
    if own_tokens:
        by_kind["grown"] = f"Choice on Explore with your {len(own_tokens):,} tokens"
    return by_kind | {kind: own.title for kind, own in own_vocabularies(stored.counts).items()}


def in_view(stored: StoredCounts, *, always: bool = True) -> InView:
    """The vocabulary in view with its selector; always False: only when there is a choice.

    Args:
        stored: the counted set in view.
        always: whether to draw the selector even with a single entry.
    """
    known = _titles(stored)
    if always or len(known) > 1:
        session.vocabulary_kind = _kind(known)
        st.selectbox(
            "Vocabulary",
            list(known),
            format_func=known.__getitem__,
            key="vocabulary_kind",
            on_change=_kind_picked,
            help="Chosen on Explore, or made on Generalize.",
        )
    return view_of(stored)


def _kind(known: dict[str, str]) -> str:
    return session.kind_in_view if session.kind_in_view in known else "choice"


def view_of(stored: StoredCounts) -> InView:
    """The vocabulary in view, as last selected.

    Args:
        stored: the counted set in view.
    """
    tradeoff, known = state.tradeoff_in_view(stored), _titles(stored)
    kind, k = _kind(known), state.k_in_view(stored)
    counts, curve = stored.counts, tradeoff.curve
    if own := own_vocabularies(counts).get(kind):
        return InView(own.title, own.vocabulary, None, tradeoff, counts, own)
    if kind == "choice":
        by_hand = state.settings(curve.vocab_size).k is not None
        return InView(known[kind], curve.vocabulary(k), k, tradeoff, counts, by_hand=by_hand)
    own_tokens = user_tokens(counts)
    grown = DraftVocabulary.of([*curve.vocabulary(k).ids.tolist(), *own_tokens], curve.vocab_size)
    plain_settings = state.arguments(state.settings(curve.vocab_size), "k", "k_min")
    argv = ["select", stored.key, *plain_settings, "--k", str(len(grown))]
    argv += ["--protect", str(file_of_list(own_tokens)), "--out", "ids.json"]
    about = f"the {k:,} most frequent tokens and {len(own_tokens):,} added by hand"
    own = OwnVocabulary(known[kind], about, stored.key, grown, tuple(argv))
    return InView(known[kind], grown, None, tradeoff, counts, own)
