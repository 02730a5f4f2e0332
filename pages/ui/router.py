"""The pages and their order. To add one, add an entry here and a script in `pages/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from pages.ui.guard import require_guard
from pages.ui.session import session

FOLDER = Path(__file__).parents[1]

# script, title, icon, what the navigation tells about it
PAGES = (
    ("overview", "Overview", "home", "What a trimmed draft vocabulary gains, on real counts."),
    ("corpus", "Corpus", "library_books", "Choose a tokenizer and conversations; count tokens."),
    ("explore", "Explore", "tune", "Move the trade-off and watch the best vocabulary size follow."),
    ("search", "Search", "travel_explore", "The paper's TPE search against the exact optimum."),
    ("generalize", "Generalize", "hub", "Will it hold on other traffic, and how sure are we?"),
    ("forecast", "Forecast", "speed", "What a draft vocabulary does to tokens per second."),
    ("train", "Train", "model_training", "Train drafts at several sizes; compare them."),
    ("throughput", "Throughput", "monitoring", "Measured tokens per second, beside the paper's."),
    ("paper", "Paper", "article", "Its figures and tables beside ours, difference by difference."),
    ("export", "Export", "ios_share", "Write the choice for the trainer or engine you use."),
    ("handover", "Hand over", "assignment", "Report, files and link of the choice; trim a draft."),
)
PRESENT = "present"  # stands alone: not in the navigation, and without it
ALONE = (PRESENT, "Present", "slideshow", "The choice on one clean page, for a demo.")


def page(name: str) -> st.Page:
    """One page by its script's name.

    Args:
        name: name of its script in pages/, without the suffix.
    """
    _, title, icon, about = next(entry for entry in (*PAGES, ALONE) if entry[0] == name)
    return st.Page(
        FOLDER / f"{name}.py",
        title=title,
        icon=f":material/{icon}:",
        help=about,
        url_path="" if name == PAGES[0][0] else name,
        default=name == PAGES[0][0],
        visibility="hidden" if name == PRESENT else "visible",
    )


def go_to(name: str, label: str, *, query: dict[str, str] | None = None, **options: Any) -> None:
    """A button that leads to another page.

    Args:
        name: name of that page's script.
        label: text of the button.
        query: parameters of that page's address.
        options: further arguments of the button.
    """
    if st.button(label, **options):
        st.switch_page(page(name), query_params=query)


def pages() -> list[st.Page]:
    """All pages, for `st.navigation`."""
    return [page(entry[0]) for entry in (*PAGES, ALONE)]


def require_router() -> None:
    """First line of every page: a cold server opens a deep link as the bare script, without app.py.

    Declaring the navigation once and running again makes app.py the frame, as on every other visit.
    A page that is itself what the server was started with is refused.
    """
    require_guard()
    if not session.routed:
        st.navigation(pages(), position="top")
        session.routed = True
        st.rerun()
