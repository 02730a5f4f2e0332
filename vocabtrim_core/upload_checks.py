"""Reading an upload for the first time: in a process of its own, with limits.

    python -m vocabtrim_core.upload_checks KIND PATH

Libraries that parse a hostile file may take all memory, loop, or end their process. So the app lets
another process read an upload first, and reads it itself only after that went well.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from vocabtrim_core.errors import InputError, rust_panics
from vocabtrim_core.wording import format_bytes

MEMORY = 6 * 2**30  # bytes of address space; torch alone maps 3 GB of it
CPU_SECONDS = 60
WALL_SECONDS = 120
FIRST_BYTES = 2**20  # of a corpus
NO_MEMORY = 3  # exit code


def _tokenizer(path: Path) -> None:
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(path)
    resolve_template(tokenizer)


def _corpus(path: Path) -> None:
    from vocabtrim_core.corpora import open_corpus

    corpus = open_corpus(path)
    corpus.describe()
    corpus.require_conversations(FIRST_BYTES)


def _mapping(path: Path) -> None:
    from vocabtrim_core.mappings.files import read_raw

    read_raw(path)


READERS: Mapping[str, Callable[[Path], None]] = {
    "tokenizer": _tokenizer,
    "corpus": _corpus,
    "mapping": _mapping,
}


def check_upload(kind: str, path: Path) -> None:
    """Let another process read an upload, with limits.

    What is wrong with its content is said when the app reads it.

    Args:
        kind: A key of READERS.
        path: The stored upload.

    Raises:
        InputError: It cannot be read within MEMORY, CPU_SECONDS and WALL_SECONDS, or ends the
            process that reads it.
    """
    command = [sys.executable, "-m", "vocabtrim_core.upload_checks", kind, str(path)]
    try:
        code = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=WALL_SECONDS,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        code = -signal.SIGALRM
    if code == NO_MEMORY or code < 0:
        reasons = {
            NO_MEMORY: f"takes more than {format_bytes(MEMORY)} of memory to read",
            -signal.SIGXCPU: f"takes more than {CPU_SECONDS} s of CPU time to read",
            -signal.SIGALRM: f"takes more than {WALL_SECONDS} s to read",
        }
        reason = reasons.get(code, "ends the program that reads it")
        raise InputError(
            f"The upload {reason}, so the app does not open it; if you trust it, use the command "
            "line, which has no such limit."
        )


def main(argv: list[str]) -> int:
    """Read an upload under limits that this process sets for itself.

    Args:
        argv: Kind and path.

    Returns:
        0 where it was read or refused in a sentence, NO_MEMORY where it needs too much, 1 for
        anything else.
    """
    kind, path = argv
    _limit()
    try:
        with rust_panics(), suppress(InputError):
            READERS[kind](Path(path))
    except MemoryError:
        return NO_MEMORY
    except Exception:  # the app meets it too, and keeps it for a report
        return 1
    return 0


def _limit() -> None:
    """Limits of this process, where the system has them."""
    try:
        import resource
    except ImportError:
        return
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, hard))
    if sys.platform == "linux":  # macOS does not hold to it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # threads of libraries are not waited for
