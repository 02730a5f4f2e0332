"""The tokenizer inside a GGUF file: byte-level BPE whose digits are split one by one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core.errors import InputError

MAGIC = b"GGUF"  # how such a file begins
CONTROL = 3  # token type of special tokens in GGUF
SPLITS = ("smollm",)  # values of tokenizer.ggml.pre whose splitting is written here


@dataclass(frozen=True, slots=True)
class GgufVocabulary:
    """Tokens and merges of a GGUF file.

    Attributes:
        tokens: Texts by id, bytes in the letters of GPT-2.
        special: Ids of the special tokens.
        merges: Pairs of tokens, the first to be merged first.
        chat_template: The Jinja template of conversations.
        special_tokens: Role (`bos_token`, …) -> text.
    """

    tokens: tuple[str, ...]
    special: frozenset[int]
    merges: tuple[tuple[str, str], ...]
    chat_template: str
    special_tokens: dict[str, str]


def open_gguf(path: Path) -> Any:
    """Open a GGUF file; its tensors are mapped, not read.

    Args:
        path: The file.

    Returns:
        A gguf.GGUFReader.

    Raises:
        InputError: The package gguf is missing, or it is no GGUF file.
    """
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise InputError(
            f"Reading {path.name} needs the Python package gguf; run `pip install gguf`."
        ) from error
    try:
        return GGUFReader(path)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> InputError:
    """Say why a GGUF file cannot be read.

    Args:
        path: The file.
        error: What reading it raised.

    Returns:
        The error to raise.
    """
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror.lower()
    else:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC)) == MAGIC
        reason = (
            "it is cut off or damaged" if begins else f"it does not begin with {MAGIC.decode()}"
        )
    return InputError(f"{path} is not a GGUF file that can be read: {reason}.")


@functools.lru_cache(maxsize=1)
def read_vocabulary(path: Path) -> GgufVocabulary:
    """Read the tokenizer of a GGUF file, in some seconds; the last one read is cached.

    Args:
        path: The file.

    Returns:
        Its tokens and merges.

    Raises:
        InputError: The package `gguf` is not installed, it is no GGUF file, or the tokenizer is of
            another kind.
    """
    fields = open_gguf(path).fields

    def value(name: str, default: object = None) -> object:
        return fields[name].contents() if name in fields else default

    kind = value("tokenizer.ggml.model"), value("tokenizer.ggml.pre")
    if kind not in [("gpt2", split) for split in SPLITS]:
        raise InputError(
            f"{path} has a tokenizer of the kind {kind[0]} with the splitting {kind[1]}, which "
            f"is not known here (only gpt2 with {', '.join(SPLITS)}); give its tokenizer.json."
        )
    tokens = tuple(map(str, _list(value("tokenizer.ggml.tokens"))))
    types = _list(value("tokenizer.ggml.token_type"))
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    ids = {short: value(f"tokenizer.ggml.{name}_token_id") for name, short in names.items()}
    return GgufVocabulary(
        tokens=tokens,
        special=frozenset(i for i, type_ in enumerate(types) if type_ == CONTROL),
        merges=tuple(_pair(str(merge)) for merge in _list(value("tokenizer.ggml.merges"))),
        chat_template=str(value("tokenizer.chat_template", "")),
        special_tokens={f"{n}_token": tokens[i] for n, i in ids.items() if isinstance(i, int)},
    )


def tokenizer_json(path: Path) -> str:
    """Convert the tokenizer of a GGUF file.

    Args:
        path: The file.

    Returns:
        The text of a tokenizer.json.

    Raises:
        InputError: As `read_vocabulary`.
    """
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers

    vocabulary = read_vocabulary(path)
    id_of = {text: i for i, text in enumerate(vocabulary.tokens)}
    tokenizer = tokenizers.Tokenizer(models.BPE(id_of, list(vocabulary.merges)))
    # A number is its digits, each a token; then GPT-2's words.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore
    tokenizer.add_special_tokens([vocabulary.tokens[i] for i in sorted(vocabulary.special)])
    return tokenizer.to_str()


def chat_template(path: Path) -> str:
    """Read the chat template of a GGUF file.

    Args:
        path: The file.

    Returns:
        The Jinja text.

    Raises:
        InputError: As `read_vocabulary`.
    """
    return read_vocabulary(path).chat_template


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _pair(merge: str) -> tuple[str, str]:
    first, _, second = merge.partition(" ")
    return first, second
