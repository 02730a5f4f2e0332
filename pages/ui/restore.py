"""A choice that was handed over, back in view: from a choice.json or from a link."""

from __future__ import annotations

from urllib.parse import parse_qsl

import streamlit as st

from pages.ui import eval_sets, mix_state, report_forecast, state, vocabularies
from pages.ui.fields import with_labels
from pages.ui.format import plain
from pages.ui.own_vocabulary import OwnVocabulary
from pages.ui.report_state import PARAMETER, SHORT
from pages.ui.session import session
from pages.ui.widgets import set_values
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings.store import keep
from vocabtrim_core.selection_spec.counts_note import check_counts
from vocabtrim_core.selection_spec.settings import OwnTokens
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.selection_spec.store import find
from vocabtrim_core.wording import listed

MOST_BYTES = 10_000_000  # of a choice.json; one with every id protected is smaller


def reopen(choice: SelectionSpec) -> str:
    """Put a choice in view, exactly; call it before any widget is drawn.

    Args:
        choice: a saved choice.

    Returns:
        What was opened, and what of it is not in this workspace, in sentences.

    Raises:
        InputError: when its counts are not here, are others, or no longer give its tokens.
    """
    stored = _counts_of(choice)
    choice.open(stored.counts)
    here = {other.key for other in state.counted_sets()}
    pins_here = [pin for pin in choice.pins if pin.counts in here]
    state.restore(choice.settings)
    report_forecast.restore(choice.forecast)
    session.counts_key, session.note = stored.key, choice.note
    session.pins, session.rules = tuple(pins_here), (stored.key, choice.rules)
    session.kind_in_view = "choice"
    if choice.on is not None:
        set_values({eval_sets.measured_on_key(stored.key): [*choice.on]})
    session.served = [key for key in choice.served if key in here]
    mix_state.restore(choice.mix)
    if choice.own:
        _restore_own(choice, choice.own, stored)
    message = f"Opened: {choice.k:,} tokens on {stored.counts.name}, the same tokens as when saved."
    if lost := len(choice.pins) - len(pins_here):
        message += f" {lost} of its pins are left out: their counts are not in this workspace."
    if absent := [key for key in choice.served if key not in here]:
        instead = "without it" if session.served else "about the counted text itself"
        message += (
            f" Its forecast is {instead}: the counts of its evaluation traffic, "
            f"{listed(absent)}, are not in this workspace."
        )
    return message


def _restore_own(choice: SelectionSpec, own: OwnTokens, stored: StoredCounts) -> None:
    vocabulary = own.vocabulary(stored.counts.vocab_size)
    file = keep(vocabulary, stored.counts, own.about)
    opened_vocabulary = OwnVocabulary(
        f"Opened, {choice.k:,} tokens",
        own.about,
        stored.key,
        vocabulary,
        ("coverage", stored.key, "--vocabulary", str(file)),
        choice.mix,
    )
    vocabularies.keep_vocabulary("opened", opened_vocabulary, stored.counts)


def follow_link() -> None:
    """Open the choice of the address, once; call it before `choose_counts`.

    It is named by `spec`, or its parameters stand in one, `choice`, or as the command line prints
    them. InputError when it is no such link or what it names is not here.
    """
    if digest := st.query_params.get(SHORT):
        del st.query_params[SHORT]
        reopen(find(digest))
        return
    packed = st.query_params.get(PARAMETER, "")
    plain = st.query_params.to_dict()
    link = (
        dict(parse_qsl(packed, keep_blank_values=True))
        if packed
        else plain
        if "ids" in plain
        else None
    )
    if link is None or (packed and packed == session.followed_link):
        return
    key = link.get("counts", "")
    stored = next((s for s in state.counted_sets() if s.key == key), None)
    if stored is None:
        raise InputError(
            f"The link is about the counts {key or '(none)'}, which are not in this workspace; "
            "open it where they were counted, or count the same corpus here."
        )
    reopen(SelectionSpec.from_query(link, stored.counts))
    if not packed:
        st.query_params.from_dict({"counts": key})


def _counts_of(choice: SelectionSpec) -> StoredCounts:
    sets = state.counted_sets()
    for stored in sets:
        if stored.key == choice.counts.key:
            return stored
    for stored in sets:  # counted otherwise since: the sentence that says how
        if stored.counts.name == choice.counts.name:
            check_counts(choice.counts, stored.counts)
    counts = choice.counts
    raise InputError(
        f"The choice was made on {counts.name} ({counts.tokens:,} tokens of {counts.tokenizer}, "
        f"key {counts.key}), which is not in this workspace; count it here first."
    )


# --- a choice.json ------------------------------------------------------------------------------


def opened() -> None:
    """A choice.json was given: put it in view, or keep the sentence that says why not."""
    uploaded = session.choice_file
    del session.opened
    if uploaded is None:
        return
    try:
        text = uploaded.getvalue().decode("utf-8")
        session.opened = ("success", reopen(SelectionSpec.loads(text, uploaded.name)))
    except UnicodeDecodeError:
        session.opened = ("error", f"{uploaded.name} is not a text file; upload a choice.json.")
    except InputError as error:
        session.opened = ("error", str(error))


def opener() -> None:
    """Where a choice.json is given back, and what became of it."""
    st.file_uploader(
        "Open a choice.json",
        "json",
        key="choice_file",
        on_change=opened,
        max_upload_size=MOST_BYTES // 10**6,
        help="Restores settings, pins and note as they were saved, and checks that they give the "
        "same tokens.",
    )
    kind, message = session.opened
    if kind == "success":
        st.success(plain(message), icon=":material/check_circle:")
    elif kind:
        st.error(with_labels(message), icon=":material/error:")
