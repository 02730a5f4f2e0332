"""Small GGUF files with an MTP layer, their head in any type of blocks."""

from __future__ import annotations

import numpy as np

from helpers.lazy import Lazy

gguf = Lazy("gguf")
V, H = 96, 256


def write(path, kind="Q8_0", *, nextn=1, tied=False, own=False, head_rows=None, size=V):
    """A model of two layers, the last one an MTP layer; bytes at random are blocks of any type."""
    rng = np.random.default_rng(1)
    writer = gguf.GGUFWriter(str(path), "qwen35")
    writer.add_uint32("qwen35.block_count", 2)
    writer.add_uint32("qwen35.nextn_predict_layers", nextn)
    writer.add_uint32("qwen35.expert_count", 8)
    writer.add_uint32("qwen35.expert_used_count", 2)
    writer.add_array("tokenizer.ggml.tokens", [f"t{i}," for i in range(size)])
    writer.add_string("general.name", "small")
    head = matrix(rng, kind, head_rows or size)
    names = ["token_embd.weight"] + ([] if tied else ["output.weight"])
    names += ["blk.1.nextn.shared_head_head.weight"] if own else []
    for name in names:
        writer.add_tensor(name, head, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.add_tensor("blk.1.nextn.eh_proj.weight", np.zeros((H, 2 * H), np.float32))
    writer.add_tensor("blk.1.ffn_up_exps.weight", np.zeros((8, 16, H), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def matrix(rng, kind, rows):
    if kind in ("F32", "F16"):
        return rng.normal(size=(rows, H)).astype({"F32": np.float32, "F16": np.float16}[kind])
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    return rng.integers(0, 256, (rows, H // block * size)).astype(np.uint8)
