"""Both domains of the demo as one corpus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus, demo, open_corpus


def demo_corpus(progress: Callable[..., Any] | None = None, limit: int | None = None) -> Corpus:
    """Open both demo domains as one corpus, and build them where they are absent.

    Args:
        progress: Called as progress(done, total, message) while they are built.
        limit: Most conversations; None for all.

    Returns:
        The corpus.
    """
    home = workspace.folder("demo")
    files = [home / f"{name}.jsonl.zst" for name in demo.NAMES]
    if not all(path.is_file() for path in files):
        files = list(demo.build(home, progress).values())
    return open_corpus(files, name="demo", limit=limit)
