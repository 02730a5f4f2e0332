"""What llama.cpp's server tells of each answer: in the answer itself (`timings`) or in its log.

    "timings": {"prompt_ms", "predicted_n", "predicted_ms", "draft_n", "draft_n_accepted"}
    print_timing: ... eval time = 2947.89 ms / 64 tokens
    print_timing: ... draft acceptance = 0.11594 ( 16 accepted / 138 generated), mean len = 1.34

Neither has the number of verifications, from which an acceptance length follows; it is computed.
Checked against answers and logs recorded from llama.cpp of October 2026 (xllamacpp 2026.10.11549).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from vocabtrim_core.serving.engine_reports.report import DraftCounts

MARK = " print_timing: id"
TASK = r"print_timing: id +\d+ \| task (?P<task>\d+) \| +"
TIMED = re.compile(
    TASK + r"(?P<prompt>prompt )?eval time = +(?P<ms>[\d.]+) ms / +(?P<tokens>\d+) (?:tokens|runs)"
)
ACCEPTED = re.compile(
    TASK + r"draft acceptance (?:rate )?= [\d.]+ "
    r"\( *(?P<accepted>\d+) accepted / +(?P<drafted>\d+) generated\)"
    r"(?:, mean len = +(?P<length>[\d.]+))?"
)
HALF = 0.005  # of the last digit of `mean len`


@dataclass(frozen=True, slots=True)
class LlamaAnswer:
    """One answer of llama.cpp's server.

    Attributes:
        tokens: Tokens of the answer; None where a log begins after they were told.
        prompt_ms: Time until the first token, milliseconds.
        eval_ms: Time of the tokens, milliseconds.
        drafted: Drafted tokens, None without a draft.
        accepted: Drafted tokens that were accepted.
        length: 1 + accepted / drafts with two decimals, from a log; None where unknown.
    """

    tokens: int | None
    prompt_ms: float = 0.0
    eval_ms: float = 0.0
    drafted: int | None = None
    accepted: int = 0
    length: float | None = None


def answers_in_log(text: str) -> list[LlamaAnswer]:
    """The answers of a log.

    Args:
        text: The log.

    Returns:
        The answers, in the order in which they ended.
    """
    times: dict[str, dict[bool, tuple[float, int]]] = {}
    drafts: dict[str, re.Match[str]] = {}
    for match in TIMED.finditer(text):
        part = (float(match["ms"]), int(match["tokens"]))
        times.setdefault(match["task"], {})[bool(match["prompt"])] = part
    for match in ACCEPTED.finditer(text):
        drafts[match["task"]] = match
    answers = list[LlamaAnswer]()
    for task in dict.fromkeys((*times, *drafts)):
        told, draft = times.get(task, {}), drafts.get(task)
        eval_ms, tokens = told.get(False, (0.0, None))
        answers.append(
            LlamaAnswer(
                tokens,
                told.get(True, (0.0, 0))[0],
                eval_ms,
                int(draft["drafted"]) if draft else None,
                int(draft["accepted"]) if draft else 0,
                float(draft["length"]) if draft and draft["length"] else None,
            )
        )
    return answers


def deepest(answers: Sequence[LlamaAnswer]) -> int | None:
    """The most tokens that one draft had, as far as the answers show it.

    Args:
        answers: The answers.

    Returns:
        The smallest K that explains every answer; None where none has a draft.
    """
    # One more verification than tokens tell: a limit may have cut all that the last one gave.
    least = [
        -(-answer.drafted // max(1, answer.tokens - answer.accepted))
        for answer in answers
        if answer.tokens is not None and answer.drafted is not None
    ]
    drafted = any(answer.drafted is not None for answer in answers)
    return max([1, *least]) if drafted else None


def counts_of(answers: Sequence[LlamaAnswer]) -> list[DraftCounts]:
    """The sums of each answer with a draft.

    Args:
        answers: The answers.

    Returns:
        The sums, with computed numbers of verifications.
    """
    most = deepest(answers) or 1
    return [
        DraftCounts(verifications(answer, most), answer.accepted, answer.drafted, estimated=True)
        for answer in answers
        if answer.drafted is not None
    ]


def verifications(answer: LlamaAnswer, most: int) -> int:
    """The verifications of one answer.

    Each gives the accepted tokens and one more, and the first token of an answer comes from the
    prompt: so there are tokens - 1 - accepted, but for a limit or an end that cut the last one off,
    and for steps without a draft. `mean len` bounds it by its rounding.

    Args:
        answer: The answer.
        most: The most drafted tokens of one verification.

    Returns:
        The number of verifications: at least drafted / most, so that 1 + accepted / verifications
        lies within 1..most + 1.
    """
    fewest = -(-(answer.drafted or 0) // most)
    counted = fewest if answer.tokens is None else answer.tokens - 1 - answer.accepted
    if answer.length is not None and answer.accepted:
        low = math.ceil(answer.accepted / (answer.length - 1 + HALF))
        rounded_down = answer.length - 1 - HALF
        high = math.floor(answer.accepted / rounded_down) if rounded_down > 0 else counted
        counted = min(max(counted, low), max(high, low))
    return max(fewest, counted)
