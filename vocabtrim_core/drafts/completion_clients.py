"""What answers prompts, and how: the protocol, the settings, and the client of a server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import NUMBER, WHOLE, one_of
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.server_addresses import (
    SGLANG_KEY,
    checked_url,
    is_loopback,
    key_for,
    openai_key_for,
)
from vocabtrim_core.templates.chat_template import ChatTemplate

if TYPE_CHECKING:
    import httpx

Message = Mapping[str, Any]
RETRIES = 4
RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}  # statuses of failures that may pass
DROP, MARK = "drop", "mark"
CUT = "answers that reach the limit: left out, or kept but not trained on"


class Refused(Exception):  # noqa: N818 - a result for one prompt
    """The reason why one prompt got no answer; the others may still get one."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to one prompt.

    Attributes:
        text: The text.
        cut: Whether the length limit ended it, so that it is incomplete.
    """

    text: str
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are sampled; recorded with the corpus.

    Attributes:
        temperature: 0..2; 0 takes the most likely token.
        max_tokens: Most tokens of an answer, at least 1.
        cut_answers: What becomes of an answer of max_tokens without an end: DROP leaves it out with
            what follows in its conversation, MARK keeps it as context that is not trained on.
    """

    temperature: Annotated[
        float, Leaf(NUMBER, "--temperature", help="of sampling, 0 for the most likely token")
    ] = 0.0
    max_tokens: Annotated[int, Leaf(WHOLE, "--answer-tokens", help="tokens of an answer")] = 512
    cut_answers: Annotated[str, Leaf(one_of(DROP, MARK), "--cut-answers", help=CUT)] = DROP

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise InputError(f"temperature must lie within 0..2, but it is {self.temperature}.")
        if self.max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, but it is {self.max_tokens}.")
        if self.cut_answers not in (DROP, MARK):
            raise InputError(f"cut_answers is {DROP} or {MARK}, not {self.cut_answers!r}.")


class Answerer(Protocol):
    """Protocol of what answers prompts.

    Attributes:
        about: What is recorded about it, complete once it is opened.
        batch_size: Prompts of one call.
        activity: What a call that goes on has done so far, for people; "" where that is not known.
    """

    about: dict[str, Any]
    batch_size: int
    activity: str

    @property
    def workers(self) -> int:
        """Calls at the same time."""
        ...

    async def open(self) -> None:
        """Connect, or get ready.

        Raises:
            InputError: The server does not answer.
        """
        ...

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[Completion | Refused]:
        """Answer prompts.

        Args:
            chats: Messages of each prompt, the last one to be answered.

        Returns:
            One answer per prompt, in order; `Refused` for a prompt without one.
        """
        ...

    async def close(self) -> None:
        """Release the connection, or the model."""
        ...


@dataclass(slots=True)
class ServerAnswerer:
    """An OpenAI-compatible server (with its own template), or SGLang's /generate (with ours).

    A key comes from $OPENAI_API_KEY for the server that $OPENAI_BASE_URL names, or for "sglang"
    from $SGLANG_API_KEY; it goes by https or within this machine, and is never recorded.

    Attributes:
        url: Address of the server, with or without /v1.
        sampling: How answers are sampled.
        concurrency: Requests at the same time.
        api: "openai" or "sglang".
        model: Name of the model; None for the first one that the server lists.
        template: Our chat template, for "sglang".
        timeout: Seconds for one request.
        wait: Seconds before the first repetition, doubled each time.
        name: What records call the server; "" for its URL.
        about: What is recorded about it.
        batch_size: Prompts of one call.
        activity: "" (`Answerer.activity`): requests end one by one.
    """

    url: str
    sampling: Sampling
    concurrency: int = 16
    api: str = "openai"
    model: str | None = None
    template: ChatTemplate | None = None
    timeout: float = 600.0
    wait: float = 1.0
    name: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 1
    activity: str = ""
    _client: httpx.AsyncClient | None = None

    @property
    def workers(self) -> int:
        """Calls at the same time (`Answerer.workers`)."""
        return self.concurrency

    async def open(self) -> None:
        """Connect to the server, and find its model.

        Raises:
            InputError: The URL is not valid, or the server does not answer as this API does, wants
                a key, or lists no model.
        """
        import httpx

        self.url = checked_url(self.url)
        is_sglang = self.api == "sglang"
        key, remedy = key_for(self.url, SGLANG_KEY) if is_sglang else openai_key_for(self.url)
        self._client = httpx.AsyncClient(
            base_url=self.url,
            timeout=self.timeout,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            limits=httpx.Limits(max_connections=self.concurrency),
            trust_env=not is_loopback(self.url),  # no proxy for the loopback
        )
        path = "/model_info" if self.api == "sglang" else "/v1/models"
        try:
            reply = await self._client.get(path)
            if reply.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
                raise InputError(f"{self.url} wants a key; {remedy}")
            reply.raise_for_status()
            listing = reply.json()
            if self.api == "sglang":
                served = [listing["model_path"]]
            else:  # some servers list only what they have loaded, which may be nothing
                served = [entry["id"] for entry in listing["data"]]
        except InputError:
            await self.close()
            raise
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            await self.close()
            raise InputError(
                f"{self.url} does not answer {path} as {self.api} servers do "
                f"({type(error).__name__}); check the URL, that the server runs, and --api."
            ) from error
        if not self.model and not served:
            await self.close()
            raise InputError(f"{self.url} lists no model; name the one to ask with --model.")
        self.model = self.model or served[0]
        template = self.template.name if self.template and self.api == "sglang" else "the server's"
        self.about = {
            "by": self.name or self.url,
            "api": self.api,
            "model": self.model,
            "template": template,
        }

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[Completion | Refused]:
        """Implements `Answerer.answer`, with one request per prompt."""
        return list(await asyncio.gather(*map(self._answer_one, chats)))

    async def _answer_one(self, chat: Sequence[Message]) -> Completion | Refused:
        import httpx

        assert self._client is not None
        path, body = self._request(chat)
        failure = "nothing"
        for attempt in range(RETRIES):
            if attempt:
                await asyncio.sleep(self.wait * 2 ** (attempt - 1))
            try:
                reply = await self._client.post(path, json=body)
                if reply.status_code in RETRIED:
                    failure = f"HTTP {reply.status_code}"
                    continue
                if reply.is_error:
                    return Refused(f"HTTP {reply.status_code}: {reply.text[:200]}")
                return self._read(reply.json())
            except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
                failure = type(error).__name__
        return Refused(f"no answer in {RETRIES} attempts ({failure})")

    def _request(self, chat: Sequence[Message]) -> tuple[str, dict[str, Any]]:
        sampling = self.sampling
        if self.api == "sglang":
            assert self.template is not None
            text = self.template.prompt(chat)
            parameters = {
                "temperature": sampling.temperature,
                "max_new_tokens": sampling.max_tokens,
            }
            return "/generate", {"text": text, "sampling_params": parameters}
        return "/v1/chat/completions", {
            "model": self.model,
            "messages": list(chat),
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
        }

    def _read(self, reply: Any) -> Completion:
        if self.api == "sglang":
            about = reply.get("meta_info") or {}
            why, tokens = about.get("finish_reason"), about.get("completion_tokens")
            why = why.get("type") if isinstance(why, dict) else why
            return Completion(str(reply["text"]), self._is_cut(why, tokens))
        choice, usage = reply["choices"][0], reply.get("usage") or {}
        text = str(choice["message"]["content"] or "")
        return Completion(
            text, self._is_cut(choice.get("finish_reason"), usage.get("completion_tokens"))
        )

    def _is_cut(self, why: Any, tokens: Any) -> bool:
        """Whether the limit ended an answer; servers that name no reason may count its tokens."""
        return why == "length" if why else bool(tokens and tokens >= self.sampling.max_tokens)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
