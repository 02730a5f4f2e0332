"""The jinja sandbox for which chat templates are written.

What `transformers` gives a template is part of the template's language: whitespace control, loop
controls, `tojson` without HTML escapes, `raise_exception`, `strftime_now` and {% generation %}.
Importing transformers takes longer than a small count, so the same is set up here, and tests render
every template both ways.
"""

from __future__ import annotations

import functools
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

# Code points that are no characters, so no text holds them; `instrument` removes them.
OPEN, CLOSE = "\ufdd0", "\ufdd1"
GENERATED, NOT_GENERATED = f"{OPEN}<{CLOSE}", f"{OPEN}>{CLOSE}"


@functools.cache
def environment() -> ImmutableSandboxedEnvironment:
    """The sandbox. A {% generation %} block is written between GENERATED and NOT_GENERATED."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from vocabtrim_core.templates import limits

    class GenerationTag(Extension):
        """The {% generation %} block."""

        tags = {"generation"}  # noqa: RUF012 - jinja's own declaration

        def parse(self, parser: Parser) -> list[nodes.Node]:
            line = next(parser.stream).lineno
            body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
            opening, closing = (
                nodes.Output([nodes.TemplateData(mark)], lineno=line)
                for mark in (GENERATED, NOT_GENERATED)
            )
            # A block has a scope of its own.
            return [nodes.Scope([opening, *body, closing], lineno=line)]

    class Sandbox(ImmutableSandboxedEnvironment):
        """The sandbox with limits, and a fast `message.role`: jinja would catch an exception."""

        intercepted_binops = frozenset({"+", "*", "**", "%"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            texts = operator == "+" and type(left) is str and type(right) is str
            if texts and len(left) + len(right) <= limits.MOST_TEXT:  # nearly always
                return left + right
            limits.check_operation(operator, left, right)
            return super().call_binop(context, operator, left, right)

        def call(self, context: Any, obj: Any, /, *arguments: Any, **keywords: Any) -> Any:
            if type(getattr(obj, "__self__", None)) is str:
                limits.check_method(obj, arguments, keywords)
            return super().call(context, obj, *arguments, **keywords)

        def getattr(self, obj: Any, attribute: str) -> Any:
            if type(obj) is dict and attribute in obj and not hasattr(dict, attribute):
                return obj[attribute]
            if attribute in ("format", "format_map") and isinstance(obj, str):
                limits.check_format(obj)
            return super().getattr(obj, attribute)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def to_json(
        value: Any,
        ensure_ascii: bool = False,
        indent: Any = None,
        separators: Any = None,
        sort_keys: bool = False,
    ) -> str:
        return json.dumps(
            value,
            ensure_ascii=ensure_ascii,
            indent=indent,
            separators=separators,
            sort_keys=sort_keys,
        )

    sandbox = Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
    )
    sandbox.filters["tojson"] = to_json
    limits.limit(sandbox)
    functions: dict[str, Any] = {
        "raise_exception": raise_exception,
        "strftime_now": lambda form: datetime.now().strftime(form),
        # The class itself has too many attributes.
        "dict": lambda *items, **keywords: dict(*items, **keywords),
    }
    sandbox.globals.update(functions)
    return sandbox
