"""Counters that servers publish at /metrics, and what a run added to them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.measurement import Counted

POLL_SECONDS = 0.05
SETTLE_SECONDS = 3.0  # the longest that counters may lag behind an answer

LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? ([-+.\deE]+|NaN)(?: \d+)?$", re.MULTILINE)
POSITION = re.compile(r'position="(\d+)"')
TOKENS = {
    "vllm": "generation_tokens_total",
    "llamacpp": "tokens_predicted_total",
    "sglang": "generation_tokens_total",  # of requests that are done
}
DRAFTS, DRAFTED, ACCEPTED, PER_POSITION = (
    f"spec_decode_num_{name}_total"
    for name in ("drafts", "draft_tokens", "accepted_tokens", "accepted_tokens_per_pos")
)


@dataclass(frozen=True, slots=True)
class Counters:
    """What a server has counted since its start.

    Attributes:
        tokens: Tokens that it generated, for everybody.
        drafts: Cycles with a draft, that is verifications.
        accepted: Drafted tokens that were accepted.
        per_position: Cycles whose token at draft position 1, 2, … was accepted.
    """

    tokens: int = 0
    drafts: int = 0
    accepted: int = 0
    per_position: tuple[int, ...] = ()

    def since(self, earlier: Counters) -> Counters:
        """What was added since.

        Args:
            earlier: Counters of the same server at an earlier time.

        Returns:
            The differences; negative ones mean that the server was started anew.
        """
        before = (*earlier.per_position, *[0] * len(self.per_position))
        return Counters(
            self.tokens - earlier.tokens,
            self.drafts - earlier.drafts,
            self.accepted - earlier.accepted,
            tuple(now - then for now, then in zip(self.per_position, before, strict=False)),
        )

    def counted(self) -> Counted:
        """Verifications and their histogram, from differences of a run.

        Returns:
            Counts; without verifications where nothing was drafted, and without a histogram where
            the positions do not add up.
        """
        if not self.drafts:
            return Counted()
        reached = (self.drafts, *self.per_position, 0)
        histogram = tuple(a - b for a, b in pairwise(reached))
        sound = min(histogram) >= 0 and sum(self.per_position) == self.accepted
        return Counted(self.drafts, histogram if sound else ())


def parse(text: str) -> dict[str, dict[str, float]]:
    """Read a /metrics page in the text format of Prometheus.

    Args:
        text: The page.

    Returns:
        Values by name and labels, as {"vllm:num_requests_running": {'model_name="m"': 0.0}}.
    """
    values: dict[str, dict[str, float]] = {}
    for name, labels, value in LINE.findall(text):
        values.setdefault(name, {})[labels] = float(value)
    return values


def read(text: str, prefix: str) -> Counters | None:
    """Read the counters of speculation; those of several engines or models are added.

    Args:
        text: A /metrics page.
        prefix: A key of TOKENS.

    Returns:
        The counters; None where the page has none of this prefix.
    """
    values = parse(text)
    tokens = values.get(f"{prefix}:{TOKENS[prefix]}")
    if tokens is None:
        return None

    def total(name: str) -> int:
        return round(sum(values.get(f"{prefix}:{name}", {}).values()))

    by_position = _by_position(values.get(f"{prefix}:{PER_POSITION}", {}))
    return Counters(round(sum(tokens.values())), total(DRAFTS), total(ACCEPTED), by_position)


def added_by(
    own: int, before: Counters, read_again: Callable[[], Counters | None], url: str
) -> Counters:
    """What answers added to the counters of a server, which may lag behind.

    Args:
        own: Tokens of these answers.
        before: The counters before them.
        read_again: Reads the counters now.
        url: URL of the server.

    Returns:
        The differences.

    Raises:
        EngineError: The server generated tokens for others meanwhile, or was started anew.
    """
    until = time.monotonic() + SETTLE_SECONDS
    while True:
        added = (read_again() or Counters()).since(before)
        if added.tokens >= own or time.monotonic() > until:
            break
        time.sleep(POLL_SECONDS)
    if added.tokens > own:
        raise EngineError(
            f"{url} generated {added.tokens:,} tokens while it answered with {own:,}: it serves "
            "others too, so neither times nor acceptance are those of these prompts; measure a "
            "server that is idle."
        )
    if added.tokens < own or min(added.drafts, added.accepted, *added.per_position, 0) < 0:
        raise EngineError(f"{url} was started anew, or does not count what it answers.")
    return added


def wait_until_idle(busy: Callable[[], bool], url: str) -> None:
    """Make sure that a server has nothing left to do once it has answered everything.

    Args:
        busy: Whether it works on a request now.
        url: Its URL.

    Raises:
        EngineError: It works on, so it does so for others.
    """
    until = time.monotonic() + SETTLE_SECONDS
    while busy():
        if time.monotonic() > until:
            raise EngineError(
                f"{url} works on requests of others, so neither times nor acceptance are those of "
                "these prompts alone; measure a server that is idle."
            )
        time.sleep(POLL_SECONDS)


def _by_position(values: Mapping[str, float]) -> tuple[int, ...]:
    sums: dict[int, float] = {}
    for labels, value in values.items():
        if match := POSITION.search(labels):
            position = int(match[1])
            sums[position] = sums.get(position, 0) + value
    return tuple(round(sums.get(i, 0)) for i in range(max(sums, default=-1) + 1))
