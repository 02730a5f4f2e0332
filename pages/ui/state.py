"""What the user looks at: a counted set and the settings of the trade-off.

The settings live in widgets bound to the URL, so a link reproduces the view; their value is kept in
the session for the pages that do not show the widgets.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import streamlit as st

from pages.ui.caching import cached
from pages.ui.format import what_counts
from pages.ui.session import session
from pages.ui.widgets import set_values, value_of, values
from vocabtrim_core.counts_store import StoredCounts, list_counts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.fields.codec import from_query, from_session, to_argv, to_session
from vocabtrim_core.fields.leaf import ReadContext
from vocabtrim_core.selection_spec.draft_kind import BYTES
from vocabtrim_core.selection_spec.draft_names import (
    default_draft,
    draft_file,
    draft_name,
    preset_name,
)
from vocabtrim_core.selection_spec.settings import Settings
from vocabtrim_core.tradeoff import TradeOff

# --- counted sets -------------------------------------------------------------------------------


def counted_sets() -> list[StoredCounts]:
    """Counts of the workspace, newest first, then those that come with the program."""
    return list_counts()


def current_key(sets: list[StoredCounts]) -> str:
    """Key of the counted set in view: the session's, else the link's, else the first.

    Args:
        sets: the counted sets: the workspace's, newest first, then those that are shipped.
    """
    keys = [stored.key for stored in sets]
    for key in (session.counts_key, st.query_params.get("counts")):
        if key in keys:
            return key
    return keys[0]


SHIPPED = "shipped"  # mark of the counted sets that come with the program


def label(stored: StoredCounts) -> str:
    """A counted set in one line.

    Args:
        stored: the counted set.
    """
    counts = stored.counts
    about = counts.provenance
    template = [] if about.template == "tokenizer" else [f"template {about.template}"]
    how = [about.tokenizer, what_counts(**asdict(about)), *template]
    mark = [SHIPPED] if stored.shipped else []
    return " · ".join([counts.name, *mark, *how, f"{counts.tokens:,} tokens"])


@cached(8)
def curve_of(stored: StoredCounts) -> CoverageCurve:
    """The coverage curve of one counted set.

    Args:
        stored: the counted set.
    """
    return CoverageCurve.of(stored.counts)


# --- settings -----------------------------------------------------------------------------------


def defaults(vocab_size: int) -> Settings:
    """Where a new visitor starts.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    return Settings(default_draft(vocab_size))


def from_widgets(vocab_size: int) -> Settings:
    """The settings as the widgets of this run hold them; remembered for the other pages.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    settings = Settings(**from_session(Settings, values(), ReadContext(vocab_size)))
    session.settings = settings
    return settings


def settings(vocab_size: int) -> Settings:
    """The settings on a page without the widgets: the session's, else the link's, else defaults.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    if session.settings:
        return session.settings.over(vocab_size)
    return replace(defaults(vocab_size), **_link(vocab_size)[0])


def _link(vocab_size: int) -> tuple[dict[str, Any], list[str]]:
    """What the address says of the settings, and the names of those it says wrongly."""
    query = {name: text for name, text in st.query_params.to_dict().items() if text}
    wrong: list[str] = []
    in_address = from_query(Settings, query, ReadContext(vocab_size), wrong)
    return in_address, [name for name in query if name in wrong]


def not_followed(sets: list[StoredCounts], shown: StoredCounts) -> str:
    """What of the address cannot be followed and what is shown instead, once; else nothing.

    Args:
        sets: the counted sets of the workspace, newest first.
        shown: the counted set that is shown.
    """
    instead = dict.fromkeys(_link(shown.counts.vocab_size)[1], "the default settings")
    if st.query_params.get("counts", shown.key) not in {stored.key for stored in sets}:
        instead = {"counts": shown.counts.name, **instead}
    wrong = [name for name in instead if name not in session.not_followed]
    session.not_followed |= set(wrong)
    names, shows = ", ".join(wrong), " with ".join(dict.fromkeys(instead[name] for name in wrong))
    return f"Ignored from the link: {names}; shown instead: {shows}." if wrong else ""


def apply(settings: Settings) -> None:
    """Set every widget (from a callback, before they are drawn).

    Args:
        settings: the settings of the trade-off.
    """
    values = to_session(settings)
    elsewhere = ("draft", "fusion", *BYTES, "kmin", "kmax")
    if any(value_of(name) != values[name] for name in elsewhere):
        session.redraw_page = True  # those widgets stand outside the fragment
    set_values(values)


def restore(settings: Settings) -> None:
    """Put settings in view from a page without the widgets; Explore draws them when it opens.

    Args:
        settings: the settings of the trade-off.
    """
    session.settings = session.pending_settings = settings


def apply_pending() -> None:
    """First on the page with the widgets: the browser follows what is set in the run that draws."""
    pending = session.pending_settings
    del session.pending_settings
    if pending and pending == session.settings:
        set_values(to_session(pending))


def tradeoff_of(settings: Settings, curve: CoverageCurve) -> TradeOff:
    """The trade-off these settings describe.

    Args:
        settings: the settings of the trade-off.
        curve: the coverage curve of the counted set.

    Raises:
        InputError: for values out of range.
    """
    return settings.over(curve.vocab_size).tradeoff(curve)


def tradeoff_in_view(stored: StoredCounts) -> TradeOff:
    """The trade-off of the settings in view on a counted set.

    Args:
        stored: the counted set.

    Raises:
        InputError: for values out of range.
    """
    curve = curve_of(stored)
    return tradeoff_of(settings(curve.vocab_size), curve)


def k_in_view(stored: StoredCounts) -> int:
    """The size of the settings in view on a counted set: the chosen one, else the optimum.

    Args:
        stored: the counted set.

    Raises:
        InputError: for settings that no size fulfils.
    """
    return settings(stored.counts.vocab_size).k or tradeoff_in_view(stored).optimum.k


def arguments(settings: Settings, *leave: str) -> list[str]:
    """The settings as arguments of commands, without defaults and the fields in `leave`.

    Args:
        settings: the settings of the trade-off.
        leave: names of fields to leave out; k alone where none is named.
    """
    return to_argv(settings, files_of(settings), leave=leave or ("k",))


def files_of(settings: Settings) -> dict[str, str]:
    """Where the config.json of a draft lies that is no preset, for `to_argv`.

    Args:
        settings: the settings of the trade-off.
    """
    shape = settings.architecture
    return {} if preset_name(shape) else {"--draft-config": str(draft_file(draft_name(shape)))}


def clip(name: str, vocab_size: int) -> None:
    """Keep a size that was set for a larger vocabulary within this one (before its widget).

    Args:
        name: key of the widget.
        vocab_size: V, the target's number of tokens.
    """
    if (value_of(name) or 0) > vocab_size:
        set_values({name: vocab_size})
