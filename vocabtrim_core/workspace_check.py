"""Every file of the workspace that is read again, checked: what is damaged, mended or moved aside.

Nothing is deleted but scratch of processes that are gone. What is moved lies in
<workspace>/quarantine under the time and its old path, from where it can be moved back.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core import counts_store, optuna_storage, workspace
from vocabtrim_core.corpora import uploads
from vocabtrim_core.corpora.fingerprint import FileScan
from vocabtrim_core.counting.responses import Responses
from vocabtrim_core.counting.shard_counts import ShardCounts
from vocabtrim_core.draft_config import load_architecture
from vocabtrim_core.drafts import feature_sets, mapping_lock, regenerated, run_files, training_env
from vocabtrim_core.drafts.runs import read_states
from vocabtrim_core.drafts.trial import TrialCost
from vocabtrim_core.errors import InputError
from vocabtrim_core.experiment import record
from vocabtrim_core.jobs import control
from vocabtrim_core.jobs.job import Spec
from vocabtrim_core.jobs.processes import Process
from vocabtrim_core.jobs.progress import Status
from vocabtrim_core.mappings.imported import import_mapping
from vocabtrim_core.process_identity import ProcessIdentity
from vocabtrim_core.selection_spec import store as choices
from vocabtrim_core.serving.latency_probe import PROBES
from vocabtrim_core.serving.measurement import MEASUREMENTS
from vocabtrim_core.serving.run_checkpoint import Stored
from vocabtrim_core.workspace import files, records

QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file that the workspace holds.

    Attributes:
        name: Its name in lists, in the plural.
        pattern: Where it lies below the workspace.
        read: Reads one; raises where it cannot.
        mend: Writes one anew from what lies beside it; None where that cannot be.
        cache: Whether it is made anew by whoever needs it.
    """

    name: str
    pattern: str
    read: Callable[[Path], object]
    mend: Callable[[Path], object] | None = None
    cache: bool = False


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A damaged file.

    Attributes:
        path: The file.
        kind: Its kind.
        reason: Why it cannot be read, without a full stop.
        newer: Whether a newer version of this program wrote it, so that it is left alone.
    """

    path: Path
    kind: FileKind
    reason: str
    newer: bool = False

    @property
    def remedy(self) -> str:
        """What helps: "mend", "move" or "update"."""
        if self.newer:
            return "update"
        return "mend" if self.kind.mend else "move"


@dataclass(frozen=True, slots=True)
class WorkspaceCheck:
    """What the workspace holds.

    Attributes:
        counts: Files that can be read, by the name of their kind; kinds without any are left out.
        damaged: Files that cannot, by path.
    """

    counts: dict[str, int]
    damaged: tuple[DamagedFile, ...]


def _mend_status(path: Path) -> None:
    job = control.get(path.parent.name)
    state = "queued" if job.state == "lost" else job.state  # a lost job is told by its process
    Status(state, message=job.message, started=job.started, updated=job.updated).write(path.parent)


def _result(path: Path) -> object:
    return records.read(path, dict[str, Any]) if path.stat().st_size else None


def _key(path: Path) -> None:
    if not re.fullmatch("[0-9a-f]{16}", path.read_text("ascii")):
        raise InputError(f"{path} holds no key of counts.")


def _study(path: Path) -> None:
    if path.stat().st_size:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            (answer,) = database.execute("pragma quick_check(1)").fetchone()
            database.execute("select study_id from studies limit 1").fetchone()
        if answer != "ok":
            raise InputError(str(answer))


def _template(path: Path) -> None:
    digest, _, stored = path.read_bytes().partition(b"\n")
    if digest.decode("ascii", "replace") != hashlib.sha256(stored).hexdigest():
        raise InputError(f"{path} is not what was written.")


def _text(path: Path) -> None:
    path.read_text("utf-8")


def _typed(kind: Any) -> Callable[[Path], object]:
    return lambda path: records.read(path, kind)


KINDS = (
    FileKind("jobs", "jobs/*/spec.json", lambda path: Spec.read(path.parent)),
    FileKind(
        "states of jobs",
        "jobs/*/status.json",
        lambda path: Status.read(path.parent),
        _mend_status,
    ),
    FileKind("processes of jobs", "jobs/*/process.json", Process.read),
    FileKind("results of jobs", "jobs/*/result.json", _result),
    FileKind("counts", "counts/*.npz", counts_store.stored_counts_of),
    FileKind("known counts", "counted/*", _key, cache=True),
    FileKind("counts by piece", "shards/*.npz", ShardCounts.read),
    FileKind("responses", "responses/*.npz", Responses.load),
    FileKind("uploads", "corpora/*/upload.json", uploads.read_upload, mend=uploads.mend_upload),
    FileKind("training runs", "runs/*/run.json", lambda path: run_files.read_spec(path.parent)),
    FileKind("stages of runs", "runs/*/state.json", read_states, cache=True),
    FileKind("drafts", "runs/*/k-*/result.json", lambda path: run_files.read_result(path.parent)),
    FileKind("mappings of runs", "runs/*/k-*/mapping.json", mapping_lock.read_note),
    FileKind("processes of runs", "runs/*/k-*/process.json", _typed(ProcessIdentity), cache=True),
    FileKind("features", "features/*/features.json", feature_sets.read_manifest),
    FileKind("sequences", "features/*/sequences.npz", feature_sets.load_sequences),
    FileKind("answers", "answers/*.about.json", regenerated.read_about_file),
    FileKind("experiments", "experiments/*/experiment.json", record.read_record),
    FileKind("measurements", "measurements/*.json", MEASUREMENTS.read),
    FileKind("latency probes", "probes/*.json", PROBES.read),
    FileKind("unfinished measurements", "journals/*.json", _typed(Stored)),
    FileKind("searches", f"studies/{optuna_storage.FILE}", _study),
    FileKind("choices", "choices/*.json", lambda path: choices.find(path.stem)),
    FileKind("draft architectures", "drafts/*.json", load_architecture),
    FileKind("vocabularies", "vocabularies/*.json", import_mapping),
    FileKind("token lists", "lists/*.txt", _text),
    FileKind("programs", "programs.json", _typed(dict[str, dict[str, str]])),
    FileKind("chosen trainer", "trainer.json", _typed(dict[str, str])),
    FileKind("known trainer", "trainer-checked.json", _typed(training_env.Trainer), cache=True),
    FileKind("trials of trainings", "trials/*.json", _typed(list[TrialCost]), cache=True),
    FileKind("trials of answers", "trials/*/trial.json", _typed(dict[str, Any]), cache=True),
    FileKind("hashes of files", "fingerprints/*.json", _typed(FileScan), cache=True),
    FileKind("templates", "templates/*.json", _template, cache=True),
    FileKind("sources of tokenizers", "tokenizers/*.source", _text, cache=True),
)


def check(progress: Callable[..., Any] = lambda *_: None) -> WorkspaceCheck:
    """Read every file of the workspace.

    Args:
        progress: Called as progress(done, total, message).

    Returns:
        What there is, and what is damaged.
    """
    home, counts, damaged = workspace.home(), {}, []
    for number, kind in enumerate(KINDS):
        progress(number, len(KINDS), f"Reading {kind.name}")
        for path in sorted(home.glob(kind.pattern)):
            try:
                kind.read(path)
            except FileNotFoundError:
                continue  # removed meanwhile
            except records.DamagedError as error:
                newer = isinstance(error, records.NewerError)
                damaged.append(DamagedFile(error.path, kind, error.reason, newer))
            except (InputError, OSError, ValueError, sqlite3.Error, msgspec.MsgspecError) as error:
                reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
                damaged.append(DamagedFile(path, kind, reason, "newer version" in reason))
            else:
                counts[kind.name] = counts.get(kind.name, 0) + 1
    return WorkspaceCheck(counts, tuple(damaged))


def repair(checked: WorkspaceCheck) -> list[str]:
    """Mend what can be written anew, and move caches aside, which are made again.

    Args:
        checked: What `check` gave.

    Returns:
        A sentence for each file.
    """
    sentences = []
    for finding in checked.damaged:
        if finding.newer:
            continue
        if finding.kind.mend and not finding.path.is_dir():
            try:
                finding.kind.mend(finding.path)
            except (InputError, OSError) as error:
                sentences.append(f"Not mended: {error}")
            else:
                sentences.append(f"Written anew: {finding.path}")
        elif finding.kind.cache:
            sentences.append(f"Moved to {_move(finding.path)}; it is made again when needed")
    return sentences


def quarantine(checked: WorkspaceCheck) -> list[str]:
    """Move every damaged file out of the way; files of a newer version stay.

    Args:
        checked: What `check` gave.

    Returns:
        A sentence for each file.

    Raises:
        InputError: A file cannot be moved.
    """
    return [f"Moved to {_move(finding.path)}" for finding in checked.damaged if not finding.newer]


def _move(path: Path) -> Path:
    home = workspace.home()
    folder = workspace.folder(QUARANTINE) / time.strftime("%Y%m%d-%H%M%S")
    to = folder / path.relative_to(home)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        path.replace(to)
    except OSError as error:
        raise InputError(f"{path} cannot be moved to {to} ({error.strerror}).") from error
    return to


def sweep() -> int:
    """Remove scratch of processes that are gone from the whole workspace.

    Returns:
        How many files and folders were removed.
    """
    return files.sweep(workspace.home(), below=True)
