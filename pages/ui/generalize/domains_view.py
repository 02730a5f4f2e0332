"""Coverage by the domain labels of the rows."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages.ui import eval_sets
from pages.ui.generalize import coverage_data
from pages.ui.vocabularies import InView
from vocabtrim_core.counts_store import StoredCounts


def panel(
    view: InView, chooser: StoredCounts, sets: list[StoredCounts], chose: frozenset[str]
) -> None:
    """A table of the labels, nothing without them.

    Args:
        view: the vocabulary in view.
        chooser: the counted set that it is chosen on where it is plain top-k.
        sets: the counted sets that it is measured on.
        chose: keys of those that chose it.
    """
    sha, names, domains = view.vocabulary.sha256, eval_sets.names_of(sets), []
    for stored in sets:
        own_k = view.plain_k if stored is chooser else None
        found, held_out = coverage_data.by_domain(
            stored.key, sha, own_k, stored.counts, view.vocabulary
        )
        in_sample = stored.key in chose and not held_out
        basis = "held out" if held_out else "in sample" if in_sample else ""
        domains += [(names[stored.key], basis, row) for row in found]
    if not domains:
        return
    st.subheader("By domain label", anchor=False)
    frame = pd.DataFrame(
        [
            {
                "Set": name,
                "Domain": row.domain,
                "Coverage": 100 * row.coverage,
                **coverage_data.ends(
                    (row.interval.low, row.interval.high)
                    if row.interval and basis != "in sample"
                    else None
                ),
                "Measured": basis,
                "Tokens": row.tokens,
                "Conversations": row.conversations,
            }
            for name, basis, row in domains
        ]
    ).sort_values(["Set", "Coverage"], ascending=[True, False])
    number = st.column_config.NumberColumn
    share = number(format="%.2f%%")
    st.dataframe(
        frame,
        hide_index=True,
        placeholder="",
        alt="Coverage by the domain labels of the rows",
        column_config={
            "Coverage": share,
            "From": share,
            "To": share,
            "Tokens": number(format="localized"),
            "Conversations": number(format="localized"),
        },
    )
