"""vLLM: an EAGLE-3 draft folder with its own head and d2t."""

from vocabtrim_core.exports.draft_folder import exporter

EXPORTER = exporter(
    "vllm",
    title="vLLM (EAGLE-3)",
    consumer="vLLM 0.32.0 and 0.33.0, serving",
    how="Name the folder as the speculative model when the server starts.",
    example="vllm serve TARGET --speculative-config \\\n"
    '  \'{"method": "eagle3", "model": "draft", "num_speculative_tokens": 3}\'',
    limits="The target's layers are read from the top-level eagle_aux_hidden_state_layer_ids, "
    "which counts the embedding first; where that is missing, eagle_config's are taken one layer "
    "too early. d2t must lie beside a reduced head: without it vLLM takes draft ids for target "
    "ids and says nothing; beside a head of all V tokens it is refused. t2d is not read. Reduced "
    "drafts pay a scatter into all of V every step. Releases before 0.30.0 paid it for full "
    "drafts too, so a gain over one measured there is too large.",
    proof="loaded where installed",
    served="vLLM 0.32.0 on a CPU, measured",
    checked="Served by vLLM 0.32.0 on a CPU, a trimmed draft and one of all V tokens, with the "
    "layers held against both neighbours (benchmarks/results/engine_layers_vllm.md). In tests "
    "where vLLM is installed its own load_weights and its reading of the layers, taken out of its "
    "package and run alone: d2t, head and every other tensor reach their parameters.",
)
