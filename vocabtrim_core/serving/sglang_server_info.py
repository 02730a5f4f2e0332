"""What an SGLang server says about itself, and whether two of them can be compared."""

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

RECORDED = "0.5.14"  # the version whose protocol is spoken here
Value = str | int | float | bool | None

# Launch arguments that move the numbers. Others are left where they are: among them are keys.
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
    """A server as /server_info and /model_info describe it.

    algorithm: of speculation, "" without.  draft: path or id of the draft.  draft_vocab_size: only
    where the server tells it.  steps, topk, draft_tokens: 0 without speculation.
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
    """Ask a server; EngineError when it is not there, not ready, or no SGLang server."""
    info = _info(server)
    try:
        target, version = info["model_path"], info.get("version")
        speculates = bool(info.get("speculative_algorithm"))
        found = Served(
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
    return found


def _info(server: SglangHttp) -> Mapping[str, Any]:
    """/server_info, or its name in older versions, with the model as it is served now."""
    try:
        info = server.get("/server_info")
    except EngineError as error:
        if "HTTP 404" not in str(error):
            raise
        info = server.get("/get_server_info")
    try:  # a weight update may have changed the model since the launch
        now = server.get("/model_info")
    except EngineError:
        now = {}
    return {**info, **{n: now[n] for n in ("model_path", "tokenizer_path") if now.get(n)}}


def _draft_vocab_size(info: Mapping[str, Any]) -> int | None:
    names = ("draft_vocab_size", "speculative_draft_vocab_size")
    found = next((info[name] for name in names if info.get(name)), None)
    return int(found) if found else None


def _scalar(value: Any) -> Value:
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


def draft_size(folder: str | Path) -> int | None:
    """k of the draft in a folder, from its config.json; None where none can be read."""
    try:
        config = read_config(folder)
        return config.size("draft_vocab_size") or config.size("vocab_size")
    except InputError:
        return None


def differences(servers: Sequence[Served]) -> list[str]:
    """Sentences, one per setting that must be equal and is not, each naming two values."""
    speculating = [server for server in servers if server.algorithm]
    found = []
    for name, words, among in (
        ("target", "target", servers),
        ("tokenizer", "tokenizer", servers),
        ("algorithm", "speculative algorithm", speculating),
        ("steps", "draft steps", speculating),
        ("topk", "top-k", speculating),
        ("draft_tokens", "draft tokens", speculating),
    ):
        values: dict[Any, Served] = {}
        for server in among:
            values.setdefault(getattr(server, name), server)
        if len(values) > 1:
            (one, first), (other, second) = list(values.items())[:2]
            found.append(
                f"The servers differ in {words}: {one} at {first.url}, {other} at {second.url}."
            )
    return found


def shared_arguments(servers: Sequence[Served]) -> tuple[Mapping[str, Value], list[str]]:
    """Launch arguments that all servers have in common, and the names of those that differ."""
    if not servers:
        return {}, []
    names = [name for name in ARGUMENTS if any(name in s.arguments for s in servers)]
    same = [n for n in names if len({repr(s.arguments.get(n)) for s in servers}) == 1]
    values = {name: servers[0].arguments.get(name) for name in same}
    told = {name: value for name, value in values.items() if value is not None}
    return told, [name for name in names if name not in same]
