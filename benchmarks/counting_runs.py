"""The runs of the counting benchmark: each loads what it needs, then counts one file."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.counting_texts import SHARED

TOKENIZER = SHARED / "tokenizers" / "llama-3.1"
SPECFORGE_ROWS = 1000
BATCH = 2000  # rows per call of the other tokenizers

Counting = Callable[[], tuple[np.ndarray, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Run:
    """One way to count one file. baseline: the run that its time is compared with."""

    name: str
    how: str
    file: str
    threads: int = 2
    engine: str = ""
    baseline: str = "hf"
    goal: str = ""
    responses: bool = False  # keep the counted ids on disk too, as the app does

    @property
    def corpus(self) -> str:
        """The text it counts, in whatever format."""
        return self.file.partition(".")[0]


RUNS = {
    run.name: run
    for run in (
        Run("ours", "ours", "text.parquet", goal=">= 40x"),
        Run("ours, ids kept too", "ours", "text.parquet", responses=True),
        Run("ours, 1 thread", "ours", "text.parquet", threads=1),
        Run("ours, zstd JSON lines", "ours", "text.jsonl.zst", goal=">= 20x"),
        Run("ours, JSON lines", "ours", "text.jsonl"),
        Run("ours, fastokens", "ours", "text.parquet", engine="fastokens", goal=">= 15x"),
        Run("hf", "hf", "text.parquet"),
        Run("tiktoken", "tiktoken", "text.parquet"),
        Run("ours, hard text", "ours", "hard.parquet", baseline="hf, hard text", goal=">= 25x"),
        Run("hf, hard text", "hf", "hard.parquet", baseline="hf, hard text"),
        Run("ours, words new twice over", "ours", "grown.parquet", baseline="", goal="<= 600 MB"),
        Run("SpecForge", "specforge", "text.parquet", baseline="", goal=">= 300x"),
        Run("SpecForge, 1 process", "specforge", "text.parquet", threads=1, baseline=""),
    )
}
TITLES = {
    "hf": "HF tokenizers, encode_batch_fast + bincount",
    "hf, hard text": "HF tokenizers, hard text",
    "tiktoken": "tiktoken, encode_ordinary_batch + bincount",
}


class Memory(threading.Thread):
    """Peak of the memory that only this process uses (RssAnon), in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.peak = self.now()

    def now(self) -> float:
        with contextlib.suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon"):
                    return int(line.split()[1]) / 1000
        return psutil.Process().memory_info().rss / 1e6

    def run(self) -> None:
        while True:
            self.peak = max(self.peak, self.now())
            time.sleep(0.01)


def ours(run: Run, path: Path) -> Counting:
    from vocabtrim_core.corpora import open_corpus
    from vocabtrim_core.counting.count import count
    from vocabtrim_core.counting.engines import ENGINES, make_engine
    from vocabtrim_core.templates.chat_template import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(TOKENIZER)
    template = resolve_template(tokenizer)
    names = [run.engine] if run.engine else list(ENGINES)
    loaded = [make_engine(tokenizer, names)]
    if not loaded[0].parallel:
        loaded += [make_engine(tokenizer, names) for _ in range(run.threads - 1)]
    for engine in loaded:
        engine.encode(_texts(["warm"]))
    kind = type(loaded[0])
    supply = iter(loaded)

    class Loaded(kind):  # type: ignore[misc, valid-type]
        """Takes over an engine that was loaded before the clock started, while there is one."""

        def __init__(self, tokenizer):
            engine = next(supply, None)
            self.__dict__ = engine.__dict__ if engine else kind(tokenizer).__dict__

    ENGINES.update({name: Loaded for name, made in ENGINES.items() if made is kind})

    def counted():
        counts = count(
            open_corpus(path), tokenizer, template,
            workers=run.threads, engine=run.engine or "gigatoken", responses=run.responses,
        )  # fmt: skip
        about = {"proof": counts.provenance.proof["sentence"], "rows": counts.conversations}
        return counts.counts, about

    return counted


def hf(run: Run, path: Path) -> Counting:
    import tokenizers

    backend = tokenizers.Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    backend.encode("warm")

    def counted():
        total = np.zeros(backend.get_vocab_size(), np.int64)
        for texts in _answers(path):
            found = backend.encode_batch_fast(texts, add_special_tokens=False)
            ids = np.concatenate([np.asarray(encoding.ids, np.int64) for encoding in found])
            total += np.bincount(ids, minlength=len(total))
            total[backend.token_to_id("<|eot_id|>")] += len(texts)
        return total, {}

    return counted


def with_tiktoken(run: Run, path: Path) -> Counting:
    import tiktoken

    read = json.loads((TOKENIZER / "tokenizer.json").read_text())
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    byte_of = {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}
    ranks = {bytes(byte_of[c] for c in word): i for word, i in read["model"]["vocab"].items()}
    pattern = read["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
    specials = {token["content"]: token["id"] for token in read["added_tokens"]}
    encoding = tiktoken.Encoding(
        "llama-3.1", pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials
    )
    encoding.encode_ordinary("warm")

    def counted():
        total = np.zeros(encoding.n_vocab, np.int64)
        for texts in _answers(path):
            for ids in encoding.encode_ordinary_batch(texts, num_threads=run.threads):
                total += np.bincount(np.asarray(ids, np.int64), minlength=len(total))
            total[specials["<|eot_id|>"]] += len(texts)
        return total, {}

    return counted


def _answers(path: Path):
    """Stripped assistant messages as Python strings, in batches."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=["conversations"]):
        turns = batch.column(0).flatten()
        answers = pc.filter(turns.field("content"), pc.equal(turns.field("role"), "assistant"))
        yield pc.utf8_trim_whitespace(answers).to_pylist()


def _texts(values):
    import pyarrow as pa

    return pa.array(values, pa.large_string())


def specforge(run: Run, path: Path) -> Counting:
    """SpecForge's tokenising and counting, as its training scripts call them; no mapping."""
    import datasets
    import pyarrow.parquet as pq
    from specforge.data import preprocessing
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    batch = next(pq.ParquetFile(path).iter_batches(SPECFORGE_ROWS))
    data = datasets.Dataset.from_list(batch.to_pylist())
    found: dict = {}

    class Counted(Exception):  # noqa: N818 - not an error: counting is done, the mapping not wanted
        pass

    def keep(token_dict, *sizes):
        found.update(token_dict)
        raise Counted

    preprocessing.process_token_dict_to_mappings = keep

    def counted():
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            built = preprocessing.build_eagle3_dataset(
                data, tokenizer, chat_template="llama3", max_length=1_000_000,
                num_proc=run.threads if run.threads > 1 else None,
            )  # fmt: skip
            with contextlib.suppress(Counted), tempfile.TemporaryDirectory() as folder:
                preprocessing.generate_vocab_mapping_file(built, len(tokenizer), 32_000, folder)
        total = np.zeros(len(tokenizer), np.int64)
        total[list(found)] = list(found.values())
        return total, {"rows": len(data)}

    return counted


HOW = {"ours": ours, "hf": hf, "tiktoken": with_tiktoken, "specforge": specforge}


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def child(run: Run, folder: Path) -> None:
    """Load, count against the clock, print one JSON object."""
    counted = HOW[run.how](run, folder / run.file)
    memory = Memory()
    memory.start()
    cpu, started = cpu_seconds(), time.perf_counter()
    counts, about = counted()
    seconds = time.perf_counter() - started
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu": cpu_seconds() - cpu,
                "tokens": int(counts.sum()),
                "sha": hashlib.sha256(counts.astype("<i8").tobytes()).hexdigest()[:12],
                "peak": memory.peak,
                **about,
            }
        )
    )
