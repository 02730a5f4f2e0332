"""Who answers a prompt with the target's own words: a server, or the target right here."""

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
AGAIN = {408, 409, 425, 429, 500, 502, 503, 504}  # worth asking again
KEY = "OPENAI_API_KEY"


class Refused(Exception):  # noqa: N818 - one row's bad luck, not the end of the work
    """This prompt got no answer; the others may."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How answers are drawn; recorded with the corpus."""

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
    """Answers prompts. about: what is recorded, known once opened.

    together: prompts of one call; workers: calls at the same time.
    """

    about: dict[str, Any]
    together: int

    @property
    def workers(self) -> int: ...

    async def open(self) -> None:
        """Get ready; InputError when nobody is there."""
        ...

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[str | Refused]:
        """One answer per chat, in order; a chat ends with the message to answer."""
        ...

    async def close(self) -> None: ...


@dataclass(slots=True)
class ServerAnswerer:
    """An OpenAI-compatible server (its own template), or SGLang's /generate (ours).

    The key of a server that needs one comes from $OPENAI_API_KEY and is never recorded.
    """

    url: str
    sampling: Sampling
    concurrency: int = 16
    api: str = "openai"  # openai | sglang
    model: str | None = None
    template: ChatTemplate | None = None
    timeout: float = 600.0
    wait: float = 1.0  # seconds before the first repetition, doubled each time
    about: dict[str, Any] = field(default_factory=dict)
    together: int = 1
    _client: httpx.AsyncClient | None = None

    @property
    def workers(self) -> int:
        return self.concurrency

    async def open(self) -> None:
        """Ask who is there; InputError when nobody answers as this API does."""
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
            found = reply.json()
            if self.api == "sglang":
                served = [found["model_path"]]
            else:  # some servers list only what they have loaded, which may be nothing
                served = [each["id"] for each in found["data"]]
        except (
            httpx.HTTPError,
            httpx.InvalidURL,
            ValueError,
            KeyError,
            TypeError,
        ) as e:
            await self.close()
            raise InputError(
                f"{self.url} does not answer {path} as {self.api} servers do ({type(e).__name__}); "
                "check the URL, that the server runs, and --api."
            ) from e
        if not self.model and not served:
            await self.close()
            raise InputError(f"{self.url} lists no model; name the one to ask with --model.")
        self.model = self.model or served[0]
        template = self.template.name if self.template and self.api == "sglang" else "the server's"
        self.about = {"by": self.url, "api": self.api, "model": self.model, "template": template}

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[str | Refused]:
        return list(await asyncio.gather(*map(self._one, chats)))

    async def _one(self, chat: Sequence[Message]) -> str | Refused:
        import httpx

        assert self._client is not None
        path, body = self._request(chat)
        said = "nothing"
        for attempt in range(RETRIES):
            if attempt:
                await asyncio.sleep(self.wait * 2 ** (attempt - 1))
            try:
                reply = await self._client.post(path, json=body)
                if reply.status_code in AGAIN:
                    said = f"HTTP {reply.status_code}"
                    continue
                if reply.is_error:
                    return Refused(f"HTTP {reply.status_code}: {reply.text[:200]}")
                return self._text(reply.json())
            except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
                said = type(error).__name__
        return Refused(f"no answer in {RETRIES} attempts ({said})")

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
        if self._client is not None:
            await self._client.aclose()


@dataclass(slots=True)
class LocalAnswerer:
    """The target itself, with transformers, batch by batch."""

    target: Target
    tokenizer: Tokenizer
    template: ChatTemplate
    sampling: Sampling
    device: str = "cpu"
    together: int = 16
    context: int = 4096  # tokens of prompt and answer
    about: dict[str, Any] = field(default_factory=dict)
    _model: Any = None

    @property
    def workers(self) -> int:
        return 1

    async def open(self) -> None:
        """The weights are read with the first prompt."""
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
        return await asyncio.to_thread(self._answer, chats)

    def _answer(self, chats: Sequence[Sequence[Message]]) -> list[str | Refused]:
        import torch

        from vocabtrim_core.drafts.features import load_model

        self._model = self._model or load_model(self.target, self.device)
        room = self.context - self.sampling.max_tokens
        encoded = [self.tokenizer.ids(self.template.prompt(chat)) for chat in chats]
        fits = [i for i, ids in enumerate(encoded) if len(ids) <= room]
        answers: list[str | Refused] = [
            Refused(f"prompt and answer do not fit {self.context:,} tokens") for _ in encoded
        ]
        if not fits:
            return answers
        width = max(len(encoded[i]) for i in fits)
        ids = torch.zeros(len(fits), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(fits):  # padding on the left: every answer begins at `width`
            ids[row, width - len(encoded[i]) :] = torch.tensor(encoded[i])
            mask[row, width - len(encoded[i]) :] = 1
        ends = self._ends()
        warm = self.sampling.temperature > 0
        with torch.inference_mode():
            out = self._model.generate(
                input_ids=ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                max_new_tokens=self.sampling.max_tokens,
                do_sample=warm,
                temperature=self.sampling.temperature if warm else None,
                eos_token_id=ends or None,
                pad_token_id=ends[0] if ends else 0,
            )[:, width:]
        for row, i in enumerate(fits):
            answers[i] = self.tokenizer.backend.decode(out[row].tolist(), skip_special_tokens=True)
        return answers

    def _ends(self) -> list[int]:
        """Ids that end a turn."""
        names = (*self.template.stop_tokens, *self.tokenizer.stop_tokens)
        ids = [self.tokenizer.backend.token_to_id(name) for name in names]
        return list(dict.fromkeys(i for i in ids if i is not None))

    async def close(self) -> None:
        self._model = None
