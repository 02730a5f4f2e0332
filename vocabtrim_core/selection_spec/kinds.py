"""Pins and own tokens in commands, addresses and sessions."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from vocabtrim_core.errors import InputError
from vocabtrim_core.fields.codec import from_argv
from vocabtrim_core.fields.kinds import JSON, File, Several, integer
from vocabtrim_core.fields.leaf import UNSET, Leaf, ReadContext
from vocabtrim_core.selection_spec.draft_kind import BYTES, DRAFT
from vocabtrim_core.selection_spec.settings import OwnTokens, Pin, Settings

FIRST = 5  # settings before a draft's shapes in a packed pin; newer settings follow them


class Pins(Several):
    """Pinned choices: only their k in commands; packed, one list of values each, in addresses."""

    def argv(self, leaf: Leaf, value: Any, files: Mapping[str, str | Path]) -> list[str]:
        """See `Kind.argv`."""
        ks = (str(pin.settings.k) for pin in value if pin.settings.k)
        return [part for k in ks for part in (leaf.flag, k)]

    def from_argv(self, leaf: Leaf, arguments: Namespace, at: ReadContext) -> Any:
        """See `Kind.from_argv`; without counts, UNSET."""
        if getattr(arguments, "pin", None) is None or at.counts is None:
            return UNSET
        plain = vars(arguments) | dict.fromkeys(("min_coverage", "k_min", "k_max"))
        settings = (
            from_argv(Settings, Namespace(**plain | {"k": k}), context=at) for k in arguments.pin
        )
        return tuple(Pin(at.counts.key, at.counts.name, Settings(**values)) for values in settings)

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        """See `Kind.query`."""
        return {leaf.param: JSON.show([_packed(pin) for pin in value])}

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: ReadContext) -> Any:
        """Read packed pins.

        Args:
            leaf: The field's leaf.
            query: Parameter -> text.
            at: The context of the values.

        Returns:
            The pins, UNSET without the parameter.

        Raises:
            InputError: The parameter is no list of packed pins.
        """
        if leaf.param not in query:
            return UNSET
        try:
            rows = msgspec.json.decode(query[leaf.param], type=list[list[Any]])
            return tuple(_unpacked(row, at) for row in rows)
        except (msgspec.DecodeError, ValueError) as error:
            raise InputError(f"The link's {leaf.param} cannot be read ({error}).") from error


def _packed(pin: Pin) -> list[Any]:
    draft = DRAFT.query(Leaf(), pin.settings.architecture)
    if any(name in draft for name in BYTES):
        draft["shape"] = JSON.show(pin.settings.architecture)
    numbers = [getattr(pin.settings, field.name) for field in fields(pin.settings)[1:]]
    head = [pin.counts, pin.name, draft.get("draft", ""), "fusion" not in draft]
    return [*head, *numbers[:FIRST], draft.get("shape", ""), *numbers[FIRST:]]


def _unpacked(row: list[Any], at: ReadContext) -> Pin:
    """Unpack a pin; ValueError for a list that is none."""
    counts, name, draft, fusion, *numbers = row
    shape = numbers.pop(FIRST) if len(numbers) > FIRST else ""
    query = {"draft": draft, "fusion": "true" if fusion else "false", "shape": shape}
    architecture = msgspec.to_builtins(DRAFT.from_query(Leaf(), query, at))
    names = [field.name for field in fields(Settings)[1:]]
    settings = {"architecture": architecture, **dict(zip(names, numbers, strict=False))}
    return msgspec.convert({"counts": counts, "name": name, "settings": settings}, Pin)


class Own(File):
    """Tokens that no size gives: a file in commands, a sha256 in addresses.

    Thousands of ids are too many for an address; the workspace stores the tokens by their sha256.
    """

    def resolve(self, value: Any, at: ReadContext) -> Any:
        """Read the tokens of a file, and keep them in the workspace for links.

        Args:
            value: The path.
            at: The counts, whose V the tokens must have.

        Returns:
            The tokens.

        Raises:
            InputError: The file is no sound vocabulary for the counts.
        """
        from vocabtrim_core.mappings.imported import valid_mapping_for
        from vocabtrim_core.mappings.store import keep

        assert at.counts
        mapping = valid_mapping_for(value, at.counts)
        about = mapping.about or f"imported from {mapping.name} ({mapping.kind})"
        keep(mapping.vocabulary, at.counts, about)
        return OwnTokens.of(mapping.vocabulary, about)

    def query(self, leaf: Leaf, value: Any) -> dict[str, str]:
        """See `Kind.query`."""
        return {leaf.param: "true"}

    def from_query(self, leaf: Leaf, query: Mapping[str, str], at: ReadContext) -> Any:
        """Find the tokens in the workspace by the sha256 in the address.

        Args:
            leaf: The field's leaf.
            query: Parameter -> text; `ids` holds the first digits of the sha256.
            at: The counts.

        Returns:
            The tokens, UNSET without the parameter or without counts.

        Raises:
            InputError: The workspace does not have them.
        """
        from vocabtrim_core.mappings.store import find

        if leaf.param not in query or at.counts is None:
            return UNSET
        mapping = find(query.get("ids", ""), at.counts)
        if mapping is None:
            raise InputError(
                f"The link is about the vocabulary {query.get('ids') or '(none)'}, which is not in "
                "this workspace; open its choice.json, which holds the tokens."
            )
        return OwnTokens.of(mapping.vocabulary, mapping.about)


PINS, OWN = Pins("K", integer, keywords=(("action", "append"),)), Own("FILE", Path)
