"""`python-assistant`: questions about real code, and answers from its documentation."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from vocabtrim_core.corpora.demo import phrases
from vocabtrim_core.corpora.demo.library import Class, Function, Module

Turn = tuple[str, str]  # question, answer


def third_person(summary: str) -> str:
    """Turn a summary into the third person: 'Return the size' -> 'returns the size'.

    Args:
        summary: The first sentence of a docstring.

    Returns:
        The summary with a small first letter; "" where it does not begin with a known verb.
    """
    verb, base = _verb(summary)
    if not base:
        return ""
    ending = "es" if re.search(r"(s|x|z|ch|sh)$", base) else "s"
    spelled = base[:-1] + "ies" if re.search(r"[^aeiou]y$", base) else base + ending
    return spelled + summary[len(verb) :]


def imperative(summary: str) -> str:
    """Turn a summary into the imperative: 'Returns the size' -> 'return the size'.

    Args:
        summary: The first sentence of a docstring.

    Returns:
        The summary with a small first letter; "" where it does not begin with a known verb.
    """
    verb, base = _verb(summary)
    return base + summary[len(verb) :] if base else ""


def _verb(summary: str) -> tuple[str, str]:
    """(first word as written, its base form or empty)."""
    word = summary.split(" ", 1)[0]
    lower = word.lower()
    plural = lower[:-3] + "y" if lower.endswith("ies") else lower.removesuffix("es")
    for base in (lower, lower.removesuffix("s"), plural):
        if base in phrases.VERBS:
            return word, base
    return word, ""


def conversation(item: Function | Class | Module, rng: random.Random) -> list[Turn]:
    """One conversation about a function, a class or a module.

    Args:
        item: What the conversation is about.
        rng: Source of all random choices.

    Returns:
        One to three turns.
    """
    if isinstance(item, Module):
        return [_module(item, rng)]
    if isinstance(item, Class):
        return [_overview(item, rng)]
    kinds: list[Callable[[Function, random.Random], Turn]] = [_explain]
    if item.source:
        kinds += [_write, _write, _review]
    turns = [rng.choice(kinds)(item, rng)]
    if rng.random() < 0.35:
        turns += _follow_ups(item, "\n".join(turns[0]), rng)
    return turns


def _explain(f: Function, rng: random.Random) -> Turn:
    wish = imperative(f.doc.summary)
    templates = [t for t in phrases.EXPLAIN if wish or "{imperative}" not in t]
    question = rng.choice(templates).format(
        path=f.path, name=f.name, module=f.module, imperative=_lower(wish)
    )
    third = third_person(f.doc.summary)
    parts = [f"`{f.path}` {third}." if third else f"`{f.path}`: {f.doc.summary}."]
    if f.doc.body:
        parts.append(f.doc.body)
    parts.append(f"```python\n{f.signature}\n```")
    if bullets := _parameters(f):
        parts.append(f"{rng.choice(phrases.LIST_OPENINGS)}\n\n{bullets}")
    if f.doc.returns:
        parts.append(f"It returns {_lower(f.doc.returns)}.")
    if f.doc.example:
        parts.append(f"For example:\n\n```python\n{f.doc.example}\n```")
    elif f.raises:
        parts.append(f"It can raise {_names(f.raises)}.")
    return question, "\n\n".join(parts)


def _write(f: Function, rng: random.Random) -> Turn:
    third = third_person(f.doc.summary)
    templates = phrases.WRITE if third else phrases.WRITE_PLAIN
    question = rng.choice(templates).format(
        call=f.signature, short=f.name.rsplit(".", 1)[-1], third=third, summary=f.doc.summary
    )
    openings = [o for o in phrases.WRITE_OPENINGS if third or "{third}" not in o]
    parts = [rng.choice(openings).format(third=third), f"```python\n{f.source}\n```"]
    if notes := _notes(f):
        parts.append(f"{rng.choice(phrases.STEP_OPENINGS)}\n\n{notes}")
    return question, "\n\n".join(parts)


def _review(f: Function, rng: random.Random) -> Turn:
    question = rng.choice(phrases.REVIEW).format(code=f"```python\n{_undocumented(f)}\n```")
    name = f.name.rsplit(".", 1)[-1]
    third = third_person(f.doc.summary)
    kind = "method" if f.is_method else "function"
    parts = [f"The {kind} `{name}` {third}." if third else f"`{name}`: {f.doc.summary}."]
    if f.doc.body:
        parts.append(f.doc.body)
    if bullets := "\n".join(text for text in (_parameters(f), _notes(f)) if text):
        parts.append(bullets)
    return question, "\n\n".join(parts)


def _overview(c: Class, rng: random.Random) -> Turn:
    question = rng.choice(phrases.OVERVIEW).format(
        path=f"{c.module}.{c.name}", name=c.name, module=c.module
    )
    third = third_person(c.doc.summary)
    parts = [f"`{c.name}` {third}." if third else f"`{c.module}.{c.name}`: {c.doc.summary}."]
    if c.doc.body:
        parts.append(c.doc.body)
    if c.bases:
        parts.append(f"It is based on {_names(c.bases)}.")
    methods = "\n".join(f"- `{name}()`: {_lower(about)}" for name, about in c.methods)
    parts.append(f"{rng.choice(phrases.METHOD_OPENINGS)}\n\n{methods}")
    head = f"from {c.module} import {c.name}"
    parts.append(f"You import it like this:\n\n```python\n{head}\n```")
    return question, "\n\n".join(parts)


def _module(m: Module, rng: random.Random) -> Turn:
    question = rng.choice(phrases.MODULES).format(module=m.name)
    third = third_person(m.doc.summary)
    parts = [f"The module `{m.name}` {third}." if third else f"`{m.name}`: {m.doc.summary}."]
    if m.doc.body:
        parts.append(m.doc.body)
    members = "\n".join(f"- `{name}`: {_lower(about)}" for name, about in m.members)
    parts.append(f"{rng.choice(phrases.MEMBER_OPENINGS)}\n\n{members}")
    return question, "\n\n".join(parts)


def _follow_ups(f: Function, previous: str, rng: random.Random) -> list[Turn]:
    """Up to two more questions, about what the previous text does not contain."""
    answers = {
        "source": f"Here it is:\n\n```python\n{f.source}\n```"
        if f.source and f.source not in previous and _undocumented(f) not in previous
        else "",
        "raises": "" if all(name in previous for name in f.raises) else _failures(f, rng),
        "parameters": _parameters(f) if _parameters(f) not in previous else "",
        "example": f"Of course:\n\n```python\n{f.doc.example}\n```" if f.doc.example else "",
    }
    questions = [(kind, text) for kind, text in phrases.FOLLOW_UPS if answers[kind]]
    turns: list[Turn] = []
    for kind, text in rng.sample(questions, min(len(questions), 4)):
        if answers[kind] and answers[kind] not in previous and len(turns) < 2:
            turns.append((text, answers[kind]))
            answers[kind] = ""
    return turns


def _failures(f: Function, rng: random.Random) -> str:
    if not f.raises:
        return ""
    name = f.name.rsplit(".", 1)[-1]
    closing = rng.choice(phrases.FAILURE_CLOSINGS)
    return f"`{name}` itself raises {_names(f.raises)}. {closing}".rstrip()


def _parameters(f: Function) -> str:
    """A bullet for each parameter that the documentation describes."""
    lines = []
    for p in f.parameters:
        if about := f.doc.parameters.get(p.name, ""):
            kind = f" (`{p.annotation}`)" if p.annotation and len(p.annotation) < 40 else ""
            default = p.has_default and len(p.default) < 40
            closing = f". Defaults to `{p.default}`." if default else "."
            lines.append(f"- `{p.name}`{kind}: {upper(about)}{closing}")
    return "\n".join(lines)


def _notes(f: Function) -> str:
    """Bullets about a piece of code, from its syntax tree."""
    lines = []
    required = [f"`{p.name}`" for p in f.parameters if not p.has_default]
    if required:
        lines.append(f"It takes {listed(required)}.")
    optional = [f"`{p.name}`" for p in f.parameters if p.has_default]
    if optional:
        lines.append(f"{listed(optional)} can be left out.")
    if f.calls:
        lines.append(f"It relies on {listed([f'`{name}`' for name in f.calls[:3]])}.")
    if f.raises:
        lines.append(f"It can raise {_names(f.raises)}.")
    if f.doc.returns:
        lines.append(f"The result is {_lower(f.doc.returns)}.")
    return "\n".join(f"- {upper(line)}" for line in lines)


def _undocumented(f: Function) -> str:
    """The source without its docstring, so that the answer is not in the question."""
    return re.sub(r'\n\s*[rRuU]?("""|\'\'\')(?:.|\n)*?\1[^\n]*', "", f.source, count=1)


def _names(names: tuple[str, ...]) -> str:
    return listed([f"`{name}`" for name in names])


def listed(items: list[str]) -> str:
    """Join items as in a sentence: 'a, b and c'.

    Args:
        items: At least one text.

    Returns:
        The sentence part.
    """
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _lower(text: str) -> str:
    """The text with a small first letter, unless the first word is a name or an acronym."""
    return text[:1].lower() + text[1:] if re.match(r"[A-Z][a-z]", text) else text


def upper(text: str) -> str:
    """The text with a capital first letter; the other letters stay as they are.

    Args:
        text: The text.

    Returns:
        The changed text.
    """
    return text[:1].upper() + text[1:]
