"""What stands beside a tokenizer.json: config, chat template, special tokens, licence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vocabtrim_core.errors import InputError

UNKNOWN_LICENCE = "unknown: see the model's page"
ROLES_OF_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


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


def chat_templates(folder: Path, about: dict[str, Any]) -> dict[str, str]:
    """Chat templates by name, "default" the usual one; where transformers looks for them.

    chat_template.jinja with additional_chat_templates/NAME.jinja, else what chat_template.json or
    tokenizer_config.json holds: one text, or a list of named ones.
    """
    if (folder / "chat_template.jinja").is_file():
        more = sorted((folder / "additional_chat_templates").glob("*.jinja"))
        found = {file.stem: read_text(file) for file in more}
        return found | {"default": read_text(folder / "chat_template.jinja")}
    found = read_object(folder / "chat_template.json").get(
        "chat_template", about.get("chat_template")
    )
    if isinstance(found, list):
        found = {e.get("name"): e.get("template") for e in found if isinstance(e, dict)}
    elif not isinstance(found, dict):
        found = {"default": found}
    return {str(n): text for n, text in found.items() if isinstance(text, str) and text}


def stop_tokens(folder: Path, backend: Any) -> tuple[str, ...]:
    """Texts of the tokens that end generation, by generation_config.json."""
    ids = read_object(folder / "generation_config.json").get("eos_token_id")
    known = [i for i in (ids if isinstance(ids, list) else [ids]) if type(i) is int and i >= 0]
    return tuple(filter(None, (backend.id_to_token(i) for i in known if i < 2**32)))


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
