"""Random Llama targets and EAGLE-3 drafts as small as they can be, and both written out once more
without caches, to check against.
"""

from __future__ import annotations

import json
from functools import wraps
from pathlib import Path
from types import SimpleNamespace

from helpers.lazy import Lazy

torch = Lazy("torch")
safetensors_torch = Lazy("safetensors.torch")
transformers = Lazy("transformers")
eagle3 = Lazy("vocabtrim_core.serving.torch_loop.draft")

H, LAYERS, AUX = 32, 4, (0, 1, 2)


def without_gradients(function):
    """`@torch.inference_mode()`, with torch imported when the function is called."""

    @wraps(function)
    def called(*arguments, **named):
        with torch.inference_mode():
            return function(*arguments, **named)

    return called


def make_target(
    vocab_size: int, seed: int, key_value_heads: int = 2
) -> transformers.LlamaForCausalLM:
    """A random target whose logits are far apart."""
    torch.manual_seed(seed)
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=vocab_size,
            hidden_size=H,
            intermediate_size=48,
            num_hidden_layers=LAYERS,
            num_attention_heads=4,
            num_key_value_heads=key_value_heads,
            initializer_range=0.4,
            max_position_embeddings=256,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
            rope_parameters={"rope_type": "default", "rope_theta": 5000.0},
        )
    ).eval()


def make_draft(
    target: transformers.LlamaForCausalLM, k: int, seed: int, fitted: bool = False
) -> eagle3.Eagle3Draft:
    """A random draft of k tokens; fitted: with the head that suits the target's own words best."""
    torch.manual_seed(seed)
    size = target.config.vocab_size
    config = eagle3.draft_config({**target.config.to_dict(), "draft_vocab_size": k})
    draft = eagle3.Eagle3Draft(config, k, 3 * H)
    for parameter in draft.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    ids = torch.randperm(size)[:k].sort().values
    embedding = target.get_input_embeddings().weight.detach()
    draft = eagle3.with_embedding(draft, config, embedding, ids)
    draft.aux_layers = AUX
    if fitted:
        _fit(draft, target)
    return draft


@without_gradients
def _fit(draft: eagle3.Eagle3Draft, target: transformers.LlamaForCausalLM) -> None:
    """Least squares from the draft's hidden states to what the target says next."""
    states, wanted, size = [], [], target.config.vocab_size
    starts = torch.arange(size)[:, None]
    for ids in target.generate(
        starts, attention_mask=torch.ones_like(starts), max_new_tokens=24, do_sample=False
    ):
        aux, logits = full_target(target, ids.tolist())
        states.append(draft.norm(full_layer(draft, ids[1:].tolist(), draft.fuse(aux[:-1]))))
        wanted.append(torch.nn.functional.one_hot(logits[1:].argmax(-1), size).float())
    x, y = torch.cat(states), torch.cat(wanted)[:, draft.ids]
    ridge = x.T @ x + 1e-3 * torch.eye(H)
    draft.lm_head.weight.copy_(torch.linalg.solve(ridge, x.T @ y).T)


def full_target(model, ids):
    """aux [n, 3H] and logits [n, V] of a whole sequence."""
    found = model(torch.tensor([ids]), output_hidden_states=True, use_cache=False)
    aux = torch.cat([found.hidden_states[layer + 1][0] for layer in AUX], -1)
    return aux, found.logits[0]


def full_layer(draft, tokens, hidden, normed_residual=False):
    """The draft's layer over all pairs at positions 0.., written out: tokens [n], hidden [n, H]."""
    weights, n = dict(draft.midlayer.named_parameters()), len(tokens)

    def norm(x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weights[f"{name}.weight"]

    def product(x, name):
        return x @ weights[f"{name}.weight"].T

    embedded = draft.embedding[torch.tensor(tokens)]
    pair = torch.cat([norm(embedded, "input_layernorm"), norm(hidden, "hidden_norm")], -1)
    width = draft.midlayer.self_attn.head_dim
    q, k, v = (
        product(pair, f"self_attn.{name}_proj").view(n, -1, width).transpose(0, 1) for name in "qkv"
    )
    frequencies = 5000.0 ** -(torch.arange(0, width, 2) / width)
    turn = torch.arange(n)[:, None] * frequencies
    cos, sin = turn.cos().repeat(1, 2), turn.sin().repeat(1, 2)

    def rotated(x):
        left, right = x[..., : width // 2], x[..., width // 2 :]
        return x * cos + torch.cat([-right, left], -1) * sin

    groups = q.shape[0] // k.shape[0]
    scores = rotated(q) @ rotated(k).repeat_interleave(groups, 0).transpose(1, 2) / width**0.5
    scores = scores.masked_fill(torch.ones(n, n).triu(1).bool(), float("-inf"))
    seen = (scores.softmax(-1) @ v.repeat_interleave(groups, 0)).transpose(0, 1).reshape(n, -1)
    hidden = norm(hidden, "hidden_norm") if normed_residual else hidden
    hidden = hidden + product(seen, "self_attn.o_proj")
    x = norm(hidden, "post_attention_layernorm")
    gate = torch.nn.functional.silu(product(x, "mlp.gate_proj"))
    return hidden + product(gate * product(x, "mlp.up_proj"), "mlp.down_proj")


def write_folders(home: Path) -> SimpleNamespace:
    """A target folder and two draft folders for it, as capture and SpecForge leave them."""
    model = make_target(40, 7)
    model.generation_config.eos_token_id = [38, 39]
    model.save_pretrained(home / "target")
    drafts = {}
    for k in (40, 11):
        draft = make_draft(model, k, k, fitted=True)
        mask = torch.zeros(40, dtype=torch.bool)
        mask[draft.ids] = True
        tensors = {n: t.clone() for n, t in draft.state_dict().items() if "rotary" not in n}
        tensors |= {"d2t": draft.ids - torch.arange(k), "t2d": mask}
        drafts[k] = home / f"k-{k}" / "draft"
        drafts[k].mkdir(parents=True)
        safetensors_torch.save_file(tensors, drafts[k] / "model.safetensors", {"format": "pt"})
        fields = {
            **model.config.to_dict(),
            "architectures": ["LlamaForCausalLMEagle3"],
            "num_hidden_layers": 1,
            "draft_vocab_size": k,
            "eagle_config": {"eagle_aux_hidden_state_layer_ids": list(AUX)},
        }
        (drafts[k] / "config.json").write_text(json.dumps(fields))
    return SimpleNamespace(target=home / "target", drafts=drafts, model=model, home=home)
