"""One server of llama.cpp over HTTP, as recorded from llama.cpp of October 2026.

Prompts go to /completion as token ids. The server counts verifications and acceptance by position
at /metrics; an answer tells drafted and accepted tokens only. Nothing tells the draft's file or
its size, and only an answer says whether one is in use.
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
from vocabtrim_core.serving.engines.recognition import LLAMA_CPP, TITLES
from vocabtrim_core.serving.engines.served import Served, Value
from vocabtrim_core.serving.engines.wire import of_first_token, short
from vocabtrim_core.serving.measurement import Answer

TYPES = "speculative.types"
TRIED_TOKENS = 6  # of an answer that tells whether and how far the server drafts
PROCESSING = "llamacpp:requests_processing"
TOP = 50  # log-probabilities that are asked for


class _Timings(msgspec.Struct):
    draft_n: int = 0
    draft_n_accepted: int = 0


class _Event(msgspec.Struct):
    content: str = ""
    tokens: list[int] = []
    stop: bool = False
    tokens_predicted: int = 0
    timings: _Timings | None = None
    error: Any = None


class LlamaHttp(EngineHttp):
    """The connections to one server of llama.cpp; see `EngineHttp`."""

    engine: ClassVar[str] = LLAMA_CPP
    title: ClassVar[str] = TITLES[LLAMA_CPP]
    keeps_connections: ClassVar[bool] = False  # it closes some of them without a word
    _has_metrics = True

    def read(self) -> Served:
        """See `EngineHttp.read`; asks for a few tokens, which alone tell of a draft."""
        props = self.get("/props")
        if "default_generation_settings" not in props:
            raise EngineError(f"{self.url} is no llama.cpp server: /props names no settings.")
        if not self.healthy():
            raise EngineError(f"{self.url} is a llama.cpp server, but not ready.")
        body = {"prompt": [1], "n_predict": TRIED_TOKENS, "temperature": 0, "ignore_eos": True}
        answer = self.post("/completion", {**body, "cache_prompt": False})
        types = str((answer.get("generation_settings") or {}).get(TYPES) or "none")
        drafts = types not in ("none", "")
        added = self.counters()
        steps = len(added.per_position) if drafts and added else 0
        target = str(props.get("model_path") or props.get("model_alias") or "")
        settings = props.get("default_generation_settings") or {}
        arguments: dict[str, Value] = {
            "context_length": settings.get("n_ctx"),
            "slots": props.get("total_slots"),
            "weights": props.get("model_ftype"),
        }
        return Served(
            self.url,
            str(props.get("build_info") or "of unknown version"),
            target,
            target,
            types if drafts else "",
            steps=steps,
            topk=1 if drafts else 0,
            draft_tokens=steps + 1 if steps else 0,
            arguments={name: value for name, value in arguments.items() if value is not None},
            engine=self.title,
        )

    def flush(self) -> None:
        """Check that the server answers; requests do not use its prompt cache."""
        self.healthy()

    def counters(self) -> Counters | None:
        """See `EngineHttp.counters`; None where the server was started without --metrics."""
        if not self._has_metrics:
            return None
        try:
            return counters.read(self.text("/metrics"), "llamacpp")
        except EngineError as error:
            if "HTTP 501" not in str(error) and "HTTP 404" not in str(error):
                raise
            self._has_metrics = False
            note = (
                f"{self.url} has no /metrics, so acceptance by position is not known; start it "
                "with `--metrics`."
            )
            self.notes[note] = None
            return None

    def busy(self) -> bool:
        """See `EngineHttp.busy`: tokens are counted once a request is done."""
        if not self._has_metrics:
            return False
        return any(counters.parse(self.text("/metrics")).get(PROCESSING, {}).values())

    def generate(self, prompt: Prompt, generation: Generation, stop: threading.Event) -> Answer:
        """See `EngineHttp.generate`."""
        body = {
            "prompt": list(prompt.ids) or prompt.text,
            "n_predict": generation.max_new_tokens,
            "temperature": generation.temperature,
            "ignore_eos": generation.ignore_eos,
            "cache_prompt": False,
            "return_tokens": True,
            "stream": True,
            **({} if generation.temperature else {"top_k": 1}),
        }
        first_s, pieces = None, list[bytes]()
        began = time.perf_counter()
        for data in self.stream("/completion", body, stop):
            if data == b"[DONE]":
                break
            first_s = first_s or time.perf_counter() - began
            pieces.append(data)
        seconds = time.perf_counter() - began
        events = self.events(pieces, _Event)
        if error := next((event.error for event in events if event.error is not None), None):
            raise EngineError(f"{self.url} failed while it answered: {short(str(error))}.")
        if not events or not events[-1].stop or events[-1].timings is None:
            raise EngineError(f"{self.url} broke an answer off before its end.")
        last, ids = events[-1], [i for event in events for i in event.tokens]
        first_s = of_first_token(first_s, len(events[0].tokens))
        self.note_answer(prompt, generation, "".join(event.content for event in events), ids)
        # Each verification gives one token beside the accepted ones, the prefill the first of all.
        drafted = events[-1].timings.draft_n > 0
        verified = last.tokens_predicted - 1 - events[-1].timings.draft_n_accepted
        return Answer(last.tokens_predicted, seconds, first_s, verified if drafted else None)

    def gap(self, ids: Sequence[int], one: int, other: int) -> float | None:
        """See `EngineHttp.gap`."""
        body = {
            "prompt": list(ids),
            "n_predict": 1,
            "temperature": 0,
            "n_probs": TOP,
            "cache_prompt": False,
        }
        try:
            top = self.post("/completion", body)["completion_probabilities"][0]["top_logprobs"]
            values = {int(entry["id"]): float(entry["logprob"]) for entry in top}
        except (LookupError, TypeError, ValueError):
            return None
        return abs(values[one] - values[other]) if {one, other} <= set(values) else None
