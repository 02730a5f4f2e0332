"""Answer prompts with the target: through a server, or with transformers in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Protocol

from vocabtrim_core.drafts.target import Target
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import NUMBER, WHOLE
from vocabtrim_core.fields.leaf import Leaf
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.tokenizers.tokenizer import Tokenizer

if TYPE_CHECKING:
    import httpx

Message = Mapping[str, Any]
RETRIES = 4
RETRIED = {408, 409, 425, 429, 500, 502, 503, 504}  # statuses of failures that may pass
KEY = "OPENAI_API_KEY"


class Refused(Exception):  # noqa: N818 - a result for one prompt
    """The reason why one prompt got no answer; the others may still get one."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are sampled; recorded with the corpus.

    Attributes:
        temperature: 0..2; 0 takes the most likely token.
        max_tokens: Most tokens of an answer, at least 1.
    """

    temperature: Annotated[
        float, Leaf(NUMBER, "--temperature", help="of sampling, 0 for the most likely token")
    ] = 0.0
    max_tokens: Annotated[int, Leaf(WHOLE, "--answer-tokens", help="tokens of an answer")] = 512

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise InputError(f"temperature must lie within 0..2, but it is {self.temperature}.")
        if self.max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, but it is {self.max_tokens}.")


class Answerer(Protocol):
    """Protocol of what answers prompts.

    Attributes:
        about: What is recorded about it, complete once it is opened.
        batch_size: Prompts of one call.
    """

    about: dict[str, Any]
    batch_size: int

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

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[str | Refused]:
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

    The key of a server that needs one comes from $OPENAI_API_KEY and is never recorded.

    Attributes:
        url: Address of the server, with or without /v1.
        sampling: How answers are sampled.
        concurrency: Requests at the same time.
        api: "openai" or "sglang".
        model: Name of the model; None for the first one that the server lists.
        template: Our chat template, for "sglang".
        timeout: Seconds for one request.
        wait: Seconds before the first repetition, doubled each time.
        about: What is recorded about it.
        batch_size: Prompts of one call.
    """

    url: str
    sampling: Sampling
    concurrency: int = 16
    api: str = "openai"
    model: str | None = None
    template: ChatTemplate | None = None
    timeout: float = 600.0
    wait: float = 1.0
    about: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 1
    _client: httpx.AsyncClient | None = None

    @property
    def workers(self) -> int:
        """Calls at the same time (`Answerer.workers`)."""
        return self.concurrency

    async def open(self) -> None:
        """Connect to the server, and find its model.

        Raises:
            InputError: The server does not answer as this API does, or lists no model.
        """
        import httpx

        key = os.environ.get(KEY)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.url = self.url.rstrip("/").removesuffix("/v1")
        limits = httpx.Limits(max_connections=self.concurrency)
        self._client = httpx.AsyncClient(
            base_url=self.url, timeout=self.timeout, headers=headers, limits=limits
        )
        path = "/model_info" if self.api == "sglang" else "/v1/models"
        try:
            reply = await self._client.get(path)
            reply.raise_for_status()
            listing = reply.json()
            if self.api == "sglang":
                served = [listing["model_path"]]
            else:  # some servers list only what they have loaded, which may be nothing
                served = [entry["id"] for entry in listing["data"]]
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            ValueError,
            KeyError,
            TypeError,
        ) as error:
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
        self.about = {"by": self.url, "api": self.api, "model": self.model, "template": template}

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[str | Refused]:
        """Implements `Answerer.answer`, with one request per prompt."""
        return list(await asyncio.gather(*map(self._answer_one, chats)))

    async def _answer_one(self, chat: Sequence[Message]) -> str | Refused:
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
                return self._text(reply.json())
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

    def _text(self, reply: Any) -> str:
        if self.api == "sglang":
            return str(reply["text"])
        return str(reply["choices"][0]["message"]["content"] or "")

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


@dataclass(slots=True)
class LocalAnswerer:
    """The target with transformers, batch by batch.

    Attributes:
        target: The target.
        tokenizer: Its tokenizer.
        template: Its chat template.
        sampling: How answers are sampled.
        device: "cpu" or "cuda".
        batch_size: Prompts of one batch.
        context: Most tokens of prompt and answer.
        about: What is recorded about it.
    """

    target: Target
    tokenizer: Tokenizer
    template: ChatTemplate
    sampling: Sampling
    device: str = "cpu"
    batch_size: int = 16
    context: int = 4096
    about: dict[str, Any] = field(default_factory=dict)
    _model: Any = None

    @property
    def workers(self) -> int:
        """One batch at a time (`Answerer.workers`)."""
        return 1

    async def open(self) -> None:
        """Fill `about`; the weights are read with the first prompt."""
        limit = self.target.architecture.max_position_embeddings
        self.context = min(self.context, limit)
        self.about = {
            "by": "local",
            "api": "transformers",
            "model": self.target.name,
            "target_sha256": self.target.fingerprint,
            "template": self.template.name,
            "toy": bool(self.target.toy),
        }

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[str | Refused]:
        """Implements `Answerer.answer`, in a thread."""
        return await asyncio.to_thread(self._answer, chats)

    def _answer(self, chats: Sequence[Sequence[Message]]) -> list[str | Refused]:
        import torch

        from vocabtrim_core.drafts.features import load_model

        self._model = self._model or load_model(self.target, self.device)
        room = self.context - self.sampling.max_tokens
        encoded = [self.tokenizer.ids(self.template.prompt(chat)) for chat in chats]
        fitting = [i for i, ids in enumerate(encoded) if len(ids) <= room]
        answers: list[str | Refused] = [
            Refused(f"prompt and answer do not fit {self.context:,} tokens") for _ in encoded
        ]
        if not fitting:
            return answers
        width = max(len(encoded[i]) for i in fitting)
        ids = torch.zeros(len(fitting), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(fitting):  # padding on the left: every answer begins at `width`
            ids[row, width - len(encoded[i]) :] = torch.tensor(encoded[i])
            mask[row, width - len(encoded[i]) :] = 1
        stop_ids = self._stop_ids()
        sampled = self.sampling.temperature > 0
        with torch.inference_mode():
            generated = self._model.generate(
                input_ids=ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                max_new_tokens=self.sampling.max_tokens,
                do_sample=sampled,
                temperature=self.sampling.temperature if sampled else None,
                eos_token_id=stop_ids or None,
                pad_token_id=stop_ids[0] if stop_ids else 0,
            )[:, width:]
        for row, i in enumerate(fitting):
            answers[i] = self.tokenizer.backend.decode(
                generated[row].tolist(), skip_special_tokens=True
            )
        return answers

    def _stop_ids(self) -> list[int]:
        """Return the ids of the tokens that end a turn."""
        names = (*self.template.stop_tokens, *self.tokenizer.stop_tokens)
        ids = [self.tokenizer.backend.token_to_id(name) for name in names]
        return list(dict.fromkeys(i for i in ids if i is not None))

    async def close(self) -> None:
        """Release the model."""
        self._model = None
