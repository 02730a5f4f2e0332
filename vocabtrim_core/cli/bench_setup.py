"""What `bench` attaches, compares and asks, from its arguments."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vocabtrim_core.cli import bench_options as given_
from vocabtrim_core.cli.bench_options import SGLANG, TORCH
from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from vocabtrim_core.jobs.progress import Progress
    from vocabtrim_core.serving.engine import Attached
    from vocabtrim_core.serving.measurement import Configuration
    from vocabtrim_core.serving.prompts.prompt_set import PromptSet
    from vocabtrim_core.serving.sglang_client import SglangServers
    from vocabtrim_core.serving.sglang_launch import SglangLauncher
    from vocabtrim_core.serving.torch_loop import TorchLoop


@dataclass(frozen=True, slots=True)
class Setup:
    """An engine and what is compared on it. room: tokens of a prompt and its answer, None where
    it is not known.  tokenizer: what the servers use.  missing: sentences on baselines.
    """

    attached: Attached
    configurations: Sequence[Configuration]
    missing: Sequence[str]
    room: int | None = None
    tokenizer: str = ""


def attach(engine: str, given: argparse.Namespace, progress: Progress) -> Setup:
    """The engine, and the configurations: servers, or drafts with their baselines."""
    from vocabtrim_core.serving.configurations import (
        NO_SPECULATION,
        Drafting,
        baseline_drafts,
        draft_folders,
        with_unique_labels,
    )
    from vocabtrim_core.serving.measurement import Configuration

    if engine == SGLANG:
        servers = _servers(given, draft_folders(given.draft))
        servers.vocab_size = servers.vocab_size or _tokenizer(given, servers.tokenizer).vocab_size
        missing = _missing(servers)
        return Setup(servers, servers.configurations, missing, tokenizer=servers.tokenizer)
    how = Drafting(given.steps, given.topk, given.draft_tokens)
    folders, missing = draft_folders(given.draft), []
    room: int | None
    if engine == TORCH:
        attached, room = _loop(given)
    else:
        attached, room = _launcher(given, progress), given.context
    if given.k:
        folders += _made_up(given, attached.vocab_size)
    elif not given.only:
        more, missing = baseline_drafts(folders, attached.vocab_size)
        folders += more
    alone = [Configuration(NO_SPECULATION)] if given.no_speculation or not given.only else []
    compared = [*alone, *with_unique_labels([how.of(folder) for folder in folders])]
    return Setup(attached, compared, missing, room)


def _loop(given: argparse.Namespace) -> tuple[TorchLoop, int]:
    from vocabtrim_core.drafts.target import load_target
    from vocabtrim_core.serving.torch_loop import TorchLoop

    target = load_target(given.target)
    loop = TorchLoop(target, device=given.device, dtype=given.dtype)
    return loop, target.architecture.max_position_embeddings


def _launcher(given: argparse.Namespace, progress: Progress) -> SglangLauncher:
    from vocabtrim_core.serving.sglang_interpreter import sglang_command
    from vocabtrim_core.serving.sglang_launch import Launch, SglangLauncher, require_gpu

    require_gpu()
    launch = Launch(
        given.mem_fraction,
        "bfloat16" if given.dtype == "auto" else given.dtype,
        given.context,
        tuple(given.server_argument),
        given.simulate_acceptance,
        given.seed,
        given.ready,
    )
    folder, toy = _folder(given.target)
    return SglangLauncher(
        folder,
        command=sglang_command(given.interpreter),
        launch=launch,
        toy=toy,
        vocab_size=_tokenizer(given).vocab_size,
        stall=given.stall,
        check=progress.check,
    )


def _servers(given: argparse.Namespace, drafts: Sequence[Path]) -> SglangServers:
    from vocabtrim_core.serving.sglang_client import SglangServers

    urls = []
    for text in given.url:
        name, equals, url = text.partition("=")
        urls.append((name, url) if equals and "/" not in name else ("", text))
    folder, toy = _folder(given.target) if given.target else ("", False)
    return SglangServers(
        urls,
        drafts=drafts,
        target=folder,
        toy=toy,
        headers=given_.headers(given),
        vocab_size=_tokenizer(given).vocab_size if given.target or given.tokenizer else None,
        stall=given.stall,
        insist=given.insist,
    )


def _missing(servers: SglangServers) -> list[str]:
    from vocabtrim_core.forecast.paper import SHIPPED_K

    words = {None: "no speculation", servers.vocab_size: "all of V", SHIPPED_K: "32,000 tokens"}
    there = {each.k for each in servers.configurations}
    return [
        f"No server with {what} was given, so that baseline is left out."
        for k, what in words.items()
        if k not in there
    ]


def _folder(target: str) -> tuple[str, bool]:
    """Where the target is, and whether it is a toy; a hub id stays one."""
    from vocabtrim_core import workspace
    from vocabtrim_core.drafts.target import DEMO, TOY

    path = workspace.folder("targets") / DEMO if target == DEMO else Path(target).expanduser()
    if not path.is_dir():
        if target == DEMO:
            raise InputError("There is no demo target in this workspace yet; run `demo-target`.")
        return target, False
    return str(path.resolve()), (path / TOY).is_file()


def _made_up(given: argparse.Namespace, vocab_size: int | None) -> list[Path]:
    """Folders of drafts without weights, one per --k, which a server fills at random."""
    from vocabtrim_core import workspace
    from vocabtrim_core.cli.train_options import size
    from vocabtrim_core.draft_config import load_architecture
    from vocabtrim_core.workspace.files import write_atomic

    architecture = load_architecture(_folder(given.target)[0])
    folders = []
    for text in given.k:
        k = size(text, vocab_size or architecture.vocab_size)
        if not 1 <= k <= architecture.vocab_size:
            raise InputError(f"k must lie within 1..{architecture.vocab_size:,}, not {k:,}.")
        content = json.dumps(architecture.draft_config(k), sort_keys=True).encode()
        folder = workspace.folder("made-up-drafts") / f"{architecture.name}-k-{k}".replace("/", "-")
        write_atomic(folder / "config.json", content)
        folders.append(folder)
    return folders


# --- what is asked -------------------------------------------------------------------------------


def _tokenizer(given: argparse.Namespace, theirs: str = "") -> Any:
    """By --tokenizer, else the target's, else the one that the servers name."""
    from vocabtrim_core.tokenizers.tokenizer import load_tokenizer

    if not given.tokenizer and not given.target:
        try:
            return load_tokenizer(theirs)
        except InputError as error:
            raise InputError(
                f"The servers' tokenizer {theirs} cannot be loaded here; give it with --tokenizer."
            ) from error
    folder = _folder(given.target)[0] if given.target else ""
    config = Path(folder) / "config.json"
    return load_tokenizer(
        given.tokenizer or folder, config=config if folder and config.is_file() else None
    )


def prompts(given: argparse.Namespace, setup: Setup, progress: Progress) -> PromptSet:
    """What --prompts names, as the target's template renders it; what fits."""
    from vocabtrim_core.corpora import demo
    from vocabtrim_core.drafts.target import DEMO
    from vocabtrim_core.serving.prompts.prompt_set import load_prompts
    from vocabtrim_core.templates.resolve import resolve_template

    spec = given.prompts or ([demo.NAMES[0]] if given.target == DEMO else [])
    if not spec:
        raise InputError("Name what is asked with --prompts: a benchmark, or files.")
    tokenizer = _tokenizer(given, setup.tokenizer)
    progress(0, None, "Reading prompts")
    most = [given.max_prompt_tokens, setup.room and setup.room - given.max_new_tokens]
    return load_prompts(
        spec[0] if len(spec) == 1 else spec,
        tokenizer,
        resolve_template(tokenizer, given.template),
        limit=given.limit,
        seed=given.seed,
        turns=given.turns,
        max_tokens=min((m for m in most if m is not None), default=None),
        progress=progress,
    )
