"""The target of the torch loop: a transformers model with caches of our own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.cache_utils import Cache
from transformers.utils import logging

from vocabtrim_core.drafts.target import Target
from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.torch_loop.cache import Place, Rewindable


class TorchTarget:
    """A causal language model, one sequence (or rows of equal length) at a time.

    model: of transformers, with full attention in every layer.  ends: ids that end an answer.
    """

    def __init__(self, model: Any, ends: Sequence[int] = ()) -> None:
        self.model, self.ends = model, frozenset(ends)
        self.place = Place()
        self.cache: Cache | None = None

    @property
    def embedding(self) -> torch.Tensor:
        """[V, H]."""
        return self.model.get_input_embeddings().weight

    def reserve(self, length: int) -> None:
        """Room for a sequence of `length` tokens; what was cached is gone."""
        layers = self.model.config.get_text_config().num_hidden_layers
        self.cache = Cache(layers=[Rewindable(self.place, length) for _ in range(layers)])

    def forward(
        self, ids: torch.Tensor, at: torch.Tensor, visible: int, rows: int, aux: Sequence[int] = ()
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Most likely next tokens int64[B, rows] after the last `rows` of ids int64[B, n], and
        the outputs of the layers `aux` side by side, [B, n, len(aux) H].

        at: int64[n], positions.  visible: see `Place`.
        """
        self.place.set(at, visible)
        found = self.model(
            input_ids=ids,
            attention_mask=self.place.mask(),
            position_ids=at[None],
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=rows,
            output_hidden_states=bool(aux),
        )
        # hidden_states[i + 1] is what layer i puts out.
        states = [found.hidden_states[layer + 1] for layer in aux]
        none = self.embedding.new_empty(*ids.shape, 0)
        return found.logits.argmax(-1), torch.cat([none, *states], -1)


def loaded(target: Target, device: str, dtype: str) -> TorchTarget:
    """The target's weights on the device, never with code of its own.

    InputError for an architecture whose attention forgets (sliding windows, linear attention):
    there, rejected tokens cannot be taken back.
    """
    logging.disable_progress_bar()  # our own progress tells
    model: Any = AutoModelForCausalLM.from_pretrained(
        target.folder, dtype=dtype, trust_remote_code=False, attn_implementation="sdpa"
    )
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ("full_attention",))
    if kinds != {"full_attention"}:
        raise InputError(
            f"{target.name} has layers of {', '.join(sorted(kinds - {'full_attention'}))}; the "
            "torch loop decodes targets with full attention only, so measure it with SGLang."
        )
    ends = model.generation_config.eos_token_id
    ends = config.eos_token_id if ends is None else ends
    ends = ends if isinstance(ends, list) else [ends]
    ready = model.to(device).eval().requires_grad_(False)
    return TorchTarget(ready, [i for i in ends if i is not None])
