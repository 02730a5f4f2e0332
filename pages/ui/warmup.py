"""Keep Streamlit's garbage collection after every run away from what only imports made."""

from __future__ import annotations

import gc
from contextlib import suppress

import streamlit as st

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import sweep


def freeze() -> None:
    """Leave everything alive now out of later collections; for after large imports.

    Streamlit collects all generations after every run: with transformers and datasets imported
    that is about 0.2 s each time, and next to nothing after a freeze.
    """
    gc.collect()
    gc.freeze()


@st.cache_resource(show_spinner=False)
def settle() -> bool:
    """Once per server: import what every page needs, then freeze; scratch of dead writers goes."""
    with suppress(InputError, OSError):  # a page says what is wrong with the workspace
        sweep(workspace.home(), below=True)
    import numba  # noqa: F401
    import plotly.graph_objects  # noqa: F401

    freeze()
    return True
