"""Pins and own tokens in commands, addresses and sessions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import Json, Kind, integer
from vocabtrim_core.fields.leaf import UNSET, At, Leaf, from_argv
from vocabtrim_core.selection_spec.draft_kind import DRAFT
from vocabtrim_core.selection_spec.settings import OwnTokens, Pin, Settings


class Pins(Kind):
    """Pinned choices: their k alone in commands; packed, a list of values each, in addresses."""

    metavar = "K"

    def keywords(self) -> dict[str, Any]:
        return {"type": integer, "action": "append"}

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        return [
            part for pin in value if pin.settings.k for part in (leaf.flag, str(pin.settings.k))
        ]

    def from_argv(self, leaf: Leaf, arguments: argparse.Namespace, at: At) -> Any:
        if leaf.dest not in arguments or arguments.pin is None or at.counts is None:
            return UNSET
        kept = {name: None for name in ("min_coverage", "k", "k_min", "k_max")}
        plain = argparse.Namespace(**vars(arguments) | kept)
        found = from_argv(Settings, plain, at)
        return tuple(
            Pin(at.counts.key, at.counts.name, Settings(**found, k=k)) for k in arguments.pin
        )

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        return {leaf.param: Json(None).text([_packed(pin) for pin in value])}

    def from_text(self, leaf: Leaf, text: str, at: At) -> Any:
        rows = Json(list[list[Any]]).from_text(leaf, text, at)
        return tuple(_unpacked(leaf, row, at) for row in rows)


FIRST = 5  # settings that stand before a draft's shapes; later ones follow them


def _packed(pin: Any) -> list[Any]:
    draft = DRAFT.query(Leaf(), pin.settings.architecture)
    numbers = [getattr(pin.settings, field.name) for field in fields(pin.settings)[1:]]
    head = [pin.counts, pin.name, draft["draft"], "fusion" not in draft]
    return [*head, *numbers[:FIRST], draft.get("shape", ""), *numbers[FIRST:]]


def _unpacked(leaf: Leaf, row: list[Any], at: At) -> Any:
    if len(row) < 5 + FIRST:
        raise InputError(f"The link's {leaf.param} cannot be read ({len(row)} values of a pin).")
    counts, name, draft, fusion, *numbers = row
    query = {"draft": draft, "fusion": "true" if fusion else "false", "shape": numbers.pop(FIRST)}
    names = [field.name for field in fields(Settings)[1:]]
    values = dict(zip(names, numbers, strict=False))
    try:
        known = DRAFT.from_query(Leaf(), query, at)
        return msgspec.convert(
            {"counts": counts, "name": name,
             "settings": {"architecture": msgspec.to_builtins(known), **values}}, Pin,
        )  # fmt: skip
    except msgspec.ValidationError as error:
        raise InputError(f"The link's {leaf.param} cannot be read ({error}).") from error


class Own(Kind):
    """Tokens of one's own: a file in commands; by their sha256 in addresses, which the workspace
    has the tokens of (thousands of ids are too many for an address)."""

    metavar = "FILE"

    def parse(self, text: str) -> Path:
        return Path(text)

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        return [leaf.flag, str(files.get(leaf.flag, leaf.dest.upper()))]

    def from_argv(self, leaf: Leaf, arguments: argparse.Namespace, at: At) -> Any:
        """The tokens of the file; kept in the workspace, where links look for them."""
        path = getattr(arguments, leaf.dest, None)
        if path is None or at.counts is None:
            return UNSET
        from vocabtrim_core.mappings.importing import sound_for
        from vocabtrim_core.mappings.stored import keep

        found = sound_for(path, at.counts)
        about = found.about or f"imported from {found.name} ({found.kind})"
        keep(found.vocabulary, at.counts, about)
        return OwnTokens.of(found.vocabulary, about)

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        return {leaf.param: "true"}

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: At) -> Any:
        from vocabtrim_core.mappings.stored import find

        if leaf.param not in query or at.counts is None:
            return UNSET
        found = find(query.get("ids", ""), at.counts)
        if found is None:
            raise InputError(
                f"The link is about the vocabulary {query.get('ids') or '(none)'}, which is not in "
                "this workspace; open its choice.json, which holds the tokens."
            )
        return OwnTokens.of(found.vocabulary, found.about)


PINS, OWN = Pins(), Own()
