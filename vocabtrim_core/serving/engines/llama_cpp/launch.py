"""llama.cpp on this machine, started and stopped for one configuration after the other.

Its server comes from xllamacpp in this Python, or is a program of the user: a llama-server, or a
Python with xllamacpp.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from vocabtrim_core.draft_config import load_architecture
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import TEXT, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.machine import cores
from vocabtrim_core.serving import hardware
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.engines.connection import STALL_SECONDS
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.launched import HOST, READY_SECONDS, Launched
from vocabtrim_core.serving.engines.llama_cpp import gguf, host
from vocabtrim_core.serving.engines.llama_cpp.http import LlamaHttp
from vocabtrim_core.serving.engines.programs import Program
from vocabtrim_core.serving.engines.served import Served, Value
from vocabtrim_core.serving.measurement import Configuration

CONTEXT = 4096  # tokens of a prompt and its answer, where the target has more
QUICK = 2**30  # bytes of weights that load in a second or two
OLD = ("invalid argument: --spec", "unknown argument: --spec", "no EAGLE-3", "unknown speculative")
THREADS = "of llama.cpp (default: all cores but one)"
TARGET_GGUF = "the target as llama.cpp loads it (default: converted from --target)"
GGUF_TYPE = "weights of converted targets and drafts, as the converter names them"


@dataclass(frozen=True, slots=True)
class LlamaLaunch:
    """Settings of llama.cpp alone.

    Attributes:
        threads: Threads of target and draft each, None for all cores but one.
        target_gguf: GGUF file of the target, "" to convert it.
        gguf_type: Type of the weights that are converted.

    Raises:
        InputError: A value is out of range.
    """

    threads: Annotated[int | None, Leaf(WHOLE, "--threads", help=THREADS)] = None
    target_gguf: Annotated[str, Leaf(TEXT, "--target-gguf", help=TARGET_GGUF, metavar="FILE")] = ""
    gguf_type: Annotated[str, Leaf(TEXT, "--gguf-type", help=GGUF_TYPE)] = gguf.TYPE

    def __post_init__(self) -> None:
        if self.threads is not None and self.threads < 1:
            raise InputError(f"threads must be at least 1, but it is {self.threads}.")


class LlamaLauncher(Launched):
    """Servers of llama.cpp that run only while they are measured; see `Launched`.

    Args:
        target: Folder of the target.
        program: What starts the server.
        launch: Settings of llama.cpp.
        context: Tokens of a prompt and its answer; None for the target's, at most 4,096.
        own_gguf: GGUF file that the target was made from, which is served then.
        vocab_size: V of the target, None where unknown.
        stall: Seconds without a byte after which a request fails.
        ready: Seconds until a server must answer.
        check: Called while files are converted and a server starts; raises Cancelled.

    Raises:
        InputError: The GGUF file is of another model, or the target cannot be converted.
    """

    http: ClassVar[type[EngineHttp]] = LlamaHttp

    def __init__(
        self,
        target: str,
        *,
        program: Program,
        launch: LlamaLaunch = LlamaLaunch(),
        context: int | None = None,
        own_gguf: Path | None = None,
        vocab_size: int | None = None,
        stall: float = STALL_SECONDS,
        ready: float = READY_SECONDS,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(target, vocab_size=vocab_size, stall=stall, ready=ready, check=check)
        self._folder = Path(target).expanduser()
        if not self._folder.is_dir():
            raise InputError(f"{target} is no folder of a target; llama.cpp needs one here.")
        self._program, self._launch = program, launch
        self._threads = launch.threads or max(cores() - 1, 1)
        architecture = load_architecture(self._folder)
        self.context = context or min(architecture.max_position_embeddings, CONTEXT)
        named = Path(launch.target_gguf).expanduser() if launch.target_gguf else own_gguf
        if named is None:
            self._gguf = gguf.convert(self._folder, kind=launch.gguf_type, check=check)
        else:
            sizes = {"hidden_size": architecture.hidden_size, "vocab_size": architecture.vocab_size}
            gguf.check_target(named, **sizes)
            self._gguf = named.resolve()
        self.versions: Mapping[str, str] = {self.http.engine: program.version}
        gpus = () if program.is_python else hardware.gpus()
        names = dict.fromkeys(gpu.name for gpu in gpus)
        self.device = ", ".join(names) or hardware.device_name("cpu")
        self.alternates = self._gguf.stat().st_size < QUICK
        self._drafts: dict[str, Path] = {}

    @property
    def settings(self) -> Mapping[str, Value]:
        """See `Attached.settings`."""
        return {
            "threads": self._threads,
            "context_length": self.context,
            "target_gguf": self._gguf.name,
            "draft_type": self._launch.gguf_type,
        }

    def argv(self, configuration: Configuration, at_once: int, port: int) -> list[str]:
        """See `Launched.argv`; converts the draft first."""
        c = configuration
        if c.draft and (c.topk != 1 or c.draft_tokens != c.steps + 1):
            raise InputError(f"{c.label!r} drafts a tree; llama.cpp drafts chains only: topk 1.")
        draft = self._draft(c.draft) if c.draft else None
        if self._program.is_python:
            settings = {
                "port": port,
                "target": str(self._gguf),
                "draft": str(draft or ""),
                "steps": c.steps,
                "threads": self._threads,
                "context": self.context,
                "at_once": at_once,
            }
            return [*self._program.command, "-P", host.__file__, json.dumps(settings)]
        return [*self._program.command, *self._flags(draft, c.steps, at_once, port)]

    def _flags(self, draft: Path | None, steps: int, at_once: int, port: int) -> list[str]:
        """Arguments of llama-server."""
        threads = str(self._threads)
        flags = ["-m", str(self._gguf), "--host", HOST, "--port", str(port), "--metrics"]
        flags += ["-t", threads, "-tb", threads, "-np", str(at_once)]
        flags += ["-c", str(self.context * at_once), "--cache-ram", "0"]
        if draft is not None:
            flags += ["-md", str(draft), "--spec-type", "draft-eagle3"]
            flags += ["--spec-draft-n-max", str(steps), "--spec-draft-threads", threads]
        return flags

    def _draft(self, folder: str) -> Path:
        if folder not in self._drafts:
            kind = self._launch.gguf_type
            self._drafts[folder] = gguf.convert(
                Path(folder), target=self._folder, kind=kind, check=self._check
            )
        return self._drafts[folder]

    def verify(self, served: Served, configuration: Configuration) -> None:
        """See `Launched.verify`."""
        if bool(configuration.draft) != bool(served.algorithm):
            says = served.algorithm or "no speculation"
            raise EngineError(
                f"The server reports {says}, where the draft {configuration.draft or 'none'} was "
                "asked for; is this llama.cpp older than its EAGLE-3 (2026)?"
            )

    def explain(self, error: str) -> str | None:
        """See `Launched.explain`."""
        if any(words in error for words in OLD):
            return (
                f"{self.label} does not draft with EAGLE-3; name a newer llama-server, or "
                "upgrade xllamacpp."
            )
        return None
