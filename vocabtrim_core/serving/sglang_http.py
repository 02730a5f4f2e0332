"""One SGLang server over HTTP: read its settings, empty its cache, and send it prompts.

The protocol is as recorded from SGLang 0.5.14: /server_info, /health, /flush_cache, and /generate
as a stream of events whose texts are cumulative and whose last one has the counts. The counts are
spec_verify_ct and, by tokens accepted, a histogram of verifications; the server's own
spec_accept_length (all tokens over verifications) is not read.
"""

from __future__ import annotations

import functools
import hashlib
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.serving.engine import EngineError, Generation, Prompt
from vocabtrim_core.serving.measurement import Answer

STALL_SECONDS = 120.0  # without a byte from the server
FLUSH_SECONDS = 60.0  # the longest wait for other requests of a server
POLL_SECONDS = 0.25
KEY = "SGLANG_API_KEY"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class _Meta(msgspec.Struct):
    completion_tokens: int
    finish_reason: dict[str, Any] | None = None
    spec_verify_ct: int | None = None
    spec_correct_drafts_histogram: list[int] | None = None
    spec_accept_histogram: list[int] | None = None  # its name before 0.5.14


class _Event(msgspec.Struct):
    meta_info: _Meta | None = None
    text: str = ""
    error: Any = None


class _StoppedError(Exception):
    """Another request failed, or the user asked to stop."""


def checked_url(url: str) -> str:
    """Check the URL of a server.

    Args:
        url: The URL, with http or https.

    Returns:
        The URL without a final slash or /v1.

    Raises:
        InputError: It is no http(s) URL, or holds a password or a query.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"{url!r} is no URL; give one such as http://gpu-host:30000.") from error
    if parsed.userinfo or parsed.query:
        raise InputError(
            f"The URL of {parsed.host} must not hold a password or a query, since it is written "
            f"into results; put the key into ${KEY}."
        )
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"{url!r} is no http(s) URL; give one such as http://gpu-host:30000.")
    return str(parsed).rstrip("/").removesuffix("/v1")


class SglangHttp:
    """The connections to one server.

    Args:
        url: URL of the server.
        headers: HTTP headers of every request; never recorded.
        stall: Seconds without a byte after which a request fails.

    Attributes:
        digests: SHA-256 of the latest answer to each request.

    Raises:
        InputError: The URL is not valid (see `checked_url`).
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str] | None = None, stall: float = STALL_SECONDS
    ) -> None:
        self.url, self.stall = checked_url(url), stall
        self._client = httpx.Client(
            base_url=self.url,
            headers=dict(headers or {}),
            timeout=httpx.Timeout(stall, connect=min(stall, 10.0)),
            verify=_certificates(),
            trust_env=httpx.URL(self.url).host not in LOOPBACK,  # no proxy for the loopback
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )
        self.digests: dict[tuple[Prompt, Generation], bytes] = {}

    def get(self, path: str) -> Mapping[str, Any]:
        """Get a JSON object.

        Args:
            path: Path of the request.

        Returns:
            The object.

        Raises:
            EngineError: The server does not answer with a JSON object.
        """
        with self._explained(path):
            reply = self._client.get(path)
        self._check(reply, path)
        try:
            content = msgspec.json.decode(reply.content)
        except msgspec.DecodeError as error:
            raise EngineError(
                f"{self.url} is no SGLang server: {path} answers with {_kind(reply)}, not JSON."
            ) from error
        if not isinstance(content, dict):
            raise EngineError(f"{self.url} is no SGLang server: {path} answers with no object.")
        return content

    def healthy(self) -> bool:
        """Whether the server is ready; False while it starts or stops."""
        with self._explained("/health"):
            return self._client.get("/health").status_code == 200

    def flush(self) -> None:
        """Empty the prefix cache, once other requests are done.

        Raises:
            EngineError: The server does not answer, or is busy for more than 60 s.
        """
        until = time.monotonic() + min(FLUSH_SECONDS, self.stall)
        while True:
            with self._explained("/flush_cache"):
                reply = self._client.post("/flush_cache")
            if reply.status_code != 400:
                self._check(reply, "/flush_cache")
                return
            if time.monotonic() > until:
                raise EngineError(f"{self.url} does not flush its cache: it is busy with others.")
            time.sleep(POLL_SECONDS)

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
            EngineError: A request failed; the first error of all threads.
            Cancelled: From `check`.
        """
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
                    answers[i] = self._generate(prompt, generation, stop)
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

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _generate(self, prompt: Prompt, generation: Generation, stop: threading.Event) -> Answer:
        source = {"input_ids": prompt.ids} if prompt.ids else {"text": prompt.text}
        parameters = {
            "temperature": generation.temperature,
            "max_new_tokens": generation.max_new_tokens,
            "ignore_eos": generation.ignore_eos,
        }
        body = {**source, "sampling_params": parameters, "stream": True}
        first_s, last, ended = None, b"", False
        began = time.perf_counter()
        with (
            self._explained("/generate"),
            self._client.stream("POST", "/generate", json=body) as reply,
        ):
            if reply.is_error:
                reply.read()
                self._check(reply, "/generate")
            # Only the last event is decoded. The texts are cumulative, and decoding all of them
            # would make this client the bottleneck at high concurrency.
            for data in _events(reply, stop):
                if data == b"[DONE]":
                    ended = True
                    break
                first_s = first_s or time.perf_counter() - began
                last = data
        seconds = time.perf_counter() - began
        return self._answer(prompt, generation, last, ended, seconds, first_s)

    def _answer(
        self,
        prompt: Prompt,
        generation: Generation,
        last: bytes,
        ended: bool,
        seconds: float,
        first_s: float | None,
    ) -> Answer:
        try:
            event = msgspec.json.decode(last, type=_Event) if last else _Event()
        except msgspec.DecodeError as error:
            raise EngineError(f"{self.url}/generate answers garbage: {error}.") from error
        if event.error is not None:
            raise EngineError(f"{self.url} failed while it answered: {_short(str(event.error))}.")
        meta = event.meta_info
        if meta is None or not ended or meta.finish_reason is None:
            raise EngineError(f"{self.url} broke an answer off before its end.")
        if meta.finish_reason.get("type") == "abort":
            reason = meta.finish_reason.get("message") or "no reason given"
            raise EngineError(f"{self.url} aborted an answer: {_short(str(reason))}.")
        self.digests[prompt, generation] = hashlib.sha256(event.text.encode()).digest()
        accepted = meta.spec_correct_drafts_histogram or meta.spec_accept_histogram or ()
        return Answer(meta.completion_tokens, seconds, first_s, meta.spec_verify_ct, (*accepted,))

    def _check(self, reply: httpx.Response, path: str) -> None:
        if reply.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise EngineError(f"{self.url} wants a key; put it into ${KEY}.")
        if not reply.is_success:
            raise EngineError(
                f"{self.url}{path} answers HTTP {reply.status_code} with {_kind(reply)}."
            )

    @contextmanager
    def _explained(self, path: str) -> Generator[None]:
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


@functools.cache
def _certificates() -> ssl.SSLContext:
    """The certificates, read once for all clients."""
    return httpx.create_ssl_context()


def _events(reply: httpx.Response, stop: threading.Event) -> Iterator[bytes]:
    """The data of each server-sent event."""
    incomplete = b""
    for piece in reply.iter_bytes():
        if stop.is_set():
            raise _StoppedError
        *events, incomplete = (incomplete + piece).split(b"\n\n")
        for event in events:
            if event.startswith(b"data:"):
                yield event[5:].strip()


def _kind(reply: httpx.Response) -> str:
    """The content of a reply in words: "an HTML page", its quoted text, or "nothing"."""
    text = reply.text.strip()
    if "html" in reply.headers.get("content-type", "") or text[:1] == "<":
        return "an HTML page"
    return f"{_short(text)!r}" if text else "nothing"


def _short(text: str) -> str:
    return " ".join(text.split())[:200].rstrip(".")
