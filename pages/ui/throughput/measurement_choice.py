"""The measurements there are: which are in view, where they come from, how to take them along."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.fields import FIELDS, with_labels
from pages.ui.session import session
from pages.ui.throughput.provenance_view import provenance
from pages.ui.throughput.shown_measurement import ShownMeasurement, committed
from pages.ui.widgets import persisted
from vocabtrim_core.serving import measurement as measurements
from vocabtrim_core.serving.joining import of_one_engine

MOST = 8  # measurements in view at once


def available() -> list[ShownMeasurement]:
    """The workspace's, newest first, then what was measured on a GPU and came along.

    Those of one configuration, such as a search's trials, compare nothing and stand behind others.
    """
    stored = sorted(measurements.stored(), key=lambda measured: len(measured.configurations) == 1)
    own = [ShownMeasurement(measured) for measured in stored]
    return [*own, *(ShownMeasurement(measured, committed=True) for measured in committed()[0])]


def choose() -> list[ShownMeasurement]:
    """Draw the choice of the measurements in view; the newest one is, until others are chosen."""
    by_key = {item.measurement.key: item for item in available()}
    if not by_key:
        return []
    _take_up_new(list(by_key))
    chosen, source = st.columns([5.6, 2.3], vertical_alignment="bottom", gap="small")
    keys = chosen.multiselect(
        "Measurements in view",
        list(by_key),
        **persisted("measured"),
        format_func=lambda key: by_key[key].title,
        max_selections=MOST,
    )
    st.query_params["measured"] = ",".join(keys)
    in_view = _of_one_engine([by_key[key] for key in keys])
    with source:
        provenance(in_view)
    return in_view


def _of_one_engine(chosen: list[ShownMeasurement]) -> list[ShownMeasurement]:
    """What is compared: measurements of several engines only where that is asked for."""
    same, sentence = of_one_engine([item.measurement for item in chosen])
    if not sentence:
        return chosen
    across = st.toggle(
        FIELDS["--across-engines"],
        **persisted("view_across_engines"),
        help="Kernels, schedulers and defaults of engines differ by more than the draft.",
    )
    if across:
        return chosen
    st.caption(with_labels(sentence))
    return [item for item in chosen if item.measurement in same]


def _take_up_new(keys: list[str]) -> None:
    """Before the widget: a link's measurements at the first look, then every one that is new."""
    known = session.measured_known
    session.measured_known = keys
    before = session.measured
    if known is None and before is None:
        before = st.query_params.get("measured", "").split(",")
    fresh = [key for key in keys if known is not None and key not in known]
    still_there = [key for key in before or () if key in keys]
    wanted = fresh[:1] or still_there[:MOST] or keys[:1]
    if wanted != session.measured:
        session.measured = wanted


def commands(in_view: Sequence[ShownMeasurement]) -> list[list[str]]:
    """What does with the measurements in view in a shell what this page does.

    Args:
        in_view: measurements in view.
    """
    keys = [item.measurement.key for item in in_view if not item.committed]
    return [["measurements", action, key] for key in keys[:1] for action in ("show", "replay")]
