"""What every page stands in: its header, the counted set in view, commands, plain errors."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.ui import links, state
from pages.ui.error_messages import plain_errors
from pages.ui.format import code_span, plain, what_counts
from pages.ui.router import go_to
from pages.ui.session import session
from pages.ui.widgets import persisted
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.draft_config import borrowed
from vocabtrim_core.shipped.sets import sources_of

SHIPPED = (
    "comes with the program as numbers: counts, also by random group of conversations, and "
    "ceilings of the acceptance length. The text itself is not here, so examples in context are "
    "not shown"
)
# Where the header's two halves have no room beside each other they stand one above the other.
STYLE = """<style>
@media (max-width: 1300px) {
  .st-key-heading [data-testid=stHorizontalBlock]:not([data-testid=stColumn] *) { row-gap: 1rem; }
  .st-key-heading [data-testid=stColumn]:not([data-testid=stColumn] *) { min-width: 100%; }
}
</style>"""


def heading(title: str, lead: str) -> DeltaGenerator:
    """Title and one line of what the page is for; returns the place to write what it is about.

    Args:
        title: the page's title.
        lead: one line on what the page is for.
    """
    st.html(STYLE)
    left, place = st.container(key="heading").columns(
        [1, 1.5], gap="large", vertical_alignment="bottom"
    )
    with left.container(gap=None):
        st.title(title, anchor=False)
        st.caption(lead)
    return place


def tabs(panels: Mapping[str, Callable[[], object]], **options: Any) -> None:
    """Tabs of which only the open one is drawn; bad input in it is a sentence there.

    Args:
        panels: what draws each tab, by its title.
        options: further arguments of the tabs, the key at least.
    """
    drawn = st.tabs(list(panels), on_change="rerun", **options)
    for tab, draw in zip(drawn, panels.values(), strict=True):
        if tab.open:
            with tab, plain_errors():
                draw()


def shell(argv: Sequence[str | int | float]) -> None:
    """A command as it is typed into a shell.

    Args:
        argv: arguments of the command.
    """
    line = shlex.join(["python", "-m", "vocabtrim_core", *map(str, argv)])
    st.code(line, language="bash", wrap_lines=True)


def footer(*commands: Sequence[str | int | float]) -> None:
    """Last line of every page: the same work in a shell.

    Args:
        commands: arguments of each command.
    """
    if ignored := links.ignored():
        sentence = f"Ignored from the link: {', '.join(ignored)}; no such setting or value."
        st.toast(plain(sentence), icon=":material/link_off:", duration="infinite")
    st.space("small")
    with st.popover("Show the command", icon=":material/terminal:", type="tertiary", key="command"):
        st.caption("The same from a shell:")
        for argv in commands:
            shell(argv)


def choose_counts(
    title: str, lead: str, beside: Callable[[int], None] | None = None
) -> StoredCounts:
    """The header of a page about one counted set, with its selector.

    Args:
        title: the page's title.
        lead: one line on what the page is for.
        beside: draws more controls of the header, given V.
    """
    with heading(title, lead):
        chosen = _selected_counts(beside)
    if chosen and beside is None:  # else the page chooses the draft itself, and asks for it
        _ask_for_draft(chosen.counts.vocab_size)
    return chosen


def _ask_for_draft(vocab_size: int) -> None:
    """A warning where no draft of a model with this V is chosen, with the way to the menu."""
    if sentence := borrowed(state.settings(vocab_size).architecture):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.warning(plain(sentence), icon=":material/memory:")
            go_to("explore", "Choose it on Explore", key="choose_draft", width="content")


def _selected_counts(beside: Callable[[int], None] | None) -> StoredCounts:
    links.remember()
    sets = state.counted_sets()
    by_key = {stored.key: stored for stored in sets}
    session.counts_key = state.current_key(sets)
    widths = [6, 2.7, 2.2] if beside else [5.6, 2.3]
    columns = st.columns(widths, vertical_alignment="bottom", gap="small")
    columns[0].selectbox(
        "Counted set",
        list(by_key),
        format_func=lambda key: state.label(by_key[key]),
        **persisted("counts_key"),
    )
    chosen = by_key[session.counts_key]
    if sentence := state.not_followed(sets, chosen):
        st.toast(plain(sentence), icon=":material/link_off:", duration="infinite")
    if beside:
        with columns[1]:
            beside(chosen.counts.vocab_size)
    with columns[-1]:
        provenance(chosen)
    st.query_params["counts"] = chosen.key
    return chosen


def provenance(stored: StoredCounts) -> None:
    """Card of what was counted, how, and how it was checked.

    Args:
        stored: the counted set in view.
    """
    counts, about = stored.counts, stored.counts.provenance
    rows = {
        "Counted": f"{counts.tokens:,} tokens, {counts.distinct:,} distinct",
        "Target vocabulary": f"V = {counts.vocab_size:,}",
        "Conversations": f"{counts.conversations:,} counted, {counts.skipped:,} rows skipped",
        "Rule": what_counts(**asdict(about)),
        "Turns": about.turn_end,
        "Left out": "; ".join(
            plain(f"{times:,} times {reason} ({', '.join(places)})")
            for kind in ("skipped", "notes")
            for reason, times, places in about.remarks(kind)
        ),
        "Tokenizer": f"{code_span(about.tokenizer)} (sha256 {about.tokenizer_sha256[:12]}…)",
        "Template": f"{about.template} (sha256 {about.template_sha256[:12]}…)",
        "Corpora": ", ".join(
            f"{code_span(str(c['name']))} (sha256 {str(c['sha256'])[:12]}…)" for c in about.corpora
        ),
        "Engine": f"{about.engine or 'not recorded'}, {about.seconds:,.1f} s",
        "Checked": _proof(about.proof),
        "Key": stored.key,
    }
    if stored.shipped:
        rows = {"Shipped": SHIPPED, **rows, "Sources": _sources(stored.key)}
    with st.popover(
        "Source",
        icon=":material/fingerprint:",
        key="provenance",
        width="stretch",
        help="Provenance of the counted set",
    ):
        st.markdown("**Provenance of the counted set**")
        lines = (f"- **{name}**: {value}" for name, value in rows.items() if value)
        st.markdown("\n".join(lines))


def _sources(key: str) -> str:
    """Repositories of a shipped set's texts with their licences, each once."""
    listed = dict.fromkeys((part["repo"], part["licence"]) for part in sources_of(key))
    return "; ".join(plain(f"{repo} ({licence})") for repo, licence in listed)


def _proof(proof: Mapping[str, Any]) -> str:
    if "merged" in proof:
        return "; ".join(_proof(part) for part in proof["merged"])
    return ". ".join([str(proof.get("sentence", "not recorded")), *proof.get("details", ())])
