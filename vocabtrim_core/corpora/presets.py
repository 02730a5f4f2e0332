"""Datasets of the hub that people train and measure drafts on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vocabtrim_core.corpora.schema import ColumnMapping


@dataclass(frozen=True, slots=True)
class DatasetPreset:
    """Where a dataset is and how it is read.

    Attributes:
        title: Name and size, to show.
        dataset: Id on the hub.
        split: Split that is read.
        mapping: Which columns hold the conversation.
        licence: What the dataset's page states; texts inside may have terms of their own.
        config: Configuration on the hub, None for the default.
        responses: Whether it has assistant text to count.
        note: Remark to show, "" for none.
    """

    title: str
    dataset: str
    split: str
    mapping: ColumnMapping
    licence: str
    config: str | None = None
    responses: bool = True
    note: str = ""


_SHAREGPT = ColumnMapping(
    "conversation", conversation="conversations", role="from", content="value"
)

DATASET_PRESETS: dict[str, DatasetPreset] = {
    "open-perfectblend": DatasetPreset(
        "Open-PerfectBlend (1.42 M conversations)",
        "mlabonne/open-perfectblend",
        "train",
        replace(_SHAREGPT, domain="source"),
        "apache-2.0",
        note="The blend the paper trains on: chat, instructions, mathematics, code.",
    ),
    "ultrachat": DatasetPreset(
        "UltraChat 200k (208 k conversations)",
        "HuggingFaceH4/ultrachat_200k",
        "train_sft",
        ColumnMapping("conversation", conversation="messages"),
        "mit",
    ),
    "sharegpt": DatasetPreset(
        "ShareGPT, the unfiltered Vicuna set",
        "Aeala/ShareGPT_Vicuna_unfiltered",
        "train",
        _SHAREGPT,
        "apache-2.0",
    ),
    "mt-bench": DatasetPreset(
        "MT-Bench (80 two-turn prompts)",
        "HuggingFaceH4/mt_bench_prompts",
        "train",
        ColumnMapping("prompt_response", prompt="prompt", response="reference", domain="category"),
        "apache-2.0",
        responses=False,
        note="Prompts only: answers must be generated with the target model before anything can be "
        "counted. Its few reference answers are for judges and are not assistant text.",
    ),
    "gsm8k": DatasetPreset(
        "GSM8K test (1,319 problems)",
        "openai/gsm8k",
        "test",
        ColumnMapping("prompt_response", prompt="question", response="answer"),
        "mit",
        config="main",
        note="Answers were written by people, so their words differ from a model's.",
    ),
    "humaneval": DatasetPreset(
        "HumanEval (164 functions)",
        "openai/openai_humaneval",
        "test",
        ColumnMapping("prompt_response", prompt="prompt", response="canonical_solution"),
        "mit",
        note="Responses are bare function bodies, without the words a model puts around code.",
    ),
    "math-500": DatasetPreset(
        "MATH-500 (500 problems)",
        "HuggingFaceH4/MATH-500",
        "test",
        ColumnMapping("prompt_response", prompt="problem", response="solution", domain="subject"),
        "unknown: see the dataset's page",
        note="Solutions were written by people.",
    ),
    "aime-2024": DatasetPreset(
        "AIME 2024 (30 problems)",
        "Maxwell-Jia/AIME_2024",
        "train",
        ColumnMapping("prompt_response", prompt="Problem", response="Solution"),
        "mit",
        note="Solutions were written by people.",
    ),
    "aime-2025": DatasetPreset(
        "AIME 2025 (30 problems)",
        "math-ai/aime25",
        "test",
        ColumnMapping("prompt_response", prompt="problem", response="answer"),
        "apache-2.0",
        responses=False,
        note="The answers are bare numbers: generate solutions with the target model first.",
    ),
}
