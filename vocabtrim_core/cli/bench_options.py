"""Options of `bench`, and the command line that they came from."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from vocabtrim_core.cli.arguments import integer, number, shared
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import add_options
from vocabtrim_core.wording import shell_line

TORCH, LLAMA_CPP, VLLM, SGLANG = ENGINES = ("torch", "llama.cpp", "vllm", "sglang")
ANY = "servers"  # by URL, of whatever engine
LAUNCH = "launch"  # SGLang launched here, as earlier versions called it
NOT_AGAIN = ("--out", "--join")  # a replay is a measurement of its own


def bench_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `bench`.

    Args:
        parser: The parser of the command.
    """
    from vocabtrim_core.serving.configurations import Drafting

    measurement_arguments(parser)
    group = parser.add_argument_group("how drafts are used")
    add_options(group, Drafting)
    group.add_argument(
        "--sweep",
        nargs="+",
        action="extend",
        default=[],
        metavar="DRAFT",
        help="of several --steps, the drafts that are measured with each; the others are with the "
        "most (default: all with each)",
    )


def measurement_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare everything that decides a measurement but how drafts are used.

    Args:
        parser: The parser of `bench` or `tune`.
    """
    _compared(parser)
    _prompts(parser.add_argument_group("prompts"))
    _timing(parser.add_argument_group("how it is measured"))
    _running_servers(parser.add_argument_group("servers that run already"))
    _launched_servers(parser.add_argument_group("servers that are launched here"))


def _compared(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--engine",
        choices=(*ENGINES, LAUNCH),
        metavar="{" + ",".join(ENGINES) + "}",
        help="torch: a lossless loop here, always there; the others are started here, one "
        "configuration after the other, or attached with --url (default: what answers at --url, "
        "else torch)",
    )
    shared(parser, "--target", help="folder or hub id of the target, or smollm2")
    add(
        "--draft",
        nargs="+",
        action="extend",
        default=[],
        metavar="DRAFT",
        help="draft folders, RUN/K for one of a training run, or RUN for all of it",
    )
    add(
        "--no-speculation",
        action="store_true",
        help="the target alone too (the default; with --only it has to be given)",
    )
    add(
        "--only",
        action="store_true",
        help="leave out baselines that are not named: no "
        "speculation, and drafts of V and 32,000 tokens of the same training run",
    )
    shared(parser, "--out", help="write the measurement to this file too")


def _prompts(group: Any) -> None:
    from vocabtrim_core.serving.engine import Generation

    add = group.add_argument
    add(
        "--prompts",
        nargs="+",
        default=[],
        metavar="PROMPTS",
        help="mt-bench, gsm8k, humaneval, math-500, aime, function-calling or ner (from the "
        "hub), files, or the key of an upload (with the demo target: its own)",
    )
    shared(group, "--limit", default=40, metavar="N", help="prompts (default %(default)s)")
    shared(group, "--seed", default=42, help="of their draw (default %(default)s)")
    add(
        "--turns",
        choices=("first", "last"),
        default="first",
        help="the first user turn, or all before the last answer (default first)",
    )
    add("--max-prompt-tokens", type=integer, metavar="N", help="leave longer prompts out")
    shared(group, "--tokenizer", help="where it is not the target's, or the servers'")
    shared(group, "--template")
    add_options(group, Generation)


def _timing(group: Any) -> None:
    add = group.add_argument
    add("--runs", type=integer, default=3, help="of each configuration (default %(default)s)")
    shared(
        group,
        "--concurrency",
        nargs="+",
        default=[1],
        help="requests at once, several for a sweep (default 1)",
    )
    add(
        "--warm-up",
        type=integer,
        default=2,
        metavar="N",
        help="prompts before a run that do not count (default %(default)s)",
    )
    shared(group, "--device", help="of the torch loop (default %(default)s)")
    shared(group, "--dtype")


def _running_servers(group: Any) -> None:
    add = group.add_argument
    add(
        "--url",
        action="append",
        default=[],
        metavar="[NAME=]URL",
        help="a server of llama.cpp, vLLM or SGLang; NAME is the k its draft should have, or what "
        "to call it",
    )
    add(
        "--join",
        metavar="KEY",
        help="add what is measured to that measurement, for one server at a time",
    )
    add(
        "--insist",
        action="store_true",
        help="compare servers even where target, tokenizer, steps, top-k or draft tokens differ",
    )
    add(
        "--across-engines",
        action="store_true",
        help="compare different engines, whose kernels differ by more than the draft",
    )
    add(
        "--header",
        action="append",
        default=[],
        metavar="NAME=VARIABLE",
        help="a header whose value is in an environment variable, sent by https or within this "
        "machine ($SGLANG_API_KEY, $VLLM_API_KEY or $LLAMA_API_KEY goes to such a server by "
        "itself; --engine names it where it says nothing without its key)",
    )
    add(
        "--stall",
        type=number,
        default=120.0,
        metavar="SECONDS",
        help="silence after which a server counts as stalled (default %(default)g)",
    )


def _launched_servers(group: Any) -> None:
    from vocabtrim_core.serving.engines.llama_cpp.launch import LlamaLaunch
    from vocabtrim_core.serving.engines.sglang.launch import Launch

    group.add_argument(
        "--interpreter",
        metavar="NAME",
        help="an engine that `engine --add` configured, the Python of an environment with the "
        "engine, or a llama-server (default: the engine that is configured, else this Python)",
    )
    add_options(group, Launch)
    add_options(group, LlamaLaunch)
    group.add_argument(
        "--k",
        action="append",
        default=[],
        metavar="K",
        help="with --simulate-acceptance: a draft of this size, or full",
    )


def engine(arguments: argparse.Namespace) -> str:
    """Name the engine of --engine, or the one that the other options imply.

    Args:
        arguments: The parsed command line.

    Returns:
        One of `ENGINES`; ANY for servers by URL whose engine is not named.

    Raises:
        InputError: The options do not go together, or the target is missing.
    """
    chosen = arguments.engine or _implied(arguments)
    if arguments.url and chosen in (TORCH, LAUNCH):
        raise InputError(f"--url names servers that run already, so it does not go with {chosen}.")
    if chosen == LAUNCH:
        chosen = SGLANG
    if not arguments.url and not arguments.target:
        serves = "" if chosen == TORCH else ", or servers that run already with --url"
        raise InputError(f"Name the target with --target: a folder, a hub id, or demo{serves}.")
    if arguments.k and arguments.simulate_acceptance is None:
        raise InputError("--k goes with --simulate-acceptance; give real drafts with --draft.")
    return chosen


def _implied(arguments: argparse.Namespace) -> str:
    """The engine where --engine is not given."""
    if arguments.url:
        return ANY
    if arguments.interpreter:
        from vocabtrim_core.serving.engines.programs import configured

        return configured().get(arguments.interpreter, (SGLANG, ()))[0]
    return TORCH if arguments.simulate_acceptance is None else SGLANG


def headers(arguments: argparse.Namespace) -> dict[str, str]:
    """Read the headers of requests from the environment, so that they are in no command line.

    Args:
        arguments: The parsed command line; --header names the variables.

    Returns:
        Header -> value.

    Raises:
        InputError: A variable is not set, or --header is no NAME=VARIABLE.
    """
    values: dict[str, str] = {}
    for pair in arguments.header:
        name, _, variable = pair.partition("=")
        if not name or variable not in os.environ:
            raise InputError(
                f"--header takes NAME=VARIABLE with the name of an environment variable; "
                f"{variable or 'none'} is not set."
            )
        values[name] = os.environ[variable]
    return values


def command_line(arguments: argparse.Namespace) -> str:
    """Write the command that measures the same again, from any folder.

    Args:
        arguments: The parsed command line of `bench`.

    Returns:
        The line for a shell, without options at their default.
    """
    from vocabtrim_core.serving.engines.programs import configured

    parser = argparse.ArgumentParser(add_help=False)
    bench_arguments(parser)
    words, known = ["bench"], configured()
    for action in parser._actions:
        flag, value = action.option_strings[0], getattr(arguments, action.dest)
        if value == action.default or flag in NOT_AGAIN:
            continue
        if value is True:
            words.append(flag)
        elif action.nargs is None and isinstance(value, list):
            words += [f"{flag}={item}" for item in value]
        else:
            values = value if isinstance(value, list) else [value]
            named = flag == "--interpreter" and value in known
            words += [flag, *(str(v) if named else _anywhere(str(v)) for v in values)]
    return shell_line(*words)


def _anywhere(value: str) -> str:
    """Make a path absolute; names that commands understand stay names, whatever files exist."""
    from vocabtrim_core.corpora import demo
    from vocabtrim_core.drafts.bundled_target import is_bundled
    from vocabtrim_core.serving.prompts.presets import PROMPT_PRESETS

    path = Path(value).expanduser()
    named = is_bundled(value) or value in (*demo.NAMES, *PROMPT_PRESETS)
    return str(path.absolute()) if path.exists() and not named else value


def parsed(words: list[str]) -> argparse.Namespace:
    """Parse a command line that `command_line` wrote.

    Args:
        words: Its words after `bench`.

    Returns:
        The parsed command line.
    """
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    bench_arguments(parser)
    return parser.parse_args(words)
