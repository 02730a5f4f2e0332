"""Arguments of `bench`, and the command line that they came from."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from vocabtrim_core.cli.arguments import integer, number
from vocabtrim_core.errors import InputError
from vocabtrim_core.programs import ENGINE, configured

TORCH, SGLANG, LAUNCH = "torch", "sglang", "launch"
ENGINES = (TORCH, SGLANG, LAUNCH)
NOT_AGAIN = ("--out", "--join")  # a replay is another measurement and leaves others alone


def arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that decides a measurement."""
    add = parser.add_argument
    add(
        "--engine",
        choices=ENGINES,
        help="torch: a lossless loop here, always there; sglang: "
        "servers by --url; launch: SGLang started here, one configuration after the other "
        "(default: by what else is given)",
    )
    add("--target", metavar="MODEL", help="folder or hub id of the target, or demo")
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
        help="the target alone too (so by default; with --only it has to be said)",
    )
    add(
        "--only",
        action="store_true",
        help="leave out baselines that are not named: no "
        "speculation, and drafts of V and 32,000 tokens of the same training run",
    )
    add("--out", type=Path, metavar="FILE", help="the measurement as a file, too")

    asked = parser.add_argument_group("what is asked").add_argument
    asked(
        "--prompts",
        nargs="+",
        default=[],
        metavar="PROMPTS",
        help="mt-bench, gsm8k, humaneval, math-500, aime, function-calling or ner (from the "
        "hub), files, or the key of an upload (with the demo target: its own)",
    )
    asked("--limit", type=integer, default=40, metavar="N", help="prompts (default %(default)s)")
    asked("--seed", type=integer, default=42, help="of their draw (default %(default)s)")
    asked(
        "--turns",
        choices=("first", "last"),
        default="first",
        help="the first user turn, or all before the last answer (default first)",
    )
    asked("--max-prompt-tokens", type=integer, metavar="N", help="leave longer prompts out")
    asked("--tokenizer", metavar="T", help="where it is not the target's, or the servers'")
    asked("--template", default="auto", help="chat template, see `count` (default %(default)s)")
    asked(
        "--max-new-tokens",
        type=integer,
        default=128,
        metavar="N",
        help="of an answer (default %(default)s)",
    )
    asked("--ignore-eos", action="store_true", help="answers of exactly so many tokens")

    how = parser.add_argument_group("how it is measured").add_argument
    how("--runs", type=integer, default=3, help="of each configuration (default %(default)s)")
    how(
        "--concurrency",
        type=integer,
        nargs="+",
        default=[1],
        metavar="N",
        help="requests at once, several for a sweep (default 1)",
    )
    how(
        "--warm-up",
        type=integer,
        default=2,
        metavar="N",
        help="prompts before a run that do not count (default %(default)s)",
    )
    how("--steps", type=integer, default=3, help="draft steps per cycle (default %(default)s)")
    how("--topk", type=integer, default=1, help="branches per step (default %(default)s)")
    how("--draft-tokens", type=integer, metavar="N", help="verified per cycle (default steps + 1)")
    how(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="of the torch loop (default %(default)s)",
    )
    how("--dtype", default="auto", help="float32, bfloat16, … (default %(default)s)")

    urls = parser.add_argument_group("servers that run already").add_argument
    urls(
        "--url",
        action="append",
        default=[],
        metavar="[NAME=]URL",
        help="a server; NAME is the k its draft should have, or what to call it",
    )
    urls(
        "--join",
        metavar="KEY",
        help="add what is measured to that measurement, for one server at a time",
    )
    urls(
        "--insist",
        action="store_true",
        help="compare servers even where target, tokenizer, steps, top-k or draft tokens differ",
    )
    urls(
        "--header",
        action="append",
        default=[],
        metavar="NAME=VARIABLE",
        help="a header whose value is in an environment variable ($SGLANG_API_KEY is sent as a "
        "bearer token by itself)",
    )
    urls(
        "--stall",
        type=number,
        default=120.0,
        metavar="SECONDS",
        help="silence after which a server counts as stalled (default %(default)g)",
    )

    launch = parser.add_argument_group("servers that are launched here").add_argument
    launch(
        "--interpreter",
        metavar="NAME",
        help="an engine that `engine --add` configured, or the Python of an environment with "
        "SGLang (default: the engine that is configured)",
    )
    launch(
        "--mem-fraction",
        type=number,
        default=0.75,
        metavar="SHARE",
        help="of GPU memory for weights and KV cache (default %(default)s)",
    )
    launch("--context", type=integer, metavar="TOKENS", help="(default: the target's)")
    launch(
        "--server-argument",
        action="append",
        default=[],
        metavar="ARGUMENT",
        help="one more of SGLang, as in --server-argument=--disable-cuda-graph",
    )
    launch(
        "--ready",
        type=number,
        default=900.0,
        metavar="SECONDS",
        help="until a server must answer (default %(default)g)",
    )
    launch(
        "--simulate-acceptance",
        type=number,
        metavar="LENGTH",
        help="random weights and an acceptance length the server makes up: the latency curve "
        "alone, over --k or --draft",
    )
    launch(
        "--k",
        action="append",
        default=[],
        metavar="K",
        help="with --simulate-acceptance: a draft of this size, or full",
    )


def engine(given: argparse.Namespace) -> str:
    """What --engine says, or what the other arguments imply."""
    chosen = given.engine or (
        SGLANG if given.url else LAUNCH if given.interpreter or given.simulate_acceptance else TORCH
    )
    if chosen == SGLANG and not given.url:
        raise InputError("Attaching servers needs their --url.")
    if chosen != SGLANG and given.url:
        raise InputError(f"--url names servers that run already, so it does not go with {chosen}.")
    if chosen != SGLANG and not given.target:
        raise InputError("Name the target with --target: a folder, a hub id, or demo.")
    if given.k and given.simulate_acceptance is None:
        raise InputError("--k goes with --simulate-acceptance; give real drafts with --draft.")
    return chosen


def headers(given: argparse.Namespace) -> dict[str, str]:
    """Headers whose values come from the environment, so that they are in no command line."""
    from vocabtrim_core.serving.sglang_http import KEY

    key = os.environ.get(KEY)
    found = {"Authorization": f"Bearer {key}"} if key else {}
    for pair in given.header:
        name, _, variable = pair.partition("=")
        if not name or variable not in os.environ:
            raise InputError(
                f"--header takes NAME=VARIABLE with the name of an environment variable; "
                f"{variable or 'none'} is not set."
            )
        found[name] = os.environ[variable]
    return found


def command_line(given: argparse.Namespace) -> str:
    """The command that does the same again, from any folder."""
    parser = argparse.ArgumentParser(add_help=False)
    arguments(parser)
    words = ["python", "-m", "vocabtrim_core", "bench"]
    for action in parser._actions:
        flag, value = action.option_strings[0], getattr(given, action.dest)
        if value == action.default or flag in NOT_AGAIN:
            continue
        if value is True:
            words.append(flag)
        elif action.nargs is None and isinstance(value, list):
            words += [f"{flag}={each}" for each in value]
        else:
            values = value if isinstance(value, list) else [value]
            named = flag == "--interpreter" and value in configured(ENGINE)
            words += [flag, *(str(v) if named else _anywhere(str(v)) for v in values)]
    return shlex.join(words)


def _anywhere(value: str) -> str:
    """A path from the root; names that commands understand stay names, whatever lies around."""
    from vocabtrim_core.corpora import demo
    from vocabtrim_core.drafts.target import DEMO
    from vocabtrim_core.serving.prompts.presets import PROMPT_PRESETS

    path = Path(value).expanduser()
    named = value in (DEMO, *demo.NAMES, *PROMPT_PRESETS)
    return str(path.absolute()) if path.exists() and not named else value


def parsed(words: list[str]) -> argparse.Namespace:
    """The arguments of a command line that `command_line` wrote."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    arguments(parser)
    return parser.parse_args(words)
