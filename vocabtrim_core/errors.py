"""The exceptions that end a command early, and those of libraries that no handler expects."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class InputError(ValueError):
    """Bad input. The message is one sentence: what is wrong, where, and what to do."""


class LibraryPanicError(Exception):
    """A library written in Rust has failed; its own exception is none that handlers catch."""


@contextmanager
def rust_panics() -> Generator[None]:
    """Turn the panic of a library written in Rust into an Exception.

    Yields:
        Nothing.

    Raises:
        LibraryPanicError: The block ended with pyo3's PanicException.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException":
            raise LibraryPanicError(str(error).partition("\n")[0]) from error
        raise


class Cancelled(Exception):  # noqa: N818 - a request of the user, not an error
    """The user asked the command to stop; finished parts stay on disk."""
