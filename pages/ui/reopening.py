"""A choice that was handed over, back in view: from a choice.json or from a link."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl

import streamlit as st

from pages.ui import outlook, pins, state, traffic
from pages.ui.fields import told
from pages.ui.handed import ON, PARAMETER, Extras
from pages.ui.traffic import OwnVocabulary
from pages.ui.words import plain
from vocabtrim_core import choice as core
from vocabtrim_core import workspace
from vocabtrim_core.choice import OwnTokens, SavedChoice
from vocabtrim_core.choice_link import from_query
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_config import fitted, kept_config
from vocabtrim_core.draft_cost import PRESETS, DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.mappings.stored import keep
from vocabtrim_core.tradeoff import TradeOff
from vocabtrim_core.workspace.files import write_atomic

MOST_BYTES = 10_000_000  # of a choice.json; one with every id protected is smaller


def reopen(choice: SavedChoice) -> str:
    """Put a choice in view, exactly; returns what was opened. Before any widget is drawn.

    InputError when its counts are not here, are others, or no longer give its tokens.
    """
    stored = _counts_of(choice)
    choice.open(stored.counts)
    settings = _app_settings(choice.settings)
    kept, lost = _reopened_pins(choice)
    state.bring(settings)
    outlook.bring(choice.forecast)
    st.session_state.update(
        counts_key=stored.key, note=choice.note, pins=kept,
        extras=Extras(stored.key, choice.rules), kind_in_view="choice",
    )  # fmt: skip
    if choice.own:
        _bring_own(choice, choice.own, stored)
    said = f"Opened: {choice.k:,} tokens on {stored.counts.name}, the same tokens as when saved."
    if lost:
        said += f" {lost} of its pins are left out: their counts are not in this workspace."
    return said


def _bring_own(choice: SavedChoice, own: OwnTokens, stored: StoredCounts) -> None:
    vocabulary = own.vocabulary(stored.counts.vocab_size)
    file = keep(vocabulary, stored.counts, own.about)
    kept = OwnVocabulary(
        f"Opened, {choice.k:,} tokens", own.about, stored.key, vocabulary,
        ("coverage", stored.key, "--vocabulary", str(file)),
    )  # fmt: skip
    traffic.keep_vocabulary("opened", kept, stored.counts)


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
    if preset:
        known = replace(fitted(preset, shape.vocab_size)[0], fusion_per_step=shape.fusion_per_step)
        if known == shape:
            return shape.name
    config = kept_config(replace(shape, fusion_per_step=True))  # the app's own switch has it
    text = json.dumps(config, indent=1).encode()
    name = f"config-{hashlib.sha256(text).hexdigest()[:8]}.json"
    write_atomic(workspace.folder("drafts") / name, text)
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


# --- a choice.json ------------------------------------------------------------------------------


def opened() -> None:
    """A choice.json was given: put it in view, or keep the sentence that says why not."""
    uploaded = st.session_state.choice_file
    st.session_state.pop("opened", None)
    if uploaded is None:
        return
    try:
        text = uploaded.getvalue().decode("utf-8")
        st.session_state.opened = ("success", reopen(SavedChoice.loads(text, uploaded.name)))
    except UnicodeDecodeError:
        st.session_state.opened = ("error", f"{uploaded.name} is not a text file, so no choice.")
    except InputError as error:
        st.session_state.opened = ("error", str(error))


def opener() -> None:
    """Where a choice.json is given back, and what became of it."""
    st.file_uploader(
        "Open a choice.json", "json", key="choice_file", on_change=opened,
        max_upload_size=MOST_BYTES // 10**6, help="Settings, pins and note come into view as they "
        "were saved, and the same tokens are found again, or it says why not.",
    )  # fmt: skip
    kind, said = st.session_state.get("opened", ("", ""))
    if kind == "success":
        st.success(plain(said), icon=":material/check_circle:")
    elif kind:
        st.error(told(said), icon=":material/error:")
