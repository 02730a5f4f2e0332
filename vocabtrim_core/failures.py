"""Errors that nobody expected: kept in the workspace, for a report to the developers."""

from __future__ import annotations

import platform
import re
import time
import traceback
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vocabtrim_core import __version__, workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic

MOST_KEPT = 20  # reports
LONGEST = 100_000  # characters of a report
PACKAGES = ("streamlit", "torch", "transformers", "tokenizers", "numpy", "pyarrow")
# What looks like a key, and credentials in an address.
_SECRET = re.compile(
    r"(?i)\b(?:sk|hf|ghp|xox[abp])[-_][A-Za-z0-9_-]{8,}|(?<=Bearer )\S+|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)


def record(error: BaseException, doing: str) -> str:
    """Keep the traceback of an error in the workspace.

    Args:
        error: The error.
        doing: What was done: a command line, or the name of a page.

    Returns:
        One sentence for the user: the error, and how to report it.
    """
    first = (str(error).splitlines() or [""])[0][:200]
    name = f"{time.strftime('%Y%m%d-%H%M%S')}.txt"
    with suppress(InputError, OSError):  # a workspace that cannot be written has its own sentence
        folder = workspace.folder("failures")
        write_atomic(folder / name, _report(error, doing).encode("utf-8", "replace"))
        for old in sorted(folder.glob("*.txt"))[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    return (
        f"Unexpected {type(error).__name__}: {scrubbed(first)}; this is a bug. "
        "`bug-report` prints what to send to the developers."
    )


def last() -> str:
    """The last report.

    Returns:
        Its text, without home folder, user name and keys.

    Raises:
        InputError: There is none.
    """
    reports = sorted(workspace.folder("failures").glob("*.txt"))
    if not reports:
        raise InputError("No unexpected error is recorded in this workspace.")
    return reports[-1].read_text("utf-8")


def scrubbed(text: str) -> str:
    """Take keys, credentials and the home folder out of a text.

    Args:
        text: Any text.

    Returns:
        The text with "…" in their place and ~ for the home folder.
    """
    with suppress(RuntimeError):  # there is no home folder
        text = text.replace(str(Path.home()), "~")
    return _SECRET.sub("…", text)


def _report(error: BaseException, doing: str) -> str:
    versions = []
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    lines = (
        f"vocabtrim-explorer {__version__}, Python {platform.python_version()}, "
        f"{platform.platform()}",
        ", ".join(versions),
        f"doing: {doing}",
        "",
        "".join(traceback.format_exception(error))[-LONGEST:],
    )
    return scrubbed("\n".join(lines))
