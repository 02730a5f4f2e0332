"""The paper's tables 2, 3 and 6 with what was measured beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import pandas as pd
import streamlit as st

from pages.ui.format import FROM_PAPER, MEASURED, percent, plain
from vocabtrim_core.forecast.paper import FULL_K, SECONDS
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.paper_comparison import PaperComparison, Side, compare_with_paper
from vocabtrim_core.serving.statistics import RatioInterval
from vocabtrim_core.wording import signed

NOTHING = "·"
AT_V = f"At {FULL_K:,}"
T = TypeVar("T")
ABOUT = (
    "The paper: Llama-3.1-8B-Instruct, EAGLE-3, SGLang, one A100-80GB, three runs each, ± its 95% "
    f"interval {FROM_PAPER}. Absolute numbers "
    "of different machines and targets do not compare; gains may."
)


def tables(measured: Sequence[Measurement], concurrency: int) -> None:
    """All three, ours beside the paper's; the paper's alone where nothing of ours fits.

    Args:
        measured: measurements.
        concurrency: requests at once.
    """
    rows = compare_with_paper(measured, concurrency)
    ours = any(row.trimmed for row in rows)
    st.caption(ABOUT)
    if measured and not ours:
        st.caption("No trimmed draft was measured at this number of requests at once.")
    timed = [row for row in rows if row.task in SECONDS or (row.trimmed and row.trimmed.seconds)]
    for title, columns, table_rows in (
        ("Table 2: output tokens per second, trimmed draft against all of V", _table_2, rows),
        ("Table 3: seconds for the whole prompt set", _table_3, timed),
        ("Table 6: acceptance length and throughput", _table_6, rows),
    ):
        st.markdown(f"**{title}**" if ours else f"**{title}** {FROM_PAPER}")
        st.table(table(table_rows, columns, ours), border="horizontal", hide_index=True, alt=title)
    st.caption(
        "Coverage is the paper's: it is counted on the answers, see Generalize for yours. The "
        "paper does not say whether its accept length counts the first token of an answer, as "
        "SGLang's own number does; the measured one does not."
    )


Columns = tuple[dict[str, str], dict[str, str]]  # ours, the paper's: head -> cell


def table(
    rows: Sequence[PaperComparison], columns: Callable[[PaperComparison], Columns], ours: bool
) -> pd.DataFrame:
    """Cells and heads in Markdown; beside ours every head says whose number it is.

    Args:
        rows: what was measured beside the paper's results.
        columns: returns the cells of a row: ours and the paper's.
        ours: whether anything of ours was measured.
    """
    theirs = f" {FROM_PAPER}" if ours else ""
    lines = []
    for row in rows:
        measured, paper = columns(row)
        cells = {f"{head} {MEASURED}": cell for head, cell in measured.items()} if ours else {}
        cells |= {f"{head}{theirs}": cell for head, cell in paper.items()}
        lines.append({"Task": _task(row), **cells})
    return pd.DataFrame(lines)


def _task(row: PaperComparison) -> str:
    tags = [plain(f"{row.task}, {row.where}" if row.where else row.task)]
    tags += [":gray-badge[imported]"] if row.imported else []
    return " ".join(tags)


def _table_2(row: PaperComparison) -> Columns:
    ours, full = row.trimmed, row.full
    measured = {
        "k": _size(ours),
        "At k": _said(ours and ours.rate),
        "At V": _said(full and full.rate),
        "Gain": ratio(row.gain),
    }
    return measured, _theirs(
        row.paper,
        {
            "k": lambda p: f"{p.k:,}",
            "At k": lambda p: _pair(p.throughput_trimmed, p.throughput_trimmed_ci),
            AT_V: lambda p: _pair(p.throughput_full, p.throughput_full_ci),
            "Gain": lambda p: signed(p.gain),
        },
    )


def _table_3(row: PaperComparison) -> Columns:
    ours, full = row.trimmed, row.full
    measured = {
        "k": _size(ours),
        "At k": _said(ours and ours.seconds),
        "At V": _said(full and full.seconds),
        "Change": ratio(row.slower),
    }
    return measured, _theirs(
        SECONDS.get(row.task),
        {
            "At k": lambda seconds: _pair(*seconds[1]),
            AT_V: lambda seconds: _pair(*seconds[0]),
            "Change": lambda seconds: signed(seconds[1][0] / seconds[0][0] - 1),
        },
    )


def _table_6(row: PaperComparison) -> Columns:
    ours, full = row.trimmed, row.full
    measured = {
        "k": _size(ours),
        "Length at k": _said(ours and ours.length),
        "At V": _said(full and full.length),
        "Gain": ratio(row.gain),
    }
    return measured, _theirs(
        row.paper,
        {
            "k": lambda p: f"{p.k:,}",
            "Coverage": lambda p: percent(p.coverage),
            "Length at k": lambda p: f"{p.length_trimmed:.2f}",
            AT_V: lambda p: f"{p.length_full:.2f}",
            "Gain": lambda p: signed(p.gain),
        },
    )


def _theirs(paper: T | None, cells: Mapping[str, Callable[[T], str]]) -> dict[str, str]:
    """The paper's cells, empty where it has none."""
    return {head: NOTHING if paper is None else cell(paper) for head, cell in cells.items()}


def _size(side: Side | None) -> str:
    return f"{side.k:,}" if side else NOTHING


def _said(interval: RatioInterval | None) -> str:
    if interval is None:
        return NOTHING
    half = f" ± {interval.half:,.2f}" if interval.half is not None else ""
    return f"{interval.mean:,.2f}{half}"


def _pair(value: float, half: float) -> str:
    return f"{value:,.2f} ± {half:.2f}"


def ratio(interval: RatioInterval | None) -> str:
    """A ratio with its interval as a change: '+4.1% ± 1.2'.

    Args:
        interval: a ratio with its interval.
    """
    if interval is None:
        return NOTHING
    half = f" ± {100 * interval.half:.1f}" if interval.half is not None else ""
    return f"{signed(interval.mean - 1)}{half}"
