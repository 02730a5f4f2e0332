"""A model card for a draft with this vocabulary: Markdown with the hub's front matter."""

from __future__ import annotations

import json
import re

import vocabtrim_core
from vocabtrim_core.drafts.slicing import SlicedDraft
from vocabtrim_core.exports import FORMATS
from vocabtrim_core.report import phrasing
from vocabtrim_core.report.data import ReportData
from vocabtrim_core.wording import megabytes, percent

TAGS = ("eagle3", "speculative-decoding", "draft-model", "vocabulary-trimming")
SERVED = ("sglang-eagle3", "vllm", "tensorrt-llm", "llama-cpp")


def model_card(
    data: ReportData, *, sliced: SlicedDraft | None = None, target: str = "", licence: str = ""
) -> str:
    """Write the README.md of a draft.

    Args:
        data: The content of the report.
        sliced: The record of a head that was cut without training, None for a trained draft.
        target: Hub id of the target model, "" to name the draft architecture instead.
        licence: An identifier that the hub knows, such as llama3.1. It is the target's and the
            draft's, so it is never guessed.

    Returns:
        Markdown with the hub's front matter.
    """
    name = target or data.opened.tradeoff.architecture.name
    parts = [
        _front_matter(target, licence),
        f"# EAGLE-3 draft of {text(name)} with {data.chosen.k:,} tokens",
        _lead(data, sliced),
        "## Vocabulary",
        _numbers(data),
        _elsewhere(data),
        "## Use",
        _use(data),
        "## Limits",
        "\n".join(f"- {text(line)}" for line in phrasing.limits(data)[:2]),
        "## Provenance",
        _provenance(data, sliced),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def text(value: object) -> str:
    """Write a value from data as plain Markdown text on one line.

    Args:
        value: The value.

    Returns:
        Its text, with every character of Markdown's syntax escaped.
    """
    plain = re.sub(r"\s+", " ", str(value))
    return re.sub(r"([\\`*_{}\[\]<>#|~&!])", r"\\\1", plain)


def _front_matter(target: str, licence: str) -> str:
    lines = [f"license: {json.dumps(licence)}"] if licence else []
    lines += [f"base_model: {json.dumps(target)}"] if target else []
    lines += ["pipeline_tag: text-generation", "tags:", *(f"- {tag}" for tag in TAGS)]
    return "\n".join(["---", *lines, "---"])


def _lead(data: ReportData, sliced: SlicedDraft | None) -> str:
    lines = [text(line) for line in phrasing.verdict(data)]
    if sliced:
        lines.append(
            f"Its head was cut from {text(sliced.source['name'])} without training: the logits of "
            "kept tokens are unchanged, bit for bit, and the other tokens cannot be drafted."
        )
    return " ".join(lines)


def _numbers(data: ReportData) -> str:
    chosen, counts = data.chosen, data.inputs.counts
    counting = ", ".join(filter(None, (counts.provenance.rule, counts.provenance.turn_end)))
    rows = [
        ("Tokens kept", f"{chosen.k:,} of {data.full.k:,}"),
        ("Chosen on", f"{counts.name}, {counts.tokens:,} tokens, rule {counting}"),
        ("Coverage there (measured)", percent(chosen.choice.coverage, 2)),
        (
            "Draft FLOPs saved per step (estimated)",
            percent(chosen.choice.latency_reduction),
        ),
        ("LM head (estimated)", megabytes(chosen.head_bytes)),
    ]
    return "\n".join(["| | |", "|---|---|", *(f"| {text(a)} | {text(b)} |" for a, b in rows)])


def _elsewhere(data: ReportData) -> str:
    if not data.elsewhere:
        return ""
    lines = ["| Corpus | Tokens | Coverage | 95 % interval |", "|---|---:|---:|---:|"]
    for place in data.elsewhere:
        span = place.interval
        between = f"{percent(span.low)} to {percent(span.high)}" if span else ""
        lines.append(
            f"| {text(place.held.name)} | {place.held.tokens:,} | "
            f"{percent(place.held.coverage, 2)} | {between} |"
        )
    return "\n".join(lines)


def _use(data: ReportData) -> str:
    """Show the engines' own flags; `draft` means the folder of the card."""
    parts = []
    for name in SERVED:
        texts = FORMATS[name].texts(data.chosen.k)
        parts.append(f"{texts['title']}. {texts['limits']}\n\n```\n{texts['example']}\n```")
    return "\n\n".join(
        [
            "`draft` stands for this folder; `d2t` and `draft_vocab_size` in it name the tokens.",
            *parts,
        ]
    )


def _provenance(data: ReportData, sliced: SlicedDraft | None) -> str:
    provenance, choice = data.inputs.counts.provenance, data.inputs.choice
    lines = [
        f"- Vocabulary sha256 `{choice.vocabulary_sha256}`",
        f"- Counts key `{data.inputs.counts.key}`, tokenizer {text(provenance.tokenizer)} "
        f"sha256 `{provenance.tokenizer_sha256}`",
        f"- {text(phrasing.how_chosen(data))}",
    ]
    if sliced:
        files = ", ".join(
            f"{text(name)} sha256 `{entry['sha256'][:16]}`"
            for name, entry in sliced.source["files"].items()
        )
        lines.append(f"- Cut from {text(sliced.source['name'])}: {files}")
    lines.append(
        f"- Made by VocabTrim Explorer {vocabtrim_core.__version__}, after Ben Shoham, "
        "*Balancing Coverage and Draft Latency in Vocabulary Trimming*, arXiv 2603.05210"
    )
    return "\n".join(lines)
