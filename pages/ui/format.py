"""Numbers and sentences as people read them: always a unit, always a baseline."""

from __future__ import annotations

import re

from vocabtrim_core import wording
from vocabtrim_core.counts import EARLIER_VERSION
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.draft_cost import DraftArchitecture
from vocabtrim_core.tokenizers.text import visible as visible
from vocabtrim_core.tradeoff import Choice
from vocabtrim_core.wording import counted as counted
from vocabtrim_core.wording import megabytes as megabytes
from vocabtrim_core.wording import percent as percent

# The three kinds of number. Streamlit badge markdown; the live chart draws the same three.
MEASURED = ":green-badge[measured]"
ESTIMATED = ":orange-badge[estimated]"
FROM_PAPER = ":blue-badge[from the paper]"

PAPER = "Ben Shoham, Balancing Coverage and Draft Latency in Vocabulary Trimming (arXiv 2603.05210)"


def one_in(share: float) -> str:
    """A small share as 'about 1 in 18'; 'none' for zero."""
    return f"about {wording.one_in(share)}" if share > 0 else "none"


def code_span(text: str) -> str:
    """Text as a Markdown code span, whatever backticks it holds."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {text} {fence}" if longest else f"`{text or ' '}`"


def plain(text: str) -> str:
    """Text as Markdown shows it literally: messages quote file names, columns and templates."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~:])", r"\\\1", text)


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


def what_counts(
    rule: str,
    max_length: int | None,
    reasoning: bool,
    last_turn_only: bool,
    span_end: str = "stop",
    **other: object,
) -> str:
    """What is counted, in a few words: the rule and what narrows it or changes it."""
    ends = {
        "template": "turns to the template's end",
        "next-role": "turns to the next role",
        EARLIER_VERSION: "earlier version",
    }
    narrower = {
        ends.get(span_end, ""): span_end in ends,
        "last turn only": last_turn_only,
        "without reasoning": not reasoning,
        f"first {max_length or 0:,} tokens": max_length,
    }
    return ", ".join([rule, *(words for words, said in narrower.items() if said)])
