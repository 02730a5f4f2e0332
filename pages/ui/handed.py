"""The choice in view as the one value that is handed over, and a handed-over one back in view.

The session's settings and pins make a `SavedChoice`; a choice.json or a link becomes the session
again. What only such a file can hold, rules and a forecast's assumptions, is kept beside.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import parse_qsl, quote, urlencode

import streamlit as st

from pages.ui import pins, state, traffic
from vocabtrim_core import choice as core
from vocabtrim_core import workspace
from vocabtrim_core.choice import NO_FORECAST, NO_RULES, ForecastSettings, SavedChoice
from vocabtrim_core.choice_link import from_query, to_query
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import PRESETS, DraftArchitecture, with_vocab_size
from vocabtrim_core.errors import InputError
from vocabtrim_core.generalization.uncertainty import Interval, coverage_interval
from vocabtrim_core.report.facts import Facts, Material, gather
from vocabtrim_core.selection.selection import Rules
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.workspace import StoredCounts

PARAMETER = "choice"  # of the address: one, since those of the controls belong to Explore
ON = "on"  # within it: the sets measured on


@dataclass(frozen=True, slots=True)
class Extras:
    """What an opened choice holds and no page changes. For the counts it was made on only."""

    counts: str
    rules: Rules = NO_RULES
    forecast: ForecastSettings = NO_FORECAST


# --- from the session -----------------------------------------------------------------------------


def extras(key: str) -> Extras:
    """Rules and forecast kept for these counts."""
    kept: Extras | None = st.session_state.get("extras")
    return kept if kept and kept.counts == key else Extras(key)


def forget_extras() -> None:
    """Go on without the opened choice's rules and forecast."""
    st.session_state.pop("extras", None)


def choice_of(stored: StoredCounts, *, with_pins: bool = True) -> SavedChoice:
    """What is chosen now; InputError for settings that no size fulfils."""
    size, kept = stored.counts.vocab_size, extras(stored.key)
    made = _settings(state.settings(size), size)
    pinned = tuple(
        core.Pin(p.counts_key, p.counts_name, _pin_settings(p, stored)) for p in pins.pinned()
    )
    return SavedChoice.make(
        stored.counts, made, rules=kept.rules, pins=pinned if with_pins else (),
        note=str(st.session_state.get("note") or "").strip(), forecast=kept.forecast,
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
    text: str, keys: tuple[str, ...], title: str, _stored: StoredCounts, _others: list[StoredCounts]
) -> Facts:
    choice = SavedChoice.loads(text)
    kept = choice.open(_stored.counts).vocabulary.t2d
    found = ((other.key, traffic.responses_of(other.key, other.counts)) for other in _others)
    intervals: dict[str, Interval] = {
        key: coverage_interval(responses, kept)
        for key, responses in found
        if responses is not None and responses.complete and responses.conversations > 1
    }
    return gather(
        Material(
            _stored.counts, choice, [other.counts for other in _others], intervals,
            traffic.tokenizer_of(_stored.counts), title=title,
        )
    )  # fmt: skip


def facts_of(
    choice: SavedChoice, stored: StoredCounts, sets: list[StoredCounts], title: str = ""
) -> Facts:
    """Everything a report says about the choice, computed once per choice."""
    return _facts(choice.dumps(), tuple(other.key for other in sets), title, stored, sets)


def file_of(choice: SavedChoice):
    """The choice as a file of the workspace, under its content's name, for commands to read."""
    text = choice.dumps().encode()
    name = f"{hashlib.sha256(text).hexdigest()[:16]}.json"
    return workspace.write_atomic(workspace.folder("choices") / name, text)


# --- into the session -----------------------------------------------------------------------------


def reopen(choice: SavedChoice) -> str:
    """Put a choice in view, exactly; returns what was opened. Before any widget is drawn.

    InputError when its counts are not here, are others, or no longer give its tokens.
    """
    stored = _counts_of(choice)
    choice.open(stored.counts)
    settings = _app_settings(choice.settings)
    kept, lost = _reopened_pins(choice)
    state.bring(settings)
    st.session_state.update(
        counts_key=stored.key, note=choice.note, pins=kept,
        extras=Extras(stored.key, choice.rules, choice.forecast),
    )  # fmt: skip
    said = f"Opened: {choice.k:,} tokens on {stored.counts.name}, the same tokens as when saved."
    if lost:
        said += f" {lost} of its pins are left out: their counts are not in this workspace."
    return said


def follow_link() -> None:
    """Open the choice of the address, once; call it before `choose_counts`.

    Its parameters stand in one, `choice`, or as the command line prints them. InputError when it is
    no such link or its counts are not here.
    """
    packed = st.query_params.get(PARAMETER, "")
    plain = st.query_params.to_dict()
    link = (
        dict(parse_qsl(packed, keep_blank_values=True))
        if packed
        else plain
        if "ids" in plain
        else None
    )
    if link is None or (packed and packed == st.session_state.get("followed")):
        return
    key = link.get("counts", "")
    stored = next((s for s in state.counted_sets() if s.key == key), None)
    if stored is None:
        raise InputError(
            f"The link is about the counts {key or '(none)'}, which are not in this workspace; "
            "open it where they were counted, or count the same corpus here."
        )
    reopen(from_query(link, stored.counts))
    if ON in link:
        st.session_state[f"measured_on_{key}"] = [*filter(None, link[ON].split(","))]
    if not packed:
        st.query_params.from_dict({"counts": key})


def _counts_of(choice: SavedChoice) -> StoredCounts:
    sets = state.counted_sets()
    for stored in sets:
        if stored.key == choice.counts.key:
            return stored
    for stored in sets:  # counted otherwise since: the sentence that says how
        if stored.counts.name == choice.counts.name:
            choice.check(stored.counts)
    wanted = choice.counts
    raise InputError(
        f"The choice was made on {wanted.name} ({wanted.tokens:,} tokens of {wanted.tokenizer}, "
        f"key {wanted.key}), which is not in this workspace; count it here first."
    )


def _app_settings(settings: core.Settings) -> state.Settings:
    floor = float(Decimal(repr(settings.floor)).scaleb(2))
    return state.Settings(
        settings.alpha, floor, settings.k, _draft_name(settings.architecture),
        settings.architecture.fusion_per_step, settings.k_min, settings.k_max,
    )  # fmt: skip


def _draft_name(shape: DraftArchitecture) -> str:
    """The preset of these shapes; other shapes become a config of the workspace."""
    preset = PRESETS.get(shape.name)
    if preset and replace(
        with_vocab_size(preset, shape.vocab_size), fusion_per_step=shape.fusion_per_step
    ) == shape:  # fmt: skip
        return shape.name
    config = {
        "hidden_size": shape.hidden_size, "intermediate_size": shape.intermediate_size,
        "num_attention_heads": shape.query_heads, "num_key_value_heads": shape.key_value_heads,
        "head_dim": shape.head_dim, "vocab_size": shape.vocab_size,
        "max_position_embeddings": shape.max_position_embeddings,
        "rms_norm_eps": shape.rms_norm_eps, "rope_theta": shape.rope_theta,
        "num_hidden_layers": shape.target_layers, "num_experts_per_tok": shape.active_experts,
    }  # fmt: skip
    text = json.dumps(config, indent=1).encode()
    name = f"config-{hashlib.sha256(text).hexdigest()[:8]}.json"
    workspace.write_atomic(workspace.folder("drafts") / name, text)
    return name


def _reopened_pins(choice: SavedChoice) -> tuple[list[pins.Pin], int]:
    """The pins whose counts are here, and how many are not."""
    by_key = {stored.key: stored for stored in state.counted_sets()}
    found = [(pin, by_key[pin.counts]) for pin in choice.pins if pin.counts in by_key]
    made = [_reopened_pin(pin, stored.counts) for pin, stored in found]
    return made, len(choice.pins) - len(made)


def _reopened_pin(pin: core.Pin, counts: TokenCounts) -> pins.Pin:
    curve: CoverageCurve = state.curve_of(pin.counts, counts)
    s = pin.settings
    tradeoff = TradeOff(curve, s.architecture, s.alpha, s.floor, s.k_min, s.k_max)
    chosen = tradeoff.at(s.k) if s.k else tradeoff.optimum
    return pins.Pin(
        pin.counts, pin.name, _app_settings(s), chosen, s.architecture.head_bytes(chosen.k)
    )
