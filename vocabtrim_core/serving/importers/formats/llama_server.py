"""Answers of llama.cpp's server: JSON with `timings`, or its log.

One answer per line, a list of them, or the server's own log. Tokens per second are those of the
server's clock, prompt and tokens of every answer one after the other; the clock of the client is
not in them. Acceptance comes from `draft_n` and `draft_n_accepted`, which are sums over an answer;
the number of verifications is computed (see `llama_cpp_answers`).

Checked against answers and logs recorded from llama.cpp of October 2026 (xllamacpp 2026.10.11549).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engine_reports.llama_cpp import BUILD, LOADING, TARGET
from vocabtrim_core.serving.engine_reports.llama_cpp_answers import (
    MARK,
    LlamaAnswer,
    answers_in_log,
    counts_of,
    deepest,
)
from vocabtrim_core.serving.engine_reports.report import added_counts
from vocabtrim_core.serving.importers.importer import (
    Count,
    Importer,
    Length,
    Piece,
    has,
    typed,
)
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Latency, Run

TITLE = "llama.cpp's server"


@dataclass(frozen=True, slots=True)
class _Timings:
    predicted_n: Count
    predicted_ms: Length
    prompt_ms: Length = 0.0
    draft_n: Count | None = None
    draft_n_accepted: Count = 0


@dataclass(frozen=True, slots=True)
class _Answer:
    timings: _Timings
    model: str = ""


def _is_answer(value: Any) -> bool:
    return has(value, "timings") and has(value["timings"], "predicted_n", "predicted_ms")


def _matches(value: Any) -> bool:
    if isinstance(value, str):
        return MARK in value
    return _is_answer(value) or (isinstance(value, list) and bool(value) and _is_answer(value[0]))


def _read(source: Source) -> Iterable[Piece]:
    answers, target, draft, version = list[LlamaAnswer](), "", "", ""
    for record in source.records:
        if isinstance(record.value, str):
            text = record.value
            answers += answers_in_log(text)
            target, draft, version = (
                match[1] if (match := pattern.search(text)) else ""
                for pattern in (TARGET, LOADING, BUILD)
            )
            continue
        values = record.value if isinstance(record.value, list) else [record.value]
        for i, value in enumerate(values, 1):
            where = f"{record.where} entry {i}" if len(values) > 1 else record.where
            answer = typed(Record(value, where), _Answer, TITLE)
            target = target or answer.model
            answers.append(_of(answer.timings))
    answers = [answer for answer in answers if answer.tokens]
    if not answers:
        raise InputError(f"{source.name}: no answer was finished, so nothing was measured.")
    yield _piece(answers, target, draft, version)


def _of(timings: _Timings) -> LlamaAnswer:
    return LlamaAnswer(
        timings.predicted_n,
        timings.prompt_ms,
        timings.predicted_ms,
        timings.draft_n,
        timings.draft_n_accepted,
    )


def _piece(answers: list[LlamaAnswer], target: str, draft: str, version: str) -> Piece:
    counts, steps = added_counts(counts_of(answers)), deepest(answers) or 0
    tokens = sum(answer.tokens or 0 for answer in answers)
    times = [(answer.prompt_ms + answer.eval_ms) / 1e3 for answer in answers]
    run = Run(
        "",
        1,
        0,
        throughput=tokens / sum(times) if sum(times) else 0.0,
        tokens=tokens,
        seconds=sum(times),
        verified=counts.verifications if counts else None,
        acceptance_length=counts.length if counts else None,
        latency=Latency.of(times),
        first_token=Latency.of([answer.prompt_ms / 1e3 for answer in answers]),
    )
    # An answer without draft_n comes from a server without a draft.
    return Piece(
        "unnamed prompts",
        run,
        counts is not None,
        draft if counts else "",
        steps,
        draft_tokens=steps + 1 if steps else 0,
        target=target,
        engine="llama.cpp",
        settings={"prompts": len(answers)},
        versions={"llama.cpp": version} if version else {},
    )


IMPORTER = Importer(
    "llama-server",
    TITLE,
    _matches,
    _read,
    "answers and logs recorded from llama.cpp of October 2026",
    (
        "Times are the server's own, added up over the answers as if they came one after the "
        "other; with several at once the rate is too low.",
        "The number of verifications is computed from tokens and accepted tokens, which may be off "
        "by one in an answer.",
    ),
)
