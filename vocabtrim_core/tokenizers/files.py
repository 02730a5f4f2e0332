"""What stands beside a tokenizer.json: config, chat template, special tokens, licence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vocabtrim_core.errors import InputError

UNKNOWN_LICENCE = "unknown: see the model's page"
ROLES_OF_TOKENS = (
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
)  # fmt: skip


def read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; give the model's tokenizer.json.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object, {} where there is no such file."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); mend or remove the file.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a {type(found).__name__}, not an object; mend the file.")
    return found


def chat_template(folder: Path, about: dict[str, Any]) -> str | None:
    """chat_template.jinja, else the one inside chat_template.json or tokenizer_config.json."""
    if (folder / "chat_template.jinja").is_file():
        return read_text(folder / "chat_template.jinja")
    found = read_object(folder / "chat_template.json").get(
        "chat_template", about.get("chat_template")
    )
    if isinstance(found, list):  # several, by name
        named = {entry.get("name"): entry.get("template") for entry in found}
        found = named.get("default", next(iter(named.values()), None))
    return found if isinstance(found, str) and found else None


def licence(folder: Path) -> str:
    """The licence a model card names, else the first line of a LICENSE file."""
    card = folder / "README.md"
    front = (
        re.match(r"---\n(.*?)\n---", card.read_text("utf-8", "replace"), re.S)
        if card.is_file()
        else None
    )
    for key in ("license_name", "license"):
        if front and (found := re.search(rf"^{key}:\s*['\"]?([^'\"\n#]+)", front[1], re.M)):
            return found[1].strip()
    for file in sorted(folder.glob("LICENSE*")):
        lines = (line.strip(" #*\t") for line in file.read_text("utf-8", "replace").splitlines())
        if title := next(filter(None, lines), ""):
            return f"{title[:100]} ({file.name})"
    return UNKNOWN_LICENCE


def special_tokens(folder: Path, about: dict[str, Any]) -> dict[str, str]:
    """`bos_token` … -> text, from special_tokens_map.json over tokenizer_config.json."""
    both = {**about, **read_object(folder / "special_tokens_map.json")}
    named = {role: both[role] for role in ROLES_OF_TOKENS if both.get(role)}
    return {role: t["content"] if isinstance(t, dict) else t for role, t in named.items()}
