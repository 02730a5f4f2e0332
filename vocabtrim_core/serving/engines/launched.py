"""Servers started here, one configuration after the other: what all engines have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from vocabtrim_core import workspace
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG, read_config
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines.connection import STALL_SECONDS
from vocabtrim_core.serving.engines.http import EngineHttp
from vocabtrim_core.serving.engines.process import ServerProcess, free_port
from vocabtrim_core.serving.engines.repeated import RepeatedAnswers
from vocabtrim_core.serving.engines.served import Served, Value
from vocabtrim_core.serving.measurement import Answer, Configuration, Counted

HOST = "127.0.0.1"
READY_SECONDS = 900.0  # weights of a large target from a slow disk, and its CUDA graphs


class Launched(ABC):
    """A server that runs only while it is measured, as an `Attached` engine.

    Args:
        target: Folder or id of the target.
        vocab_size: V of the target, None where unknown.
        stall: Seconds without a byte after which a request fails.
        ready: Seconds until a server must answer.
        check: Called while a server starts; raises Cancelled.

    Attributes:
        http: The connections to a server of this engine.
        versions: Versions of the engine and of what it runs on, by name.
        device: Name of the device it runs on.
        alternates: False: one server after the other.
    """

    http: ClassVar[type[EngineHttp]]
    versions: Mapping[str, str]
    device: str
    alternates = False

    def __init__(
        self,
        target: str,
        *,
        vocab_size: int | None = None,
        stall: float = STALL_SECONDS,
        ready: float = READY_SECONDS,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.model, self.vocab_size = target, vocab_size
        self.target = Path(target).name if Path(target).is_dir() else target
        self._stall, self._ready_seconds, self._check = stall, ready, check
        self._server: ServerProcess | None = None
        self._client: EngineHttp | None = None
        self._cpu_seconds: float | None = None
        self._repeated = RepeatedAnswers()
        self._notes: list[str] = []

    # --- what an engine has of its own -----------------------------------------------------------

    @abstractmethod
    def argv(self, configuration: Configuration, at_once: int, port: int) -> list[str]:
        """The command line of a server.

        Args:
            configuration: The configuration to serve.
            at_once: The most requests at once.
            port: Port of the server.

        Returns:
            The argument list.
        """

    @property
    @abstractmethod
    def settings(self) -> Mapping[str, Value]:
        """See `Attached.settings`."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables of the server."""
        return {}

    def verify(self, served: Served, configuration: Configuration) -> None:
        """Check that a server that is ready does what was asked for.

        Args:
            served: What it says of itself.
            configuration: What was asked for.

        Raises:
            EngineError: It does something else.
        """
        steps, tokens = configuration.steps, configuration.draft_tokens
        if not configuration.draft:
            steps = tokens = 0
        if (served.steps, served.draft_tokens) != (steps, tokens):
            raise EngineError(
                f"The server drafts {served.steps} steps and {served.draft_tokens} tokens, where "
                f"{steps} and {tokens} were asked for."
            )

    def explain(self, error: str) -> str | None:
        """Say what the user must change where a server did not start.

        Args:
            error: The message of the server.

        Returns:
            A sentence; None where the message is not known.
        """
        return None

    # --- as an attached engine -------------------------------------------------------------------

    @property
    def label(self) -> str:
        """See `Attached.label`."""
        return f"{self.http.title} {self.versions.get(self.http.engine, '')}".rstrip()

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Attached.notes`."""
        return *self._notes, *self._repeated.notes()

    @property
    def answered(self) -> int:
        """See `Attached.answered`."""
        return self._client.answered if self._client else 0

    def use(self, configuration: Configuration, concurrency: int) -> None:
        """Stop the last server, start one for this configuration, and wait until it is ready.

        Args:
            configuration: The configuration to serve.
            concurrency: The most requests at once.

        Raises:
            InputError: The server cannot be started, or the draft is not one of this target.
            EngineError: It ended, was not ready in time, or has other settings than requested.
        """
        self.close()
        if configuration.draft:
            check_draft(configuration.draft, self.model)
        port = free_port()
        argv = self.argv(configuration, concurrency, port)
        name = re.sub(r"[^a-z0-9]+", "-", configuration.label.lower()).strip("-") or "server"
        log = workspace.folder("servers") / f"{name}.log"
        self._server = ServerProcess(argv, self.environment, log)
        self._client = self.http(f"http://{HOST}:{port}", stall=self._stall)
        try:
            self._server.wait(lambda: self._answers(port), self._ready_seconds, self._check)
        except EngineError as error:
            if (words := self.explain(str(error))) is not None:
                raise InputError(words) from error
            raise
        self.verify(self._client.read(), configuration)

    def _answers(self, port: int) -> bool:
        assert self._client is not None
        assert self._server is not None
        try:  # another server may have taken the port meanwhile
            return self._client.healthy() and self._server.listens(port)
        except EngineError:  # it does not accept connections yet
            return False

    def flush(self) -> None:
        """See `Attached.flush`."""
        self._in_use()[1].flush()

    def answer(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        """See `Attached.answer`."""
        server, client = self._in_use()
        before = server.cpu_seconds()
        try:
            answers, seconds = client.answer(prompts, generation, concurrency, check)
        except EngineError as error:
            if not server.has_ended():
                raise
            raise EngineError(f"The server died: {server.last_error()}") from error
        self._cpu_seconds = server.cpu_seconds() - before
        self._repeated.add(client)
        return answers, seconds

    def counted(self) -> Counted:
        """See `Attached.counted`."""
        client = self._in_use()[1]
        return replace(client.counted(), cpu_s=self._cpu_seconds)

    def _in_use(self) -> tuple[ServerProcess, EngineHttp]:
        if self._client is None or self._server is None:
            raise EngineError("No server is running; call `use` first.")
        return self._server, self._client

    @property
    def url(self) -> str:
        """Address of the server that runs.

        Raises:
            EngineError: None runs.
        """
        return self._in_use()[1].url

    def close(self) -> None:
        """Stop the server; its log stays."""
        if self._client is not None:
            self._client.close()
        if self._server is not None:
            self._server.stop()
        self._client = self._server = None


def check_draft(draft: str, target: str) -> None:
    """Check that a draft is one of the target, by the config.json of both.

    Args:
        draft: Folder of the draft.
        target: Folder of the target; ids of the hub are not checked.

    Raises:
        InputError: It is for a target of another hidden size or vocabulary size.
    """
    if not all((Path(folder) / CONFIG).is_file() for folder in (draft, target)):
        return
    own, wanted = read_config(draft), read_config(target)
    width = own.size("target_hidden_size") or own.size("hidden_size")
    sizes = width, own.size("vocab_size")
    expected = wanted.size("hidden_size"), wanted.size("vocab_size")
    if None not in (*sizes, *expected) and sizes != expected:
        raise InputError(
            f"{draft} is a draft for H = {sizes[0]:,} and V = {sizes[1]:,}, but the target "
            f"{target} has {expected[0]:,} and {expected[1]:,}; they belong to different models."
        )
