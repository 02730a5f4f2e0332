"""The files beside a tokenizer.json: config, chat template, special tokens, licence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from vocabtrim_core import json_text
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
    """Read a UTF-8 text file.

    Args:
        path: The file.

    Returns:
        Its text.

    Raises:
        InputError: The file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text; give the model's tokenizer.json.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file that may be absent.

    Args:
        path: The file.

    Returns:
        The object; {} where there is no such file.

    Raises:
        InputError: The file cannot be read, is not JSON, or holds something other than an object.
    """
    if not path.is_file():
        return {}
    try:
        value = json_text.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); mend or remove the file.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds a {type(value).__name__}, not an object; mend the file.")
    return value


def chat_templates(folder: Path, about: dict[str, Any]) -> dict[str, str]:
    """Read the chat templates of a model, from where transformers looks for them.

    These are chat_template.jinja with additional_chat_templates/NAME.jinja, or else what
    chat_template.json or tokenizer_config.json holds: one text, or a list of named ones.

    Args:
        folder: The folder of tokenizer.json.
        about: The content of tokenizer_config.json.

    Returns:
        Jinja templates by name; "default" is the usual one. {} where there is none.

    Raises:
        InputError: One of the files cannot be read.
    """
    if (folder / "chat_template.jinja").is_file():
        named_files = sorted((folder / "additional_chat_templates").glob("*.jinja"))
        templates = {file.stem: read_text(file) for file in named_files}
        return templates | {"default": read_text(folder / "chat_template.jinja")}
    templates = read_object(folder / "chat_template.json").get(
        "chat_template", about.get("chat_template")
    )
    if isinstance(templates, list):
        templates = {e.get("name"): e.get("template") for e in templates if isinstance(e, dict)}
    elif not isinstance(templates, dict):
        templates = {"default": templates}
    return {str(n): text for n, text in templates.items() if isinstance(text, str) and text}


def stop_tokens(folder: Path, backend: Any) -> tuple[str, ...]:
    """List the tokens that end generation, by generation_config.json.

    Args:
        folder: The folder of generation_config.json, which may be absent.
        backend: The `tokenizers.Tokenizer` that turns ids into texts.

    Returns:
        Texts of these tokens, in the file's order; ids without a token are left out.

    Raises:
        InputError: The file cannot be read, or is no JSON object.
    """
    ids = read_object(folder / "generation_config.json").get("eos_token_id")
    valid_ids = [i for i in (ids if isinstance(ids, list) else [ids]) if type(i) is int and i >= 0]
    return tuple(filter(None, (backend.id_to_token(i) for i in valid_ids if i < 2**32)))


def licence(folder: Path) -> str:
    """Return the licence that a model card names, else the first line of a LICENSE file.

    Args:
        folder: The folder of README.md and LICENSE*.

    Returns:
        A name or a title of at most 100 characters; UNKNOWN_LICENCE where neither file says it.
    """
    card = folder / "README.md"
    front = (
        re.match(r"---\n(.*?)\n---", card.read_text("utf-8", "replace"), re.S)
        if card.is_file()
        else None
    )
    for key in ("license_name", "license"):
        if front and (match := re.search(rf"^{key}:\s*['\"]?([^'\"\n#]+)", front[1], re.M)):
            return match[1].strip()
    for file in sorted(folder.glob("LICENSE*")):
        lines = (line.strip(" #*\t") for line in file.read_text("utf-8", "replace").splitlines())
        if title := next(filter(None, lines), ""):
            return f"{title[:100]} ({file.name})"
    return UNKNOWN_LICENCE


def special_tokens(folder: Path, about: dict[str, Any]) -> dict[str, str]:
    """Read the special tokens by role; special_tokens_map.json overrides tokenizer_config.json.

    Args:
        folder: The folder of special_tokens_map.json, which may be absent.
        about: The content of tokenizer_config.json.

    Returns:
        Role (`bos_token`, …, see ROLES_OF_TOKENS) -> text of the token.

    Raises:
        InputError: The file cannot be read, is no JSON object, or a token is no text.
    """
    merged = {**about, **read_object(folder / "special_tokens_map.json")}
    by_role = {role: merged[role] for role in ROLES_OF_TOKENS if merged.get(role)}
    texts: dict[str, str] = {}
    for role, value in by_role.items():
        text = value.get("content") if isinstance(value, dict) else value
        if not isinstance(text, str):
            raise InputError(
                f"{folder}: {role} in special_tokens_map.json or tokenizer_config.json must be "
                f"text or an object with `content`, not {value!r:.60}; mend the file."
            )
        texts[role] = text
    return texts
