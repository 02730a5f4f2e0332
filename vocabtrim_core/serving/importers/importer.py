"""What one tool's result format is: how it is recognised, and the runs that are in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.importers.sources import Record, Source
from vocabtrim_core.serving.measurement import Latency, Run

T = TypeVar("T")
Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]  # leaves infinity and NaN out
Length = Annotated[float, msgspec.Meta(ge=0, lt=1e6)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Whole = Annotated[int, msgspec.Meta(ge=1)]


@dataclass(frozen=True, slots=True)
class Piece:
    """One run as a file tells it; what a file does not tell stays empty.

    drafted: whether there was speculation; None where the file tells neither that there was nor
    that there was none.  draft: its name.  run: its configuration and index are
    set when pieces are put together; concurrency 0 where the file does not say.
    usual_concurrency: the tool's default, taken for a concurrency that the file does not say.
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


@dataclass(frozen=True, slots=True)
class Importer:
    """One format. matches: whether a JSON value is of this format.  read: the runs of a source.

    notes: sentences that must stand beside what is read.  checked: against what the reader was
    written, shown to users.
    """

    name: str
    title: str
    matches: Callable[[Any], bool]
    read: Callable[[Source], Iterable[Piece]]
    checked: str
    notes: tuple[str, ...] = ()


def typed(record: Record, kind: type[T], title: str) -> T:
    """The record as the dataclass `kind`; unknown fields are left alone. InputError names file,
    line and field."""
    try:
        return msgspec.convert(record.value, kind)
    except msgspec.ValidationError as error:
        reason = str(error)
        raise InputError(
            f"{record.where} cannot be read as a result of {title}: "
            f"{reason[:1].lower()}{reason[1:]}."
        ) from error


def has(value: Any, *names: str) -> bool:
    """Whether a JSON value is an object with all these fields."""
    return isinstance(value, dict) and all(name in value for name in names)


def latency(*milliseconds: float | None) -> Latency | None:
    """Mean, median and 95th percentile; None where one of them is not told."""
    known = [ms / 1e3 for ms in milliseconds if ms is not None]
    return Latency(*known) if len(known) == 3 else None


def verified(tokens: int | None, length: float | None) -> int | None:
    """Verifications behind a ratio of sums: exact, since both of its terms are whole numbers."""
    return round(tokens / length) if tokens and length else None
