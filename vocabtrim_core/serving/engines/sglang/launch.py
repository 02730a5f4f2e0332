"""SGLang on this machine, started and stopped for one configuration after the other.

It runs on the GPU, or on the CPU where its arguments ask for that. SGLang's pinned dependencies
need an environment of their own, so it is run by an interpreter that the user names (see
`engines.programs`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import NUMBER, REPEATED, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.serving import hardware
from vocabtrim_core.serving.engines.connection import STALL_SECONDS
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.launched import HOST, READY_SECONDS, Launched
from vocabtrim_core.serving.engines.programs import SGLANG, engine_command, probe
from vocabtrim_core.serving.engines.served import Value
from vocabtrim_core.serving.engines.sglang.http import SglangHttp
from vocabtrim_core.serving.measurement import Configuration

MEMORY = "of GPU memory for weights and KV cache"
CONTEXT = "tokens of a prompt and its answer (default: the target's)"
EXTRA = "one more of SGLang, as in --server-argument=--disable-cuda-graph"
SIMULATE = (
    "random weights and an acceptance length the server makes up: the latency curve alone, over "
    "--k or --draft"
)
READY = "until a server must answer"
NO_GPU = (
    "There is no NVIDIA GPU here (nvidia-smi finds none); measure with --engine torch, attach "
    "servers of another machine with --engine sglang --url, or give --server-argument=--device=cpu "
    "to a build of SGLang for CPUs."
)
# Arguments that this module sets, secrets, and code of a model's folder: not allowed as extra ones.
RESERVED = (
    "--host",
    "--port",
    "--api-key",
    "--admin-api-key",
    "--model-path",
    "--model",
    "--speculative-algorithm",
    "--speculative-draft-model-path",
    "--speculative-num-steps",
    "--speculative-eagle-topk",
    "--speculative-num-draft-tokens",
    "--trust-remote-code",
    "--config",
)


@dataclass(frozen=True, slots=True)
class Launch:
    """Settings with which servers are started.

    Attributes:
        mem_fraction: Share of GPU memory for weights and KV cache.
        dtype: Data type of the weights.
        context: Longest sequence in tokens, None for the target's own.
        extra: Further arguments of SGLang.
        simulate: Acceptance length that the server simulates with random weights, so that only its
            times are valid; None for the real drafts.
        seed: Random seed of the server.
        ready: Seconds until the server must answer.

    Raises:
        InputError: A value is out of range, or `extra` has a reserved argument.
    """

    mem_fraction: Annotated[float, Leaf(NUMBER, "--mem-fraction", help=MEMORY, metavar="SHARE")] = (
        0.75
    )
    dtype: str = "bfloat16"
    context: Annotated[int | None, Leaf(WHOLE, "--context", help=CONTEXT, metavar="TOKENS")] = None
    extra: Annotated[
        tuple[str, ...], Leaf(REPEATED, "--server-argument", help=EXTRA, metavar="ARGUMENT")
    ] = ()
    simulate: Annotated[
        float | None, Leaf(NUMBER, "--simulate-acceptance", help=SIMULATE, metavar="LENGTH")
    ] = None
    seed: int = 42
    ready: Annotated[float, Leaf(NUMBER, "--ready", help=READY, metavar="SECONDS")] = READY_SECONDS

    def __post_init__(self) -> None:
        if not 0 < self.mem_fraction < 1:
            raise InputError(f"mem-fraction must lie within 0..1, but it is {self.mem_fraction}.")
        if self.simulate is not None and self.simulate < 1:
            raise InputError(f"An acceptance length is 1 at least, not {self.simulate:g}.")
        if reserved := next(filter(_reserved, self.extra), None):
            raise InputError(
                f"{reserved.partition('=')[0]} is set by the measurement itself; leave it out."
            )

    @property
    def on_cpu(self) -> bool:
        """Whether the arguments ask for a CPU, for which SGLang has builds of its own."""
        words = [word for text in self.extra for word in text.replace("=", " ").split()]
        return any(pair == ("--device", "cpu") for pair in pairwise(words))

    def argv(
        self, command: Sequence[str], target: str, draft: Configuration, at_once: int, port: int
    ) -> list[str]:
        """The command line of a server.

        Args:
            command: Command of the interpreter.
            target: Folder or id of the target.
            draft: The configuration to serve.
            at_once: The most requests at once.
            port: Port of the server.

        Returns:
            The argument list.
        """
        line = [
            *command,
            "-m",
            "sglang.launch_server",
            "--model-path",
            target,
            "--host",
            HOST,
            "--port",
            str(port),
            "--dtype",
            self.dtype,
            "--tp",
            "1",
            "--mem-fraction-static",
            f"{self.mem_fraction:g}",
            "--max-running-requests",
            str(at_once),
            "--random-seed",
            str(self.seed),
        ]
        if not self.on_cpu:
            line += ["--cuda-graph-max-bs-decode", str(at_once)]
        if self.context is not None:
            line += ["--context-length", str(self.context)]
        if draft.draft:
            line += [
                "--speculative-algorithm",
                "EAGLE3",
                "--speculative-draft-model-path",
                draft.draft,
                "--speculative-num-steps",
                str(draft.steps),
                "--speculative-eagle-topk",
                str(draft.topk),
                "--speculative-num-draft-tokens",
                str(draft.draft_tokens),
            ]
        if self.simulate is not None:
            line += ["--load-format", "dummy"]
            line += ["--speculative-draft-load-format", "dummy"] if draft.draft else []
        return [*line, *self.extra]

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables of the server."""
        # Drafts often have fewer positions than their targets, which SGLang refuses by default.
        variables = {"SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN": "1"}
        if self.simulate is not None:
            variables["SGLANG_SIMULATE_ACC_LEN"] = f"{self.simulate:g}"
        return variables


def _reserved(word: str) -> bool:
    """Whether SGLang's parser, which accepts abbreviations, could read a reserved argument."""
    flag = word.partition("=")[0].replace("_", "-")
    return flag.startswith("--") and any(name.startswith(flag) for name in RESERVED)


class SglangLauncher(Launched):
    """SGLang servers that run only while they are measured; see `Launched`.

    Args:
        target: Folder or id of the target.
        command: Command of the interpreter, None for the configured one.
        launch: Settings of the servers.
        vocab_size: V of the target, None where unknown.
        stall: Seconds without a byte after which a request fails.
        check: Called while a server starts; raises Cancelled.

    Raises:
        InputError: There is no GPU, or the interpreter has no SGLang.
    """

    http: ClassVar[type[EngineHttp]] = SglangHttp

    def __init__(
        self,
        target: str,
        *,
        command: Sequence[str] | None = None,
        launch: Launch = Launch(),
        vocab_size: int | None = None,
        stall: float = STALL_SECONDS,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            target, vocab_size=vocab_size, stall=stall, ready=launch.ready, check=check
        )
        gpus = () if launch.on_cpu else require_gpu()
        self.command = tuple(command or engine_command(SGLANG))
        self.versions: Mapping[str, str] = {
            "sglang": probe(self.command, SGLANG).version,
            **({"driver": gpus[0].driver} if gpus else {}),
        }
        names = dict.fromkeys(gpu.name for gpu in gpus)
        self.device = ", ".join(names) or hardware.device_name("cpu")
        self._launch = launch
        if launch.simulate is not None:
            self._notes.append(
                f"The server made up an acceptance length of {launch.simulate:g} over random "
                "weights: only its times mean something."
            )

    @property
    def settings(self) -> Mapping[str, Value]:
        """See `Attached.settings`."""
        launch = self._launch
        return {
            "dtype": launch.dtype,
            "mem_fraction_static": launch.mem_fraction,
            "tp_size": 1,
            "context_length": launch.context,
            "random_seed": launch.seed,
            "simulated_acceptance_length": launch.simulate,
            "server_arguments": shlex.join(launch.extra) or None,
        }

    @property
    def environment(self) -> Mapping[str, str]:
        """See `Launched.environment`."""
        return self._launch.settings

    def argv(self, configuration: Configuration, at_once: int, port: int) -> list[str]:
        """See `Launched.argv`."""
        return self._launch.argv(self.command, self.model, configuration, at_once, port)


def require_gpu() -> tuple[hardware.Gpu, ...]:
    """The GPUs of this machine.

    Returns:
        One or more GPUs.

    Raises:
        InputError: There is none.
    """
    gpus = hardware.gpus()
    if not gpus:
        raise InputError(NO_GPU)
    return gpus
