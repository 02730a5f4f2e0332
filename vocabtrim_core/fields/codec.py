"""Dataclasses as options, as parameters of an address, as values of widgets and as JSON.

The functions iterate over the fields of a class that have a `Leaf`; none of them names a field.
"""

from __future__ import annotations

import functools
import sys
import types
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.leaf import UNSET, Kind, Leaf, ReadContext

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")
NO_CONTEXT = ReadContext()


@functools.cache
def table(of: type) -> tuple[tuple[Field[Any], Leaf], ...]:
    """List the fields of a dataclass that have a leaf.

    Args:
        of: The dataclass.

    Returns:
        (field, leaf) in the order of the fields.
    """
    # Annotations of other fields are left alone: they may name what only type checkers import.
    marked = [field for field in fields(of) if str(field.type).startswith("Annotated[")]
    only = types.SimpleNamespace(__annotations__={field.name: field.type for field in marked})
    names = vars(sys.modules[of.__module__])
    hints = get_type_hints(only, names, include_extras=True)
    marks = ((field, hints[field.name].__metadata__) for field in marked)
    return tuple((field, *leaves) for field, leaves in marks)


def builtins_of(value: Any) -> Any:
    """Turn a value into what JSON holds, without fields that came later and are at their default.

    Args:
        value: A dataclass, whose fields may be dataclasses again, or any other value.

    Returns:
        Builtin values; mappings are sorted.
    """
    if isinstance(value, tuple):
        return [builtins_of(item) for item in value]
    content = msgspec.to_builtins(value, order="deterministic")
    if not is_dataclass(value):
        return content
    later = {field.name for field, leaf in table(type(value)) if leaf.later}
    for field in fields(value):
        item = getattr(value, field.name)
        if field.name in later and item == field.default:
            del content[field.name]
        elif is_dataclass(item) or isinstance(item, tuple):
            content[field.name] = builtins_of(item)
    return content


def _written(
    value: Any, form: str, *, leave: Sequence[str] = (), stated: bool = True, defaults: bool = False
) -> Iterator[tuple[Kind, Leaf, Any]]:
    """List the fields that a form writes.

    Args:
        value: The instance of the dataclass.
        form: "flag", "param" or "widget".
        leave: Names of fields to leave out.
        stated: Include the fields that are written even at their default.
        defaults: Include every field at its default.

    Yields:
        Kind, leaf and value of each.
    """
    for field, leaf in table(type(value)):
        item = getattr(value, field.name)
        skipped = item == field.default and not defaults and not (stated and leaf.stated)
        if skipped or field.name in leave:
            continue
        if leaf.kind and getattr(leaf, form):
            yield leaf.kind, leaf, item
        elif leaf.part:
            yield from _written(item, form, leave=leave, stated=stated, defaults=defaults)


def _read(
    of: type,
    form: str,
    read: Callable[[Kind, Leaf], Any],
    is_given: Callable[[type], bool] = bool,
    names: Sequence[str] = (),
) -> dict[str, Any]:
    """Read the fields that a form gives.

    Args:
        of: The dataclass.
        form: "flag", "param" or "widget".
        read: Reads a value, UNSET where the form leaves it out.
        is_given: Whether the form gives any field of a part; called for parts with a default.
        names: The fields to read, all by default.

    Returns:
        Field name -> value.
    """
    values: dict[str, Any] = {}
    for field, leaf in table(of):
        if names and field.name not in names:
            continue
        if leaf.kind and getattr(leaf, form):
            value = read(leaf.kind, leaf)
            if value is not UNSET:
                values[field.name] = value
        elif leaf.part and (field.default is MISSING or is_given(leaf.part)):
            values[field.name] = leaf.part(**_read(leaf.part, form, read, is_given))
    return values


# --- command lines ------------------------------------------------------------------------------


def add_options(to: Any, of: type, *names: str, omit_defaults: bool = False) -> None:
    """Declare the options of a dataclass.

    Args:
        to: The parser, or a group of one.
        of: The dataclass.
        *names: The fields, all by default.
        omit_defaults: None in the namespace where an option is not given, instead of the default.
    """
    for field, leaf in table(of):
        if leaf.kind and leaf.flag and (field.name in names or not names):
            leaf.kind.add(to, leaf, field.default, omit_defaults)
        elif leaf.part and not names:
            group = to.add_argument_group(*leaf.help.split("; ")) if leaf.help else to
            add_options(group, leaf.part, omit_defaults=omit_defaults)


def options_of(of: type) -> list[str]:
    """List the names in a namespace of a dataclass's own options.

    Args:
        of: The dataclass; options of its parts are not among them.

    Returns:
        Attribute names.
    """
    leaves = (leaf for _, leaf in table(of) if leaf.flag)
    return [name for leaf in leaves if leaf.kind for name in leaf.kind.dests(leaf)]


def has_any_option(arguments: Namespace, of: type) -> bool:
    """Tell whether any of a dataclass's own options is given.

    Args:
        arguments: The command line, parsed with `omit_defaults`.
        of: The dataclass.

    Returns:
        True if one is not None.
    """
    return any(getattr(arguments, name, None) is not None for name in options_of(of))


def refuse_options(arguments: Namespace, names: Sequence[str], why: str) -> None:
    """Refuse options that contradict another one.

    Args:
        arguments: The parsed command line.
        names: Attribute names of the options that must not be given.
        why: Start of the sentence; {flags} stands for the options that are given.

    Raises:
        InputError: One of them is given.
    """
    present = [name for name in names if getattr(arguments, name, None) not in (None, "")]
    if present:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in present)
        raise InputError(f"{why.format(flags=flags)}; leave out one of the two.")


def to_argv(
    value: Any,
    files: Mapping[str, str | Path] | None = None,
    *,
    leave: Sequence[str] = (),
    stated: bool = False,
) -> list[str]:
    """Write a dataclass as options; values at their default are left out.

    Args:
        value: The instance.
        files: Option -> path, for values that an option takes from a file. A file that is not there
            is written as a name in capitals, to be filled in.
        leave: Names of fields to leave out.
        stated: Include the fields that are written even at their default.

    Returns:
        Words of a command line.
    """
    leaves = _written(value, "flag", leave=leave, stated=stated)
    return [word for kind, leaf, item in leaves for word in kind.argv(leaf, item, files or {})]


def from_argv(
    of: type, arguments: Namespace, *names: str, context: ReadContext = NO_CONTEXT
) -> dict[str, Any]:
    """Read the fields of a dataclass that the options of a command line give.

    Args:
        of: The dataclass.
        arguments: The parsed command line.
        *names: The fields to read, all by default.
        context: The context of the values.

    Returns:
        Field name -> value, without the options that are not given.
    """

    def read(kind: Kind, leaf: Leaf) -> Any:
        return kind.from_argv(leaf, arguments, context)

    return _read(of, "flag", read, functools.partial(has_any_option, arguments), names)


def parsed(
    of: type[T], arguments: Namespace, context: ReadContext = NO_CONTEXT, **others: Any
) -> T:
    """Make a dataclass of the options of a command line.

    Args:
        of: The dataclass.
        arguments: The parsed command line.
        context: The context of the values.
        **others: Fields without an option, or instead of it.

    Returns:
        The instance; what is not given is at its default.
    """
    return of(**from_argv(of, arguments, context=context) | others)


# --- addresses and sessions ---------------------------------------------------------------------


def to_query(value: Any) -> dict[str, str]:
    """Write a dataclass as parameters of an address; values at their default are left out.

    Args:
        value: The instance.

    Returns:
        Parameter -> text.
    """
    query: dict[str, str] = {}
    for kind, leaf, item in _written(value, "param"):
        query |= kind.query(leaf, item)
    return query


def from_query(
    of: type, query: Mapping[str, str], at: ReadContext, wrong: list[str] | None = None
) -> dict[str, Any]:
    """Read the fields of a dataclass that the parameters of an address give.

    Args:
        of: The dataclass.
        query: Parameter -> text.
        at: The context of the values; V decides which ones are in range.
        wrong: A list that takes the names of parameters that cannot be read or are out of range;
            these are then left out instead of raising.

    Returns:
        Field name -> value.

    Raises:
        InputError: A parameter cannot be read and `wrong` is None.
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
    """Write a dataclass as the values of widgets, defaults included.

    Args:
        value: The instance.

    Returns:
        Session key -> value.
    """
    session: dict[str, Any] = {}
    for kind, leaf, item in _written(value, "widget", defaults=True):
        session |= kind.session(leaf, item)
    return session


def from_session(of: type, session: Mapping[str, Any], at: ReadContext) -> dict[str, Any]:
    """Read the fields of a dataclass that the values of widgets give.

    Args:
        of: The dataclass.
        session: Session key -> value.
        at: The context of the values.

    Returns:
        Field name -> value.
    """

    def read(kind: Kind, leaf: Leaf) -> Any:
        return kind.from_session(leaf, session, at) if leaf.widget in session else UNSET

    return _read(of, "widget", read)
