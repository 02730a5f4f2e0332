"""Tables of numbers: one call per table, with the format of each column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

WHOLE = "localized"  # format of whole numbers


def table(rows: Any, alt: str, formats: Mapping[str, Any], **options: Any) -> Any:
    """A table without an index.

    Args:
        rows: a DataFrame, or what makes one: columns by title, or a dict per row.
        alt: what the table shows, for screen readers.
        formats: of its columns: a printf format of numbers or `WHOLE`, the same with the column's
            help in a tuple, or a configuration of Streamlit.
        options: further arguments of `st.dataframe`.

    Returns:
        What `st.dataframe` returns.
    """
    columns: dict[str, Any] = {}
    for name, form in formats.items():
        text, about = form if isinstance(form, tuple) else (form, None)
        is_number = isinstance(text, str)
        columns[name] = (
            st.column_config.NumberColumn(format=text, help=about) if is_number else form
        )
    return st.dataframe(
        rows if hasattr(rows, "columns") else pd.DataFrame(rows),
        hide_index=True,
        alt=alt,
        column_config=columns,
        **options,
    )
