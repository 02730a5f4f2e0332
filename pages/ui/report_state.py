"""The choice in view as the one value that is handed over, and everything that is said of it.

The session's settings, pins, own vocabulary and forecast make a `SelectionSpec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlencode

import streamlit as st

from pages.ui import eval_sets, forecasts, pins, report_forecast, state, vocabularies
from pages.ui.caching import cached
from pages.ui.session import session
from pages.ui.widgets import value_of
from vocabtrim_core.counting.shard_counts import load_shards
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.generalization.intervals import CoverageInterval
from vocabtrim_core.generalization.pieces import intervals_elsewhere
from vocabtrim_core.generalization.stability import held_out_of
from vocabtrim_core.report.data import ReportData, report_data
from vocabtrim_core.report.forecast import comparisons, worst_acceptance
from vocabtrim_core.report.inputs import ReportInputs
from vocabtrim_core.selection.rules import NO_RULES, Rules
from vocabtrim_core.selection_spec.settings import NO_MIX, OwnTokens, Pin
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.selection_spec.store import keep
from vocabtrim_core.serving.measurement import Measurement

PARAMETER, SHORT = "choice", "spec"  # of the address: one, since the controls' belong to Explore


def rules_of(key: str) -> Rules:
    """The rules of an opened choice, which no page changes; for the counts it was made on only.

    Args:
        key: key of a counted set.
    """
    counts, rules = session.rules
    return rules if counts == key else NO_RULES


def forget_rules() -> None:
    """Remove the opened choice's rules."""
    del session.rules


def choice_of(stored: StoredCounts, *, with_pins: bool = True) -> SelectionSpec:
    """What is in view now.

    Args:
        stored: the counted set that the choice is made on.
        with_pins: whether pinned choices go with it.

    Raises:
        InputError: for settings that no size fulfils.
    """
    settings = state.settings(stored.counts.vocab_size)
    view, own = vocabularies.view_of(stored), None
    if view.own:
        own = OwnTokens.of(view.vocabulary, view.own.about)
        _ = view.file  # where links look for it
    sets = others(stored)
    return SelectionSpec.make(
        stored.counts,
        settings,
        rules=NO_RULES if own else rules_of(stored.key),
        pins=_pins(stored.key) if with_pins else (),
        note=str(session.note or "").strip(),
        forecast=report_forecast.in_report(settings.architecture)[0],
        own=own,
        mix=view.own.mix if view.own else NO_MIX,
        on=tuple(other.key for other in sets),
        served=_served_keys(stored),
    )


def _pins(key: str) -> tuple[Pin, ...]:
    """A pin on other counts names its size: there is no optimum to find again without them."""
    return tuple(
        pinned.pin
        if pinned.pin.counts == key
        else replace(pinned.pin, settings=replace(pinned.pin.settings, k=pinned.choice.k))
        for pinned in pins.chosen(session.pins)
    )


def others(stored: StoredCounts) -> list[StoredCounts]:
    """The sets it is measured on, as chosen here or on Generalize; all comparable ones at first.

    Args:
        stored: the counted set that the choice is made on.
    """
    comparable, _ = eval_sets.comparable(stored)
    chosen = value_of(eval_sets.measured_on_key(stored.key))
    if chosen is None:
        return comparable[: eval_sets.MOST_SETS]
    return [other for other in comparable if other.key in chosen]


def long_link(choice: SelectionSpec) -> str:
    """The address's `choice` parameter that opens all this again, wherever the counts are.

    Args:
        choice: what is handed over.
    """
    return urlencode(choice.query())


def links(choice: SelectionSpec, base: str) -> tuple[str, str]:
    """Two addresses of the presentation: the short one for this workspace, and the long one.

    Args:
        choice: what is handed over.
        base: address of the app.
    """
    short = f"{base}/present?{SHORT}={keep(choice).stem}"
    return short, f"{base}/present?{PARAMETER}={quote(long_link(choice), safe='')}"


def show_in_address(choice: SelectionSpec) -> None:
    """Keep the address what it shows, so that it can be copied and reloaded.

    Args:
        choice: what is handed over.
    """
    link = long_link(choice)
    session.followed_link = link
    st.query_params[PARAMETER] = link
    if SHORT in st.query_params:
        del st.query_params[SHORT]


def _held_out(choice: SelectionSpec, stored: StoredCounts) -> CoverageInterval | None:
    """Held-out coverage of the counted corpus, for the most frequent tokens alone."""
    if choice.own or choice.rules != NO_RULES:
        return None
    responses = eval_sets.responses_of(stored)
    return held_out_of(stored.counts, choice.k, responses, load_shards(stored.key))


def _served_keys(stored: StoredCounts) -> tuple[str, ...]:
    """Keys of the evaluation traffic; none for the counted set alone."""
    keys = tuple(text.key for text in served_of(session.served or (), stored))
    return () if keys == (stored.key,) else keys


def served_of(keys: Sequence[str], stored: StoredCounts) -> tuple[StoredCounts, ...]:
    """The evaluation traffic; the counted set itself where that is gone or counted otherwise.

    Args:
        keys: keys of counted sets, none for the counted set itself.
        stored: the counted set that the choice is made on.
    """
    comparable, _ = eval_sets.comparable(stored)
    return tuple(text for text in (stored, *comparable) if text.key in keys) or (stored,)


@cached(6, "Measuring the choice")
def _facts(
    text: str,
    title: str,
    measured: tuple[str, ...],
    stored: StoredCounts,
    served: tuple[StoredCounts, ...],
    others: list[StoredCounts],
    _measurements: list[Measurement],
) -> ReportData:
    choice = SelectionSpec.loads(text)
    opened = choice.open(stored.counts)
    other_counts = [other.counts for other in others]
    responses = [eval_sets.responses_of(other) for other in others]
    intervals = intervals_elsewhere(other_counts, responses, opened.vocabulary.t2d)
    return report_data(
        ReportInputs(
            stored.counts,
            choice,
            other_counts,
            intervals,
            eval_sets.tokenizer_of(stored.counts),
            comparisons(_measurements, choice.k, stored.counts.vocab_size),
            title,
            acceptance=worst_acceptance(
                choice,
                opened,
                [report_forecast.acceptance(choice, opened, stored, text) for text in served],
            ),
            held_out=_held_out(choice, stored),
            k_range=None if choice.own else forecasts.k_range_of(stored, opened.tradeoff),
        )
    )


def facts_of(
    choice: SelectionSpec, stored: StoredCounts, sets: list[StoredCounts], title: str = ""
) -> ReportData:
    """Everything a report says about the choice, computed once per choice.

    Args:
        choice: what is handed over.
        stored: the counted set that the choice is made on.
        sets: other counted sets that it is measured on.
        title: title of the report, "" for one made from the choice.
    """
    measured = report_forecast.chosen(choice.k, stored.counts.vocab_size)
    names = tuple(measurement.key for measurement in measured)
    served = served_of(choice.served, stored)
    return _facts(choice.dumps(), title, names, stored, served, sets, measured)
