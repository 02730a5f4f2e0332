"""The runs of the counting benchmark: what is loaded before the clock starts, then one file."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.counting_peers import PEERS, TOKENIZER, Counting, answers, texts_of

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Run:
    """One way to count one file.

    baseline: the run that its time for a megabyte (or, where that run does not count all, a
    conversation) is compared with.  tokenizer: a folder beside the file, else TOKENIZER.
    """

    name: str
    how: str
    file: str
    threads: int = 2
    engine: str = ""
    baseline: str = ""
    goal: str = ""
    responses: bool = False  # keep the counted ids on disk too, as the app and the command do
    tokenizer: str = ""

    @property
    def corpus(self) -> str:
        """The text it counts, in whatever format."""
        return self.file.partition(".")[0]


HF, HARD = "HF tokenizers", "HF tokenizers, hard text"
KEPT, ALONE = "ours, ids kept too", "gigatoken alone"
PLAIN, TOOLS, REASONING = "ours, plain chat", "ours, tool traffic", "ours, reasoning traffic"
SMALL = "the command, small corpus"
MB = "<= 600 MB"
RUNS = {
    run.name: run
    for run in (
        Run(
            KEPT,
            "ours",
            "text.parquet",
            baseline=HF,
            responses=True,
            goal="<= 1.7x the engine's CPU",
        ),
        Run("ours", "ours", "text.parquet", baseline=HF),
        Run("ours, 1 thread", "ours", "text.parquet", threads=1, baseline=HF),
        Run("ours, zstd JSON lines", "ours", "text.jsonl.zst", baseline=HF),
        Run("ours, JSON lines", "ours", "text.jsonl", baseline=HF),
        Run("ours, fastokens", "ours", "text.parquet", engine="fastokens", baseline=HF),
        Run(ALONE, "alone", "text.parquet", baseline=HF),
        Run("gigatoken alone, 1 thread", "alone", "text.parquet", threads=1, baseline=HF),
        Run(HF, "hf", "part.parquet"),
        Run("ours, the part HF reads", "ours", "part.parquet", baseline=HF),
        Run("tiktoken, the same part", "tiktoken", "part.parquet", baseline=HF),
        Run("ours, hard text", "ours", "hard.parquet", baseline=HARD),
        Run("gigatoken alone, hard text", "alone", "hard.parquet", baseline=HARD),
        Run(HARD, "hf", "hard_part.parquet"),
        Run("ours, the hard part", "ours", "hard_part.parquet", baseline=HARD),
        Run("ours, words new twice over", "ours", "grown.parquet", goal=MB),
        Run("ours, literal markup", "ours", "markup.parquet"),
        Run("rendered and encoded by HF, literal markup", "rendered", "markup.parquet"),
        Run("ours, 1,000 conversations", "ours", "sample.parquet"),
        Run("SpecForge, 1,000 conversations", "specforge", "sample.parquet"),
        Run(PLAIN, "ours", "plain.jsonl", responses=True, tokenizer="chatml"),
        Run(
            TOOLS,
            "ours",
            "tools.jsonl",
            responses=True,
            tokenizer="chatml",
            goal="<= 3x plain, CPU per byte",
        ),
        Run(
            REASONING,
            "ours",
            "reasoning.jsonl",
            responses=True,
            tokenizer="chatml",
            goal="<= 1.5x plain, CPU per byte",
        ),
        Run(SMALL, "command", "small.jsonl", goal="<= 1.5 s, idle machine"),
    )
}


def ours(run: Run, path: Path) -> Counting:
    """The command's own function, with the engines it takes loaded before the clock starts.

    asked: bytes of text that HF tokenizers read for the proof.
    """
    from vocabtrim_core.corpora import open_corpus
    from vocabtrim_core.counting import memory
    from vocabtrim_core.counting.count import count
    from vocabtrim_core.counting.engines import ENGINES, Encoded, Reference, engines
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    memory.without_pandas()  # as the command does
    tokenizer = load_tokenizer(path.parent / run.tokenizer if run.tokenizer else TOKENIZER)
    template = resolve_template(tokenizer)
    names = [run.engine] if run.engine else list(ENGINES)
    loaded = [next(engines(tokenizer, names))]
    if not loaded[0].parallel:
        loaded += [next(engines(tokenizer, names)) for _ in range(run.threads - 1)]
    for engine in loaded:
        engine.encode(texts_of(["warm"]))
    kind, supply, asked = type(loaded[0]), deque(loaded), []

    class Loaded(kind):  # type: ignore[misc, valid-type]
        """Takes over an engine that was loaded before the clock started, while there is one."""

        def __init__(self, tokenizer):
            engine = supply.popleft() if supply else kind(tokenizer)
            self.__dict__ = engine.__dict__

    ENGINES.update({name: Loaded for name, made in ENGINES.items() if made is kind})
    encode = Reference.encode

    def noted(self: Reference, texts: pa.LargeStringArray) -> Encoded:
        asked.append(texts.nbytes)
        return encode(self, texts)

    Reference.encode = noted

    def counted():
        counts = count(
            open_corpus(path),
            tokenizer,
            template,
            workers=run.threads,
            engine=run.engine or "gigatoken",
            responses=run.responses,
        )
        about = {"proof": counts.provenance.proof["sentence"], "asked": sum(asked)}
        return counts.counts, about

    return counted


def alone(run: Run, path: Path) -> Counting:
    """gigatoken without us: an engine per thread, the text in memory, no check, no histogram.

    What no pipeline around it can go below, on this machine.
    """
    from vocabtrim_core.counting.engines import Gigatoken
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(TOKENIZER)
    engines = [Gigatoken(tokenizer) for _ in range(run.threads)]
    for engine in engines:
        engine.encode(texts_of(["warm"]))
    batches = deque(texts_of(texts) for texts in answers(path))

    def work(engine: Gigatoken) -> int:
        tokens = 0
        with contextlib.suppress(IndexError):
            while True:
                tokens += len(engine.encode(batches.popleft())[0])
        return tokens

    def counted():
        with ThreadPoolExecutor(run.threads) as pool:
            return np.zeros(0, np.int64), {"tokens": sum(pool.map(work, engines))}

    return counted


def command(run: Run, path: Path) -> Counting:
    """The command itself, from the start of its process to its end, with the tokenizer built."""
    from vocabtrim_core.counts import TokenCounts

    out = path.with_name("small.npz")
    argv = [
        sys.executable,
        "-m",
        "vocabtrim_core",
        "count",
        "--tokenizer",
        "llama-3.1",
        "--data",
        str(path),
        "--out",
        str(out),
        "--fresh",
        "--json",
    ]

    def counted():
        done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True)
        counts = TokenCounts.load(out).counts
        return counts, {"proof": json.loads(done.stdout)["proof"]["sentence"]}

    counted()  # builds the tokenizer, as the set-up does
    return counted


HOW = {"ours": ours, "alone": alone, "command": command, **PEERS}


def cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def child(run: Run, folder: Path) -> None:
    """Load, count against the clock, print one JSON object."""
    way, path = HOW[run.how], folder / run.file
    counted = way(run, path) if way in (ours, alone, command) else way(run.threads, path)
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
                **about,
            }
        )
    )
