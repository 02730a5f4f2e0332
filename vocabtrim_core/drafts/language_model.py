"""Training a small language model: rows of tokens, one step, and how good it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from vocabtrim_core.drafts.tokenized_dataset import Sequences
from vocabtrim_core.errors import InputError

MEASURED_ON = 100  # held-out conversations
CHUNK = 128  # positions whose logits are held at once


def train_step(model: Any, optimizer: Any, ids: Any) -> float:
    """One step on ids int64[B, L]; the mean loss in nats per predicted token."""
    import torch

    from vocabtrim_core.drafts.linear_cross_entropy import LinearCrossEntropy

    with torch.autocast(ids.device.type, torch.bfloat16):
        hidden = model.model(ids).last_hidden_state
    loss = LinearCrossEntropy.apply(
        hidden[:, :-1].flatten(0, 1), model.lm_head.weight, ids[:, 1:].flatten()
    )
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return loss.item()


def held_out_loss(
    model: Any,
    sequences: Sequences,
    context: int,
    progress: Callable[..., Any] = lambda *_, **__: None,
) -> float:
    """Mean nats per token of held-out conversations, each in a context of its own."""
    import torch

    total, tokens = 0.0, 0
    device, chosen = model.device, _sample(sequences)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        for n, i in enumerate(chosen):
            progress(n, len(chosen), "Measuring on held-out conversations")
            ids = torch.from_numpy(sequences.sample(i)[0].astype(np.int64))[:context].to(device)
            hidden = model.model(ids[None]).last_hidden_state[0, :-1]
            for states, wanted in zip(hidden.split(CHUNK), ids[1:].split(CHUNK), strict=True):
                logits = model.lm_head(states).float()
                total += torch.nn.functional.cross_entropy(logits, wanted, reduction="sum").item()
            tokens += len(ids) - 1
    return total / tokens


def packed(sequences: Sequences, length: int) -> Any:
    """int64[n, length]: training conversations in random order, end to end."""
    import torch

    order = np.random.default_rng(0).permutation(np.flatnonzero(~sequences.held_out))
    stream = np.concatenate([sequences.sample(int(i))[0] for i in order])
    rows = len(stream) // length
    if not rows:
        raise InputError("The corpus is too small for a toy target; give more conversations.")
    return torch.from_numpy(stream[: rows * length].reshape(rows, length).astype(np.int64))


def batches(rows: int, batch: int, skip: int) -> Iterator[Any]:
    """Rows of each step, every epoch in an order of its own; the first `skip` steps left out."""
    import torch

    per_epoch = max(1, rows // batch)
    step = skip
    while True:
        epoch, at = divmod(step, per_epoch)
        shuffled = torch.randperm(rows, generator=torch.Generator().manual_seed(epoch))
        yield shuffled[at * batch : (at + 1) * batch]
        step += 1


def unigram_loss(sequences: Sequences, vocab_size: int) -> float:
    """Nats per token of the held-out sample when only frequencies are known (counts plus one)."""
    training = np.repeat(~sequences.held_out, sequences.lengths)
    counts = np.bincount(sequences.ids[training], minlength=vocab_size) + 1
    tokens = np.concatenate([sequences.sample(i)[0][1:] for i in _sample(sequences)])
    return float(-np.log(counts / counts.sum())[tokens].mean())


def _sample(sequences: Sequences) -> list[int]:
    """Held-out conversations that losses are measured on, from every part of the corpus."""
    held = np.flatnonzero(sequences.held_out)
    return np.random.default_rng(0).permutation(held)[:MEASURED_ON].tolist()
