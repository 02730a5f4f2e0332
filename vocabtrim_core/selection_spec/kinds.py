"""Pins and own tokens in commands, addresses and sessions."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.kinds import JSON, File, Several, integer
from vocabtrim_core.fields.leaf import UNSET, At, Leaf, from_argv
from vocabtrim_core.selection_spec.draft_kind import DRAFT
from vocabtrim_core.selection_spec.settings import OwnTokens, Pin, Settings

FIRST = 5  # settings that stand before a draft's shapes in a packed pin; later ones follow them


class Pins(Several):
    """Pinned choices: their k alone in commands; packed, a list of values each, in addresses."""

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        ks = (str(pin.settings.k) for pin in value if pin.settings.k)
        return [part for k in ks for part in (leaf.flag, k)]

    def from_argv(self, leaf: Leaf, arguments: Namespace, at: At) -> Any:
        if getattr(arguments, "pin", None) is None or at.counts is None:
            return UNSET
        plain = Namespace(**vars(arguments) | dict.fromkeys(("min_coverage", "k_min", "k_max")))
        made = (from_argv(Settings, Namespace(**vars(plain) | {"k": k}), at) for k in arguments.pin)
        return tuple(Pin(at.counts.key, at.counts.name, Settings(**found)) for found in made)

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        return {leaf.param: JSON.show([_packed(pin) for pin in value])}

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: At) -> Any:
        if leaf.param not in query:
            return UNSET
        try:
            rows = msgspec.json.decode(query[leaf.param], type=list[list[Any]])
            return tuple(_unpacked(row, at) for row in rows)
        except (msgspec.DecodeError, ValueError) as error:
            raise InputError(f"The link's {leaf.param} cannot be read ({error}).") from error


def _packed(pin: Pin) -> list[Any]:
    draft = DRAFT.query(Leaf(), pin.settings.architecture)
    numbers = [getattr(pin.settings, field.name) for field in fields(pin.settings)[1:]]
    head = [pin.counts, pin.name, draft["draft"], "fusion" not in draft]
    return [*head, *numbers[:FIRST], draft.get("shape", ""), *numbers[FIRST:]]


def _unpacked(row: list[Any], at: At) -> Pin:
    """ValueError for what is no packed pin."""
    counts, name, draft, fusion, *numbers = row
    shape = numbers.pop(FIRST) if len(numbers) > FIRST else ""
    query = {"draft": draft, "fusion": "true" if fusion else "false", "shape": shape}
    known = msgspec.to_builtins(DRAFT.from_query(Leaf(), query, at))
    names = [field.name for field in fields(Settings)[1:]]
    settings = {"architecture": known, **dict(zip(names, numbers, strict=False))}
    return msgspec.convert({"counts": counts, "name": name, "settings": settings}, Pin)


class Own(File):
    """Tokens of one's own: a file in commands; by their sha256 in addresses, which the workspace
    has the tokens of (thousands of ids are too many for an address)."""

    def resolve(self, value: Any, at: At) -> Any:
        """The tokens of the file; kept in the workspace, where links look for them."""
        from vocabtrim_core.mappings.importing import sound_for
        from vocabtrim_core.mappings.store import keep

        assert at.counts
        found = sound_for(value, at.counts)
        about = found.about or f"imported from {found.name} ({found.kind})"
        keep(found.vocabulary, at.counts, about)
        return OwnTokens.of(found.vocabulary, about)

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        return {leaf.param: "true"}

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: At) -> Any:
        from vocabtrim_core.mappings.store import find

        if leaf.param not in query or at.counts is None:
            return UNSET
        found = find(query.get("ids", ""), at.counts)
        if found is None:
            raise InputError(
                f"The link is about the vocabulary {query.get('ids') or '(none)'}, which is not in "
                "this workspace; open its choice.json, which holds the tokens."
            )
        return OwnTokens.of(found.vocabulary, found.about)


PINS, OWN = Pins("K", integer, more=(("action", "append"),)), Own("FILE", Path)
