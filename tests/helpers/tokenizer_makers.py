"""Small tokenizers made on the spot, of the two kinds that behave differently."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

LLAMA_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Whole texts, so that line ends and blanks become tokens of several characters.
TEXT = [Path(__file__).read_text("utf-8")] * 3 + [
    "assistant user system\n\nword .\n ..\n\n ?!\n(x) -> {'a': 1}; naïve 你好 😀",
    "a\n\nb \n\n c \n d\n\n\ne ><| .< ," * 9,
]


def byte_level(specials: list[str], size: int = 600) -> Tokenizer:
    """Byte-level BPE with the splits of Llama 3: every text has ids, offsets are of characters."""
    return _with(Tokenizer.from_str(_byte_level(size)), specials)


def sentence_piece(specials: list[str]) -> Tokenizer:
    """Llama 2's kind: a blank is put before every text, so ids depend on where a text begins."""
    return _with(Tokenizer.from_str(_sentence_piece()), specials)


def _with(tokenizer: Tokenizer, specials: list[str]) -> Tokenizer:
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in specials])
    return tokenizer


@cache  # training takes as long as a hundred copies
def _byte_level(size: int) -> str:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        TEXT,
        trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False),
    )
    return made.to_str()


@cache
def _sentence_piece() -> str:
    made = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    every_byte = [f"<0x{byte:02X}>" for byte in range(256)]
    made.train_from_iterator(
        [text.replace(" ", "▁") for text in TEXT],
        trainers.BpeTrainer(
            vocab_size=700, special_tokens=["<unk>", *every_byte], show_progress=False
        ),
    )
    kept = json.loads(made.to_str())
    kept["added_tokens"] = kept["added_tokens"][:1]  # bytes are ordinary pieces
    return json.dumps(kept)


def write_folder(
    folder: Path, tokenizer: Tokenizer, jinja: str | None = None, **files: dict
) -> Path:
    """A model folder; files: config={…} writes config.json, tokenizer_config={…} likewise."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    if jinja is not None:
        (folder / "chat_template.jinja").write_text(jinja, "utf-8")
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return folder
