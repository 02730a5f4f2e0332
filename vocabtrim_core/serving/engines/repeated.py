"""Whether greedy answers to the same request are the same, and how near a tie where they are not.

Speculation must not change what is answered. Engines verify several tokens at once, which rounds
otherwise than one at a time, so a near tie may fall either way: the log-probabilities of the two
tokens at the first difference tell whether it was one.
"""

from __future__ import annotations

from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines.http import EngineHttp

NEAR = 0.5  # nats; bfloat16 has steps of 0.06 to 0.13 at logits of 10 to 30
MOST_GAPS = 16  # requests that ask for log-probabilities, in all

Request = tuple[Prompt, Generation]


class RepeatedAnswers:
    """Compares every answer with the first one to the same request."""

    def __init__(self) -> None:
        self._first: dict[Request, tuple[bytes, tuple[int, ...]]] = {}
        self._gaps: dict[Request, float] = {}
        self._compared = self._differed = 0

    def add(self, client: EngineHttp) -> None:
        """Compare the latest answers of a server, and forget them there.

        Args:
            client: The server.
        """
        for request, digest in client.digests.items():
            ids = client.ids.get(request, ())
            if request[1].temperature:
                continue
            first = self._first.setdefault(request, (digest, ids))
            if first[1] is ids and first[0] is digest:
                continue
            self._compared += 1
            if first[0] != digest:
                self._differed += 1
                self._measure_gap(client, request, first[1], ids)
        client.digests.clear()
        client.ids.clear()

    def _measure_gap(
        self, client: EngineHttp, request: Request, first: tuple[int, ...], second: tuple[int, ...]
    ) -> None:
        at = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
        if at is None or not request[0].ids or request in self._gaps:
            return
        if len(self._gaps) >= MOST_GAPS:
            return
        try:
            gap = client.gap((*request[0].ids, *first[:at]), first[at], second[at])
        except EngineError:  # what was measured stands without it
            return
        if gap is not None:
            self._gaps[request] = gap

    def notes(self) -> tuple[str, ...]:
        """Sentences for readers of the numbers; none where nothing was repeated."""
        if not self._compared:
            return ()
        if not self._differed:
            return (f"All {self._compared:,} repeated answers equal the same prompt's first.",)
        sentence = (
            f"{self._differed:,} of {self._compared:,} repeated answers differ from the same "
            "prompt's first; greedy answers can, where two tokens are nearly tied."
        )
        if not self._gaps:
            return (sentence,)
        largest = max(self._gaps.values())
        measured = (
            f"At the first difference the log-probabilities of the two tokens are at most "
            f"{largest:.2g} apart ({len(self._gaps)} measured)"
        )
        ending = "." if largest <= NEAR else ": that is no near tie, so check draft and engine."
        return sentence, measured + ending
