"""Random drafts and targets on disk, shaped like Llama ones and as small as a test wants."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from helpers.lazy import Lazy

torch = Lazy("torch")
safetensors_torch = Lazy("safetensors.torch")

V, H = 500, 64


def draft_tensors(ids=None, *, dtype=None, embedding=False, seed=0) -> dict:
    """The tensors of an EAGLE-3 draft with the rows of `ids` (None: all, without a mapping)."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(dtype or torch.bfloat16)

    layer = {
        "hidden_norm.weight": (H,),
        "input_layernorm.weight": (H,),
        "post_attention_layernorm.weight": (H,),
        "self_attn.q_proj.weight": (H, 2 * H),
        "self_attn.k_proj.weight": (H // 2, 2 * H),
        "self_attn.v_proj.weight": (H // 2, 2 * H),
        "self_attn.o_proj.weight": (H, H),
        "mlp.gate_proj.weight": (2 * H, H),
        "mlp.up_proj.weight": (2 * H, H),
        "mlp.down_proj.weight": (H, 2 * H),
    }
    tensors = {f"midlayer.{name}": random(*shape) for name, shape in layer.items()}
    tensors |= {"fc.weight": random(H, 3 * H), "norm.weight": random(H)}
    head = random(V, H)  # last, so that the full head is the same with and without `ids`
    if embedding:
        tensors["embed_tokens.weight"] = random(V, H)
    if ids is None:
        return {**tensors, "lm_head.weight": head}
    ids = torch.as_tensor(np.asarray(ids, np.int64))
    mask = torch.zeros(V, dtype=torch.bool)
    mask[ids] = True
    return {
        **tensors,
        "lm_head.weight": head[ids].clone(),
        "d2t": ids - torch.arange(len(ids)),
        "t2d": mask,
    }


def draft_config(k: int | None) -> dict:
    """Its config.json."""
    return {
        "architectures": ["LlamaForCausalLMEagle3"],
        "model_type": "llama",
        "attention_bias": False,
        "bos_token_id": 1,
        "draft_vocab_size": k,
        "eos_token_id": 2,
        "head_dim": H // 4,
        "hidden_act": "silu",
        "hidden_size": H,
        "intermediate_size": 2 * H,
        "max_position_embeddings": 512,
        "num_attention_heads": 4,
        "num_hidden_layers": 1,
        "num_key_value_heads": 2,
        "pad_token_id": 0,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vocab_size": V,
    }


def write_model(folder: Path, tensors: dict, config: dict, shards: int = 0) -> Path:
    """A model folder: one model.safetensors, or `shards` files with an index."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    if not shards:
        safetensors_torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return folder
    places = {}
    for i in range(shards):
        name = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        part = {key: tensors[key] for key in sorted(tensors)[i::shards]}
        safetensors_torch.save_file(part, folder / name, {"format": "pt"})
        places |= dict.fromkeys(part, name)
    index = {"metadata": {"total_size": 0}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def write_draft(folder: Path, ids=None, *, shards: int = 0, **options) -> Path:
    """A draft folder with the rows of `ids` (None: all)."""
    tensors = draft_tensors(ids, **options)
    config = draft_config(None if ids is None else len(ids))
    return write_model(folder, tensors, config, shards)


def write_target(folder: Path, *, tied: bool = False, shards: int = 0, seed: int = 1) -> Path:
    """A target folder: embedding, and a head unless it is tied to it."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {"model.embed_tokens.weight": torch.randn(V, H, generator=generator).bfloat16()}
    if not tied:
        tensors["lm_head.weight"] = torch.randn(V, H, generator=generator).bfloat16()
    config = {
        "model_type": "llama",
        "hidden_size": H,
        "vocab_size": V,
        "num_hidden_layers": 8,
        "tie_word_embeddings": tied,
    }
    return write_model(folder, tensors, config, shards)
