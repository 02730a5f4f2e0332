"""Dataclass fields with their forms on a command line, in an address and in a session of widgets.

A field is declared once: `alpha: Annotated[float, Leaf(...)] = 0.5`. The functions here iterate
over the fields of a class; none of them names a field.
"""

from __future__ import annotations

import functools
import sys
import types
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from vocabtrim_core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from vocabtrim_core.counts import TokenCounts

UNSET = object()  # the value of a field that a form leaves out


@dataclass(frozen=True, slots=True)
class At:
    """The context in which values are read.

    Attributes:
        vocab_size: V, where the values depend on it.
        counts: The counts, where the values depend on them.
    """

    vocab_size: int = 0
    counts: TokenCounts | None = None


def _text(leaf: Leaf, text: str) -> Any:
    return text


def _any(value: Any, vocab_size: int) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one kind are read and written; subclasses change what differs.

    Attributes:
        metavar: Name of the option's value in the help.
        parse: Option text -> value; raises `argparse.ArgumentTypeError`.
        show: Value -> option text.
        link: Parameter text in an address -> value; raises `InputError`.
        fits: Whether a value is in range, given V.
        keywords: Further arguments of argparse's `add_argument`.
    """

    metavar: str | None = None
    parse: Callable[[str], Any] = str
    show: Callable[[Any], str] = str
    link: Callable[[Leaf, str], Any] = _text
    fits: Callable[[Any, int], bool] = _any
    keywords: tuple[tuple[str, Any], ...] = ()

    # command lines

    def add(self, to: Any, leaf: Leaf, default: Any, omit_defaults: bool) -> None:
        """Declare the option.

        Args:
            to: The parser, or a group of one.
            leaf: The field's leaf.
            default: The field's default.
            omit_defaults: None instead of the default where the option is not given.
        """
        has_default = default not in (None, "", (), frozenset())
        shown = self.words(default) if has_default else leaf.unset
        to.add_argument(
            leaf.flag,
            type=self.parse,
            default=default if has_default and not omit_defaults else None,
            metavar=leaf.metavar or self.metavar,
            help=f"{leaf.help} (default {shown})" if shown else leaf.help,
            **dict(self.keywords),
        )

    def words(self, value: Any) -> str:
        """Write a value for people.

        Args:
            value: A value of this kind.

        Returns:
            Its text in the help.
        """
        return self.show(value)

    def dests(self, leaf: Leaf) -> list[str]:
        """List the names in a namespace.

        Args:
            leaf: The field's leaf.

        Returns:
            Attribute names, one for each option.
        """
        return [leaf.dest]

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """Write the option with its value.

        Args:
            leaf: The field's leaf.
            value: The value.
            files: Option -> path, for values that an option takes from a file.

        Returns:
            Words of a command line.
        """
        text = self.show(value)
        return [f"{leaf.flag}={text}"] if text.startswith("-") else [leaf.flag, text]

    def from_argv(self, leaf: Leaf, arguments: Namespace, at: At) -> Any:
        """Read the value of the option.

        Args:
            leaf: The field's leaf.
            arguments: The parsed command line.
            at: The context of the value.

        Returns:
            The value, UNSET where the option is not given.
        """
        value = getattr(arguments, leaf.dest, None)
        return UNSET if value is None else self.resolve(value, at)

    def resolve(self, value: Any, at: At) -> Any:
        """Turn an option's value into the field's, such as a file into its content.

        Args:
            value: The value as `parse` gives it.
            at: The context of the value.

        Returns:
            The field's value.
        """
        return value

    # addresses

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        """Write the parameters of an address.

        Args:
            leaf: The field's leaf.
            value: The value.

        Returns:
            Parameter -> text.
        """
        return {leaf.param: self.show(value)}

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: At) -> Any:
        """Read the value from the parameters of an address.

        Args:
            leaf: The field's leaf.
            query: Parameter -> text.
            at: The context of the value.

        Returns:
            The value, UNSET without the parameter. InputError of `link` names the parameter.
        """
        return self.link(leaf, query[leaf.param]) if leaf.param in query else UNSET

    # sessions

    def session(self, leaf: Leaf, value: Any) -> dict[str, Any]:
        """Write the values of widgets.

        Args:
            leaf: The field's leaf.
            value: The value.

        Returns:
            Session key -> value of the widget.
        """
        return {leaf.widget: value}

    def from_session(self, leaf: Leaf, session: Mapping[str, Any], at: At) -> Any:
        """Read the value from the values of widgets.

        Args:
            leaf: The field's leaf.
            session: Session key -> value of the widget, with the key of this field.
            at: The context of the value.

        Returns:
            The field's value.
        """
        return session[leaf.widget]


@dataclass(frozen=True, slots=True)
class Leaf:
    """How a field is written. A form leaves the field out where its name in that form is empty.

    Attributes:
        kind: How its values are read and written.
        flag: Its option, such as '--alpha'.
        param: Its parameter in an address.
        help: Its help text; of a part, 'title; description' of the group of options.
        key: Its key in a session of widgets, by default the parameter.
        unset: What None stands for, in the help.
        metavar: Name of the option's value in the help, by default that of the kind.
        stated: Whether it is written even at its default.
        later: Whether JSON leaves it out at its default, as files do from before the field existed.
        part: The class of the field, where its fields are read and written instead.
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
        """The key in a session."""
        return self.key or self.param

    @property
    def dest(self) -> str:
        """The name in an argparse namespace."""
        return self.flag.strip("-").replace("-", "_")


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


def given(arguments: Namespace, of: type) -> bool:
    """Tell whether any of a dataclass's own options is given.

    Args:
        arguments: The command line, parsed with `omit_defaults`.
        of: The dataclass.

    Returns:
        True if one is not None.
    """
    return any(getattr(arguments, name, None) is not None for name in options_of(of))


def refuse(arguments: Namespace, names: Sequence[str], why: str) -> None:
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


def from_argv(of: type, arguments: Namespace, at: At, *names: str) -> dict[str, Any]:
    """Read the fields of a dataclass that the options of a command line give.

    Args:
        of: The dataclass.
        arguments: The parsed command line.
        at: The context of the values.
        *names: The fields to read, all by default.

    Returns:
        Field name -> value, without the options that are not given.
    """

    def read(kind: Kind, leaf: Leaf) -> Any:
        return kind.from_argv(leaf, arguments, at)

    return _read(of, "flag", read, functools.partial(given, arguments), names)


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
    of: type, query: Mapping[str, str], at: At, wrong: list[str] | None = None
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


def from_session(of: type, session: Mapping[str, Any], at: At) -> dict[str, Any]:
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
