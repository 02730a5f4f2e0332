"""Overview: what a trimmed draft vocabulary gains, on real counts at once."""

import streamlit as st

from pages.ui import demo, jobpanel, state
from pages.ui.format import PAPER, counted
from pages.ui.frame import footer, plain_errors
from pages.ui.overview import story
from pages.ui.router import go_to, require_router
from vocabtrim_core.jobs.control import list_jobs

require_router()

STORY = (
    "A speculative decoder lets a small draft model propose tokens that the large model checks. "
    "Much of a draft step goes into its last layer, the LM head, which scores every token of the "
    "target's vocabulary; yet most text uses few of them. Keep the tokens your traffic uses and "
    "the draft gets faster; drop too many and it misses. This app counts your conversations and "
    "finds the size that balances both, exactly."
)
SHIPPED = (
    "These are counts of public corpora that come with the program, made with the tokenizer of "
    "Llama 3.1; Corpus lists them with their sources. Once you count your own, yours stand here."
)


def on_sets(sets) -> None:
    """What the sets gain, their curves, and the domains of the first."""
    tradeoffs = story.tradeoffs_of(sets)
    first = next(iter(tradeoffs.values()))
    with plain_errors():
        story.gain(sets[0], first)
    left, right = st.columns([1.6, 1], gap="large")
    with left, plain_errors():
        story.curves(tradeoffs)
    with right, plain_errors():
        story.domains(sets[0], first)
        if not demo.counted():
            with st.container(border=True):
                demo.panel()


def workspace_state() -> None:
    """What is counted and what runs."""
    own = [stored for stored in state.counted_sets() if not stored.shipped]
    total = sum(stored.counts.tokens for stored in own)
    if own:
        text = f"{counted(len(own), 'counted set')} with {total:,} tokens in this workspace."
        st.caption(text)
    jobpanel.watch(lambda: [job for job in list_jobs() if job.active], "overview")


st.title("Choose a draft vocabulary that fits your traffic", anchor=False)
st.markdown(STORY)
with st.container(horizontal=True):
    go_to("explore", "Explore the trade-off", type="primary", icon=":material/tune:", key="go")
    go_to("corpus", "Count your own conversations", icon=":material/library_books:", key="own")
sets = story.compared()
if sets[0].shipped:
    st.caption(SHIPPED)
on_sets(sets)
workspace_state()
st.caption(f"After {PAPER}.")
footer(*(["optimize", stored.key] for stored in sets))
