"""The choice in view as the one value that is handed over, and everything that is said of it.

The session's settings, pins, own vocabulary and forecast make a `SavedChoice`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import quote, urlencode

import streamlit as st

from pages.ui import outlook, pins, state, traffic
from vocabtrim_core import choice as core
from vocabtrim_core import workspace
from vocabtrim_core.choice import NO_RULES, OwnTokens, SavedChoice
from vocabtrim_core.choice_link import to_query
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.generalization.uncertainty import Interval, coverage_interval
from vocabtrim_core.report.facts import Facts, gather
from vocabtrim_core.report.material import Material
from vocabtrim_core.report.outlook import comparisons
from vocabtrim_core.selection.selection import Rules
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.workspace.files import write_atomic

PARAMETER = "choice"  # of the address: one, since those of the controls belong to Explore
ON = "on"  # within it: the sets measured on


@dataclass(frozen=True, slots=True)
class Extras:
    """What an opened choice holds and no page changes. For the counts it was made on only."""

    counts: str
    rules: Rules = NO_RULES


def extras(key: str) -> Extras:
    """Rules kept for these counts."""
    kept: Extras | None = st.session_state.get("extras")
    return kept if kept and kept.counts == key else Extras(key)


def forget_extras() -> None:
    """Go on without the opened choice's rules."""
    st.session_state.pop("extras", None)


def choice_of(stored: StoredCounts, *, with_pins: bool = True) -> SavedChoice:
    """What is in view now; InputError for settings that no size fulfils."""
    size = stored.counts.vocab_size
    made = _settings(state.settings(size), size)
    view, own = traffic.view_of(stored), None
    if view.own:
        own = OwnTokens.of(view.vocabulary, view.own.about)
        _ = view.file  # where links look for it
    pinned = tuple(
        core.Pin(p.counts_key, p.counts_name, _pin_settings(p, stored)) for p in pins.pinned()
    )
    forecast, _ = outlook.in_report(made.architecture)
    return SavedChoice.make(
        stored.counts, made, rules=NO_RULES if own else extras(stored.key).rules,
        pins=pinned if with_pins else (), note=str(st.session_state.get("note") or "").strip(),
        forecast=forecast, own=own,
    )  # fmt: skip


def _settings(settings: state.Settings, size: int) -> core.Settings:
    return core.Settings(
        state.architecture_of(settings, size),
        settings.alpha,
        float(Decimal(repr(float(settings.floor))) / 100),
        settings.k,
        min(settings.kmin, size),
        None if settings.kmax is None else min(settings.kmax, size),
    )


def _pin_settings(pin: pins.Pin, stored: StoredCounts) -> core.Settings:
    """A pin on other counts names its size: there is no optimum to find again without them."""
    made = _settings(pin.settings, stored.counts.vocab_size)
    return made if pin.counts_key == stored.key else replace(made, k=pin.choice.k)


def others(stored: StoredCounts) -> list[StoredCounts]:
    """The sets it is measured on, as chosen here or on Generalize; all comparable ones at first."""
    comparable, _ = traffic.comparable(stored)
    kept = st.session_state.get(f"measured_on_{stored.key}")
    if kept is None:
        return comparable[: traffic.MOST_SETS]
    return [other for other in comparable if other.key in kept]


def link_of(choice: SavedChoice, sets: list[StoredCounts]) -> str:
    """The address's `choice` parameter that opens all this again."""
    return urlencode(to_query(choice) | {ON: ",".join(other.key for other in sets)})


def quoted(choice: SavedChoice, sets: list[StoredCounts]) -> str:
    """`link_of`, as it stands in an address."""
    return quote(link_of(choice, sets), safe="")


def show_in_address(choice: SavedChoice, sets: list[StoredCounts]) -> None:
    """Keep the address what it shows, so that it can be copied and reloaded."""
    link = link_of(choice, sets)
    st.session_state.followed = link
    st.query_params[PARAMETER] = link


@st.cache_resource(max_entries=6, show_spinner="Measuring the choice")
def _facts(
    text: str, keys: tuple[str, ...], title: str, measured: tuple[str, ...],
    _stored: StoredCounts, _others: list[StoredCounts], _measurements: list[Measurement],
) -> Facts:  # fmt: skip
    choice = SavedChoice.loads(text)
    opened = choice.open(_stored.counts)
    found = ((other.key, traffic.responses_of(other.key, other.counts)) for other in _others)
    intervals: dict[str, Interval] = {
        key: coverage_interval(responses, opened.vocabulary.t2d)
        for key, responses in found
        if responses is not None and responses.complete and responses.conversations > 1
    }
    return gather(
        Material(
            _stored.counts, choice, [other.counts for other in _others], intervals,
            traffic.tokenizer_of(_stored.counts),
            comparisons(_measurements, choice.k, _stored.counts.vocab_size), title,
            ceiling=outlook.ceiling(choice, opened, _stored),
        )
    )  # fmt: skip


def facts_of(
    choice: SavedChoice, stored: StoredCounts, sets: list[StoredCounts], title: str = ""
) -> Facts:
    """Everything a report says about the choice, computed once per choice."""
    measured = outlook.chosen(choice.k, stored.counts.vocab_size)
    keys, names = (tuple(each.key for each in some) for some in (sets, measured))
    return _facts(choice.dumps(), keys, title, names, stored, sets, measured)


def file_of(choice: SavedChoice):
    """The choice as a file of the workspace, under its content's name, for commands to read."""
    text = choice.dumps().encode()
    name = f"{hashlib.sha256(text).hexdigest()[:16]}.json"
    return write_atomic(workspace.folder("choices") / name, text)
