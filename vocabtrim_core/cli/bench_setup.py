"""What `bench` attaches and compares, and the prompts, from its options."""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli import bench_options as options
from vocabtrim_core.cli.bench_options import ANY, LLAMA_CPP, TORCH, VLLM
from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import parsed
from vocabtrim_core.machine import idle_cores

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.engine import Attached
    from vocabtrim_core.serving.engines.launched import Launched
    from vocabtrim_core.serving.engines.servers import Servers
    from vocabtrim_core.serving.measurement import Configuration
    from vocabtrim_core.serving.prompts.prompt_set import PromptSet
    from vocabtrim_core.serving.torch_loop import TorchLoop


@dataclass(frozen=True, slots=True)
class Setup:
    """An engine and what is compared on it.

    Attributes:
        attached: The engine.
        configurations: What is compared.
        missing: Sentences on baselines that are left out.
        room: Tokens of a prompt and its answer, None where it is not known.
        tokenizer: The tokenizer that the servers name, "" without servers.
    """

    attached: Attached
    configurations: Sequence[Configuration]
    missing: Sequence[str]
    room: int | None = None
    tokenizer: str = ""


def attach(engine: str, arguments: argparse.Namespace, progress: Progress) -> Setup:
    """Attach the engine and list what is compared: servers, or drafts with their baselines.

    Args:
        engine: One of `bench_options.ENGINES`, or ANY.
        arguments: The parsed command line of `bench`.
        progress: Checked by servers that are launched.

    Returns:
        The engine with its configurations; the caller closes it.
    """
    from vocabtrim_core.drafts.draft_specs import draft_folders
    from vocabtrim_core.serving.configurations import (
        NO_SPECULATION,
        Drafting,
        baseline_drafts,
    )
    from vocabtrim_core.serving.measurement import Configuration

    if arguments.url:
        servers = _servers(engine, arguments, draft_folders(arguments.draft))
        servers.vocab_size = (
            servers.vocab_size or _tokenizer(arguments, servers.tokenizer).vocab_size
        )
        missing = _missing(servers)
        return Setup(servers, servers.configurations, missing, tokenizer=servers.tokenizer)
    drafting = parsed(Drafting, arguments)
    folders, missing = draft_folders(arguments.draft), []
    room: int | None
    if engine == TORCH:
        attached, room = _loop(arguments, progress)
    else:
        attached, room = _launcher(engine, arguments, progress)
    if arguments.k:
        folders += _made_up(arguments, attached.vocab_size)
    elif not arguments.only:
        added, missing = baseline_drafts(folders, attached.vocab_size)
        folders += added
    alone = (
        [Configuration(NO_SPECULATION)] if arguments.no_speculation or not arguments.only else []
    )
    swept = draft_folders(arguments.sweep)
    if unknown := next((folder for folder in swept if folder not in folders), None):
        raise InputError(f"--sweep names {unknown}, which is not among the drafts.")
    return Setup(attached, [*alone, *drafting.configurations(folders, swept)], missing, room)


def _loop(arguments: argparse.Namespace, progress: Progress) -> tuple[TorchLoop, int]:
    from vocabtrim_core.drafts.target import load_target
    from vocabtrim_core.serving.torch_loop import TorchLoop

    target = load_target(arguments.target, progress)
    loop = TorchLoop(target, device=arguments.device, dtype=arguments.dtype)
    return loop, target.architecture.max_position_embeddings


def _launcher(
    engine: str, arguments: argparse.Namespace, progress: Progress
) -> tuple[Launched, int | None]:
    """The engine that is launched here, and the tokens of a prompt and its answer."""
    from vocabtrim_core.serving.engines.programs import engine_program
    from vocabtrim_core.serving.engines.sglang.launch import Launch, SglangLauncher, require_gpu

    dtype = "bfloat16" if arguments.dtype == "auto" else arguments.dtype
    launch = parsed(Launch, arguments, dtype=dtype, seed=arguments.seed)
    if engine not in (LLAMA_CPP, VLLM) and not launch.on_cpu:
        require_gpu()
    folder = _folder(arguments.target)
    common: dict[str, Any] = {
        "vocab_size": _tokenizer(arguments).vocab_size,
        "stall": arguments.stall,
        "check": progress.check,
    }
    program = engine_program(engine, arguments.interpreter)
    if engine == LLAMA_CPP:
        from vocabtrim_core.serving.engines.llama_cpp.launch import LlamaLaunch, LlamaLauncher

        progress(0, None, "Converting target and drafts to GGUF, where that is not done yet")
        own = parsed(LlamaLaunch, arguments)
        llama = LlamaLauncher(
            folder,
            program=program,
            launch=own,
            own_gguf=_own_gguf(arguments.target),
            context=launch.context,
            ready=launch.ready,
            **common,
        )
        return llama, llama.context
    if engine == VLLM:
        from vocabtrim_core.serving.engines.vllm.launch import VllmLauncher

        vllm = VllmLauncher(
            folder,
            program=program,
            dtype=dtype,
            context=launch.context,
            mem_fraction=launch.mem_fraction,
            seed=launch.seed,
            extra=launch.extra,
            ready=launch.ready,
            **common,
        )
        return vllm, vllm.context
    sglang = SglangLauncher(folder, command=program.command, launch=launch, **common)
    return sglang, launch.context


@contextmanager
def served(
    engine: str, target: str, interpreter: str | None, at_once: int, progress: Progress
) -> Generator[Launched]:
    """Serve a target without a draft on an engine that is launched here.

    Args:
        engine: One of `bench_options.ENGINES` but torch.
        target: The target, as commands take it.
        interpreter: Name of the engine's program, None for its default.
        at_once: The most requests at once.
        progress: Checked while the server starts.

    Yields:
        The engine, whose `url` answers.

    Raises:
        InputError: The server cannot be started, or did not start.
    """
    from vocabtrim_core.serving.configurations import NO_SPECULATION
    from vocabtrim_core.serving.engine import EngineError
    from vocabtrim_core.serving.measurement import Configuration

    words = ["--engine", engine, "--target", target]
    words += ["--interpreter", interpreter] if interpreter else []
    words += ["--threads", str(idle_cores())] if engine == LLAMA_CPP else []  # nothing is timed
    launched, _ = _launcher(engine, options.parsed(words), progress)
    with closing(launched):
        progress(0, None, f"Starting {launched.label}")
        try:
            launched.use(Configuration(NO_SPECULATION), at_once)
        except EngineError as error:
            raise InputError(str(error)) from error
        yield launched


def _own_gguf(target: str) -> Path | None:
    """The GGUF file that the bundled target was made from."""
    from vocabtrim_core.drafts import bundled_target
    from vocabtrim_core.tokenizers.presets import PRESETS

    return PRESETS[bundled_target.NAME].path() if bundled_target.is_bundled(target) else None


def _servers(engine: str, arguments: argparse.Namespace, drafts: Sequence[Path]) -> Servers:
    from vocabtrim_core.serving.engines.servers import Servers

    urls = []
    for text in arguments.url:
        name, equals, url = text.partition("=")
        urls.append((name, url) if equals and "/" not in name else ("", text))
    return Servers(
        urls,
        engine=None if engine == ANY else engine,
        drafts=drafts,
        target=_folder(arguments.target) if arguments.target else "",
        headers=options.headers(arguments),
        vocab_size=_tokenizer(arguments).vocab_size
        if arguments.target or arguments.tokenizer
        else None,
        stall=arguments.stall,
        insist=arguments.insist,
        across_engines=arguments.across_engines,
    )


def _missing(servers: Servers) -> list[str]:
    from vocabtrim_core.forecast.paper import SHIPPED_K

    baselines = {None: "no speculation", servers.vocab_size: "all of V", SHIPPED_K: "32,000 tokens"}
    attached_sizes = {configuration.k for configuration in servers.configurations}
    return [
        f"No server with {name} was given, so that baseline is left out."
        for k, name in baselines.items()
        if k not in attached_sizes
    ]


def _folder(target: str) -> str:
    """Return where the target is; a hub id is returned as it is."""
    from vocabtrim_core.drafts.target import target_path

    path = target_path(Path(target).expanduser())
    return str(path.resolve()) if path and path.is_dir() else target


def _made_up(arguments: argparse.Namespace, vocab_size: int | None) -> list[Path]:
    """Write folders of drafts without weights, one per --k, which a server fills at random."""
    from vocabtrim_core import workspace
    from vocabtrim_core.cli.train_options import size
    from vocabtrim_core.draft_config import load_architecture
    from vocabtrim_core.workspace.files import write_atomic

    architecture = load_architecture(_folder(arguments.target))
    folders = []
    for text in arguments.k:
        k = size(text, vocab_size or architecture.vocab_size)
        if not 1 <= k <= architecture.vocab_size:
            raise InputError(f"k must lie within 1..{architecture.vocab_size:,}, not {k:,}.")
        config = json.dumps(architecture.draft_config(k), sort_keys=True).encode()
        folder = workspace.folder("made-up-drafts") / f"{architecture.name}-k-{k}".replace("/", "-")
        write_atomic(folder / "config.json", config)
        folders.append(folder)
    return folders


# --- prompts -------------------------------------------------------------------------------------


def _tokenizer(arguments: argparse.Namespace, served: str = "") -> Any:
    """Load that of --tokenizer, else the target's, else the one that the servers name."""
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    if not arguments.tokenizer and not arguments.target:
        try:
            return load_tokenizer(served)
        except InputError as error:
            raise InputError(
                f"The servers' tokenizer {served} cannot be loaded here; give it with --tokenizer."
            ) from error
    folder = _folder(arguments.target) if arguments.target else ""
    config = Path(folder) / "config.json"
    return load_tokenizer(
        arguments.tokenizer or folder, config=config if folder and config.is_file() else None
    )


def prompts(arguments: argparse.Namespace, setup: Setup, progress: Progress) -> PromptSet:
    """Load the prompts that --prompts names, rendered with the target's chat template.

    Args:
        arguments: The parsed command line of `bench`.
        setup: The attached engine; prompts that leave no room for an answer are left out.
        progress: Takes reports of reading.

    Returns:
        The prompts.

    Raises:
        InputError: No prompts are named.
    """
    from vocabtrim_core.corpora import demo
    from vocabtrim_core.drafts.bundled_target import is_bundled
    from vocabtrim_core.serving.prompts.prompt_set import load_prompts
    from vocabtrim_core.templates.resolve import resolve_template

    names = arguments.prompts or ([demo.NAMES[0]] if is_bundled(arguments.target or "") else [])
    if not names:
        raise InputError("Name what is asked with --prompts: a benchmark, or files.")
    tokenizer = _tokenizer(arguments, setup.tokenizer)
    progress(0, None, "Reading prompts")
    limits = [arguments.max_prompt_tokens, setup.room and setup.room - arguments.max_new_tokens]
    return load_prompts(
        names[0] if len(names) == 1 else names,
        tokenizer,
        resolve_template(tokenizer, arguments.template),
        limit=arguments.limit,
        seed=arguments.seed,
        turns=arguments.turns,
        max_tokens=min((tokens for tokens in limits if tokens is not None), default=None),
        progress=progress,
    )
