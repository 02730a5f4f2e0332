"""Commands that train drafts: capture, train, draft-eval."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import integer, number
from vocabtrim_core.cli.command import Command, Result, facts, table
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
    from vocabtrim_core.drafts.target import Target
    from vocabtrim_core.drafts.trainer import Trainer
    from vocabtrim_core.progress import Progress
    from vocabtrim_core.recipe import Recipe


# --- what is captured ---------------------------------------------------------------------------


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """Target, conversations, and how they are read."""
    parser.add_argument(
        "--target",
        required=True,
        metavar="MODEL",
        help="folder or hub id of the target, or demo for the toy target of `demo-target`",
    )
    parser.add_argument(
        "--data",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="conversations: files, folders or patterns (with --target demo: the demo's)",
    )
    parser.add_argument("--limit", type=integer, metavar="ROWS", help="use only the first rows")
    parser.add_argument(
        "--tokenizer", metavar="T", help="tokenizer, where it is not beside the target's weights"
    )
    parser.add_argument(
        "--template", default="auto", help="chat template, see `count` (default %(default)s)"
    )


def _capture_arguments(parser: argparse.ArgumentParser) -> None:
    data_arguments(parser)
    group = parser.add_argument_group("features")
    group.add_argument(
        "--max-length", type=integer, metavar="TOKENS",
        help="tokens of a conversation that are used (default 2048; 384 for the toy target)",
    )  # fmt: skip
    group.add_argument(
        "--max-tokens",
        type=integer,
        metavar="TOKENS",
        help="read about this many in all, from every file (default: all; 60,000 for the toy)",
    )
    group.add_argument(
        "--held-out", type=number, default=0.05, metavar="SHARE",
        help="conversations kept from training, to evaluate on (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default %(default)s)"
    )


def target_and_recipe(arguments: argparse.Namespace, *, limit: bool = True) -> tuple[Any, Any]:
    """(Target, Recipe) of --target, --tokenizer and --template; limit: cut by --max-length."""
    from vocabtrim_core.drafts.plan import MAX_LENGTH, TOY_MAX_LENGTH
    from vocabtrim_core.drafts.target import load_target
    from vocabtrim_core.recipe import Recipe
    from vocabtrim_core.templates import resolve_template
    from vocabtrim_core.tokenizers import load_tokenizer

    target = load_target(arguments.target)
    tokenizer = load_tokenizer(
        arguments.tokenizer or target.folder, config=target.folder / "config.json"
    )
    template = resolve_template(tokenizer, arguments.template)
    if not limit:
        return target, Recipe(tokenizer, template)
    length = arguments.max_length or (TOY_MAX_LENGTH if target.toy else MAX_LENGTH)
    return target, Recipe(tokenizer, template, max_length=length)


def _max_tokens(arguments: argparse.Namespace, target: Target) -> int | None:
    from vocabtrim_core.drafts.plan import TOY_MAX_TOKENS

    return arguments.max_tokens or (TOY_MAX_TOKENS if target.toy else None)


def conversations(arguments: argparse.Namespace, progress: Progress) -> Corpus:
    """The corpus of --data, or the demo's with the demo target."""
    from vocabtrim_core.corpora import open_corpus
    from vocabtrim_core.drafts.demo_target import demo_corpus
    from vocabtrim_core.drafts.target import DEMO

    if arguments.data:
        return open_corpus(arguments.data, limit=arguments.limit)
    if arguments.target != DEMO:
        raise InputError("Give the conversations to train on with --data PATH.")
    return demo_corpus(progress, limit=arguments.limit)


def _held_out(arguments: argparse.Namespace) -> float:
    if not 0 < arguments.held_out < 1:
        raise InputError(f"held-out must lie within 0..1, but it is {arguments.held_out}.")
    return arguments.held_out


def _capture(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.features import capture

    target, recipe = target_and_recipe(arguments)
    made = capture(
        target, conversations(arguments, progress), recipe, device=arguments.device,
        max_tokens=_max_tokens(arguments, target), held_out=_held_out(arguments),
        progress=progress,
    )  # fmt: skip
    return {**asdict(made), "folder": str(made.folder), "versions": dict(made.versions)}


# --- train --------------------------------------------------------------------------------------


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    _capture_arguments(parser)
    vocabulary = parser.add_argument_group("vocabularies").add_argument
    vocabulary(
        "--k", dest="ks", action="append", required=True, metavar="K",
        help="draft vocabulary size to train, or full for all of V; may be given several times",
    )  # fmt: skip
    vocabulary(
        "--counts", metavar="COUNTS",
        help="counts the vocabularies are chosen from (default: what is trained on)",
    )  # fmt: skip
    plan = parser.add_argument_group(
        "training", "In brackets: the default, and after the comma that for the toy target."
    ).add_argument
    plan("--name", help="name of the run (default: from target, corpus and settings)")
    plan("--epochs", type=integer, help="[10]")
    plan("--max-steps", type=integer, metavar="N", help="stop after this many steps [none, 120]")
    plan("--batch-size", type=integer, help="conversations a step [1, 2]")
    plan("--accumulation", type=integer, help="batches a step [1]")
    plan("--learning-rate", type=number, help="[1e-4, 3e-3]")
    plan("--ttt-length", type=integer, help="draft positions unrolled in training [7, 3]")
    plan("--start", choices=("scratch", "target"),
         help="first weights of the head: random, or the target's [scratch, target]")  # fmt: skip
    plan("--evaluations", type=integer, help="held-out evaluations and checkpoints [10, 4]")
    plan("--compact-teacher", action="store_true",
         help="less memory for the target's logits, in exchange for time")  # fmt: skip
    plan("--seed", type=integer, help="[0]")
    where = parser.add_argument_group("where it runs").add_argument
    where("--trainer", metavar="COMMAND",
          help="Python of the environment that trains, or a command that starts it (default: the "
          "workspace's setting, else this one)")  # fmt: skip
    where("--threads", type=integer, metavar="N", help="CPU threads (default: all cores)")
    where("--processes", type=integer, default=1, metavar="N",
          help="GPUs per node, through torchrun (default %(default)s)")  # fmt: skip
    where("--nodes", type=integer, default=1, metavar="N", help="(default %(default)s)")
    where("--node-rank", type=integer, metavar="N", help="which node this is")
    where("--master-addr", metavar="HOST", help="first node, where there are several")
    own = parser.add_argument_group("the target's own answers").add_argument
    own("--regenerate", metavar="local|URL",
        help="answer the prompts anew: with the target here, or by a server")  # fmt: skip
    own("--temperature", type=number, default=0.0, help="(default %(default)s)")
    own("--answer-tokens", type=integer, default=512, metavar="N", help="(default %(default)s)")
    parser.add_argument(
        "--check", action="store_true",
        help="start nothing: say what it costs, write the run files, let SpecForge validate them",
    )  # fmt: skip


def _train(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.training import train

    request = _request(arguments, progress)
    if arguments.check:
        return _check(request)
    run = train(request, progress)
    return {
        "run": run.name,
        "folder": str(run.folder),
        "target": run.spec["target"]["name"],
        "label": run.spec["target"]["toy"].get("label"),
        "drafts": [dict(draft.result) for draft in run.drafts],
        "stages": [asdict(stage) for stage in run.stages],
        "notes": run.spec["notes"],
    }


def _request(arguments: argparse.Namespace, progress: Progress) -> Any:
    import shlex

    from vocabtrim_core.drafts.trainer import probe, trainer_command
    from vocabtrim_core.drafts.training import TrainingRequest
    from vocabtrim_core.workspace import find_counts

    target, recipe = target_and_recipe(arguments)
    command = tuple(shlex.split(arguments.trainer)) if arguments.trainer else trainer_command()
    trainer = probe(command, device=arguments.device)
    regenerate, by = _regeneration(arguments, target, recipe)
    return TrainingRequest(
        target=target,
        corpus=conversations(arguments, progress),
        recipe=recipe,
        ks=[_size(text, target.vocab_size) for text in arguments.ks],
        plan=_plan(arguments, target),
        deployment=_deployment(arguments, trainer),
        trainer=trainer,
        counts=find_counts(arguments.counts) if arguments.counts else None,
        name=arguments.name,
        max_tokens=_max_tokens(arguments, target),
        held_out=_held_out(arguments),
        regenerate=regenerate,
        regenerated_by=by,
        threads=arguments.threads,
        command=("python", "-m", "vocabtrim_core", *sys.argv[1:]),
    )


def _size(text: str, vocab_size: int) -> int:
    if text.lower() in ("full", "v"):
        return vocab_size
    try:
        return integer(text)
    except argparse.ArgumentTypeError as error:
        raise InputError(f"k must be a whole number or full, but it is {text!r}.") from error


def _plan(arguments: argparse.Namespace, target: Target) -> TrainingPlan:
    """What was given, and for the rest the defaults of real targets, or of toy ones."""
    from vocabtrim_core.drafts.plan import TOY_PLAN, TrainingPlan

    names = ("epochs", "max_steps", "batch_size", "accumulation", "learning_rate", "ttt_length",
             "start", "evaluations", "seed")  # fmt: skip
    found = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in found.items() if value is not None}
    usual = TOY_PLAN if target.toy else TrainingPlan()
    return replace(usual, **given, compact_teacher=arguments.compact_teacher)


def _deployment(arguments: argparse.Namespace, trainer: Trainer) -> Deployment:
    from vocabtrim_core.drafts.plan import Deployment

    device = trainer.device if arguments.device == "auto" else arguments.device
    return Deployment(device, arguments.processes, arguments.nodes, arguments.node_rank,
                      arguments.master_addr)  # fmt: skip


def _regeneration(
    arguments: argparse.Namespace, target: Target, recipe: Recipe
) -> tuple[Callable[[Path, Any], Corpus] | None, str]:
    if not arguments.regenerate:
        return None, ""
    from vocabtrim_core.cli.targets import answerer
    from vocabtrim_core.drafts.answers import Sampling
    from vocabtrim_core.drafts.regenerate import regenerate

    sampling = Sampling(arguments.temperature, arguments.answer_tokens)

    def run(out: Path, progress: Any) -> Corpus:
        corpus = conversations(arguments, progress)
        who = answerer(arguments.regenerate, target, recipe, sampling)
        return regenerate(corpus, who, sampling, out, progress=progress).corpus()

    return run, f"{arguments.regenerate} at temperature {arguments.temperature:g}"


def _check(request: Any) -> Result:
    from vocabtrim_core.drafts.estimate import estimate
    from vocabtrim_core.drafts.training import validate

    cost = estimate(
        request.target, request.corpus, request.recipe, request.ks, request.plan,
        request.deployment, request.trainer, max_tokens=request.max_tokens,
        held_out=request.held_out,
    )  # fmt: skip
    seconds = {str(k): value for k, value in cost.train_seconds.items()}
    return {
        "check": True,
        **asdict(cost),
        "train_seconds": seconds,
        "seconds": cost.seconds,
        "fits": cost.fits,
        "plans": validate(request),
        "notes": request.notes,
    }


def _train_text(result: Result) -> str:
    if result.get("check"):
        words = facts(result, "conversations", "tokens", "steps", "feature_bytes",
                      "checkpoint_bytes", "free_bytes", "fits", "seconds", "device")  # fmt: skip
        return f"{words}\nSpecForge accepts the run files."
    head = ("k", "coverage", "acceptance length", "FLOPs saved", "best step", "draft")
    rows = [
        (d["k"], d["coverage"], d["acceptance_length"], d["flops_reduction"], d["best_step"],
         d["draft"]) for d in result["drafts"]
    ]  # fmt: skip
    label = [f"{result['target']}: {result['label']}"] if result["label"] else []
    return "\n".join([*label, table([head, *rows]), *result["notes"]])


# --- draft-eval ---------------------------------------------------------------------------------


def _eval_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("drafts", nargs="+", type=Path, metavar="DRAFT", help="draft directories")
    parser.add_argument("--target", required=True, metavar="MODEL", help="their target")
    parser.add_argument(
        "--features", required=True, metavar="KEY", help="captured features (see `capture`)"
    )
    parser.add_argument("--ttt-length", type=integer, default=7, help="(default %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--trainer", metavar="COMMAND", help="see `train`")


def _eval(arguments: argparse.Namespace, progress: Progress) -> Result:
    import shlex

    from vocabtrim_core import workspace
    from vocabtrim_core.drafts.features import load_features
    from vocabtrim_core.drafts.finishing import evaluate_draft
    from vocabtrim_core.drafts.target import load_target, trainer_folder
    from vocabtrim_core.drafts.trainer import probe, settings_for, trainer_command

    target, features = load_target(arguments.target), load_features(arguments.features)
    if features.target_sha256 != target.fingerprint:
        raise InputError(
            f"The features {features.key} were captured from {features.target}, which is not the "
            f"target {target.name} as it is now; capture them again."
        )
    command = tuple(shlex.split(arguments.trainer)) if arguments.trainer else trainer_command()
    trainer = probe(command, device=arguments.device)
    device = trainer.device if arguments.device == "auto" else arguments.device
    view = trainer_folder(target, workspace.folder("targets") / f"{target.fingerprint[:16]}.view")
    found = []
    for i, draft in enumerate(arguments.drafts):
        if not (draft / "config.json").is_file():
            raise InputError(f"{draft} is no draft directory: it has no config.json.")
        progress(i, len(arguments.drafts), f"Evaluating {draft.name}")
        measured = evaluate_draft(
            draft.resolve(), target, view, features, trainer, device,
            ttt_length=arguments.ttt_length, settings=settings_for(device),
        )  # fmt: skip
        found.append({"draft": str(draft), **measured})
    return {"drafts": found, "target": target.name, "label": target.toy.get("label"),
            "features": features.key}  # fmt: skip


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
        _capture_arguments,
        lambda r: facts(r, "key", "target", "corpus", "train_samples", "train_tokens",
                        "eval_samples", "eval_tokens", "bytes", "seconds", "device", "folder"),
        "capture --target models/Llama-3.2-1B-Instruct --data blend.parquet --max-tokens 2000000",
    ),
    Command(
        "train",
        "train EAGLE-3 drafts with SpecForge, one per vocabulary size, and export them",
        _train,
        _train_arguments,
        _train_text,
        "train --target demo --k full --k 4380 --start target",
    ),
    Command(
        "draft-eval",
        "measure the held-out acceptance length of draft directories",
        _eval,
        _eval_arguments,
        _eval_text,
        "draft-eval runs/a/k-4380/draft --target demo --features 1acf9a41",
    ),
)  # fmt: skip
