"""Text for the counting benchmark, from what a machine has: no two messages are the same.

`build` writes conversations, all as Parquet, the first also as JSON lines and compressed:
    text        chats of ../shared/data/corpora, Python sources, documentation
    part        every so many row groups of it, for those who would take minutes for all
    sample      every so many conversations of it, for those who would take hours
    hard        gettext catalogues, then raw HTML: manuals in languages other than English, as far
                as they are installed (Debian: libreoffice-help-*, gnome-user-docs)
    hard_part   every so many row groups of it
    catalogues  the worst there is: some 200 languages, short strings, few repeated words
    grown       the text again and again with other letters, so that every word is new each time
    markup      answers with literal special tokens, which are in none of the others: what they
                count for is a matter of rule (a literal end-of-turn ends the answer where it is
                rendered), and tokenizers that know of no template cannot agree about it
"""

from __future__ import annotations

import gettext
import gzip
import hashlib
import json
import random
import re
import string
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa
import pyarrow.json as pj
import pyarrow.parquet as pq

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
PIECE = 2000  # characters of an assistant message made from a file, about
SCHEMA = pa.schema(
    [("conversations", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))]
)
GROUP = 5000  # rows per Parquet row group and per write
PART, SAMPLE = 60, 1000  # megabytes of `part`, conversations of `sample`
MARKUP = re.compile(r"<\|[^<>|]*\|>|</?think>")

Pairs = Iterator[tuple[str, str]]  # (question, answer)


def build(folder: Path, megabytes: int, grown: int) -> dict[str, list[int]]:
    """Write the corpora unless they are there; name -> [bytes of assistant text, answers].

    megabytes: of assistant text in `text` and in `hard`.  grown: how often `text` is in `grown`.
    """
    note = folder / "built.json"
    if note.is_file():
        return json.loads(note.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    marked: list[tuple[str, str]] = []
    pairs = _distinct(chain(chats(), _alternate(sources(), documents())), megabytes, marked)
    sizes = {"text": _write(folder / "text.parquet", pairs)}
    for name, source in (("hard", chain(catalogues(), pages())), ("catalogues", catalogues())):
        sizes[name] = _write(folder / f"{name}.parquet", _distinct(source, megabytes, marked))
    sizes["markup"] = _write(folder / "markup.parquet", iter(dict.fromkeys(marked)))
    for name, whole in (("part", "text"), ("hard_part", "hard")):
        sizes[name] = _write(folder / f"{name}.parquet", _some(folder / f"{whole}.parquet"))
    text = pq.ParquetFile(folder / "text.parquet")
    rows = islice(_pairs(text.iter_batches(GROUP)), 0, None, max(1, sizes["text"][1] // SAMPLE))
    sizes["sample"] = _write(folder / "sample.parquet", islice(rows, SAMPLE))
    sizes["grown"] = _write(folder / "grown.parquet", _respelled(folder / "text.parquet", grown))
    with (
        (folder / "text.jsonl").open("wb") as plain,
        pa.CompressedOutputStream(str(folder / "text.jsonl.zst"), "zstd") as packed,
    ):
        for batch in text.iter_batches(GROUP):
            rows = (json.dumps(row, ensure_ascii=False) for row in batch.to_pylist())
            data = "".join(f"{row}\n" for row in rows).encode()
            plain.write(data)
            packed.write(data)
    note.write_text(json.dumps(sizes))
    return sizes


def chats() -> Pairs:
    """Conversations of the shared corpora; blend_train_20k is part of blend_train."""
    for path in sorted((SHARED / "corpora").glob("*.jsonl.*")):
        if path.name.startswith("blend_train_20k"):
            continue
        with pa.CompressedInputStream(
            str(path), "zstd" if path.suffix == ".zst" else "gzip"
        ) as data:
            table = pj.read_json(pa.BufferReader(data.read()), pj.ReadOptions(block_size=1 << 28))
        for row in table.column("conversations").to_pylist():
            turns = [turn for turn in row if turn["role"] in ("user", "assistant")]
            for question, answer in zip(turns[::2], turns[1::2], strict=False):
                yield question["content"], answer["content"]


def sources() -> Pairs:
    """Python files of the standard library and of what is installed."""
    paths = sysconfig.get_paths()
    return _pieces(Path(paths[name]).rglob("*.py") for name in ("stdlib", "purelib"))


def documents() -> Pairs:
    """Text and HTML of /usr/share/doc."""
    return _pieces([Path("/usr/share/doc").rglob("*")])


def catalogues() -> Pairs:
    """Translations of /usr/share/locale and of installed packages, language by language."""
    roots = (Path("/usr/share/locale"), Path(sysconfig.get_paths()["purelib"]))
    for path in sorted(chain.from_iterable(root.rglob("*.mo") for root in roots)):
        language = path.parts[-3]
        if language.startswith("en"):
            continue
        try:
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        except (OSError, ValueError, LookupError):  # not every file is a sound one
            continue
        lines = [text for key, text in catalogue.items() if key and isinstance(text, str)]
        for i in range(0, len(lines), 30):
            yield f"{language}: {path.stem} {i}", "\n".join(lines[i : i + 30])


def pages() -> Pairs:
    """HTML, tags and all, of the manuals of LibreOffice and GNOME in other languages."""
    roots = (Path("/usr/share/libreoffice/help"), Path("/usr/share/help"))
    folders = (folder for root in roots if root.is_dir() for folder in sorted(root.iterdir()))
    others = (f for f in folders if f.is_dir() and f.name[:2] not in ("C", "en", "me"))  # media
    return _pieces(folder.rglob(kind) for folder in others for kind in ("*.html", "*.page"))


def _pieces(roots) -> Pairs:
    for path in sorted(chain.from_iterable(roots)):
        if path.suffix.lower() in (".png", ".jpg", ".ico", ".so", ".woff2", ".svg", ".js", ".css"):
            continue
        try:
            data = path.read_bytes() if path.is_file() else b""
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        except (OSError, ValueError, EOFError):
            continue
        held, size = [], 0
        for line in text.splitlines(keepends=True):
            held.append(line)
            size += len(line)
            if size > PIECE and (
                len(line) < 2 or size > 4 * PIECE
            ):  # at an empty line, if it comes
                yield f"Go on with {path.name}", "".join(held)[: 8 * PIECE]
                held, size = [], 0
        if size > 100:
            yield f"Finish {path.name}", "".join(held)[: 8 * PIECE]


def _alternate(*streams: Pairs) -> Pairs:
    """A piece of each in turn, until all are at their end."""
    waiting = list(streams)
    while waiting:
        for stream in list(waiting):
            pair = next(stream, None)
            if pair is None:
                waiting.remove(stream)
            else:
                yield pair


def _distinct(pairs: Pairs, megabytes: int, marked: list[tuple[str, str]]) -> Pairs:
    """Pairs whose answer was not seen before, until there is so much of it.

    marked: gets those with literal markup.
    """
    seen: set[bytes] = set()
    left = megabytes * 1_000_000
    for question, answer in pairs:
        data = answer.encode("utf-8", "replace")
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        if answer.strip() and digest not in seen:
            seen.add(digest)
            if MARKUP.search(answer):
                marked.append((question, data.decode()))
                continue
            yield question, data.decode()
            left -= len(data)
            if left <= 0:
                return
    print(f"only {megabytes - left / 1e6:.0f} of {megabytes} MB found", file=sys.stderr)


def _some(path: Path) -> Pairs:
    """Row groups of a corpus, evenly spaced, with about PART megabytes of text."""
    file = pq.ParquetFile(path)
    groups = [file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups)]
    step = max(1, sum(groups) // (PART * 1_000_000))
    return _pairs(file.read_row_group(i) for i in range(0, len(groups), step))


def _respelled(path: Path, times: int) -> Pairs:
    """All answers of a corpus so many times, each time with the letters exchanged."""
    for seed in range(times):
        letters = list(string.ascii_lowercase)
        random.Random(seed).shuffle(letters)
        table = str.maketrans(string.ascii_lowercase, "".join(letters))
        for question, answer in _pairs(pq.ParquetFile(path).iter_batches(GROUP)):
            yield question, answer.translate(table)


def _pairs(batches: Iterable[pa.Table | pa.RecordBatch]) -> Pairs:
    """What `_write` wrote."""
    for batch in batches:
        for row in batch.to_pylist():
            question, answer = row["conversations"]
            yield question["content"], answer["content"]


def _write(path: Path, pairs: Pairs) -> list[int]:
    """Write a Parquet file; bytes of assistant text in it, and answers."""
    size = count = 0
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        while some := list(islice(pairs, GROUP)):
            size += sum(len(answer.encode()) for _, answer in some)
            count += len(some)
            rows = [
                {
                    "conversations": [
                        {"role": "user", "content": question},
                        {"role": "assistant", "content": answer},
                    ]
                }
                for question, answer in some
            ]
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA), row_group_size=GROUP)
    return [size, count]
