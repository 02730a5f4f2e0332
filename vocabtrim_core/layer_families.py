"""How the layers of model families differ from the usual, where no field of their config says it.

Families are transformers' `model_type`s of the language model. A test builds every causal language
model of transformers and holds its matrices against the counts of `layer_weights`.
"""

from __future__ import annotations

from vocabtrim_core.model_config import ModelConfig

# Two matrices, up and down, instead of three with a gate.
UNGATED = frozenset(
    [
        "apertus",
        "arcee",
        "biogpt",
        "bloom",
        "codegen",
        "ctrl",
        "falcon",
        "gpt-sw3",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gpt_neox_japanese",
        "gptj",
        "jais2",
        "mpt",
        "nanochat",
        "nemotron",
        "openai-gpt",
        "opt",
        "persimmon",
        "phi",
        "starcoder2",
        "xglm",
    ]
)
# Queries are projected to twice their width, half of it a gate.
GATED_QUERIES = frozenset(
    ["afmoe", "beam", "qwen3_5", "qwen3_5_moe", "qwen3_5_moe_text", "qwen3_5_text", "qwen3_next"]
)
ONE_SHARED = frozenset(("llama4", "llama4_text", "hunyuan_v1_moe"))  # no field tells their number
FOUR_TIMES = frozenset(  # the feed-forward is 4H wide where the config does not say
    ["bloom", "codegen", "gpt-sw3", "gpt2", "gpt_bigcode", "gpt_neo", "gptj", "openai-gpt"]
)
# Layers that are built in a way that is not counted here.
UNCOUNTED = {
    "encoders, which predict no next token": frozenset(
        [
            "bert",
            "bert-generation",
            "big_bird",
            "camembert",
            "data2vec-text",
            "electra",
            "ernie",
            "megatron-bert",
            "rembert",
            "roberta",
            "roberta-prelayernorm",
            "roc_bert",
            "roformer",
            "xlm",
            "xlm-roberta",
            "xlm-roberta-xl",
            "xmod",
        ]
    ),
    "an encoder beside the decoder": frozenset(
        [
            "bart",
            "bigbird_pegasus",
            "blenderbot",
            "blenderbot-small",
            "git",
            "marian",
            "mbart",
            "moshi",
            "musicgen",
            "musicgen_melody",
            "mvp",
            "pegasus",
            "plbart",
            "prophetnet",
            "trocr",
            "whisper",
        ]
    ),
    "recurrent, state-space or convolution layers": frozenset(
        [
            "falcon_mamba",
            "lfm2",
            "lfm2_moe",
            "lfm3",
            "mamba",
            "mamba2",
            "nemotron_h",
            "recurrent_gemma",
            "rwkv",
            "xlstm",
            "zamba",
            "zamba2",
        ]
    ),
    "attention or a feed-forward of a kind of its own": frozenset(
        [
            "blt",
            "cpmant",
            "doge",
            "hrm_text",
            "jetmoe",
            "laguna",
            "mimo_v2_flash",
            "qwen4_exp",
            "qwen4_exp_text",
            "reformer",
            "xlnet",
            "zaya",
        ]
    ),
}
WIDTHS = ("intermediate_size", "ffn_hidden_size", "n_inner", "ffn_dim", "dff")
MULTIPLES = ("expansion_ratio", "intermediate_multiple_size")  # of H


def uncounted(config: ModelConfig) -> str:
    """Why the layers of a model are not counted.

    Args:
        config: The config of a model.

    Returns:
        A key of UNCOUNTED; "" for a family that is not listed there.

    Raises:
        InputError: transformers cannot read the config.
    """
    return next((why for why, families in UNCOUNTED.items() if config.family in families), "")


def dense_width(config: ModelConfig) -> int | None:
    """Width of a feed-forward without experts, by the names that families use for it.

    Args:
        config: The config of a model.

    Returns:
        The width; None where the config does not give it.

    Raises:
        InputError: A field is wrong.
    """
    stated = next((size for name in WIDTHS if (size := config.size(name))), None)
    if stated is not None:
        return stated
    multiple = next((n for name in MULTIPLES if (n := config.size(name))), None)
    multiple = 4 if multiple is None and config.family in FOUR_TIMES else multiple
    return None if multiple is None else multiple * config.required("hidden_size")
