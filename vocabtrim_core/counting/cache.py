"""Finished counts in the workspace, by a key of everything that decides their numbers.

The same corpus is not counted twice by the same recipe.
"""

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
POLL = 0.2  # seconds between attempts to take the lock


@contextmanager
def alone(key: str, progress: Callable[..., None]) -> Generator[None]:
    """Hold the lock of a count, so that one process on this machine does it at a time.

    Args:
        key: The key of the recipe and corpus (`CountConfig.key`).
        progress: Called every POLL seconds while another process holds the lock; may raise to stop
            waiting.

    Yields:
        Nothing.
    """
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
    """Load the counts that are kept under a recipe's key.

    Args:
        key: The key of the recipe and corpus (`CountConfig.key`).
        corpus: The corpus; the counts get the name that it has today.

    Returns:
        The counts; None when there are none, or their file is damaged.
    """
    key_file = _key_file(key)
    if not key_file.is_file():
        return None
    try:
        counts = TokenCounts.load(workspace.folder("counts") / f"{key_file.read_text('ascii')}.npz")
    except InputError:
        return None  # removed or damaged: counted again
    (source,) = counts.provenance.corpora
    provenance = replace(counts.provenance, corpora=({**source, "name": corpus.name},))
    return replace(counts, provenance=provenance)


def keep(key: str, counts: TokenCounts, pieces: ShardCounts) -> None:
    """Keep counts and their pieces in the workspace under a recipe's key.

    Args:
        key: The key of the recipe and corpus (`CountConfig.key`).
        counts: The finished counts.
        pieces: The same counts by piece of the corpus.
    """
    save_shards(counts.key, pieces)
    save_counts(counts)
    write_atomic(_key_file(key), counts.key.encode("ascii"))


def keep_merged(
    merged: TokenCounts, sets: Sequence[TokenCounts], responses: Sequence[Responses | None]
) -> None:
    """Keep the sum of several counts in the workspace.

    Pieces and responses are kept too where every one of the counts has its own. Responses are
    joined only while they hold CAP tokens together at most.

    Args:
        merged: The sum.
        sets: The counts that were added.
        responses: The responses of each of them, None where there are none.
    """
    save_counts(merged)
    pieces = [load_shards(counts.key) for counts in sets]
    if None not in pieces:
        present = [item for item in pieces if item is not None]
        save_shards(merged.key, compact(present, sum(map(len, present)), merged.vocab_size))
    complete = [item for item in responses if item is not None and item.complete]
    if len(complete) == len(sets) and merged.tokens <= CAP:
        keep_responses(merged.key, concatenate(complete))


def assemble(
    key: str, corpus: Corpus, recipe: CountConfig, folder: PartFolder, proof: Proof
) -> tuple[TokenCounts, ShardCounts]:
    """Add up all finished parts of a count.

    Args:
        key: The key of the recipe and corpus as it was when the count began.
        corpus: The corpus that was counted.
        recipe: Tokenizer, template and rule.
        folder: The finished parts.
        proof: Evidence from outside the parts (`Proof`).

    Returns:
        The counts, and the same counts in at most MOST_PIECES pieces.

    Raises:
        InputError: There was no conversation to count, the corpus changed meanwhile, or more of it
            than the recipe allows is broken or refused.
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
    """Check that few enough conversations are broken or refused by the template.

    Args:
        sources: `Provenance.corpora`: per corpus its name, conversations and skipped rows.
        recipe: Gives the largest share allowed (`most_refused`).

    Raises:
        InputError: The share is larger in one of the corpora.
    """
    for source in sources:
        reasons = [r for r in source.get("skipped", ()) if str(r[0]).startswith((REFUSED, *BROKEN))]
        refused = sum(rows for _, rows, _ in reasons)
        share = refused / max(1, refused + source["conversations"])
        if share > recipe.most_refused:
            reason, _, places = max(reasons, key=lambda counted_reason: counted_reason[1])
            roles = SkipReport(
                0, tuple((str(r), n, tuple(p)) for r, n, p in reasons)
            ).unknown_roles()
            raise InputError(
                f"{source['name']}: {share:.1%} of the conversations ({refused:,}) are left out, "
                f"where {recipe.most_refused:.1%} may be ({places[0]}: {reason}); "
                f"{remedy_of(reason, roles=roles) or 'choose another template'}, mend the rows, or "
                "allow a larger share (--max-refused)."
            )


def _check_unchanged(key: str, corpus: Corpus, recipe: CountConfig, read: int) -> None:
    """InputError unless every row was read once and the files still have the key's fingerprint."""
    rows = [shard.rows for shard in corpus.shards()]
    known = sum(row or 0 for row in rows)
    if recipe.key(corpus.fingerprint()) != key or (None not in rows and known != read):
        raise InputError(
            f"{corpus.name} changed while it was counted ({read:,} rows read, now {known:,} are in "
            "it); count it again when it is complete."
        )


def _key_file(key: str) -> Path:
    return workspace.folder("counted") / key


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
