"""One server over HTTP, whatever the engine: what a client asks, counts and keeps."""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from vocabtrim_core.serving.engine import Generation, Prompt
from vocabtrim_core.serving.engines import counters
from vocabtrim_core.serving.engines.connection import Connection
from vocabtrim_core.serving.engines.counters import Counters
from vocabtrim_core.serving.engines.recognition import KNOWN
from vocabtrim_core.serving.engines.requests_at_once import send_all
from vocabtrim_core.serving.engines.served import Served
from vocabtrim_core.serving.measurement import Answer, Counted


class EngineHttp(Connection, ABC):
    """The connections to one server; see `Connection` for the arguments.

    Attributes:
        engine: Name of the engine in commands, such as "vllm".
        recorded: Versions whose protocol was recorded; empty where versions say nothing.
        notes: Sentences that readers of the numbers must know.
        digests: SHA-256 of the latest answer to each request.
        ids: Token ids of these answers, where the engine tells them.
        answered: Requests that the latest `answer` has answered so far.
    """

    engine: ClassVar[str]
    recorded: ClassVar[tuple[str, ...]] = ()

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.digests: dict[tuple[Prompt, Generation], bytes] = {}
        self.ids: dict[tuple[Prompt, Generation], tuple[int, ...]] = {}
        self.notes: dict[str, None] = {}  # in order
        self.answered = 0  # by the latest `answer`, so far
        self._counted = Counted()

    @classmethod
    def key(cls) -> str:
        """Environment variable with the key that servers of this engine ask for."""
        return KNOWN[cls.engine].key

    # --- what an engine has of its own -----------------------------------------------------------

    @abstractmethod
    def read(self) -> Served:
        """Identify the server: its engine, target, draft and settings.

        Returns:
            What it says of itself.

        Raises:
            EngineError: It does not answer, is not ready, or is a server of another kind.
        """

    @abstractmethod
    def flush(self) -> None:
        """Empty the prefix cache, or make sure that the next requests do not use it.

        Raises:
            EngineError: The server does not answer, or is busy with others.
        """

    @abstractmethod
    def generate(self, prompt: Prompt, generation: Generation, stop: threading.Event) -> Answer:
        """Send one prompt as token ids and wait for its answer.

        Args:
            prompt: The request.
            generation: Settings of the generation.
            stop: Set when the answer is no longer needed; StoppedError is raised then.

        Returns:
            The answer, with its own verifications where the engine counts them by request.

        Raises:
            EngineError: The request failed.
        """

    def counters(self) -> Counters | None:
        """What the server has counted since its start; None where it publishes nothing."""
        return None

    def busy(self) -> bool:
        """Whether the server works on a request now; False where it does not tell."""
        return False

    def gap(self, ids: Sequence[int], one: int, other: int) -> float | None:
        """How near a tie two tokens are.

        Args:
            ids: Token ids of the text before them.
            one: A token.
            other: Another token.

        Returns:
            The difference of their log-probabilities, 0 or more; None where the engine does not
            tell.
        """
        return None

    # --- what all engines have in common ---------------------------------------------------------

    def healthy(self) -> bool:
        """Whether the server is ready; False while it starts or stops."""
        with self.explained("/health"):
            return self._client.get("/health").status_code == 200

    def counted(self) -> Counted:
        """What the counters of the server added during the last `answer`."""
        return self._counted

    def answer(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        """Send prompts from `concurrency` threads, each with one request at a time.

        Args:
            prompts: The requests.
            generation: Settings of the generation.
            concurrency: Requests at once.
            check: Called while waiting; raises Cancelled.

        Returns:
            The answers in the order of the prompts, and the wall time in seconds.

        Raises:
            EngineError: A request failed (the first error of all threads), or the server worked
                for others meanwhile.
            Cancelled: From `check`.
        """
        self._counted, self.answered = Counted(), 0
        before = self.counters()

        def generate(prompt: Prompt, stop: threading.Event) -> Answer:
            return self.generate(prompt, generation, stop)

        def answered(number: int) -> None:
            self.answered = number

        answers, seconds = send_all(generate, prompts, concurrency, check, answered)
        counters.wait_until_idle(self.busy, self.url)
        if before is not None:
            own = sum(answer.tokens for answer in answers)
            added = counters.added_by(own, before, self.counters, self.url)
            self._counted = added.counted()
        return answers, seconds

    def note_answer(
        self, prompt: Prompt, generation: Generation, text: str, ids: Sequence[int] = ()
    ) -> None:
        """Keep what was answered, so that answers can be compared.

        Args:
            prompt: The request.
            generation: Settings of the generation.
            text: The text of the answer.
            ids: Its token ids, where the engine tells them.
        """
        content = repr(tuple(ids)) if ids else text
        self.digests[prompt, generation] = hashlib.sha256(content.encode()).digest()
        self.ids[prompt, generation] = tuple(ids)
