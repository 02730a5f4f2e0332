"""`tool-calls`: requests answered with one JSON function call, made from real signatures."""

from __future__ import annotations

import json
import random
import re
from typing import Any

from vocabtrim_core.corpora.demo import phrases
from vocabtrim_core.corpora.demo.assistant import imperative, listed, upper
from vocabtrim_core.corpora.demo.library import Function, Parameter

MOST_PARAMETERS = 6


def usable(f: Function) -> bool:
    """Whether a function can be offered as a tool.

    Args:
        f: The function.

    Returns:
        True with 1 to `MOST_PARAMETERS` plain parameters, where the types of all required ones are
        known.
    """
    return (
        f.is_simple
        and 1 <= len(f.parameters) <= MOST_PARAMETERS
        and all(_kind(p) for p in f.parameters if not p.has_default)
        and any(_kind(p) for p in f.parameters)
    )


def conversation(f: Function, others: list[Function], rng: random.Random) -> list[tuple[str, str]]:
    """One conversation in which a function is called.

    Args:
        f: The function that is called.
        others: Further functions, up to two of which are offered too.
        rng: Source of all random choices.

    Returns:
        (role, text) of each turn: system, then user and assistant in turn.
    """
    offered = [f, *rng.sample(others, min(len(others), rng.randrange(3)))]
    rng.shuffle(offered)
    tools = "\n".join(json.dumps(schema(function)) for function in offered)
    values = _arguments(f, rng)
    turns = [
        ("system", rng.choice(phrases.SYSTEMS).format(tools=tools)),
        ("user", _request(f, values, rng)),
        ("assistant", _call(f, values)),
    ]
    while len(turns) < 7 and rng.random() < 0.2:
        changed = {name: value for name, value in _arguments(f, rng).items() if name in values}
        changed = {name: v for name, v in changed.items() if v != values[name]}
        if not changed:
            break
        name = rng.choice(sorted(changed))
        values = values | {name: changed[name]}
        request = rng.choice(phrases.AGAIN).format(
            values=_in_words({name: changed[name]}, phrases.NAMED, rng)
        )
        turns += [("user", request), ("assistant", _call(f, values))]
    return turns


def schema(f: Function) -> dict[str, Any]:
    """The function as a tool definition with a JSON schema.

    Args:
        f: The function.

    Returns:
        Name, description and parameters.
    """
    properties = {}
    for p in f.parameters:
        kind = _kind(p) or "string"
        described = {"type": "array" if kind.startswith("array") else kind}
        if about := f.doc.parameters.get(p.name):
            described["description"] = about
        properties[p.name] = described
    return {
        "name": f.path,
        "description": f.doc.summary,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": [p.name for p in f.parameters if not p.has_default],
        },
    }


def _call(f: Function, values: dict[str, Any]) -> str:
    return json.dumps({"name": f.path, "arguments": values})


def _arguments(f: Function, rng: random.Random) -> dict[str, Any]:
    """A value for every required argument and some of the others."""
    values = {}
    for p in f.parameters:
        kind = _kind(p)
        if kind and (not p.has_default or rng.random() < 0.4):
            values[p.name] = _value(p, kind, rng)
    with_type = [p for p in f.parameters if _kind(p)]
    if not values and with_type:
        p = rng.choice(with_type)
        values[p.name] = _value(p, _kind(p), rng)
    return values


# --- kinds and values ---------------------------------------------------------------------------

NAMED_KINDS = (
    (
        r"^(is|has|use|with|allow|ignore|skip|keep|include|force|strict|verbose|recursive)(_|$)|"
        r"^(inplace|reverse|quiet|overwrite|debug|copy|quoted|escape|lazy|follow_symlinks)$",
        "boolean",
    ),
    (
        r"^(n|k|num|count|size|limit|width|height|depth|length|level|port|index|start|stop|end|"
        r"step|max\w*|min\w*|\w*_size|\w*_count|n_\w+|num_\w+|bits|base|digits|year|month|day|"
        r"hour|minute|offset|maxsplit|indent|seed|pid|fd|sig|code|status|precision|retries)$",
        "integer",
    ),
    (
        r"^(timeout|delay|interval|seconds|secs|rate|alpha|beta|mu|sigma|x|y|z|p|q|tol|threshold|"
        r"ratio|factor|scale|weight|lr|eps|epsilon|temperature|value)$",
        "number",
    ),
    (
        r"^(names|files|paths|words|args|argv|lines|items|values|keys|columns|fields|strings|"
        r"options|seq|sequence|iterable|list|elements|choices|tags|labels)$",
        "array of strings",
    ),
    (
        r"^(data|numbers|weights|samples|vector|xs|ys|points|scores|sizes|shape|ids|indices)$",
        "array of numbers",
    ),
    (
        r"^(headers|params|mapping|env|environ|config|settings|metadata|attrs|kwargs|dct|d)$",
        "object",
    ),
    (
        r"^(\w*path|\w*file|\w*filename|\w*dir|\w*directory|folder|src|dst|source|target|\w*url|"
        r"\w*uri|link|host|hostname|address|server|name|\w*_name|key|user|username|email|text|s|"
        r"string|\w*str|msg|message|title|line|word|prefix|suffix|sep|delimiter|pattern|encoding|"
        r"fmt|format|mode|language|locale|charset|errors|type|kind|method|domain|query|label|tag|"
        r"comment|body|content|subject|version|command|cmd|date|pathname|topic|package|module|"
        r"attr|field|column)$",
        "string",
    ),
)
ANNOTATED = (
    (r"\bbool\b", "boolean"),
    (r"(list|Sequence|Iterable|tuple|Collection)\[(int|float)", "array of numbers"),
    (r"(list|Sequence|Iterable|tuple|set|Collection)\[str", "array of strings"),
    (r"^(dict|Mapping|MutableMapping)\b", "object"),
    (r"^(int)\b", "integer"),
    (r"^(float)\b", "number"),
    (r"^(str|AnyStr|Text|StrPath|Path|os\.PathLike)\b", "string"),
)
DEFAULTS = (
    (r"^(True|False)$", "boolean"),
    (r"^-?\d+$", "integer"),
    (r"^-?\d*\.\d+(e-?\d+)?$", "number"),
    (r"^['\"]", "string"),
    (r"^\((['\"].*)?\)$|^\[(['\"].*)?\]$", "array of strings"),
)


def _kind(p: Parameter) -> str:
    """JSON type of an argument, from its annotation, default or name; empty when unknown."""
    for rules, text in ((ANNOTATED, p.annotation), (DEFAULTS, p.default), (NAMED_KINDS, p.name)):
        for pattern, kind in rules:
            if text and re.search(pattern, text):
                return kind
    return ""


def _value(p: Parameter, kind: str, rng: random.Random) -> Any:
    if kind == "boolean":
        return p.default != "True" if rng.random() < 0.8 else p.default == "True"
    if kind == "integer":
        return rng.choice((rng.randrange(1, 13), rng.randrange(10, 100), 2 ** rng.randrange(3, 13)))
    if kind == "number":
        return rng.choice((rng.randrange(1, 60), round(rng.random(), 2), rng.randrange(1, 100) / 4))
    if kind == "array of strings":
        return rng.sample(phrases.WORDS, rng.randrange(2, 5))
    if kind == "array of numbers":
        return [rng.randrange(100) for _ in range(rng.randrange(3, 6))]
    if kind == "object":
        return {key: rng.choice(phrases.WORDS) for key in rng.sample(phrases.NOUNS, 2)}
    return _text(p, rng)


def _text(p: Parameter, rng: random.Random) -> str:
    noun, year = rng.choice(phrases.NOUNS), rng.randrange(2015, 2026)
    name = p.name.lower()
    if re.search(r"path|file|src|dst|source|target", name):
        folder, suffix = rng.choice(phrases.FOLDERS), rng.choice(phrases.EXTENSIONS)
        return f"{folder}/{noun}_{year}.{suffix}"
    if re.search(r"dir|folder", name):
        return f"{rng.choice(phrases.FOLDERS)}/{noun}s"
    if re.search(r"url|uri|link", name):
        host, version = rng.choice(phrases.HOSTS), rng.randrange(1, 4)
        return f"https://{host}/v{version}/{noun}s?page={rng.randrange(1, 40)}"
    if re.search(r"host|address|server|domain", name):
        return rng.choice(phrases.HOSTS)
    if "date" in name:
        return f"{year}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"
    if "email" in name or name == "user":
        return f"{noun}@{rng.choice(phrases.HOSTS[:4])}"
    if re.search(r"encoding|charset", name):
        return rng.choice(("utf-8", "ascii", "latin-1", "utf-16"))
    if name in ("sep", "delimiter"):
        return rng.choice((",", ";", "|", "\t", ":"))
    if name == "mode":
        return rng.choice(("r", "w", "rb", "a"))
    if name in ("errors",):
        return rng.choice(("strict", "ignore", "replace"))
    if re.search(r"pattern|regex", name):
        return rng.choice((r"\d+", r"[A-Z]\w+", r"^\s*#", f"{noun}_.*", r"\bid=(\d+)"))
    if re.search(r"^(s|text|string|msg|message|line|body|content|comment|title|\w*str)$", name):
        return rng.choice(phrases.TEXTS)
    if re.search(r"version", name):
        return f"{rng.randrange(1, 5)}.{rng.randrange(20)}.{rng.randrange(10)}"
    return rng.choice((noun, f"{rng.choice(phrases.ADJECTIVES)}_{noun}", f"{noun}-{year}"))


# --- user requests ------------------------------------------------------------------------------


def _request(f: Function, values: dict[str, Any], rng: random.Random) -> str:
    named, stated = _in_words(values, phrases.NAMED, rng), _in_words(values, phrases.STATED, rng)
    wish = imperative(f.doc.summary)
    if not wish:
        return rng.choice(phrases.PLAIN_REQUESTS).format(
            short=f.name, path=f.path, summary=f.doc.summary, values=named
        )
    return rng.choice(phrases.REQUESTS).format(
        wish=upper(wish), lower=wish, values=named, stated=stated, Stated=upper(stated)
    )


def _in_words(values: dict[str, Any], separators: tuple[str, ...], rng: random.Random) -> str:
    """Names and values as text, such as 'path = "data/x.csv" and limit = 20'."""
    separator = rng.choice(separators)
    words = []
    for name, value in values.items():
        shown_name = name.replace("_", " ") if rng.random() < 0.5 else name
        unquoted = isinstance(value, str) and rng.random() < 0.3
        words.append(f"{shown_name}{separator}{value if unquoted else json.dumps(value)}")
    return listed(words)
