"""A small model that is trained in a few seconds, with a tokenizer of its own."""

from __future__ import annotations

from pathlib import Path

from benchmarks import language_model, small_tokenizer
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.counting.config import CountConfig
from vocabtrim_core.drafts.tokenized_dataset import read_sequences
from vocabtrim_core.templates.resolve import resolve_template
from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

VOCAB_SIZE, WIDTH, LAYERS, CONTEXT, LENGTH, BATCH = 700, 64, 4, 512, 64, 4


def train_small_target(out: Path, corpus: Corpus, steps: int) -> Path:
    """Train it on a corpus; deterministic."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    small_tokenizer.write_tokenizer(out, corpus, VOCAB_SIZE, CONTEXT)
    tokenizer = load_tokenizer(out)
    recipe = CountConfig(tokenizer, resolve_template(tokenizer), "all")
    sequences = read_sequences(corpus, recipe, held_out=0.05)
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCAB_SIZE,
            hidden_size=WIDTH,
            intermediate_size=128,
            num_hidden_layers=LAYERS,
            num_attention_heads=1,
            num_key_value_heads=1,
            max_position_embeddings=CONTEXT,
            rms_norm_eps=1e-5,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=4,
            pad_token_id=1,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3, betas=(0.9, 0.95), weight_decay=0.01)
    rows = language_model.packed(sequences, LENGTH)
    order = language_model.batches(len(rows), BATCH, 0)
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 5) * max(1 - step / steps, 0.02)
        language_model.train_step(model, optimizer, rows[next(order)])
    model.eval()
    loss = language_model.held_out_loss(model, sequences, CONTEXT)
    assert loss < language_model.unigram_loss(sequences, VOCAB_SIZE)  # it learned
    model.config.architectures = ["LlamaForCausalLM"]
    model.to(torch.bfloat16).save_pretrained(out, max_shard_size="64MB")
    return out
