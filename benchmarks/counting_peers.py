"""Other people's ways to count the same text, each as its own documentation has it."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)
from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.counting_texts import SHARED

TOKENIZER = SHARED / "tokenizers" / "llama-3.1"
MARKERS = SHARED / "tokenizers" / "qwen-151k" / "tokenizer.json"  # has ChatML's
BATCH = 2000  # rows per call

Counting = Callable[[], tuple[np.ndarray, dict[str, Any]]]


def with_hf(threads: int, path: Path) -> Counting:
    """HF tokenizers, encode_batch_fast + bincount."""
    import tokenizers

    backend = tokenizers.Tokenizer.from_file(str(TOKENIZER / "tokenizer.json"))
    backend.encode("warm")

    def counted():
        total = np.zeros(backend.get_vocab_size(), np.int64)
        for texts in answers(path):
            found = backend.encode_batch_fast(texts, add_special_tokens=False)
            ids = np.concatenate([np.asarray(encoding.ids, np.int64) for encoding in found])
            total += np.bincount(ids, minlength=len(total))
            total[backend.token_to_id("<|eot_id|>")] += len(texts)
        return total, {}

    return counted


def with_tiktoken(threads: int, path: Path) -> Counting:
    """tiktoken, encode_ordinary_batch + bincount."""
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
        for texts in answers(path):
            for ids in encoding.encode_ordinary_batch(texts, num_threads=threads):
                total += np.bincount(np.asarray(ids, np.int64), minlength=len(total))
            total[specials["<|eot_id|>"]] += len(texts)
        return total, {}

    return counted


def specforge(threads: int, path: Path) -> Counting:
    """SpecForge's tokenising and counting, as its training scripts call them; no mapping."""
    import datasets
    import pyarrow.parquet as pq
    from specforge.data import preprocessing
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER)
    data = datasets.Dataset.from_list(pq.read_table(path).to_pylist())
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
                data,
                tokenizer,
                chat_template="llama3",
                max_length=1_000_000,
                num_proc=threads if threads > 1 else None,
            )
            with contextlib.suppress(Counted), tempfile.TemporaryDirectory() as folder:
                preprocessing.generate_vocab_mapping_file(built, len(tokenizer), 32_000, folder)
        total = np.zeros(len(tokenizer), np.int64)
        total[list(found)] = list(found.values())
        return total, {}

    return counted


def rendered(threads: int, path: Path) -> Counting:
    """What a count is by definition: every conversation rendered, encoded by HF, its spans cut."""
    import pyarrow.parquet as pq

    from vocabtrim_core.templates.chat_template import span_ids
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(TOKENIZER)
    template = resolve_template(tokenizer)

    def counted():
        total = np.zeros(tokenizer.vocab_size, np.int64)
        for messages in pq.read_table(path).column("conversations").to_pylist():
            text, spans = template.spans(messages, "assistant")
            for ids in span_ids(tokenizer, text, spans, masks=template.masks):
                total += np.bincount(ids, minlength=len(total))
        return total, {}

    return counted


PEERS = {"hf": with_hf, "tiktoken": with_tiktoken, "specforge": specforge, "rendered": rendered}


def answers(path: Path) -> Iterator[list[str]]:
    """Stripped assistant messages as Python strings, in batches."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(BATCH, columns=["conversations"]):
        turns = batch.column(0).flatten()
        spoken = pc.filter(turns.field("content"), pc.equal(turns.field("role"), "assistant"))
        yield pc.utf8_trim_whitespace(spoken).to_pylist()


def texts_of(values: list[str]):
    """As the engines take them."""
    import pyarrow as pa

    return pa.array(values, pa.large_string())
