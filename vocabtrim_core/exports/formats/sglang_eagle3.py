"""SGLang: an EAGLE-3 draft folder with its own head and d2t."""

from vocabtrim_core.exports.draft_folder import exporter

EXPORTER = exporter(
    "sglang-eagle3",
    title="SGLang (EAGLE-3)",
    consumer="SGLang 0.5.14 to 0.5.23, serving",
    how="Name the folder as the draft model when the server starts.",
    example="python -m sglang.launch_server --model-path TARGET --speculative-algorithm EAGLE3 \\\n"
    "  --speculative-draft-model-path draft --speculative-num-steps 3 \\\n"
    "  --speculative-eagle-topk 1 --speculative-num-draft-tokens 4",
    limits="The target's layers are read from eagle_config.eagle_aux_hidden_state_layer_ids "
    "alone, counted from the first decoder layer. --speculative-token-map is ignored with EAGLE3: "
    "this folder's d2t takes its place. --speculative-use-rejection-sampling refuses a reduced "
    "draft. The draft's max_position_embeddings must reach the target's context length.",
    proof="loaded",
    served="SGLang 0.5.23 on a CPU with stand-in kernels, not measured",
    checked="Loaded by SGLang 0.5.23's own load_weights, taken out of its package and run alone "
    "(in tests where SGLang is installed): its hot_token_id equals our ids, every tensor reaches "
    "its parameter, and the layers are ours. Served once on a CPU with plain torch in place of its "
    "kernels, a trimmed draft and one of all V tokens; not measured there.",
)
