"""The finished runs of a measurement under way, so that one that was stopped goes on.

<workspace>/journals/<key>.json, written after every run and gone once the measurement is saved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from vocabtrim_core import workspace
from vocabtrim_core.serving.measurement import Run
from vocabtrim_core.workspace.files import write_atomic

Place = tuple[str, int, int]  # configuration, concurrency, index


class _Kept(msgspec.Struct):
    runs: list[Run]
    clocks: list[str]
    began: str


@dataclass(slots=True)
class RunCheckpoint:
    """Runs by their place; failed ones are not kept, because resuming tries them again.

    key: of everything that decides the results.  clocks: state of the GPUs, as runs saw it.
    began: UTC, when the first run was.
    """

    key: str
    runs: dict[Place, Run] = field(default_factory=dict)
    clocks: list[str] = field(default_factory=list)
    began: str = ""

    @classmethod
    def open(cls, decides: Mapping[str, Any]) -> RunCheckpoint:
        """What was finished under the same circumstances; empty when nothing was."""
        content = msgspec.json.encode(decides, order="sorted")
        journal = cls(hashlib.sha256(content).hexdigest()[:16])
        try:
            kept = msgspec.json.decode(journal._path.read_bytes(), type=_Kept)
        except (FileNotFoundError, msgspec.DecodeError):
            return journal
        runs = {(run.configuration, run.concurrency, run.index): run for run in kept.runs}
        return cls(journal.key, runs, kept.clocks, kept.began)

    def add(self, run: Run) -> None:
        """Keep a finished run."""
        self.runs[run.configuration, run.concurrency, run.index] = run
        self.began = self.began or run.started
        kept = _Kept(list(self.runs.values()), self.clocks, self.began)
        write_atomic(self._path, msgspec.json.encode(kept))

    def forget(self) -> None:
        """The measurement is saved, so the next one begins anew."""
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Any:
        return workspace.folder("journals") / f"{self.key}.json"
