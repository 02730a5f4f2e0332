"""The definition of a result format: how to recognise it, and how to read its runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.acceptance_length import length_of
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Latency, Run

T = TypeVar("T")
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]  # excludes infinity and NaN
Length = Annotated[float, msgspec.Meta(ge=0, lt=1e6)]
Count = Annotated[int, msgspec.Meta(ge=0)]
KINDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "text",
    "array": "a list",
    " >= ": " of at least ",
    " > ": " above ",
    " <= ": " of at most ",
    " < ": " below ",
}
Whole = Annotated[int, msgspec.Meta(ge=1)]


@dataclass(frozen=True, slots=True)
class Piece:
    """One run of a file. Fields that the file does not have stay empty.

    Attributes:
        prompts: Name of the prompt set.
        run: The run. Its configuration and index are set later; its concurrency is 0 where the file
            does not state it.
        drafted: Whether there was speculation, None where the file does not show it.
        draft: Name of the draft.
        steps: Draft steps per cycle.
        topk: Branches per step, 1 for a chain.
        draft_tokens: Tokens verified per cycle.
        target: Name of the target.
        engine: Name and version of the engine.
        device: Name of the device.
        usual_concurrency: The tool's default, used where the file states no concurrency.
        settings: Settings of the run, by name.
        versions: Versions of packages, by name.
        notes: Sentences about this run that readers of the numbers must know.
    """

    prompts: str
    run: Run
    drafted: bool | None
    draft: str = ""
    steps: int = 0
    topk: int = 1
    draft_tokens: int = 0
    target: str = ""
    engine: str = ""
    device: str = ""
    usual_concurrency: int = 1
    settings: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Importer:
    """One result format.

    Attributes:
        name: Name on the command line.
        title: Name for people.
        matches: Whether a JSON value is of this format.
        read: Reads the runs of a source.
        checked: The file or code with which the reader was checked; shown to users.
        notes: Sentences that readers of the numbers must know.
        readable: Whether a JSON value has what is read of this format, asked where a user names
            it; None for `matches`.
    """

    name: str
    title: str
    matches: Callable[[Any], bool]
    read: Callable[[Source], Iterable[Piece]]
    checked: str
    notes: tuple[str, ...] = ()
    readable: Callable[[Any], bool] | None = None


def typed(record: Record, kind: type[T], title: str) -> T:
    """Convert a record to a dataclass or Struct; unknown fields are ignored.

    Args:
        record: The record.
        kind: The class.
        title: Name of the tool in messages.

    Returns:
        An instance of `kind`.

    Raises:
        InputError: A field is missing or has a wrong value.
    """
    try:
        return msgspec.convert(record.value, kind)
    except msgspec.ValidationError as error:
        where = record.where.rstrip(",")
        raise InputError(f"{where}: {_in_words(str(error), record.value)}.") from error


def require_completed(record: Record) -> None:
    """InputError for a run of which no request was completed: its numbers mean nothing."""
    if isinstance(record.value, dict) and record.value.get("completed") == 0:
        raise InputError(
            f"{record.where}: no request was completed, so nothing was measured; look at the "
            "server's log and run the benchmark again."
        )


def _in_words(reason: str, value: Any) -> str:
    """What msgspec says of a field, as a sentence about it."""
    if missing := re.fullmatch(
        r"Object missing required field `(.*?)`(?: - at `\$\.?(.*)`)?", reason
    ):
        inside = f" in {missing[2]}" if missing[2] else ""
        return f"the field {missing[1]} is missing{inside}; run the benchmark again, to its end"
    mismatch = re.fullmatch(r"Expected (.*?)(?:, got (.*?))?(?: - at `\$\.?(.*?)`)?", reason)
    if not mismatch:
        return reason[:1].lower() + reason[1:]
    wanted, got, path = mismatch.groups()
    held = value.get(path) if isinstance(value, dict) and path in value else None
    is_now = f"{held}" if isinstance(held, int | float | str) else (got or "another").strip("`")
    wanted = wanted.replace("`", "")
    for json_kind, meant in KINDS.items():
        wanted = wanted.replace(json_kind, meant)
    return f"{path or 'it'} is {is_now}, but must be {wanted}; run the benchmark again"


def has(value: Any, *names: str) -> bool:
    """Whether a JSON value is an object with some fields.

    Args:
        value: The value.
        *names: Names of the fields.

    Returns:
        Whether it has all of them.
    """
    return isinstance(value, dict) and all(name in value for name in names)


def latency(*milliseconds: float | None) -> Latency | None:
    """The statistics of a run's times.

    Args:
        *milliseconds: Mean, median and 95th percentile, None where unknown.

    Returns:
        The statistics in seconds, None where one of them is unknown.
    """
    seconds = [ms / 1e3 for ms in milliseconds if ms is not None]
    return Latency(*seconds) if len(seconds) == 3 else None


def verified(tokens: int | None, length: float | None) -> int | None:
    """The number of verifications, from a mean per verification.

    Args:
        tokens: Tokens that are counted: those that verifications gave for an acceptance length as
            it is stored, all output tokens for SGLang's.
        length: Tokens per verification.

    Returns:
        tokens / length, rounded to a whole number; None where one of them is unknown or 0.
    """
    return round(tokens / length) if tokens and length else None


def without_first(tokens: int, cycles: int | None, answers: int | None) -> float | None:
    """The acceptance length as it is stored, for a tool that counts all tokens (as SGLang does).

    Args:
        tokens: Output tokens, with the first of each answer.
        cycles: Verifications, None where unknown.
        answers: Number of answers, None or 0 where unknown.

    Returns:
        (tokens - answers) / cycles; None where it is unknown or below 1, where the number of
        answers cannot be right.
    """
    length = length_of(cycles, tokens - answers if answers else None)
    return length if length is not None and length >= 1 else None
