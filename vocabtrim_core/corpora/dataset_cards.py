"""Which files of a cloned dataset repository are its data: those that `datasets` would load."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

CARD = "README.md"
HEADER = re.compile(r"---\r?\n(.*?)\r?\n---\s*(?:\n|\Z)", re.DOTALL)
SHARDS = re.compile(r"data/[^/]+-\d{5}-of-\d{5}(?:-\w+)?\.[^/]+")


def dataset_files(folder: Path, files: Iterable[Path]) -> tuple[frozenset[Path], str]:
    """The files that a repository's card names, else its shards.

    A card names files under `configs`; of several configurations the default one counts, and all
    where there is none. Without such a card `data/SPLIT-00000-of-00001.…` are the data.

    Args:
        folder: The folder of the repository.
        files: The data files in it.

    Returns:
        (the files, why another file is none of them); no files where neither tells.
    """
    by_name = {path.relative_to(folder).as_posix(): path for path in files}
    named = by_name.keys() & _named_by_card(folder)
    if named:
        return frozenset(by_name[name] for name in named), f"not named in {CARD}"
    shards = [path for name, path in by_name.items() if SHARDS.fullmatch(name)]
    return frozenset(shards), "beside the shards in data"


def _named_by_card(folder: Path) -> set[str]:
    """Names of all files that match the patterns of the card."""
    entries = _header(folder / CARD).get("configs")
    entries = entries if isinstance(entries, list) else []
    configs = [entry for entry in entries if isinstance(entry, dict)]
    default = [c for c in configs if c.get("default") or c.get("config_name") == "default"]
    names: set[str] = set()
    for config in default[:1] or configs:
        inside = str(config.get("data_dir") or "").strip("/")
        patterns = _patterns(config.get("data_files")) or (["**"] if inside else [])
        for pattern in patterns:
            path = f"{inside}/{pattern}" if inside else pattern.removeprefix("./")
            if path.startswith("/") or ".." in path.split("/"):
                continue  # outside of the repository
            for match in glob.glob(path, root_dir=folder, recursive=True):  # noqa: PTH207
                below = (folder / match).rglob("*") if (folder / match).is_dir() else ()
                names |= {match, *(p.relative_to(folder).as_posix() for p in below)}
    return names


def _patterns(value: Any) -> Sequence[str]:
    """The patterns of `data_files`: a text, a list, by split, or objects with a `path`."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return _patterns(value["path"] if "path" in value else [*value.values()])
    items = value if isinstance(value, list) else []
    return [pattern for item in items for pattern in _patterns(item)]


def _header(card: Path) -> dict[str, Any]:
    """The YAML at the beginning of a card; empty without any."""
    import yaml

    try:
        match = HEADER.match(card.read_text("utf-8-sig"))
        value = yaml.safe_load(match[1]) if match else None
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
