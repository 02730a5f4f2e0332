"""A choice as the parameters of a link, and back. Names are those of the app's own controls.

Counts, and vocabularies of one's own, travel by key, so a link opens where they are. Floors are in
percent there, as on the slider.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from vocabtrim_core.choice import (
    NO_FORECAST,
    ForecastSettings,
    OwnTokens,
    Pin,
    SavedChoice,
    Settings,
)
from vocabtrim_core.counts import TokenCounts
from vocabtrim_core.draft_cost import PRESETS, DraftArchitecture, with_vocab_size
from vocabtrim_core.errors import InputError
from vocabtrim_core.id_runs import from_runs, to_runs
from vocabtrim_core.mappings import stored
from vocabtrim_core.selection.selection import Rules

Packed = tuple[str, str, str, bool, float, float, int | None, int, int | None, str]


def to_query(choice: SavedChoice) -> dict[str, str]:
    """The parameters; those at their default are left out."""
    settings, rules = choice.settings, choice.rules
    draft, fusion, shape = _names(settings.architecture)
    found: dict[str, str | None] = {
        "counts": choice.counts.key,
        "alpha": repr(settings.alpha),
        "floor": _shifted(settings.floor, 2) if settings.floor else None,
        "k": _text(settings.k),
        "draft": draft,
        "fusion": None if fusion else "false",
        "shape": shape or None,
        "kmin": _text(settings.k_min) if settings.k_min != 1 else None,
        "kmax": _text(settings.k_max),
        "protect": to_runs(rules.protected) or None,
        "exclude": to_runs(rules.excluded) or None,
        "multiple": _text(rules.multiple) if rules.multiple != 1 else None,
        "pins": _json([_packed(pin) for pin in choice.pins]) if choice.pins else None,
        "note": choice.note or None,
        "forecast": _json(choice.forecast) if choice.forecast != NO_FORECAST else None,
        "own": "true" if choice.own else None,
        "ids": choice.vocabulary_sha256[:16],
    }
    return {name: value for name, value in found.items() if value is not None}


def from_query(query: Mapping[str, str], counts: TokenCounts) -> SavedChoice:
    """The choice of a link, made again on the counts it names.

    InputError, naming the parameter, for anything that is no such link, and when the counts or the
    result are not those of the link.
    """
    key = query.get("counts", "")
    if key != counts.key:
        raise InputError(f"The link is about the counts {key or '(none)'}, not {counts.key}.")
    settings = Settings(
        _architecture(query, counts.vocab_size),
        _number(query, "alpha", 0.5),
        float(_decimal(query, "floor") / 100),
        _integer(query, "k"),
        _integer(query, "kmin") or 1,
        _integer(query, "kmax"),
    )
    keep, drop = (
        from_runs(query.get(name, ""), f"The link's {name}") for name in ("protect", "exclude")
    )
    rules = Rules(keep, drop, _integer(query, "multiple") or 1)
    pins = _read(query, "pins", tuple[Packed, ...], ())
    choice = SavedChoice.make(
        counts,
        settings,
        rules=rules,
        own=_own(query, counts) if "own" in query else None,
        pins=tuple(_unpacked(pin, counts.vocab_size) for pin in pins),
        note=query.get("note", ""),
        forecast=_read(query, "forecast", ForecastSettings, NO_FORECAST),
    )
    if not choice.vocabulary_sha256.startswith(query.get("ids", "")):
        raise InputError(
            f"The link names other tokens than its settings give ({choice.k:,} of them); it was "
            "edited, or made by another version. Choose again."
        )
    return choice


def _own(query: Mapping[str, str], counts: TokenCounts) -> OwnTokens:
    """Thousands of ids are too many for an address: it names them, the workspace holds them."""
    found = stored.find(query.get("ids", ""), counts)
    if found is None:
        raise InputError(
            f"The link is about the vocabulary {query.get('ids') or '(none)'}, which is not in "
            "this workspace; open its choice.json, which holds the tokens."
        )
    return OwnTokens.of(found.vocabulary, found.about)


# --- drafts and pins ----------------------------------------------------------------------------


def _names(architecture: DraftArchitecture) -> tuple[str, bool, str]:
    """Name, whether the fusion is charged per step, and all shapes unless a preset gives them."""
    preset = PRESETS.get(architecture.name)
    fusion = architecture.fusion_per_step
    if preset is not None:
        known = with_vocab_size(preset, architecture.vocab_size)
        if replace(known, fusion_per_step=fusion) == architecture:
            return architecture.name, fusion, ""
    return architecture.name, fusion, _json(architecture)


def _architecture(query: Mapping[str, str], vocab_size: int) -> DraftArchitecture:
    return _named(
        query.get("draft", ""), query.get("fusion") != "false", query.get("shape", ""), vocab_size
    )


def _named(name: str, fusion: bool, shape: str, vocab_size: int) -> DraftArchitecture:
    if shape:
        return _read({"shape": shape}, "shape", DraftArchitecture, None)
    if name not in PRESETS:
        raise InputError(f"The link's draft {name!r} is no draft architecture known by name.")
    return replace(with_vocab_size(PRESETS[name], vocab_size), fusion_per_step=fusion)


def _packed(pin: Pin) -> Packed:
    s = pin.settings
    draft, fusion, shape = _names(s.architecture)
    return (pin.counts, pin.name, draft, fusion, s.alpha, s.floor, s.k, s.k_min, s.k_max, shape)


def _unpacked(packed: Packed, vocab_size: int) -> Pin:
    counts, name, draft, fusion, alpha, floor, k, k_min, k_max, shape = packed
    architecture = _named(draft, fusion, shape, vocab_size)
    return Pin(counts, name, Settings(architecture, alpha, floor, k, k_min, k_max))


# --- numbers and ids ----------------------------------------------------------------------------


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _shifted(value: float, places: int) -> str:
    """The number times 10 ** places, digit for digit."""
    return f"{Decimal(repr(value)).scaleb(places).normalize():f}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _integer(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if text and not text.isdecimal():
        raise InputError(f"The link's {name} must be a whole number, not {text!r}.")
    return int(text) if text else None


def _decimal(query: Mapping[str, str], name: str) -> Decimal:
    text = query.get(name, "0")
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise InputError(f"The link's {name} must be a number, not {text!r}.")
    return value


def _number(query: Mapping[str, str], name: str, default: float) -> float:
    return float(_decimal(query, name)) if name in query else default


def _read(query: Mapping[str, str], name: str, kind: Any, default: Any) -> Any:
    if name not in query:
        return default
    try:
        return msgspec.json.decode(query[name], type=kind)
    except msgspec.DecodeError as error:
        raise InputError(f"The link's {name} cannot be read ({error}).") from error
