"""One vLLM server over HTTP, as recorded from vLLM 0.32.0.

Prompts go to /v1/completions as token ids. Acceptance comes from the block of each request where
the server has --per-request-spec-decode-metrics, else from the differences of its counters. The
block's own mean_acceptance_length is 1 + accepted / steps, as ours.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines import counters
from vocabtrim_core.serving.engines.counters import Counters
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.recognition import TITLES, VLLM
from vocabtrim_core.serving.engines.served import Served, Value
from vocabtrim_core.serving.engines.wire import of_first_token, short
from vocabtrim_core.serving.measurement import Answer

CONFIG = "/server_info?config_format=json"  # in development mode only
# Settings that affect the numbers, by section of the configuration.
SECTIONS = {
    "model_config": ("dtype", "quantization", "max_model_len", "enforce_eager"),
    "cache_config": ("cache_dtype", "gpu_memory_utilization", "enable_prefix_caching"),
    "parallel_config": ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"),
    "scheduler_config": ("max_num_seqs", "max_num_batched_tokens"),
    "device_config": ("device_type",),
}
TOP = 20  # log-probabilities that are asked for, the most that vLLM gives by default


class _Speculation(msgspec.Struct):
    num_spec_steps: int
    acceptance_histogram: list[int] = []


class _Metrics(msgspec.Struct):
    speculative_decoding: _Speculation | None = None


class _Choice(msgspec.Struct):
    text: str = ""
    token_ids: list[int] | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    completion_tokens: int


class _Event(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    metrics: _Metrics | None = None
    error: Any = None


class VllmHttp(EngineHttp):
    """The connections to one vLLM server; see `EngineHttp`."""

    engine: ClassVar[str] = VLLM
    title: ClassVar[str] = TITLES[VLLM]
    recorded: ClassVar[tuple[str, ...]] = ("0.32.0",)
    _model = ""

    def read(self) -> Served:
        """See `EngineHttp.read`; draft and steps are known in development mode only."""
        models = self.get("/v1/models").get("data")
        try:
            model: Mapping[str, Any] = models[0]  # type: ignore[index]
            self._model = str(model["id"])
            target = str(model.get("root") or self._model)
        except (TypeError, KeyError, IndexError) as error:
            raise EngineError(f"{self.url} is no vLLM server: it lists no model.") from error
        version = str(self.get("/version").get("version") or "of unknown version")
        drafting, arguments, tokenizer = self._configuration()
        if drafting is None:
            before = counters.parse(self.text("/metrics"))
            positions = before.get(f"vllm:{counters.PER_POSITION}", {})
            steps, algorithm, draft = len(positions), "unknown" if positions else "", ""
        else:
            steps = int(drafting.get("num_speculative_tokens") or 0)
            algorithm, draft = str(drafting.get("method") or ""), str(drafting.get("model") or "")
        if not self.healthy():
            raise EngineError(f"{self.url} is a vLLM server, but not ready: it starts or ends.")
        return Served(
            self.url,
            version,
            target,
            tokenizer or target,
            algorithm,
            draft,
            steps,
            1 if steps else 0,
            steps + 1 if steps else 0,
            arguments=arguments,
            engine=self.title,
        )

    def _configuration(self) -> tuple[Mapping[str, Any] | None, dict[str, Value], str]:
        """Speculation (None where not told), settings by name, and the tokenizer."""
        try:
            config = self.get(CONFIG)["vllm_config"]
            settings: dict[str, Value] = {}
            for section, names in SECTIONS.items():
                for name in names:
                    value = (config.get(section) or {}).get(name)
                    if isinstance(value, str | int | float | bool):
                        settings[name] = value
            tokenizer = str((config.get("model_config") or {}).get("tokenizer") or "")
            return config.get("speculative_config") or {}, settings, tokenizer
        except (EngineError, KeyError, AttributeError):
            return None, {}, ""

    def flush(self) -> None:
        """Empty the prefix cache where the server allows it (development mode), else note it."""
        with self.explained("/reset_prefix_cache"):
            reply = self._client.post("/reset_prefix_cache")
        if reply.status_code == 404:
            note = (
                f"The prefix cache of {self.url} was not emptied between runs (vLLM does that in "
                "development mode only): prompts that it answered before start from it."
            )
            self.notes[note] = None
            return
        self.check(reply, "/reset_prefix_cache")

    def counters(self) -> Counters | None:
        """See `EngineHttp.counters`."""
        return counters.read(self.text("/metrics"), "vllm")

    def generate(self, prompt: Prompt, generation: Generation, stop: threading.Event) -> Answer:
        """See `EngineHttp.generate`."""
        body = {
            "model": self._model,
            "prompt": list(prompt.ids) or prompt.text,
            "temperature": generation.temperature,
            "max_tokens": generation.max_new_tokens,
            "ignore_eos": generation.ignore_eos,
            "return_token_ids": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        first_s, pieces, ended = None, list[bytes](), False
        began = time.perf_counter()
        for data in self.stream("/v1/completions", body, stop):
            if data == b"[DONE]":
                ended = True
                break
            first_s = first_s or time.perf_counter() - began
            pieces.append(data)
        seconds = time.perf_counter() - began
        events = self.events(pieces, _Event)
        if error := next((event.error for event in events if event.error is not None), None):
            raise EngineError(f"{self.url} failed while it answered: {short(str(error))}.")
        choices = [choice for event in events for choice in event.choices]
        usage = events[-1].usage if events else None
        if not ended or usage is None or not any(choice.finish_reason for choice in choices):
            raise EngineError(f"{self.url} broke an answer off before its end.")
        ids = [i for choice in choices for i in choice.token_ids or ()]
        first_s = of_first_token(first_s, sum(len(c.token_ids or ()) for c in events[0].choices))
        self.note_answer(prompt, generation, "".join(choice.text for choice in choices), ids)
        metrics = events[-1].metrics
        block = metrics.speculative_decoding if metrics else None
        if block is None:
            return Answer(usage.completion_tokens, seconds, first_s)
        accepted = tuple(block.acceptance_histogram)
        return Answer(usage.completion_tokens, seconds, first_s, block.num_spec_steps, accepted)

    def gap(self, ids: Sequence[int], one: int, other: int) -> float | None:
        """See `EngineHttp.gap`."""
        body = {
            "model": self._model,
            "prompt": list(ids),
            "temperature": 0,
            "max_tokens": 1,
            "logprobs": TOP,
            "return_tokens_as_token_ids": True,
        }
        try:
            top = self.post("/v1/completions", body)["choices"][0]["logprobs"]["top_logprobs"][0]
            values = {int(name.rpartition(":")[2]): float(value) for name, value in top.items()}
        except (LookupError, TypeError, ValueError, AttributeError):
            return None
        return abs(values[one] - values[other]) if {one, other} <= set(values) else None
