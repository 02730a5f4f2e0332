"""Arguments of the commands that train, and what they stand for."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import integer, number
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
    from vocabtrim_core.drafts.target import Target
    from vocabtrim_core.drafts.training_env import Trainer
    from vocabtrim_core.jobs.progress import Progress


# --- what is captured ---------------------------------------------------------------------------


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """Target, conversations, and how they are read."""
    parser.add_argument(
        "--target",
        required=True,
        metavar="MODEL",
        help="folder or hub id of the target, or demo for the toy target of `demo-target`, which "
        "`train` makes first where there is none",
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


def capture_arguments(parser: argparse.ArgumentParser) -> None:
    data_arguments(parser)
    group = parser.add_argument_group("features")
    group.add_argument(
        "--max-length",
        type=integer,
        metavar="TOKENS",
        help="tokens of a conversation that are used (default 2048; 384 for the toy target)",
    )
    group.add_argument(
        "--max-tokens",
        type=integer,
        metavar="TOKENS",
        help="read about this many in all, from every file (default: all; 60,000 for the toy)",
    )
    group.add_argument(
        "--held-out",
        type=number,
        default=0.05,
        metavar="SHARE",
        help="conversations kept from training, to evaluate on (default %(default)s)",
    )
    group.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="(default %(default)s)"
    )


def target_and_recipe(arguments: argparse.Namespace, *, limit: bool = True) -> tuple[Any, Any]:
    """(Target, Recipe) of --target, --tokenizer and --template; limit: cut by --max-length."""
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.drafts.plan import MAX_LENGTH, TOY_MAX_LENGTH
    from vocabtrim_core.drafts.target import load_target
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    target = load_target(arguments.target)
    tokenizer = load_tokenizer(
        arguments.tokenizer or target.folder, config=target.folder / "config.json"
    )
    template = resolve_template(tokenizer, arguments.template)
    if not limit:
        return target, CountConfig(tokenizer, template)
    length = arguments.max_length or (TOY_MAX_LENGTH if target.toy else MAX_LENGTH)
    return target, CountConfig(tokenizer, template, max_length=length)


def max_tokens(arguments: argparse.Namespace, target: Target) -> int | None:
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


def held_out(arguments: argparse.Namespace) -> float:
    if not 0 < arguments.held_out < 1:
        raise InputError(f"held-out must lie within 0..1, but it is {arguments.held_out}.")
    return arguments.held_out


# --- how it is trained ----------------------------------------------------------------------------


def train_arguments(parser: argparse.ArgumentParser) -> None:
    capture_arguments(parser)
    vocabulary = parser.add_argument_group("vocabularies").add_argument
    vocabulary(
        "--k",
        dest="ks",
        action="append",
        default=[],
        metavar="K",
        help="draft vocabulary size to train, or full for all of V; may be given several times",
    )
    vocabulary(
        "--vocabulary",
        dest="vocabularies",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="train this vocabulary: a choice.json, or a mapping in any of the formats `export` "
        "writes; may be given several times",
    )
    vocabulary(
        "--counts",
        metavar="COUNTS",
        help="counts the vocabularies are chosen from (default: what is trained on)",
    )
    plan = parser.add_argument_group(
        "training", "In brackets: the default, and after the comma that for the toy target."
    ).add_argument
    plan("--name", help="name of the run (default: from target, corpus and settings)")
    plan("--epochs", type=integer, help="[10]")
    plan("--max-steps", type=integer, metavar="N", help="stop after this many steps [none, 160]")
    plan("--batch-size", type=integer, help="conversations a step [1, 2]")
    plan("--accumulation", type=integer, help="batches a step [1]")
    plan("--learning-rate", type=number, help="[1e-4, 3e-3]")
    plan("--ttt-length", type=integer, help="draft positions unrolled in training [7, 3]")
    plan(
        "--start",
        choices=("scratch", "target"),
        help="first weights of the head: random, or the target's [scratch, target]",
    )
    plan("--evaluations", type=integer, help="held-out evaluations and checkpoints [10, 5]")
    plan(
        "--compact-teacher",
        action="store_true",
        help="less memory for the target's logits, in exchange for time",
    )
    plan("--seed", type=integer, help="[0]")
    where = parser.add_argument_group("where it runs").add_argument
    where(
        "--trainer",
        metavar="NAME",
        help="a trainer that `trainer --add` configured, or the Python of an environment, or a "
        "command that starts it (default: the workspace's setting, else this one)",
    )
    where("--threads", type=integer, metavar="N", help="CPU threads (default: all cores)")
    where(
        "--processes",
        type=integer,
        default=1,
        metavar="N",
        help="GPUs per node, through torchrun (default %(default)s)",
    )
    where("--nodes", type=integer, default=1, metavar="N", help="(default %(default)s)")
    where(
        "--online",
        metavar="TRAINER:SERVER",
        help="with --check: the online run file too, on these GPUs (2,3:0,1)",
    )
    where("--node-rank", type=integer, metavar="N", help="which node this is")
    where("--master-addr", metavar="HOST", help="first node, where there are several")
    own = parser.add_argument_group("the target's own answers").add_argument
    own(
        "--regenerate",
        metavar="local|URL",
        help="answer the prompts anew: with the target here, or by a server",
    )
    own("--temperature", type=number, default=0.0, help="(default %(default)s)")
    own("--answer-tokens", type=integer, default=512, metavar="N", help="(default %(default)s)")
    parser.add_argument(
        "--check",
        action="store_true",
        help="start nothing: say what it costs, write the run files, let SpecForge validate them",
    )


def size(text: str, vocab_size: int) -> int:
    if text.lower() in ("full", "v"):
        return vocab_size
    try:
        return integer(text)
    except argparse.ArgumentTypeError as error:
        raise InputError(f"k must be a whole number or full, but it is {text!r}.") from error


def plan(arguments: argparse.Namespace, target: Target) -> TrainingPlan:
    """What was given, and for the rest the defaults of real targets, or of toy ones."""
    from vocabtrim_core.drafts.plan import TOY_PLAN, TrainingPlan

    names = (
        "epochs",
        "max_steps",
        "batch_size",
        "accumulation",
        "learning_rate",
        "ttt_length",
        "start",
        "evaluations",
        "seed",
    )
    found = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in found.items() if value is not None}
    usual = TOY_PLAN if target.toy else TrainingPlan()
    return replace(usual, **given, compact_teacher=arguments.compact_teacher)


def deployment(arguments: argparse.Namespace, trainer: Trainer) -> Deployment:
    from vocabtrim_core.drafts.plan import Deployment

    device = trainer.device if arguments.device == "auto" else arguments.device
    return Deployment(
        device, arguments.processes, arguments.nodes, arguments.node_rank, arguments.master_addr
    )
