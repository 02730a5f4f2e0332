"""Docstrings of many styles (reST, NumPy, Google, plain), split into the parts of an answer."""

from __future__ import annotations

import functools
import re
import textwrap
from dataclasses import dataclass, field

SECTION = re.compile(
    r"(args|arguments|parameters|other parameters|params|keyword arguments|attributes|returns?|"
    r"yields?|raises|examples?|notes?|see also|references|warnings?|warns|methods|todo)\s*:{0,2}$",
    re.IGNORECASE,
)
PARAMETERS = {"args", "arguments", "parameters", "params", "keyword arguments", "other parameters"}
FIELD = re.compile(r":(param|parameter|arg|returns?|raises|r?type|keyword)\b\s*([^:]*):\s*(.*)")
LINK = re.compile(r"\[([^\]]+)\]\[[\w.]*\]")  # Markdown: [`name`][where.it.is]
ROLE = re.compile(r":[a-z:]+:`[~!]?([^`<]+?)(?:\s*<[^>]+>)?`")
LITERAL = re.compile(r"``([^`]+)``")
GOOGLE_ITEM = re.compile(r"(\*{0,2}\w+)(?:\s*\(([^)]*)\))?\s*:\s*(.*)")
NUMPY_ITEM = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\w+)*)\s*(?::\s*(.*))?$")
STRANGE = re.compile(r"\bXXX\b|TODO|FIXME|0x[0-9a-f]{6,}|/home/|/Users/|[^\x00-\uffff]")
LONGEST_BODY = 900  # characters of explanation kept


@dataclass(frozen=True, slots=True)
class Doc:
    """The parts of a docstring.

    Attributes:
        summary: The first sentence, without its full stop.
        body: The text after it, as Markdown; at most `LONGEST_BODY` characters.
        parameters: Name of a parameter -> its description.
        returns: Description of the result, "" without one.
        example: The first doctest, "" without one.
    """

    summary: str
    body: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    returns: str = ""
    example: str = ""


@functools.lru_cache(maxsize=4096)
def parse(text: str | None) -> Doc | None:
    """Split a docstring into its parts.

    Args:
        text: The docstring, None for none.

    Returns:
        The parts; None where the docstring does not begin with a usable sentence.
    """
    if not text or STRANGE.search(text):
        return None
    lines = textwrap.dedent(text.expandtabs(4)).strip().splitlines()
    if lines and (others := lines[1:]):
        lines = [lines[0].strip(), *textwrap.dedent("\n".join(others)).splitlines()]
    free, sections = _split(lines)
    paragraphs = _paragraphs(free)
    if not paragraphs:
        return None
    first, remaining = _first_sentence(paragraphs[0])
    summary = _clean(first)
    if not 12 <= len(summary) <= 200 or not re.match(r"[A-Z][a-z]+ \w", summary):
        return None
    body = [_clean(p) for p in (remaining, *paragraphs[1:]) if p and not _is_markup(p)]
    return Doc(
        summary=re.sub(r",?\s*(e\.g|i\.e|such as)?[.:;,]*$", "", summary),
        body=_cut([p for p in body if p]),
        parameters=_items(next((s for n, s in sections.items() if n in PARAMETERS), [])),
        returns=_returns(sections.get("returns") or sections.get("return") or []),
        example=_example(lines),
    )


def _first_sentence(text: str) -> tuple[str, str]:
    """(first sentence, the rest); "e.g." and its like end no sentence."""
    end = re.search(r"(?<!e\.g)(?<!i\.e)(?<!etc)(?<! vs)\.\s+(?=[A-Z`])", text)
    return (text[: end.start()], text[end.end() :]) if end else (text, "")


def _split(lines: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """(free text, section name -> its lines); reST fields count as sections."""
    free: list[str] = []
    sections: dict[str, list[str]] = {}
    current, fenced = free, False
    for i, line in enumerate(lines):
        fence = line.strip().startswith("```")
        fenced = fenced != fence
        if fenced or fence:
            continue  # code, which is no running text
        under = lines[i + 1].strip() if i + 1 < len(lines) else ""
        title = line.strip()
        if SECTION.match(title) and (title.endswith(":") or re.fullmatch(r"[-=~]{3,}", under)):
            current = sections.setdefault(title.rstrip(":").lower(), [])
        elif match := FIELD.match(title):
            kind, name, description = match.groups()
            key = "parameters" if kind in ("param", "parameter", "arg", "keyword") else "returns"
            if kind.startswith("return") or key == "parameters":
                target = name.split()[-1] if name.split() else ""
                sections.setdefault(key, []).append(
                    f"{target}: {description}" if target else description
                )
            current = []
        elif not re.fullmatch(r"[-=~^]{3,}", title):
            if current is not free and title.startswith(">>>"):
                current = []  # an example ends a section that it does not belong to
            current.append(line)
    return free, sections


def _paragraphs(lines: list[str]) -> list[str]:
    """Paragraphs of running text; indented blocks and doctests are left out."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if not line.strip():
            blocks.append([])
        else:
            blocks[-1].append(line)
    return [
        " ".join(line.strip() for line in block)
        for block in blocks
        if block and not block[0].startswith((" ", ">>>", "..", "|", "+-", "```"))
    ]


def _is_markup(paragraph: str) -> bool:
    return paragraph.endswith("::") or paragraph.count("|") > 3 or paragraph.startswith((":", "#"))


def _clean(text: str) -> str:
    """Markdown: `name` for code, no reST roles."""
    text = LITERAL.sub(r"`\1`", ROLE.sub(r"`\1`", text))
    text = LINK.sub(r"\1", re.sub(r"\s*\[\w+\]_", "", text)).replace("`_", "`").replace("::", ":")
    text = re.sub(r"\s+", " ", text).strip()
    return text if text.count("`") % 2 == 0 else text.replace("`", "")


def _cut(paragraphs: list[str]) -> str:
    shown, length = [], 0
    for paragraph in paragraphs:
        length += len(paragraph)
        if length > LONGEST_BODY:
            break
        shown.append(paragraph)
    return "\n\n".join(shown)


def _items(lines: list[str]) -> dict[str, str]:
    """Parameter -> description, from Google or NumPy style."""
    block = textwrap.dedent("\n".join(lines)).splitlines()
    items: dict[str, str] = {}
    name = ""
    for line in block:
        if line and not line[0].isspace():
            google = GOOGLE_ITEM.match(line)
            numpy = NUMPY_ITEM.match(line)
            if google and not (numpy and re.match(r"\S+ :", line)) and " " in google.group(3):
                name, text = google.group(1), google.group(3)
            elif numpy:
                name, text = numpy.group(1), ""
            else:
                name, text = "", ""
            if name:
                items[name.lstrip("*")] = text
        elif name and line.strip():
            items[name.lstrip("*")] += " " + line.strip()
    return {key: _sentence(value) for key, value in items.items() if 8 <= len(value.strip()) <= 400}


def _returns(lines: list[str]) -> str:
    inner = [line for line in lines[1:] if line[:1].isspace()]
    if inner and lines[0] and not lines[0][0].isspace():
        lines = inner  # NumPy style: the first line is the type
    text = " ".join(line.strip() for line in lines if line.strip())
    text = re.sub(r"^[\w.\[\], |`~:]{1,60}:\s+", "", text)
    return _sentence(text) if 8 <= len(text) <= 300 else ""


def _sentence(text: str) -> str:
    return _first_sentence(_clean(text))[0].rstrip(".")


def _example(lines: list[str]) -> str:
    """The first doctest block, at most 12 lines."""
    block: list[str] = []
    for line in lines:
        fence = line.strip().startswith("```")
        if not fence and (line.strip().startswith(">>>") or (block and line.strip())):
            block.append(line)
        elif block:
            break
    text = textwrap.dedent("\n".join(block))
    return text if 0 < len(block) <= 12 and text.startswith(">>>") else ""
