"""How a draft is named: by its folder, or as one of a training run of this workspace."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vocabtrim_core import workspace
from vocabtrim_core.drafts.runs import DRAFT, TrainingRun, list_runs
from vocabtrim_core.drafts.slicing import NAME, SlicedDraft
from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import CONFIG

FULL = ("full", "v")
TRIMMED = "trimmed"  # folder of the workspace with drafts that `slice` wrote


@dataclass(frozen=True, slots=True)
class WorkspaceDraft:
    """A draft of this workspace.

    Attributes:
        folder: Its folder.
        k: Tokens of its vocabulary.
        vocab_size: V of its target.
        name: Where it comes from, for people.
        target: The folder of its target; None where it is not known.
    """

    folder: Path
    k: int
    vocab_size: int
    name: str
    target: Path | None


def workspace_drafts() -> list[WorkspaceDraft]:
    """List the drafts of this workspace: those of training runs, newest first, then trimmed ones.

    Returns:
        The drafts; folders that cannot be read are left out.
    """
    drafts = [
        WorkspaceDraft(
            draft.draft, draft.k, run.vocab_size, run.name, Path(run.spec["target"]["folder"])
        )
        for run in list_runs()
        for draft in run.drafts
        if draft.draft
    ]
    for note in sorted(workspace.folder(TRIMMED).glob(f"*/{NAME}")):
        with suppress(InputError):
            sliced = SlicedDraft.load(note.parent)
            name = f"trimmed from {sliced.source.get('name', 'a draft')}"
            drafts.append(WorkspaceDraft(note.parent, sliced.k, sliced.vocab_size, name, None))
    return drafts


def draft_folders(specs: Sequence[str | Path]) -> list[Path]:
    """Find the folders of drafts.

    Args:
        specs: Names of drafts (see `draft_folder`), or RUN for all drafts of a training run.

    Returns:
        The folders in that order, each once.

    Raises:
        InputError: A name is neither a draft nor a run with one.
    """
    folders: list[Path] = []
    for spec in map(str, specs):
        run = None if Path(spec).expanduser().exists() else _run(spec)
        trained = [draft.draft.resolve() for draft in run.drafts if draft.draft] if run else []
        folders += trained or [draft_folder(spec).resolve()]
    return list(dict.fromkeys(folders))


def draft_folder(spec: str | Path) -> Path:
    """Find the folder of a draft.

    Args:
        spec: The folder, the folder above its "draft" folder, or RUN/K for one of a training run of
            this workspace. K is the size, "full" for all of V, or the folder's own name (k-3798).

    Returns:
        The folder that holds its config.json.

    Raises:
        InputError: There is no such draft; the message names those of the run, if it is one.
    """
    path = Path(spec).expanduser()
    for folder in (path, path / DRAFT):
        if (folder / CONFIG).is_file():
            return folder
    name, _, size = str(spec).removesuffix("/").removesuffix(f"/{DRAFT}").partition("/")
    if run := _run(name):
        wanted = size.removeprefix("k-").replace(",", "").replace("_", "")
        wanted = str(run.vocab_size) if wanted.lower() in FULL else wanted
        drafts = {str(draft.k): draft.draft for draft in run.drafts if draft.draft}
        if size and (folder := drafts.get(wanted)):
            return folder
        names = ", ".join(f"{name}/{k}" for k in drafts) or "none yet"
        raise InputError(f"The run {name} has no draft {size!r}; it has {names}.")
    raise InputError(
        f"There is no draft at {spec}; give a draft directory (config.json and weights), or RUN/K "
        "for one that was trained in this workspace."
    )


def existing_or_trained(spec: str | Path) -> Path:
    """Find a folder that may be more than a draft, such as an export or a checkpoint.

    Args:
        spec: A folder that exists, which is returned as it is, or the name of a trained draft.

    Returns:
        The folder; `spec` where it is neither, so that whoever reads it says what is missing.
    """
    path = Path(spec).expanduser()
    name = str(spec).partition("/")[0]
    return path if path.exists() or not _run(name) else draft_folder(spec)


def _run(name: str) -> TrainingRun | None:
    return next((run for run in list_runs() if run.name == name), None)
