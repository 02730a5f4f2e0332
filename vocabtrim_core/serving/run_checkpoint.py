"""The finished runs of an unfinished measurement, so that a stopped one can continue.

They are in <workspace>/journals/<key>.json, written after every run and deleted once the
measurement is saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.serving.measurement import Run
from vocabtrim_core.workspace import records
from vocabtrim_core.workspace.files import write_atomic
from vocabtrim_core.workspace.records import DamagedError

RunKey = tuple[str, int, int]  # configuration, concurrency, index


class Stored(msgspec.Struct):
    """The content of the file.

    Attributes:
        runs: The finished runs.
        clocks: State of the GPUs after each run, in words.
        began: Start of the first run, UTC.
    """

    runs: list[Run]
    clocks: list[str]
    began: str


@dataclass(slots=True)
class RunCheckpoint:
    """The runs finished so far. Failed ones are not stored, so resuming repeats them.

    Attributes:
        key: Key of everything that determines the results, 16 hexadecimal digits.
        runs: Runs by configuration, concurrency and index.
        clocks: State of the GPUs after each run, in words.
        began: Start of the first run, UTC.
    """

    key: str
    runs: dict[RunKey, Run] = field(default_factory=dict)
    clocks: list[str] = field(default_factory=list)
    began: str = ""

    @classmethod
    def open(cls, decides: Mapping[str, Any]) -> RunCheckpoint:
        """Read the runs finished under the same settings.

        Args:
            decides: Everything that determines the results, as JSON values.

        Returns:
            The checkpoint, without runs where nothing is stored.
        """
        content = msgspec.json.encode(decides, order="sorted")
        checkpoint = cls(hashlib.sha256(content).hexdigest()[:16])
        try:
            stored = records.read(checkpoint._path, Stored)
        except (FileNotFoundError, DamagedError):
            return checkpoint
        runs = {(run.configuration, run.concurrency, run.index): run for run in stored.runs}
        return cls(checkpoint.key, runs, stored.clocks, stored.began)

    def add(self, run: Run) -> None:
        """Store a finished run.

        Args:
            run: The run.

        Raises:
            InputError: The file cannot be written.
        """
        self.runs[run.configuration, run.concurrency, run.index] = run
        self.began = self.began or run.started
        stored = Stored(list(self.runs.values()), self.clocks, self.began)
        write_atomic(self._path, msgspec.json.encode(stored))

    def delete(self) -> None:
        """Delete the file, once the measurement is saved."""
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Any:
        return workspace.folder("journals") / f"{self.key}.json"
