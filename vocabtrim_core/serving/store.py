"""Results in the workspace: JSON files named by the key of what they hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic


class Kept(Protocol):
    """key: 16 hexadecimal digits of the content.  created: UTC, ISO 8601."""

    @cached_property
    def key(self) -> str: ...
    @property
    def format(self) -> int: ...
    @property
    def created(self) -> str: ...
    def encoded(self) -> bytes: ...


Result = TypeVar("Result", bound=Kept)


@dataclass(frozen=True, slots=True)
class Store(Generic[Result]):
    """Where results of one kind are kept.

    folder: of the workspace.  format: the only one read.  one, many: how people call them.
    known: where their keys are told, to end a sentence.
    """

    kind: type[Result]
    folder: str
    format: int
    one: str
    many: str
    known: str

    def decode(self, content: bytes, where: str) -> Result:
        """From its JSON. InputError, naming `where`, for anything else."""
        try:
            found = msgspec.json.decode(content, type=self.kind)
        except (msgspec.DecodeError, InputError) as error:
            raise InputError(f"{where} is not a {self.one} of this program: {error}") from error
        if found.format != self.format:
            raise InputError(
                f"{where} has format {found.format}, but this version reads {self.format}."
            )
        return found

    def save(self, result: Result) -> Path:
        """Into the workspace, under its key."""
        path = workspace.folder(self.folder) / f"{result.key}.json"
        return write_atomic(path, result.encoded())

    def stored(self) -> list[Result]:
        """All of the workspace, newest first; a file that does not decode is an InputError."""
        paths = workspace.folder(self.folder).glob("*.json")
        found = [self.decode(path.read_bytes(), path.name) for path in paths]
        return sorted(found, key=lambda result: result.created, reverse=True)

    def find(self, spec: str | Path) -> Result:
        """By key (or its beginning) in the workspace, or by path. InputError unless it is one."""
        path = Path(spec).expanduser()
        if path.is_file():
            return self.decode(path.read_bytes(), str(path))
        matches = [each for each in self.stored() if str(spec) and each.key.startswith(str(spec))]
        if len(matches) != 1:
            raise InputError(
                f"{len(matches) or 'No'} {self.many} have a key that begins with {spec!s}; "
                f"{self.known}."
            )
        return matches[0]

    def remove(self, key: str) -> None:
        """Forget a result of the workspace."""
        if re.fullmatch("[0-9a-f]{16}", key):  # it names a file
            (workspace.folder(self.folder) / f"{key}.json").unlink(missing_ok=True)
