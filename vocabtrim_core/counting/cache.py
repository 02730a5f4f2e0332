"""Finished counts in the workspace, under what decided their numbers: nothing is counted twice."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import filelock

from vocabtrim_core import workspace
from vocabtrim_core.corpora import Corpus, SkipReport
from vocabtrim_core.corpora.skips import BROKEN, remedy_of
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.counting.encoding import REFUSED, REMEDIES
from vocabtrim_core.counting.parts import PartFolder
from vocabtrim_core.counting.proof import Proof
from vocabtrim_core.counting.response_files import CAP, keep_responses
from vocabtrim_core.counting.responses import Responses, concatenate
from vocabtrim_core.counting.shard_counts import ShardCounts, compact, load_shards, save_shards
from vocabtrim_core.counts import Provenance, TokenCounts
from vocabtrim_core.counts_store import save_counts
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.locks import named_lock

LIBRARIES = ("tokenizers", "gigatoken", "fastokens", "transformers", "pyarrow", "numpy")
POLL = 0.2  # seconds between looks at the lock


@contextmanager
def alone(key: str, progress: Callable[..., None]) -> Generator[None]:
    """Wait until nobody else on this machine is counting the same; progress may end the wait."""
    lock = named_lock(f"count-{key}")
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
    save_counts(counts)
    write_atomic(_note(key), counts.key.encode("ascii"))


def keep_merged(
    merged: TokenCounts, sets: Sequence[TokenCounts], responses: Sequence[Responses | None]
) -> None:
    """Keep the sum of counts, with their pieces and responses where all of them have theirs.

    Responses are joined while all together are few enough to be held completely.
    """
    save_counts(merged)
    pieces = [load_shards(counts.key) for counts in sets]
    if None not in pieces:
        known = [found for found in pieces if found is not None]
        save_shards(merged.key, compact(known, sum(map(len, known)), merged.vocab_size))
    held = [found for found in responses if found is not None and found.complete]
    if len(held) == len(sets) and merged.tokens <= CAP:
        keep_responses(merged.key, concatenate(held))


def assemble(
    key: str, corpus: Corpus, recipe: CountConfig, folder: PartFolder, proof: Proof
) -> tuple[TokenCounts, ShardCounts]:
    """All parts added up.

    InputError when there was no conversation to count, or the corpus is not what it was.
    """
    infos = [info for _, info in sorted(folder.finished.items())]
    _check_unchanged(key, corpus, recipe, sum(info.rows for info in infos))
    report = sum((info.report for info in infos), SkipReport())
    notes = sum((info.notes for info in infos), SkipReport())
    proof = sum((info.proof for info in infos), proof)
    size = recipe.tokenizer.vocab_size
    parts = (part.pieces for part in folder.parts())
    pieces = compact(parts, sum(info.pieces for info in infos), size)
    source = {
        "name": corpus.name,
        "sha256": corpus.fingerprint(),
        "conversations": report.conversations,
        "bytes": corpus.size_bytes,
        "skipped": [list(reason) for reason in report.reasons],
        "notes": [list(note) for note in notes.reasons],
    }
    check_refused([source], recipe)
    report.require_conversations(corpus.name, REMEDIES)
    provenance = Provenance(
        **recipe.provenance(),
        vocab_size_from=recipe.tokenizer.vocab_size_from,
        corpora=(source,),
        engine=proof.engine,
        proof=proof.summary(),
        versions=_versions(),
    )
    return TokenCounts(pieces.total(size), report.conversations, report.skipped, provenance), pieces


def check_refused(sources: Sequence[Mapping[str, Any]], recipe: CountConfig) -> None:
    """InputError when a larger share of a corpus is broken, or refused by the template, than the
    recipe allows."""
    for source in sources:
        reasons = [r for r in source.get("skipped", ()) if str(r[0]).startswith((REFUSED, *BROKEN))]
        refused = sum(rows for _, rows, _ in reasons)
        share = refused / max(1, refused + source["conversations"])
        if share > recipe.most_refused:
            reason, _, places = max(reasons, key=lambda each: each[1])
            raise InputError(
                f"{source['name']}: {share:.1%} of the conversations ({refused:,}) are left out, "
                f"where {recipe.most_refused:.1%} may be ({places[0]}: {reason}); "
                f"{remedy_of(reason) or 'choose another template'}, mend the rows, or allow a "
                "larger share (--max-refused)."
            )


def _check_unchanged(key: str, corpus: Corpus, recipe: CountConfig, read: int) -> None:
    """Every row was read once, and the files are those whose fingerprint the counts will carry."""
    rows = [shard.rows for shard in corpus.shards()]
    known = sum(row or 0 for row in rows)
    if recipe.key(corpus.fingerprint()) != key or (None not in rows and known != read):
        raise InputError(
            f"{corpus.name} changed while it was counted ({read:,} rows read, now {known:,} are in "
            "it); count it again when it is complete."
        )


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
