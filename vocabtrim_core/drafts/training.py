"""A training run from a request to draft directories, stage by stage; the same request continues.

target check -> regeneration (optional) -> feature capture -> per k: train, evaluate, export
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np

import vocabtrim_core
from vocabtrim_core.corpora import Corpus
from vocabtrim_core.coverage import CoverageCurve
from vocabtrim_core.drafts.evaluate_export import finish
from vocabtrim_core.drafts.feature_sets import FeatureSet
from vocabtrim_core.drafts.features import capture
from vocabtrim_core.drafts.mapping_lock import keep_mapping
from vocabtrim_core.drafts.peak_memory import free_for, memory_problem
from vocabtrim_core.drafts.progress import Overall, metrics_watcher
from vocabtrim_core.drafts.request import TrainingRequest
from vocabtrim_core.drafts.results import result_of
from vocabtrim_core.drafts.run_files import FORMAT, RESULT, SPEC, read_spec
from vocabtrim_core.drafts.runs import (
    DRAFT,
    Stage,
    StageLog,
    TrainingRun,
    read_run,
    run_folder,
    run_lock,
)
from vocabtrim_core.drafts.slicing import NAME, TRAINED
from vocabtrim_core.drafts.specforge_run import (
    SpecForgeRun,
    checkpoint_bytes,
)
from vocabtrim_core.drafts.speed import speed_of
from vocabtrim_core.drafts.target import Target, trainer_folder
from vocabtrim_core.errors import Cancelled, InputError
from vocabtrim_core.vocabulary import DraftVocabulary
from vocabtrim_core.wording import format_bytes
from vocabtrim_core.workspace import disk
from vocabtrim_core.workspace.files import remove_scratch, write_atomic

LOOK_SECONDS = 1.0  # longer than a page holds the lock to see whether the run is being trained
Progress = Callable[..., Any]


def train(request: TrainingRequest, progress: Progress) -> TrainingRun:
    """Carry out a training run, stage by stage; what is finished already is not repeated.

    Args:
        request: What to train.
        progress: Called as progress(done, total, message, **rates).

    Returns:
        The finished run.

    Raises:
        InputError: Another process trains this run, its settings changed, or a stage failed.
        Cancelled: The user stopped it. Finished stages stay on disk in both cases.
    """
    folder = run_folder(request.run_name)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with run_lock(request.run_name, LOOK_SECONDS):
            remove_scratch(folder)
            return _train(request, folder, progress)
    except filelock.Timeout:
        raise InputError(
            f"The run {folder.name} is being trained by another process; wait for it, or cancel it."
        ) from None


def _train(request: TrainingRequest, folder: Path, progress: Progress) -> TrainingRun:
    ks = request.sizes
    shared = ["target", *(["regenerate"] if request.regenerate else []), "capture"]
    per_k = [Stage(name, k) for k in ks for name in ("train", "evaluate", "export")]
    log = StageLog(folder, [*map(Stage, shared), *per_k])
    try:
        log.enter("target")
        target_folder = trainer_folder(request.target, folder)
        log.leave("target", message=_describe(request.target))
        corpus = _regenerated(request, folder, log, progress)
        features = _captured(request, corpus, log, progress)
        runs = _runs(request, folder, target_folder, features, ks)
        _write_spec(request, folder, features, runs)
        disk.require_space(folder, _space(runs))
        _require_memory(request, runs)
        for i, run in enumerate(runs):
            _train_one(request, run, log, Overall(runs, i, progress))
    except (InputError, Cancelled) as error:
        log.fail(str(error))
        raise
    except Exception as error:  # the reason belongs to the run, whatever it is
        log.fail(f"{type(error).__name__}: {error}")
        raise
    return read_run(folder.name)


def _describe(target: Target) -> str:
    return f"{target.layers} layers, H = {target.hidden_size:,}, V = {target.vocab_size:,}"


def _regenerated(
    request: TrainingRequest, folder: Path, log: StageLog, progress: Progress
) -> Corpus:
    if request.regenerate is None:
        return request.corpus
    from vocabtrim_core.drafts.alignment import FILE, align
    from vocabtrim_core.drafts.regenerated import about_file, note_on

    log.enter("regenerate")
    report = _reporter(log, "regenerate", progress)
    own = folder / "regenerated.jsonl"
    corpus = request.regenerate(own, report)
    recipe = replace(request.recipe, max_length=None)
    alignment = align(request.corpus, corpus, recipe, request.target, progress=report)
    write_atomic(folder / FILE, json.dumps(alignment.json()).encode())
    cut = note_on(own) if about_file(own).is_file() else None
    log.leave("regenerate", message=" ".join(filter(None, [alignment.sentence, cut])))
    return corpus


def _captured(
    request: TrainingRequest, corpus: Corpus, log: StageLog, progress: Progress
) -> FeatureSet:
    log.enter("capture")
    features = capture(
        request.target,
        corpus,
        request.recipe,
        max_tokens=request.max_tokens,
        held_out=request.held_out,
        progress=_reporter(log, "capture", progress),
    )
    log.leave(
        "capture",
        message=f"{features.train_tokens:,} tokens to train on, {features.eval_tokens:,} held out, "
        f"{format_bytes(features.bytes)}",
    )
    return features


def _reporter(log: StageLog, name: str, progress: Progress) -> Progress:
    def report(done: int, total: int | None = None, message: str = "", **rates: float) -> None:
        log.update(name, None, done, total, message)
        progress(done, total, message, **rates)

    return report


def _runs(
    request: TrainingRequest,
    folder: Path,
    target_folder: Path,
    features: FeatureSet,
    ks: Sequence[int],
) -> list[SpecForgeRun]:
    curve = CoverageCurve.of(request.counts or features.counts())
    return [
        SpecForgeRun(
            folder=folder / f"k-{k}",
            run_id=f"k{k}",
            vocabulary=_vocabulary(request, curve, k),
            target=request.target,
            target_folder=target_folder,
            features=features,
            plan=request.plan,
            deployment=request.deployment,
            trainer=request.trainer,
            threads=request.threads,
        )
        for k in ks
    ]


def _vocabulary(request: TrainingRequest, curve: CoverageCurve, k: int) -> DraftVocabulary:
    size = request.target.vocab_size
    if given := request.chosen(k):
        return given[1]
    return DraftVocabulary(np.arange(size), size) if k == size else curve.vocabulary(k)


def _space(runs: Sequence[SpecForgeRun]) -> int:
    unfinished = [run for run in runs if not (run.folder / RESULT).is_file()]
    return sum(checkpoint_bytes(run.target, run.k) for run in unfinished)


def _require_memory(request: TrainingRequest, runs: Sequence[SpecForgeRun]) -> None:
    """Refuse what the system would kill for lack of memory in the middle of the work."""
    setting, length = request.setting, request.recipe.max_length or 0
    free = free_for(request.trainer, request.deployment.device)
    unfinished = [run for run in runs if not (run.folder / RESULT).is_file()]
    needed = {run.k: speed_of(setting, run.k, 0).memory for run in unfinished}
    if problem := memory_problem(needed, free, request.plan, length):
        raise InputError(problem)


def _write_spec(
    request: TrainingRequest, folder: Path, features: FeatureSet, runs: Sequence[SpecForgeRun]
) -> None:
    """Write run.json once, and extend it by more k; other settings are refused."""
    target = request.target
    spec: dict[str, Any] = {
        "format": FORMAT,
        "target": {
            "name": target.name,
            "folder": str(target.folder),
            "sha256": target.fingerprint,
            "vocab_size": target.vocab_size,
        },
        "features": features.key,
        "corpus": features.corpus,
        "regenerated_by": request.regenerated_by,
        "recipe": request.recipe.provenance(),
        "plan": asdict(request.plan),
        "deployment": asdict(request.deployment),
    }
    path, previous = folder / SPEC, {}
    vocabularies: dict[str, Any] = {}
    if path.is_file():
        previous = read_spec(folder)
        previous["target"].pop("toy", None)  # of earlier versions
        vocabularies = previous["vocabularies"]
        for name, value in json.loads(json.dumps(spec)).items():
            if previous.get(name) != value:
                raise InputError(
                    f"The run {folder.name} began with another {name}; give the same settings to "
                    "continue it, or another --name to start anew."
                )
    counts = request.counts.key if request.counts else "features"
    for run in runs:
        given = request.chosen(run.k)
        source = f"file {given[0]}" if given else counts
        entry = vocabularies.get(str(run.k))
        if entry and entry["sha256"] != run.vocabulary.sha256:
            raise InputError(
                f"The vocabulary of k = {run.k:,} changed since the run {folder.name} began: the "
                "counts are other ones; start another run with --name."
            )
        vocabularies[str(run.k)] = {
            "sha256": run.vocabulary.sha256,
            "steps": run.steps,
            "counts": entry["counts"] if entry else source,
        }
    once = {
        "trainer": asdict(request.trainer),
        "command": shlex.join(request.command),
        "version": vocabtrim_core.__version__,
        "notes": request.notes,
    }
    spec |= {"vocabularies": vocabularies, **{n: previous.get(n, v) for n, v in once.items()}}
    write_atomic(path, json.dumps(spec, indent=1).encode())


def _train_one(
    request: TrainingRequest, run: SpecForgeRun, log: StageLog, overall: Overall
) -> None:
    """Train, evaluate and export one k, unless that is done."""
    if (run.folder / RESULT).is_file():
        keep_mapping(run.folder, run.vocabulary)  # the result is valid for this vocabulary alone
        for name in ("train", "evaluate", "export"):
            log.leave(name, run.k)
        return
    log.enter("train", run.k)
    started = time.monotonic()
    if not (run.checkpoints() and run.checkpoints()[-1] >= run.steps):
        run.train(metrics_watcher(run, log, overall))
    seconds = time.monotonic() - started
    log.leave("train", run.k)
    if not run.best.exists():
        raise InputError(
            f"No checkpoint of k = {run.k:,} was evaluated; allow more steps or more evaluations."
        )
    scratch = run.folder / f".{DRAFT}.tmp"
    log.enter("evaluate", run.k)

    def evaluated(done: int, total: int) -> None:
        words = f"conversation {done + 1:,} of {total:,}" if total else "exporting for it"
        log.update("evaluate", run.k, done, total or None, words)
        overall(run.steps, f"k = {run.k:,}: evaluating the best checkpoint, {words}")

    evaluated(0, 0)
    acceptance = finish(run, scratch, evaluated)
    log.leave("evaluate", run.k, f"acceptance length {acceptance['acceptance_length']:.3f}")
    log.enter("export", run.k)
    result = result_of(request, run, acceptance, seconds)
    record = {"format": TRAINED, **result}
    write_atomic(scratch / NAME, json.dumps(record, indent=1).encode())
    scratch.rename(run.folder / DRAFT)
    write_atomic(run.folder / RESULT, json.dumps(result, indent=1).encode())
    log.leave("export", run.k, str(run.folder / DRAFT))
