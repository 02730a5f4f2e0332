"""Options of the commands that train, and the values that they give."""

from __future__ import annotations

import argparse
import shlex
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING

from vocabtrim_core.cli.arguments import integer, shared
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options, from_argv, parsed, to_argv

if TYPE_CHECKING:
    from vocabtrim_core.corpora import Corpus
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.drafts.plan import Deployment, TrainingPlan
    from vocabtrim_core.drafts.target import Target
    from vocabtrim_core.drafts.training_env import Trainer
    from vocabtrim_core.jobs.progress import Progress


# --- what is captured ---------------------------------------------------------------------------


def data_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the target, the conversations and how they are read.

    Args:
        parser: The parser of the command.
    """
    from vocabtrim_core.drafts.bundled_target import NAME, TITLE

    shared(
        parser,
        "--target",
        required=True,
        help=f"folder or hub id of the target, or {NAME} for {TITLE}, which needs no download",
    )
    shared(
        parser,
        "--data",
        help=f"conversations: files, folders or patterns (with --target {NAME}: the demo's)",
    )
    shared(parser, "--limit")
    shared(parser, "--tokenizer", help="tokenizer, where it is not beside the target's weights")
    shared(parser, "--template")


def capture_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `capture`.

    Args:
        parser: The parser of the command.
    """
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.drafts.bundled_target import TITLE
    from vocabtrim_core.drafts.plan import MAX_LENGTH, SMALL_MAX_LENGTH, SMALL_MAX_TOKENS
    from vocabtrim_core.drafts.request import TrainingRequest

    data_arguments(parser)
    group = parser.add_argument_group(
        "features",
        f"Without --max-length, {MAX_LENGTH:,} tokens of a conversation are used;\n"
        f"for {TITLE} {SMALL_MAX_LENGTH:,}, and about {SMALL_MAX_TOKENS:,} in all.",
    )
    add_options(group, CountConfig, "max_length", omit_defaults=True)
    add_options(group, TrainingRequest, "max_tokens", "held_out")
    shared(group, "--device")


def target_and_config(
    arguments: argparse.Namespace, progress: Progress, *, limit: bool = True
) -> tuple[Target, CountConfig]:
    """Load the target with its tokenizer and chat template.

    Args:
        arguments: The parsed command line.
        progress: Takes reports where the bundled target is converted first.
        limit: Cut conversations at --max-length, or at the default of that target.

    Returns:
        (target, how its conversations become ids).
    """
    from vocabtrim_core.counting.config import CountConfig
    from vocabtrim_core.drafts.plan import MAX_LENGTH, SMALL_MAX_LENGTH
    from vocabtrim_core.drafts.target import load_target
    from vocabtrim_core.templates.resolve import resolve_template
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    target = load_target(arguments.target, progress)
    tokenizer = load_tokenizer(
        arguments.tokenizer or target.folder, config=target.folder / "config.json"
    )
    template = resolve_template(tokenizer, arguments.template)
    if not limit:
        return target, CountConfig(tokenizer, template)
    length = arguments.max_length or (SMALL_MAX_LENGTH if target.bundled else MAX_LENGTH)
    return target, CountConfig(tokenizer, template, max_length=length)


def max_tokens(arguments: argparse.Namespace, target: Target) -> int | None:
    """Read how many tokens are captured.

    Args:
        arguments: The parsed command line.
        target: The target, whose default is taken without --max-tokens.

    Returns:
        Tokens, None for all.
    """
    from vocabtrim_core.drafts.plan import SMALL_MAX_TOKENS

    return arguments.max_tokens or (SMALL_MAX_TOKENS if target.bundled else None)


def conversations(arguments: argparse.Namespace, progress: Progress) -> Corpus:
    """Open the corpus of --data, or the demo's with the bundled target.

    Args:
        arguments: The parsed command line.
        progress: Takes reports of the work.

    Returns:
        The corpus.

    Raises:
        InputError: There is no --data for a target of one's own.
    """
    from vocabtrim_core.corpora import open_corpus
    from vocabtrim_core.corpora.demo_corpus import demo_corpus
    from vocabtrim_core.drafts.bundled_target import is_bundled

    if arguments.data:
        return open_corpus(arguments.data, limit=arguments.limit)
    if not is_bundled(arguments.target):
        raise InputError("Give the conversations to train on with --data PATH.")
    return demo_corpus(progress, limit=arguments.limit)


def held_out(arguments: argparse.Namespace) -> float:
    """Read the share of conversations that are kept for evaluation.

    Args:
        arguments: The parsed command line.

    Returns:
        The share, between 0 and 1.

    Raises:
        InputError: It lies outside.
    """
    if not 0 < arguments.held_out < 1:
        raise InputError(f"held-out must lie within 0..1, but it is {arguments.held_out}.")
    return arguments.held_out


# --- how it is trained ----------------------------------------------------------------------------


def train_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `train`.

    Args:
        parser: The parser of the command.
    """
    from vocabtrim_core.drafts.bundled_target import TITLE
    from vocabtrim_core.drafts.completion_clients import Sampling
    from vocabtrim_core.drafts.plan import SMALL_PLAN, Deployment, TrainingPlan
    from vocabtrim_core.drafts.request import TrainingRequest

    capture_arguments(parser)
    group = parser.add_argument_group("vocabularies")
    group.add_argument(
        "--k",
        dest="ks",
        action=_InOrder,
        default=[],
        metavar="K",
        help="draft vocabulary size to train, or full for all of V; may be given several times, "
        "and they are trained in this order",
    )
    shared(
        group,
        "--vocabulary",
        dest="vocabularies",
        action=_InOrder,
        default=[],
        help="train this vocabulary: a choice.json, or a mapping in any of the formats `export` "
        "writes; may be given several times",
    )
    shared(
        group,
        "--counts",
        help="counts the vocabularies are chosen from (default: what is trained on)",
    )
    group = parser.add_argument_group(
        "training",
        f"Defaults for {TITLE}:\n{textwrap.fill(shlex.join(to_argv(SMALL_PLAN)), 90)}",
    )
    add_options(group, TrainingRequest, "name")
    add_options(group, TrainingPlan, omit_defaults=True)
    group = parser.add_argument_group("where it runs")
    shared(group, "--trainer")
    add_options(group, TrainingRequest, "threads")
    add_options(group, Deployment)
    group.add_argument(
        "--online",
        metavar="TRAINER:SERVER",
        help="with --check: the online run file too, on these GPUs (2,3:0,1)",
    )
    group = parser.add_argument_group("the target's own answers")
    group.add_argument(
        "--regenerate",
        metavar="local|URL",
        help="answer the prompts anew: with the target here, or by a server",
    )
    add_options(group, Sampling)
    parser.add_argument(
        "--check",
        action="store_true",
        help="train nothing: measure a few steps, show what it costs, let SpecForge validate the "
        "run files",
    )


class _InOrder(argparse.Action):
    """Append a value to its own list, and to the one of sizes in the order they are named."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        for name in (self.dest, "sizes_named"):
            setattr(namespace, name, [*getattr(namespace, name, ()), values])


def size(text: str, vocab_size: int) -> int:
    """Read a vocabulary size.

    Args:
        text: A whole number, or 'full' or 'v' for all of V.
        vocab_size: V.

    Returns:
        k, which may lie outside 1..V.

    Raises:
        InputError: The text is neither.
    """
    if text.lower() in ("full", "v"):
        return vocab_size
    try:
        return integer(text)
    except argparse.ArgumentTypeError as error:
        raise InputError(f"k must be a whole number or full, but it is {text!r}.") from error


def plan(arguments: argparse.Namespace, target: Target) -> TrainingPlan:
    """Read how drafts are trained.

    Args:
        arguments: The parsed command line.
        target: The target, whose defaults are taken for what is not given.

    Returns:
        The plan.
    """
    from vocabtrim_core.drafts.plan import SMALL_PLAN, TrainingPlan

    defaults = SMALL_PLAN if target.bundled else TrainingPlan()
    return replace(defaults, **from_argv(TrainingPlan, arguments))


def deployment(arguments: argparse.Namespace, trainer: Trainer) -> Deployment:
    """Read where the trainer runs.

    Args:
        arguments: The parsed command line.
        trainer: The trainer, whose device is taken with --device auto.

    Returns:
        The deployment.
    """
    from vocabtrim_core.drafts.plan import Deployment

    device = trainer.device if arguments.device == "auto" else arguments.device
    return parsed(Deployment, arguments, device=device)
