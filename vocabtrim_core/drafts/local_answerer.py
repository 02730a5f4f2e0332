"""The target with transformers in this process, which answers prompts batch by batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vocabtrim_core.drafts.completion_clients import Completion, Message, Refused, Sampling
from vocabtrim_core.drafts.target import Target
from vocabtrim_core.templates.chat_template import ChatTemplate
from vocabtrim_core.tokenizers.tokenizer import Tokenizer


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
        activity: The token that the batch is at (`Answerer.activity`).
    """

    target: Target
    tokenizer: Tokenizer
    template: ChatTemplate
    sampling: Sampling
    device: str = "cpu"
    batch_size: int = 16
    context: int = 4096
    about: dict[str, Any] = field(default_factory=dict)
    activity: str = ""
    _model: Any = None
    _closed: bool = False

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
        }

    async def answer(self, chats: Sequence[Sequence[Message]]) -> list[Completion | Refused]:
        """Implements `Answerer.answer`, in a thread."""
        return await asyncio.to_thread(self._answer, chats)

    def _answer(self, chats: Sequence[Sequence[Message]]) -> list[Completion | Refused]:
        import torch

        from vocabtrim_core.drafts.features import load_model

        self._model = self._model or load_model(self.target, self.device)
        room = self.context - self.sampling.max_tokens
        encoded = [self.tokenizer.ids(self.template.prompt(chat)) for chat in chats]
        fitting = [i for i, ids in enumerate(encoded) if len(ids) <= room]
        answers: list[Completion | Refused] = [
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

        def after_token(sequences: Any, scores: Any, **_: Any) -> Any:
            self.activity = f"token {sequences.shape[1] - width:,} of {self.sampling.max_tokens:,}"
            return torch.full((len(sequences),), self._closed, device=sequences.device)

        with torch.inference_mode():
            generated = self._model.generate(
                input_ids=ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                max_new_tokens=self.sampling.max_tokens,
                do_sample=sampled,
                temperature=self.sampling.temperature if sampled else None,
                eos_token_id=stop_ids or None,
                pad_token_id=stop_ids[0] if stop_ids else 0,
                stopping_criteria=[after_token],
            )[:, width:]
        for row, i in enumerate(fitting):
            ids_row = generated[row].tolist()
            text = self.tokenizer.backend.decode(ids_row, skip_special_tokens=True)
            answers[i] = Completion(text, cut=not set(stop_ids) & set(ids_row))
        return answers

    def _stop_ids(self) -> list[int]:
        """Return the ids of the tokens that end a turn."""
        names = (*self.template.stop_tokens, *self.tokenizer.stop_tokens)
        ids = [self.tokenizer.backend.token_to_id(name) for name in names]
        return list(dict.fromkeys(i for i in ids if i is not None))

    async def close(self) -> None:
        """Release the model; a batch that goes on in its thread ends with the next token."""
        self._closed = True
        self._model = None
