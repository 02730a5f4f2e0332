"""Markdown of Streamlit: badges, code spans, escaped text. Numbers: `vocabtrim_core.wording`."""

from __future__ import annotations

import re

from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.tokenizers.text import visible as visible
from vocabtrim_core.tradeoff import Choice
from vocabtrim_core.wording import PAPER as PAPER
from vocabtrim_core.wording import counted as counted
from vocabtrim_core.wording import megabytes as megabytes
from vocabtrim_core.wording import one_in as one_in
from vocabtrim_core.wording import percent as percent
from vocabtrim_core.wording import what_counts as what_counts

# The three kinds of number. Streamlit badge markdown; the live chart draws the same three.
MEASURED = ":green-badge[measured]"
ESTIMATED = ":orange-badge[estimated]"
FROM_PAPER = ":blue-badge[from the paper]"
IN_SAMPLE_BADGE = ":red-badge[in sample]"


def code_span(text: str) -> str:
    """Text as a Markdown code span, whatever backticks it holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text or ' '}`"


def plain(text: str) -> str:
    """Text as Markdown shows it literally: messages quote file names, columns and templates."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~:])", r"\\\1", text)


def with_sign(difference: float, form: str) -> str:
    """A difference with its sign, where minus is U+2212; form: of the number, such as .5f."""
    return format(difference, f"+{form}").replace("-", "\N{MINUS SIGN}")


def choice_sentence(choice: Choice, curve: CoverageCurve, architecture: DraftArchitecture) -> str:
    """What is kept, what it costs, what is lost, in one sentence with badges."""
    full = curve.vocab_size
    head, whole = architecture.head_bytes(choice.k), architecture.head_bytes(full)
    lost = max(curve.distinct - choice.k, 0)
    missing = (
        f"{lost:,} tokens that occur are left out, {one_in(1 - choice.coverage)} of those written."
        if lost
        else f"every one of the {curve.distinct:,} tokens that occur is kept."
    )
    return (
        f"Keeping {choice.k:,} of {full:,} tokens covers {percent(choice.coverage)} of the "
        f"{curve.tokens:,} tokens counted {MEASURED} and saves {percent(choice.latency_reduction)} "
        f"of a draft step's FLOPs {ESTIMATED} (LM head {megabytes(head)} instead of "
        f"{megabytes(whole)}); {missing}"
    )
