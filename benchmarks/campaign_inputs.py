"""Valid files of every kind that is read, and random changes to them."""

from __future__ import annotations

import io
import json
import random
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from pyarrow import csv as arrow_csv
from pyarrow import ipc, parquet
from safetensors.numpy import save
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from vocabtrim_core.counts import Provenance, TokenCounts

V = 300
ROWS: list[dict[str, Any]] = [
    {
        "id": n,
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": f"question {n}\nsecond line"},
            {
                "role": "assistant",
                "content": [{"type": "text", "text": f"answer {n}"}] if n % 3 == 0 else f"so {n}",
                "tool_calls": [
                    {
                        "type": "function",
                        "id": "c1",
                        "function": {"name": "look", "arguments": {"q": n} if n % 2 else "{}"},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "found"},
            {
                "role": "assistant",
                "reasoning_content": "hm",
                "content": f"caf\u00e9 {n} \U0001f600",
            },
        ],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": {}}}],
    }
    for n in range(6)
]
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% if m.tool_calls %}"
    "{{ m.tool_calls | tojson }}{% endif %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
STRANGE: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 2**63, 2**70, 1e308, "", "x", "\u0000", "\ufdd0", "a\r\nb", [], {}),
    *([None], [[]], {"a": None}, "9" * 30, "{{", "../../etc/passwd", ["\u00e9"], {"": ""}),
)
TOKENS = (
    *(b"\r", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"[", b"{", b"}", b",", b"\n\n", b"nan"),
    *(b"\\ud800", b"9" * 5000, b"[" * 2000, b"\xed\xa0\x80", b"-", b"Infinity", b"%s", b"\x1f\x8b"),
)


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    name: what the table calls it.
    file: the file's name.
    content: a valid one.
    argv: the command that reads it, PATH being the file (or its folder), IN the folder of helpers.
    json_at: finds the JSON in the content, and puts a changed one back; None where there is none.
    """

    name: str
    file: str
    content: bytes
    argv: Sequence[str]
    json_at: Callable[[bytes, random.Random, Callable[[Any], Any]], bytes] | None = None


def whole(content: bytes, chance: random.Random, change: Callable[[Any], Any]) -> bytes:
    """Change a file that is JSON."""
    return dumped(change(json.loads(content)), chance)


def a_line(content: bytes, chance: random.Random, change: Callable[[Any], Any]) -> bytes:
    """Change one line of JSON lines."""
    lines = content.splitlines()
    at = chance.randrange(len(lines))
    lines[at] = dumped(change(json.loads(lines[at])), chance)
    return b"\n".join(lines) + b"\n"


def safetensors_header(
    content: bytes, chance: random.Random, change: Callable[[Any], Any]
) -> bytes:
    """Change the header of a safetensors file, whose length stays right."""
    length = struct.unpack("<Q", content[:8])[0]
    header = dumped(change(json.loads(content[8 : 8 + length])), chance)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def npz_meta(content: bytes, chance: random.Random, change: Callable[[Any], Any]) -> bytes:
    """Change the meta of a counts file."""
    with np.load(io.BytesIO(content)) as arrays:
        counts, meta = arrays["counts"], json.loads(str(arrays["meta"]))
    buffer = io.BytesIO()
    np.savez(buffer, counts=counts, meta=np.array(dumped(change(meta), chance).decode()))
    return buffer.getvalue()


def dumped(value: Any, chance: random.Random) -> bytes:
    """JSON, with or without escapes."""
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def changed_json(value: Any, chance: random.Random) -> Any:
    """A JSON value with one node replaced, removed, doubled or renamed."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in items:
            places.append((node, key))
            if isinstance(child, dict | list):
                walk(child)

    value = json.loads(json.dumps(value))
    if not isinstance(value, dict | list) or not value:
        return chance.choice(STRANGE)
    walk(value)
    parent, key = chance.choice(places)
    action = chance.randrange(6)
    if action == 0 and isinstance(parent, dict):
        del parent[key]
    elif action == 1 and isinstance(parent, dict):
        parent[chance.choice(["", "role", "content", "x\u0000", str(key).upper()])] = parent[key]
    elif action == 2 and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif action == 3:
        other, place = chance.choice(places)
        parent[key] = json.loads(json.dumps(other[place])) if place in _keys(other) else None
    else:
        parent[key] = chance.choice(STRANGE)
    return value


def _keys(node: Any) -> Any:
    return node.keys() if isinstance(node, dict) else range(len(node))


def changed_bytes(content: bytes, chance: random.Random) -> bytes:
    """A file with some bytes changed, taken out, doubled, put in, or with its end missing."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(changed) + 1)
        length = chance.choice((1, 1, 4, 64, 1000))
        action = chance.randrange(6)
        if action == 0 and at < len(changed):
            changed[at] = chance.randrange(256)
        elif action == 1:
            del changed[at : at + length]
        elif action == 2:
            changed[at:at] = changed[at : at + length]
        elif action == 3:
            changed[at:at] = chance.choice(TOKENS)
        elif action == 4:
            del changed[at:]
        else:
            changed[at:at] = chance.randbytes(min(length, 64))
    return bytes(changed)


def changed(kind: Kind, chance: random.Random) -> bytes:
    """A changed file of a kind."""
    content = kind.content
    if kind.json_at and chance.random() < 0.6:
        content = kind.json_at(content, chance, lambda value: changed_json(value, chance))
        if chance.random() < 0.8:
            return content
    return changed_bytes(content, chance)


def tokenizer() -> dict[str, Any]:
    """A tokenizer of every byte and a few specials, V ids in all."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|tool|>"])
    return json.loads(made.to_str())


def helpers() -> Mapping[str, bytes]:
    """Valid files that the commands need beside the changed one."""
    return {
        "counts.npz": counts(),
        "chat.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in ROWS),
        "tok/tokenizer.json": json.dumps(tokenizer()).encode(),
        "tok/tokenizer_config.json": json.dumps(
            {"chat_template": TEMPLATE, "eos_token": "<|end|>"}
        ).encode(),
        "tok/config.json": json.dumps({"vocab_size": V, "model_type": "llama"}).encode(),
    }


def counts() -> bytes:
    """A counts file over V tokens."""
    corpora = ({"name": "chat", "sha256": "c" * 64, "conversations": 6},)
    provenance = Provenance("assistant", "small", "t" * 64, "own", "m" * 64, corpora=corpora)
    with tempfile.TemporaryDirectory() as folder:
        path = TokenCounts(np.arange(V)[::-1] ** 2, 6, 0, provenance).save(f"{folder}/counts.npz")
        return path.read_bytes()


def torch_bytes(value: Any) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def kinds() -> list[Kind]:
    """Every kind of file, with a valid one of each."""
    table = pa.table(
        {"prompt": [f"question {n}" for n in range(6)], "response": [f"so {n}" for n in range(6)]}
    )
    answer = {"role": "assistant", "content": "an answer"}
    rows = [{"messages": [row["messages"][1], answer]} for row in ROWS]
    nested = pa.Table.from_pylist(rows)
    parquet_file, arrow_file, csv_file = io.BytesIO(), io.BytesIO(), io.BytesIO()
    parquet.write_table(nested, parquet_file)
    with ipc.new_file(arrow_file, table.schema) as writer:
        writer.write_table(table)
    arrow_csv.write_csv(table, csv_file)
    count = ("count", "--tokenizer", "IN/tok", "--data", "PATH", "--out", "IN/out.npz")
    compare = ("compare", "PATH", "--counts", "IN/counts.npz")
    own = ("count", "--tokenizer", "PATH", "--data", "IN/chat.jsonl", "--out", "IN/out.npz")
    ids = list(range(40))
    d2t = np.arange(40, dtype=np.int64) * 2
    mapping = {"d2t": d2t, "t2d": np.isin(np.arange(V), np.arange(40) * 3)}
    files = helpers()
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": V,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "torch_dtype": "bfloat16",
    }
    vllm = {
        "date": "20260901-101500",
        "endpoint_type": "openai-chat",
        "backend": "openai-chat",
        "model_id": "small",
        "tokenizer_id": "small",
        "num_prompts": 8,
        "request_rate": "inf",
        "burstiness": 1.0,
        "max_concurrency": 1,
        "duration": 2.0,
        "completed": 8,
        "failed": 0,
        "total_input_tokens": 640,
        "total_output_tokens": 800,
        "request_throughput": 4.0,
        "output_throughput": 400.0,
        "mean_ttft_ms": 41.0,
        "mean_tpot_ms": 7.7,
        "spec_decode_acceptance_length": 2.5,
        "spec_decode_num_drafts": 320,
        "spec_decode_draft_tokens": 960,
        "spec_decode_accepted_tokens": 480,
        "spec_decode_per_position_acceptance_rates": [0.8, 0.5, 0.2],
    }
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
    npy, npz = io.BytesIO(), io.BytesIO()
    np.save(npy, d2t)
    np.savez(npz, ids=d2t)
    results = ("import-results", "PATH", "--k", "40")
    return [
        Kind("conversations, JSON lines", "c.jsonl", lines, count, a_line),
        Kind("conversations, JSON array", "c.json", json.dumps(ROWS).encode(), count, whole),
        Kind("conversations, CSV", "c.csv", csv_file.getvalue(), count),
        Kind("conversations, Parquet", "c.parquet", parquet_file.getvalue(), count),
        Kind("conversations, Arrow", "c.arrow", arrow_file.getvalue(), count),
        Kind("tokenizer.json", "tokenizer.json", files["tok/tokenizer.json"], own, whole),
        Kind(
            "tokenizer_config.json",
            "tokenizer_config.json",
            files["tok/tokenizer_config.json"],
            own,
            whole,
        ),
        Kind("chat template", "chat_template.jinja", TEMPLATE.encode(), own),
        Kind(
            "config.json",
            "config.json",
            json.dumps(config).encode(),
            ("optimize", "IN/counts.npz", "--draft-config", "PATH"),
            whole,
        ),
        Kind(
            "counts",
            "c.npz",
            files["counts.npz"],
            ("optimize", "PATH", "--draft", "llama-3.1-8b"),
            npz_meta,
        ),
        Kind("list, JSON", "l.json", json.dumps({"ids": ids}).encode(), compare, whole),
        Kind("list, text", "l.txt", "\n".join(map(str, ids)).encode(), compare),
        Kind("list, table", "l.csv", b"token_id,text\n1,a\n2,b\n", compare),
        Kind("list, .npy", "l.npy", npy.getvalue(), compare),
        Kind("list, .npz", "l.npz", npz.getvalue(), compare),
        Kind(
            "mapping, .pt",
            "m.pt",
            torch_bytes({name: torch.from_numpy(value) for name, value in mapping.items()}),
            compare,
        ),
        Kind("mapping, safetensors", "m.safetensors", save(mapping), compare, safetensors_header),
        Kind("results, vLLM", "r.json", json.dumps(vllm).encode(), results, whole),
    ]
