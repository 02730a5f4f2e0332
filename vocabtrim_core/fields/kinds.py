"""Kinds of values: how each is read from text and written again, digit for digit."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import builtins_of
from vocabtrim_core.fields.leaf import UNSET, Kind, Leaf, ReadContext

GROUPED = re.compile(r"\s*[+-]?\d{1,3}(,\d{3})+\s*")


def integer(text: str) -> int:
    """Read a whole number.

    Args:
        text: The number as people write it: 13264, 13,264 or 13_264.

    Returns:
        The number.

    Raises:
        ArgumentTypeError: The text is no whole number.
    """
    try:
        if "," in text and not GROUPED.fullmatch(text):  # a list, such as 1,2,3
            raise ValueError
        return int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """Read a finite number.

    Args:
        text: The number, such as 0.5 or 1e-4.

    Returns:
        The number.

    Raises:
        ArgumentTypeError: The text is no number, or is nan or inf.
    """
    try:
        value = float(text)
        if value - value == 0:
            return value
    except ValueError:
        pass
    raise ArgumentTypeError(f"{text!r} is not a number")


def pair(text: str) -> tuple[int, float]:
    """Read a size with its value.

    Args:
        text: K=VALUE.

    Returns:
        (k, value).

    Raises:
        ArgumentTypeError: The text is no such pair.
    """
    left, equals, right = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r} is not K=VALUE, such as 13264=2.65")
    return integer(left), number(right)


def budget(text: str) -> tuple[str, int]:
    """Read a script with its number of tokens.

    Args:
        text: SCRIPT=N.

    Returns:
        (script, n).

    Raises:
        ArgumentTypeError: The text is no such pair.
    """
    script, equals, many = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r} is not SCRIPT=N, such as cjk=2000")
    return script, integer(many)


def digits(value: float, places: int = 0) -> str:
    """Write a number digit for digit, without an exponent.

    Args:
        value: The number.
        places: The number is multiplied by 10 ** places, exactly.

    Returns:
        Its shortest decimal text that reads as the same number.
    """
    return f"{Decimal(repr(float(value))).scaleb(places).normalize():f}"


def percent_of(share: float) -> float:
    """Turn a share into percent, exactly in decimal.

    Args:
        share: Such as 0.937.

    Returns:
        Such as 93.7.
    """
    return float(digits(share, 2))


def share_of(percent: float) -> float:
    """Turn percent into a share, exactly in decimal.

    Args:
        percent: Such as 93.7.

    Returns:
        Such as 0.937.
    """
    return float(digits(percent, -2))


def _decimal(leaf: Leaf, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise InputError(f"The link's {leaf.param} must be a number, not {text!r}.")
    return value


def _whole(leaf: Leaf, text: str) -> Any:
    if text and not text.isdecimal():
        raise InputError(f"The link's {leaf.param} must be a whole number, not {text!r}.")
    return int(text) if text else UNSET


class Share(Kind):
    """A share within 0..1, in percent in addresses and widgets."""

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        """See `Kind.query`."""
        return {leaf.param: digits(value, 2)}

    def session(self, leaf: Leaf, value: Any) -> dict[str, Any]:
        """See `Kind.session`."""
        return {leaf.widget: percent_of(value)}

    def from_session(self, leaf: Leaf, session: Mapping[str, Any], at: ReadContext) -> Any:
        """See `Kind.from_session`."""
        return share_of(session[leaf.widget])


class Flag(Kind):
    """A switch without a value: the field's other value than its default."""

    def add(self, to: Any, leaf: Leaf, default: Any, omit_defaults: bool) -> None:
        """See `Kind.add`."""
        to.add_argument(
            leaf.flag,
            action="store_true",
            default=None if omit_defaults else False,
            help=leaf.help,
        )

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """See `Kind.argv`."""
        return [leaf.flag]

    def from_argv(self, leaf: Leaf, arguments: Namespace, at: ReadContext) -> Any:
        """See `Kind.from_argv`; a switch that begins with --no- gives False."""
        given = getattr(arguments, leaf.dest, None)
        return not leaf.flag.startswith("--no-") if given else UNSET


class Several(Kind):
    """Several values of a kind after one option, as a tuple."""

    def words(self, value: Any) -> str:
        """See `Kind.words`."""
        return " ".join(map(self.show, value))

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """See `Kind.argv`."""
        return [leaf.flag, *map(self.show, value)] if value else []

    def resolve(self, value: Any, at: ReadContext) -> Any:
        """See `Kind.resolve`."""
        return tuple(value)


class Repeated(Several):
    """Values of an option that is given once for each, as a tuple."""

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """See `Kind.argv`."""
        return [f"{leaf.flag}={self.show(item)}" for item in value]


class SmallWholes(Several):
    """Small whole numbers, with commas or spaces between them; the option may be repeated.

    A namespace holds the texts, because what a repeated option gives is added to its default.
    """

    def add(self, to: Any, leaf: Leaf, default: Any, omit_defaults: bool) -> None:
        """See `Kind.add`; the default is in the help alone."""
        shown = self.words(default)
        to.add_argument(
            leaf.flag,
            type=self.parse,
            metavar=leaf.metavar or self.metavar,
            help=f"{leaf.help} (default {shown})",
            **dict(self.keywords),
        )

    def resolve(self, value: Any, at: ReadContext) -> Any:
        """See `Kind.resolve`; different numbers, in the order given."""
        numbers = (integer(part) for text in value for part in text.split(","))
        return tuple(dict.fromkeys(numbers))


def _listed_wholes(text: str) -> str:
    parts = text.replace(" ", "").split(",")
    return ",".join(str(integer(part)) for part in parts)


class Key(Kind):
    """The key of counts; its option takes a key or a file, as `find_counts` does."""

    def resolve(self, value: Any, at: ReadContext) -> Any:
        """See `Kind.resolve`."""
        from vocabtrim_core.counts_store import find_counts

        return find_counts(value).key


class Keys(Several):
    """Keys of counts, with commas between them in addresses."""

    def resolve(self, value: Any, at: ReadContext) -> Any:
        """See `Kind.resolve`."""
        return tuple(KEY.resolve(spec, at) for spec in value)

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        """See `Kind.query`."""
        return {leaf.param: ",".join(value)}


class File(Kind):
    """A value that an option takes from a file."""

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """See `Kind.argv`."""
        return [leaf.flag, str(files.get(leaf.flag, leaf.dest.upper()))]


def json_of(of: Any) -> Kind:
    """Make the kind of values that are JSON in addresses, and themselves in sessions.

    Args:
        of: Their type, as msgspec decodes it.

    Returns:
        The kind. Its `link` raises InputError for text that is no JSON of that type.
    """

    def read(leaf: Leaf, text: str) -> Any:
        try:
            return msgspec.json.decode(text, type=of)
        except msgspec.DecodeError as error:
            raise InputError(f"The link's {leaf.param} cannot be read ({error}).") from error

    return Kind(show=lambda value: msgspec.json.encode(builtins_of(value)).decode(), link=read)


def one_of(*choices: str) -> Kind:
    """Make the kind of a text that is one of a few.

    Args:
        *choices: The texts that the option takes.

    Returns:
        The kind.
    """
    return Kind(keywords=(("choices", choices),))


def _named(pair: tuple[object, float]) -> str:
    left, right = pair
    return f"{left}={digits(right)}"


ONE_OR_MORE = (("nargs", "+"),)
MANY = (*ONE_OR_MORE, ("action", "extend"))
TEXT, WHOLE = Kind("TEXT"), Kind("N", integer, link=_whole)
FLAG, WHOLES = Flag(), Several("N", integer, keywords=ONE_OR_MORE)
SMALL_WHOLES = SmallWholes("N", _listed_wholes, keywords=MANY)
REPEATED = Repeated("TEXT", keywords=(("action", "append"),))
SIZE = replace(WHOLE, metavar="K", fits=lambda value, size: value is None or 1 <= value <= size)
NUMBER = Kind(None, number, digits, lambda leaf, text: float(_decimal(leaf, text)))
WEIGHT = replace(NUMBER, fits=lambda value, size: 0 <= value <= 1)
SHARE = Share(
    "SHARE", number, digits, lambda leaf, text: float(_decimal(leaf, text).scaleb(-2)), WEIGHT.fits
)
PAIRS = Several("K=VALUE", pair, _named, keywords=MANY)
BUDGETS = Several("SCRIPT=N", budget, _named, keywords=MANY)
NAMES, NUMBERS = Several("NAME", keywords=MANY), Several("N", number, digits, keywords=MANY)
KEY = Key("COUNTS")
KEYS = Keys("COUNTS", link=lambda leaf, text: tuple(filter(None, text.split(","))), keywords=MANY)
JSON = json_of(Any)
