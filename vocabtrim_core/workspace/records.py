"""Small JSON files of the workspace, read against their types; damaged ones are named, not fatal.

A reader of one file raises DamagedError. A reader of many takes `readable`, which leaves damaged
ones out. Both note what is damaged, for `known_damage`: the app says it once.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError

T = TypeVar("T")
WHAT_TO_DO = "`workspace` in a shell lists what is damaged, and moves it aside"
_noted: dict[Path, tuple[object, str]] = {}  # path -> its state when it was read, and why
_lock = threading.Lock()


class DamagedError(InputError):
    """A file of the workspace cannot be read.

    Args:
        path: The file.
        reason: Why, without a full stop.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged ({reason}); {WHAT_TO_DO}.")
        self.path, self.reason = path, reason
        note(path, reason)


class NewerError(DamagedError):
    """A file of the workspace was written by a newer version of this program.

    Args:
        path: The file.
        form: Its format.
        known: The newest format that this version reads.
    """

    def __init__(self, path: Path, form: object, known: object) -> None:
        reason = f"made by a newer version of this program: format {form}, this one reads {known}"
        super().__init__(path, reason)
        self.args = (f"{path} was {reason}; update the program to open it.",)


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that cannot be read.

    Attributes:
        path: The file.
        reason: Why, without a full stop.
    """

    path: Path
    reason: str


def read(path: Path, kind: type[T], *, newest: str | int | None = None) -> T:
    """Read a JSON file as a dataclass or another type.

    Args:
        path: The file.
        kind: The type; every field is checked, unknown fields are ignored.
        newest: The format that this version writes, to tell a newer one from damage; None where
            the file has none.

    Returns:
        The value.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedError: It holds anything else, or cannot be read.
    """
    return convert(read_value(path, newest=newest), kind, path)


def read_value(path: Path, *, newest: str | int | None = None) -> Any:
    """Read a JSON file as plain values; see `read`.

    Args:
        path: The file.
        newest: See `read`.

    Returns:
        The value.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedError: It is no JSON, of a newer version, or cannot be read.
    """
    try:
        value = msgspec.json.decode(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from error
    except OSError as error:
        raise DamagedError(path, error.strerror or type(error).__name__) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(path, f"not JSON: {_first_line(error)}") from error
    if newest is not None and isinstance(value, dict):
        check_format(path, value.get("format", newest), newest)
    return value


def check_format(path: Path, form: object, newest: str | int) -> None:
    """Check that a file is not of a newer version.

    Args:
        path: The file.
        form: Its format.
        newest: The newest format that this version reads.

    Raises:
        NewerError: It is of a newer version.
        DamagedError: It has no format of this kind.
    """
    kind, number = _split(newest)
    given_kind, given_number = _split(form)
    if (kind, number) == (given_kind, given_number):
        return
    if given_kind == kind and given_number > number:
        raise NewerError(path, form, newest)
    if given_kind != kind or given_number < 1:
        raise DamagedError(path, f"its format is {form!r}, not {newest!r}")


def convert(value: Any, kind: type[T], path: Path) -> T:
    """Make a dataclass of JSON values.

    Args:
        value: The values.
        kind: The dataclass.
        path: The file they are from.

    Returns:
        The dataclass.

    Raises:
        DamagedError: A field is missing or of another type.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, InputError, RecursionError) as error:
        raise DamagedError(path, _first_line(error)) from error


def readable(paths: Iterable[Path], reader: Callable[[Path], T]) -> list[T]:
    """Read many files and leave damaged ones out, which `known_damage` then names.

    Args:
        paths: The files.
        reader: Reads one; raises InputError or OSError where it cannot.

    Returns:
        What could be read, in order. Files that were removed meanwhile are left out too.
    """
    items = []
    for path in paths:
        try:
            items.append(reader(path))
        except FileNotFoundError:
            continue
        except DamagedError:
            continue  # noted already
        except (InputError, OSError) as error:
            if path.exists():
                note(path, _first_line(error))
    return items


def note(path: Path, reason: str) -> None:
    """Note that a file is damaged; a file outside the workspace is not noted.

    Args:
        path: The file.
        reason: Why.
    """
    with _lock:
        _noted[path] = (_state(path), reason.rstrip("."))


def known_damage() -> list[Damage]:
    """What this process has found damaged in its workspace and has not changed since, by path."""
    home = workspace.home()
    with _lock:
        for path in [path for path, (state, _) in _noted.items() if _state(path) != state]:
            del _noted[path]  # mended, moved or removed
        return [
            Damage(path, reason)
            for path, (_, reason) in sorted(_noted.items())
            if path.is_relative_to(home)
        ]


def _state(path: Path) -> object:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size, stat.st_mode


def _split(form: object) -> tuple[str, int]:
    """A format, 3 or "vocabtrim-run-1", as its name and number; ("?", 0) for anything else."""
    if isinstance(form, int) and not isinstance(form, bool):
        return "", form
    match = re.fullmatch(r"(.*?)([0-9]{1,9})", form) if isinstance(form, str) else None
    return (match[1], int(match[2])) if match else ("?", 0)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
