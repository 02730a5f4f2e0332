"""`train --check`: what a training costs, measured in a few steps, and SpecForge's own check."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.command import Result, named_values, table
from vocabtrim_core.errors import InputError
from vocabtrim_core.wording import format_bytes

if TYPE_CHECKING:
    from vocabtrim_core.drafts.request import TrainingRequest
    from vocabtrim_core.jobs.progress import Progress

SOURCES = {
    "trial": "times and memory from a few steps measured here with these settings",
    "run": "times from a finished run of this target here",
    "shapes": "times computed from shapes alone, which may be wrong several times over",
}


def check(request: TrainingRequest, online: str | None, progress: Progress) -> Result:
    """Measure a few steps, estimate the training, and let SpecForge check the run files.

    Args:
        request: The training run.
        online: GPUs of the trainer and of the servers ("2,3:0,1"); None for no online run.
        progress: Takes reports of the measured steps.

    Returns:
        The fields of `drafts.estimate.Estimate`, what SpecForge says, and notes.

    Raises:
        InputError: SpecForge refuses a run file, or the steps fail.
    """
    from vocabtrim_core.drafts.estimate import estimate
    from vocabtrim_core.drafts.trial import measure
    from vocabtrim_core.drafts.validation import validate, validate_online

    servers = _servers(online) if online else None
    plans = validate(request)
    options: dict[str, Any] = {"max_tokens": request.max_tokens, "held_out": request.held_out}
    cost = estimate(request.setting, request.sizes, **options)
    if cost.fits and request.deployment.nodes == 1:
        measure(request.setting, request.sizes, progress)
        cost = estimate(request.setting, request.sizes, **options)
    by_k = ("train_seconds", "memory_bytes")
    return {
        "check": True,
        **asdict(cost),
        **{name: {str(k): value for k, value in getattr(cost, name).items()} for name in by_k},
        "seconds": cost.seconds,
        "fits": cost.fits,
        "problem": cost.problem,
        "plans": plans,
        "online": validate_online(request, servers) if servers else None,
        "notes": request.notes,
    }


def _servers(text: str) -> Any:
    """Read the GPUs of the trainer, and those of the servers, one each: "2,3:0,1"."""
    from vocabtrim_core.drafts.plan import OnlineServers

    try:
        trainer, servers = ([int(i) for i in part.split(",")] for part in text.split(":"))
    except ValueError as error:
        raise InputError(f"online takes GPUs such as 2,3:0,1, but it is {text!r}.") from error
    return OnlineServers(trainer, [[i] for i in servers])


def check_text(result: Result) -> str:
    """Write the result of a check for people.

    Args:
        result: What `check` returns.

    Returns:
        Lines of text.
    """
    words = named_values(
        result,
        "conversations",
        "tokens",
        "steps",
        "feature_bytes",
        "checkpoint_bytes",
        "free_bytes",
        "capture_seconds",
        "seconds",
        "device",
        "fits",
    )
    rows = [
        (k, round(result["train_seconds"][k], 1), format_bytes(result["memory_bytes"][k]))
        for k in result["train_seconds"]
    ]
    free = result["free_memory"]
    lines = [words, table([("k", "seconds", "memory"), *rows])]
    lines += [f"Free memory: {format_bytes(free)}."] if free is not None else []
    lines += [f"Basis: {SOURCES[result['source']]}.", *filter(None, [result["problem"]])]
    return "\n".join([*lines, *result["notes"], "SpecForge accepts the run files."])
