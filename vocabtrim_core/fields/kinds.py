"""Kinds of values: how each is read from text and written again, digit for digit."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.leaf import UNSET, At, Leaf


def integer(text: str) -> int:
    """A whole number, as people write it: 13264, 13,264 or 13_264."""
    try:
        return int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """A plain number (nan and inf are none)."""
    try:
        value = float(text)
        if value - value == 0:
            return value
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a number")


def pair(text: str) -> tuple[int, float]:
    """K=VALUE as (k, value)."""
    left, equals, right = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not K=VALUE, such as 13264=2.65")
    return integer(left), number(right)


def budget(text: str) -> tuple[str, int]:
    """SCRIPT=N as (script, n)."""
    script, equals, many = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not SCRIPT=N, such as cjk=2000")
    return script, integer(many)


def digits(value: float, places: int = 0) -> str:
    """A number times 10 ** places, digit for digit and without an exponent."""
    return f"{Decimal(repr(value)).scaleb(places).normalize():f}"


def percent_of(share: float) -> float:
    """0.937 -> 93.7, exact in decimal."""
    return float(digits(float(share), 2))


def share_of(percent: float) -> float:
    """93.7 -> 0.937, exact in decimal."""
    return float(digits(float(percent), -2))


class Kind:
    """A text: one option, one parameter, one widget. Other kinds change what differs."""

    metavar: str | None = None

    def parse(self, text: str) -> Any:
        """From an option; argparse.ArgumentTypeError for what is none."""
        return text

    def text(self, value: Any) -> str:
        """For an option, digit for digit."""
        return str(value)

    def fits(self, value: Any, at: At) -> bool:
        """Whether a value is within its range."""
        return True

    # --- command lines

    def add(self, to: Any, leaf: Leaf, default: Any, given: bool) -> None:
        """Declare the option on a parser or group."""
        usual = default not in (None, "", (), frozenset())
        shown = self.text(default) if usual else leaf.unset
        to.add_argument(
            leaf.flag,
            default=default if usual and not given else None,
            metavar=leaf.metavar or self.metavar,
            help=f"{leaf.help} (default {shown})" if shown else leaf.help,
            **self.keywords(),
        )

    def keywords(self) -> dict[str, Any]:
        """How argparse reads the option."""
        return {"type": self.parse}

    def dests(self, leaf: Leaf) -> list[str]:
        """Its names in a namespace."""
        return [leaf.dest]

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """The option with its value."""
        text = self.text(value)
        return [f"{leaf.flag}={text}"] if text.startswith("-") else [leaf.flag, text]

    def from_argv(self, leaf: Leaf, arguments: argparse.Namespace, at: At) -> Any:
        """The value, UNSET without the option."""
        value = getattr(arguments, leaf.dest, None)
        return UNSET if value is None else value

    # --- addresses

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        """The parameter with its value."""
        return {leaf.param: self.text(value)}

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: At) -> Any:
        """The value, UNSET without the parameter; InputError names the parameter."""
        text = query.get(leaf.param)
        return UNSET if text is None else self.from_text(leaf, text, at)

    def from_text(self, leaf: Leaf, text: str, at: At) -> Any:
        """From the text of a parameter."""
        return text

    # --- sessions

    def session(self, leaf: Leaf, value: Any) -> dict[str, Any]:
        """The widget with its value."""
        return {leaf.widget: value}

    def from_session(self, leaf: Leaf, session: Mapping[str, Any], at: At) -> Any:
        """The value again."""
        return session[leaf.widget]


class Whole(Kind):
    """A whole number."""

    metavar = "N"

    def parse(self, text: str) -> int:
        return integer(text)

    def from_text(self, leaf: Leaf, text: str, at: At) -> Any:
        if text and not text.isdecimal():
            raise InputError(f"The link's {leaf.param} must be a whole number, not {text!r}.")
        return int(text) if text else UNSET


class Size(Whole):
    """A number of tokens, 1..V."""

    metavar = "K"

    def fits(self, value: Any, at: At) -> bool:
        return value is None or 1 <= value <= at.vocab_size


class Number(Kind):
    """A number."""

    def parse(self, text: str) -> float:
        return number(text)

    def text(self, value: Any) -> str:
        return digits(float(value))

    def from_text(self, leaf: Leaf, text: str, at: At) -> Any:
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite():
            raise InputError(f"The link's {leaf.param} must be a number, not {text!r}.")
        return float(value)


class Weight(Number):
    """A number within 0..1."""

    def fits(self, value: Any, at: At) -> bool:
        return 0 <= value <= 1


class Share(Weight):
    """A share within 0..1, in percent in addresses and widgets."""

    metavar = "SHARE"

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        return {leaf.param: digits(value, 2)}

    def from_text(self, leaf: Leaf, text: str, at: At) -> Any:
        super().from_text(leaf, text, at)
        return float(Decimal(text).scaleb(-2))

    def session(self, leaf: Leaf, value: Any) -> dict[str, Any]:
        return {leaf.widget: percent_of(value)}

    def from_session(self, leaf: Leaf, session: Mapping[str, Any], at: At) -> Any:
        return share_of(session[leaf.widget])


class Several(Kind):
    """Several values of a kind after one option, as a tuple."""

    def __init__(self, each: Any = str, show: Any = str) -> None:
        self.each, self.show = each, show

    def keywords(self) -> dict[str, Any]:
        return {"type": self.each, "nargs": "+", "action": "extend"}

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        return [leaf.flag, *map(self.show, value)] if value else []

    def from_argv(self, leaf: Leaf, arguments: argparse.Namespace, at: At) -> Any:
        value = getattr(arguments, leaf.dest, None)
        return UNSET if value is None else tuple(value)


def named(pair: tuple[object, float]) -> str:
    """(k, value) as K=VALUE."""
    left, right = pair
    return f"{left}={digits(right) if isinstance(right, float) else right}"


PAIRS, BUDGETS = Several(pair, named), Several(budget, named)
NAMES, NUMBERS = Several(), Several(number, digits)


class Keys(Several):
    """Keys of counts; options take whatever `find_counts` takes."""

    metavar = "COUNTS"

    def from_argv(self, leaf: Leaf, arguments: argparse.Namespace, at: At) -> Any:
        from vocabtrim_core.workspace import find_counts

        specs = getattr(arguments, leaf.dest, None)
        return UNSET if specs is None else tuple(find_counts(spec).key for spec in specs)

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        return {leaf.param: ",".join(value)}

    def from_text(self, leaf: Leaf, text: str, at: At) -> Any:
        return tuple(filter(None, text.split(",")))


class Key(Kind):
    """The key of counts; its option takes whatever `find_counts` takes."""

    metavar = "COUNTS"

    def from_argv(self, leaf: Leaf, arguments: argparse.Namespace, at: At) -> Any:
        from vocabtrim_core.workspace import find_counts

        spec = getattr(arguments, leaf.dest, None)
        return UNSET if spec is None else find_counts(spec).key


class Ids(Kind):
    """A set of token ids: in a file for options, as runs 3,10-19 in addresses."""

    metavar = "FILE"

    def parse(self, text: str) -> Path:
        return Path(text)

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        return [leaf.flag, str(files.get(leaf.flag, leaf.dest.upper()))]

    def from_argv(self, leaf: Leaf, arguments: argparse.Namespace, at: At) -> Any:
        from vocabtrim_core.selection.protect import listed_ids

        path = getattr(arguments, leaf.dest, None)
        return UNSET if path is None else frozenset(listed_ids(path, None, at.vocab_size).tolist())

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        from vocabtrim_core.id_runs import to_runs

        return {leaf.param: to_runs(value)}

    def from_text(self, leaf: Leaf, text: str, at: At) -> Any:
        from vocabtrim_core.id_runs import from_runs

        return from_runs(text, f"The link's {leaf.param}")


class Json(Kind):
    """A whole value of a type, as JSON in addresses and as it is in sessions."""

    def __init__(self, of: Any) -> None:
        self.of = of

    def text(self, value: Any) -> str:
        return msgspec.json.encode(value).decode()

    def from_text(self, leaf: Leaf, text: str, at: At) -> Any:
        try:
            return msgspec.json.decode(text, type=self.of)
        except msgspec.DecodeError as error:
            raise InputError(f"The link's {leaf.param} cannot be read ({error}).") from error


TEXT, WHOLE, SIZE, NUMBER, WEIGHT, SHARE, IDS, KEY, KEYS = (
    Kind(), Whole(), Size(), Number(), Weight(), Share(), Ids(), Key(), Keys(),
)  # fmt: skip
