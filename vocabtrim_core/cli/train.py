"""Commands that train drafts: capture, train, draft-eval."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import shared
from vocabtrim_core.cli.command import Command, Result, named_values, table
from vocabtrim_core.cli.train_check import check, check_text
from vocabtrim_core.cli.train_options import (
    capture_arguments,
    conversations,
    deployment,
    held_out,
    max_tokens,
    plan,
    size,
    target_and_config,
    train_arguments,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options, from_argv, parsed

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.drafts.target import Target
    from vocabtrim_core.jobs.progress import Progress


def _capture(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.features import capture

    target, config = target_and_config(arguments, progress)
    features = capture(
        target,
        conversations(arguments, progress),
        config,
        device=arguments.device,
        max_tokens=max_tokens(arguments, target),
        held_out=held_out(arguments),
        progress=progress,
    )
    return {**asdict(features), "folder": str(features.folder), "versions": dict(features.versions)}


# --- train --------------------------------------------------------------------------------------


def _train(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.training import train

    request = _request(arguments, progress)
    if arguments.check:
        return check(request, arguments.online, progress)
    run = train(request, progress)
    return {
        "run": run.name,
        "folder": str(run.folder),
        "target": run.spec["target"]["name"],
        "drafts": [dict(draft.result) for draft in run.drafts],
        "stages": [asdict(stage) for stage in run.stages],
        "notes": run.spec["notes"],
    }


def _request(arguments: argparse.Namespace, progress: Progress) -> Any:
    from vocabtrim_core.counts_store import find_counts
    from vocabtrim_core.drafts.request import TrainingRequest
    from vocabtrim_core.drafts.training_env import probe, trainer_command
    from vocabtrim_core.vocabulary_file import vocabulary_in

    target, config = target_and_config(arguments, progress)
    command = trainer_command(arguments.trainer)
    trainer = probe(command, device=arguments.device)
    regenerate, regenerated_by = _regeneration(arguments, target, config)
    counts = find_counts(arguments.counts) if arguments.counts else None
    options = from_argv(TrainingRequest, arguments)
    options |= {"max_tokens": max_tokens(arguments, target), "held_out": held_out(arguments)}
    files = {
        str(path): vocabulary_in(path, target.vocab_size, None) for path in arguments.vocabularies
    }
    order = [
        size(named, target.vocab_size) if isinstance(named, str) else len(files[str(named)])
        for named in getattr(arguments, "sizes_named", ())
    ]
    return TrainingRequest(
        target=target,
        corpus=conversations(arguments, progress),
        recipe=config,
        ks=[size(text, target.vocab_size) for text in arguments.ks],
        plan=plan(arguments, target),
        deployment=deployment(arguments, trainer),
        trainer=trainer,
        counts=counts,
        given=files,
        order=order,
        regenerate=regenerate,
        regenerated_by=regenerated_by,
        **options,
        command=("python", "-m", "vocabtrim_core", *sys.argv[1:]),
    )


def _regeneration(
    arguments: argparse.Namespace, target: Target, config: CountConfig
) -> tuple[Callable[[Path, Any], Corpus] | None, str]:
    if not arguments.regenerate:
        return None, ""
    from vocabtrim_core.cli.target import answerer
    from vocabtrim_core.drafts.completion_clients import Sampling
    from vocabtrim_core.drafts.regenerate import regenerate

    sampling = parsed(Sampling, arguments)

    def run(out: Path, progress: Any) -> Corpus:
        corpus = conversations(arguments, progress)
        answerer_ = answerer(arguments.regenerate, target, config, sampling)
        return regenerate(corpus, answerer_, sampling, out, progress=progress).corpus()

    return run, f"{arguments.regenerate} at temperature {arguments.temperature:g}"


def _train_text(result: Result) -> str:
    if result.get("check"):
        return check_text(result)
    head = ("k", "coverage", "held out", "acceptance length", "FLOPs saved", "best step", "draft")
    rows = [
        (
            d["k"],
            d["coverage"],
            d.get("coverage_held_out", ""),
            d["acceptance_length"],
            d["flops_reduction"],
            d["best_step"],
            d["draft"],
        )
        for d in result["drafts"]
    ]
    bases = dict.fromkeys(d["coverage_of"] for d in result["drafts"] if "coverage_of" in d)
    return "\n".join([table([head, *rows]), *bases, *result["notes"]])


# --- draft-eval ---------------------------------------------------------------------------------


def _eval_arguments(parser: argparse.ArgumentParser) -> None:
    from vocabtrim_core.drafts.plan import TrainingPlan

    parser.add_argument(
        "drafts", nargs="+", metavar="DRAFT", help="draft directories, or RUN/K, or RUN for all"
    )
    shared(parser, "--target", required=True, help="their target")
    parser.add_argument(
        "--features", required=True, metavar="KEY", help="captured features (see `capture`)"
    )
    add_options(parser, TrainingPlan, "ttt_length")
    shared(parser, "--device")
    shared(parser, "--trainer")


def _eval(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core import workspace
    from vocabtrim_core.drafts.draft_specs import draft_folders
    from vocabtrim_core.drafts.evaluate_export import evaluate_draft
    from vocabtrim_core.drafts.feature_sets import load_features
    from vocabtrim_core.drafts.target import load_target, trainer_folder
    from vocabtrim_core.drafts.training_env import probe, settings_for, trainer_command

    drafts = draft_folders(arguments.drafts)
    target, features = load_target(arguments.target, progress), load_features(arguments.features)
    if features.target_sha256 != target.fingerprint:
        raise InputError(
            f"The features {features.key} were captured from {features.target}, which is not the "
            f"target {target.name} as it is now; capture them again."
        )
    command = trainer_command(arguments.trainer)
    trainer = probe(command, device=arguments.device)
    device = trainer.device if arguments.device == "auto" else arguments.device
    view = trainer_folder(target, workspace.folder("targets") / f"{target.fingerprint[:16]}.view")
    results = []
    for i, draft in enumerate(drafts):

        def watch(done: int, total: int, i: int = i, draft: Path = draft) -> None:
            words = f", conversation {done + 1:,} of {total:,}" if total else ""
            progress(i, len(drafts), f"Evaluating {draft}{words}")

        watch(0, 0)
        measured = evaluate_draft(
            draft,
            target,
            view,
            features,
            trainer,
            device,
            ttt_length=arguments.ttt_length,
            settings=settings_for(device),
            watch=watch,
        )
        results.append({"draft": str(draft), **measured})
    return {
        "drafts": results,
        "target": target.name,
        "features": features.key,
    }


def _eval_text(result: Result) -> str:
    rows = [
        (d["draft"], d["acceptance_length"], d["per_position_accuracy"], d["held_out_tokens"])
        for d in result["drafts"]
    ]
    return table([("draft", "acceptance length", "accuracy by position", "tokens"), *rows])


COMMANDS = (
    Command(
        "capture",
        "capture the target's hidden states, once for every draft that is trained on them",
        _capture,
        capture_arguments,
        lambda r: named_values(
            r,
            "key",
            "target",
            "corpus",
            "train_samples",
            "train_tokens",
            "eval_samples",
            "eval_tokens",
            "bytes",
            "seconds",
            "device",
            "folder",
        ),
        "capture --target models/Llama-3.2-1B-Instruct --data blend.parquet --max-tokens 2000000",
    ),
    Command(
        "train",
        "train EAGLE-3 drafts with SpecForge, one per vocabulary size, and export them",
        _train,
        train_arguments,
        _train_text,
        "train --target smollm2 --k full --k 4380 --start target",
    ),
    Command(
        "draft-eval",
        "measure the held-out acceptance length of draft directories",
        _eval,
        _eval_arguments,
        _eval_text,
        "draft-eval RUN/k-4380 --target smollm2 --features 1acf9a41",
    ),
)
