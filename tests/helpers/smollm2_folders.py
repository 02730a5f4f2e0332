"""Folders of SmolLM2's shapes: config and tokenizer of the target, and an EAGLE-3 draft of it."""

from __future__ import annotations

import json
from pathlib import Path

from helpers.lazy import Lazy
from vocabtrim_core.tokenizers.presets import PRESETS

torch = Lazy("torch")
safetensors_torch = Lazy("safetensors.torch")

V, H, K = 49_152, 576, 512
SHAPES = {
    "hidden_size": H,
    "intermediate_size": 1536,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": V,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 100_000.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def write_target(folder: Path) -> Path:
    """Config and tokenizer of the bundled target, as the conversion of its drafts reads them."""
    config = {**SHAPES, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    config |= {"num_hidden_layers": 30, "tie_word_embeddings": True}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(PRESETS["smollm2"].build())
    about = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return folder


def write_random_draft(folder: Path, **changes) -> Path:
    """An EAGLE-3 draft of the 512 first tokens, with random weights.

    changes: other entries of its config.json.
    """
    config = {**SHAPES, "model_type": "llama", "architectures": ["LlamaForCausalLMEagle3"]}
    config |= {"num_hidden_layers": 1, "draft_vocab_size": K, "tie_word_embeddings": False}
    config["eagle_aux_hidden_state_layer_ids"] = [2, 15, 27]
    (folder / "config.json").write_text(json.dumps(config | changes))
    shapes = {
        "fc.weight": (H, 3 * H),
        "lm_head.weight": (K, H),
        "midlayer.hidden_norm.weight": (H,),
        "midlayer.input_layernorm.weight": (H,),
        "midlayer.mlp.down_proj.weight": (H, 1536),
        "midlayer.mlp.gate_proj.weight": (1536, H),
        "midlayer.mlp.up_proj.weight": (1536, H),
        "midlayer.post_attention_layernorm.weight": (H,),
        "midlayer.self_attn.k_proj.weight": (192, 2 * H),
        "midlayer.self_attn.o_proj.weight": (H, H),
        "midlayer.self_attn.q_proj.weight": (H, 2 * H),
        "midlayer.self_attn.v_proj.weight": (192, 2 * H),
        "norm.weight": (H,),
    }
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: (torch.randn(shape, generator=generator) * 0.02).to(torch.bfloat16)
        for name, shape in shapes.items()
    }
    kept = torch.zeros(V, dtype=torch.bool)
    kept[:K] = True
    tensors |= {"d2t": torch.zeros(K, dtype=torch.int64), "t2d": kept}
    safetensors_torch.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder
