"""llama.cpp: the EAGLE-3 draft folder that its converter turns into GGUF."""

from vocabtrim_core.exports.draft_folder import exporter

EXPORTER = exporter(
    "llama-cpp",
    title="llama.cpp (EAGLE-3)",
    consumer="llama.cpp with draft-eagle3 (2026), through convert_hf_to_gguf.py",
    how="Convert the folder with the converter of your llama.cpp checkout, then name the GGUF as "
    "the draft model. The target's folder gives tokenizer and layer numbers.",
    example="python convert_hf_to_gguf.py draft --target-model-dir TARGET --outtype bf16 \\\n"
    "  --outfile draft-<N>.gguf\n"
    "llama-server -m TARGET.gguf -md draft-<N>.gguf --spec-type draft-eagle3",
    limits="The converter reads the target's layers from the top-level "
    "eagle_aux_hidden_state_layer_ids alone, the embedding counted first (older versions read "
    "none and take their default). Drafts of one layer only. In the GGUF d2t holds absolute "
    "ids (I64): do not put a d2t from there back into a draft folder. The converter stops at ids "
    "outside the target or twice.",
    proof="loaded where installed",
    served="llama.cpp of October 2026 on a CPU, measured",
    checked="Served by llama.cpp of October 2026 (xllamacpp 2026.10.11549), a trimmed draft and "
    "one of all V tokens, with the layers held against both neighbours "
    "(benchmarks/results/engine_layers_llama_cpp.md). In tests where LLAMA_CPP names a folder with "
    "convert_hf_to_gguf.py: the GGUF's layers and d2t equal ours and its output has our rows.",
)
