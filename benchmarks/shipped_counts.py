"""Make the shipped counts again from the corpora beside the checkout.

    python -m benchmarks.shipped_counts [--corpora ../shared/data/corpora] [--out FOLDER]

Writes vocabtrim_core/shipped/data: numbers and a manifest, no text. The same corpora, tokenizers
and libraries give the same bytes. Takes some two minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core.corpora import open_corpus
from vocabtrim_core.counting.count import count
from vocabtrim_core.counting.response_files import find_responses
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.forecast.ceiling import ceiling, held_out_ceiling
from vocabtrim_core.generalization.held_out import by_count
from vocabtrim_core.shipped.archive import pack, pack_lengths, pack_matrix, sizes_of
from vocabtrim_core.shipped.sets import FOLDER
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

CORPORA = Path(__file__).parents[2] / "shared" / "data" / "corpora"
MOST_GROUPS, LEAST_CONVERSATIONS = 64, 2
FORMAT = "vocabtrim-shipped-1"
BLEND = "Public blend"
TITLES = {  # corpus -> name for people
    "blend_train": BLEND,
    "mt_bench": "MT-Bench",
    "gsm8k_test": "GSM8K",
    "humaneval": "HumanEval",
    "math500": "MATH-500",
    "aime": "AIME",
    "function_calling_train": "Function calling train",
    "function_calling_test": "Function calling test",
    "ner_train": "NER train",
    "ner_test": "NER test",
    "gsm8k_test.ref": "GSM8K reference",
    "humaneval.ref": "HumanEval reference",
}
CHOOSERS = ("blend_train", "function_calling_train", "ner_train")
TOKENIZERS = {  # preset -> corpora
    "llama-3.1": tuple(TITLES),
    "qwen3.5": ("blend_train", "function_calling_train"),
    "smollm2": ("blend_train", "function_calling_train"),
}
AGGREGATED = (
    "counts: every token of every conversation, exact.",
    "pieces: the same counts, exact, added up over random groups of conversations: 64 groups, or "
    "fewer so that each has two conversations at least; by domain label within each group. "
    "Intervals, held-out coverage and stability take groups for conversations, which makes them "
    "a little wider and the share of unseen tokens a little lower.",
    "ceilings: the acceptance length of a perfect draft for depths 1 to 16, at up to 800 sizes, "
    "between which it is interpolated within 1 %: of each set held out from itself, and of each "
    "set under the order of the three sets that choose. Other orders get the bound from coverage.",
    "Not kept: the order of tokens within a conversation, so examples in context and reuse of "
    "context are not known.",
)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A corpus, counted."""

    corpus: str
    file: str
    counts: TokenCounts
    responses: Responses


def counted(corpora: Path, preset: str, corpus: str) -> Counted:
    """Count one corpus with a bundled tokenizer, as `count` does by default."""
    tokenizer = load_tokenizer(preset)
    (path,) = corpora.glob(f"{corpus}.jsonl.*")
    counts = count(open_corpus([path]), tokenizer, resolve_template(tokenizer))
    responses = find_responses(counts.key, counts)
    assert responses is not None
    assert responses.complete
    assert responses.conversations == counts.conversations
    return Counted(corpus, f"{corpus}.{preset}", counts, responses)


def groups(responses: Responses) -> np.ndarray:
    """int64[conversations], the random group of each."""
    number = min(MOST_GROUPS, responses.conversations // LEAST_CONVERSATIONS)
    return np.random.default_rng(0).permutation(responses.conversations) % number


def pieces(responses: Responses, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts int64[ids, groups, domains], and conversations int64[groups, domains]."""
    group = groups(responses)
    shape = int(group.max()) + 1, max(len(responses.domains), 1)
    cell = group * shape[1] + np.maximum(responses.domain, 0)
    conversations = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    row = np.zeros(responses.vocab_size, np.int64)
    row[ids] = np.arange(len(ids))
    place = row[responses.ids] * (shape[0] * shape[1])
    place += np.repeat(cell, np.diff(responses.conversation_offsets()))
    counts = np.bincount(place, minlength=len(ids) * shape[0] * shape[1])
    return counts.reshape(len(ids), *shape), conversations


def files_of(one: Counted) -> dict[str, bytes]:
    """The two files of a set, by name."""
    curve = CoverageCurve.of(one.counts)
    ids = curve.order[: curve.distinct]
    by_group, conversations = pieces(one.responses, ids)
    return {
        f"{one.file}.counts": pack(
            ids=ids.astype(np.uint32), counts=curve.sorted_counts[: curve.distinct]
        ),
        f"{one.file}.pieces": pack(
            **pack_matrix(by_group), conversations=conversations.astype(np.uint32)
        ),
    }


def ceilings(sets: list[Counted]) -> Iterator[tuple[str, np.ndarray]]:
    """The ceilings of sets of one tokenizer."""
    for served in sets:
        for order in sets:
            if order is served:
                perfect = held_out_ceiling(served.responses, by_count)
            elif order.corpus in CHOOSERS:
                ranks = CoverageCurve.of(order.counts).ranks()
                perfect = ceiling(served.responses.batches(), ranks)
            else:
                continue
            lengths = perfect.tokens / perfect.cycles
            ks = sizes_of(lengths)
            name = f"{order.counts.key}.{served.counts.key}"
            yield name, pack_lengths(lengths[:, ks - 1])
            yield f"{name}.ks", ks.astype(np.uint32)
            yield f"{name}.of", np.array([perfect.tokens, perfect.responses])


def row_of(one: Counted, files: dict[str, bytes]) -> dict[str, Any]:
    """A set in the manifest."""
    about = asdict(replace(one.counts.provenance, seconds=0.0))
    (corpus,) = about["corpora"]
    about["corpora"] = [{**corpus, "name": TITLES[one.corpus]}]
    return {
        "key": one.counts.key,
        "title": TITLES[one.corpus],
        "file": one.file,
        "corpus": one.corpus,
        "vocab_size": one.counts.vocab_size,
        "conversations": one.counts.conversations,
        "skipped": one.counts.skipped,
        "tokens": one.counts.tokens,
        "distinct": one.counts.distinct,
        "groups": int(groups(one.responses).max()) + 1,
        "domains": list(one.responses.domains),
        "files": {name: _about(content) for name, content in files.items()},
        "provenance": about,
    }


def _about(content: bytes) -> dict[str, Any]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def sources(corpora: Path) -> dict[str, Any]:
    """What the corpora's own manifest says of those that are counted."""
    listed = json.loads((corpora / "MANIFEST.json").read_text("utf-8"))
    by_name = {Path(name).name.partition(".jsonl")[0]: about for name, about in listed.items()}
    names = ("domain", "repo", "commit", "path", "model", "kind", "licence", "count")
    return {
        corpus: {
            "sha256": by_name[corpus]["sha256"],
            "conversations": by_name[corpus]["conversations"],
            "parts": [{name: part[name] for name in names} for part in by_name[corpus]["parts"]],
        }
        for corpus in TITLES
    }


def build(corpora: Path, out: Path) -> int:
    """Write all files; returns their bytes."""
    rows: list[dict[str, Any]] = []
    tables: dict[str, np.ndarray] = {}
    contents: dict[str, bytes] = {}
    for preset, names in TOKENIZERS.items():
        sets = [counted(corpora, preset, name) for name in names]
        for one in sets:
            files = files_of(one)
            contents |= files
            rows.append(row_of(one, files))
            print(f"{one.file}: {one.counts.tokens:,} tokens, {sum(map(len, files.values())):,} B")
        tables |= dict(ceilings(sets))
    contents["ceilings.zst"] = pack(**tables)
    libraries = ("numpy", "tokenizers", "transformers", "zstandard", "gigatoken")
    manifest = {
        "format": FORMAT,
        "command": "python -m benchmarks.shipped_counts",
        "versions": {name: version(name) for name in libraries},
        "licence": "Counts of tokens are facts about the texts and hold none of them. The sources, "
        "each with its licence, are named below; none of their licences speaks of such counts.",
        "aggregated": AGGREGATED,
        "ceilings": _about(contents["ceilings.zst"]),
        "sources": sources(corpora),
        "sets": rows,
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    contents["manifest.json"] = text.encode()
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    for name, content in contents.items():
        (out / name).write_bytes(content)
    return sum(map(len, contents.values()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    parser.add_argument("--out", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["VOCABTRIM_HOME"] = home
        size = build(arguments.corpora, arguments.out)
    print(f"{size:,} bytes in {arguments.out}")


if __name__ == "__main__":
    main()
