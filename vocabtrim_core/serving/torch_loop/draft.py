"""An EAGLE-3 draft as SpecForge trains it and engines serve it, in plain torch.

At position t it reads what the target computed there (three hidden states, fused by `fc` to one)
and the embedding of the token that follows, t + 1; one decoder layer attends over all such pairs,
and the head says which token of the draft vocabulary comes at t + 2. To draft on, the layer's own
output takes the place of the fused hidden states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - how everybody calls it
from torch import nn
from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import (
    LlamaMLP,
    LlamaRMSNorm,
    LlamaRotaryEmbedding,
    apply_rotary_pos_emb,
    repeat_kv,
)

from vocabtrim_core.drafts.checkpoint import Checkpoint
from vocabtrim_core.drafts.lm_head import EMBEDDING, HEAD, Head
from vocabtrim_core.drafts.tensor_files import StoredTensor
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG
from vocabtrim_core.serving.torch_loop.cache import Place, Rewindable

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


class Attention(nn.Module):
    """Attention over pairs: queries, keys and values project from [embedding; hidden], 2H wide."""

    def __init__(self, config: LlamaConfig, head_dim: int) -> None:
        super().__init__()
        width, queries = config.hidden_size, config.num_attention_heads * head_dim
        heads = config.num_key_value_heads or config.num_attention_heads
        self.head_dim, self.groups = head_dim, config.num_attention_heads // heads
        self.q_proj = nn.Linear(2 * width, queries, bias=False)
        self.k_proj = nn.Linear(2 * width, heads * head_dim, bias=False)
        self.v_proj = nn.Linear(2 * width, heads * head_dim, bias=False)
        self.o_proj = nn.Linear(queries, width, bias=False)

    def forward(self, x: torch.Tensor, angles: Any, cache: Rewindable, mask: Any) -> torch.Tensor:
        """x [B, n, 2H] -> [B, n, H]."""
        projected = (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        q, k, v = (y.unflatten(2, (-1, self.head_dim)).transpose(1, 2) for y in projected)
        q, k = apply_rotary_pos_emb(q, k, *angles)
        keys, values = (repeat_kv(y, self.groups) for y in cache.update(k, v))
        seen = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
        return self.o_proj(seen.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """The one decoder layer."""

    def __init__(self, config: LlamaConfig, head_dim: int) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.input_layernorm = LlamaRMSNorm(width, eps)
        self.hidden_norm = LlamaRMSNorm(width, eps)
        self.self_attn = Attention(config, head_dim)
        self.post_attention_layernorm = LlamaRMSNorm(width, eps)
        self.mlp = LlamaMLP(config)
        # speculators' drafts may add attention to the normed hidden states
        self.norm_before_residual = getattr(config, "norm_before_residual", False)

    def forward(
        self, embedded: torch.Tensor, hidden: torch.Tensor, angles: Any, cache: Any, mask: Any
    ) -> torch.Tensor:
        """embedded, hidden [B, n, H] -> [B, n, H]."""
        normed = self.hidden_norm(hidden)
        pair = torch.cat([self.input_layernorm(embedded), normed], -1)
        hidden = (normed if self.norm_before_residual else hidden) + self.self_attn(
            pair, angles, cache, mask
        )
        return hidden + self.mlp(self.post_attention_layernorm(hidden))


class Eagle3Draft(nn.Module):
    """The draft, and the cache of the sequence it drafts for.

    embedding: [V, H], usually the target's.  ids: int64[k], the target token of each head row.
    aux_layers: the target's layers whose outputs `fc` fuses.  aux_width: of these together, 3H
    unless the target's H is another.
    """

    def __init__(self, config: LlamaConfig, k: int, aux_width: int) -> None:
        super().__init__()
        width = config.hidden_size
        head_dim = getattr(config, "head_dim", None) or width // config.num_attention_heads
        self.fc = nn.Linear(aux_width, width, bias=False)
        norms = [LlamaRMSNorm(aux_width // 3, config.rms_norm_eps) for _ in range(3)]
        self.fc_norm = nn.ModuleList(norms) if getattr(config, "fc_norm", False) else None
        self.midlayer = Layer(config, head_dim)
        self.norm = LlamaRMSNorm(width, config.rms_norm_eps)
        self.norm_output = getattr(config, "norm_output", True)
        self.lm_head = nn.Linear(width, k, bias=False)
        self.place = Place()
        self.aux_layers: tuple[int, ...] = ()
        self.embedding = self.ids = torch.empty(0)
        self.cache = Rewindable(self.place, 0)
        self.rotary: nn.Module | None = None

    def reserve(self, length: int) -> None:
        """Room for a sequence of `length` tokens; what was cached is gone."""
        self.cache = Rewindable(self.place, length)

    def fuse(self, aux: torch.Tensor) -> torch.Tensor:
        """Three hidden states of the target [..., 3H] -> [..., H]."""
        if self.fc_norm is not None:
            parts = zip(self.fc_norm, aux.chunk(3, -1), strict=True)
            aux = torch.cat([norm(part) for norm, part in parts], -1)
        return self.fc(aux)

    def read(self, tokens: torch.Tensor, hidden: torch.Tensor, at: torch.Tensor, visible: int):
        """The layer over pairs at positions `at` int64[n]; tokens [B, n], hidden [B, n, H]."""
        assert self.rotary is not None
        self.place.set(at, visible)
        angles = self.rotary(hidden, at[None])
        embedded = F.embedding(tokens, self.embedding)
        return self.midlayer(embedded, hidden, angles, self.cache, self.place.mask())

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """[..., H] -> [..., k]."""
        return self.lm_head(self.norm(hidden) if self.norm_output else hidden)

    def pick(self, logits: torch.Tensor) -> torch.Tensor:
        """The most likely token, as the target numbers it."""
        return self.ids[logits.argmax(-1)]

    def chain(
        self,
        aux: torch.Tensor,
        tokens: torch.Tensor,
        start: torch.Tensor,
        last: torch.Tensor,
        visible: int,
    ) -> torch.Tensor:
        """What the target is to verify: int64[S + 1], the newest token and S drafted ones.

        aux [S + 1, 3H] and tokens int64[S + 1]: the target's pairs since position `start`, of which
        those after row `last` are rejected (start, last: int64[1]). Rejected pairs are computed
        all the same, so that shapes never change; drafting writes over them before they are seen.
        """
        rows = len(tokens)
        at = start + torch.arange(rows, device=start.device)
        hidden = self.read(tokens[None], self.fuse(aux)[None], at, visible)
        hidden = hidden.index_select(1, last)
        found = [tokens.index_select(0, last)]
        for step in range(1, rows):
            if step > 1:
                hidden = self.read(found[-1][None], hidden, start + last + step - 1, visible)
            found.append(self.pick(self.logits(hidden))[0])
        return torch.cat(found)


def draft_config(fields: Mapping[str, Any]) -> LlamaConfig:
    """The draft's config.json as the library reads it; speculators keeps the layer's in a part."""
    fields = {**(fields.get("transformer_layer_config") or {}), **fields}
    known = {name: value for name, value in fields.items() if name not in ("dtype", "torch_dtype")}
    return LlamaConfig(**known)


def assembled(
    draft: Checkpoint, head: Head, embedding: torch.Tensor, aux_layers: Sequence[int]
) -> Eagle3Draft:
    """The draft of a folder, in the dtype and on the device of `embedding` (the target's, [V, H]).

    InputError where a tensor is missing, has another shape, or is quantised.
    """
    config = draft_config(draft.model.fields)
    dtype, device = embedding.dtype, embedding.device
    with torch.device("meta"):
        module = Eagle3Draft(config, len(head.ids), len(aux_layers) * embedding.shape[1])
    module.aux_layers = tuple(aux_layers)
    wanted = module.state_dict()
    found = {}
    for name, stored in draft.tensors.items():
        name = name.removeprefix("model.").replace("layers.0.", "midlayer.")
        if name in wanted and name != HEAD:
            found[name] = _tensor(stored, draft).to(device, dtype)
        elif name == EMBEDDING:
            embedding = _tensor(stored, draft).to(device, dtype)
    found[HEAD] = _tensor(head.tensor, draft).to(device, dtype)
    for name, tensor in wanted.items():
        if name not in found or found[name].shape != tensor.shape:
            has = f"has shape {list(found[name].shape)}" if name in found else "is missing"
            raise InputError(
                f"{draft.folder}: {name} {has}, but {CONFIG} asks for {list(tensor.shape)}."
            )
    module.load_state_dict(found, assign=True)
    return equipped(module, config, embedding, torch.from_numpy(np.array(head.ids)))


def equipped(
    module: Eagle3Draft, config: LlamaConfig, embedding: torch.Tensor, ids: torch.Tensor
) -> Eagle3Draft:
    """With embedding [V, H], ids int64[k] and rotary angles, all on the embedding's device."""
    module.embedding, module.ids = embedding, ids.to(embedding.device)
    module.rotary = LlamaRotaryEmbedding(config).to(embedding.device)
    return module.eval().requires_grad_(False)


def _tensor(stored: StoredTensor, draft: Checkpoint) -> torch.Tensor:
    if stored.dtype not in DTYPES:
        raise InputError(
            f"{draft.folder}: {stored.name} is {stored.dtype}; the torch loop reads unquantised "
            "drafts (F32, F16, BF16)."
        )
    flat = torch.from_numpy(np.array(stored.data))
    return flat.view(DTYPES[stored.dtype]).reshape(stored.shape)
