"""Training of a small language model: rows of tokens, one step, and its losses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from vocabtrim_core.drafts.tokenized_dataset import Sequences
from vocabtrim_core.errors import InputError

MEASURED_ON = 100  # held-out conversations
CHUNK = 128  # positions whose logits are held at once


def train_step(model: Any, optimizer: Any, ids: Any) -> float:
    """Train one step.

    Args:
        model: A transformers causal language model with an untied lm_head.
        optimizer: The optimizer of its weights.
        ids: int64[B, L], token ids.

    Returns:
        The mean loss in nats per predicted token.
    """
    import torch

    from benchmarks.linear_cross_entropy import LinearCrossEntropy

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
    """Measure the loss on held-out conversations, each in a context of its own.

    Args:
        model: A transformers causal language model.
        sequences: The conversations; at most MEASURED_ON of the held-out ones are used.
        context: Most tokens of a conversation.
        progress: Called as progress(done, total, message), in conversations.

    Returns:
        The mean loss in nats per token.
    """
    import torch

    total, tokens = 0.0, 0
    device, sample = model.device, _sample(sequences)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
        for n, i in enumerate(sample):
            progress(n, len(sample), "Measuring on held-out conversations")
            ids = torch.from_numpy(sequences.sample(i)[0].astype(np.int64))[:context].to(device)
            hidden = model.model(ids[None]).last_hidden_state[0, :-1]
            for states, labels in zip(hidden.split(CHUNK), ids[1:].split(CHUNK), strict=True):
                logits = model.lm_head(states).float()
                total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            tokens += len(ids) - 1
    return total / tokens


def packed(sequences: Sequences, length: int) -> Any:
    """Join the training conversations in random order and cut them into rows.

    Args:
        sequences: The conversations.
        length: Tokens of a row.

    Returns:
        A tensor int64[n, length]; the remainder is dropped.

    Raises:
        InputError: The conversations do not fill one row.
    """
    import torch

    order = np.random.default_rng(0).permutation(np.flatnonzero(~sequences.held_out))
    stream = np.concatenate([sequences.sample(int(i))[0] for i in order])
    rows = len(stream) // length
    if not rows:
        raise InputError("The corpus is too small for one row; give more conversations.")
    return torch.from_numpy(stream[: rows * length].reshape(rows, length).astype(np.int64))


def batches(rows: int, batch: int, skip: int) -> Iterator[Any]:
    """Yield the rows of each training step, without end; every epoch has an order of its own.

    Args:
        rows: Number of rows.
        batch: Rows of a step.
        skip: Steps to leave out at the start.

    Yields:
        int64[batch], row indices.
    """
    import torch

    per_epoch = max(1, rows // batch)
    step = skip
    while True:
        epoch, position = divmod(step, per_epoch)
        shuffled = torch.randperm(rows, generator=torch.Generator().manual_seed(epoch))
        yield shuffled[position * batch : (position + 1) * batch]
        step += 1


def unigram_loss(sequences: Sequences, vocab_size: int) -> float:
    """Compute the loss of token frequencies alone on the held-out sample.

    Args:
        sequences: The conversations; frequencies are of those to train on, plus one.
        vocab_size: V.

    Returns:
        The mean loss in nats per token.
    """
    training = np.repeat(~sequences.held_out, sequences.lengths)
    counts = np.bincount(sequences.ids[training], minlength=vocab_size) + 1
    tokens = np.concatenate([sequences.sample(i)[0][1:] for i in _sample(sequences)])
    return float(-np.log(counts / counts.sum())[tokens].mean())


def _sample(sequences: Sequences) -> list[int]:
    """Choose the held-out conversations that losses are measured on, from the whole corpus."""
    candidates = np.flatnonzero(sequences.held_out)
    return np.random.default_rng(0).permutation(candidates)[:MEASURED_ON].tolist()
