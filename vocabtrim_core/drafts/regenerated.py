"""A corpus of the target's own answers, as pages and commands read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vocabtrim_core.corpora import Corpus, open_corpus
from vocabtrim_core.drafts.completion_clients import DROP
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.records import DamagedError


@dataclass(frozen=True, slots=True)
class About:
    """The content of the file beside a regenerated corpus.

    Attributes:
        settings: What the answers were made with.
        conversations: Number of its rows.
        answers: Number of new answers in it.
        refused: Reason -> number of prompts without an answer.
        cut: Number of answers that reached the length limit.
        source: Name of the corpus whose prompts were answered.
    """

    settings: dict[str, Any]
    conversations: int
    answers: int
    refused: dict[str, int]
    cut: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class Regenerated:
    """The result of a regeneration.

    Attributes:
        path: The new corpus, a .jsonl file.
        conversations: Number of its rows.
        answers: Number of new answers in it.
        refused: Reason -> number of prompts without an answer; their conversations are left out.
        settings: What the answers were made with.
        cut: Number of answers that reached the length limit.
    """

    path: Path
    conversations: int
    answers: int
    refused: dict[str, int]
    settings: dict[str, Any]
    cut: int = 0

    def corpus(self) -> Corpus:
        """Open the regenerated conversations."""
        return open_corpus(self.path)

    @property
    def note(self) -> str | None:
        """What became of the answers that the length limit cut, in a sentence; None without any."""
        return cut_note(self.cut, self.settings)


def cut_note(cut: int, settings: Mapping[str, Any]) -> str | None:
    """Say what became of the answers that the length limit cut.

    Args:
        cut: Their number.
        settings: What the answers were made with.

    Returns:
        A sentence; None without any such answer.
    """
    if not cut:
        return None
    one = cut == 1
    return (
        f"{cut:,} {'answer' if one else 'answers'} reached the limit of "
        f"{settings['max_tokens']:,} tokens and {'is' if one else 'are'} incomplete: "
        + (
            "left out, with what follows in the conversation."
            if settings["cut_answers"] == DROP
            else "kept as context, but not trained on."
        )
    )


def note_on(out: Path) -> str | None:
    """Read what became of the answers in a regenerated corpus that the length limit cut.

    Args:
        out: The corpus, which `regenerate` wrote.

    Returns:
        A sentence; None without any such answer.
    """
    about = read_about(out)
    return cut_note(about.cut, about.settings)


def read_about(out: Path) -> About:
    """Read how a regenerated corpus was made.

    Args:
        out: The corpus, which `regenerate` wrote.

    Returns:
        The content of the file beside it.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It cannot be read.
    """
    return read_about_file(about_file(out))


def read_about_file(path: Path) -> About:
    """Read the file beside a regenerated corpus.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: There is none.
        DamagedError: It cannot be read.
    """
    about = records.read(path, About)
    wanted = {"model": str, "temperature": float | int, "template": str}
    wanted |= {"max_tokens": int, "cut_answers": str} if about.cut else {}
    for name, kind in wanted.items():
        if not isinstance(about.settings.get(name), kind):
            raise DamagedError(path, f"settings.{name} is missing or of another type")
    return about


def about_file(out: Path) -> Path:
    """Return the file beside a regenerated corpus that says how it was made.

    Args:
        out: The corpus.

    Returns:
        The path.
    """
    return out.with_name(f"{out.name}.about.json")
