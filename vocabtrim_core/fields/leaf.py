"""Dataclass fields with their forms on a command line, in an address and in a session of widgets.

A field is declared once: `alpha: Annotated[float, Leaf(...)] = 0.5`; `codec` reads and writes it.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from vocabtrim_core.counts import TokenCounts

UNSET = object()  # the value of a field that a form leaves out


@dataclass(frozen=True, slots=True)
class ReadContext:
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

    def from_argv(self, leaf: Leaf, arguments: Namespace, at: ReadContext) -> Any:
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

    def resolve(self, value: Any, at: ReadContext) -> Any:
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

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: ReadContext) -> Any:
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

    def from_session(self, leaf: Leaf, session: Mapping[str, Any], at: ReadContext) -> Any:
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
