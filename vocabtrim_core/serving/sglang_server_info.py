"""The settings that SGLang servers report, and whether two servers can be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vocabtrim_core.errors import InputError
from vocabtrim_core.model_config import read_config
from vocabtrim_core.serving.engine import EngineError
from vocabtrim_core.serving.sglang_http import SglangHttp

RECORDED = "0.5.14"  # the version whose protocol is implemented
Value = str | int | float | bool | None

# Launch arguments that affect the numbers. Others are not recorded, since some are secrets.
ARGUMENTS = (
    "dtype",
    "quantization",
    "kv_cache_dtype",
    "context_length",
    "device",
    "tp_size",
    "pp_size",
    "dp_size",
    "attention_backend",
    "sampling_backend",
    "mem_fraction_static",
    "max_running_requests",
    "chunked_prefill_size",
    "cuda_graph_max_bs",
    "cuda_graph_max_bs_decode",
    "disable_cuda_graph",
    "disable_radix_cache",
    "disable_overlap_schedule",
    "enable_torch_compile",
    "load_format",
    "speculative_draft_load_format",
    "speculative_accept_threshold_single",
    "speculative_accept_threshold_acc",
    "speculative_attention_mode",
)


@dataclass(frozen=True, slots=True)
class Served:
    """The settings of a server, from /server_info and /model_info.

    Attributes:
        url: URL of the server.
        version: Version of SGLang.
        target: Path or id of the target.
        tokenizer: Path or id of the tokenizer.
        algorithm: Speculative algorithm, "" without speculation.
        draft: Path or id of the draft, "" without speculation.
        steps: Draft steps per cycle, 0 without speculation.
        topk: Branches per step, 0 without speculation.
        draft_tokens: Tokens verified per cycle, 0 without speculation.
        draft_vocab_size: k, None where the server does not report it.
        arguments: The launch arguments among ARGUMENTS, by name.
    """

    url: str
    version: str
    target: str
    tokenizer: str
    algorithm: str = ""
    draft: str = ""
    steps: int = 0
    topk: int = 0
    draft_tokens: int = 0
    draft_vocab_size: int | None = None
    arguments: Mapping[str, Value] = field(default_factory=dict)


def read(server: SglangHttp) -> Served:
    """Read the settings of a server.

    Args:
        server: The server.

    Returns:
        Its settings.

    Raises:
        EngineError: It does not answer, is not ready, or is no SGLang server.
    """
    info = _info(server)
    try:
        target, version = info["model_path"], info.get("version")
        speculates = bool(info.get("speculative_algorithm"))
        served = Served(
            server.url,
            str(version or "of unknown version"),
            str(target),
            str(info.get("tokenizer_path") or target),
            str(info.get("speculative_algorithm") or ""),
            str(info.get("speculative_draft_model_path") or "") if speculates else "",
            *(
                int(info.get(f"speculative_{name}") or 0) if speculates else 0
                for name in ("num_steps", "eagle_topk", "num_draft_tokens")
            ),
            draft_vocab_size=_draft_vocab_size(info),
            arguments={name: _scalar(info[name]) for name in ARGUMENTS if name in info},
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EngineError(
            f"{server.url} is no SGLang server: its /server_info has no sound "
            f"{error.args[0] if isinstance(error, KeyError) else 'speculative settings'}."
        ) from error
    if not server.healthy():
        raise EngineError(f"{server.url} is an SGLang server, but not ready: it starts or ends.")
    return served


def _info(server: SglangHttp) -> Mapping[str, Any]:
    """/server_info, or its name in older versions, with the model that is served now."""
    try:
        info = server.get("/server_info")
    except EngineError as error:
        if "HTTP 404" not in str(error):
            raise
        info = server.get("/get_server_info")
    try:  # a weight update may have changed the model since the launch
        model = server.get("/model_info")
    except EngineError:
        model = {}
    return {**info, **{n: model[n] for n in ("model_path", "tokenizer_path") if model.get(n)}}


def _draft_vocab_size(info: Mapping[str, Any]) -> int | None:
    names = ("draft_vocab_size", "speculative_draft_vocab_size")
    size = next((info[name] for name in names if info.get(name)), None)
    return int(size) if size else None


def _scalar(value: Any) -> Value:
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


def draft_size(folder: str | Path) -> int | None:
    """k of a draft, from its config.json.

    Args:
        folder: Folder of the draft.

    Returns:
        k; None where the file cannot be read or does not state it.
    """
    try:
        config = read_config(folder)
        return config.size("draft_vocab_size") or config.size("vocab_size")
    except InputError:
        return None


def differences(servers: Sequence[Served]) -> list[str]:
    """Differences between servers that must be equal.

    Args:
        servers: The servers.

    Returns:
        One sentence for each setting that differs, with two of its values.
    """
    speculating = [server for server in servers if server.algorithm]
    sentences = []
    for name, noun, group in (
        ("target", "target", servers),
        ("tokenizer", "tokenizer", servers),
        ("algorithm", "speculative algorithm", speculating),
        ("steps", "draft steps", speculating),
        ("topk", "top-k", speculating),
        ("draft_tokens", "draft tokens", speculating),
    ):
        values: dict[Any, Served] = {}
        for server in group:
            values.setdefault(getattr(server, name), server)
        if len(values) > 1:
            (a, first), (b, second) = list(values.items())[:2]
            sentences.append(
                f"The servers differ in {noun}: {a} at {first.url}, {b} at {second.url}."
            )
    return sentences


def shared_arguments(servers: Sequence[Served]) -> tuple[Mapping[str, Value], list[str]]:
    """Compare the launch arguments of servers.

    Args:
        servers: The servers.

    Returns:
        Arguments that are equal on all servers and not None, by name; and the names of arguments
        that differ.
    """
    if not servers:
        return {}, []
    names = [name for name in ARGUMENTS if any(name in s.arguments for s in servers)]
    same = [n for n in names if len({repr(s.arguments.get(n)) for s in servers}) == 1]
    values = {name: servers[0].arguments.get(name) for name in same}
    stated = {name: value for name, value in values.items() if value is not None}
    return stated, [name for name in names if name not in same]
