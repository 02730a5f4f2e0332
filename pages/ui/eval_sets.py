"""The sets a vocabulary is measured on, their responses, and which vocabulary is in view."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import streamlit as st

from pages.ui import state, tokens
from pages.ui.format import counted, plain
from pages.ui.widgets import drop_stale, persisted
from vocabtrim_core import workspace
from vocabtrim_core.counting.response_files import find_responses
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.mappings.store import keep
from vocabtrim_core.selection.protect import SETS, protected_ids
from vocabtrim_core.selection_spec.settings import NO_MIX, Mix
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.templates.resolve import template_of
from vocabtrim_core.tokenizers.tokenizer import Tokenizer
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.workspace.files import write_atomic

MOST_SETS = 8


# --- sets ---------------------------------------------------------------------------------------


def comparable(stored: StoredCounts) -> tuple[list[StoredCounts], list[str]]:
    """The other sets counted the same way as this one; of each other, how it was counted."""
    others, left_out = [], []
    for other in state.counted_sets():
        if other.key == stored.key:
            continue
        if differences := stored.counts.differences(other.counts):
            left_out.append(" and ".join(what for what, *_ in differences))
        else:
            others.append(other)
    return others, left_out


def names_of(sets: Sequence[StoredCounts]) -> dict[str, str]:
    """A name for each key, told apart where two sets are called the same."""
    names = [stored.counts.name for stored in sets]
    return {
        s.key: name if names.count(name) == 1 else f"{name} ({s.key[:4]})"
        for s, name in zip(sets, names, strict=True)
    }


def choose_others(stored: StoredCounts) -> list[StoredCounts]:
    """The selector of the sets to measure on; all comparable ones at first, up to MOST_SETS."""
    others, left_out = comparable(stored)
    by_key, names = {other.key: other for other in others}, names_of(others)
    if not others:
        chosen = []
    else:
        key = f"measured_on_{stored.key}"
        kept = st.session_state.get(key)
        drop_stale(key, by_key)
        chosen = st.multiselect(
            "Measured on",
            list(by_key),
            list(by_key)[:MOST_SETS] if kept is None else None,
            format_func=names.__getitem__,
            **persisted(key),
            placeholder="other counted sets",
        )
    if left_out:
        many = len(left_out)
        st.caption(
            f"{counted(many, 'more counted set')} {'was' if many == 1 else 'were'} counted in "
            f"another way than {plain(stored.counts.name)} "
            f"({plain('; '.join(dict.fromkeys(left_out)))}); count them the same way to measure on "
            "them."
        )
    return [by_key[each] for each in chosen]


@st.cache_resource(max_entries=6, show_spinner=False)
def responses_of(key: str, _counts: TokenCounts) -> Responses | None:
    """The responses of a counted set, None where this workspace has not kept them."""
    return find_responses(key, _counts)


# --- tokens -------------------------------------------------------------------------------------


@st.cache_resource(max_entries=4, show_spinner=False)
def _adapted(fingerprint: str, vocab_size: int, _tokenizer: Tokenizer) -> Tokenizer:
    return replace(_tokenizer, vocab_size=vocab_size)


def tokenizer_of(counts: TokenCounts) -> Tokenizer | None:
    """The tokenizer of a set with the V it was counted with; None when it is not at hand."""
    found = tokens.of_counts(counts.provenance)
    if found is None or found.vocab_size == counts.vocab_size:
        return found
    return _adapted(found.fingerprint, counts.vocab_size, found)  # V came from a config.json


@st.cache_resource(max_entries=8, show_spinner="Finding the tokens of the protected sets")
def protected_sets(key: str, _counts: TokenCounts, _tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """int64 ids of every named set under the tokenizer and template of these counts."""
    template: ChatTemplate | None = template_of(_counts, _tokenizer)
    return {name: protected_ids(name, _tokenizer, template) for name in SETS}


# --- vocabularies -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class OwnVocabulary:
    """A vocabulary that is not top-k: how it came about, and the command that makes it again.

    mix: what it was tailored to.
    """

    title: str
    about: str
    counts_key: str
    vocabulary: DraftVocabulary
    command: tuple[str, ...]
    mix: Mix = NO_MIX


def user_tokens(counts: TokenCounts) -> list[int]:
    """Ids the user wants kept under this tokenizer, ascending; session state."""
    return st.session_state.get(f"own_tokens_{counts.provenance.tokenizer_sha256[:16]}", [])


def keep_user_tokens(counts: TokenCounts, ids: Sequence[int]) -> None:
    """Set the user's own tokens."""
    name = f"own_tokens_{counts.provenance.tokenizer_sha256[:16]}"
    st.session_state[name] = sorted(set(ids))


def own_vocabularies(counts: TokenCounts) -> dict[str, OwnVocabulary]:
    """This session's vocabularies over this V, by kind ("tailored", "imported")."""
    kept: dict[str, OwnVocabulary] = st.session_state.setdefault("own_vocabularies", {})
    sha = counts.provenance.tokenizer_sha256
    return {
        kind: own
        for kind, own in kept.items()
        if own.vocabulary.vocab_size == counts.vocab_size
        and st.session_state.get(f"own_{kind}_tokenizer") == sha
    }


def keep_vocabulary(kind: str, own: OwnVocabulary, counts: TokenCounts) -> None:
    """Keep a vocabulary for the session and put it in view."""
    st.session_state.setdefault("own_vocabularies", {})[kind] = own
    st.session_state[f"own_{kind}_tokenizer"] = counts.provenance.tokenizer_sha256
    st.session_state.kind_in_view = kind


@dataclass(frozen=True, slots=True, eq=False)
class InView:
    """The vocabulary the page is about. plain_k: its k when it is plain top-k, else None."""

    title: str
    vocabulary: DraftVocabulary
    plain_k: int | None
    tradeoff: TradeOff
    counts: TokenCounts
    own: OwnVocabulary | None = None

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
    st.session_state.kind_in_view = st.session_state.vocabulary_kind


def file_of_list(entries: Sequence[int | str]) -> Path:
    """A list of tokens, ids or texts, as a file of the workspace that commands can name."""
    text = "\n".join(map(str, entries))
    path = workspace.folder("lists") / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.txt"
    if not path.is_file():
        write_atomic(path, text.encode())
    return path


def titles(stored: StoredCounts) -> dict[str, str]:
    """What can be in view on these counts, by kind."""
    k = _chosen_k(stored)
    mine = user_tokens(stored.counts)
    found = {"choice": f"Choice on Explore, {k:,} tokens"}
    if mine:
        found["grown"] = f"The same and your {len(mine):,} tokens"
    return found | {kind: each.title for kind, each in own_vocabularies(stored.counts).items()}


def _chosen_k(stored: StoredCounts) -> int:
    tradeoff = _tradeoff(stored)
    return state.settings(tradeoff.curve.vocab_size).k or tradeoff.optimum.k


def _tradeoff(stored: StoredCounts) -> TradeOff:
    curve = state.curve_of(stored.key, stored.counts)
    return state.tradeoff_of(state.settings(curve.vocab_size), curve)


def in_view(stored: StoredCounts, *, always: bool = True) -> InView:
    """The vocabulary in view with its selector; always False: only when there is a choice."""
    known = titles(stored)
    if always or len(known) > 1:
        st.session_state.vocabulary_kind = _kind(known)
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
    kind = st.session_state.get("kind_in_view")
    return kind if kind in known else "choice"


def view_of(stored: StoredCounts) -> InView:
    """The vocabulary in view, as last selected."""
    tradeoff, known = _tradeoff(stored), titles(stored)
    kind, k = _kind(known), _chosen_k(stored)
    counts, curve = stored.counts, tradeoff.curve
    if kind in own_vocabularies(counts):
        each = own_vocabularies(counts)[kind]
        return InView(each.title, each.vocabulary, None, tradeoff, counts, each)
    if kind == "choice":
        return InView(known[kind], curve.vocabulary(k), k, tradeoff, counts)
    mine = user_tokens(counts)
    grown = DraftVocabulary.of([*curve.vocabulary(k).ids.tolist(), *mine], curve.vocab_size)
    plain_settings = state.arguments(state.settings(curve.vocab_size), "k", "k_min")
    argv = [
        "select",
        stored.key,
        *plain_settings,
        "--k",
        str(len(grown)),
        "--protect",
        str(file_of_list(mine)),
        "--out",
        "ids.json",
    ]
    about = f"the {k:,} most frequent tokens and {len(mine):,} added by hand"
    own = OwnVocabulary(known[kind], about, stored.key, grown, tuple(argv))
    return InView(known[kind], grown, None, tradeoff, counts, own)
