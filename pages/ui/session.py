"""What pages keep in the session, each entry with its type; every page reads and writes it here.

Some entries are also the values of widgets: an entry stands here once another place reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import streamlit as st

from pages.ui.own_vocabulary import OwnVocabulary
from vocabtrim_core.forecast.settings import ForecastSettings
from vocabtrim_core.selection.rules import NO_RULES, Rules
from vocabtrim_core.selection_spec.settings import Pin, Settings

T = TypeVar("T")


class Entry(Generic[T]):
    """One entry of the session, under the name of its attribute; `default` until it is set.

    Defaults are never changed in place: a list or mapping is replaced by a new one.
    """

    def __init__(self, default: T) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, session: Session, owner: type) -> T:
        return st.session_state.get(self.name, self.default)

    def __set__(self, session: Session, value: T) -> None:
        st.session_state[self.name] = value

    def __delete__(self, session: Session) -> None:
        if self.name in st.session_state:
            del st.session_state[self.name]


class Session:
    """Everything that outlives a run of a page."""

    # Header and address
    routed = Entry(False)
    counts_key = Entry[str | None](None)
    not_followed = Entry[frozenset[str]](frozenset())
    address = Entry[Mapping[str, tuple[str, ...]] | None](None)  # as the session began
    labels = Entry[Mapping[str, Mapping[str, str]]]({})  # of the menus in it
    followed_link = Entry("")

    # The trade-off
    settings = Entry[Settings | None](None)
    pending_settings = Entry[Settings | None](None)  # to be drawn when Explore opens
    history = Entry[tuple[Settings, ...]](())
    k = Entry[int | None](None)
    size = Entry(0)
    preset = Entry[int | None](None)
    x = Entry("log")
    draft = Entry[str | None](None)
    pending_draft = Entry[str | None](None)
    draft_file_seen = Entry("")
    redraw_page = Entry(False)
    pins = Entry[tuple[Pin, ...]](())
    live_chart = Entry[Any](None)
    frontier = Entry[Any](None)

    # Corpora and tokenizers
    unknown_roles = Entry[Mapping[tuple[str, ...], tuple[str, ...]]]({})
    corpus_upload = Entry[str | None](None)
    corpus_file_seen = Entry("")
    tok_uploaded = Entry("")

    # Vocabularies
    kind_in_view = Entry("choice")
    vocabulary_kind = Entry("choice")
    own_vocabularies = Entry[Mapping[str, OwnVocabulary]]({})
    own_tokens = Entry[Mapping[str, tuple[int, ...]]]({})  # by the tokenizer's sha256, 16 digits
    missing_of = Entry[str | None](None)
    mapping_path = Entry("")
    mapping_upload = Entry("")
    redraw_generalize = Entry(False)

    # Forecast and measurements
    forecast_settings = Entry[ForecastSettings | None](None)
    opened_forecast = Entry[ForecastSettings | None](None)  # of an opened choice
    forecast_k = Entry[int | None](None)
    forecast_chart = Entry[Any](None)
    base = Entry("V")
    depth = Entry(0)
    tau = Entry[float | None](None)
    served = Entry[list[str] | None](None)
    measured = Entry[list[str] | None](None)
    measured_known = Entry[list[str] | None](None)
    diagnosis = Entry[Any](None)  # of a server, or the sentence of its failure

    # Report
    rules = Entry[tuple[str, Rules]](("", NO_RULES))  # of an opened choice, with its counts' key
    note = Entry[str | None](None)
    report_title = Entry[str | None](None)
    with_forecast = Entry[bool | None](None)
    report_measurements = Entry[list[str] | None](None)
    choice_file = Entry[Any](None)
    opened = Entry[tuple[str, str]](("", ""))  # "success" or "error", and a sentence

    # Training
    train_view = Entry[str | None](None)
    train_run = Entry[str | None](None)
    run_to_show = Entry[str | None](None)  # when Train is drawn the next time


session = Session()
