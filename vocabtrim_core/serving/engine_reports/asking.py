"""Ask a server a few questions, so that there is something to judge a draft by."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import httpx
import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.acceptance_length import added
from vocabtrim_core.serving.engine_reports import sglang
from vocabtrim_core.serving.engine_reports.prometheus import ServerMetrics
from vocabtrim_core.serving.engine_reports.report import DraftCounts

QUESTIONS = (
    "Explain in a few sentences why leaves turn red in autumn.",
    "Write a function that reverses a list, and explain each line.",
    "Which steps does it take to repair a flat bicycle tyre?",
    "Summarise what a database index is for, with an example.",
    "Write a short letter that asks a landlord to mend a window.",
    "A train covers 120 km in 1.5 hours. How fast is it? Show the steps.",
    "Name five vegetables that grow in shade and say what they need.",
    "Describe the water cycle to a child of ten.",
)
TOKENS, SECONDS, SETTLE_SECONDS = 64, 300.0, 10.0


def ask(
    http: httpx.Client,
    module: ModuleType,
    model: str,
    answers: int,
    on_answer: Callable[[int], object] = lambda done: None,
) -> DraftCounts | None:
    """Have a server answer questions, greedily.

    Args:
        http: A client of the server.
        module: The module of its engine.
        model: Id of the model, for /v1.
        answers: How many questions; they repeat after eight.
        on_answer: Called with the number of answers so far.

    Returns:
        What was accepted in these answers (and in others' meanwhile, where the engine only counts
        all requests together); None where the engine does not tell.

    Raises:
        InputError: The server refuses or breaks off.
    """
    before, by_answer = _counts(http, module), list[DraftCounts]()
    for i in range(answers):
        question = QUESTIONS[i % len(QUESTIONS)]
        if module is sglang:
            by_answer += _counted(http, model, question)
        else:
            _completed(http, model, question)
        on_answer(i + 1)
    if module is sglang:
        return sum_of(by_answer)
    until = time.monotonic() + SETTLE_SECONDS
    while True:  # counters are published once every few seconds
        now = _counts(http, module)
        since = now.since(before) if now and before else now
        if (since and since.verifications) or time.monotonic() > until:
            return since
        time.sleep(1)


def _counts(http: httpx.Client, module: ModuleType) -> DraftCounts | None:
    reply = _post_or_get(http, "GET", "/metrics", None)
    return module.counts(ServerMetrics.of(reply.text)) if reply.is_success else None


def _completed(http: httpx.Client, model: str, question: str) -> None:
    common = {"model": model, "max_tokens": TOKENS, "temperature": 0, "cache_prompt": False}
    message = {"role": "user", "content": question}
    reply = _post_or_get(http, "POST", "/v1/chat/completions", {**common, "messages": [message]})
    if reply.status_code in (400, 404, 422):  # a model without a chat template
        reply = _post_or_get(http, "POST", "/v1/completions", {**common, "prompt": question})
    _checked(http, reply)


def _counted(http: httpx.Client, model: str, question: str) -> list[DraftCounts]:
    """SGLang counts by position only in what it tells beside an answer."""
    message = {"role": "user", "content": question}
    asked = {"model": model, "messages": [message], "max_tokens": TOKENS, "temperature": 0}
    reply = _post_or_get(http, "POST", "/v1/chat/completions", {**asked, "return_meta_info": True})
    answer = _object(http, reply) if reply.is_success else {}
    choices = answer.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else {}
    meta = first.get("meta_info") if isinstance(first, dict) else None
    if meta is None:  # a model without a chat template, or a version that does not tell it there
        sampling = {"temperature": 0, "max_new_tokens": TOKENS}
        body = {"text": question, "sampling_params": sampling}
        reply = _checked(http, _post_or_get(http, "POST", "/generate", body))
        meta = _object(http, reply).get("meta_info")
    if not isinstance(meta, dict):
        raise InputError(
            f"{http.base_url}generate answers with something else than SGLang does; check the URL."
        )
    counted = of_meta(meta)
    return [counted] if counted else []


def _object(http: httpx.Client, reply: httpx.Response) -> dict[str, Any]:
    try:
        return msgspec.json.decode(reply.content, type=dict)
    except msgspec.DecodeError as error:
        raise InputError(
            f"{str(http.base_url).rstrip('/')}{reply.request.url.path} answers with something else "
            "than SGLang does; check the URL."
        ) from error


def of_meta(meta: Any) -> DraftCounts | None:
    """What SGLang tells of one answer.

    Args:
        meta: Its meta_info.

    Returns:
        Its sums; None where nothing was drafted.
    """
    verifications = meta.get("spec_verify_ct")
    histogram = meta.get("spec_correct_drafts_histogram") or meta.get("spec_accept_histogram")
    if not verifications or not histogram:
        return None
    accepted = sum(tokens * times for tokens, times in enumerate(histogram))
    reached = tuple(sum(histogram[i:]) for i in range(1, len(histogram)))
    return DraftCounts(verifications, accepted, meta.get("spec_num_proposed_drafts"), reached)


def sum_of(parts: list[DraftCounts]) -> DraftCounts | None:
    """Add answers whose histograms end with the last position that was reached.

    Args:
        parts: Sums of each answer.

    Returns:
        Their sums; None for no answers.
    """
    if not parts:
        return None
    drafted = [part.drafted for part in parts if part.drafted is not None]
    return DraftCounts(
        sum(part.verifications for part in parts),
        sum(part.accepted for part in parts),
        sum(drafted) if len(drafted) == len(parts) else None,
        added(part.reached for part in parts),
    )


def _post_or_get(http: httpx.Client, verb: str, path: str, body: Any) -> httpx.Response:
    try:
        return http.request(verb, path, json=body, timeout=SECONDS)
    except httpx.HTTPError as error:
        raise InputError(
            f"{str(http.base_url).rstrip('/')}{path} broke off ({type(error).__name__}); look at "
            "the server's log."
        ) from error


def _checked(http: httpx.Client, reply: httpx.Response) -> httpx.Response:
    if not reply.is_success:
        raise InputError(
            f"{str(http.base_url).rstrip('/')}{reply.request.url.path} answers HTTP "
            f"{reply.status_code} to a question; look at the server's log, or leave --answers out."
        )
    return reply
