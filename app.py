"""VocabTrim Explorer: `streamlit run app.py`."""

from pathlib import Path

import streamlit as st

from pages.ui.frame import plain_errors
from pages.ui.memory import settle
from pages.ui.router import PRESENT, pages

MARK = Path(__file__).parent / "pages" / "ui" / "mark.svg"

st.set_page_config(page_title="VocabTrim Explorer", page_icon=str(MARK), layout="wide")
page = st.navigation(pages(), position="top")
st.session_state.routed = True
if page.url_path == PRESENT:
    st.navigation(pages(), position="hidden")
else:
    st.logo(str(MARK), size="large")
settle()
with plain_errors():
    page.run()
