"""The connection to one server: requests, replies, and their errors as sentences."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import httpx
import msgspec

from vocabtrim_core.server_addresses import checked_url, is_loopback
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.engines.wire import certificates, events_of, kind_of

STALL_SECONDS = 120.0  # without a byte from the server

Event = TypeVar("Event", bound=msgspec.Struct)


class UnreachableError(EngineError):
    """Nothing answers at the address, or nothing in time."""


class Connection:
    """The connection to one server.

    Args:
        url: URL of the server.
        headers: HTTP headers of every request; never recorded.
        stall: Seconds without a byte after which a request fails.
        key_remedy: What to do where the server wants a key, as the second half of a sentence.

    Attributes:
        title: Name of the engine that it should be, for people.
        keeps_connections: Whether a connection may serve several requests.

    Raises:
        InputError: The URL is not valid (see `checked_url`).
    """

    title: ClassVar[str] = "such"
    keeps_connections: ClassVar[bool] = True

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        stall: float = STALL_SECONDS,
        key_remedy: str = "give it with --header.",
    ) -> None:
        self.url, self.stall = checked_url(url), stall
        self._key_remedy = key_remedy
        self._client = httpx.Client(
            base_url=self.url,
            headers=dict(headers or {}),
            timeout=httpx.Timeout(stall, connect=min(stall, 10.0)),
            verify=certificates(),
            trust_env=not is_loopback(self.url),  # no proxy for the loopback
            # Servers close idle connections after 5 s; a request that meets that would fail.
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=None if self.keeps_connections else 0,
                keepalive_expiry=1.0,
            ),
        )

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
            raise EngineError(f"{self.url} wants a key; {self._key_remedy}")
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
            raise UnreachableError(
                f"{self.url} does not answer; check the URL and that the server runs."
            ) from error
        except httpx.TimeoutException as error:
            raise UnreachableError(f"{self.url}{path} was silent for {self.stall:g} s.") from error
        except httpx.HTTPError as error:
            raise EngineError(
                f"{self.url} broke the connection off ({type(error).__name__})."
            ) from error
