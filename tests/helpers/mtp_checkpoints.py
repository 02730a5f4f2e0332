"""Small checkpoints with an MTP layer, their heads stored in every layout that occurs.

Each layout comes with its values by definition: a loop over numbers, not the code under test.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

V, H, GROUP = 384, 64, 16
CONFIG = {
    "model_type": "qwen3_5_text",
    "hidden_size": H,
    "vocab_size": V,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "tie_word_embeddings": False,
}
Tensors = dict[str, torch.Tensor]
RNG = np.random.default_rng(5)


def packed(values: np.ndarray, bits: int, order: list[int] | None = None) -> torch.Tensor:
    """Whole numbers 0..2^bits - 1 along the last axis, packed in int32s, the first lowest."""
    each = 32 // bits
    order = order or list(range(each))
    out = np.zeros((values.shape[0], values.shape[1] // each), np.uint32)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            for place in range(each):
                value = int(values[row, column * each + order[place]])
                out[row, column] |= np.uint32(value << (bits * place))
    return torch.from_numpy(out.view(np.int32).copy())


def unpacked(tensor: torch.Tensor, bits: int, order: list[int] | None = None) -> np.ndarray:
    each = 32 // bits
    order = order or list(range(each))
    numbers = tensor.numpy().view(np.uint32)
    out = np.zeros((numbers.shape[0], numbers.shape[1] * each), np.int64)
    for place in range(each):
        for column in range(numbers.shape[1]):
            out[:, column * each + order[place]] = (numbers[:, column] >> (bits * place)) & (
                2**bits - 1
            )
    return out


AWQ = [0, 2, 4, 6, 1, 3, 5, 7]


def plain(name: str) -> Tensors:
    return {f"{name}.weight": torch.from_numpy(RNG.normal(size=(V, H))).to(torch.bfloat16)}


def fp8(scales: Callable[[], torch.Tensor], suffix: str) -> Callable[[str], Tensors]:
    def make(name: str) -> Tensors:
        weight = torch.from_numpy(RNG.normal(size=(V, H))).to(torch.float8_e4m3fn)
        return {f"{name}.weight": weight, f"{name}.{suffix}": scales()}

    return make


def scale_of(*shape: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.from_numpy(RNG.uniform(0.5, 2, size=shape)).float()


def compressed(bits: int, *, zeros: bool) -> Callable[[str], Tensors]:
    def make(name: str) -> Tensors:
        values = RNG.integers(0, 2**bits, (V, H))
        out = {
            f"{name}.weight_packed": packed(values, bits),
            f"{name}.weight_scale": torch.from_numpy(RNG.uniform(size=(V, H // GROUP))).half(),
            f"{name}.weight_shape": torch.tensor([V, H]),
        }
        if zeros:
            points = RNG.integers(0, 2**bits, (H // GROUP, V))
            out[f"{name}.weight_zero_point"] = packed(points, bits).T.contiguous()
        return out

    return make


def gptq(bits: int) -> Callable[[str], Tensors]:
    def make(name: str) -> Tensors:
        values, points = (RNG.integers(0, 2**bits, s) for s in ((V, H), (H // GROUP, V)))
        return {
            f"{name}.qweight": packed(values, bits).T.contiguous(),
            f"{name}.qzeros": packed(points, bits),
            f"{name}.scales": torch.from_numpy(RNG.uniform(size=(H // GROUP, V))).half(),
            f"{name}.g_idx": torch.arange(H, dtype=torch.int32) // GROUP,
        }

    return make


def awq(name: str) -> Tensors:
    return {
        f"{name}.qweight": packed(RNG.integers(0, 16, (H, V)), 4, AWQ),
        f"{name}.qzeros": packed(RNG.integers(0, 16, (H // GROUP, V)), 4, AWQ),
        f"{name}.scales": torch.from_numpy(RNG.uniform(size=(H // GROUP, V))).half(),
    }


def nvfp4(name: str) -> Tensors:
    return {
        f"{name}.weight": torch.from_numpy(RNG.integers(0, 256, (V, H // 2)).astype(np.uint8)),
        f"{name}.weight_scale": torch.from_numpy(RNG.uniform(size=(V, H // 16))).to(
            torch.float8_e4m3fn
        ),
        f"{name}.weight_scale_2": torch.tensor(0.25),
        f"{name}.input_scale": torch.tensor(0.5),
    }


def mlx(name: str) -> Tensors:
    return {
        f"{name}.weight": packed(RNG.integers(0, 16, (V, H)), 4).view(torch.uint32),
        f"{name}.scales": torch.from_numpy(RNG.uniform(size=(V, H // GROUP))).half(),
        f"{name}.biases": torch.from_numpy(RNG.uniform(size=(V, H // GROUP))).half(),
    }


LAYOUTS: dict[str, Callable[[str], Tensors]] = {
    "bf16": plain,
    "fp8 tensor": fp8(scale_of(), "weight_scale"),
    "fp8 rows": fp8(scale_of(V, 1), "weight_scale"),
    "fp8 blocks": fp8(scale_of(V // 128, 1), "weight_scale_inv"),
    "compressed int4": compressed(4, zeros=False),
    "compressed int8": compressed(8, zeros=False),
    "compressed int4 zeros": compressed(4, zeros=True),
    "gptq int4": gptq(4),
    "gptq int8": gptq(8),
    "awq int4": awq,
    "nvfp4": nvfp4,
    "mlx int4": mlx,
}


def values(layout: str, tensors: Tensors, name: str) -> np.ndarray:
    """float64[rows, H], the weights that the tensors mean."""
    own = {n[len(name) + 1 :]: t for n, t in tensors.items() if n.startswith(f"{name}.")}

    def real(suffix: str) -> np.ndarray:
        return own[suffix].double().numpy()

    if layout == "bf16":
        return real("weight")
    if layout.startswith("fp8"):
        scale = real("weight_scale_inv" if "blocks" in layout else "weight_scale")
        rows = len(real("weight"))
        if "blocks" in layout:
            return np.array([real("weight")[r] * scale[r // 128, 0] for r in range(rows)])
        return real("weight") * scale
    if layout.startswith("compressed"):
        bits = 8 if "int8" in layout else 4
        whole = unpacked(own["weight_packed"], bits)
        assert own["weight_shape"].tolist() == list(whole.shape)
        points = np.full((len(whole), H // GROUP), 2 ** (bits - 1))
        if "zeros" in layout:
            points = unpacked(own["weight_zero_point"].T.contiguous(), bits).T
        return (whole - points.repeat(GROUP, 1)) * real("weight_scale").repeat(GROUP, 1)
    if layout.startswith("gptq"):
        bits = 8 if "int8" in layout else 4
        whole = unpacked(own["qweight"].T.contiguous(), bits)
        group = own["g_idx"].numpy()
        points = unpacked(own["qzeros"], bits)
        return np.array(
            [
                [
                    (whole[row, i] - points[group[i], row] - 1) * real("scales")[group[i], row]
                    for i in range(H)
                ]
                for row in range(0, len(whole), 7)
            ]
        )
    if layout.startswith("awq"):
        whole, points = unpacked(own["qweight"], 4, AWQ), unpacked(own["qzeros"], 4, AWQ)
        return ((whole - points.repeat(GROUP, 0)) * real("scales").repeat(GROUP, 0)).T
    if layout == "nvfp4":
        codes = own["weight"].numpy()
        nibbles = np.stack([codes & 15, codes >> 4], 2).reshape(len(codes), H)
        return nibbles * real("weight_scale").repeat(16, 1) * float(own["weight_scale_2"])
    whole = unpacked(own["weight"].view(torch.int32), 4)
    return whole * real("scales").repeat(GROUP, 1) + real("biases").repeat(GROUP, 1)


def mtp_layer() -> Tensors:
    return {
        "mtp.fc.weight": torch.zeros(H, 2 * H, dtype=torch.bfloat16),
        "mtp.norm.weight": torch.zeros(H, dtype=torch.bfloat16),
        "mtp.layers.0.self_attn.q_proj.weight": torch.zeros(H, H, dtype=torch.bfloat16),
        "mtp.layers.0.mlp.down_proj.weight": torch.zeros(H, 128, dtype=torch.bfloat16),
    }


def write_checkpoint(
    folder: Path,
    layout: str = "bf16",
    *,
    sharded: bool = True,
    draft: Tensors | None = None,
    **config: object,
) -> Tensors:
    """Write a checkpoint; return the tensors of its head."""
    folder.mkdir(parents=True)
    head = LAYOUTS[layout]("lm_head")
    body = {"model.embed_tokens.weight": torch.ones(V, H, dtype=torch.bfloat16)}
    body |= {"model.layers.0.mlp.up_proj.weight": torch.zeros(128, H, dtype=torch.bfloat16)}
    if config.get("tie_word_embeddings"):
        head = {}
        body |= {"model.embed_tokens.weight": plain("x")["x.weight"]}
    last = head | (mtp_layer() if draft is None else draft)
    shards = {"model-1-of-2.safetensors": body, "model-2-of-2.safetensors": last}
    if sharded:
        places = {name: file for file, shard in shards.items() for name in shard}
        index = {"metadata": {"total_size": 1}, "weight_map": places}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    else:
        shards = {"model.safetensors": body | last}
    for file, shard in shards.items():
        save_file(shard, folder / file)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    return head or {"lm_head.weight": body["model.embed_tokens.weight"]}
