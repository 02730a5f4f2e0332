"""`python -m vocabtrim_core`, and the command `vocabtrim`."""

import os
import sys
from pathlib import Path

TUNABLES = "GLIBC_TUNABLES"  # read by glibc when a process starts, and only then
SUPPORT = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def huge_pages() -> dict[str, str]:
    """Find the environment variables that give a process's memory huge pages.

    They save a count CPU time: the words that an engine has seen are all over its
    memory, so ordinary pages cost a look-up in the page table each time.

    Returns:
        The variables; none where huge pages are off, always on or not known, or where the user has
        set the tunables of glibc.
    """
    try:
        asked_for = "[madvise]" in SUPPORT.read_text("ascii")
    except (OSError, ValueError):
        asked_for = False
    return {TUNABLES: "glibc.malloc.hugetlb=1"} if asked_for and TUNABLES not in os.environ else {}


def main() -> int:
    """Run the command of this process's arguments; a count starts itself again in huge pages.

    Returns:
        The exit code.
    """
    if sys.argv[1:2] == ["count"] and (further := huge_pages()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | further)
    from vocabtrim_core.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
