"""Dataclass fields that know how they stand on a command line, in an address and in widgets.

A field is declared once: `alpha: Annotated[float, Leaf(…)] = 0.5`. The functions here walk over
the fields of a class; none of them knows a field by name.
"""

from __future__ import annotations

import functools
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from typing import TYPE_CHECKING, Any, get_type_hints

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from vocabtrim_core.counts import TokenCounts

UNSET = object()  # what a form does not say


@dataclass(frozen=True, slots=True)
class At:
    """Where values are read: over which V, and on which counts where these matter."""

    vocab_size: int
    counts: TokenCounts | None = None


def _text(leaf: Leaf, text: str) -> Any:
    return text


def _any(value: Any, vocab_size: int) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of a kind are read and written: one option, one parameter, one widget.

    parse, show: the option's text; link: a parameter's text to a value; fits: whether a value is in
    range, given V; more: of argparse. Other kinds change what differs.
    """

    metavar: str | None = None
    parse: Callable[[str], Any] = str
    show: Callable[[Any], str] = str
    link: Callable[[Leaf, str], Any] = _text
    fits: Callable[[Any, int], bool] = _any
    more: tuple[tuple[str, str], ...] = ()

    # command lines

    def add(self, to: Any, leaf: Leaf, default: Any, given: bool) -> None:
        """Declare the option on a parser or group."""
        usual = default not in (None, "", (), frozenset())
        shown = self.show(default) if usual else leaf.unset
        to.add_argument(
            leaf.flag,
            type=self.parse,
            default=default if usual and not given else None,
            metavar=leaf.metavar or self.metavar,
            help=f"{leaf.help} (default {shown})" if shown else leaf.help,
            **dict(self.more),
        )

    def dests(self, leaf: Leaf) -> list[str]:
        """Its names in a namespace."""
        return [leaf.dest]

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """The option with its value."""
        text = self.show(value)
        return [f"{leaf.flag}={text}"] if text.startswith("-") else [leaf.flag, text]

    def from_argv(self, leaf: Leaf, arguments: Namespace, at: At) -> Any:
        """The value, UNSET without the option."""
        value = getattr(arguments, leaf.dest, None)
        return UNSET if value is None else self.found(value, at)

    def found(self, value: Any, at: At) -> Any:
        """What an option's value stands for."""
        return value

    # addresses

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        """The parameter with its value."""
        return {leaf.param: self.show(value)}

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: At) -> Any:
        """The value, UNSET without the parameter; InputError names the parameter."""
        return self.link(leaf, query[leaf.param]) if leaf.param in query else UNSET

    # sessions

    def session(self, leaf: Leaf, value: Any) -> dict[str, Any]:
        """The widget with its value."""
        return {leaf.widget: value}

    def from_session(self, leaf: Leaf, session: Mapping[str, Any], at: At) -> Any:
        """The value again."""
        return session[leaf.widget]


@dataclass(frozen=True, slots=True)
class Leaf:
    """How a field is written.

    flag: its option.  param: its parameter in an address.  key: in the session, that of its widget,
    by default the parameter.  unset: what None stands for, in words.  stated: written even at its
    default.  later: left out of JSON at its default, as in files from before the field was there.
    Without flag, param or key a form leaves the field out, or goes on with the fields of `part`.
    """

    kind: Kind | None = None
    flag: str = ""
    param: str = ""
    help: str = ""
    key: str = ""
    unset: str = ""
    metavar: str = ""
    stated: bool = False
    later: bool = False
    part: type | None = None

    @property
    def widget(self) -> str:
        """Its key in a session."""
        return self.key or self.param

    @property
    def dest(self) -> str:
        """Its name in an argparse namespace."""
        return self.flag.strip("-").replace("-", "_")


@functools.cache
def table(of: type) -> tuple[tuple[Field[Any], Leaf], ...]:
    """The fields of a class that have a leaf, in their order."""
    hints = get_type_hints(of, include_extras=True)
    marks = ((field, getattr(hints[field.name], "__metadata__", ())) for field in fields(of))
    return tuple((field, *about) for field, about in marks if about)


def _written(
    value: Any, form: str, *, leave: Sequence[str] = (), stated: bool = True, usual: bool = False
) -> Iterator[tuple[Kind, Leaf, Any]]:
    """Kind, leaf and value of each field that a form ("flag", "param", "widget") has.

    stated: with those that are written even at their default; usual: with all at their default.
    """
    for field, about in table(type(value)):
        item = getattr(value, field.name)
        skipped = item == field.default and not usual and not (stated and about.stated)
        if skipped or field.name in leave:
            continue
        if about.kind and getattr(about, form):
            yield about.kind, about, item
        elif about.part:
            yield from _written(item, form, leave=leave, stated=stated, usual=usual)


def _read(
    of: type,
    form: str,
    read: Callable[[Kind, Leaf], Any],
    wanted: Callable[[type], bool] = bool,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """The fields (of these names, or all) that `read` finds in a form.

    wanted: whether it says anything about a part, asked for parts with a default.
    """
    found: dict[str, Any] = {}
    for field, about in table(of):
        if names and field.name not in names:
            continue
        if about.kind and getattr(about, form):
            value = read(about.kind, about)
            if value is not UNSET:
                found[field.name] = value
        elif about.part and (field.default is MISSING or wanted(about.part)):
            found[field.name] = about.part(**_read(about.part, form, read, wanted))
    return found


# --- command lines ------------------------------------------------------------------------------


def add_options(to: Any, of: type, *names: str, given: bool = False) -> None:
    """Options for these fields of a class (all by default), on a parser or a group of one.

    given: None where an option is not given, instead of the field's default.
    """
    for field, about in table(of):
        if about.kind and about.flag and (field.name in names or not names):
            about.kind.add(to, about, field.default, given)
        elif about.part and not names:
            group = to.add_argument_group(*about.help.split("; ")) if about.help else to
            add_options(group, about.part, given=given)


def options_of(of: type) -> list[str]:
    """The names in a namespace of a class's own options."""
    return [name for _, a in table(of) if a.kind and a.flag for name in a.kind.dests(a)]


def given(arguments: Namespace, of: type) -> bool:
    """Whether any of a class's own options is given."""
    return any(getattr(arguments, name, None) is not None for name in options_of(of))


def refuse(arguments: Namespace, names: Sequence[str], why: str) -> None:
    """InputError where any of these arguments is given; {flags} in `why` names them."""
    found = [name for name in names if getattr(arguments, name, None) not in (None, "")]
    if found:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in found)
        raise InputError(f"{why.format(flags=flags)}; leave out one of the two.")


def to_argv(
    value: Any,
    files: Mapping[str, str | Path] | None = None,
    *,
    leave: Sequence[str] = (),
    stated: bool = False,
) -> list[str]:
    """The options of a value, without those at their default, and without the fields in `leave`.

    files: option -> path, for what stands in files; what is not there is a name in capitals, to be
    filled in.  stated: with the fields that are written even at their default.
    """
    leaves = _written(value, "flag", leave=leave, stated=stated)
    return [word for kind, leaf, item in leaves for word in kind.argv(leaf, item, files or {})]


def from_argv(of: type, arguments: Namespace, at: At, *names: str) -> dict[str, Any]:
    """The fields (of these names, or all) that the options of a namespace give."""

    def read(kind: Kind, leaf: Leaf) -> Any:
        return kind.from_argv(leaf, arguments, at)

    return _read(of, "flag", read, functools.partial(given, arguments), names)


# --- addresses and sessions ---------------------------------------------------------------------


def to_query(value: Any) -> dict[str, str]:
    """The parameters of a value, without those at their default."""
    found: dict[str, str] = {}
    for kind, leaf, item in _written(value, "param"):
        found |= kind.query(leaf, item)
    return found


def from_query(
    of: type, query: Mapping[str, str], at: At, wrong: list[str] | None = None
) -> dict[str, Any]:
    """The fields that an address gives; InputError names the parameter that is no value.

    wrong: takes the names of parameters that cannot be followed, and of values out of range; these
    are then left out instead.
    """

    def read(kind: Kind, leaf: Leaf) -> Any:
        try:
            value = kind.from_query(leaf, query, at)
            if wrong is None or value is UNSET or kind.fits(value, at.vocab_size):
                return value
        except InputError:
            if wrong is None:
                raise
        wrong.append(leaf.param)
        return UNSET

    return _read(of, "param", read)


def to_session(value: Any) -> dict[str, Any]:
    """The values of a session's keys, the widgets' among them; every one, defaults too."""
    found: dict[str, Any] = {}
    for kind, leaf, item in _written(value, "widget", usual=True):
        found |= kind.session(leaf, item)
    return found


def from_session(of: type, session: Mapping[str, Any], at: At) -> dict[str, Any]:
    """The fields that a session's keys give."""

    def read(kind: Kind, leaf: Leaf) -> Any:
        return kind.from_session(leaf, session, at) if leaf.widget in session else UNSET

    return _read(of, "widget", read)
