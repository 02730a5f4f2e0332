"""VocabTrim Explorer: `streamlit run app.py`.

The server imports this file and finds `app`, the web application with its guard in front; Streamlit
then runs it as the main script of every visit.
"""

import threading
from pathlib import Path

import streamlit as st

from pages.ui.guard import guard, require_guard

MARK = Path(__file__).parent / "pages" / "ui" / "mark.svg"


def show() -> None:
    """The frame of every page, and the page."""
    from pages.ui import jobpanel
    from pages.ui.damage import damage_note
    from pages.ui.frame import plain_errors
    from pages.ui.router import PRESENT, pages
    from pages.ui.session import session
    from pages.ui.warmup import settle

    st.set_page_config(page_title="VocabTrim Explorer", page_icon=str(MARK), layout="wide")
    require_guard()
    page = st.navigation(pages(), position="top")
    session.routed = True
    if page.url_path == PRESENT:
        st.navigation(pages(), position="hidden")
    else:
        st.logo(str(MARK), size="large")
    settle()
    active = jobpanel.active_ids()
    with plain_errors():
        page.run()
    if page.url_path != PRESENT:
        with plain_errors():
            damage_note()
    if active and active - jobpanel.active_ids():
        st.rerun()  # a job ended while the page was drawn, which may show what was before


def warm() -> None:
    """Import what the first page needs, and read the shipped counts, while the browser loads."""
    from pages.ui.overview import story

    story.warm()


if __name__ == "__main__":
    show()
else:
    threading.Thread(target=warm, daemon=True, name="warm").start()
    app = st.App(__file__, middleware=[guard()])
