"""Which message wrote which part of a rendered conversation.

A template writes its messages in loops. Every loop of its syntax tree gets a mark at the beginning
of its body and one after it; during rendering, a mark says whether the loop's item is one of the
messages. The marks are then removed, which leaves the text and each message's part of it. This
needs no knowledge of the model or of the strings it uses. A template that copies its messages is
followed while roles and contents stay the same; one that writes them without a loop leaves no
parts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vocabtrim_core.templates.environment import CLOSE, OPEN, environment

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.nodes import Expr, For, Node, Stmt
    from jinja2.runtime import Context

_MARK = re.compile(f"{OPEN}(?:(\\d+)(?::(\\d+))?|([<>])){CLOSE}")
_BEGIN, _END, _MARKS = "_message_begins", "_loop_ends", "_marks"
_WORK = "_work"


class MessagePart(NamedTuple):
    """A part of a rendered text that one message wrote.

    Attributes:
        message: Index of the message.
        start: First character.
        end: After the last character.
    """

    message: int
    start: int
    end: int


@functools.lru_cache(maxsize=32)
def instrumented(jinja: str) -> Template:
    """The template with marks in its loops, and with the limits.

    Args:
        jinja: Source of the template.

    Returns:
        The compiled template.

    Raises:
        jinja2.TemplateSyntaxError: The source is not valid.
    """
    from jinja2 import nodes, pass_context

    from vocabtrim_core.templates.limits import limited

    # As filters, which the sandbox calls without looking at them each time.
    filters: dict[str, Callable[..., str]] = {
        _BEGIN: _message_begins,
        _END: _loop_ends,
        _WORK: _count_work,
    }
    for name, mark in filters.items():
        environment().filters[name] = pass_context(mark)
    tree = environment().parse(jinja)
    counted: set[nodes.Node] = set()
    for number, loop in enumerate(list(tree.find_all(nodes.For))):
        if isinstance(loop.target, nodes.Name):
            counted.add(loop)
            item = _item(loop, loop.target.name)
            loop.body.insert(0, _mark(_BEGIN, item, nodes.Const(number)))
    for number, loop in enumerate(list(tree.find_all(nodes.For))):
        _insert_after(tree, loop, _mark(_END, nodes.Const(number)))
    limited(tree, counted, lambda: _mark(_WORK, nodes.Const("")))
    return environment().from_string(tree)


def render_parts(template: Template, chat: Sequence[Mapping[str, Any]], **context: Any) -> str:
    """Render an instrumented template.

    Args:
        template: Result of `instrumented`.
        chat: The messages.
        **context: Further variables of the template.

    Returns:
        The text with marks, for `split`.
    """
    return template.render(messages=chat, **context, **{_MARKS: _Marks(chat)})


class _Marks:
    """The marks of one rendering, at the beginning of a loop's body and after the loop."""

    def __init__(self, chat: Sequence[Mapping[str, Any]]) -> None:
        from vocabtrim_core.templates.limits import Work

        self._chat = chat
        self._number = {id(message): i for i, message in enumerate(chat)}
        self._running: set[int] = set()
        self._copied: dict[int, int] = {}  # loop -> index after the last message found in it
        self.work = Work()

    def begin(self, loop: int, item: Any) -> str:
        self.work.add()
        message = self._number.get(id(item))
        if message is None and isinstance(item, dict) and "role" in item:
            first = self._copied.get(loop, 0)
            message = next(
                (i for i in range(first, len(self._chat)) if _same(item, self._chat[i])), None
            )
        if message is None:
            return self.end(loop)
        self._copied[loop] = message + 1
        self._running.add(loop)
        return f"{OPEN}{loop}:{message}{CLOSE}"

    def end(self, loop: int) -> str:
        if loop not in self._running:
            return ""
        self._running.discard(loop)
        return f"{OPEN}{loop}{CLOSE}"


def _message_begins(context: Context, item: Any, loop: int) -> str:
    return context[_MARKS].begin(loop, item)


def _loop_ends(context: Context, loop: int) -> str:
    return context[_MARKS].end(loop)


def _count_work(context: Context, nothing: str) -> str:
    return nothing + context[_MARKS].work.add()


def _same(copy: Mapping[str, Any], message: Mapping[str, Any]) -> bool:
    return copy["role"] == message.get("role") and all(
        (copy.get(key) or None) == (message.get(key) or None) for key in ("content", "tool_calls")
    )


class Split(NamedTuple):
    """A rendered text without marks.

    Attributes:
        text: The text.
        parts: The parts that messages wrote, in order.
        generated: Character ranges of {% generation %} blocks.
    """

    text: str
    parts: tuple[MessagePart, ...]
    generated: tuple[tuple[int, int], ...]


def split(marked: str) -> Split:
    """Remove the marks from a rendered text.

    Text of a loop inside a message's part belongs to that loop's message if it is a later one.

    Args:
        marked: Result of `render_parts`.

    Returns:
        The text and its parts.
    """
    texts: list[str] = []
    parts: list[MessagePart] = []
    loops: list[tuple[str, int]] = []  # loops that run, innermost last, and their messages
    generated: list[tuple[int, int]] = []
    at = begin = opened = 0
    for mark in [*_MARK.finditer(marked), None]:
        piece = marked[begin : mark.start() if mark else len(marked)]
        if piece:
            if loops:
                message = loops[-1][1]
                if parts and parts[-1].message == message and parts[-1].end == at:
                    parts[-1] = MessagePart(message, parts[-1].start, at + len(piece))
                else:
                    parts.append(MessagePart(message, at, at + len(piece)))
            texts.append(piece)
            at += len(piece)
        if mark is None:
            break
        begin, (loop, message, generation) = mark.end(), mark.groups()
        if generation == "<":
            opened = at
        elif generation:
            generated += [(opened, at)] if opened < at else []
        elif message is None:
            while loops and loops.pop()[0] != loop:
                pass
        else:
            running = [name for name, _ in loops]
            if loop in running:
                del loops[running.index(loop) :]
            # A loop over earlier messages writes for the message around it.
            outer = max((number for _, number in loops), default=0)
            loops.append((loop, max(int(message), outer)))
    return Split("".join(texts), tuple(parts), tuple(generated))


def _mark(name: str, first: Expr, *others: Expr) -> Stmt:
    from jinja2 import nodes

    return nodes.Output([nodes.Filter(first, name, [*others], [], None, None)])


def _item(loop: For, target: str) -> Expr:
    """The item of a loop: its target, or the list element at it where the target is a position.

    Args:
        loop: The loop.
        target: Name of its target.

    Returns:
        The expression, such as `message` or `messages[i]`.
    """
    from jinja2 import nodes

    for access in loop.find_all(nodes.Getitem):
        at, listed = access.arg, access.node
        if isinstance(at, nodes.Name) and at.name == target and isinstance(listed, nodes.Name):
            return nodes.Getitem(
                nodes.Name(listed.name, "load"), nodes.Name(target, "load"), "load"
            )
    return nodes.Name(target, "load")


def _insert_after(tree: Node, loop: Node, mark: Node) -> None:
    """Insert a statement after another one, in whatever block that is."""
    from jinja2 import nodes

    for parent in [tree, *tree.find_all(nodes.Node)]:
        for field in parent.fields:
            statements = getattr(parent, field)
            if isinstance(statements, list) and any(node is loop for node in statements):
                place = next(i for i, node in enumerate(statements) if node is loop)
                statements.insert(place + 1, mark)
                return
