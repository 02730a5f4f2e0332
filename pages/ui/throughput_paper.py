"""The paper's tables 2, 3 and 6 with what was measured beside them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages.ui.words import FROM_PAPER, MEASURED, percent, plain
from vocabtrim_core.forecast.paper import FULL_K, SECONDS
from vocabtrim_core.serving.beside_paper import Beside, Side, beside_paper
from vocabtrim_core.serving.measurement import Measurement
from vocabtrim_core.serving.statistics import Interval

MINUS = "\N{MINUS SIGN}"
NOTHING = "·"
ABOUT = (
    "The paper: Llama-3.1-8B-Instruct, EAGLE-3, SGLang, one A100-80GB, three runs each, ± its 95% "
    f"interval {FROM_PAPER}. Absolute numbers "
    "of different machines and targets do not compare; gains may."
)


def tables(measured: Sequence[Measurement], concurrency: int) -> None:
    """All three, ours first."""
    rows = beside_paper(measured, concurrency)
    st.caption(ABOUT)
    if not any(row.trimmed for row in rows):
        st.caption("No trimmed draft was measured at this number of requests at once.")
    if any(row.toy for row in rows):
        st.warning("Rows of the toy target demonstrate the mechanism; they are not a result.",
                   icon=":material/toys:")  # fmt: skip
    st.markdown("**Table 2: output tokens per second, trimmed draft against all of V**")
    st.markdown(table(TABLE_2, [_table_2(row) for row in rows]))
    st.markdown("**Table 3: seconds for the whole prompt set, and throughput**")
    timed = [row for row in rows if row.task in SECONDS or (row.trimmed and row.trimmed.seconds)]
    st.markdown(table(TABLE_3, [_table_3(row) for row in timed]))
    st.markdown("**Table 6: acceptance length and throughput**")
    st.markdown(table(TABLE_6, [_table_6(row) for row in rows]))
    st.caption("Coverage is the paper's: it is counted on the answers, see Generalize for yours.")


OURS, THEIRS = MEASURED, FROM_PAPER
TABLE_2 = ("Task", f"k {OURS}", f"At k {OURS}", f"At V {OURS}", f"Gain {OURS}", f"k {THEIRS}",
           f"At k {THEIRS}", f"At {FULL_K:,} {THEIRS}", f"Gain {THEIRS}")  # fmt: skip
TABLE_3 = ("Task", f"k {OURS}", f"Seconds at k {OURS}", f"At V {OURS}", f"Change {OURS}",
           f"Seconds at k {THEIRS}", f"At {FULL_K:,} {THEIRS}", f"Change {THEIRS}")  # fmt: skip
TABLE_6 = ("Task", f"k {OURS}", f"Length at k {OURS}", f"At V {OURS}", f"Gain {OURS}",
           f"k {THEIRS}", f"Coverage {THEIRS}", f"Length at k {THEIRS}", f"At {FULL_K:,} {THEIRS}",
           f"Gain {THEIRS}")  # fmt: skip


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; all columns but the first to the right."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    rule = "|" + "|".join([":--", *["--:"] * (len(head) - 1)]) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _task(row: Beside) -> str:
    tags = [plain(f"{row.task}, {row.where}" if row.where else row.task)]
    tags += [":orange-badge[toy target]"] if row.toy else []
    tags += [":gray-badge[imported]"] if row.imported else []
    return " ".join(tags)


def _table_2(row: Beside) -> list[str]:
    ours, full, paper = row.trimmed, row.full, row.paper
    theirs = [NOTHING] * 4
    if paper:
        trimmed = _pair(paper.throughput_trimmed, paper.throughput_trimmed_ci)
        whole = _pair(paper.throughput_full, paper.throughput_full_ci)
        theirs = [f"{paper.k:,}", trimmed, whole, change(paper.gain)]
    return [_task(row), _size(ours), _said(ours and ours.rate), _said(full and full.rate),
            ratio(row.gain), *theirs]  # fmt: skip


def _table_3(row: Beside) -> list[str]:
    ours, full = row.trimmed, row.full
    theirs = [NOTHING] * 3
    if row.paper and row.task in SECONDS:
        before, after = SECONDS[row.task]
        theirs = [_pair(*after), _pair(*before), change(after[0] / before[0] - 1)]
    return [_task(row), _size(ours), _said(ours and ours.seconds), _said(full and full.seconds),
            ratio(row.slower), *theirs]  # fmt: skip


def _table_6(row: Beside) -> list[str]:
    ours, full, paper = row.trimmed, row.full, row.paper
    theirs = [NOTHING] * 5
    if paper:
        theirs = [f"{paper.k:,}", percent(paper.coverage), f"{paper.length_trimmed:.2f}",
                  f"{paper.length_full:.2f}", change(paper.gain)]  # fmt: skip
    return [_task(row), _size(ours), _said(ours and ours.length), _said(full and full.length),
            ratio(row.gain), *theirs]  # fmt: skip


def _size(side: Side | None) -> str:
    return f"{side.k:,}" if side else NOTHING


def _said(found: Interval | None) -> str:
    if found is None:
        return NOTHING
    half = f" ± {found.half:,.2f}" if found.half is not None else ""
    return f"{found.mean:,.2f}{half}"


def _pair(value: float, half: float) -> str:
    return f"{value:,.2f} ± {half:.2f}"


def change(value: float) -> str:
    """0.0299 -> '+3.0%', with a real minus sign."""
    return f"{100 * value:+.1f}%".replace("-", MINUS)


def ratio(found: Interval | None) -> str:
    """A ratio with its interval as a change: '+4.1% ± 1.2'."""
    if found is None:
        return NOTHING
    half = f" ± {100 * found.half:.1f}" if found.half is not None else ""
    return f"{change(found.mean - 1)}{half}"
