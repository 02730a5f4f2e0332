"""One server over HTTP, whatever the engine: requests at once, errors as sentences, counters."""

from __future__ import annotations

import hashlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import httpx
import msgspec

from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.engines.counters import Counters
from vocabtrim_core.serving.engines.served import Served
from vocabtrim_core.serving.engines.wire import (
    LOOPBACK,
    certificates,
    checked_url,
    events_of,
    kind_of,
)
from vocabtrim_core.serving.measurement import Answer, Counted

STALL_SECONDS = 120.0  # without a byte from the server
POLL_SECONDS = 0.25
SETTLE_SECONDS = 3.0  # the longest that counters may lag behind an answer

Event = TypeVar("Event", bound=msgspec.Struct)


class EngineHttp(ABC):
    """The connections to one server.

    Args:
        url: URL of the server.
        headers: HTTP headers of every request; never recorded.
        stall: Seconds without a byte after which a request fails.

    Attributes:
        engine: Name of the engine in commands, such as "vllm".
        title: Name of the engine for people.
        key: Environment variable with the key that the server asks for.
        recorded: Versions whose protocol was recorded; empty where versions say nothing.
        keeps_connections: Whether a connection may serve several requests.
        notes: Sentences that readers of the numbers must know.
        digests: SHA-256 of the latest answer to each request.
        ids: Token ids of these answers, where the engine tells them.
        answered: Requests that the latest `answer` has answered so far.

    Raises:
        InputError: The URL is not valid (see `checked_url`).
    """

    engine: ClassVar[str]
    title: ClassVar[str]
    key: ClassVar[str]
    recorded: ClassVar[tuple[str, ...]] = ()
    keeps_connections: ClassVar[bool] = True

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, stall: float = STALL_SECONDS
    ) -> None:
        self.url, self.stall = checked_url(url), stall
        self._client = httpx.Client(
            base_url=self.url,
            headers=dict(headers or {}),
            timeout=httpx.Timeout(stall, connect=min(stall, 10.0)),
            verify=certificates(),
            trust_env=httpx.URL(self.url).host not in LOOPBACK,  # no proxy for the loopback
            # Servers close idle connections after 5 s; a request that meets that would fail.
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=None if self.keeps_connections else 0,
                keepalive_expiry=1.0,
            ),
        )
        self.digests: dict[tuple[Prompt, Generation], bytes] = {}
        self.ids: dict[tuple[Prompt, Generation], tuple[int, ...]] = {}
        self.notes: dict[str, None] = {}  # in order
        self.answered = 0  # by the latest `answer`, so far
        self._counted = Counted()

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

    def text(self, path: str) -> str:
        """Get a page of text.

        Args:
            path: Path of the request.

        Returns:
            The text.

        Raises:
            EngineError: The server does not answer with success.
        """
        with self.explained(path):
            reply = self._client.get(path)
        self.check(reply, path)
        return reply.text

    def get(self, path: str) -> Mapping[str, Any]:
        """Get a JSON object.

        Args:
            path: Path of the request.

        Returns:
            The object.

        Raises:
            EngineError: The server does not answer with a JSON object.
        """
        with self.explained(path):
            reply = self._client.get(path)
        return self._object(reply, path)

    def post(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Post a JSON object and get one back.

        Args:
            path: Path of the request.
            body: The object that is sent.

        Returns:
            The answer.

        Raises:
            EngineError: The server does not answer with a JSON object.
        """
        with self.explained(path):
            reply = self._client.post(path, json=body)
        return self._object(reply, path)

    def _object(self, reply: httpx.Response, path: str) -> Mapping[str, Any]:
        self.check(reply, path)
        try:
            content = msgspec.json.decode(reply.content)
        except msgspec.DecodeError as error:
            raise EngineError(
                f"{self.url} is no {self.title} server: {path} answers with {kind_of(reply)}, "
                "not JSON."
            ) from error
        if not isinstance(content, dict):
            raise EngineError(
                f"{self.url} is no {self.title} server: {path} answers with no object."
            )
        return content

    def stream(self, path: str, body: Mapping[str, Any], stop: threading.Event) -> Iterator[bytes]:
        """Post a request and read the data of its server-sent events.

        Args:
            path: Path of the request.
            body: The object that is sent.
            stop: Set when the answer is no longer needed.

        Yields:
            The data of each event, without "data:".

        Raises:
            EngineError: The server refuses, or breaks off.
        """
        with self.explained(path), self._client.stream("POST", path, json=body) as reply:
            if reply.is_error:
                reply.read()
                self.check(reply, path)
            yield from events_of(reply, stop)

    def events(self, pieces: Sequence[bytes], kind: type[Event]) -> list[Event]:
        """Decode events of a stream.

        Args:
            pieces: The data of each.
            kind: What they are.

        Returns:
            The events.

        Raises:
            EngineError: One of them is something else.
        """
        decoder = msgspec.json.Decoder(kind)
        try:
            return [decoder.decode(piece) for piece in pieces]
        except msgspec.DecodeError as error:
            raise EngineError(f"{self.url} answers garbage: {error}.") from error

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
            EngineError: A request failed (the first error of all threads), or the server generated
                tokens for others meanwhile.
            Cancelled: From `check`.
        """
        self._counted, self.answered = Counted(), 0
        before = self.counters()
        answers, seconds = self._send(prompts, generation, concurrency, check)
        if before is not None:
            self._counted = self._added(before, sum(answer.tokens for answer in answers)).counted()
        return answers, seconds

    def _added(self, before: Counters, own: int) -> Counters:
        """What the answers added to the counters, which may lag behind; not what others did."""
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            now = self.counters()
            added = (now or Counters()).since(before)
            if added.tokens >= own or time.monotonic() > until:
                break
            time.sleep(POLL_SECONDS / 5)
        if added.tokens > own:
            raise EngineError(
                f"{self.url} generated {added.tokens:,} tokens while it answered with {own:,}: it "
                "serves others too, so neither times nor acceptance are those of these prompts; "
                "measure a server that is idle."
            )
        if added.tokens < own or min(added.drafts, added.accepted, *added.per_position, 0) < 0:
            raise EngineError(f"{self.url} was started anew, or does not count what it answers.")
        return added

    def _send(
        self,
        prompts: Sequence[Prompt],
        generation: Generation,
        concurrency: int,
        check: Callable[[], None],
    ) -> tuple[list[Answer], float]:
        answers: dict[int, Answer] = {}
        failures: list[Exception] = []
        stop, turn = threading.Event(), threading.Lock()
        waiting = iter(enumerate(prompts))

        def work() -> None:
            try:
                while not stop.is_set():
                    with turn:
                        i, prompt = next(waiting, (0, None))
                    if prompt is None:
                        return
                    answers[i] = self.generate(prompt, generation, stop)
                    self.answered = len(answers)
            except Exception as error:  # raised again below, in the calling thread
                failures.append(error)

        # Daemons: a request that hangs must not keep a stopped command from ending.
        threads = [threading.Thread(target=work, daemon=True) for _ in range(concurrency)]
        began = time.perf_counter()
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                while thread.is_alive() and not failures:
                    check()
                    thread.join(POLL_SECONDS)
            seconds = time.perf_counter() - began
        finally:
            stop.set()
        if failures:
            raise failures[0]
        return [answers[i] for i in range(len(prompts))], seconds

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

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def check(self, reply: httpx.Response, path: str) -> None:
        """Raise EngineError for a reply that is not a success.

        Args:
            reply: The reply.
            path: Path of the request.
        """
        if reply.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise EngineError(f"{self.url} wants a key; put it into ${self.key}.")
        if not reply.is_success:
            raise EngineError(
                f"{self.url}{path} answers HTTP {reply.status_code} with {kind_of(reply)}."
            )

    @contextmanager
    def explained(self, path: str) -> Generator[None]:
        """Turn errors of the connection into an EngineError.

        Args:
            path: Path of the request.
        """
        try:
            yield
        except httpx.ConnectError as error:
            raise EngineError(
                f"{self.url} does not answer; check the URL and that the server runs."
            ) from error
        except httpx.TimeoutException as error:
            raise EngineError(f"{self.url}{path} was silent for {self.stall:g} s.") from error
        except httpx.HTTPError as error:
            raise EngineError(
                f"{self.url} broke the connection off ({type(error).__name__})."
            ) from error
