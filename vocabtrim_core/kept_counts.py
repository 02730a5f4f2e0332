"""Finished counts in the workspace, under what decided their numbers: nothing is counted twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import filelock
import numpy as np

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus, SkipReport
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.errors import InputError
from vocabtrim_core.parts import PartFolder
from vocabtrim_core.proof import Proof
from vocabtrim_core.recipe import Recipe
from vocabtrim_core.shard_counts import ShardCounts, compact, save_shards

LIBRARIES = ("tokenizers", "gigatoken", "fastokens", "transformers", "pyarrow", "numpy")
POLL = 0.2  # seconds between looks at the lock


@contextmanager
def alone(key: str, progress: Callable[..., None]) -> Iterator[None]:
    """Wait until nobody else on this machine is counting the same; progress may end the wait."""
    lock = filelock.FileLock(workspace.folder("locks") / f"count-{key}.lock")
    while True:
        try:
            lock.acquire(timeout=POLL)
            break
        except filelock.Timeout:
            progress(0, None, "Waiting for another process that counts the same")
    try:
        yield
    finally:
        lock.release()


def find(key: str, corpus: Corpus) -> TokenCounts | None:
    """The counts kept under a recipe's key, with the name the corpus has today."""
    note = _note(key)
    if not note.is_file():
        return None
    try:
        counts = TokenCounts.load(workspace.folder("counts") / f"{note.read_text('ascii')}.npz")
    except InputError:
        return None  # removed since, or damaged: counted again
    (source,) = counts.provenance.corpora
    named = replace(counts.provenance, corpora=({**source, "name": corpus.name},))
    return replace(counts, provenance=named)


def keep(key: str, counts: TokenCounts, pieces: ShardCounts) -> None:
    """Keep counts and their pieces in the workspace under a recipe's key."""
    save_shards(counts.key, pieces)
    workspace.save_counts(counts)
    workspace.write_atomic(_note(key), counts.key.encode("ascii"))


def assemble(
    corpus: Corpus, recipe: Recipe, folder: PartFolder, proof: Proof
) -> tuple[TokenCounts, ShardCounts]:
    """All parts added up; InputError when the corpus had no conversation to count."""
    total = np.zeros(recipe.tokenizer.vocab_size, np.int64)
    report = SkipReport()

    def parts() -> Iterator[ShardCounts]:
        nonlocal report, proof
        for part in folder.parts():
            total.__iadd__(part.pieces.total(len(total)))
            report += part.info.report
            proof += part.info.proof
            yield part.pieces

    pieces = compact(parts(), sum(info.pieces for info in folder.finished.values()), len(total))
    report.require_conversations(corpus.name)
    source = {
        "name": corpus.name,
        "sha256": corpus.fingerprint(),
        "conversations": report.conversations,
        "bytes": corpus.size_bytes,
        "skipped": [list(reason) for reason in report.reasons],
    }
    provenance = Provenance(
        **recipe.provenance(),
        corpora=(source,),
        engine=proof.engine,
        proof=proof.summary(),
        versions=_versions(),
    )
    return TokenCounts(total, report.conversations, report.skipped, provenance), pieces


def _note(key: str) -> Path:
    return workspace.folder("counted") / key


def _versions() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
