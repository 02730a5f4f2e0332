"""Results stored in the workspace: JSON files named by the key of their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic


class Storable:
    """Base of the results that a `Store` holds: frozen dataclasses without slots.

    Attributes:
        created: UTC, ISO 8601.
        format: Version of the stored format.
    """

    created: str
    format: int

    @cached_property
    def key(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the content."""
        return _key(self.encoded())

    def encoded(self) -> bytes:
        """The result as JSON; equal results give equal bytes."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=1)


def _key(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


Result = TypeVar("Result", bound=Storable)


@dataclass(frozen=True, slots=True)
class Store(Generic[Result]):
    """The stored results of one kind.

    Attributes:
        kind: Class of the results.
        folder: Folder of the workspace.
        format: Version of the format that is written.
        singular: Noun for one result in messages.
        plural: Noun for several results in messages.
        hint: Where the user finds keys; the end of a message.
        converters: By an earlier format, the function that makes its JSON values those of the next.
    """

    kind: type[Result]
    folder: str
    format: int
    singular: str
    plural: str
    hint: str
    converters: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = field(
        default_factory=dict
    )

    def decode(self, content: bytes, where: str) -> Result:
        """Read a result from JSON, of an earlier format too where it can be converted.

        A converted result keeps the key of the earlier content, by which its file and links name
        it.

        Args:
            content: The bytes of its file.
            where: Name of the file in messages.

        Returns:
            The result.

        Raises:
            InputError: The content is anything else, or has another format.
        """
        try:
            result = msgspec.json.decode(content, type=self.kind)
        except (msgspec.DecodeError, InputError, RecursionError) as error:
            raise InputError(
                f"{where} is not a {self.singular} of this program: {error}"
            ) from error
        if result.format in self.converters:
            values = msgspec.json.decode(content)
            while convert := self.converters.get(values["format"]):
                values = convert(values)
            result = msgspec.convert(values, self.kind)
            vars(result)["key"] = _key(content)  # where `cached_property` looks
        if result.format != self.format:
            newer = result.format > self.format
            advice = "it is of a newer version, so update the program" if newer else "measure again"
            raise InputError(
                f"{where} has format {result.format}, but this version reads {self.format}; "
                f"{advice}."
            )
        return result

    def save(self, result: Result) -> Path:
        """Store a result in the workspace, under the key of its content.

        Args:
            result: The result.

        Returns:
            Path of its file.

        Raises:
            InputError: The file cannot be written.
        """
        content = result.encoded()
        return write_atomic(workspace.folder(self.folder) / f"{_key(content)}.json", content)

    def stored(self) -> list[Result]:
        """All results of the workspace.

        Returns:
            Those that can be read, newest first.
        """
        paths = workspace.folder(self.folder).glob("*.json")
        results = records.readable(paths, self.read)
        return sorted(results, key=lambda result: result.created, reverse=True)

    def read(self, path: Path) -> Result:
        """Read one file.

        Args:
            path: The file.

        Returns:
            The result.

        Raises:
            InputError: It holds anything else.
            OSError: It cannot be read.
        """
        return self.decode(path.read_bytes(), str(path))

    def find(self, spec: str | Path) -> Result:
        """One result, by key or by path.

        Args:
            spec: Path of a file, or a key of the workspace or its beginning.

        Returns:
            The result.

        Raises:
            InputError: No result or several results match, or the file cannot be decoded.
        """
        path = Path(spec).expanduser()
        if path.is_file():
            return self.read(path)
        matches = [r for r in self.stored() if str(spec) and r.key.startswith(str(spec))]
        if len(matches) != 1:
            raise InputError(
                f"{len(matches) or 'No'} {self.plural} have a key that begins with {spec!s}; "
                f"{self.hint}."
            )
        return matches[0]

    def remove(self, key: str) -> None:
        """Delete a result of the workspace, where it exists.

        Args:
            key: Its key; any other text is ignored.
        """
        if re.fullmatch("[0-9a-f]{16}", key):  # the key becomes a file name
            (workspace.folder(self.folder) / f"{key}.json").unlink(missing_ok=True)
