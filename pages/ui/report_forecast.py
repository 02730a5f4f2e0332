"""Throughput in what is handed over: the forecast as assumed on its page, and measurements.

The session holds one set of assumptions: the Forecast page's last ones, or those of a choice that
was opened since.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.ui.fields import with_labels
from pages.ui.forecasts import acceptance_of
from pages.ui.format import ESTIMATED, plain
from pages.ui.session import session
from pages.ui.widgets import persisted, set_values
from vocabtrim_core.counts_store import StoredCounts
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.forecast.acceptance_model import AcceptanceModel
from vocabtrim_core.forecast.devices import HARDWARE
from vocabtrim_core.forecast.inputs import Acceptance, paper_settings
from vocabtrim_core.forecast.settings import NO_FORECAST, ForecastSettings
from vocabtrim_core.report.forecast import check
from vocabtrim_core.selection.rules import NO_RULES
from vocabtrim_core.selection.selection import apply_rules
from vocabtrim_core.selection_spec.opened import Opened
from vocabtrim_core.selection_spec.spec import SelectionSpec
from vocabtrim_core.serving import measurement
from vocabtrim_core.serving.measurement import Measurement

# --- forecast -----------------------------------------------------------------------------------


def assume(settings: ForecastSettings, model: AcceptanceModel) -> None:
    """Take over what the Forecast page assumes.

    Args:
        settings: the page's assumptions.
        model: what they make of the acceptance length with all tokens.
    """
    session.forecast_settings = replace(
        settings, full_length=model.full_length, full_range=tuple(model.full_range)
    )


def restore(settings: ForecastSettings) -> None:
    """Take over what an opened choice assumes; one without a forecast goes without.

    Args:
        settings: what an opened choice assumes.
    """
    session.with_forecast = settings != NO_FORECAST
    if settings != NO_FORECAST:
        session.forecast_settings = session.opened_forecast = settings
        set_values(_controls(settings))


def _controls(settings: ForecastSettings) -> dict[str, object]:
    """Values of the Forecast page's controls, by key."""
    forms = {0: "Data sheet", 1: "One run"}
    controls: dict[str, object] = {
        "timing": forms.get(len(settings.cycles), "Two measurements"),
        "depth": settings.depth,
        "hardware": settings.hardware,
        "batch": settings.batch,
        "context": settings.context,
        "head_format": settings.head_format,
        "training": settings.training,
        "width": settings.width,
        "verified": settings.verified,
    }
    if settings.full_length is not None:
        controls["tau"] = round(settings.full_length, 2)
    form = "alone" if len(settings.cycles) == 1 else "run"
    for i, (k, seconds) in enumerate(settings.cycles[:2]):
        controls |= {f"{form}{i}_k": k, f"{form}{i}_rate": 1 / seconds, f"{form}{i}_length": 1.0}
    return controls


def assumed() -> ForecastSettings:
    """The assumptions: the paper's, on its hardware, until there are others."""
    return session.forecast_settings or paper_settings()


def in_report(architecture: DraftArchitecture) -> tuple[ForecastSettings, str]:
    """The forecast that goes into the report, and why there is none where it makes no sense.

    Args:
        architecture: shapes of the draft.
    """
    if session.with_forecast is False:
        return NO_FORECAST, ""
    try:
        check(assumed(), architecture)
    except InputError as error:
        return NO_FORECAST, str(error)
    return assumed(), ""


def toggle(problem: str) -> None:
    """Whether the report forecasts, and from what.

    Args:
        problem: why no forecast can be made, "" where it can.
    """
    if session.with_forecast is None:
        session.with_forecast = True
    on = st.toggle(
        "Forecast of throughput",
        **persisted("with_forecast"),
        help="An interval for every size, from the assumptions of the Forecast page.",
    )
    if problem:
        st.caption(f"No forecast: {plain(problem)}")
    elif on:
        settings = assumed()
        where = "custom cycle times" if settings.cycles else HARDWARE[settings.hardware].name
        many = f", {settings.batch} sequences at once" if settings.batch > 1 else ""
        st.caption(
            f"On {where}{many}, depth {settings.depth}, acceptance length "
            f"{settings.full_length:.2f} "
            f"with all tokens; change it on Forecast. {ESTIMATED}"
        )


def acceptance(
    choice: SelectionSpec, opened: Opened, stored: StoredCounts, served: StoredCounts
) -> Acceptance | None:
    """Acceptance on the evaluation traffic; None where no forecast is wanted.

    Args:
        choice: what is handed over.
        opened: the same, opened on its counts.
        stored: the counts that it was made on.
        served: the evaluation traffic that the forecast is about.

    Returns:
        The acceptance for every k in the order of the choice.
    """
    if choice.forecast.full_length is None:
        return None
    # By rules the order of tokens is another one, and so is how far a perfect draft gets.
    order = stored.key if choice.rules == NO_RULES else f"{stored.key} {hash(choice.rules)}"
    return acceptance_of(
        order,
        served,
        choice.forecast,
        opened.tradeoff.curve,
        lambda counts: apply_rules(counts, choice.rules).curve.order,
    )


# --- measurements -------------------------------------------------------------------------------


def measurements(vocab_size: int) -> list[Measurement]:
    """Those of the workspace that may be over this V.

    Args:
        vocab_size: V, the target's number of tokens.
    """
    stored = measurement.stored()
    return [measured for measured in stored if measured.vocab_size in (None, vocab_size)]


def chosen(k: int, vocab_size: int) -> list[Measurement]:
    """Those that go into the report: as picked, at first all with this size.

    Args:
        k: size of the draft vocabulary, in tokens.
        vocab_size: V, the target's number of tokens.
    """
    available = measurements(vocab_size)
    picked = session.report_measurements
    if picked is None:
        return [
            measured for measured in available if any(c.k == k for c in measured.configurations)
        ]
    return [measured for measured in available if measured.key in picked]


def choose(k: int, vocab_size: int) -> None:
    """The selector of measurements; nothing while there are none.

    Args:
        k: size of the draft vocabulary, in tokens.
        vocab_size: V, the target's number of tokens.
    """
    try:
        by_key = {measured.key: measured for measured in measurements(vocab_size)}
    except InputError as error:
        st.caption(f"No measurements: {with_labels(str(error))}")
        return
    if not by_key:
        return
    start = [measured.key for measured in chosen(k, vocab_size)]
    first_time = session.report_measurements is None
    if not first_time:
        session.report_measurements = start
    st.multiselect(
        "Measured throughput",
        list(by_key),
        start if first_time else None,
        format_func=lambda key: _title(by_key[key]),
        **persisted("report_measurements"),
        placeholder="measurements of the Throughput page",
    )


def _title(measured: Measurement) -> str:
    sizes = sorted({c.k for c in measured.configurations if c.k is not None})
    return f"{measured.prompts} on {measured.engine}, k = {', '.join(f'{k:,}' for k in sizes)}"
