"""Limits of what a chat template may use: characters of a text, work, and numbers.

jinja's sandbox keeps a template from Python, but not from building gigabytes or looping for days.
Everything in a template that makes a text longer than its operands is checked before it runs, and
every pass of a loop and every call of a macro counts as work.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_TEXT = 32 * 2**20  # characters of a rendered conversation, or of any text within
MOST_ITEMS = 2**20  # of a list that a template builds
MOST_WIDTH = 10_000  # of padding, indentation and numbers in formats
MOST_BITS = 4096  # of a whole number
MOST_WORK = 2**22  # passes of loops and calls of macros in one rendering
MOST_SECONDS = 10.0  # of CPU time of one rendering
CLOCK_EVERY = 256  # units of work between two looks at the clock
PIECES = 4096  # of a text, joined at a time
WIDTHS = {"center": 1, "indent": 1, "ljust": 1, "rjust": 1, "tojson": 0, "wordwrap": 1, "zfill": 1}
_NUMBER = re.compile(r"\d{5,}|%[-+ #0]*\*")  # in a format: a wide field, or a width of its own


class LimitError(SecurityError):
    """A template exceeds a limit."""


class Work:
    """The work of one rendering: at most MOST_WORK units, and MOST_SECONDS of CPU time."""

    def __init__(self) -> None:
        self._units = 0
        self._end = time.thread_time() + MOST_SECONDS

    def add(self) -> str:
        """Count one unit.

        Returns:
            "", so that it can stand in a template.

        Raises:
            LimitError: There was too much.
        """
        self._units += 1
        if self._units > MOST_WORK:
            raise LimitError(f"its loops run more than {MOST_WORK:,} times")
        if self._units % CLOCK_EVERY == 0 and time.thread_time() > self._end:
            raise LimitError(f"it takes more than {MOST_SECONDS:.0f} s")
        return ""


def joined(pieces: Iterable[str]) -> str:
    """Join pieces of text, up to MOST_TEXT characters; jinja's own `concat`.

    Args:
        pieces: The pieces.

    Returns:
        The text.

    Raises:
        LimitError: It is longer.
    """
    texts, length, iterator = [], 0, iter(pieces)
    while some := list(islice(iterator, PIECES)):
        length += sum(map(len, some))
        _check_text(length)
        texts.append("".join(some))
    return "".join(texts)


def tilde(parts: list[Any]) -> str:
    """Join values as jinja's operator ~ does.

    Args:
        parts: The values.

    Returns:
        Their texts, joined.

    Raises:
        LimitError: It is longer than MOST_TEXT.
    """
    return joined(map(str, parts))


def limit(sandbox: ImmutableSandboxedEnvironment) -> None:
    """Put the limits on the filters, functions and concatenation of a sandbox.

    Args:
        sandbox: The sandbox.
    """
    sandbox.concat = joined  # pyright: ignore[reportAttributeAccessIssue]
    sandbox.globals.pop("lipsum", None)
    sandbox.filters["_tilde"] = tilde
    for name in ("center", "format", "indent", "join", "replace", "tojson", "wordwrap"):
        sandbox.filters[name] = _checked_filter(name, sandbox.filters[name])


def limited(
    tree: nodes.Template, counted: set[nodes.Node], count_work: Callable[[], nodes.Stmt]
) -> None:
    """Put the limits into the syntax tree of a template.

    Args:
        tree: The tree, changed in place.
        counted: Loops that count their passes already.
        count_work: Makes the statement that counts a unit of work.
    """
    for node in tree.find_all((nodes.For, nodes.Macro, nodes.CallBlock)):
        if node not in counted:
            node.body.insert(0, count_work())
    for parent in list(_with_parents(tree)):
        for name, value in list(parent.iter_fields()):
            if isinstance(value, nodes.Concat):
                setattr(parent, name, _tilde_of(value))
            elif isinstance(value, list):
                value[:] = [_tilde_of(v) if isinstance(v, nodes.Concat) else v for v in value]


def check_operation(operator: str, left: Any, right: Any) -> None:
    """Check an operation of a template before it runs.

    Args:
        operator: One of + * ** %.
        left: Its left operand.
        right: Its right operand.

    Raises:
        LimitError: The result would be too large.
    """
    if operator == "+" and isinstance(left, str | list | tuple):
        _check_size(left, len(left) + (len(right) if hasattr(right, "__len__") else 0))
    elif operator == "*":
        for value, times in ((left, right), (right, left)):
            if isinstance(value, str | bytes | list | tuple) and isinstance(times, int):
                _check_size(value, len(value) * times)
        if isinstance(left, int) and isinstance(right, int):
            _check_bits(left.bit_length() + right.bit_length())
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        _check_bits(left.bit_length() * max(right, 0))
    elif operator == "%" and isinstance(left, str):
        check_format(left)


def check_method(
    method: Callable[..., Any], arguments: tuple[Any, ...], keywords: Mapping[str, Any]
) -> None:
    """Check the call of a text's method before it runs.

    Args:
        method: The method, bound to its text.
        arguments: Its arguments.
        keywords: Its keyword arguments.

    Raises:
        LimitError: The result would be too large.
    """
    _check(method.__name__, (method.__self__, *arguments), keywords)  # pyright: ignore


def check_format(text: str) -> None:
    """Check a text that formats others, by % or by `format`.

    Args:
        text: The text.

    Raises:
        LimitError: It has a field that is too wide, or whose width is a value.
    """
    if _NUMBER.search(text):
        raise LimitError(f"a format of more than {MOST_WIDTH:,} characters")


def _checked_filter(name: str, filter_: Callable[..., Any]) -> Callable[..., Any]:
    context = int(hasattr(filter_, "jinja_pass_arg"))  # some filters get jinja's context first

    @functools.wraps(filter_)  # keeps that mark
    def checked(*arguments: Any, **keywords: Any) -> Any:
        given = arguments[context:]
        if name == "join" and given:
            given = (_realised(given[0]), *given[1:])
        _check(name, given, keywords)
        return filter_(*arguments[:context], *given, **keywords)

    return checked


def _check(name: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> None:
    """Check a method of a text, or a filter; its first argument is the text."""
    if not arguments:
        return  # jinja says what is missing
    if name in WIDTHS:
        for width in (*arguments[1:], *keywords.values()):
            if isinstance(width, int) and width > MOST_WIDTH:
                raise LimitError(f"{name} with {width:,} characters; {MOST_WIDTH:,} are allowed")
        text = arguments[0]
        if name == "indent" and isinstance(text, str):
            _check_text(len(text) + text.count("\n") * _width(arguments, keywords))
    elif name == "replace" and len(arguments) >= 3:
        text, old, new = (str(argument) for argument in arguments[:3])
        if len(text) * len(new) > MOST_TEXT:
            _check_text(len(text) + text.count(old) * len(new))
    elif name in ("format", "format_map"):
        check_format(str(next(iter(arguments))))
    elif name == "join":
        items, between = [*arguments, keywords.get("d", "")][:2]
        if isinstance(items, str) and len(arguments) == 2:  # the method of a text, or of characters
            items, between = _realised(between), items
        _check_text(sum(len(str(item)) + len(str(between)) for item in items))
    elif name == "translate":
        raise LimitError("translate is not available")


def _width(arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> int:
    width = next(iter((*arguments[1:2], *keywords.values())), 4)
    return len(width) if isinstance(width, str) else int(width)


def _realised(items: Any) -> Any:
    """The items of an iterator, which could be read only once."""
    if isinstance(items, str | list | tuple | Mapping):
        return items
    realised = []
    for item in items:
        realised.append(item)
        if len(realised) > MOST_ITEMS:
            raise LimitError(f"a list of more than {MOST_ITEMS:,} items")
    return realised


def _check_size(value: Any, size: int) -> None:
    if isinstance(value, str | bytes):
        _check_text(size)
    elif size > MOST_ITEMS:
        raise LimitError(f"a list of more than {MOST_ITEMS:,} items")


def _check_text(length: int) -> None:
    if length > MOST_TEXT:
        raise LimitError(f"a text of more than {MOST_TEXT:,} characters")


def _check_bits(bits: int) -> None:
    if bits > MOST_BITS:
        raise LimitError(f"a number of more than {MOST_BITS:,} bits")


def _with_parents(node: nodes.Node) -> Iterable[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _with_parents(child)


def _tilde_of(concat: nodes.Concat) -> nodes.Filter:
    return nodes.Filter(nodes.List(concat.nodes), "_tilde", [], [], None, None)
