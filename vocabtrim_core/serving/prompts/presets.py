"""Benchmarks that drafts are measured on, by name: the five of the paper and its two tasks.

They come from the hub, so they need internet the first time.
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
    """What a benchmark's prompts are. title: as the paper names it.  instruction: said before them.

    note: how they differ from what the paper measured on.
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
            ColumnMapping("prompt_response", prompt="text", response="text"),  # it has no answers
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
    """A benchmark and its rows. InputError without internet, unless it was fetched before."""
    from vocabtrim_core.corpora.hub import fetch_hub

    preset = PROMPT_PRESETS[name]
    found = preset.dataset
    return preset, fetch_hub(
        found.dataset,
        config=found.config,
        split=found.split,
        limit=limit,
        mapping=found.mapping,
        progress=progress,
    )
