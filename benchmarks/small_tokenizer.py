"""A tokenizer trained on a corpus: byte-level BPE with Llama 3's special tokens and template."""

from __future__ import annotations

import json
from pathlib import Path

from vocabtrim_core.corpora import Corpus
from vocabtrim_core.templates.presets import NAMED
from vocabtrim_core.workspace.files import write_atomic

SPECIALS = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
# Words with their leading blank, numbers of up to three digits, runs of punctuation, line ends.
SPLIT = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"


def write_tokenizer(out: Path, corpus: Corpus, vocab_size: int, context: int) -> None:
    """Write a tokenizer as a folder: tokenizer.json, then its config.

    Args:
        out: The folder.
        corpus: The texts to train on.
        vocab_size: Its number of tokens.
        context: Tokens of the model's context.
    """
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / TOKENIZER, train_tokenizer(corpus, vocab_size).encode())
    roles = {"bos_token": SPECIALS[0], "eos_token": SPECIALS[4], "pad_token": SPECIALS[1]}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **roles,
        "chat_template": NAMED["llama3"].jinja,
        "model_max_length": context,
    }
    write_atomic(out / TOKENIZER_CONFIG, json.dumps(config, indent=1).encode())


def train_tokenizer(corpus: Corpus, vocab_size: int) -> str:
    """Train a byte-level BPE with Llama 3's special tokens.

    Args:
        corpus: The texts to train on.
        vocab_size: Its number of tokens.

    Returns:
        The text of its tokenizer.json.
    """
    import tokenizers
    from tokenizers import decoders, models, pre_tokenizers, trainers

    tokenizer = tokenizers.Tokenizer(models.BPE(ignore_merges=True))
    split = pre_tokenizers.Split(tokenizers.Regex(SPLIT), "isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_])  # pyright: ignore
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (batch.contents.to_pylist() for batch in corpus.batches())
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer.to_str()
