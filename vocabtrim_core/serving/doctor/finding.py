"""One question about a server, with its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from vocabtrim_core.wording import counted

Verdict = Literal["yes", "no", "unknown"]
CANNOT = "cannot be told from here"
WORDS = {"yes": "yes", "no": "no", "unknown": CANNOT}


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question.

    Attributes:
        key: A short name, for programs.
        question: The question, to be answered by yes or no.
        verdict: The answer; "unknown" where it cannot be told.
        reason: One or more sentences: what was read, and why it means that.
        remedy: What to do, "" where there is nothing to do.
        fault: Whether something is wrong: the draft does not do its work, or a number misleads.
    """

    key: str
    question: str
    verdict: Verdict
    reason: str
    remedy: str = ""
    fault: bool = False

    @property
    def words(self) -> str:
        """The answer in words."""
        return WORDS[self.verdict]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All answers about one server.

    Attributes:
        engine: Name of the engine.
        version: Its version, "" where unknown.
        source: The URL, or the name of the log.
        findings: The answers, in the order of the questions.
        notes: Sentences about what was read.
    """

    engine: str
    version: str
    source: str
    findings: Sequence[Finding] = ()
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The answers that say that something is wrong."""
        return tuple(finding for finding in self.findings if finding.fault)

    @property
    def unknown(self) -> tuple[Finding, ...]:
        """The questions that cannot be answered from what was read."""
        return tuple(f for f in self.findings if f.verdict == "unknown" and not f.fault)

    @property
    def summary(self) -> str:
        """One sentence over all answers."""
        if self.faults:
            answers = " ".join(f"{f.question} {f.words.capitalize()}." for f in self.faults)
            return f"{counted(len(self.faults), 'fault')}: {answers}"
        if self.unknown:
            return (
                f"Nothing is wrong in what was read; {len(self.unknown)} of {len(self.findings)} "
                "questions cannot be answered from it."
            )
        return "The draft is really used, and nothing is wrong with it."
