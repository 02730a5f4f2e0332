"""Questions about the engine: which it is, what it does with the draft's logits, its cache."""

from __future__ import annotations

import re

from vocabtrim_core.serving.doctor.draft_facts import DraftFacts
from vocabtrim_core.serving.doctor.finding import Finding
from vocabtrim_core.serving.engine_reports import llama_cpp, sglang
from vocabtrim_core.serving.engine_reports.report import EngineReport

# The first release with pull request 53458, as the code of 0.29.0 to 0.32.0 shows.
WITHOUT_SCATTER = (0, 30)


def expected_engine(report: EngineReport, expected: str) -> Finding:
    """Whether it is the engine that the user takes it for.

    Args:
        report: What the server tells.
        expected: Name of the engine.

    Returns:
        The answer.
    """
    question = f"Is it {expected}?"
    name = f"{report.engine} {report.version}".strip()
    if report.engine.lower() == expected.lower():
        return Finding("engine", question, "yes", f"It is {name}.")
    return Finding(
        "engine",
        question,
        "no",
        f"It is {name}, by the fields of its answers.",
        f"Name it as {report.engine}, or give the address of the {expected} server.",
        fault=True,
    )


def scatter(report: EngineReport, facts: DraftFacts | None) -> Finding:
    """Whether the draft's logits are spread over all V tokens in every step.

    Args:
        report: What the server tells.
        facts: What the draft's folder says, None without one.

    Returns:
        The answer; a fault where it makes the draft at V slower too, so that a gain over it is
        overstated.
    """
    key, question = "scatter", "Are the draft's logits spread over all V tokens at each step?"
    if report.speculative is False:
        return Finding(key, question, "unknown", "There is no draft.")
    if report.engine == sglang.NAME:
        return Finding(key, question, "no", "SGLang maps the chosen ids, not the logits.")
    k, size = (facts.k, facts.vocab_size) if facts else (None, None)
    k, size = report.head_rows or k, size or report.vocab_size
    full = k is not None and size is not None and k >= size
    costs = "which takes a part of what trimming saves"
    if report.engine == llama_cpp.NAME:
        if full:
            return Finding(key, question, "no", "It has a row for each token.")
        return Finding(
            key, question, "yes", f"llama.cpp does so for every draft with a d2t, {costs}."
        )
    version = tuple(map(int, re.findall(r"\d+", report.version)[:2]))
    if len(version) < 2:
        return Finding(
            key,
            question,
            "unknown",
            "vLLM did so for every draft before 0.30.0; its version is not told here.",
            "Give the URL, or the log from its start on.",
        )
    if version < WITHOUT_SCATTER:
        return Finding(
            key,
            question,
            "yes",
            f"vLLM {report.version} does so for every draft, one of all V tokens too, so that "
            "trimming gains more against it than it would in a newer one.",
            "Measure with vLLM 0.30.0 or newer (its pull request 53458).",
            fault=True,
        )
    if full:
        return Finding(key, question, "no", f"vLLM {report.version} skips it for a draft at V.")
    return Finding(
        key,
        question,
        "yes" if k else "unknown",
        f"vLLM {report.version} does so for trimmed drafts alone, {costs}; one of all V tokens "
        "does without.",
        "" if k else "Name the draft's folder with --draft.",
    )


def prefix_cache(report: EngineReport) -> Finding:
    """Whether prompts that were seen before come from a cache.

    Args:
        report: What the server tells.

    Returns:
        The answer; neither is wrong.
    """
    key, question = "prefix_cache", "Is the prefix cache on?"
    if report.prefix_cache is None:
        by_request = report.engine == llama_cpp.NAME
        reason = (
            "llama.cpp decides it by request (cache_prompt, on unless a request says otherwise); "
            "nothing came from it so far."
            if by_request
            else f"{report.engine} does not tell it here."
        )
        remedy = "" if by_request else "Give the URL, or the log from its start on."
        return Finding(key, question, "unknown", reason, remedy)
    if not report.prefix_cache:
        return Finding(key, question, "no", "Every prompt is computed anew.")
    return Finding(
        key,
        question,
        "yes",
        "Prompts asked again start from it: acceptance stays, but times to the first token and "
        "tokens per second of repeated prompts are not those of new ones.",
    )
