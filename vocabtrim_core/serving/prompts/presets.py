"""Benchmarks for measurements, by name: the five of the paper and its two tasks.

They are downloaded from the Hugging Face hub on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vocabtrim_core.corpora.presets import DATASET_PRESETS, DatasetPreset
from vocabtrim_core.corpora.schema import ColumnMapping

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus


@dataclass(frozen=True, slots=True)
class PromptPreset:
    """The prompts of a benchmark.

    Attributes:
        title: Its name in the paper.
        dataset: Its data set.
        instruction: Text before each prompt.
        note: How the prompts differ from the paper's.
    """

    title: str
    dataset: DatasetPreset
    instruction: str = ""
    note: str = ""


_STANDS_IN = "The paper's own task is not published; this is a public stand-in."

PROMPT_PRESETS: dict[str, PromptPreset] = {
    "mt-bench": PromptPreset(
        "MT-Bench", DATASET_PRESETS["mt-bench"], note="The first of the two turns of each prompt."
    ),
    "gsm8k": PromptPreset("GSM8K", DATASET_PRESETS["gsm8k"]),
    "humaneval": PromptPreset(
        "HumanEval", DATASET_PRESETS["humaneval"], "Complete the following Python function.\n\n"
    ),
    "math-500": PromptPreset("MATH-500", DATASET_PRESETS["math-500"]),
    "aime": PromptPreset("AIME", DATASET_PRESETS["aime-2025"]),
    "aime-2024": PromptPreset("AIME 2024", DATASET_PRESETS["aime-2024"]),
    "function-calling": PromptPreset(
        "Function calling",
        DatasetPreset(
            "Hermes function calling, one turn",
            "NousResearch/hermes-function-calling-v1",
            "train",
            ColumnMapping(
                "conversation", conversation="conversations", role="from", content="value"
            ),
            "apache-2.0",
            config="func_calling_singleturn",
        ),
        note=_STANDS_IN,
    ),
    "ner": PromptPreset(
        "NER",
        DatasetPreset(
            "Universal NER, English Web Treebank test",
            "universalner/universal_ner",
            "test",
            ColumnMapping("prompt_response", prompt="text", response="text"),  # without answers
            "cc-by-sa-4.0",
            config="en_ewt",
            responses=False,
        ),
        "List the persons, organisations and locations that the text names, as a JSON object.\n\n"
        "Text: ",
        note=_STANDS_IN,
    ),
}


def fetch_prompts(
    name: str, limit: int, progress: Callable[..., Any] | None = None
) -> tuple[PromptPreset, Corpus]:
    """Download a benchmark, or open it where it was downloaded before.

    Args:
        name: A key of PROMPT_PRESETS.
        limit: The most rows.
        progress: Called as `Progress` is.

    Returns:
        The benchmark and its rows.

    Raises:
        InputError: The hub cannot be reached, and the benchmark was not downloaded before.
    """
    from vocabtrim_core.corpora.hub import fetch_hub

    preset = PROMPT_PRESETS[name]
    source = preset.dataset
    return preset, fetch_hub(
        source.dataset,
        config=source.config,
        split=source.split,
        limit=limit,
        mapping=source.mapping,
        progress=progress,
    )
