"""SpecForge's own check of run files before anything is started (`specforge train --plan`)."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vocabtrim_core import workspace
from vocabtrim_core.drafts.plan import (
    CONFIG,
    MAPPING,
    RUN_FILE,
    Deployment,
    OnlineServers,
    online_run_file,
    run_file,
)
from vocabtrim_core.drafts.request import TrainingRequest
from vocabtrim_core.drafts.specforge_run import plan_check
from vocabtrim_core.drafts.target import trainer_folder
from vocabtrim_core.drafts.training_env import settings_for
from vocabtrim_core.errors import InputError
from vocabtrim_core.id_mapping import save_pair
from vocabtrim_core.reproducible_files import save_json
from vocabtrim_core.templates.presets import SPECFORGE_TEMPLATES
from vocabtrim_core.vocabulary import DraftVocabulary


def validate(request: TrainingRequest) -> dict[str, Any]:
    """Check each k's run file with SpecForge, in a temporary folder.

    The place of the features, and the number of steps, are not known yet; placeholders stand for
    them.

    Args:
        request: The training run.

    Returns:
        k -> {"yaml": the run file, "plan": what SpecForge would start}.

    Raises:
        InputError: SpecForge refuses a run file; the message holds its reason.
    """
    steps = request.plan.max_steps or request.plan.evaluations
    by_k = {}
    for k in request.sizes:
        with _folder(request, k) as (folder, target):
            text = run_file(
                request.plan,
                request.deployment,
                run_id=f"k{k}",
                steps=steps,
                target=target,
                head_key=request.target.head_key,
                embedding_key=request.target.embedding_key,
                features="features/train",
                held_out="features/eval",
                max_length=request.recipe.max_length or 1,
            )
            by_k[str(k)] = _checked(request, folder, target, text, request.deployment)
    return by_k


def validate_online(request: TrainingRequest, servers: OnlineServers) -> dict[str, Any]:
    """Check the run files of online runs, where SGLang servers capture while training goes on.

    They need two GPUs or more, with SpecForge's source checkout and Mooncake; this program writes
    and checks them, and does not start them.

    Args:
        request: The training run.
        servers: The servers, and the devices.

    Returns:
        k -> {"yaml": the run file, "plan": what SpecForge would start}.

    Raises:
        InputError: SpecForge does not know the chat template, or refuses a run file.
    """
    template = request.recipe.template.name
    if template not in SPECFORGE_TEMPLATES:
        raise InputError(
            f"An online run renders the conversations itself and SpecForge does not know the "
            f"template {template}; give --template with one of {', '.join(SPECFORGE_TEMPLATES)}."
        )
    by_k = {}
    for k in request.sizes:
        with _folder(request, k) as (folder, target):
            text = online_run_file(
                request.plan,
                servers,
                run_id=f"k{k}",
                target=target,
                head_key=request.target.head_key,
                embedding_key=request.target.embedding_key,
                corpus=str(request.corpus.files[0]),
                template=template,
                max_length=request.recipe.max_length or 1,
            )
            by_k[str(k)] = _checked(request, folder, target, text, Deployment("cuda"))
    return by_k


@contextmanager
def _folder(request: TrainingRequest, k: int) -> Generator[tuple[Path, str]]:
    """Yield a temporary folder with the files that SpecForge checks, and the target's folder."""
    with tempfile.TemporaryDirectory(dir=workspace.home()) as home:
        folder = Path(home) / f"k-{k}"
        folder.mkdir()
        save_json(folder / CONFIG, request.target.draft_config(k))
        # The check reads the mapping's path alone.
        save_pair(folder / MAPPING, DraftVocabulary(np.arange(k), request.target.vocab_size))
        yield folder, str(trainer_folder(request.target, Path(home)))


def _checked(
    request: TrainingRequest, folder: Path, target: str, text: str, deployment: Deployment
) -> dict[str, Any]:
    """Check one run file; in the result `target`, a temporary folder, becomes the target's own."""
    (folder / RUN_FILE).write_text(text, "utf-8")
    settings = settings_for(deployment.device, request.threads)
    plan = plan_check(request.trainer, folder, settings, deployment)
    return {"yaml": text.replace(target, str(request.target.folder)), "plan": plan}
