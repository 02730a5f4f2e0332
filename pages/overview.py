"""Overview: what a trimmed draft vocabulary buys, on two domains side by side."""

import streamlit as st

from pages.ui import demo, jobpanel, plots, state
from pages.ui.format import ESTIMATED, FROM_PAPER, MEASURED, PAPER, counted, megabytes, percent
from pages.ui.frame import footer, plain_errors
from pages.ui.router import go_to, require_router
from vocabtrim_core import figures
from vocabtrim_core.jobs.control import list_jobs

require_router()

STORY = (
    "A speculative decoder lets a small draft model propose tokens that the large model checks. "
    "Much of a draft step goes into its last layer, the LM head, which scores every token of the "
    "target's vocabulary; yet most text uses few of them. Keep the tokens your traffic uses and "
    "the draft gets faster; drop too many and it misses. This app counts your conversations and "
    "finds the size that balances both, exactly."
)


def compared() -> list:
    """The sets to show side by side: the demo's two domains, else the two newest of one kind."""
    sets = state.counted_sets()
    domains = [stored for name in demo.DOMAINS for stored in sets if stored.counts.name == name][:2]
    if len(domains) == 2:
        return domains
    size = sets[0].counts.vocab_size
    return [stored for stored in sets if stored.counts.vocab_size == size][:2]


def cards(lines, tradeoffs) -> None:
    """The best size of each domain with what it covers and saves.

    Args:
        lines: best size of each domain.
        tradeoffs: the trade-off of each domain.
    """
    columns = st.columns(len(lines), gap="large")
    for column, line, tradeoff in zip(columns, lines, tradeoffs, strict=True):
        shape, best = tradeoff.architecture, line.best
        about = demo.ABOUT.get(line.name, "Best draft vocabulary")
        with column.container(border=True):
            st.metric(f"**{line.name}** · {about}", f"{best.k:,} tokens")
            st.markdown(
                f"{percent(best.k / shape.vocab_size)} of {shape.vocab_size:,} tokens cover "
                f"{percent(best.coverage)} of {tradeoff.curve.tokens:,} counted {MEASURED}  \n"
                f"{percent(best.latency_reduction)} of a draft step's FLOPs saved; LM head "
                f"{megabytes(shape.head_bytes(best.k))} instead of "
                f"{megabytes(shape.head_bytes(shape.vocab_size))} {ESTIMATED}"
            )


def story(sets) -> None:
    """Draw what the counted sets choose: where each has its optimum, and what it gains."""
    settings = state.defaults(sets[0].counts.vocab_size)
    tradeoffs = {
        stored.counts.name: state.tradeoff_of(settings, state.curve_of(stored)) for stored in sets
    }
    lines = figures.domains_info(tradeoffs)
    cards(lines, tradeoffs.values())
    plots.draw(
        figures.domains_figure(lines, plots.palette()),
        "domains",
        "Coverage against draft vocabulary size per domain, best sizes marked",
    )
    if len(lines) == 2:
        broad, narrow = sorted(lines, key=lambda line: -line.best.k)
        st.markdown(
            f"The narrower the domain, the smaller the best vocabulary: {narrow.best.k:,} tokens "
            f"for {narrow.name} against {broad.best.k:,} for {broad.name}, both at alpha "
            f"{settings.alpha:g} with the {settings.architecture.name} draft. In the paper a "
            f"general blend takes 13,264 and function calling 4,380 of 128,256 {FROM_PAPER}."
        )


def workspace_state() -> None:
    """What is counted and what runs."""
    sets = state.counted_sets()
    total = sum(stored.counts.tokens for stored in sets)
    st.caption(f"{counted(len(sets), 'counted set')} with {total:,} tokens in this workspace.")
    jobpanel.watch(lambda: [job for job in list_jobs() if job.active], "overview")


st.title("Choose a draft vocabulary that fits your traffic", anchor=False)
st.markdown(STORY)
if not state.counted_sets():
    demo.panel()
else:
    with st.container(horizontal=True):
        go_to("explore", "Explore the trade-off", type="primary", icon=":material/tune:", key="go")
        go_to("corpus", "Count your own conversations", icon=":material/library_books:", key="own")
    sets = compared()
    with plain_errors():
        story(sets)
    workspace_state()
    st.caption(f"After {PAPER}.")
    footer(*(["optimize", stored.key] for stored in sets))
