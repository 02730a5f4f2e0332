"""From addresses and files to answers: what the command and the page call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.doctor.draft_facts import DraftFacts, draft_facts
from vocabtrim_core.serving.doctor.examination import Expected, examine
from vocabtrim_core.serving.doctor.finding import Diagnosis
from vocabtrim_core.serving.doctor.random_draft import RandomDraft
from vocabtrim_core.serving.engine_reports.asking import ask
from vocabtrim_core.serving.engine_reports.reading import (
    connect,
    engine_of,
    model_of,
    read_bodies,
    report_of_bodies,
    report_of_log,
)
from vocabtrim_core.serving.engine_reports.report import EngineReport, joined

MOST_ANSWERS = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """How many questions to have answered first.

    Attributes:
        answers: Their number, 0 for none.
        on_answer: Called with the number of answers so far.
    """

    answers: int = 0
    on_answer: Callable[[int], object] = lambda done: None


ANY, NOT_ASKED = Expected(), Asked()


def diagnose(
    sources: Sequence[str | EngineReport],
    draft: str | Path | None = None,
    counts: TokenCounts | None = None,
    expected: Expected = ANY,
    asked: Asked = NOT_ASKED,
) -> Diagnosis:
    """Examine a server by its URL, its log, or both.

    Args:
        sources: The URL and the log, or one of them; or what was already read of one.
        draft: Folder of the draft; None for the one that the server names, where it is on this
            machine.
        counts: Counts of the text that is served, None for none.
        expected: What the user takes the server for.
        asked: Questions that the server answers first.

    Returns:
        The answers.

    Raises:
        InputError: A source cannot be read or is of no known engine, two sources are of different
            engines, or the draft or the counts do not fit.
    """
    if not 0 <= asked.answers <= MOST_ANSWERS:
        raise InputError(f"--answers must lie within 0..{MOST_ANSWERS:,}, not {asked.answers:,}.")
    if asked.answers and not any(isinstance(s, str) and is_url(s) for s in sources):
        raise InputError("--answers needs the URL of the server; a log cannot be asked.")
    reports = [_read(source, asked, expected.engine) for source in sources]
    if not reports:
        raise InputError("Name the URL of a server, its log, or both.")
    report = reports[0]
    for other in reports[1:]:
        report = joined(report, other)
    facts = _facts(report, draft)
    if facts and facts.vocab_size and counts and counts.vocab_size != facts.vocab_size:
        raise InputError(
            f"The draft {facts.name} is for {facts.vocab_size:,} tokens, but the counts "
            f"{counts.name} have {counts.vocab_size:,}; give counts of the target's tokenizer."
        )
    k = report.head_rows or (facts.k if facts else None)
    if counts and k and k > counts.vocab_size:
        raise InputError(
            f"The server drafts {k:,} tokens, more than the {counts.vocab_size:,} of the counts "
            f"{counts.name}; give counts of the target's tokenizer."
        )
    random = RandomDraft.of(counts, k, facts.ids if facts else None) if counts else None
    return examine(report, facts, random, expected)


def is_url(source: str) -> bool:
    """Whether a source is meant as a URL, not as a file.

    Args:
        source: What the user named.

    Returns:
        Whether it is.
    """
    return "://" in source


def _read(source: str | EngineReport, asked: Asked, engine: str) -> EngineReport:
    if isinstance(source, EngineReport):
        return source
    return _of_url(source, asked, engine) if is_url(source) else report_of_log(source)


def _of_url(url: str, asked: Asked, engine: str) -> EngineReport:
    http, bodies = connect(url, engine)
    with closing(http):
        report = report_of_bodies(bodies)
        if not asked.answers:
            return report
        module = engine_of(bodies)
        counts = ask(http, module, model_of(bodies), asked.answers, asked.on_answer)
        again = report_of_bodies(read_bodies(http))
    # Lists of positions, and llama.cpp's K with them, are there after the first answer.
    return replace(again, counts=counts or again.counts)


def _facts(report: EngineReport, draft: str | Path | None) -> DraftFacts | None:
    if draft is not None:
        return draft_facts(draft)
    try:
        named = report.draft and Path(report.draft).is_dir()
        return draft_facts(report.draft) if named else None
    except (InputError, OSError, ValueError):  # not a draft's folder on this machine
        return None
