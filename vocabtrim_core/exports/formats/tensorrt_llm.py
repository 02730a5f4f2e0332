"""TensorRT-LLM: an EAGLE-3 draft folder with its own head and d2t."""

from vocabtrim_core.exports.draft_folder import exporter

EXPORTER = exporter(
    "tensorrt-llm",
    title="TensorRT-LLM (EAGLE-3)",
    consumer="TensorRT-LLM (sources of 2026), PyTorch backend, serving",
    how="Name the folder in a YAML file and start trtllm-serve with it.",
    example="speculative_config:  # config.yaml\n"
    "  decoding_type: Eagle3\n"
    "  max_draft_len: 3\n"
    "  speculative_model: draft\n"
    "# trtllm-serve TARGET --config config.yaml",
    limits="The target's layers are read from eagle3_layers_to_capture under speculative_config "
    "alone, never from config.json; without it they are 1, n // 2 - 1 and n - 4 of n. Only the "
    "PyTorch backend reads it. d2t is kept as int32 there, and only when draft_vocab_size differs "
    "from vocab_size.",
    proof="documented",
    checked="Written to the documented format, the one its Eagle3ForCausalLM loads; not loaded "
    "with TensorRT-LLM's code, which needs CUDA.",
)
