"""Commands about the target itself: bundled-target, regenerate."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli.arguments import settings_arguments, shared
from vocabtrim_core.cli.command import Command, Result, named_values
from vocabtrim_core.cli.train_options import (
    conversations,
    data_arguments,
    target_and_config,
)
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options, parsed

if TYPE_CHECKING:
    from vocabtrim_core.drafts.completion_clients import Answerer, Sampling
    from vocabtrim_core.jobs.progress import Progress


# --- bundled-target -----------------------------------------------------------------------------


def _bundled(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.bundled_target import ensure

    target = ensure(progress)
    return {**asdict(target), "folder": str(target.folder)}


# --- regenerate ---------------------------------------------------------------------------------


def _regenerate_arguments(parser: argparse.ArgumentParser) -> None:
    from vocabtrim_core.drafts.completion_clients import Sampling

    data_arguments(parser)
    shared(parser, "--out", required=True, help="a .jsonl file")
    parser.add_argument(
        "--by",
        default="local",
        metavar="local|URL",
        help="who answers: the target here (transformers), or a server (default %(default)s)",
    )
    parser.add_argument(
        "--api",
        choices=("openai", "sglang"),
        default="openai",
        help="what the server speaks: chat completions with its template, or SGLang's /generate "
        "with ours (default %(default)s)",
    )
    parser.add_argument("--model", metavar="NAME", help="model of the server (default: its first)")
    add_options(parser, Sampling)
    shared(parser, "--concurrency", default=16, help="prompts at once (default %(default)s)")
    parser.add_argument(
        "--compare",
        action="store_true",
        help="count both corpora with the target's tokenizer, and say how k* moves",
    )
    settings_arguments(parser, "alpha")


def answerer(
    by: str,
    target: Any,
    config: Any,
    sampling: Sampling,
    *,
    api: str = "openai",
    model: str | None = None,
    concurrency: int = 16,
) -> Answerer:
    """Make what answers prompts: the target on this machine, or a server.

    Args:
        by: 'local', or an http(s) URL.
        target: The target.
        config: Its tokenizer and chat template.
        sampling: How answers are drawn.
        api: 'openai' or 'sglang', the protocol of the server.
        model: The server's model, None for its first.
        concurrency: Prompts at once.

    Returns:
        The answerer.

    Raises:
        InputError: `by` is neither 'local' nor a URL.
    """
    from vocabtrim_core.drafts.completion_clients import ServerAnswerer
    from vocabtrim_core.drafts.features import choose_device
    from vocabtrim_core.drafts.local_answerer import LocalAnswerer

    if by == "local":
        return LocalAnswerer(
            target, config.tokenizer, config.template, sampling, choose_device("auto"), concurrency
        )
    if by.startswith(("http://", "https://")):
        return ServerAnswerer(by, sampling, concurrency, api, model, config.template)
    raise InputError(f"Answers come from local or from an http(s) URL, not from {by!r}.")


def _regenerate(arguments: argparse.Namespace, progress: Progress) -> Result:
    from vocabtrim_core.drafts.completion_clients import Sampling
    from vocabtrim_core.drafts.regenerate import regenerate

    if arguments.concurrency < 1:
        raise InputError(f"concurrency must be at least 1, but it is {arguments.concurrency}.")
    if arguments.out.suffix != ".jsonl":
        raise InputError(f"{arguments.out} must end in .jsonl, the format it is written in.")
    target, config = target_and_config(arguments, progress, limit=False)
    sampling = parsed(Sampling, arguments)
    answerer_ = answerer(
        arguments.by,
        target,
        config,
        sampling,
        api=arguments.api,
        model=arguments.model,
        concurrency=arguments.concurrency,
    )
    corpus = conversations(arguments, progress)
    regenerated = regenerate(corpus, answerer_, sampling, arguments.out, progress=progress)
    result: Result = {
        **asdict(regenerated),
        "out": str(regenerated.path),
        "path": str(regenerated.path),
        "note": regenerated.note,
    }
    if arguments.compare:
        from vocabtrim_core.drafts.alignment import align

        new_corpus = regenerated.corpus()
        result["alignment"] = align(
            corpus, new_corpus, config, target, alpha=arguments.alpha, progress=progress
        ).json()
    return result


def _regenerate_text(result: Result) -> str:
    refused = [f"{n:,} prompts without an answer: {why}" for why, n in result["refused"].items()]
    aligned = [result["alignment"]["sentence"]] if "alignment" in result else []
    notes = [result["note"]] if result["note"] else []
    lines = [named_values(result, "out", "conversations", "answers"), *notes, *refused, *aligned]
    return "\n".join(lines)


COMMANDS = (
    Command(
        "bundled-target",
        "write SmolLM2-135M-Instruct as a model folder of the workspace, once; needs no download",
        _bundled,
        lambda parser: None,
        lambda r: named_values(r, "title", "licence", "source", "folder", "seconds"),
        "bundled-target",
    ),
    Command(
        "regenerate",
        "replace a corpus's answers by the target's own, the paper's alignment step",
        _regenerate,
        _regenerate_arguments,
        _regenerate_text,
        "regenerate --target smollm2 --data demo/tool-calls.jsonl.zst --limit 200 --out own.jsonl",
    ),
)
