"""Answers on disk as they are made, one line each, so that a killed regeneration loses none.

The first line holds the settings of the answers. A line that was being written when the process
was killed is left out, and its prompt is answered again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vocabtrim_core.drafts.completion_clients import Completion
from vocabtrim_core.errors import InputError
from vocabtrim_core.workspace.files import write_atomic


class AnswerJournal:
    """The answers of one regeneration, in memory and on disk.

    Use it as a context manager; only one process at a time may write a journal.

    Args:
        path: The file; it is created where it does not exist.
        settings: What the answers are made with.

    Attributes:
        path: The file.
        answers: (row of the corpus from 0, number of the answer in it from 0) -> answer.

    Raises:
        InputError: The file was begun with other settings, or cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.answers: dict[tuple[int, int], Completion] = {}
        if path.is_file():
            self._read(settings)
        else:
            write_atomic(path, (json.dumps({"settings": dict(settings)}) + "\n").encode())
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> AnswerJournal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, row: int, turn: int, answer: Completion) -> None:
        """Store an answer, on disk before this returns.

        Args:
            row: Row of the corpus, from 0.
            turn: Number of the answer in its conversation, from 0.
            answer: The answer.

        Raises:
            OSError: The disk is full.
        """
        line = {"row": row, "turn": turn, "text": answer.text, "cut": answer.cut}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
        self.answers[row, turn] = answer

    def _read(self, settings: Mapping[str, Any]) -> None:
        content = self.path.read_bytes()
        for line in content.decode("utf-8", "replace").splitlines():
            try:
                entry = json.loads(line)
                if "settings" in entry:
                    stored, answer, at = dict(entry["settings"]), None, (0, 0)
                else:
                    stored, answer = {}, Completion(str(entry["text"]), bool(entry["cut"]))
                    at = int(entry["row"]), int(entry["turn"])
            except (ValueError, KeyError, TypeError, RecursionError):
                continue  # the line that was being written when it stopped
            if answer is None:
                require_same(stored, settings, self.path)
            else:
                self.answers.setdefault(at, answer)
        if not content.endswith(b"\n"):
            with self.path.open("ab") as file:
                file.write(b"\n")


def require_same(stored: Mapping[str, Any], current: Mapping[str, Any], path: Path) -> None:
    """Refuse to go on with answers that were made with other settings.

    Args:
        stored: The settings of the answers on disk.
        current: The settings asked for.
        path: The file of the answers, for the message.

    Raises:
        InputError: A setting differs; the message names each.
    """
    changed = sorted(n for n in {*stored, *current} if stored.get(n) != current.get(n))
    if changed:
        raise InputError(
            f"{path} was made with another {', '.join(changed)}; give the same settings to "
            "continue, or another --out."
        )
