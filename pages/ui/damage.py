"""What of the workspace cannot be read, said once at the foot of every page."""

from __future__ import annotations

import streamlit as st

from pages.ui.format import code_span, counted, plain
from vocabtrim_core import workspace
from vocabtrim_core.workspace.records import known_damage

SHOWN = 10


def damage_note() -> None:
    """A line with the damaged files in a popover; nothing where none is known."""
    damaged = known_damage()
    if not damaged:
        return
    home, verb = workspace.home(), "is" if len(damaged) == 1 else "are"
    what = f"{counted(len(damaged), 'file')} of the workspace {verb} damaged"
    with st.popover(what, icon=":material/healing:", type="tertiary", key="damaged"):
        for damage in damaged[:SHOWN]:
            name = code_span(str(damage.path.relative_to(home)))
            st.markdown(f"- {name}: {plain(damage.reason)}")
        if len(damaged) > SHOWN:
            st.caption(f"And {len(damaged) - SHOWN:,} more.")
        st.caption(
            "They are left out; everything else goes on. In a shell this lists them, and moves "
            "them aside with `--quarantine`, so that they can be made again:"
        )
        st.code("python -m vocabtrim_core workspace", language="bash")
