"""Paper: its figures and tables beside the counts that come with the program."""

import streamlit as st

from pages.ui.format import PAPER
from pages.ui.frame import footer, plain_errors
from pages.ui.paper import panels_view
from pages.ui.router import require_router

require_router()

st.title("Paper", anchor=False)
st.caption(
    "Its nine figures and tables beside ours, on counts of public corpora that come with the "
    "program, with the tokenizer of Llama 3.1. Each difference says where it comes from."
)
with plain_errors():
    panels_view.downloads()
    panels_view.everything()
st.caption(f"The paper: {PAPER}.")
footer(["paper", "--out", "paper.html"])
