"""Forecast: what will a draft vocabulary do to tokens per second?"""

import streamlit as st

from pages.ui import forecasts, report_forecast, state
from pages.ui.charts.size_chart import forecast_chart
from pages.ui.error_messages import fragment
from pages.ui.forecast import (
    actions,
    assumptions_form,
    break_even_view,
    checks_view,
    details_view,
    evidence_view,
    forecast_view,
    measurement_form,
)
from pages.ui.frame import choose_counts, footer, plain_errors, tabs
from pages.ui.router import require_router
from pages.ui.session import session
from pages.ui.widgets import linked, set_values
from vocabtrim_core.forecast.inputs import paper_length

require_router()


def picked() -> None:
    """A size was picked in the chart: it is shown, or the recommended one again."""
    session.forecast_k = session.forecast_chart.picked or None


def start_over() -> None:
    """Back to the paper's setting: an A100, depth 3, MT-Bench's acceptance."""
    set_values({"depth": 3, "tau": round(paper_length(3), 2), "timing": "Data sheet", "batch": 1})
    session.forecast_k = None


@fragment
def page(stored) -> None:
    """The chart at the left, assumptions at the right, what stands behind it below."""
    size = stored.counts.vocab_size
    chart, side = st.columns([3.4, 1], gap="large")
    answer = assumed = None
    waiting = False
    k = session.forecast_k
    with side:
        st.segmented_control(
            "Compared with",
            ["V", "32,000"],
            default="V",
            required=True,
            **linked("base"),
            help="The chart's zero line: all tokens, or the size of a typical EAGLE-3 head.",
        )
        with plain_errors():
            assumed = assumptions_form.form(stored, size)
            waiting = assumed is None
    with chart, plain_errors():
        if assumed:
            answer = forecast_view.answer(stored, assumed, k)
            report_forecast.assume(assumed.settings, answer.acceptance)
            forecasts.card(answer.decision, size)
            forecast_chart(forecast_view.chart_data(answer, k), picked)
            st.markdown(forecast_view.verdict(answer, assumed))
            actions.actions(answer)
    if not (answer and assumed):
        with chart:
            if waiting:
                measurement_form.nothing_yet(size)
            st.button(
                "Start over",
                type="secondary" if waiting else "primary",
                key="forecast_reset",
                on_click=start_over,
            )
        footer(["forecast", stored.key])
        return
    panels = {
        "Acceptance length": lambda: details_view.acceptance(answer, assumed),
        "Cycle time": lambda: details_view.cycle_time(answer),
        "Streams": lambda: evidence_view.streams(answer, assumed),
        "Break-even": lambda: break_even_view.break_evens(stored, answer, assumed),
        "Quantized head": lambda: evidence_view.head(answer, assumed),
        "Evidence": evidence_view.evidence,
        "Against measurements": lambda: checks_view.against(answer, assumed),
        "Against the paper": details_view.paper,
        "Assumptions": lambda: details_view.assumptions(answer),
    }
    tabs(panels, key="behind")
    settings = state.settings(size)
    argv = ["forecast", stored.key, *state.arguments(settings, "k")]
    footer([*argv, *assumed.arguments(stored)])


page(choose_counts("Forecast", "What will it do to tokens per second?"))
