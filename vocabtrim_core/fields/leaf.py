"""Dataclass fields that know how they stand on a command line, in an address and in widgets.

A field is declared once: `alpha: Annotated[float, Leaf(…)] = 0.5`. The functions here walk over
the fields of a class; none of them knows a field by name.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, get_type_hints

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from vocabtrim_core.counts import TokenCounts
    from vocabtrim_core.fields.kinds import Kind

UNSET = object()  # what a form does not say


@dataclass(frozen=True, slots=True)
class At:
    """Where values are read: over which V, and on which counts where these matter."""

    vocab_size: int
    counts: TokenCounts | None = None


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
def table(of: type) -> tuple[tuple[dataclasses.Field[Any], Leaf], ...]:
    """The fields of a class that have a leaf, in their order."""
    hints = get_type_hints(of, include_extras=True)
    marks = ((field, getattr(hints[field.name], "__metadata__", ())) for field in fields(of))
    return tuple((field, *about) for field, about in marks if about)


# --- command lines ------------------------------------------------------------------------------


def add_options(to: Any, of: type, *names: str, given: bool = False) -> None:
    """Options for these fields of a class (all by default), on a parser or a group of one.

    given: None where an option is not given, instead of the field's default.
    """
    for field, about in table(of):
        if names and field.name not in names:
            continue
        if about.flag and about.kind:
            about.kind.add(to, about, field.default, given)
        elif about.part:
            group = to.add_argument_group(*about.help.split("; ")) if about.help else to
            add_options(group, about.part, given=given)


def options_of(of: type, leave: Sequence[str] = ()) -> list[str]:
    """The names in a namespace of a class's options."""
    found = []
    for field, about in table(of):
        if about.flag and about.kind and field.name not in leave:
            found += about.kind.dests(about)
        elif about.part and not about.flag:
            found += options_of(about.part, leave)
    return found


def refuse(arguments: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """InputError where any of these arguments is given; {flags} in `why` names them."""
    given = [name for name in names if getattr(arguments, name, None) not in (None, "")]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
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
    found: list[str] = []
    for field, about in table(type(value)):
        item = getattr(value, field.name)
        usual = item == field.default and not (stated and about.stated)
        if usual or field.name in leave:
            continue
        if about.flag and about.kind:
            found += about.kind.argv(about, item, files or {})
        elif about.part:
            found += to_argv(item, files, leave=leave, stated=stated)
    return found


def from_argv(of: type, arguments: argparse.Namespace, at: At, *names: str) -> dict[str, Any]:
    """The fields (of these names, or all) that the options of a namespace give."""
    found: dict[str, Any] = {}
    for field, about in table(of):
        if names and field.name not in names:
            continue
        if about.flag and about.kind:
            _put(found, field.name, about.kind.from_argv(about, arguments, at))
        elif about.part and (field.default is MISSING or given(arguments, about.part)):
            found[field.name] = about.part(**from_argv(about.part, arguments, at))
    return found


def given(arguments: argparse.Namespace, of: type) -> bool:
    """Whether any option of a class is given."""
    return any(getattr(arguments, name, None) is not None for name in options_of(of))


def _put(found: dict[str, Any], name: str, value: Any) -> None:
    if value is not UNSET:
        found[name] = value


# --- addresses and sessions ---------------------------------------------------------------------


def to_query(value: Any) -> dict[str, str]:
    """The parameters of a value, without those at their default."""
    found: dict[str, str] = {}
    for field, about in table(type(value)):
        item = getattr(value, field.name)
        if item == field.default and not about.stated:
            continue
        if about.param and about.kind:
            found |= about.kind.query(about, item)
        elif about.part:
            found |= to_query(item)
    return found


def from_query(
    of: type, query: Mapping[str, str], at: At, wrong: list[str] | None = None
) -> dict[str, Any]:
    """The fields that an address gives; InputError names the parameter that is no value.

    wrong: takes the names of parameters that cannot be followed, and of values out of range; these
    are then left out instead.
    """
    found: dict[str, Any] = {}
    for field, about in table(of):
        if about.param and about.kind:
            try:
                value = about.kind.from_query(about, query, at)
                if wrong is not None and value is not UNSET and not about.kind.fits(value, at):
                    raise InputError(f"{about.param} is out of range.")
            except InputError:
                if wrong is None:
                    raise
                wrong.append(about.param)
            else:
                _put(found, field.name, value)
        elif about.part:
            found[field.name] = about.part(**from_query(about.part, query, at, wrong))
    return found


def to_session(value: Any) -> dict[str, Any]:
    """The values of a session's keys, the widgets' among them; every one, defaults too."""
    found: dict[str, Any] = {}
    for field, about in table(type(value)):
        item = getattr(value, field.name)
        if about.widget:
            found |= about.kind.session(about, item) if about.kind else {about.widget: item}
        elif about.part:
            found |= to_session(item)
    return found


def from_session(of: type, session: Mapping[str, Any], at: At) -> dict[str, Any]:
    """The fields that a session's keys give."""
    found: dict[str, Any] = {}
    for field, about in table(of):
        if about.widget and about.widget in session:
            item = session[about.widget]
            value = about.kind.from_session(about, session, at) if about.kind else item
            found[field.name] = value
        elif about.part and not about.widget:
            found[field.name] = about.part(**from_session(about.part, session, at))
    return found
