"""A conversation that is answered anew, turn by turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vocabtrim_core.drafts.completion_clients import DROP, Completion

ASSISTANT = "assistant"
UNTRAINED = "train"  # a message with this key set to false is context: it carries no loss


@dataclass(slots=True)
class AnsweredConversation:
    """One conversation on its way from the corpus's answers to new ones.

    Attributes:
        row: Its position in the corpus, from 0.
        domain: Its domain, None where the corpus names none.
        left: Messages of the corpus that are not reached yet.
        cut_answers: What becomes of an answer that the length limit cut: DROP ends the conversation
            before it, otherwise it stays as context that is not trained on.
        chat: The messages so far, with the new answers.
        answers: Number of new answers in `chat`.
        cut: Number of answers that the length limit cut.
        waits: Whether a prompt waits for an answer.
    """

    row: int
    domain: str | None
    left: list[dict[str, Any]]
    cut_answers: str = DROP
    chat: list[dict[str, Any]] = field(default_factory=list)
    answers: int = 0
    cut: int = 0
    waits: bool = True

    @property
    def turn(self) -> int:
        """Number of the next answer, from 0."""
        return self.answers

    def prompt(self, known: Mapping[tuple[int, int], Completion]) -> list[dict[str, Any]] | None:
        """Take the answers that exist already, and find the next prompt without one.

        Args:
            known: (row, number of the answer) -> answer.

        Returns:
            The messages to answer; None once the conversation is finished.
        """
        while self.waits:
            while self.left and self.left[0]["role"] != ASSISTANT:
                self.chat.append(self.left.pop(0))
            answer = known.get((self.row, self.turn))
            if answer is None:
                return self.chat
            self.take(answer)
        return None

    def take(self, answer: Completion) -> None:
        """Put an answer into the conversation, in the place of the corpus's own.

        Args:
            answer: The answer to the last prompt.
        """
        self.cut += answer.cut
        if answer.cut and self.cut_answers == DROP:
            self.stop()
            return
        message: dict[str, Any] = {"role": ASSISTANT, "content": answer.text}
        if answer.cut:
            message[UNTRAINED] = False
        self.chat.append(message)
        self.answers += 1
        while self.left and self.left[0]["role"] == ASSISTANT:
            self.left.pop(0)
        self.waits = any(message["role"] == ASSISTANT for message in self.left)

    def stop(self) -> None:
        """End the conversation at its last answer; prompts behind it are left out."""
        self.waits = False
        while self.chat and self.chat[-1]["role"] != ASSISTANT:
            self.chat.pop()

    def json(self) -> dict[str, Any] | None:
        """The row of the new corpus; None where nothing in it can be trained on."""
        if all(message.get(UNTRAINED) is False for message in self._answers()):
            return None
        row: dict[str, Any] = {"row": self.row, "conversations": self.chat}
        return row if self.domain is None else {**row, "domain": self.domain}

    def _answers(self) -> list[dict[str, Any]]:
        return [message for message in self.chat if message["role"] == ASSISTANT]
