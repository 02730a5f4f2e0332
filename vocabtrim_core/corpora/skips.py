"""Rows left out of a corpus and rows that lost a part: how many, where first, what to do."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Mapping, Sequence
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
MOST_NAMED = 12  # roles in a remedy
# Only a limited share of rows may be left out for these reasons, or refused by the template.
BROKEN = (UNKNOWN_ROLE, TOO_DEEP, NOT_OBJECT, OTHERS)

REMEDIES = {
    NO_ASSISTANT: "let the target model answer the prompts first, or map the columns that hold the "
    "answers",
    HALF_PAIR: "write the file again as UTF-8 with whole characters",
    TOO_DEEP: "write the conversation as a list of messages, not deeper",
    NOT_JSON: "write the column from its source again as JSON, with pandas: "
    'frame.to_json("rows.jsonl", orient="records", lines=True)',
    NOT_OBJECT: 'write every row as an object, such as {"messages": […]}',
    UNTRAINED_ROW: "take the flags out, or count rows that have trained turns",
}


def unknown_role(*names: object) -> str:
    """The reason to leave out a row with unknown roles.

    Args:
        *names: The roles as the row writes them; 40 characters of each are shown.

    Returns:
        The reason.
    """
    return f"{UNKNOWN_ROLE} {', '.join(dict.fromkeys(repr(str(name)[:40]) for name in names))}"


def remedy_of(
    reason: str, further: Mapping[str, str] | None = None, roles: Sequence[str] = ()
) -> str:
    """What to do about a reason.

    Args:
        reason: A reason from a report.
        further: Further remedies, text in the reason -> what to do.
        roles: The unknown roles of the whole report, in lower case; those of the reason without.

    Returns:
        The remedy, without a capital and a full stop; "" where none is known.
    """
    if own := SkipReport(0, ((reason, 1, ()),)).unknown_roles():
        named = list(dict.fromkeys([*own, *roles]))
        pairs = " ".join(shlex.quote(f"roles.{role}={ROLES[1]}") for role in named[:MOST_NAMED])
        more = len(named) - MOST_NAMED
        pairs += f", and {more:,} more alike" if more > 0 else ""
        them, which = ("them", "each") if len(named) > 1 else ("it", "it")
        return (
            f"rename {them} to one of {', '.join(ROLES)}, or say which of them {which} is "
            f"(--map {pairs})"
        )
    remedies = {**REMEDIES, **(further or {})}
    return next((remedy for text, remedy in remedies.items() if text in reason), "")


class NoConversationsError(InputError):
    """Every row of a corpus was left out.

    Attributes:
        report: The rows left out and the reasons.
    """

    def __init__(self, sentence: str, report: SkipReport) -> None:
        self.report = report
        super().__init__(sentence)


@dataclass(frozen=True, slots=True)
class SkipReport:
    """Rows left out of a corpus, or parts of rows, by reason.

    A sum has at most `MOST` reasons, the first by name, and the others as `OTHERS`: rows may name
    their own fields and roles, so the number of reasons has no limit.

    Attributes:
        conversations: Number of conversations that were read.
        reasons: (reason, number of rows, the first `PLACES` places as "file:row"), sorted by
            reason.
        PLACES: Number of places kept for each reason.
        MOST: Number of reasons kept.
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
            total, known_places = merged.get(reason, (0, ()))
            merged[reason] = total + count, (*known_places, *places)[: self.PLACES]

        for entry in (*self.reasons, *other.reasons):
            put(*entry)
        for reason in sorted(merged.keys() - {OTHERS})[self.MOST :]:
            put(OTHERS, *merged.pop(reason))
        return SkipReport(
            self.conversations + other.conversations,
            tuple((reason, *merged[reason]) for reason in sorted(merged)),
        )

    @classmethod
    def of(cls, batch: MessageBatch, *, notes: bool = False) -> SkipReport:
        """The report of one batch.

        Args:
            batch: The batch.
            notes: Whether to report its notes in place of its skipped rows.

        Returns:
            The report, with at most `MOST` reasons.
        """
        grouped: dict[str, list[int]] = {}
        for skip in batch.notes if notes else batch.skipped:
            grouped.setdefault(skip.reason, []).append(skip.row)
        report = cls(
            len(batch),
            tuple(
                (reason, len(rows), tuple(f"{batch.file}:{row}" for row in rows[: cls.PLACES]))
                for reason, rows in sorted(grouped.items())
            ),
        )
        return report + cls()

    def without(self, beginning: str) -> SkipReport:
        """The report without the reasons that begin with a text.

        Args:
            beginning: The text.

        Returns:
            The shorter report.
        """
        reasons = tuple(entry for entry in self.reasons if not entry[0].startswith(beginning))
        return SkipReport(self.conversations, reasons)

    def unknown_roles(self) -> list[str]:
        """The roles that rows were left out for, in lower case as `ColumnMapping` takes them."""
        stated = [r for r, _, _ in self.reasons if r.startswith(f"{UNKNOWN_ROLE} ")]
        names = [
            n for r in stated for n in ast.literal_eval(f"{r.removeprefix(UNKNOWN_ROLE)},".strip())
        ]
        return list(dict.fromkeys(name.strip().lower() for name in names))

    def sentence(self) -> str:
        """The report in words.

        Returns:
            "3 rows skipped: 2 no assistant text (chat.jsonl:7, …), 1 …", or "No rows skipped".
        """
        if not self.skipped:
            return "No rows skipped"
        causes = (
            f"{count:,} {reason} ({', '.join(places)}{', …' if count > len(places) else ''})"
            for reason, count, places in self.reasons
        )
        return f"{self.skipped:,} row{'s' * (self.skipped > 1)} skipped: {'; '.join(causes)}"

    def require_conversations(self, name: str, remedies: Mapping[str, str] | None = None) -> None:
        """Refuse a corpus of which every row was left out.

        Args:
            name: Name of the corpus in the message.
            remedies: Further remedies, text in a reason -> what to do.

        Raises:
            NoConversationsError: No conversation was read; the message names the most frequent
                reasons and the first known remedy.
        """
        if self.conversations:
            return
        most_first = sorted(self.reasons, key=lambda entry: (-entry[1], entry[0]))
        causes = "; ".join(
            f"{reason} in {count:,} of {self.skipped:,} row{'s' * (self.skipped > 1)}"
            f" ({', '.join(places)}{', …' if count > len(places) else ''})"
            for reason, count, places in most_first[: self.PLACES]
        )
        further = len(most_first) - self.PLACES
        causes += f"; and {further} more reason{'s' * (further > 1)}" if further > 0 else ""
        unknown = self.unknown_roles()
        known_remedies = filter(
            None, (remedy_of(reason, remedies, unknown) for reason, _, _ in most_first)
        )
        default_remedy = "check that the columns are mapped to the right fields"
        if not causes:
            default_remedy = "give a file with conversations in it"
        raise NoConversationsError(
            f"{name} has no conversation to count ({causes or 'it has no rows'}); "
            f"{next(known_remedies, default_remedy)}.",
            self,
        )
