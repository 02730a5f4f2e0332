"""All questions about a server, in the order in which an engineer asks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import TEXT, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.serving.doctor import acceptance_questions as acceptance
from vocabtrim_core.serving.doctor import draft_questions as draft
from vocabtrim_core.serving.doctor import engine_questions as engine
from vocabtrim_core.serving.doctor.draft_facts import DraftFacts
from vocabtrim_core.serving.doctor.finding import Diagnosis
from vocabtrim_core.serving.doctor.random_draft import RandomDraft
from vocabtrim_core.serving.engine_reports.reading import NAMES
from vocabtrim_core.serving.engine_reports.report import EngineReport
from vocabtrim_core.wording import listed


@dataclass(frozen=True, slots=True)
class Expected:
    """What the user takes the server for.

    Attributes:
        engine: Name of the engine, "" for any.
        k: Size of the draft's vocabulary, None for any.
        target_layers: Decoder layers of the target, None where unknown.
    """

    engine: Annotated[
        str, Leaf(TEXT, "--engine", help="what it should be: sglang, vllm or llama.cpp")
    ] = ""
    k: Annotated[
        int | None, Leaf(WHOLE, "--k", help="the draft vocabulary size it should have")
    ] = None
    target_layers: Annotated[
        int | None,
        Leaf(
            WHOLE,
            "--target-layers",
            help="decoder layers of the target, for drafts that name no layers",
        ),
    ] = None


def examine(
    report: EngineReport,
    facts: DraftFacts | None = None,
    random: RandomDraft | None = None,
    expected: Expected = Expected(),
) -> Diagnosis:
    """Answer all questions about a server.

    Args:
        report: What it, or its log, tells.
        facts: What the draft's folder says, None without one.
        random: What a draft that ignores the text would reach; an assumption where None.
        expected: What the user takes it for.

    Returns:
        The answers.

    Raises:
        InputError: The expected engine is none.
    """
    if expected.engine and expected.engine.lower() not in NAMES:
        raise InputError(
            f"--engine {expected.engine} is none of {listed([m.NAME for m in NAMES.values()])}."
        )
    k = report.head_rows or (facts.k if facts else None)
    random = random or RandomDraft.assumed(k)
    named = NAMES[expected.engine.lower()].NAME if expected.engine else ""
    findings = [engine.expected_engine(report, named)] if named else []
    findings += [
        draft.loaded(report, facts),
        draft.trimmed(report, facts, expected.k),
        draft.head_rows(report, facts),
        draft.layers(report, facts, expected.target_layers),
        acceptance.working(report, random),
        acceptance.shape(report, random),
        acceptance.within(report),
        engine.scatter(report, facts),
        engine.prefix_cache(report),
    ]
    return Diagnosis(
        report.engine, report.version, report.source, tuple(findings), tuple(report.notes)
    )
