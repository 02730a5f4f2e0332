"""Rows left out of a corpus and rows that lost a part: how many, where first, what to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from vocabtrim_core.corpora.batches import ROLES, MessageBatch
from vocabtrim_core.errors import InputError

NO_ASSISTANT = "no assistant text"
UNTRAINED_ROW = "no assistant turn that is trained (all are masked by their weight)"
HALF_PAIR = "not valid Unicode (half a surrogate pair)"
TOO_DEEP = "nested too deeply"
UNKNOWN_ROLE = "unknown role"
NOT_JSON = "is Python's notation that cannot be read"
NOT_OBJECT = "no object with named fields"
OTHERS = "other reasons"
# Of such rows a share is allowed, as of those that a template refuses: more is no accident.
BROKEN = (UNKNOWN_ROLE, TOO_DEEP, NOT_OBJECT, OTHERS)

REMEDIES = {
    HALF_PAIR: "write the file again as UTF-8 with whole characters",
    TOO_DEEP: "write the conversation as a list of messages, not deeper",
    NOT_JSON: "write the column from its source again as JSON, with pandas: "
    'frame.to_json("rows.jsonl", orient="records", lines=True)',
    NOT_OBJECT: 'write every row as an object, such as {"messages": […]}',
    UNTRAINED_ROW: "take the flags out, or count rows that have trained turns",
}


def unknown_role(name: object) -> str:
    """The reason to leave out a row with a role that nobody knows."""
    return f"{UNKNOWN_ROLE} {str(name)[:40]!r}"


def remedy_of(reason: str, more: Mapping[str, str] | None = None) -> str:
    """What to do about a reason, "" where nothing is known. more: further remedies, by reason."""
    if roles := SkipReport(0, ((reason, 1, ()),)).unknown_roles():
        return (
            f"rename it to one of {', '.join(ROLES)}, or say which of them it is "
            f"(--map roles.{roles[0]}={ROLES[1]})"
        )
    return next((what for said, what in {**REMEDIES, **(more or {})}.items() if said in reason), "")


class NoConversationsError(InputError):
    """Every row was left out. report: why."""

    def __init__(self, sentence: str, report: SkipReport) -> None:
        self.report = report
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class SkipReport:
    """Rows left out of a corpus: reason -> (how many, the first few places).

    A sum has at most MOST reasons, the first by name, and the rest as OTHERS: rows may name their
    own fields and roles, of which there is no end.
    """

    conversations: int = 0
    reasons: tuple[tuple[str, int, tuple[str, ...]], ...] = ()

    PLACES = 5
    MOST = 40

    @property
    def skipped(self) -> int:
        """Rows left out."""
        return sum(count for _, count, _ in self.reasons)

    def __add__(self, other: SkipReport) -> SkipReport:
        merged: dict[str, tuple[int, tuple[str, ...]]] = {}

        def put(reason: str, count: int, places: tuple[str, ...]) -> None:
            total, kept = merged.get(reason, (0, ()))
            merged[reason] = total + count, (*kept, *places)[: self.PLACES]

        for each in (*self.reasons, *other.reasons):
            put(*each)
        for reason in sorted(merged.keys() - {OTHERS})[self.MOST :]:
            put(OTHERS, *merged.pop(reason))
        return SkipReport(
            self.conversations + other.conversations,
            tuple((reason, *merged[reason]) for reason in sorted(merged)),
        )

    @classmethod
    def of(cls, batch: MessageBatch, *, notes: bool = False) -> SkipReport:
        """The report of one batch: of its skipped rows, or of its notes."""
        grouped: dict[str, list[int]] = {}
        for skip in batch.notes if notes else batch.skipped:
            grouped.setdefault(skip.reason, []).append(skip.row)
        found = cls(
            len(batch),
            tuple(
                (reason, len(rows), tuple(f"{batch.file}:{row}" for row in rows[: cls.PLACES]))
                for reason, rows in sorted(grouped.items())
            ),
        )
        return found + cls()

    def without(self, beginning: str) -> SkipReport:
        """The same but for reasons that begin with these words."""
        kept = tuple(each for each in self.reasons if not each[0].startswith(beginning))
        return SkipReport(self.conversations, kept)

    def unknown_roles(self) -> list[str]:
        """The roles that rows were left out for, as a Mapping takes them."""
        named = (
            re.fullmatch(rf"{UNKNOWN_ROLE} (['\"])(.*)\1", r, re.S) for r, _, _ in self.reasons
        )
        return list(dict.fromkeys(match[2].strip().lower() for match in named if match))

    def sentence(self) -> str:
        """'3 rows skipped: 2 no assistant text (chat.jsonl:7, …), 1 …', or that none was."""
        if not self.skipped:
            return "No rows skipped"
        causes = (
            f"{count:,} {reason} ({', '.join(places)}{', …' if count > len(places) else ''})"
            for reason, count, places in self.reasons
        )
        return f"{self.skipped:,} row{'s' * (self.skipped > 1)} skipped: {'; '.join(causes)}"

    def require_conversations(self, name: str, remedies: Mapping[str, str] | None = None) -> None:
        """NoConversationsError when every row was left out; remedies: reason -> what to do."""
        if self.conversations:
            return
        most_first = sorted(self.reasons, key=lambda each: (-each[1], each[0]))
        causes = "; ".join(
            f"{reason} in {count:,} of {self.skipped:,} row{'s' * (self.skipped > 1)}"
            f" ({', '.join(places)}{', …' if count > len(places) else ''})"
            for reason, count, places in most_first[: self.PLACES]
        )
        more = len(most_first) - self.PLACES
        causes += f"; and {more} more reason{'s' * (more > 1)}" if more > 0 else ""
        known = filter(None, (remedy_of(reason, remedies) for reason, _, _ in most_first))
        usual = "check that the columns are mapped to the right fields"
        if not causes:
            usual = "give a file with conversations in it"
        raise NoConversationsError(
            f"{name} has no conversation to count ({causes or 'it has no rows'}); "
            f"{next(known, usual)}.",
            self,
        )
