"""Kinds of values: how each is read from text and written again, digit for digit."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.leaf import UNSET, At, Kind, Leaf


def integer(text: str) -> int:
    """A whole number, as people write it: 13264, 13,264 or 13_264."""
    try:
        return int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """A plain number (nan and inf are none)."""
    try:
        value = float(text)
        if value - value == 0:
            return value
    except ValueError:
        pass
    raise ArgumentTypeError(f"{text!r} is not a number")


def pair(text: str) -> tuple[int, float]:
    """K=VALUE as (k, value)."""
    left, equals, right = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r} is not K=VALUE, such as 13264=2.65")
    return integer(left), number(right)


def budget(text: str) -> tuple[str, int]:
    """SCRIPT=N as (script, n)."""
    script, equals, many = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text!r} is not SCRIPT=N, such as cjk=2000")
    return script, integer(many)


def digits(value: float, places: int = 0) -> str:
    """A number times 10 ** places, digit for digit and without an exponent."""
    return f"{Decimal(repr(float(value))).scaleb(places).normalize():f}"


def percent_of(share: float) -> float:
    """0.937 -> 93.7, exact in decimal."""
    return float(digits(share, 2))


def share_of(percent: float) -> float:
    """93.7 -> 0.937, exact in decimal."""
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
        return {leaf.param: digits(value, 2)}

    def session(self, leaf: Leaf, value: Any) -> dict[str, Any]:
        return {leaf.widget: percent_of(value)}

    def from_session(self, leaf: Leaf, session: Mapping[str, Any], at: At) -> Any:
        return share_of(session[leaf.widget])


class Several(Kind):
    """Several values of a kind after one option, as a tuple."""

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        return [leaf.flag, *map(self.show, value)] if value else []

    def found(self, value: Any, at: At) -> Any:
        return tuple(value)


class Key(Kind):
    """The key of counts; its option takes whatever `find_counts` takes."""

    def found(self, value: Any, at: At) -> Any:
        from vocabtrim_core.counts_store import find_counts

        return find_counts(value).key


class Keys(Several):
    """Keys of counts, with commas between them in addresses."""

    def found(self, value: Any, at: At) -> Any:
        return tuple(KEY.found(each, at) for each in value)

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        return {leaf.param: ",".join(value)}


class File(Kind):
    """What stands in a file for options."""

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        return [leaf.flag, str(files.get(leaf.flag, leaf.dest.upper()))]


def json_of(of: Any) -> Kind:
    """Whole values of a type, as JSON in addresses and as they are in sessions."""

    def read(leaf: Leaf, text: str) -> Any:
        try:
            return msgspec.json.decode(text, type=of)
        except msgspec.DecodeError as error:
            raise InputError(f"The link's {leaf.param} cannot be read ({error}).") from error

    return Kind(show=lambda value: msgspec.json.encode(value).decode(), link=read)


def _named(pair: tuple[object, float]) -> str:
    left, right = pair
    return f"{left}={digits(right)}"


MANY = (("nargs", "+"), ("action", "extend"))
TEXT, WHOLE, FILE = Kind("TEXT"), Kind("N", integer, link=_whole), File("FILE", Path)
SIZE = replace(WHOLE, metavar="K", fits=lambda value, size: value is None or 1 <= value <= size)
NUMBER = Kind(None, number, digits, lambda leaf, text: float(_decimal(leaf, text)))
WEIGHT = replace(NUMBER, fits=lambda value, size: 0 <= value <= 1)
SHARE = Share(
    "SHARE", number, digits, lambda leaf, text: float(_decimal(leaf, text).scaleb(-2)), WEIGHT.fits
)
PAIRS = Several("K=VALUE", pair, _named, more=MANY)
BUDGETS = Several("SCRIPT=N", budget, _named, more=MANY)
NAMES, NUMBERS = Several("NAME", more=MANY), Several("N", number, digits, more=MANY)
KEY = Key("COUNTS")
KEYS = Keys("COUNTS", link=lambda leaf, text: tuple(filter(None, text.split(","))), more=MANY)
JSON = json_of(Any)
