"""What a tailored vocabulary is asked for: shares of the traffic, tokens to keep, floors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from pages.ui import eval_sets, state, vocabularies
from pages.ui.format import plain
from pages.ui.mix_state import FLOOR_EVERY, SCRIPTS, budget_key, protect_key, weight_key
from pages.ui.session import session
from pages.ui.widgets import persisted, set_values, value_of
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.fields.codec import to_argv
from vocabtrim_core.fields.kinds import share_of
from vocabtrim_core.selection.protect import SETS
from vocabtrim_core.selection.rules import Rules
from vocabtrim_core.selection_spec.settings import Mix
from vocabtrim_core.tokenizers.kinds import token_kinds
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

MULTIPLES = (1, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True, eq=False)
class TailorRequest:
    """What the controls ask for. keep, drop: lists of tokens beside the mix's named sets."""

    mix: Mix
    keep: Path | None
    drop: Path | None
    multiple: int


def _set_weights(sets: list[StoredCounts], values: list[int]) -> None:
    for stored, value in zip(sets, values, strict=True):
        set_values({weight_key(stored.key): value})


def _starts(sets: list[StoredCounts]) -> None:
    """Buttons for the mixes people start from."""
    if len(sets) == 1:
        st.caption("Choose other sets under Measured on, or count some, to mix them.")
        return
    most = max(stored.counts.tokens for stored in sets)
    starts = {
        "First only": [100] + [0] * (len(sets) - 1),
        "Equal": [50] * len(sets),
        "By size": [max(1, round(100 * s.counts.tokens / most)) for s in sets],
    }
    with st.container(horizontal=True, gap="small"):
        for name, values in starts.items():
            st.button(
                name,
                key=f"mix_{name.split()[0].lower()}",
                type="tertiary",
                on_click=_set_weights,
                args=(sets, values),
            )


def weights_of(sets: list[StoredCounts]) -> tuple[int, ...]:
    """One slider per set.

    Args:
        sets: the counted sets to mix.
    """
    names = eval_sets.names_of(sets)
    st.markdown("**Your traffic**, in shares of the mix")
    _starts(sets)
    weights = []
    for i, stored in enumerate(sets):
        if value_of(weight_key(stored.key)) is None:
            set_values({weight_key(stored.key): 0 if i else 100})
        weights.append(
            st.slider(
                plain(names[stored.key]),
                0,
                100,
                step=1,
                **persisted(weight_key(stored.key)),
            )
        )
    return tuple(weights)


def wishes(
    sets: list[StoredCounts], tokenizer: Tokenizer | None, weights: tuple[int, ...]
) -> tuple[dict, TailorRequest]:
    """The toggles with places for their costs, and what all controls ask for.

    Args:
        sets: the counted sets to mix.
        tokenizer: the tokenizer; None where it is not at hand.
        weights: weights of the sets, 0 to 100.
    """
    st.markdown("**Always keep**")
    places, on = {}, []
    if tokenizer is None:
        st.caption(
            "Named sets of tokens need the tokenizer, which is not available here; choose it on "
            "the Corpus page."
        )
    else:
        rows = range(0, len(SETS), 4)
        cells = [cell for _ in rows for cell in st.columns(4, gap="medium")]
        for cell, entry in zip(cells, SETS.values(), strict=False):
            with cell.container(gap=None):
                if st.toggle(entry.title, **persisted(protect_key(entry.name)), help=entry.why):
                    on.append(entry.name)
                places[entry.name] = st.empty()
    left, middle, right = st.columns(3, gap="large")
    with left:
        keep, drop = _lists(sets[0], tokenizer)
    with middle:
        scripts = script_budgets(tokenizer)
    with right:
        every = st.slider(
            "Coverage floor on every set",
            0.0,
            100.0,
            0.0,
            0.5,
            format="%.1f%%",
            **persisted(FLOOR_EVERY),
            help="The smallest vocabulary that keeps this much of each set, also "
            "of one with weight 0; 0 for none.",
        )
        multiple = st.selectbox(
            "Round the size up to",
            MULTIPLES,
            **persisted("multiple"),
            format_func=lambda n: f"a multiple of {n}" if n > 1 else "no multiple",
            help="Engines pad an LM head to 64 rows per GPU, so a multiple of 64 times the tensor "
            "parallel size is free. The rows are filled with the next most frequent tokens.",
        )
    keys = tuple(stored.key for stored in sets)
    mix = Mix(keys, weights, tuple(on), scripts, share_of(every) if every else None)
    return places, TailorRequest(mix, keep, drop, multiple)


def _lists(stored: StoredCounts, tokenizer: Tokenizer | None) -> tuple[Path | None, Path | None]:
    """Files of the user's own tokens and of those to leave out."""
    own_tokens = vocabularies.user_tokens(stored.counts)
    hint = "one per line: a text, or an id"
    with st.expander("Custom tokens", expanded=bool(own_tokens)):
        keep = st.text_area("Keep", **persisted("keep_list"), placeholder=hint, height=80)
        if own_tokens:
            st.caption(f"And {len(own_tokens):,} tokens that you added under Missing tokens.")
            st.button(
                "Remove them", key="forget_own", type="tertiary", on_click=_forget, args=(stored,)
            )
        drop = st.text_area("Leave out", **persisted("drop_list"), placeholder=hint, height=80)
    return _file([*own_tokens, *_entries(keep)]), _file(_entries(drop))


def _forget(stored: StoredCounts) -> None:
    vocabularies.keep_user_tokens(stored.counts, [])
    session.redraw_generalize = True  # the page's selector of vocabularies names them


def _entries(text: str | None) -> list[str]:
    """Lines that hold something; spaces around a token's text belong to it."""
    return [line for line in (text or "").splitlines() if line.strip()]


def _file(entries: list) -> Path | None:
    return vocabularies.file_of_list(entries) if entries else None


def script_budgets(tokenizer: Tokenizer | None) -> tuple[tuple[str, int], ...]:
    """Fields for tokens that are kept of a script; returns (script, tokens) of each.

    Args:
        tokenizer: the tokenizer; None where it is not at hand.
    """
    with st.expander("Reserve tokens per script"):
        if tokenizer is None:
            st.caption("This needs the tokenizer.")
            return ()
        chosen = st.multiselect(
            "Scripts",
            token_kinds(tokenizer).scripts,
            **persisted(SCRIPTS),
            placeholder="cyrillic, cjk, …",
        )
        return tuple(
            (
                script,
                int(
                    st.number_input(
                        f"Tokens of {script}",
                        1,
                        None,
                        500,
                        **persisted(budget_key(script)),
                    )
                ),
            )
            for script in chosen
        )


def arguments(sets: list[StoredCounts], request: TailorRequest) -> list[str]:
    """The same as a command.

    Args:
        sets: the counted sets to mix.
        request: what the controls ask for.
    """
    mix, settings = request.mix, state.settings(sets[0].counts.vocab_size)
    if request.keep:
        mix = replace(mix, protect=(*mix.protect, str(request.keep)))
    argv = ["select", *mix.sets, *state.arguments(settings, "k_min"), *to_argv(mix)]
    argv += ["--exclude", str(request.drop)] if request.drop else []
    argv += to_argv(Rules(multiple=request.multiple))
    return [*argv, "--out", "ids.json"]
