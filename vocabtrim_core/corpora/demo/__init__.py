"""The embedded demo: two corpora built offline from the installed Python environment.

`python-assistant` is broad (questions about the standard library and installed packages, answered
with their documentation and source). `tool-calls` is narrow (requests answered with JSON function
calls). The same environment gives the same bytes: input is sorted, random choices are seeded by
content, and neither times nor absolute paths are written.
"""

from __future__ import annotations

import hashlib
import json
import platform
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from vocabtrim_core.corpora.demo import assistant, calls
from vocabtrim_core.corpora.demo.library import Class, Function, Harvest, Module, harvest, sources
from vocabtrim_core.workspace.files import write_atomic

NAMES = ("python-assistant", "tool-calls")
PIECES = 40  # number of progress calls, each of which may stop the build
DOMAIN_CAP = 400  # conversations of one package, except the standard library
CALLS_PER_FUNCTION = 3
CALLS_CAP = 9_000


def build(out: Path, progress: Callable[..., None] | None = None) -> dict[str, Path]:
    """Write the demo corpora and their manifest; it takes about 15 seconds.

    Args:
        out: Folder for the .jsonl.zst files of `NAMES` and manifest.json.
        progress: Called with (files read, files in total, text); an exception it raises stops the
            build.

    Returns:
        Name of the corpus -> its file.

    Raises:
        InputError: The folder cannot be written or the disk is full.
    """
    harvested = _harvest(progress)
    texts = {
        name: _lines(rows)
        for name, rows in (
            ("python-assistant", _assistant(harvested)),
            ("tool-calls", _calls(harvested)),
        )
    }
    out = Path(out)
    files, manifest = {}, {}
    for name, (lines, domains) in texts.items():
        files[name] = out / f"{name}.jsonl.zst"
        data = zstandard.ZstdCompressor(level=9).compress(lines)
        write_atomic(files[name], data)
        manifest[name] = {
            "file": files[name].name,
            "conversations": sum(domains.values()),
            "sha256": hashlib.sha256(data).hexdigest(),
            "domains": dict(sorted(domains.items())),
        }
    contents = {
        "python": platform.python_version(),
        "packages": harvested.versions,
        "corpora": manifest,
    }
    write_atomic(out / "manifest.json", json.dumps(contents, indent=1).encode())
    return files


def _harvest(progress: Callable[..., None] | None) -> Harvest:
    files = list(sources())
    step = -(-len(files) // PIECES)
    parts = []
    for start in range(0, len(files), step):
        if progress:
            progress(start, len(files), "Reading Python sources")
        parts.append(harvest(files[start : start + step]))
    return Harvest(
        functions=tuple(f for part in parts for f in part.functions),
        classes=tuple(c for part in parts for c in part.classes),
        modules=tuple(m for part in parts for m in part.modules),
        versions={name: v for part in parts for name, v in part.versions.items()},
    )


def _assistant(harvested: Harvest) -> Iterator[dict[str, Any]]:
    items: list[Function | Class | Module] = sorted(
        [*harvested.functions, *harvested.classes, *harvested.modules],
        key=lambda item: _digest(item.module, item.name),
    )
    per_package: Counter[str] = Counter()
    for item in items:
        per_package[item.package] += 1
        if item.package != "stdlib" and per_package[item.package] > DOMAIN_CAP:
            continue
        identity = f"{item.module}.{item.name}"
        turns = assistant.conversation(item, random.Random(_digest(identity)))
        messages = [
            {"role": role, "content": text}
            for turn in turns
            for role, text in zip(("user", "assistant"), turn, strict=True)
        ]
        yield {"id": identity, "domain": item.package, "conversations": messages}


def _calls(harvested: Harvest) -> Iterator[dict[str, Any]]:
    functions = sorted(filter(calls.usable, harvested.functions), key=lambda f: _digest(f.path))
    by_module: dict[str, list[Function]] = {}
    for f in sorted(functions, key=lambda f: f.path):
        by_module.setdefault(f.module, []).append(f)
    for i in range(CALLS_PER_FUNCTION):
        for f in functions[: CALLS_CAP // CALLS_PER_FUNCTION]:
            others = [function for function in by_module[f.module] if function != f]
            identity = f"{f.path}/{i}"
            turns = calls.conversation(f, others, random.Random(_digest(identity)))
            messages = [{"role": role, "content": text} for role, text in turns]
            yield {"id": identity, "domain": f.module.split(".")[0], "conversations": messages}


def _lines(rows: Iterable[dict[str, Any]]) -> tuple[bytes, Counter[str]]:
    """JSON lines without rows whose assistant text was there before, and rows per domain."""
    seen: set[str] = set()
    domains: Counter[str] = Counter()
    lines = []
    for row in rows:
        answers = [m["content"] for m in row["conversations"] if m["role"] == "assistant"]
        key = _digest(*answers)
        if key not in seen:
            seen.add(key)
            domains[row["domain"]] += 1
            lines.append(msgspec.json.encode(row))
    return b"\n".join(lines) + b"\n", domains


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
