"""Present: the choice on one clean page in large type, for a demo."""

import streamlit as st

from pages.ui import report_state, restore, sizes, state
from pages.ui.caching import cached
from pages.ui.charts.live_chart import curve_payload, curve_store, still_chart
from pages.ui.frame import plain_errors
from pages.ui.present import presentation
from pages.ui.router import go_to, require_router
from vocabtrim_core.coverage import CoverageCurve

require_router()

ZOOM = 1.18
STYLE = """<style>
[data-testid=stHeader] { display: none; }
[data-testid=stMainBlockContainer] { max-width: 1560px; padding: 1.25rem 5rem 1rem; }
.st-key-exit { position: absolute; top: 0.4rem; right: 1.2rem; z-index: 10; width: auto; }
@media (max-width: 700px) {
  .st-key-exit { position: static; align-items: end; }
  [data-testid=stMainBlockContainer] { padding: 0.5rem 1rem 2rem; }
}
</style>"""


@cached(4)
def payload(name: str, _curve: CoverageCurve) -> dict[str, object]:
    """A curve for the browser by its name, without token texts: nothing is read off here."""
    return curve_payload(_curve, name, [])


def page(stored) -> None:
    """The decision, its curve, and what stands beside it."""
    choice, others = report_state.choice_of(stored), report_state.others(stored)
    facts = report_state.facts_of(choice, stored, others)
    opened, best = facts.opened, facts.opened.tradeoff.optimum.k
    name = f"still-{choice.vocabulary_sha256[:16]}-{stored.key}"
    curve_store(payload(name, opened.tradeoff.curve))
    presentation.hero(facts)
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        still_chart(
            opened.tradeoff,
            name,
            k=None if opened.choice.k == best else opened.choice.k,
            presets=sizes.presets(facts.full.k)[-2:],
            zoom=ZOOM,
        )
        presentation.foot(facts)
    with right:
        presentation.beside(facts)
    report_state.show_in_address(choice)


st.html(STYLE)
with st.container(key="exit"):
    go_to(
        "handover", "Exit", icon=":material/close:", type="tertiary", shortcut="Escape", key="leave"
    )
with plain_errors():
    restore.follow_link()
    sets = state.counted_sets()
    key = state.current_key(sets)
    st.query_params["counts"] = key
    page(next(stored for stored in sets if stored.key == key))
