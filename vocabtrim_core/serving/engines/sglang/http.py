"""One SGLang server over HTTP: read its settings, empty its cache, and send it prompts.

The protocol is as recorded from SGLang 0.5.14 and 0.5.23: /server_info, /health, /flush_cache, and
/generate as a stream of events whose texts are cumulative and whose last one has the counts. The
counts are spec_verify_ct and, by tokens accepted, a histogram of verifications; the server's own
spec_accept_length (all tokens over verifications) is not read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines import counters
from vocabtrim_core.serving.engines.counters import Counters
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.recognition import METRICS, SGLANG, TITLES
from vocabtrim_core.serving.engines.served import Served
from vocabtrim_core.serving.engines.sglang import server_info
from vocabtrim_core.serving.engines.wire import of_first_token, short
from vocabtrim_core.serving.measurement import Answer

FLUSH_SECONDS = 60.0  # the longest wait for other requests of a server
POLL_SECONDS = 0.25
FLUSH, BUSY = "/flush_cache", 400  # its answer while it works on a request


class _Meta(msgspec.Struct):
    completion_tokens: int
    finish_reason: dict[str, Any] | None = None
    spec_verify_ct: int | None = None
    spec_correct_drafts_histogram: list[int] | None = None
    spec_accept_histogram: list[int] | None = None  # its name before 0.5.14


class _Event(msgspec.Struct):
    meta_info: _Meta | None = None
    text: str = ""
    output_ids: list[int] = []
    error: Any = None


class SglangHttp(EngineHttp):
    """The connections to one SGLang server; see `EngineHttp`."""

    engine: ClassVar[str] = SGLANG
    title: ClassVar[str] = TITLES[SGLANG]
    recorded: ClassVar[tuple[str, ...]] = server_info.RECORDED
    _has_metrics = True

    def read(self) -> Served:
        """See `EngineHttp.read`."""
        return server_info.read(self)

    def flush(self) -> None:
        """Empty the prefix cache, once other requests are done.

        Raises:
            EngineError: The server does not answer, or is busy for more than 60 s.
        """
        until = time.monotonic() + min(FLUSH_SECONDS, self.stall)
        while self.busy():
            if time.monotonic() > until:
                raise EngineError(f"{self.url} does not flush its cache: it is busy with others.")
            time.sleep(POLL_SECONDS)

    def busy(self) -> bool:
        """See `EngineHttp.busy`: it refuses to flush its cache while it works on a request."""
        with self.explained(FLUSH):
            reply = self._client.post(FLUSH)
        if reply.status_code == BUSY:
            return True
        self.check(reply, FLUSH)
        return False

    def counters(self) -> Counters | None:
        """See `EngineHttp.counters`; tokens alone, since each answer has its verifications."""
        if not self._has_metrics:
            return None
        try:
            return counters.read(self.text(METRICS), SGLANG) or Counters()  # none before the first
        except EngineError as error:
            if "HTTP 404" not in str(error):
                raise
            self._has_metrics = False
            note = (
                f"{self.url} has no /metrics, so requests of others that it finished during a run "
                "are not seen; start it with `--enable-metrics`."
            )
            self.notes[note] = None
            return None

    def generate(self, prompt: Prompt, generation: Generation, stop: threading.Event) -> Answer:
        """See `EngineHttp.generate`."""
        source = {"input_ids": prompt.ids} if prompt.ids else {"text": prompt.text}
        parameters = {
            "temperature": generation.temperature,
            "max_new_tokens": generation.max_new_tokens,
            "ignore_eos": generation.ignore_eos,
        }
        body = {**source, "sampling_params": parameters, "stream": True}
        first_s, first, last, ended = None, b"", b"", False
        began = time.perf_counter()
        # Only the first and the last event are decoded. The texts are cumulative, and decoding all
        # of them would make this client the bottleneck at high concurrency.
        for data in self.stream("/generate", body, stop):
            if data == b"[DONE]":
                ended = True
                break
            first_s, first = first_s or time.perf_counter() - began, first or data
            last = data
        seconds = time.perf_counter() - began
        begins = self._event(first).meta_info
        first_s = of_first_token(first_s, begins.completion_tokens if begins else 0)
        return self._answer(prompt, generation, last, ended, seconds, first_s)

    def gap(self, ids: Sequence[int], one: int, other: int) -> float | None:
        """See `EngineHttp.gap`."""
        body = {
            "input_ids": list(ids),
            "sampling_params": {"temperature": 0, "max_new_tokens": 1},
            "return_logprob": True,
            "token_ids_logprob": [one, other],
        }
        try:
            told = self.post("/generate", body)["meta_info"]["output_token_ids_logprobs"][0]
            values = {int(entry[1]): float(entry[0]) for entry in told}
        except (LookupError, TypeError, ValueError):
            return None
        return abs(values[one] - values[other]) if {one, other} <= set(values) else None

    def _answer(
        self,
        prompt: Prompt,
        generation: Generation,
        last: bytes,
        ended: bool,
        seconds: float,
        first_s: float | None,
    ) -> Answer:
        event = self._event(last)
        if event.error is not None:
            raise EngineError(f"{self.url} failed while it answered: {short(str(event.error))}.")
        meta = event.meta_info
        if meta is None or not ended or meta.finish_reason is None:
            raise EngineError(f"{self.url} broke an answer off before its end.")
        if meta.finish_reason.get("type") == "abort":
            reason = meta.finish_reason.get("message") or "no reason given"
            raise EngineError(f"{self.url} aborted an answer: {short(str(reason))}.")
        # The ids are of all the answer, unless the server was told to send the new ones alone.
        whole = len(event.output_ids) == meta.completion_tokens
        self.note_answer(prompt, generation, event.text, event.output_ids if whole else ())
        accepted = meta.spec_correct_drafts_histogram or meta.spec_accept_histogram or ()
        return Answer(meta.completion_tokens, seconds, first_s, meta.spec_verify_ct, (*accepted,))

    def _event(self, data: bytes) -> _Event:
        try:
            return msgspec.json.decode(data, type=_Event) if data else _Event()
        except msgspec.DecodeError as error:
            raise EngineError(f"{self.url}/generate answers garbage: {error}.") from error
